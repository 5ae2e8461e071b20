// SPDX-License-Identifier: GPL-2.0

//! MSI-X capability (7.7.2).

use super::Body;

/// Capability ID.
pub const ID: u8 = 0x11;
/// Message control register, from the capability's offset.
pub const CONTROL: usize = 2;

/// `vectors` of them, table and PBA at these offsets of a BAR.
pub fn body(vectors: u16, bar: u32, table: u32, pba: u32) -> Body {
    let enable_and_mask = 0xc000;
    Body::default()
        .u16(vectors.saturating_sub(1), enable_and_mask)
        .u32(table | bar, 0)
        .u32(pba | bar, 0)
}
