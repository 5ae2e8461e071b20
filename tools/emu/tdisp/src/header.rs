// SPDX-License-Identifier: GPL-2.0

//! What every message starts with (11.3.3, table 5).

use zerocopy::little_endian::U32;
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a [`Header`].
pub const HEADER_SIZE: usize = 16;

/// Identifies a TDI within the domain of a DSM (11.2, table 1).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct InterfaceId {
    /// Requester ID in bits 15:0, segment in 23:16, segment valid in 24.
    pub function_id: U32,
    /// Reserved.
    pub reserved: [u8; 8],
}

impl InterfaceId {
    /// Of the function with this requester ID, segment unknown.
    pub fn of(requester_id: u16) -> Self {
        Self {
            function_id: U32::new(u32::from(requester_id)),
            reserved: [0; 8],
        }
    }

    /// Requester ID: bus, device and function.
    pub fn requester_id(&self) -> u16 {
        (self.function_id.get() & 0xffff) as u16
    }

    /// Whether all reserved bits are zero.
    pub fn is_well_formed(&self) -> bool {
        let id = self.function_id.get();
        let segment_valid = id & 1 << 24 != 0;
        id >> 25 == 0 && (segment_valid || id >> 16 & 0xff == 0) && self.reserved == [0; 8]
    }
}

/// Header of every message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Protocol version, see [`crate::version::VERSION_1_0`].
    pub version: u8,
    /// Message type: 0x81 and up are requests, 0x01 and up their responses, 0x7f is an error.
    pub message_type: u8,
    /// Reserved.
    pub reserved: [u8; 2],
    /// The TDI that the message is about.
    pub interface: InterfaceId,
}

const _: () = assert!(size_of::<Header>() == HEADER_SIZE);

/// A message: header and body.
pub(crate) fn message(message_type: u8, interface: InterfaceId, body: &[u8]) -> Vec<u8> {
    let header = Header {
        version: crate::version::VERSION_1_0,
        message_type,
        reserved: [0; 2],
        interface,
    };
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}
