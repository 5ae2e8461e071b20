// SPDX-License-Identifier: GPL-2.0

//! A message in the clear, and what becomes of it under a key: AES-256-GCM, the initialization
//! vector of which is the sequence number (AMD 56860; `enc_payload()` of Linux).

use crate::header::{Header, ALGORITHM, HEADER_SIZE, HEADER_VERSION, PAYLOAD_MAX, TAG_SIZE};
use crate::{Malformed, Vmpck};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::IntoBytes;

/// Bytes of an initialization vector.
const IV_SIZE: usize = 12;

/// A message is not authentic: it was made with another key, or changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message is not authentic")]
pub struct Unauthentic;

/// A message in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which key it is encrypted with.
    pub vmpck: u8,
    /// Its number.
    pub sequence: u64,
    /// Its type: [`crate::MessageType`], or one of another part of the ABI.
    pub message_type: u8,
    /// Version of its payload.
    pub message_version: u8,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Message {
    /// Encrypts it. Who does so twice with one number and one key gives the key away.
    pub fn seal(&self, key: &Vmpck) -> Result<Vec<u8>, Malformed> {
        if !(1..=PAYLOAD_MAX).contains(&self.payload.len()) {
            return Err(Malformed::Size);
        }
        let mut header = Header {
            tag: [0; 32],
            sequence: U64::new(self.sequence),
            reserved0: [0; 8],
            algorithm: ALGORITHM,
            header_version: HEADER_VERSION,
            header_size: U16::new(HEADER_SIZE as u16),
            message_type: self.message_type,
            message_version: self.message_version,
            message_size: U16::new(self.payload.len() as u16),
            reserved1: U32::ZERO,
            vmpck: self.vmpck,
            reserved2: [0; 35],
        };
        let plain = Payload {
            msg: &self.payload,
            aad: header.associated(),
        };
        let sealed = cipher(key)
            .and_then(|cipher| cipher.encrypt(&iv(self.sequence), plain).ok())
            .ok_or(Malformed::Size)?;
        let (payload, tag) = sealed
            .split_at_checked(self.payload.len())
            .ok_or(Malformed::Size)?;
        for (to, from) in header.tag.iter_mut().zip(tag) {
            *to = *from;
        }
        Ok([header.as_bytes(), payload].concat())
    }

    /// Decrypts what [`Header::parse`] found.
    pub fn open(key: &Vmpck, header: &Header, payload: &[u8]) -> Result<Self, Unauthentic> {
        let tag = header.tag.get(..TAG_SIZE).unwrap_or_default();
        let sealed = [payload, tag].concat();
        let sealed = Payload {
            msg: &sealed,
            aad: header.associated(),
        };
        let sequence = header.sequence.get();
        let payload = cipher(key)
            .and_then(|cipher| cipher.decrypt(&iv(sequence), sealed).ok())
            .ok_or(Unauthentic)?;
        Ok(Self {
            vmpck: header.vmpck,
            sequence,
            message_type: header.message_type,
            message_version: header.message_version,
            payload,
        })
    }
}

fn cipher(key: &Vmpck) -> Option<Aes256Gcm> {
    Aes256Gcm::new_from_slice(key.bytes()).ok()
}

fn iv(sequence: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut iv = [0; IV_SIZE];
    for (to, from) in iv.iter_mut().zip(sequence.to_le_bytes()) {
        *to = from;
    }
    iv.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> Message {
        Message {
            vmpck: 0,
            sequence: 1,
            message_type: 19,
            message_version: 1,
            payload: vec![0; 16],
        }
    }

    fn open(key: &Vmpck, bytes: &[u8]) -> Option<Message> {
        let (header, payload) = Header::parse(bytes).ok()?;
        Message::open(key, &header, payload).ok()
    }

    #[test]
    fn there_and_back() {
        let key = Vmpck::new([7; 32]);
        let bytes = message().seal(&key).unwrap();
        assert_eq!(bytes.len(), 112);
        assert_eq!(open(&key, &bytes), Some(message()));
        assert_eq!(open(&Vmpck::new([8; 32]), &bytes), None);
    }

    /// Made with another implementation of AES-256-GCM: key 00 01 .. 1f, number 1, the header as the
    /// definition has it, 16 bytes of zeroes.
    #[test]
    fn known_answer() {
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = at as u8;
        }
        let sealed = message().seal(&Vmpck::new(bytes)).unwrap();
        assert_eq!(crate::hex::encode(&sealed[..16]), KNOWN_TAG);
        assert_eq!(crate::hex::encode(&sealed[HEADER_SIZE..]), KNOWN_PAYLOAD);
        let clear = [1, 1, 96, 0, 19, 1, 16, 0, 0, 0, 0, 0, 0];
        assert_eq!(sealed[0x30..0x3d], clear);
        assert_eq!(sealed[0x20..0x28], [1, 0, 0, 0, 0, 0, 0, 0]);
    }

    const KNOWN_TAG: &str = "98a8fda11a9967e3f396c6067a75404f";
    const KNOWN_PAYLOAD: &str = "e22c823fa4afec074a0405c33cc188cb";

    #[test]
    fn every_bit_counts() {
        let key = Vmpck::new([7; 32]);
        let bytes = message().seal(&key).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, &changed), None, "{at:#x}");
        }
    }

    #[test]
    fn sizes() {
        let key = Vmpck::new([7; 32]);
        let of = |size| {
            let payload = vec![1; size];
            let message = Message {
                payload,
                ..message()
            };
            message.seal(&key)
        };
        assert_eq!(of(0), Err(Malformed::Size));
        assert_eq!(of(PAYLOAD_MAX + 1), Err(Malformed::Size));
        assert_eq!(of(PAYLOAD_MAX).unwrap().len(), 4096);
    }

    proptest! {
        #[test]
        fn any_message(
            vmpck in 0u8..4,
            sequence in 1..u64::MAX,
            message_type: u8,
            message_version: u8,
            payload in proptest::collection::vec(any::<u8>(), 1..300),
            key: [u8; 32],
        ) {
            let key = Vmpck::new(key);
            let message = Message { vmpck, sequence, message_type, message_version, payload };
            let bytes = message.seal(&key).unwrap();
            prop_assert_eq!(open(&key, &bytes), Some(message));
        }
    }
}
