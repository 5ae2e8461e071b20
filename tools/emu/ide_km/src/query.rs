// SPDX-License-Identifier: GPL-2.0

//! QUERY: asks what there is at a port. Object ID, a reserved byte, port index.

/// Object ID.
pub const OBJECT: u8 = 0x00;

/// The message.
pub fn encode(port_index: u8) -> Vec<u8> {
    vec![OBJECT, 0, port_index]
}

/// The port index, from a message.
pub fn decode(message: &[u8]) -> Option<u8> {
    match message {
        [OBJECT, _, port_index] => Some(*port_index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        assert_eq!(encode(3), [0, 0, 3]);
        assert_eq!(decode(&[0, 9, 3]), Some(3));
        for wrong in [&[][..], &[0, 0], &[0, 0, 3, 0], &[1, 0, 3]] {
            assert_eq!(decode(wrong), None);
        }
    }
}
