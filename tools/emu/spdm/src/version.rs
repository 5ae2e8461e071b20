// SPDX-License-Identifier: GPL-2.0

//! GET_VERSION and VERSION (10.3). Both have version 1.0 in their header, always.

use crate::header::{end, front, message, response, split, VERSION_1_2};
use crate::Fault;
use zerocopy::little_endian::U16;
use zerocopy::IntoBytes;

/// GET_VERSION.
pub const REQUEST: u8 = 0x84;
/// VERSION.
pub const RESPONSE: u8 = 0x04;

/// What stands in the header of these two.
pub(crate) const HEADER_VERSION: u8 = 0x10;

pub(crate) fn encode() -> Vec<u8> {
    message(HEADER_VERSION, REQUEST, 0, 0, &[])
}

pub(crate) fn encode_response() -> Vec<u8> {
    // One reserved byte, then the count. An entry has major and minor in its upper byte.
    let mut body = vec![0, 1];
    body.extend_from_slice(U16::new(u16::from(VERSION_1_2) << 8).as_bytes());
    message(HEADER_VERSION, RESPONSE, 0, 0, &body)
}

/// Reads VERSION: its length and the entries.
pub(crate) fn decode_response(bytes: &[u8]) -> Result<(usize, Vec<u16>), Fault> {
    let (_, body) = response(bytes, HEADER_VERSION, RESPONSE)?;
    let ([_, count], rest) = front::<[u8; 2]>(body)?;
    let (entries, rest) = split(rest, usize::from(count) * 2)?;
    end(rest)?;
    let entries = entries
        .chunks_exact(2)
        .filter_map(|entry| entry.try_into().ok())
        .map(u16::from_le_bytes)
        .collect();
    Ok((bytes.len() - rest.len(), entries))
}
