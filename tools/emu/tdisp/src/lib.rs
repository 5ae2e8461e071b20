// SPDX-License-Identifier: GPL-2.0

//! TEE Device Interface Security Protocol, PCI Express 6.0 chapter 11.
//!
//! The protocol runs between the TEE Security Manager (TSM) of a platform and the Device Security
//! Manager (DSM) of a device. This crate has the messages ([`Request`], [`Response`], one file per
//! message), the sequences that a TSM runs ([`Procedure`]) and the state machines of a device
//! ([`Dsm`]). Bytes go in and bytes come out: how they travel (SPDM vendor defined messages in a
//! session, never outside of one) is somebody else's business; the DSM is told in which session.

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

pub mod capabilities;
mod dsm;
pub mod error;
mod header;
mod hosting;
mod interface;
pub mod interface_report;
pub mod lock;
pub mod mmio_attribute;
pub mod p2p;
mod procedure;
pub mod report;
mod request;
mod response;
pub mod start;
mod state;
pub mod vdm;
pub mod version;

pub use dsm::Dsm;
pub use error::ErrorCode;
pub use header::{Header, InterfaceId, HEADER_SIZE};
pub use hosting::{Features, Hosting};
pub use interface::{Interface, Lock};
pub use interface_report::InterfaceReport;
pub use procedure::{Fault, Operation, Procedure, Step};
pub use request::{Refused, Request};
pub use response::{Malformed, Response};
pub use state::State;

/// Bytes in the nonce that ties START_INTERFACE to LOCK_INTERFACE.
pub const NONCE_SIZE: usize = 32;
/// That nonce.
pub type Nonce = [u8; NONCE_SIZE];
