// SPDX-License-Identifier: GPL-2.0

//! DMA of device interfaces (`dmar.c`, `tdh_dmar_*.c`, `tdh_iq_inv_*.c`, `tdg_dmar_accept.c` of the
//! published source): what becomes of PASID table entries. The tables above them are taken to be
//! there, and no DMA is translated.

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::device_table::function;
use super::pamt::HKID_SHIFT_END;
use super::spdm_session::check_iommu;
use super::Tdx;
use tdisp::State;
use tsm_wire::tdx::dmar::{INVALIDATE_PASID_ENTRY, PASID_TABLE_ENTRY};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::PAGE_SIZE;

/// In `PASID_TABLE_ENTRY`: how wide addresses are, fault processing, accessed and dirty bits, which
/// the module does not look at.
const ENTRY_FREE: u64 = 1 << 1 | 7 << 2 | 1 << 9;
/// Kinds of invalidation (`inv_req_type_e`).
const KINDS: u64 = 6;
/// The kind that is for the whole of a TD, when its translations were blocked.
const INVALIDATE_IOTLB: u64 = 0;
/// In a wait descriptor: its type, status write, fence, and what is reserved.
const WAIT_TYPE: u64 = 5;
const WAIT_STATUS_WRITE: u64 = 1 << 5;
const WAIT_FENCE: u64 = 1 << 6;
const WAIT_RESERVED: u64 = 0xffff_ff80;

/// Where the invalidation of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalidation {
    /// It is due.
    Pending,
    /// It was queued.
    Queued,
    /// It is over.
    Done,
}

/// State of an entry; one that is not there is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    /// The guest has not accepted it.
    Pending,
    /// The device can reach the memory of its TD.
    Present,
    /// It was taken away.
    Blocked(Invalidation),
}

/// A PASID table entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    mapping: Mapping,
    /// The guest accepted it once.
    accepted: bool,
}

/// The function that an index is for: level 0, no PASID.
fn index(register: u64) -> Outcome<u16> {
    let valid = register & 0xffff_ffff == 0;
    demand(valid, Status::OperandInvalid, Operand::Rcx)?;
    check_iommu(register >> 48, Operand::Rcx)?;
    function(register >> 32 & 0xffff, Operand::Rcx)
}

impl Tdx {
    fn entry(&mut self, function: u16, operand: Operand) -> Outcome<&mut Entry> {
        self.dma
            .get_mut(&function)
            .ok_or(Refused::at(Status::DmarInvalidMappingState, operand))
    }

    pub(super) fn dmar_add(&mut self, x: &Gprs) -> Outcome {
        let function = index(x.rcx)?;
        let free = !self.dma.contains_key(&function);
        demand(free, Status::DmarInvalidMappingState, Operand::Rcx)?;
        let right = |so: bool, operand: Operand| demand(so, Status::OperandInvalid, operand);
        let [low, high] = PASID_TABLE_ENTRY;
        right(x.rdx & !ENTRY_FREE == low, Operand::Rdx)?;
        right(x.r8 == high, Operand::R8)?;
        let rest = [
            (x.r9, Operand::R9),
            (x.r10, Operand::R10),
            (x.r11, Operand::R11),
            (x.r12, Operand::R12),
            (x.r13, Operand::R13),
            (x.r14, Operand::R14),
        ];
        for (word, operand) in rest {
            right(word == 0, operand)?;
        }
        let entry = Entry {
            mapping: Mapping::Pending,
            accepted: false,
        };
        self.dma.insert(function, entry);
        Ok(Gprs::default())
    }

    pub(super) fn dmar_block(&mut self, x: &Gprs) -> Outcome {
        let function = index(x.rcx)?;
        let entry = self.entry(function, Operand::Rcx)?;
        let blocked = matches!(entry.mapping, Mapping::Blocked(_));
        demand(!blocked, Status::DmarInvalidMappingState, Operand::Rcx)?;
        self.devif(function, Operand::Rcx)?;
        let entry = self.entry(function, Operand::Rcx)?;
        entry.mapping = Mapping::Blocked(Invalidation::Pending);
        Ok(Gprs::default())
    }

