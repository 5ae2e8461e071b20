// SPDX-License-Identifier: GPL-2.0

//! A session, the same at both ends: its transcript, its keys and where it is (DSP0274 1.2, chapter
//! 11).

use crate::connection::{Connection, Transcript};
use crate::key_schedule::Secret;
use crate::secured::Direction;
use crate::{Version, DIGEST_SIZE};

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between KEY_EXCHANGE_RSP and FINISH_RSP.
    Handshake,
    /// After FINISH_RSP.
    Established,
}

/// A session that has keys.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    version: Version,
    pub(crate) id: u32,
    pub(crate) phase: Phase,
    /// In seconds; 0: none.
    pub(crate) heartbeat: u8,
    /// TH.
    transcript: Transcript,
    handshake: Secret,
    handshake_request: Secret,
    handshake_response: Secret,
    /// Of requests.
    pub(crate) request: Direction,
    /// Of responses.
    pub(crate) response: Direction,
    /// L1 or L2 in this session.
    pub(crate) measurements: Transcript,
}

/// The transcript of a session up to what KEY_EXCHANGE_RSP signs.
pub(crate) fn transcript(
    connection: &Connection,
    chain: &[u8; DIGEST_SIZE],
    request: &[u8],
    response: &[u8],
) -> Transcript {
    let mut transcript = connection.session_start();
    transcript.push(chain);
    transcript.push(request);
    transcript.push(response);
    transcript
}

impl Session {
    /// After a transcript that ends with the signature of KEY_EXCHANGE_RSP. `None` only if the
    /// primitives refuse their arguments.
    pub(crate) fn new(
        connection: &Connection,
        (id, heartbeat): (u32, u8),
        transcript: Transcript,
        shared: &[u8],
    ) -> Option<Self> {
        let version = connection.version;
        let handshake = Secret::handshake(shared);
        let th1 = transcript.hash();
        let (request, response) = handshake.handshake_directions(version, &th1)?;
        Some(Self {
            version,
            id,
            phase: Phase::Handshake,
            heartbeat,
            transcript,
            request: Direction::new(version, request.clone())?,
            response: Direction::new(version, response.clone())?,
            handshake,
            handshake_request: request,
            handshake_response: response,
            measurements: connection.measurements_start(),
        })
    }

    /// The HMAC that KEY_EXCHANGE_RSP ends with.
    pub(crate) fn exchange_hmac(&self) -> Option<[u8; DIGEST_SIZE]> {
        let hash = self.transcript.hash();
        self.handshake_response.hmac(self.version, &hash)
    }

    /// Whether this is that HMAC.
    pub(crate) fn check_exchange(&self, hmac: &[u8; DIGEST_SIZE]) -> bool {
        let hash = self.transcript.hash();
        self.handshake_response.verify(self.version, &hash, hmac)
    }

    /// The HMAC of FINISH.
    pub(crate) fn finish_hmac(&self) -> Option<[u8; DIGEST_SIZE]> {
        let hash = self.transcript.hash();
        self.handshake_request.hmac(self.version, &hash)
    }

    /// Whether this is that HMAC, for a FINISH whose HMAC covers these bytes of it. If so, they and
    /// it become part of the transcript.
    pub(crate) fn take_finish(&mut self, covered: &[u8], hmac: &[u8; DIGEST_SIZE]) -> bool {
        let mut transcript = self.transcript.clone();
        transcript.push(covered);
        let right = self
            .handshake_request
            .verify(self.version, &transcript.hash(), hmac);
        if right {
            transcript.push(hmac);
            self.transcript = transcript;
        }
        right
    }

    /// More of the handshake.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.transcript.push(bytes);
    }

    /// FINISH_RSP is through: from now on the keys for data, and numbers from 0.
    pub(crate) fn establish(&mut self) -> Option<()> {
        let th2 = self.transcript.hash();
        let master = self.handshake.master(self.version)?;
        let (request, response) = master.data_directions(self.version, &th2)?;
        self.request = Direction::new(self.version, request)?;
        self.response = Direction::new(self.version, response)?;
        self.phase = Phase::Established;
        Some(())
    }
}
