// SPDX-License-Identifier: GPL-2.0

mod model;
mod optional;

use super::*;
use crate::vdm::Vdm;
use crate::{InterfaceReport, Nonce};
use proptest::prelude::*;
use zerocopy::little_endian::U64;

const SESSION: u32 = 0x8001_0002;
const OTHER: u32 = 0x8001_0003;
/// The stream that is keyed over [`SESSION`], and those to peers.
const STREAM: u8 = 5;
const PEERS: [u8; 2] = [6, 7];
const NO_FEATURES: Features = Features {
    p2p: false,
    mmio_attribute: false,
    vdm: false,
};
const ALL_FEATURES: Features = Features {
    p2p: true,
    mmio_attribute: true,
    vdm: true,
};

struct Functions {
    configured: bool,
    entropy: bool,
    features: Features,
    /// Session that the streams are keyed over.
    keyed: Option<u32>,
    nonces: u8,
    scrubbed: usize,
    attributes: Vec<(Range, bool)>,
}

impl Functions {
    fn new(features: Features) -> Self {
        Self {
            configured: true,
            entropy: true,
            features,
            keyed: Some(SESSION),
            nonces: 8,
            scrubbed: 0,
            attributes: Vec::new(),
        }
    }
}

fn range(address: u64, attributes: u16, id: u16) -> Range {
    Range {
        address,
        pages: 4,
        attributes,
        id,
    }
}

impl Hosting for Functions {
    fn find(&self, interface: InterfaceId) -> Option<usize> {
        Some(usize::from(interface.requester_id())).filter(|&n| n < 2)
    }
    fn report(&self, _: usize, _: Flags) -> Option<InterfaceReport> {
        self.configured.then(|| InterfaceReport {
            ranges: vec![
                range(0x1000, 0, 0),
                range(0x8000, RANGE_UPDATABLE, 2),
                range(0xc000, RANGE_UPDATABLE | RANGE_NON_TEE, 4),
            ],
            ..Default::default()
        })
    }
    fn stream_is_ready(&self, stream: u8, session: u32) -> bool {
        stream == STREAM && self.keyed == Some(session)
    }
    fn nonce(&mut self) -> Option<Nonce> {
        self.nonces += 1;
        self.entropy.then_some([self.nonces; 32])
    }
    fn scrub(&mut self, _: usize) {
        self.scrubbed += 1;
    }
    fn features(&self) -> Features {
        self.features
    }
    fn p2p_stream_is_ready(&self, stream: u8, session: u32) -> bool {
        PEERS.contains(&stream) && self.keyed == Some(session)
    }
    fn set_non_tee(&mut self, _: usize, range: &Range, non_tee: bool) -> bool {
        self.attributes.push((*range, non_tee));
        range.id != 4
    }
    fn vdm(&mut self, _: usize, message: &Vdm) -> Option<Vdm> {
        (message.vendor == [0x34, 0x12]).then(|| Vdm {
            data: vec![1],
            ..message.clone()
        })
    }
}

fn ask_in(
    session: u32,
    dsm: &mut Dsm,
    functions: &mut Functions,
    rid: u16,
    request: Request,
) -> Response {
    let id = InterfaceId::of(rid);
    let bytes = dsm.respond(functions, session, &request.encode(id));
    let (answered, response) = Response::decode(&bytes).unwrap();
    assert_eq!(answered, id);
    response
}

fn ask(dsm: &mut Dsm, functions: &mut Functions, rid: u16, request: Request) -> Response {
    ask_in(SESSION, dsm, functions, rid, request)
}

fn running(features: Features) -> (Dsm, Functions) {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(features));
    let mut wanted = LockRequest {
        default_stream: STREAM,
        mmio_reporting_offset: U64::new(0x10_0000),
        ..Default::default()
    };
    if features.p2p {
        wanted.flags = U16::new(Flags::BIND_P2P.0);
    }
    let locked = ask(&mut dsm, &mut functions, 0, Request::Lock(wanted));
    let Response::Lock(nonce) = locked else {
        panic!("{locked:?}");
    };
    let started = ask(&mut dsm, &mut functions, 0, Request::Start(nonce));
    assert_eq!(started, Response::Start);
    (dsm, functions)
}

