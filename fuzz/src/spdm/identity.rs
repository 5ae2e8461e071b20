// SPDX-License-Identifier: GPL-2.0

//! Keys and certificates that are the same every time: an input that found something has to find it
//! again.

use p384::ecdsa::signature::hazmat::PrehashSigner;
use p384::ecdsa::{Signature, SigningKey};
use sha2::{Digest, Sha384};
use spdm::{CertificateChain, Trust};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// Some time in 2026.
pub(super) const NOW: u64 = 1_790_000_000;

const EC_PUBLIC_KEY: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: [u8; 7] = [6, 5, 0x2b, 0x81, 4, 0, 0x22];
const ECDSA_WITH_SHA384: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const COMMON_NAME: [u8; 5] = [6, 3, 0x55, 4, 3];
const BASIC_CONSTRAINTS: [u8; 5] = [6, 3, 0x55, 0x1d, 0x13];
const KEY_USAGE: [u8; 5] = [6, 3, 0x55, 0x1d, 0x0f];
const CRITICAL: [u8; 3] = [1, 1, 0xff];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIT_STRING: u8 = 3;
const OCTET_STRING: u8 = 4;
const UTF8_STRING: u8 = 0xc;
const GENERALIZED_TIME: u8 = 0x18;

/// DER: tag, length, parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut bytes = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    bytes.extend_from_slice(&content);
    bytes
}

/// Somebody with a name and a key.
pub(super) struct Party {
    name: &'static str,
    key: SigningKey,
}

impl Party {
    fn new(name: &'static str, scalar: u8) -> Self {
        Self {
            name,
            key: SigningKey::from_slice(&[scalar; 48]).unwrap(),
        }
    }

    /// The public key as a point (SEC 1).
    pub(super) fn point(&self) -> Vec<u8> {
        self.key
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec()
    }

    /// The same signature every time, and made once only.
    pub(super) fn sign(&self, digest: &[u8; 48]) -> Signature {
        type Made = HashMap<(u8, [u8; 48]), Signature>;
        static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
        let of = (self.key.to_bytes()[0], *digest);
        let mut made = MADE.lock().unwrap();
        if made.len() > 10_000 {
            made.clear();
        }
        *made
            .entry(of)
            .or_insert_with(|| self.key.sign_prehash(digest).unwrap())
    }
}

/// What a certificate says besides names and keys.
#[derive(Clone, Copy)]
struct Kind {
    /// How many authorities may follow; `None` for the last certificate.
    below: Option<u8>,
    /// The year it ends.
    until: u16,
}

fn certificate(subject: &Party, issuer: &Party, kind: Kind) -> Vec<u8> {
    let name = |party: &Party| {
        let attribute = der(
            SEQUENCE,
            &[&COMMON_NAME, &der(UTF8_STRING, &[party.name.as_bytes()])],
        );
        der(SEQUENCE, &[&der(SET, &[&attribute])])
    };
    let extension =
        |oid: &[u8], value: &[u8]| der(SEQUENCE, &[oid, &CRITICAL, &der(OCTET_STRING, &[value])]);
    let extensions = match kind.below {
        Some(below) => [
            extension(
                &BASIC_CONSTRAINTS,
                &der(SEQUENCE, &[&[1, 1, 0xff, 2, 1, below]]),
            ),
            extension(&KEY_USAGE, &[BIT_STRING, 2, 2, 4]),
        ]
        .concat(),
        None => extension(&KEY_USAGE, &[BIT_STRING, 2, 7, 0x80]),
    };
    let algorithm = der(SEQUENCE, &[&ECDSA_WITH_SHA384]);
    let until = format!("{}0101000000Z", kind.until);
    let validity = der(
        SEQUENCE,
        &[
            &der(GENERALIZED_TIME, &[b"20250101000000Z"]),
            &der(GENERALIZED_TIME, &[until.as_bytes()]),
        ],
    );
    let key = der(
        SEQUENCE,
        &[
            &der(SEQUENCE, &[&EC_PUBLIC_KEY, &SECP384R1]),
            &der(BIT_STRING, &[&[0], &subject.point()]),
        ],
    );
    let serial = [2, 1, subject.key.to_bytes()[0]];
    let to_be_signed = der(
        SEQUENCE,
        &[
            &[0xa0, 3, 2, 1, 2],
            &serial,
            &algorithm,
            &name(issuer),
            &validity,
            &name(subject),
            &key,
            &der(0xa3, &[&der(SEQUENCE, &[&extensions])]),
        ],
    );
    let signature = issuer.sign(&Sha384::digest(&to_be_signed).into());
    let signature = der(BIT_STRING, &[&[0], signature.to_der().as_bytes()]);
    der(SEQUENCE, &[&to_be_signed, &algorithm, &signature])
}

/// Parties and certificates, good and bad.
pub(super) struct Identity {
    /// Has the key of the device's certificate.
    pub(super) device: Party,
    /// Root, vendor, device; of these, root and [`Self::direct`] are what the device shows.
    pub(super) root: Vec<u8>,
    pub(super) vendor: Vec<u8>,
    pub(super) leaf: Vec<u8>,
    /// The device's, by the root itself.
    pub(super) direct: Vec<u8>,
    /// Of others: a root of the same name, what that signed, a certificate by the device's key, one
    /// that has expired.
    pub(super) foreign: [Vec<u8>; 4],
}

impl Identity {
    fn new() -> Self {
        let (root, vendor) = (Party::new("root", 0x11), Party::new("vendor", 0x22));
        let device = Party::new("device", 0x33);
        let (other, victim) = (Party::new("root", 0x44), Party::new("device", 0x55));
        let until = 2100;
        let authority = |below| Kind {
            below: Some(below),
            until,
        };
        let last = Kind { below: None, until };
        let expired = Kind {
            below: None,
            until: 2026,
        };
        Self {
            root: certificate(&root, &root, authority(1)),
            vendor: certificate(&vendor, &root, authority(0)),
            leaf: certificate(&device, &vendor, last),
            direct: certificate(&device, &root, last),
            foreign: [
                certificate(&other, &other, authority(1)),
                certificate(&victim, &other, last),
                certificate(&victim, &device, last),
                certificate(&device, &vendor, expired),
            ],
            device,
        }
    }

    /// There is one.
    pub(super) fn get() -> &'static Self {
        static ONE: LazyLock<Identity> = LazyLock::new(Identity::new);
        &ONE
    }

    /// What the device shows: as short as it can be, since each signature takes its time.
    pub(super) fn chain(&self) -> CertificateChain {
        CertificateChain::new(&[self.root.clone(), self.direct.clone()]).unwrap()
    }

    /// Trusts the root.
    pub(super) fn trust(&self) -> Trust {
        Trust {
            roots: vec![self.root.clone()],
            now: NOW,
        }
    }
}
