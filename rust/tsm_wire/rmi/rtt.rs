// SPDX-License-Identifier: GPL-2.0

//! Flags and address descriptors of the calls that map device memory.

use super::GRANULE_SIZE;

/// Map flags, bits 1:0: the output argument is one descriptor.
pub const FLAG_OUTPUT_SINGLE: u64 = 1;
/// Map flags, bits 1:0: the output argument is a list. Not supported by the emulation.
pub const FLAG_OUTPUT_LIST: u64 = 2;
/// Map flags, bits 1:0.
pub const FLAG_OUTPUT_MASK: u64 = 0x3;

/// `RmiAddrRangeDesc` for granules of 4 KiB: pages that follow each other.
///
/// Bits 1:0 block size (0: pages), 11:2 count, 51:12 address, 63 state (0: delegated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeDesc {
    /// Address of the first page.
    pub base: u64,
    /// How many pages.
    pub pages: u64,
}

impl RangeDesc {
    /// Most pages in one descriptor.
    pub const MAX_PAGES: u64 = 0x3ff;
    const ADDR: u64 = 0x000f_ffff_ffff_f000;

    /// As it stands in a register, or `None` if it does not fit.
    pub const fn raw(self) -> Option<u64> {
        if self.base & !Self::ADDR != 0 || self.pages == 0 || self.pages > Self::MAX_PAGES {
            return None;
        }
        Some(self.base | self.pages << 2)
    }

    /// From a register, or `None` if it is not one of delegated pages.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        let pages = raw >> 2 & Self::MAX_PAGES;
        if raw & !(Self::ADDR | Self::MAX_PAGES << 2) != 0 || pages == 0 {
            return None;
        }
        Some(Self {
            base: raw & Self::ADDR,
            pages,
        })
    }

    /// Length in bytes.
    pub const fn len(self) -> u64 {
        self.pages * GRANULE_SIZE as u64
    }

    /// Whether it has no pages; such a descriptor cannot be encoded.
    pub const fn is_empty(self) -> bool {
        self.pages == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(page in 0u64..1 << 40, pages in 1u64..=RangeDesc::MAX_PAGES) {
            let desc = RangeDesc { base: page << 12, pages };
            prop_assert_eq!(desc.raw().and_then(RangeDesc::from_raw), Some(desc));
        }

        #[test]
        fn any_word(raw: u64) {
            if let Some(desc) = RangeDesc::from_raw(raw) {
                prop_assert_eq!(desc.raw(), Some(raw));
            }
        }
    }
}
