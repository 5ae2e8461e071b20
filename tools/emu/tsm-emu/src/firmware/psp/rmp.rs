// SPDX-License-Identifier: GPL-2.0

//! The reverse map: who owns which page. The host changes it with an instruction, RMPUPDATE; what is
//! the firmware's it gets back by SNP_PAGE_RECLAIM only (AMD 24594 "RMPUPDATE", AMD 56860).

use super::super::ground::{is_aligned, Ground, Kind, PAGE_SIZE};
use super::super::pages::Pages;
use super::parameters::parameters;
use super::{require, Machine, Psp, Refused};
use tsm_wire::sev::rmp::{PageState, RmpResult};
use tsm_wire::sev::snp::Address;
use tsm_wire::sev::Status;

/// Most pages that one RMPUPDATE stand-in is for.
const UPDATE_MAX: u64 = 1 << 20;
/// In the address of SNP_PAGE_RECLAIM: the page is one of 2 MiB.
const LARGE: u64 = 1;

/// What a page that is not the host's is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The firmware's, for it to write to.
    Firmware,
    /// A context of something is made of it.
    Context,
    /// A guest's.
    Guest {
        /// ASID of the guest.
        asid: u32,
        /// Where the guest has it.
        gpa: u64,
        /// The guest accepted that.
        validated: bool,
    },
}

/// The reverse map.
#[derive(Debug, Default)]
pub(super) struct Rmp {
    pages: Pages<Use>,
}

impl Rmp {
    /// How many pages are not the host's.
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// RMPUPDATE for each page of a range: what it left in EAX at last, and for how many pages it was
    /// done.
    pub(super) fn update(
        &mut self,
        ground: &dyn Ground,
        address: u64,
        gpa: u64,
        state: u64,
        count: u64,
    ) -> (RmpResult, u64) {
        let Some(state) = PageState::from_raw(state).filter(|_| (1..=UPDATE_MAX).contains(&count))
        else {
            return (RmpResult::FailInput, 0);
        };
        for done in 0..count {
            let offset = done * PAGE_SIZE;
            let page = address.checked_add(offset).zip(gpa.checked_add(offset));
            let result = match page {
                Some((page, gpa)) => self.update_page(ground, page, gpa, state),
                None => RmpResult::FailInput,
            };
            if result != RmpResult::Success {
                return (result, done);
            }
        }
        (RmpResult::Success, count)
    }

    fn update_page(
        &mut self,
        ground: &dyn Ground,
        page: u64,
        gpa: u64,
        state: PageState,
    ) -> RmpResult {
        let Some(kind) = ground.kind(page).filter(|_| is_aligned(page)) else {
            return RmpResult::FailInput;
        };
        let wanted = match (state, kind) {
            (PageState::Shared, _) => None,
            (PageState::Firmware, Kind::Memory) => Some(Use::Firmware),
            (PageState::Guest(asid), Kind::Device) if is_aligned(gpa) => Some(Use::Guest {
                asid,
                gpa,
                validated: false,
            }),
            _ => return RmpResult::FailInput,
        };
        let used = self.pages.used(page);
        if matches!(used, Some(Use::Firmware | Use::Context)) {
            return RmpResult::FailPermission;
        }
        if let Some(used) = used {
            self.pages.give_back(page, used);
        }
        if let Some(wanted) = wanted {
            self.pages.claim(ground, page, wanted);
        }
        RmpResult::Success
    }

    /// A page is one that the host and the firmware may exchange data in.
    pub(super) fn host(&self, ground: &dyn Ground, page: u64) -> Result<(), Refused> {
        self.memory(ground, page)?;
        require(self.pages.used(page).is_none(), Status::InvalidPageState)
    }

    /// A page is one that the firmware may write to.
    pub(super) fn firmware(&self, ground: &dyn Ground, page: u64) -> Result<(), Refused> {
        self.memory(ground, page)?;
        let used = self.pages.used(page);
        require(used == Some(Use::Firmware), Status::InvalidPageState)
    }

    fn memory(&self, ground: &dyn Ground, page: u64) -> Result<(), Refused> {
        let memory = is_aligned(page) && ground.kind(page) == Some(Kind::Memory);
        require(memory, Status::InvalidAddress)
    }

    /// Makes pages of the firmware's those of a context.
    pub(super) fn take(&mut self, pages: &[u64]) {
        for page in pages {
            self.pages
                .turn(*page, Kind::Memory, Use::Firmware, Use::Context);
        }
    }

    /// The context is no more.
    pub(super) fn release(&mut self, pages: &[u64]) {
        for page in pages {
            self.pages
                .turn(*page, Kind::Memory, Use::Context, Use::Firmware);
        }
    }

    /// Who owns a page.
    pub(super) fn used(&self, page: u64) -> Option<Use> {
        self.pages.used(page)
    }

    /// A guest accepts a page of its, or does so no longer.
    pub(super) fn validate(&mut self, page: u64, validated: bool) {
        if let Some(Use::Guest { asid, gpa, .. }) = self.pages.used(page) {
            self.pages.set(
                page,
                Use::Guest {
                    asid,
                    gpa,
                    validated,
                },
            );
        }
    }
}

impl Psp {
    pub(super) fn page_reclaim(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let Address { address } = parameters(machine.ground, &self.rmp, at)?;
        require(address & LARGE == 0, Status::InvalidPageSize)?;
        require(is_aligned(address), Status::InvalidAddress)?;
        let reclaimed = self.rmp.pages.give_back(address, Use::Firmware);
        require(reclaimed, Status::InvalidPageState)
    }
}
