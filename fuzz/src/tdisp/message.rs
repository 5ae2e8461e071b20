// SPDX-License-Identifier: GPL-2.0

//! Requests and responses: what was understood of bytes is all that they say.

use crate::Input;
use tdisp::{Header, InterfaceId, Request, Response, HEADER_SIZE};
use zerocopy::FromBytes;

/// Direction, then a message.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.flag() {
        response(input.rest());
    } else {
        request(input.rest());
    }
}

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let bodies: [(u8, usize); 11] = [
        (1, 0),
        (2, 4),
        (3, 20),
        (4, 4),
        (5, 0),
        (6, 32),
        (7, 0),
        (8, 1),
        (9, 1),
        (10, 16),
        (11, 5),
    ];
    let mut seeds = Vec::new();
    let mut push = |direction: u8, code: u8, body: &[u8]| {
        let mut seed = vec![direction, 0x10, code, 0, 0, 0, 1];
        seed.resize(1 + HEADER_SIZE, 0);
        seed.extend_from_slice(body);
        seeds.push(seed);
    };
    for (code, length) in bodies {
        push(0, 0x80 | code, &[1; 32][..length]);
    }
    push(1, 1, &[1, 0x10]);
    push(1, 2, &[7; 28]);
    push(1, 3, &[9; 32]);
    push(1, 4, &[3, 0, 9, 0, 1, 2, 3]);
    push(1, 5, &[2]);
    for code in 6..=10 {
        push(1, code, &[]);
    }
    push(1, 11, &[0, 2, 0x34, 0x12, 5]);
    push(1, 0x7f, &[4, 0, 0, 0, 0, 0, 0, 0]);
    seeds
}

fn request(bytes: &[u8]) {
    let header = Header::read_from_prefix(bytes)
        .ok()
        .map(|(header, _)| header);
    match Request::decode(bytes) {
        Ok((interface, request)) => {
            let header = header.unwrap();
            assert_eq!(
                (interface, request.code()),
                (header.interface, header.message_type)
            );
            same(&request.encode(interface), bytes);
        }
        Err(refused) => {
            // The answer names whom the request named.
            let named = header.map_or(InterfaceId::default(), |header| header.interface);
            assert_eq!(refused.interface, named);
            let answer = Response::Error(refused.code as u32, refused.data);
            let encoded = answer.encode(refused.interface);
            assert_eq!(Response::decode(&encoded), Ok((refused.interface, answer)));
        }
    }
}

fn response(bytes: &[u8]) {
    let Ok((interface, response)) = Response::decode(bytes) else {
        return;
    };
    let again = response.encode(interface);
    assert_eq!(Response::decode(&again), Ok((interface, response.clone())));
    match response {
        // Extended data is not looked at.
        Response::Error(..) => same(&again, &bytes[..HEADER_SIZE + 8]),
        _ => same(&again, bytes),
    }
}

/// The version's minor and two reserved bytes need not be what is sent.
fn same(sent: &[u8], came: &[u8]) {
    assert_eq!(sent[0] >> 4, came[0] >> 4);
    assert_eq!((sent[1], &sent[2..4]), (came[1], &[0; 2][..]));
    assert_eq!(sent[4..], came[4..]);
}
