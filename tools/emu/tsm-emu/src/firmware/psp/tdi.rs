// SPDX-License-Identifier: GPL-2.0

//! TDI contexts.

use super::super::errand::Errand;
use super::conversation::{failed, Ended, Talk};
use super::evidence;
use super::parameters::{reserved, tio};
use super::platform::TDI_CONTEXT;
use super::{require, Machine, Psp, Refused};
use tdisp::{InterfaceReport, Nonce, Operation, State};
use tsm_wire::object::ObjectType;
use tsm_wire::sev::fence::Fence;
use tsm_wire::sev::object::ObjectId;
use tsm_wire::sev::tdi::{
    TdiBind, TdiCreate, TdiReclaim, TdiReport, TdiStatus, TdiStatusData, TdiUnbind,
    LOCK_ALL_REQUEST_REDIRECT, LOCK_BIND_P2P, LOCK_MSIX, LOCK_NO_FW_UPDATE, RUN, UNBIND_FORCE,
};
use tsm_wire::sev::{Command, Sla, Status};
use zerocopy::{FromZeros, IntoBytes};

/// Flags that a TDI can be asked to be locked with.
const LOCK_FLAGS: u16 = LOCK_NO_FW_UPDATE | LOCK_MSIX | LOCK_BIND_P2P | LOCK_ALL_REQUEST_REDIRECT;
/// Those of them that the firmware does not have: what is locked is always locked in one way.
const UNSUPPORTED_FLAGS: u16 = LOCK_MSIX | LOCK_BIND_P2P | LOCK_ALL_REQUEST_REDIRECT;

/// What a TDI is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The guest context.
    pub(super) guest: u64,
    /// ASID of the guest.
    pub(super) asid: u32,
    /// Requester ID that the TDI has there.
    pub(super) device_id: u16,
}

/// A TDI context.
#[derive(Debug)]
pub(super) struct Tdi {
    pages: Vec<u64>,
    /// What the host calls the context of its device.
    pub(super) device: u64,
    /// Its requester ID.
    pub(super) interface: u16,
    pub(super) state: State,
    pub(super) bound: Option<Bound>,
    /// What it was bound to before.
    pub(super) was_bound: Option<Bound>,
    nonce: Option<Nonce>,
    /// The SPDM session that it was locked in.
    pub(super) session: Option<u32>,
    /// The interface report, and how often it was read.
    pub(super) report: Option<Vec<u8>>,
    pub(super) reports: u64,
    /// The device was measured since it was bound.
    pub(super) measured: bool,
    /// It may access the guest's private memory.
    pub(super) dma: bool,
}

impl Tdi {
    /// Whether it is bound and what it was locked for still holds.
    pub(super) fn is_trusted(&self) -> bool {
        self.bound.is_some() && matches!(self.state, State::Locked | State::Run)
    }

    /// What its interface report says.
    pub(super) fn interface_report(&self) -> Option<InterfaceReport> {
        InterfaceReport::decode(self.report.as_deref()?)
    }

    /// A guest is no more.
    pub(super) fn forget_guest(&mut self, guest: u64) {
        if self.was_bound.is_some_and(|bound| bound.guest == guest) {
            self.was_bound = None;
        }
    }

    fn bind(&mut self, bound: Bound, state: State) {
        self.bound = Some(bound);
        self.was_bound = None;
        self.state = state;
        self.report = None;
        self.measured = false;
        self.dma = false;
    }

    /// Whether it is bound to this guest.
    fn is_bound_to(&self, guest: u64) -> bool {
        self.bound.is_some_and(|bound| bound.guest == guest)
    }
}

impl Psp {
    pub(super) fn tdi_create(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (create, _) = tio::<TdiCreate>(machine.ground, &self.rmp, at)?;
        reserved(create.reserved.as_bytes().iter().chain(&create.reserved2))?;
        let device = self.device(create.dev_ctx_sla)?;
        require(device.is_connected(), Status::InvalidDevState)?;
        let id = create.interface_id;
        let interface = u16::try_from(id.function_id).map_err(|_| Status::InvalidTdi)?;
        let its_own = device.has(interface) && id.reserved == [0; 8];
        require(its_own, Status::InvalidTdi)?;
        let known = self.tdis.values().any(|tdi| tdi.interface == interface);
        require(!known, Status::InvalidTdi)?;
        let pages = self.context(machine, create.tdi_ctx_sla, TDI_CONTEXT)?;
        let tdi = Tdi {
            pages,
            device: create.dev_ctx_sla.0,
            interface,
            state: State::Unlocked,
            bound: None,
            was_bound: None,
            nonce: None,
            session: None,
            report: None,
            reports: 0,
            measured: false,
            dma: false,
        };
        self.tdis.insert(create.tdi_ctx_sla.0, tdi);
        Ok(())
    }

