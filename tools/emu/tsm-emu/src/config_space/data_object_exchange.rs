// SPDX-License-Identifier: GPL-2.0

//! Data Object Exchange extended capability (7.9.24). Its registers are in [`crate::doe`]; here is
//! only the room for them.

use super::Body;

/// Capability ID.
pub const ID: u16 = 0x2e;
/// Capability version. From 2 on, discovery names versions.
pub const VERSION: u8 = 2;
/// Bytes of the capability with its header.
pub const LENGTH: usize = 0x18;

/// Without interrupts.
pub fn body() -> Body {
    Body::default()
        .u32(0, 0)
        .u32(0, 0)
        .u32(0, 0)
        .u32(0, 0)
        .u32(0, 0)
}
