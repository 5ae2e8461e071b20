// SPDX-License-Identifier: GPL-2.0

//! GET_CAPABILITIES and CAPABILITIES (10.4).

use crate::header::{consumed, end_of_answer, front, message, response};
use crate::{Fault, Version};
use zerocopy::little_endian::{U16, U32};
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_CAPABILITIES.
pub const REQUEST: u8 = 0xe1;
/// CAPABILITIES.
pub const RESPONSE: u8 = 0x61;

/// Responder: GET_DIGESTS and GET_CERTIFICATE are there.
pub const CERT_CAP: u32 = 1 << 1;
/// Responder: CHALLENGE is there.
pub const CHAL_CAP: u32 = 1 << 2;
/// Responder: GET_MEASUREMENTS is there, with signatures (value 2 in bits 4:3).
pub const MEAS_CAP_SIG: u32 = 1 << 4;
/// Responder: GET_MEASUREMENTS is there, with or without signatures.
pub const MEAS_CAP: u32 = 3 << 3;
/// Responder: measurements are taken anew for every request.
pub const MEAS_FRESH_CAP: u32 = 1 << 5;
/// Secured messages are encrypted.
pub const ENCRYPT_CAP: u32 = 1 << 6;
/// Secured messages are authenticated.
pub const MAC_CAP: u32 = 1 << 7;
/// KEY_EXCHANGE is there.
pub const KEY_EX_CAP: u32 = 1 << 9;
/// HEARTBEAT is there.
pub const HBEAT_CAP: u32 = 1 << 13;
/// KEY_UPDATE is there.
pub const KEY_UPD_CAP: u32 = 1 << 14;

/// What both have to have for a session.
pub const SESSION_CAPS: u32 = ENCRYPT_CAP | MAC_CAP | KEY_EX_CAP;

/// Least that anybody has to take.
pub const DATA_TRANSFER_SIZE_MIN: u32 = 42;

/// Exponents above this are not taken: more than half an hour.
const CT_EXPONENT_MAX: u8 = 31;

/// Body of both messages. Version 1.1 ends before the sizes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Capabilities {
    /// Flags and time.
    pub base: Base,
    /// Sizes.
    pub sizes: Sizes,
}

/// What both versions have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Base {
    /// Reserved.
    pub reserved0: u8,
    /// Time for cryptography: 2 to the power of this, in microseconds.
    pub ct_exponent: u8,
    /// Reserved.
    pub reserved1: U16,
    /// `*_CAP`.
    pub flags: U32,
}

/// What version 1.2 adds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Sizes {
    /// Most bytes in a message over the transport.
    pub data_transfer_size: U32,
    /// Most bytes in a message that comes in chunks.
    pub max_message_size: U32,
}

const _: () = assert!(size_of::<Capabilities>() == 16);

impl Capabilities {
    /// With these flags, for messages of so many bytes.
    pub fn new(flags: u32, data_transfer_size: u32) -> Self {
        Self {
            base: Base {
                reserved0: 0,
                // 2^17 us, 131 ms: what an emulator without optimisation needs for a signature.
                ct_exponent: 17,
                reserved1: U16::new(0),
                flags: U32::new(flags),
            },
            sizes: Sizes {
                data_transfer_size: U32::new(data_transfer_size),
                max_message_size: U32::new(data_transfer_size),
            },
        }
    }

    /// `*_CAP`.
    pub fn flags(&self) -> u32 {
        self.base.flags.get()
    }

    /// Most bytes in a message over the transport.
    pub fn data_transfer_size(&self) -> usize {
        self.sizes.data_transfer_size.get() as usize
    }

    /// Whether the values are ones that the standard allows.
    pub fn is_well_formed(&self) -> bool {
        self.sizes.data_transfer_size.get() >= DATA_TRANSFER_SIZE_MIN
            && self.sizes.max_message_size.get() >= self.sizes.data_transfer_size.get()
            && self.base.ct_exponent <= CT_EXPONENT_MAX
    }
}

pub(crate) fn encode(version: Version, code: u8, capabilities: &Capabilities) -> Vec<u8> {
    let body = match version {
        Version::V1_1 => capabilities.base.as_bytes(),
        Version::V1_2 => capabilities.as_bytes(),
    };
    message(version.wire(), code, 0, 0, body)
}

/// The body of either message, and what follows it. Version 1.1 knows no limit: `assumed` stands in.
pub(crate) fn decode(
    version: Version,
    body: &[u8],
    assumed: u32,
) -> Result<(Capabilities, &[u8]), Fault> {
    let (capabilities, rest) = match version {
        Version::V1_1 => {
            let (base, rest) = front::<Base>(body)?;
            let sizes = Capabilities::new(0, assumed).sizes;
            (Capabilities { base, sizes }, rest)
        }
        Version::V1_2 => front::<Capabilities>(body)?,
    };
    end_of_answer(rest)?;
    if !capabilities.is_well_formed() {
        return Err(Fault::Malformed);
    }
    Ok((capabilities, rest))
}

/// Reads CAPABILITIES: its length and body.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    assumed: u32,
) -> Result<(usize, Capabilities), Fault> {
    let (_, body) = response(bytes, version, RESPONSE)?;
    let (capabilities, rest) = decode(version, body, assumed)?;
    Ok((consumed(bytes, rest), capabilities))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let own = Capabilities::new(CERT_CAP | KEY_EX_CAP, 0x1234);
        let bytes = encode(Version::V1_2, REQUEST, &own);
        assert_eq!(
            bytes,
            [0x12, 0xe1, 0, 0, 0, 17, 0, 0, 2, 2, 0, 0, 0x34, 0x12, 0, 0, 0x34, 0x12, 0, 0]
        );
        let old = encode(Version::V1_1, RESPONSE, &own);
        assert_eq!(old, [0x11, 0x61, 0, 0, 0, 17, 0, 0, 2, 2, 0, 0]);
        assert_eq!(decode_response(Version::V1_1, &old, 0x1234), Ok((12, own)));
    }

    #[test]
    fn bounds() {
        let take = |capabilities: Capabilities| {
            let bytes = encode(Version::V1_2, RESPONSE, &capabilities);
            decode_response(Version::V1_2, &bytes, 0).map(|(length, _)| length)
        };
        assert_eq!(take(Capabilities::new(0, 42)), Ok(20));
        assert_eq!(take(Capabilities::new(0, 41)), Err(Fault::Malformed));
        let mut uneven = Capabilities::new(0, 100);
        uneven.sizes.max_message_size = U32::new(99);
        assert_eq!(take(uneven), Err(Fault::Malformed));
        let mut slow = Capabilities::new(0, 100);
        slow.base.ct_exponent = 32;
        assert_eq!(take(slow), Err(Fault::Malformed));
    }
}
