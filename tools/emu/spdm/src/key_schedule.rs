// SPDX-License-Identifier: GPL-2.0

//! The key schedule (DSP0274 1.2, chapter 12): from what an exchange agreed on and the hashes of its
//! transcript to the keys of both directions, by HKDF with SHA-384 (RFC 5869).

use crate::{Version, DIGEST_SIZE};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha384;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of an AES-256 key.
pub(crate) const KEY_SIZE: usize = 32;
/// Bytes of an initialisation vector.
pub(crate) const IV_SIZE: usize = 12;

/// A secret of the schedule.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<[u8; DIGEST_SIZE]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Key and initialisation vector of one direction.
pub(crate) struct DirectionKeys {
    pub(crate) key: Zeroizing<[u8; KEY_SIZE]>,
    pub(crate) iv: Zeroizing<[u8; IV_SIZE]>,
}

/// BinConcat: what HKDF-Expand is told it is for. The length is little-endian.
fn bin_concat(version: Version, length: usize, label: &str, context: &[u8]) -> Vec<u8> {
    let prefix = match version {
        Version::V1_1 => "spdm1.1 ",
        Version::V1_2 => "spdm1.2 ",
    };
    let length = (length as u16).to_le_bytes();
    [&length, prefix.as_bytes(), label.as_bytes(), context].concat()
}

impl Secret {
    fn extract(salt: &[u8; DIGEST_SIZE], input: &[u8]) -> Self {
        let (secret, _) = Hkdf::<Sha384>::extract(Some(salt), input);
        Self(Zeroizing::new(secret.into()))
    }

    fn expand<const N: usize>(
        &self,
        version: Version,
        label: &str,
        context: &[u8],
    ) -> Option<Zeroizing<[u8; N]>> {
        let info = bin_concat(version, N, label, context);
        let mut output = Zeroizing::new([0; N]);
        let hkdf = Hkdf::<Sha384>::from_prk(self.0.as_slice()).ok()?;
        hkdf.expand(&info, output.as_mut_slice()).ok()?;
        Some(output)
    }

    fn derive(&self, version: Version, label: &str, context: &[u8]) -> Option<Self> {
        self.expand(version, label, context).map(Self)
    }

    /// Handshake secret, from what the exchange agreed on.
    pub(crate) fn handshake(shared: &[u8]) -> Self {
        Self::extract(&[0; DIGEST_SIZE], shared)
    }

    /// Of a handshake secret: those of requests and of responses (BinStr 1 and 2).
    pub(crate) fn handshake_directions(
        &self,
        version: Version,
        th1: &[u8; DIGEST_SIZE],
    ) -> Option<(Self, Self)> {
        let request = self.derive(version, "req hs data", th1)?;
        let response = self.derive(version, "rsp hs data", th1)?;
        Some((request, response))
    }

    /// Of a handshake secret: the master secret (BinStr 0).
    pub(crate) fn master(&self, version: Version) -> Option<Self> {
        let salt = self.derive(version, "derived", &[])?;
        Some(Self::extract(&salt.0, &[0; DIGEST_SIZE]))
    }

    /// Of a master secret: those of requests and of responses (BinStr 3 and 4).
    pub(crate) fn data_directions(
        &self,
        version: Version,
        th2: &[u8; DIGEST_SIZE],
    ) -> Option<(Self, Self)> {
        let request = self.derive(version, "req app data", th2)?;
        let response = self.derive(version, "rsp app data", th2)?;
        Some((request, response))
    }

    /// Of the secret of a direction: its keys (BinStr 5 and 6).
    pub(crate) fn keys(&self, version: Version) -> Option<DirectionKeys> {
        Some(DirectionKeys {
            key: self.expand(version, "key", &[])?,
            iv: self.expand(version, "iv", &[])?,
        })
    }

    /// Of the secret of a direction: the one that follows it at KEY_UPDATE (BinStr 9).
    pub(crate) fn next(&self, version: Version) -> Option<Self> {
        self.derive(version, "traffic upd", &[])
    }

