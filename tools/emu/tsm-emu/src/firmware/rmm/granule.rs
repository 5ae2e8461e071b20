// SPDX-License-Identifier: GPL-2.0

//! Who owns which granule.

use super::ground::{is_aligned, Ground, Kind};
use super::Refused;
use std::collections::BTreeMap;
use tsm_wire::rmi::{Status, GRANULE_SIZE};

/// Granules that one call takes at most. The specification lets the monitor stop early, so that
/// hosts have to go on.
const BATCH: usize = 4;

/// What a granule that is not the host's is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing.
    Delegated,
    /// A Realm descriptor.
    Realm,
    /// A PDEV.
    Pdev,
    /// A VDEV.
    Vdev,
    /// Device memory that a Realm has.
    Mapped,
}

#[derive(Clone, Copy, Debug)]
struct Granule {
    kind: Kind,
    used: Use,
}

/// All granules that are not the host's.
#[derive(Debug, Default)]
pub(super) struct Granules {
    granules: BTreeMap<u64, Granule>,
}

impl Granules {
    pub(super) fn len(&self) -> usize {
        self.granules.len()
    }

    /// Takes granules from the host; the first that was not taken.
    pub(super) fn delegate(
        &mut self,
        ground: &dyn Ground,
        base: u64,
        top: u64,
    ) -> Result<u64, Refused> {
        let granules = &mut self.granules;
        each(base, top, |page| {
            let kind = ground
                .kind(page)
                .filter(|_| !granules.contains_key(&page))?;
            let used = Use::Delegated;
            granules.insert(page, Granule { kind, used });
            Some(())
        })
    }

    /// Gives granules back; the first that was not given back.
    pub(super) fn undelegate(&mut self, base: u64, top: u64) -> Result<u64, Refused> {
        let granules = &mut self.granules;
        each(base, top, |page| {
            granules
                .get(&page)
                .filter(|granule| granule.used == Use::Delegated)?;
            granules.remove(&page).map(drop)
        })
    }

    /// Takes a delegated granule into use.
    pub(super) fn take(&mut self, page: u64, kind: Kind, used: Use) -> bool {
        match self.granules.get_mut(&page) {
            Some(granule) if granule.kind == kind && granule.used == Use::Delegated => {
                granule.used = used;
                true
            }
            _ => false,
        }
    }

    /// Ends a use.
    pub(super) fn release(&mut self, page: u64) {
        if let Some(granule) = self.granules.get_mut(&page) {
            granule.used = Use::Delegated;
        }
    }

    /// Whether a page is one that the host and the monitor may exchange data in.
    pub(super) fn is_host_memory(&self, ground: &dyn Ground, page: u64) -> bool {
        is_aligned(page)
            && !self.granules.contains_key(&page)
            && ground.kind(page) == Some(Kind::Memory)
    }

    /// The first granule of a range that is mapped in a Realm.
    pub(super) fn first_mapped(&self, base: u64, top: u64) -> Option<u64> {
        self.granules
            .range(base..top)
            .find(|(_, granule)| granule.used == Use::Mapped)
            .map(|(page, _)| *page)
    }
}

/// Does something to granule after granule. It fails if it does with the first.
fn each(base: u64, top: u64, mut action: impl FnMut(u64) -> Option<()>) -> Result<u64, Refused> {
    let failed = Refused::with(Status::ErrorInput, base);
    if !is_aligned(base) || !is_aligned(top) || base >= top {
        return Err(failed);
    }
    let mut next = base;
    for page in (base..top).step_by(GRANULE_SIZE).take(BATCH) {
        if action(page).is_none() {
            break;
        }
        next = page + GRANULE_SIZE as u64;
    }
    if next == base {
        Err(failed)
    } else {
        Ok(next)
    }
}
