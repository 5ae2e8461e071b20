// SPDX-License-Identifier: GPL-2.0

//! ERROR (10.10).

use crate::header::message;

/// ERROR: the code in param 1, its data in param 2.
pub const RESPONSE: u8 = 0x7f;

/// Error codes (table 53).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// A field of the request is not valid.
    InvalidRequest = 0x01,
    /// The same request may succeed later.
    Busy = 0x03,
    /// Not at this point of the connection.
    UnexpectedRequest = 0x04,
    /// Something else.
    Unspecified = 0x05,
    /// The request is not known; the data is its code.
    UnsupportedRequest = 0x07,
    /// The response would be longer than the requester takes.
    ResponseTooLarge = 0x0d,
    /// The request is longer than the responder takes.
    RequestTooLarge = 0x0e,
    /// The version is not known.
    VersionMismatch = 0x41,
}

pub(crate) fn encode(version: u8, code: ErrorCode, data: u8) -> Vec<u8> {
    message(version, RESPONSE, code as u8, data, &[])
}
