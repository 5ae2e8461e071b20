// SPDX-License-Identifier: GPL-2.0

//! GET_CERTIFICATE and CERTIFICATE (10.7).

use crate::header::{end, front, message, response, split, VERSION_1_2};
use crate::{Fault, HEADER_SIZE};
use std::ops::Range;
use zerocopy::little_endian::U16;
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_CERTIFICATE: the slot in param 1.
pub const REQUEST: u8 = 0x82;
/// CERTIFICATE.
pub const RESPONSE: u8 = 0x02;

/// Body of GET_CERTIFICATE.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct CertificateRequest {
    /// First byte.
    pub offset: U16,
    /// Most bytes that the requester takes.
    pub length: U16,
}

/// Body of CERTIFICATE, before the bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PortionHeader {
    /// Bytes in this portion.
    pub portion: U16,
    /// Bytes after this portion.
    pub remainder: U16,
}

/// Where the bytes of a portion start in the message.
pub(crate) const PORTION_OFFSET: usize = HEADER_SIZE + size_of::<PortionHeader>();

pub(crate) fn encode(slot: u8, offset: u16, length: u16) -> Vec<u8> {
    let body = CertificateRequest {
        offset: U16::new(offset),
        length: U16::new(length),
    };
    message(VERSION_1_2, REQUEST, slot, 0, body.as_bytes())
}

pub(crate) fn encode_response(slot: u8, bytes: &[u8], remainder: u16) -> Vec<u8> {
    let header = PortionHeader {
        portion: U16::new(bytes.len() as u16),
        remainder: U16::new(remainder),
    };
    let mut body = header.as_bytes().to_vec();
    body.extend_from_slice(bytes);
    message(VERSION_1_2, RESPONSE, slot, 0, &body)
}

/// Reads CERTIFICATE: where the bytes of the portion are, and how many follow.
pub(crate) fn decode_response(bytes: &[u8], slot: u8) -> Result<(Range<usize>, u16), Fault> {
    let (header, body) = response(bytes, VERSION_1_2, RESPONSE)?;
    let (portion, rest) = front::<PortionHeader>(body)?;
    let length = usize::from(portion.portion.get());
    let (_, rest) = split(rest, length)?;
    end(rest)?;
    if header.param1 & 0xf != slot {
        return Err(Fault::Malformed);
    }
    Ok((
        PORTION_OFFSET..PORTION_OFFSET + length,
        portion.remainder.get(),
    ))
}
