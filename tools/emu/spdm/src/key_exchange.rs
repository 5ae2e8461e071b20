// SPDX-License-Identifier: GPL-2.0

//! KEY_EXCHANGE and KEY_EXCHANGE_RSP: a session begins.

use crate::header::{consumed, end, end_of_answer, front, message, response, split};
use crate::measurements::MeasurementSummary;
use crate::opaque;
use crate::{Fault, Header, Version, DIGEST_SIZE, SIGNATURE_SIZE};
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// KEY_EXCHANGE: the kind of measurement summary in param 1, the slot in param 2.
pub const REQUEST: u8 = 0xe4;
/// KEY_EXCHANGE_RSP: the heartbeat period in param 1, in seconds.
pub const RESPONSE: u8 = 0x64;

/// What signatures are made for (chapter 15).
pub(crate) const SIGNING_CONTEXT: &str = "responder-key_exchange_rsp signing";

/// Bytes of a point of NIST P-384: both coordinates, without a prefix.
pub(crate) const POINT_SIZE: usize = 96;
/// Bytes of random data.
pub(crate) const RANDOM_SIZE: usize = 32;

/// Body of a request, before the opaque data.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct KeyExchange {
    /// The requester's half of the session id.
    pub session: U16,
    /// Policy of the session; reserved in version 1.1.
    pub policy: u8,
    /// Reserved.
    pub reserved: u8,
    /// Random data.
    pub random: [u8; RANDOM_SIZE],
    /// The requester's ephemeral key.
    pub point: [u8; POINT_SIZE],
}

/// Body of a response, before measurement summary and opaque data.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct KeyExchangeResponse {
    /// The responder's half of the session id.
    pub session: U16,
    /// How the requester has to authenticate itself; 0: not at all.
    pub mutual: u8,
    /// With which slot.
    pub mutual_slot: u8,
    /// Random data.
    pub random: [u8; RANDOM_SIZE],
    /// The responder's ephemeral key.
    pub point: [u8; POINT_SIZE],
}

/// A request, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Bytes in the message.
    pub(crate) length: usize,
    pub(crate) slot: u8,
    pub(crate) summary: MeasurementSummary,
    pub(crate) fixed: KeyExchange,
    pub(crate) opaque: &'a [u8],
}

/// A response, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response {
    /// Bytes before the signature.
    pub(crate) signed: usize,
    /// In seconds.
    pub(crate) heartbeat: u8,
    pub(crate) fixed: KeyExchangeResponse,
    pub(crate) signature: [u8; SIGNATURE_SIZE],
    pub(crate) hmac: [u8; DIGEST_SIZE],
}

/// Both halves together: the requester's is the lower one.
pub(crate) fn session_id(requester: u16, responder: u16) -> u32 {
    u32::from(responder) << 16 | u32::from(requester)
}

fn with_opaque(head: &[u8], opaque: &[u8]) -> Vec<u8> {
    let length = U16::new(opaque.len() as u16);
    [head, length.as_bytes(), opaque].concat()
}

/// Opaque data with its length in front.
fn take_opaque(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (length, rest) = front::<U16>(bytes)?;
    let length = usize::from(length.get());
    if length > opaque::SIZE_MAX {
        return Err(Fault::Malformed);
    }
    split(rest, length)
}

pub(crate) fn encode(version: Version, slot: u8, fixed: &KeyExchange) -> Vec<u8> {
    let body = with_opaque(fixed.as_bytes(), &opaque::supported(version));
    message(version.wire(), REQUEST, 0, slot, &body)
}

/// Reads KEY_EXCHANGE.
pub(crate) fn decode(bytes: &[u8]) -> Option<Request<'_>> {
    let (header, body) = Header::read_from_prefix(bytes).ok()?;
    let (fixed, rest) = front::<KeyExchange>(body).ok()?;
    let (opaque, rest) = take_opaque(rest).ok()?;
    end(rest).ok()?;
    Some(Request {
        length: consumed(bytes, rest),
        slot: header.param2,
        summary: MeasurementSummary::of(header.param1)?,
        fixed,
        opaque,
    })
}

