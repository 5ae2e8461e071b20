// SPDX-License-Identifier: GPL-2.0

//! A device, and entropy that is the same every time.

use super::identity::Identity;
use spdm::vendor::{PROTOCOL_IDE_KM, PROTOCOL_TDISP};
use spdm::{Block, CertificateChain, Entropy, MeasurementRecord, Services};
use std::sync::LazyLock;

/// The same bytes every time.
#[derive(Clone, Copy)]
pub(super) struct Counter(pub(super) u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        for byte in bytes {
            // Xorshift (Marsaglia, 2003).
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = (self.0 >> 32) as u8;
        }
        Some(())
    }
}

/// Protocol that the device does not have.
pub(super) const UNKNOWN_PROTOCOL: u8 = 9;

/// What it says to a vendor defined message.
pub(super) fn vendor_answer(payload: &[u8]) -> Vec<u8> {
    payload.iter().rev().copied().collect()
}

/// How large its measurements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// All fit in one message.
    Small,
    /// They do not.
    Large,
}

/// A device.
pub(super) struct Device {
    entropy: Counter,
    record: &'static MeasurementRecord,
    /// Sessions that ended.
    pub(super) ended: Vec<u32>,
    /// Payloads of vendor defined messages that came in a session.
    pub(super) heard: Vec<Vec<u8>>,
}

impl Device {
    pub(super) fn new(size: Size) -> Self {
        static SMALL: LazyLock<MeasurementRecord> = LazyLock::new(|| record(20));
        static LARGE: LazyLock<MeasurementRecord> = LazyLock::new(|| record(2000));
        let record = match size {
            Size::Small => &*SMALL,
            Size::Large => &*LARGE,
        };
        Self {
            entropy: Counter(0x1234_5678_9abc_def0),
            record,
            ended: Vec::new(),
            heard: Vec::new(),
        }
    }
}

fn record(size: usize) -> MeasurementRecord {
    let blocks = (0..3).map(|n| Block {
        content: vec![n; size],
    });
    MeasurementRecord::new(blocks.collect()).unwrap()
}

impl Entropy for Device {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        self.entropy.fill(bytes)
    }
}

impl Services for Device {
    fn chain(&self, slot: u8) -> Option<&[u8]> {
        static CHAIN: LazyLock<CertificateChain> = LazyLock::new(|| Identity::get().chain());
        (slot == 0).then(|| CHAIN.as_bytes())
    }

    fn sign(&mut self, slot: u8, digest: &[u8; 48]) -> Option<[u8; 96]> {
        assert_eq!(slot, 0);
        Some(Identity::get().device.sign(digest).to_bytes().into())
    }

    fn measurements(&self) -> &MeasurementRecord {
        self.record
    }

    fn vendor_defined(
        &mut self,
        protocol: u8,
        payload: &[u8],
        session: Option<u32>,
    ) -> Option<Vec<u8>> {
        match session {
            Some(_) => self.heard.push(payload.to_vec()),
            None => assert!(
                !matches!(protocol, PROTOCOL_IDE_KM | PROTOCOL_TDISP),
                "secrets in the clear"
            ),
        }
        (protocol != UNKNOWN_PROTOCOL).then(|| vendor_answer(payload))
    }

    fn session_ended(&mut self, id: u32) {
        self.ended.push(id);
    }
}
