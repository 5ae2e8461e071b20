// SPDX-License-Identifier: GPL-2.0

//! Commands about a device.

use super::{layout, Sla, SpdmCtrl};
use crate::word::word_enum;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buffer of TIO_DEV_CREATE, `struct sev_data_tio_dev_create` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevCreate {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: [u8; 4],
    /// Firmware pages, of which the device context is made.
    pub dev_ctx_sla: Sla,
    /// Requester ID of the device (function 0).
    pub device_id: u16,
    /// Port number of the root port above it, from its link capabilities; 0 if there is none.
    pub root_port_id: u16,
    /// Segment of both.
    pub segment_id: u8,
    /// Must be zero.
    pub reserved2: [u8; 11],
}

/// Streams, one for each traffic class, that a device may have.
pub const TRAFFIC_CLASSES: usize = 8;
/// [`DevConnect::ide_stream_id`] of a traffic class that is not in the mask.
pub const NO_STREAM: u8 = 0xff;

/// Buffer of TIO_DEV_CONNECT, `struct sev_data_tio_dev_connect` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevConnect {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: [u8; 4],
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// Must be zero.
    pub reserved2: [u8; 8],
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// Bit n: traffic class n is to have an IDE stream.
    pub tc_mask: u8,
    /// Slot of the certificate chain.
    pub cert_slot: u8,
    /// Must be zero.
    pub reserved3: [u8; 6],
    /// Stream IDs of the traffic classes in the mask; the others are [`NO_STREAM`].
    pub ide_stream_id: [u8; TRAFFIC_CLASSES],
    /// Must be zero.
    pub reserved4: [u8; 8],
}

/// In [`DevDisconnect::flags`]: let go of it whatever the device says (TIO_DEV_DISCONNECT_FLAG_FORCE).
pub const DISCONNECT_FORCE: u32 = 1 << 0;

/// Buffer of TIO_DEV_DISCONNECT, `struct sev_data_tio_dev_disconnect` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevDisconnect {
    /// Bytes in this buffer.
    pub length: u32,
    /// [`DISCONNECT_FORCE`].
    pub flags: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
}

/// In [`DevMeasurements::flags`]: raw bit streams (TIO_DEV_MEAS_FLAG_RAW_BITSTREAM).
pub const MEASUREMENTS_RAW: u32 = 1 << 0;

/// Buffer of TIO_DEV_MEASUREMENTS, `struct sev_data_tio_dev_meas` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevMeasurements {
    /// Bytes in this buffer.
    pub length: u32,
    /// [`MEASUREMENTS_RAW`].
    pub flags: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// What they are to be fresh for.
    pub meas_nonce: [u8; 32],
}

/// Buffer of TIO_DEV_CERTIFICATES, `struct sev_data_tio_dev_certs` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevCertificates {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: [u8; 4],
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
}

/// Buffer of TIO_DEV_RECLAIM, `struct sev_data_tio_dev_reclaim` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevReclaim {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: [u8; 4],
    /// The device context.
    pub dev_ctx_sla: Sla,
}

/// Buffer of TIO_DEV_STATUS, `struct sev_data_tio_dev_status` (AMDESE).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevStatus {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: u32,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// A firmware page for a [`DevStatusData`].
    pub status_paddr: u64,
    /// Must be zero.
    pub reserved2: u64,
}

word_enum! {
    /// [`DevStatusData::ctx_state`]. The field is that of AMDESE, which has no names for its values:
    /// these are ours.
    pub enum DevState {
        /// Made, not connected, or disconnected.
        Disconnected = 0,
        /// Connected.
        Connected = 1,
        /// The conversation with the device broke; it can be disconnected only.
        Error = 2,
    }
}

/// In [`DevStatusData::p1_flags`]: a command waits for an answer of the device
/// (SEV_TIO_DEV_STATUS_P1_FLAG_REQUEST_PENDING).
pub const REQUEST_PENDING: u8 = 1 << 0;
/// In [`DevStatusData::p1_flags`]: and it is one about a TDI
/// (SEV_TIO_DEV_STATUS_P1_FLAG_REQUEST_PENDING_TDI).
pub const REQUEST_PENDING_TDI: u8 = 1 << 1;

