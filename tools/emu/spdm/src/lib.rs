// SPDX-License-Identifier: GPL-2.0

//! Security Protocol and Data Model 1.2 (DMTF DSP0274) and secured messages (DSP0277), as PCI
//! Express carries them through data object exchange (CMA and secured CMA).
//!
//! A [`Requester`] runs exchanges with a [`Responder`]: it connects, reads and verifies the
//! certificates of a device, challenges it, reads its measurements, opens a session and talks to it
//! in that session. Both take and give whole [`Packet`]s and do no I/O; neither has a clock. What
//! they need of the world around them is given to them: random bytes by [`Entropy`], what is
//! trusted by [`Trust`], the device by [`Services`].
//!
//! A message may come with the up to three bytes of padding that a transport of 32 bit words adds.
//!
//! One connection with one session is served. Algorithms: SHA-384, ECDSA and ECDHE over NIST P-384,
//! AES-256-GCM. Not offered: mutual authentication, pre-shared keys, chunking, handshakes in the
//! clear. SPDM 1.1 is spoken if it is asked for.
//!
//! Clauses of DSP0274 1.2.0, chapter 10, have the names of the messages that they specify, and so
//! have the modules here. Other numbers of chapters and sections are those of that version, too.

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
pub mod challenge;
mod connection;
#[cfg(test)]
mod device;
pub mod digests;
pub mod end_session;
mod entropy;
mod ephemeral;
pub mod error;
mod fault;
pub mod finish;
#[cfg(test)]
mod golden;
mod header;
pub mod heartbeat;
pub mod key_exchange;
mod key_schedule;
pub mod key_update;
pub mod measurements;
mod opaque;
mod packet;
mod record;
mod requester;
pub mod respond_if_ready;
mod responder;
mod secured;
mod session;
mod signature;
mod trust;
pub mod vendor;
pub mod version;

pub use chain::{CertificateChain, CHAIN_PREFIX_SIZE};
pub use entropy::Entropy;
pub use error::ErrorCode;
pub use fault::{ChainFault, Fault, Signed};
pub use header::{Header, HEADER_SIZE};
pub use packet::{Carriage, Packet};
pub use record::{Block, MeasurementRecord};
pub use requester::{Exchange, Found, Requester, Step};
pub use responder::{Mischief, Responder, Services};
pub use secured::OVERHEAD as SECURED_OVERHEAD;
pub use signature::{PublicKey, SigningKey, DIGEST_SIZE, SIGNATURE_SIZE};
pub use trust::Trust;
pub use version::Version;
