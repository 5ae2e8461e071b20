// SPDX-License-Identifier: GPL-2.0

//! HEARTBEAT and HEARTBEAT_ACK: both are still there.

use crate::header::{bare, message, response};
use crate::{Fault, Version};

/// HEARTBEAT.
pub const REQUEST: u8 = 0xe8;
/// HEARTBEAT_ACK.
pub const RESPONSE: u8 = 0x68;

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
        assert_eq!(encode(Version::V1_2), [0x12, 0xe8, 0, 0]);
        let response = encode_response(Version::V1_2);
        assert_eq!(response, [0x12, 0x68, 0, 0]);
        assert_eq!(decode_response(Version::V1_2, &response), Ok(()));
        let other = decode_response(Version::V1_1, &response);
        assert_eq!(other, Err(Fault::Malformed));
    }
}
