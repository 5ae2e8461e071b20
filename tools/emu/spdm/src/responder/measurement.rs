// SPDX-License-Identifier: GPL-2.0

//! MEASUREMENTS: what runs on the device.

use super::mischief::Strike;
use super::{Answer, Refusal, Responder, Services};
use crate::entropy::draw;
use crate::measurements::{self, NONCE_SIZE, OPERATION_ALL, OPERATION_COUNT, OVERHEAD};
use crate::{ErrorCode, HEADER_SIZE, SIGNATURE_SIZE};

impl Responder {
    pub(super) fn get_measurements(
        &mut self,
        services: &mut dyn Services,
        message: &[u8],
        in_session: bool,
    ) -> Answer {
        let answer = self.measure(services, message, in_session);
        if answer.is_err() {
            self.restart_measurements(in_session);
        }
        answer
    }

    /// A refusal, unless it puts off only, begins the transcript anew.
    pub(super) fn restart_measurements(&mut self, in_session: bool) {
        if let Some(connection) = self.connection.as_mut() {
            let start = connection.measurements_start();
            match self.session.as_mut() {
                Some(session) if in_session => session.measurements = start,
                _ => *connection.measurements_mut() = start,
            }
        }
    }

    fn measure(&mut self, services: &mut dyn Services, message: &[u8], in_session: bool) -> Answer {
        let invalid = ErrorCode::InvalidRequest;
        let unexpected = ErrorCode::UnexpectedRequest;
        let connection = self.connection.as_mut().ok_or(unexpected)?;
        if !connection.agreed.measurements {
            return Err(unexpected.into());
        }
        let request = measurements::decode(message).ok_or(invalid)?;
        if let Some(slot) = request.signed {
            services.chain(slot).ok_or(invalid)?;
        }
        let record = services.measurements();
        let count = record.count();
        let (total, blocks, bytes) = match request.operation {
            OPERATION_COUNT => (count, 0, Vec::new()),
            OPERATION_ALL => (0, count, record.encode(request.raw)),
            index => (0, 1, record.block(index, request.raw).ok_or(invalid)?),
        };
        let signature = request.signed.map_or(0, |_| SIGNATURE_SIZE);
        let length = bytes.len() + OVERHEAD + signature;
        if length > connection.capabilities.data_transfer_size() {
            return Err(Refusal::too_large(length));
        }

        let mut nonce = draw(services).ok_or(ErrorCode::Unspecified)?;
        let mut signed_request = message.get(..request.length).ok_or(invalid)?.to_vec();
        if self.mischief.stale_nonce.strike() {
            nonce = self.mischief.last_nonce;
            let theirs = signed_request.get_mut(HEADER_SIZE..HEADER_SIZE + NONCE_SIZE);
            theirs.unwrap_or_default().fill(0);
        }
        self.mischief.last_nonce = nonce;

        let version = connection.version;
        let slot = request.signed.unwrap_or(0);
        let mut response =
            measurements::encode_response(version, (total, slot), blocks, &bytes, &nonce);
        let start = connection.measurements_start();
        let transcript = match self.session.as_mut() {
            Some(session) if in_session => &mut session.measurements,
            _ => connection.measurements_mut(),
        };
        transcript.push(&signed_request);
        transcript.push(&response);
        if request.signed.is_some() {
            let hash = std::mem::replace(transcript, start).hash();
            let context = (version, measurements::SIGNING_CONTEXT);
            response.extend_from_slice(&self.sign(services, slot, context, hash)?);
        }
        Ok(response)
    }
}
