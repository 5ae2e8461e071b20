// SPDX-License-Identifier: GPL-2.0

mod any_request;

use super::*;
use crate::device::{Counter, Device, Identity, Pair};
use crate::key_exchange::KeyExchange;
use crate::key_update::Operation;
use crate::measurements::{OPERATION_ALL, OPERATION_COUNT};
use crate::session::{transcript, Session};
use crate::{Carriage, Exchange};
use sha2::{Digest, Sha384};
use zerocopy::little_endian::U16;

const VERSION: Version = Version::V1_2;

fn refusal(code: ErrorCode) -> (u8, u8) {
    (error::RESPONSE, code as u8)
}

/// Every request that is good in the clear after ALGORITHMS.
fn requests() -> Vec<Vec<u8>> {
    let fixed = KeyExchange {
        session: U16::new(7),
        policy: 0,
        reserved: 0,
        random: [1; 32],
        point: crate::ephemeral::EphemeralKey::new(&mut Counter(9))
            .and_then(|key| key.point())
            .unwrap(),
    };
    vec![
        digests::encode(VERSION),
        certificate::encode(VERSION, 0, 0, 500),
        challenge::encode(VERSION, 0, &[3; 32]),
        measurements::encode(VERSION, false, OPERATION_COUNT, None),
        measurements::encode(VERSION, true, OPERATION_ALL, Some((&[4; 32], 0))),
        vendor::encode(VERSION, 7, b"payload"),
        key_exchange::encode(VERSION, 0, &fixed),
    ]
}

/// Every request that belongs in a session.
fn session_requests() -> Vec<Vec<u8>> {
    let mut finish = finish::encode(VERSION);
    finish.extend([0; 48]);
    vec![
        finish,
        heartbeat::encode(VERSION),
        key_update::encode(VERSION, Operation::UpdateKey, 0),
        end_session::encode(VERSION),
    ]
}

fn connected() -> Pair {
    let mut pair = Pair::new();
    pair.run(Exchange::Connect).unwrap();
    pair
}

#[test]
fn beginning() {
    let mut pair = Pair::new();
    let unexpected = refusal(ErrorCode::UnexpectedRequest);
    for request in requests().iter().chain(&session_requests()) {
        assert_eq!(pair.plain(request), unexpected);
    }
    let own = capabilities::Capabilities::new(CAPABILITIES, 100);
    let get_capabilities = capabilities::encode(VERSION, capabilities::REQUEST, &own);
    let negotiate = algorithms::encode(VERSION);
    assert_eq!(pair.plain(&get_capabilities), unexpected);
    assert_eq!(pair.plain(&negotiate), unexpected);
    assert_eq!(
        pair.plain(&[0x12, 0x84, 0, 0]),
        refusal(ErrorCode::VersionMismatch)
    );
    assert_eq!(pair.plain(&version::encode()), (version::RESPONSE, 0));
    assert_eq!(pair.plain(&negotiate), unexpected);
    let other = capabilities::encode(Version::V1_1, capabilities::REQUEST, &own);
    assert_eq!(pair.plain(&other), refusal(ErrorCode::VersionMismatch));
    assert_eq!(
        pair.plain(&get_capabilities[..8]),
        refusal(ErrorCode::InvalidRequest)
    );
    assert_eq!(pair.plain(&get_capabilities), (capabilities::RESPONSE, 0));
    assert_eq!(pair.plain(&get_capabilities), unexpected);
    assert_eq!(
        pair.plain(&algorithms::encode(Version::V1_1)),
        refusal(ErrorCode::VersionMismatch)
    );
    assert_eq!(pair.plain(&negotiate), (algorithms::RESPONSE, 3));
    assert_eq!(pair.plain(&negotiate), unexpected);
    assert_eq!(pair.plain(&get_capabilities), unexpected);
    // GET_VERSION starts over at any time.
    assert_eq!(pair.plain(&version::encode()), (version::RESPONSE, 0));
    assert_eq!(pair.plain(&digests::encode(VERSION)), unexpected);
}

