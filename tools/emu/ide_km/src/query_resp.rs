// SPDX-License-Identifier: GPL-2.0

//! QUERY_RESP: which function a port belongs to, and its IDE registers.

/// Object ID.
pub const OBJECT: u8 = 0x01;

/// Bytes before the registers.
const HEAD: usize = 7;
/// There is always an IDE capability register and an IDE control register.
const REGISTERS_MIN: usize = 2;

/// The message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryResp {
    /// The port that was asked for.
    pub port_index: u8,
    /// Requester ID of the function that the port belongs to.
    pub requester_id: u16,
    /// Its segment.
    pub segment: u8,
    /// Highest port index of the device.
    pub max_port_index: u8,
    /// The IDE extended capability from the IDE capability register on.
    pub registers: Vec<u32>,
}

impl QueryResp {
    /// The message. Device and function come before the bus.
    pub fn encode(&self) -> Vec<u8> {
        let [function, bus] = self.requester_id.to_le_bytes();
        let mut message = vec![
            OBJECT,
            0,
            self.port_index,
            function,
            bus,
            self.segment,
            self.max_port_index,
        ];
        for register in &self.registers {
            message.extend_from_slice(&register.to_le_bytes());
        }
        message
    }

    /// From a message.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (head, registers) = message.split_first_chunk::<HEAD>()?;
        let [object, _, port_index, function, bus, segment, max_port_index] = *head;
        let (registers, rest) = registers.as_chunks::<4>();
        (object == OBJECT && rest.is_empty() && registers.len() >= REGISTERS_MIN).then(|| Self {
            port_index,
            requester_id: u16::from_le_bytes([function, bus]),
            segment,
            max_port_index,
            registers: registers.iter().copied().map(u32::from_le_bytes).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout() {
        let message = QueryResp {
            port_index: 1,
            requester_id: 0x0208,
            segment: 3,
            max_port_index: 4,
            registers: vec![0x0102_0304, 5],
        };
        let bytes = message.encode();
        assert_eq!(bytes, [1, 0, 1, 8, 2, 3, 4, 4, 3, 2, 1, 5, 0, 0, 0]);
        assert_eq!(QueryResp::decode(&bytes), Some(message));
        assert_eq!(QueryResp::decode(&bytes[..14]), None);
        assert_eq!(QueryResp::decode(&bytes[..11]), None);
        assert_eq!(QueryResp::decode(&[0; 15]), None);
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(first) = bytes.first_mut() {
                *first = OBJECT;
            }
            if let Some(message) = QueryResp::decode(&bytes) {
                bytes[1] = 0;
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }
}