fn lock() -> Request {
    Request::Lock(LockRequest {
        default_stream: STREAM,
        mmio_reporting_offset: U64::new(0x10_0000),
        ..Default::default()
    })
}

fn error(code: ErrorCode) -> Response {
    Response::Error(code as u32, 0)
}

#[test]
fn whole_life() {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(NO_FEATURES));
    let d = &mut dsm;
    let f = &mut functions;
    assert_eq!(
        ask(d, f, 0, Request::GetVersion),
        Response::Version(vec![0x10])
    );
    let Response::Capabilities(caps) = ask(d, f, 0, Request::GetCapabilities(0)) else {
        panic!("capabilities");
    };
    for code in 0..=255 {
        assert_eq!(caps.knows(code), (0x81..=0x87).contains(&code));
    }
    assert_eq!(caps.lock_flags.get(), 0x5);
    assert_eq!(
        ask(d, f, 0, Request::GetState),
        Response::State(State::Unlocked)
    );
    assert_eq!(ask(d, f, 0, lock()), Response::Lock([9; 32]));
    assert_eq!(
        ask(d, f, 0, lock()),
        error(ErrorCode::InvalidInterfaceState)
    );
    assert_eq!(
        ask(d, f, 1, Request::GetState),
        Response::State(State::Unlocked)
    );
    assert_eq!(
        ask(d, f, 0, Request::GetState),
        Response::State(State::Locked)
    );

    let mut report = Vec::new();
    loop {
        let request = Request::GetReport(ReportRequest {
            offset: U16::new(report.len() as u16),
            length: U16::new(0xffff),
        });
        let Response::Report(portion) = ask(d, f, 0, request) else {
            panic!("report");
        };
        assert!(portion.bytes.len() <= 40);
        report.extend(portion.bytes);
        if portion.remainder == 0 {
            break;
        }
    }
    let report = InterfaceReport::decode(&report).unwrap();
    assert_eq!(report.ranges[0].address, 0x10_1000);

    assert_eq!(
        ask(d, f, 0, Request::Start([1; 32])),
        error(ErrorCode::InvalidNonce)
    );
    assert_eq!(ask(d, f, 0, Request::Start([9; 32])), Response::Start);
    assert_eq!(ask(d, f, 0, Request::GetState), Response::State(State::Run));
    assert_eq!(
        ask(d, f, 0, Request::Start([9; 32])),
        error(ErrorCode::InvalidInterfaceState)
    );
    assert_eq!(ask(d, f, 0, Request::Stop), Response::Stop);
    assert_eq!(f.scrubbed, 1);
    assert_eq!(
        ask(d, f, 0, Request::GetState),
        Response::State(State::Unlocked)
    );
    assert_eq!(ask(d, f, 0, Request::Stop), Response::Stop);
}