/// A response without signature and HMAC.
pub(crate) fn encode_response(
    version: Version,
    heartbeat: u8,
    fixed: &KeyExchangeResponse,
    summary: &[u8],
    opaque: &[u8],
) -> Vec<u8> {
    let head = [fixed.as_bytes(), summary].concat();
    let body = with_opaque(&head, opaque);
    message(version.wire(), RESPONSE, heartbeat, 0, &body)
}

/// Reads KEY_EXCHANGE_RSP for a request without measurement summary.
pub(crate) fn decode_response(version: Version, bytes: &[u8]) -> Result<Response, Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    let (fixed, rest) = front::<KeyExchangeResponse>(body)?;
    let (opaque, rest) = take_opaque(rest)?;
    let signed = consumed(bytes, rest);
    let (signature, rest) = front::<[u8; SIGNATURE_SIZE]>(rest)?;
    let (hmac, rest) = front::<[u8; DIGEST_SIZE]>(rest)?;
    end_of_answer(rest)?;
    if fixed.mutual != 0 {
        return Err(Fault::Malformed);
    }
    opaque::check_selection(version, opaque)?;
    Ok(Response {
        signed,
        heartbeat: header.param1,
        fixed,
        signature,
        hmac,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version::V1_2;

    fn request() -> Vec<u8> {
        let fixed = KeyExchange {
            session: U16::new(0x0201),
            policy: 0,
            reserved: 0,
            random: [3; 32],
            point: [4; 96],
        };
        encode(VERSION, 1, &fixed)
    }

    #[test]
    fn requests() {
        let bytes = request();
        assert_eq!(bytes[..9], [0x12, 0xe4, 0, 1, 1, 2, 0, 0, 3]);
        assert_eq!(bytes[40], 4);
        assert_eq!(bytes[136..140], [16, 0, 1, 0]);
        assert_eq!(bytes.len(), 138 + 16);
        let mut padded = bytes.clone();
        padded.extend([0; 2]);
        let read = decode(&padded).unwrap();
        assert_eq!((read.length, read.slot), (154, 1));
        assert_eq!(read.summary, MeasurementSummary::None);
        assert_eq!(read.fixed.session.get(), 0x0201);
        assert_eq!(read.opaque, opaque::supported(VERSION));
        assert!(decode(&bytes[..153]).is_none());
        let mut kind = bytes.clone();
        kind[2] = 2;
        assert!(decode(&kind).is_none());
        assert_eq!(session_id(0x0201, 0x0403), 0x0403_0201);
    }

    #[test]
    fn responses() {
        let fixed = KeyExchangeResponse {
            session: U16::new(0x0605),
            mutual: 0,
            mutual_slot: 0,
            random: [7; 32],
            point: [8; 96],
        };
        let request = request();
        let opaque = opaque::select(VERSION, decode(&request).unwrap().opaque).unwrap();
        let mut bytes = encode_response(VERSION, 20, &fixed, &[], &opaque);
        assert_eq!(bytes[..9], [0x12, 0x64, 20, 0, 5, 6, 0, 0, 7]);
        assert_eq!(bytes.len(), 136 + 2 + 12);
        bytes.extend([1; 96]);
        bytes.extend([2; 48]);
        let read = decode_response(VERSION, &bytes).unwrap();
        assert_eq!((read.signed, read.heartbeat), (150, 20));
        assert_eq!((read.signature, read.hmac), ([1; 96], [2; 48]));
        assert_eq!(read.fixed, fixed);
        let take = |bytes: &[u8]| decode_response(VERSION, bytes).err();
        assert_eq!(take(&bytes[..293]), Some(Fault::Short));
        let mut mutual = bytes.clone();
        mutual[6] = 1;
        assert_eq!(take(&mutual), Some(Fault::Malformed));
        let mut long = bytes.clone();
        long[137] = 5;
        assert_eq!(take(&long), Some(Fault::Malformed));
    }
}
