// SPDX-License-Identifier: GPL-2.0

//! GET_TDISP_CAPABILITIES and TDISP_CAPABILITIES (11.3.6, 11.3.7).

use zerocopy::little_endian::{U16, U32};
use zerocopy::FromBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// GET_TDISP_CAPABILITIES. Body: TSM capability flags, four bytes, all reserved.
pub(crate) const REQUEST: u8 = 0x82;
/// TDISP_CAPABILITIES. Body: [`Capabilities`].
pub(crate) const RESPONSE: u8 = 0x02;

/// What a device can do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Capabilities {
    /// All bits reserved.
    pub dsm_caps: U32,
    /// Bit n: the request 0x80 + n is there.
    pub requests: [u8; 16],
    /// Flags that LOCK_INTERFACE may have, see [`crate::lock::Flags`].
    pub lock_flags: U16,
    /// Reserved.
    pub reserved: [u8; 3],
    /// Bits in an address.
    pub address_width: u8,
    /// How many requests may be under way for one TDI.
    pub requests_this: u8,
    /// How many requests may be under way for all TDIs together.
    pub requests_all: u8,
}

const _: () = assert!(size_of::<Capabilities>() == 28);

impl Capabilities {
    /// Whether the device knows a request.
    pub fn knows(&self, code: u8) -> bool {
        let bit = code.wrapping_sub(0x80);
        self.requests
            .get(usize::from(bit / 8))
            .is_some_and(|byte| byte & 1 << (bit % 8) != 0)
    }
}

pub(crate) fn decode(body: &[u8]) -> Option<Capabilities> {
    Capabilities::read_from_bytes(body).ok()
}
