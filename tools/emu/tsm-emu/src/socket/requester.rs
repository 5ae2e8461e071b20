// SPDX-License-Identifier: GPL-2.0

//! All that a requester can do with a responder, once: SPDM, then IDE_KM and TDISP in a session.

use super::dialogue::{Dialogue, DialogueError};
use ide_km::{KeySet, Keys};
use spdm::measurements::{OPERATION_ALL, OPERATION_COUNT};
use spdm::vendor::{PROTOCOL_IDE_KM, PROTOCOL_TDISP};
use spdm::Exchange;
use std::fmt::Display;
use std::io::{Read, Write};
use tdisp::{Nonce, Operation};
use thiserror::Error;

/// Slot of the certificates that are asked for.
const SLOT: u8 = 0;
/// Selective IDE stream that is keyed, and the default stream of the TDI.
const STREAM: u8 = 0;
/// Key set of the stream that is used.
const KEY_SET: KeySet = KeySet::K0;

/// Which part of a device is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Index of the IDE port.
    pub port: u8,
    /// Requester ID of the TDI.
    pub function: u16,
}

/// Why the responder does not do all of it.
#[derive(Debug, Error)]
pub enum TourError {
    /// An exchange was not done.
    #[error(transparent)]
    Dialogue(#[from] DialogueError),
    /// IDE_KM failed.
    #[error("IDE_KM: {0}")]
    IdeKm(#[from] ide_km::Fault),
    /// TDISP failed.
    #[error("TDISP: {0}")]
    Tdisp(#[from] tdisp::Fault),
    /// There is no entropy.
    #[error("no entropy")]
    Entropy,
}

/// Goes through all of it. `report` is told of each thing that was done.
pub fn tour<S: Read + Write>(
    dialogue: &mut Dialogue<S>,
    part: Part,
    report: &mut dyn FnMut(&str),
) -> Result<(), TourError> {
    let mut tour = Tour { dialogue, report };
    tour.authenticate()?;
    tour.session(part)?;
    // The connection is there for another session.
    tour.step("session again", Exchange::OpenSession { slot: SLOT })?;
    tour.heartbeat()?;
    tour.step("end of session", Exchange::CloseSession)
}

struct Tour<'a, S> {
    dialogue: &'a mut Dialogue<S>,
    report: &'a mut dyn FnMut(&str),
}

fn measure(operation: u8, raw: bool, signed: bool) -> Exchange {
    Exchange::Measure {
        slot: SLOT,
        operation,
        raw,
        signed,
        nonce: None,
    }
}

impl<S: Read + Write> Tour<'_, S> {
    fn step(&mut self, what: &str, exchange: Exchange) -> Result<(), TourError> {
        self.dialogue.perform(exchange)?;
        (self.report)(what);
        Ok(())
    }

    fn authenticate(&mut self) -> Result<(), TourError> {
        self.step("version, capabilities, algorithms", Exchange::Connect)?;
        self.step("digests", Exchange::Digests)?;
        self.step("certificates", Exchange::Certificate { slot: SLOT })?;
        self.step("challenge", Exchange::Challenge { slot: SLOT })?;
        self.step(
            "number of measurements",
            measure(OPERATION_COUNT, false, false),
        )?;
        self.step("measurement 1", measure(1, false, false))?;
        self.step("measurement 1, raw, signed", measure(1, true, true))?;
        self.step("measurements, signed", measure(OPERATION_ALL, false, true))
    }

    /// A sign of life, if the responder wants to see any.
    fn heartbeat(&mut self) -> Result<(), TourError> {
        if self.dialogue.requester().heartbeat_period() == 0 {
            return Ok(());
        }
        self.step("heartbeat", Exchange::Heartbeat)
    }

    fn session(&mut self, part: Part) -> Result<(), TourError> {
        self.step("session", Exchange::OpenSession { slot: SLOT })?;
        self.step("digests in session", Exchange::Digests)?;
        self.step(
            "certificates in session",
            Exchange::Certificate { slot: SLOT },
        )?;
        self.heartbeat()?;
        self.stream(part)?;
        self.interface(part)?;
        let stop = ide_km::Procedure::stop(part.port, STREAM, KEY_SET);
        self.key_management("IDE_KM", stop)?;
        self.step("new keys for requests", Exchange::KeyUpdate { all: false })?;
        self.step("new keys for both", Exchange::KeyUpdate { all: true })?;
        self.step(
            "measurements in session, signed",
            measure(OPERATION_ALL, false, true),
        )?;
        self.step("measurement 1 in session, raw", measure(1, true, false))?;
        self.step("end of session", Exchange::CloseSession)
    }

    /// IDE_KM: a stream is keyed.
    fn stream(&mut self, part: Part) -> Result<(), TourError> {
        let mut entropy = |bytes: &mut [u8]| getrandom::fill(bytes).is_ok();
        let keys = Keys::generate(&mut entropy).ok_or(TourError::Entropy)?;
        let establish = ide_km::Procedure::establish(part.port, STREAM, KEY_SET, keys);
        self.key_management("IDE_KM", establish)
    }

    fn key_management(
        &mut self,
        what: &str,
        mut procedure: ide_km::Procedure,
    ) -> Result<(), TourError> {
        let mut request = Some(procedure.begin());
        while let Some(payload) = request {
            let answer = self.dialogue.vendor(PROTOCOL_IDE_KM, payload)?;
            let step = procedure.take(&answer)?;
            if let Some(milestone) = step.reached {
                (self.report)(&format!("{what}: {milestone:?}"));
            }
            request = step.request;
        }
        Ok(())
    }

    /// TDISP: a TDI is locked, reported, started and stopped.
    fn interface(&mut self, part: Part) -> Result<(), TourError> {
        let nonce = self.tdi(part, Operation::Lock)?;
        self.tdi(part, Operation::Report)?;
        self.tdi(part, Operation::Start(nonce.unwrap_or_default()))?;
        self.tdi(part, Operation::Stop)?;
        Ok(())
    }

    fn tdi(&mut self, part: Part, operation: Operation) -> Result<Option<Nonce>, TourError> {
        let mut procedure = tdisp::Procedure::new(part.function, operation).on_stream(STREAM);
        let mut request = Some(procedure.begin());
        while let Some(payload) = request {
            let answer = self.dialogue.vendor(PROTOCOL_TDISP, payload)?;
            request = procedure.take(&answer)?.request;
        }
        let name: &dyn Display = match operation {
            Operation::Lock => &"lock",
            Operation::Report => &"report",
            Operation::Start(_) => &"start",
            Operation::Stop => &"stop",
            Operation::State => &"state",
        };
        (self.report)(&format!("TDISP: {name}"));
        Ok(procedure.nonce())
    }
}
