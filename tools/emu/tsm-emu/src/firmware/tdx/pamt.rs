// SPDX-License-Identifier: GPL-2.0

//! The Physical Address Metadata Table: whose each page is.
//!
//! All memory that the host has is in one TDMR, from the start: a page that is not in the table is
//! not assigned (`PT_NDA`).

use super::super::ground::{Ground, Kind};
use super::super::pages::Pages;
use super::completion::{demand, Outcome, Refused};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::{PageType, HKID_SHIFT};
use tsm_wire::tdx::PAGE_SIZE;

/// First address that has bits of a key.
pub(super) const HKID_SHIFT_END: u64 = 1 << HKID_SHIFT;
/// Bits of a physical address, with those of a key.
const ADDRESS_BITS: u32 = 52;

/// What a page that is not the host's is used for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Page {
    pub(super) kind: PageType,
    /// TDR of the TD that it belongs to; of metadata of an IOMMU the number of that.
    pub(super) owner: u64,
}

/// All pages that are not the host's.
#[derive(Debug, Default)]
pub(super) struct Pamt {
    pages: Pages<Page>,
}

impl Pamt {
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// What a page is, if it is not the host's.
    pub(super) fn page(&self, address: u64) -> Option<Page> {
        self.pages.used(address)
    }

    /// Checks that a page is the host's to give.
    pub(super) fn check(&self, ground: &dyn Ground, address: u64, operand: Operand) -> Outcome<()> {
        demand(is_private(address), Status::OperandInvalid, operand)?;
        let memory = ground.kind(address) == Some(Kind::Memory);
        demand(memory, Status::OperandAddrRangeError, operand)?;
        let free = self.pages.used(address).is_none();
        demand(free, Status::PageMetadataIncorrect, operand)
    }

    /// Checks several pages that are given at once. One page cannot be given twice: the second time
    /// its entry is locked.
    pub(super) fn check_all(&self, ground: &dyn Ground, pages: &[(u64, Operand)]) -> Outcome<()> {
        for (number, (address, operand)) in pages.iter().enumerate() {
            self.check(ground, *address, *operand)?;
            let mut before = pages.iter().take(number);
            let again = before.any(|(other, _)| other == address);
            demand(!again, Status::OperandBusy, *operand)?;
        }
        Ok(())
    }

    /// Takes a page that was checked.
    pub(super) fn take(&mut self, ground: &dyn Ground, address: u64, kind: PageType, owner: u64) {
        self.pages.claim(ground, address, Page { kind, owner });
    }

    /// Gives a page back.
    pub(super) fn release(&mut self, address: u64) {
        if let Some(used) = self.pages.used(address) {
            self.pages.give_back(address, used);
        }
    }

    /// Checks a page that the module and the host exchange messages in. On real hardware it is told
    /// from others by its key, and a page of the module's own would be spoilt; here that is refused.
    pub(super) fn check_shared(
        &self,
        ground: &dyn Ground,
        address: u64,
        operand: Operand,
    ) -> Outcome<()> {
        let shared = is_private(address) && self.pages.is_host_memory(ground, address);
        demand(shared, Status::OperandInvalid, operand)
    }

    /// Writes to a page of the host's; nothing that does not fit.
    pub(super) fn write(
        &self,
        ground: &dyn Ground,
        address: u64,
        bytes: &[u8],
        operand: Operand,
    ) -> Outcome<()> {
        self.check_shared(ground, address, operand)?;
        demand(bytes.len() <= PAGE_SIZE, Status::OperandInvalid, operand)?;
        ground
            .write(address, bytes)
            .map_err(|_| Refused::at(Status::OperandInvalid, operand))
    }

    /// Reads a page of the host's.
    pub(super) fn read(
        &self,
        ground: &dyn Ground,
        address: u64,
        bytes: &mut [u8],
        operand: Operand,
    ) -> Outcome<()> {
        self.check_shared(ground, address, operand)?;
        ground
            .read(address, bytes)
            .map_err(|_| Refused::at(Status::OperandInvalid, operand))
    }
}

/// Whether an address is one of a page, without a key.
pub(super) fn is_private(address: u64) -> bool {
    address.is_multiple_of(PAGE_SIZE as u64) && address >> HKID_SHIFT == 0
}

/// Page and key of an address; `None` if it is none.
pub(super) fn keyed(address: u64) -> Option<(u64, u64)> {
    let page = address & ((1 << HKID_SHIFT) - 1);
    let valid = page.is_multiple_of(PAGE_SIZE as u64) && address >> ADDRESS_BITS == 0;
    valid.then_some((page, address >> HKID_SHIFT))
}
