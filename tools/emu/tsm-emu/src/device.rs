// SPDX-License-Identifier: GPL-2.0

//! The device: its functions, the DSM that watches them, and the SPDM responder behind the DOE
//! mailbox of function 0.

use crate::config_space::data_object_exchange;
use crate::doe::{self, Answer, Mailbox, Object, TYPE_CMA, TYPE_DISCOVERY, TYPE_SECURED_CMA};
use crate::endpoint::Endpoint;
use crate::knobs::ExchangeKnobs;
use spdm::{vendor, Block, CertificateChain, MeasurementRecord, Responder, Services};
use std::time::Instant;
use tdisp::lock::Flags;
use tdisp::{Dsm, Hosting, InterfaceId, InterfaceReport, Lock, Nonce, State};
use tracing::{debug, info};

/// How many functions the device has.
pub const FUNCTIONS: usize = 3;

/// Most bytes of an interface report in one message. It is less than a report has, so that
/// requesters have to put portions together.
const REPORT_PORTION: usize = 64;
/// Most bytes of a measurement block, so that each fits in a message.
const BLOCK_MAX: usize = 4000;
/// Words in an object that is far larger than asked for: 64 KiB.
const OVERSIZE_WORDS: usize = 16 * 1024 - doe::HEADER_WORDS;
/// An object type that nobody asked for.
const WRONG_TYPE: u8 = 0x7f;

/// What the firmware of the device measures.
const MEASURED: [&str; 4] = [
    "boot rom",
    "firmware",
    "hardware configuration",
    "firmware configuration",
];

/// The device.
#[derive(Debug)]
pub struct Device {
    functions: Vec<Endpoint>,
    mailbox: Mailbox,
    dsm: Dsm,
    responder: Responder,
    chain: CertificateChain,
    record: MeasurementRecord,
    lies: bool,
    exchanges: u64,
}

impl Device {
    /// With this certificate chain, just powered on.
    pub fn new(chain: CertificateChain) -> Self {
        Self {
            functions: (0..FUNCTIONS)
                .map(|number| Endpoint::new(number as u8))
                .collect(),
            mailbox: Mailbox::default(),
            dsm: Dsm::new(FUNCTIONS, REPORT_PORTION),
            responder: Responder::new(),
            chain,
            record: honest_record(),
            lies: false,
            exchanges: 0,
        }
    }

    /// Reads configuration space of a function.
    pub fn read_config(&self, function: usize, offset: usize, data: &mut [u8], now: Instant) {
        let Some(endpoint) = self.functions.get(function) else {
            data.fill(0xff);
            return;
        };
        match mailbox_register(endpoint, offset) {
            Some(register) => {
                let word = self.mailbox.read(register & !3, now).to_le_bytes();
                let inside = word.get(register & 3..).unwrap_or_default();
                for (to, from) in data
                    .iter_mut()
                    .zip(inside.iter().chain(std::iter::repeat(&0)))
                {
                    *to = *from;
                }
            }
            None => endpoint.read_config(offset, data),
        }
    }

    /// Writes configuration space of a function.
    pub fn write_config(
        &mut self,
        function: usize,
        offset: usize,
        data: &[u8],
        knobs: &mut ExchangeKnobs,
        now: Instant,
    ) {
        let Some(endpoint) = self.functions.get_mut(function) else {
            return;
        };
        if let Some(register) = mailbox_register(endpoint, offset) {
            // The registers take whole words.
            if let Ok(word) = <[u8; 4]>::try_from(data) {
                self.write_mailbox(register, u32::from_le_bytes(word), knobs, now);
            }
            return;
        }
        let change = endpoint.write_config(offset, data);
        let lock_msix = self
            .lock(function)
            .is_some_and(|lock| lock.flags.contains(Flags::LOCK_MSIX));
        if change.reset {
            info!(function, "function level reset");
            if function == 0 {
                self.mailbox.abort();
            }
        }
        let hostile = change.hostile || change.reset || (change.msix && lock_msix);
        if hostile && self.dsm.fail(function) {
            info!(function, offset, "locked TDI was tampered with: ERROR");
        }
    }

