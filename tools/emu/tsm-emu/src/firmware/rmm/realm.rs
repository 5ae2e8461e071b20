// SPDX-License-Identifier: GPL-2.0

//! Realms: stand-ins that own VDEVs and mappings of device memory.

use super::granule::{release, take, Use};
use super::{Refused, Rmm};
use crate::firmware::ground::{is_aligned, read, Ground, Kind};
use std::collections::BTreeMap;
use tsm_wire::rmi::{RealmParams, Status};

/// A Realm.
#[derive(Debug, Default)]
pub(super) struct Realm {
    /// Device memory by guest physical page.
    pub(super) mapped: BTreeMap<u64, u64>,
}

impl Rmm {
    pub(super) fn realm_create(
        &mut self,
        ground: &dyn Ground,
        rd: u64,
        params: u64,
    ) -> Result<(), Refused> {
        if !is_aligned(rd) || !self.granules.is_host_memory(ground, params) {
            return Err(Status::ErrorInput.into());
        }
        let params: RealmParams = read(ground, params).ok_or(Status::ErrorInput)?;
        if params.reserved.iter().any(|word| *word != 0)
            || !take(&mut self.granules, rd, Kind::Memory, Use::Realm)
        {
            return Err(Status::ErrorInput.into());
        }
        self.realms.insert(rd, Realm::default());
        Ok(())
    }

    pub(super) fn realm_destroy(&mut self, rd: u64) -> Result<(), Refused> {
        let realm = self.realms.get(&rd).ok_or(Status::ErrorInput)?;
        let used = !realm.mapped.is_empty() || self.vdevs.values().any(|vdev| vdev.realm() == rd);
        if used {
            return Err(Status::ErrorRealm.into());
        }
        self.realms.remove(&rd);
        release(&mut self.granules, rd);
        Ok(())
    }
}
