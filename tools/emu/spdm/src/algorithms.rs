// SPDX-License-Identifier: GPL-2.0

//! NEGOTIATE_ALGORITHMS and ALGORITHMS (10.5): the format of measurements and of opaque data, hash
//! and signature in the fixed part, what sessions need in structures behind it.

use crate::header::{consumed, end, end_of_answer, front, message, response, split};
use crate::{Fault, Header, Version, HEADER_SIZE};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// NEGOTIATE_ALGORITHMS: the number of structures in param 1.
pub const REQUEST: u8 = 0xe3;
/// ALGORITHMS: the number of structures in param 1.
pub const RESPONSE: u8 = 0x63;

/// Measurements as DMTF specifies them.
pub const MEASUREMENT_DMTF: u8 = 1 << 0;
/// Other parameters: general opaque data format 1.
pub const OPAQUE_DATA_FORMAT_1: u8 = 1 << 1;
/// ECDSA over NIST P-384.
pub const ASYM_ECDSA_P384: u32 = 1 << 7;
/// SHA-384.
pub const HASH_SHA_384: u32 = 1 << 1;
/// Digests of measurements: SHA-384.
pub const MEASUREMENT_HASH_SHA_384: u32 = 1 << 2;

/// Structure: groups for KEY_EXCHANGE.
pub const TYPE_DHE: u8 = 2;
/// Structure: ciphers for secured messages.
pub const TYPE_AEAD: u8 = 3;
/// Structure: signatures of the requester.
pub const TYPE_REQ_BASE_ASYM: u8 = 4;
/// Structure: key schedules.
pub const TYPE_KEY_SCHEDULE: u8 = 5;

/// NIST P-384 (secp384r1).
pub const DHE_SECP_384_R1: u16 = 1 << 4;
/// AES-256-GCM.
pub const AEAD_AES_256_GCM: u16 = 1 << 1;
/// The key schedule of SPDM.
pub const KEY_SCHEDULE_SPDM: u16 = 1 << 0;

/// Most bytes that a request may have (10.5).
const LENGTH_MAX: usize = 128;

/// Body of NEGOTIATE_ALGORITHMS, before extended algorithms and structures.
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
    /// Extended algorithms, of four bytes each.
    pub ext_asym_count: u8,
    /// Extended algorithms, of four bytes each.
    pub ext_hash_count: u8,
    /// Reserved.
    pub reserved1: U16,
}

/// Body of ALGORITHMS, before extended algorithms and structures.
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
    /// Extended algorithms, of four bytes each.
    pub ext_asym_count: u8,
    /// Extended algorithms, of four bytes each.
    pub ext_hash_count: u8,
    /// Reserved.
    pub reserved1: U16,
}

/// A structure, before its extended algorithms.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Structure {
    /// `TYPE_*`.
    pub kind: u8,
    /// Bytes of the fixed algorithms in bits 7:4, number of extended ones in bits 3:0.
    pub count: u8,
    /// The algorithms.
    pub algorithms: U16,
}

const _: () = assert!(size_of::<Negotiate>() == 28);
const _: () = assert!(size_of::<Algorithms>() == 32);

/// Two bytes of fixed algorithms, none extended.
const COUNT_FIXED: u8 = 2 << 4;

/// What both speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Measurements as DMTF specifies them.
    pub(crate) measurements: bool,
    /// All that a session needs.
    pub(crate) session: bool,
}

/// What a request offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Bytes in the message.
    pub(crate) length: usize,
    fixed: Negotiate,
    structures: Vec<Structure>,
}

fn offered(kind: u8) -> Option<u16> {
    match kind {
        TYPE_DHE => Some(DHE_SECP_384_R1),
        TYPE_AEAD => Some(AEAD_AES_256_GCM),
        // The requester does not authenticate itself.
        TYPE_REQ_BASE_ASYM => Some(0),
        TYPE_KEY_SCHEDULE => Some(KEY_SCHEDULE_SPDM),
        _ => None,
    }
}

fn structure(kind: u8, algorithms: u16) -> Structure {
    Structure {
        kind,
        count: COUNT_FIXED,
        algorithms: U16::new(algorithms),
    }
}

/// Opaque data has one format in version 1.1, and nothing says so.
fn opaque(version: Version) -> u8 {
    match version {
        Version::V1_1 => 0,
        Version::V1_2 => OPAQUE_DATA_FORMAT_1,
    }
}

pub(crate) fn encode(version: Version) -> Vec<u8> {
    let structures: Vec<_> = [TYPE_DHE, TYPE_AEAD, TYPE_KEY_SCHEDULE]
        .into_iter()
        .filter_map(|kind| Some(structure(kind, offered(kind)?)))
        .collect();
    let length = HEADER_SIZE + size_of::<Negotiate>() + structures.as_bytes().len();
    let fixed = Negotiate {
        length: U16::new(length as u16),
        measurement: MEASUREMENT_DMTF,
        other: opaque(version),
        asym: U32::new(ASYM_ECDSA_P384),
        hash: U32::new(HASH_SHA_384),
        reserved0: [0; 12],
        ext_asym_count: 0,
        ext_hash_count: 0,
        reserved1: U16::new(0),
    };
    let body = [fixed.as_bytes(), structures.as_bytes()].concat();
    message(version.wire(), REQUEST, structures.len() as u8, 0, &body)
}