    /// Reads behind a BAR of a function.
    pub fn read_bar(&self, function: usize, bar: usize, offset: usize, data: &mut [u8]) {
        match self.functions.get(function) {
            Some(endpoint) => endpoint.read_bar(bar, offset, data, self.tdi(function)),
            None => data.fill(0xff),
        }
    }

    /// Writes behind a BAR of a function. Returns the MSI-X vector that the write fires.
    pub fn write_bar(
        &mut self,
        function: usize,
        bar: usize,
        offset: usize,
        data: &[u8],
    ) -> Option<u32> {
        let lock = self.lock(function).copied();
        let state = self.state(function);
        let endpoint = self.functions.get_mut(function)?;
        endpoint.write_bar(bar, offset, data, (state, lock.as_ref()))
    }

    /// Conventional reset, which QEMU tells each function of its own.
    pub fn reset(&mut self, function: usize) {
        info!(function, "conventional reset");
        if let Some(endpoint) = self.functions.get_mut(function) {
            endpoint.reset();
        }
        self.mailbox.abort();
        self.responder.reset();
        self.dsm.reset();
    }

    /// TDISP state of a function's TDI.
    pub fn state(&self, function: usize) -> State {
        self.dsm.state(function).unwrap_or_default()
    }

    /// The DSM, to make it misbehave.
    pub fn dsm(&mut self) -> &mut Dsm {
        &mut self.dsm
    }

    /// Whether an address is one that a BAR of the device answers to.
    pub fn owns(&self, address: u64) -> bool {
        self.functions
            .iter()
            .flat_map(Endpoint::bars)
            .any(|(_, base, size)| base != 0 && address >= base && address - base < size)
    }

    /// How many data objects of type CMA it was sent.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Whether reports hold addresses that are not the assigned ones.
    pub fn lies(&self) -> bool {
        self.lies
    }

    /// Makes reports lie, or not.
    pub fn set_lies(&mut self, lies: bool) {
        self.lies = lies;
    }

    /// Bytes in the measurement record, as digests.
    pub fn measurement_bytes(&self) -> usize {
        self.record.encode(false).len()
    }

    /// Makes the measurement record this long, or as it is by itself with 0. Returns whether there
    /// is such a record.
    pub fn set_measurement_bytes(&mut self, size: usize) -> bool {
        let record = match size {
            0 => Some(honest_record()),
            size => MeasurementRecord::of_size(size, BLOCK_MAX),
        };
        let possible = record.is_some();
        self.record = record.unwrap_or_else(honest_record);
        possible
    }

    /// Answers an SPDM request, as the mailbox would have it answered.
    pub fn respond(&mut self, request: &[u8]) -> Vec<u8> {
        let Self {
            functions,
            dsm,
            responder,
            chain,
            record,
            lies,
            ..
        } = self;
        let mut facilities = Facilities {
            chain,
            record,
            dsm,
            functions: Functions {
                functions,
                lies: *lies,
            },
        };
        responder.respond(&mut facilities, request)
    }

    fn lock(&self, function: usize) -> Option<&Lock> {
        self.dsm.interface(function)?.locked_with()
    }

    fn tdi(&self, function: usize) -> (State, Option<&Lock>) {
        (self.state(function), self.lock(function))
    }

    fn write_mailbox(
        &mut self,
        register: usize,
        value: u32,
        knobs: &mut ExchangeKnobs,
        now: Instant,
    ) {
        if let Some(object) = self.mailbox.write(register, value, now) {
            let answer = self.submit(&object, knobs, now);
            self.mailbox.answer(answer);
        }
    }

