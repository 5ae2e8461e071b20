// SPDX-License-Identifier: GPL-2.0

//! RESPOND_IF_READY: asks again for a response that was not ready.

use crate::header::{bare, message};
use crate::{Header, Version};

/// RESPOND_IF_READY: the code of the request in param 1, the token in param 2.
pub const REQUEST: u8 = 0xff;

pub(crate) fn encode(version: Version, request: u8, token: u8) -> Vec<u8> {
    message(version.wire(), REQUEST, request, token, &[])
}

/// Code of the request, and token.
pub(crate) fn decode(header: &Header, body: &[u8]) -> Option<(u8, u8)> {
    bare(body)?;
    Some((header.param1, header.param2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

    #[test]
    fn layout() {
        let request = encode(Version::V1_2, 0xe4, 5);
        assert_eq!(request, [0x12, 0xff, 0xe4, 5]);
        let (header, body) = Header::read_from_prefix(&request).unwrap();
        assert_eq!(decode(&header, body), Some((0xe4, 5)));
        assert_eq!(decode(&header, &[0; 4]), None);
    }
}
