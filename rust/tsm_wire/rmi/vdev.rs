// SPDX-License-Identifier: GPL-2.0

//! Virtual devices: device interfaces (TDIs) that are assigned to a Realm.

use super::{AddrRange, GRANULE_SIZE};
use crate::word::word_enum;
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

word_enum! {
    /// `RmiVdevState`.
    pub enum VdevState {
        /// Made; its first communication, which takes it to unlocked, is due.
        New = 0,
        /// TDISP CONFIG_UNLOCKED.
        Unlocked = 1,
        /// TDISP CONFIG_LOCKED.
        Locked = 2,
        /// TDISP RUN.
        Started = 3,
        /// Communication failed or the device left the state it was in; has to be unlocked.
        Error = 4,
        /// IDE keys of the stream have to be refreshed.
        KeyRefresh = 5,
        /// Old IDE keys of the stream have to be purged.
        KeyPurge = 6,
    }
}

/// How many address ranges [`VdevParams`] holds.
pub const ADDR_RANGE_MAX: usize = 8;

/// In [`VdevParams::flags`]: the device has a virtual SMMU. Not supported by the emulation.
pub const FLAG_VSMMU: u64 = 1 << 0;

/// `RmiVdevParams`, one granule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VdevParams {
    /// Must be zero.
    pub flags: u64,
    /// Identifier of the device in the Realm.
    pub vdev_id: u64,
    /// Requester ID of the function on the host.
    pub tdi_id: u64,
    /// Must be zero.
    pub reserved0: u64,
    /// Address of the virtual SMMU; zero.
    pub vsmmu_addr: u64,
    /// Stream ID in the virtual SMMU; zero.
    pub vsid: u64,
    /// How many entries of `addr_range` are used.
    pub num_addr_range: u64,
    /// Must be zero.
    pub reserved1: [u8; 0x1c8],
    /// Device memory of the TDI, ascending and disjoint, whole granules.
    pub addr_range: [AddrRange; ADDR_RANGE_MAX],
    /// Must be zero.
    pub reserved2: [u8; 0xd80],
}

const _: () = assert!(offset_of!(VdevParams, vdev_id) == 0x8);
const _: () = assert!(offset_of!(VdevParams, tdi_id) == 0x10);
const _: () = assert!(offset_of!(VdevParams, vsmmu_addr) == 0x20);
const _: () = assert!(offset_of!(VdevParams, vsid) == 0x28);
const _: () = assert!(offset_of!(VdevParams, num_addr_range) == 0x30);
const _: () = assert!(offset_of!(VdevParams, addr_range) == 0x200);
const _: () = assert!(size_of::<VdevParams>() == GRANULE_SIZE);

/// In [`VdevMeasureParams::flags`]: raw bit streams, not digests.
pub const MEASURE_FLAG_RAW: u64 = 1 << 0;

/// Bytes in a nonce.
pub const NONCE_SIZE: usize = 32;

/// `RmiVdevMeasureParams`, one granule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VdevMeasureParams {
    /// [`MEASURE_FLAG_RAW`] or 0.
    pub flags: u64,
    /// Must be zero.
    pub reserved0: [u8; 0xf8],
    /// What the measurements have to be fresh for: the device signs for it. The emulation draws a
    /// nonce of its own if it is all zeroes.
    pub nonce: [u8; NONCE_SIZE],
    /// Must be zero.
    pub reserved1: [u8; 0xee0],
}

const _: () = assert!(offset_of!(VdevMeasureParams, nonce) == 0x100);
const _: () = assert!(size_of::<VdevMeasureParams>() == GRANULE_SIZE);
