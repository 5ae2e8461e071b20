// SPDX-License-Identifier: GPL-2.0

//! Access Control Services extended capability (7.7.11). With it, the functions of a device do not
//! reach each other, and the host puts each in an IOMMU group of its own.

use super::Body;

/// Capability ID.
pub const ID: u16 = 0x0d;
/// Capability version.
pub const VERSION: u8 = 1;

/// Request redirect, completion redirect and direct translated requests, as a device with several
/// functions has them.
pub fn body() -> Body {
    let services = 1 << 2 | 1 << 3 | 1 << 6;
    Body::default().u16(services, 0).u16(0, services)
}