#[test]
fn refusals() {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(NO_FEATURES));
    let d = &mut dsm;
    let f = &mut functions;
    assert_eq!(
        ask(d, f, 2, Request::GetState),
        error(ErrorCode::InvalidInterface)
    );
    for request in optional() {
        let code = u32::from(request.code());
        let response = Response::Error(ErrorCode::UnsupportedRequest as u32, code);
        assert_eq!(ask(d, f, 0, request), response);
    }
    let part = Request::GetReport(ReportRequest {
        offset: U16::new(0),
        length: U16::new(9),
    });
    assert_eq!(ask(d, f, 0, part), error(ErrorCode::InvalidInterfaceState));
    for flag in [
        Flags::BIND_P2P,
        Flags::CACHE_LINE_128,
        Flags::ALL_REQUEST_REDIRECT,
    ] {
        let request = Request::Lock(LockRequest {
            flags: U16::new(flag.0),
            default_stream: STREAM,
            ..Default::default()
        });
        assert_eq!(ask(d, f, 0, request), error(ErrorCode::InvalidRequest));
    }
    f.configured = false;
    assert_eq!(
        ask(d, f, 0, lock()),
        error(ErrorCode::InvalidDeviceConfiguration)
    );
    f.configured = true;
    f.entropy = false;
    assert_eq!(ask(d, f, 0, lock()), error(ErrorCode::InsufficientEntropy));
    f.entropy = true;
    let Response::Lock(_) = ask(d, f, 0, lock()) else {
        panic!("lock");
    };
    for (offset, length) in [(1000, 8), (0, 0)] {
        let part = Request::GetReport(ReportRequest {
            offset: U16::new(offset),
            length: U16::new(length),
        });
        assert_eq!(ask(d, f, 0, part), error(ErrorCode::InvalidRequest));
    }
}

#[test]
fn misbehaviour() {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(NO_FEATURES));
    dsm.force_next(Some(State::Run));
    assert_eq!(
        ask(&mut dsm, &mut functions, 1, lock()),
        Response::Lock([9; 32])
    );
    assert_eq!(dsm.state(1), Some(State::Run));
    assert_eq!(
        ask(&mut dsm, &mut functions, 1, Request::Stop),
        Response::Stop
    );
    assert_eq!(dsm.state(1), Some(State::Unlocked));
}

/// What a device need not know.
fn optional() -> [Request; 4] {
    [
        Request::BindP2p(PEERS[0]),
        Request::UnbindP2p(PEERS[0]),
        Request::SetMmioAttribute(part(0x108, 4, 0, 2)),
        Request::Vdm(Vdm {
            registry: 0,
            vendor: vec![0x34, 0x12],
            data: vec![],
        }),
    ]
}

fn part(first_page: u64, pages: u32, attributes: u16, id: u16) -> WireRange {
    WireRange {
        first_page: zerocopy::little_endian::U64::new(first_page),
        pages: U32::new(pages),
        attributes: U16::new(attributes),
        id: U16::new(id),
    }
}

fn state(dsm: &Dsm) -> State {
    dsm.state(0).unwrap()
}

#[test]
fn lock_needs_the_keys_of_its_stream() {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(NO_FEATURES));
    let (d, f) = (&mut dsm, &mut functions);
    let invalid = error(ErrorCode::InvalidRequest);
    f.keyed = None;
    assert_eq!(ask(d, f, 0, lock()), invalid);
    f.keyed = Some(OTHER);
    assert_eq!(ask(d, f, 0, lock()), invalid);
    f.keyed = Some(SESSION);
    let wrong_stream = Request::Lock(LockRequest {
        default_stream: STREAM + 1,
        ..Default::default()
    });
    assert_eq!(ask(d, f, 0, wrong_stream), invalid);
    assert_eq!(ask_in(OTHER, d, f, 0, lock()), invalid);
    assert_eq!(state(d), State::Unlocked);
    // Reserved flags and the reserved byte are not looked at.
    let reserved = Request::Lock(LockRequest {
        flags: U16::new(0xffe5),
        default_stream: STREAM,
        reserved: 0xff,
        ..Default::default()
    });
    assert_eq!(ask(d, f, 0, reserved), Response::Lock([9; 32]));
    let lock = d.interface(0).unwrap().locked_with().unwrap();
    assert_eq!((lock.flags, lock.stream), (Flags(0x5), STREAM));
    assert_eq!(lock.session, Some(SESSION));
}

