// SPDX-License-Identifier: GPL-2.0

//! Where a PCI function is.

use crate::{
    bindings,
    raw_pci, //
};
use kernel::pci;

/// Segment of the function.
pub fn segment(function: &pci::Device) -> i32 {
    // SAFETY: The caller refers to the function, which is on a bus as long as it lives.
    unsafe { bindings::tsm_shim_segment(raw_pci(function)) }
}

/// Port number of the root port above the function, of its Link Capabilities register (PCIe 7.0
/// section 7.5.3.6). `None` if there is no root port.
pub fn root_port_number(function: &pci::Device) -> Option<u8> {
    // SAFETY: The caller refers to the function, and a function is removed before what is above it.
    let number = unsafe { bindings::tsm_shim_root_port_number(raw_pci(function)) };
    u8::try_from(number).ok()
}
