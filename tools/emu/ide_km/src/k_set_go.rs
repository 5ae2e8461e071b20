// SPDX-License-Identifier: GPL-2.0

//! K_SET_GO: the port shall use the key in a slot from now on. A target.

use crate::Target;

/// Object ID.
pub const OBJECT: u8 = 0x04;

/// The message.
pub fn encode(target: Target) -> Vec<u8> {
    target.encode(OBJECT, 0)
}

/// The target, from a message.
pub fn decode(message: &[u8]) -> Option<Target> {
    Target::decode_bare(message, OBJECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let target = Target {
            stream: 5,
            slot: 0x21,
            port_index: 1,
        };
        let bytes = encode(target);
        assert_eq!(bytes, [0x04, 0, 0, 5, 0, 0x21, 1]);
        assert_eq!(decode(&bytes), Some(target));
        assert_eq!(decode(&bytes[..6]), None);
        assert_eq!(decode(&[0x04, 0, 0, 5, 0, 0x21, 1, 0]), None);
        assert_eq!(decode(&[2, 0, 0, 5, 0, 0x21, 1]), None);
    }
}