/// TIO_SPDM_ALGOS_HASH_TPM_ALG_SHA_256 (AMDESE), in [`SpdmAlgorithms::hash`].
pub const HASH_SHA_256: u8 = 0;
/// TIO_SPDM_ALGOS_HASH_TPM_ALG_SHA_384 (AMDESE), in [`SpdmAlgorithms::hash`].
pub const HASH_SHA_384: u8 = 1;

/// `struct tio_spdm_algos` (AMDESE), numbers as TIO_SPDM_ALGOS_* there have them, each in its byte.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SpdmAlgorithms {
    /// 0: secp256r1, 1: secp384r1.
    pub dhe: u8,
    /// 0: AES-128-GCM, 1: AES-256-GCM.
    pub aead: u8,
    /// 0: RSASSA 3072, 1: ECDSA P-256, 2: ECDSA P-384.
    pub asym: u8,
    /// [`HASH_SHA_256`] or [`HASH_SHA_384`].
    pub hash: u8,
    /// 0: that of SPDM.
    pub key_sched: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What TIO_DEV_STATUS tells, `struct sev_tio_dev_status` (AMDESE).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevStatusData {
    /// Bytes in this structure.
    pub length: u32,
    /// A [`DevState`].
    pub ctx_state: u8,
    /// Zero.
    pub reserved1: u8,
    /// [`REQUEST_PENDING`], [`REQUEST_PENDING_TDI`].
    pub p1_flags: u8,
    /// Slot of the certificate chain.
    pub certs_slot: u8,
    /// Requester ID of the device.
    pub device_id: u16,
    /// Its segment.
    pub segment_id: u8,
    /// Traffic classes with a stream.
    pub tc_mask: u8,
    /// The [`super::Command`] that waits.
    pub request_pending_command: u16,
    /// Zero.
    pub reserved2: u16,
    /// The TDI that it is about.
    pub request_pending_interface_id: [u8; 12],
    /// Bit 0: the digest of measurements is valid, bit 1: no firmware update while locked.
    pub p2_flags: u8,
    /// Zero.
    pub reserved3: [u8; 3],
    /// Stream IDs.
    pub ide_stream_id: [u8; TRAFFIC_CLASSES],
    /// Zero.
    pub reserved4: [u8; 8],
    /// SHA-384 of the certificate object.
    pub certs_digest: [u8; 48],
    /// SHA-384 of the measurement object.
    pub meas_digest: [u8; 48],
    /// TDI contexts of it.
    pub tdi_count: u32,
    /// Those that are bound.
    pub bound_tdi_count: u32,
    /// Algorithms that were negotiated.
    pub algos: SpdmAlgorithms,
}

layout!(DevCreate, 32, {
    length: 0, reserved1: 4, dev_ctx_sla: 8, device_id: 16, root_port_id: 18, segment_id: 20,
    reserved2: 21,
});
layout!(DevConnect, 80, {
    length: 0, reserved1: 4, spdm_ctrl: 8, reserved2: 40, dev_ctx_sla: 48, tc_mask: 56,
    cert_slot: 57, reserved3: 58, ide_stream_id: 64, reserved4: 72,
});
layout!(DevDisconnect, 48, { length: 0, flags: 4, spdm_ctrl: 8, dev_ctx_sla: 40 });
layout!(DevMeasurements, 80, {
    length: 0, flags: 4, spdm_ctrl: 8, dev_ctx_sla: 40, meas_nonce: 48,
});
layout!(DevCertificates, 48, { length: 0, reserved: 4, spdm_ctrl: 8, dev_ctx_sla: 40 });
layout!(DevReclaim, 16, { length: 0, reserved: 4, dev_ctx_sla: 8 });
layout!(DevStatus, 32, {
    length: 0, reserved1: 4, dev_ctx_sla: 8, status_paddr: 16, reserved2: 24,
});
layout!(SpdmAlgorithms, 8, { dhe: 0, aead: 1, asym: 2, hash: 3, key_sched: 4, reserved: 5 });
layout!(DevStatusData, 160, {
    length: 0, ctx_state: 4, reserved1: 5, p1_flags: 6, certs_slot: 7, device_id: 8, segment_id: 10,
    tc_mask: 11, request_pending_command: 12, reserved2: 14, request_pending_interface_id: 16,
    p2_flags: 28, reserved3: 29, ide_stream_id: 32, reserved4: 40, certs_digest: 48,
    meas_digest: 96, tdi_count: 144, bound_tdi_count: 148, algos: 152,
});
