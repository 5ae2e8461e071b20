// SPDX-License-Identifier: GPL-2.0

//! IDE extended capability (7.9.26), as an endpoint or a root port with selective streams only has it.
//!
//! | offset | register |
//! |---|---|
//! | 0x00 | extended capability header |
//! | 0x04 | IDE capability |
//! | 0x08 | IDE control |
//! | 0x0c | stream 0: capability, control, status, RID association 1 and 2, then per address association 1, 2 and 3 |
//! | ... | further streams |
//!
//! Bits and offsets are `PCI_IDE_*` of Linux' `pci_regs.h`.

use crate::{KeyStore, RESERVED_STREAM};

/// Extended capability ID.
pub const CAPABILITY_ID: u16 = 0x30;
/// Its version.
pub const CAPABILITY_VERSION: u8 = 1;

/// In IDE capability: selective streams.
const SELECTIVE: u32 = 1 << 1;
/// In IDE capability: IDE_KM.
const KEY_MANAGEMENT: u32 = 1 << 6;
/// In IDE capability: selective streams can carry configuration requests.
const SELECTIVE_CONFIGURATION: u32 = 1 << 7;
/// In IDE capability: streams can be limited to TLPs with the T bit.
const TEE_LIMITED_SUPPORTED: u32 = 1 << 24;

/// In stream control: enable.
const ENABLE: u32 = 1 << 0;
/// In stream control: configuration requests, too.
const CONFIGURATION: u32 = 1 << 9;
/// In stream control: algorithm; 0 is AES-GCM-256 with a MAC of 96 bits, the only one there is.
const ALGORITHM: u32 = 0x1f << 14;
/// In stream control: traffic class.
const TRAFFIC_CLASS: u32 = 0x7 << 19;
/// In stream control: default stream. Endpoints only.
const DEFAULT: u32 = 1 << 22;
/// In stream control: only TLPs with the T bit.
const TEE_LIMITED: u32 = 1 << 23;
/// In stream control: stream ID.
const STREAM_SHIFT: u32 = 24;

/// In stream status: insecure, in bits 3:0.
const INSECURE: u32 = 0;
/// In stream status: secure, in bits 3:0.
const SECURE: u32 = 2;
/// In stream status: an IDE fail message was received. Writing one clears it.
const FAIL_RECEIVED: u32 = 1 << 31;

/// What can be written in the RID association registers: limit; base, segment, valid.
const RID_WRITABLE: [u32; 2] = [0x00ff_ff00, 0xffff_ff01];
/// What can be written in the address association registers: lower halves and valid; limit; base.
const ADDRESS_WRITABLE: [u32; 3] = [0xffff_ff01, 0xffff_ffff, 0xffff_ffff];

const FIRST_STREAM: usize = 0xc;
const STREAM_SIZE: usize = 20;
const ADDRESS_SIZE: usize = 12;

/// How much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Selective streams, at least one.
    pub streams: u8,
    /// Address associations of each stream, at most 15.
    pub associations: u8,
    /// Whether it is that of an endpoint, which has a default stream.
    pub endpoint: bool,
}

#[derive(Clone, Copy, Debug)]
enum Register {
    Header,
    Capability,
    Control,
    StreamCapability,
    StreamControl(usize),
    StreamStatus(usize),
    Association(usize, usize),
}

#[derive(Clone, Debug, Default)]
struct Block {
    control: u32,
    fail_received: bool,
    /// RID association 1 and 2, then those of addresses.
    associations: Vec<u32>,
}

impl Block {
    fn stream(&self) -> u8 {
        (self.control >> STREAM_SHIFT) as u8
    }

    fn carries(&self, stream: u8) -> bool {
        self.stream() == stream && stream != RESERVED_STREAM
    }
}

/// The registers.
#[derive(Clone, Debug)]
pub struct Capability {
    shape: Shape,
    blocks: Vec<Block>,
}

impl Capability {
    /// As they are after a reset.
    pub fn new(shape: Shape) -> Self {
        let shape = Shape {
            streams: shape.streams.max(1),
            associations: shape.associations.min(15),
            ..shape
        };
        let block = Block {
            associations: vec![0; 2 + 3 * usize::from(shape.associations)],
            ..Block::default()
        };
        Self {
            shape,
            blocks: vec![block; usize::from(shape.streams)],
        }
    }

    /// How much of everything there is.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of the capability with its header.
    pub fn size(&self) -> usize {
        FIRST_STREAM + self.block_size() * self.blocks.len()
    }

