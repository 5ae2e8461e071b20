// SPDX-License-Identifier: GPL-2.0

//! The requester: conversations that get something from a responder.

mod certificate_read;
mod measurement_read;
mod negotiation;

pub use certificate_read::CertificateRead;
pub use measurement_read::MeasurementRead;
pub use negotiation::Negotiation;

use crate::Fault;
use std::ops::Range;

/// Most bytes of a message that the requester takes: one granule, which is what the host gives it.
pub(crate) const DATA_TRANSFER_SIZE: u32 = 4096;

/// What follows from a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Which bytes of the response belong to what is read.
    pub take: Option<Range<usize>>,
    /// The next request; without one the conversation is over.
    pub request: Option<Vec<u8>>,
    /// The whole of that request belongs to what is read, too.
    pub keep_request: bool,
}

/// Requests go out and responses come in until it is over.
pub trait Conversation {
    /// The first request.
    fn begin(&mut self) -> Turn;

    /// Takes the response to the request before.
    fn take(&mut self, response: &[u8]) -> Result<Turn, Fault>;
}
