// SPDX-License-Identifier: GPL-2.0

//! Which certificate chains are trusted: X.509 (RFC 5280) as SPDM uses it (10.6.1), with ECDSA over
//! NIST P-384 and SHA-384 all the way.

use crate::chain::{self, CHAIN_PREFIX_SIZE};
use crate::{ChainFault, PublicKey, DIGEST_SIZE};
use sha2::{Digest, Sha384};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::Certificate;

/// ecdsa-with-SHA384 (RFC 5758, 3.2).
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// id-ecPublicKey (RFC 5480, 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp384r1 (RFC 5480, 2.1.1.1).
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Extensions that may be critical: id-ce-keyUsage, id-ce-basicConstraints and id-ce-extKeyUsage (RFC
/// 5280, 4.2.1.3, 4.2.1.9 and 4.2.1.12). The first two are looked at; the last is free.
const KNOWN: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// Most certificates in a chain: more are not worth their signatures.
const CERTIFICATES_MAX: usize = 16;

/// What a requester trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certificates of authorities, in DER.
    pub roots: Vec<Vec<u8>>,
    /// Time, in seconds since 1970.
    pub now: u64,
}

/// A certificate with the bytes that its signature is over.
struct Link<'a> {
    der: &'a [u8],
    signed: &'a [u8],
    certificate: Certificate,
}

impl<'a> Link<'a> {
    /// The first one of `bytes`, and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = SliceReader::new(bytes).ok()?;
        let der = reader.tlv_bytes().ok()?;
        let rest = bytes.get(der.len()..)?;
        let mut inner = SliceReader::new(der).ok()?;
        Header::decode(&mut inner).ok()?;
        let signed = inner.tlv_bytes().ok()?;
        let certificate = Certificate::from_der(der).ok()?;
        let link = Self {
            der,
            signed,
            certificate,
        };
        Some((link, rest))
    }

    fn is_valid(&self, now: u64) -> Result<(), ChainFault> {
        let validity = self.certificate.tbs_certificate().validity();
        if now < validity.not_before.to_unix_duration().as_secs() {
            Err(ChainFault::NotYetValid)
        } else if now > validity.not_after.to_unix_duration().as_secs() {
            Err(ChainFault::Expired)
        } else {
            Ok(())
        }
    }

    /// Its key, if it is one for P-384.
    fn key(&self) -> Option<PublicKey> {
        let info = self.certificate.tbs_certificate().subject_public_key_info();
        let parameters = info.algorithm.parameters.as_ref()?;
        let curve: ObjectIdentifier = parameters.decode_as().ok()?;
        let point = info.subject_public_key.as_bytes()?;
        (info.algorithm.oid == EC_PUBLIC_KEY && curve == SECP384R1)
            .then(|| PublicKey::from_point(point))
            .flatten()
    }

    /// Whether nothing is marked critical that is not looked at.
    fn is_understood(&self) -> bool {
        let extensions = self.certificate.tbs_certificate().extensions();
        extensions
            .into_iter()
            .flatten()
            .all(|extension| !extension.critical || KNOWN.contains(&extension.extn_id))
    }

    fn constraints(&self) -> Result<Option<BasicConstraints>, ChainFault> {
        let tbs = self.certificate.tbs_certificate();
        let found = tbs.get_extension::<BasicConstraints>();
        Ok(found.map_err(|_| ChainFault::Malformed)?.map(|(_, it)| it))
    }

    /// `None`: for any use.
    fn usage(&self) -> Result<Option<KeyUsage>, ChainFault> {
        let tbs = self.certificate.tbs_certificate();
        let found = tbs.get_extension::<KeyUsage>();
        Ok(found.map_err(|_| ChainFault::Malformed)?.map(|(_, it)| it))
    }

    /// Whether it may sign certificates with so many other authorities between it and the last.
    fn is_authority(&self, between: usize) -> Result<bool, ChainFault> {
        let constrained = self.constraints()?.is_some_and(|constraints| {
            let enough = |length: u8| between <= usize::from(length);
            constraints.ca && constraints.path_len_constraint.is_none_or(enough)
        });
        let usable = self.usage()?.is_none_or(|usage| usage.key_cert_sign());
        Ok(constrained && usable)
    }

    /// Whether it may be the last.
    fn is_leaf(&self) -> Result<bool, ChainFault> {
        let authority = self
            .constraints()?
            .is_some_and(|constraints| constraints.ca);
        let usable = self.usage()?.is_none_or(|usage| usage.digital_signature());
        Ok(!authority && usable)
    }

    /// Whether `issuer` signed it.
    fn is_signed_by(&self, issuer: &Link<'_>) -> Result<(), ChainFault> {
        let own = self.certificate.tbs_certificate();
        if own.issuer() != issuer.certificate.tbs_certificate().subject() {
            return Err(ChainFault::Issuer);
        }
        let key = issuer.key().ok_or(ChainFault::Issuer)?;
        let algorithm = self.certificate.signature_algorithm();
        let signature = self.certificate.signature().as_bytes();
        let right = algorithm.oid == ECDSA_WITH_SHA384
            && own.signature() == algorithm
            && signature.is_some_and(|signature| {
                key.verify_der(&Sha384::digest(self.signed).into(), signature)
            });
        if right {
            Ok(())
        } else {
            Err(ChainFault::Signature)
        }
    }
}

