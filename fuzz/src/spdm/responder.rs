// SPDX-License-Identifier: GPL-2.0

//! The responder, whatever is asked: in any order, in the clear or in a session, by a requester that
//! has the keys, or by somebody who does not.

use super::device::{Device, Size};
use super::honest::{Honest, Reached, VERSIONS};
use super::keys::{Direction, Keys};
use super::request::templates;
use super::response::message;
use super::ERROR;
use crate::{seeds, Input};
use spdm::{Carriage, Packet, Responder, Version};

/// Most events of an input.
const EVENTS: usize = 24;

const INVALID_SESSION: u8 = 2;
const DECRYPT_ERROR: u8 = 6;
const GET_VERSION: u8 = 0x84;
const FINISH: u8 = 0xe5;
const KEY_UPDATE: u8 = 0xe9;
const END_SESSION: u8 = 0xec;

struct Rig {
    version: Version,
    responder: Responder,
    device: Device,
    /// Keys of the recorded session, as long as it lasts.
    keys: Option<Keys>,
    /// Keys before an update that is not verified.
    previous: Option<Direction>,
    /// Whether its handshake is over.
    established: bool,
    /// Sessions that were established.
    sessions: usize,
    /// Secured requests of before.
    sent: Vec<Vec<u8>>,
}

/// Version, how far the conversation is, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&VERSIONS);
    let reached = input.pick(&Reached::ALL);
    let honest = Honest::get(version);
    let (responder, device) = honest.responder(reached, Size::Small);
    let established = reached == Reached::Session;
    let mut rig = Rig {
        version,
        responder,
        device,
        keys: (reached >= Reached::Handshake).then(|| honest.keys(reached)),
        previous: None,
        established,
        sessions: usize::from(established),
        sent: Vec::new(),
    };
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
}

