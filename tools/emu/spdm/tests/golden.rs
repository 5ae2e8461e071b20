// SPDX-License-Identifier: GPL-2.0

//! Conversations of this crate with another implementation, recorded once and replayed: from the
//! same entropy come the same messages, and what the other one answered is accepted. See
//! `tests/golden/README.md`, also for how to record them again.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "golden/identity.rs"]
mod identity;
#[path = "golden/peer.rs"]
mod peer;
#[path = "golden/script.rs"]
mod script;

use identity::{Device, Stream, ROOT};
use peer::Frames;
use script::{Script, Speaker};
use spdm::measurements::{OPERATION_ALL, OPERATION_COUNT};
use spdm::vendor::PROTOCOL_IDE_KM;
use spdm::{Exchange, Fault, Found, Packet, Requester, Responder, Step, Trust};
use std::net::{TcpListener, TcpStream};

/// When they were recorded: 2026-11-21.
const NOW: u64 = 1_795_260_223;

/// Where to reach, or to wait for, the other implementation when recording.
const ADDRESS: &str = "127.0.0.1:2400";

/// Everything that a requester does, in an order that another implementation takes.
fn plan() -> Vec<Exchange> {
    let measure = |operation, raw, signed| Exchange::Measure {
        slot: 0,
        operation,
        raw,
        signed,
        nonce: None,
    };
    vec![
        Exchange::Connect,
        Exchange::Digests,
        Exchange::Certificate { slot: 0 },
        Exchange::Challenge { slot: 0 },
        measure(OPERATION_COUNT, false, false),
        measure(1, false, false),
        measure(1, true, true),
        measure(OPERATION_ALL, false, true),
        Exchange::OpenSession { slot: 0 },
        Exchange::Digests,
        Exchange::Certificate { slot: 0 },
        // QUERY of port 0.
        Exchange::Vendor {
            protocol: PROTOCOL_IDE_KM,
            payload: vec![0, 0, 0],
        },
        Exchange::Heartbeat,
        Exchange::KeyUpdate { all: false },
        Exchange::Heartbeat,
        Exchange::KeyUpdate { all: true },
        measure(OPERATION_ALL, false, true),
        measure(1, true, false),
        Exchange::CloseSession,
        Exchange::OpenSession { slot: 0 },
        Exchange::Heartbeat,
        Exchange::CloseSession,
    ]
}

/// Does all of the plan with a responder; what was found.
fn tour(respond: &mut dyn FnMut(&Packet) -> Packet) -> Result<Vec<Found>, Fault> {
    let trust = Trust {
        roots: vec![ROOT.to_vec()],
        now: NOW,
    };
    let mut requester = Requester::new(trust, Box::new(Stream::new()));
    let mut all = Vec::new();
    for exchange in plan() {
        let mut request = requester.begin(exchange)?;
        loop {
            match requester.take(&respond(&request))? {
                Step::Send { packet, found, .. } => {
                    all.extend(found);
                    request = packet;
                }
                Step::Done { found } => {
                    all.extend(found);
                    break;
                }
            }
        }
    }
    assert_eq!(requester.session(), None);
    Ok(all)
}

#[test]
fn requester() {
    let mut script = Script::parse(include_str!("golden/requester/conversation.txt"));
    let found = tour(&mut |request| {
        script.expect(Speaker::Request, request);
        script.next(Speaker::Response)
    })
    .unwrap();
    assert!(script.is_over());
    let portions = |wanted: fn(&Found) -> bool| found.iter().filter(|it| wanted(it)).count();
    assert_eq!(portions(|it| matches!(it, Found::Vendor(_))), 1);
    assert_eq!(portions(|it| matches!(it, Found::Measurement(_))), 5);
    assert_eq!(portions(|it| matches!(it, Found::MeasurementCount(8))), 1);
    let chain: Vec<u8> = found
        .iter()
        .filter_map(|it| match it {
            Found::Certificate(portion) => Some(portion.as_slice()),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    // Read twice.
    assert!(chain.starts_with(ROOT));
    let (first, second) = chain.split_at(chain.len() / 2);
    assert_eq!(first, second);
}

#[test]
fn responder() {
    let mut script = Script::parse(include_str!("golden/responder/conversation.txt"));
    let mut device = Device::new();
    let mut responder = Responder::new();
    while !script.is_over() {
        let request = script.next(Speaker::Request);
        let response = responder.respond(&mut device, &request).unwrap();
        script.expect(Speaker::Response, &response);
    }
    assert_eq!(device.sessions_ended, 1);
    assert_eq!(responder.session(), None);
}

/// One bit of any response, and the requester stops, if not at once.
#[test]
fn requester_refuses_changes() {
    let script = Script::parse(include_str!("golden/requester/conversation.txt"));
    for changed in script.responses() {
        let mut replay = script.clone();
        let mut number = 0;
        let outcome = tour(&mut |request| {
            replay.expect(Speaker::Request, request);
            let mut response = replay.next(Speaker::Response);
            if number == changed {
                // There are at most three bytes of padding, so this is none of it.
                let at = response.bytes.len() - 4;
                response.bytes[at] ^= 1;
            }
            number += 1;
            response
        });
        assert!(outcome.is_err(), "response {changed}");
    }
}

/// Records `requester/conversation.txt` with a responder that listens.
#[test]
#[ignore = "needs another implementation"]
fn record_requester() {
    let mut frames = Frames::connect(TcpStream::connect(ADDRESS).unwrap());
    let mut script = Script::default();
    tour(&mut |request| {
        let response = frames.exchange(request);
        script.push(Speaker::Request, request);
        script.push(Speaker::Response, &response);
        response
    })
    .unwrap();
    frames.shutdown();
    script.write("tests/golden/requester/conversation.txt");
}

/// Records `responder/conversation.txt` with the requester that connects.
#[test]
#[ignore = "needs another implementation"]
fn record_responder() {
    let listener = TcpListener::bind(ADDRESS).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut device = Device::new();
    let mut responder = Responder::new();
    let mut script = Script::default();
    Frames::serve(stream, &mut |request| {
        let response = responder.respond(&mut device, request).unwrap();
        script.push(Speaker::Request, request);
        script.push(Speaker::Response, &response);
        response
    });
    script.write("tests/golden/responder/conversation.txt");
}
