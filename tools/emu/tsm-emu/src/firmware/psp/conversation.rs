// SPDX-License-Identifier: GPL-2.0

//! Conversations with a device, which the host carries: a command answers SPDM_REQUEST and has a
//! message in the request buffer, and is given again with the device's answer in the response
//! buffer, until it is over ([`tsm_wire::sev::object`]).

use super::super::errand::{Errand, Leg};
use super::super::fault::transport;
use super::super::ground::Ground;
use super::buffer::{structure, Buffers};
use super::parameters::Contents;
use super::{require, Machine, Psp, Refused};
use spdm::{Carriage, Packet};
use tdisp::State;
use tsm_wire::detail::{AuthenticationFault, Detail, DetailClass, TransportFault};
use tsm_wire::object::ObjectType;
use tsm_wire::sev::object::{DataType, MessageHeader, ObjectId, VERSION_MAJOR};
use tsm_wire::sev::{Command, Sla, SpdmCtrl, Status};
use zerocopy::{FromZeros, IntoBytes};

/// Bytes of a secured message before its length, and with it.
const SECURED_LENGTH: std::ops::Range<usize> = 4..6;

/// What came of a conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Gained {
    /// State of the TDI, if the device told it.
    pub(super) state: Option<State>,
    /// The nonce that came with a lock.
    pub(super) nonce: Option<tdisp::Nonce>,
    objects: Vec<(ObjectType, Vec<u8>)>,
}

impl Gained {
    /// An object that was read.
    pub(super) fn object(&self, wanted: ObjectType) -> &[u8] {
        let found = self.objects.iter().find(|(kind, _)| *kind == wanted);
        found.map_or(&[], |(_, bytes)| bytes)
    }

    fn take(&mut self, kind: ObjectType, bytes: Vec<u8>) {
        match self.objects.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, object)) => object.extend(bytes),
            None => self.objects.push((kind, bytes)),
        }
    }
}

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Everything was said.
    Well(Gained),
    /// It failed, and this is the state of the TDI if the device told it since.
    Badly(Option<State>, Detail),
}

/// A command that talks with a device.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) command: Command,
    pub(super) contents: Contents,
    pub(super) buffers: SpdmCtrl,
    pub(super) device: Sla,
    pub(super) tdi: Option<Sla>,
}

/// A conversation under way.
#[derive(Debug)]
pub(super) struct Conversation {
    command: Command,
    contents: Contents,
    /// The TDI context that it is about, if it is about one.
    tdi: Option<u64>,
    errand: Errand,
    gained: Gained,
    /// The message that has no answer yet travels so; `None` if everything is said and the host has not
    /// got it yet.
    waits: Option<DataType>,
}

impl Conversation {
    /// The command that it is had for.
    pub(super) fn command(&self) -> Command {
        self.command
    }

    /// Whether the device has to answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits.is_some()
    }

    /// The TDI context that it is about.
    pub(super) fn tdi(&self) -> Option<u64> {
        self.tdi
    }

    /// Keeps what came of an answer. Returns the next request.
    fn follow(&mut self, leg: Leg) -> Option<Packet> {
        if let Some((kind, bytes)) = leg.take {
            self.gained.take(kind, bytes);
        }
        leg.request
    }
}

