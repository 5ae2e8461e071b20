// SPDX-License-Identifier: GPL-2.0

mod any_answer;

use super::*;
use crate::device::{bytes, Counter, Identity, Pair};
use crate::measurements::{BLOCK_MAX, OPERATION_ALL, OPERATION_COUNT};
use crate::vendor::{PROTOCOL_IDE_KM, PROTOCOL_TDISP};
use crate::{ChainFault, MeasurementRecord, Responder, Signed};

fn measure(operation: u8, raw: bool, signed: bool) -> Exchange {
    Exchange::Measure {
        slot: 0,
        operation,
        raw,
        signed,
        nonce: None,
    }
}

fn tdisp(payload: &[u8]) -> Exchange {
    Exchange::Vendor {
        protocol: PROTOCOL_TDISP,
        payload: payload.to_vec(),
    }
}

/// All exchanges that there are, in a good order.
fn tour() -> Vec<Exchange> {
    vec![
        Exchange::Connect,
        Exchange::Digests,
        Exchange::Certificate { slot: 0 },
        Exchange::Challenge { slot: 0 },
        measure(OPERATION_COUNT, false, false),
        measure(1, true, false),
        measure(OPERATION_ALL, false, true),
        Exchange::OpenSession { slot: 0 },
        Exchange::Digests,
        Exchange::Certificate { slot: 0 },
        measure(2, true, false),
        measure(OPERATION_ALL, true, true),
        tdisp(b"abc"),
        Exchange::Heartbeat,
        Exchange::KeyUpdate { all: false },
        tdisp(b"de"),
        Exchange::KeyUpdate { all: true },
        tdisp(b"f"),
        Exchange::CloseSession,
        Exchange::Digests,
    ]
}

#[test]
fn all_exchanges() {
    let mut pair = Pair::new();
    for exchange in tour() {
        let found = pair.run(exchange.clone());
        assert!(found.is_ok(), "{exchange:?}: {found:?}");
    }
    // The message itself was never in the clear.
    let plain: Vec<_> = pair
        .wire
        .iter()
        .filter(|packet| packet.carriage == Carriage::Plain)
        .collect();
    assert!(plain.iter().all(|packet| packet.bytes[1] & 0x7f != 0x7e));
    assert_eq!(pair.device.sessions.len(), 3);
    assert_eq!(pair.device.ended.len(), 1);
    assert_eq!(pair.device.sessions[0], Some(pair.device.ended[0]));
    assert_eq!(pair.requester.session(), None);
}

/// From the same entropy come the same bytes.
#[test]
fn reproducible() {
    let run = || {
        let mut pair = Pair::new();
        for exchange in tour() {
            pair.run(exchange).unwrap();
        }
        pair.wire
    };
    assert_eq!(run(), run());
}

#[test]
fn version_1_1() {
    let mut pair = Pair::new();
    pair.responder = Responder::with_versions(&[Version::V1_1]).heartbeat(9);
    assert_eq!(pair.run(Exchange::Connect), Err(Fault::NoCommonVersion));
    pair.requester.accept(&[Version::V1_1, Version::V1_2]);
    for exchange in tour() {
        let found = pair.run(exchange.clone());
        assert!(found.is_ok(), "{exchange:?}: {found:?}");
    }
    assert_eq!(pair.requester.version(), Some(Version::V1_1));
    // The highest of several is taken.
    pair.responder = Responder::with_versions(&[Version::V1_1, Version::V1_2]);
    pair.run(Exchange::Connect).unwrap();
    assert_eq!(pair.requester.version(), Some(Version::V1_2));
}

#[test]
fn vca() {
    let mut pair = Pair::new();
    let found = pair.run(Exchange::Connect).unwrap();
    assert_eq!(found.len(), 3);
    let vca = bytes(&found);
    assert_eq!(vca.len(), 4 + 8 + 20 + 20 + 44 + 48);
    let whole: Vec<u8> = pair.wire.iter().flat_map(|it| it.bytes.clone()).collect();
    assert_eq!(vca, whole);
    assert_eq!(
        vca[..12],
        [0x10, 0x84, 0, 0, 0x10, 0x04, 0, 0, 0, 1, 0, 0x12]
    );
    // Room for a whole secured message in 4096 bytes.
    assert_eq!(vca[24..28], [0xe8, 0x0f, 0, 0]);
}

