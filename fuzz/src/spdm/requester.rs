// SPDX-License-Identifier: GPL-2.0

//! The requester with an honest responder, and somebody between them: an exchange that proves
//! something never ends well on bytes that the responder did not send.

use super::device::{Device, Size};
use super::honest::{pad, Honest, Reached, VERSIONS};
use super::identity::Identity;
use super::ERROR;
use crate::{seeds, Input};
use spdm::measurements::{OPERATION_ALL, OPERATION_COUNT};
use spdm::{
    Carriage, Exchange, Fault, Found, Packet, Requester, Responder, Services, Step, Version,
};

/// Most exchanges of an input.
const EXCHANGES: usize = 12;
/// More steps than any exchange has: one for each index of measurements, each put off eight times.
const STEPS: usize = 256 * 9;

/// Who is between them.
struct Rig {
    version: Version,
    requester: Requester,
    responder: Responder,
    device: Device,
    /// Answers that passed.
    passed: Vec<Packet>,
    /// Whether all that the connection is based on came from the responder.
    based: bool,
    /// Whether anything was changed or lost at all.
    tampered: bool,
}

/// How an exchange ended.
struct Ended {
    exchange: Exchange,
    found: Vec<Found>,
    /// Whether it was in a session.
    secured: bool,
    /// Whether all answers to it came from the responder; ERROR may have come from anybody.
    authentic: bool,
}

/// Version, how far they are, how large measurements are; then exchanges, and what happens to each
/// answer.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&VERSIONS);
    let reached = input.pick(&[Reached::Start, Reached::Authenticated, Reached::Session]);
    let size = input.pick(&[Size::Small, Size::Large]);
    let honest = Honest::get(version);
    let (responder, device) = honest.responder(reached, size);
    let mut rig = Rig {
        version,
        requester: honest.requester(reached),
        responder,
        device,
        passed: Vec::new(),
        based: true,
        tampered: false,
    };
    for _ in 0..EXCHANGES {
        if input.is_empty() {
            break;
        }
        rig.exchange(&mut input);
    }
}

fn exchange(input: &mut Input<'_>) -> Exchange {
    let slot = 0;
    match input.byte() % 11 {
        0 => Exchange::Connect,
        1 => Exchange::Digests,
        2 => Exchange::Certificate { slot },
        3 => Exchange::Challenge { slot },
        4 => {
            let choice = input.byte();
            let index = [OPERATION_ALL, OPERATION_COUNT, 1, 2, 3, 4];
            Exchange::Measure {
                slot,
                operation: index[usize::from(choice >> 3) % index.len()],
                raw: choice & 1 != 0,
                signed: choice & 2 != 0,
                nonce: (choice & 4 != 0).then_some([choice; 32]),
            }
        }
        5 => Exchange::OpenSession { slot },
        6 => Exchange::Vendor {
            protocol: input.byte() % 10,
            payload: input.bytes().to_vec(),
        },
        7 => Exchange::Heartbeat,
        8 => Exchange::KeyUpdate { all: input.flag() },
        9 => Exchange::CloseSession,
        _ => Exchange::Certificate {
            slot: input.byte() % 9,
        },
    }
}

