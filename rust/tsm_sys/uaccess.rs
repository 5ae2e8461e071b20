// SPDX-License-Identifier: GPL-2.0

//! User memory: each function touches each byte at most once.

use crate::bindings;
use kernel::{
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use tsm_wire::refusal::Refusal;

/// Reads `N` 64-bit words at `from`, each once.
///
/// # Errors
///
/// [`Refusal::Fault`].
#[inline]
pub fn read_words<const N: usize>(from: usize) -> Result<[u64; N], Refusal> {
    let mut words = [0u64; N];
    // SAFETY: `words` has room for `N` words and nobody else knows it; `from` is checked by the
    // function.
    let ret =
        unsafe { bindings::tsm_shim_read_words(words.as_mut_ptr(), from as *const u64, N as u32) };
    if ret == 0 {
        Ok(words)
    } else {
        Err(Refusal::Fault)
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

/// Writes all of `from`.
///
/// # Errors
///
/// [`Refusal::Fault`]; some of it may have been written then.
#[inline]
pub fn write(to: u64, from: &[u8]) -> Result<(), Refusal> {
    UserSlice::new(UserPtr::from_addr(to as usize), from.len())
        .writer()
        .write_slice(from)
        .map_err(|_| Refusal::Fault)
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
