// SPDX-License-Identifier: GPL-2.0

//! Secured messages (DSP0277) as PCI Express has them: session id, length, then
//! encrypted the length of the message, the message and random bytes if any; then the tag. Sequence
//! numbers are not transmitted: both count.

use crate::header::{end, front, split};
use crate::key_schedule::{Secret, IV_SIZE};
use crate::Version;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use std::fmt;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use zeroize::Zeroizing;

/// What is authenticated and not encrypted.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AssociatedData {
    session: U32,
    /// Bytes that follow.
    length: U16,
}

/// Bytes of the tag of AES-256-GCM.
const TAG_SIZE: usize = 16;

/// Bytes of a secured message besides the message in it.
pub const OVERHEAD: usize = size_of::<AssociatedData>() + size_of::<U16>() + TAG_SIZE;

const _: () = assert!(OVERHEAD == 24);

/// Why a secured message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// It is of another session.
    Session,
    /// It is authentic and comes before or after its time.
    Sequence,
    /// It is not authentic, or not a secured message.
    Authenticity,
}

/// The session that a secured message says it is of.
pub(crate) fn session_of(bytes: &[u8]) -> Option<u32> {
    let (head, _) = AssociatedData::read_from_prefix(bytes).ok()?;
    Some(head.session.get())
}

