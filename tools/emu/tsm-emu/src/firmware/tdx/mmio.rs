// SPDX-License-Identifier: GPL-2.0

//! MMIO of device interfaces in TDs (`tdh_mmio_*.c`, `tdg_mmio_accept.c` of the published source). The
//! tables of the secure EPT are taken to be there, and pages are of 4 KiB.

use super::super::ground::Kind;
use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::pamt::is_private;
use super::td::{Mapping, Sept};
use super::Tdx;
use tdisp::State;
use tsm_wire::tdx::status::{Operand, Status};

/// Bits of a guest physical address of a page that is the TD's alone; the one above says shared.
const GPA_BITS: u32 = 47;

/// The guest physical address in an operand; mappings are of level 0.
fn guest_page(register: u64) -> Outcome<u64> {
    let valid = register & 0xfff == 0 && register >> GPA_BITS == 0;
    demand(valid, Status::OperandInvalid, Operand::Rcx)?;
    Ok(register)
}

impl Tdx {
    /// The mapping of a page in a TD.
    fn mapping(&mut self, tdr: u64, gpa: u64) -> Outcome<&mut Mapping> {
        let td = self.live_td(tdr, Operand::Rdx)?;
        td.mmio
            .get_mut(&gpa)
            .ok_or(Refused::at(Status::EptEntryStateIncorrect, Operand::Rcx))
    }

    pub(super) fn mmio_map(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let td = self.live_td(x.rdx, Operand::Rdx)?;
        let gpa = guest_page(x.rcx)?;
        demand(is_private(x.r8), Status::OperandInvalid, Operand::R8)?;
        let free = !td.mmio.contains_key(&gpa);
        demand(free, Status::EptEntryStateIncorrect, Operand::Rcx)?;
        let entry = self.mmio_table.mmio(0, x.r8)?;
        let entry = entry.filter(|mmio| !mmio.mapped);
        let incorrect = Refused::at(Status::MmioInvalidPageMetadata, Operand::Rcx);
        let function = entry.ok_or(incorrect)?.function;
        let devif = self.devif(function, Operand::R8)?;
        let (owns, stream) = (devif.td == x.rdx, devif.stream);
        demand(owns, Status::MmioDevifOwnerMismatch, Operand::Rdx)?;
        demand(
            !self.is_blocked(stream),
            Status::IdeStreamBlocked,
            Operand::R8,
        )?;
        let reached = self.streams.get(&stream).is_some_and(|it| it.reaches(x.r8));
        let device = machine.ground.kind(x.r8) == Some(Kind::Device);
        demand(
            reached && device,
            Status::MmioPageNotInAssocRange,
            Operand::R8,
        )?;
        if let Some(entry) = self.mmio_table.mmio(0, x.r8)? {
            entry.mapped = true;
        }
        self.devif(function, Operand::R8)?.mmio += 1;
        let mapping = Mapping {
            address: x.r8,
            state: Sept::Pending,
        };
        let td = self.live_td(x.rdx, Operand::Rdx)?;
        td.mmio.insert(gpa, mapping);
        Ok(Gprs::default())
    }

    pub(super) fn mmio_block(&mut self, x: &Gprs) -> Outcome {
        let epoch = self.live_td(x.rdx, Operand::Rdx)?.epoch;
        let gpa = guest_page(x.rcx)?;
        let mapping = self.mapping(x.rdx, gpa)?;
        let blocked = matches!(mapping.state, Sept::Blocked(_));
        demand(!blocked, Status::EptEntryStateIncorrect, Operand::Rcx)?;
        mapping.state = Sept::Blocked(epoch);
        Ok(Gprs::default())
    }

    pub(super) fn mmio_unmap(&mut self, x: &Gprs) -> Outcome {
        let td = self.live_td(x.rdx, Operand::Rdx)?;
        let (tracks, epoch) = (td.needs_tracking(), td.epoch);
        let gpa = guest_page(x.rcx)?;
        let Mapping { address, state } = *self.mapping(x.rdx, gpa)?;
        if tracks {
            let Sept::Blocked(since) = state else {
                return Err(Refused::at(Status::GpaRangeNotBlocked, Operand::Rcx));
            };
            demand(epoch > since, Status::TlbTrackingNotDone, Operand::Rcx)?;
        }
        let mmio = self.mmio_table.mmio(0, address)?.copied();
        let mmio = mmio.ok_or(Refused::at(Status::MmiomtNotPresent, Operand::Rcx))?;
        let devif = self.devif(mmio.function, Operand::Rcx)?;
        let (unlocked, stream) = (devif.state == State::Unlocked, devif.stream);
        demand(
            unlocked || self.is_blocked(stream),
            Status::DevifTdispInvalidState,
            Operand::Rcx,
        )?;
        self.devif(mmio.function, Operand::Rcx)?.mmio -= 1;
        if let Some(entry) = self.mmio_table.mmio(0, address)? {
            entry.mapped = false;
        }
        self.live_td(x.rdx, Operand::Rdx)?.mmio.remove(&gpa);
        Ok(Gprs {
            r8: address,
            ..Gprs::default()
        })
    }

    /// The guest takes a page that the host mapped, if it is the one that the report speaks of.
    pub(super) fn mmio_accept(&mut self, x: &Gprs) -> Outcome {
        let td = self.live_td(x.rsi, Operand::Tdr)?;
        let gpa = guest_page(x.rcx)?;
        demand(is_private(x.rdx), Status::OperandInvalid, Operand::Rdx)?;
        // The host is told of a page that is not there by an exit, which a stand-in does not make.
        let mapping = td.mmio.get_mut(&gpa);
        let mapping = mapping.ok_or(Refused::at(Status::EptWalkFailed, Operand::Rcx))?;
        match mapping.state {
            Sept::Mapped => return Err(Status::PageAlreadyAccepted.into()),
            Sept::Blocked(_) => {
                return Err(Refused::at(Status::EptEntryStateIncorrect, Operand::Rcx));
            }
            Sept::Pending => {}
        }
        let same = mapping.address == x.rdx;
        demand(same, Status::MmioInvalidHpaOffset, Operand::Rcx)?;
        mapping.state = Sept::Mapped;
        Ok(Gprs::default())
    }
}
