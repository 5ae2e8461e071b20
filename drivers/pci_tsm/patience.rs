// SPDX-License-Identifier: GPL-2.0

//! How long to wait for firmware and devices.

use kernel::time::{
    Delta,
    Instant,
    Monotonic, //
};
use tsm_sys::wait;
use tsm_wire::refusal::Refusal;

/// Milliseconds that all of an operation may take. With what it takes to undo one that failed, a
/// request ends within 30 s, half of what the destruction of a vDEVICE waits.
const OPERATION_MS: i64 = 18_000;
/// Milliseconds that undoing, or unbinding, may take.
const CLEANUP_MS: i64 = 8_000;

/// The limit of the waits of one operation, and whether a signal ends them.
pub struct Patience {
    start: Instant<Monotonic>,
    limit_ms: i64,
    interruptible: bool,
}

impl Patience {
    /// Of an operation that somebody waits for.
    pub fn operation() -> Self {
        Patience {
            start: Instant::now(),
            limit_ms: OPERATION_MS,
            interruptible: true,
        }
    }

    /// Of one that has to come to its end.
    pub fn cleanup() -> Self {
        Patience {
            start: Instant::now(),
            limit_ms: CLEANUP_MS,
            interruptible: false,
        }
    }

    /// From here on the operation has happened in part: signals wait for its end.
    pub fn commit(&mut self) {
        self.interruptible = false;
    }

    /// Is it at its end?
    pub fn is_over(&self) -> bool {
        self.start.elapsed() > Delta::from_millis(self.limit_ms)
    }

    /// Waits for `ms` milliseconds.
    ///
    /// # Errors
    ///
    /// [`Refusal::Signal`], [`Refusal::Firmware`] if it is over.
    pub fn wait(&self, ms: u32) -> Result<(), Refusal> {
        if self.is_over() {
            return Err(Refusal::Firmware);
        }
        if self.interruptible {
            wait::sleep_interruptible(ms)
        } else {
            wait::sleep(ms);
            Ok(())
        }
    }
}
