// SPDX-License-Identifier: GPL-2.0

//! The firmware's end of the conversation: each key of a guest with its count of messages.

use crate::{Header, Malformed, Message, Vmpck, VMPCK_COUNT};
use thiserror::Error;

/// Why the firmware does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is no message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is not the next one: one of before was repeated, or one is missing.
    #[error("the message is out of sequence")]
    Sequence,
    /// There are no numbers left.
    #[error("the sequence numbers are used up")]
    Overflow,
    /// It is not authentic.
    #[error("the message is not authentic")]
    Unauthentic,
}

/// The keys of a guest.
#[derive(Debug)]
pub struct Channel {
    keys: [Vmpck; VMPCK_COUNT],
    counts: [u64; VMPCK_COUNT],
}

impl Channel {
    /// With these keys, no message was exchanged yet.
    pub fn new(keys: [Vmpck; VMPCK_COUNT]) -> Self {
        Self {
            keys,
            counts: [0; VMPCK_COUNT],
        }
    }

    /// A key, as the secrets page gives it to the guest.
    pub fn key(&self, vmpck: usize) -> Option<&Vmpck> {
        self.keys.get(vmpck)
    }

    /// Decrypts a request. Nothing is counted before it is answered.
    pub fn request(&self, bytes: &[u8]) -> Result<Message, Refused> {
        let (header, payload) = Header::parse(bytes)?;
        let which = usize::from(header.vmpck);
        let (key, count) = self
            .keys
            .get(which)
            .zip(self.counts.get(which))
            .ok_or(Malformed::Key)?;
        // The response needs a number too.
        let next = count.checked_add(1).ok_or(Refused::Overflow)?;
        next.checked_add(1).ok_or(Refused::Overflow)?;
        if header.sequence.get() != next {
            return Err(Refused::Sequence);
        }
        Message::open(key, &header, payload).map_err(|_| Refused::Unauthentic)
    }

    /// Encrypts the response to a request, and counts both.
    pub fn response(&mut self, request: &Message, payload: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let which = usize::from(request.vmpck);
        let key = self.keys.get(which).ok_or(Malformed::Key)?;
        let count = self.counts.get_mut(which).ok_or(Malformed::Key)?;
        if count.checked_add(1) != Some(request.sequence) {
            return Err(Refused::Sequence);
        }
        let sequence = request.sequence.checked_add(1).ok_or(Refused::Overflow)?;
        let response = Message {
            vmpck: request.vmpck,
            sequence,
            message_type: request.message_type.wrapping_add(1),
            message_version: request.message_version,
            payload,
        };
        let bytes = response.seal(key)?;
        *count = sequence;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, MessageType, Unanswered};
    use proptest::prelude::*;

    fn keys() -> [Vmpck; VMPCK_COUNT] {
        [1, 2, 3, 4].map(|byte| Vmpck::new([byte; 32]))
    }

    #[test]
    fn conversation() {
        let mut channel = Channel::new(keys());
        let mut guest = Guest::new(Vmpck::new([2; 32]), 1, 0);
        for round in 0..3u8 {
            let bytes = guest
                .request(MessageType::SdteWriteRequest, &[round; 8])
                .unwrap();
            let request = channel.request(&bytes).unwrap();
            assert_eq!(request.payload, [round; 8]);
            assert_eq!(request.sequence, 1 + 2 * u64::from(round));
            let answer = channel.response(&request, vec![round; 4]).unwrap();
            let response = guest.response(&answer).unwrap();
            assert_eq!((response.message_type, response.message_version), (26, 1));
            assert_eq!(response.payload, [round; 4]);
            // The host repeats either.
            assert_eq!(channel.request(&bytes), Err(Refused::Sequence));
            assert_eq!(channel.response(&request, vec![1]), Err(Refused::Sequence));
            assert_eq!(guest.response(&answer), Err(Unanswered::Other));
        }
    }

    #[test]
    fn other_keys_and_numbers() {
        let channel = Channel::new(keys());
        let with = |key: u8, vmpck, count| {
            let guest = Guest::new(Vmpck::new([key; 32]), vmpck, count);
            let bytes = guest
                .request(MessageType::TdiInfoRequest, &[0; 16])
                .unwrap();
            channel.request(&bytes).map(drop)
        };
        assert_eq!(with(1, 0, 0), Ok(()));
        assert_eq!(with(4, 3, 0), Ok(()));
        assert_eq!(with(2, 0, 0), Err(Refused::Unauthentic));
        assert_eq!(with(1, 3, 0), Err(Refused::Unauthentic));
        assert_eq!(with(1, 4, 0), Err(Malformed::Key.into()));
        assert_eq!(with(1, 0, 1), Err(Refused::Sequence));
        assert_eq!(with(1, 0, 2), Err(Refused::Sequence));
    }

    #[test]
    fn numbers_end() {
        for count in [u64::MAX - 1, u64::MAX] {
            let mut channel = Channel::new(keys());
            channel.counts[0] = count;
            let request = Guest::new(Vmpck::new([1; 32]), 0, 6);
            let bytes = request
                .request(MessageType::TdiInfoRequest, &[0; 16])
                .unwrap();
            assert_eq!(
                channel.request(&bytes),
                Err(Refused::Overflow),
                "{count:#x}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let channel = Channel::new(keys());
            prop_assert!(channel.request(&bytes).is_err());
        }
    }
}
