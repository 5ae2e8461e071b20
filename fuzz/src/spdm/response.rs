// SPDX-License-Identifier: GPL-2.0

//! Responses, one at a time: each to the request that it belongs to, changed or not. In a session they
//! are encrypted with the right keys, as those of a device that lies are.

use super::device::{Device, Size};
use super::honest::{pad, Honest, Reached, VERSIONS};
use super::identity::Identity;
use super::keys::Direction;
use super::ERROR;
use crate::{seeds, Input};
use spdm::measurements::{OPERATION_ALL, OPERATION_COUNT};
use spdm::vendor::PROTOCOL_TDISP;
use spdm::{Carriage, Exchange, Fault, Found, Packet, Requester, Responder, Step, Version};
use std::sync::LazyLock;

/// A response that is waited for.
struct Case {
    version: Version,
    reached: Reached,
    exchange: Exchange,
    /// Answers before it in the same exchange.
    before: Vec<Packet>,
    /// The honest one.
    message: Vec<u8>,
    /// What seals it, in a session.
    keys: Option<Direction>,
}

/// Where each begins, what is asked for, and how many answers precede.
fn waits() -> Vec<(Reached, Exchange, usize)> {
    let measure = |operation, raw, signed| Exchange::Measure {
        slot: 0,
        operation,
        raw,
        signed,
        nonce: None,
    };
    let everywhere = [
        Exchange::Digests,
        Exchange::Certificate { slot: 0 },
        measure(OPERATION_COUNT, false, false),
        measure(2, true, false),
        measure(OPERATION_ALL, false, false),
        measure(OPERATION_ALL, false, true),
    ];
    let mut waits: Vec<_> = (0..3)
        .map(|n| (Reached::Start, Exchange::Connect, n))
        .collect();
    for reached in [Reached::Authenticated, Reached::Session] {
        waits.extend(
            everywhere
                .iter()
                .map(|exchange| (reached, exchange.clone(), 0)),
        );
    }
    let vendor = |protocol| Exchange::Vendor {
        protocol,
        payload: b"payload".to_vec(),
    };
    waits.extend([
        (Reached::Authenticated, Exchange::Challenge { slot: 0 }, 0),
        (Reached::Authenticated, vendor(7), 0),
        (Reached::Authenticated, Exchange::OpenSession { slot: 0 }, 0),
        (Reached::Authenticated, Exchange::OpenSession { slot: 0 }, 1),
        (Reached::Session, vendor(PROTOCOL_TDISP), 0),
        (Reached::Session, Exchange::Heartbeat, 0),
        (Reached::Session, Exchange::KeyUpdate { all: false }, 0),
        (Reached::Session, Exchange::KeyUpdate { all: false }, 1),
        (Reached::Session, Exchange::KeyUpdate { all: true }, 0),
        (Reached::Session, Exchange::KeyUpdate { all: true }, 1),
        (Reached::Session, Exchange::CloseSession, 0),
    ]);
    waits
}

impl Case {
    fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let of = |version| {
                waits()
                    .into_iter()
                    .map(move |wait| Case::new(version, wait))
            };
            VERSIONS.into_iter().flat_map(of).collect()
        });
        &ALL
    }

    fn new(version: Version, (reached, exchange, before): (Reached, Exchange, usize)) -> Self {
        let honest = Honest::get(version);
        let (mut responder, mut device) = honest.responder(reached, Size::Small);
        let mut requester = honest.requester(reached);
        let request = requester.begin(exchange.clone()).unwrap();
        let mut talk = Talk {
            requester: &mut requester,
            responder: &mut responder,
            device: &mut device,
        };
        let (before, answer) = talk.answers(request, before);
        let mut case = Self {
            version,
            reached,
            exchange,
            before,
            message: answer.bytes.clone(),
            keys: None,
        };
        if answer.carriage == Carriage::Secured {
            let keys = case.keys();
            case.message = keys.clone().open(&answer.bytes).unwrap();
            case.keys = Some(keys);
        }
        case
    }

    /// What the answer is sealed with.
    fn keys(&self) -> Direction {
        let reached = match self.exchange {
            Exchange::OpenSession { .. } => return self.handshake(),
            _ => Reached::Session,
        };
        let mut keys = Honest::get(self.version).keys(reached).response;
        if self.exchange == (Exchange::KeyUpdate { all: true }) {
            keys = keys.next();
        }
        for answer in &self.before {
            keys.open(&answer.bytes).unwrap();
        }
        keys
    }

    /// The session is opened as in the recorded conversation.
    fn handshake(&self) -> Direction {
        Honest::get(self.version).keys(Reached::Handshake).response
    }

    fn asked(&self) -> Requester {
        let mut requester = Honest::get(self.version).requester(self.reached);
        requester.begin(self.exchange.clone()).unwrap();
        for answer in &self.before {
            requester.take(answer).unwrap();
        }
        requester
    }

    fn packet(&self, message: &[u8]) -> Packet {
        match self.keys.clone() {
            Some(mut keys) => Packet::secured(keys.seal(message)),
            None => Packet::plain(message.to_vec()),
        }
    }

    /// Whether nothing but what was said by the device may be taken.
    fn is_signed(&self) -> bool {
        match self.exchange {
            Exchange::Challenge { .. } | Exchange::OpenSession { .. } => self.keys.is_none(),
            Exchange::Measure { signed, .. } => signed,
            _ => false,
        }
    }
}

