// SPDX-License-Identifier: GPL-2.0

//! GET_DEVICE_INTERFACE_REPORT and DEVICE_INTERFACE_REPORT (11.3.10, 11.3.11). What the bytes are
//! that these messages carry in portions is in [`crate::interface_report`].

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_DEVICE_INTERFACE_REPORT. Body: [`ReportRequest`].
pub(crate) const REQUEST: u8 = 0x84;
/// DEVICE_INTERFACE_REPORT. Body: [`PortionHeader`], then the bytes.
pub(crate) const RESPONSE: u8 = 0x04;

/// Which part of the report is asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ReportRequest {
    /// First byte.
    pub offset: U16,
    /// Most bytes that the requester takes.
    pub length: U16,
}

/// Stands before the bytes of a portion.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PortionHeader {
    /// Bytes in this portion.
    pub portion: U16,
    /// Bytes after this portion.
    pub remainder: U16,
}

/// Bytes in a [`PortionHeader`].
pub const PORTION_HEADER_SIZE: usize = size_of::<PortionHeader>();

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many bytes follow.
    pub remainder: u16,
}

pub(crate) fn decode(body: &[u8]) -> Option<ReportRequest> {
    ReportRequest::read_from_bytes(body).ok()
}

pub(crate) fn encode_response(portion: &Portion) -> Vec<u8> {
    let header = PortionHeader {
        portion: U16::new(portion.bytes.len() as u16),
        remainder: U16::new(portion.remainder),
    };
    let mut body = header.as_bytes().to_vec();
    body.extend_from_slice(&portion.bytes);
    body
}

pub(crate) fn decode_response(body: &[u8]) -> Option<Portion> {
    let (header, bytes) = PortionHeader::read_from_prefix(body).ok()?;
    (bytes.len() == usize::from(header.portion.get())).then(|| Portion {
        bytes: bytes.to_vec(),
        remainder: header.remainder.get(),
    })
}
