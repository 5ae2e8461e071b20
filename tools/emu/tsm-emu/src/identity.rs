// SPDX-License-Identifier: GPL-2.0

//! Who the device is: a certificate chain over P-384, made anew at every start.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use spdm::CertificateChain;
use thiserror::Error;

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A key or certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificates are too long for SPDM.
    #[error("the certificate chain is too long")]
    TooLong,
}

/// A root, a vendor below it, and the device below that.
pub fn chain() -> Result<CertificateChain, IdentityError> {
    let root = CertifiedIssuer::self_signed(authority("tsm-emu root", 1)?, key()?)?;
    let vendor = CertifiedIssuer::signed_by(authority("tsm-emu vendor", 0)?, key()?, &root)?;
    let mut params = params("tsm-emu device")?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let device = params.signed_by(&key()?, &vendor)?;
    let certificates = [
        root.der().to_vec(),
        vendor.der().to_vec(),
        device.der().to_vec(),
    ];
    CertificateChain::new(&certificates).ok_or(IdentityError::TooLong)
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

#[cfg(test)]
mod tests {
    #[test]
    fn three_certificates() {
        let chain = super::chain().unwrap();
        let mut rest = chain.certificates();
        let mut count = 0;
        // A DER sequence with a length of two bytes.
        while let [0x30, 0x82, high, low, ..] = rest {
            let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
            rest = &rest[length..];
            count += 1;
        }
        assert_eq!((count, rest.len()), (3, 0));
    }
}