impl Rig {
    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0..3 => {
                let message = self.message(input);
                self.ask_plainly(message);
            }
            3..5 => {
                let message = self.message(input);
                if self.keys.is_some() {
                    self.ask(&message);
                }
            }
            5 => {
                let bytes = match input.byte() % 3 {
                    0 => input.bytes().to_vec(),
                    1 => self
                        .sent
                        .get(usize::from(input.byte()))
                        .cloned()
                        .unwrap_or_default(),
                    _ => {
                        let mut keys = self.keys.clone();
                        let sealed = keys.as_mut().map(|keys| keys.request.seal(&[0; 9]));
                        let mut sealed = sealed.unwrap_or_default();
                        let at = usize::from(input.half()) % sealed.len().max(1);
                        if let Some(byte) = sealed.get_mut(at) {
                            *byte ^= input.byte() | 1;
                        }
                        sealed
                    }
                };
                self.forge(bytes);
            }
            6 => {
                if input.flag() {
                    self.responder.reset(&mut self.device);
                } else {
                    self.responder.end_session(&mut self.device);
                }
                self.over();
                assert_eq!(self.responder.session(), None);
            }
            _ => {
                let mischief = &mut self.responder.mischief;
                let times = (input.byte() % 3).into();
                match input.byte() % 4 {
                    0 => mischief.busy = times,
                    1 => mischief.not_ready = times,
                    2 => mischief.wrong_signature = times,
                    _ => mischief.reset_required = times,
                }
            }
        }
        let session = self.responder.session();
        assert_eq!(session, self.id().filter(|_| self.established));
        let open = usize::from(session.is_some());
        assert_eq!(self.device.ended.len() + open, self.sessions);
    }

    fn message(&self, input: &mut Input<'_>) -> Vec<u8> {
        let templates = templates(self.version);
        let template = input.pick(&templates.iter().collect::<Vec<_>>());
        let bytes = input.bytes();
        message(&mut Input::new(bytes), template)
    }

    fn id(&self) -> Option<u32> {
        self.keys.as_ref().map(|keys| keys.session)
    }

    fn over(&mut self) {
        self.keys = None;
        self.previous = None;
        self.established = false;
    }

    /// What has to hold of each answer: its code.
    fn check(&self, request: &[u8], answer: &[u8]) -> u8 {
        assert!(answer.len() >= 4, "{answer:02x?}");
        assert!([0x10, 0x11, 0x12].contains(&answer[0]));
        let code = answer[1];
        // RESPOND_IF_READY is answered by what was put off.
        let right = code == ERROR
            || request
                .get(1)
                .is_some_and(|asked| asked & 0x7f == code || *asked == 0xff);
        assert!(right, "{request:02x?}: {answer:02x?}");
        code
    }

    fn ask_plainly(&mut self, message: Vec<u8>) {
        let heard = self.device.heard.len();
        let request = Packet::plain(message);
        let answer = self.responder.respond(&mut self.device, &request).unwrap();
        assert_eq!(answer.carriage, Carriage::Plain);
        assert_eq!(self.device.heard.len(), heard);
        let code = self.check(&request.bytes, &answer.bytes);
        match code {
            // A connection begins anew.
            _ if code == GET_VERSION & 0x7f => self.over(),
            // Another handshake, whose keys nobody has.
            0x64 => {
                assert!(!self.established, "a second session");
                self.over();
            }
            _ => {}
        }
    }

    /// Says something with the keys of the session.
    fn ask(&mut self, message: &[u8]) {
        let (version, established) = (self.version, self.established);
        let keys = self.keys.as_mut().unwrap();
        let before = keys.request.clone();
        let sealed = keys.request.seal(message);
        self.sent.push(sealed.clone());
        let request = Packet::secured(sealed);
        let answer = self.responder.respond(&mut self.device, &request).unwrap();
        assert_eq!(answer.carriage, Carriage::Secured);
        let updates = |operation: u8| {
            message.get(1) == Some(&KEY_UPDATE) && message.get(2) == Some(&operation)
        };
        let keys = self.keys.as_mut().unwrap();
        let mut response = keys.response.clone();
        let opened = match response.open(&answer.bytes) {
            Some(opened) => opened,
            None => {
                // Only after an update of all keys: the answer has new ones already. It may have been
                // put off, and asked for by RESPOND_IF_READY.
                assert!(
                    updates(2) || message.get(1) == Some(&0xff),
                    "{message:02x?}"
                );
                response = keys.response.next();
                response.open(&answer.bytes).unwrap()
            }
        };
        keys.response = response;
        let code = self.check(message, &opened);
        let keys = self.keys.as_mut().unwrap();
        if code == ERROR {
            // A FINISH that is not the right one ends the handshake.
            if opened[2] == DECRYPT_ERROR {
                assert_eq!((message[1], established), (FINISH, false));
                self.over();
            }
            return;
        }
        // In a handshake nothing else but FINISH is answered.
        assert_eq!(established, code != FINISH & 0x7f);
        if code == FINISH & 0x7f {
            let honest = Honest::get(version);
            assert!(message.starts_with(honest.finish()) || message[1] == 0xff);
            self.keys = Some(honest.keys(Reached::Session));
            self.established = true;
            self.sessions += 1;
        } else if code == END_SESSION & 0x7f {
            self.over();
        } else if code == KEY_UPDATE & 0x7f {
            // What it is is in the answer.
            if opened[2] == 3 {
                assert!(self.previous.take().is_some(), "verified without an update");
            } else {
                assert!(self.previous.is_none(), "updated twice");
                let mut old = before;
                old.seal(message);
                self.previous = Some(old);
                keys.request = keys.request.next();
            }
        }
    }

    /// Says what is not sealed with the keys of the session.
    fn forge(&mut self, bytes: Vec<u8>) {
        let heard = self.device.heard.len();
        let genuine = self.keys.clone().is_some_and(|mut keys| {
            keys.request.open(&bytes).is_some()
                || self
                    .previous
                    .clone()
                    .is_some_and(|mut keys| keys.open(&bytes).is_some())
        });
        if genuine {
            return;
        }
        let id = bytes.first_chunk().map(|id| u32::from_le_bytes(*id));
        let named = bytes.len() >= 6 && id.is_some() && id == self.id();
        let request = Packet::secured(bytes);
        // Somebody else's handshake may be under way.
        let answer = self.responder.respond(&mut self.device, &request).unwrap();
        assert_eq!(self.device.heard.len(), heard, "heard what nobody sealed");
        if answer.carriage == Carriage::Plain {
            assert!(!named);
            assert_eq!(answer.bytes[1..3], [ERROR, INVALID_SESSION]);
        } else if named {
            let mut response = self.keys.as_ref().unwrap().response.clone();
            let opened = response.open(&answer.bytes).unwrap();
            assert_eq!(opened[1..3], [ERROR, DECRYPT_ERROR]);
            self.over();
        }
    }
}

/// Conversations in a good order, with a session and without; requests in a bad order.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for version in 0..2u8 {
        let count = templates(VERSIONS[usize::from(version)]).len() as u8;
        let plainly = |n: u8| vec![0, n, 0, 0];
        let sealed = |n: u8| vec![3, n, 0, 0];
        let from =
            |reached: u8, events: Vec<Vec<u8>>| [vec![version, reached], events.concat()].concat();
        let everything = || 0..count;
        all.push(from(0, everything().map(plainly).collect()));
        all.push(from(0, [0, 1, 2, 3, 4, 6, 7, 8, 5].map(plainly).to_vec()));
        all.push(from(1, everything().rev().map(plainly).collect()));
        all.push(from(4, everything().map(sealed).collect()));
        // Its number counts from the plain ones: finish, heartbeat, updates, end.
        let finish = count - 7;
        all.push(from(3, (finish..count).map(sealed).collect()));
        let update = [
            finish + 2,
            finish + 4,
            finish + 3,
            finish + 4,
            finish + 1,
            finish + 5,
        ];
        all.push(from(4, update.map(sealed).to_vec()));
        all.push(from(
            4,
            vec![sealed(finish + 1), vec![5, 1, 0], sealed(finish + 1)],
        ));
        all.push(from(4, vec![vec![5, 2, 9, 0, 1]]));
        all.push(from(
            4,
            vec![vec![7, 1, 1], sealed(finish + 2), sealed(finish + 6)],
        ));
        all.push(from(4, vec![vec![6, 0], sealed(finish)]));
        let raw = seeds::bytes(&[3, 4, 0, 0x12, 0x81, 0, 0]);
        all.push(from(4, vec![[&[3, 0][..], &raw].concat()]));
    }
    all
}