    /// Reads a doubleword; what is outside is zero. The header is that of a last capability. Whether a
    /// stream is secure depends on the keys.
    pub fn read(&self, offset: usize, keys: &KeyStore) -> u32 {
        match self.locate(offset) {
            None => 0,
            Some(Register::Header) => {
                u32::from(CAPABILITY_ID) | u32::from(CAPABILITY_VERSION) << 16
            }
            Some(Register::Capability) => {
                SELECTIVE
                    | KEY_MANAGEMENT
                    | SELECTIVE_CONFIGURATION
                    | TEE_LIMITED_SUPPORTED
                    | u32::from(self.shape.streams - 1) << 16
            }
            Some(Register::Control) => 0,
            Some(Register::StreamCapability) => u32::from(self.shape.associations),
            Some(Register::StreamControl(at)) => self.blocks.get(at).map_or(0, |b| b.control),
            Some(Register::StreamStatus(at)) => {
                self.blocks.get(at).map_or(0, |block| status(block, keys))
            }
            Some(Register::Association(at, which)) => self
                .blocks
                .get(at)
                .and_then(|block| block.associations.get(which))
                .copied()
                .unwrap_or(0),
        }
    }

    /// Writes those bits of a doubleword that `enables` has and that can be written. Returns the
    /// stream whose configuration that changed. Keys of a stream that is disabled are lost: a stream
    /// that was secure once starts anew with new ones.
    pub fn write(
        &mut self,
        offset: usize,
        value: u32,
        enables: u32,
        keys: &mut KeyStore,
    ) -> Option<u8> {
        let register = self.locate(offset)?;
        let mask = self.mask(register) & enables;
        match register {
            Register::Header
            | Register::Capability
            | Register::Control
            | Register::StreamCapability => None,
            Register::StreamStatus(at) => {
                if value & mask != 0 {
                    self.blocks.get_mut(at)?.fail_received = false;
                }
                None
            }
            Register::StreamControl(at) => {
                let block = self.blocks.get_mut(at)?;
                let before = block.control;
                let stream = block.stream();
                block.control = before & !mask | value & mask;
                if before & ENABLE != 0 && block.control & ENABLE == 0 {
                    keys.forget(stream);
                }
                (before != block.control).then_some(stream)
            }
            Register::Association(at, which) => {
                let block = self.blocks.get_mut(at)?;
                let stream = block.stream();
                let register = block.associations.get_mut(which)?;
                let before = *register;
                *register = before & !mask | value & mask;
                (before != *register).then_some(stream)
            }
        }
    }

    /// Which bits of a doubleword can be written now.
    pub fn writable(&self, offset: usize) -> u32 {
        self.locate(offset)
            .map_or(0, |register| self.mask(register))
    }

    /// An IDE fail message for a stream was received.
    pub fn receive_fail(&mut self, stream: u8) {
        for block in &mut self.blocks {
            block.fail_received |= block.carries(stream);
        }
    }

    /// Whether a stream of this ID is configured here.
    pub fn has(&self, stream: u8) -> bool {
        self.blocks.iter().any(|block| block.carries(stream))
    }

    /// The stream that is the default stream, if that is beyond doubt (11.3.8): one register block is
    /// marked, its stream ID is its own, and it is for traffic class 0.
    pub fn default_stream(&self) -> Option<u8> {
        let mut marked = self
            .blocks
            .iter()
            .filter(|block| block.control & DEFAULT != 0);
        let (Some(block), None) = (marked.next(), marked.next()) else {
            return None;
        };
        let stream = block.stream();
        let alone = self.blocks.iter().filter(|b| b.carries(stream)).count() == 1;
        (alone && block.control & TRAFFIC_CLASS == 0).then_some(stream)
    }

    fn block_size(&self) -> usize {
        STREAM_SIZE + ADDRESS_SIZE * usize::from(self.shape.associations)
    }

    fn locate(&self, offset: usize) -> Option<Register> {
        if !offset.is_multiple_of(4) || offset >= self.size() {
            return None;
        }
        Some(match offset {
            0x0 => Register::Header,
            0x4 => Register::Capability,
            0x8 => Register::Control,
            _ => {
                let inside = offset - FIRST_STREAM;
                let at = inside / self.block_size();
                match inside % self.block_size() {
                    0x0 => Register::StreamCapability,
                    0x4 => Register::StreamControl(at),
                    0x8 => Register::StreamStatus(at),
                    other => Register::Association(at, (other - 0xc) / 4),
                }
            }
        })
    }

