// SPDX-License-Identifier: GPL-2.0

//! Device memory in a Realm.

use super::granule::{release, take, Use};
use super::{Refused, Results, Rmm};
use crate::firmware::ground::{is_aligned, Kind};
use std::collections::btree_map::Entry;
use tsm_wire::rmi::rtt::{RangeDesc, FLAG_OUTPUT_SINGLE};
use tsm_wire::rmi::{Status, VdevState, GRANULE_SIZE};

/// Pages that one call maps or unmaps at most. The specification lets the monitor stop early.
const BATCH: u64 = 8;
const PAGE: u64 = GRANULE_SIZE as u64;
/// Level of the tables at which pages are mapped.
const LEVEL: u8 = 3;

impl Rmm {
    /// RTT_DEV_MAP; the end of what was mapped.
    pub(super) fn dev_map(
        &mut self,
        [rd, vdev]: [u64; 2],
        [ipa, top]: [u64; 2],
        flags: u64,
        output: u64,
    ) -> Result<u64, Refused> {
        let input = Refused::from(Status::ErrorInput);
        let output = RangeDesc::from_raw(output).ok_or(input)?;
        let well_formed = is_aligned(ipa)
            && ipa.checked_add(output.len()) == Some(top)
            && flags == FLAG_OUTPUT_SINGLE;
        let realm = self
            .realms
            .get_mut(&rd)
            .filter(|_| well_formed)
            .ok_or(input)?;
        let vdev = self
            .vdevs
            .get(&vdev)
            .filter(|vdev| vdev.realm() == rd)
            .ok_or(input)?;
        if !vdev.owns(output.base, output.base + output.len()) {
            return Err(input);
        }
        // What is mapped was looked for when the host asked for it to be unlocked.
        let locked = matches!(vdev.state(), VdevState::Locked | VdevState::Started);
        if !locked || vdev.is_being_unlocked() {
            return Err(Status::ErrorDevice.into());
        }
        let mut done = 0;
        while done < output.pages.min(BATCH) {
            let (ipa, page) = (ipa + done * PAGE, output.base + done * PAGE);
            let mapped = match realm.mapped.entry(ipa) {
                Entry::Occupied(_) => Err(at_level(Status::ErrorRtt, ipa)),
                Entry::Vacant(entry)
                    if take(&mut self.granules, page, Kind::Device, Use::Mapped) =>
                {
                    entry.insert(page);
                    Ok(())
                }
                Entry::Vacant(_) => Err(Refused::with(Status::ErrorGranule, page)),
            };
            match mapped {
                Ok(()) => done += 1,
                Err(refused) if done == 0 => return Err(refused),
                Err(_) => break,
            }
        }
        Ok(ipa + done * PAGE)
    }

    /// RTT_DEV_UNMAP; the end of what was unmapped and which memory it was.
    pub(super) fn dev_unmap(
        &mut self,
        rd: u64,
        [ipa, top]: [u64; 2],
        flags: u64,
        output: u64,
    ) -> Result<Results, Refused> {
        let well_formed = is_aligned(ipa) && is_aligned(top) && ipa < top;
        if !well_formed || flags != FLAG_OUTPUT_SINGLE || output != 0 {
            return Err(Status::ErrorInput.into());
        }
        let realm = self.realms.get_mut(&rd).ok_or(Status::ErrorInput)?;
        let base = *realm
            .mapped
            .get(&ipa)
            .ok_or(at_level(Status::ErrorRtt, ipa))?;
        let mut pages = 0;
        // One descriptor describes pages that follow each other.
        while pages < BATCH
            && ipa + pages * PAGE < top
            && realm.mapped.get(&(ipa + pages * PAGE)) == Some(&(base + pages * PAGE))
        {
            realm.mapped.remove(&(ipa + pages * PAGE));
            release(&mut self.granules, base + pages * PAGE);
            pages += 1;
        }
        let range = RangeDesc { base, pages }.raw().unwrap_or(0);
        Ok([ipa + pages * PAGE, range, 0])
    }
}

fn at_level(status: Status, x1: u64) -> Refused {
    Refused {
        status,
        index: LEVEL,
        x1,
    }
}