/// Structures in the order of their types, each type once, and what follows them.
fn structures(mut rest: &[u8], count: u8) -> Result<(Vec<Structure>, &[u8]), Fault> {
    let mut found: Vec<Structure> = Vec::new();
    for _ in 0..count {
        let (structure, after) = front::<Structure>(rest)?;
        let (_, after) = split(after, 4 * usize::from(structure.count & 0xf))?;
        let ordered = found.last().is_none_or(|last| last.kind < structure.kind);
        let known = offered(structure.kind).is_some() && structure.count & 0xf0 == COUNT_FIXED;
        if !ordered || !known {
            return Err(Fault::Malformed);
        }
        found.push(structure);
        rest = after;
    }
    Ok((found, rest))
}

impl Offer {
    /// Reads NEGOTIATE_ALGORITHMS.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, body) = Header::read_from_prefix(bytes).ok()?;
        let (fixed, rest) = front::<Negotiate>(body).ok()?;
        let extended = usize::from(fixed.ext_asym_count) + usize::from(fixed.ext_hash_count);
        let (_, rest) = split(rest, 4 * extended).ok()?;
        let (structures, rest) = structures(rest, header.param1).ok()?;
        end(rest).ok()?;
        let length = consumed(bytes, rest);
        let consistent = length == usize::from(fixed.length.get()) && length <= LENGTH_MAX;
        consistent.then_some(Self {
            length,
            fixed,
            structures,
        })
    }

    fn has(&self, kind: u8) -> bool {
        self.structures.iter().any(|structure| {
            structure.kind == kind
                && offered(kind).is_some_and(|own| structure.algorithms.get() & own != 0)
        })
    }

    /// What both speak; `None` if that is not enough for anything.
    pub(crate) fn agree(&self, version: Version) -> Option<Agreed> {
        let usable = self.fixed.asym.get() & ASYM_ECDSA_P384 != 0
            && self.fixed.hash.get() & HASH_SHA_384 != 0;
        let session = [TYPE_DHE, TYPE_AEAD, TYPE_KEY_SCHEDULE]
            .iter()
            .all(|kind| self.has(*kind))
            && self.fixed.other & opaque(version) == opaque(version);
        usable.then_some(Agreed {
            measurements: self.fixed.measurement & MEASUREMENT_DMTF != 0,
            session,
        })
    }
}

pub(crate) fn encode_response(version: Version, offer: &Offer) -> Vec<u8> {
    let structures: Vec<_> = offer
        .structures
        .iter()
        .map(|wanted| {
            let own = offered(wanted.kind).unwrap_or(0);
            structure(wanted.kind, wanted.algorithms.get() & own)
        })
        .collect();
    let length = HEADER_SIZE + size_of::<Algorithms>() + structures.as_bytes().len();
    let measurement = offer.fixed.measurement & MEASUREMENT_DMTF;
    let measurement_hash = if measurement == 0 {
        0
    } else {
        MEASUREMENT_HASH_SHA_384
    };
    let fixed = Algorithms {
        length: U16::new(length as u16),
        measurement,
        other: offer.fixed.other & opaque(version),
        measurement_hash: U32::new(measurement_hash),
        asym: U32::new(offer.fixed.asym.get() & ASYM_ECDSA_P384),
        hash: U32::new(offer.fixed.hash.get() & HASH_SHA_384),
        reserved0: [0; 12],
        ext_asym_count: 0,
        ext_hash_count: 0,
        reserved1: U16::new(0),
    };
    let body = [fixed.as_bytes(), structures.as_bytes()].concat();
    message(version.wire(), RESPONSE, structures.len() as u8, 0, &body)
}

