// SPDX-License-Identifier: GPL-2.0

//! Commands of SEV-SNP that a device needs: pages, and the guest that it is assigned to.

use super::layout;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buffer of SNP_GCTX_CREATE, SNP_DECOMMISSION (`struct sev_data_snp_addr`, psp-sev.h) and
/// SNP_PAGE_RECLAIM (`struct sev_data_snp_page_reclaim`, whose bit 0 says that the page is one of
/// 2 MiB).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Address {
    /// The page.
    pub address: u64,
}

/// Buffer of SNP_ACTIVATE, `struct sev_data_snp_activate` (psp-sev.h).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct Activate {
    /// The guest context.
    pub gctx_paddr: u64,
    /// ASID of the guest from now on.
    pub asid: u32,
}

/// In [`LaunchStart::policy`]: must be one (AMD 56860, table "Guest policy", bit 17).
pub const POLICY_RESERVED_ONE: u64 = 1 << 17;
/// In [`LaunchStart::policy`]: the guest may run on cores with two threads (bit 16).
pub const POLICY_SMT: u64 = 1 << 16;

/// Buffer of SNP_LAUNCH_START, `struct sev_data_snp_launch_start` (psp-sev.h).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LaunchStart {
    /// The guest context.
    pub gctx_paddr: u64,
    /// The guest's policy.
    pub policy: u64,
    /// Context of a migration agent.
    pub ma_gctx_paddr: u64,
    /// Bit 0: there is a migration agent, bit 1: an incoming migration image.
    pub flags: u32,
    /// Frequency of the guest's TSC in kHz, 0 for that of the host.
    pub desired_tsc_khz: u32,
    /// Workarounds that the guest sees.
    pub gosvw: [u8; 16],
}

/// Buffer of SNP_LAUNCH_FINISH, `struct sev_data_snp_launch_finish` (psp-sev.h).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LaunchFinish {
    /// The guest context.
    pub gctx_paddr: u64,
    /// Identity block of the guest.
    pub id_block_paddr: u64,
    /// What authenticates it.
    pub id_auth_paddr: u64,
    /// Bit 0: there is an identity block, bit 1: an author key, bit 2: no VCEK.
    pub flags: u64,
    /// Data of the host's in the guest's attestation report.
    pub host_data: [u8; 32],
}

layout!(Address, 8, { address: 0 });
layout!(Activate, 12, { gctx_paddr: 0, asid: 8 });
layout!(LaunchStart, 48, {
    gctx_paddr: 0, policy: 8, ma_gctx_paddr: 16, flags: 24, desired_tsc_khz: 28, gosvw: 32,
});
layout!(LaunchFinish, 64, {
    gctx_paddr: 0, id_block_paddr: 8, id_auth_paddr: 16, flags: 24, host_data: 32,
});
