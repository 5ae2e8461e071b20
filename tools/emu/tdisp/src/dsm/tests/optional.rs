// SPDX-License-Identifier: GPL-2.0

//! Requests that a device need not know.

use super::*;

#[test]
fn capabilities_are_honest() {
    let features = |p2p, mmio_attribute, vdm| Features {
        p2p,
        mmio_attribute,
        vdm,
    };
    for (features, first, second, flags) in [
        (features(false, false, false), 0xfe, 0, 0x5),
        (features(true, false, false), 0xfe, 0x3, 0xd),
        (features(false, true, false), 0xfe, 0x4, 0x5),
        (features(false, false, true), 0xfe, 0x8, 0x5),
        (ALL_FEATURES, 0xfe, 0xf, 0xd),
    ] {
        let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(features));
        let answer = ask(&mut dsm, &mut functions, 0, Request::GetCapabilities(0));
        let Response::Capabilities(capabilities) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(capabilities.requests[..2], [first, second]);
        assert_eq!(capabilities.requests[2..], [0; 14]);
        assert_eq!(capabilities.lock_flags.get(), flags);
        // What is not announced is not there, and what is announced is.
        for request in optional() {
            let code = request.code();
            let answer = ask(&mut dsm, &mut functions, 0, request);
            let missing = Response::Error(ErrorCode::UnsupportedRequest as u32, u32::from(code));
            assert_eq!(answer == missing, !capabilities.knows(code));
        }
    }
}

#[test]
fn peers() {
    let (mut dsm, mut functions) = running(ALL_FEATURES);
    let (d, f) = (&mut dsm, &mut functions);
    let invalid = error(ErrorCode::InvalidRequest);
    let wrong_state = error(ErrorCode::InvalidInterfaceState);
    for stream in [STREAM, 8] {
        assert_eq!(ask(d, f, 0, Request::BindP2p(stream)), invalid);
    }
    for peer in PEERS {
        assert_eq!(ask(d, f, 0, Request::UnbindP2p(peer)), invalid);
        assert_eq!(ask(d, f, 0, Request::BindP2p(peer)), Response::BindP2p);
        assert_eq!(ask(d, f, 0, Request::BindP2p(peer)), invalid);
        assert_eq!(ask(d, f, 1, Request::BindP2p(peer)), wrong_state);
        assert_eq!(ask(d, f, 1, Request::UnbindP2p(peer)), wrong_state);
    }
    let unbound = ask(d, f, 0, Request::UnbindP2p(PEERS[0]));
    assert_eq!(unbound, Response::UnbindP2p);
    f.keyed = Some(OTHER);
    assert_eq!(ask(d, f, 0, Request::BindP2p(PEERS[0])), invalid);
    // Locked without the flag.
    f.keyed = Some(SESSION);
    let Response::Lock(nonce) = ask(d, f, 1, lock()) else {
        panic!("lock");
    };
    assert_eq!(ask(d, f, 1, Request::Start(nonce)), Response::Start);
    assert_eq!(ask(d, f, 1, Request::BindP2p(PEERS[0])), invalid);
}

#[test]
fn attributes() {
    let (mut dsm, mut functions) = running(ALL_FEATURES);
    let (d, f) = (&mut dsm, &mut functions);
    // The offset is 0x100 pages.
    let good = part(0x109, 2, RANGE_NON_TEE, 2);
    let answer = ask(d, f, 0, Request::SetMmioAttribute(good));
    assert_eq!(answer, Response::SetMmioAttribute);
    let expected = Range {
        address: 0x9000,
        pages: 2,
        attributes: RANGE_UPDATABLE,
        id: 2,
    };
    assert_eq!(f.attributes.pop(), Some((expected, true)));
    let back = part(0x108, 4, RANGE_UPDATABLE, 2);
    let answer = ask(d, f, 0, Request::SetMmioAttribute(back));
    assert_eq!(answer, Response::SetMmioAttribute);
    assert!(matches!(f.attributes.pop(), Some((_, false))));
    for wrong in [
        part(0x109, 2, RANGE_NON_TEE | RANGE_MSIX_TABLE, 2),
        part(0x109, 2, RANGE_MSIX_PBA, 2),
        part(0x107, 2, 0, 2),
        part(0x109, 4, 0, 2),
        part(0x109, 0, 0, 2),
        part(0x109, 2, 0, 4),
        part(0x101, 2, 0, 0),
        part(9, 2, 0, 2),
        part(u64::MAX, u32::MAX, 0, 2),
    ] {
        let answer = ask(d, f, 0, Request::SetMmioAttribute(wrong));
        assert_eq!(answer, error(ErrorCode::InvalidRequest), "{wrong:?}");
    }
    assert_eq!(f.attributes, []);
    // The device may have its own reasons.
    let refused = Request::SetMmioAttribute(part(0x10c, 1, 0, 4));
    assert_eq!(
        ask(d, f, 0, refused.clone()),
        error(ErrorCode::InvalidRequest)
    );
    assert_eq!(f.attributes.len(), 1);
    assert_eq!(
        ask(d, f, 1, refused),
        error(ErrorCode::InvalidInterfaceState)
    );
    assert_eq!(state(d), State::Run);
}

#[test]
fn vendors() {
    let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new(ALL_FEATURES));
    let message = |vendor: Vec<u8>, data| Vdm {
        registry: 0,
        vendor,
        data,
    };
    let known = Request::Vdm(message(vec![0x34, 0x12], vec![]));
    assert_eq!(
        ask(&mut dsm, &mut functions, 0, known),
        Response::Vdm(message(vec![0x34, 0x12], vec![1]))
    );
    let unknown = Request::Vdm(message(vec![0x34], vec![]));
    assert_eq!(
        ask(&mut dsm, &mut functions, 0, unknown),
        error(ErrorCode::InvalidRequest)
    );
}
