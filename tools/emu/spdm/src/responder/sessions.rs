// SPDX-License-Identifier: GPL-2.0

//! KEY_EXCHANGE_RSP, FINISH_RSP, HEARTBEAT_ACK, KEY_UPDATE_ACK, END_SESSION_ACK: the life of a
//! session.

use super::authentication::{chain_digest, summary};
use super::{Aftermath, Answer, Refusal, Responder, Services, CAPABILITIES};
use crate::capabilities::{HBEAT_CAP, KEY_UPD_CAP, SESSION_CAPS};
use crate::entropy::draw;
use crate::ephemeral::EphemeralKey;
use crate::header::bare;
use crate::key_exchange::{KeyExchangeResponse, SIGNING_CONTEXT};
use crate::key_update::Operation;
use crate::session::{transcript, Session};
use crate::{end_session, finish, heartbeat, key_exchange, key_update, opaque, ErrorCode, Header};
use zerocopy::little_endian::U16;

impl Responder {
    /// Whether both sides have a capability; else the request is one that is not supported.
    fn require(&self, capabilities: u32, request: u8) -> Result<(), Refusal> {
        let connection = self.connection.as_ref();
        if connection.is_some_and(|it| it.both(CAPABILITIES, capabilities)) {
            Ok(())
        } else {
            Err(Refusal::unsupported(request))
        }
    }

    pub(super) fn key_exchange(&mut self, services: &mut dyn Services, message: &[u8]) -> Answer {
        let (invalid, unspecified) = (ErrorCode::InvalidRequest, ErrorCode::Unspecified);
        self.require(SESSION_CAPS, key_exchange::REQUEST)?;
        if self.session().is_some() {
            return Err(ErrorCode::SessionLimitExceeded.into());
        }
        let connection = self.connection.clone().ok_or(invalid)?;
        if !connection.agreed.session {
            return Err(invalid.into());
        }
        let version = connection.version;
        let request = key_exchange::decode(message).ok_or(invalid)?;
        let chain = chain_digest(services, request.slot)?;
        let summary = summary(services, &connection, request.summary)?;
        let opaque = opaque::select(version, request.opaque).ok_or(invalid)?;

        let key = EphemeralKey::new(services).ok_or(unspecified)?;
        // Neither half is one that stands for no session somewhere.
        let half = u16::from_le_bytes(draw(services).ok_or(unspecified)?).clamp(1, 0xfffe);
        let fixed = KeyExchangeResponse {
            session: U16::new(half),
            mutual: 0,
            mutual_slot: 0,
            random: draw(services).ok_or(unspecified)?,
            point: key.point().ok_or(unspecified)?,
        };
        let shared = key.agree(&request.fixed.point).ok_or(invalid)?;
        let heartbeat = if connection.both(CAPABILITIES, HBEAT_CAP) {
            self.heartbeat
        } else {
            0
        };
        let mut response =
            key_exchange::encode_response(version, heartbeat, &fixed, &summary, &opaque);
        let message = message.get(..request.length).ok_or(invalid)?;
        let mut transcript = transcript(&connection, &chain, message, &response);
        let context = (version, SIGNING_CONTEXT);
        let signature = self.sign(services, request.slot, context, transcript.hash())?;
        transcript.push(&signature);
        let id = key_exchange::session_id(request.fixed.session.get(), half);
        let mut session = Session::new(&connection, (id, heartbeat), transcript, shared.as_slice())
            .ok_or(unspecified)?;
        let hmac = session.exchange_hmac().ok_or(unspecified)?;
        session.push(&hmac);
        response.extend_from_slice(&signature);
        response.extend_from_slice(&hmac);
        // A session that was never finished is given up.
        self.session = Some(session);
        self.previous = None;
        Ok(response)
    }

    pub(super) fn finish(&mut self, message: &[u8]) -> Answer {
        let version = self.version().ok_or(ErrorCode::UnexpectedRequest)?;
        let session = self.session.as_mut().ok_or(ErrorCode::SessionRequired)?;
        let (covered, hmac) = finish::decode(message).ok_or(ErrorCode::InvalidRequest)?;
        if !session.take_finish(covered, &hmac) {
            self.aftermath = Aftermath::EndSession;
            return Err(ErrorCode::DecryptError.into());
        }
        let response = finish::encode_response(version);
        session.push(&response);
        self.aftermath = Aftermath::Establish;
        Ok(response)
    }

    pub(super) fn answer_heartbeat(&mut self, body: &[u8]) -> Answer {
        self.require(HBEAT_CAP, heartbeat::REQUEST)?;
        bare(body).ok_or(ErrorCode::InvalidRequest)?;
        let version = self.version().ok_or(ErrorCode::UnexpectedRequest)?;
        let session = self.session.as_ref().ok_or(ErrorCode::SessionRequired)?;
        if session.heartbeat == 0 {
            return Err(ErrorCode::UnexpectedRequest.into());
        }
        Ok(heartbeat::encode_response(version))
    }

    pub(super) fn key_update(&mut self, header: &Header, body: &[u8]) -> Answer {
        let (invalid, unspecified) = (ErrorCode::InvalidRequest, ErrorCode::Unspecified);
        self.require(KEY_UPD_CAP, key_update::REQUEST)?;
        let version = self.version().ok_or(invalid)?;
        let session = self.session.as_mut().ok_or(ErrorCode::SessionRequired)?;
        let (operation, tag) = key_update::decode(header, body).ok_or(invalid)?;
        // An update has to be verified before there is another one.
        let verifies = operation == Operation::VerifyNewKey;
        if verifies != self.previous.is_some() {
            return Err(invalid.into());
        }
        if verifies {
            self.previous = None;
        } else {
            let request = session.request.next().ok_or(unspecified)?;
            if operation == Operation::UpdateAllKeys {
                // The acknowledgement has the new keys already.
                session.response = session.response.next().ok_or(unspecified)?;
            }
            self.previous = Some(std::mem::replace(&mut session.request, request));
        }
        Ok(key_update::encode_response(version, operation, tag))
    }

    pub(super) fn answer_end_session(&mut self, body: &[u8]) -> Answer {
        bare(body).ok_or(ErrorCode::InvalidRequest)?;
        let version = self.version().ok_or(ErrorCode::UnexpectedRequest)?;
        self.aftermath = Aftermath::EndSession;
        Ok(end_session::encode_response(version))
    }
}