    fn mask(&self, register: Register) -> u32 {
        match register {
            Register::Header
            | Register::Capability
            | Register::Control
            | Register::StreamCapability => 0,
            Register::StreamStatus(_) => FAIL_RECEIVED,
            Register::StreamControl(at) => {
                // What a stream is enabled with stays until it is disabled.
                let enabled = self.blocks.get(at).is_some_and(|b| b.control & ENABLE != 0);
                let default = if self.shape.endpoint { DEFAULT } else { 0 };
                if enabled {
                    ENABLE
                } else {
                    ENABLE
                        | CONFIGURATION
                        | ALGORITHM
                        | TRAFFIC_CLASS
                        | default
                        | TEE_LIMITED
                        | 0xff << STREAM_SHIFT
                }
            }
            Register::Association(_, which) => match which.checked_sub(RID_WRITABLE.len()) {
                None => RID_WRITABLE.get(which).copied().unwrap_or(0),
                Some(which) => ADDRESS_WRITABLE.get(which % 3).copied().unwrap_or(0),
            },
        }
    }
}

fn status(block: &Block, keys: &KeyStore) -> u32 {
    let secure = block.control & ENABLE != 0
        && block.control & ALGORITHM == 0
        && block.stream() != RESERVED_STREAM
        && keys.is_secure(block.stream());
    let fail = if block.fail_received {
        FAIL_RECEIVED
    } else {
        0
    };
    fail | if secure { SECURE } else { INSECURE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, KeySet, Slot};
    use proptest::prelude::*;

    const CONTROL: usize = 0x10;
    const STATUS: usize = 0x14;
    const ALL: u32 = !0;

    fn two() -> Capability {
        Capability::new(Shape {
            streams: 2,
            associations: 1,
            endpoint: true,
        })
    }

    fn secure(stream: u8) -> KeyStore {
        let mut keys = KeyStore::default();
        for slot in Slot::of(KeySet::K0) {
            keys.program(stream, slot, Key::new([1; 32])).unwrap();
            keys.go(stream, slot).unwrap();
        }
        keys
    }

    #[test]
    fn layout() {
        let (capability, keys) = (two(), KeyStore::default());
        assert_eq!(capability.size(), 0xc + 2 * 32);
        let words: Vec<_> = (0..capability.size() / 4)
            .map(|at| capability.read(4 * at, &keys))
            .collect();
        assert_eq!(words[..4], [0x0001_0030, 0x0101_00c2, 0, 1]);
        assert_eq!(words[4..11], [0; 7]);
        assert_eq!(words[11..], [1, 0, 0, 0, 0, 0, 0, 0]);
        for offset in [1, 0x4e, 0x4c, 0x1000, usize::MAX - 3] {
            assert_eq!(capability.read(offset, &keys), 0);
            assert_eq!(capability.writable(offset), 0);
        }
    }

    /// The writes of pci_ide_init(), pci_ide_stream_setup(), pci_ide_stream_enable(),
    /// pci_ide_stream_disable() and pci_ide_stream_teardown() of Linux.
    #[test]
    fn as_linux_does_it() {
        let (mut capability, mut keys) = (two(), KeyStore::default());
        let c = &mut capability;
        for control in [CONTROL, CONTROL + 32] {
            c.write(control, 0xff00_0000, ALL, &mut keys);
            assert_eq!(c.read(control, &keys), 0xff00_0000);
        }
        assert!(!c.has(0) && !c.has(255));
        for (offset, value) in [
            (0x18, 0x0001_0200),
            (0x1c, 0x0001_0001),
            (0x20, 0xfeb0_fe01),
            (0x24, 0),
            (0x28, 0),
            (CONTROL, 0x05c0_0200),
        ] {
            c.write(offset, value, ALL, &mut keys);
            assert_eq!(c.read(offset, &keys), value, "{offset:#x}");
        }
        assert!(c.has(5));
        assert_eq!(c.default_stream(), Some(5));
        let mut keys = secure(5);
        assert_eq!(c.read(STATUS, &keys), INSECURE);
        assert_eq!(c.write(CONTROL, 0x05c0_0201, ALL, &mut keys), Some(5));
        assert_eq!(c.read(STATUS, &keys), SECURE);
        assert_eq!(c.read(STATUS + 32, &keys), INSECURE);
        // Enabled: nothing but that can change.
        assert_eq!(c.write(CONTROL, 0x0800_0001, ALL, &mut keys), None);
        assert_eq!(c.read(CONTROL, &keys), 0x05c0_0201);
        assert_eq!(c.write(CONTROL, 0, ALL, &mut keys), Some(5));
        assert_eq!(c.read(CONTROL, &keys), 0x05c0_0200);
        assert!(!keys.is_keyed(5));
        assert_eq!(c.write(CONTROL, 0, ALL, &mut keys), Some(5));
        assert_eq!(c.read(CONTROL, &keys), 0);
        assert_eq!(c.write(CONTROL, 0x0500_0001, ALL, &mut keys), Some(0));
        assert_eq!(c.read(STATUS, &keys), INSECURE);
    }

    #[test]
    fn never_secure() {
        // Not the only algorithm there is; the reserved stream; another stream than that of the keys.
        for (control, stream) in [(0x0500_4001, 5), (0xff00_0001, 255), (0x0600_0001, 5)] {
            let (mut capability, mut keys) = (two(), secure(stream));
            capability.write(CONTROL, control, ALL, &mut keys);
            assert_eq!(capability.read(CONTROL, &keys), control);
            assert_eq!(capability.read(STATUS, &keys), INSECURE);
        }
    }

    #[test]
    fn fail_message() {
        let (mut capability, mut keys) = (two(), secure(5));
        capability.write(CONTROL, 0x0500_0001, ALL, &mut keys);
        capability.receive_fail(6);
        assert_eq!(capability.read(STATUS, &keys), SECURE);
        capability.receive_fail(5);
        assert_eq!(capability.read(STATUS, &keys), FAIL_RECEIVED | SECURE);
        for (value, enables) in [(0x7fff_ffff, ALL), (ALL, 0x00ff_ffff)] {
            assert_eq!(capability.write(STATUS, value, enables, &mut keys), None);
            assert_eq!(capability.read(STATUS, &keys), FAIL_RECEIVED | SECURE);
        }
        capability.write(STATUS, ALL, 0xff00_0000, &mut keys);
        assert_eq!(capability.read(STATUS, &keys), SECURE);
    }

    #[test]
    fn default_stream_beyond_doubt() {
        let mut keys = KeyStore::default();
        for (first, second, default) in [
            (0x0540_0000, 0x0600_0000, Some(5)),
            (0x0500_0000, 0x0640_0000, Some(6)),
            (0x0500_0000, 0x0600_0000, None),
            (0x0540_0000, 0x0640_0000, None),
            (0x0540_0000, 0x0500_0000, None),
            (0x0548_0000, 0x0600_0000, None),
            (0xff40_0000, 0x0600_0000, None),
        ] {
            let mut capability = two();
            capability.write(CONTROL, first, ALL, &mut keys);
            capability.write(CONTROL + 32, second, ALL, &mut keys);
            assert_eq!(
                capability.default_stream(),
                default,
                "{first:#x} {second:#x}"
            );
        }
        let mut root = Capability::new(Shape {
            streams: 1,
            associations: 2,
            endpoint: false,
        });
        root.write(CONTROL, 0x0540_0000, ALL, &mut keys);
        assert_eq!(root.read(CONTROL, &keys), 0x0500_0000);
        assert_eq!(root.default_stream(), None);
    }

    proptest! {
        /// Whatever is written: nothing that cannot be written changes, bytes that are not enabled do
        /// not either, and a change of a register is told.
        #[test]
        fn any_writes(writes in proptest::collection::vec((0usize..0x60, any::<u32>(), 0u8..16), 0..60)) {
            let mut capability = two();
            let mut keys = secure(5);
            for (offset, value, bytes) in writes {
                let enables = (0..4).filter(|at| bytes >> at & 1 != 0)
                    .fold(0, |mask, at| mask | 0xff << (8 * at));
                let before = capability.read(offset, &keys);
                let mask = capability.writable(offset) & enables;
                let changed = capability.write(offset, value, enables, &mut keys);
                let after = capability.read(offset, &keys);
                prop_assert_eq!(before & !mask, after & !mask);
                prop_assert_eq!(changed.is_some(), before != after);
                for status in [STATUS, STATUS + 32] {
                    let control = capability.read(status - 4, &keys);
                    let expected = control & 1 != 0 && control >> 24 == 5
                        && control & ALGORITHM == 0 && keys.is_secure(5);
                    prop_assert_eq!(capability.read(status, &keys) == SECURE, expected);
                }
            }
        }
    }
}
