// SPDX-License-Identifier: GPL-2.0

//! A device for tests, with the wire between it and a requester.

use crate::{
    Block, CertificateChain, Entropy, Exchange, Fault, Found, MeasurementRecord, Packet, Requester,
    Responder, Services, SigningKey, Step, Trust,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use std::sync::OnceLock;
use std::time::Duration;

/// Some time in 2026.
pub(crate) const NOW: u64 = 1_790_000_000;

/// The same bytes every time.
pub(crate) struct Counter(pub(crate) u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        for byte in bytes {
            // Knuth's MMIX generator.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
        Some(())
    }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

pub(crate) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(crate) fn authority(name: &str, below: u8) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A chain that is made once: certificates, and the key of the last.
pub(crate) struct Identity {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) key: SigningKey,
}

impl Identity {
    /// Root, vendor and device, whose certificate has a name of so many bytes.
    pub(crate) fn new(name: usize) -> Self {
        let root = CertifiedIssuer::self_signed(authority("root", 1), key()).unwrap();
        let vendor = CertifiedIssuer::signed_by(authority("vendor", 0), key(), &root).unwrap();
        let pair = key();
        let mut params = params(&"d".repeat(name));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let device = params.signed_by(&pair, &vendor).unwrap();
        Self {
            certificates: vec![
                root.der().to_vec(),
                vendor.der().to_vec(),
                device.der().to_vec(),
            ],
            key: SigningKey::from_pkcs8(&pair.serialize_der()).unwrap(),
        }
    }

    /// The usual one.
    pub(crate) fn usual() -> &'static Self {
        static USUAL: OnceLock<Identity> = OnceLock::new();
        USUAL.get_or_init(|| Self::new(10))
    }

    pub(crate) fn chain(&self) -> CertificateChain {
        CertificateChain::new(&self.certificates).unwrap()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust {
            roots: vec![self.certificates[0].clone()],
            now: NOW,
        }
    }
}

pub(crate) struct Device {
    pub(crate) entropy: Counter,
    pub(crate) chain: CertificateChain,
    pub(crate) key: SigningKey,
    pub(crate) record: MeasurementRecord,
    /// Sessions that ended.
    pub(crate) ended: Vec<u32>,
    /// Sessions that vendor defined messages came in.
    pub(crate) sessions: Vec<Option<u32>>,
}

impl Device {
    pub(crate) fn new(identity: &Identity) -> Self {
        let blocks = (0..3)
            .map(|n| Block {
                content: vec![n; 20],
            })
            .collect();
        Self {
            entropy: Counter(1),
            chain: identity.chain(),
            key: identity.key.clone(),
            record: MeasurementRecord::new(blocks).unwrap(),
            ended: Vec::new(),
            sessions: Vec::new(),
        }
    }
}

impl Entropy for Device {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        self.entropy.fill(bytes)
    }
}

impl Services for Device {
    fn chain(&self, slot: u8) -> Option<&[u8]> {
        (slot == 0).then(|| self.chain.as_bytes())
    }
    fn sign(&mut self, slot: u8, digest: &[u8; 48]) -> Option<[u8; 96]> {
        assert_eq!(slot, 0);
        self.key.sign(digest)
    }
    fn measurements(&self) -> &MeasurementRecord {
        &self.record
    }
    fn vendor_defined(
        &mut self,
        protocol: u8,
        payload: &[u8],
        session: Option<u32>,
    ) -> Option<Vec<u8>> {
        self.sessions.push(session);
        (protocol != 9).then(|| payload.iter().rev().copied().collect())
    }
    fn session_ended(&mut self, id: u32) {
        self.ended.push(id);
    }
}

/// A requester and a responder with its device, and all that went between them.
pub(crate) struct Pair {
    pub(crate) requester: Requester,
    pub(crate) responder: Responder,
    pub(crate) device: Device,
    pub(crate) wire: Vec<Packet>,
    pub(crate) waited: Duration,
}

fn pad(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    packet
        .bytes
        .resize(packet.bytes.len().next_multiple_of(4), 0);
    packet
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::of(Identity::usual())
    }

    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            requester: Requester::new(identity.trust(), Box::new(Counter(2))),
            responder: Responder::new().heartbeat(20),
            device: Device::new(identity),
            wire: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    /// Connected, and the chain is verified.
    pub(crate) fn authenticated() -> Self {
        let mut pair = Self::new();
        pair.run(Exchange::Connect).unwrap();
        pair.run(Exchange::Certificate { slot: 0 }).unwrap();
        pair
    }

    /// With a session.
    pub(crate) fn in_session() -> Self {
        let mut pair = Self::authenticated();
        pair.run(Exchange::OpenSession { slot: 0 }).unwrap();
        pair
    }

    /// What the device answers, over a wire that makes everything whole words.
    pub(crate) fn answer(&mut self, request: &Packet) -> Packet {
        let request = pad(request);
        let answer = self.responder.respond(&mut self.device, &request);
        let answer = pad(&answer.unwrap());
        self.wire.extend([request, answer.clone()]);
        answer
    }

    /// Runs an exchange.
    pub(crate) fn run(&mut self, exchange: Exchange) -> Result<Vec<Found>, Fault> {
        self.run_with(exchange, |_| {})
    }

    /// Runs an exchange whose answers are changed on their way.
    pub(crate) fn run_with(
        &mut self,
        exchange: Exchange,
        mut change: impl FnMut(&mut Packet),
    ) -> Result<Vec<Found>, Fault> {
        let mut all = Vec::new();
        let mut request = self.requester.begin(exchange)?;
        loop {
            let mut answer = self.answer(&request);
            change(&mut answer);
            match self.requester.take(&answer)? {
                Step::Send {
                    packet,
                    found,
                    after,
                } => {
                    self.waited += after;
                    all.extend(found);
                    request = packet;
                }
                Step::Done { found } => {
                    all.extend(found);
                    return Ok(all);
                }
            }
        }
    }

    /// What a message in the clear is answered by: code, and its first parameter.
    pub(crate) fn plain(&mut self, message: &[u8]) -> (u8, u8) {
        let answer = self.answer(&Packet::plain(message.to_vec()));
        (answer.bytes[1], answer.bytes[2])
    }
}

/// All of it, in one piece.
pub(crate) fn bytes(found: &[Found]) -> Vec<u8> {
    found
        .iter()
        .flat_map(|found| match found {
            Found::Vca(bytes)
            | Found::Certificate(bytes)
            | Found::Measurement(bytes)
            | Found::Vendor(bytes) => bytes.clone(),
            _ => Vec::new(),
        })
        .collect()
}
