// SPDX-License-Identifier: GPL-2.0

//! DIGESTS, CERTIFICATE, CHALLENGE_AUTH (10.6 to 10.8): who the device is.

use super::{Answer, Refusal, Responder, Services};
use crate::certificate::PORTION_OFFSET;
use crate::connection::Connection;
use crate::digests::{Digests, SLOTS};
use crate::entropy::draw;
use crate::header::bare;
use crate::measurements::MeasurementSummary;
use crate::{certificate, challenge, digests, ErrorCode, Header, DIGEST_SIZE, HEADER_SIZE};
use sha2::{Digest, Sha384};

/// Most bytes of a certificate chain in one message: less than is asked for, so that requesters
/// have to put portions together.
const CERTIFICATE_PORTION: usize = 1024;

/// Bytes of GET_CERTIFICATE.
const CERTIFICATE_REQUEST_SIZE: usize = HEADER_SIZE + 4;

/// Bit n: there is a chain in slot n.
fn slots(services: &dyn Services) -> u8 {
    (0..SLOTS)
        .filter(|slot| services.chain(*slot).is_some())
        .fold(0, |mask, slot| mask | 1 << slot)
}

/// Digest of the chain of a slot.
pub(super) fn chain_digest(
    services: &dyn Services,
    slot: u8,
) -> Result<[u8; DIGEST_SIZE], Refusal> {
    let chain = services.chain(slot).filter(|_| slot < SLOTS);
    Ok(Sha384::digest(chain.ok_or(ErrorCode::InvalidRequest)?).into())
}

/// The digest over measurements that is asked for: nothing, if none is.
pub(super) fn summary(
    services: &dyn Services,
    connection: &Connection,
    kind: MeasurementSummary,
) -> Result<Vec<u8>, Refusal> {
    let record = services.measurements();
    let summary = match kind {
        MeasurementSummary::None => return Ok(Vec::new()),
        MeasurementSummary::TrustedBase => record.summary(false),
        MeasurementSummary::All => record.summary(true),
    };
    if connection.agreed.measurements {
        Ok(summary.to_vec())
    } else {
        Err(ErrorCode::InvalidRequest.into())
    }
}

impl Responder {
    /// What goes on outside of a session is part of what CHALLENGE_AUTH signs.
    fn push_challenge(&mut self, request: Option<&[u8]>, response: &[u8], in_session: bool) {
        if let Some(connection) = self.connection.as_mut().filter(|_| !in_session) {
            connection.push_challenge(request.unwrap_or_default());
            connection.push_challenge(response);
        }
    }

    pub(super) fn get_digests(
        &mut self,
        services: &mut dyn Services,
        body: &[u8],
        message: &[u8],
        in_session: bool,
    ) -> Answer {
        bare(body).ok_or(ErrorCode::InvalidRequest)?;
        let version = self.version().ok_or(ErrorCode::UnexpectedRequest)?;
        let slots = slots(services);
        if slots == 0 {
            return Err(ErrorCode::Unspecified.into());
        }
        let digests = (0..SLOTS)
            .filter_map(|slot| chain_digest(services, slot).ok())
            .collect();
        let response = digests::encode_response(version, &Digests { slots, digests });
        self.push_challenge(message.get(..HEADER_SIZE), &response, in_session);
        Ok(response)
    }

    pub(super) fn get_certificate(
        &mut self,
        services: &mut dyn Services,
        header: &Header,
        body: &[u8],
        message: &[u8],
        in_session: bool,
    ) -> Answer {
        let invalid = ErrorCode::InvalidRequest;
        let connection = self.connection.as_ref().ok_or(invalid)?;
        let version = connection.version;
        let room = connection
            .capabilities
            .data_transfer_size()
            .saturating_sub(PORTION_OFFSET);
        let (slot, offset, length) = certificate::decode(header, body).ok_or(invalid)?;
        let chain = services.chain(slot).ok_or(invalid)?;
        let rest = chain
            .get(usize::from(offset)..)
            .filter(|rest| !rest.is_empty() && length != 0)
            .ok_or(invalid)?;
        let length = rest
            .len()
            .min(usize::from(length))
            .min(CERTIFICATE_PORTION)
            .min(room);
        let (portion, remainder) = rest.split_at_checked(length).ok_or(invalid)?;
        let remainder = u16::try_from(remainder.len()).map_err(|_| invalid)?;
        let response = certificate::encode_response(version, slot, portion, remainder);
        let request = message.get(..CERTIFICATE_REQUEST_SIZE);
        self.push_challenge(request, &response, in_session);
        Ok(response)
    }

    pub(super) fn challenge(
        &mut self,
        services: &mut dyn Services,
        header: &Header,
        body: &[u8],
        message: &[u8],
    ) -> Answer {
        let invalid = ErrorCode::InvalidRequest;
        let connection = self.connection.as_mut().ok_or(invalid)?;
        let version = connection.version;
        let (slot, kind) = challenge::decode(header, body).ok_or(invalid)?;
        let chain = chain_digest(services, slot)?;
        let summary = summary(services, connection, kind)?;
        let nonce = draw(services).ok_or(ErrorCode::Unspecified)?;
        let mut response =
            challenge::encode_response(version, slot, slots(services), &chain, &nonce, &summary);
        connection.push_challenge(message.get(..challenge::REQUEST_SIZE).ok_or(invalid)?);
        connection.push_challenge(&response);
        connection.authenticated = true;
        let hash = connection.take_challenge();
        let context = (version, challenge::SIGNING_CONTEXT);
        response.extend_from_slice(&self.sign(services, slot, context, hash)?);
        Ok(response)
    }
}
