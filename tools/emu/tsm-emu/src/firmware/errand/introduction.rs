// SPDX-License-Identifier: GPL-2.0

//! The way to a session: who the device is, and whether it is to be trusted.

use super::super::fault::authentication;
use super::super::peer::Line;
use spdm::{measurements, Exchange, Found};
use tsm_wire::detail::{AuthenticationFault, Detail};
use tsm_wire::object::ObjectType;

/// A step of the way.
#[derive(Debug)]
pub(super) enum Introduction {
    /// Version, capabilities, algorithms.
    Connect,
    /// Digests of its certificate chains.
    Digests,
    /// The chain, as far as it was read.
    Certificate(Vec<u8>),
    /// Whether it has the key.
    Challenge,
    /// What it measures, as far as that was read.
    Measurements(Vec<u8>),
    /// Keys for messages that only the two understand.
    OpenSession,
}

impl Introduction {
    /// The whole way.
    pub(super) fn all() -> [Self; 6] {
        [
            Self::Connect,
            Self::Digests,
            Self::Certificate(Vec::new()),
            Self::Challenge,
            Self::Measurements(Vec::new()),
            Self::OpenSession,
        ]
    }

    pub(super) fn begin(&mut self, line: &mut Line<'_>) -> Exchange {
        let slot = line.peer.slot();
        match self {
            Self::Connect => {
                line.peer.trust(line.references);
                Exchange::Connect
            }
            Self::Digests => Exchange::Digests,
            Self::Certificate(_) => Exchange::Certificate { slot },
            Self::Challenge => Exchange::Challenge { slot },
            Self::Measurements(_) => Exchange::Measure {
                slot,
                operation: measurements::OPERATION_ALL,
                raw: false,
                signed: true,
                nonce: None,
            },
            Self::OpenSession => Exchange::OpenSession { slot },
        }
    }

    pub(super) fn take(&mut self, found: Found) -> Option<(ObjectType, Vec<u8>)> {
        match (self, found) {
            (Self::Connect, Found::Vca(bytes)) => Some((ObjectType::Vca, bytes)),
            (Self::Certificate(read), Found::Certificate(bytes)) => {
                read.extend_from_slice(&bytes);
                Some((ObjectType::Certificate, bytes))
            }
            (Self::Measurements(read), Found::Measurement(bytes)) => {
                read.extend(bytes);
                None
            }
            _ => None,
        }
    }

    /// Whether what was found is right, beyond what SPDM itself sees to.
    pub(super) fn end(&mut self, line: &mut Line<'_>) -> Result<(), Detail> {
        let (right, fault) = match self {
            Self::Certificate(read) => {
                let known = line.peer.certificates.get_or_insert_with(|| read.clone());
                (known == read, AuthenticationFault::OtherDevice)
            }
            Self::Measurements(read) => {
                let certificates = line.peer.certificates.as_deref().unwrap_or_default();
                let expected = line.references.measurements(certificates);
                (
                    expected == Some(read.as_slice()),
                    AuthenticationFault::Measurement,
                )
            }
            _ => return Ok(()),
        };
        if right {
            Ok(())
        } else {
            Err(authentication(fault))
        }
    }
}