impl Rig {
    fn exchange(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0 => {
                // The device is late, which is honest.
                self.responder.mischief.busy = (input.byte() % 4).into();
                self.responder.mischief.not_ready = (input.byte() % 4).into();
            }
            1 => {
                self.requester.forget();
                assert!(self.requester.session().is_none() && !self.requester.is_connected());
            }
            2 => {
                self.responder.reset(&mut self.device);
                self.tampered = true;
            }
            _ => {}
        }
        let exchange = exchange(input);
        // What happens to its answers; nothing does to those after that.
        let script = &mut Input::new(input.bytes());
        let session = self.requester.session();
        let begun = self.requester.begin(exchange.clone());
        let mut request = match begun {
            Ok(request) => request,
            Err(fault) => {
                let order = matches!(
                    fault,
                    Fault::Order
                        | Fault::MissingCapability
                        | Fault::NoCommonAlgorithms
                        | Fault::TooLong
                );
                assert!(order, "{exchange:?}: {fault}");
                assert_eq!(
                    self.requester.take(&Packet::plain(vec![0; 4])),
                    Err(Fault::Order)
                );
                return;
            }
        };
        if exchange == Exchange::Connect {
            self.based = false;
        }
        let mut ended = Ended {
            secured: request.carriage == Carriage::Secured,
            exchange,
            found: Vec::new(),
            authentic: true,
        };
        assert_eq!(
            ended.secured,
            session.is_some() && ended.exchange != Exchange::Connect
        );
        for step in 0.. {
            assert!(step < STEPS, "{:?} has no end", ended.exchange);
            let answer = self
                .responder
                .respond(&mut self.device, &pad(&request))
                .unwrap();
            let honest = pad(&answer);
            let Some(came) = self.pass(script, &honest) else {
                // Given up, or the answer is lost.
                self.tampered = true;
                return;
            };
            let authentic =
                came.carriage == answer.carriage && super::is_padded(&came.bytes, &answer.bytes);
            self.tampered |= !authentic;
            let error = came.carriage == Carriage::Plain && came.bytes.get(1) == Some(&ERROR);
            ended.authentic &= authentic || error;
            let secured = request.carriage == Carriage::Secured;
            self.passed.push(honest);
            match self.requester.take(&came) {
                Ok(step) => {
                    assert!(authentic || !secured, "{:?}: {came:02x?}", ended.exchange);
                    match step {
                        Step::Send { packet, found, .. } => {
                            ended.found.extend(found);
                            request = packet;
                        }
                        Step::Done { found } => {
                            ended.found.extend(found);
                            self.done(&ended);
                            return;
                        }
                    }
                }
                Err(fault) => {
                    self.failed(&ended, fault, secured && !authentic);
                    return;
                }
            }
        }
    }

    /// What comes of an answer on its way; `None` if nothing does.
    fn pass(&self, input: &mut Input<'_>, honest: &Packet) -> Option<Packet> {
        let mut came = honest.clone();
        match input.byte() % 32 {
            16 => return None,
            17 => came = Packet::plain(input.bytes().to_vec()),
            18 => came = Packet::secured(input.bytes().to_vec()),
            19 => {
                came.carriage = match came.carriage {
                    Carriage::Plain => Carriage::Secured,
                    Carriage::Secured => Carriage::Plain,
                };
            }
            20 => came = self.passed.get(usize::from(input.byte()))?.clone(),
            21 => came = self.passed.last()?.clone(),
            22 => came.bytes.truncate(input.half().into()),
            23 => came.bytes.extend_from_slice(input.bytes()),
            24 | 25 => {
                let at = usize::from(input.half()) % came.bytes.len();
                came.bytes[at] ^= input.byte();
            }
            26 => {
                // A bit from the end: HMACs, signatures and tags are there.
                let at = came.bytes.len() - 1 - usize::from(input.byte()) % came.bytes.len();
                came.bytes[at] ^= 1 << (input.byte() % 8);
            }
            27 => {
                let (at, value) = (input.half(), input.bytes());
                let at = usize::from(at) % came.bytes.len();
                let end = (at + value.len()).min(came.bytes.len());
                came.bytes[at..end].copy_from_slice(&value[..end - at]);
            }
            28 => {
                let error = [self.version.wire(), ERROR, input.byte(), 0];
                came = Packet::plain([&error, input.take(4)].concat());
            }
            _ => {}
        }
        Some(came)
    }

    fn failed(&mut self, ended: &Ended, fault: Fault, forged: bool) {
        // Without anybody between them nothing but the device's own ERROR is in the way.
        let refused = matches!(fault, Fault::Refused(_));
        assert!(self.tampered || refused, "{:?}: {fault}", ended.exchange);
        if forged {
            assert_eq!(
                self.requester.session(),
                None,
                "{:?}: {fault}",
                ended.exchange
            );
        }
        if !self.requester.is_connected() {
            self.based = false;
        }
    }

    fn done(&mut self, ended: &Ended) {
        let Ended {
            exchange,
            found,
            secured,
            authentic,
        } = ended;
        assert!(*authentic || !secured, "{exchange:?} in a session");
        let proven = self.based && *authentic;
        let bytes = bytes(found);
        match exchange {
            Exchange::Connect => {
                self.based = *authentic;
                assert!(self.requester.is_connected() && self.requester.session().is_none());
                assert!(!authentic || self.requester.version() == Some(self.version));
            }
            Exchange::Certificate { .. } => {
                // What was verified is what the device has; its root may be left out.
                let identity = Identity::get();
                let whole = [&identity.root[..], &identity.direct].concat();
                assert!(bytes == whole || bytes == identity.direct, "another chain");
            }
            Exchange::Challenge { .. } => assert!(proven, "challenge"),
            Exchange::OpenSession { .. } => {
                assert!(proven, "a session with somebody else");
                let id = self.requester.session();
                assert!(id.is_some() && id == self.responder.session());
            }
            Exchange::Measure {
                operation,
                raw,
                signed,
                ..
            } => {
                // Version 1.1 does not sign what a connection is based on.
                let based = self.based || self.version == Version::V1_1;
                assert!(!signed || based && *authentic, "{exchange:?}");
                if *signed || *secured {
                    let record = self.device.measurements();
                    let expected = match *operation {
                        OPERATION_ALL => record.encode(*raw),
                        OPERATION_COUNT => Vec::new(),
                        index => record.block(index, *raw).unwrap(),
                    };
                    assert_eq!(bytes, expected, "{exchange:?}");
                }
            }
            Exchange::CloseSession => assert_eq!(self.requester.session(), None),
            _ => {}
        }
        if *secured && !matches!(exchange, Exchange::CloseSession) {
            assert_eq!(self.requester.session(), self.responder.session());
        }
    }
}

