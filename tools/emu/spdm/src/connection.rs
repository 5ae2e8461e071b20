// SPDX-License-Identifier: GPL-2.0

//! What both know of a connection, and its transcripts: A (version, capabilities, algorithms), M1
//! and M2 of CHALLENGE, L1 and L2 of GET_MEASUREMENTS.

use crate::algorithms::Agreed;
use crate::capabilities::Capabilities;
use crate::{digests, end_session, finish, heartbeat, key_exchange, key_update, measurements};
use crate::{Version, DIGEST_SIZE};
use sha2::{Digest, Sha384};

/// A transcript, as the hash of it so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Sha384);

impl Transcript {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn hash(&self) -> [u8; DIGEST_SIZE] {
        self.0.clone().finalize().into()
    }
}

/// A connection after ALGORITHMS.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) version: Version,
    /// Of the other side.
    pub(crate) capabilities: Capabilities,
    pub(crate) agreed: Agreed,
    /// A: it begins all other transcripts.
    vca: Transcript,
    /// A, B, C: what CHALLENGE_AUTH signs.
    challenge: Transcript,
    /// What MEASUREMENTS outside a session signs.
    measurements: Transcript,
    /// CHALLENGE succeeded once.
    pub(crate) authenticated: bool,
}

impl Connection {
    /// After these messages.
    pub(crate) fn new(
        version: Version,
        capabilities: Capabilities,
        agreed: Agreed,
        vca: Transcript,
    ) -> Self {
        let connection = Self {
            version,
            capabilities,
            agreed,
            challenge: vca.clone(),
            measurements: Transcript::default(),
            vca,
            authenticated: false,
        };
        Self {
            measurements: connection.measurements_start(),
            ..connection
        }
    }

    /// A, which begins the transcript of a session.
    pub(crate) fn session_start(&self) -> Transcript {
        self.vca.clone()
    }

    /// What L1 and L2 begin with: since version 1.2 it is A.
    pub(crate) fn measurements_start(&self) -> Transcript {
        match self.version {
            Version::V1_1 => Transcript::default(),
            Version::V1_2 => self.vca.clone(),
        }
    }

    /// Whether both sides have these capabilities; `own` are this side's.
    pub(crate) fn both(&self, own: u32, wanted: u32) -> bool {
        own & self.capabilities.flags() & wanted == wanted
    }

    /// A request goes out or comes in: some begin transcripts anew. L1 and L2 of
    /// the session, if it is one in a session, are the session's.
    pub(crate) fn restart(&mut self, request: u8, in_session: bool) {
        if request != measurements::REQUEST && !in_session {
            self.measurements = self.measurements_start();
        }
        let skips_challenge = matches!(
            request,
            measurements::REQUEST
                | key_exchange::REQUEST
                | finish::REQUEST
                | key_update::REQUEST
                | heartbeat::REQUEST
                | end_session::REQUEST
        );
        if request == digests::REQUEST || (skips_challenge && !self.authenticated) {
            self.challenge = self.vca.clone();
        }
    }

    /// B and C grow.
    pub(crate) fn push_challenge(&mut self, bytes: &[u8]) {
        self.challenge.push(bytes);
    }

    /// M1 or M2 is complete: its hash. It begins anew.
    pub(crate) fn take_challenge(&mut self) -> [u8; DIGEST_SIZE] {
        std::mem::replace(&mut self.challenge, self.vca.clone()).hash()
    }

    /// L1 or L2 outside of a session.
    pub(crate) fn measurements_mut(&mut self) -> &mut Transcript {
        &mut self.measurements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate;

    fn hash(parts: &[&[u8]]) -> [u8; 48] {
        Sha384::digest(parts.concat()).into()
    }

    fn connection(version: Version) -> Connection {
        let mut vca = Transcript::default();
        vca.push(b"a");
        let agreed = Agreed {
            measurements: true,
            session: true,
        };
        Connection::new(version, Capabilities::new(0, 42), agreed, vca)
    }

    #[test]
    fn challenge() {
        let mut one = connection(Version::V1_2);
        one.push_challenge(b"b");
        one.restart(certificate::REQUEST, false);
        one.push_challenge(b"c");
        assert_eq!(one.take_challenge(), hash(&[b"a", b"b", b"c"]));
        assert_eq!(one.take_challenge(), hash(&[b"a"]));
        // Both of these forget B.
        for request in [digests::REQUEST, measurements::REQUEST] {
            one.push_challenge(b"b");
            one.restart(request, false);
            assert_eq!(one.take_challenge(), hash(&[b"a"]));
        }
        // After a challenge only GET_DIGESTS does.
        one.authenticated = true;
        one.push_challenge(b"b");
        one.restart(measurements::REQUEST, false);
        assert_eq!(one.take_challenge(), hash(&[b"a", b"b"]));
    }

    #[test]
    fn measurement() {
        for (version, start) in [(Version::V1_1, b"".as_slice()), (Version::V1_2, b"a")] {
            let mut one = connection(version);
            one.measurements_mut().push(b"m");
            one.restart(measurements::REQUEST, false);
            one.restart(digests::REQUEST, true);
            assert_eq!(one.measurements_mut().hash(), hash(&[start, b"m"]));
            one.restart(digests::REQUEST, false);
            assert_eq!(one.measurements_mut().hash(), hash(&[start]));
        }
    }
}
