// SPDX-License-Identifier: GPL-2.0

//! Which of its keys a stream uses for what: key set, direction and sub-stream, one byte in every
//! message but QUERY and its response.

/// A stream has two sets of keys, so that it can go on while one is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySet {
    /// Key set 0.
    K0,
    /// Key set 1.
    K1,
}

/// What the port does with TLPs that a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It receives them.
    Receive,
    /// It transmits them.
    Transmit,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Transmit];

    /// The same TLPs, as the partner port sees them.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Receive => Self::Transmit,
            Self::Transmit => Self::Receive,
        }
    }
}

/// TLPs of a stream are counted and keyed by kind (6.33.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubStream {
    /// Posted requests.
    Posted,
    /// Non-posted requests.
    NonPosted,
    /// Completions.
    Completion,
}

impl SubStream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Posted, Self::NonPosted, Self::Completion];
}

/// A place for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Key set, bit 0.
    pub set: KeySet,
    /// Direction, bit 1: set for transmit.
    pub direction: Direction,
    /// Sub-stream, bits 7:4.
    pub sub_stream: SubStream,
}

impl Slot {
    /// All six of a key set, receiving ones first.
    pub fn of(set: KeySet) -> impl Iterator<Item = Self> {
        Direction::ALL
            .into_iter()
            .flat_map(move |direction| Self::towards(set, direction))
    }

    /// The three of a key set in one direction.
    pub fn towards(set: KeySet, direction: Direction) -> impl Iterator<Item = Self> {
        SubStream::ALL.into_iter().map(move |sub_stream| Self {
            set,
            direction,
            sub_stream,
        })
    }

    /// The slot of the partner port that has the same key.
    pub fn mirrored(self) -> Self {
        Self {
            direction: self.direction.mirrored(),
            ..self
        }
    }

    /// The byte.
    pub fn encode(self) -> u8 {
        let set = match self.set {
            KeySet::K0 => 0,
            KeySet::K1 => 1,
        };
        let direction = match self.direction {
            Direction::Receive => 0,
            Direction::Transmit => 1 << 1,
        };
        let sub_stream = match self.sub_stream {
            SubStream::Posted => 0,
            SubStream::NonPosted => 1,
            SubStream::Completion => 2,
        };
        set | direction | sub_stream << 4
    }

    /// From the byte; `None` if there is no such sub-stream. Bits 3:2 are reserved and not looked at.
    pub fn decode(byte: u8) -> Option<Self> {
        Some(Self {
            set: if byte & 1 == 0 {
                KeySet::K0
            } else {
                KeySet::K1
            },
            direction: if byte & 1 << 1 == 0 {
                Direction::Receive
            } else {
                Direction::Transmit
            },
            sub_stream: match byte >> 4 {
                0 => SubStream::Posted,
                1 => SubStream::NonPosted,
                2 => SubStream::Completion,
                _ => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte() {
        for byte in 0..=255u8 {
            let slot = Slot::decode(byte);
            assert_eq!(slot.is_some(), byte >> 4 < 3);
            if let Some(slot) = slot {
                assert_eq!(slot.encode(), byte & 0xf3);
                assert_eq!(slot.mirrored().encode(), slot.encode() ^ 2);
            }
        }
    }

    /// `PCI_IDE_KM_KEY_*` of libspdm.
    #[test]
    fn layout() {
        let slot = Slot {
            set: KeySet::K1,
            direction: Direction::Transmit,
            sub_stream: SubStream::Completion,
        };
        assert_eq!(slot.encode(), 0x23);
        let bytes: Vec<_> = Slot::of(KeySet::K0).map(Slot::encode).collect();
        assert_eq!(bytes, [0x00, 0x10, 0x20, 0x02, 0x12, 0x22]);
    }
}
