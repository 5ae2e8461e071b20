// SPDX-License-Identifier: GPL-2.0

//! Results of calls.

use crate::word::{word_enum, Unknown};

word_enum! {
    /// `RmiStatusCode`, bits 7:0 of `X0` on return.
    pub enum Status {
        /// Done.
        Success = 0,
        /// An argument is wrong.
        ErrorInput = 1,
        /// An attribute of the Realm is not as the call needs it.
        ErrorRealm = 2,
        /// An attribute of the REC is not as the call needs it.
        ErrorRec = 3,
        /// A walk of the RTT ended before its target or met an unexpected entry; the index is the
        /// level.
        ErrorRtt = 4,
        /// The RMM does not have this.
        ErrorNotSupported = 5,
        /// An attribute of the device is not as the call needs it.
        ErrorDevice = 6,
        /// An auxiliary RTT has an unexpected entry.
        ErrorRttAux = 7,
        /// A walk of a stream table failed.
        ErrorPsmmuSt = 8,
        /// A walk of a device permission table failed.
        ErrorDpt = 9,
        /// Nothing was changed; the same call may succeed later.
        Busy = 10,
        /// An attribute of the RMM itself is not as the call needs it.
        ErrorGlobal = 11,
        /// A tracking region is not in the state that the call needs.
        ErrorTracking = 12,
        /// The call began something that has to be continued.
        Incomplete = 13,
        /// An object is in the middle of something that has to be completed first.
        Blocked = 14,
        /// A walk of the GPT met an unexpected level.
        ErrorGpt = 15,
        /// A granule is not in the state that the call needs.
        ErrorGranule = 16,
    }
}

impl Status {
    /// Status part of `X0`.
    pub fn from_x0(x0: u64) -> Result<Self, Unknown> {
        Self::try_from(x0 & 0xff).map_err(|_| Unknown(x0))
    }

    /// Index part of `X0`, bits 15:8.
    pub const fn index(x0: u64) -> u8 {
        (x0 >> 8) as u8
    }
}
