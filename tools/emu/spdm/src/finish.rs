// SPDX-License-Identifier: GPL-2.0

//! FINISH and FINISH_RSP: the handshake of a session is over. Handshakes are never in the
//! clear, so the response holds no HMAC.

use crate::header::{bare, end, front, message, response};
use crate::{Fault, Header, Version, DIGEST_SIZE, HEADER_SIZE};
use zerocopy::FromBytes;

/// FINISH: bit 0 of param 1 says that a signature is there.
pub const REQUEST: u8 = 0xe5;
/// FINISH_RSP.
pub const RESPONSE: u8 = 0x65;

/// In param 1: a signature precedes the HMAC.
const SIGNED: u8 = 1 << 0;

/// A request without its HMAC: what the HMAC covers of it.
pub(crate) fn encode(version: Version) -> Vec<u8> {
    message(version.wire(), REQUEST, 0, 0, &[])
}

/// What the HMAC covers of a request, and the HMAC.
pub(crate) fn decode(bytes: &[u8]) -> Option<(&[u8], [u8; DIGEST_SIZE])> {
    let (header, body) = Header::read_from_prefix(bytes).ok()?;
    let (hmac, rest) = front::<[u8; DIGEST_SIZE]>(body).ok()?;
    end(rest).ok()?;
    let covered = bytes.get(..HEADER_SIZE)?;
    (header.param1 & SIGNED == 0).then_some((covered, hmac))
}

pub(crate) fn encode_response(version: Version) -> Vec<u8> {
    message(version.wire(), RESPONSE, 0, 0, &[])
}

/// Reads FINISH_RSP: its length.
pub(crate) fn decode_response(version: Version, bytes: &[u8]) -> Result<usize, Fault> {
    let (_, body) = response(bytes, version, RESPONSE)?;
    bare(body).ok_or(Fault::TooLong)?;
    Ok(HEADER_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let mut request = encode(Version::V1_2);
        assert_eq!(request, [0x12, 0xe5, 0, 0]);
        assert_eq!(decode(&request), None);
        request.extend([7; 48]);
        let covered = [0x12, 0xe5, 0, 0].as_slice();
        assert_eq!(decode(&request), Some((covered, [7; 48])));
        request[2] = SIGNED;
        assert_eq!(decode(&request), None);
        let mut response = encode_response(Version::V1_2);
        assert_eq!(response, [0x12, 0x65, 0, 0]);
        assert_eq!(decode_response(Version::V1_2, &response), Ok(4));
        response.extend([0; 48]);
        let long = decode_response(Version::V1_2, &response);
        assert_eq!(long, Err(Fault::TooLong));
    }
}
