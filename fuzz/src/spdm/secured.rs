// SPDX-License-Identifier: GPL-2.0

//! Secured messages, sealed by a second implementation: what was sealed is opened as it was, and
//! nothing else is.

use super::device::{vendor_answer, Size};
use super::honest::{Honest, Reached, VERSIONS};
use super::keys::Keys;
use crate::{seeds, Input};
use spdm::vendor::PROTOCOL_TDISP;
use spdm::{Carriage, Exchange, Fault, Found, Packet, Step, Version};

const DECRYPT_ERROR: u8 = 6;
const INVALID_SESSION: u8 = 2;

/// A vendor defined message of TDISP.
fn vendor(version: Version, code: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 1).to_le_bytes();
    let head = [
        version.wire(),
        code,
        0,
        0,
        3,
        0,
        2,
        1,
        0,
        length[0],
        length[1],
    ];
    [&head, &[PROTOCOL_TDISP][..], payload].concat()
}

/// Version, direction, what is sealed, then what happens to it on its way.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&VERSIONS);
    let to_requester = input.flag();
    let code = if to_requester { 0x7e } else { 0xfe };
    // Room for what it says, and whatever is behind it.
    let plain = if input.flag() {
        input.bytes().to_vec()
    } else {
        let payload = input.bytes();
        let message = vendor(version, code, &payload[..payload.len().min(4000)]);
        let random = input.take(32);
        [&(message.len() as u16).to_le_bytes(), &message[..], random].concat()
    };
    let plain = &plain[..plain.len().min(60_000)];
    let mut keys = Honest::get(version).keys(Reached::Session);
    let direction = if to_requester {
        &mut keys.response
    } else {
        &mut keys.request
    };
    let lost = input.byte() % 3;
    for _ in 0..lost {
        direction.seal(&[]);
    }
    if input.flag() {
        *direction = direction.next();
    }
    let other = input.flag();
    let sealed = direction.seal_plain(plain);
    let sealed = if other {
        // A message of the other direction.
        let mut keys = Honest::get(version).keys(Reached::Session);
        match to_requester {
            true => keys.request.seal_plain(plain),
            false => keys.response.seal_plain(plain),
        }
    } else {
        sealed
    };
    let mut bytes = sealed.clone();
    while !input.is_empty() {
        match input.byte() % 4 {
            0 if !bytes.is_empty() => {
                let at = usize::from(input.half()) % bytes.len();
                bytes[at] ^= input.byte();
            }
            1 => bytes.truncate(input.half().into()),
            2 => bytes.extend_from_slice(input.bytes()),
            _ => bytes.resize(bytes.len().next_multiple_of(4), 0),
        }
        if bytes.len() > 70_000 {
            return;
        }
    }
    let right = Honest::get(version).keys(Reached::Session);
    // By the keys, and not by how it was made: a change may have been undone.
    let mut opener = if to_requester {
        right.response.clone()
    } else {
        right.request.clone()
    };
    let fits = bytes.len() <= 6 + following(&bytes) + 3;
    let opened = (right.session == session(&bytes) && fits)
        .then(|| opener.open(&bytes))
        .flatten();
    if opened.is_some() {
        assert!(!other && lost == 0 && bytes.starts_with(&sealed), "forged");
    }
    if to_requester {
        response(version, bytes, opened);
    } else {
        request(version, &right, bytes, opened);
    }
}

/// Bytes after the head, as it says.
fn following(bytes: &[u8]) -> usize {
    bytes.get(4..6).map_or(0, |length| {
        u16::from_le_bytes([length[0], length[1]]).into()
    })
}

fn session(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |id| u32::from_le_bytes(*id))
}

fn request(version: Version, keys: &Keys, bytes: Vec<u8>, opened: Option<Vec<u8>>) {
    let honest = Honest::get(version);
    let (mut responder, mut device) = honest.responder(Reached::Session, Size::Small);
    let of_session = bytes.len() >= 6 && session(&bytes) == keys.session;
    let answer = responder
        .respond(&mut device, &Packet::secured(bytes))
        .unwrap();
    if !of_session {
        assert_eq!(answer.carriage, Carriage::Plain);
        assert_eq!(answer.bytes[1..3], [0x7f, INVALID_SESSION]);
        assert_eq!(responder.session(), Some(keys.session));
        assert!(device.heard.is_empty());
        return;
    }
    assert_eq!(answer.carriage, Carriage::Secured);
    let response = keys.response.clone().open(&answer.bytes);
    let Some(message) = opened else {
        assert_eq!(response.unwrap()[1..3], [0x7f, DECRYPT_ERROR]);
        assert_eq!(responder.session(), None);
        assert_eq!(device.ended, [keys.session]);
        assert!(device.heard.is_empty());
        return;
    };
    if let Some(payload) = payload(version, 0xfe, &message) {
        assert_eq!(device.heard, [payload]);
        let expected = vendor(version, 0x7e, &vendor_answer(payload));
        let answered = response.unwrap();
        assert!(
            answered == expected || answered[1..3] == [0x7f, 0xd],
            "{answered:02x?}"
        );
    }
}

fn response(version: Version, bytes: Vec<u8>, opened: Option<Vec<u8>>) {
    let mut requester = Honest::get(version).requester(Reached::Session);
    let exchange = Exchange::Vendor {
        protocol: PROTOCOL_TDISP,
        payload: b"payload".to_vec(),
    };
    requester.begin(exchange).unwrap();
    let taken = requester.take(&Packet::secured(bytes));
    let Some(message) = opened else {
        let fault = taken.unwrap_err();
        assert!(
            matches!(fault, Fault::Decrypt | Fault::Sequence | Fault::Session),
            "{fault}"
        );
        assert_eq!(requester.session(), None);
        return;
    };
    match payload(version, 0x7e, &message) {
        Some(payload) => {
            let found = vec![Found::Vendor(payload.to_vec())];
            assert_eq!(taken, Ok(Step::Done { found }));
        }
        None => assert!(!matches!(taken, Ok(Step::Done { .. }))),
    }
}

/// The payload, if it is such a message and nothing else.
fn payload(version: Version, code: u8, message: &[u8]) -> Option<&[u8]> {
    let length = message.get(9..11)?;
    let length: usize = u16::from_le_bytes([length[0], length[1]]).into();
    let payload = message.get(12..11 + length)?;
    let expected = vendor(version, code, payload);
    let same = |at: usize| at == 2 || at == 3 || message[at] == expected[at];
    let all = (0..expected.len()).all(same) && message.len() <= expected.len() + 3;
    // What the responder takes in one message.
    (all && message.len() <= 4608).then_some(payload)
}

/// In both directions: as it is, lost ones before it, new keys, changed, cut, padded.
pub fn seeds() -> Vec<Vec<u8>> {
    let ways: [&[u8]; 7] = [
        &[0, 0, 0],
        &[1, 0, 0],
        &[2, 0, 0],
        &[0, 1, 0],
        &[0, 0, 1],
        &[0, 0, 0, 0, 9, 0, 1],
        &[0, 0, 0, 3],
    ];
    let mut all = Vec::new();
    for version in 0..2 {
        for direction in 0..2 {
            for way in ways {
                let head = [version, direction, 0];
                let random = [0x55; 32];
                all.push([&head, &seeds::bytes(b"tdisp")[..], &random, way].concat());
            }
            all.push([&[version, direction, 1][..], &seeds::bytes(&[9, 0, 1, 2])].concat());
        }
    }
    all
}
