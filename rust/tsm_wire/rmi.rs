// SPDX-License-Identifier: GPL-2.0

//! Realm Management Interface: the calls that a host makes to the RMM to assign devices.
//!
//! Numbers and layouts are those of the Realm Management Monitor specification (Arm DEN0137,
//! version 2.0), as the public TF-RMM (`lib/smc/include/smc-rmi.h`) and the arm64 kernel series
//! (`include/linux/arm-smccc-rmi.h`) have them. Structures are native u64 words: the RMM is
//! little-endian and so is every host that this is built for. Fields that are narrower in the
//! specification stand in a word of their own there and are that word here; its upper bits must
//! be zero.

pub mod dev_comm;
pub mod fid;
pub mod pdev;
pub mod realm;
pub mod rtt;
pub mod status;
pub mod stream;
pub mod vdev;

pub use dev_comm::{
    CommStatus, DevCommData, DevCommEnter, DevCommExit, DevObject, ExitFlags, Protocol,
};
pub use fid::Fid;
pub use pdev::{PdevParams, PdevState};
pub use realm::RealmParams;
pub use status::Status;
pub use stream::PdevStreamParams;
pub use vdev::{VdevMeasureParams, VdevParams, VdevState};

/// Size of a granule in bytes; every address in arguments is a multiple of it.
pub const GRANULE_SIZE: usize = 4096;

/// ABI revision of version 2.0: major in bits 30:16, minor in bits 15:0.
pub const ABI_VERSION: u64 = 2 << 16;

/// Feature register that describes device assignment, argument of [`Fid::Features`].
pub const FEATURE_REGISTER_DA: u64 = 2;
/// In [`FEATURE_REGISTER_DA`]: device assignment is there.
pub const FEATURE_DA: u64 = 1 << 0;
/// Shift of the 4 bit field in [`FEATURE_REGISTER_DA`] that holds the binary logarithm of how many
/// VDEVs a PDEV can have.
pub const FEATURE_MAX_VDEVS_ORDER_SHIFT: u32 = 4;

/// A range of physical addresses (`RmiAddressRange`).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    zerocopy_derive::FromBytes,
    zerocopy_derive::IntoBytes,
    zerocopy_derive::Immutable,
    zerocopy_derive::KnownLayout,
)]
#[repr(C)]
pub struct AddrRange {
    /// First address.
    pub base: u64,
    /// End, exclusive.
    pub top: u64,
}

const _: () = assert!(core::mem::size_of::<AddrRange>() == 16);