/// All of it, in one piece.
fn bytes(found: &[Found]) -> Vec<u8> {
    let of = |found: &Found| match found {
        Found::Vca(bytes)
        | Found::Certificate(bytes)
        | Found::Measurement(bytes)
        | Found::Vendor(bytes) => bytes.clone(),
        Found::Digests { .. } | Found::MeasurementCount(_) => Vec::new(),
    };
    found.iter().flat_map(of).collect()
}

/// Honest conversations of all exchanges, and a few ways to be between.
pub fn seeds() -> Vec<Vec<u8>> {
    let between =
        |exchange: &[u8], script: &[u8]| [&[9][..], exchange, &seeds::bytes(script)].concat();
    let honest = |exchange: &[u8]| between(exchange, &[]);
    let vendor = |protocol: u8| [&[6, protocol][..], &seeds::bytes(b"payload")].concat();
    let connect = [[0], [1], [2]].map(|exchange| honest(&exchange)).concat();
    let measures = [0, 2, 3, 6, 8, 16, 18]
        .map(|choice| honest(&[4, choice]))
        .concat();
    // Raw and signed: if it is too large, how many there are, then one by one.
    let all_raw = honest(&[4, 3]);
    let beat = honest(&[7]);
    let session = [
        honest(&vendor(1)),
        beat.clone(),
        honest(&[8, 0]),
        honest(&[1]),
        honest(&[8, 1]),
        honest(&[4, 2]),
        honest(&[9]),
    ];
    // Busy and not ready.
    let slow = |exchange: &[u8]| [&[0, 2, 2][..], exchange, &[0, 0]].concat();
    // Blocks that are left out: there is one less than there is, and the first is refused.
    let omission = [0, 27, 2, 0, 1, 0, 2, 28, 1, 0, 0, 0, 0];
    let mut all = Vec::new();
    for version in 0..2u8 {
        let mut at = |reached: u8, size: u8, script: &[Vec<u8>]| {
            all.push([&[version, reached, size][..], &script.concat()].concat());
        };
        at(0, 0, &[connect.clone(), honest(&[3])]);
        at(
            1,
            0,
            &[honest(&[3]), measures.clone(), honest(&[5]), beat.clone()],
        );
        at(1, 1, std::slice::from_ref(&all_raw));
        at(2, 0, &session);
        at(2, 1, &[all_raw.clone(), beat.clone()]);
        at(1, 0, &[honest(&[10, 1])]);
        at(1, 0, &[slow(&[3]), slow(&[5]), slow(&[7]), slow(&[8, 1])]);
        at(1, 1, &[slow(&[4, 3])]);
        // In a session: a lost answer, a changed one, one of before, an error from nowhere.
        at(2, 0, &[between(&[7], &[16]), beat.clone()]);
        at(2, 0, &[between(&[7], &[26, 0, 0]), beat.clone()]);
        at(2, 0, &[beat.clone(), between(&[7], &[21])]);
        at(2, 0, &[between(&[7], &[28, 6]), honest(&[5])]);
        // Outside of one.
        at(1, 0, &[between(&[3], &[24, 9, 0, 1])]);
        at(1, 0, &[between(&[5], &[26, 60, 1])]);
        at(1, 0, &[between(&[5], &[0, 28, 6])]);
        at(1, 0, &[between(&[5], &[28, 3])]);
        // Algorithms that are changed, and a session on top of it.
        at(
            0,
            0,
            &[
                between(&[0], &[0, 0, 26, 40, 0]),
                honest(&[2]),
                honest(&[5]),
            ],
        );
        at(1, 1, &[between(&[4, 3], &omission)]);
    }
    all
}
