// SPDX-License-Identifier: GPL-2.0

//! TDX Connect: the calls that a host makes to the TDX module to assign devices.
//!
//! There are two generations in public. This is the one that Intel published the source of (the
//! repository `intel/tdx-module`, the parts called tdxio), since only there every call for device
//! interfaces, MMIO and DMA is public together with its registers, its states, what it checks and
//! what it answers. Files that are named in this module are of that source. The later one
//! (`TDH.SPDM.CONNECT` and lists of pages) has no public calls for device interfaces.
//!
//! A call is a SEAMCALL: registers in, registers out, `RAX` holds the leaf and the completion
//! status. In the emulated mailbox `X[0]` is `RAX`, and [`register`] names the others.
//!
//! Two parties of this generation are no host and no module: the guest, whose part of a lock and a
//! start is a TDCALL of its own, and the TEE-IO provisioning agent (TPA), a VM that opens the SPDM
//! sessions. The emulation has neither: what they would do is a [`StandIn`] call of the host's.

pub mod devif;
pub mod dmar;
pub mod doe;
pub mod ide;
pub mod leaf;
pub mod mmio;
pub mod status;
pub mod td;
pub mod tpa;

pub use leaf::{Call, Leaf, StandIn};
pub use status::Status;

/// Bytes in a page; every page that a call takes is one of these.
pub const PAGE_SIZE: usize = 4096;

/// The IOMMU that hosts everything (`iommu_id_t`: unit in bits 3:0, socket in bits 7:4). The
/// emulation has this one, and it is configured from the start.
pub const IOMMU_ID: u64 = 0;

/// SPDM sessions of an IOMMU have numbers below this one (`MAX_SPDM_SESSION_ID`, `spdm_defs.h`).
pub const SPDM_IDS: u64 = 256;

/// `TDH.SYS.RD` of this field gives the features of the module (`arch/x86/virt/vmx/tdx/
/// tdx_global_metadata.c` of the kernel).
pub const FIELD_FEATURES0: u64 = 0x0a00_0003_0000_0008;
/// In [`FIELD_FEATURES0`]: TDX Connect is there (public kernel series of 2025,
/// `TDX_FEATURES0_TDXCONNECT`).
pub const FEATURES0_TDXCONNECT: u64 = 1 << 6;
/// `TDH.SYS.RD` of this field gives how many bytes a TDCS has without those of nested VMs (as
/// above).
pub const FIELD_TDCS_BASE_SIZE: u64 = 0x9800_0001_0000_0100;

/// Number of each register in the mailbox.
pub mod register {
    /// `RAX`.
    pub const RAX: usize = 0;
    /// `RCX`.
    pub const RCX: usize = 1;
    /// `RDX`.
    pub const RDX: usize = 2;
    /// `R8`.
    pub const R8: usize = 3;
    /// `R9`.
    pub const R9: usize = 4;
    /// `R10`.
    pub const R10: usize = 5;
    /// `R11`.
    pub const R11: usize = 6;
    /// `R12`.
    pub const R12: usize = 7;
    /// `R13`.
    pub const R13: usize = 8;
    /// `R14`.
    pub const R14: usize = 9;
    /// `R15`.
    pub const R15: usize = 10;
    /// `RSI`.
    pub const RSI: usize = 13;
}
