// SPDX-License-Identifier: GPL-2.0

//! A device, as firmware talks with it.

use super::fault::{of_spdm, transport};
use super::references::References;
use super::root_ports::RootPorts;
use crate::entropy::SystemEntropy;
use spdm::{Carriage, Exchange, Fault, Packet, Requester, Step, Trust};
use std::time::{SystemTime, UNIX_EPOCH};
use tsm_wire::detail::{Detail, TransportFault};

/// Bytes of a secured message before its length, and with it.
const SECURED_LENGTH: std::ops::Range<usize> = 4..6;
/// Most bytes of padding after a message.
const PADDING_MAX: usize = 3;

/// An IDE stream to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Number of the root port that it ends at.
    pub(super) root_port: usize,
    /// Its stream ID.
    pub(super) stream: u8,
}

/// A device and the session with it.
#[derive(Debug)]
pub struct Peer {
    requester: Requester,
    slot: u8,
    /// Certificates that it showed when it was connected. It has to show the same ones again
    /// whenever a session is opened anew.
    pub(super) certificates: Option<Vec<u8>>,
    /// The IDE stream to it, if one is connected.
    pub(super) link: Option<Link>,
    /// How the request that is under way travels: an answer travels the same way, or DOE does not
    /// take it for one.
    carriage: Carriage,
}

/// What talking with a device needs and changes.
#[derive(Debug)]
pub struct Line<'a> {
    pub(super) peer: &'a mut Peer,
    pub(super) root_ports: &'a mut RootPorts,
    pub(super) references: &'a References,
}

impl Peer {
    /// Nothing was said yet. Its certificates are in this slot.
    pub(super) fn new(slot: u8) -> Self {
        Self {
            requester: Requester::new(Trust::default(), Box::new(SystemEntropy)),
            slot,
            certificates: None,
            link: None,
            carriage: Carriage::Plain,
        }
    }

    /// The same, where pages have whole DOE objects.
    pub(super) fn with_headers(slot: u8) -> Self {
        let mut peer = Self::new(slot);
        peer.requester.leave_room();
        peer
    }

    /// Slot of its certificates.
    pub(super) fn slot(&self) -> u8 {
        self.slot
    }

    /// The session, if one is open.
    pub(super) fn session(&self) -> Option<u32> {
        self.requester.session()
    }

    /// What was said is lost: connection and session are gone.
    pub(super) fn forget(&mut self) {
        self.requester.forget();
    }

    /// What it is trusted for from now on.
    pub(super) fn trust(&mut self, references: &References) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        *self.requester.trust_mut() = Trust {
            roots: references.roots(),
            now: now.unwrap_or_default().as_secs(),
        };
    }

    /// Begins an exchange.
    pub(super) fn begin(&mut self, exchange: Exchange) -> Result<Packet, Detail> {
        let packet = self.requester.begin(exchange).map_err(of_spdm)?;
        self.carriage = packet.carriage;
        Ok(packet)
    }

    /// Takes the answer to the request before.
    pub(super) fn take(&mut self, answer: &[u8]) -> Result<Step, Detail> {
        let packet = Packet {
            carriage: self.carriage,
            bytes: answer.to_vec(),
        };
        let step = self.requester.take(&packet).map_err(|fault| match fault {
            Fault::Decrypt => undecipherable(answer),
            fault => of_spdm(fault),
        })?;
        if let Step::Send { packet, .. } = &step {
            self.carriage = packet.carriage;
        }
        Ok(step)
    }
}

/// Why a secured message is not authentic: one that was cut off cannot be.
fn undecipherable(answer: &[u8]) -> Detail {
    let length = answer
        .get(SECURED_LENGTH)
        .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    let end = length.map(|length| SECURED_LENGTH.end + usize::from(u16::from_le_bytes(length)));
    match end {
        Some(end) if answer.len() > end + PADDING_MAX => transport(TransportFault::TooLong),
        Some(end) if answer.len() >= end => of_spdm(Fault::Decrypt),
        _ => transport(TransportFault::Short),
    }
}
