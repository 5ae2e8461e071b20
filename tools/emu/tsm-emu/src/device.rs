// SPDX-License-Identifier: GPL-2.0

//! A device: its functions, the DSM that watches them, the port that its IDE streams end at, and
//! the SPDM responder behind the DOE mailbox of function 0.

mod services;

use crate::capture::{Capture, Direction};
use crate::config_space::express::Topology;
use crate::config_space::{data_object_exchange, ide};
use crate::doe::{self, Answer, Mailbox, Object, TYPE_CMA, TYPE_DISCOVERY, TYPE_SECURED_CMA};
use crate::endpoint::{Endpoint, Place};
use crate::identity::{Identity, Presented};
use crate::knobs::ExchangeKnobs;
use ide_km::Port;
use services::Facilities;
use spdm::{measurements, Block, Carriage, MeasurementRecord, Mischief, Packet, Responder};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};
use tdisp::lock::Flags;
use tdisp::{Dsm, Lock, State};
use tracing::{debug, info, warn};

/// How many functions a device has at most.
pub const FUNCTIONS: usize = 3;

/// Most bytes of an interface report in one message. It is less than a report has, so that
/// requesters have to put portions together.
const REPORT_PORTION: usize = 64;
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
/// The same device with another firmware.
const ALTERED: [&str; 4] = [
    "boot rom",
    "somebody else's firmware",
    "hardware configuration",
    "firmware configuration",
];

/// A device.
#[derive(Debug)]
pub struct Device {
    number: usize,
    functions: Vec<Endpoint>,
    topology: Topology,
    mailbox: Mailbox,
    dsm: Dsm,
    port: Port,
    responder: Responder,
    identity: Identity,
    presented: Presented,
    /// What its vendor says that it measures.
    record: MeasurementRecord,
    /// What it measures in its stead.
    altered: Option<MeasurementRecord>,
    lies: bool,
    exchanges: u64,
    capture: Option<Arc<Mutex<Capture>>>,
}

impl Device {
    /// The device of this number, with this identity and so many functions, at most [`FUNCTIONS`]:
    /// below a root port, just powered on.
    pub fn new(identity: Identity, number: usize, functions: usize) -> Self {
        let functions = functions.min(FUNCTIONS);
        Self {
            number,
            functions: endpoints(number, functions, Topology::default()),
            topology: Topology::default(),
            mailbox: Mailbox::default(),
            dsm: Dsm::new(functions, REPORT_PORTION),
            port: ide::port(),
            responder: Responder::new(),
            identity,
            presented: Presented::default(),
            record: honest_record(),
            altered: None,
            lies: false,
            exchanges: 0,
            capture: None,
        }
    }

    /// The same device in this place, just powered on.
    pub fn in_topology(mut self, topology: Topology) -> Self {
        self.functions = endpoints(self.number, self.functions.len(), topology);
        self.topology = topology;
        self
    }

    /// Records what goes through its mailbox of types CMA and secured CMA from now on.
    pub fn record_to(&mut self, capture: Arc<Mutex<Capture>>) {
        self.capture = Some(capture);
    }