    pub(super) fn tdi_reclaim(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (reclaim, _) = tio::<TdiReclaim>(machine.ground, &self.rmp, at)?;
        let fields = reclaim.reserved.as_bytes().iter();
        reserved(fields.chain(reclaim.reserved2.as_bytes()))?;
        let (device, name) = (reclaim.dev_ctx_sla, reclaim.tdi_ctx_sla);
        let bound = self.tdi(device, name)?.bound.is_some();
        require(!bound, Status::InvalidTdiState)?;
        let conversation = self.device(device)?.conversation.as_ref();
        let pending =
            conversation.is_some_and(|talk| talk.is_waiting() && talk.tdi() == Some(name.0));
        require(!pending, Status::InUse)?;
        if let Some(tdi) = self.tdis.remove(&name.0) {
            self.rmp.release(&tdi.pages);
        }
        Ok(())
    }

    pub(super) fn tdi_bind(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (bind, contents) = tio::<TdiBind>(machine.ground, &self.rmp, at)?;
        reserved(bind.reserved.as_bytes().iter().chain(&bind.reserved3))?;
        let flags = bind.tdisp_lock_if_flags;
        let known = flags & !LOCK_FLAGS == 0 && bind.run_flags & !RUN == 0;
        require(known, Status::InvalidParam)?;
        require(flags & UNSUPPORTED_FLAGS == 0, Status::Unsupported)?;
        let (device, name) = (bind.dev_ctx_sla, bind.tdi_ctx_sla);
        self.tdi(device, name)?;
        let talk = Talk {
            command: Command::TioTdiBind,
            contents,
            buffers: bind.spdm_ctrl,
            device,
            tdi: Some(name),
        };
        if bind.run_flags & RUN != 0 {
            self.tdi_run(machine, &talk, &bind)
        } else {
            self.tdi_lock(machine, &talk, &bind)
        }
    }

    fn tdi_lock(
        &mut self,
        machine: &mut Machine<'_>,
        talk: &Talk,
        bind: &TdiBind,
    ) -> Result<(), Refused> {
        let (device, name) = (bind.dev_ctx_sla, bind.tdi_ctx_sla);
        let (guest, device_id) = (bind.gctx_paddr, bind.guest_device_id);
        let (ended, _) = self.talk(machine, talk, |psp, _, _| {
            let tdi = psp.tdi(device, name)?;
            let (unbound, interface) = (tdi.bound.is_none(), tdi.interface);
            require(unbound, Status::InvalidTdiState)?;
            psp.guests.running(guest)?;
            let taken = psp.tdis.values().filter_map(|tdi| tdi.bound);
            let mut taken = taken.filter(|bound| bound.guest == guest);
            let taken = taken.any(|bound| bound.device_id == device_id);
            require(!taken, Status::InvalidParam)?;
            // One that was let go may still be locked.
            let left = psp.left.contains(&interface);
            let lock = Errand::tdi(interface, Operation::Lock);
            if left {
                Ok(Errand::tdi(interface, Operation::Stop).then(lock))
            } else {
                Ok(lock)
            }
        })?;
        let asid = self.guests.running(guest)?;
        let session = self.device(device)?.peer.session();
        let bound = Bound {
            guest,
            asid,
            device_id,
        };
        let tdi = self.tdi(device, name)?;
        let interface = tdi.interface;
        match ended {
            Ended::Well(gained) => {
                tdi.bind(bound, State::Locked);
                tdi.nonce = gained.nonce;
                tdi.session = session;
                self.left.remove(&interface);
                Ok(())
            }
            Ended::Badly(state, detail) => {
                // It is not, if the device says so. Else the host has to have it unlocked.
                if state != Some(State::Unlocked) {
                    tdi.bind(bound, State::Error);
                }
                Err(failed(detail))
            }
        }
    }

