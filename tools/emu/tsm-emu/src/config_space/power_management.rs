// SPDX-License-Identifier: GPL-2.0

//! Power management capability (7.5.2).

use super::Body;

/// Capability ID.
pub const ID: u8 = 0x01;
/// Control and status register, from the capability's offset.
pub const CONTROL: usize = 4;

/// Version 3, no wake-up, and no loss of state in D3hot: a function that goes there stays locked.
pub fn body() -> Body {
    let capabilities = 3;
    let power_state = 0x3;
    let no_soft_reset = 1 << 3;
    Body::default()
        .u16(capabilities, 0)
        .u16(no_soft_reset, power_state)
        .u16(0, 0)
}
