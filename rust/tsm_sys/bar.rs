// SPDX-License-Identifier: GPL-2.0

//! Memory of a PCI function.

use crate::{
    bindings,
    raw_pci, //
};
use kernel::pci;

/// BARs that a function may have.
pub const BARS: i32 = 6;

/// Host physical address and length in bytes of a memory BAR; `None` if it is not one.
pub fn memory_bar(function: &pci::Device, bar: i32) -> Option<(u64, u64)> {
    if !(0..BARS).contains(&bar) {
        return None;
    }
    let (mut start, mut len) = (0, 0);
    // SAFETY: The number is that of a BAR; the function is referenced by the caller.
    let is = unsafe { bindings::tsm_shim_memory_bar(raw_pci(function), bar, &mut start, &mut len) };
    (is && len != 0).then_some((start, len))
}
