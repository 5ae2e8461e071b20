// SPDX-License-Identifier: GPL-2.0

//! What is behind BAR0 of an endpoint function: 64 KiB of registers. The lower half can be reached
//! by anybody; the upper half belongs to the TVM while the TDI is locked.
//!
//! | offset | |
//! |---|---|
//! | 0x0000 | u32, read only: "TDI0" |
//! | 0x0004 | u32, read only: number of the function |
//! | 0x0008 | u32, read only: number of the device |
//! | 0x0010 | u32, write only: fires the MSI-X vector of that number |
//! | 0x0100 to 0x7fff | scratch |
//! | 0x8000 to 0xffff | scratch, TEE only |

/// Bytes.
pub(crate) const SIZE: usize = 0x1_0000;
/// Where the half of the TVM starts.
pub(crate) const TEE_BASE: usize = 0x8000;

const MAGIC: u32 = u32::from_le_bytes(*b"TDI0");
const FIRE: usize = 0x10;
const SCRATCH: usize = 0x100;

/// The registers.
#[derive(Debug)]
pub(crate) struct Registers {
    bytes: Vec<u8>,
}

impl Registers {
    pub(crate) fn new(function: u32, device: u32) -> Self {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend_from_slice(&function.to_le_bytes());
        bytes.extend_from_slice(&device.to_le_bytes());
        bytes.resize(SIZE, 0);
        Self { bytes }
    }

    pub(crate) fn read(&self, offset: usize, data: &mut [u8]) {
        let inside = self.bytes.get(offset..).unwrap_or_default();
        for (to, from) in data
            .iter_mut()
            .zip(inside.iter().copied().chain(std::iter::repeat(0xff)))
        {
            *to = from;
        }
    }

    /// Returns the vector that the write fires.
    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) -> Option<u32> {
        if offset == FIRE {
            return data.try_into().ok().map(u32::from_le_bytes);
        }
        let inside = self.bytes.get_mut(offset..).unwrap_or_default();
        for (at, (to, from)) in inside.iter_mut().zip(data).enumerate() {
            if offset + at >= SCRATCH {
                *to = *from;
            }
        }
        None
    }

    /// Forgets what a TVM left.
    pub(crate) fn scrub(&mut self) {
        self.bytes.get_mut(TEE_BASE..).unwrap_or_default().fill(0);
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.bytes.get_mut(SCRATCH..).unwrap_or_default().fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identification_is_read_only() {
        let mut registers = Registers::new(2, 1);
        registers.write(0, &[0; 0x100]);
        let mut data = [0; 12];
        registers.read(0, &mut data);
        assert_eq!(data, *b"TDI0\x02\0\0\0\x01\0\0\0");
    }

    #[test]
    fn scratch() {
        let mut registers = Registers::new(0, 0);
        let mut data = [0; 4];
        for offset in [SCRATCH, TEE_BASE, SIZE - 4] {
            assert_eq!(registers.write(offset, &[1, 2, 3, 4]), None);
            registers.read(offset, &mut data);
            assert_eq!(data, [1, 2, 3, 4]);
        }
        registers.scrub();
        registers.read(TEE_BASE, &mut data);
        assert_eq!(data, [0; 4]);
        registers.read(SCRATCH, &mut data);
        assert_eq!(data, [1, 2, 3, 4]);
        registers.read(SIZE - 2, &mut data);
        assert_eq!(data, [0, 0, 0xff, 0xff]);
        assert_eq!(registers.write(FIRE, &3u32.to_le_bytes()), Some(3));
    }
}
