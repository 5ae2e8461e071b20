// SPDX-License-Identifier: GPL-2.0

//! Who owns which granule.

use super::Refused;
use crate::firmware::ground::{is_aligned, Ground, Kind};
use crate::firmware::pages::Pages;
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

/// All granules that are not the host's.
pub(super) type Granules = Pages<Use>;

/// Takes granules from the host; the first that was not taken.
pub(super) fn delegate(
    granules: &mut Granules,
    ground: &dyn Ground,
    base: u64,
    top: u64,
) -> Result<u64, Refused> {
    each(base, top, |page| {
        granules.claim(ground, page, Use::Delegated)
    })
}

/// Gives granules back; the first that was not given back.
pub(super) fn undelegate(granules: &mut Granules, base: u64, top: u64) -> Result<u64, Refused> {
    each(base, top, |page| granules.give_back(page, Use::Delegated))
}

/// Takes a delegated granule into use.
pub(super) fn take(granules: &mut Granules, page: u64, kind: Kind, used: Use) -> bool {
    granules.turn(page, kind, Use::Delegated, used)
}

/// Ends a use.
pub(super) fn release(granules: &mut Granules, page: u64) {
    granules.set(page, Use::Delegated);
}

/// Does something to granule after granule. It fails if it does with the first.
fn each(base: u64, top: u64, mut action: impl FnMut(u64) -> bool) -> Result<u64, Refused> {
    let failed = Refused::with(Status::ErrorInput, base);
    if !is_aligned(base) || !is_aligned(top) || base >= top {
        return Err(failed);
    }
    let mut next = base;
    for page in (base..top).step_by(GRANULE_SIZE).take(BATCH) {
        if !action(page) {
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
