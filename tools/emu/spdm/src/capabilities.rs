// SPDX-License-Identifier: GPL-2.0

//! GET_CAPABILITIES and CAPABILITIES (10.4).

use crate::header::{end, front, message, response, VERSION_1_2};
use crate::Fault;
use zerocopy::little_endian::{U16, U32};
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_CAPABILITIES.
pub const REQUEST: u8 = 0xe1;
/// CAPABILITIES.
pub const RESPONSE: u8 = 0x61;

/// Responder: GET_DIGESTS and GET_CERTIFICATE are there.
pub const CERT_CAP: u32 = 1 << 1;
/// Responder: GET_MEASUREMENTS is there, without signatures (value 1 in bits 4:3).
pub const MEAS_CAP_NO_SIG: u32 = 1 << 3;
/// Responder: measurements are taken anew for every request.
pub const MEAS_FRESH_CAP: u32 = 1 << 5;

/// Least that anybody has to take (table 10).
pub const DATA_TRANSFER_SIZE_MIN: u32 = 42;

/// Body of both messages.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Capabilities {
    /// Reserved.
    pub reserved0: u8,
    /// Time for cryptography: 2 to the power of this, in microseconds.
    pub ct_exponent: u8,
    /// Reserved.
    pub reserved1: U16,
    /// `*_CAP`.
    pub flags: U32,
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
            reserved0: 0,
            ct_exponent: 10,
            reserved1: U16::new(0),
            flags: U32::new(flags),
            data_transfer_size: U32::new(data_transfer_size),
            max_message_size: U32::new(data_transfer_size),
        }
    }

    /// Whether the sizes are ones that the standard allows.
    pub fn is_well_formed(&self) -> bool {
        self.data_transfer_size.get() >= DATA_TRANSFER_SIZE_MIN
            && self.max_message_size.get() >= self.data_transfer_size.get()
    }
}

pub(crate) fn encode(code: u8, capabilities: &Capabilities) -> Vec<u8> {
    message(VERSION_1_2, code, 0, 0, capabilities.as_bytes())
}

/// Reads CAPABILITIES: its length and body.
pub(crate) fn decode_response(bytes: &[u8]) -> Result<(usize, Capabilities), Fault> {
    let (_, body) = response(bytes, VERSION_1_2, RESPONSE)?;
    let (capabilities, rest) = front::<Capabilities>(body)?;
    end(rest)?;
    if !capabilities.is_well_formed() {
        return Err(Fault::Malformed);
    }
    Ok((bytes.len() - rest.len(), capabilities))
}
