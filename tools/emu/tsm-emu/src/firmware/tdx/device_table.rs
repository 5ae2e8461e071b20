// SPDX-License-Identifier: GPL-2.0

//! The table of device interfaces (DEVIFMT), by function (`devifmt.c`, `tdh_devif_mt_*.c` of the
//! published source).

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::table::{Form, Table};
use super::Tdx;
use tsm_wire::tdx::devif::DEVIFMT_ROOT;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::PageType;

/// Nine bits of a function a level, and what is left at the root.
const FORM: Form = Form {
    root: DEVIFMT_ROOT as u32,
    lowest: 9,
    step: 9,
};

/// An empty one.
pub(super) fn empty() -> Table {
    Table::new(FORM)
}

/// The requester ID of a function; segments are not supported.
pub(super) fn function(register: u64, operand: Operand) -> Outcome<u16> {
    u16::try_from(register).map_err(|_| Refused::at(Status::OperandInvalid, operand))
}

/// Level and function of an index.
fn index(register: u64) -> Outcome<(u32, u16)> {
    let level = (register & 7) as u32;
    let reserved = register >> 3 & 0x1fff_ffff;
    demand(
        reserved == 0 && (1..=FORM.root).contains(&level),
        Status::OperandInvalid,
        Operand::Rcx,
    )?;
    Ok((level, function(register >> 32, Operand::Rcx)?))
}

impl Tdx {
    pub(super) fn devif_mt_add(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let (level, function) = index(x.rcx)?;
        let key = u64::from(function);
        self.pamt.check(machine.ground, x.rdx, Operand::Rdx)?;
        let reached = self.device_table.reaches(level, key);
        demand(reached, Status::DevifmtNotPresent, Operand::Rcx)?;
        let free = self.device_table.page(level, key).is_none();
        demand(free, Status::DevifmtAlreadyPresent, Operand::Rcx)?;
        self.pamt.take(machine.ground, x.rdx, PageType::DevifMt, 0);
        self.device_table.add(level, key, x.rdx);
        Ok(Gprs::default())
    }

    pub(super) fn devif_mt_remove(&mut self, x: &Gprs) -> Outcome {
        let (level, function) = index(x.rcx)?;
        let key = u64::from(function);
        let absent = Refused::at(Status::DevifmtNotPresent, Operand::Rcx);
        if !self.device_table.reaches(level, key) {
            return Err(absent);
        }
        let page = self.device_table.page(level, key).ok_or(absent)?;
        let mut devifs = self.devifs.keys();
        let used = level == 1
            && devifs.any(|other| self.device_table.share(level, key, u64::from(*other)));
        let empty = !used && self.device_table.is_leafless(level, key);
        demand(empty, Status::DevifInvalidMetadata, Operand::Rcx)?;
        self.device_table.remove(level, key);
        self.pamt.release(page);
        Ok(Gprs {
            rcx: page,
            ..Gprs::default()
        })
    }
}
