// SPDX-License-Identifier: GPL-2.0

//! Keys of IDE streams: the host has each brought to the device by a pair of leaves
//! (`tdh_ide_stream_idekm*.c` of the published source); the module gives the root port the same ones.

use super::super::peer::Peer;
use super::super::root_port::RootPort;
use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::message;
use super::spdm_session::check_iommu;
use super::stream::{root_port, stream_number};
use super::Tdx;
use crate::entropy::SystemEntropy;
use ide_km::{k_gostop_ack, k_set_go, k_set_stop, Direction, Key, KeyProg, KeySet, Keys, Slot};
use ide_km::{KpAck, SubStream, Target};
use spdm::{vendor, Entropy, Exchange, Found, Packet, Step};
use std::time::Duration;
use tsm_wire::tdx::ide::{self, IdeKmObject, KmParameters};
use tsm_wire::tdx::status::{Operand, Status};

/// The device's only port.
const PORT_INDEX: u8 = 0;
/// Slots for keys that a root port has in each direction.
const KEY_SLOTS: u64 = 96;
/// Bytes of an AES-256 key.
const KEY_SIZE: usize = 32;
/// All sub-streams.
const ALL: u8 = 0b111;

/// What waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Request {
    object: IdeKmObject,
    parameters: KmParameters,
    /// Where the request was written.
    page: u64,
}

/// One key set in one direction, as the device has it. Bits of masks are sub-streams.
#[derive(Clone, Default)]
struct Half {
    keys: [[u8; KEY_SIZE]; 3],
    /// Keys that the root port was given.
    given: u8,
    /// Keys that it can use, and that the device was not told to use.
    primed: u8,
    /// The root port uses them.
    used: bool,
}

impl std::fmt::Debug for Half {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Half({:#x}, {:#x}, {})",
            self.given, self.primed, self.used
        )
    }
}

/// Where the keys of a stream are.
#[derive(Debug, Default)]
pub(super) struct KeyManagement {
    outstanding: Option<Request>,
    /// By key set, then direction.
    halves: [[Half; 2]; 2],
    /// The root port has all keys of a key set, by key set.
    programmed: [bool; 2],
}

impl KeyManagement {
    /// Nothing waits for an answer any more.
    pub(super) fn forget_request(&mut self) {
        self.outstanding = None;
    }

    fn half(&mut self, parameters: KmParameters) -> &mut Half {
        let [k0, k1] = &mut self.halves;
        let set = if parameters.key_set == 0 { k0 } else { k1 };
        let [receive, transmit] = set;
        match parameters.direction {
            ide::Direction::Receive => receive,
            ide::Direction::Transmit => transmit,
        }
    }

    /// Gives the root port what it can be given: keys when there are all six of a set, their use in
    /// each direction when that is due.
    fn key_root_port(&mut self, port: &mut RootPort, stream: u8, set: u8) -> Result<(), Refused> {
        let keys_not_ready = Refused::at(Status::IdeStreamIdekmKeysNotReady, Operand::Rdx);
        let [k0, k1] = &mut self.halves;
        let [p0, p1] = &mut self.programmed;
        let (halves, programmed, set) = match set {
            0 => (k0, p0, KeySet::K0),
            _ => (k1, p1, KeySet::K1),
        };
        let [receive, transmit] = halves;
        if !*programmed {
            let complete = |half: &Half| half.given == ALL || half.primed != 0 || half.used;
            if !complete(receive) || !complete(transmit) {
                return Ok(());
            }
            let mut all = receive.keys.iter().chain(&transmit.keys);
            let keys = Keys::generate(&mut |bytes| match all.next() {
                Some(key) => {
                    bytes.copy_from_slice(key);
                    true
                }
                None => false,
            });
            let keys = keys.ok_or(keys_not_ready)?;
            if port.program(stream, set, &keys).is_err() {
                // Keys of a session that is over are in use there yet.
                port.stop(stream);
                port.program(stream, set, &keys)
                    .map_err(|_| keys_not_ready)?;
            }
            *programmed = true;
        }
        // What the device transmits the root port receives, and it must be able to before that.
        port.go(stream, set, Direction::Receive)
            .map_err(|_| keys_not_ready)?;
        if receive.used {
            port.go(stream, set, Direction::Transmit)
                .map_err(|_| keys_not_ready)?;
        }
        Ok(())
    }
}

