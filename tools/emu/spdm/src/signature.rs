// SPDX-License-Identifier: GPL-2.0

//! Signatures over transcripts (DSP0274 1.2, chapter 15): ECDSA over NIST P-384 with SHA-384.

use crate::Version;
use p384::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p384::ecdsa::{self, Signature};
use p384::pkcs8::DecodePrivateKey;
use sha2::{Digest, Sha384};
use std::fmt;

/// Bytes of a digest.
pub const DIGEST_SIZE: usize = 48;
/// Bytes of a signature: both integers, big-endian.
pub const SIGNATURE_SIZE: usize = 96;

/// Bytes of what stands before the hash of the transcript.
const PREFIX_SIZE: usize = 100;
/// Of these, how many say which version it is.
const PREFIX_VERSION: &[u8; 64] =
    b"dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*";

/// The digest that is signed for a transcript with this hash.
///
/// Version 1.1 signs the transcript itself. From version 1.2 on what is signed says which version it
/// is and what the signature is for, then has the hash of the transcript.
pub(crate) fn digest(
    version: Version,
    context: &str,
    transcript: [u8; DIGEST_SIZE],
) -> [u8; DIGEST_SIZE] {
    if version == Version::V1_1 {
        return transcript;
    }
    let padding = PREFIX_SIZE.saturating_sub(PREFIX_VERSION.len() + context.len());
    let mut hash = Sha384::new();
    hash.update(PREFIX_VERSION);
    hash.update(vec![0; padding]);
    hash.update(context);
    hash.update(transcript);
    hash.finalize().into()
}

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey(ecdsa::SigningKey);

impl SigningKey {
    /// Of a PKCS #8 document in DER; `None` if it is not one of a key for P-384.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let secret = p384::SecretKey::from_pkcs8_der(der).ok()?;
        Some(Self(secret.into()))
    }

    /// Signs a digest; the same signature every time (RFC 6979).
    pub fn sign(&self, digest: &[u8; DIGEST_SIZE]) -> Option<[u8; SIGNATURE_SIZE]> {
        let signature: Signature = self.0.sign_prehash(digest).ok()?;
        Some(signature.to_bytes().into())
    }

    /// The key that verifies what this one signs.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(ecdsa::VerifyingKey);

impl PublicKey {
    /// Of a point (SEC 1).
    pub(crate) fn from_point(bytes: &[u8]) -> Option<Self> {
        let key = ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?;
        Some(Self(key))
    }

    /// Whether the signature is one of this key over this digest.
    pub fn verify(&self, digest: &[u8; DIGEST_SIZE], signature: &[u8; SIGNATURE_SIZE]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_prehash(digest, &signature).is_ok())
    }

    /// The same for a signature in DER, as certificates have it.
    pub(crate) fn verify_der(&self, digest: &[u8; DIGEST_SIZE], signature: &[u8]) -> bool {
        Signature::from_der(signature)
            .is_ok_and(|signature| self.0.verify_prehash(digest, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

    #[test]
    fn prefix() {
        let context = "responder-challenge_auth signing";
        let mut expected = b"dmtf-spdm-v1.2.*".repeat(4);
        // 100 - 64 - 32 bytes of padding.
        expected.extend([0; 4]);
        expected.extend(context.as_bytes());
        assert_eq!(expected.len(), 100);
        expected.extend([7; 48]);
        let expected: [u8; 48] = Sha384::digest(&expected).into();
        assert_eq!(digest(Version::V1_2, context, [7; 48]), expected);
        assert_eq!(digest(Version::V1_1, context, [7; 48]), [7; 48]);
        // The longest context leaves two bytes.
        assert_eq!(crate::key_exchange::SIGNING_CONTEXT.len(), 34);
        assert_eq!(crate::measurements::SIGNING_CONTEXT.len(), 30);
    }

    #[test]
    fn sign_and_verify() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let key = SigningKey::from_pkcs8(&pair.serialize_der()).unwrap();
        let signature = key.sign(&[1; 48]).unwrap();
        let public = key.public_key();
        assert!(public.verify(&[1; 48], &signature));
        assert!(!public.verify(&[2; 48], &signature));
        let mut wrong = signature;
        wrong[95] ^= 1;
        assert!(!public.verify(&[1; 48], &wrong));
        assert!(!public.verify(&[1; 48], &[0; 96]));
        assert_eq!(format!("{key:?}"), "SigningKey { .. }");
        assert!(SigningKey::from_pkcs8(b"no key").is_none());
    }

    /// RFC 6979, A.2.6: P-384, SHA-384, message "sample".
    #[test]
    fn known_answer() {
        let secret = "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
            96D5724E4C70A825F872C9EA60D2EDF5";
        let r = "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
            81A648152E44ACF96E36DD1E80FABE46";
        let s = "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
            A329C145786E679E7B82C71A38628AC8";
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
                .collect()
        };
        let key = SigningKey(ecdsa::SigningKey::from_slice(&bytes(secret)).unwrap());
        let signature = key.sign(&Sha384::digest("sample").into()).unwrap();
        assert_eq!(signature.to_vec(), [bytes(r), bytes(s)].concat());
    }
}
