// SPDX-License-Identifier: GPL-2.0

//! Trust domains, as far as one is made for a device interface to belong to.
//!
//! Numbers: `td_param` in `tdx_api_defs.h` and `struct td_params` of the kernel
//! (`arch/x86/include/asm/tdx.h`); page types: `pamt_manager.h`.

use crate::word::word_enum;
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

word_enum! {
    /// Page types; what is given back is [`PageType::Nda`].
    pub enum PageType {
        /// Not the module's.
        Nda = 0,
        /// Reserved.
        Rsvd = 1,
        /// Memory of a TD.
        Reg = 3,
        /// Root of a TD.
        Tdr = 4,
        /// Control structure of a TD.
        Tdcx = 5,
        /// A vCPU.
        Tdvpr = 6,
        /// Secure EPT.
        Ept = 8,
        /// Device interface.
        DevifcsRoot = 9,
        /// Messages of a device interface.
        Devifcs = 10,
        /// Metadata of an IOMMU.
        IommuMt = 11,
        /// MMIO metadata.
        MmioMt = 12,
        /// Table of device interfaces.
        DevifMt = 13,
    }
}

/// Key IDs of TDs are these.
pub const HKIDS: core::ops::RangeInclusive<u16> = 2..=63;
/// The module's own.
pub const GLOBAL_HKID: u16 = 1;
/// Where the key ID stands in a physical address. Real hosts have it just above the physical
/// address bits of the processor, which the emulation does not have.
pub const HKID_SHIFT: u32 = 46;

/// A page together with a key: `RCX` of `TDH.PHYMEM.PAGE.WBINVD`.
pub const fn with_key(page: u64, hkid: u16) -> u64 {
    page | (hkid as u64) << HKID_SHIFT
}

/// `TD_PARAMS`, what a TD is made with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdParams {
    /// Attributes: 0.
    pub attributes: u64,
    /// Extended features: x87 and SSE, which every TD has.
    pub xfam: u64,
    /// Most vCPUs; not 0.
    pub max_vcpus: u16,
    /// Nested VMs: 0.
    pub num_l2_vms: u8,
    /// 0.
    pub reserved0: [u8; 5],
    /// Kind of the secure EPT: [`EPTP_CONTROLS`].
    pub eptp_controls: u64,
    /// Flags: 0.
    pub config_flags: u64,
    /// TSC in units of 25 MHz.
    pub tsc_frequency: u16,
    /// 0.
    pub reserved1: [u8; 38],
    /// Who it is for: 0.
    pub owners: [u8; 144],
    /// CPUID and what else there is: 0.
    pub reserved2: [u8; 800],
}

/// Write-back, four levels.
pub const EPTP_CONTROLS: u64 = 6 | 3 << 3;
/// x87 and SSE.
pub const XFAM_LEGACY: u64 = 3;
/// 1 GHz.
pub const TSC_FREQUENCY: u16 = 40;

const _: () = assert!(offset_of!(TdParams, xfam) == 8);
const _: () = assert!(offset_of!(TdParams, max_vcpus) == 16);
const _: () = assert!(offset_of!(TdParams, eptp_controls) == 24);
const _: () = assert!(offset_of!(TdParams, config_flags) == 32);
const _: () = assert!(offset_of!(TdParams, tsc_frequency) == 40);
const _: () = assert!(offset_of!(TdParams, owners) == 80);
const _: () = assert!(offset_of!(TdParams, reserved2) == 224);
const _: () = assert!(size_of::<TdParams>() == 1024);

/// How the members of [`TdParams`] that are not 0 begin: attributes to TSC frequency.
pub const TD_PARAMS: TdParamsHead = TdParamsHead {
    attributes: 0,
    xfam: XFAM_LEGACY,
    max_vcpus: 1,
    eptp_controls: EPTP_CONTROLS,
    config_flags: 0,
    tsc_frequency: TSC_FREQUENCY as u64,
};

/// The first 48 bytes of [`TdParams`], in words.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TdParamsHead {
    /// See [`TdParams::attributes`].
    pub attributes: u64,
    /// See [`TdParams::xfam`].
    pub xfam: u64,
    /// See [`TdParams::max_vcpus`]; what follows it is 0.
    pub max_vcpus: u64,
    /// See [`TdParams::eptp_controls`].
    pub eptp_controls: u64,
    /// See [`TdParams::config_flags`].
    pub config_flags: u64,
    /// See [`TdParams::tsc_frequency`]; what follows it is 0.
    pub tsc_frequency: u64,
}

const _: () = assert!(size_of::<TdParamsHead>() == 48);

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

    #[test]
    fn params() {
        let mut bytes = [0; size_of::<TdParams>()];
        bytes[..48].copy_from_slice(TD_PARAMS.as_bytes());
        assert_eq!(bytes[8..18], [3, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(bytes[24], 0x1e);
        assert_eq!(bytes[40..42], [40, 0]);
        let params = TdParams::read_from_bytes(&bytes).unwrap();
        assert_eq!((params.max_vcpus, params.num_l2_vms), (1, 0));
        assert_eq!(params.tsc_frequency, TSC_FREQUENCY);
    }

    #[test]
    fn key() {
        assert_eq!(with_key(0x1234_5000, 2), 0x8000_1234_5000);
    }
}
