// SPDX-License-Identifier: GPL-2.0

//! What firmware talks with a device for: stages, each a sequence of exchanges, that are at most
//! an answer away from their next request, so that the host can carry every message.

mod introduction;
mod stream_keys;
mod tdi;

use super::peer::{Line, Link};
use introduction::Introduction;
use spdm::measurements::NONCE_SIZE;
use spdm::{Carriage, Exchange, Found, Packet, Step};
use std::time::Duration;
use stream_keys::StreamKeys;
use tdi::Tdi;
use tdisp::{Nonce, Operation, State};
use tsm_wire::detail::Detail;
use tsm_wire::object::ObjectType;

/// What follows from an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Leg {
    /// Bytes that belong to an object, in the clear.
    pub(super) take: Option<(ObjectType, Vec<u8>)>,
    /// The next request; without one the errand is done.
    pub(super) request: Option<Packet>,
    /// The whole of that request belongs to this object, too.
    pub(super) keep_request: Option<ObjectType>,
    /// How long to wait before that request.
    pub(super) delay: Duration,
}

/// A part of an errand. Each has exchanges, one after the other.
#[derive(Debug)]
enum Stage {
    /// On the way to a session.
    Introduction(Introduction),
    /// Keys of an IDE stream.
    Keys(Box<StreamKeys>),
    /// Something with a TDI.
    Tdi(Box<Tdi>),
    /// The end of the session.
    Farewell,
}

impl Stage {
    /// The first exchange; `None` if there is nothing to be said.
    fn begin(&mut self, line: &mut Line<'_>) -> Result<Option<Exchange>, Detail> {
        match self {
            Self::Introduction(introduction) => Ok(Some(introduction.begin(line))),
            Self::Keys(keys) => keys.begin(line),
            Self::Tdi(tdi) => Ok(Some(tdi.begin(line))),
            Self::Farewell => Ok(line.peer.session().map(|_| Exchange::CloseSession)),
        }
    }

    /// Takes what an answer gave; which part of it belongs to which object.
    fn take(
        &mut self,
        line: &mut Line<'_>,
        found: Found,
    ) -> Result<Option<(ObjectType, Vec<u8>)>, Detail> {
        match self {
            Self::Introduction(introduction) => Ok(introduction.take(found)),
            Self::Keys(keys) => keys.take(line, found).map(|()| None),
            Self::Tdi(tdi) => tdi.take(found),
            Self::Farewell => Ok(None),
        }
    }

    /// The next exchange after one that is over; `None` if the stage is.
    fn go_on(&mut self, line: &mut Line<'_>) -> Result<Option<Exchange>, Detail> {
        match self {
            Self::Introduction(introduction) => introduction.end(line).map(|()| None),
            Self::Keys(keys) => Ok(keys.go_on(line)),
            Self::Tdi(tdi) => Ok(tdi.go_on()),
            Self::Farewell => Ok(None),
        }
    }
}

/// A conversation with a purpose.
#[derive(Debug)]
pub(super) struct Errand {
    /// It takes a session, which is opened first if there is none.
    in_session: bool,
    /// Whether what is said on the way to a session is kept.
    keeps_introduction: bool,
    stages: Vec<Stage>,
    /// How many of the stages are over.
    over: usize,
    /// Bytes of the last request, if it was in the clear.
    sent: usize,
}

impl Errand {
    /// None: it is done at once.
    pub(super) fn nothing() -> Self {
        Self {
            in_session: false,
            keeps_introduction: false,
            stages: Vec::new(),
            over: 0,
            sent: 0,
        }
    }

    fn in_session(stage: Stage) -> Self {
        Self {
            in_session: true,
            stages: vec![stage],
            ..Self::nothing()
        }
    }

    /// Connects to a device, finds out who it is, and opens a session with it.
    pub(super) fn identify() -> Self {
        Self {
            in_session: true,
            keeps_introduction: true,
            ..Self::nothing()
        }
    }

    /// Ends the session with a device, if there is one.
    pub(super) fn farewell() -> Self {
        Self {
            stages: vec![Stage::Farewell],
            ..Self::nothing()
        }
    }

    /// Brings keys for a stream to the device and the root port.
    pub(super) fn key(link: Link) -> Self {
        let keys = StreamKeys::establish(link);
        Self::in_session(Stage::Keys(Box::new(keys)))
    }

    /// Takes the keys of a stream from both. Without a session the device has none.
    pub(super) fn unkey(link: Link) -> Self {
        Self {
            stages: vec![Stage::Keys(Box::new(StreamKeys::stop(link)))],
            ..Self::nothing()
        }
    }

    /// Does something with the TDI of this requester ID.
    pub(super) fn tdi(requester_id: u16, operation: Operation) -> Self {
        let tdi = Tdi::operate(requester_id, operation);
        Self::in_session(Stage::Tdi(Box::new(tdi)))
    }

    /// Measures the device, for the TDI of this requester ID and with this nonce, or a fresh one.
    pub(super) fn measure(requester_id: u16, raw: bool, nonce: Option<[u8; NONCE_SIZE]>) -> Self {
        let tdi = Tdi::measure(requester_id, raw, nonce);
        Self::in_session(Stage::Tdi(Box::new(tdi)))
    }

