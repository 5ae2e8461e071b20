// SPDX-License-Identifier: GPL-2.0

//! NEGOTIATE_ALGORITHMS and ALGORITHMS (10.5). Without sessions there are no algorithm structures:
//! what is agreed on is the format of measurements, the hash and the signature.

use crate::header::{end, front, message, response, split, VERSION_1_2};
use crate::Fault;
use zerocopy::little_endian::{U16, U32};
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// NEGOTIATE_ALGORITHMS.
pub const REQUEST: u8 = 0xe3;
/// ALGORITHMS.
pub const RESPONSE: u8 = 0x63;

/// Measurements as DMTF specifies them.
pub const MEASUREMENT_DMTF: u8 = 1 << 0;
/// ECDSA over NIST P-384.
pub const ASYM_ECDSA_P384: u32 = 1 << 7;
/// SHA-384.
pub const HASH_SHA_384: u32 = 1 << 1;
/// Digests of measurements: SHA-384.
pub const MEASUREMENT_HASH_SHA_384: u32 = 1 << 2;

/// Body of NEGOTIATE_ALGORITHMS, without structures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Negotiate {
    /// Bytes in the whole message.
    pub length: U16,
    /// `MEASUREMENT_*` that the requester takes.
    pub measurement: u8,
    /// Other parameters.
    pub other: u8,
    /// `ASYM_*` that it takes.
    pub asym: U32,
    /// `HASH_*` that it takes.
    pub hash: U32,
    /// Reserved.
    pub reserved0: [u8; 12],
    /// Extended algorithms; none.
    pub ext_asym_count: u8,
    /// Extended algorithms; none.
    pub ext_hash_count: u8,
    /// Reserved.
    pub reserved1: U16,
}

/// Body of ALGORITHMS, without structures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Algorithms {
    /// Bytes in the whole message.
    pub length: U16,
    /// The `MEASUREMENT_*` chosen.
    pub measurement: u8,
    /// Other parameters.
    pub other: u8,
    /// The `MEASUREMENT_HASH_*` chosen.
    pub measurement_hash: U32,
    /// The `ASYM_*` chosen.
    pub asym: U32,
    /// The `HASH_*` chosen.
    pub hash: U32,
    /// Reserved.
    pub reserved0: [u8; 12],
    /// Extended algorithms; none.
    pub ext_asym_count: u8,
    /// Extended algorithms; none.
    pub ext_hash_count: u8,
    /// Reserved.
    pub reserved1: U16,
}

const _: () = assert!(size_of::<Negotiate>() == 28);
const _: () = assert!(size_of::<Algorithms>() == 32);

pub(crate) fn encode() -> Vec<u8> {
    let body = Negotiate {
        length: U16::new(32),
        measurement: MEASUREMENT_DMTF,
        other: 0,
        asym: U32::new(ASYM_ECDSA_P384),
        hash: U32::new(HASH_SHA_384),
        reserved0: [0; 12],
        ext_asym_count: 0,
        ext_hash_count: 0,
        reserved1: U16::new(0),
    };
    message(VERSION_1_2, REQUEST, 0, 0, body.as_bytes())
}

pub(crate) fn encode_response(request: &Negotiate) -> Vec<u8> {
    let body = Algorithms {
        length: U16::new(36),
        measurement: request.measurement & MEASUREMENT_DMTF,
        other: 0,
        measurement_hash: U32::new(MEASUREMENT_HASH_SHA_384),
        asym: U32::new(request.asym.get() & ASYM_ECDSA_P384),
        hash: U32::new(request.hash.get() & HASH_SHA_384),
        reserved0: [0; 12],
        ext_asym_count: 0,
        ext_hash_count: 0,
        reserved1: U16::new(0),
    };
    message(VERSION_1_2, RESPONSE, 0, 0, body.as_bytes())
}

/// Reads ALGORITHMS: its length and body.
pub(crate) fn decode_response(bytes: &[u8]) -> Result<(usize, Algorithms), Fault> {
    let (_, body) = response(bytes, VERSION_1_2, RESPONSE)?;
    let (algorithms, _) = front::<Algorithms>(body)?;
    let length = usize::from(algorithms.length.get());
    let (_, rest) = split(bytes, length)?;
    end(rest)?;
    let agreed = algorithms.measurement == MEASUREMENT_DMTF
        && algorithms.asym.get() == ASYM_ECDSA_P384
        && algorithms.hash.get() == HASH_SHA_384;
    if !agreed || length < 36 {
        return Err(Fault::Malformed);
    }
    Ok((length, algorithms))
}