    fn tdi_run(
        &mut self,
        machine: &mut Machine<'_>,
        talk: &Talk,
        bind: &TdiBind,
    ) -> Result<(), Refused> {
        let (device, name) = (bind.dev_ctx_sla, bind.tdi_ctx_sla);
        let (ended, _) = self.talk(machine, talk, |psp, _, _| {
            let tdi = psp.tdi(device, name)?;
            let locked = tdi.is_bound_to(bind.gctx_paddr)
                && tdi
                    .bound
                    .is_some_and(|bound| bound.device_id == bind.guest_device_id)
                && tdi.state == State::Locked;
            require(locked, Status::InvalidTdiState)?;
            let operation = Operation::Start(tdi.nonce.unwrap_or_default());
            Ok(Errand::tdi(tdi.interface, operation))
        })?;
        match ended {
            Ended::Well(_) => {
                let tdi = self.tdi(device, name)?;
                tdi.state = State::Run;
                if let Some(Bound { asid, .. }) = tdi.bound {
                    let fences = &mut self.device(device)?.fences;
                    fences.entry(asid).or_insert(Fence::DEFAULT);
                }
                Ok(())
            }
            Ended::Badly(state, detail) => {
                self.stumble(device, name, state)?;
                Err(failed(detail))
            }
        }
    }

    /// What a bound TDI is after something with it failed: what it was if the device says so, else in
    /// error.
    fn stumble(&mut self, device: Sla, name: Sla, state: Option<State>) -> Result<(), Refused> {
        let tdi = self.tdi(device, name)?;
        if state != Some(tdi.state) {
            self.break_down(device, name)?;
        }
        Ok(())
    }

    /// A bound TDI is in error, and its guest's memory fenced from the device.
    fn break_down(&mut self, device: Sla, name: Sla) -> Result<(), Refused> {
        let tdi = self.tdi(device, name)?;
        tdi.state = State::Error;
        if let Some(Bound { asid, .. }) = tdi.bound {
            self.device(device)?.fences.insert(asid, Fence::ERROR);
        }
        Ok(())
    }

    pub(super) fn tdi_unbind(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (unbind, contents) = tio::<TdiUnbind>(machine.ground, &self.rmp, at)?;
        require(unbind.flags & !UNBIND_FORCE == 0, Status::InvalidParam)?;
        let (device, name) = (unbind.dev_ctx_sla, unbind.tdi_ctx_sla);
        let bound = self.tdi(device, name)?.bound;
        require(bound.is_some(), Status::InvalidTdiState)?;
        let its_own = bound.is_some_and(|bound| bound.guest == unbind.gctx_paddr);
        require(its_own, Status::InvalidGuest)?;
        if unbind.flags & UNBIND_FORCE != 0 {
            super::buffer::Buffers::new(machine.ground, &self.rmp, &unbind.spdm_ctrl)?;
            self.device(device)?.hang_up();
            self.abandon(device, name)?;
            self.drop_locks(device);
            return Ok(());
        }
        let talk = Talk {
            command: Command::TioTdiUnbind,
            contents,
            buffers: unbind.spdm_ctrl,
            device,
            tdi: Some(name),
        };
        let (ended, _) = self.talk(machine, &talk, |psp, _, _| {
            let interface = psp.tdi(device, name)?.interface;
            Ok(Errand::tdi(interface, Operation::Stop))
        })?;
        match ended {
            Ended::Well(_) => self.release(device, name),
            // That it is unlocked is what was to be reached, whatever went wrong before.
            Ended::Badly(Some(State::Unlocked), _) => self.release(device, name),
            Ended::Badly(state, detail) => {
                self.stumble(device, name, state)?;
                Err(failed(detail))
            }
        }
    }

    /// Unbinds a TDI without a word.
    pub(super) fn abandon(&mut self, device: Sla, name: Sla) -> Result<(), Refused> {
        self.break_down(device, name)?;
        let interface = self.tdi(device, name)?.interface;
        self.left.insert(interface);
        self.release(device, name)
    }

