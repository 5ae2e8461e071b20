// SPDX-License-Identifier: GPL-2.0

//! Secure device table entry: what the IOMMU lets a TDI do with the guest's private memory. Bits
//! as of `struct sdte` in the guest's part of the series.

use zerocopy::little_endian::U64;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Word 0, bit 0: the entry is valid.
const VALID: u64 = 1 << 0;
/// Word 0, bits 62:61: reads and writes are allowed.
const READ_WRITE: u64 = 3 << 61;
/// Word 3, bits 50:49: privilege level that accesses have.
const VMPL: u64 = 3 << VMPL_SHIFT;
const VMPL_SHIFT: u32 = 49;
/// Word 5, bit 0: addresses above the virtual top of memory are shared.
const VTOM_ENABLE: u64 = 1 << 0;
/// Word 5, bits 31:1: the virtual top of memory, in units of 2 MiB.
const VTOM: u64 = 0x7fff_ffff << VTOM_SHIFT;
const VTOM_SHIFT: u32 = 1;
/// What a guest may set of each word. Everything else is reserved, or the firmware's to fill in.
const GUEST: [u64; 8] = [VALID | READ_WRITE, 0, 0, VMPL, 0, VTOM_ENABLE | VTOM, 0, 0];

/// A secure device table entry.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct Sdte {
    words: [U64; 8],
}

const _: () = assert!(size_of::<Sdte>() == 64);

impl Sdte {
    /// That allows all accesses, at this privilege level, to private memory below `vtom` times 2 MiB.
    /// Bits of either that do not fit are left out.
    pub fn allow(vmpl: u8, vtom: u32) -> Self {
        let mut entry = Self::default();
        let [first, _, _, fourth, _, sixth, ..] = &mut entry.words;
        *first = U64::new(VALID | READ_WRITE);
        *fourth = U64::new((u64::from(vmpl) << VMPL_SHIFT) & VMPL);
        *sixth = U64::new((u64::from(vtom) << VTOM_SHIFT) & VTOM | VTOM_ENABLE);
        entry
    }

    /// That allows nothing.
    pub fn deny() -> Self {
        Self::default()
    }

    /// Whether it allows anything.
    pub fn is_valid(&self) -> bool {
        let [first, ..] = self.words;
        first.get() & VALID != 0
    }

    /// Whether nothing is set but what a guest may set.
    pub fn is_well_formed(&self) -> bool {
        let pairs = self.words.iter().zip(GUEST);
        pairs.fold(0, |rest, (word, mask)| rest | (word.get() & !mask)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    #[test]
    fn layout() {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        bytes[7] = 0x60;
        bytes[30] = 0x04;
        bytes[40..44].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        let entry = Sdte::allow(2, 0x7fff_ffff);
        assert_eq!(entry.as_bytes(), bytes);
        assert!(entry.is_valid() && entry.is_well_formed());
        assert!(!Sdte::deny().is_valid() && Sdte::deny().is_well_formed());
    }

    #[test]
    fn reserved() {
        for (at, byte) in [
            (0, 3),
            (8, 1),
            (16, 1),
            (24, 1),
            (32, 1),
            (44, 1),
            (48, 1),
            (63, 0x80),
        ] {
            let mut bytes = [0; 64];
            bytes[at] = byte;
            assert!(
                !Sdte::read_from_bytes(&bytes).unwrap().is_well_formed(),
                "{at}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_entry(vmpl: u8, vtom: u32) {
            prop_assert!(Sdte::allow(vmpl, vtom).is_well_formed());
        }
    }
}
