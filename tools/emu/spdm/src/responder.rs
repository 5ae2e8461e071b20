// SPDX-License-Identifier: GPL-2.0

//! The responder: what a device answers (10.2 has the order of requests).

mod authentication;
mod measurement;
mod mischief;
mod negotiation;
mod services;
mod sessions;

pub use mischief::Mischief;
pub use services::Services;

use crate::capabilities::{
    CERT_CAP, CHAL_CAP, HBEAT_CAP, KEY_UPD_CAP, MEAS_CAP_SIG, MEAS_FRESH_CAP, SESSION_CAPS,
};
use crate::connection::Connection;
use crate::error::NotReady;
use crate::secured::{self, Direction};
use crate::session::{Phase, Session};
use crate::{
    algorithms, capabilities, certificate, challenge, digests, end_session, error, finish,
    heartbeat, key_exchange, key_update, measurements, respond_if_ready, signature, vendor,
    version, ErrorCode, Header, Packet, Version, DIGEST_SIZE, SIGNATURE_SIZE,
};
use mischief::Strike;
use negotiation::Negotiation;
use std::fmt;
use zerocopy::{FromBytes, IntoBytes};
use zeroize::Zeroizing;

/// Most bytes of a message that this responder takes.
const DATA_TRANSFER_SIZE: usize = 4608;

/// What this responder can do.
const CAPABILITIES: u32 =
    CERT_CAP | CHAL_CAP | MEAS_CAP_SIG | MEAS_FRESH_CAP | SESSION_CAPS | HBEAT_CAP | KEY_UPD_CAP;

/// A response that is not ready is ready after 2 to the power of this, in microseconds.
const NOT_READY_EXPONENT: u8 = 10;
/// It is kept twice as long: less is not allowed.
const NOT_READY_MULTIPLIER: u8 = 2;

/// Why a request is answered by ERROR.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    data: u8,
    more: Vec<u8>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            data: 0,
            more: Vec::new(),
        }
    }
}

impl Refusal {
    fn unsupported(request: u8) -> Self {
        Self {
            data: request,
            ..ErrorCode::UnsupportedRequest.into()
        }
    }

    /// With the size that it would have.
    fn too_large(response: usize) -> Self {
        Self {
            more: (response as u32).to_le_bytes().to_vec(),
            ..ErrorCode::ResponseTooLarge.into()
        }
    }
}

type Answer = Result<Vec<u8>, Refusal>;

/// What happens once the response is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aftermath {
    Nothing,
    /// The session leaves its handshake.
    Establish,
    /// The session is over.
    EndSession,
    /// The connection is over.
    Disconnect,
}

/// A request that was told to come back later.
#[derive(Clone)]
struct Deferred {
    /// It may hold keys of IDE.
    request: Zeroizing<Vec<u8>>,
    in_session: bool,
    token: u8,
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("in_session", &self.in_session)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// A responder with the state of its connection and session.
#[derive(Debug)]
pub struct Responder {
    /// How it misbehaves.
    pub mischief: Mischief,
    versions: Vec<Version>,
    heartbeat: u8,
    negotiation: Negotiation,
    connection: Option<Connection>,
    session: Option<Session>,
    /// Between KEY_UPDATE and its verification: the keys for requests before.
    previous: Option<Direction>,
    deferred: Option<Deferred>,
    token: u8,
    aftermath: Aftermath,
}

impl Default for Responder {
    fn default() -> Self {
        Self::new()
    }
}

impl Responder {
    /// Before any connection. It offers version 1.2.
    pub fn new() -> Self {
        Self::with_versions(&[Version::V1_2])
    }

    /// It offers these versions.
    pub fn with_versions(versions: &[Version]) -> Self {
        Self {
            mischief: Mischief::default(),
            versions: versions.to_vec(),
            heartbeat: 0,
            negotiation: Negotiation::Start,
            connection: None,
            session: None,
            previous: None,
            deferred: None,
            token: 0,
            aftermath: Aftermath::Nothing,
        }
    }

    /// Sessions shall show a sign of life within so many seconds; with 0, which is the default, they
    /// need not. It is the caller who watches the time, and ends the session after twice as long.
    pub fn heartbeat(self, seconds: u8) -> Self {
        Self {
            heartbeat: seconds,
            ..self
        }
    }

