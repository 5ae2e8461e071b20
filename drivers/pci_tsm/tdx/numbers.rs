// SPDX-License-Identifier: GPL-2.0

//! Numbers that the host gives out: of SPDM sessions, and of keys.

use core::ops::RangeInclusive;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Numbers below 256, of a range, each of which one has at a time.
#[pin_data]
pub(crate) struct Numbers {
    range: RangeInclusive<u16>,
    #[pin]
    taken: Mutex<[u64; 4]>,
}

impl Numbers {
    pub(crate) fn new(range: RangeInclusive<u16>) -> impl PinInit<Self> {
        pin_init!(Self {
            range,
            taken <- new_mutex!([0; 4], "Numbers::taken"),
        })
    }

    /// One that nobody has.
    pub(crate) fn take(&self) -> Option<u16> {
        let mut taken = self.taken.lock();
        self.range.clone().find(|n| {
            let Some(word) = taken.get_mut(usize::from(n / 64)) else {
                return false;
            };
            let bit = 1 << (n % 64);
            let free = *word & bit == 0;
            *word |= bit;
            free
        })
    }

    /// Gives it back.
    pub(crate) fn give_back(&self, n: u16) {
        if let Some(word) = self.taken.lock().get_mut(usize::from(n / 64)) {
            *word &= !(1 << (n % 64));
        }
    }
}
