// SPDX-License-Identifier: GPL-2.0

//! A bound TDI: a TDI context of the PSP.

use crate::{
    buffer::{
        Buffer,
        Owner, //
    },
    debt::Debt,
    dev::Dev,
    guest::GuestName,
    host::Host,
    psp::{
        is_status,
        occupied,
        Psp, //
    }, //
};
use core::mem::size_of;
use kernel::prelude::*;
use pci_tsm::{
    link_tsm::{
        Faltered,
        LinkTdi,
        TdiIdentity, //
    },
    patience::Patience,
    transport::nonsense, //
};
use tsm_core::evidence::Evidence;
use tsm_wire::{
    guest_message::GuestMessage,
    object::ObjectType,
    refusal::{
        Refusal,
        Refused, //
    },
    request::{
        MmioRange,
        Regen, //
    },
    sev::{
        dev::{
            DevMeasurements,
            MEASUREMENTS_RAW, //
        },
        fence::{
            AsidFenceClear,
            AsidFenceStatus,
            Fence, //
        },
        guest_message::{
            MessageHeader,
            TioGuestRequest, //
        },
        object::ObjectId,
        rmp::PageState,
        tdi::{
            InterfaceId,
            TdiBind,
            TdiCreate,
            TdiReclaim,
            TdiReport,
            TdiStatus,
            TdiStatusData,
            TdiUnbind,
            TdispState,
            RUN,
            UNBIND_FORCE, //
        },
        Command,
        Sla,
        SpdmCtrl,
        Status,
        PAGE_SIZE, //
    },
    tdi::{
        TdiState,
        Transition, //
    },
    uapi::NONCE_LEN, //
};

/// How often the PSP is asked to let a TDI go: an answer may be lost, a device may need a second
/// word.
const UNBIND_ATTEMPTS: u32 = 3;
/// Ranges of MMIO that a TDI may have in its VM.
const MAPPINGS_MAX: usize = 256;

/// A TDI.
pub(crate) struct Tdi<'t, 'a, 'f, T: Host<'f>> {
    dev: &'t Dev<'a, 'f, T>,
    guest: GuestName,
    /// What the guest calls it.
    guest_device_id: u16,
    context: Option<Buffer<'a, 'f, T>>,
    sla: Sla,
    /// The PSP may have a context of it.
    created: bool,
    /// It may be bound.
    bound: bool,
    /// A signal ended its making before it was bound: nobody waits for its end.
    cut_short: bool,
    /// MMIO that is the guest's.
    mapped: KVec<MmioRange>,
}