/// Reads ALGORITHMS: its length and what was chosen of what [`encode`] offered.
pub(crate) fn decode_response(version: Version, bytes: &[u8]) -> Result<(usize, Agreed), Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let (fixed, rest) = front::<Algorithms>(body)?;
    let (structures, rest) = structures(rest, header.param1)?;
    end_of_answer(rest)?;
    let length = consumed(bytes, rest);
    let extended = fixed.ext_asym_count != 0 || fixed.ext_hash_count != 0;
    if extended || length != usize::from(fixed.length.get()) {
        return Err(Fault::Malformed);
    }
    let chosen = |kind| {
        structures
            .iter()
            .find(|structure| structure.kind == kind)
            .map_or(0, |structure| structure.algorithms.get())
    };
    let kinds = [TYPE_DHE, TYPE_AEAD, TYPE_KEY_SCHEDULE];
    let all = kinds
        .iter()
        .all(|kind| Some(chosen(*kind)) == offered(*kind));
    // Nothing that was not offered may be chosen.
    let strange = kinds
        .iter()
        .any(|kind| chosen(*kind) & !offered(*kind).unwrap_or(0) != 0)
        || fixed.measurement & !MEASUREMENT_DMTF != 0;
    if strange || fixed.asym.get() != ASYM_ECDSA_P384 || fixed.hash.get() != HASH_SHA_384 {
        return Err(Fault::NoCommonAlgorithms);
    }
    let agreed = Agreed {
        measurements: fixed.measurement != 0,
        session: all && fixed.other & opaque(version) == opaque(version),
    };
    Ok((length, agreed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Agreed = Agreed {
        measurements: true,
        session: true,
    };

    #[test]
    fn layout() {
        let request = encode(Version::V1_2);
        assert_eq!(request.len(), 44);
        assert_eq!(request[..8], [0x12, 0xe3, 3, 0, 44, 0, 1, 2]);
        assert_eq!(request[8..16], [0x80, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(
            request[32..],
            [2, 0x20, 0x10, 0, 3, 0x20, 2, 0, 5, 0x20, 1, 0]
        );
        let offer = Offer::decode(&request).unwrap();
        assert_eq!((offer.length, offer.agree(Version::V1_2)), (44, Some(ALL)));
        let response = encode_response(Version::V1_2, &offer);
        assert_eq!(response.len(), 48);
        assert_eq!(response[..8], [0x12, 0x63, 3, 0, 48, 0, 1, 2]);
        assert_eq!(response[8..12], [4, 0, 0, 0]);
        assert_eq!(decode_response(Version::V1_2, &response), Ok((48, ALL)));
    }

    /// As other requesters have it: many algorithms, extended ones, four structures.
    #[test]
    fn choice() {
        let fixed = Negotiate {
            length: U16::new(32 + 8 + 16 + 4),
            measurement: 1,
            other: 3,
            asym: U32::new(0xff),
            hash: U32::new(7),
            reserved0: [0; 12],
            ext_asym_count: 1,
            ext_hash_count: 1,
            reserved1: U16::new(0),
        };
        let mut body = fixed.as_bytes().to_vec();
        body.extend([0; 8]);
        body.extend([2, 0x20, 0x3f, 0, 3, 0x21, 0x0f, 0, 9, 9, 9, 9]);
        body.extend([4, 0x20, 0xff, 1, 5, 0x20, 1, 0]);
        let request = message(0x12, REQUEST, 4, 0, &body);
        let offer = Offer::decode(&request).unwrap();
        assert_eq!(offer.agree(Version::V1_2), Some(ALL));
        let response = encode_response(Version::V1_2, &offer);
        assert_eq!(
            response[36..],
            [2, 0x20, 0x10, 0, 3, 0x20, 2, 0, 4, 0x20, 0, 0, 5, 0x20, 1, 0]
        );
        assert_eq!(response[7], OPAQUE_DATA_FORMAT_1);
    }

    #[test]
    fn refused() {
        let good = encode(Version::V1_2);
        let change = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Offer::decode(&bytes).and_then(|offer| offer.agree(Version::V1_2))
        };
        assert_eq!(change(4, 45), None);
        assert_eq!(change(8, 0x40), None);
        assert_eq!(change(12, 1), None);
        // The types out of order, twice, and one that is not known.
        assert_eq!(change(32, 4), None);
        assert_eq!(change(36, 2), None);
        assert_eq!(change(40, 6), None);
        // A structure more than there is.
        assert_eq!(change(2, 4), None);
        let without = |at, value| change(at, value).map(|agreed| agreed.session);
        assert_eq!(without(7, 1), Some(false));
        assert_eq!(without(34, 8), Some(false));
        assert_eq!(change(6, 0).map(|agreed| agreed.measurements), Some(false));
    }

    #[test]
    fn strange_choice() {
        let offer = Offer::decode(&encode(Version::V1_2)).unwrap();
        let good = encode_response(Version::V1_2, &offer);
        let change = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            decode_response(Version::V1_2, &bytes).map(|(_, agreed)| agreed.session)
        };
        assert_eq!(change(38, 0), Ok(false));
        assert_eq!(change(38, 0x30), Err(Fault::NoCommonAlgorithms));
        assert_eq!(change(12, 0x10), Err(Fault::NoCommonAlgorithms));
        assert_eq!(change(16, 0), Err(Fault::NoCommonAlgorithms));
        assert_eq!(change(32, 1), Err(Fault::Malformed));
        assert_eq!(change(4, 44), Err(Fault::Malformed));
    }

    proptest! {
        #[test]
        fn no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..140), count: u8) {
            let mut known = vec![0x12, RESPONSE, count % 6, 0];
            known.extend(&bytes);
            for bytes in [&bytes, &known] {
                let _ = Offer::decode(bytes);
                let _ = decode_response(Version::V1_2, bytes);
            }
        }
    }
}
