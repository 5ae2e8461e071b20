// SPDX-License-Identifier: GPL-2.0

//! The kernel, as the other crates of this project see it.
//!
//! The only crate with unsafe code. Everything that it offers is safe to use, or cannot be used
//! wrongly without the kernel saying so; the C functions that it stands on are in `shim/`, where the
//! kernel offers only an inline function or a macro.
//!
//! | module | noun |
//! |---|---|
//! | [`uaccess`] | user memory |
//! | [`vdevice`] | vDEVICEs of an iommufd |
//! | [`vm`] | VMs |
//! | [`redirect`] | the two ioctls on /dev/iommu |
//! | [`binding`] | bind, unbind and requests of PCI/TSM |
//! | [`link`] | a TSM for PCI/TSM |
//! | [`doe`] | data object exchange |
//! | [`ide`] | encryption of the link to a device |
//! | [`bar`] | memory of a PCI function |
//! | [`location`] | where a PCI function is |
//! | [`granule`] | memory that firmware may be given |
//! | [`module`] | references to modules |
//! | [`pci_id`] | ids of PCI functions |
//! | [`wait`] | waiting |

// Only pointers cross to C; that some structure of the kernel has an empty member does not matter.
#![allow(improper_ctypes, improper_ctypes_definitions)]

pub mod bar;
pub mod binding;
mod bindings;
pub mod doe;
pub mod granule;
pub mod ide;
pub mod link;
pub mod location;
pub mod module;
pub mod pci_id;
pub mod redirect;
pub mod uaccess;
pub mod vdevice;
pub mod vm;
pub mod wait;

/// Name under which the kernel prints what this crate says.
const __LOG_PREFIX: &[u8] = b"iommufd_tsm\0";

use kernel::{
    bindings::pci_dev,
    device,
    pci, //
};

/// The C structure behind a device.
#[inline]
fn raw_device(dev: &device::Device<device::Bound>) -> *mut kernel::bindings::device {
    // `device::Device` is a transparent wrapper of it
    core::ptr::from_ref(dev)
        .cast::<kernel::bindings::device>()
        .cast_mut()
}

/// The C structure behind a PCI device.
#[inline]
fn raw_pci(function: &pci::Device) -> *mut pci_dev {
    core::ptr::from_ref(function).cast::<pci_dev>().cast_mut()
}

/// A PCI device that C owns.
///
/// # Safety
///
/// `raw` is a PCI device that is not freed as long as `'a` lasts.
#[inline]
unsafe fn pci_from_raw<'a>(raw: *mut pci_dev) -> &'a pci::Device {
    // SAFETY: `pci::Device` is a transparent wrapper of `pci_dev`; the caller says that it lives.
    unsafe { &*raw.cast::<pci::Device>() }
}
