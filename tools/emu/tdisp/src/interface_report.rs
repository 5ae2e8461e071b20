// SPDX-License-Identifier: GPL-2.0

//! The report on a TDI (11.3.11, table 15).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a page of a range.
pub const PAGE_SIZE: u64 = 4096;

/// In [`InterfaceReport::info`]: no firmware update while locked.
pub const INFO_NO_FW_UPDATE: u16 = 1 << 0;
/// In [`InterfaceReport::info`]: DMA without PASID.
pub const INFO_DMA_WITHOUT_PASID: u16 = 1 << 1;

/// In [`Range::attributes`]: maps the MSI-X table.
pub const RANGE_MSIX_TABLE: u16 = 1 << 0;
/// In [`Range::attributes`]: maps the MSI-X PBA.
pub const RANGE_MSIX_PBA: u16 = 1 << 1;
/// In [`Range::attributes`]: can be reached from outside of the TVM.
pub const RANGE_NON_TEE: u16 = 1 << 2;
/// In [`Range::attributes`]: SET_MMIO_ATTRIBUTE can change the attribute above.
pub const RANGE_UPDATABLE: u16 = 1 << 3;

/// MMIO that belongs to a TDI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Address of the first page, in bytes, with the reporting offset.
    pub address: u64,
    /// How many pages.
    pub pages: u32,
    /// `RANGE_*`.
    pub attributes: u16,
    /// Number of the BAR.
    pub id: u16,
}

/// A range as it stands in the report. Addresses count pages there.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct WireRange {
    /// Number of the first page, with the reporting offset.
    pub first_page: U64,
    /// How many pages.
    pub pages: U32,
    /// `RANGE_*`.
    pub attributes: U16,
    /// Number of the BAR.
    pub id: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WireHead {
    info: U16,
    reserved: U16,
    msix_control: U16,
    lnr_control: U16,
    tph_control: U32,
    range_count: U32,
}

/// The report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceReport {
    /// `INFO_*`.
    pub info: u16,
    /// MSI-X message control, if the table is locked.
    pub msix_control: u16,
    /// LNR control; zero.
    pub lnr_control: u16,
    /// TPH control, if there is any.
    pub tph_control: u32,
    /// MMIO, in the order of the BARs.
    pub ranges: Vec<Range>,
    /// What the device has to say besides.
    pub device_info: Vec<u8>,
}

impl InterfaceReport {
    /// The bytes, with `offset` added to every address.
    pub fn encode(&self, offset: u64) -> Vec<u8> {
        let head = WireHead {
            info: U16::new(self.info),
            reserved: U16::new(0),
            msix_control: U16::new(self.msix_control),
            lnr_control: U16::new(self.lnr_control),
            tph_control: U32::new(self.tph_control),
            range_count: U32::new(self.ranges.len() as u32),
        };
        let mut bytes = head.as_bytes().to_vec();
        for range in &self.ranges {
            let wire = WireRange {
                first_page: U64::new(range.address.wrapping_add(offset) / PAGE_SIZE),
                pages: U32::new(range.pages),
                attributes: U16::new(range.attributes),
                id: U16::new(range.id),
            };
            bytes.extend_from_slice(wire.as_bytes());
        }
        bytes.extend_from_slice(&(self.device_info.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.device_info);
        bytes
    }

    /// From bytes, or `None` if they are not exactly one report. Addresses have the offset that
    /// the report was made with.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = WireHead::read_from_prefix(bytes).ok()?;
        let mut ranges = Vec::new();
        for _ in 0..head.range_count.get() {
            let (range, after) = WireRange::read_from_prefix(rest).ok()?;
            ranges.push(Range {
                address: range.first_page.get().checked_mul(PAGE_SIZE)?,
                pages: range.pages.get(),
                attributes: range.attributes.get(),
                id: range.id.get(),
            });
            rest = after;
        }
        let (length, device_info) = U32::read_from_prefix(rest).ok()?;
        (device_info.len() == usize::try_from(length.get()).ok()?).then(|| Self {
            info: head.info.get(),
            msix_control: head.msix_control.get(),
            lnr_control: head.lnr_control.get(),
            tph_control: head.tph_control.get(),
            ranges,
            device_info: device_info.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout() {
        let report = InterfaceReport {
            info: INFO_DMA_WITHOUT_PASID,
            ranges: vec![Range {
                address: 0xfe00_0000,
                pages: 8,
                attributes: RANGE_NON_TEE,
                id: 2,
            }],
            device_info: vec![0xaa],
            ..Default::default()
        };
        let bytes = report.encode(0x1000);
        assert_eq!(bytes.len(), 16 + 16 + 4 + 1);
        assert_eq!(bytes[0..2], [2, 0]);
        assert_eq!(bytes[12..16], [1, 0, 0, 0]);
        assert_eq!(bytes[16..24], 0xf_e001u64.to_le_bytes());
        assert_eq!(bytes[24..28], [8, 0, 0, 0]);
        assert_eq!(bytes[28..32], [4, 0, 2, 0]);
        assert_eq!(bytes[32..], [1, 0, 0, 0, 0xaa]);
    }

    prop_compose! {
        fn ranges()(page in 0u64..1 << 40, pages: u32, attributes: u16, id: u16) -> Range {
            Range { address: page * PAGE_SIZE, pages, attributes, id }
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            info: u16, msix_control: u16, tph_control: u32,
            ranges in proptest::collection::vec(ranges(), 0..8),
            device_info in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let report =
                InterfaceReport { info, msix_control, lnr_control: 0, tph_control, ranges, device_info };
            prop_assert_eq!(InterfaceReport::decode(&report.encode(0)), Some(report));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = InterfaceReport::decode(&bytes);
        }
    }
}
