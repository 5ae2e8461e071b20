// SPDX-License-Identifier: GPL-2.0

//! Configuration space of a PCI function (PCI Express 6.0, chapter 7).

pub mod access_control;
pub mod data_object_exchange;
pub mod express;
pub mod ide;
pub mod msix;
pub mod power_management;

/// Bytes of it; QEMU takes nothing else.
pub const SIZE: usize = 4096;

/// Command register.
pub const COMMAND: usize = 0x04;
/// In [`COMMAND`]: the function answers to memory addresses.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// In [`COMMAND`]: the function may issue requests.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// First base address register.
pub const BAR0: usize = 0x10;
/// How many base address registers.
pub const BARS: usize = 6;
/// Expansion ROM base address register.
pub const ROM: usize = 0x30;

const STATUS: usize = 0x06;
/// A reset is over when the access that asked for it is, so nobody has to wait the 100 ms of PCIe
/// 6.6.2 for it.
const STATUS_IMMEDIATE_READINESS: u16 = 1 << 0;
const STATUS_CAPABILITIES: u16 = 1 << 4;
const REVISION_AND_CLASS: usize = 0x08;
const HEADER_TYPE: usize = 0x0e;
const HEADER_MULTIFUNCTION: u8 = 1 << 7;
const CAPABILITY_POINTER: usize = 0x34;
const FIRST_CAPABILITY: usize = 0x40;
const FIRST_EXTENDED: usize = 0x100;

/// What a function is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class, subclass and programming interface, 24 bits.
    pub class: u32,
    /// Whether the device has more functions.
    pub multifunction: bool,
}

/// The registers of a capability after its header, with the bits that can be written.
#[derive(Clone, Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    writable: Vec<u8>,
}

impl Body {
    /// Appends a register of 16 bits.
    pub fn u16(mut self, value: u16, writable: u16) -> Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self.writable.extend_from_slice(&writable.to_le_bytes());
        self
    }

    /// Appends a register of 32 bits.
    pub fn u32(mut self, value: u32, writable: u32) -> Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self.writable.extend_from_slice(&writable.to_le_bytes());
        self
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Configuration space: bytes and which of their bits can be written.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    /// Where the offset of the next capability goes, and what that offset is.
    capability_link: usize,
    capability_next: usize,
    extended_last: Option<usize>,
    extended_next: usize,
}

impl ConfigSpace {
    /// Of a function with header type 0.
    pub fn new(identity: &Identity) -> Self {
        let mut space = Self {
            bytes: vec![0; SIZE],
            writable: vec![0; SIZE],
            capability_link: CAPABILITY_POINTER,
            capability_next: FIRST_CAPABILITY,
            extended_last: None,
            extended_next: FIRST_EXTENDED,
        };
        space.set(0, &identity.vendor.to_le_bytes());
        space.set(2, &identity.device.to_le_bytes());
        space.set(STATUS, &STATUS_IMMEDIATE_READINESS.to_le_bytes());
        space.set(REVISION_AND_CLASS, &(identity.class << 8 | 1).to_le_bytes());
        if identity.multifunction {
            space.set(HEADER_TYPE, &[HEADER_MULTIFUNCTION]);
        }
        // Subsystem: as the device.
        space.set(0x2c, &identity.vendor.to_le_bytes());
        space.set(0x2e, &identity.device.to_le_bytes());
        let command = COMMAND_MEMORY | COMMAND_BUS_MASTER | 1 << 6 | 1 << 8 | 1 << 10;
        space.allow(COMMAND, &command.to_le_bytes());
        // Cache line size, latency timer, interrupt line.
        space.allow(0x0c, &[0xff, 0xff]);
        space.allow(0x3c, &[0xff]);
        space
    }

    /// A memory BAR of 32 bits; `size` is a power of two from 16 up.
    pub fn add_bar(&mut self, index: usize, size: u32) {
        self.allow(bar(index), &(!(size.wrapping_sub(1)) & !0xf).to_le_bytes());
    }

    /// A capability; its offset.
    pub fn add_capability(&mut self, id: u8, body: &Body) -> usize {
        let offset = self.capability_next;
        self.set(offset, &[id, 0]);
        self.place(offset + 2, body);
        self.set(self.capability_link, &[offset as u8]);
        let status = STATUS_IMMEDIATE_READINESS | STATUS_CAPABILITIES;
        self.set(STATUS, &status.to_le_bytes());
        self.capability_link = offset + 1;
        self.capability_next = (offset + 2 + body.len()).next_multiple_of(4);
        offset
    }

    /// An extended capability; its offset.
    pub fn add_extended(&mut self, id: u16, version: u8, body: &Body) -> usize {
        let offset = self.extended_next;
        let header = u32::from(id) | u32::from(version) << 16;
        self.set(offset, &header.to_le_bytes());
        self.place(offset + 4, body);
        if let Some(last) = self.extended_last {
            let header = self.u32(last) | (offset as u32) << 20;
            self.set(last, &header.to_le_bytes());
        }
        self.extended_last = Some(offset);
        self.extended_next = (offset + 4 + body.len()).next_multiple_of(16);
        offset
    }

