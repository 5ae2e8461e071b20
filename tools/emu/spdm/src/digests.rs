// SPDX-License-Identifier: GPL-2.0

//! GET_DIGESTS and DIGESTS (10.6): digests of the certificate chains of all slots.

use crate::header::{consumed, end_of_answer, message, response, split};
use crate::{Fault, Version, DIGEST_SIZE};

/// GET_DIGESTS.
pub const REQUEST: u8 = 0x81;
/// DIGESTS: bit n of param 2 says that slot n holds a chain.
pub const RESPONSE: u8 = 0x01;

/// Slots that there can be.
pub const SLOTS: u8 = 8;

/// The digests of a responder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) slots: u8,
    pub(crate) digests: Vec<[u8; DIGEST_SIZE]>,
}

impl Digests {
    /// That of one slot.
    pub(crate) fn of(&self, slot: u8) -> Option<&[u8; DIGEST_SIZE]> {
        let bit = 1u8.checked_shl(u32::from(slot))?;
        let before = (self.slots & (bit - 1)).count_ones() as usize;
        (self.slots & bit != 0)
            .then(|| self.digests.get(before))
            .flatten()
    }
}

pub(crate) fn encode(version: Version) -> Vec<u8> {
    message(version.wire(), REQUEST, 0, 0, &[])
}

pub(crate) fn encode_response(version: Version, digests: &Digests) -> Vec<u8> {
    let body = digests.digests.as_flattened();
    message(version.wire(), RESPONSE, 0, digests.slots, body)
}

/// Reads DIGESTS: its length and the digests.
pub(crate) fn decode_response(version: Version, bytes: &[u8]) -> Result<(usize, Digests), Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let slots = header.param2;
    let (digests, rest) = split(body, slots.count_ones() as usize * DIGEST_SIZE)?;
    end_of_answer(rest)?;
    let digests = digests
        .chunks_exact(DIGEST_SIZE)
        .filter_map(|digest| digest.try_into().ok())
        .collect();
    if slots == 0 {
        return Err(Fault::Malformed);
    }
    Ok((consumed(bytes, rest), Digests { slots, digests }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let digests = Digests {
            slots: 0b1000_0101,
            digests: vec![[1; 48], [2; 48], [3; 48]],
        };
        let bytes = encode_response(Version::V1_2, &digests);
        assert_eq!(bytes[..5], [0x12, 0x01, 0, 0x85, 1]);
        assert_eq!(bytes.len(), 4 + 3 * 48);
        let (length, read) = decode_response(Version::V1_2, &bytes).unwrap();
        assert_eq!((length, &read), (bytes.len(), &digests));
        assert_eq!(read.of(0), Some(&[1; 48]));
        assert_eq!(read.of(1), None);
        assert_eq!(read.of(2), Some(&[2; 48]));
        assert_eq!(read.of(7), Some(&[3; 48]));
        assert_eq!(read.of(8), None);
        let short = &bytes[..bytes.len() - 1];
        assert_eq!(decode_response(Version::V1_2, short), Err(Fault::Short));
        let none = [0x12, 0x01, 0, 0];
        assert_eq!(decode_response(Version::V1_2, &none), Err(Fault::Malformed));
    }
}
