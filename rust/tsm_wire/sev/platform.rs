// SPDX-License-Identifier: GPL-2.0

//! Commands about the firmware itself.

use super::layout;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buffer of TIO_STATUS, `struct sev_data_tio_status` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TioStatus {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: [u8; 4],
    /// A firmware page for a [`TioStatusData`].
    pub status_paddr: u64,
}

/// Buffer of TIO_INIT, `struct sev_data_tio_init` (sev-dev-tio).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TioInit {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: [u8; 12],
}

/// In [`TioStatusData::flags`]: SNP_INIT_EX prepared the reverse map for SEV-TIO (`tio_en`).
pub const FLAG_ENABLED: u32 = 1 << 0;
/// In [`TioStatusData::flags`]: TIO_INIT is done (`tio_init_done`).
pub const FLAG_INIT_DONE: u32 = 1 << 1;

/// What TIO_STATUS tells, `struct sev_tio_status` (sev-dev-tio). Sizes are in bytes, and those of
/// buffers include the [`super::BufferHeader`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TioStatusData {
    /// Bytes in this structure.
    pub length: u32,
    /// [`FLAG_ENABLED`] and [`FLAG_INIT_DONE`]; others zero.
    pub flags: u32,
    /// Least of a request buffer.
    pub spdm_req_size_min: u32,
    /// Most of a request buffer.
    pub spdm_req_size_max: u32,
    /// Least of a scratch buffer.
    pub spdm_scratch_size_min: u32,
    /// Most of a scratch buffer.
    pub spdm_scratch_size_max: u32,
    /// Least of an output buffer.
    pub spdm_out_size_min: u32,
    /// Most of an output buffer.
    pub spdm_out_size_max: u32,
    /// Least of a response buffer.
    pub spdm_rsp_size_min: u32,
    /// Most of a response buffer.
    pub spdm_rsp_size_max: u32,
    /// A device context.
    pub devctx_size: u32,
    /// A TDI context.
    pub tdictx_size: u32,
    /// Algorithms that it has.
    pub tio_crypto_alg: u32,
    /// Zero.
    pub reserved2: [u8; 12],
}

layout!(TioStatus, 16, { length: 0, reserved: 4, status_paddr: 8 });
layout!(TioInit, 16, { length: 0, reserved: 4 });
layout!(TioStatusData, 64, {
    length: 0, flags: 4, spdm_req_size_min: 8, spdm_req_size_max: 12, spdm_scratch_size_min: 16,
    spdm_scratch_size_max: 20, spdm_out_size_min: 24, spdm_out_size_max: 28, spdm_rsp_size_min: 32,
    spdm_rsp_size_max: 36, devctx_size: 40, tdictx_size: 44, tio_crypto_alg: 48, reserved2: 52,
});