struct Talk<'a> {
    requester: &'a mut Requester,
    responder: &'a mut Responder,
    device: &'a mut Device,
}

impl Talk<'_> {
    /// Answers that precede, and the one after them.
    fn answers(&mut self, mut request: Packet, count: usize) -> (Vec<Packet>, Packet) {
        let mut before = Vec::new();
        loop {
            let answer = self.responder.respond(self.device, &pad(&request)).unwrap();
            if before.len() == count {
                return (before, answer);
            }
            match self.requester.take(&answer).unwrap() {
                Step::Send { packet, .. } => request = packet,
                Step::Done { .. } => panic!("over before it is asked for"),
            }
            before.push(answer);
        }
    }
}

/// Which response, how it is made, and of what.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let case = input.pick(&Case::all().iter().collect::<Vec<_>>());
    let message = message(&mut input, &case.message);
    let authentic = super::is_padded(&message, &case.message);
    let mut requester = case.asked();
    let step = match requester.take(&case.packet(&message)) {
        Ok(step) => step,
        Err(fault) => {
            assert!(!authentic, "{:?}: {fault}", case.exchange);
            // It was decrypted, whatever was in it.
            let sealed = matches!(fault, Fault::Decrypt | Fault::Sequence | Fault::InTheClear);
            assert!(
                !sealed && fault != Fault::Session,
                "{:?}: {fault}",
                case.exchange
            );
            assert_eq!(requester.take(&case.packet(&message)), Err(Fault::Order));
            return;
        }
    };
    if message[1] == ERROR {
        // It is asked for once more.
        assert!(
            matches!(step, Step::Send { .. }),
            "{:?}: {message:02x?}",
            case.exchange
        );
        return;
    }
    assert!(
        authentic || !case.is_signed(),
        "{:?}: {message:02x?}",
        case.exchange
    );
    let (found, over) = match &step {
        Step::Send { packet, found, .. } => {
            assert!(packet.bytes.len() <= 4608);
            (found, false)
        }
        Step::Done { found } => (found, true),
    };
    for found in found {
        let bytes = match found {
            Found::Certificate(bytes) | Found::Measurement(bytes) | Found::Vendor(bytes) => bytes,
            Found::Vca(bytes) => {
                assert!(bytes.len() >= message.len().min(8));
                continue;
            }
            Found::Digests { slots, digests } => {
                assert_eq!(slots.count_ones() as usize, digests.len());
                continue;
            }
            Found::MeasurementCount(_) => continue,
        };
        let there = bytes.is_empty() || message.windows(bytes.len()).any(|part| part == bytes);
        assert!(there, "{found:?} is not in {message:02x?}");
    }
    if let (Exchange::Certificate { .. }, true) = (&case.exchange, over) {
        // Bytes around the certificates are nobody's word, and no later signature is over others.
        let identity = Identity::get();
        let whole = [&identity.root[..], &identity.direct].concat();
        let known = [
            Found::Certificate(whole),
            Found::Certificate(identity.direct.clone()),
        ];
        assert!(
            found.iter().all(|found| known.contains(found)),
            "another chain"
        );
    }
    if let Some(id) = requester.session() {
        assert_eq!(id, Honest::get(case.version).keys(Reached::Session).session);
    }
    // More than padding may not follow.
    let long = [&message[..], &[0; 32]].concat();
    let again = case.asked().take(&case.packet(&long));
    assert!(
        again.is_err(),
        "{:?}: {message:02x?} and a block of bytes",
        case.exchange
    );
}

/// All as they are, and a change of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let (mut seeds, cases) = (Vec::new(), Case::all());
    for (number, case) in (0u8..).zip(cases) {
        seeds.push(vec![number, 0]);
        seeds.push([&[number, 3][..], &seeds::bytes(&case.message)].concat());
        seeds.push(vec![number, 1, 4, 0, 1]);
    }
    seeds
}

/// A message out of an honest one: as it is, with changes, or any other.
pub(super) fn message(input: &mut Input<'_>, honest: &[u8]) -> Vec<u8> {
    let how = input.byte();
    let mut message = honest.to_vec();
    match how % 4 {
        0 => {}
        1 => {
            while !input.is_empty() {
                let at = usize::from(input.half()) % message.len();
                message[at] ^= input.byte();
            }
        }
        2 => {
            let at = usize::from(input.half()) % (message.len() + 1);
            let end = (at + usize::from(input.byte())).min(message.len());
            message.splice(at..end, input.bytes().iter().copied());
        }
        _ => message = input.bytes().to_vec(),
    }
    message
}
