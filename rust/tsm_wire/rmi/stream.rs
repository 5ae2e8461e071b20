// SPDX-License-Identifier: GPL-2.0

//! IDE streams between PDEVs.
//!
//! The host makes a PDEV of each end, asks for the stream by `PDEV_STREAM_CONNECT`, and lets both
//! communicate in turn, the root port first. A PDEV that has nothing to do before the other one
//! went on says so by [`super::ExitFlags::STREAM_WAIT`]. When both are over, both ends have their
//! keys, and `PDEV_STREAM_COMPLETE` ends it; then the host enables the stream in the two ports. A
//! stream is disconnected in the same way, by `PDEV_STREAM_DISCONNECT`, before its PDEVs are
//! stopped.

use super::{AddrRange, GRANULE_SIZE};
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`PdevStreamParams::stream_type`]: a selective stream between an endpoint and its root port, for
/// accesses that are not coherent.
pub const STREAM_NCOH: u64 = 1;
/// Most address ranges of a stream.
pub const STREAM_ADDR_RANGE_MAX: usize = 16;

/// `RmiPdevStreamParams`, one granule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PdevStreamParams {
    /// Must be zero.
    pub flags: u64,
    /// [`STREAM_NCOH`].
    pub stream_type: u64,
    /// PDEV of the endpoint.
    pub pdev_1: u64,
    /// PDEV of the root port.
    pub pdev_2: u64,
    /// Stream ID of PCIe, that no other stream of either end has.
    pub ide_sid: u64,
    /// How many of `addr_range` there are.
    pub num_addr_range: u64,
    /// Must be zero.
    pub reserved0: [u8; 0xd0],
    /// Memory that the root port reaches through the stream, in granules, without overlaps.
    pub addr_range: [AddrRange; STREAM_ADDR_RANGE_MAX],
    /// Must be zero.
    pub reserved1: [u8; 0xe00],
}

const _: () = assert!(offset_of!(PdevStreamParams, stream_type) == 0x8);
const _: () = assert!(offset_of!(PdevStreamParams, pdev_1) == 0x10);
const _: () = assert!(offset_of!(PdevStreamParams, pdev_2) == 0x18);
const _: () = assert!(offset_of!(PdevStreamParams, ide_sid) == 0x20);
const _: () = assert!(offset_of!(PdevStreamParams, num_addr_range) == 0x28);
const _: () = assert!(offset_of!(PdevStreamParams, addr_range) == 0x100);
const _: () = assert!(size_of::<PdevStreamParams>() == GRANULE_SIZE);
