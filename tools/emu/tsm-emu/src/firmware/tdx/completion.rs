// SPDX-License-Identifier: GPL-2.0

//! Registers of a call, and how it ends.

use tsm_wire::mailbox::X_COUNT;
use tsm_wire::tdx::status::{Operand, Status};

/// The registers of a call besides `RAX`, in the order of the mailbox from `X1` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gprs {
    pub(super) rcx: u64,
    pub(super) rdx: u64,
    pub(super) r8: u64,
    pub(super) r9: u64,
    pub(super) r10: u64,
    pub(super) r11: u64,
    pub(super) r12: u64,
    pub(super) r13: u64,
    pub(super) r14: u64,
    pub(super) r15: u64,
    /// The TDR of the TD whose guest makes the call, where that is what a call stands in for.
    pub(super) rsi: u64,
}

impl Gprs {
    /// From the registers of the mailbox: `RAX`, and the others.
    pub(super) fn split(x: &[u64; X_COUNT]) -> (u64, Self) {
        let [rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15, _rbx, _rdi, rsi, ..] = *x;
        let gprs = Self {
            rcx,
            rdx,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rsi,
        };
        (rax, gprs)
    }

    /// As registers of the mailbox, with this `RAX`.
    pub(super) fn join(self, rax: u64) -> [u64; X_COUNT] {
        let Self {
            rcx,
            rdx,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rsi,
        } = self;
        [
            rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15, 0, 0, rsi, 0, 0,
        ]
    }
}

/// How a call that was not done ends: its completion status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u64);

/// What a call gives.
pub(super) type Outcome<T = Gprs> = Result<T, Refused>;

impl Refused {
    /// Because of this operand.
    pub(super) fn at(status: Status, operand: Operand) -> Self {
        Self(status.of(operand))
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(status.into())
    }
}

/// Refuses unless something is so.
pub(super) fn demand(so: bool, status: Status, operand: Operand) -> Outcome<()> {
    if so {
        Ok(())
    } else {
        Err(Refused::at(status, operand))
    }
}