#[test]
fn certificates() {
    // One certificate of more than 4 KiB.
    for name in [1, 4200] {
        let identity = Identity::new(name);
        let mut pair = Pair::of(&identity);
        pair.run(Exchange::Connect).unwrap();
        for _ in 0..2 {
            let before = pair.wire.len();
            let found = pair.run(Exchange::Certificate { slot: 0 }).unwrap();
            assert_eq!(bytes(&found), identity.certificates.concat());
            let portions = identity.chain().as_bytes().len().div_ceil(1024);
            assert_eq!(pair.wire.len() - before, 2 * portions);
            assert_eq!(pair.run(Exchange::Challenge { slot: 0 }), Ok(Vec::new()));
            // The transcript of the next challenge has digests in it, too.
            pair.run(Exchange::Digests).unwrap();
        }
    }
    let mut pair = Pair::new();
    pair.run(Exchange::Connect).unwrap();
    let refused = pair.run(Exchange::Certificate { slot: 1 });
    assert_eq!(
        refused,
        Err(Fault::Refused(ErrorCode::InvalidRequest as u8))
    );
    let slot = pair.run(Exchange::Certificate { slot: 8 });
    assert_eq!(slot, Err(Fault::Order));
}

#[test]
fn digests() {
    let mut pair = Pair::authenticated();
    let found = pair.run(Exchange::Digests).unwrap();
    let [Found::Digests { slots: 1, digests }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(digests.len(), 1);
    // Another chain than the one that was told of.
    pair.device.chain = Identity::new(20).chain();
    let refused = pair.run(Exchange::Certificate { slot: 0 });
    assert_eq!(refused, Err(Fault::Chain(ChainFault::Digest)));
    pair.run(Exchange::Digests).unwrap();
    let refused = pair.run(Exchange::Certificate { slot: 0 });
    assert_eq!(refused, Err(Fault::Chain(ChainFault::Untrusted)));
    // Without a verified chain there is nothing to compare with.
    for exchange in [
        Exchange::Challenge { slot: 0 },
        Exchange::OpenSession { slot: 0 },
        measure(1, false, true),
    ] {
        assert_eq!(pair.run(exchange), Err(Fault::Order));
    }
}

#[test]
fn chain_and_time() {
    let mut pair = Pair::new();
    pair.run(Exchange::Connect).unwrap();
    pair.requester.trust_mut().now = 0;
    let early = pair.run(Exchange::Certificate { slot: 0 });
    assert_eq!(early, Err(Fault::Chain(ChainFault::NotYetValid)));
    pair.requester.trust_mut().now = u64::MAX;
    let late = pair.run(Exchange::Certificate { slot: 0 });
    assert_eq!(late, Err(Fault::Chain(ChainFault::Expired)));
}

#[test]
fn another_key() {
    let mut pair = Pair::authenticated();
    pair.device.key = Identity::new(20).key.clone();
    let challenge = pair.run(Exchange::Challenge { slot: 0 });
    assert_eq!(challenge, Err(Fault::Signature(Signed::Challenge)));
    let measurements = pair.run(measure(OPERATION_ALL, false, true));
    assert_eq!(measurements, Err(Fault::Signature(Signed::Measurements)));
    let session = pair.run(Exchange::OpenSession { slot: 0 });
    assert_eq!(session, Err(Fault::Signature(Signed::KeyExchange)));
    assert_eq!(pair.requester.session(), None);
}

#[test]
fn measurements() {
    let mut pair = Pair::authenticated();
    let record = pair.device.record.clone();
    for raw in [false, true] {
        for signed in [false, true] {
            let found = pair.run(measure(OPERATION_ALL, raw, signed)).unwrap();
            assert_eq!(bytes(&found), record.encode(raw));
            let found = pair.run(measure(2, raw, signed)).unwrap();
            assert_eq!(bytes(&found), record.block(2, raw).unwrap());
            let found = pair.run(measure(OPERATION_COUNT, raw, signed)).unwrap();
            assert_eq!(found, [Found::MeasurementCount(3)]);
        }
    }
    let missing = pair.run(measure(4, false, false));
    let invalid = Err(Fault::Refused(ErrorCode::InvalidRequest as u8));
    assert_eq!(missing, invalid);
    // A nonce that was given is the one that is sent.
    let exchange = Exchange::Measure {
        slot: 0,
        operation: 1,
        raw: false,
        signed: true,
        nonce: Some([0x77; 32]),
    };
    pair.run(exchange).unwrap();
    let request = &pair.wire[pair.wire.len() - 2];
    assert_eq!(request.bytes[4..36], [0x77; 32]);
}

/// More than fits in a message: block by block, in a session and outside.
#[test]
fn long_measurements() {
    let mut pair = Pair::authenticated();
    for in_session in [false, true] {
        if in_session {
            pair.run(Exchange::OpenSession { slot: 0 }).unwrap();
        }
        for size in [0, 7, 3800, 3935, 4030, 4031, 40_000] {
            pair.device.record = MeasurementRecord::of_size(size, BLOCK_MAX).unwrap();
            for signed in [false, true] {
                let found = pair.run(measure(OPERATION_ALL, false, signed)).unwrap();
                assert_eq!(bytes(&found).len(), size);
                assert_eq!(bytes(&found), pair.device.record.encode(false));
            }
        }
        let longest = pair.wire.iter().map(|packet| packet.bytes.len()).max();
        assert!(longest <= Some(4096));
    }
}

/// Somebody in between says that there is a block less, and that the first is none.
#[test]
fn block_that_is_left_out() {
    let mut pair = Pair::authenticated();
    pair.device.record = MeasurementRecord::of_size(10_000, BLOCK_MAX).unwrap();
    let mut answers = 0;
    let outcome = pair.run_with(measure(OPERATION_ALL, false, true), |answer| {
        answers += 1;
        match answers {
            2 => answer.bytes[2] -= 1,
            3 => answer.bytes = vec![0x12, 0x7f, ErrorCode::InvalidRequest as u8, 0],
            _ => {}
        }
    });
    assert_eq!(outcome, Err(Fault::Signature(Signed::Measurements)));
}

#[test]
fn secured_exchanges() {
    let mut pair = Pair::in_session();
    assert_eq!(pair.requester.session(), pair.responder.session());
    assert_eq!(pair.requester.heartbeat_period(), 20);
    let found = pair.run(tdisp(b"interface")).unwrap();
    assert_eq!(bytes(&found), b"ecafretni");
    for exchange in [
        Exchange::Challenge { slot: 0 },
        Exchange::OpenSession { slot: 0 },
    ] {
        assert_eq!(pair.run(exchange), Err(Fault::Order));
    }
    let long = pair.run(tdisp(&[0; 4608]));
    assert_eq!(long, Err(Fault::TooLong));
    let unknown = Exchange::Vendor {
        protocol: 9,
        payload: Vec::new(),
    };
    let refused = Err(Fault::Refused(ErrorCode::UnsupportedRequest as u8));
    assert_eq!(pair.run(unknown), refused);
    // The session survives all of these.
    assert!(pair.run(tdisp(b"")).is_ok());
    pair.run(Exchange::CloseSession).unwrap();
    assert_eq!(pair.run(Exchange::CloseSession), Err(Fault::Order));
    assert_eq!(pair.run(Exchange::Heartbeat), Err(Fault::Order));
    let unexpected = Err(Fault::Refused(ErrorCode::UnexpectedRequest as u8));
    assert_eq!(pair.run(tdisp(b"in the clear")), unexpected);
    // One session after the other.
    pair.run(Exchange::OpenSession { slot: 0 }).unwrap();
    assert_ne!(pair.requester.session(), pair.device.ended.first().copied());
}

/// Every answer of every exchange in a session with one bit changed.
#[test]
fn changed_bits() {
    for exchange in [
        Exchange::Digests,
        tdisp(b"abc"),
        Exchange::KeyUpdate { all: false },
        Exchange::KeyUpdate { all: true },
        Exchange::CloseSession,
    ] {
        let mut pair = Pair::in_session();
        let refused = pair.run_with(exchange, |answer| answer.bytes[6] ^= 1);
        assert_eq!(refused, Err(Fault::Decrypt));
        assert_eq!(pair.requester.session(), None);
        assert_eq!(pair.run(tdisp(b"x")).map(|_| ()), {
            let unexpected = ErrorCode::UnexpectedRequest as u8;
            Err(Fault::Refused(unexpected))
        });
    }
    let mut pair = Pair::in_session();
    let other = pair.run_with(tdisp(b""), |answer| answer.bytes[0] ^= 1);
    assert_eq!(other, Err(Fault::Session));
}

#[test]
fn handshake_that_was_changed() {
    // Heartbeat period, random data, point, signature, HMAC; and FINISH_RSP.
    let faults = [
        (2, Fault::Signature(Signed::KeyExchange)),
        (8, Fault::Signature(Signed::KeyExchange)),
        (150, Fault::Signature(Signed::KeyExchange)),
        (246, Fault::Hmac),
    ];
    for (at, fault) in faults {
        let mut pair = Pair::authenticated();
        let refused = pair.run_with(Exchange::OpenSession { slot: 0 }, |answer| {
            answer.bytes[at] ^= 1;
        });
        assert_eq!(refused, Err(fault), "byte {at}");
        // It can be tried again.
        assert!(pair.run(Exchange::OpenSession { slot: 0 }).is_ok());
    }
    let mut pair = Pair::authenticated();
    let refused = pair.run_with(Exchange::OpenSession { slot: 0 }, |answer| {
        if answer.carriage == Carriage::Secured {
            answer.bytes[9] ^= 1;
        }
    });
    assert_eq!(refused, Err(Fault::Decrypt));
    assert_eq!(pair.requester.session(), None);
}

#[test]
fn kinds_of_data_objects() {
    let mut pair = Pair::in_session();
    let clear = pair.run_with(tdisp(b"abc"), |answer| answer.carriage = Carriage::Plain);
    assert!(clear.is_err());
    assert_eq!(pair.requester.session(), None);
    let mut pair = Pair::in_session();
    let forged = pair.run_with(tdisp(b"abc"), |answer| {
        *answer = Packet::plain(crate::vendor::encode_response(
            Version::V1_2,
            PROTOCOL_TDISP,
            b"cba",
        ));
    });
    assert_eq!(forged, Err(Fault::InTheClear));
    let mut pair = Pair::authenticated();
    let sealed = pair.run_with(Exchange::Digests, |answer| {
        answer.carriage = Carriage::Secured;
    });
    assert_eq!(sealed, Err(Fault::InTheClear));
}

#[test]
fn misbehaviour() {
    type Tell = fn(&mut crate::Mischief);
    let in_session: [(Tell, Fault); 4] = [
        (|it| it.flip_bit = 1, Fault::Decrypt),
        (|it| it.replay = 1, Fault::Sequence),
        (|it| it.skip = 1, Fault::Sequence),
        (|it| it.lose_session = 1, Fault::Refused(0x02)),
    ];
    for (tell, fault) in in_session {
        let mut pair = Pair::in_session();
        pair.run(tdisp(b"")).unwrap();
        tell(&mut pair.responder.mischief);
        assert_eq!(pair.run(tdisp(b"abc")), Err(fault));
        assert_eq!(pair.requester.session(), None);
    }
    let mut pair = Pair::authenticated();
    let signed = [
        (Exchange::Challenge { slot: 0 }, Signed::Challenge),
        (measure(1, true, true), Signed::Measurements),
        (Exchange::OpenSession { slot: 0 }, Signed::KeyExchange),
    ];
    for (exchange, which) in signed {
        pair.responder.mischief.wrong_signature = 1;
        let refused = pair.run(exchange.clone());
        assert_eq!(refused, Err(Fault::Signature(which)));
        assert!(pair.run(exchange).is_ok());
    }
    pair.responder.mischief.stale_nonce = 1;
    let stale = pair.run(measure(1, true, true));
    assert_eq!(stale, Err(Fault::Signature(Signed::Measurements)));
    pair.responder.mischief.reset_required = 1;
    let reset = pair.run(Exchange::Digests);
    assert_eq!(reset, Err(Fault::Refused(0x0c)));
    assert!(pair.run(Exchange::Digests).is_ok());
    pair.responder.mischief.resynch = 1;
    assert_eq!(pair.run(Exchange::Digests), Err(Fault::Refused(0x43)));
    assert!(!pair.requester.is_connected());
    assert_eq!(pair.device.ended.len(), 1);
    assert_eq!(pair.run(Exchange::Digests), Err(Fault::Order));
    assert!(pair.run(Exchange::Connect).is_ok());
}

#[test]
fn later() {
    let mut pair = Pair::new();
    for exchange in tour() {
        let early = exchange == Exchange::Connect;
        let (busy, not_ready) = if early { (0, 0) } else { (2, 3) };
        pair.responder.mischief.busy = busy;
        pair.responder.mischief.not_ready = not_ready;
        pair.waited = Duration::ZERO;
        let found = pair.run(exchange.clone());
        assert!(found.is_ok(), "{exchange:?}: {found:?}");
        let waited = busy * BUSY + not_ready * Duration::from_micros(1024);
        assert_eq!(pair.waited, waited);
    }
    pair.responder.mischief.not_ready = u32::MAX;
    assert_eq!(pair.run(Exchange::Digests), Err(Fault::NotReady));
    pair.responder.mischief.not_ready = 0;
    pair.responder.mischief.busy = u32::MAX;
    assert_eq!(pair.run(Exchange::Digests), Err(Fault::NotReady));
}

#[test]
fn lacking_capabilities() {
    use crate::capabilities::{HBEAT_CAP, KEY_EX_CAP, KEY_UPD_CAP};
    let with = |flag: u32, exchange: Exchange| {
        let mut pair = Pair::in_session();
        if exchange == (Exchange::OpenSession { slot: 0 }) {
            pair.run(Exchange::CloseSession).unwrap();
        }
        let connection = pair.requester.connection.as_mut().unwrap();
        connection.capabilities.base.flags -= flag;
        pair.run(exchange)
    };
    let missing = Err(Fault::MissingCapability);
    let open = Exchange::OpenSession { slot: 0 };
    assert_eq!(with(KEY_EX_CAP, open), missing);
    assert_eq!(with(HBEAT_CAP, Exchange::Heartbeat), missing);
    let update = Exchange::KeyUpdate { all: true };
    assert_eq!(with(KEY_UPD_CAP, update), missing);
    assert!(with(0, measure(1, false, false)).is_ok());
    let mut pair = Pair::new();
    let refused = pair.run_with(Exchange::Connect, |answer| {
        if answer.bytes[1] == crate::capabilities::RESPONSE {
            answer.bytes[8] = 0;
        }
    });
    assert_eq!(refused, missing);
}

/// An update whose acknowledgement got lost is taken back by the responder.
#[test]
fn update_that_got_lost() {
    let mut pair = Pair::in_session();
    let update = Exchange::KeyUpdate { all: false };
    let packet = pair.requester.begin(update.clone()).unwrap();
    let session = pair.requester.session.clone();
    let answer = pair.answer(&packet);
    // The requester gets the answer, and forgets what it said.
    pair.requester.take(&answer).unwrap();
    let mut session = session.unwrap();
    session.response = pair.requester.session.as_ref().unwrap().response.clone();
    pair.requester.session = Some(session);
    assert!(pair.run(tdisp(b"with the old keys")).is_ok());
    assert!(pair.run(update).is_ok());
    assert!(pair.run(tdisp(b"with new keys")).is_ok());
}

#[test]
fn order() {
    let mut pair = Pair::new();
    let none = Packet::plain(Vec::new());
    assert_eq!(pair.requester.take(&none), Err(Fault::Order));
    for exchange in tour().into_iter().skip(1) {
        assert_eq!(pair.run(exchange), Err(Fault::Order));
    }
    pair.run(Exchange::Connect).unwrap();
    assert_eq!(pair.run(Exchange::Challenge { slot: 0 }), Err(Fault::Order));
    // Only the last exchange that began is under way.
    pair.requester.begin(Exchange::Connect).unwrap();
    pair.requester.forget();
    assert_eq!(pair.requester.take(&none), Err(Fault::Order));
}

#[test]
fn no_entropy() {
    struct Empty;
    impl Entropy for Empty {
        fn fill(&mut self, _: &mut [u8]) -> Option<()> {
            None
        }
    }
    let mut pair = Pair::authenticated();
    pair.requester.entropy = Box::new(Empty);
    for exchange in [
        Exchange::Challenge { slot: 0 },
        Exchange::OpenSession { slot: 0 },
        measure(1, false, true),
    ] {
        assert_eq!(pair.run(exchange), Err(Fault::Entropy));
    }
}

#[test]
fn keys_are_not_printed() {
    let mut pair = Pair::in_session();
    pair.requester.begin(tdisp(b"secret")).unwrap();
    let shown = format!("{:?} {:?}", pair.requester, pair.responder);
    assert!(shown.contains("handshake: Secret"));
    assert!(!shown.contains("iv:") && !shown.contains("cipher") && !shown.contains("key:"));
    assert!(!shown.contains("Counter"));
    let shown = format!("{:?}", tdisp(&[251; 32]));
    assert_eq!(shown, "Vendor(1, 32 bytes)");
    // A request that waits for RESPOND_IF_READY.
    let mut pair = Pair::in_session();
    pair.responder.mischief.not_ready = 1;
    let packet = pair.requester.begin(tdisp(&[251; 32])).unwrap();
    pair.answer(&packet);
    let shown = format!("{:?}", pair.responder);
    assert!(shown.contains("deferred: Some") && !shown.contains("251, 251"));
}

#[test]
fn ide_km_needs_a_session() {
    let mut pair = Pair::authenticated();
    for protocol in [PROTOCOL_IDE_KM, PROTOCOL_TDISP] {
        let exchange = Exchange::Vendor {
            protocol,
            payload: vec![0],
        };
        let refused = pair.run(exchange);
        assert_eq!(refused, Err(Fault::Refused(0x04)));
    }
    assert!(pair.device.sessions.is_empty());
    let other = Exchange::Vendor {
        protocol: 5,
        payload: b"abc".to_vec(),
    };
    assert_eq!(bytes(&pair.run(other).unwrap()), b"cba");
    assert_eq!(pair.device.sessions, [None]);
}
