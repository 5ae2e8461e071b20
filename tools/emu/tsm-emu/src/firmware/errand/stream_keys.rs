// SPDX-License-Identifier: GPL-2.0

//! Keys of an IDE stream: the device's end by IDE_KM, the root port's by the firmware's own means.

use super::super::fault::{authentication, no_root_port, of_ide_km, of_root_port};
use super::super::peer::{Line, Link};
use super::super::root_port::RootPort;
use crate::entropy::SystemEntropy;
use ide_km::{Direction, KeySet, Keys, Milestone, Procedure};
use spdm::{vendor, Entropy, Exchange, Found};
use tsm_wire::detail::{AuthenticationFault, Detail};

/// The device's only port.
const PORT_INDEX: u8 = 0;
/// Keys that are lost with a session are replaced by new ones in the same set, since nothing uses
/// them any more.
const KEY_SET: KeySet = KeySet::K0;

/// Keys on their way, to the device or from it.
#[derive(Debug)]
pub(super) struct StreamKeys {
    link: Link,
    establishes: bool,
    /// Until the root port has them.
    keys: Option<Keys>,
    procedure: Option<Procedure>,
    request: Option<Vec<u8>>,
}

impl StreamKeys {
    /// New keys for both ends.
    pub(super) fn establish(link: Link) -> Self {
        Self {
            link,
            establishes: true,
            keys: None,
            procedure: None,
            request: None,
        }
    }

    /// No keys any more, at both ends.
    pub(super) fn stop(link: Link) -> Self {
        Self {
            establishes: false,
            ..Self::establish(link)
        }
    }

    fn root_port<'l>(&self, line: &'l mut Line<'_>) -> Result<&'l mut RootPort, Detail> {
        let root_port = line.root_ports.get_mut(self.link.root_port);
        root_port.ok_or(no_root_port())
    }

    pub(super) fn begin(&mut self, line: &mut Line<'_>) -> Result<Option<Exchange>, Detail> {
        self.root_port(line)?.stop(self.link.stream);
        let procedure = if self.establishes {
            let keys = Keys::generate(&mut |bytes| SystemEntropy.fill(bytes).is_some())
                .ok_or(authentication(AuthenticationFault::Entropy))?;
            self.keys = Some(keys.clone());
            Procedure::establish(PORT_INDEX, self.link.stream, KEY_SET, keys)
        } else {
            line.peer.link = None;
            if line.peer.session().is_none() {
                return Ok(None);
            }
            Procedure::stop(PORT_INDEX, self.link.stream, KEY_SET)
        };
        let request = procedure.begin();
        self.procedure = Some(procedure);
        Ok(Some(exchange(request)))
    }

    /// The ports take turns, so that neither transmits before the other can receive.
    pub(super) fn take(&mut self, line: &mut Line<'_>, found: Found) -> Result<(), Detail> {
        let (Some(procedure), Found::Vendor(answer)) = (self.procedure.as_mut(), found) else {
            return Ok(());
        };
        let step = procedure.take(&answer).map_err(of_ide_km)?;
        self.request = step.request;
        let (root_port, stream) = (self.root_port(line)?, self.link.stream);
        match step.reached {
            Some(Milestone::Programmed) => {
                if let Some(keys) = self.keys.take() {
                    root_port
                        .program(stream, KEY_SET, &keys)
                        .map_err(of_root_port)?;
                }
                root_port
                    .go(stream, KEY_SET, Direction::Receive)
                    .map_err(of_root_port)
            }
            Some(Milestone::Receiving) => root_port
                .go(stream, KEY_SET, Direction::Transmit)
                .map_err(of_root_port),
            _ => Ok(()),
        }
    }

    pub(super) fn go_on(&mut self, line: &mut Line<'_>) -> Option<Exchange> {
        let next = self.request.take().map(exchange);
        if next.is_none() && self.establishes {
            line.peer.link = Some(self.link);
        }
        next
    }
}

fn exchange(payload: Vec<u8>) -> Exchange {
    Exchange::Vendor {
        protocol: vendor::PROTOCOL_IDE_KM,
        payload,
    }
}
