// SPDX-License-Identifier: GPL-2.0

//! What a message is about: a key slot of a stream at a port. KEY_PROG, KP_ACK, K_SET_GO, K_SET_STOP
//! and K_GOSTOP_ACK have it in the same place.

use crate::Slot;

/// Bytes of a message with a target, up to where KEY_PROG has its key.
pub(crate) const SIZE: usize = 7;

/// A key slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Stream ID.
    pub stream: u8,
    /// The byte that says which key it is, see [`Slot`]. It is kept as it came, since an answer
    /// repeats it even if it makes no sense.
    pub slot: u8,
    /// Port of the device that the stream ends at; 0 is its upstream port.
    pub port_index: u8,
}

impl Target {
    /// This slot.
    pub fn new(port_index: u8, stream: u8, slot: Slot) -> Self {
        Self {
            stream,
            slot: slot.encode(),
            port_index,
        }
    }

    /// A message: object ID, two reserved bytes, stream ID, a byte that only KP_ACK uses, slot and
    /// port index.
    pub(crate) fn encode(self, object: u8, status: u8) -> Vec<u8> {
        vec![
            object,
            0,
            0,
            self.stream,
            status,
            self.slot,
            self.port_index,
        ]
    }

    /// From a message of this object ID: target, the byte that only KP_ACK uses, and what follows.
    /// Reserved bytes are not looked at.
    pub(crate) fn decode(message: &[u8], object: u8) -> Option<(Self, u8, &[u8])> {
        match message {
            [id, _, _, stream, status, slot, port_index, rest @ ..] if *id == object => {
                let target = Self {
                    stream: *stream,
                    slot: *slot,
                    port_index: *port_index,
                };
                Some((target, *status, rest))
            }
            _ => None,
        }
    }

    /// From a message of this object ID that has nothing else.
    pub(crate) fn decode_bare(message: &[u8], object: u8) -> Option<Self> {
        let (target, _, rest) = Self::decode(message, object)?;
        rest.is_empty().then_some(target)
    }
}
