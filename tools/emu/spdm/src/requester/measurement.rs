// SPDX-License-Identifier: GPL-2.0

//! MEASUREMENTS: what runs on the device. All blocks at once if they fit in a message, else
//! block by block.

use super::exchange::Stage;
use super::{Found, Requester, Step};
use crate::capabilities::{MEAS_CAP, MEAS_CAP_SIG};
use crate::measurements::{self, NONCE_SIZE, OPERATION_ALL, OPERATION_COUNT, SIGNING_CONTEXT};
use crate::{signature, ErrorCode, Fault, Packet, Signed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What was asked for.
    Asked,
    /// How many blocks there are.
    Count,
    /// One block of several.
    Block { index: u8, found: u8, total: u8 },
}

/// Measurements that are being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasurementRead {
    slot: u8,
    operation: u8,
    raw: bool,
    signed: bool,
    nonce: Option<[u8; NONCE_SIZE]>,
    phase: Phase,
}

impl MeasurementRead {
    fn operation(&self) -> u8 {
        match self.phase {
            Phase::Asked => self.operation,
            Phase::Count => OPERATION_COUNT,
            Phase::Block { index, .. } => index,
        }
    }

    /// The slot that signs the next response. Also how many blocks there are is signed for: who
    /// could change that could leave blocks out.
    fn signer(&self) -> Option<u8> {
        self.signed.then_some(self.slot)
    }
}

impl Requester {
    pub(super) fn ask_measurements(
        &mut self,
        slot: u8,
        operation: u8,
        raw: bool,
        signed: bool,
        nonce: Option<[u8; NONCE_SIZE]>,
    ) -> Result<Packet, Fault> {
        let wanted = if signed { MEAS_CAP_SIG } else { 0 };
        let connection = self.capable(MEAS_CAP, wanted)?;
        let flags = connection.capabilities.flags();
        if flags & MEAS_CAP == 0 || !connection.agreed.measurements {
            return Err(Fault::MissingCapability);
        }
        if signed {
            self.peer(slot)?;
        }
        let read = MeasurementRead {
            slot,
            operation,
            raw,
            signed,
            nonce,
            phase: Phase::Asked,
        };
        let request = self.measurement_request(&read)?;
        let secured = self.session.is_some();
        self.send(Stage::Measure(read), request, secured)
    }

    fn measurement_request(&mut self, read: &MeasurementRead) -> Result<Vec<u8>, Fault> {
        let version = self.agreed()?;
        let operation = read.operation();
        let Some(slot) = read.signer() else {
            return Ok(measurements::encode(version, read.raw, operation, None));
        };
        let nonce = match read.nonce {
            Some(nonce) => nonce,
            None => self.draw()?,
        };
        let signed = Some((&nonce, slot));
        Ok(measurements::encode(version, read.raw, operation, signed))
    }

    fn measure_next(
        &mut self,
        read: MeasurementRead,
        phase: Phase,
        found: Vec<Found>,
    ) -> Result<Step, Fault> {
        let read = MeasurementRead { phase, ..read };
        let request = self.measurement_request(&read)?;
        let secured = self.session.is_some();
        self.then(Stage::Measure(read), request, secured, found)
    }

    /// A refusal begins the transcript anew.
    pub(super) fn restart_measurements(&mut self, secured: bool) {
        if let Some(connection) = self.connection.as_mut() {
            let start = connection.measurements_start();
            match self.session.as_mut() {
                Some(session) if secured => session.measurements = start,
                _ => *connection.measurements_mut() = start,
            }
        }
    }

    pub(super) fn measurements_refused(
        &mut self,
        read: MeasurementRead,
        fault: Fault,
    ) -> Result<Step, Fault> {
        const TOO_LARGE: Fault = Fault::Refused(ErrorCode::ResponseTooLarge as u8);
        const INVALID: Fault = Fault::Refused(ErrorCode::InvalidRequest as u8);
        match (read.phase, fault) {
            (Phase::Asked, TOO_LARGE) if read.operation == OPERATION_ALL => {
                self.measure_next(read, Phase::Count, Vec::new())
            }
            // Indices may have gaps: one that is not there is refused.
            (
                Phase::Block {
                    index,
                    found,
                    total,
                },
                INVALID,
            ) => self.next_block(read, (index, found, total), Vec::new()),
            _ => Err(fault),
        }
    }

    fn next_block(
        &mut self,
        read: MeasurementRead,
        (index, found, total): (u8, u8, u8),
        measured: Vec<Found>,
    ) -> Result<Step, Fault> {
        if found >= total {
            return Ok(Step::Done { found: measured });
        }
        let index = index + 1;
        if index == OPERATION_ALL {
            return Err(Fault::Malformed);
        }
        let phase = Phase::Block {
            index,
            found,
            total,
        };
        self.measure_next(read, phase, measured)
    }

    pub(super) fn take_measurements(
        &mut self,
        read: MeasurementRead,
        request: &[u8],
        message: &[u8],
    ) -> Result<Step, Fault> {
        let version = self.agreed()?;
        let signer = read.signer();
        let answer = measurements::decode_response(version, message, signer)?;
        let covered = message.get(..answer.length).ok_or(Fault::Short)?;
        let record = message.get(answer.record).ok_or(Fault::Short)?.to_vec();
        let connection = self.connection.as_mut().ok_or(Fault::Order)?;
        let start = connection.measurements_start();
        let transcript = match self.session.as_mut() {
            Some(session) => &mut session.measurements,
            None => connection.measurements_mut(),
        };
        transcript.push(request);
        transcript.push(covered);
        if let (Some(slot), Some(signature)) = (signer, answer.signature) {
            let hash = std::mem::replace(transcript, start).hash();
            let digest = signature::digest(version, SIGNING_CONTEXT, hash);
            if !self.peer(slot)?.key.verify(&digest, &signature) {
                return Err(Fault::Signature(Signed::Measurements));
            }
        }
        let whole = vec![Found::Measurement(record)];
        match (read.phase, read.operation(), answer.blocks) {
            (Phase::Asked, OPERATION_COUNT, 0) => {
                Ok(Step::done(Found::MeasurementCount(answer.total)))
            }
            (Phase::Count, _, 0) => self.next_block(read, (0, 0, answer.total), Vec::new()),
            (Phase::Asked, OPERATION_ALL, _) => Ok(Step::Done { found: whole }),
            (Phase::Asked, _, 1) => Ok(Step::Done { found: whole }),
            (
                Phase::Block {
                    index,
                    found,
                    total,
                },
                _,
                1,
            ) => self.next_block(read, (index, found + 1, total), whole),
            _ => Err(Fault::Malformed),
        }
    }
}
