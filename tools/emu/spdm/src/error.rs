// SPDX-License-Identifier: GPL-2.0

//! ERROR.

use crate::header::message;
use crate::{Header, Version};
use zerocopy::FromBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// ERROR: the code in param 1, its data in param 2.
pub const RESPONSE: u8 = 0x7f;

/// Error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// A field of the request is not valid.
    InvalidRequest = 0x01,
    /// There is no session of this id (DSP0277).
    InvalidSession = 0x02,
    /// The same request may succeed later.
    Busy = 0x03,
    /// Not at this point of the connection.
    UnexpectedRequest = 0x04,
    /// Something else.
    Unspecified = 0x05,
    /// A secured message or an HMAC is not authentic.
    DecryptError = 0x06,
    /// The request is not known; the data is its code.
    UnsupportedRequest = 0x07,
    /// There are as many sessions as there can be.
    SessionLimitExceeded = 0x0a,
    /// The request belongs into a session.
    SessionRequired = 0x0b,
    /// The device has to be reset first.
    ResetRequired = 0x0c,
    /// The response would be longer than the requester takes.
    ResponseTooLarge = 0x0d,
    /// The request is longer than the responder takes.
    RequestTooLarge = 0x0e,
    /// The version is not known.
    VersionMismatch = 0x41,
    /// The response comes later; what follows says when.
    ResponseNotReady = 0x42,
    /// Everything has to start over from GET_VERSION.
    RequestResynch = 0x43,
}

/// What follows [`ErrorCode::ResponseNotReady`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct NotReady {
    /// It is ready after 2 to the power of this, in microseconds.
    pub exponent: u8,
    /// The request that is worked on.
    pub request: u8,
    /// What RESPOND_IF_READY has to hold.
    pub token: u8,
    /// It is dropped after this many times as long; above 1.
    pub multiplier: u8,
}

/// The version in the header, where none is agreed on, is 1.0.
pub(crate) fn encode(version: Option<Version>, code: ErrorCode, data: u8, more: &[u8]) -> Vec<u8> {
    let version = version.map_or(crate::version::HEADER_VERSION, Version::wire);
    message(version, RESPONSE, code as u8, data, more)
}

/// Code of an ERROR; `None` if it is something else.
pub(crate) fn code(bytes: &[u8]) -> Option<u8> {
    let (header, _) = Header::read_from_prefix(bytes).ok()?;
    (header.code == RESPONSE).then_some(header.param1)
}

/// What follows [`ErrorCode::ResponseNotReady`].
pub(crate) fn not_ready(bytes: &[u8]) -> Option<NotReady> {
    let (header, body) = Header::read_from_prefix(bytes).ok()?;
    let expected = (RESPONSE, ErrorCode::ResponseNotReady as u8);
    let (detail, _) = NotReady::read_from_prefix(body).ok()?;
    ((header.code, header.param1) == expected).then_some(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn layout() {
        let detail = NotReady {
            exponent: 10,
            request: 0xe4,
            token: 7,
            multiplier: 2,
        };
        let code = ErrorCode::ResponseNotReady;
        let bytes = encode(Some(Version::V1_2), code, 0, detail.as_bytes());
        assert_eq!(bytes, [0x12, 0x7f, 0x42, 0, 10, 0xe4, 7, 2]);
        assert_eq!(not_ready(&bytes), Some(detail));
        assert_eq!(super::code(&bytes), Some(0x42));
        assert_eq!(not_ready(&bytes[..7]), None);
        let busy = encode(None, ErrorCode::Busy, 0, &[0; 4]);
        assert_eq!(busy[0], 0x10);
        assert_eq!(not_ready(&busy), None);
        assert_eq!(super::code(&[0x12, 0x04, 3, 0]), None);
    }
}
