// SPDX-License-Identifier: GPL-2.0

//! A bound TDI: a device interface of the TDX module's.

use crate::{
    device::Device,
    mapping::Mapping,
    module::{
        status,
        Module, //
    },
    tdisp::Interface, //
};
use kernel::prelude::*;
use pci_tsm::{
    link_tsm::{
        Faltered,
        LinkTdi,
        TdiIdentity, //
    },
    patience::Patience,
    transport::FirmwareTransport, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::granule::Granule;
use tsm_wire::{
    object::ObjectType,
    refusal::{
        Refusal,
        Refused, //
    },
    request::{
        MmioRange,
        Regen, //
    },
    tdi::{
        TdiState,
        Transition, //
    },
    tdx::{
        devif::{
            DevifId,
            TdispCode,
            TdispState, //
        },
        dmar::{
            invalidate_subject,
            pasid_entry,
            INVALIDATE_PASID_ENTRY,
            PASID_TABLE_ENTRY,
            WAIT_DESCRIPTOR, //
        },
        status::Operand,
        td::GLOBAL_HKID,
        Leaf,
        StandIn,
        Status,
        IOMMU_ID, //
    },
    uapi::NONCE_LEN, //
};

/// How often the module is asked to let a TDI go: an answer may be lost, a device may need a second
/// word.
const UNBIND_ATTEMPTS: u32 = 3;
/// Ranges of MMIO that a TDI may have in its VM.
const MAPPINGS_MAX: usize = 256;

/// Pages that a device interface is made of: its own, and those for messages.
struct Pages<'f> {
    root: Granule<'f>,
    guest: Granule<'f>,
    host: Granule<'f>,
}

/// A device interface.
pub(crate) struct Devif<'t, 'a, 'f, T: FirmwareTransport<'f>> {
    interface: Interface<'t, 'a, 'f, T>,
    /// The module's, until they are given back in the end.
    pages: Option<Pages<'f>>,
    created: bool,
    /// The device may have a way to the memory of the TD, or the beginning of one.
    dma: bool,
    /// It was locked, and not unlocked since then.
    locked: bool,
    /// Sessions that were lost before it was locked.
    lost: u32,
    /// MMIO that is in the TD.
    mapped: KVec<Mapping>,
}

