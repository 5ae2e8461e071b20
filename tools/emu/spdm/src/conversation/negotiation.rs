// SPDX-License-Identifier: GPL-2.0

//! VERSION, CAPABILITIES, ALGORITHMS: what a connection starts with. What is read is the
//! transcript of it (VCA).

use super::{Conversation, Turn, DATA_TRANSFER_SIZE};
use crate::capabilities::{Capabilities, CERT_CAP};
use crate::header::VERSION_1_2;
use crate::{algorithms, capabilities, version, Fault};

#[derive(Clone, Copy, Debug)]
enum Phase {
    Version,
    Capabilities,
    Algorithms,
}

/// Starts a connection.
#[derive(Clone, Debug)]
pub struct Negotiation {
    phase: Phase,
}

impl Negotiation {
    /// From the beginning.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            phase: Phase::Version,
        }
    }
}

impl Conversation for Negotiation {
    fn begin(&mut self) -> Turn {
        self.phase = Phase::Version;
        Turn {
            take: None,
            request: Some(version::encode()),
            keep_request: true,
        }
    }

    fn take(&mut self, response: &[u8]) -> Result<Turn, Fault> {
        let (length, request) = match self.phase {
            Phase::Version => {
                let (length, versions) = version::decode_response(response)?;
                if !versions.iter().any(|v| v >> 8 == u16::from(VERSION_1_2)) {
                    return Err(Fault::Malformed);
                }
                self.phase = Phase::Capabilities;
                let own = Capabilities::new(0, DATA_TRANSFER_SIZE);
                (
                    length,
                    Some(capabilities::encode(capabilities::REQUEST, &own)),
                )
            }
            Phase::Capabilities => {
                let (length, theirs) = capabilities::decode_response(response)?;
                if theirs.flags.get() & CERT_CAP == 0 {
                    return Err(Fault::Malformed);
                }
                self.phase = Phase::Algorithms;
                (length, Some(algorithms::encode()))
            }
            Phase::Algorithms => (algorithms::decode_response(response)?.0, None),
        };
        Ok(Turn {
            take: Some(0..length),
            keep_request: request.is_some(),
            request,
        })
    }
}