#[test]
fn one_session_has_the_tdi() {
    let (mut dsm, mut functions) = running(ALL_FEATURES);
    let (d, f) = (&mut dsm, &mut functions);
    let invalid = error(ErrorCode::InvalidRequest);
    for request in [
        Request::Start([9; 32]),
        Request::Stop,
        Request::BindP2p(PEERS[0]),
        Request::UnbindP2p(PEERS[0]),
        Request::SetMmioAttribute(part(0x108, 4, 0, 2)),
    ] {
        assert_eq!(ask_in(OTHER, d, f, 0, request), invalid);
    }
    let running = Response::State(State::Run);
    assert_eq!(ask_in(OTHER, d, f, 0, Request::GetState), running);
    assert_eq!((f.scrubbed, f.attributes.len()), (0, 0));

    assert_eq!(d.session_ended(OTHER), 0);
    assert_eq!(state(d), State::Run);
    assert_eq!(d.session_ended(SESSION), 1);
    assert_eq!(d.session_ended(SESSION), 0);
    assert_eq!(state(d), State::Error);
    // Somebody has to be able to clean up.
    assert_eq!(ask_in(OTHER, d, f, 0, Request::Stop), Response::Stop);
    assert_eq!((state(d), f.scrubbed), (State::Unlocked, 1));
}

#[test]
fn streams_that_are_lost() {
    let (mut dsm, mut functions) = running(ALL_FEATURES);
    let (d, f) = (&mut dsm, &mut functions);
    let Response::Lock(_) = ask(d, f, 1, lock()) else {
        panic!("lock");
    };
    let bind = ask(d, f, 0, Request::BindP2p(PEERS[0]));
    assert_eq!(bind, Response::BindP2p);
    assert_eq!(d.stream_lost(PEERS[1]), 0);
    assert_eq!(d.stream_lost(PEERS[0]), 1);
    assert_eq!(d.state(0), Some(State::Error));
    assert_eq!(d.state(1), Some(State::Locked));
    assert_eq!(d.stream_lost(STREAM), 1);
    assert_eq!(d.state(1), Some(State::Error));
    assert_eq!(d.stream_lost(STREAM), 0);
    d.reset();
    assert_eq!(d.state(0), Some(State::Unlocked));
    assert_eq!(d.state(1), Some(State::Unlocked));
}

/// 11.4.8 and 11.4.9.
#[test]
fn resets() {
    let (mut dsm, mut functions) = running(NO_FEATURES);
    let (d, f) = (&mut dsm, &mut functions);
    // A function level reset takes what is locked to ERROR, and nothing out of it.
    assert!(!d.fail(1));
    assert_eq!(d.state(1), Some(State::Unlocked));
    assert!(d.fail(0));
    assert!(!d.fail(0));
    assert_eq!(state(d), State::Error);
    for request in [lock(), Request::Start([9; 32])] {
        let answer = ask(d, f, 0, request);
        assert_eq!(answer, error(ErrorCode::InvalidInterfaceState));
    }
    d.reset();
    assert_eq!(state(d), State::Unlocked);
    // The nonce of a lock that is gone starts nothing.
    let Response::Lock(nonce) = ask(d, f, 0, lock()) else {
        panic!("lock");
    };
    d.reset();
    let answer = ask(d, f, 0, Request::Start(nonce));
    assert_eq!(answer, error(ErrorCode::InvalidInterfaceState));
    let Response::Lock(other) = ask(d, f, 0, lock()) else {
        panic!("lock");
    };
    let answer = ask(d, f, 0, Request::Start(nonce));
    assert_eq!(answer, error(ErrorCode::InvalidNonce));
    assert_eq!(state(d), State::Locked);
    assert_eq!(ask(d, f, 0, Request::Start(other)), Response::Start);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Dsm::new(2, 40).respond(&mut Functions::new(ALL_FEATURES), SESSION, &bytes);
    }

    #[test]
    fn any_body(code in 0x80u8..0x90, body in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = crate::header::message(code, InterfaceId::of(1), &body);
        let answer = Dsm::new(2, 40).respond(&mut Functions::new(ALL_FEATURES), SESSION, &bytes);
        prop_assert!(Response::decode(&answer).is_ok());
    }
}
