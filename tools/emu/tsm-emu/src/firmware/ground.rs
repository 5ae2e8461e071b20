// SPDX-License-Identifier: GPL-2.0

//! What firmware stands on: memory of the host and of devices.

use std::io;
use zerocopy::FromBytes;

/// Bytes of a page.
pub(super) const PAGE_SIZE: u64 = 4096;

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory.
    Memory,
    /// Registers or memory of a device.
    Device,
}

/// Memory as the firmware sees it.
pub trait Ground {
    /// What is at a page; `None` if nothing is.
    fn kind(&self, page: u64) -> Option<Kind>;
    /// Reads memory.
    fn read(&self, address: u64, data: &mut [u8]) -> io::Result<()>;
    /// Writes memory.
    fn write(&self, address: u64, data: &[u8]) -> io::Result<()>;
}

/// Whether an address is one of a page.
pub(super) fn is_aligned(address: u64) -> bool {
    address.is_multiple_of(PAGE_SIZE)
}

/// Reads a structure.
pub(super) fn read<T: FromBytes>(ground: &dyn Ground, address: u64) -> Option<T> {
    let mut bytes = vec![0; size_of::<T>()];
    ground.read(address, &mut bytes).ok()?;
    T::read_from_bytes(&bytes).ok()
}
