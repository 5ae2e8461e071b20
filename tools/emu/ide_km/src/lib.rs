// SPDX-License-Identifier: GPL-2.0

//! IDE Key Management, PCI Express 6.0 section 6.33.3.
//!
//! The protocol carries the keys of Integrity and Data Encryption streams into a device. This crate
//! has its messages (one file each), the sequences that a requester runs ([`Procedure`]) and a port
//! with what IDE is at that end: registers and keys ([`Port`]). Both ends of a stream are such a
//! port. The one in a device gets its keys by messages; the one in a root complex is keyed by the
//! firmware there, which calls it directly.
//!
//! Bytes go in and bytes come out. A message starts with its object ID: the protocol ID in front of
//! it, 0 for IDE_KM, belongs to who carries it. It may be carried inside of an SPDM session only.
//!
//! Layouts are those of public code: `pci_idekm.h` of DMTF's libspdm, and for the order of key bytes
//! `key_byte_order.md` of Intel's tee-io-validator.

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

pub mod k_gostop_ack;
pub mod k_set_go;
pub mod k_set_stop;
mod key;
pub mod key_prog;
mod key_store;
pub mod kp_ack;
mod port;
mod procedure;
pub mod query;
pub mod query_resp;
mod registers;
mod slot;
mod target;

pub use key::{Key, Keys};
pub use key_prog::KeyProg;
pub use key_store::{KeyStore, Refused};
pub use kp_ack::{KpAck, Status};
pub use port::Port;
pub use procedure::{Fault, Milestone, Procedure, Step};
pub use query_resp::QueryResp;
pub use registers::{Capability, Shape, CAPABILITY_ID, CAPABILITY_VERSION};
pub use slot::{Direction, KeySet, Slot, SubStream};
pub use target::Target;

/// Protocol ID of IDE_KM in a vendor defined message of the PCI-SIG.
pub const PROTOCOL_ID: u8 = 0;
/// Stream ID that no stream has: Linux gives it to register blocks that are not in use.
pub const RESERVED_STREAM: u8 = 255;
