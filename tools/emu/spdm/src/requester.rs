// SPDX-License-Identifier: GPL-2.0

//! The requester: exchanges with a responder.

mod authentication;
mod exchange;
mod measurement;
mod negotiation;
mod sessions;

pub use exchange::{Exchange, Found, Step};

use crate::capabilities::{HBEAT_CAP, KEY_UPD_CAP, SESSION_CAPS};
use crate::connection::Connection;
use crate::digests::Digests;
use crate::secured::{Unopened, OVERHEAD};
use crate::session::{Phase, Session};
use crate::{
    error, measurements, respond_if_ready, vendor, Carriage, Entropy, ErrorCode, Fault, Header,
    Packet, Trust, Version,
};
use authentication::{CertificateRead, Peer};
use exchange::Stage;
use std::fmt;
use std::time::Duration;
use zerocopy::FromBytes;
use zeroize::Zeroizing;

/// Most bytes of a message that the requester takes: a secured one fills a page, which is what the
/// host gives it.
pub(crate) const DATA_TRANSFER_SIZE: u32 = 4096 - OVERHEAD as u32;
/// The header of a DOE object.
pub(crate) const DOE_HEADER_SIZE: u32 = 8;

/// What this requester can do.
const CAPABILITIES: u32 = SESSION_CAPS | HBEAT_CAP | KEY_UPD_CAP;

/// A request is asked for again, or sent again, so many times.
const ATTEMPTS: u8 = 8;
/// Exponents of a responder that is not ready above this, 16 s, are not worth waiting for.
const EXPONENT_MAX: u8 = 24;
/// When to try again with a responder that is busy: it does not say.
const BUSY: Duration = Duration::from_millis(10);

/// A request that is under way.
struct Pending {
    stage: Stage,
    /// The request, not encrypted.
    request: Zeroizing<Vec<u8>>,
    secured: bool,
    attempts: u8,
}