    /// A TDI is not bound any more. What its guest accepted of it is not accepted any more.
    fn release(&mut self, device: Sla, name: Sla) -> Result<(), Refused> {
        let tdi = self.tdi(device, name)?;
        let report = tdi.interface_report();
        tdi.was_bound = tdi.bound.take();
        tdi.state = State::Unlocked;
        tdi.nonce = None;
        tdi.session = None;
        tdi.report = None;
        tdi.dma = false;
        for range in report.map(|report| report.ranges).unwrap_or_default() {
            for page in 0..u64::from(range.pages) {
                let offset = page * tdisp::interface_report::PAGE_SIZE;
                self.rmp.validate(range.address.wrapping_add(offset), false);
            }
        }
        Ok(())
    }

    pub(super) fn tdi_report(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (report, contents) = tio::<TdiReport>(machine.ground, &self.rmp, at)?;
        reserved(report.reserved.as_bytes())?;
        let (device, name) = (report.dev_ctx_sla, report.tdi_ctx_sla);
        self.tdi(device, name)?;
        let talk = Talk {
            command: Command::TioTdiReport,
            contents,
            buffers: report.spdm_ctrl,
            device,
            tdi: Some(name),
        };
        let (ended, buffers) = self.talk(machine, &talk, |psp, _, _| {
            let tdi = psp.tdi(device, name)?;
            require(tdi.is_trusted(), Status::InvalidTdiState)?;
            require(tdi.is_bound_to(report.gctx_paddr), Status::InvalidGuest)?;
            Ok(Errand::tdi(tdi.interface, Operation::Report))
        })?;
        let gained = match ended {
            Ended::Well(gained) => gained,
            Ended::Badly(state, detail) => {
                self.stumble(device, name, state)?;
                return Err(failed(detail));
            }
        };
        let id = self.device(device)?.id();
        let bytes = gained.object(ObjectType::InterfaceReport);
        match evidence::put(machine.ground, &buffers, ObjectId::Report, id, bytes) {
            Ok(()) => {
                let tdi = self.tdi(device, name)?;
                tdi.report = Some(bytes.to_vec());
                tdi.reports += 1;
                Ok(())
            }
            Err(refused) => {
                if refused.status == Status::ExpandBufferLengthRequest {
                    self.keep(&talk, gained)?;
                }
                Err(refused)
            }
        }
    }

    pub(super) fn tdi_status(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (status, contents) = tio::<TdiStatus>(machine.ground, &self.rmp, at)?;
        reserved(status.reserved1.as_bytes())?;
        let (device, name) = (status.dev_ctx_sla, status.tdi_ctx_sla);
        self.tdi(device, name)?;
        self.rmp.firmware(machine.ground, status.status_paddr)?;
        let talk = Talk {
            command: Command::TioTdiStatus,
            contents,
            buffers: status.spdm_ctrl,
            device,
            tdi: Some(name),
        };
        let (ended, _) = self.talk(machine, &talk, |psp, _, _| {
            require(psp.device(device)?.is_connected(), Status::InvalidDevState)?;
            let tdi = psp.tdi(device, name)?;
            // A device is not asked before anything was asked of it.
            let known = tdi.bound.or(tdi.was_bound).is_some();
            if known {
                Ok(Errand::tdi(tdi.interface, Operation::State))
            } else {
                Ok(Errand::nothing())
            }
        })?;
        let told = match ended {
            Ended::Well(gained) => gained.state,
            Ended::Badly(state, detail) => {
                if self.tdi(device, name)?.bound.is_some() {
                    self.stumble(device, name, state)?;
                }
                return Err(failed(detail));
            }
        };
        let tdi = self.tdi(device, name)?;
        let (bound, known) = (tdi.bound.is_some(), tdi.state);
        if bound && known != State::Error && told.is_some_and(|told| told != known) {
            self.break_down(device, name)?;
        }
        let state = match (bound, self.tdi(device, name)?.state) {
            (true, State::Error) => State::Error,
            (_, known) => told.unwrap_or(known),
        };
        let mut data = TdiStatusData::new_zeroed();
        data.length = size_of::<TdiStatusData>() as u32;
        data.tdisp_state = state as u8;
        self.tell(machine, status.status_paddr, data.as_bytes())
    }
}
