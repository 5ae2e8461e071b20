// SPDX-License-Identifier: GPL-2.0

//! The header that every buffer and context begins with.

use super::layout;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// In [`BufferHeader::flags`]: what follows is encrypted (SLA_BUFFER_FLAG_ENCRYPTION).
pub const FLAG_ENCRYPTED: u32 = 1 << 0;

/// What [`BufferHeader::payload_sz`] is a multiple of.
pub const PAYLOAD_ALIGN: usize = 32;

/// `struct sla_buffer_hdr` (sev-dev-tio).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct BufferHeader {
    /// Bytes in the buffer, this header among them: whole pages. With
    /// [`super::Status::ExpandBufferLengthRequest`], how many the firmware wants instead.
    pub capacity_sz: u32,
    /// Bytes that follow this header and mean something, a multiple of [`PAYLOAD_ALIGN`].
    pub payload_sz: u32,
    /// [`FLAG_ENCRYPTED`].
    pub flags: u32,
    /// Zero.
    pub reserved1: [u8; 4],
    /// Initialization vector of what is encrypted.
    pub iv: [u8; 16],
    /// Its authentication tag.
    pub authtag: [u8; 16],
    /// Zero.
    pub reserved2: [u8; 16],
}

layout!(BufferHeader, 0x40, {
    capacity_sz: 0, payload_sz: 4, flags: 8, reserved1: 12, iv: 16, authtag: 32, reserved2: 48,
});