impl<'t, 'a, 'f, T: FirmwareTransport<'f>> Devif<'t, 'a, 'f, T> {
    /// Makes it and locks it.
    pub(crate) fn bind(
        device: &'t Device<'a, 'f, T>,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<Self, Refused> {
        let tdx = device.tdx;
        let module = &tdx.module;
        // whoever had the device before may have blocked it
        device.mend_stream(&mut patience)?;
        let tdr = tdx.tds.join(module, &patience, who.vm)?;
        let mut devif = Devif {
            interface: Interface {
                device,
                function: u64::from(who.function.dev_id()),
                tdr,
            },
            pages: None,
            created: false,
            dma: false,
            locked: false,
            lost: 0,
            mapped: KVec::new(),
        };
        // from here on, dropping it undoes what was done
        devif.create(&mut patience)?;
        devif.lock(evidence, &mut patience)?;
        Ok(devif)
    }

    fn device(&self) -> &'t Device<'a, 'f, T> {
        self.interface.device
    }

    fn module(&self) -> &'t Module<'f, T> {
        &self.interface.device.tdx.module
    }

    fn create(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        let module = self.module();
        let pages = self.pages.insert(Pages {
            root: module.page()?,
            guest: module.page()?,
            host: module.page()?,
        });
        let id = DevifId {
            iommu: IOMMU_ID as u16,
            stream: self.interface.device.stream_id(),
            kind: 0,
            function: self.interface.function as u32,
        };
        let operands = [
            id.raw(),
            self.interface.tdr,
            pages.root.bus_address(),
            pages.guest.bus_address(),
            pages.host.bus_address(),
        ];
        // whatever comes back: it may be that the answer alone was lost
        self.created = true;
        let device = self.interface.device;
        let made = device.in_session(patience, Operand::Rcx, |patience| {
            module.call(patience, Leaf::DevifCreate, &operands)
        });
        // nothing happened, and nobody waits for more
        self.created = !is_signal(&made);
        made?;
        Ok(())
    }

    /// Locks it, and has the report for the guest to examine; a TDI without one is not locked.
    fn lock(&mut self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        // what an unlock could not get rid of
        self.clear(patience)?;
        let locked = self.lock_only(patience).and_then(|()| {
            self.lost = self.device().lost();
            self.validate(patience)?;
            self.interface.report(evidence, patience)
        });
        self.locked = locked.is_ok();
        if locked.is_err() {
            let mut undo = patience.undo();
            // as long as no message was sent the device is as it was
            if patience.is_committed()
                && matches!(
                    self.interface.state(&mut undo),
                    Ok(TdispState::Locked | TdispState::Run)
                )
            {
                let _ = self.stop(&mut undo);
            }
            let _ = self.end_dma(&undo);
        }
        locked
    }

    fn lock_only(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        let [low, high] = PASID_TABLE_ENTRY;
        let operands = [self.entry(), low, high];
        let added = self.module().call(patience, Leaf::DmarAdd, &operands);
        self.dma = !is_signal(&added);
        added?;
        // whoever had the device before may have lost its answer, or not waited for it
        if self.interface.state(patience)? != TdispState::Unlocked {
            self.stop(patience)?;
        }
        self.interface
            .ask(patience, TdispCode::Lock, TdispCode::Locked)?;
        self.interface.expect(TdispState::Locked, patience)
    }

    /// The guest trusts the device: that is the emulation's part, which has the hash from the same
    /// source as the host.
    fn validate(&self, patience: &Patience) -> Result<(), Refused> {
        let [h0, h1, h2, h3, h4, h5] = self.device().hash;
        let operands = [self.interface.function, h0, h1, h2, h3, h4, h5];
        self.interface
            .as_guest(patience, StandIn::DevifValidate, &operands)?;
        Ok(())
    }

    /// Starts it; the guest lets the device reach its memory before.
    fn run(&self, patience: &mut Patience) -> Result<(), Refused> {
        let function = [self.interface.function];
        let accepted = self
            .interface
            .as_guest(patience, StandIn::DmarAccept, &function);
        match accepted {
            // it did so before, when it was not started
            Err(refused) if status(&refused) != Some(Status::DmarInvalidMappingState) => {
                return Err(refused)
            }
            _ => {}
        }
        self.interface.start(patience)?;
        self.interface.expect(TdispState::Run, patience)
    }

    fn stop(&self, patience: &mut Patience) -> Result<(), Refused> {
        self.interface
            .ask(patience, TdispCode::Stop, TdispCode::Stopped)?;
        self.interface.expect(TdispState::Unlocked, patience)
    }

    /// Unlocks it, and takes the way to the memory and the MMIO of the TD away.
    fn unlock(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        self.stop(patience)?;
        self.locked = false;
        self.clear(patience)
    }

    /// Takes away what an unlocked interface has no use for.
    fn clear(&mut self, patience: &Patience) -> Result<(), Refused> {
        let dma = self.end_dma(patience);
        let mut mmio = Ok(());
        for mapping in &mut self.mapped {
            mmio = mmio.and(mapping.unmap(&self.interface, patience));
        }
        // what the module does not let go is tried again later
        self.mapped.retain(|mapping| !mapping.is_gone());
        dma.and(mmio)
    }

    /// The entry of the DMA remapping tables.
    fn entry(&self) -> u64 {
        pasid_entry(IOMMU_ID, self.interface.function as u16)
    }

    fn end_dma(&mut self, patience: &Patience) -> Result<(), Refused> {
        if !self.dma {
            return Ok(());
        }
        let [blocked, queued, processed, removed] = self.remove_entry(patience);
        let outcome = blocked.and(queued).and(processed).and(removed);
        let gone = outcome.is_ok() || {
            // a word may have been lost: what is not blocked after this is not there
            let [_, _, _, removed] = self.remove_entry(patience);
            match removed {
                Ok(()) => true,
                Err(refused) => status(&refused) == Some(Status::DmarInvalidMappingState),
            }
        };
        self.dma = !gone;
        outcome
    }

    fn remove_entry(&self, patience: &Patience) -> [Result<(), Refused>; 4] {
        let module = self.module();
        let call = |leaf, operands: &[u64]| module.call(patience, leaf, operands).map(|_| ());
        // where the IOMMU says that it has done it; nobody needs to look
        let written = self.device().at_desk(|desk| desk.paper.bus_address());
        let invalidate = [
            IOMMU_ID,
            INVALIDATE_PASID_ENTRY,
            invalidate_subject(self.interface.function as u16),
            WAIT_DESCRIPTOR,
            written,
        ];
        let entry = [self.entry()];
        [
            call(Leaf::DmarBlock, &entry),
            call(Leaf::IqInvRequest, &invalidate),
            call(Leaf::IqInvProcess, &[IOMMU_ID]),
            call(Leaf::DmarRemove, &entry),
        ]
    }

    /// What became of the TDI in an operation that failed.
    fn faltered(&self, refused: Refused, patience: &Patience) -> Faltered {
        if refused.why == Refusal::Signal || !patience.is_committed() {
            // no message was sent, and nothing else changes a state
            return refused.into();
        }
        let state = match self.interface.state(&mut patience.undo()) {
            Ok(TdispState::Unlocked) => TdiState::Unlocked,
            _ if self.device().lost() != self.lost => TdiState::Error,
            Ok(TdispState::Locked) => TdiState::Locked,
            Ok(TdispState::Run) => TdiState::Run,
            Ok(TdispState::Error) | Err(_) => TdiState::Error,
        };
        Faltered {
            refused,
            state: Some(state),
        }
    }

    /// Unlocks and removes it, as far as the module and the device let us.
    fn unbind(&mut self, patience: &Patience) {
        let function = [self.interface.function];
        for left in (0..UNBIND_ATTEMPTS).rev() {
            let mut patience = *patience;
            let unlocked = if core::mem::take(&mut self.locked) {
                // no need to ask what it is
                self.stop(&mut patience).is_ok()
            } else {
                match self.interface.state(&mut patience) {
                    Ok(TdispState::Unlocked) => true,
                    // it was never made, or is removed already
                    Err(refused) if status(&refused) == Some(Status::DevifmtNotPresent) => return,
                    _ => self.stop(&mut patience).is_ok(),
                }
            };
            if !unlocked && left != 0 {
                continue;
            }
            if !unlocked {
                // a device that does not say that it is unlocked loses its link, and everybody who
                // uses it with it, until all of them are unbound; then the module lets go
                self.device().block_stream(&patience);
            }
            let _ = self.clear(&patience);
            if self
                .module()
                .call(&patience, Leaf::DevifRemove, &function)
                .is_ok()
            {
                break;
            }
        }
    }
}

