// SPDX-License-Identifier: GPL-2.0

//! Device interfaces: TDIs that belong to TDs (`devif.c`, `tdh_devif_create.c`, `tdh_devif_remove.c` of
//! the published source).

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::device_table::function;
use super::spdm_session::check_iommu;
use super::Tdx;
use tdisp::{Nonce, State};
use tsm_wire::tdx::devif::{DevifId, TDISP_MAX};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::PageType;
use tsm_wire::tdx::IOMMU_ID;

/// Pages of a device interface.
const PAGES: usize = 3;

/// Where a request of the guest's is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum GuestRequest {
    /// There is none.
    #[default]
    Available,
    /// The guest made this one, and the host has not sent it.
    Requested(Vec<u8>),
    /// The host had it written.
    Generated,
    /// This is the answer, and the guest has not taken it.
    Processed(Vec<u8>),
}

/// A device interface.
#[derive(Debug)]
pub(super) struct Devif {
    pub(super) td: u64,
    /// Root page, message buffer of the guest's, message buffer of the host's.
    pages: [u64; PAGES],
    /// Its IDE stream.
    pub(super) stream: u8,
    /// Its SPDM session.
    pub(super) spdm: u64,
    /// The guest knows which device it is.
    pub(super) valid: bool,
    /// TDISP state, as far as the device said it.
    pub(super) state: State,
    pub(super) guest: GuestRequest,
    /// Where the request was written that waits for its answer.
    pub(super) outstanding: Option<u64>,
    /// What came with the lock.
    pub(super) nonce: Nonce,
    /// Pages of MMIO that are mapped.
    pub(super) mmio: usize,
    /// The guest lets it reach its memory.
    pub(super) dma: bool,
    /// Where to read on in the report, and how much of it at most.
    pub(super) report: (u16, u16),
    /// What the guest has to know of the device.
    pub(super) hash: [u64; 6],
}

impl Devif {
    /// Nothing waits for an answer any more.
    pub(super) fn forget_request(&mut self) {
        self.outstanding = None;
        self.guest = GuestRequest::Available;
    }

    /// It is not what the guest trusted any more.
    pub(super) fn fail(&mut self) {
        self.state = State::Error;
        self.valid = false;
        self.nonce = Nonce::default();
    }

    /// The report is read from its beginning.
    pub(super) fn rewind_report(&mut self) {
        self.report = (0, u16::try_from(TDISP_MAX).unwrap_or(u16::MAX));
    }
}

impl Tdx {
    /// The device interface of a function.
    pub(super) fn devif(&mut self, function: u16, operand: Operand) -> Outcome<&mut Devif> {
        self.devifs
            .get_mut(&function)
            .ok_or(Refused::at(Status::DevifmtNotPresent, operand))
    }

    /// The device interface of a function of the guest's that makes a call.
    pub(super) fn guest_devif(&mut self, x: &Gprs, valid: bool) -> Outcome<&mut Devif> {
        let td = x.rsi;
        self.live_td(td, Operand::Tdr)?;
        let function = function(x.rcx, Operand::Rcx)?;
        let devif = self.devif(function, Operand::Rcx)?;
        demand(
            devif.valid || !valid,
            Status::DevifInvalidState,
            Operand::Rcx,
        )?;
        demand(devif.td == td, Status::DevifInvalidMetadata, Operand::Rcx)?;
        Ok(devif)
    }

    pub(super) fn devif_create(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let ground = machine.ground;
        let id = DevifId::from_raw(x.rcx);
        self.pamt.check(ground, x.r8, Operand::R8)?;
        self.live_td(x.rdx, Operand::Rdx)?;
        self.pamt.check_all(
            ground,
            &[
                (x.r8, Operand::R8),
                (x.r9, Operand::R9),
                (x.r10, Operand::R10),
            ],
        )?;
        let number = function(u64::from(id.function), Operand::Rcx)?;
        demand(id.kind == 0, Status::OperandInvalid, Operand::Rcx)?;
        let reached = self.device_table.reaches(0, u64::from(number));
        demand(reached, Status::DevifmtNotPresent, Operand::Rcx)?;
        let free = !self.devifs.contains_key(&number);
        demand(free, Status::DevifmtAlreadyPresent, Operand::Rcx)?;
        check_iommu(id.iommu.into(), Operand::Rcx)?;
        let stream = self.streams.get(&id.stream);
        let stream = stream.filter(|stream| !stream.blocked);
        let stream = stream.ok_or(Refused::at(Status::IdeStreamInvalidState, Operand::Rcx))?;
        let (has, spdm) = (stream.has(number), stream.spdm);
        demand(has, Status::OperandInvalid, Operand::Rcx)?;
        let hash = self.bound(spdm, Operand::Rcx)?.hash;

        let td = self.live_td(x.rdx, Operand::Rdx)?;
        td.devifs += 1;
        td.children += PAGES;
        let pages = [x.r8, x.r9, x.r10];
        let kinds = [PageType::DevifcsRoot, PageType::Devifcs, PageType::Devifcs];
        for (page, kind) in pages.into_iter().zip(kinds) {
            self.pamt.take(ground, page, kind, x.rdx);
        }
        let mut devif = Devif {
            td: x.rdx,
            pages,
            stream: id.stream,
            spdm,
            valid: false,
            state: State::Unlocked,
            guest: GuestRequest::Available,
            outstanding: None,
            nonce: Nonce::default(),
            mmio: 0,
            dma: false,
            report: (0, 0),
            hash,
        };
        devif.rewind_report();
        self.devifs.insert(number, devif);
        Ok(Gprs::default())
    }

    pub(super) fn devif_remove(&mut self, x: &Gprs) -> Outcome {
        let number = function(x.rcx, Operand::Rcx)?;
        let devif = self.devif(number, Operand::Rcx)?;
        let (td, pages, stream) = (devif.td, devif.pages, devif.stream);
        let unlocked = devif.state == State::Unlocked;
        let (dma, mmio) = (devif.dma, devif.mmio);
        check_iommu(IOMMU_ID, Operand::Rcx)?;
        demand(
            unlocked || self.is_blocked(stream),
            Status::DevifInvalidState,
            Operand::Rcx,
        )?;
        demand(!dma, Status::DevifHasMappedDma, Operand::Rcx)?;
        demand(mmio == 0, Status::DevifHasMappedMmio, Operand::Rcx)?;
        self.devifs.remove(&number);
        for page in pages {
            self.pamt.release(page);
        }
        if let Some(td) = self.tds.get_mut(&td) {
            td.devifs -= 1;
            td.children -= PAGES;
        }
        let [_, guest, host] = pages;
        Ok(Gprs {
            rcx: guest,
            rdx: host,
            r8: td,
            ..Gprs::default()
        })
    }

    /// The guest says that it knows which device it is.
    pub(super) fn devif_validate(&mut self, x: &Gprs) -> Outcome {
        let devif = self.guest_devif(x, false)?;
        let hash = [x.rdx, x.r8, x.r9, x.r10, x.r11, x.r12];
        let right = devif.hash == hash;
        demand(right, Status::DevifPkhMismatch, Operand::Rdx)?;
        if devif.valid {
            // Not an error: the guest is told.
            return Err(Refused::at(Status::DevifAlreadyValid, Operand::Rcx));
        }
        devif.valid = true;
        Ok(Gprs::default())
    }
}