    /// How many functions it has.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Certificate of the root that it is to be trusted by, in DER.
    pub fn root(&self) -> &[u8] {
        self.identity.root()
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
            None => match ide_register(endpoint, &self.port, offset) {
                Some(register) => ide::read(&self.port, register, data),
                None => endpoint.read_config(offset, data),
            },
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
        if let Some(register) = ide_register(endpoint, &self.port, offset) {
            ide::write(&mut self.port, register, data);
            services::tell_of_lost_streams(&mut self.port, &mut self.dsm);
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
        self.with_services(|responder, services| responder.reset(services));
        self.port.reset();
        services::tell_of_lost_streams(&mut self.port, &mut self.dsm);
        self.dsm.reset();
    }

    /// TDISP state of a function's TDI.
    pub fn state(&self, function: usize) -> State {
        self.dsm.state(function).unwrap_or_default()
    }

    /// TDISP states of all its TDIs.
    pub fn states(&self) -> impl Iterator<Item = State> + '_ {
        (0..self.functions.len()).map(|function| self.state(function))
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

    /// How many data objects of types CMA and secured CMA it was sent.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Id of its SPDM session, if there is one.
    pub fn session(&self) -> Option<u32> {
        self.responder.session()
    }

    /// The port that its IDE streams end at.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Whether reports hold addresses that are not the assigned ones.
    pub fn lies(&self) -> bool {
        self.lies
    }

    /// Makes reports lie, or not.
    pub fn set_lies(&mut self, lies: bool) {
        self.lies = lies;
    }

    /// How its responder misbehaves.
    pub fn mischief(&mut self) -> &mut Mischief {
        &mut self.responder.mischief
    }

    /// Which certificate chain it shows.
    pub fn presented(&self) -> Presented {
        self.presented
    }

    /// Makes it show a certificate chain.
    pub fn present(&mut self, presented: Presented) {
        self.presented = presented;
    }

    /// What its vendor says that it measures, as digests where it has them: the reference values that
    /// come with it.
    pub fn reference_values(&self) -> Vec<u8> {
        self.record.encode(false)
    }

    /// Bytes in the measurement record, as digests.
    pub fn measurement_bytes(&self) -> usize {
        self.record.encode(false).len()
    }

    /// Makes the measurement record, and with it the reference values, this long, or as it is by
    /// itself with 0. Returns whether there is such a record.
    pub fn set_measurement_bytes(&mut self, size: usize) -> bool {
        let record = match size {
            0 => Some(honest_record()),
            size => MeasurementRecord::of_size(size, measurements::BLOCK_MAX),
        };
        let possible = record.is_some();
        self.record = record.unwrap_or_else(honest_record);
        possible
    }

    /// Whether it measures something else than its vendor says.
    pub fn is_altered(&self) -> bool {
        self.altered.is_some()
    }

    /// Makes it measure something else than its vendor says, or not.
    pub fn set_altered(&mut self, altered: bool) {
        self.altered = altered.then(|| record_of(&ALTERED));
    }

    /// Answers a message, as the mailbox would have it answered.
    pub fn respond(&mut self, request: &Packet) -> Option<Packet> {
        self.with_services(|responder, services| responder.respond(services, request))
    }

    fn with_services<T>(
        &mut self,
        act: impl FnOnce(&mut Responder, &mut Facilities<'_>) -> T,
    ) -> T {
        let Self {
            functions,
            topology,
            dsm,
            port,
            responder,
            identity,
            presented,
            record,
            altered,
            lies,
            ..
        } = self;
        let mut services = Facilities {
            chain: identity.chain(*presented),
            key: identity.key(),
            record: altered.as_ref().unwrap_or(record),
            dsm,
            port,
            functions,
            topology: *topology,
            lies: *lies,
        };
        act(responder, &mut services)
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
        if object.kind == TYPE_DISCOVERY {
            return Answer::Object(discovery(object), now);
        }
        let Some(carriage) = Carriage::of(object.kind) else {
            return Answer::Discard;
        };
        self.exchanges += 1;
        self.record(Direction::Request, object);
        if ExchangeKnobs::take(&mut knobs.no_answer) {
            return Answer::Never;
        }
        let bytes = object.bytes();
        let Some(response) = self.respond(&Packet { carriage, bytes }) else {
            return Answer::Discard;
        };
        debug!(?carriage, length = response.bytes.len(), "SPDM");
        let kind = response.carriage.data_object_type();
        let mut answer = Object::of_bytes(kind, &response.bytes);
        if ExchangeKnobs::take(&mut knobs.short) {
            answer.payload.truncate(1);
        } else if ExchangeKnobs::take(&mut knobs.oversize) {
            answer.payload.resize(OVERSIZE_WORDS, 0);
        } else if ExchangeKnobs::take(&mut knobs.wrong_type) {
            answer.kind = WRONG_TYPE;
        }
        self.record(Direction::Response, &answer);
        Answer::Object(answer, now + knobs.late)
    }

    fn record(&mut self, direction: Direction, object: &Object) {
        let written = self.capture.as_ref().map(|capture| {
            let mut capture = capture.lock().unwrap_or_else(PoisonError::into_inner);
            capture.record(self.number, direction, object, SystemTime::now())
        });
        if let Some(Err(error)) = written {
            warn!(%error, "capture");
            self.capture = None;
        }
    }
}

fn endpoints(device: usize, functions: usize, topology: Topology) -> Vec<Endpoint> {
    (0..functions)
        .map(|number| {
            let place = Place {
                device: device as u8,
                function: number as u8,
                functions: functions as u8,
            };
            Endpoint::in_topology(place, topology)
        })
        .collect()
}

/// Offset in the IDE capability of this offset in configuration space. The header is not part of it:
/// it is in the chain of capabilities.
fn ide_register(endpoint: &Endpoint, port: &Port, offset: usize) -> Option<usize> {
    let register = offset.checked_sub(endpoint.ide()?)?;
    (size_of::<u32>()..port.size())
        .contains(&register)
        .then_some(register)
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
    record_of(&MEASURED)
}

fn record_of(measured: &[&str]) -> MeasurementRecord {
    let blocks = measured
        .iter()
        .map(|what| Block {
            content: format!("tsm-emu {what}").into_bytes(),
        })
        .collect();
    MeasurementRecord::new(blocks).unwrap_or_default()
}
