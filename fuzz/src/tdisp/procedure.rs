// SPDX-License-Identifier: GPL-2.0

//! What a TSM does with a TDI, whatever the device answers: it believes no state but the one that it
//! wanted, and comes to an end.

use super::functions::Functions;
use crate::{seeds, Input};
use tdisp::{Dsm, InterfaceId, Operation, Procedure, Request, Response, State};
use zerocopy::IntoBytes;

/// More steps than any operation has: a report of 4 KiB, read byte by byte.
const STEPS: usize = 4200;
const REQUESTER_ID: u16 = 1;
const SESSION: u32 = 1;

/// An operation and the state to begin in, then for each answer whether it is the device's.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut functions = Functions::new(7);
    let mut dsm = Dsm::new(2, 40);
    let nonce = prepare(&mut dsm, &mut functions, input.byte() % 3);
    let operation = match input.byte() % 5 {
        0 => Operation::Lock,
        1 => Operation::Start(nonce),
        2 => Operation::Stop,
        3 => Operation::Report,
        _ => Operation::State,
    };
    let mut procedure = Procedure::new(REQUESTER_ID, operation).on_stream(5);
    let mut request = procedure.begin();
    let (mut last, mut read) = (None, Vec::new());
    for step in 0.. {
        assert!(step < STEPS, "no end");
        let (id, asked) = Request::decode(&request).unwrap();
        assert_eq!(id, InterfaceId::of(REQUESTER_ID));
        let mut answer = dsm.respond(&mut functions, SESSION, &request);
        match input.byte() % 4 {
            0 | 1 => {}
            2 => answer = input.bytes().to_vec(),
            _ => {
                let at = usize::from(input.half()) % answer.len();
                answer[at] ^= input.byte();
            }
        }
        let Ok(next) = procedure.take(&answer) else {
            return;
        };
        let (from, response) = Response::decode(&answer).unwrap();
        assert_eq!((from, response.code()), (id, asked.code() & 0x7f));
        if let Response::Lock(nonce) = response {
            assert_eq!(procedure.nonce(), Some(nonce));
        }
        if let Some(range) = next.take {
            assert_eq!(operation, Operation::Report);
            assert!(range.end <= answer.len());
            read.extend_from_slice(&answer[range]);
            assert!(read.len() <= 4096);
        }
        if let Response::State(state) = response {
            last = Some(state);
        }
        match next.request {
            Some(next) => request = next,
            None => break,
        }
    }
    assert_eq!(procedure.state(), last);
    let wanted = match operation {
        Operation::Lock => Some(State::Locked),
        Operation::Start(_) => Some(State::Run),
        Operation::Stop => Some(State::Unlocked),
        Operation::Report | Operation::State => last,
    };
    assert_eq!(last, wanted, "{operation:?}");
    assert!(operation != Operation::Report || !read.is_empty());
}

/// Each operation with an honest device; one with an answer that is not the device's.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![0, 0], vec![1, 1], vec![2, 2], vec![2, 3], vec![2, 4]];
    let id = InterfaceId::of(REQUESTER_ID);
    let lie = Response::State(State::Run).encode(id);
    seeds.push([&[1, 1, 0, 2][..], &seeds::bytes(&lie)].concat());
    let part = [&[0x10u8, 4, 0, 0][..], id.as_bytes(), &[1, 0, 9, 0, 7]].concat();
    seeds.push([&[1, 3, 2][..], &seeds::bytes(&part)].concat());
    seeds
}

/// Unlocked, locked or running; the nonce of the lock.
fn prepare(dsm: &mut Dsm, functions: &mut Functions, steps: u8) -> tdisp::Nonce {
    let mut nonce = [0; 32];
    for step in 0..steps {
        let operation = match step {
            0 => Operation::Lock,
            _ => Operation::Start(nonce),
        };
        let mut procedure = Procedure::new(REQUESTER_ID, operation).on_stream(5);
        let mut request = Some(procedure.begin());
        while let Some(bytes) = request {
            let answer = dsm.respond(functions, SESSION, &bytes);
            request = procedure.take(&answer).unwrap().request;
        }
        nonce = procedure.nonce().unwrap_or(nonce);
    }
    nonce
}
