// SPDX-License-Identifier: GPL-2.0

//! Who the device is: certificate chains over P-384, made anew at every start.

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use spdm::{CertificateChain, SigningKey};
use thiserror::Error;

/// Netscape's certificate comment: an extension that nobody needs to understand.
const COMMENT: [u64; 7] = [2, 16, 840, 1, 113_730, 1, 13];
/// Bytes of the comment in the device's certificate. With it the chain is longer than a granule.
const COMMENT_SIZE: u16 = 3500;
/// Tag of an IA5String in DER, and of a length of two bytes.
const IA5_STRING: [u8; 2] = [0x16, 0x82];

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A key or certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificates are too long for SPDM.
    #[error("the certificate chain is too long")]
    TooLong,
    /// The key that was made is not one to sign with.
    #[error("the key cannot be used")]
    Key,
}

/// How long a device's certificate chains are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Longer than a granule, as those of devices are whose certificates carry measurements.
    #[default]
    Long,
    /// A third of that, and as fast to read.
    Short,
}

/// Which chain the device shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presented {
    /// Its own: a root that the platform trusts, a vendor below it, and the device below that.
    #[default]
    Own,
    /// The same, but that the device's certificate is not valid any more.
    Expired,
    /// One for the same key, below a root that the platform does not know.
    Foreign,
}

/// The device's key and the chains that it has for it.
#[derive(Clone, Debug)]
pub struct Identity {
    root: Vec<u8>,
    own: CertificateChain,
    expired: CertificateChain,
    foreign: CertificateChain,
    key: SigningKey,
}

impl Identity {
    /// A new one.
    pub fn generate(length: Length) -> Result<Self, IdentityError> {
        let pair = key()?;
        let vendor = Vendor::new("tsm-emu root")?;
        let foreign = Vendor::new("somebody else's root")?;
        let mut expired = device(length)?;
        expired.not_before = date_time_ymd(2001, 1, 1);
        expired.not_after = date_time_ymd(2002, 1, 1);
        Ok(Self {
            root: vendor.root.der().to_vec(),
            own: vendor.chain(device(length)?, &pair)?,
            expired: vendor.chain(expired, &pair)?,
            foreign: foreign.chain(device(length)?, &pair)?,
            key: SigningKey::from_pkcs8(&pair.serialize_der()).ok_or(IdentityError::Key)?,
        })
    }

    /// Certificate of the root that the platform trusts, in DER.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// A chain.
    pub fn chain(&self, presented: Presented) -> &CertificateChain {
        match presented {
            Presented::Own => &self.own,
            Presented::Expired => &self.expired,
            Presented::Foreign => &self.foreign,
        }
    }

    /// The key in the last certificate of every chain.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}

/// A root, and a vendor that it certified.
struct Vendor {
    root: CertifiedIssuer<'static, KeyPair>,
    vendor: CertifiedIssuer<'static, KeyPair>,
}

impl Vendor {
    fn new(root: &str) -> Result<Self, IdentityError> {
        let root = CertifiedIssuer::self_signed(authority(root, 1)?, key()?)?;
        let vendor = CertifiedIssuer::signed_by(authority("tsm-emu vendor", 0)?, key()?, &root)?;
        Ok(Self { root, vendor })
    }

    fn chain(
        &self,
        device: CertificateParams,
        key: &KeyPair,
    ) -> Result<CertificateChain, IdentityError> {
        let device = device.signed_by(key, &self.vendor)?;
        let certificates = [
            self.root.der().to_vec(),
            self.vendor.der().to_vec(),
            device.der().to_vec(),
        ];
        CertificateChain::new(&certificates).ok_or(IdentityError::TooLong)
    }
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)
}

fn params(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn authority(name: &str, below: u8) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn device(length: Length) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params("tsm-emu device")?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if length == Length::Long {
        let mut comment = IA5_STRING.to_vec();
        comment.extend(COMMENT_SIZE.to_be_bytes());
        comment.resize(comment.len() + usize::from(COMMENT_SIZE), b'.');
        let comment = CustomExtension::from_oid_content(&COMMENT, comment);
        params.custom_extensions = vec![comment];
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spdm::{ChainFault, Trust};

    fn three_certificates(length: Length) -> usize {
        let identity = Identity::generate(length).unwrap();
        let chain = identity.chain(Presented::Own);
        let mut rest = chain.certificates();
        let mut count = 0;
        // A DER sequence with a length of two bytes.
        while let [0x30, 0x82, high, low, ..] = rest {
            let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
            rest = &rest[length..];
            count += 1;
        }
        assert_eq!((count, rest.len()), (3, 0));
        chain.as_bytes().len()
    }

    #[test]
    fn longer_than_a_granule() {
        assert!(three_certificates(Length::Long) > 4096);
    }

    #[test]
    fn short() {
        assert!(three_certificates(Length::Short) < 2048);
    }

    #[test]
    fn one_of_them_is_to_be_trusted() {
        one_is_to_be_trusted(Length::Long);
        one_is_to_be_trusted(Length::Short);
    }

    fn one_is_to_be_trusted(length: Length) {
        let identity = Identity::generate(length).unwrap();
        let trust = Trust {
            roots: vec![identity.root().to_vec()],
            now: 1_790_000_000,
        };
        for (presented, outcome) in [
            (Presented::Own, Ok(identity.key().public_key())),
            (Presented::Expired, Err(ChainFault::Expired)),
            (Presented::Foreign, Err(ChainFault::Untrusted)),
        ] {
            assert_eq!(trust.verify(identity.chain(presented).as_bytes()), outcome);
        }
    }
}
