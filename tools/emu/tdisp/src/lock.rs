// SPDX-License-Identifier: GPL-2.0

//! LOCK_INTERFACE_REQUEST and its response (11.3.8, 11.3.9).

use crate::Nonce;
use zerocopy::little_endian::{U16, U64};
use zerocopy::FromBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// LOCK_INTERFACE_REQUEST. Body: [`LockRequest`].
pub(crate) const REQUEST: u8 = 0x83;
/// LOCK_INTERFACE_RESPONSE. Body: the nonce for START_INTERFACE.
pub(crate) const RESPONSE: u8 = 0x03;

/// Flags of LOCK_INTERFACE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// No firmware update while locked.
    pub const NO_FW_UPDATE: Self = Self(1 << 0);
    /// Cache lines of the system have 128 bytes.
    pub const CACHE_LINE_128: Self = Self(1 << 1);
    /// Lock and report the MSI-X table and PBA.
    pub const LOCK_MSIX: Self = Self(1 << 2);
    /// Peer-to-peer streams may be bound later.
    pub const BIND_P2P: Self = Self(1 << 3);
    /// Translated requests go to the root complex.
    pub const ALL_REQUEST_REDIRECT: Self = Self(1 << 4);

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a TDI is locked with.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct LockRequest {
    /// [`Flags`].
    pub flags: U16,
    /// IDE stream to use.
    pub default_stream: u8,
    /// Reserved.
    pub reserved: u8,
    /// Added to the addresses in reports; two's complement.
    pub mmio_reporting_offset: U64,
    /// Mask over addresses of peer-to-peer transactions.
    pub bind_p2p_mask: U64,
}

const _: () = assert!(size_of::<LockRequest>() == 20);

pub(crate) fn decode(body: &[u8]) -> Option<LockRequest> {
    LockRequest::read_from_bytes(body).ok()
}

pub(crate) fn decode_response(body: &[u8]) -> Option<Nonce> {
    body.try_into().ok()
}
