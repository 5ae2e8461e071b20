// SPDX-License-Identifier: GPL-2.0

//! Ids of PCI functions.

use kernel::{
    bindings,
    pci, //
};

/// Any function with these ids. The kernel crate makes ids of vendors that the kernel knows; that
/// of an emulated device is none of them.
pub const fn device_id(vendor: u16, device: u16) -> pci::DeviceId {
    let any = !0;
    let id = bindings::pci_device_id {
        vendor: vendor as u32,
        device: device as u32,
        subvendor: any,
        subdevice: any,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    };
    // SAFETY: `pci::DeviceId` is a transparent wrapper of it.
    unsafe { core::mem::transmute(id) }
}
