// SPDX-License-Identifier: GPL-2.0

//! Messages: pages with a whole data object (`doe_header_t`, `spdm_defs.h`; PCIe 7.0 section
//! 6.30.1).

use super::PAGE_SIZE;
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Vendor ID of the PCI-SIG.
pub const VENDOR_PCI_SIG: u16 = 1;
/// CMA-SPDM.
pub const TYPE_CMA: u8 = 1;
/// Secured CMA-SPDM.
pub const TYPE_SECURED_CMA: u8 = 2;

/// The header of a data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DoeHeader {
    /// [`VENDOR_PCI_SIG`].
    pub vendor: u16,
    /// [`TYPE_CMA`] or [`TYPE_SECURED_CMA`].
    pub kind: u8,
    /// 0.
    pub reserved: u8,
    /// Length in 32-bit words, with the header; bits 17:0.
    pub words: u32,
}

/// Bytes in a [`DoeHeader`].
pub const HEADER_SIZE: usize = 8;
/// Bytes of payload that a page has room for.
pub const PAYLOAD_MAX: usize = PAGE_SIZE - HEADER_SIZE;

const _: () = assert!(offset_of!(DoeHeader, kind) == 2);
const _: () = assert!(offset_of!(DoeHeader, reserved) == 3);
const _: () = assert!(offset_of!(DoeHeader, words) == 4);
const _: () = assert!(size_of::<DoeHeader>() == HEADER_SIZE);

impl DoeHeader {
    /// Of an object with `payload` bytes, which are padded to whole words.
    pub const fn new(kind: u8, payload: usize) -> Self {
        Self {
            vendor: VENDOR_PCI_SIG,
            kind,
            reserved: 0,
            words: ((HEADER_SIZE + payload).div_ceil(4)) as u32,
        }
    }

    /// How many bytes of payload there are, if this begins an object that a page has room for.
    pub const fn payload(&self) -> Option<usize> {
        let words = self.words as usize;
        if self.vendor != VENDOR_PCI_SIG
            || self.reserved != 0
            || words < HEADER_SIZE / 4
            || words > PAGE_SIZE / 4
        {
            return None;
        }
        Some(words * 4 - HEADER_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn header() {
        let header = DoeHeader::new(TYPE_SECURED_CMA, 70);
        assert_eq!(header.as_bytes(), [0x01, 0x00, 0x02, 0x00, 0x14, 0, 0, 0]);
        assert_eq!(header.payload(), Some(72));
        assert_eq!(DoeHeader::new(TYPE_CMA, PAYLOAD_MAX).payload(), Some(4088));
        assert_eq!(DoeHeader::new(TYPE_CMA, PAYLOAD_MAX + 1).payload(), None);
        let empty = DoeHeader { words: 1, ..header };
        assert_eq!(empty.payload(), None);
        let foreign = DoeHeader {
            vendor: 0x8086,
            ..header
        };
        assert_eq!(foreign.payload(), None);
    }
}
