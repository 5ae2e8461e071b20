// SPDX-License-Identifier: GPL-2.0

//! What can be asked for, and what comes of it.

use super::authentication::CertificateRead;
use super::measurement::MeasurementRead;
use crate::capabilities::Capabilities;
use crate::connection::Transcript;
use crate::ephemeral::EphemeralKey;
use crate::measurements::NONCE_SIZE;
use crate::{Packet, Version, DIGEST_SIZE};
use std::fmt;
use std::time::Duration;

/// Something to ask a responder for.
///
/// [`Digests`](Self::Digests), [`Certificate`](Self::Certificate), [`Measure`](Self::Measure) and
/// [`Vendor`](Self::Vendor) go through the session if one is open.
#[derive(Clone, PartialEq, Eq)]
pub enum Exchange {
    /// A connection: VERSION, CAPABILITIES, ALGORITHMS. What was before is over.
    Connect,
    /// The digests of all certificate chains.
    Digests,
    /// The certificate chain of a slot, which is then verified.
    Certificate {
        /// Below 8.
        slot: u8,
    },
    /// Proof that the device has the key of its certificate. Needs the chain of that slot; not in a
    /// session.
    Challenge {
        /// The slot of [`Certificate`](Self::Certificate).
        slot: u8,
    },
    /// Measurements.
    Measure {
        /// The slot to sign with: that of [`Certificate`](Self::Certificate).
        slot: u8,
        /// An `OPERATION_*` of [`measurements`](crate::measurements) or the index of a block. All
        /// blocks are read one by one if they are too many for a message, each signed.
        operation: u8,
        /// Raw bit streams where there are some, not digests.
        raw: bool,
        /// With a signature.
        signed: bool,
        /// What is signed; `None` for something new.
        nonce: Option<[u8; NONCE_SIZE]>,
    },
    /// A session: KEY_EXCHANGE and FINISH. Needs the chain of that slot.
    OpenSession {
        /// The slot of [`Certificate`](Self::Certificate).
        slot: u8,
    },
    /// A vendor defined message of PCI-SIG.
    Vendor {
        /// A `PROTOCOL_*` of [`vendor`](crate::vendor).
        protocol: u8,
        /// What follows the protocol.
        payload: Vec<u8>,
    },
    /// A sign of life in the session.
    Heartbeat,
    /// New keys in the session.
    KeyUpdate {
        /// For both directions, not only for requests.
        all: bool,
    },
    /// The end of the session.
    CloseSession,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("Connect"),
            Self::Digests => f.write_str("Digests"),
            Self::Certificate { slot } => write!(f, "Certificate({slot})"),
            Self::Challenge { slot } => write!(f, "Challenge({slot})"),
            Self::Measure {
                operation, signed, ..
            } => write!(f, "Measure({operation:#x}, signed: {signed})"),
            Self::OpenSession { slot } => write!(f, "OpenSession({slot})"),
            // The payload may hold keys of IDE.
            Self::Vendor { protocol, payload } => {
                write!(f, "Vendor({protocol}, {} bytes)", payload.len())
            }
            Self::Heartbeat => f.write_str("Heartbeat"),
            Self::KeyUpdate { all } => write!(f, "KeyUpdate(all: {all})"),
            Self::CloseSession => f.write_str("CloseSession"),
        }
    }
}

/// What follows from a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The exchange goes on.
    Send {
        /// The next request.
        packet: Packet,
        /// What the response gave.
        found: Vec<Found>,
        /// How long to wait before sending it.
        after: Duration,
    },
    /// The exchange is over.
    Done {
        /// What the response gave.
        found: Vec<Found>,
    },
}

impl Step {
    pub(super) fn done(found: Found) -> Self {
        Self::Done { found: vec![found] }
    }
}

/// Something that a response gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Whole messages, a request and its response: together they are what the connection is based
    /// on (version, capabilities, algorithms).
    Vca(Vec<u8>),
    /// Digests of the certificate chains.
    Digests {
        /// Bit n: slot n has one.
        slots: u8,
        /// In the order of their slots.
        digests: Vec<[u8; DIGEST_SIZE]>,
    },
    /// More of the certificates in DER, without what SPDM puts before them. They are not verified
    /// before the exchange is over.
    Certificate(Vec<u8>),
    /// More of the measurement record. If it is signed, the signature is right.
    Measurement(Vec<u8>),
    /// How many measurement blocks there are.
    MeasurementCount(u8),
    /// What a vendor defined message holds after its protocol.
    Vendor(Vec<u8>),
}

/// Which response is waited for.
pub(super) enum Stage {
    Version,
    Capabilities(Version, Transcript),
    Algorithms(Version, Capabilities, Transcript),
    Digests,
    Certificate(CertificateRead),
    Challenge {
        slot: u8,
    },
    Measure(MeasurementRead),
    KeyExchange {
        slot: u8,
        half: u16,
        key: EphemeralKey,
    },
    Finish,
    Vendor {
        protocol: u8,
    },
    Heartbeat,
    UpdateKeys {
        all: bool,
        tag: u8,
    },
    VerifyKey {
        tag: u8,
    },
    EndSession,
}