#[test]
fn in_the_clear() {
    let mut pair = connected();
    for request in requests() {
        let (code, _) = pair.plain(&request);
        assert_eq!(code, request[1] & 0x7f, "{request:x?}");
        let mut other = request.clone();
        other[0] = 0x11;
        assert_eq!(pair.plain(&other), refusal(ErrorCode::VersionMismatch));
        // Cut off, or with more behind it than padding.
        other[0] = 0x12;
        if request.len() > 4 {
            other.truncate(request.len() - 5);
            let (code, _) = pair.plain(&other);
            assert_eq!(code, error::RESPONSE, "{request:x?}");
        }
        let mut long = request.clone();
        long.extend([0; 8]);
        let refused = pair.plain(&long);
        // Vendors have a length, and the rest of the message is nobody's.
        assert_eq!(refused, refusal(ErrorCode::InvalidRequest), "{request:x?}");
    }
    for request in session_requests() {
        assert_eq!(pair.plain(&request), refusal(ErrorCode::SessionRequired));
    }
    assert_eq!(
        pair.plain(&[0x12, 0x99, 0, 0]),
        refusal(ErrorCode::UnsupportedRequest)
    );
    assert_eq!(
        pair.plain(&[0x12; 5000]),
        refusal(ErrorCode::RequestTooLarge)
    );
    let foreign = [0x12, 0xfe, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(pair.plain(&foreign), refusal(ErrorCode::UnsupportedRequest));
    for message in [&[][..], &[0x12], &[0x12, 0x81, 0]] {
        let answer = pair
            .responder
            .respond(&mut pair.device, &Packet::plain(message.to_vec()));
        assert_eq!(answer.unwrap().bytes[1..3], [0x7f, 1]);
    }
}

#[test]
fn slots_that_are_not_there() {
    let mut pair = connected();
    let invalid = refusal(ErrorCode::InvalidRequest);
    for slot in [1, 7, 8, 0xff] {
        let challenge = challenge::encode(VERSION, slot, &[0; 32]);
        assert_eq!(pair.plain(&challenge), invalid);
        let mut exchange = requests().pop().unwrap();
        exchange[3] = slot;
        assert_eq!(pair.plain(&exchange), invalid);
    }
    let measure = measurements::encode(VERSION, false, 1, Some((&[0; 32], 1)));
    assert_eq!(pair.plain(&measure), invalid);
    assert_eq!(pair.plain(&certificate::encode(VERSION, 1, 0, 9)), invalid);
    assert_eq!(pair.plain(&certificate::encode(VERSION, 0, 0, 0)), invalid);
    assert_eq!(
        pair.plain(&certificate::encode(VERSION, 0, 60_000, 9)),
        invalid
    );
}

/// A point that is not on the curve, and opaque data without versions.
#[test]
fn bad_key_exchange() {
    let mut pair = connected();
    let good = requests().pop().unwrap();
    for (at, value) in [(60, good[60] ^ 1), (148, 0), (2, 3)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(
            pair.plain(&bad),
            refusal(ErrorCode::InvalidRequest),
            "byte {at}"
        );
    }
    // With digests over measurements the response is longer.
    let length = |pair: &mut Pair, kind| {
        let mut request = good.clone();
        request[2] = kind;
        pair.answer(&Packet::plain(request)).bytes.len()
    };
    assert_eq!(length(&mut pair, 0), 296);
    assert_eq!(length(&mut pair, 1), 296 + 48);
    assert_eq!(length(&mut pair, 0xff), 296 + 48);
    let mut challenge = challenge::encode(VERSION, 0, &[0; 32]);
    challenge[3] = 0xff;
    let answer = pair.answer(&Packet::plain(challenge));
    let all = pair.device.record.summary(true);
    assert_eq!(answer.bytes[84..132], all);
}

#[test]
fn one_session() {
    let mut pair = Pair::in_session();
    let exchange = requests().pop().unwrap();
    assert_eq!(
        pair.plain(&exchange),
        refusal(ErrorCode::SessionLimitExceeded)
    );
    assert!(pair.run(Exchange::Heartbeat).is_ok());
    // A session that was not finished gives way.
    let mut pair = connected();
    assert_eq!(pair.plain(&exchange), (key_exchange::RESPONSE, 20));
    assert_eq!(pair.plain(&exchange), (key_exchange::RESPONSE, 20));
    assert_eq!(pair.responder.session(), None);
    pair.run(Exchange::Certificate { slot: 0 }).unwrap();
    assert!(pair.run(Exchange::OpenSession { slot: 0 }).is_ok());
    assert!(pair.device.ended.is_empty());
}

/// A requester by hand, which can say what it wants in a session.
struct Hand {
    pair: Pair,
    session: Session,
}

impl Hand {
    /// In a handshake.
    fn new() -> Self {
        let mut pair = connected();
        let request = requests().pop().unwrap();
        let answer = pair.answer(&Packet::plain(request.clone()));
        let read = key_exchange::decode_response(VERSION, &answer.bytes).unwrap();
        let chain = Sha384::digest(pair.device.chain.as_bytes()).into();
        // The responder's connection has the same transcript as any requester's.
        let connection = pair.responder.connection.clone().unwrap();
        let covered = &answer.bytes[..read.signed];
        let mut transcript = transcript(&connection, &chain, &request, covered);
        transcript.push(&read.signature);
        let key = crate::ephemeral::EphemeralKey::new(&mut Counter(9)).unwrap();
        let shared = key.agree(&read.fixed.point).unwrap();
        let id = key_exchange::session_id(7, read.fixed.session.get());
        let mut session = Session::new(&connection, (id, 20), transcript, &*shared).unwrap();
        assert!(session.check_exchange(&read.hmac));
        session.push(&read.hmac);
        Self { pair, session }
    }

    fn established() -> Self {
        let mut hand = Self::new();
        let finish = hand.finish();
        assert_eq!(hand.say(&finish), Some((finish::RESPONSE, 0)));
        hand.session.push(&finish::encode_response(VERSION));
        hand.session.establish().unwrap();
        hand
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut finish = finish::encode(VERSION);
        self.session.push(&finish);
        let hmac = self.session.finish_hmac().unwrap();
        self.session.push(&hmac);
        finish.extend(hmac);
        finish
    }

    /// What a secured message is answered by; `None` if the answer is not of this session.
    fn say(&mut self, message: &[u8]) -> Option<(u8, u8)> {
        let id = self.session.id;
        let sealed = self.session.request.seal(id, message).unwrap();
        let answer = self.pair.answer(&Packet::secured(sealed));
        if answer.carriage == Carriage::Plain {
            return None;
        }
        let opened = self.session.response.open(id, &answer.bytes).ok()?;
        Some((opened[1], opened[2]))
    }
}

#[test]
fn in_a_handshake() {
    let unexpected = Some(refusal(ErrorCode::UnexpectedRequest));
    let mut hand = Hand::new();
    assert_eq!(hand.pair.responder.session(), None);
    for request in requests().iter().chain(&session_requests()[1..]) {
        assert_eq!(hand.say(request), unexpected);
    }
    assert_eq!(hand.say(&version::encode()), unexpected);
    assert_eq!(hand.say(&algorithms::encode(VERSION)), unexpected);
    let finish = hand.finish();
    assert_eq!(hand.say(&finish), Some((finish::RESPONSE, 0)));
    assert_eq!(hand.pair.responder.session(), Some(hand.session.id));

    // A wrong HMAC ends it, and there was no session yet.
    let mut hand = Hand::new();
    let mut finish = hand.finish();
    finish[20] ^= 1;
    let refused = Some(refusal(ErrorCode::DecryptError));
    assert_eq!(hand.say(&finish), refused);
    assert_eq!(hand.say(&finish), None);
    assert!(hand.pair.device.ended.is_empty());
}

#[test]
fn in_a_session() {
    let mut hand = Hand::established();
    let unexpected = Some(refusal(ErrorCode::UnexpectedRequest));
    let finish = session_requests().remove(0);
    assert_eq!(hand.say(&finish), unexpected);
    for request in requests() {
        let expected = match request[1] {
            challenge::REQUEST | key_exchange::REQUEST => refusal(ErrorCode::UnexpectedRequest).0,
            code => code & 0x7f,
        };
        assert_eq!(hand.say(&request).map(|it| it.0), Some(expected));
    }
    assert_eq!(hand.say(&version::encode()), unexpected);
    let heartbeat = heartbeat::encode(VERSION);
    assert_eq!(hand.say(&heartbeat), Some((heartbeat::RESPONSE, 0)));
    let end = end_session::encode(VERSION);
    assert_eq!(hand.say(&end), Some((end_session::RESPONSE, 0)));
    assert_eq!(hand.pair.device.ended, [hand.session.id]);
    // Nobody has the keys any more.
    assert_eq!(hand.say(&heartbeat), None);
    let answer = hand.pair.wire.last().unwrap();
    assert_eq!(
        answer.bytes[..3],
        [0x12, 0x7f, ErrorCode::InvalidSession as u8]
    );
}

#[test]
fn no_heartbeat() {
    let mut pair = Pair::new();
    pair.responder = Responder::new();
    pair.run(Exchange::Connect).unwrap();
    pair.run(Exchange::Certificate { slot: 0 }).unwrap();
    pair.run(Exchange::OpenSession { slot: 0 }).unwrap();
    assert_eq!(pair.requester.heartbeat_period(), 0);
    let missing = pair.run(Exchange::Heartbeat);
    assert_eq!(missing, Err(crate::Fault::MissingCapability));
    let mut hand = Hand::established();
    hand.pair.responder.session.as_mut().unwrap().heartbeat = 0;
    let unexpected = Some(refusal(ErrorCode::UnexpectedRequest));
    assert_eq!(hand.say(&heartbeat::encode(VERSION)), unexpected);
}

#[test]
fn key_updates() {
    let mut hand = Hand::established();
    let update = |operation| key_update::encode(VERSION, operation, 3);
    let invalid = Some(refusal(ErrorCode::InvalidRequest));
    assert_eq!(hand.say(&update(Operation::VerifyNewKey)), invalid);
    let one = update(Operation::UpdateKey);
    assert_eq!(hand.say(&one), Some((key_update::RESPONSE, 1)));
    // Not verified yet: a request with the old keys takes it back.
    assert_eq!(hand.say(&one), Some((key_update::RESPONSE, 1)));
    hand.session.request = hand.session.request.next().unwrap();
    assert_eq!(hand.say(&one), invalid);
    let verify = update(Operation::VerifyNewKey);
    assert_eq!(hand.say(&verify), Some((key_update::RESPONSE, 3)));
    assert_eq!(hand.say(&verify), invalid);
    // With all keys the answer has new ones already.
    let sealed = hand
        .session
        .request
        .seal(hand.session.id, &update(Operation::UpdateAllKeys));
    let answer = hand.pair.answer(&Packet::secured(sealed.unwrap()));
    let id = hand.session.id;
    assert!(hand.session.response.open(id, &answer.bytes).is_err());
    let mut next = hand.session.response.next().unwrap();
    let opened = next.open(id, &answer.bytes).unwrap();
    assert_eq!(opened, [0x12, key_update::RESPONSE, 2, 3]);
}

/// All ways in which a session ends, and that the device is told once.
#[test]
fn ends() {
    type End = fn(&mut Pair);
    let ways: [End; 6] = [
        |pair| drop(pair.run(Exchange::CloseSession)),
        |pair| drop(pair.run(Exchange::Connect)),
        |pair| pair.responder.reset(&mut pair.device),
        |pair| pair.responder.end_session(&mut pair.device),
        |pair| {
            pair.responder.mischief.lose_session = 1;
            drop(pair.run(Exchange::Heartbeat));
        },
        |pair| {
            let mut packet = pair.requester.begin(Exchange::Heartbeat).unwrap();
            packet.bytes[7] ^= 1;
            pair.answer(&packet);
        },
    ];
    for (at, end) in ways.into_iter().enumerate() {
        let mut pair = Pair::in_session();
        let id = pair.requester.session().unwrap();
        end(&mut pair);
        assert_eq!(pair.device.ended, [id], "way {at}");
        assert_eq!(pair.responder.session(), None);
        pair.responder.reset(&mut pair.device);
        assert_eq!(pair.device.ended, [id], "way {at}");
    }
}

/// A request that is not authentic, or comes twice.
#[test]
fn not_authentic() {
    let sealed_error = |hand: &mut Hand, packet: &Packet| {
        let answer = hand.pair.answer(packet);
        assert_eq!(answer.carriage, Carriage::Secured);
        let opened = hand.session.response.open(hand.session.id, &answer.bytes);
        assert_eq!(
            opened.unwrap(),
            [0x12, 0x7f, ErrorCode::DecryptError as u8, 0]
        );
        assert_eq!(hand.pair.device.ended, [hand.session.id]);
    };
    let heartbeat = heartbeat::encode(VERSION);
    let mut hand = Hand::established();
    let sealed = hand.session.request.seal(hand.session.id, &heartbeat);
    let packet = Packet::secured(sealed.unwrap());
    let answer = hand.pair.answer(&packet);
    hand.session
        .response
        .open(hand.session.id, &answer.bytes)
        .unwrap();
    sealed_error(&mut hand, &packet);
    // Length of the message, the message, and the tag.
    for at in [6, 8, 12, 27] {
        let mut hand = Hand::established();
        let sealed = hand.session.request.seal(hand.session.id, &heartbeat);
        let mut packet = Packet::secured(sealed.unwrap());
        packet.bytes[at] ^= 0x80;
        sealed_error(&mut hand, &packet);
    }
    // For another session: this one goes on.
    let mut hand = Hand::established();
    let sealed = hand
        .session
        .request
        .clone()
        .seal(hand.session.id, &heartbeat);
    let mut packet = Packet::secured(sealed.unwrap());
    packet.bytes[0] ^= 1;
    let answer = hand.pair.answer(&packet);
    assert_eq!(answer.bytes[1..3], [0x7f, ErrorCode::InvalidSession as u8]);
    assert_eq!(hand.say(&heartbeat), Some((heartbeat::RESPONSE, 0)));
}

#[test]
fn respond_if_ready() {
    let mut pair = connected();
    let again = |request, token| respond_if_ready::encode(VERSION, request, token);
    let unexpected = refusal(ErrorCode::UnexpectedRequest);
    assert_eq!(pair.plain(&again(digests::REQUEST, 0)), unexpected);
    let digests = digests::encode(VERSION);
    let defer = |pair: &mut Pair| {
        pair.responder.mischief.not_ready = 1;
        let answer = pair.answer(&Packet::plain(digests.clone()));
        assert_eq!(
            answer.bytes[..6],
            [0x12, 0x7f, 0x42, 0, 10, digests::REQUEST]
        );
        assert_eq!(answer.bytes[7], 2);
        answer.bytes[6]
    };
    let token = defer(&mut pair);
    let good = again(digests::REQUEST, token);
    assert_eq!(pair.plain(&good), (digests::RESPONSE, 0));
    assert_eq!(pair.plain(&good), unexpected);
    let token = defer(&mut pair);
    let invalid = refusal(ErrorCode::InvalidRequest);
    assert_eq!(pair.plain(&again(digests::REQUEST, token ^ 1)), invalid);
    let token = defer(&mut pair);
    assert_eq!(pair.plain(&again(challenge::REQUEST, token)), invalid);
    // Another request gives up what was deferred.
    let token = defer(&mut pair);
    pair.plain(&digests::encode(VERSION));
    assert_eq!(pair.plain(&again(digests::REQUEST, token)), unexpected);
    // What was deferred outside of a session is not answered in it.
    let mut hand = Hand::established();
    let token = defer(&mut hand.pair);
    let good = again(digests::REQUEST, token);
    assert_eq!(hand.say(&good), Some(unexpected));
}

#[test]
fn nothing_in_common() {
    let mut pair = Pair::new();
    let refused = |pair: &mut Pair, at: usize, value: u8| {
        pair.plain(&version::encode());
        let own = capabilities::Capabilities::new(CAPABILITIES, 4096);
        let request = capabilities::encode(VERSION, capabilities::REQUEST, &own);
        pair.plain(&request);
        let mut negotiate = algorithms::encode(VERSION);
        negotiate[at] = value;
        pair.plain(&negotiate)
    };
    // ECDSA over P-256 only: the answer has no choice, and that was it.
    assert_eq!(refused(&mut pair, 8, 0x10), (algorithms::RESPONSE, 3));
    let answer = pair.wire.last().unwrap();
    assert_eq!(answer.bytes[12..16], [0; 4]);
    assert_eq!(
        crate::algorithms::decode_response(VERSION, &answer.bytes),
        Err(crate::Fault::NoCommonAlgorithms)
    );
    let resynch = refusal(ErrorCode::RequestResynch);
    assert_eq!(pair.plain(&digests::encode(VERSION)), resynch);
    // No group in common: no session.
    assert_eq!(refused(&mut pair, 34, 8), (algorithms::RESPONSE, 3));
    assert_eq!(
        pair.plain(&digests::encode(VERSION)),
        (digests::RESPONSE, 0)
    );
    let exchange = requests().pop().unwrap();
    assert_eq!(pair.plain(&exchange), refusal(ErrorCode::InvalidRequest));
    assert_eq!(refused(&mut pair, 4, 9), refusal(ErrorCode::InvalidRequest));
}

#[test]
fn without_measurements() {
    let mut pair = Pair::new();
    pair.plain(&version::encode());
    let own = capabilities::Capabilities::new(0, 200);
    pair.plain(&capabilities::encode(VERSION, capabilities::REQUEST, &own));
    let mut negotiate = algorithms::encode(VERSION);
    negotiate[6] = 0;
    assert_eq!(pair.plain(&negotiate), (algorithms::RESPONSE, 3));
    let measure = measurements::encode(VERSION, false, 1, None);
    assert_eq!(pair.plain(&measure), refusal(ErrorCode::UnexpectedRequest));
    // This requester has no capability for sessions, and takes little at once.
    let exchange = requests().pop().unwrap();
    assert_eq!(
        pair.plain(&exchange),
        refusal(ErrorCode::UnsupportedRequest)
    );
    let certificate = certificate::encode(VERSION, 0, 0, 4096);
    let portion = pair.answer(&Packet::plain(certificate));
    assert_eq!(portion.bytes.len(), 200);
    let long = vendor::encode(VERSION, 7, &[0; 189]);
    assert_eq!(pair.plain(&long), refusal(ErrorCode::ResponseTooLarge));
}

#[test]
fn no_entropy_no_key() {
    struct Dry(Device);
    impl crate::Entropy for Dry {
        fn fill(&mut self, _: &mut [u8]) -> Option<()> {
            None
        }
    }
    impl Services for Dry {
        fn chain(&self, slot: u8) -> Option<&[u8]> {
            self.0.chain(slot)
        }
        fn sign(&mut self, _: u8, _: &[u8; 48]) -> Option<[u8; 96]> {
            None
        }
        fn measurements(&self) -> &crate::MeasurementRecord {
            self.0.measurements()
        }
        fn vendor_defined(&mut self, _: u8, _: &[u8], _: Option<u32>) -> Option<Vec<u8>> {
            None
        }
        fn session_ended(&mut self, _: u32) {}
    }
    let mut pair = connected();
    let mut dry = Dry(Device::new(Identity::usual()));
    for request in requests() {
        let answer = pair
            .responder
            .respond(&mut dry, &Packet::plain(request.clone()));
        let answer = answer.unwrap().bytes;
        match request[1] {
            digests::REQUEST | certificate::REQUEST => assert_eq!(answer[1], request[1] & 0x7f),
            vendor::REQUEST => assert_eq!(answer[2], ErrorCode::UnsupportedRequest as u8),
            _ => assert_eq!(answer[2], ErrorCode::Unspecified as u8),
        }
    }
}
