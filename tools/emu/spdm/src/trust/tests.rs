// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::device::{authority, key, params, Identity, NOW};
use crate::CertificateChain;
use proptest::prelude::*;
use rcgen::{
    date_time_ymd, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

fn verify(trust: &Trust, certificates: &[Vec<u8>]) -> Result<PublicKey, ChainFault> {
    trust.verify(CertificateChain::new(certificates).unwrap().as_bytes())
}

/// A chain of root, vendor and device made from these; the fault of it.
fn made(
    vendor: CertificateParams,
    device: CertificateParams,
    device_key: &KeyPair,
) -> Option<ChainFault> {
    let root = CertifiedIssuer::self_signed(authority("root", 1), key()).unwrap();
    let vendor = CertifiedIssuer::signed_by(vendor, key(), &root).unwrap();
    let device = device.signed_by(device_key, &vendor).unwrap();
    let trust = Trust {
        roots: vec![root.der().to_vec()],
        now: NOW,
    };
    let certificates = [
        root.der().to_vec(),
        vendor.der().to_vec(),
        device.der().to_vec(),
    ];
    verify(&trust, &certificates).err()
}

#[test]
fn trusted() {
    let identity = Identity::usual();
    let key = verify(&identity.trust(), &identity.certificates).unwrap();
    assert_eq!(key, identity.key.public_key());
    assert_eq!(
        made(authority("vendor", 0), params("device"), &self::key()),
        None
    );
}

#[test]
fn foreign() {
    let identity = Identity::usual();
    let foreign = Identity::new(10);
    let refused = verify(&foreign.trust(), &identity.certificates);
    assert_eq!(refused, Err(ChainFault::Untrusted));
    // The right root with somebody else's chain below it.
    let mixed = [
        identity.certificates[0].clone(),
        foreign.certificates[1].clone(),
        foreign.certificates[2].clone(),
    ];
    let refused = verify(&identity.trust(), &mixed);
    assert_eq!(refused, Err(ChainFault::Signature));
    assert_eq!(
        verify(&Trust::default(), &mixed),
        Err(ChainFault::Untrusted)
    );
}

#[test]
fn without_root() {
    let identity = Identity::usual();
    let trust = identity.trust();
    let mut bytes = CertificateChain::new(&identity.certificates[1..])
        .unwrap()
        .as_bytes()
        .to_vec();
    assert_eq!(trust.verify(&bytes), Err(ChainFault::Untrusted));
    bytes[4..52].copy_from_slice(&Sha384::digest(&identity.certificates[0]));
    assert_eq!(trust.verify(&bytes), Ok(identity.key.public_key()));
}

#[test]
fn wrong_root_hash() {
    let identity = Identity::usual();
    let mut bytes = identity.chain().as_bytes().to_vec();
    bytes[4] ^= 1;
    let refused = identity.trust().verify(&bytes);
    assert_eq!(refused, Err(ChainFault::RootHash));
}

#[test]
fn validity() {
    let (not_before, not_after) = (1_767_225_600, 1_798_761_600);
    let identity = {
        let mut device = params("device");
        device.not_before = date_time_ymd(2026, 1, 1);
        device.not_after = date_time_ymd(2027, 1, 1);
        let root = CertifiedIssuer::self_signed(authority("root", 0), key()).unwrap();
        let device = device.signed_by(&key(), &root).unwrap();
        [root.der().to_vec(), device.der().to_vec()]
    };
    let at = |now| {
        let roots = vec![identity[0].clone()];
        verify(&Trust { roots, now }, &identity).err()
    };
    assert_eq!(at(not_before - 1), Some(ChainFault::NotYetValid));
    assert_eq!(at(not_before), None);
    assert_eq!(at(not_after), None);
    assert_eq!(at(not_after + 1), Some(ChainFault::Expired));
}

#[test]
fn issuers() {
    // Not an authority; an authority that may not sign; one that may have none below it.
    let vendor = params("vendor");
    let device = || params("device");
    assert_eq!(made(vendor, device(), &key()), Some(ChainFault::Issuer));
    let mut vendor = authority("vendor", 0);
    vendor.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    assert_eq!(made(vendor, device(), &key()), Some(ChainFault::Issuer));
    let root = CertifiedIssuer::self_signed(authority("root", 0), key()).unwrap();
    let vendor = CertifiedIssuer::signed_by(authority("vendor", 0), key(), &root).unwrap();
    let device = device().signed_by(&key(), &vendor).unwrap();
    let certificates = [
        root.der().to_vec(),
        vendor.der().to_vec(),
        device.der().to_vec(),
    ];
    let trust = Trust {
        roots: vec![root.der().to_vec()],
        now: NOW,
    };
    assert_eq!(verify(&trust, &certificates), Err(ChainFault::Issuer));
    // Signed by the root, and said to be by the vendor.
    let skipped = [certificates[0].clone(), certificates[2].clone()];
    assert_eq!(verify(&trust, &skipped), Err(ChainFault::Issuer));
}

#[test]
fn leaves() {
    let vendor = || authority("vendor", 0);
    let authority_last = authority("device", 0);
    assert_eq!(
        made(vendor(), authority_last, &key()),
        Some(ChainFault::Leaf)
    );
    let mut explicit = params("device");
    explicit.is_ca = IsCa::ExplicitNoCa;
    assert_eq!(made(vendor(), explicit, &key()), None);
    let mut no_signatures = params("device");
    no_signatures.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    assert_eq!(
        made(vendor(), no_signatures, &key()),
        Some(ChainFault::Leaf)
    );
    let other_curve = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(
        made(vendor(), params("device"), &other_curve),
        Some(ChainFault::Leaf)
    );
}

#[test]
fn critical_extensions() {
    let with = |oid: &[u64]| {
        let mut device = params("device");
        let mut extension = rcgen::CustomExtension::from_oid_content(oid, vec![0x30, 0x00]);
        extension.set_criticality(true);
        device.custom_extensions = vec![extension];
        made(authority("vendor", 0), device, &key())
    };
    // Nobody here knows name constraints; extended key usage is free.
    assert_eq!(with(&[2, 5, 29, 30]), Some(ChainFault::Malformed));
    assert_eq!(with(&[2, 5, 29, 37]), None);
}

#[test]
fn malformed() {
    let identity = Identity::usual();
    let trust = identity.trust();
    let chain = identity.chain();
    let bytes = chain.as_bytes();
    for length in [0, 3, 51, 52, 53, bytes.len() - 1] {
        let mut cut = bytes[..length].to_vec();
        assert_eq!(trust.verify(&cut), Err(ChainFault::Malformed));
        if length >= 4 {
            cut[..2].copy_from_slice(&(length as u16).to_le_bytes());
            assert_eq!(trust.verify(&cut), Err(ChainFault::Malformed));
        }
    }
    let many = vec![identity.certificates[0].clone(); CERTIFICATES_MAX + 1];
    assert_eq!(verify(&trust, &many), Err(ChainFault::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No changed bit is taken: at most it says that something is not signed right.
    #[test]
    fn no_changed_bit(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let identity = Identity::usual();
        let mut bytes = identity.chain().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Two bytes of the prefix are reserved.
        let refused = identity.trust().verify(&bytes).is_err();
        prop_assert!(refused || (2..4).contains(&at), "byte {}", at);
    }

    #[test]
    fn no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let identity = Identity::usual();
        let _ = identity.trust().verify(&bytes);
        let mut known = ((bytes.len() + 52) as u16).to_le_bytes().to_vec();
        known.extend([0; 50]);
        known.extend(&bytes);
        prop_assert!(identity.trust().verify(&known).is_err());
    }
}
