// SPDX-License-Identifier: GPL-2.0

//! GET_MEASUREMENTS and MEASUREMENTS, with and without signature.

use crate::header::{consumed, end, end_of_answer, front, message, response, split};
use crate::record::{blocks, BLOCK_OVERHEAD};
use crate::requester::{DATA_TRANSFER_SIZE, DOE_HEADER_SIZE};
use crate::{Fault, Header, Version, HEADER_SIZE, SIGNATURE_SIZE};
use std::ops::Range;
use zerocopy::little_endian::U16;
use zerocopy::FromBytes;

/// GET_MEASUREMENTS: attributes in param 1, operation in param 2.
pub const REQUEST: u8 = 0xe0;
/// MEASUREMENTS: with [`OPERATION_COUNT`], how many blocks there are in param 1. The slot in bits
/// 3:0 of param 2, if it is signed.
pub const RESPONSE: u8 = 0x60;

/// Attribute: sign the response. Then nonce and slot follow.
pub const ATTRIBUTE_SIGNATURE: u8 = 1 << 0;
/// Attribute: raw bit streams, not digests.
pub const ATTRIBUTE_RAW: u8 = 1 << 1;

/// Operation: how many blocks there are. Values up to 0xfe ask for the block of that index.
pub const OPERATION_COUNT: u8 = 0x00;
/// Operation: all blocks.
pub const OPERATION_ALL: u8 = 0xff;

/// Bytes of a nonce.
pub const NONCE_SIZE: usize = 32;

/// Most bytes in a measurement block that the requester of this crate can read: its message takes
/// a signature, too.
pub const BLOCK_MAX: usize =
    (DATA_TRANSFER_SIZE - DOE_HEADER_SIZE) as usize - OVERHEAD - SIGNATURE_SIZE;

const _: () = assert!(BLOCK_MAX > BLOCK_OVERHEAD);

/// What signatures are made for (chapter 15).
pub(crate) const SIGNING_CONTEXT: &str = "responder-measurements signing";

/// Number of blocks and 24 bit length of the record.
const RECORD_HEADER_SIZE: usize = 4;
/// Where the record starts in the message.
const RECORD_OFFSET: usize = HEADER_SIZE + RECORD_HEADER_SIZE;
/// Bytes of a response besides record and signature.
pub(crate) const OVERHEAD: usize = RECORD_OFFSET + NONCE_SIZE + 2;

/// Kinds of digests over measurements that CHALLENGE and KEY_EXCHANGE can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MeasurementSummary {
    /// None.
    None,
    /// Over the trusted computing base.
    TrustedBase,
    /// Over all.
    All,
}

impl MeasurementSummary {
    pub(crate) fn of(kind: u8) -> Option<Self> {
        match kind {
            0 => Some(Self::None),
            1 => Some(Self::TrustedBase),
            0xff => Some(Self::All),
            _ => None,
        }
    }
}

/// A request, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Bytes in the message.
    pub(crate) length: usize,
    pub(crate) raw: bool,
    pub(crate) operation: u8,
    /// The slot to sign with.
    pub(crate) signed: Option<u8>,
}

/// A response, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measurements {
    /// Param 1.
    pub(crate) total: u8,
    /// How many blocks are in it.
    pub(crate) blocks: u8,
    /// Where they are.
    pub(crate) record: Range<usize>,
    /// Bytes before the signature, or in all.
    pub(crate) length: usize,
    /// The signature, if asked for.
    pub(crate) signature: Option<[u8; SIGNATURE_SIZE]>,
}

/// With `signed`, nonce and slot.
pub(crate) fn encode(
    version: Version,
    raw: bool,
    operation: u8,
    signed: Option<(&[u8; NONCE_SIZE], u8)>,
) -> Vec<u8> {
    let mut attributes = if raw { ATTRIBUTE_RAW } else { 0 };
    let mut body = Vec::new();
    if let Some((nonce, slot)) = signed {
        attributes |= ATTRIBUTE_SIGNATURE;
        body.extend_from_slice(nonce);
        body.push(slot);
    }
    message(version.wire(), REQUEST, attributes, operation, &body)
}

