// SPDX-License-Identifier: GPL-2.0

//! TDISP_ERROR (11.3.24).

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// TDISP_ERROR. Body: [`ErrorBody`], then extended data.
pub(crate) const RESPONSE: u8 = 0x7f;

/// Error codes (table 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// A field of the request is not valid.
    InvalidRequest = 0x0001,
    /// The same request may succeed later.
    Busy = 0x0003,
    /// The state of the TDI does not allow the request.
    InvalidInterfaceState = 0x0004,
    /// Something else.
    Unspecified = 0x0005,
    /// The request is not known; the data is its code.
    UnsupportedRequest = 0x0007,
    /// The version is not known.
    VersionMismatch = 0x0041,
    /// A vendor's; see the extended data.
    VendorSpecific = 0x00ff,
    /// There is no such TDI.
    InvalidInterface = 0x0101,
    /// The nonce is not that of the lock.
    InvalidNonce = 0x0102,
    /// No nonce could be made.
    InsufficientEntropy = 0x0103,
    /// The TDI cannot be locked as it is configured.
    InvalidDeviceConfiguration = 0x0104,
}

/// Body of TDISP_ERROR without extended data.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ErrorBody {
    /// An [`ErrorCode`].
    pub code: U32,
    /// Its meaning is the code's.
    pub data: U32,
}

pub(crate) fn encode(code: u32, data: u32) -> Vec<u8> {
    let body = ErrorBody {
        code: U32::new(code),
        data: U32::new(data),
    };
    body.as_bytes().to_vec()
}

pub(crate) fn decode(body: &[u8]) -> Option<(u32, u32)> {
    let (error, _extended) = ErrorBody::read_from_prefix(body).ok()?;
    Some((error.code.get(), error.data.get()))
}
