// SPDX-License-Identifier: GPL-2.0

//! TEE device assignment for VMMs.
//!
//! A confidential VM asks its VMM to bind a PCI function, to lock it, to hand over its evidence, to
//! validate its MMIO and to run it. This crate is how the VMM passes that on to `/dev/iommu`:
//!
//! ```no_run
//! use iommufd_tsm::{ObjectType, TvmArch, Vdevice};
//! use std::os::fd::BorrowedFd;
//!
//! # fn example(iommufd: BorrowedFd<'_>, vdevice_id: u32) -> Result<(), iommufd_tsm::Error> {
//! let tdi = Vdevice::new(iommufd, vdevice_id, TvmArch::Cca);
//! tdi.bind()?;
//! let report = tdi.read_object(ObjectType::InterfaceReport)?;
//! tdi.run()?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`vdevice`] | a vDEVICE and the requests of its guest |
//! | [`scope`] | the same requests in the form of the v5 ABI |
//! | [`object`] | reading evidence objects |
//! | [`report`] | the TDISP interface report, decoded |
//! | [`presence`] | whether this kernel has the ioctls |
//! | [`error`] | what can go wrong with a request |
//! | [`pci`], [`bar`], [`bdf`] | a PCI function in sysfs, with its TSM attributes |
//! | [`tsm`] | the TSMs of this machine, and their architectures |
//! | [`sysfs`] | files of sysfs |
//! | [`assignment`] | a PCI function assigned to a KVM VM, as a VMM does it |
//!
//! The ABI is documented in `Documentation/userspace-api/iommufd_tsm.rst`.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(feature = "assignment")]
pub mod assignment;
pub mod bar;
pub mod bdf;
pub mod error;
pub mod object;
pub mod pci;
pub mod presence;
pub mod report;
pub mod scope;
pub mod sysfs;
pub mod tsm;
pub mod vdevice;

#[cfg(feature = "assignment")]
pub use assignment::{Assignment, Vm};
pub use bar::Bar;
pub use bdf::Bdf;
pub use error::Error;
pub use pci::PciFunction;
pub use presence::Presence;
pub use report::InterfaceReport;
pub use scope::ScopeVdevice;
pub use tsm::Tsm;
pub use tsm_wire::{
    object::ObjectType,
    op::{Op, TvmArch},
    scope::Scope,
    tdi::TdiState,
};
pub use vdevice::Vdevice;
