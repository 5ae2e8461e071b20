// SPDX-License-Identifier: GPL-2.0

//! The table of MMIO (MMIOMT), by address: which function each page belongs to (`mmiomt.c`,
//! `tdh_mmio_mt_*.c` of the published source).

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::device_table::function;
use super::table::{Form, Table};
use super::Tdx;
use std::collections::BTreeMap;
use tsm_wire::tdx::mmio::MMIOMT_ROOT;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::{PageType, HKID_SHIFT};

/// A page has 128 entries with four pointers each; one of level 1 points to what describes 512 KiB.
const FORM: Form = Form {
    root: MMIOMT_ROOT as u32,
    lowest: 19,
    step: 9,
};
/// Bits of an address below an entry of level 0.
const PAGE_BITS: u32 = 12;
/// Highest level whose entries can describe MMIO: pages of 1 GiB.
const DATA_LEVEL_MAX: u32 = 2;

/// What an entry says that describes MMIO.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mmio {
    pub(super) function: u16,
    pub(super) mapped: bool,
}

/// The table.
#[derive(Debug)]
pub(super) struct MmioTable {
    table: Table,
    /// By level and address.
    entries: BTreeMap<(u32, u64), Mmio>,
}

impl Default for MmioTable {
    fn default() -> Self {
        Self {
            table: Table::new(FORM),
            entries: BTreeMap::new(),
        }
    }
}

/// Where the entry of this level begins that an address is below.
fn entry(level: u32, address: u64) -> (u32, u64) {
    let bits = PAGE_BITS + 9 * level;
    (level, address >> bits << bits)
}

impl MmioTable {
    /// Whether a walk gets to an entry of this level: no entry above it describes MMIO.
    fn walk(&self, level: u32, address: u64) -> Outcome<()> {
        let mut above = level + 1..FORM.root;
        let data = above.any(|level| self.entries.contains_key(&entry(level, address)));
        let reached = !data && self.table.reaches(level, address);
        demand(reached, Status::MmiomtNotPresent, Operand::Rcx)
    }

    /// The entry of this level, if it describes MMIO.
    pub(super) fn mmio(&mut self, level: u32, address: u64) -> Outcome<Option<&mut Mmio>> {
        self.walk(level, address)?;
        Ok(self.entries.get_mut(&entry(level, address)))
    }

    /// Whether the page below the entry of this level describes MMIO.
    fn describes(&self, level: u32, address: u64) -> bool {
        let mut entries = self.entries.keys();
        entries.any(|(below, other)| below + 1 == level && self.table.share(level, *other, address))
    }

    /// Whether an entry of this level points to pages.
    fn points(&self, level: u32, address: u64) -> bool {
        let (_, start) = entry(level, address);
        // Four pointers an entry, but for the lowest, which have none.
        level != 0
            && (0..4u64).any(|quarter| {
                let part = start + (quarter << (PAGE_BITS + 9 * level - 2));
                self.table.page(level, part).is_some()
            })
    }
}

/// Level and address of an index.
fn index(register: u64, levels: std::ops::RangeInclusive<u32>) -> Outcome<(u32, u64)> {
    let level = (register & 7) as u32;
    let address = register & !0xfff;
    let valid = register & 0xff8 == 0 && address >> HKID_SHIFT == 0 && levels.contains(&level);
    demand(valid, Status::OperandInvalid, Operand::Rcx)?;
    Ok((level, address))
}

impl Tdx {
    pub(super) fn mmio_mt_add(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let (level, address) = index(x.rcx, 1..=FORM.root)?;
        self.pamt.check(machine.ground, x.rdx, Operand::Rdx)?;
        let entry = self.mmio_table.mmio(level, address)?;
        let data = entry.is_some();
        let free = !data && self.mmio_table.table.page(level, address).is_none();
        demand(free, Status::MmioInvalidPageMetadata, Operand::Rcx)?;
        self.pamt.take(machine.ground, x.rdx, PageType::MmioMt, 0);
        self.mmio_table.table.add(level, address, x.rdx);
        Ok(Gprs::default())
    }

    pub(super) fn mmio_mt_remove(&mut self, x: &Gprs) -> Outcome {
        let (level, address) = index(x.rcx, 1..=FORM.root)?;
        self.mmio_table.walk(level, address)?;
        let incorrect = Refused::at(Status::MmioInvalidPageMetadata, Operand::Rcx);
        let tree = &self.mmio_table.table;
        let page = tree.page(level, address).ok_or(incorrect)?;
        if self.mmio_table.describes(level, address) || !tree.is_leafless(level, address) {
            return Err(incorrect);
        }
        self.mmio_table.table.remove(level, address);
        self.pamt.release(page);
        Ok(Gprs {
            // Its number, as the published source has it; others give addresses.
            rcx: page >> PAGE_BITS,
            ..Gprs::default()
        })
    }

    pub(super) fn mmio_mt_set(&mut self, x: &Gprs) -> Outcome {
        let (level, address) = index(x.rcx, 0..=DATA_LEVEL_MAX)?;
        let before = self.mmio_table.mmio(level, address)?.copied();
        let (kind, named) = (x.rdx & 3, x.rdx >> 12 & 0xffff_ffff);
        let reserved = x.rdx & 0xffc != 0 || x.rdx >> 44 != 0;
        let valid = !reserved && kind <= 1 && (kind == 1) == (named != 0);
        demand(valid, Status::OperandInvalid, Operand::Rdx)?;
        let key = entry(level, address);
        if kind == 0 {
            let free = before.is_some_and(|mmio| !mmio.mapped);
            demand(free, Status::MmioInvalidPageMetadata, Operand::Mmiomt)?;
            self.mmio_table.entries.remove(&key);
        } else {
            let free = before.is_none() && !self.mmio_table.points(level, address);
            demand(free, Status::MmioInvalidPageMetadata, Operand::Mmiomt)?;
            let function = function(named, Operand::Rdx)?;
            self.devif(function, Operand::Rdx)?;
            let mapped = false;
            self.mmio_table
                .entries
                .insert(key, Mmio { function, mapped });
        }
        Ok(Gprs::default())
    }
}
