// SPDX-License-Identifier: GPL-2.0

//! Scatter list addresses: what stands for a buffer in a command.
//!
//! A buffer of one page is that page. A longer one is a page of the host's that lists the pages of
//! the buffer and ends with [`Sla::END`], so that it has [`LIST_MAX`] pages at most.

use super::{layout, PAGE_SIZE};
use core::mem::size_of;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most pages that one list has, beside its end.
pub const LIST_MAX: usize = PAGE_SIZE / size_of::<Sla>() - 1;

/// `struct sla_addr_t` (sev-dev-tio): bit 0 page type (1: list), bit 1 page size (1: 2 MiB), bits
/// 51:12 page frame number, others reserved.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Sla(pub u64);

impl Sla {
    /// No buffer: SLA_NULL.
    pub const NULL: Self = Self(0);
    /// The end of a list: SLA_EOL, all bits of the page frame number.
    pub const END: Self = Self(Self::FRAME);

    const LIST: u64 = 1 << 0;
    const LARGE: u64 = 1 << 1;
    const FRAME: u64 = 0x000f_ffff_ffff_f000;

    /// The page at this address; `None` if it is not the address of one.
    pub const fn page(address: u64) -> Option<Self> {
        if address & !Self::FRAME != 0 || address == 0 || address == Self::FRAME {
            return None;
        }
        Some(Self(address))
    }

    /// The pages that the page at this address lists; `None` if it is not the address of one.
    pub const fn list(address: u64) -> Option<Self> {
        match Self::page(address) {
            Some(page) => Some(Self(page.0 | Self::LIST)),
            None => None,
        }
    }

    /// Address of the page, or of the list.
    pub const fn address(self) -> u64 {
        self.0 & Self::FRAME
    }

    /// Does it name a list?
    pub const fn is_list(self) -> bool {
        self.0 & Self::LIST != 0
    }

    /// Does it name a page of 2 MiB?
    pub const fn is_large(self) -> bool {
        self.0 & Self::LARGE != 0
    }

    /// Are all bits zero that mean nothing?
    pub const fn is_well_formed(self) -> bool {
        self.0 & !(Self::FRAME | Self::LARGE | Self::LIST) == 0
    }
}

/// `struct spdm_ctrl` (sev-dev-tio): the buffers of a command that talks with a device.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SpdmCtrl {
    /// For messages to the device; firmware pages.
    pub req: Sla,
    /// For its answers; the host's pages.
    pub resp: Sla,
    /// For the firmware's own use; firmware pages.
    pub scratch: Sla,
    /// For what the command makes; firmware pages.
    pub output: Sla,
}

layout!(Sla, 8, {});
layout!(SpdmCtrl, 32, { req: 0, resp: 8, scratch: 16, output: 24 });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_bit_fields_of_the_header_have_it() {
        assert_eq!(Sla::page(0x1234_5000), Some(Sla(0x1234_5000)));
        assert_eq!(Sla::list(0x1234_5000), Some(Sla(0x1234_5001)));
        assert_eq!(Sla::END.0, ((1u64 << 40) - 1) << 12);
        assert_eq!(LIST_MAX, 511);
        assert_eq!(Sla::page(0), None);
        assert_eq!(Sla::page(0x1001), None);
        assert_eq!(Sla::page(1 << 52), None);
        assert_eq!(Sla::page(Sla::END.0), None);
        assert!(Sla(0x2).is_large());
        assert!(!Sla(0x4).is_well_formed());
        assert!(!Sla(1 << 52).is_well_formed());
    }

    proptest! {
        #[test]
        fn round_trip(frame in 1u64..(1 << 40) - 1, list: bool) {
            let address = frame << 12;
            let sla = if list { Sla::list(address) } else { Sla::page(address) };
            let sla = sla.unwrap();
            prop_assert_eq!(sla.address(), address);
            prop_assert_eq!(sla.is_list(), list);
            prop_assert!(sla.is_well_formed() && !sla.is_large());
        }
    }
}