    /// Reads; what is outside is all ones.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let inside = rest.iter().copied().chain(std::iter::repeat(0xff));
        for (to, from) in data.iter_mut().zip(inside) {
            *to = from;
        }
    }

    /// Writes the bits that can be written.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        let bytes = self.bytes.get_mut(offset..).unwrap_or_default();
        let writable = self.writable.get(offset..).unwrap_or_default();
        for ((to, mask), from) in bytes.iter_mut().zip(writable).zip(data) {
            *to = *to & !mask | from & mask;
        }
    }

    /// A register of 16 bits.
    pub fn u16(&self, offset: usize) -> u16 {
        let mut data = [0; 2];
        self.read(offset, &mut data);
        u16::from_le_bytes(data)
    }

    /// A register of 32 bits.
    pub fn u32(&self, offset: usize) -> u32 {
        let mut data = [0; 4];
        self.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// The address in a memory BAR of 32 bits.
    pub fn bar_address(&self, index: usize) -> u64 {
        u64::from(self.u32(bar(index)) & !0xf)
    }

    /// Sets bytes, whether they can be written or not.
    pub fn set(&mut self, offset: usize, data: &[u8]) {
        let bytes = self.bytes.get_mut(offset..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(data) {
            *to = *from;
        }
    }

    fn allow(&mut self, offset: usize, mask: &[u8]) {
        let writable = self.writable.get_mut(offset..).unwrap_or_default();
        for (to, from) in writable.iter_mut().zip(mask) {
            *to = *from;
        }
    }

    fn place(&mut self, offset: usize, body: &Body) {
        self.set(offset, &body.bytes);
        self.allow(offset, &body.writable);
    }
}

/// Offset of a base address register.
pub fn bar(index: usize) -> usize {
    BAR0 + 4 * index
}

/// What a write to `register` leaves there before any masking, or `None` if it does not touch it.
pub fn written(register: usize, before: u16, offset: usize, data: &[u8]) -> Option<u16> {
    let mut bytes = before.to_le_bytes();
    let mut touched = false;
    for (at, byte) in bytes.iter_mut().enumerate() {
        let from = (register + at)
            .checked_sub(offset)
            .and_then(|index| data.get(index));
        if let Some(from) = from {
            *byte = *from;
            touched = true;
        }
    }
    touched.then(|| u16::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn space() -> ConfigSpace {
        let mut space = ConfigSpace::new(&Identity {
            vendor: 0x1234,
            device: 0x7de0,
            class: 0x12_0000,
            multifunction: true,
        });
        space.add_bar(0, 0x1_0000);
        space
    }

    #[test]
    fn header() {
        let space = space();
        assert_eq!(space.u32(0), 0x7de0_1234);
        assert_eq!(space.u32(8) >> 8, 0x12_0000);
        let mut kind = [0];
        space.read(HEADER_TYPE, &mut kind);
        assert_eq!(kind, [0x80]);
    }

    #[test]
    fn bar_sizing() {
        let mut space = space();
        space.write(BAR0, &[0xff; 4]);
        assert_eq!(space.u32(BAR0), 0xffff_0000);
        space.write(BAR0, &0xfe12_3456u32.to_le_bytes());
        assert_eq!(space.bar_address(0), 0xfe12_0000);
        space.write(bar(1), &[0xff; 4]);
        assert_eq!(space.u32(bar(1)), 0);
    }

    #[test]
    fn chains() {
        let mut space = space();
        let first = space.add_capability(1, &Body::default().u16(3, 0).u32(0, 3));
        let second = space.add_capability(
            0x11,
            &Body::default().u16(0x8003, 0xc000).u32(4, 0).u32(0, 0),
        );
        let e1 = space.add_extended(0xd, 1, &Body::default().u32(0, 0));
        let e2 = space.add_extended(0x2e, 2, &Body::default().u32(0, 0));
        assert_ne!(space.u16(STATUS) & STATUS_CAPABILITIES, 0);
        assert_ne!(space.u16(STATUS) & STATUS_IMMEDIATE_READINESS, 0);
        assert_eq!(space.u16(CAPABILITY_POINTER) & 0xff, first as u16);
        assert_eq!(space.u16(first), 1 | (second as u16) << 8);
        assert_eq!(space.u16(second), 0x11);
        assert_eq!(e1, 0x100);
        assert_eq!(space.u32(e1), 0xd | 1 << 16 | (e2 as u32) << 20);
        assert_eq!(space.u32(e2), 0x2e | 2 << 16);
    }

    #[test]
    fn written_register() {
        assert_eq!(written(0x48, 0x2810, 0x48, &[0x11, 0xa8]), Some(0xa811));
        assert_eq!(written(0x48, 0x2810, 0x49, &[0xa8]), Some(0xa810));
        assert_eq!(written(0x48, 0x2810, 0x46, &[0, 0, 1, 2]), Some(0x0201));
        assert_eq!(written(0x48, 0x2810, 0x4a, &[1]), None);
    }

    proptest! {
        #[test]
        fn any_access(offset in 0usize..5000, data in proptest::collection::vec(any::<u8>(), 0..16)) {
            let mut space = space();
            let before = space.u32(0);
            space.write(offset, &data);
            let mut back = data.clone();
            space.read(offset, &mut back);
            prop_assert_eq!(space.u32(0), before);
        }
    }
}