impl<'t, 'a, 'f, T: Host<'f>> Tdi<'t, 'a, 'f, T> {
    /// Makes its context and locks it.
    pub(crate) fn bind(
        dev: &'t Dev<'a, 'f, T>,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        mut patience: Patience,
    ) -> Result<Self, Refused> {
        // half of a name would be that of another TDI
        let guest_device_id = u16::try_from(who.tdi_id).map_err(|_| Refusal::VirtId)?;
        let psp = &dev.sev.psp;
        // among it may be a guest whose VM is gone, and the key of which is that of another by now
        dev.sev.settle(&patience)?;
        let guest = dev.sev.guests.join(psp, &patience, who.vm)?;
        let mut tdi = Tdi {
            dev,
            guest,
            guest_device_id,
            context: None,
            sla: Sla::NULL,
            created: false,
            bound: false,
            cut_short: false,
            mapped: KVec::new(),
        };
        // from here on, dropping it undoes what was done
        match tdi.begin(who, evidence, &mut patience) {
            Ok(()) => Ok(tdi),
            Err(refused) => {
                tdi.cut_short = refused.why == Refusal::Signal && !patience.is_committed();
                Err(refused)
            }
        }
    }

    fn begin(
        &mut self,
        who: &TdiIdentity<'_>,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let psp = self.psp();
        let context = Buffer::new(psp, patience, psp.sizes.tdictx_size, Owner::Firmware)?;
        self.sla = context.sla();
        self.context = Some(context);
        self.create(who, patience)?;
        self.lock(evidence, patience)
    }

    fn psp(&self) -> &'a Psp<'f, T> {
        &self.dev.sev.psp
    }

    fn create(&mut self, who: &TdiIdentity<'_>, patience: &Patience) -> Result<(), Refused> {
        let create = TdiCreate {
            length: size_of::<TdiCreate>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            interface_id: InterfaceId {
                function_id: who.function.dev_id().into(),
                reserved: [0; 8],
            },
            ..Default::default()
        };
        // whatever comes back: it may be that the answer alone was lost
        self.created = true;
        self.psp().call(patience, Command::TioTdiCreate, &create)
    }

    /// TIO_TDI_BIND: locks it, or starts it.
    fn bind_or_run(&self, run_flags: u16, patience: &mut Patience) -> Result<(), Refused> {
        let mut bind = TdiBind {
            length: size_of::<TdiBind>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            gctx_paddr: self.guest.gctx,
            guest_device_id: self.guest_device_id,
            run_flags,
            ..Default::default()
        };
        self.dev.talk(&mut bind, patience)
    }

    fn report(&self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        let mut report = TdiReport {
            length: size_of::<TdiReport>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            gctx_paddr: self.guest.gctx,
            ..Default::default()
        };
        let object = (ObjectId::Report, ObjectType::InterfaceReport);
        self.dev.talk_for(&mut report, object, evidence, patience)
    }

    fn release(&self, flags: u32, patience: &mut Patience) -> Result<(), Refused> {
        let mut unbind = TdiUnbind {
            length: size_of::<TdiUnbind>() as u32,
            flags,
            spdm_ctrl: SpdmCtrl::default(),
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            gctx_paddr: self.guest.gctx,
        };
        self.dev.talk(&mut unbind, patience)
    }

    /// Locks it, and has the report for the guest to examine; a TDI without one is not locked.
    fn lock(&mut self, evidence: &Evidence, patience: &mut Patience) -> Result<(), Refused> {
        // what the last unlock left
        self.share_mmio(patience)?;
        self.bound = true;
        let locked = self
            .bind_or_run(0, patience)
            .and_then(|()| self.report(evidence, patience));
        // as long as no message was sent the device is as it was
        if locked.is_err() && patience.is_committed() {
            let mut undo = patience.undo();
            if matches!(self.state(&mut undo), Ok(TdispState::Locked)) {
                let _ = self.release(0, &mut undo);
            }
        }
        locked
    }

    /// Starts it, and lets it at the guest's memory.
    fn run(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        self.bind_or_run(RUN, patience)?;
        patience.commit();
        let through = self.clear_fence(patience);
        if through.is_err() {
            // one that runs and reaches nothing is none that runs
            let _ = self.unlock(&mut patience.undo());
        }
        through
    }

    /// Takes the fence between the device and the guest away, if there is one.
    fn clear_fence(&self, patience: &Patience) -> Result<(), Refused> {
        let psp = self.psp();
        let status = AsidFenceStatus {
            length: size_of::<AsidFenceStatus>() as u32,
            dev_ctx_sla: self.dev.sla(),
            asid: self.guest.asid,
            status_pa: self.dev.status_paddr(),
            ..Default::default()
        };
        psp.call(patience, Command::TioAsidFenceStatus, &status)?;
        let fence: Fence = self.dev.told()?;
        if !fence.is_up() {
            return Ok(());
        }
        let clear = AsidFenceClear {
            length: size_of::<AsidFenceClear>() as u32,
            dev_ctx_sla: self.dev.sla(),
            gctx_paddr: self.guest.gctx,
            ..Default::default()
        };
        psp.call(patience, Command::TioAsidFenceClear, &clear)
    }

    /// Unlocks it, and takes its MMIO from the guest.
    fn unlock(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        self.release(0, patience)?;
        self.bound = false;
        // no way back from here
        patience.commit();
        // other TDIs of the guest are behind the same fence. As long as one of them is in error the
        // PSP leaves it there, and then the last of those takes it away
        let _ = self.clear_fence(patience);
        self.share_mmio(patience)
    }

    /// Makes all MMIO the host's again that is the guest's.
    fn share_mmio(&mut self, patience: &Patience) -> Result<(), Refused> {
        while let Some(range) = self.mapped.last().copied() {
            let pages = range.len / PAGE_SIZE as u64;
            self.psp()
                .assign(patience, range.pa, pages, PageState::Shared, 0)?;
            self.mapped.pop();
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
        let mut measure = DevMeasurements {
            length: size_of::<DevMeasurements>() as u32,
            flags: if raw { MEASUREMENTS_RAW } else { 0 },
            spdm_ctrl: SpdmCtrl::default(),
            dev_ctx_sla: self.dev.sla(),
            meas_nonce: nonce.unwrap_or_default(),
        };
        let object = (ObjectId::Measurement, ObjectType::Measurement);
        self.dev.talk_for(&mut measure, object, evidence, patience)
    }

    /// What state the PSP, which asks the device, has it in.
    fn state(&self, patience: &mut Patience) -> Result<TdispState, Refused> {
        let mut status = TdiStatus {
            length: size_of::<TdiStatus>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            status_paddr: self.dev.status_paddr(),
            ..Default::default()
        };
        self.dev.talk(&mut status, patience)?;
        let data: TdiStatusData = self.dev.told()?;
        TdispState::try_from(u64::from(data.tdisp_state)).map_err(|_| nonsense())
    }

    /// What became of the TDI in an operation that failed.
    fn faltered(&self, refused: Refused, patience: &Patience) -> Faltered {
        if refused.why == Refusal::Signal {
            // nothing happened, and who sent it does not wait for the PSP either
            return refused.into();
        }
        let state = match self.state(&mut patience.undo()) {
            Ok(TdispState::Unlocked) => TdiState::Unlocked,
            Ok(TdispState::Locked) => TdiState::Locked,
            Ok(TdispState::Run) => TdiState::Run,
            // it was not reached, neither then nor now
            Err(_) if !patience.is_committed() => {
                return Faltered {
                    refused,
                    state: None,
                }
            }
            Ok(TdispState::Error) | Err(_) => TdiState::Error,
        };
        Faltered {
            refused,
            state: Some(state),
        }
    }

    /// Is some of this range the guest's already, on either side? The reverse map would take the
    /// page for another address, and another page for the address, and the guest would not know.
    fn overlaps(&self, range: &MmioRange) -> bool {
        let meet = |a: u64, b: u64, a_len: u64, b_len: u64| {
            a < b.saturating_add(b_len) && b < a.saturating_add(a_len)
        };
        self.mapped.iter().any(|other| {
            meet(other.pa, range.pa, other.len, range.len)
                || meet(other.gpa, range.gpa, other.len, range.len)
        })
    }

    /// Has the PSP let it go, if need be by force.
    fn unbind(&mut self, patience: &mut Patience) {
        for left in (0..UNBIND_ATTEMPTS).rev() {
            let flags = if left == 0 { UNBIND_FORCE } else { 0 };
            match self.release(flags, patience) {
                Ok(()) => break,
                // it is not bound, or not any more
                Err(refused) if is_status(&refused, Status::InvalidTdiState) => break,
                Err(_) => {}
            }
        }
        let _ = self.clear_fence(patience);
    }

    /// What of it the PSP has once it is not bound.
    fn debt(&mut self) -> Debt<'f> {
        let reclaim = TdiReclaim {
            length: size_of::<TdiReclaim>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            ..Default::default()
        };
        let reclaim = self.created.then_some(reclaim);
        let context = self.context.take();
        Debt::Tdi(context.map(|c| c.into_context(reclaim)), self.guest)
    }

    fn carry(&self, message: GuestMessage<'_>, patience: &mut Patience) -> Result<usize, Refused> {
        let mut desk = self.dev.desk().lock();
        let zeroes = [0; 256];
        // nothing of what another guest said goes with it
        let mut at = message.request.len();
        while let Some(left @ 1..) = PAGE_SIZE.checked_sub(at) {
            let rest = zeroes.get(..left.min(zeroes.len())).ok_or(nonsense())?;
            desk.guest_request
                .write(at, rest)
                .map_err(|_| Refusal::Payload)?;
            at += rest.len();
        }
        desk.guest_request
            .write(0, message.request)
            .map_err(|_| Refusal::Payload)?;
        let mut request = TioGuestRequest {
            length: size_of::<TioGuestRequest>() as u32,
            dev_ctx_sla: self.dev.sla(),
            tdi_ctx_sla: self.sla,
            gctx_paddr: self.guest.gctx,
            req_paddr: desk.guest_request.bus_address(),
            res_paddr: desk.guest_response.sla().address(),
            ..Default::default()
        };
        desk.conversation.run(&mut request, patience)?;
        let header: MessageHeader = desk.guest_response.get(0)?;
        let len = header.message_len().ok_or(nonsense())?;
        let response = message.response.get_mut(..len).ok_or(nonsense())?;
        desk.guest_response.read(0, response)?;
        Ok(len)
    }
}

