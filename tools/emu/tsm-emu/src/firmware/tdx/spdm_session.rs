// SPDX-License-Identifier: GPL-2.0

//! SPDM sessions: what the module has to know of one (`spdm.c`, `tdh_spdm_*.c` of the published source).
//! It is opened by the agent of [`super::provisioning`].

use super::super::peer::Peer;
use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::provisioning::Conversation;
use super::Tdx;
use tdisp::State;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::PageType;
use tsm_wire::tdx::{IOMMU_ID, SPDM_IDS};

/// How many IOMMUs a machine can have (`TOT_NUM_IOMMUS`).
const IOMMUS: u64 = 128;
/// Slot of the device's certificates.
const SLOT: u8 = 0;

/// An SPDM session.
#[derive(Debug)]
pub(super) struct Spdm {
    page: u64,
    /// The agent gave a session.
    pub(super) bound: bool,
    pub(super) peer: Peer,
    /// What the agent is about.
    pub(super) conversation: Option<Conversation>,
    /// SHA-384 of the certificates that the session was opened on.
    pub(super) hash: [u64; 6],
}

/// Checks that an IOMMU is one that is configured: there is one, and it always is.
pub(super) fn check_iommu(iommu: u64, operand: Operand) -> Outcome<()> {
    demand(iommu < IOMMUS, Status::OperandInvalid, operand)?;
    demand(iommu == IOMMU_ID, Status::IommuInvalidState, operand)
}

/// The number of a session.
pub(super) fn session_number(register: u64, operand: Operand) -> Outcome<u64> {
    demand(register < SPDM_IDS, Status::OperandInvalid, operand)?;
    Ok(register)
}

impl Tdx {
    /// A session.
    pub(super) fn spdm(&mut self, number: u64, operand: Operand) -> Outcome<&mut Spdm> {
        self.sessions
            .get_mut(&number)
            .ok_or(Refused::at(Status::SpdmEntryNotPresent, operand))
    }

    /// A session that is bound.
    pub(super) fn bound(&mut self, number: u64, operand: Operand) -> Outcome<&mut Spdm> {
        let spdm = self.spdm(number, operand)?;
        demand(spdm.bound, Status::SpdmInvalidState, operand)?;
        Ok(spdm)
    }

    pub(super) fn spdm_create(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let number = session_number(x.rdx, Operand::Rdx)?;
        self.pamt.check(machine.ground, x.r8, Operand::R8)?;
        let free = !self.sessions.contains_key(&number);
        demand(free, Status::SpdmEntryAlreadyPresent, Operand::Rdx)?;
        self.pamt
            .take(machine.ground, x.r8, PageType::IommuMt, IOMMU_ID);
        let spdm = Spdm {
            page: x.r8,
            bound: false,
            peer: Peer::with_headers(SLOT),
            conversation: None,
            hash: [0; 6],
        };
        self.sessions.insert(number, spdm);
        Ok(Gprs::default())
    }

    pub(super) fn spdm_delete(&mut self, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let number = session_number(x.rdx, Operand::Rdx)?;
        let page = self.spdm(number, Operand::Rdx)?.page;
        let used = self.streams.values().any(|stream| stream.spdm == number);
        demand(!used, Status::SpdmHasActiveIdeStreams, Operand::Rdx)?;
        self.sessions.remove(&number);
        self.pamt.release(page);
        Ok(Gprs {
            rcx: page,
            ..Gprs::default()
        })
    }

    /// What a session that is over leaves behind: nothing waits for an answer any more, and no TDI
    /// that was locked in it is locked.
    pub(super) fn session_over(&mut self, number: u64) {
        if let Some(spdm) = self.sessions.get_mut(&number) {
            spdm.bound = false;
            spdm.peer.forget();
        }
        for stream in self.streams.values_mut() {
            if stream.spdm == number {
                stream.forget_request();
            }
        }
        for devif in self.devifs.values_mut() {
            if devif.spdm == number {
                devif.forget_request();
                if devif.state != State::Unlocked {
                    devif.fail();
                }
            }
        }
    }
}
