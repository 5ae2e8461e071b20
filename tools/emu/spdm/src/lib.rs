// SPDX-License-Identifier: GPL-2.0

//! Security Protocol and Data Model 1.2 (DMTF DSP0274), the part of it that needs no session.
//!
//! A [`Responder`] answers requests; a [`Conversation`] asks for something until it has it. Both
//! take and give the bytes of whole messages and do no I/O. A message may come with the up to three
//! bytes of padding that a transport of 32 bit words adds (PCI Express DOE).
//!
//! Section numbers are those of DSP0274 1.2.0, chapter 10.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod algorithms;
pub mod capabilities;
pub mod certificate;
mod chain;
mod conversation;
pub mod error;
mod fault;
mod header;
pub mod measurements;
mod record;
mod responder;
pub mod vendor;
pub mod version;

pub use chain::{CertificateChain, CHAIN_PREFIX_SIZE};
pub use conversation::{CertificateRead, Conversation, MeasurementRead, Negotiation, Turn};
pub use error::ErrorCode;
pub use fault::Fault;
pub use header::{Header, HEADER_SIZE};
pub use record::{Block, MeasurementRecord};
pub use responder::{Responder, Services};
