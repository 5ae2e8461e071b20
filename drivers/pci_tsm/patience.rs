// SPDX-License-Identifier: GPL-2.0

//! How long to wait for firmware and devices.

use kernel::time::{
    Delta,
    Instant,
    Monotonic, //
};
use tsm_sys::wait;
use tsm_wire::refusal::Refusal;

/// Milliseconds that an operation may take, since somebody began to wait for it: also for its turn,
/// so that a queue of requests of one device is not longer than one of them.
const OPERATION_MS: i64 = 18_000;
/// Milliseconds after which what is to be undone of it is left as it is. A request ends within 30 s,
/// half of what the destruction of a vDEVICE waits.
const UNDO_MS: i64 = 26_000;
/// Milliseconds that an unbind or a disconnect may take.
const END_MS: i64 = 12_000;

/// The limit of the waits of one operation, and whether a signal ends them.
#[derive(Clone, Copy)]
pub struct Patience {
    start: Instant<Monotonic>,
    limit_ms: i64,
    interruptible: bool,
}

impl Patience {
    /// Of an operation that somebody waits for since `start`.
    pub fn since(start: Instant<Monotonic>) -> Self {
        Patience {
            start,
            limit_ms: OPERATION_MS,
            interruptible: true,
        }
    }

    /// Of one that begins now.
    pub fn operation() -> Self {
        Patience::since(Instant::now())
    }

    /// Of one that has to come to its end: an unbind, a disconnect.
    pub fn end() -> Self {
        Patience {
            start: Instant::now(),
            limit_ms: END_MS,
            interruptible: false,
        }
    }

    /// To undo what an operation did that failed.
    pub fn undo(&self) -> Self {
        Patience {
            start: self.start,
            limit_ms: self.limit_ms.max(UNDO_MS),
            interruptible: false,
        }
    }

    /// From here on the operation has happened in part: signals wait for its end.
    pub fn commit(&mut self) {
        self.interruptible = false;
    }

    /// Has the operation happened in part?
    pub fn is_committed(&self) -> bool {
        !self.interruptible
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