/// Reads GET_MEASUREMENTS.
pub(crate) fn decode(bytes: &[u8]) -> Option<Request> {
    let (header, body) = Header::read_from_prefix(bytes).ok()?;
    let (signed, rest) = if header.param1 & ATTRIBUTE_SIGNATURE != 0 {
        let (_, rest) = split(body, NONCE_SIZE).ok()?;
        let ([slot], rest) = front::<[u8; 1]>(rest).ok()?;
        (Some(slot & 0xf), rest)
    } else {
        (None, body)
    };
    end(rest).ok()?;
    Some(Request {
        length: consumed(bytes, rest),
        raw: header.param1 & ATTRIBUTE_RAW != 0,
        operation: header.param2,
        signed,
    })
}

/// A response without its signature.
pub(crate) fn encode_response(
    version: Version,
    (total, slot): (u8, u8),
    blocks: u8,
    record: &[u8],
    nonce: &[u8; NONCE_SIZE],
) -> Vec<u8> {
    let [l0, l1, l2, _] = (record.len() as u32).to_le_bytes();
    let head = [blocks, l0, l1, l2];
    let body = [head.as_slice(), record, nonce, &[0, 0]].concat();
    message(version.wire(), RESPONSE, total, slot, &body)
}

/// Reads MEASUREMENTS, signed with the key of this slot or not signed.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    signed: Option<u8>,
) -> Result<Measurements, Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let ([count, l0, l1, l2], rest) = front::<[u8; 4]>(body)?;
    let size = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    let (record, rest) = split(rest, size)?;
    let (_nonce, rest) = split(rest, NONCE_SIZE)?;
    let (opaque, rest) = front::<U16>(rest)?;
    let (_opaque, rest) = split(rest, usize::from(opaque.get()))?;
    let length = consumed(bytes, rest);
    let (signature, rest) = match signed {
        Some(_) => {
            let (signature, rest) = front::<[u8; SIGNATURE_SIZE]>(rest)?;
            (Some(signature), rest)
        }
        None => (None, rest),
    };
    end_of_answer(rest)?;
    let other_slot = signed.is_some_and(|slot| header.param2 & 0xf != slot);
    if other_slot || blocks(record) != Some(usize::from(count)) {
        return Err(Fault::Malformed);
    }
    Ok(Measurements {
        total: header.param1,
        blocks: count,
        record: RECORD_OFFSET..RECORD_OFFSET + size,
        length,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let plain = encode(Version::V1_2, true, OPERATION_ALL, None);
        assert_eq!(plain, [0x12, 0xe0, 2, 0xff]);
        let request = Request {
            length: 4,
            raw: true,
            operation: OPERATION_ALL,
            signed: None,
        };
        assert_eq!(decode(&plain), Some(request));
        let signed = encode(Version::V1_2, false, 3, Some((&[9; 32], 1)));
        assert_eq!(signed[..5], [0x12, 0xe0, 1, 3, 9]);
        assert_eq!(signed[36..], [1]);
        let request = Request {
            length: 37,
            raw: false,
            operation: 3,
            signed: Some(1),
        };
        let mut padded = signed.clone();
        padded.extend([0; 3]);
        assert_eq!(decode(&padded), Some(request));
        assert_eq!(decode(&signed[..36]), None);
    }

    #[test]
    fn responses() {
        let block = [1, 1, 4, 0, 0x81, 1, 0, 0xaa];
        let mut bytes = encode_response(Version::V1_2, (0, 2), 1, &block, &[5; 32]);
        assert_eq!(bytes[..9], [0x12, 0x60, 0, 2, 1, 8, 0, 0, 1]);
        let take = |bytes: &[u8], signed| decode_response(Version::V1_2, bytes, signed);
        let unsigned = take(&bytes, None).unwrap();
        assert_eq!((unsigned.blocks, unsigned.record.clone()), (1, 8..16));
        assert_eq!((unsigned.length, unsigned.signature), (50, None));
        assert_eq!(take(&bytes, Some(2)), Err(Fault::Short));
        bytes.extend([6; 96]);
        assert_eq!(take(&bytes, Some(2)).unwrap().signature, Some([6; 96]));
        assert_eq!(take(&bytes, Some(1)), Err(Fault::Malformed));
        assert_eq!(take(&bytes, None), Err(Fault::TooLong));
        // The count of blocks and the record have to agree.
        bytes[4] = 2;
        assert_eq!(take(&bytes, Some(2)), Err(Fault::Malformed));
    }
}
