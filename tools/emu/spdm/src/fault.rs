// SPDX-License-Identifier: GPL-2.0

//! Why a requester cannot go on.

use thiserror::Error;

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is ERROR; see [`crate::ErrorCode`] for the codes.
    #[error("SPDM error {0:#x}")]
    Refused(u8),
    /// It ends before what it has to hold does.
    #[error("response too short")]
    Short,
    /// It goes on after what it has to hold.
    #[error("response too long")]
    TooLong,
    /// It is another response than the one to the request.
    #[error("unexpected response {0:#x}")]
    Unexpected(u8),
    /// A field has a value that it may not have.
    #[error("malformed response")]
    Malformed,
}
