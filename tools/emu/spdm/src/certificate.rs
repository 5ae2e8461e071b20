// SPDX-License-Identifier: GPL-2.0

//! GET_CERTIFICATE and CERTIFICATE (10.7).

use crate::header::{end, end_of_answer, front, message, response, split};
use crate::{Fault, Header, Version, HEADER_SIZE};
use std::ops::Range;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_CERTIFICATE: the slot in param 1.
pub const REQUEST: u8 = 0x82;
/// CERTIFICATE.
pub const RESPONSE: u8 = 0x02;

/// The slot in param 1.
const SLOT: u8 = 0xf;

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

pub(crate) fn encode(version: Version, slot: u8, offset: u16, length: u16) -> Vec<u8> {
    let body = CertificateRequest {
        offset: U16::new(offset),
        length: U16::new(length),
    };
    message(version.wire(), REQUEST, slot, 0, body.as_bytes())
}

pub(crate) fn encode_response(version: Version, slot: u8, bytes: &[u8], remainder: u16) -> Vec<u8> {
    let header = PortionHeader {
        portion: U16::new(bytes.len() as u16),
        remainder: U16::new(remainder),
    };
    let mut body = header.as_bytes().to_vec();
    body.extend_from_slice(bytes);
    message(version.wire(), RESPONSE, slot, 0, &body)
}

/// Slot, first byte and most bytes of GET_CERTIFICATE.
pub(crate) fn decode(header: &Header, body: &[u8]) -> Option<(u8, u16, u16)> {
    let (part, rest) = CertificateRequest::read_from_prefix(body).ok()?;
    end(rest).ok()?;
    Some((header.param1 & SLOT, part.offset.get(), part.length.get()))
}

/// Reads CERTIFICATE: where the bytes of the portion are, and how many follow it in the chain.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    slot: u8,
) -> Result<(Range<usize>, u16), Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let (portion, rest) = front::<PortionHeader>(body)?;
    let length = usize::from(portion.portion.get());
    let (_, rest) = split(rest, length)?;
    end_of_answer(rest)?;
    if header.param1 & SLOT != slot || length == 0 {
        return Err(Fault::Malformed);
    }
    Ok((
        PORTION_OFFSET..PORTION_OFFSET + length,
        portion.remainder.get(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let request = encode(Version::V1_2, 3, 0x102, 0x304);
        assert_eq!(request, [0x12, 0x82, 3, 0, 2, 1, 4, 3]);
        let (header, body) = Header::read_from_prefix(&request).unwrap();
        assert_eq!(decode(&header, body), Some((3, 0x102, 0x304)));
        assert_eq!(decode(&header, &body[..3]), None);
        let bytes = encode_response(Version::V1_2, 3, b"abc", 9);
        assert_eq!(bytes, [0x12, 0x02, 3, 0, 3, 0, 9, 0, b'a', b'b', b'c']);
        let take = |bytes: &[u8], slot| decode_response(Version::V1_2, bytes, slot);
        assert_eq!(take(&bytes, 3), Ok((8..11, 9)));
        assert_eq!(take(&bytes, 2), Err(Fault::Malformed));
        assert_eq!(take(&bytes[..4], 3), Err(Fault::Short));
        assert_eq!(take(&bytes[..10], 3), Err(Fault::Short));
        let mut long = bytes.clone();
        long.extend([0; 3]);
        assert_eq!(take(&long, 3), Ok((8..11, 9)));
        // Whole blocks, filled with zeroes and nothing else.
        long.extend([0; 28]);
        assert_eq!(take(&long, 3), Ok((8..11, 9)));
        for last in [0, 1] {
            let mut long = long.clone();
            match last {
                0 => long.push(0),
                _ => long[20] = 1,
            }
            assert_eq!(take(&long, 3), Err(Fault::TooLong));
        }
        let mut other = bytes.clone();
        other[1] = 0x60;
        assert_eq!(take(&other, 3), Err(Fault::Unexpected(0x60)));
        let empty = encode_response(Version::V1_2, 3, b"", 9);
        assert_eq!(take(&empty, 3), Err(Fault::Malformed));
    }
}
