// SPDX-License-Identifier: GPL-2.0

//! Data objects, and the mailbox that they go through, next to a second one that is written in the
//! plainest way.

use crate::Input;
use std::time::{Duration, Instant};
use tsm_emu::doe::{
    Answer, Mailbox, Object, CONTROL, CONTROL_ABORT, CONTROL_GO, READ, STATUS, STATUS_BUSY,
    STATUS_ERROR, STATUS_READY, WRITE,
};

/// Most events of an input.
const EVENTS: usize = 400;

/// The mailbox once more.
#[derive(Default)]
struct Plain {
    written: Vec<u32>,
    /// The answer, from what is to be read next on.
    answer: Vec<u32>,
    ready_at: Option<Instant>,
    hangs: bool,
    error: bool,
}

impl Plain {
    fn status(&self, now: Instant) -> u32 {
        let there = !self.answer.is_empty();
        let late = there && self.ready_at.is_some_and(|at| now < at);
        let busy = self.hangs || late;
        let mut status = if busy { STATUS_BUSY } else { 0 };
        if self.error {
            status |= STATUS_ERROR;
        }
        if there && !busy {
            status |= STATUS_READY;
        }
        status
    }

    fn fail(&mut self) {
        *self = Self {
            error: true,
            ..Self::default()
        };
    }
}

/// First an object of any bytes, then events at a mailbox.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    object(input.bytes());
    let mut now = Instant::now();
    let (mut mailbox, mut plain) = (Mailbox::default(), Plain::default());
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        event(&mut input, &mut mailbox, &mut plain, &mut now);
        let status = mailbox.read(STATUS, now);
        assert_eq!(status, plain.status(now));
        let word = match status & STATUS_READY {
            0 => 0,
            _ => plain.answer[0],
        };
        assert_eq!(mailbox.read(READ, now), word);
    }
    mailbox.write(CONTROL, CONTROL_ABORT, now);
    assert_eq!(mailbox.read(STATUS, now), 0);
}

/// Whole exchanges, one that is late, one that is never answered, and errors.
pub fn seeds() -> Vec<Vec<u8>> {
    let word = |word: u32| [&[0][..], &word.to_le_bytes()].concat();
    let object = [word(0x0001_0001), word(3), word(0xabcd)].concat();
    let go = |answer: &[u8]| [&[1][..], answer].concat();
    let read = [2; 4];
    let raw = [0x01u32, 0x0001, 3, 7].map(u32::to_le_bytes).concat();
    let with = |script: &[u8]| [&[0, 0][..], script].concat();
    vec![
        [&(12u16).to_le_bytes(), &raw[4..]].concat(),
        with(&[&object[..], &go(&[0, 0, 0]), &read].concat()),
        with(&[&object[..], &go(&[0, 2, 0]), &[3, 1], &[3, 9], &read].concat()),
        with(&[&object[..], &go(&[1]), &object, &[4]].concat()),
        with(&[&object[..], &go(&[2]), &object, &go(&[]), &[4], &object].concat()),
        with(&[&object[..], &go(&[3]), &[2]].concat()),
        with(&[&object[..2], &go(&[0])].concat()),
    ]
}

fn object(bytes: &[u8]) {
    let Some(object) = Object::from_bytes(bytes) else {
        return;
    };
    let mut again = object.to_bytes();
    // Two bytes of the header have reserved bits.
    again[3] = bytes[3];
    again[6] |= bytes[6] & !3;
    again[7] = bytes[7];
    assert_eq!(again, bytes);
    let copy = Object {
        vendor: 1,
        ..Object::of_bytes(object.kind, &object.bytes())
    };
    assert_eq!(copy.payload, object.payload);
}

fn event(input: &mut Input<'_>, mailbox: &mut Mailbox, plain: &mut Plain, now: &mut Instant) {
    let status = plain.status(*now);
    let ready = status & STATUS_READY != 0;
    let open = status & (STATUS_BUSY | STATUS_ERROR) == 0;
    match input.byte() % 6 {
        0 => {
            let word = input.word();
            assert_eq!(mailbox.write(WRITE, word, *now), None);
            if open {
                plain.written.push(word);
            }
        }
        1 => {
            let object = mailbox.write(CONTROL, CONTROL_GO, *now);
            let written = if open {
                std::mem::take(&mut plain.written)
            } else {
                assert_eq!(object, None);
                return;
            };
            let whole = written.len() >= 2
                && written.len() == (written[1] & 0x3ffff) as usize
                && plain.answer.is_empty();
            let Some(object) = object else {
                assert!(!whole);
                plain.fail();
                return;
            };
            assert!(whole);
            assert_eq!(
                (object.vendor, object.kind),
                (written[0] as u16, (written[0] >> 16) as u8)
            );
            assert_eq!(object.payload, written[2..]);
            answer(input, mailbox, plain, *now, object);
        }
        2 => {
            assert_eq!(mailbox.write(READ, input.word(), *now), None);
            if ready {
                plain.answer.remove(0);
            } else {
                plain.fail();
            }
        }
        3 => *now += Duration::from_millis(input.byte().into()),
        4 => {
            assert_eq!(
                mailbox.write(CONTROL, CONTROL_ABORT | input.word(), *now),
                None
            );
            *plain = Plain::default();
        }
        _ => {
            // Where there is nothing, nothing happens.
            let register = input.half().into();
            let value = input.word();
            if ![CONTROL, WRITE, READ].contains(&register) {
                assert_eq!(mailbox.write(register, value, *now), None);
            }
        }
    }
}

fn answer(
    input: &mut Input<'_>,
    mailbox: &mut Mailbox,
    plain: &mut Plain,
    now: Instant,
    object: Object,
) {
    match input.byte() % 4 {
        0 => {
            let at = now + Duration::from_millis(input.byte().into());
            let length = object.payload.len() as u32 + 2;
            let head = u32::from(object.vendor) | u32::from(object.kind) << 16;
            plain.answer = [&[head, length][..], &object.payload].concat();
            plain.ready_at = Some(at);
            mailbox.answer(Answer::Object(object, at));
        }
        1 => {
            plain.hangs = true;
            mailbox.answer(Answer::Never);
        }
        2 => {
            plain.fail();
            mailbox.answer(Answer::Error);
        }
        _ => mailbox.answer(Answer::Discard),
    }
}
