// SPDX-License-Identifier: GPL-2.0

//! Results of calls.

use super::{word_enum, Unknown};

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

word_enum! {
    /// Where the [`Detail`] of a failed communication comes from.
    pub enum DetailClass {
        /// There is none.
        None = 0,
        /// The device answered TDISP_ERROR; the value is its error code.
        Tdisp = 1,
        /// The device answered SPDM ERROR; the value is its error code.
        Spdm = 2,
        /// The answer did not come or is not well formed; the value is a [`TransportFault`].
        Transport = 3,
        /// The device is in another TDISP state than it said or should be; the value is that state.
        WrongState = 4,
    }
}

word_enum! {
    /// Values of a [`Detail`] of class [`DetailClass::Transport`].
    pub enum TransportFault {
        /// The host reported that it got no answer.
        NoAnswer = 1,
        /// The answer is shorter than what it has to hold.
        Short = 2,
        /// The answer is not the one to the request that was sent.
        Unexpected = 3,
        /// The answer has a field with a value that it may not have.
        Malformed = 4,
        /// The object is larger than the firmware takes.
        TooLong = 5,
        /// The firmware itself failed (a fault that was asked for, see the control socket).
        Injected = 6,
    }
}

/// Why a communication failed: `X1` of a `*_COMMUNICATE` that did not return success.
///
/// This is an addition of the emulated mailbox. The RMM of the specification has no such result
/// and leaves `X1` zero, which reads as [`DetailClass::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Where the value comes from.
    pub class: DetailClass,
    /// What it is.
    pub value: u16,
}

impl Detail {
    /// No detail.
    pub const NONE: Self = Self {
        class: DetailClass::None,
        value: 0,
    };

    /// As it stands in `X1`.
    pub const fn raw(self) -> u64 {
        (self.class as u64) << 16 | self.value as u64
    }

    /// From `X1`.
    pub fn from_raw(x1: u64) -> Result<Self, Unknown> {
        let class = DetailClass::try_from(x1 >> 16).map_err(|_| Unknown(x1))?;
        Ok(Self {
            class,
            value: x1 as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_round_trip() {
        for &class in DetailClass::ALL {
            let detail = Detail {
                class,
                value: 0x104,
            };
            assert_eq!(Detail::from_raw(detail.raw()), Ok(detail));
        }
        assert_eq!(Detail::NONE.raw(), 0);
        assert!(Detail::from_raw(5 << 16).is_err());
    }
}
