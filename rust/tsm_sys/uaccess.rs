// SPDX-License-Identifier: GPL-2.0

//! User memory: each function touches each byte at most once.

use crate::bindings;
use core::mem::MaybeUninit;
use kernel::{
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use tsm_wire::refusal::Refusal;
use zerocopy::IntoBytes;

/// Reads `struct iommu_vdevice_tsm_op` as 64-bit words.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn read_op(from: usize) -> Result<[u64; 2], Refusal> {
    let mut words = MaybeUninit::<[u64; 2]>::uninit();
    // SAFETY: `words` has room for what the function reads; `from` is checked by it.
    match unsafe { bindings::tsm_shim_read_op(words.as_mut_ptr().cast(), from as *const u64) } {
        // SAFETY: The function has written all of it.
        0 => Ok(unsafe { words.assume_init() }),
        _ => Err(Refusal::Fault),
    }
}

/// Reads what both forms of the request have in common, as 64-bit words. If the first half of the
/// first, the size, says that it is the form with a `tsm_code`, that is set to 0.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn read_req(from: usize) -> Result<[u64; 5], Refusal> {
    let mut words = MaybeUninit::<[u64; 5]>::uninit();
    // SAFETY: `words` has room for what the function reads; `from` is checked by it.
    match unsafe { bindings::tsm_shim_read_req(words.as_mut_ptr().cast(), from as *mut u64) } {
        // SAFETY: The function has written all of it.
        0 => Ok(unsafe { words.assume_init() }),
        _ => Err(Refusal::Fault),
    }
}

/// Most bytes that [`Payload::read`] takes: `struct iommu_tsm_cca_scope_vdev_map`.
pub const PAYLOAD_MAX: usize = 32;

/// A request, as long as some request is.
pub struct Payload {
    words: [u64; PAYLOAD_MAX / 8],
    len: usize,
}

impl Payload {
    /// Reads `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fault`]; [`Refusal::Payload`] if no request is so long.
    #[inline]
    pub fn read(from: u64, len: u32) -> Result<Self, Refusal> {
        let mut words = [0; PAYLOAD_MAX / 8];
        // SAFETY: `words` has room for the longest request, and the function reads no longer one;
        // `from` is checked by it.
        let ret = unsafe {
            bindings::tsm_shim_read_payload(words.as_mut_ptr(), from as *const u64, len as usize)
        };
        match ret {
            0 => Ok(Payload {
                words,
                len: len as usize,
            }),
            e if e == -(kernel::bindings::EFAULT as i32) => Err(Refusal::Fault),
            _ => Err(Refusal::Payload),
        }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.words.as_bytes().get(..self.len).unwrap_or_default()
    }
}

/// Writes one 32-bit word.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn write_u32(to: u64, value: u32) -> Result<(), Refusal> {
    // SAFETY: `to` is checked by the function.
    match unsafe { bindings::tsm_shim_put_u32(value, to as *mut u32) } {
        0 => Ok(()),
        _ => Err(Refusal::Fault),
    }
}

/// Reads one 32-bit word.
///
/// # Errors
///
/// [`Refusal::Fault`].
pub fn read_u32(from: usize) -> Result<u32, Refusal> {
    let mut value = 0;
    // SAFETY: `value` is ours; `from` is checked by the function.
    match unsafe { bindings::tsm_shim_get_u32(&mut value, from as *const u32) } {
        0 => Ok(value),
        _ => Err(Refusal::Fault),
    }
}

/// Writes one 64-bit word.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn write_u64(to: usize, value: u64) -> Result<(), Refusal> {
    // SAFETY: `to` is checked by the function.
    match unsafe { bindings::tsm_shim_put_u64(value, to as *mut u64) } {
        0 => Ok(()),
        _ => Err(Refusal::Fault),
    }
}

/// Reads exactly `to.len()` bytes.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn read(from: u64, to: &mut [u8]) -> Result<(), Refusal> {
    UserSlice::new(UserPtr::from_addr(from as usize), to.len())
        .reader()
        .read_slice(to)
        .map_err(|_| Refusal::Fault)
}

/// Writes all of `from`, or nothing: each page is looked at before the first byte is written. Only
/// memory that goes away in between is written in part.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn write(to: u64, from: &[u8]) -> Result<(), Refusal> {
    let source = from.as_ptr().cast::<c_void>();
    // SAFETY: `from` is readable for its length; `to` is checked by the function.
    match unsafe { bindings::tsm_shim_write(to as *mut c_void, source, from.len()) } {
        0 => Ok(()),
        _ => Err(Refusal::Fault),
    }
}

/// Are the `len` bytes at `from` zero?
///
/// # Errors
///
/// [`Refusal::Fault`].
pub fn is_zero(from: usize, len: usize) -> Result<bool, Refusal> {
    // SAFETY: The function checks the range.
    match unsafe { bindings::check_zeroed_user(from as *const c_void, len) } {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Refusal::Fault),
    }
}

/// Faults in the `len` bytes at `to` for writing, and changes none of them.
///
/// # Errors
///
/// [`Refusal::Fault`] if there is one that could not be written.
pub fn probe_write(to: u64, len: usize) -> Result<(), Refusal> {
    let end = to.checked_add(len as u64).ok_or(Refusal::Fault)?;
    if end > isize::MAX as u64 {
        return Err(Refusal::Fault);
    }
    // SAFETY: The function takes any user range; the check above keeps it out of the kernel's.
    match unsafe { bindings::fault_in_safe_writeable(to as *const c_char, len) } {
        0 => Ok(()),
        _ => Err(Refusal::Fault),
    }
}
