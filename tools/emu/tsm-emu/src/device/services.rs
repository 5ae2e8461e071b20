// SPDX-License-Identifier: GPL-2.0

//! What the device gives to its SPDM responder, and its functions to the DSM behind it.

use crate::config_space::express::Topology;
use crate::endpoint::Endpoint;
use crate::entropy::SystemEntropy;
use ide_km::Port;
use spdm::{
    vendor, CertificateChain, Entropy, MeasurementRecord, Services, SigningKey, DIGEST_SIZE,
    SIGNATURE_SIZE,
};
use tdisp::lock::Flags;
use tdisp::{Dsm, Hosting, InterfaceId, InterfaceReport, Nonce};
use tracing::info;

/// The only slot with certificates.
const SLOT: u8 = 0;
/// Control register of the only selective stream, in the IDE capability.
const STREAM_CONTROL: usize = 0x10;
/// In it: enable.
const STREAM_ENABLE: u32 = 1 << 0;

/// Of a device, what its responder needs.
pub(super) struct Facilities<'a> {
    pub(super) chain: &'a CertificateChain,
    pub(super) key: &'a SigningKey,
    pub(super) record: &'a MeasurementRecord,
    pub(super) dsm: &'a mut Dsm,
    pub(super) port: &'a mut Port,
    pub(super) functions: &'a mut [Endpoint],
    pub(super) topology: Topology,
    pub(super) lies: bool,
}

/// TDIs that rely on a stream that is not what it was go to ERROR.
pub(super) fn tell_of_lost_streams(port: &mut Port, dsm: &mut Dsm) {
    for stream in port.take_lost() {
        let failed = dsm.stream_lost(stream);
        if failed != 0 {
            info!(stream, failed, "stream of locked TDIs lost: ERROR");
        }
    }
}

impl Entropy for Facilities<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        SystemEntropy.fill(bytes)
    }
}

impl Services for Facilities<'_> {
    fn chain(&self, slot: u8) -> Option<&[u8]> {
        (slot == SLOT).then(|| self.chain.as_bytes())
    }

    fn sign(&mut self, slot: u8, digest: &[u8; DIGEST_SIZE]) -> Option<[u8; SIGNATURE_SIZE]> {
        (slot == SLOT).then(|| self.key.sign(digest)).flatten()
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
        let session = session?;
        match protocol {
            vendor::PROTOCOL_IDE_KM => {
                let answer = self.port.respond(session, payload);
                tell_of_lost_streams(self.port, self.dsm);
                answer
            }
            vendor::PROTOCOL_TDISP => {
                let mut functions = Functions {
                    functions: self.functions,
                    topology: self.topology,
                    port: self.port,
                    lies: self.lies,
                };
                Some(self.dsm.respond(&mut functions, session, payload))
            }
            _ => None,
        }
    }

    fn session_ended(&mut self, id: u32) {
        let failed = self.dsm.session_ended(id);
        info!(id, failed, "session ended");
        self.port.session_ended(id);
        tell_of_lost_streams(self.port, self.dsm);
    }
}

/// The functions, as the DSM has them.
struct Functions<'a> {
    functions: &'a mut [Endpoint],
    topology: Topology,
    port: &'a Port,
    lies: bool,
}

impl Functions<'_> {
    /// Whether a BAR of this function overlaps one of another's.
    fn overlaps(&self, tdi: usize) -> bool {
        let all = || {
            let numbered = self.functions.iter().enumerate();
            numbered.flat_map(|(function, endpoint)| {
                endpoint
                    .bars()
                    .map(move |(bar, base, size)| ((function, bar), base, size))
            })
        };
        all()
            .filter(|((function, _), ..)| *function == tdi)
            .any(|(one, base, size)| {
                all().any(|(other, from, length)| {
                    other != one && base < from + length && from < base + size
                })
            })
    }

    /// Whether its TLPs go, or are about to go, over an IDE stream.
    fn uses_ide(&self) -> bool {
        let enabled = self.port.read(STREAM_CONTROL) & STREAM_ENABLE != 0;
        self.topology == Topology::Endpoint && (enabled || self.port.keys().streams().count() != 0)
    }
}

impl Hosting for Functions<'_> {
    /// The device does not care which bus it is on; below a port it is device 0 there, and in the
    /// root complex any.
    fn find(&self, interface: InterfaceId) -> Option<usize> {
        let number = match self.topology {
            Topology::Endpoint => 0xff,
            Topology::RootComplex => 0x7,
        };
        let function = usize::from(interface.requester_id() & number);
        (function < self.functions.len()).then_some(function)
    }

    fn report(&self, tdi: usize, flags: Flags) -> Option<InterfaceReport> {
        let report = self.functions.get(tdi)?.report(flags, self.lies)?;
        (!self.overlaps(tdi)).then_some(report)
    }

    /// In the root complex there is no link that would need IDE. Below a port the standard wants the
    /// default stream keyed (11.3.8). This device insists on that only where somebody uses IDE at
    /// all: below a port without IDE it could not be tried out otherwise. A TSM that knows the way
    /// to the device to be open has to refuse it itself.
    fn stream_is_ready(&self, stream: u8, session: u32) -> bool {
        !self.uses_ide() || self.port.serves_as_default(stream, session)
    }

    fn nonce(&mut self) -> Option<Nonce> {
        let mut nonce = Nonce::default();
        SystemEntropy.fill(&mut nonce).map(|()| nonce)
    }

    fn scrub(&mut self, tdi: usize) {
        if let Some(endpoint) = self.functions.get_mut(tdi) {
            endpoint.scrub();
        }
    }
}
