// SPDX-License-Identifier: GPL-2.0

//! KEY_PROG: puts a key into a slot. A target, then the key.

use crate::{target, Key, Status, Target};

/// Object ID.
pub const OBJECT: u8 = 0x02;

/// The message.
#[derive(Clone, Debug)]
pub struct KeyProg {
    /// The slot.
    pub target: Target,
    /// The key for it.
    pub key: Key,
}

/// Why bytes are not the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not even enough of it to say so.
    Unanswerable,
    /// What KP_ACK says about the target.
    Answer(Target, Status),
}

impl KeyProg {
    /// The message. It holds the key in the clear: it must be encrypted before anybody sees it.
    pub fn encode(&self) -> Vec<u8> {
        // All at once, so that no copy of the key stays behind in a buffer that was too small.
        let mut message = Vec::with_capacity(target::SIZE + Key::ENCODED);
        message.extend(self.target.encode(OBJECT, 0));
        self.key.encode(&mut message);
        message
    }

    /// From a message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (target, _, rest) = Target::decode(message, OBJECT).ok_or(Malformed::Unanswerable)?;
        match Key::decode(rest) {
            Some(key) => Ok(Self { target, key }),
            None => Err(Malformed::Answer(target, Status::IncorrectLength)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, KeySet, Slot, SubStream};

    #[test]
    fn layout() {
        let slot = Slot {
            set: KeySet::K0,
            direction: Direction::Transmit,
            sub_stream: SubStream::NonPosted,
        };
        let message = KeyProg {
            target: Target::new(1, 0x77, slot),
            key: Key::new([0xab; 32]),
        };
        let bytes = message.encode();
        assert_eq!(bytes.len(), 47);
        assert_eq!(bytes[..7], [2, 0, 0, 0x77, 0, 0x12, 1]);
        assert_eq!(bytes[7..39], [0xab; 32]);
        assert_eq!(bytes[39..], [0, 0, 0, 0, 1, 0, 0, 0]);
        let decoded = KeyProg::decode(&bytes).unwrap();
        assert_eq!((decoded.target, decoded.key), (message.target, message.key));
    }

    #[test]
    fn lengths() {
        let mut bytes = vec![2, 0, 0, 5, 0, 0x10, 1];
        let answer = Malformed::Answer(
            Target {
                stream: 5,
                slot: 0x10,
                port_index: 1,
            },
            Status::IncorrectLength,
        );
        assert_eq!(
            KeyProg::decode(&bytes[..6]).unwrap_err(),
            Malformed::Unanswerable
        );
        for length in 7..60 {
            bytes.resize(length, 0);
            match KeyProg::decode(&bytes) {
                Ok(_) => assert_eq!(length, 47),
                Err(malformed) => assert_eq!(malformed, answer),
            }
        }
    }
}