    /// Id of the session, if one is established.
    pub fn session(&self) -> Option<u32> {
        let session = self.session.as_ref()?;
        (session.phase == Phase::Established).then_some(session.id)
    }

    /// The device was reset: there is no connection any more.
    pub fn reset(&mut self, services: &mut dyn Services) {
        self.end_session(services);
        self.negotiation = Negotiation::Start;
        self.connection = None;
        self.deferred = None;
    }

    /// The session is over, for a reason that the requester is not told.
    pub fn end_session(&mut self, services: &mut dyn Services) {
        let established = self.session();
        self.session = None;
        self.previous = None;
        self.deferred = self.deferred.take().filter(|deferred| !deferred.in_session);
        if let Some(id) = established {
            services.session_ended(id);
        }
    }

    /// Answers a request. `None` if there is no answer: then one could not be encrypted.
    ///
    /// A secured message of a session that is not there is answered in the clear, by ERROR with
    /// [`ErrorCode::InvalidSession`]: there are no keys for another answer. One that is not
    /// authentic is answered by [`ErrorCode::DecryptError`], and the session is over.
    pub fn respond(&mut self, services: &mut dyn Services, request: &Packet) -> Option<Packet> {
        match request.carriage {
            crate::Carriage::Plain => {
                let answer = self.answer(services, &request.bytes, false);
                self.settle(services);
                Some(Packet::plain(answer))
            }
            crate::Carriage::Secured => self.respond_secured(services, &request.bytes),
        }
    }

    fn respond_secured(&mut self, services: &mut dyn Services, bytes: &[u8]) -> Option<Packet> {
        if self.session().is_some() && self.mischief.lose_session.strike() {
            self.end_session(services);
        }
        let id = secured::session_of(bytes);
        let known = self.session.as_ref().map(|session| session.id);
        if id.is_none() || id != known {
            let error = self.error(&ErrorCode::InvalidSession.into());
            return Some(Packet::plain(error));
        }
        let answer = match self.open(bytes) {
            Some(message) => self.answer(services, &message, true),
            None => {
                self.aftermath = Aftermath::EndSession;
                self.error(&ErrorCode::DecryptError.into())
            }
        };
        let session = self.session.as_mut()?;
        if self.mischief.skip.strike() {
            session.response.skip();
        }
        let sealed = session.response.seal(session.id, &answer);
        if sealed.is_none() {
            // Without numbers or room for an answer the session cannot go on.
            self.aftermath = Aftermath::EndSession;
        }
        self.settle(services);
        Some(Packet::secured(self.mischief.tamper(sealed?)))
    }

    /// Decrypts a request. One with the old keys takes back an update that was not verified: the
    /// requester did not get to know of it.
    fn open(&mut self, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let session = self.session.as_mut()?;
        if let Ok(message) = session.request.open(session.id, bytes) {
            return Some(Zeroizing::new(message));
        }
        let mut previous = self.previous.take()?;
        let message = previous.open(session.id, bytes).ok()?;
        session.request = previous;
        Some(Zeroizing::new(message))
    }

    fn settle(&mut self, services: &mut dyn Services) {
        match std::mem::replace(&mut self.aftermath, Aftermath::Nothing) {
            Aftermath::Nothing => {}
            Aftermath::Establish => {
                let established = self.session.as_mut().and_then(Session::establish);
                if established.is_none() {
                    self.session = None;
                }
            }
            Aftermath::EndSession => self.end_session(services),
            Aftermath::Disconnect => self.reset(services),
        }
    }

    fn version(&self) -> Option<Version> {
        let connection = self.connection.as_ref();
        connection
            .map(|connection| connection.version)
            .or(self.negotiation.version())
    }

    fn error(&self, refusal: &Refusal) -> Vec<u8> {
        error::encode(self.version(), refusal.code, refusal.data, &refusal.more)
    }

    /// The message that answers a message.
    fn answer(&mut self, services: &mut dyn Services, message: &[u8], in_session: bool) -> Vec<u8> {
        let answer = self.serve(services, message, in_session);
        answer.unwrap_or_else(|refusal| self.error(&refusal))
    }

