// SPDX-License-Identifier: GPL-2.0

//! What both sides of the recorded conversations are made of: entropy that is always the same, and
//! a device with its certificates and measurements.

use spdm::{Block, CertificateChain, Entropy, MeasurementRecord, Services, SigningKey};

pub(crate) const ROOT: &[u8] = include_bytes!("root.der");
const INTERMEDIATE: &[u8] = include_bytes!("intermediate.der");
const DEVICE: &[u8] = include_bytes!("device.der");
const KEY: &[u8] = include_bytes!("device.key.der");

/// SplitMix64, from zero.
#[derive(Debug)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new() -> Self {
        Self(0)
    }
}

impl Entropy for Stream {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
        Some(())
    }
}

/// A device that has no protocols of its own.
pub(crate) struct Device {
    entropy: Stream,
    chain: CertificateChain,
    key: SigningKey,
    record: MeasurementRecord,
    pub(crate) sessions_ended: usize,
}

impl Device {
    pub(crate) fn new() -> Self {
        let certificates = [ROOT, INTERMEDIATE, DEVICE].map(<[u8]>::to_vec);
        let blocks = ["rom", "firmware", "configuration"]
            .map(|what| Block {
                content: what.as_bytes().to_vec(),
            })
            .to_vec();
        Self {
            entropy: Stream::new(),
            chain: CertificateChain::new(&certificates).unwrap(),
            key: SigningKey::from_pkcs8(KEY).unwrap(),
            record: MeasurementRecord::new(blocks).unwrap(),
            sessions_ended: 0,
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

    fn sign(&mut self, _slot: u8, digest: &[u8; 48]) -> Option<[u8; 96]> {
        self.key.sign(digest)
    }

    fn measurements(&self) -> &MeasurementRecord {
        &self.record
    }

    fn vendor_defined(&mut self, _: u8, _: &[u8], _: Option<u32>) -> Option<Vec<u8>> {
        None
    }

    fn session_ended(&mut self, _: u32) {
        self.sessions_ended += 1;
    }
}
