// SPDX-License-Identifier: GPL-2.0

//! GET_MEASUREMENTS and MEASUREMENTS (10.11), without signature.

use crate::header::{end, front, message, response, split, VERSION_1_2};
use crate::{Fault, HEADER_SIZE};
use std::ops::Range;
use zerocopy::little_endian::U16;

/// GET_MEASUREMENTS: attributes in param 1, operation in param 2.
pub const REQUEST: u8 = 0xe0;
/// MEASUREMENTS: with [`OPERATION_COUNT`], how many blocks there are in param 1.
pub const RESPONSE: u8 = 0x60;

/// Attribute: sign the response. Then a nonce follows.
pub const ATTRIBUTE_SIGNATURE: u8 = 1 << 0;
/// Attribute: raw bit streams, not digests.
pub const ATTRIBUTE_RAW: u8 = 1 << 1;

/// Operation: how many blocks there are. Values up to 0xfe ask for the block of that index.
pub const OPERATION_COUNT: u8 = 0x00;
/// Operation: all blocks.
pub const OPERATION_ALL: u8 = 0xff;

/// Bytes of the nonce in the response.
pub const NONCE_SIZE: usize = 32;

/// Number of blocks and 24 bit length of the record.
const RECORD_HEADER_SIZE: usize = 4;
/// Where the record starts in the message.
const RECORD_OFFSET: usize = HEADER_SIZE + RECORD_HEADER_SIZE;
/// Bytes of a response besides the record.
pub(crate) const OVERHEAD: usize = RECORD_OFFSET + NONCE_SIZE + 2;

/// A response, taken apart.
pub(crate) struct Measurements {
    /// Param 1.
    pub(crate) total: u8,
    /// How many blocks are in it.
    pub(crate) blocks: u8,
    /// Where they are.
    pub(crate) record: Range<usize>,
}

pub(crate) fn encode(raw: bool, operation: u8) -> Vec<u8> {
    let attributes = if raw { ATTRIBUTE_RAW } else { 0 };
    message(VERSION_1_2, REQUEST, attributes, operation, &[])
}

pub(crate) fn encode_response(
    total: u8,
    blocks: u8,
    record: &[u8],
    nonce: &[u8; NONCE_SIZE],
) -> Vec<u8> {
    let [l0, l1, l2, _] = (record.len() as u32).to_le_bytes();
    let mut body = vec![blocks, l0, l1, l2];
    body.extend_from_slice(record);
    body.extend_from_slice(nonce);
    body.extend_from_slice(&[0, 0]);
    message(VERSION_1_2, RESPONSE, total, 0, &body)
}

pub(crate) fn decode_response(bytes: &[u8]) -> Result<Measurements, Fault> {
    let (header, body) = response(bytes, VERSION_1_2, RESPONSE)?;
    let ([blocks, l0, l1, l2], rest) = front::<[u8; 4]>(body)?;
    let length = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    let (_record, rest) = split(rest, length)?;
    let (_nonce, rest) = split(rest, NONCE_SIZE)?;
    let (opaque, rest) = front::<U16>(rest)?;
    let (_opaque, rest) = split(rest, usize::from(opaque.get()))?;
    end(rest)?;
    if (blocks == 0) != (length == 0) {
        return Err(Fault::Malformed);
    }
    Ok(Measurements {
        total: header.param1,
        blocks,
        record: RECORD_OFFSET..RECORD_OFFSET + length,
    })
}
