// SPDX-License-Identifier: GPL-2.0

//! Why a TSM's conversation with a device failed.
//!
//! This is an addition of the emulated firmware: no real one tells as much. It stands in bits 63:32
//! of `tsm_code` where the architecture has a status of 32 bits or less.

use crate::word::{word_enum, Unknown};

word_enum! {
    /// Where a [`Detail`] comes from.
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
        /// The device did not prove that it is one to trust; the value is an
        /// [`AuthenticationFault`].
        Authentication = 5,
        /// The SPDM session with the device could not be opened, or was lost; the value is a
        /// [`SessionFault`].
        Session = 6,
        /// A key of the IDE stream was not taken; the value is an [`IdeFault`].
        Ide = 7,
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
        /// The host's own: a stream has its keys and is not secure.
        Insecure = 7,
        /// The device wants to be asked later, too often or too much later.
        NotReady = 8,
        /// The host's own: a page, or an address of the VM, is in use in the VM already.
        Occupied = 9,
    }
}

word_enum! {
    /// Values of a [`Detail`] of class [`DetailClass::Authentication`].
    pub enum AuthenticationFault {
        /// What the device shows is not a chain of certificates.
        Malformed = 1,
        /// The chain does not begin with the root whose hash it tells.
        RootHash = 2,
        /// The root of the chain is not one that the firmware trusts.
        Untrusted = 3,
        /// A certificate is not valid yet.
        NotYetValid = 4,
        /// A certificate is not valid any more.
        Expired = 5,
        /// A certificate is not signed by the one before it.
        ChainSignature = 6,
        /// A certificate is signed by one that may not sign certificates, or that has another name.
        Issuer = 7,
        /// The device's own certificate is one of an authority, or its key cannot be used.
        Leaf = 8,
        /// The chain is not the one whose digest the device told.
        Digest = 9,
        /// The signature in CHALLENGE_AUTH is wrong: the device does not have the key.
        ChallengeSignature = 10,
        /// The signature in MEASUREMENTS is wrong, or not over the nonce that was sent.
        MeasurementSignature = 11,
        /// The signature in KEY_EXCHANGE_RSP is wrong.
        KeyExchangeSignature = 12,
        /// What the device measures is not what the reference values say.
        Measurement = 13,
        /// After a session was lost the device showed another chain than before.
        OtherDevice = 14,
        /// The device has no version of SPDM that the firmware has.
        NoCommonVersion = 15,
        /// The device has no algorithms that the firmware has.
        NoCommonAlgorithms = 16,
        /// The device cannot do what the firmware needs.
        MissingCapability = 17,
        /// The firmware has no random bytes.
        Entropy = 18,
    }
}

word_enum! {
    /// Values of a [`Detail`] of class [`DetailClass::Session`]. But for the first, the session is
    /// lost, and with it the lock of every TDI that was locked in it.
    pub enum SessionFault {
        /// The HMAC in KEY_EXCHANGE_RSP is wrong: the device has other keys.
        Hmac = 1,
        /// A secured message is not authentic.
        Decrypt = 2,
        /// A secured message is authentic and comes at the wrong time: replayed, or out of order.
        Sequence = 3,
        /// A secured message is of another session.
        OtherSession = 4,
        /// A message came in the clear where a secured one belongs, or the other way round.
        InTheClear = 5,
    }
}

word_enum! {
    /// Values of a [`Detail`] of class [`DetailClass::Ide`]. The first ones are what the device says in
    /// KP_ACK.
    pub enum IdeFault {
        /// The device found the message too short or too long.
        IncorrectLength = 1,
        /// The device has no such port.
        UnsupportedPortIndex = 2,
        /// The device has no such stream, or the key is not one to use.
        UnsupportedValue = 3,
        /// The device did not say what is wrong.
        Unspecified = 4,
        /// The root port did not take a key.
        RootPort = 0x100,
    }
}

/// Why a conversation failed: `X1` of the call that it ended with. Firmware without such a result
/// leaves `X1` zero, which reads as [`DetailClass::None`].
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
        assert!(Detail::from_raw(8 << 16).is_err());
    }
}