/// A requester with the state of its connection and session.
pub struct Requester {
    trust: Trust,
    entropy: Box<dyn Entropy + Send>,
    versions: Vec<Version>,
    connection: Option<Connection>,
    session: Option<Session>,
    digests: Option<Digests>,
    /// Whose chain was verified.
    peer: Option<Peer>,
    pending: Option<Pending>,
    data_transfer_size: u32,
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester")
            .field("versions", &self.versions)
            .field("connection", &self.connection)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Requester {
    /// Before any connection. It accepts version 1.2.
    pub fn new(trust: Trust, entropy: Box<dyn Entropy + Send>) -> Self {
        Self {
            trust,
            entropy,
            versions: vec![Version::V1_2],
            connection: None,
            session: None,
            digests: None,
            peer: None,
            pending: None,
            data_transfer_size: DATA_TRANSFER_SIZE,
        }
    }

    /// From the next connection on messages leave room in their pages for the header of a DOE
    /// object.
    pub fn leave_room(&mut self) {
        self.data_transfer_size = DATA_TRANSFER_SIZE - DOE_HEADER_SIZE;
    }

    /// It accepts these versions, and prefers the highest.
    pub fn accept(&mut self, versions: &[Version]) {
        self.versions = versions.to_vec();
    }

    /// What it trusts.
    pub fn trust_mut(&mut self) -> &mut Trust {
        &mut self.trust
    }

    /// Id of the session, if one is established.
    pub fn session(&self) -> Option<u32> {
        let session = self.established()?;
        Some(session.id)
    }

    /// Seconds within which the responder wants a sign of life in the session; 0: it does not.
    pub fn heartbeat_period(&self) -> u8 {
        self.established().map_or(0, |session| session.heartbeat)
    }

    /// Whether version, capabilities and algorithms are agreed on.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The version agreed on.
    pub fn version(&self) -> Option<Version> {
        self.connection.as_ref().map(|it| it.version)
    }

    /// The transport failed or the device was reset: connection and session are gone.
    pub fn forget(&mut self) {
        self.connection = None;
        self.session = None;
        self.digests = None;
        self.peer = None;
        self.pending = None;
    }

    fn established(&self) -> Option<&Session> {
        let session = self.session.as_ref()?;
        (session.phase == Phase::Established).then_some(session)
    }

    /// Begins an exchange: its first request. One that is under way is given up; if that was in a
    /// session, its response must not come any more.
    pub fn begin(&mut self, exchange: Exchange) -> Result<Packet, Fault> {
        self.pending = None;
        if self.established().is_none() {
            self.session = None;
        }
        let secured = self.session.is_some();
        match exchange {
            Exchange::Connect => self.connect(),
            Exchange::Digests => self.ask_digests(secured),
            Exchange::Certificate { slot } => {
                self.ask_certificate(CertificateRead::new(slot, self.data_transfer_size), secured)
            }
            Exchange::Challenge { slot } => self.ask_challenge(slot),
            Exchange::Measure {
                slot,
                operation,
                raw,
                signed,
                nonce,
            } => self.ask_measurements(slot, operation, raw, signed, nonce),
            Exchange::OpenSession { slot } => self.open_session(slot),
            Exchange::Vendor { protocol, payload } => {
                let message = vendor::encode(self.agreed()?, protocol, &payload);
                self.send(Stage::Vendor { protocol }, message, secured)
            }
            Exchange::Heartbeat => self.ask_heartbeat(),
            Exchange::KeyUpdate { all } => self.update_keys(all),
            Exchange::CloseSession => self.close_session(),
        }
    }

    /// Takes the response to the request before. With a fault the exchange is over; the session is,
    /// where [`Fault`] says so.
    pub fn take(&mut self, answer: &Packet) -> Result<Step, Fault> {
        let pending = self.pending.take().ok_or(Fault::Order)?;
        let message = if pending.secured {
            let opened = self.open(&pending.stage, answer);
            if opened.is_err() {
                self.session = None;
            }
            opened?
        } else if answer.carriage == Carriage::Plain {
            Zeroizing::new(answer.bytes.clone())
        } else {
            self.session = None;
            return Err(Fault::InTheClear);
        };
        if let Some(code) = error::code(&message) {
            return self.refused(pending, code, &message);
        }
        let Pending {
            stage,
            request,
            secured,
            ..
        } = pending;
        let step = self.proceed(stage, &request, secured, &message);
        if step.is_err() && self.established().is_none() {
            self.session = None;
        }
        step
    }

    fn proceed(
        &mut self,
        stage: Stage,
        request: &[u8],
        secured: bool,
        message: &[u8],
    ) -> Result<Step, Fault> {
        match stage {
            Stage::Version => self.take_version(request, message),
            Stage::Capabilities(version, vca) => {
                self.take_capabilities(version, vca, request, message)
            }
            Stage::Algorithms(version, capabilities, vca) => {
                self.take_algorithms(version, &capabilities, vca, request, message)
            }
            Stage::Digests => self.take_digests(request, secured, message),
            Stage::Certificate(read) => self.take_certificate(read, request, secured, message),
            Stage::Challenge { slot } => self.take_challenge(slot, request, message),
            Stage::Measure(read) => self.take_measurements(read, request, message),
            Stage::KeyExchange { slot, half, key } => {
                self.take_key_exchange(slot, half, key, request, message)
            }
            Stage::Finish => self.take_finish(message),
            Stage::Vendor { protocol } => {
                let range = vendor::decode_response(self.agreed()?, message, protocol)?;
                let payload = message.get(range).ok_or(Fault::Short)?;
                Ok(Step::done(Found::Vendor(payload.to_vec())))
            }
            Stage::Heartbeat => self.take_heartbeat(message),
            Stage::UpdateKeys { all, tag } => self.take_update(all, tag, message),
            Stage::VerifyKey { tag } => self.take_verification(tag, message),
            Stage::EndSession => self.take_end_session(message),
        }
    }

    /// The version agreed on.
    fn agreed(&self) -> Result<Version, Fault> {
        self.version().ok_or(Fault::Order)
    }

    /// The connection, if both sides have these capabilities.
    fn capable(&self, own: u32, capabilities: u32) -> Result<&Connection, Fault> {
        let connection = self.connection.as_ref().ok_or(Fault::Order)?;
        if connection.both(own, capabilities) {
            Ok(connection)
        } else {
            Err(Fault::MissingCapability)
        }
    }

    /// Random bytes.
    fn draw<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        crate::entropy::draw(self.entropy.as_mut()).ok_or(Fault::Entropy)
    }

    /// Sends the request of a stage.
    fn send(&mut self, stage: Stage, request: Vec<u8>, secured: bool) -> Result<Packet, Fault> {
        let code = request.get(1).copied().unwrap_or_default();
        if let Some(connection) = self.connection.as_mut() {
            if request.len() > connection.capabilities.data_transfer_size() {
                return Err(Fault::TooLong);
            }
            connection.restart(code, secured);
            let start = connection.measurements_start();
            let restarts = secured && code != measurements::REQUEST;
            if let Some(session) = self.session.as_mut().filter(|_| restarts) {
                session.measurements = start;
            }
        }
        let packet = self.wrap(&request, secured)?;
        self.pending = Some(Pending {
            stage,
            request: Zeroizing::new(request),
            secured,
            attempts: 0,
        });
        Ok(packet)
    }

