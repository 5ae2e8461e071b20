// SPDX-License-Identifier: GPL-2.0

//! Data objects: what is in a buffer behind its header.

use super::{buffer::PAYLOAD_ALIGN, layout};
use crate::word::word_enum;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

word_enum! {
    /// `SPDM_DOBJ_ID_*`: what an object is. The first two are those of sev-dev-tio, the others of
    /// AMDESE.
    pub enum ObjectId {
        /// A message to the device, [`MessageHeader`].
        Request = 1,
        /// A message of the device, [`MessageHeader`].
        Response = 2,
        /// A certificate chain as SPDM has it (DSP0274 "Certificate chain format": length, hash of
        /// the root, certificates), [`EvidenceHeader`].
        Certificate = 4,
        /// An SPDM measurement record, [`EvidenceHeader`].
        Measurement = 5,
        /// A TDISP interface report, [`EvidenceHeader`].
        Report = 6,
    }
}

word_enum! {
    /// `enum spdm_data_type_t` (sev-dev-tio): how a message travels.
    pub enum DataType {
        /// DOE object type 1, CMA-SPDM.
        Spdm = 1,
        /// DOE object type 2, secured CMA-SPDM.
        SecureSpdm = 2,
    }
}

/// [`EvidenceHeader::type`] of certificates, measurements and reports alike (TIO_SPDM_CERTIFICATES,
/// TIO_SPDM_MEASUREMENTS, TIO_SPDM_REPORT).
pub const EVIDENCE: u8 = 1;

/// Major version of the objects (sev-dev-tio, `dobj_response_init()`); the minor one is zero.
pub const VERSION_MAJOR: u8 = 1;

/// `struct spdm_dobj_hdr` (sev-dev-tio).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, packed)]
pub struct ObjectHeader {
    /// An [`ObjectId`].
    pub id: u32,
    /// Bytes in the object, its header among them.
    pub length: u32,
    /// Minor version.
    pub minor: u8,
    /// Major version.
    pub major: u8,
}

/// `struct spdm_dobj_hdr_req`, `struct spdm_dobj_hdr_resp` (sev-dev-tio).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, packed)]
pub struct MessageHeader {
    /// Of a request or a response.
    pub object: ObjectHeader,
    /// A [`DataType`].
    pub data_type: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// `struct spdm_dobj_hdr_cert`, `spdm_dobj_hdr_meas`, `spdm_dobj_hdr_report` (AMDESE).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, packed)]
pub struct EvidenceHeader {
    /// Of certificates, measurements or a report.
    pub object: ObjectHeader,
    /// Zero.
    pub reserved1: [u8; 6],
    /// Requester ID of the device.
    pub device_id: u16,
    /// Its segment.
    pub segment_id: u8,
    /// [`EVIDENCE`].
    pub r#type: u8,
    /// Zero.
    pub reserved2: [u8; 12],
}

/// How long an object is in its buffer: so many bytes, and zeroes behind them.
pub const fn padded(length: usize) -> usize {
    length.next_multiple_of(PAYLOAD_ALIGN)
}

layout!(ObjectHeader, 10, { id: 0, length: 4, minor: 8, major: 9 });
layout!(MessageHeader, 0x10, { object: 0, data_type: 10, reserved: 11 });
layout!(EvidenceHeader, 0x20, {
    object: 0, reserved1: 10, device_id: 16, segment_id: 18, r#type: 19, reserved2: 20,
});
