// SPDX-License-Identifier: GPL-2.0

//! Physical devices.

use super::GRANULE_SIZE;
use crate::word::word_enum;
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

word_enum! {
    /// `RmiPdevState`.
    ///
    /// A PDEV that is being stopped keeps its state until its communication is over.
    pub enum PdevState {
        /// Made; its first communication is due.
        New = 0,
        /// The certificate chain is known; the host has to give the public key in it. The
        /// emulation goes on to [`PdevState::Ready`] without.
        NeedsKey = 1,
        /// The public key is known; communication is due.
        HasKey = 2,
        /// VDEVs can be made.
        Ready = 3,
        /// Can be destroyed.
        Stopped = 4,
        /// Communication failed; can only be stopped.
        Error = 5,
    }
}

/// In [`PdevParams::flags`]: the device speaks SPDM.
pub const FLAG_SPDM: u64 = 1 << 0;
/// In [`PdevParams::flags`]: category "root port" in bits 2:1. Such a PDEV has no SPDM, no
/// certificates and no functions; it becomes [`PdevState::Ready`] by a communication without a
/// message.
pub const FLAG_CATEGORY_ROOT_PORT: u64 = 0 << 1;
/// In [`PdevParams::flags`]: category "endpoint, off-chip" in bits 2:1.
pub const FLAG_CATEGORY_OFF_CHIP: u64 = 1 << 1;
/// All bits of [`PdevParams::flags`].
pub const FLAGS_MASK: u64 = 0x7;

/// [`PdevParams::hash_algo`]: SHA-256.
pub const HASH_SHA_256: u64 = 0;
/// [`PdevParams::hash_algo`]: SHA-512.
pub const HASH_SHA_512: u64 = 1;
/// [`PdevParams::hash_algo`]: SHA-384.
pub const HASH_SHA_384: u64 = 2;

/// `RmiPdevParams`, one granule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PdevParams {
    /// [`FLAG_SPDM`] and a category.
    pub flags: u64,
    /// Base address of the host bridge's ECAM. The emulation takes any.
    pub hb_base: u64,
    /// Requester ID of the device (function 0).
    pub pdev_id: u64,
    /// Routing ID of the root port above it.
    pub routing_id: u64,
    /// Slot of the certificate chain to use.
    pub id_index: u64,
    /// First requester ID of the device's functions.
    pub rid_base: u64,
    /// End of the requester IDs of the device's functions, exclusive.
    pub rid_top: u64,
    /// Hash algorithm for digests of the device's objects.
    pub hash_algo: u64,
    /// Must be zero.
    pub reserved: [u8; 0xfc0],
}

const _: () = assert!(offset_of!(PdevParams, hb_base) == 0x8);
const _: () = assert!(offset_of!(PdevParams, pdev_id) == 0x10);
const _: () = assert!(offset_of!(PdevParams, routing_id) == 0x18);
const _: () = assert!(offset_of!(PdevParams, id_index) == 0x20);
const _: () = assert!(offset_of!(PdevParams, rid_base) == 0x28);
const _: () = assert!(offset_of!(PdevParams, rid_top) == 0x30);
const _: () = assert!(offset_of!(PdevParams, hash_algo) == 0x38);
const _: () = assert!(size_of::<PdevParams>() == GRANULE_SIZE);
