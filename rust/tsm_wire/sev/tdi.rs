// SPDX-License-Identifier: GPL-2.0

//! Commands about a TDI. All of AMDESE.

use super::{layout, Sla, SpdmCtrl};
use crate::word::word_enum;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Interface ID of TDISP (PCIe 7.0 section 11.3.1, `struct tdisp_interface_id`): requester ID in bits
/// 15:0 of the first word, segment in bits 23:16, whether that is valid in bit 24.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct InterfaceId {
    /// Requester ID and segment.
    pub function_id: u32,
    /// Zero.
    pub reserved: [u8; 8],
}

/// Buffer of TIO_TDI_CREATE, `struct sev_data_tio_tdi_create`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiCreate {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: u32,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// Firmware pages, of which the TDI context is made.
    pub tdi_ctx_sla: Sla,
    /// The interface, as the host knows it.
    pub interface_id: InterfaceId,
    /// Must be zero.
    pub reserved2: [u8; 12],
}

/// Buffer of TIO_TDI_RECLAIM, `struct sev_data_tio_tdi_reclaim`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiReclaim {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: u32,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// Must be zero.
    pub reserved2: u64,
}

/// In [`TdiBind::tdisp_lock_if_flags`]: no firmware update while locked.
pub const LOCK_NO_FW_UPDATE: u16 = 1 << 0;
/// In [`TdiBind::tdisp_lock_if_flags`]: lock MSI-X.
pub const LOCK_MSIX: u16 = 1 << 2;
/// In [`TdiBind::tdisp_lock_if_flags`]: peer to peer.
pub const LOCK_BIND_P2P: u16 = 1 << 3;
/// In [`TdiBind::tdisp_lock_if_flags`]: all requests go by the root complex.
pub const LOCK_ALL_REQUEST_REDIRECT: u16 = 1 << 4;

/// In [`TdiBind::run_flags`]: start it, too (TIO_TDI_BIND_RUN_FORCE).
pub const RUN: u16 = 1 << 0;

/// Buffer of TIO_TDI_BIND, `struct sev_data_tio_tdi_bind`. Without [`RUN`] the TDI is locked for the
/// guest, with it one that is locked is started.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiBind {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// The guest context.
    pub gctx_paddr: u64,
    /// Requester ID of the TDI in the guest.
    pub guest_device_id: u16,
    /// Flags of LOCK_INTERFACE_REQUEST.
    pub tdisp_lock_if_flags: u16,
    /// [`RUN`].
    pub run_flags: u16,
    /// Must be zero.
    pub reserved3: [u8; 10],
}

/// In [`TdiUnbind::flags`]: let go of it whatever the device says (TIO_TDI_UNBIND_FLAG_FORCE).
pub const UNBIND_FORCE: u32 = 1 << 0;

/// Buffer of TIO_TDI_UNBIND, `struct sev_data_tio_tdi_unbind`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiUnbind {
    /// Bytes in this buffer.
    pub length: u32,
    /// [`UNBIND_FORCE`].
    pub flags: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// The guest context.
    pub gctx_paddr: u64,
}

/// Buffer of TIO_TDI_REPORT, `struct sev_data_tio_tdi_report`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiReport {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// The guest context.
    pub gctx_paddr: u64,
}

/// Buffer of TIO_TDI_STATUS, `struct sev_data_tio_tdi_status`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiStatus {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// A firmware page for a [`TdiStatusData`].
    pub status_paddr: u64,
}

word_enum! {
    /// [`TdiStatusData::tdisp_state`], TIO_TDISP_STATE_*.
    pub enum TdispState {
        /// CONFIG_UNLOCKED.
        Unlocked = 0,
        /// CONFIG_LOCKED.
        Locked = 1,
        /// RUN.
        Run = 2,
        /// ERROR.
        Error = 3,
    }
}

/// What TIO_TDI_STATUS tells, `struct sev_tio_tdi_status_data`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdiStatusData {
    /// Bytes in this structure.
    pub length: u32,
    /// A [`TdispState`].
    pub tdisp_state: u8,
    /// Zero.
    pub reserved1: [u8; 11],
}

layout!(InterfaceId, 12, { function_id: 0, reserved: 4 });
layout!(TdiCreate, 48, {
    length: 0, reserved: 4, dev_ctx_sla: 8, tdi_ctx_sla: 16, interface_id: 24, reserved2: 36,
});
layout!(TdiReclaim, 32, {
    length: 0, reserved: 4, dev_ctx_sla: 8, tdi_ctx_sla: 16, reserved2: 24,
});
layout!(TdiBind, 80, {
    length: 0, reserved: 4, spdm_ctrl: 8, dev_ctx_sla: 40, tdi_ctx_sla: 48, gctx_paddr: 56,
    guest_device_id: 64, tdisp_lock_if_flags: 66, run_flags: 68, reserved3: 70,
});
layout!(TdiUnbind, 64, {
    length: 0, flags: 4, spdm_ctrl: 8, dev_ctx_sla: 40, tdi_ctx_sla: 48, gctx_paddr: 56,
});
layout!(TdiReport, 64, {
    length: 0, reserved: 4, spdm_ctrl: 8, dev_ctx_sla: 40, tdi_ctx_sla: 48, gctx_paddr: 56,
});
layout!(TdiStatus, 64, {
    length: 0, reserved1: 4, spdm_ctrl: 8, dev_ctx_sla: 40, tdi_ctx_sla: 48, status_paddr: 56,
});
layout!(TdiStatusData, 16, { length: 0, tdisp_state: 4, reserved1: 5 });
