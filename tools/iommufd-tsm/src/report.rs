// SPDX-License-Identifier: GPL-2.0

//! The TDISP DEVICE_INTERFACE_REPORT, decoded (PCIe 7.0, 11.3.11, table 11-16 and following).
//!
//! Its bytes come from the device. A VMM looks at them to place the device's MMIO; what they are
//! worth is for the guest to decide, who holds the TSM's digest of them.

use std::fmt;

/// Bytes in a page of the report's address ranges.
const PAGE: u64 = 4096;
/// Bytes in one address range.
const RANGE_LEN: usize = 16;

/// What a TDI says of itself while it is locked or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceReport {
    /// INTERFACE_INFO: bit 0 no firmware update, 1 DMA without PASID, 2 DMA with PASID, 3 ATS,
    /// 4 PRS.
    pub interface_info: u16,
    /// MSI_X_MESSAGE_CONTROL.
    pub msix_control: u16,
    /// LNR_CONTROL.
    pub lnr_control: u16,
    /// TPH_CONTROL.
    pub tph_control: u32,
    /// Its MMIO.
    pub ranges: Vec<ReportedRange>,
    /// DEVICE_SPECIFIC_INFO.
    pub device_specific: Vec<u8>,
}

/// A range of MMIO in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedRange {
    /// Address of its first byte, with the reporting offset of the lock on it.
    pub start: u64,
    /// Bytes, a multiple of 4096.
    pub len: u64,
    /// Attributes, see the methods.
    pub attributes: u16,
    /// RANGE_ID, which the device chose.
    pub range_id: u16,
}

impl ReportedRange {
    /// Does it hold the MSI-X table?
    #[must_use]
    pub const fn is_msix_table(&self) -> bool {
        self.attributes & 1 != 0
    }

    /// Does it hold the MSI-X pending bits?
    #[must_use]
    pub const fn is_msix_pba(&self) -> bool {
        self.attributes & 2 != 0
    }

    /// May the host use it while the TDI runs? All else is for the guest alone.
    #[must_use]
    pub const fn is_non_tee(&self) -> bool {
        self.attributes & 4 != 0
    }

    /// May SET_MMIO_ATTRIBUTE change who uses it?
    #[must_use]
    pub const fn is_updatable(&self) -> bool {
        self.attributes & 8 != 0
    }
}