impl<'f, T: Host<'f>> LinkTdi for Tdi<'_, '_, 'f, T> {
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
            ObjectType::InterfaceReport => self.report(evidence, &mut patience),
            _ => self.measure(regen.raw, nonce, evidence, &mut patience),
        };
        done.map_err(|refused| self.faltered(refused, &patience))
    }

    /// Makes the pages the guest's at these addresses, in the reverse map. Whether the guest takes
    /// them for its device's is between the guest and the PSP: that is what a message of it says.
    fn validate_mmio(&mut self, range: MmioRange, patience: Patience) -> Result<(), Faltered> {
        if self.mapped.len() >= MAPPINGS_MAX {
            return Err(Refusal::Memory.into());
        }
        if self.overlaps(&range) {
            return Err(occupied().into());
        }
        self.mapped
            .reserve(1, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        let guest = PageState::Guest(self.guest.asid);
        let pages = range.len / PAGE_SIZE as u64;
        self.psp()
            .assign(&patience, range.pa, pages, guest, range.gpa)?;
        // reserved above
        self.mapped
            .push(range, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        Ok(())
    }

    fn guest_message(
        &mut self,
        message: GuestMessage<'_>,
        mut patience: Patience,
    ) -> Result<usize, Faltered> {
        let carried = self.carry(message, &mut patience);
        carried.map_err(|refused| match patience.is_committed() {
            true => self.faltered(refused, &patience),
            // the PSP refused it before it said anything to the device
            false => refused.into(),
        })
    }
}

impl<'f, T: Host<'f>> Drop for Tdi<'_, '_, 'f, T> {
    fn drop(&mut self) {
        let sev = self.dev.sev;
        let mut debt = self.debt();
        if self.cut_short {
            debt = match sev.psp.arrears.owe(debt) {
                Ok(()) => return,
                Err(debt) => debt,
            };
        }
        let mut patience = Patience::end();
        if self.bound {
            self.unbind(&mut patience);
        }
        if self.share_mmio(&patience).is_err() {
            pr_warn!("MMIO of a TDI stays in its guest: the reverse map did not take it back\n");
        }
        if debt.pay(&sev.psp, &sev.guests, &patience).is_err() && sev.psp.arrears.owe(debt).is_err()
        {
            // what is lost with it is the firmware's
            sev.guests.abandon(self.guest);
        }
        // somebody else's bind may have been cut short
        let _ = sev.settle(&patience);
    }
}
