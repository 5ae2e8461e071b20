// SPDX-License-Identifier: GPL-2.0

//! A device with two TDIs whose every answer can be turned.

use tdisp::interface_report::{Range, RANGE_NON_TEE, RANGE_UPDATABLE};
use tdisp::lock::Flags;
use tdisp::vdm::Vdm;
use tdisp::{Features, Hosting, InterfaceId, InterfaceReport, Nonce};

/// How many TDIs it has.
pub(super) const TDIS: usize = 2;

pub(super) struct Functions {
    pub(super) configured: bool,
    pub(super) entropy: bool,
    pub(super) features: Features,
    /// Streams that are keyed, and over which session; the first is the default stream.
    pub(super) keyed: Vec<(u8, u32)>,
    pub(super) nonces: u64,
    /// TDIs that were scrubbed.
    pub(super) scrubbed: Vec<usize>,
    /// Ranges whose attribute was changed.
    pub(super) attributes: Vec<(usize, Range)>,
}

impl Functions {
    pub(super) fn new(choice: u8) -> Self {
        Self {
            configured: true,
            entropy: true,
            features: Features {
                p2p: choice & 1 != 0,
                mmio_attribute: choice & 2 != 0,
                vdm: choice & 4 != 0,
            },
            keyed: vec![(5, 1), (6, 1), (7, 1)],
            nonces: 0,
            scrubbed: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The report of all TDIs.
    pub(super) fn ranges() -> Vec<Range> {
        let range = |address, attributes, id| Range {
            address,
            pages: 4,
            attributes,
            id,
        };
        vec![
            range(0x1000, 0, 0),
            range(0x8000, RANGE_UPDATABLE, 2),
            range(0xc000, RANGE_UPDATABLE | RANGE_NON_TEE, 4),
            range(0xffff_ffff_ffff_c000, RANGE_UPDATABLE, 5),
        ]
    }
}

impl Hosting for Functions {
    fn find(&self, interface: InterfaceId) -> Option<usize> {
        Some(usize::from(interface.requester_id())).filter(|tdi| *tdi < TDIS)
    }

    fn report(&self, tdi: usize, flags: Flags) -> Option<InterfaceReport> {
        self.configured.then(|| InterfaceReport {
            info: flags.0,
            ranges: Self::ranges(),
            device_info: vec![tdi as u8; 20],
            ..InterfaceReport::default()
        })
    }

    fn stream_is_ready(&self, stream: u8, session: u32) -> bool {
        self.keyed.first() == Some(&(stream, session))
    }

    fn nonce(&mut self) -> Option<Nonce> {
        self.nonces += 1;
        let mut nonce = [0x5a; 32];
        nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
        self.entropy.then_some(nonce)
    }

    fn scrub(&mut self, tdi: usize) {
        self.scrubbed.push(tdi);
    }

    fn features(&self) -> Features {
        self.features
    }

    fn p2p_stream_is_ready(&self, stream: u8, session: u32) -> bool {
        self.keyed
            .iter()
            .skip(1)
            .any(|keyed| *keyed == (stream, session))
    }

    fn set_non_tee(&mut self, tdi: usize, range: &Range, _non_tee: bool) -> bool {
        self.attributes.push((tdi, *range));
        range.id != 4
    }

    fn vdm(&mut self, _tdi: usize, message: &Vdm) -> Option<Vdm> {
        (message.vendor == [0x34, 0x12]).then(|| message.clone())
    }
}
