// SPDX-License-Identifier: GPL-2.0

//! SPDM over a connection: exchanges are carried until they are done, and recorded if wanted.

use super::connection::{Connection, ConnectionError};
use crate::capture::{Capture, Direction};
use crate::doe::Object;
use spdm::{Carriage, Exchange, Found, Packet, Requester, Step};
use std::io::{self, Read, Write};
use std::thread;
use std::time::SystemTime;
use thiserror::Error;

/// Why an exchange was not done.
#[derive(Debug, Error)]
pub enum DialogueError {
    /// There is no answer.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The answer is not acceptable.
    #[error("SPDM: {0}")]
    Spdm(#[from] spdm::Fault),
    /// The answer is a data object of another type.
    #[error("answered with a data object of type {0}")]
    Kind(u8),
    /// What was said cannot be recorded.
    #[error("capture: {0}")]
    Capture(#[from] io::Error),
    /// Nothing came back where the answer to a vendor's message has to be.
    #[error("no vendor defined response")]
    NoVendor,
}

/// A requester with a connection to a responder.
#[derive(Debug)]
pub struct Dialogue<S> {
    connection: Connection<S>,
    requester: Requester,
    capture: Option<Capture>,
}

impl<S: Read + Write> Dialogue<S> {
    /// Of this requester, over this connection.
    pub fn new(connection: Connection<S>, requester: Requester, capture: Option<Capture>) -> Self {
        Self {
            connection,
            requester,
            capture,
        }
    }

    /// Does an exchange; what was found.
    pub fn perform(&mut self, exchange: Exchange) -> Result<Vec<Found>, DialogueError> {
        let mut all = Vec::new();
        let mut request = self.requester.begin(exchange)?;
        loop {
            let answer = self.carry(&request)?;
            match self.requester.take(&answer)? {
                Step::Send {
                    packet,
                    found,
                    after,
                } => {
                    all.extend(found);
                    request = packet;
                    thread::sleep(after);
                }
                Step::Done { found } => {
                    all.extend(found);
                    return Ok(all);
                }
            }
        }
    }

    /// Sends a message of a protocol; its answer.
    pub fn vendor(&mut self, protocol: u8, payload: Vec<u8>) -> Result<Vec<u8>, DialogueError> {
        let found = self.perform(Exchange::Vendor { protocol, payload })?;
        found
            .into_iter()
            .find_map(|found| match found {
                Found::Vendor(payload) => Some(payload),
                _ => None,
            })
            .ok_or(DialogueError::NoVendor)
    }

    /// The requester.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// The connection, without the requester.
    pub fn into_connection(self) -> Connection<S> {
        self.connection
    }

    fn carry(&mut self, request: &Packet) -> Result<Packet, DialogueError> {
        let request = Object::of_bytes(request.carriage.data_object_type(), &request.bytes);
        self.record(Direction::Request, &request)?;
        let answer = self.connection.exchange(&request)?;
        self.record(Direction::Response, &answer)?;
        let carriage = Carriage::of(answer.kind).ok_or(DialogueError::Kind(answer.kind))?;
        Ok(Packet {
            carriage,
            bytes: answer.bytes(),
        })
    }

    fn record(&mut self, direction: Direction, object: &Object) -> io::Result<()> {
        match &mut self.capture {
            Some(capture) => capture.record(0, direction, object, SystemTime::now()),
            None => Ok(()),
        }
    }
}