    pub(super) fn dmar_remove(&mut self, x: &Gprs) -> Outcome {
        let function = index(x.rcx)?;
        let entry = *self.entry(function, Operand::Rcx)?;
        let Mapping::Blocked(invalidation) = entry.mapping else {
            return Err(Refused::at(Status::DmarInvalidMappingState, Operand::Rcx));
        };
        let done = invalidation == Invalidation::Done;
        demand(done, Status::DmarInvalidInvState, Operand::Rcx)?;
        if entry.accepted {
            self.devif(function, Operand::Rcx)?.dma = false;
        }
        self.dma.remove(&function);
        Ok(Gprs::default())
    }

    /// The guest lets the device reach its memory.
    pub(super) fn dmar_accept(&mut self, x: &Gprs) -> Outcome {
        let zero = [
            (x.rdx, Operand::Rdx),
            (x.r8, Operand::R8),
            (x.r9, Operand::R9),
            (x.r10, Operand::R10),
            (x.r11, Operand::R11),
            (x.r12, Operand::R12),
            (x.r13, Operand::R13),
            (x.r14, Operand::R14),
            (x.r15, Operand::R15),
        ];
        for (register, operand) in zero {
            demand(register == 0, Status::OperandInvalid, operand)?;
        }
        let function = function(x.rcx, Operand::Rcx)?;
        let devif = self.guest_devif(x, true)?;
        let locked = devif.state == State::Locked;
        demand(locked, Status::DevifTdispInvalidState, Operand::Rcx)?;
        let absent = Refused::at(Status::DmarInvalidMappingState, Operand::Dmar);
        let entry = self.dma.get_mut(&function).ok_or(absent)?;
        if entry.mapping != Mapping::Pending {
            return Err(absent);
        }
        entry.mapping = Mapping::Present;
        entry.accepted = true;
        self.devif(function, Operand::Rcx)?.dma = true;
        Ok(Gprs::default())
    }

    pub(super) fn iq_inv_request(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        demand(x.rdx < KINDS, Status::OperandInvalid, Operand::Rdx)?;
        check_iommu(x.rcx, Operand::Rcx)?;
        if x.rdx == INVALIDATE_IOTLB {
            // What a device was let do is taken away entry by entry here.
            self.live_td(x.r8, Operand::R8)?;
            return Err(Status::IommuIotlbTrackingNotRequired.into());
        }
        demand(
            x.rdx == INVALIDATE_PASID_ENTRY,
            Status::OperandInvalid,
            Operand::Rdx,
        )?;
        let function = function(x.r8, Operand::R8)?;
        let entry = self.entry(function, Operand::R8)?;
        let Mapping::Blocked(invalidation) = entry.mapping else {
            return Err(Refused::at(Status::DmarInvalidMappingState, Operand::R8));
        };
        let due = invalidation == Invalidation::Pending;
        demand(due, Status::DmarInvalidInvState, Operand::R8)?;
        let right = |so: bool, operand: Operand| demand(so, Status::OperandInvalid, operand);
        let wait = x.r9 & 0xf == WAIT_TYPE && x.r9 & WAIT_FENCE != 0 && x.r9 & WAIT_RESERVED == 0;
        right(wait, Operand::R9)?;
        let page = x.r10 & !(PAGE_SIZE as u64 - 1);
        right(
            x.r10.is_multiple_of(4) && x.r10 < HKID_SHIFT_END,
            Operand::R10,
        )?;
        right(x.r11 == 0, Operand::R11)?;
        right(x.r12 == 0, Operand::R12)?;
        if x.r9 & WAIT_STATUS_WRITE != 0 {
            self.pamt.check_shared(machine.ground, page, Operand::R10)?;
            let data = ((x.r9 >> 32) as u32).to_le_bytes();
            machine
                .ground
                .write(x.r10, &data)
                .map_err(|_| Refused::at(Status::OperandInvalid, Operand::R10))?;
        }
        let entry = self.entry(function, Operand::R8)?;
        entry.mapping = Mapping::Blocked(Invalidation::Queued);
        Ok(Gprs::default())
    }

    pub(super) fn iq_inv_process(&mut self, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        for entry in self.dma.values_mut() {
            if entry.mapping == Mapping::Blocked(Invalidation::Queued) {
                entry.mapping = Mapping::Blocked(Invalidation::Done);
            }
        }
        Ok(Gprs::default())
    }
}
