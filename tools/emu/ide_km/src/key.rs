// SPDX-License-Identifier: GPL-2.0

//! Keys of a stream, and how they stand in a message.

use crate::{Direction, KeySet, Slot};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes in an AES-256 key.
const KEY_SIZE: usize = 32;
/// Bytes in the invocation field of an initialization vector.
const FIELD_SIZE: usize = 8;
/// What the invocation field of a key that was never used is.
const FIRST_INVOCATION: u64 = 1;
/// Registers are doublewords, and the message has them from the highest on.
const DOUBLEWORD: usize = 4;

/// An AES-256-GCM key with the invocation field that it starts from.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    key: [u8; KEY_SIZE],
    invocation: u64,
}

impl Key {
    /// Bytes of one in a message.
    pub const ENCODED: usize = KEY_SIZE + FIELD_SIZE;

    /// From the bytes of an AES key, in the order that AES takes them in. The invocation field is
    /// that of a new key.
    pub fn new(key: [u8; KEY_SIZE]) -> Self {
        Self {
            key,
            invocation: FIRST_INVOCATION,
        }
    }

    /// Whether the invocation field is that of a new key. Nothing else may be programmed: it would
    /// be a vector that may have been used before.
    pub fn is_fresh(&self) -> bool {
        self.invocation == FIRST_INVOCATION
    }

    /// Appends key and invocation field as a message has them: doublewords, highest first, each
    /// with its lowest byte first.
    pub(crate) fn encode(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(&swapped(self.key));
        message.extend_from_slice(&swapped(self.invocation.to_be_bytes()));
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, invocation) = bytes.split_first_chunk::<KEY_SIZE>()?;
        let invocation = <[u8; FIELD_SIZE]>::try_from(invocation).ok()?;
        Some(Self {
            key: swapped(*key),
            invocation: u64::from_be_bytes(swapped(invocation)),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Turns the bytes of each doubleword around.
fn swapped<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.chunks_mut(DOUBLEWORD).for_each(<[u8]>::reverse);
    bytes
}

/// The keys of one key set, as one of the two ports has them.
#[derive(Clone, Debug)]
pub struct Keys {
    receive: [Key; 3],
    transmit: [Key; 3],
}

impl Keys {
    /// New ones. `entropy` fills a buffer with bytes that nobody can guess, and says whether it
    /// could.
    pub fn generate(entropy: &mut dyn FnMut(&mut [u8]) -> bool) -> Option<Self> {
        let mut three = || Some([one(entropy)?, one(entropy)?, one(entropy)?]);
        Some(Self {
            receive: three()?,
            transmit: three()?,
        })
    }

    /// The key for a slot; whichever key set it is of.
    pub fn key(&self, slot: Slot) -> &Key {
        let [posted, non_posted, completion] = match slot.direction {
            Direction::Receive => &self.receive,
            Direction::Transmit => &self.transmit,
        };
        match slot.sub_stream {
            crate::SubStream::Posted => posted,
            crate::SubStream::NonPosted => non_posted,
            crate::SubStream::Completion => completion,
        }
    }

    /// As the partner port has them: what one end transmits with, the other receives with.
    pub fn mirrored(self) -> Self {
        Self {
            receive: self.transmit,
            transmit: self.receive,
        }
    }

    /// Each with its slot.
    pub fn slots(&self, set: KeySet) -> impl Iterator<Item = (Slot, &Key)> {
        Slot::of(set).map(|slot| (slot, self.key(slot)))
    }
}

fn one(entropy: &mut dyn FnMut(&mut [u8]) -> bool) -> Option<Key> {
    let mut bytes = zeroize::Zeroizing::new([0; KEY_SIZE]);
    entropy(bytes.as_mut_slice()).then(|| Key::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of tee-io-validator's `key_byte_order.md`.
    #[test]
    fn byte_order() {
        let key = Key::new([
            0xdf, 0x25, 0x41, 0x52, 0x05, 0x6e, 0x02, 0xe0, 0xef, 0x8b, 0x7f, 0xeb, 0x97, 0x39,
            0xd4, 0xd9, 0x6a, 0x4e, 0xb8, 0x01, 0x03, 0x24, 0x1d, 0xf7, 0xcd, 0x5e, 0x24, 0xb4,
            0x9c, 0xcd, 0x27, 0x20,
        ]);
        let mut message = Vec::new();
        key.encode(&mut message);
        assert_eq!(
            message,
            [
                0x52, 0x41, 0x25, 0xdf, 0xe0, 0x02, 0x6e, 0x05, 0xeb, 0x7f, 0x8b, 0xef, 0xd9, 0xd4,
                0x39, 0x97, 0x01, 0xb8, 0x4e, 0x6a, 0xf7, 0x1d, 0x24, 0x03, 0xb4, 0x24, 0x5e, 0xcd,
                0x20, 0x27, 0xcd, 0x9c, 0, 0, 0, 0, 1, 0, 0, 0,
            ]
        );
        assert_eq!(Key::decode(&message), Some(key));
        assert_eq!(Key::decode(&message[1..]), None);
        message[32] = 1;
        assert!(!Key::decode(&message).unwrap().is_fresh());
    }

    #[test]
    fn nothing_is_shown() {
        let mut next = 0;
        let keys = Keys::generate(&mut |bytes| {
            next += 1;
            bytes.fill(0xa0 + next);
            true
        })
        .unwrap();
        let shown = format!("{keys:?} {keys:#?}");
        for byte in ["a1", "161", "A1", "invocation"] {
            assert!(!shown.contains(byte), "{shown}");
        }
    }

    #[test]
    fn generated() {
        let mut next = 0;
        let keys = Keys::generate(&mut |bytes| {
            next += 1;
            bytes.fill(next);
            true
        })
        .unwrap();
        let mirrored = keys.clone().mirrored();
        let mut seen = Vec::new();
        for (slot, key) in keys.slots(KeySet::K1) {
            assert_eq!(slot.set, KeySet::K1);
            assert_eq!(mirrored.key(slot.mirrored()), key);
            assert!(key.is_fresh() && !seen.contains(key));
            seen.push(key.clone());
        }
        assert_eq!(seen.len(), 6);
        let mut left = 4;
        let dry = Keys::generate(&mut |_| {
            left -= 1;
            left > 0
        });
        assert!(dry.is_none());
    }

    #[test]
    fn wiped() {
        let mut key = Key::new([7; KEY_SIZE]);
        key.zeroize();
        assert_eq!(key.key, [0; KEY_SIZE]);
    }
}