/// The key slot of a message.
fn slot(parameters: KmParameters) -> Slot {
    Slot {
        set: match parameters.key_set {
            0 => KeySet::K0,
            _ => KeySet::K1,
        },
        direction: match parameters.direction {
            ide::Direction::Receive => Direction::Receive,
            ide::Direction::Transmit => Direction::Transmit,
        },
        sub_stream: match parameters.sub_stream {
            ide::SubStream::Posted => SubStream::Posted,
            ide::SubStream::NonPosted => SubStream::NonPosted,
            ide::SubStream::Completion => SubStream::Completion,
        },
    }
}

/// Begins an exchange of IDE_KM in a session.
fn begin(peer: &mut Peer, payload: Vec<u8>) -> Option<Packet> {
    let protocol = vendor::PROTOCOL_IDE_KM;
    peer.begin(Exchange::Vendor { protocol, payload }).ok()
}

/// Whether an answer is the one to a request, and a good one.
fn is_acknowledged(answer: &[u8], stream: u8, request: Request) -> bool {
    let target = Target::new(PORT_INDEX, stream, slot(request.parameters));
    match request.object {
        IdeKmObject::KeyProg => KpAck::decode(answer)
            .is_some_and(|ack| ack.target == target && ack.status == ide_km::Status::Successful),
        IdeKmObject::KSetGo | IdeKmObject::KSetStop => k_gostop_ack::decode(answer) == Some(target),
    }
}

impl Tdx {
    pub(super) fn idekm_request(&mut self, machine: &mut Machine<'_>, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let id = stream_number(x.rdx)?;
        let stream = self.open_stream(id)?;
        let number = stream.spdm;
        let free = stream.keys.outstanding.is_none();
        demand(free, Status::IdeStreamIdekmOutreq, Operand::Rdx)?;
        let port = stream.root_port;
        self.bound(number, Operand::Rdx)?;
        let object = IdeKmObject::try_from(x.r8)
            .map_err(|_| Refused::at(Status::OperandInvalid, Operand::R8))?;
        let used = self.devifs.values().any(|devif| devif.stream == id);
        let stops = object == IdeKmObject::KSetStop;
        demand(
            !(stops && used),
            Status::IdeStreamHasDeviceInterfaces,
            Operand::Rdx,
        )?;
        let parameters =
            KmParameters::from_raw(x.r9).ok_or(Refused::at(Status::OperandInvalid, Operand::R9))?;
        let bit = 1u8 << parameters.sub_stream as u8;
        let stream = self.open_stream(id)?;
        let primed = stream.keys.half(parameters).primed & bit != 0;
        let goes = object == IdeKmObject::KSetGo;
        demand(
            !goes || primed,
            Status::IdeStreamIdekmKeysNotReady,
            Operand::Rdx,
        )?;
        let programs = object == IdeKmObject::KeyProg;
        let known = if programs {
            x.r10 < KEY_SLOTS
        } else {
            x.r10 == 0
        };
        demand(known, Status::OperandInvalid, Operand::R10)?;
        self.pamt
            .check_shared(machine.ground, x.r11, Operand::R11)?;
        // An endpoint in the root complex has no keys.
        let port = root_port(machine, port)
            .ok_or(Refused::at(Status::IdeStreamNotSupported, Operand::Rdx))?;

        let target = Target::new(PORT_INDEX, id, slot(parameters));
        let stream = self.open_stream(id)?;
        let payload = match object {
            IdeKmObject::KeyProg => {
                let mut key = [0; KEY_SIZE];
                if SystemEntropy.fill(&mut key).is_none() {
                    return Err(Status::RndNoEntropy.into());
                }
                let half = stream.keys.half(parameters);
                if let Some(place) = half.keys.get_mut(parameters.sub_stream as usize) {
                    *place = key;
                }
                half.given |= bit;
                if half.given == ALL {
                    (half.given, half.primed, half.used) = (0, ALL, false);
                    let [p0, p1] = &mut stream.keys.programmed;
                    *(if parameters.key_set == 0 { p0 } else { p1 }) = false;
                    stream.keys.key_root_port(port, id, parameters.key_set)?;
                }
                let key = Key::new(key);
                KeyProg { target, key }.encode()
            }
            IdeKmObject::KSetGo => k_set_go::encode(target),
            IdeKmObject::KSetStop => k_set_stop::encode(target),
        };
        stream.keys.outstanding = Some(Request {
            object,
            parameters,
            page: x.r11,
        });
        let spdm = self.bound(number, Operand::Rdx)?;
        let packet = begin(&mut spdm.peer, payload);
        let packet = packet.ok_or(Refused::at(Status::SpdmInvalidState, Operand::Rdx));
        let packet = packet.inspect_err(|_| self.session_over(number))?;
        message::write(&self.pamt, machine.ground, x.r11, &packet, Operand::R11)?;
        Ok(Gprs::default())
    }

