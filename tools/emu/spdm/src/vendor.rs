// SPDX-License-Identifier: GPL-2.0

//! VENDOR_DEFINED_REQUEST and VENDOR_DEFINED_RESPONSE as PCI-SIG uses them (PCI Express
//! 6.0, 6.31.3): the payload starts with a protocol.

use crate::header::{end, front, message, response, split};
use crate::{Fault, Header, Version, HEADER_SIZE};
use std::ops::Range;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// VENDOR_DEFINED_REQUEST.
pub const REQUEST: u8 = 0xfe;
/// VENDOR_DEFINED_RESPONSE.
pub const RESPONSE: u8 = 0x7e;

/// Protocol of PCI-SIG: IDE key management.
pub const PROTOCOL_IDE_KM: u8 = 0;
/// Protocol of PCI-SIG: TDISP.
pub const PROTOCOL_TDISP: u8 = 1;

/// Standard body PCI-SIG.
const STANDARD_PCI_SIG: u16 = 3;
/// Vendor ID of PCI-SIG itself.
const VENDOR_PCI_SIG: u16 = 1;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct VendorHeader {
    standard: U16,
    vendor_length: u8,
    vendor: U16,
    /// Bytes that follow, the protocol among them.
    length: U16,
    protocol: u8,
}

/// Bytes of a message besides what the protocol has to say.
pub const OVERHEAD: usize = HEADER_SIZE + size_of::<VendorHeader>();

fn encode_either(version: Version, code: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = VendorHeader {
        standard: U16::new(STANDARD_PCI_SIG),
        vendor_length: 2,
        vendor: U16::new(VENDOR_PCI_SIG),
        length: U16::new((payload.len() + 1) as u16),
        protocol,
    };
    let mut body = header.as_bytes().to_vec();
    body.extend_from_slice(payload);
    message(version.wire(), code, 0, 0, &body)
}

/// Protocol and where its bytes are in the message.
fn decode_either(bytes: &[u8], body: &[u8]) -> Result<(u8, Range<usize>), Fault> {
    let (header, rest) = front::<VendorHeader>(body)?;
    let known = header.standard.get() == STANDARD_PCI_SIG
        && header.vendor_length == 2
        && header.vendor.get() == VENDOR_PCI_SIG;
    let length = usize::from(header.length.get());
    let payload = length
        .checked_sub(1)
        .filter(|_| known)
        .ok_or(Fault::Malformed)?;
    let (_, rest) = split(rest, payload)?;
    end(rest)?;
    Ok((header.protocol, OVERHEAD..bytes.len() - rest.len()))
}

/// A request with this payload.
pub(crate) fn encode(version: Version, protocol: u8, payload: &[u8]) -> Vec<u8> {
    encode_either(version, REQUEST, protocol, payload)
}

/// Where the payload is in a response of this protocol.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    protocol: u8,
) -> Result<Range<usize>, Fault> {
    let (_, body) = response(bytes, version, RESPONSE)?;
    let (answered, range) = decode_either(bytes, body)?;
    if answered == protocol {
        Ok(range)
    } else {
        Err(Fault::Malformed)
    }
}

/// A response with this payload.
pub(crate) fn encode_response(version: Version, protocol: u8, payload: &[u8]) -> Vec<u8> {
    encode_either(version, RESPONSE, protocol, payload)
}

/// Protocol and payload of a request.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (_, body) = Header::read_from_prefix(bytes).ok()?;
    let (protocol, range) = decode_either(bytes, body).ok()?;
    Some((protocol, bytes.get(range)?))
}

/// Whether a request is one of another standards body than PCI-SIG.
pub(crate) fn is_foreign(body: &[u8]) -> bool {
    front::<U16>(body).is_ok_and(|(standard, _)| standard.get() != STANDARD_PCI_SIG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let request = encode(Version::V1_2, PROTOCOL_TDISP, b"abc");
        assert_eq!(
            request,
            [0x12, 0xfe, 0, 0, 3, 0, 2, 1, 0, 4, 0, 1, b'a', b'b', b'c']
        );
        assert_eq!(decode(&request), Some((1, b"abc".as_slice())));
        let response = encode_response(Version::V1_2, PROTOCOL_TDISP, b"abc");
        let take = |bytes: &[u8], protocol| decode_response(Version::V1_2, bytes, protocol);
        assert_eq!(take(&response, PROTOCOL_TDISP), Ok(12..15));
        assert_eq!(take(&response, PROTOCOL_IDE_KM), Err(Fault::Malformed));
        assert_eq!(take(&request, PROTOCOL_TDISP), Err(Fault::Unexpected(0xfe)));
        assert_eq!(take(&response[..14], PROTOCOL_TDISP), Err(Fault::Short));
        // Of another standard body; without room for a protocol.
        for (at, value) in [(4, 0), (6, 1), (7, 2), (9, 0)] {
            let mut other = request.clone();
            other[at] = value;
            assert_eq!(decode(&other), None);
            assert_eq!(is_foreign(&other[4..]), at == 4);
        }
    }
}