    fn submit(&mut self, object: &Object, knobs: &mut ExchangeKnobs, now: Instant) -> Answer {
        if object.vendor != doe::VENDOR_PCI_SIG {
            return Answer::Discard;
        }
        match object.kind {
            TYPE_DISCOVERY => Answer::Object(discovery(object), now),
            TYPE_CMA => {
                self.exchanges += 1;
                if ExchangeKnobs::take(&mut knobs.no_answer) {
                    return Answer::Never;
                }
                let response = self.respond(&object.bytes());
                debug!(request = ?object.payload.first(), length = response.len(), "SPDM");
                let mut answer = Object::of_bytes(TYPE_CMA, &response);
                if ExchangeKnobs::take(&mut knobs.short) {
                    answer.payload.truncate(1);
                } else if ExchangeKnobs::take(&mut knobs.oversize) {
                    answer.payload.resize(OVERSIZE_WORDS, 0);
                } else if ExchangeKnobs::take(&mut knobs.wrong_type) {
                    answer.kind = WRONG_TYPE;
                }
                Answer::Object(answer, now + knobs.late)
            }
            // There is no session that it could belong to.
            TYPE_SECURED_CMA => Answer::Error,
            _ => Answer::Discard,
        }
    }
}

/// Register of the mailbox at this offset in configuration space, from the capability's.
fn mailbox_register(endpoint: &Endpoint, offset: usize) -> Option<usize> {
    let register = offset.checked_sub(endpoint.exchange()?)?;
    (doe::CONTROL..data_object_exchange::LENGTH)
        .contains(&register)
        .then_some(register)
}

/// DOE discovery (6.30.1.1): the request names an index, the answer the protocol there and the
/// index after it.
fn discovery(request: &Object) -> Object {
    let index = request
        .payload
        .first()
        .map_or(0, |word| (word & 0xff) as u8);
    let (vendor, kind, next) = match index {
        TYPE_DISCOVERY => (doe::VENDOR_PCI_SIG, TYPE_DISCOVERY, TYPE_CMA),
        TYPE_CMA => (doe::VENDOR_PCI_SIG, TYPE_CMA, TYPE_SECURED_CMA),
        TYPE_SECURED_CMA => (doe::VENDOR_PCI_SIG, TYPE_SECURED_CMA, 0),
        _ => (0xffff, 0, 0),
    };
    Object {
        vendor: doe::VENDOR_PCI_SIG,
        kind: TYPE_DISCOVERY,
        payload: vec![u32::from(vendor) | u32::from(kind) << 16 | u32::from(next) << 24],
    }
}

fn honest_record() -> MeasurementRecord {
    let blocks = MEASURED
        .iter()
        .map(|what| Block {
            content: format!("tsm-emu {what}").into_bytes(),
        })
        .collect();
    MeasurementRecord::new(blocks).unwrap_or_default()
}

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

struct Functions<'a> {
    functions: &'a mut [Endpoint],
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
}

impl Hosting for Functions<'_> {
    /// The device does not care which bus it is on; it is device 0 there.
    fn find(&self, interface: InterfaceId) -> Option<usize> {
        let device_and_function = usize::from(interface.requester_id() & 0xff);
        (device_and_function < self.functions.len()).then_some(device_and_function)
    }

    fn report(&self, tdi: usize, flags: Flags) -> Option<InterfaceReport> {
        let report = self.functions.get(tdi)?.report(flags, self.lies)?;
        (!self.overlaps(tdi)).then_some(report)
    }

    fn nonce(&mut self) -> Option<Nonce> {
        random()
    }

    fn scrub(&mut self, tdi: usize) {
        if let Some(endpoint) = self.functions.get_mut(tdi) {
            endpoint.scrub();
        }
    }
}

struct Facilities<'a> {
    chain: &'a CertificateChain,
    record: &'a MeasurementRecord,
    dsm: &'a mut Dsm,
    functions: Functions<'a>,
}

impl Services for Facilities<'_> {
    fn chain(&self, slot: u8) -> Option<&[u8]> {
        (slot == 0).then(|| self.chain.as_bytes())
    }

    fn measurements(&self) -> &MeasurementRecord {
        self.record
    }

    fn nonce(&mut self) -> Option<[u8; 32]> {
        random()
    }

    fn vendor_defined(&mut self, protocol: u8, payload: &[u8]) -> Option<Vec<u8>> {
        (protocol == vendor::PROTOCOL_TDISP).then(|| self.dsm.respond(&mut self.functions, payload))
    }
}