    pub(super) fn idekm_response(
        &mut self,
        machine: &mut Machine<'_>,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        check_iommu(x.rcx, Operand::Rcx)?;
        let id = stream_number(x.rdx)?;
        let stream = self.open_stream(id)?;
        let (number, port) = (stream.spdm, stream.root_port);
        let invalid = Status::IdeStreamIdekmInvalidResponse;
        let request = stream.keys.outstanding;
        let request = request.ok_or(Refused::at(invalid, Operand::Rdx))?;
        self.bound(number, Operand::Rdx)?;
        let answer = message::read(&self.pamt, machine.ground, x.r8, Operand::R8)?;
        let answer = match self.heard(machine, number, answer, request.page)? {
            Heard::Answer(answer) => answer,
            Heard::AskAgain(delay) => return Ok((wait(delay), Status::GoOn)),
            Heard::Nothing => {
                self.open_stream(id)?.forget_request();
                return Err(Refused::at(invalid, Operand::R8));
            }
            Heard::Lost => return Err(Refused::at(Status::SpdmInvalidState, Operand::R8)),
        };
        let stream = self.open_stream(id)?;
        stream.keys.outstanding = None;
        let good = is_acknowledged(&answer, id, request);
        demand(good, invalid, Operand::R8)?;
        let parameters = request.parameters;
        let half = stream.keys.half(parameters);
        match request.object {
            IdeKmObject::KSetGo => {
                half.primed &= !(1 << parameters.sub_stream as u8);
                half.used |= half.primed == 0;
                if let Some(port) = root_port(machine, port) {
                    stream.keys.key_root_port(port, id, parameters.key_set)?;
                }
            }
            IdeKmObject::KSetStop => {
                *half = Half::default();
                if let Some(port) = root_port(machine, port) {
                    port.stop(id);
                }
                stream.keys.programmed = [false; 2];
            }
            IdeKmObject::KeyProg => {}
        }
        // Protocol and what the message begins with.
        let mut first = [0; 8];
        let protocol = [ide_km::PROTOCOL_ID];
        for (to, from) in first.iter_mut().zip(protocol.iter().chain(&answer)) {
            *to = *from;
        }
        let out = Gprs {
            rcx: u64::from_le_bytes(first),
            ..Gprs::default()
        };
        Ok((out, Status::Success))
    }

    /// What the answer to a request in a session is. If there is none, a message that may come late is
    /// missing in the session, which is over then.
    pub(super) fn heard(
        &mut self,
        machine: &Machine<'_>,
        number: u64,
        answer: Option<Vec<u8>>,
        page: u64,
    ) -> Outcome<Heard> {
        let spdm = self.bound(number, Operand::Rdx)?;
        let Some(answer) = answer else {
            self.session_over(number);
            return Ok(Heard::Nothing);
        };
        let step = spdm.peer.take(&answer);
        let lost = spdm.peer.session().is_none();
        if lost {
            self.session_over(number);
            return Ok(Heard::Lost);
        }
        Ok(match step {
            Ok(Step::Done { found }) => {
                let mut found = found.into_iter();
                let payload = found.find_map(|found| match found {
                    Found::Vendor(payload) => Some(payload),
                    _ => None,
                });
                payload.map_or(Heard::Nothing, Heard::Answer)
            }
            Ok(Step::Send { packet, after, .. }) => {
                message::write(&self.pamt, machine.ground, page, &packet, Operand::Rdx)?;
                Heard::AskAgain(after)
            }
            Err(_) => Heard::Nothing,
        })
    }
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Heard {
    /// The payload of the answer.
    Answer(Vec<u8>),
    /// The device is not ready; what to ask it then was written, and it wants that much time.
    AskAgain(Duration),
    /// No answer, or none to this request.
    Nothing,
    /// The session is lost.
    Lost,
}

/// The results of a call that has to be made again.
pub(super) fn wait(delay: Duration) -> Gprs {
    Gprs {
        rcx: 1,
        r14: u64::try_from(delay.as_micros()).unwrap_or(u64::MAX),
        ..Gprs::default()
    }
}