impl<'f, T: FirmwareTransport<'f>> LinkTdi for Devif<'_, '_, 'f, T> {
    fn transition(
        &mut self,
        step: Transition,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<(), Faltered> {
        let done = match step {
            Transition::Lock => self.lock(evidence, &mut patience),
            Transition::Run => self.run(&mut patience),
            Transition::Unlock => self.unlock(&mut patience),
        };
        done.map_err(|refused| {
            let mut faltered = self.faltered(refused, &patience);
            // one that runs does not become a locked one: what it is then nobody knows
            if matches!(step, Transition::Unlock) && faltered.state == Some(TdiState::Locked) {
                faltered.state = Some(TdiState::Error);
            }
            faltered
        })
    }

    fn regen(
        &mut self,
        regen: Regen,
        nonce: Option<[u8; NONCE_LEN]>,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<(), Faltered> {
        let done = match regen.object {
            ObjectType::InterfaceReport => self.interface.report(evidence, &mut patience),
            _ => {
                let device = self.device();
                device.measure(regen.raw, nonce, evidence, &mut patience)
            }
        };
        done.map_err(|refused| self.faltered(refused, &patience))
    }

    fn validate_mmio(&mut self, range: MmioRange, patience: Patience) -> Result<(), Faltered> {
        let known = self.mapped.iter().position(|m| m.is_part_of(&range));
        let index = match known {
            Some(index) => index,
            None if self.mapped.len() >= MAPPINGS_MAX => return Err(Refusal::Memory.into()),
            None => {
                let mapping = Mapping::new(range);
                self.mapped
                    .push(mapping, GFP_KERNEL)
                    .map_err(|_| Refusal::Memory)?;
                self.mapped.len() - 1
            }
        };
        let mapping = self.mapped.get_mut(index).ok_or(Refusal::Memory)?;
        let mapped = mapping.map(&self.interface, &patience);
        if mapping.is_gone() {
            // the first page was refused already
            let _ = mapping.unmap(&self.interface, &patience.undo());
            let _ = self.mapped.remove(index);
        }
        // no message is sent: the device stays in its state whatever comes of it
        Ok(mapped?)
    }
}

impl<'f, T: FirmwareTransport<'f>> Drop for Devif<'_, '_, 'f, T> {
    fn drop(&mut self) {
        let patience = Patience::end();
        let tdx = self.interface.device.tdx;
        let tdr = self.interface.tdr;
        if self.created {
            self.unbind(&patience);
        }
        let mut all = true;
        if let Some(pages) = self.pages.take() {
            if self.created {
                // what is part of a device interface still is not given back
                for page in [pages.root, pages.guest, pages.host] {
                    all &= tdx.module.take_back(&patience, page, GLOBAL_HKID);
                }
            }
        }
        if all {
            tdx.tds.leave(&tdx.module, &patience, tdr);
        } else {
            tdx.tds.abandon(tdr);
        }
    }
}

/// Did a signal come before anything happened?
fn is_signal<R>(made: &Result<R, Refused>) -> bool {
    matches!(made, Err(refused) if refused.why == Refusal::Signal)
}
