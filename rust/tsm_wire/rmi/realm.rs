// SPDX-License-Identifier: GPL-2.0

//! Realms.

use super::GRANULE_SIZE;
use core::mem::size_of;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Parameters of a Realm, one granule.
///
/// There is no Realm on the machines that the emulation runs on. What is made of this granule is a
/// stand-in that owns VDEVs and device memory and nothing else, so every byte must be zero.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RealmParams {
    /// Must be zero.
    pub reserved: [u64; GRANULE_SIZE / size_of::<u64>()],
}

const _: () = assert!(size_of::<RealmParams>() == GRANULE_SIZE);