impl fmt::Display for ReportedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.start.saturating_add(self.len).saturating_sub(1);
        write!(f, "{:#x}-{last:#x}", self.start)?;
        f.write_str(if self.is_non_tee() {
            " non-TEE"
        } else {
            " TEE"
        })?;
        for (is, name) in [
            (self.is_msix_table(), " MSI-X"),
            (self.is_msix_pba(), " PBA"),
            (self.is_updatable(), " updatable"),
        ] {
            if is {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// Bytes that are no interface report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It ends too early.
    #[error("interface report of {len} bytes ends in its {field}")]
    Short {
        /// Bytes in all.
        len: usize,
        /// What was being read.
        field: &'static str,
    },
    /// A range goes past the end of the address space.
    #[error("interface report: range {0} is not in the address space")]
    Range(usize),
    /// It goes on after its end.
    #[error("interface report: {0} bytes after its end")]
    Tail(usize),
}

impl InterfaceReport {
    /// Decodes a report.
    ///
    /// # Errors
    ///
    /// [`ReportError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReportError> {
        let mut rest = Reader { bytes, rest: bytes };
        let interface_info = u16::from_le_bytes(rest.take("INTERFACE_INFO")?);
        let _: [u8; 2] = rest.take("reserved word")?;
        let msix_control = u16::from_le_bytes(rest.take("MSI_X_MESSAGE_CONTROL")?);
        let lnr_control = u16::from_le_bytes(rest.take("LNR_CONTROL")?);
        let tph_control = u32::from_le_bytes(rest.take("TPH_CONTROL")?);
        let count = u32::from_le_bytes(rest.take("MMIO_RANGE_COUNT")?) as usize;
        // looked at before space is made for them: the count is the device's word
        if count > rest.rest.len() / RANGE_LEN {
            return Err(rest.short("MMIO_RANGE"));
        }
        let mut ranges = Vec::with_capacity(count);
        for index in 0..count {
            let page = u64::from_le_bytes(rest.take("MMIO_RANGE")?);
            let pages = u32::from_le_bytes(rest.take("MMIO_RANGE")?);
            let attributes = u16::from_le_bytes(rest.take("MMIO_RANGE")?);
            let range_id = u16::from_le_bytes(rest.take("MMIO_RANGE")?);
            let len = u64::from(pages) * PAGE;
            let start = page
                .checked_mul(PAGE)
                .filter(|start| start.checked_add(len).is_some())
                .ok_or(ReportError::Range(index))?;
            ranges.push(ReportedRange {
                start,
                len,
                attributes,
                range_id,
            });
        }
        let len = u32::from_le_bytes(rest.take("DEVICE_SPECIFIC_INFO_LEN")?) as usize;
        let device_specific = rest.slice(len, "DEVICE_SPECIFIC_INFO")?.to_vec();
        match rest.rest.len() {
            0 => Ok(InterfaceReport {
                interface_info,
                msix_control,
                lnr_control,
                tph_control,
                ranges,
                device_specific,
            }),
            tail => Err(ReportError::Tail(tail)),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn short(&self, field: &'static str) -> ReportError {
        ReportError::Short {
            len: self.bytes.len(),
            field,
        }
    }

    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ReportError> {
        let (front, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.short(field))?;
        self.rest = rest;
        Ok(*front)
    }

    fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], ReportError> {
        let (front, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.short(field))?;
        self.rest = rest;
        Ok(front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(ranges: &[(u64, u32, u16, u16)], info: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x0b, 0, 0, 0, 0x1f, 0x80, 2, 0, 3, 0, 0, 0];
        bytes.extend((ranges.len() as u32).to_le_bytes());
        for (page, pages, attributes, id) in ranges {
            bytes.extend(page.to_le_bytes());
            bytes.extend(pages.to_le_bytes());
            bytes.extend(attributes.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes.extend((info.len() as u32).to_le_bytes());
        bytes.extend(info);
        bytes
    }

    #[test]
    fn fields_arrive() {
        let bytes = encode(&[(0xfe800, 4, 0, 0), (0xfe900, 1, 5, 2)], b"dsi");
        let report = InterfaceReport::decode(&bytes).unwrap();
        assert_eq!(report.interface_info, 0x0b);
        assert_eq!(report.msix_control, 0x801f);
        assert_eq!((report.lnr_control, report.tph_control), (2, 3));
        assert_eq!(report.device_specific, b"dsi");
        let [tee, host] = report.ranges[..] else {
            panic!()
        };
        assert_eq!((tee.start, tee.len), (0xfe80_0000, 0x4000));
        assert!(!tee.is_non_tee());
        assert_eq!(tee.to_string(), "0xfe800000-0xfe803fff TEE");
        assert!(host.is_non_tee() && host.is_msix_table() && host.range_id == 2);
        assert_eq!(host.to_string(), "0xfe900000-0xfe900fff non-TEE MSI-X");
    }

    #[test]
    fn every_end_but_the_right_one_is_found() {
        let bytes = encode(&[(1, 1, 0, 0), (2, 1, 0, 1)], b"dsi");
        for len in 0..bytes.len() {
            let error = InterfaceReport::decode(&bytes[..len]).unwrap_err();
            assert!(matches!(error, ReportError::Short { .. }), "{len}: {error}");
        }
        let mut long = bytes;
        long.push(0);
        assert_eq!(InterfaceReport::decode(&long), Err(ReportError::Tail(1)));
    }

    #[test]
    fn a_count_is_not_believed() {
        let mut bytes = encode(&[], &[]);
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = InterfaceReport::decode(&bytes).unwrap_err();
        assert!(matches!(error, ReportError::Short { .. }), "{error}");
    }

    #[test]
    fn a_range_past_the_end() {
        for page in [1 << 52, (1 << 52) - 1, u64::MAX] {
            let bytes = encode(&[(0, 1, 0, 0), (page, 1, 0, 0)], &[]);
            let result = InterfaceReport::decode(&bytes);
            assert_eq!(result, Err(ReportError::Range(1)), "{page:#x}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = InterfaceReport::decode(&bytes);
        }

        #[test]
        fn ranges_round_trip(
            raw in proptest::collection::vec((0u64..1 << 40, any::<u32>(), 0u16..16, any::<u16>()), 0..8),
        ) {
            let report = InterfaceReport::decode(&encode(&raw, &[])).unwrap();
            for (range, (page, pages, attributes, id)) in report.ranges.iter().zip(raw) {
                prop_assert_eq!(range.start, page * 4096);
                prop_assert_eq!(range.len, u64::from(pages) * 4096);
                prop_assert_eq!((range.attributes, range.range_id), (attributes, id));
            }
        }
    }
}
