// SPDX-License-Identifier: GPL-2.0

//! KEY_UPDATE and KEY_UPDATE_ACK: new keys for the session, from the old ones.

use crate::header::{bare, message, response};
use crate::{Fault, Header, Version};

/// KEY_UPDATE: the operation in param 1, a tag in param 2.
pub const REQUEST: u8 = 0xe9;
/// KEY_UPDATE_ACK: the same.
pub const RESPONSE: u8 = 0x69;

/// Operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// New keys for requests.
    UpdateKey = 1,
    /// New keys for both directions.
    UpdateAllKeys = 2,
    /// Shows that the new key for requests works.
    VerifyNewKey = 3,
}

impl Operation {
    fn of(operation: u8) -> Option<Self> {
        [Self::UpdateKey, Self::UpdateAllKeys, Self::VerifyNewKey]
            .into_iter()
            .find(|known| *known as u8 == operation)
    }
}

pub(crate) fn encode(version: Version, operation: Operation, tag: u8) -> Vec<u8> {
    message(version.wire(), REQUEST, operation as u8, tag, &[])
}

/// Operation and tag of a request.
pub(crate) fn decode(header: &Header, body: &[u8]) -> Option<(Operation, u8)> {
    bare(body)?;
    Some((Operation::of(header.param1)?, header.param2))
}

pub(crate) fn encode_response(version: Version, operation: Operation, tag: u8) -> Vec<u8> {
    message(version.wire(), RESPONSE, operation as u8, tag, &[])
}

/// Reads KEY_UPDATE_ACK to this request.
pub(crate) fn decode_response(
    version: Version,
    bytes: &[u8],
    operation: Operation,
    tag: u8,
) -> Result<(), Fault> {
    let (header, body) = response(bytes, version, RESPONSE)?;
    bare(body).ok_or(Fault::TooLong)?;
    if (header.param1, header.param2) == (operation as u8, tag) {
        Ok(())
    } else {
        Err(Fault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

    #[test]
    fn layout() {
        let request = encode(Version::V1_2, Operation::UpdateAllKeys, 9);
        assert_eq!(request, [0x12, 0xe9, 2, 9]);
        let (mut header, body) = Header::read_from_prefix(&request).unwrap();
        assert_eq!(decode(&header, body), Some((Operation::UpdateAllKeys, 9)));
        header.param1 = 4;
        assert_eq!(decode(&header, body), None);
        let response = encode_response(Version::V1_2, Operation::VerifyNewKey, 9);
        assert_eq!(response, [0x12, 0x69, 3, 9]);
        let take = |operation, tag| decode_response(Version::V1_2, &response, operation, tag);
        assert_eq!(take(Operation::VerifyNewKey, 9), Ok(()));
        assert_eq!(take(Operation::VerifyNewKey, 8), Err(Fault::Malformed));
        assert_eq!(take(Operation::UpdateKey, 9), Err(Fault::Malformed));
    }
}