/// Keys and count of one direction.
#[derive(Clone)]
pub(crate) struct Direction {
    version: Version,
    secret: Secret,
    cipher: Aes256Gcm,
    iv: Zeroizing<[u8; IV_SIZE]>,
    sequence: u64,
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Direction {
    /// With the keys of this secret, at sequence number 0.
    pub(crate) fn new(version: Version, secret: Secret) -> Option<Self> {
        let keys = secret.keys(version)?;
        Some(Self {
            version,
            cipher: Aes256Gcm::new_from_slice(keys.key.as_slice()).ok()?,
            iv: keys.iv,
            secret,
            sequence: 0,
        })
    }

    /// The same with the keys that follow at KEY_UPDATE.
    pub(crate) fn next(&self) -> Option<Self> {
        Self::new(self.version, self.secret.next(self.version)?)
    }

    /// Leaves out a sequence number, as if a message had been lost.
    pub(crate) fn skip(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// The vector with the sequence number, little-endian, over its first bytes.
    fn nonce(&self, sequence: u64) -> [u8; IV_SIZE] {
        let mut nonce = *self.iv;
        for (byte, of_sequence) in nonce.iter_mut().zip(sequence.to_le_bytes()) {
            *byte ^= of_sequence;
        }
        nonce
    }

    /// Encrypts a message; `None` if it is too long or the numbers are used up.
    pub(crate) fn seal(&mut self, session: u32, message: &[u8]) -> Option<Vec<u8>> {
        let following = size_of::<U16>() + message.len() + TAG_SIZE;
        let head = AssociatedData {
            session: U32::new(session),
            length: U16::new(u16::try_from(following).ok()?),
        };
        let next = self.sequence.checked_add(1)?;
        let length = U16::new(message.len() as u16);
        let plain = Zeroizing::new([length.as_bytes(), message].concat());
        let payload = Payload {
            msg: &plain,
            aad: head.as_bytes(),
        };
        let nonce = Nonce::from(self.nonce(self.sequence));
        let sealed = self.cipher.encrypt(&nonce, payload).ok()?;
        self.sequence = next;
        Some([head.as_bytes(), &sealed].concat())
    }

    fn decrypt(&self, sequence: u64, head: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: sealed,
            aad: head,
        };
        let nonce = Nonce::from(self.nonce(sequence));
        let plain = self.cipher.decrypt(&nonce, payload).ok()?;
        Some(Zeroizing::new(plain))
    }

    /// Decrypts a message. Up to three bytes of padding may follow it.
    pub(crate) fn open(&mut self, session: u32, bytes: &[u8]) -> Result<Vec<u8>, Unopened> {
        let malformed = Unopened::Authenticity;
        let (head, rest) = front::<AssociatedData>(bytes).map_err(|_| malformed)?;
        if head.session.get() != session {
            return Err(Unopened::Session);
        }
        let (sealed, rest) = split(rest, usize::from(head.length.get())).map_err(|_| malformed)?;
        end(rest).map_err(|_| malformed)?;
        let next = self.sequence.checked_add(1).ok_or(malformed)?;
        let Some(plain) = self.decrypt(self.sequence, head.as_bytes(), sealed) else {
            // Only to tell what went wrong; either way nothing of it is used.
            let others = [self.sequence.checked_sub(1), Some(next)];
            let elsewhere = others
                .into_iter()
                .flatten()
                .any(|other| self.decrypt(other, head.as_bytes(), sealed).is_some());
            return Err(if elsewhere {
                Unopened::Sequence
            } else {
                Unopened::Authenticity
            });
        };
        self.sequence = next;
        let (length, message) = front::<U16>(&plain).map_err(|_| malformed)?;
        let (message, _random) =
            split(message, usize::from(length.get())).map_err(|_| malformed)?;
        Ok(message.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u32 = 0x0403_0201;

    fn direction() -> Direction {
        Direction::new(Version::V1_2, Secret::handshake(b"shared")).unwrap()
    }

    #[test]
    fn layout() {
        let (mut one, mut other) = (direction(), direction());
        for length in [0, 1, 4, 4096] {
            let message = vec![0x5a; length];
            let mut sealed = one.seal(ID, &message).unwrap();
            assert_eq!(sealed.len(), length + OVERHEAD);
            assert_eq!(sealed[..4], [1, 2, 3, 4]);
            let following = u16::from_le_bytes([sealed[4], sealed[5]]);
            assert_eq!(usize::from(following), sealed.len() - 6);
            assert_eq!(session_of(&sealed), Some(ID));
            sealed.resize(sealed.len().next_multiple_of(4), 0);
            assert_eq!(other.open(ID, &sealed), Ok(message));
        }
        assert_eq!(one.seal(ID, &vec![0; 65536]), None);
        assert_eq!(one.seal(ID, &vec![0; 65535 - 17]), None);
        assert!(one.seal(ID, &vec![0; 65535 - 18]).is_some());
        assert_eq!(session_of(&[0; 5]), None);
        assert!(!format!("{one:?}").contains("iv"));
    }

    /// The nonce by hand, from keys that the key schedule gives.
    #[test]
    fn sequence_number_in_nonce() {
        let mut one = direction();
        let keys = Secret::handshake(b"shared").keys(Version::V1_2).unwrap();
        one.sequence = 0x0102_0304_0506_0708;
        let sealed = one.seal(ID, b"abc").unwrap();
        let mut nonce = *keys.iv;
        for (at, byte) in [8, 7, 6, 5, 4, 3, 2, 1].into_iter().enumerate() {
            nonce[at] ^= byte;
        }
        let cipher = Aes256Gcm::new_from_slice(keys.key.as_slice()).unwrap();
        let payload = Payload {
            msg: &sealed[6..],
            aad: &[1, 2, 3, 4, 21, 0],
        };
        let plain = cipher.decrypt(&Nonce::from(nonce), payload).unwrap();
        assert_eq!(plain, b"\x03\x00abc");
    }

    #[test]
    fn random_bytes_are_dropped() {
        let mut one = direction();
        let payload = Payload {
            msg: b"\x03\x00abcrandom",
            aad: &[1, 2, 3, 4, 27, 0],
        };
        let nonce = Nonce::from(one.nonce(0));
        let sealed = one.cipher.encrypt(&nonce, payload).unwrap();
        let bytes = [&[1, 2, 3, 4, 27, 0], sealed.as_slice()].concat();
        assert_eq!(
            one.open(ID, &bytes).map(|it| it.to_vec()),
            Ok(b"abc".to_vec())
        );
    }

    #[test]
    fn each_bit_counts() {
        let mut one = direction();
        let sealed = one.seal(ID, b"message").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let refused = direction().open(ID, &flipped).unwrap_err();
            let session = if bit < 32 {
                Unopened::Session
            } else {
                Unopened::Authenticity
            };
            assert_eq!(refused, session, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(direction().open(ID, &sealed[..length]).is_err());
        }
        let mut long = sealed.clone();
        long.extend([0; 4]);
        assert_eq!(direction().open(ID, &long), Err(Unopened::Authenticity));
    }

    #[test]
    fn order() {
        let (mut one, mut other) = (direction(), direction());
        let messages: Vec<_> = (0..4).map(|n| one.seal(ID, &[n]).unwrap()).collect();
        assert_eq!(
            other.open(ID, &messages[0]).map(|it| it.to_vec()),
            Ok(vec![0])
        );
        assert_eq!(other.open(ID, &messages[0]), Err(Unopened::Sequence));
        assert_eq!(other.open(ID, &messages[2]), Err(Unopened::Sequence));
        assert_eq!(other.open(ID, &messages[3]), Err(Unopened::Authenticity));
        // What was refused did not count.
        assert_eq!(
            other.open(ID, &messages[1]).map(|it| it.to_vec()),
            Ok(vec![1])
        );
        other.skip();
        assert_eq!(
            other.open(ID, &messages[3]).map(|it| it.to_vec()),
            Ok(vec![3])
        );
        // The last number is never used.
        one.sequence = u64::MAX;
        assert_eq!(one.seal(ID, b""), None);
    }

    #[test]
    fn new_keys() {
        let (mut one, mut other) = (direction(), direction());
        one.seal(ID, b"counts").unwrap();
        let mut one = one.next().unwrap();
        let sealed = one.seal(ID, b"new").unwrap();
        assert_eq!(other.open(ID, &sealed), Err(Unopened::Authenticity));
        let mut other = other.next().unwrap();
        assert_eq!(
            other.open(ID, &sealed).map(|it| it.to_vec()),
            Ok(b"new".to_vec())
        );
    }
}