impl Trust {
    /// Verifies a chain, with the prefix that SPDM puts before the certificates: the key of the
    /// device.
    ///
    /// The chain starts with a trusted certificate, or with one that a trusted certificate signed
    /// whose digest the prefix holds.
    pub fn verify(&self, spdm_chain: &[u8]) -> Result<PublicKey, ChainFault> {
        let (root_hash, mut rest) = chain::parse(spdm_chain).ok_or(ChainFault::Malformed)?;
        let mut links = Vec::new();
        while !rest.is_empty() {
            let (link, after) = Link::split(rest).ok_or(ChainFault::Malformed)?;
            links.push(link);
            rest = after;
        }
        if links.len() > CERTIFICATES_MAX || !links.iter().all(Link::is_understood) {
            return Err(ChainFault::Malformed);
        }
        let first = links.first().ok_or(ChainFault::Malformed)?;
        let trusted = self.root(first, root_hash)?;
        for link in trusted.iter().chain(&links) {
            link.is_valid(self.now)?;
        }
        let whole: Vec<&Link<'_>> = trusted.iter().chain(&links).collect();
        for (at, (issuer, link)) in whole.iter().zip(whole.iter().skip(1)).enumerate() {
            // All that follow but the last are authorities between.
            let between = whole.len().saturating_sub(at + 2);
            if !issuer.is_authority(between)? {
                return Err(ChainFault::Issuer);
            }
            link.is_signed_by(issuer)?;
        }
        let leaf = whole.last().ok_or(ChainFault::Malformed)?;
        if !leaf.is_leaf()? {
            return Err(ChainFault::Leaf);
        }
        leaf.key().ok_or(ChainFault::Leaf)
    }

    /// The trusted certificate above the first one; `None` if that is trusted itself.
    fn root(
        &self,
        first: &Link<'_>,
        root_hash: &[u8; DIGEST_SIZE],
    ) -> Result<Option<Link<'_>>, ChainFault> {
        let is_root = |der: &[u8]| Sha384::digest(der).as_slice() == root_hash;
        if self.roots.iter().any(|root| root == first.der) {
            return if is_root(first.der) {
                Ok(None)
            } else {
                Err(ChainFault::RootHash)
            };
        }
        let root = self
            .roots
            .iter()
            .find(|root| is_root(root))
            .ok_or(ChainFault::Untrusted)?;
        let (root, _) = Link::split(root).ok_or(ChainFault::Untrusted)?;
        Ok(Some(root))
    }
}

const _: () = assert!(CHAIN_PREFIX_SIZE == 4 + DIGEST_SIZE);

#[cfg(test)]
mod tests;
