// SPDX-License-Identifier: GPL-2.0

//! Waiting.

use crate::bindings;
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};
use tsm_wire::refusal::Refusal;

/// Sleeps for about `ms` milliseconds.
///
/// # Errors
///
/// [`Refusal::Signal`] if a signal is pending, at the latest after that time.
pub fn sleep_interruptible(ms: u32) -> Result<(), Refusal> {
    // SAFETY: May sleep, as all callers of this crate may.
    unsafe { bindings::msleep_interruptible(ms) };
    if current!().signal_pending() {
        Err(Refusal::Signal)
    } else {
        Ok(())
    }
}

/// Sleeps for about `ms` milliseconds, whatever happens.
pub fn sleep(ms: u32) {
    fsleep(Delta::from_millis(i64::from(ms)));
}
