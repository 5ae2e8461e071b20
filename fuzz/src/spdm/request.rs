// SPDX-License-Identifier: GPL-2.0

//! Requests, one at a time, in the clear or in a session: changed honest ones, or any others.

use super::device::{Device, Size};
use super::honest::{Honest, Reached, VERSIONS};
use super::response::message;
use super::ERROR;
use crate::{seeds, Input};
use spdm::{Carriage, Packet, Responder, Version};

/// Most bytes that the recorded requester takes.
const DATA_TRANSFER_SIZE: usize = 4072;

/// Requests that are good somewhere.
pub(super) fn templates(version: Version) -> Vec<Vec<u8>> {
    let honest = Honest::get(version);
    let wire = version.wire();
    let head = |code: u8, param1: u8, param2: u8| vec![wire, code, param1, param2];
    let vendor = |protocol: u8| {
        [
            &head(0xfe, 0, 0)[..],
            &[3, 0, 2, 1, 0, 4, 0, protocol, 1, 2, 3],
        ]
        .concat()
    };
    let signed = [&head(0xe0, 1, 0xff)[..], &[7; 32], &[0]].concat();
    let plain = honest.wire().iter().map(|(request, _)| request);
    let plain = plain.filter(|request| request.carriage == Carriage::Plain);
    let mut all: Vec<_> = plain.map(|request| request.bytes.clone()).collect();
    all.extend([
        head(0x81, 0, 0),
        [&head(0x83, 0, 0xff)[..], &[9; 32]].concat(),
        head(0xe0, 0, 0),
        head(0xe0, 2, 0xff),
        signed,
        vendor(0),
        vendor(7),
        honest.finish().to_vec(),
        head(0xe8, 0, 0),
        head(0xe9, 1, 5),
        head(0xe9, 2, 6),
        head(0xe9, 3, 7),
        head(0xec, 0, 0),
        head(0xff, 0xe4, 1),
    ]);
    all
}

struct Asked {
    responder: Responder,
    device: Device,
    packet: Packet,
    /// It is KEY_UPDATE of all keys: the answer has new ones.
    updates: bool,
}

impl Asked {
    fn new(version: Version, reached: Reached, sealed: bool, message: &[u8]) -> Self {
        let honest = Honest::get(version);
        let (responder, device) = honest.responder(reached, Size::Small);
        let packet = if sealed {
            Packet::secured(honest.keys(reached).request.seal(message))
        } else {
            Packet::plain(message.to_vec())
        };
        Self {
            responder,
            device,
            packet,
            updates: message.get(1..3) == Some(&[0xe9, 2]),
        }
    }

    /// The message that answers, whatever it came in.
    fn answer(&mut self, version: Version, reached: Reached) -> Vec<u8> {
        let answer = self
            .responder
            .respond(&mut self.device, &self.packet)
            .unwrap();
        assert_eq!(answer.carriage, self.packet.carriage);
        match answer.carriage {
            Carriage::Plain => answer.bytes,
            Carriage::Secured => {
                let response = Honest::get(version).keys(reached).response;
                let opened = response.clone().open(&answer.bytes);
                let new = || response.next().open(&answer.bytes);
                let new = || self.updates.then(new).flatten();
                opened.or_else(new).unwrap()
            }
        }
    }
}

/// Version, how far the conversation is, carriage, then which request, how it is made, and of what.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&VERSIONS);
    let reached = input.pick(&Reached::ALL);
    let sealed = reached >= Reached::Handshake && input.flag();
    let templates = templates(version);
    let template = input.pick(&templates.iter().collect::<Vec<_>>());
    let message = message(&mut input, template);

    let mut asked = Asked::new(version, reached, sealed, &message);
    let before = asked.responder.session();
    let answer = asked.answer(version, reached);
    let [answered, code, ..] = answer[..] else {
        panic!("no header: {answer:02x?}");
    };
    let known = [0x10, 0x11, 0x12];
    assert!(
        answer.len() >= 4 && known.contains(&answered),
        "{answer:02x?}"
    );
    assert!(reached < Reached::Connected || answer.len() <= DATA_TRANSFER_SIZE);
    assert!(sealed || asked.device.heard.is_empty());
    let after = asked.responder.session();
    if code == ERROR {
        // Only a wrong FINISH ends something: a session that is not established.
        assert_eq!(after, before, "{message:02x?}");
        return;
    }
    assert_eq!(code, message[1] & 0x7f, "{message:02x?}");
    match (message[1], sealed) {
        (0x84, false) | (0xec, true) => assert_eq!(after, None),
        (0xe5, true) => assert!(is_finish(version, &message) && after.is_some()),
        _ => assert_eq!(after, before),
    }
    assert_eq!(
        asked.device.ended.len(),
        usize::from(before.is_some() && after.is_none())
    );
    // More than padding may not follow.
    let long = [&message[..], &[0; 4]].concat();
    let refused = Asked::new(version, reached, sealed, &long).answer(version, reached);
    assert_eq!(refused[1], ERROR, "{message:02x?} and four bytes");
}

fn is_finish(version: Version, message: &[u8]) -> bool {
    let finish = Honest::get(version).finish();
    // The second parameter is a slot for a signature that is not there; HMAC covers it.
    message.starts_with(finish)
}

/// All of them where they belong, and in the clear everywhere.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (version, of) in (0u8..).zip(VERSIONS) {
        for (number, template) in (0u8..).zip(templates(of)) {
            for reached in 0..3 {
                seeds.push(vec![version, reached, number, 0]);
            }
            for (reached, sealed) in [(3, 0), (3, 1), (4, 0), (4, 1)] {
                seeds.push(vec![version, reached, sealed, number, 0]);
            }
            let raw = seeds::bytes(&template);
            seeds.push([&[version, 4, 1, 0, 3][..], &raw].concat());
            seeds.push([&[version, 1, 0, 3][..], &raw].concat());
        }
    }
    seeds
}