    fn serve(&mut self, services: &mut dyn Services, message: &[u8], in_session: bool) -> Answer {
        let invalid = ErrorCode::InvalidRequest;
        let (header, body) = Header::read_from_prefix(message).map_err(|_| invalid)?;
        if message.len() > DATA_TRANSFER_SIZE {
            return Err(ErrorCode::RequestTooLarge.into());
        }
        if header.code == version::REQUEST {
            return if in_session {
                Err(ErrorCode::UnexpectedRequest.into())
            } else {
                self.get_version(services, &header, body)
            };
        }
        self.balk(&header, message, in_session)?;
        if header.code == respond_if_ready::REQUEST {
            let request = self.take_deferred(&header, body, in_session)?;
            let (header, body) = Header::read_from_prefix(&request).map_err(|_| invalid)?;
            return self.dispatch(services, &header, body, &request, in_session);
        }
        // A request other than RESPOND_IF_READY gives up what was deferred.
        self.deferred = None;
        self.dispatch(services, &header, body, message, in_session)
    }

    /// Refuses a request that is in order, if the device is to misbehave.
    fn balk(&mut self, header: &Header, message: &[u8], in_session: bool) -> Result<(), Refusal> {
        if self.mischief.resynch.strike() {
            self.aftermath = Aftermath::Disconnect;
            return Err(ErrorCode::RequestResynch.into());
        }
        let refused = if self.mischief.reset_required.strike() {
            Some(ErrorCode::ResetRequired)
        } else if self.mischief.busy.strike() {
            Some(ErrorCode::Busy)
        } else {
            None
        };
        if let Some(code) = refused {
            if header.code == measurements::REQUEST {
                self.restart_measurements(in_session);
            }
            return Err(code.into());
        }
        // Not allowed before the connection is there.
        if self.connection.is_none() || !self.mischief.not_ready.strike() {
            return Ok(());
        }
        if header.code != respond_if_ready::REQUEST {
            self.token = self.token.wrapping_add(1);
            self.deferred = Some(Deferred {
                request: Zeroizing::new(message.to_vec()),
                in_session,
                token: self.token,
            });
        }
        let deferred = self.deferred.as_ref();
        let request = deferred.and_then(|deferred| deferred.request.get(1));
        let detail = NotReady {
            exponent: NOT_READY_EXPONENT,
            request: *request.ok_or(ErrorCode::UnexpectedRequest)?,
            token: self.token,
            multiplier: NOT_READY_MULTIPLIER,
        };
        Err(Refusal {
            more: detail.as_bytes().to_vec(),
            ..ErrorCode::ResponseNotReady.into()
        })
    }

    /// The request that RESPOND_IF_READY means.
    fn take_deferred(
        &mut self,
        header: &Header,
        body: &[u8],
        in_session: bool,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let (code, token) =
            respond_if_ready::decode(header, body).ok_or(ErrorCode::InvalidRequest)?;
        let deferred = self.deferred.take().ok_or(ErrorCode::UnexpectedRequest)?;
        if deferred.in_session != in_session {
            return Err(ErrorCode::UnexpectedRequest.into());
        }
        if (deferred.request.get(1), deferred.token) != (Some(&code), token) {
            return Err(ErrorCode::InvalidRequest.into());
        }
        Ok(deferred.request)
    }

    /// Whether a request may come now; begins transcripts anew.
    fn admit(&mut self, header: &Header, in_session: bool) -> Result<(), Refusal> {
        let unexpected = match self.negotiation {
            Negotiation::Apart(_) => ErrorCode::RequestResynch,
            _ => ErrorCode::UnexpectedRequest,
        };
        let connection = self.connection.as_mut().ok_or(unexpected)?;
        if header.version != connection.version.wire() {
            return Err(ErrorCode::VersionMismatch.into());
        }
        let only_in_session = matches!(
            header.code,
            finish::REQUEST | heartbeat::REQUEST | key_update::REQUEST | end_session::REQUEST
        );
        if only_in_session && !in_session {
            // Version 1.1 has no better word for it.
            let code = match connection.version {
                Version::V1_1 => ErrorCode::Unspecified,
                Version::V1_2 => ErrorCode::SessionRequired,
            };
            return Err(code.into());
        }
        let session = self.session.as_mut().filter(|_| in_session);
        if let Some(session) = session {
            let only_outside = matches!(header.code, challenge::REQUEST | key_exchange::REQUEST);
            let handshake = session.phase == Phase::Handshake;
            if only_outside || handshake != (header.code == finish::REQUEST) {
                return Err(unexpected.into());
            }
            if header.code != measurements::REQUEST {
                session.measurements = connection.measurements_start();
            }
        }
        connection.restart(header.code, in_session);
        Ok(())
    }

