// SPDX-License-Identifier: GPL-2.0

//! The guest's end of the conversation, as `snp_send_guest_request()` of Linux has it.

use crate::{Header, Malformed, Message, MessageType, Unauthentic, Vmpck, TIO_MESSAGE_VERSION};
use thiserror::Error;

/// Why a response is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unanswered {
    /// It is no message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is not authentic.
    #[error(transparent)]
    Unauthentic(#[from] Unauthentic),
    /// It is authentic, and of another request.
    #[error("this is the response to another request")]
    Other,
}

/// A guest with a key.
#[derive(Debug)]
pub struct Guest {
    key: Vmpck,
    vmpck: u8,
    /// Number of the last message that was exchanged.
    count: u64,
}

impl Guest {
    /// That has this key, of this number, and exchanged so many messages with it: requests and
    /// responses both count.
    pub fn new(key: Vmpck, vmpck: u8, count: u64) -> Self {
        Self { key, vmpck, count }
    }

    /// Encrypts a request. The next one has the same number until the response to this one was taken.
    pub fn request(&self, message_type: MessageType, payload: &[u8]) -> Result<Vec<u8>, Malformed> {
        self.request_raw(message_type as u8, TIO_MESSAGE_VERSION, payload)
    }

    /// Encrypts a request of whatever type and version.
    pub fn request_raw(
        &self,
        message_type: u8,
        message_version: u8,
        payload: &[u8],
    ) -> Result<Vec<u8>, Malformed> {
        let message = Message {
            vmpck: self.vmpck,
            sequence: self.count.checked_add(1).ok_or(Malformed::Sequence)?,
            message_type,
            message_version,
            payload: payload.to_vec(),
        };
        message.seal(&self.key)
    }

    /// Decrypts the response to a request.
    pub fn response(&mut self, bytes: &[u8]) -> Result<Message, Unanswered> {
        let (header, payload) = Header::parse(bytes)?;
        let message = Message::open(&self.key, &header, payload)?;
        if Some(message.sequence) != self.count.checked_add(2) || message.vmpck != self.vmpck {
            return Err(Unanswered::Other);
        }
        self.count = message.sequence;
        Ok(message)
    }
}