    /// Of the handshake secret of a direction: its HMAC over a hash, with the finished key (BinStr
    /// 7).
    fn finished(&self, version: Version, hash: &[u8; DIGEST_SIZE]) -> Option<Hmac<Sha384>> {
        let key: Zeroizing<[u8; DIGEST_SIZE]> = self.expand(version, "finished", &[])?;
        let mut hmac = Hmac::<Sha384>::new_from_slice(key.as_slice()).ok()?;
        hmac.update(hash);
        Some(hmac)
    }

    /// The HMAC of a direction over the hash of a transcript.
    pub(crate) fn hmac(
        &self,
        version: Version,
        hash: &[u8; DIGEST_SIZE],
    ) -> Option<[u8; DIGEST_SIZE]> {
        let hmac = self.finished(version, hash)?;
        Some(hmac.finalize().into_bytes().into())
    }

    /// Whether it is that, told in constant time.
    pub(crate) fn verify(
        &self,
        version: Version,
        hash: &[u8; DIGEST_SIZE],
        hmac: &[u8; DIGEST_SIZE],
    ) -> bool {
        self.finished(version, hash)
            .is_some_and(|own| own.verify_slice(hmac).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version::V1_2;

    fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 48] {
        let mut hmac = Hmac::<Sha384>::new_from_slice(key).unwrap();
        for part in parts {
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }

    #[test]
    fn labels() {
        assert_eq!(
            bin_concat(VERSION, 48, "req hs data", &[7; 2]),
            b"\x30\x00spdm1.2 req hs data\x07\x07"
        );
        assert_eq!(
            bin_concat(Version::V1_1, 0x102, "iv", &[]),
            b"\x02\x01spdm1.1 iv"
        );
    }

    /// The whole schedule, by RFC 5869 with nothing but HMAC: a single block is HMAC(key, info || 1).
    #[test]
    fn schedule() {
        let (shared, th1, th2) = ([1u8; 48], [2u8; 48], [3u8; 48]);
        let handshake = hmac(&[0; 48], &[&shared]);
        let own = Secret::handshake(&shared);
        assert_eq!(*own.0, handshake);

        let (request, response) = own.handshake_directions(VERSION, &th1).unwrap();
        let expected = hmac(&handshake, &[b"\x30\0spdm1.2 req hs data", &th1, &[1]]);
        assert_eq!(*request.0, expected);
        let expected = hmac(&handshake, &[b"\x30\0spdm1.2 rsp hs data", &th1, &[1]]);
        assert_eq!(*response.0, expected);

        let finished = hmac(&*response.0, &[b"\x30\0spdm1.2 finished", &[1]]);
        let expected = hmac(&finished, &[&th1]);
        assert_eq!(response.hmac(VERSION, &th1), Some(expected));
        assert!(response.verify(VERSION, &th1, &expected));
        assert!(!response.verify(VERSION, &th2, &expected));
        assert!(!request.verify(VERSION, &th1, &expected));

        let salt = hmac(&handshake, &[b"\x30\0spdm1.2 derived", &[1]]);
        let master = own.master(VERSION).unwrap();
        assert_eq!(*master.0, hmac(&salt, &[&[0; 48]]));
        let (request, response) = master.data_directions(VERSION, &th2).unwrap();
        let expected = hmac(&*master.0, &[b"\x30\0spdm1.2 req app data", &th2, &[1]]);
        assert_eq!(*request.0, expected);
        let expected = hmac(&*master.0, &[b"\x30\0spdm1.2 rsp app data", &th2, &[1]]);
        assert_eq!(*response.0, expected);

        let keys = request.keys(VERSION).unwrap();
        let key = hmac(&*request.0, &[b"\x20\0spdm1.2 key", &[1]]);
        assert_eq!(*keys.key, key[..32]);
        let iv = hmac(&*request.0, &[b"\x0c\0spdm1.2 iv", &[1]]);
        assert_eq!(*keys.iv, iv[..12]);

        let next = hmac(&*request.0, &[b"\x30\0spdm1.2 traffic upd", &[1]]);
        assert_eq!(*request.next(VERSION).unwrap().0, next);
        assert_eq!(format!("{request:?}"), "Secret");
    }
}
