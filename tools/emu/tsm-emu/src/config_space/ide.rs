// SPDX-License-Identifier: GPL-2.0

//! Integrity and Data Encryption extended capability (7.9.26).
//!
//! One selective stream with one address association. It can be programmed, and never becomes
//! secure: no keys reach the device without a session.

use super::Body;

/// Capability ID.
pub const ID: u16 = 0x30;
/// Capability version.
pub const VERSION: u8 = 1;

const SELECTIVE: u32 = 1 << 1;
const KEY_MANAGEMENT: u32 = 1 << 6;
const SELECTIVE_CONFIGURATION: u32 = 1 << 7;
const TEE_LIMITED: u32 = 1 << 24;

/// Selective streams only, AES-GCM-256.
pub fn body() -> Body {
    let streams_less_one = 0 << 16;
    let associations = 1;
    Body::default()
        .u32(
            SELECTIVE | KEY_MANAGEMENT | SELECTIVE_CONFIGURATION | TEE_LIMITED | streams_less_one,
            0,
        )
        .u32(0, 1 << 2)
        // Selective stream 0: capability, control, status.
        .u32(associations, 0)
        .u32(0, 0xffff_ffff)
        .u32(0, 0)
        // RID association.
        .u32(0, 0x00ff_ff00)
        .u32(0, 0xffff_ffff)
        // Address association.
        .u32(0, 0xffff_ffff)
        .u32(0, 0xffff_ffff)
        .u32(0, 0xffff_ffff)
}
