// SPDX-License-Identifier: GPL-2.0

//! PCI Express capability (7.5.3) of an endpoint with TEE-I/O.

use super::Body;

/// Capability ID.
pub const ID: u8 = 0x10;
/// Device control register, from the capability's offset.
pub const DEVICE_CONTROL: usize = 0x08;
/// Device control 2 register, from the capability's offset.
pub const DEVICE_CONTROL_2: usize = 0x28;

/// In device control: initiate function level reset. Reads zero.
pub const CONTROL_FLR: u16 = 1 << 15;
/// In device control: extended tags, phantom functions, no snoop. Changing one of them changes
/// what the function issues, so a locked TDI must not survive it (11.2.6).
pub const CONTROL_LOCKED: u16 = 1 << 8 | 1 << 9 | 1 << 11;
/// In device control 2: 10-bit tags; likewise.
pub const CONTROL_2_LOCKED: u16 = 1 << 12;

/// Device control after reset: relaxed ordering, no snoop, 512 byte reads.
pub const CONTROL_RESET: u16 = 0x2810;

const VERSION_2: u16 = 2;
const TYPE_SHIFT: u32 = 4;
const EXTENDED_TAG: u32 = 1 << 5;
const ROLE_BASED_ERRORS: u32 = 1 << 15;
const FLR: u32 = 1 << 28;
const TEE_IO: u32 = 1 << 30;
const LINK_2_5_GT_X1: u16 = 0x11;
const LINK_CONTROL_WRITABLE: u16 = 0x01c3;
const LINK_SPEED_2_5_GT: u16 = 1;
const LINK_CONTROL_2_WRITABLE: u16 = 0x000f;

/// Where the device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// Below a root port, by a link.
    #[default]
    Endpoint,
    /// In the root complex itself: integrated endpoints, which have no link.
    RootComplex,
}

impl Topology {
    /// Device/port type in the capabilities register (7.5.3.2).
    const fn port_type(self) -> u16 {
        match self {
            Self::Endpoint => 0,
            Self::RootComplex => 9,
        }
    }

    /// A register of the link, which is zero where there is none (7.5.3.6).
    const fn of_link(self, value: u16) -> u16 {
        match self {
            Self::Endpoint => value,
            Self::RootComplex => 0,
        }
    }
}

/// With TEE-I/O and function level reset, and on a link, if there is one, of one lane.
pub fn body(topology: Topology) -> Body {
    let control_writable = 0x7fff & !(1 << 9 | 1 << 10);
    let link = topology.of_link(LINK_2_5_GT_X1);
    Body::default()
        .u16(VERSION_2 | topology.port_type() << TYPE_SHIFT, 0)
        .u32(EXTENDED_TAG | ROLE_BASED_ERRORS | FLR | TEE_IO, 0)
        .u16(CONTROL_RESET, control_writable)
        .u16(0, 0)
        .u32(u32::from(link), 0)
        .u16(0, topology.of_link(LINK_CONTROL_WRITABLE))
        .u16(link, 0)
        // Slot and root: not there.
        .u32(0, 0)
        .u32(0, 0)
        .u32(0, 0)
        .u32(0, 0)
        // Device capabilities 2, control 2, status 2; link capabilities 2, control 2, status 2.
        .u32(0, 0)
        .u16(0, 0x041f)
        .u16(0, 0)
        .u32(u32::from(topology.of_link(LINK_SPEED_2_5_GT)) << 1, 0)
        .u16(
            topology.of_link(LINK_SPEED_2_5_GT),
            topology.of_link(LINK_CONTROL_2_WRITABLE),
        )
        .u16(0, 0)
        .u32(0, 0)
        .u32(0, 0)
}