    /// The same as a step.
    fn then(
        &mut self,
        stage: Stage,
        request: Vec<u8>,
        secured: bool,
        found: Vec<Found>,
    ) -> Result<Step, Fault> {
        Ok(Step::Send {
            packet: self.send(stage, request, secured)?,
            found,
            after: Duration::ZERO,
        })
    }

    fn wrap(&mut self, message: &[u8], secured: bool) -> Result<Packet, Fault> {
        if !secured {
            return Ok(Packet::plain(message.to_vec()));
        }
        let session = self.session.as_mut().ok_or(Fault::Order)?;
        let sealed = session.request.seal(session.id, message);
        Ok(Packet::secured(sealed.ok_or(Fault::TooLong)?))
    }

    /// What is in a secured answer.
    fn open(&mut self, stage: &Stage, answer: &Packet) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if answer.carriage == Carriage::Plain {
            // A responder without our session has no keys to say so.
            return Err(match error::code(&answer.bytes) {
                Some(code) => Fault::Refused(code),
                None => Fault::InTheClear,
            });
        }
        let session = self.session.as_mut().ok_or(Fault::Order)?;
        if let Stage::UpdateKeys { all: true, .. } = stage {
            // The acknowledgement has new keys already; a refusal has not.
            let mut next = session.response.next().ok_or(Fault::Malformed)?;
            if let Ok(message) = next.open(session.id, &answer.bytes) {
                session.response = next;
                return Ok(Zeroizing::new(message));
            }
        }
        let opened = session.response.open(session.id, &answer.bytes);
        let message = opened.map_err(|unopened| match unopened {
            Unopened::Session => Fault::Session,
            Unopened::Sequence => Fault::Sequence,
            Unopened::Authenticity => Fault::Decrypt,
        })?;
        let refused = error::code(&message).is_some();
        match stage {
            Stage::UpdateKeys { all: true, .. } if !refused => Err(Fault::Malformed),
            _ => Ok(Zeroizing::new(message)),
        }
    }

    /// ERROR: later, or not at all.
    fn refused(&mut self, pending: Pending, code: u8, message: &[u8]) -> Result<Step, Fault> {
        if code == ErrorCode::ResponseNotReady as u8 {
            return self.ask_again(pending, message);
        }
        if let Stage::Measure(_) = pending.stage {
            self.restart_measurements(pending.secured);
        }
        let fault = Fault::Refused(code);
        if code == ErrorCode::Busy as u8 {
            return self.send_again(pending);
        } else if code == ErrorCode::RequestResynch as u8 {
            self.forget();
        } else if code == ErrorCode::DecryptError as u8 && pending.secured {
            self.session = None;
        } else if let Stage::Measure(read) = pending.stage {
            return self.measurements_refused(read, fault);
        }
        if self.established().is_none() {
            self.session = None;
        }
        Err(fault)
    }

    fn ask_again(&mut self, pending: Pending, message: &[u8]) -> Result<Step, Fault> {
        let detail = error::not_ready(message).ok_or(Fault::Short)?;
        let (header, _) = Header::read_from_prefix(&pending.request).map_err(|_| Fault::Short)?;
        let version = self.agreed().map_err(|_| Fault::Malformed)?;
        if detail.request != header.code {
            return Err(Fault::Malformed);
        }
        if pending.attempts >= ATTEMPTS || detail.exponent > EXPONENT_MAX {
            return Err(Fault::NotReady);
        }
        let message = respond_if_ready::encode(version, header.code, detail.token);
        let packet = self.wrap(&message, pending.secured)?;
        let after = Duration::from_micros(1 << detail.exponent);
        self.wait(pending, packet, after)
    }

    fn send_again(&mut self, pending: Pending) -> Result<Step, Fault> {
        if pending.attempts >= ATTEMPTS {
            return Err(Fault::NotReady);
        }
        let packet = self.wrap(&pending.request, pending.secured)?;
        self.wait(pending, packet, BUSY)
    }

    fn wait(&mut self, pending: Pending, packet: Packet, after: Duration) -> Result<Step, Fault> {
        self.pending = Some(Pending {
            attempts: pending.attempts + 1,
            ..pending
        });
        Ok(Step::Send {
            packet,
            found: Vec::new(),
            after,
        })
    }
}

#[cfg(test)]
mod tests;
