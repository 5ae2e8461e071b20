// SPDX-License-Identifier: GPL-2.0

//! KP_ACK: what became of a KEY_PROG. The target of the request, with a status in its spare byte.

use crate::Target;

/// Object ID.
pub const OBJECT: u8 = 0x03;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The key is in its slot.
    Successful = 0x00,
    /// The message is too long or too short.
    IncorrectLength = 0x01,
    /// There is no such port.
    UnsupportedPortIndex = 0x02,
    /// Another field has a value that cannot be: a stream that the port does not have, a sub-stream
    /// that does not exist, an invocation field that is not that of a new key.
    UnsupportedValue = 0x03,
    /// Something else.
    UnspecifiedFailure = 0x04,
}

impl TryFrom<u8> for Status {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0x00 => Ok(Self::Successful),
            0x01 => Ok(Self::IncorrectLength),
            0x02 => Ok(Self::UnsupportedPortIndex),
            0x03 => Ok(Self::UnsupportedValue),
            0x04 => Ok(Self::UnspecifiedFailure),
            other => Err(other),
        }
    }
}

/// The message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KpAck {
    /// The target of the request.
    pub target: Target,
    /// What became of it.
    pub status: Status,
}

impl KpAck {
    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        self.target.encode(OBJECT, self.status as u8)
    }

    /// From a message. A status that is not known is a failure like any other.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (target, status, rest) = Target::decode(message, OBJECT)?;
        rest.is_empty().then(|| Self {
            target,
            status: Status::try_from(status).unwrap_or(Status::UnspecifiedFailure),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        for status in 0..=4u8 {
            let ack = KpAck {
                target: Target {
                    stream: 5,
                    slot: 0xff,
                    port_index: 1,
                },
                status: Status::try_from(status).unwrap(),
            };
            let bytes = ack.encode();
            assert_eq!(bytes, [3, 0, 0, 5, status, 0xff, 1]);
            assert_eq!(KpAck::decode(&bytes), Some(ack));
        }
        let unknown = KpAck::decode(&[3, 0, 0, 5, 9, 0, 1]).unwrap();
        assert_eq!(unknown.status, Status::UnspecifiedFailure);
        assert_eq!(KpAck::decode(&[3, 0, 0, 5, 0, 0, 1, 0]), None);
        assert_eq!(KpAck::decode(&[3, 0, 0, 5, 0, 0]), None);
        assert_eq!(KpAck::decode(&[6, 0, 0, 5, 0, 0, 1]), None);
    }
}
