// SPDX-License-Identifier: GPL-2.0

//! `IOMMU_OPTION`, reading `IOMMU_OPTION_RLIMIT_MODE`: the iommufd ioctl that does the least, and so
//! the measure for others.

use crate::ioctl::ioctl;
use std::{io, os::fd::BorrowedFd};
use tsm_wire::uapi::IOMMUFD_TYPE;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `_IO(';', 0x87)` of `<linux/iommufd.h>`.
const IOMMU_OPTION: u32 = (IOMMUFD_TYPE as u32) << 8 | 0x87;
const IOMMU_OPTION_RLIMIT_MODE: u32 = 0;
const IOMMU_OPTION_OP_GET: u16 = 1;

/// `struct iommu_option` of `<linux/iommufd.h>`.
#[repr(C)]
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct IommuOption {
    size: u32,
    option_id: u32,
    op: u16,
    reserved: u16,
    object_id: u32,
    val64: u64,
}

/// The question how iommufd accounts pinned memory, ready to be asked as often as wanted.
#[derive(Debug)]
pub struct RlimitMode(IommuOption);

impl RlimitMode {
    /// Prepares it.
    #[must_use]
    pub fn new() -> Self {
        RlimitMode(IommuOption {
            size: size_of::<IommuOption>() as u32,
            option_id: IOMMU_OPTION_RLIMIT_MODE,
            op: IOMMU_OPTION_OP_GET,
            reserved: 0,
            object_id: 0,
            val64: 0,
        })
    }

    /// Asks: 0 accounts per user, 1 per process.
    ///
    /// # Errors
    ///
    /// The errno of the call.
    #[inline]
    pub fn call(&mut self, iommufd: BorrowedFd<'_>) -> io::Result<u64> {
        // SAFETY: Owner: the structure is ours and holds no address. Lock and race: none,
        // `&mut self` excludes a second call, and only iommufd acts on this number.
        unsafe { ioctl(iommufd, IOMMU_OPTION, &mut self.0) }.map(|_| self.0.val64)
    }
}

impl Default for RlimitMode {
    fn default() -> Self {
        RlimitMode::new()
    }
}