    fn dispatch(
        &mut self,
        services: &mut dyn Services,
        header: &Header,
        body: &[u8],
        message: &[u8],
        in_session: bool,
    ) -> Answer {
        match header.code {
            capabilities::REQUEST | algorithms::REQUEST if in_session => {
                return Err(ErrorCode::UnexpectedRequest.into());
            }
            capabilities::REQUEST => return self.get_capabilities(header, body, message),
            algorithms::REQUEST => return self.negotiate_algorithms(header, message),
            digests::REQUEST
            | certificate::REQUEST
            | challenge::REQUEST
            | measurements::REQUEST
            | key_exchange::REQUEST
            | finish::REQUEST
            | heartbeat::REQUEST
            | key_update::REQUEST
            | end_session::REQUEST
            | vendor::REQUEST => self.admit(header, in_session)?,
            code => return Err(Refusal::unsupported(code)),
        }
        let response = match header.code {
            digests::REQUEST => self.get_digests(services, body, message, in_session),
            certificate::REQUEST => {
                self.get_certificate(services, header, body, message, in_session)
            }
            challenge::REQUEST => self.challenge(services, header, body, message),
            measurements::REQUEST => self.get_measurements(services, message, in_session),
            key_exchange::REQUEST => self.key_exchange(services, message),
            finish::REQUEST => self.finish(message),
            heartbeat::REQUEST => self.answer_heartbeat(body),
            key_update::REQUEST => self.key_update(header, body),
            end_session::REQUEST => self.answer_end_session(body),
            _ => self.vendor_defined(services, body, message, in_session),
        }?;
        let connection = self.connection.as_ref();
        let limit = connection.map_or(0, |it| it.capabilities.data_transfer_size());
        if response.len() > limit {
            return Err(Refusal::too_large(response.len()));
        }
        Ok(response)
    }

    fn vendor_defined(
        &mut self,
        services: &mut dyn Services,
        body: &[u8],
        message: &[u8],
        in_session: bool,
    ) -> Answer {
        if vendor::is_foreign(body) {
            return Err(Refusal::unsupported(vendor::REQUEST));
        }
        let version = self.version().ok_or(ErrorCode::UnexpectedRequest)?;
        let (protocol, payload) = vendor::decode(message).ok_or(ErrorCode::InvalidRequest)?;
        // Both hold secrets, or decide about some (PCI Express 6.0, 6.33.3 and 11.2).
        let secret = matches!(protocol, vendor::PROTOCOL_IDE_KM | vendor::PROTOCOL_TDISP);
        if secret && !in_session {
            return Err(ErrorCode::UnexpectedRequest.into());
        }
        let session = self.session().filter(|_| in_session);
        let answer = services
            .vendor_defined(protocol, payload, session)
            .ok_or_else(|| Refusal::unsupported(vendor::REQUEST))?;
        Ok(vendor::encode_response(version, protocol, &answer))
    }

    /// A signature over a transcript with this hash.
    fn sign(
        &mut self,
        services: &mut dyn Services,
        slot: u8,
        (version, context): (Version, &str),
        transcript: [u8; DIGEST_SIZE],
    ) -> Result<[u8; SIGNATURE_SIZE], Refusal> {
        let digest = signature::digest(version, context, transcript);
        let mut signature = services.sign(slot, &digest).ok_or(ErrorCode::Unspecified)?;
        if self.mischief.wrong_signature.strike() {
            if let Some(byte) = signature.last_mut() {
                *byte ^= 1;
            }
        }
        Ok(signature)
    }
}

#[cfg(test)]
mod tests;