    /// This errand, and another one after it.
    pub(super) fn then(mut self, next: Self) -> Self {
        self.in_session |= next.in_session;
        self.keeps_introduction |= next.keeps_introduction;
        self.stages.extend(next.stages);
        self
    }

    /// The first request.
    pub(super) fn begin(&mut self, line: &mut Line<'_>) -> Result<Leg, Detail> {
        if self.in_session && line.peer.session().is_none() {
            let stages = Introduction::all().into_iter().map(Stage::Introduction);
            let keys = line.peer.link.map(StreamKeys::establish);
            let keys = keys.map(|keys| Stage::Keys(Box::new(keys)));
            self.stages.splice(0..0, stages.chain(keys));
        }
        self.next_stage(line, None)
    }

    /// Takes the answer to the request before.
    pub(super) fn take(&mut self, line: &mut Line<'_>, answer: &[u8]) -> Result<Leg, Detail> {
        self.advance(line, answer)
            .or_else(|detail| self.falter(line, detail))
    }

    fn advance(&mut self, line: &mut Line<'_>, answer: &[u8]) -> Result<Leg, Detail> {
        let (found, then) = match line.peer.take(answer)? {
            Step::Send {
                packet,
                found,
                after,
            } => (found, Some((packet, after))),
            Step::Done { found } => (found, None),
        };
        let keeps = self.keeps_introduction;
        let sent = self.sent;
        let Some(stage) = self.stages.get_mut(self.over) else {
            return Ok(Leg::default());
        };
        let mut take: Option<(ObjectType, Vec<u8>)> = None;
        for part in found {
            if let Some((object, bytes)) = stage.take(line, part)? {
                take.get_or_insert((object, Vec::new())).1.extend(bytes);
            }
        }
        let take = take.and_then(|take| kept(take, keeps, sent));
        if let Some((packet, delay)) = then {
            return Ok(self.send(packet, delay, take));
        }
        match stage.go_on(line)? {
            Some(exchange) => {
                let packet = line.peer.begin(exchange)?;
                Ok(self.send(packet, Duration::ZERO, take))
            }
            None => {
                self.over += 1;
                self.next_stage(line, take)
            }
        }
    }

    /// Begins the next stage that has something to say.
    fn next_stage(
        &mut self,
        line: &mut Line<'_>,
        take: Option<(ObjectType, Vec<u8>)>,
    ) -> Result<Leg, Detail> {
        while let Some(stage) = self.stages.get_mut(self.over) {
            if let Some(exchange) = stage.begin(line)? {
                let packet = line.peer.begin(exchange)?;
                return Ok(self.send(packet, Duration::ZERO, take));
            }
            self.over += 1;
        }
        Ok(Leg {
            take,
            ..Leg::default()
        })
    }

    /// Something went wrong: the device may have to be asked for the state of the TDI.
    fn falter(&mut self, line: &mut Line<'_>, detail: Detail) -> Result<Leg, Detail> {
        let session = line.peer.session();
        match self.stages.get_mut(self.over) {
            Some(Stage::Tdi(tdi)) => {
                let exchange = tdi.falter(detail, session.is_some())?;
                let packet = line.peer.begin(exchange).map_err(|_| detail)?;
                Ok(self.send(packet, Duration::ZERO, None))
            }
            _ => Err(detail),
        }
    }

    fn send(
        &mut self,
        packet: Packet,
        delay: Duration,
        take: Option<(ObjectType, Vec<u8>)>,
    ) -> Leg {
        let plain = packet.carriage == Carriage::Plain;
        self.sent = if plain { packet.bytes.len() } else { 0 };
        let stage = self.stages.get(self.over);
        let connects = matches!(stage, Some(Stage::Introduction(Introduction::Connect)));
        // A request that is only repeated was kept already.
        let keeps = self.keeps_introduction && connects && delay.is_zero();
        Leg {
            take,
            request: Some(packet),
            keep_request: keeps.then_some(ObjectType::Vca),
            delay,
        }
    }

    /// State of the TDI, if the device told it: what it told last.
    pub(super) fn state(&self) -> Option<State> {
        self.stages.iter().rev().find_map(|stage| match stage {
            Stage::Tdi(tdi) => tdi.state(),
            _ => None,
        })
    }

    /// The nonce that came with a lock.
    pub(super) fn nonce(&self) -> Option<Nonce> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::Tdi(tdi) => tdi.nonce(),
            _ => None,
        })
    }
}

/// What the host is to keep: of a request of so many bytes and its answer the answer, since it has the
/// request already; and nothing of an introduction that is made again.
fn kept(
    (object, mut bytes): (ObjectType, Vec<u8>),
    keeps_introduction: bool,
    sent: usize,
) -> Option<(ObjectType, Vec<u8>)> {
    match object {
        ObjectType::Vca | ObjectType::Certificate if !keeps_introduction => return None,
        ObjectType::Vca => drop(bytes.drain(..sent.min(bytes.len()))),
        _ => {}
    }
    (!bytes.is_empty()).then_some((object, bytes))
}
