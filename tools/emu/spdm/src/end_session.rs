// SPDX-License-Identifier: GPL-2.0

//! END_SESSION and END_SESSION_ACK.

use crate::header::{bare, message, response};
use crate::{Fault, Version};

/// END_SESSION: attributes in param 1, which are about cached state, of which there is none.
pub const REQUEST: u8 = 0xec;
/// END_SESSION_ACK.
pub const RESPONSE: u8 = 0x6c;

pub(crate) fn encode(version: Version) -> Vec<u8> {
    message(version.wire(), REQUEST, 0, 0, &[])
}

pub(crate) fn encode_response(version: Version) -> Vec<u8> {
    message(version.wire(), RESPONSE, 0, 0, &[])
}

pub(crate) fn decode_response(version: Version, bytes: &[u8]) -> Result<(), Fault> {
    let (_, body) = response(bytes, version, RESPONSE)?;
    bare(body).ok_or(Fault::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        assert_eq!(encode(Version::V1_2), [0x12, 0xec, 0, 0]);
        let response = encode_response(Version::V1_2);
        assert_eq!(response, [0x12, 0x6c, 0, 0]);
        assert_eq!(decode_response(Version::V1_2, &response), Ok(()));
        let short = decode_response(Version::V1_2, &response[..3]);
        assert_eq!(short, Err(Fault::Short));
    }
}
