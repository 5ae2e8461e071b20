// SPDX-License-Identifier: GPL-2.0

//! One ioctl with one structure.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};
use zerocopy::{FromBytes, IntoBytes};

/// Calls ioctl `number` with the address of `argument`; its result if it is not negative.
///
/// # Safety
///
/// On every file, `number` must let the kernel read and write `size_of::<T>()` bytes at `argument`
/// at most, and beyond that only at addresses that stand in it and that the caller may let the
/// kernel write to until this returns.
#[inline]
pub(crate) unsafe fn ioctl<T: FromBytes + IntoBytes>(
    fd: BorrowedFd<'_>,
    number: u32,
    argument: &mut T,
) -> io::Result<u32> {
    // SAFETY: Owner: the descriptor is borrowed, so it is open until the borrow ends; `argument` is
    // borrowed exclusively, and any bytes are a valid `T`. Lock: none is needed, the kernel keeps
    // no address after the call. Race: nobody else has `argument`; the rest is the caller's
    // promise.
    let result = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            number as libc::Ioctl,
            core::ptr::from_mut(argument),
        )
    };
    // -1 is the only negative result the C library lets through.
    u32::try_from(result).map_err(|_| io::Error::last_os_error())
}
