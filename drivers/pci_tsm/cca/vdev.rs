// SPDX-License-Identifier: GPL-2.0

//! A bound TDI: a VDEV of the RMM.

use crate::{
    communicate::Party,
    pdev::Pdev,
    rmm::{
        is_status,
        Rmm, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    pci,
    prelude::*, //
};
use pci_tsm::{
    link_tsm::{
        Faltered,
        LinkTdi,
        TdiIdentity, //
    },
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::{
    bar,
    granule::Granule, //
};
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
    rmi::{
        rtt::{
            RangeDesc,
            FLAG_OUTPUT_SINGLE, //
        },
        vdev::{
            ADDR_RANGE_MAX,
            MEASURE_FLAG_RAW, //
        },
        AddrRange,
        Fid,
        Status,
        VdevMeasureParams,
        VdevParams,
        VdevState,
        GRANULE_SIZE, //
    },
    tdi::{
        TdiState,
        Transition, //
    },
    uapi::NONCE_LEN, //
};
use zerocopy::IntoBytes;

/// How often the RMM is asked to let a TDI go: an answer may be lost, a device may need a second
/// word.
const UNBIND_ATTEMPTS: u32 = 3;
/// Ranges of MMIO that a TDI may have in its VM.
const MAPPINGS_MAX: usize = 256;

/// A VDEV.
pub(crate) struct Vdev<'t, 'a, 'f, T: FirmwareTransport<'f>> {
    pdev: &'t Pdev<'a, 'f, T>,
    rd: u64,
    /// The RMM's, until it is given back in the end.
    granule: Option<Granule<'f>>,
    address: u64,
    created: bool,
    /// MMIO that is in the VM.
    mapped: KVec<MmioRange>,
}

impl<'t, 'a, 'f, T: FirmwareTransport<'f>> Vdev<'t, 'a, 'f, T> {
    /// Makes it and locks it.
    pub(crate) fn bind(
        pdev: &'t Pdev<'a, 'f, T>,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<Self, Refused> {
        let rmm = &pdev.cca.rmm;
        let rd = pdev.cca.realms.join(rmm, &patience, who.vm)?;
        let mut vdev = Vdev {
            pdev,
            rd,
            granule: None,
            address: 0,
            created: false,
            mapped: KVec::new(),
        };
        // from here on, dropping it undoes what was done
        let granule = rmm.delegated(&patience)?;
        vdev.address = granule.bus_address();
        vdev.granule = Some(granule);
        vdev.create(who, &patience)?;
        vdev.communicate(evidence, &mut patience)?;
        vdev.lock(evidence, &mut patience)?;
        Ok(vdev)
    }

    fn rmm(&self) -> &Rmm<'f, T> {
        &self.pdev.cca.rmm
    }

    /// How the RMM names it.
    fn names(&self) -> [u64; 3] {
        [self.rd, self.pdev.address, self.address]
    }

    fn create(&mut self, who: &TdiIdentity<'_>, patience: &Patience) -> Result<(), Refused> {
        let (addr_range, num_addr_range) = device_memory(who.function);
        let params = VdevParams {
            flags: 0,
            vdev_id: u64::from(who.tdi_id),
            tdi_id: u64::from(who.function.dev_id()),
            reserved0: 0,
            vsmmu_addr: 0,
            vsid: 0,
            num_addr_range,
            reserved1: [0; 0x1c8],
            addr_range,
            reserved2: [0; 0xd80],
        };
        let used = offset_of!(VdevParams, reserved2);
        let used = params.as_bytes().get(..used).ok_or(nonsense())?;
        let params = self.pdev.with_params(used)?;
        let [rd, pdev, vdev] = self.names();
        // whatever comes back: it may be that the answer alone was lost
        self.created = true;
        self.rmm()
            .call(patience, Fid::VdevCreate, &[rd, pdev, vdev, params])?;
        Ok(())
    }

    /// Carries messages until the RMM has done what it was asked to; else ends that.
    fn communicate(&self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        let done = self
            .pdev
            .carry_through(Party::Vdev(self.names()), evidence, patience);
        if done.is_err() {
            let _ = self
                .rmm()
                .call(&patience.undo(), Fid::VdevAbort, &self.names());
        }
        done
    }

    /// Asks for something that takes communication.
    fn run(&self, fid: Fid, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        self.rmm().call(patience, fid, &self.names())?;
        self.communicate(evidence, patience)
    }

    /// Locks it, and has the report for the guest to examine; a TDI without one is not locked.
    fn lock(&self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        let locked = self
            .run(Fid::VdevLock, evidence, patience)
            .and_then(|()| self.run(Fid::VdevGetInterfaceReport, evidence, patience));
        // as long as no message was sent the device is as it was
        if locked.is_err() && patience.is_committed() {
            let mut undo = patience.undo();
            if matches!(self.state(&undo), Ok(VdevState::Locked)) {
                let _ = self.run(Fid::VdevUnlock, evidence, &mut undo);
            }
        }
        locked
    }

    /// Takes the VM's mappings away, and unlocks it.
    fn unlock(&mut self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        while let Some(range) = self.mapped.last().copied() {
            // no way back from here
            patience.commit();
            self.unmap(&range, patience)?;
            self.mapped.pop();
        }
        self.run(Fid::VdevUnlock, evidence, patience)
    }

    fn map(&self, range: &MmioRange, patience: &Patience) -> Result<(), Refused> {
        let rmm = self.rmm();
        rmm.delegate(patience, range.pa, range.len)?;
        let mut done = 0;
        while done < range.len {
            let left = range.len - done;
            let desc = RangeDesc {
                base: range.pa + done,
                pages: (left / GRANULE_SIZE as u64).min(RangeDesc::MAX_PAGES),
            };
            let ipa = range.gpa + done;
            let top = ipa + desc.len();
            let mapped = desc.raw().ok_or(nonsense()).and_then(|output| {
                let arguments = [self.rd, self.address, ipa, top, FLAG_OUTPUT_SINGLE, output];
                rmm.call(patience, Fid::RttDevMap, &arguments)
            });
            match mapped {
                Ok([_, end, ..]) if ipa < end && end <= top => done += end - ipa,
                failed => {
                    let refused = failed.err().unwrap_or(nonsense());
                    let undo = patience.undo();
                    let taken = [Status::ErrorRtt, Status::ErrorGranule, Status::ErrorInput];
                    if taken.iter().any(|status| is_status(&refused, *status)) {
                        // what is at these addresses is none of this range
                        let part = MmioRange {
                            len: done,
                            ..*range
                        };
                        if self.unmap_ipa(&part, &undo).is_ok() {
                            let _ = rmm.undelegate(&undo, range.pa, range.len);
                        }
                    } else {
                        let _ = self.unmap_each(range, &undo);
                    }
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    fn unmap(&self, range: &MmioRange, patience: &Patience) -> Result<(), Refused> {
        let unmapped = self.unmap_ipa(range, patience);
        let back = unmapped.and_then(|()| self.rmm().undelegate(patience, range.pa, range.len));
        // one answer may be lost
        back.or_else(|_| self.unmap_each(range, patience))
    }

    /// The same page by page, each of which may be the Realm's, the RMM's or the host's.
    fn unmap_each(&self, range: &MmioRange, patience: &Patience) -> Result<(), Refused> {
        for offset in (0..range.len).step_by(GRANULE_SIZE) {
            let page = MmioRange {
                gpa: range.gpa + offset,
                pa: range.pa + offset,
                len: GRANULE_SIZE as u64,
            };
            let unmapped = self.unmap_ipa(&page, patience);
            let absent = unmapped.is_err_and(|refused| is_status(&refused, Status::ErrorRtt));
            match self.rmm().undelegate(patience, page.pa, page.len) {
                // neither the Realm has it nor the RMM
                Err(refused) if absent && is_status(&refused, Status::ErrorInput) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn unmap_ipa(&self, range: &MmioRange, patience: &Patience) -> Result<(), Refused> {
        let (mut ipa, top) = (range.gpa, range.gpa + range.len);
        while ipa < top {
            let arguments = [self.rd, ipa, top, FLAG_OUTPUT_SINGLE, 0];
            let [_, end, ..] = self.rmm().call(patience, Fid::RttDevUnmap, &arguments)?;
            if end <= ipa || end > top {
                return Err(nonsense());
            }
            ipa = end;
        }
        Ok(())
    }

    fn measure(
        &self,
        raw: bool,
        nonce: Option<[u8; NONCE_LEN]>,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let params = VdevMeasureParams {
            flags: if raw { MEASURE_FLAG_RAW } else { 0 },
            reserved0: [0; 0xf8],
            nonce: nonce.unwrap_or_default(),
            reserved1: [0; 0xee0],
        };
        let used = offset_of!(VdevMeasureParams, reserved1);
        let used = params.as_bytes().get(..used).ok_or(nonsense())?;
        let params = self.pdev.with_params(used)?;
        let [rd, pdev, vdev] = self.names();
        self.rmm().call(
            patience,
            Fid::VdevGetMeasurements,
            &[rd, pdev, vdev, params],
        )?;
        self.communicate(evidence, patience)
    }

    fn state(&self, patience: &Patience) -> Result<VdevState, Refused> {
        let [_, state, ..] = self
            .rmm()
            .call(patience, Fid::VdevGetState, &[self.address])?;
        VdevState::try_from(state).map_err(|_| nonsense())
    }

    /// What became of the TDI in an operation that failed.
    fn faltered(&self, refused: Refused, patience: &Patience) -> Faltered {
        if refused.why == Refusal::Signal {
            // nothing happened, and who sent it does not wait for the RMM either
            return refused.into();
        }
        let state = match self.state(&patience.undo()) {
            Ok(VdevState::New | VdevState::Unlocked) => TdiState::Unlocked,
            Ok(VdevState::Locked) => TdiState::Locked,
            Ok(VdevState::Started) => TdiState::Run,
            // it was not reached, neither then nor now
            Err(_) if !patience.is_committed() => {
                return Faltered {
                    refused,
                    state: None,
                }
            }
            Ok(VdevState::Error | VdevState::KeyRefresh | VdevState::KeyPurge) | Err(_) => {
                TdiState::Error
            }
        };
        Faltered {
            refused,
            state: Some(state),
        }
    }

    /// Unlocks and destroys it, as far as the RMM and the device let us.
    fn unbind(&mut self, patience: &Patience) {
        for left in (0..UNBIND_ATTEMPTS).rev() {
            let unlocked = match self.state(patience) {
                Ok(VdevState::New | VdevState::Unlocked) => true,
                _ => {
                    let scrap = self.pdev.scrap();
                    self.unlock(scrap, &mut patience.clone()).is_ok()
                }
            };
            // of a device that does not answer the RMM thinks the worst in the end, and lets the
            // VDEV go; but that device is locked still, and nobody could bind it again
            if !unlocked && left != 0 {
                continue;
            }
            let names = self.names();
            if self.rmm().call(patience, Fid::VdevDestroy, &names).is_ok() {
                break;
            }
        }
    }
}

impl<'f, T: FirmwareTransport<'f>> LinkTdi for Vdev<'_, '_, 'f, T> {
    fn transition(
        &mut self,
        step: Transition,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<(), Faltered> {
        let done = match step {
            Transition::Lock => self.lock(evidence, &mut patience),
            Transition::Run => self.run(Fid::VdevStart, evidence, &mut patience),
            Transition::Unlock => self.unlock(evidence, &mut patience),
        };
        done.map_err(|refused| self.faltered(refused, &patience))
    }

    fn regen(
        &mut self,
        regen: Regen,
        nonce: Option<[u8; NONCE_LEN]>,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<(), Faltered> {
        let done = match regen.object {
            ObjectType::InterfaceReport => {
                self.run(Fid::VdevGetInterfaceReport, evidence, &mut patience)
            }
            _ => self.measure(regen.raw, nonce, evidence, &mut patience),
        };
        done.map_err(|refused| self.faltered(refused, &patience))
    }

    fn validate_mmio(&mut self, range: MmioRange, patience: Patience) -> Result<(), Faltered> {
        if self.mapped.len() >= MAPPINGS_MAX {
            return Err(Refusal::Memory.into());
        }
        self.mapped
            .reserve(1, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        self.map(&range, &patience)
            .map_err(|refused| self.faltered(refused, &patience))?;
        // reserved above
        self.mapped
            .push(range, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        Ok(())
    }
}

impl<'f, T: FirmwareTransport<'f>> Drop for Vdev<'_, '_, 'f, T> {
    fn drop(&mut self) {
        let patience = Patience::end();
        let realms = &self.pdev.cca.realms;
        if let Some(granule) = self.granule.take() {
            if self.created {
                self.unbind(&patience);
            }
            // what is a VDEV still is not given back
            if !self.rmm().reclaim(&patience, granule) {
                realms.abandon(self.rd);
                return;
            }
        }
        realms.leave(self.rmm(), &patience, self.rd);
    }
}

/// The memory BARs of a function, ascending, and how many there are.
fn device_memory(function: &pci::Device) -> ([AddrRange; ADDR_RANGE_MAX], u64) {
    let bars: [_; bar::BARS as usize] =
        core::array::from_fn(|i| bar::memory_bar(function, i as i32));
    // the RMM has whole granules
    let next_after = |last: u64| {
        bars.iter()
            .flatten()
            .copied()
            .filter(|(base, len)| (base | len) & (GRANULE_SIZE as u64 - 1) == 0 && *base > last)
            .min()
    };
    let mut ranges = [AddrRange::default(); ADDR_RANGE_MAX];
    let mut count = 0;
    let mut last = 0;
    for range in &mut ranges {
        let Some((base, len)) = next_after(last) else {
            break;
        };
        *range = AddrRange {
            base,
            top: base.saturating_add(len),
        };
        last = base;
        count += 1;
    }
    (ranges, count)
}