impl Psp {
    /// Begins a conversation or goes on with it. While it is under way, that ends the command with
    /// SPDM_REQUEST. What is to be said is asked for when it begins, and so are reasons not to.
    pub(super) fn talk(
        &mut self,
        machine: &mut Machine<'_>,
        talk: &Talk,
        begin: impl FnOnce(&mut Self, &Machine<'_>, &Buffers) -> Result<Errand, Refused>,
    ) -> Result<(Ended, Buffers), Refused> {
        let ground = machine.ground;
        self.device(talk.device)?;
        let buffers = Buffers::new(ground, &self.rmp, &talk.buffers)?;
        let tdi = talk.tdi.map(|tdi| tdi.0);
        let same = |pending: &Conversation| {
            pending.command == talk.command
                && pending.tdi == tdi
                && pending.contents.is_same(&talk.contents)
        };
        let answer = match &self.device(talk.device)?.conversation {
            Some(pending) if same(pending) => match pending.waits {
                Some(kind) => Some(answer(ground, &buffers, kind)?),
                None => None,
            },
            Some(pending) if pending.is_waiting() => return Err(Status::InUse.into()),
            // What was kept is not wanted any more.
            _ => {
                let errand = begin(self, machine, &buffers)?;
                self.device(talk.device)?.conversation = Some(Conversation {
                    command: talk.command,
                    contents: talk.contents.clone(),
                    tdi,
                    errand,
                    gained: Gained::default(),
                    waits: None,
                });
                None
            }
        };
        let outcome = self.say(machine, talk, &buffers, answer);
        self.drop_locks(talk.device);
        outcome.map(|ended| (ended, buffers))
    }

    fn say(
        &mut self,
        machine: &mut Machine<'_>,
        talk: &Talk,
        buffers: &Buffers,
        answer: Option<Vec<u8>>,
    ) -> Result<Ended, Refused> {
        let ground = machine.ground;
        let device = self.device(talk.device)?;
        let Some(mut conversation) = device.conversation.take() else {
            return Err(Status::InvalidDevState.into());
        };
        let mut line = machine.line(&mut device.peer);
        let said = match answer {
            Some(answer) if answer.is_empty() => {
                line.peer.forget();
                Err(transport(TransportFault::NoAnswer))
            }
            Some(answer) => conversation.errand.take(&mut line, &answer),
            None => conversation.errand.begin(&mut line),
        };
        let put = said.and_then(|leg| {
            let Some(packet) = conversation.follow(leg) else {
                return Ok(None);
            };
            put(ground, buffers, &packet).map(Some).ok_or_else(|| {
                // The request that is in the requester's books never left.
                line.peer.forget();
                transport(TransportFault::TooLong)
            })
        });
        match put {
            Ok(None) => {
                let Conversation { errand, gained, .. } = conversation;
                Ok(Ended::Well(Gained {
                    state: errand.state(),
                    nonce: errand.nonce(),
                    ..gained
                }))
            }
            Ok(waits) => {
                conversation.waits = waits;
                device.conversation = Some(conversation);
                Err(Status::SpdmRequest.into())
            }
            Err(detail) => {
                // What the device said in a session that is lost counts no more.
                let session = device.peer.session();
                let state = session.and_then(|_| conversation.errand.state());
                Ok(Ended::Badly(state, detail))
            }
        }
    }

    /// Keeps what came of a conversation until the host has room for it.
    pub(super) fn keep(&mut self, talk: &Talk, gained: Gained) -> Result<(), Refused> {
        self.device(talk.device)?.conversation = Some(Conversation {
            command: talk.command,
            contents: talk.contents.clone(),
            tdi: talk.tdi.map(|tdi| tdi.0),
            errand: Errand::nothing(),
            gained,
            waits: None,
        });
        Ok(())
    }
}

/// The failure of a conversation as the host is told.
pub(super) fn failed(detail: Detail) -> Refused {
    let other_device = AuthenticationFault::OtherDevice as u16;
    let status = match detail.class {
        DetailClass::Authentication if detail.value == other_device => Status::DevCertChanged,
        _ => Status::SpdmError,
    };
    Refused::with(status, detail)
}

/// Puts a message to the device into the request buffer. Returns how it travels.
fn put(ground: &dyn Ground, buffers: &Buffers, packet: &Packet) -> Option<DataType> {
    let kind = match packet.carriage {
        Carriage::Plain => DataType::Spdm,
        Carriage::Secured => DataType::SecureSpdm,
    };
    let mut header = MessageHeader::new_zeroed();
    let length = size_of::<MessageHeader>() + packet.bytes.len();
    header.object.id = u64::from(ObjectId::Request) as u32;
    header.object.length = u32::try_from(length).ok()?;
    header.object.major = VERSION_MAJOR;
    header.data_type = u64::from(kind) as u8;
    let object = [header.as_bytes(), &packet.bytes].concat();
    buffers.request.put(ground, &object)?;
    Some(kind)
}

/// The answer of the device, in the response buffer; empty if there was none.
fn answer(ground: &dyn Ground, buffers: &Buffers, kind: DataType) -> Result<Vec<u8>, Refused> {
    let response = &buffers.response;
    let header: MessageHeader = structure(ground, response).ok_or(Status::InvalidAddress)?;
    let object = header.object;
    let (id, length) = (object.id, object.length as usize);
    let well_formed = u64::from(id) == u64::from(ObjectId::Response)
        && (object.major, object.minor) == (VERSION_MAJOR, 0)
        && u64::from(header.data_type) == u64::from(kind)
        && header.reserved == [0; 5]
        && (size_of::<MessageHeader>()..=response.room()).contains(&length);
    require(well_formed, Status::InvalidParam)?;
    let start = size_of::<MessageHeader>();
    let mut bytes = response
        .read(ground, start, length - start)
        .ok_or(Status::InvalidAddress)?;
    if kind == DataType::SecureSpdm {
        strip(&mut bytes);
    }
    Ok(bytes)
}

/// Takes away what the host filled the object up with, as far as a secured message says where it ends.
fn strip(bytes: &mut Vec<u8>) {
    let length = bytes
        .get(SECURED_LENGTH)
        .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    if let Some(length) = length {
        let end = SECURED_LENGTH.end + usize::from(u16::from_le_bytes(length));
        let filled = bytes.get(end..).unwrap_or_default();
        if filled.len() < tsm_wire::sev::buffer::PAYLOAD_ALIGN && filled.iter().all(|b| *b == 0) {
            bytes.truncate(end);
        }
    }
}
