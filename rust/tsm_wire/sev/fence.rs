// SPDX-License-Identifier: GPL-2.0

//! Commands about the fence between a device and the memory of a guest. All of AMDESE.

use super::{layout, Sla};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buffer of TIO_ASID_FENCE_CLEAR, `struct sev_data_tio_asid_fence_clear`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AsidFenceClear {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: u32,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The guest context.
    pub gctx_paddr: u64,
    /// Must be zero.
    pub reserved2: [u8; 8],
}

/// Buffer of TIO_ASID_FENCE_STATUS, `struct sev_data_tio_asid_fence_status`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct AsidFenceStatus {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved1: [u8; 4],
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// ASID of the guest.
    pub asid: u32,
    /// A firmware page for a [`Fence`]; not aligned.
    pub status_pa: u64,
    /// Must be zero.
    pub reserved2: [u8; 4],
}

/// What TIO_ASID_FENCE_STATUS tells: TIO_FENCE_DMA_STATUS_* in bits 1:0, TIO_FENCE_MMIO_STATUS_* in
/// bits 3:2.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// Neither way is fenced.
    pub const NONE: Self = Self(0);
    /// Both are since something went wrong (ERROR_FENCED, FENCED).
    pub const ERROR: Self = Self(1 | 3 << 2);
    /// DMA is since nobody took the fence away yet (DEFAULT_FENCED).
    pub const DEFAULT: Self = Self(3);

    /// Is there one in either way? Values that are reserved count as one.
    pub const fn is_up(self) -> bool {
        self.0 & 0xf != 0
    }
}

layout!(AsidFenceClear, 32, {
    length: 0, reserved1: 4, dev_ctx_sla: 8, gctx_paddr: 16, reserved2: 24,
});
layout!(AsidFenceStatus, 32, {
    length: 0, reserved1: 4, dev_ctx_sla: 8, asid: 16, status_pa: 20, reserved2: 28,
});
layout!(Fence, 8, {});
