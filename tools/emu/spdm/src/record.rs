// SPDX-License-Identifier: GPL-2.0

//! Measurement records and the blocks that they are made of (measurement block, DMTF measurement specification).

use crate::header::{front, split};
use crate::DIGEST_SIZE;
use sha2::{Digest, Sha384};

/// Highest index of a measurement block.
pub(crate) const INDEX_MAX: u8 = 0xef;
/// Bytes of a block besides its value.
pub(crate) const BLOCK_OVERHEAD: usize = 7;

/// What a block measures: immutable ROM, mutable firmware, hardware and firmware configuration.
const TYPES: u8 = 4;
/// Up to this kind it belongs to what the device trusts itself.
const KIND_FIRMWARE: u8 = 1;
/// In the type of a value: it is a raw bit stream, not a digest.
const RAW: u8 = 1 << 7;
/// The block is specified by DMTF.
const SPECIFICATION_DMTF: u8 = 1;

/// The kinds take turns.
fn kind(index: u8) -> u8 {
    index.wrapping_sub(1) % TYPES
}

/// How many blocks a record is made of; `None` if it is not made of blocks.
pub(crate) fn blocks(mut record: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !record.is_empty() {
        let ([_index, _specification, low, high], rest) = front::<[u8; 4]>(record).ok()?;
        let size = usize::from(u16::from_le_bytes([low, high]));
        (_, record) = split(rest, size).ok()?;
        count += 1;
    }
    Some(count)
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What was measured.
    pub content: Vec<u8>,
}

impl Block {
    /// The block with its index, as raw bit stream or as digest.
    pub fn encode(&self, index: u8, raw: bool) -> Vec<u8> {
        let (form, value) = if raw {
            (RAW, self.content.clone())
        } else {
            (0, Sha384::digest(&self.content).to_vec())
        };
        let mut bytes = vec![index, SPECIFICATION_DMTF];
        bytes.extend_from_slice(&((value.len() + 3) as u16).to_le_bytes());
        bytes.push(form | kind(index));
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&value);
        bytes
    }
}

/// All measurements of a device, block n with index n + 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasurementRecord {
    blocks: Vec<Block>,
    always_raw: bool,
}

impl MeasurementRecord {
    /// Of these blocks; `None` if there are more than there are indices.
    pub fn new(blocks: Vec<Block>) -> Option<Self> {
        (blocks.len() <= usize::from(INDEX_MAX)).then_some(Self {
            blocks,
            always_raw: false,
        })
    }

    /// A record of exactly `size` bytes, in blocks of at most `block_max` bytes that are raw
    /// whatever is asked for; `None` if there is no such record.
    pub fn of_size(size: usize, block_max: usize) -> Option<Self> {
        let mut blocks = Vec::new();
        let mut left = size;
        while left > 0 {
            // The last but one makes room for the overhead of the last.
            let mut block = left.min(block_max);
            if left > block && left - block <= BLOCK_OVERHEAD {
                block = left - BLOCK_OVERHEAD;
            }
            let value = block
                .checked_sub(BLOCK_OVERHEAD)
                .filter(|_| block <= block_max)?;
            let filler = blocks.len() as u8;
            blocks.push(Block {
                content: (0..value).map(|n| filler.wrapping_add(n as u8)).collect(),
            });
            left -= block;
        }
        let record = Self::new(blocks)?;
        Some(Self {
            always_raw: true,
            ..record
        })
    }

    /// How many blocks.
    pub fn count(&self) -> u8 {
        self.blocks.len() as u8
    }

    /// One block, by its index.
    pub fn block(&self, index: u8, raw: bool) -> Option<Vec<u8>> {
        let block = self.blocks.get(usize::from(index.checked_sub(1)?))?;
        Some(block.encode(index, raw || self.always_raw))
    }

    /// Digest over the blocks that are trusted (immutable ROM and mutable firmware), or over all. If
    /// nothing is trusted it is 0.
    pub(crate) fn summary(&self, all: bool) -> [u8; DIGEST_SIZE] {
        if self.blocks.is_empty() && !all {
            return [0; DIGEST_SIZE];
        }
        let mut hash = Sha384::new();
        for index in 1..=self.count() {
            let trusted = kind(index) <= KIND_FIRMWARE;
            if let Some(block) = self.block(index, false).filter(|_| all || trusted) {
                hash.update(block);
            }
        }
        hash.finalize().into()
    }

    /// All blocks.
    pub fn encode(&self, raw: bool) -> Vec<u8> {
        (1..=self.count())
            .filter_map(|index| self.block(index, raw))
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout() {
        let block = Block {
            content: b"abc".to_vec(),
        };
        assert_eq!(
            block.encode(2, true),
            [2, 1, 6, 0, 0x81, 3, 0, b'a', b'b', b'c']
        );
        let digest = block.encode(1, false);
        assert_eq!(digest.len(), 55);
        assert_eq!(digest[..8], [1, 1, 51, 0, 0, 48, 0, 0xcb]);
    }

    #[test]
    fn walk() {
        let contents = [b"a".to_vec(), Vec::new(), vec![7; 300]];
        let all = contents.map(|content| Block { content });
        let record = MeasurementRecord::new(all.to_vec()).unwrap();
        let bytes = record.encode(true);
        assert_eq!(blocks(&bytes), Some(3));
        assert_eq!(blocks(&bytes[..bytes.len() - 1]), None);
        assert_eq!(blocks(&[]), Some(0));
        assert_eq!(blocks(&[1, 1, 0]), None);
        // Three blocks: ROM, firmware, hardware configuration.
        let two = MeasurementRecord::new(all[..2].to_vec()).unwrap();
        assert_eq!(record.summary(false), two.summary(true));
        assert_ne!(record.summary(true), two.summary(true));
        let none = MeasurementRecord::default();
        assert_eq!(none.summary(false), [0; 48]);
        assert_ne!(none.summary(true), [0; 48]);
    }

    proptest! {
        #[test]
        fn of_size(size in 0usize..100_000) {
            match MeasurementRecord::of_size(size, 1000) {
                Some(record) => {
                    prop_assert_eq!(record.encode(false).len(), size);
                    for index in 1..=record.count() {
                        prop_assert!(record.block(index, false).unwrap().len() <= 1000);
                    }
                }
                None => prop_assert!(size < BLOCK_OVERHEAD && size > 0),
            }
        }
    }

    #[test]
    fn too_large() {
        assert_eq!(MeasurementRecord::of_size(240 * 1000, 1000), None);
        assert!(MeasurementRecord::of_size(239 * 1000, 1000).is_some());
    }
}
