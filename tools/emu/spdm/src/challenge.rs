// SPDX-License-Identifier: GPL-2.0

//! CHALLENGE and CHALLENGE_AUTH (10.8): the device proves that it has the key of its certificate.

use crate::header::{end, end_of_answer, front, message, response, split};
use crate::measurements::{MeasurementSummary, NONCE_SIZE};
use crate::{Fault, Header, Version, DIGEST_SIZE, HEADER_SIZE, SIGNATURE_SIZE};
use zerocopy::little_endian::U16;
use zerocopy::FromBytes;

/// CHALLENGE: the slot in param 1, the kind of measurement summary in param 2.
pub const REQUEST: u8 = 0x83;
/// CHALLENGE_AUTH: the slot in bits 3:0 of param 1, all slots in param 2.
pub const RESPONSE: u8 = 0x03;

/// What signatures are made for (chapter 15).
pub(crate) const SIGNING_CONTEXT: &str = "responder-challenge_auth signing";

/// Bytes of a request.
pub(crate) const REQUEST_SIZE: usize = HEADER_SIZE + NONCE_SIZE;

/// In param 1 of the response: the requester shall authenticate itself.
const BASIC_MUTUAL: u8 = 1 << 7;

/// A response, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChallengeAuth {
    /// Bytes before the signature: what is signed.
    pub(crate) signed: usize,
    pub(crate) chain: [u8; DIGEST_SIZE],
    pub(crate) signature: [u8; SIGNATURE_SIZE],
}

pub(crate) fn encode(version: Version, slot: u8, nonce: &[u8; NONCE_SIZE]) -> Vec<u8> {
    message(version.wire(), REQUEST, slot, 0, nonce)
}

/// Slot and measurement summary that a request asks for.
pub(crate) fn decode(header: &Header, body: &[u8]) -> Option<(u8, MeasurementSummary)> {
    let (_, rest) = <[u8; NONCE_SIZE]>::read_from_prefix(body).ok()?;
    end(rest).ok()?;
    Some((header.param1, MeasurementSummary::of(header.param2)?))
}

/// A response without its signature.
pub(crate) fn encode_response(
    version: Version,
    slot: u8,
    slots: u8,
    chain: &[u8; DIGEST_SIZE],
    nonce: &[u8; NONCE_SIZE],
    summary: &[u8],
) -> Vec<u8> {
    let body = [chain, nonce.as_slice(), summary, &[0, 0]].concat();
    message(version.wire(), RESPONSE, slot, slots, &body)
}

/// Reads CHALLENGE_AUTH for a request without measurement summary.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    slot: u8,
) -> Result<ChallengeAuth, Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let (chain, rest) = front::<[u8; DIGEST_SIZE]>(body)?;
    let (_nonce, rest) = split(rest, NONCE_SIZE)?;
    let (opaque, rest) = front::<U16>(rest)?;
    let (_opaque, rest) = split(rest, usize::from(opaque.get()))?;
    let signed = bytes.len() - rest.len();
    let (signature, rest) = front::<[u8; SIGNATURE_SIZE]>(rest)?;
    end_of_answer(rest)?;
    if header.param1 & 0xf != slot || header.param1 & BASIC_MUTUAL != 0 {
        return Err(Fault::Malformed);
    }
    Ok(ChallengeAuth {
        signed,
        chain,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let request = encode(Version::V1_2, 2, &[7; 32]);
        assert_eq!(request[..5], [0x12, 0x83, 2, 0, 7]);
        assert_eq!(request.len(), REQUEST_SIZE);
        let (header, body) = Header::read_from_prefix(&request).unwrap();
        assert_eq!(decode(&header, body), Some((2, MeasurementSummary::None)));
        assert_eq!(decode(&header, &body[1..]), None);

        let mut bytes = encode_response(Version::V1_2, 2, 5, &[1; 48], &[2; 32], &[]);
        assert_eq!(bytes.len(), 4 + 48 + 32 + 2);
        bytes.extend([3; 96]);
        let take = |bytes: &[u8], slot| decode_response(Version::V1_2, bytes, slot);
        let expected = ChallengeAuth {
            signed: 86,
            chain: [1; 48],
            signature: [3; 96],
        };
        assert_eq!(take(&bytes, 2), Ok(expected));
        assert_eq!(take(&bytes, 1), Err(Fault::Malformed));
        assert_eq!(take(&bytes[..181], 2), Err(Fault::Short));
        let mut mutual = bytes.clone();
        mutual[2] |= BASIC_MUTUAL;
        assert_eq!(take(&mutual, 2), Err(Fault::Malformed));
    }
}
