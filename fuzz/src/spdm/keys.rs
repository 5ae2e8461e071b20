// SPDX-License-Identifier: GPL-2.0

//! The keys of a session, computed a second time and with nothing of the crate that is fuzzed
//! (DSP0274 1.2, chapter 12; DSP0277 1.1, chapter 6): with them a fuzzer can say anything in a session.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use p384::{PublicKey, SecretKey};
use sha2::{Digest, Sha384};
use spdm::Version;

type Secret = [u8; 48];

fn hmac(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut hmac = <Hmac<Sha384> as hmac::KeyInit>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

/// HKDF-Expand of at most one block (RFC 5869, 2.3).
fn expand<const N: usize>(version: Version, secret: &Secret, label: &str, hash: &[u8]) -> [u8; N] {
    let prefix = match version {
        Version::V1_1 => "spdm1.1 ",
        Version::V1_2 => "spdm1.2 ",
    };
    let length = (N as u16).to_le_bytes();
    let block = hmac(
        secret,
        &[&length, prefix.as_bytes(), label.as_bytes(), hash, &[1]],
    );
    block[..N].try_into().unwrap()
}

/// One direction of a session.
#[derive(Clone)]
pub(super) struct Direction {
    version: Version,
    session: u32,
    secret: Secret,
    sequence: u64,
}

impl Direction {
    fn new(version: Version, session: u32, secret: Secret) -> Self {
        Self {
            version,
            session,
            secret,
            sequence: 0,
        }
    }

    /// With the keys that follow at KEY_UPDATE.
    pub(super) fn next(&self) -> Self {
        let secret = expand(self.version, &self.secret, "traffic upd", &[]);
        Self::new(self.version, self.session, secret)
    }

    fn cipher(&self) -> (Aes256Gcm, Nonce<aes_gcm::aes::cipher::consts::U12>) {
        let key: [u8; 32] = expand(self.version, &self.secret, "key", &[]);
        let mut iv: [u8; 12] = expand(self.version, &self.secret, "iv", &[]);
        for (byte, of) in iv.iter_mut().zip(self.sequence.to_le_bytes()) {
            *byte ^= of;
        }
        (Aes256Gcm::new_from_slice(&key).unwrap(), Nonce::from(iv))
    }

    /// Seals a message.
    pub(super) fn seal(&mut self, message: &[u8]) -> Vec<u8> {
        let length = message.len() as u16;
        self.seal_plain(&[&length.to_le_bytes(), message].concat())
    }

    /// Seals what need not be a message: it starts with a length.
    pub(super) fn seal_plain(&mut self, plain: &[u8]) -> Vec<u8> {
        let length = (plain.len() + 16) as u16;
        let head = [&self.session.to_le_bytes()[..], &length.to_le_bytes()].concat();
        let (cipher, nonce) = self.cipher();
        let payload = Payload {
            msg: plain,
            aad: &head,
        };
        let sealed = cipher.encrypt(&nonce, payload).unwrap();
        self.sequence += 1;
        [head, sealed].concat()
    }

    /// Opens what was sealed by the other side; padding may follow.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = bytes.split_at_checked(6)?;
        let length = u16::from_le_bytes([head[4], head[5]]);
        let (cipher, nonce) = self.cipher();
        let payload = Payload {
            msg: rest.get(..length.into())?,
            aad: head,
        };
        let plain = cipher.decrypt(&nonce, payload).ok()?;
        self.sequence += 1;
        let (length, message) = plain.split_first_chunk()?;
        Some(message.get(..u16::from_le_bytes(*length).into())?.to_vec())
    }
}

/// Both directions.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) session: u32,
    pub(super) request: Direction,
    pub(super) response: Direction,
}

/// A session between KEY_EXCHANGE_RSP and FINISH_RSP.
#[derive(Clone)]
pub(super) struct Handshake {
    version: Version,
    secret: Secret,
    transcript: Sha384,
    pub(super) keys: Keys,
    /// FINISH.
    pub(super) finish: Vec<u8>,
}

/// First byte of the point in KEY_EXCHANGE and its response.
const POINT: usize = 40;

impl Handshake {
    /// After these messages: version, capabilities and algorithms; the chain; KEY_EXCHANGE and its
    /// response. `scalar` is the requester's.
    pub(super) fn new(
        version: Version,
        scalar: &[u8],
        [vca, chain, request, response]: [&[u8]; 4],
    ) -> Self {
        let own = SecretKey::from_slice(scalar).unwrap();
        let (covered, hmac_of_response) = response.split_at(response.len() - 48);
        let point = [&[4], &covered[POINT..POINT + 96]].concat();
        let theirs = PublicKey::from_sec1_bytes(&point).unwrap();
        let shared = p384::ecdh::diffie_hellman(own.to_nonzero_scalar(), theirs.as_affine());
        let mut transcript = Sha384::new();
        for part in [vca, &Sha384::digest(chain), request, covered] {
            transcript.update(part);
        }
        let hash = |transcript: &Sha384| -> Secret { transcript.clone().finalize().into() };
        let th1 = hash(&transcript);
        let secret = hmac(&[0; 48], &[shared.raw_secret_bytes()]);
        let of = |label| -> Secret { expand(version, &secret, label, &th1) };
        let (of_request, of_response) = (of("req hs data"), of("rsp hs data"));
        let finished = |of: &Secret, hash: &Secret| -> Secret {
            hmac(&expand::<48>(version, of, "finished", &[]), &[hash])
        };
        assert_eq!(finished(&of_response, &th1), hmac_of_response);
        transcript.update(hmac_of_response);
        let mut finish = vec![request[0], 0xe5, 0, 0];
        transcript.update(&finish);
        let hmac = finished(&of_request, &hash(&transcript));
        transcript.update(hmac);
        finish.extend(hmac);
        let half = |message: &[u8]| u32::from(u16::from_le_bytes([message[4], message[5]]));
        let session = half(request) | half(response) << 16;
        Self {
            version,
            secret,
            transcript,
            keys: Keys {
                session,
                request: Direction::new(version, session, of_request),
                response: Direction::new(version, session, of_response),
            },
            finish,
        }
    }

    /// After this FINISH_RSP.
    pub(super) fn establish(mut self, response: &[u8]) -> Keys {
        let (version, session) = (self.version, self.keys.session);
        self.transcript.update(response);
        let th2 = self.transcript.finalize();
        let salt: Secret = expand(version, &self.secret, "derived", &[]);
        let master = hmac(&salt, &[&[0; 48]]);
        let of = |label| Direction::new(version, session, expand(version, &master, label, &th2));
        Keys {
            session,
            request: of("req app data"),
            response: of("rsp app data"),
        }
    }
}
