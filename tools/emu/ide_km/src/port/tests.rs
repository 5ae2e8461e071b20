// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{Key, SubStream};
use proptest::prelude::*;

const SESSION: u32 = 0x1234_5678;
const CONTROL: usize = 0x10;
const STATUS: usize = 0x14;
const STREAM: u8 = 5;

fn port() -> Port {
    let mut port = Port::new(
        0,
        Shape {
            streams: 2,
            associations: 1,
            endpoint: true,
        },
    );
    for control in [CONTROL, CONTROL + 32] {
        port.write(control, 0xff00_0000, !0);
    }
    port.write(CONTROL, 0x0540_0000, !0);
    port.take_lost();
    port
}

fn program(slot: Slot) -> KeyProg {
    KeyProg {
        target: Target::new(0, STREAM, slot),
        key: Key::new([slot.encode(); 32]),
    }
}

fn prog(port: &mut Port, session: u32, request: &KeyProg) -> Option<Status> {
    let answer = port.respond(session, &request.encode())?;
    let ack = KpAck::decode(&answer).unwrap();
    assert_eq!(ack.target, request.target);
    Some(ack.status)
}

fn keyed() -> Port {
    let mut port = port();
    for slot in Slot::of(KeySet::K0) {
        assert_eq!(
            prog(&mut port, SESSION, &program(slot)),
            Some(Status::Successful)
        );
    }
    port
}

fn secure() -> Port {
    let mut port = keyed();
    for slot in Slot::of(KeySet::K0) {
        assert_eq!(port.read(STATUS) & 0xf, 0);
        let target = Target::new(0, STREAM, slot);
        let answer = port.respond(SESSION, &k_set_go::encode(target)).unwrap();
        assert_eq!(k_gostop_ack::decode(&answer), Some(target));
    }
    assert_eq!(port.read(STATUS) & 0xf, 0);
    port.write(CONTROL, 0x0540_0001, !0);
    assert_eq!(port.read(STATUS) & 0xf, 2);
    port.take_lost();
    port
}

fn posted(set: KeySet) -> Slot {
    Slot {
        set,
        direction: Direction::Receive,
        sub_stream: SubStream::Posted,
    }
}

#[test]
fn queried() {
    let mut port = secure();
    port.belongs_to(1, 0x0100);
    let answer = port.respond(SESSION, &query::encode(0)).unwrap();
    let found = QueryResp::decode(&answer).unwrap();
    assert_eq!((found.port_index, found.max_port_index), (0, 0));
    assert_eq!((found.segment, found.requester_id), (1, 0x0100));
    assert_eq!(found.registers.len(), 2 + 2 * 8);
    assert_eq!(found.registers[..5], [0x0101_00c2, 0, 1, 0x0540_0001, 2]);
    assert_eq!(port.respond(SESSION, &query::encode(1)), None);
    assert_eq!(port.respond(SESSION, &[0, 0]), None);
}

/// As the requester of DMTF's spdm-emu does it: port 1, stream 0, nobody configured any register, and
/// each key goes into use before the next one comes.
#[test]
fn key_by_key() {
    let shape = Shape {
        streams: 1,
        associations: 1,
        endpoint: true,
    };
    let mut port = Port::new(1, shape);
    let answer = port.respond(SESSION, &query::encode(1)).unwrap();
    assert_eq!(QueryResp::decode(&answer).unwrap().max_port_index, 1);
    for slot in Slot::of(KeySet::K0) {
        assert!(!port.is_keyed_by(0, SESSION));
        let target = Target::new(1, 0, slot);
        let key = Key::new([1; 32]);
        let request = KeyProg { target, key };
        let status = prog(&mut port, SESSION, &request);
        assert_eq!(status, Some(Status::Successful));
        assert!(port.respond(SESSION, &k_set_go::encode(target)).is_some());
    }
    assert!(port.is_keyed_by(0, SESSION) && port.keys().is_secure(0));
    // It is no default stream before the registers say so.
    assert!(!port.serves_as_default(0, SESSION));
    for slot in Slot::of(KeySet::K0) {
        let target = Target::new(1, 0, slot);
        assert!(port.respond(SESSION, &k_set_stop::encode(target)).is_some());
    }
    assert_eq!(port.take_lost(), [0]);
}

#[test]
fn statuses_of_key_prog() {
    let mut port = port();
    let good = program(posted(KeySet::K0));

    for length in (7..60).filter(|length| *length != 47) {
        let mut bytes = good.encode();
        bytes.resize(length, 0);
        let ack = KpAck::decode(&port.respond(SESSION, &bytes).unwrap()).unwrap();
        assert_eq!(
            (ack.target, ack.status),
            (good.target, Status::IncorrectLength)
        );
    }
    for length in 0..7 {
        assert_eq!(port.respond(SESSION, &good.encode()[..length]), None);
    }

    let mut request = good.clone();
    request.target.port_index = 1;
    let status = prog(&mut port, SESSION, &request);
    assert_eq!(status, Some(Status::UnsupportedPortIndex));
    for stream in [0, 6, 255] {
        let mut request = good.clone();
        request.target.stream = stream;
        let status = prog(&mut port, SESSION, &request);
        assert_eq!(status, Some(Status::UnsupportedValue));
    }
    for sub_stream in 3..16 {
        let mut request = good.clone();
        request.target.slot = sub_stream << 4;
        let status = prog(&mut port, SESSION, &request);
        assert_eq!(status, Some(Status::UnsupportedValue));
    }
    for (at, value) in [(43, 0), (43, 2), (39, 1), (46, 1)] {
        let mut bytes = good.encode();
        bytes[at] = value;
        let ack = KpAck::decode(&port.respond(SESSION, &bytes).unwrap()).unwrap();
        assert_eq!(ack.status, Status::UnsupportedValue);
    }
    assert!(!port.keys().streams().any(|_| true));

    assert_eq!(prog(&mut port, SESSION, &good), Some(Status::Successful));
    assert_eq!(prog(&mut port, SESSION, &good), Some(Status::Successful));
    port.respond(SESSION, &k_set_go::encode(good.target))
        .unwrap();
    assert_eq!(
        prog(&mut port, SESSION, &good),
        Some(Status::UnspecifiedFailure)
    );
}

/// The key of one set takes the place of the other's: neither set is whole any more.
#[test]
fn go_loses_the_other_key() {
    for by_message in [true, false] {
        let mut port = keyed();
        let mut go = |set: KeySet| {
            let slots = Slot::towards(set, Direction::Receive);
            if by_message {
                for slot in slots {
                    let target = Target::new(0, STREAM, slot);
                    port.respond(SESSION, &program(slot).encode()).unwrap();
                    port.respond(SESSION, &k_set_go::encode(target)).unwrap();
                }
            } else {
                for slot in slots {
                    port.respond(SESSION, &program(slot).encode()).unwrap();
                }
                port.go(STREAM, set, Direction::Receive).unwrap();
            }
            (port.keys().is_keyed(STREAM), port.take_lost())
        };
        assert_eq!(go(KeySet::K0), (true, Vec::new()));
        assert_eq!(go(KeySet::K1), (false, vec![STREAM]));
    }
}

#[test]
fn go_needs_a_key() {
    let mut port = port();
    let target = Target::new(0, STREAM, posted(KeySet::K0));
    assert_eq!(port.respond(SESSION, &k_set_go::encode(target)), None);
    let mut port = keyed();
    for wrong in [
        Target {
            stream: 6,
            ..target
        },
        Target {
            port_index: 1,
            ..target
        },
        Target {
            slot: 0x30,
            ..target
        },
        Target {
            slot: 0x01,
            ..target
        },
    ] {
        assert_eq!(port.respond(SESSION, &k_set_go::encode(wrong)), None);
    }
    for request in [
        &k_gostop_ack::encode(target)[..],
        &[1, 0, 0],
        &[7, 0, 0],
        &[],
        &[4, 0, 0, 5, 0, 0, 0, 0],
        &[5, 0, 0, 5, 0, 0],
    ] {
        assert_eq!(port.respond(SESSION, request), None);
    }
    assert!(!port.keys().is_secure(STREAM));
}

#[test]
fn stop_makes_insecure() {
    let mut port = secure();
    let stop = |port: &mut Port, set| {
        let target = Target::new(0, STREAM, posted(set));
        let answer = port.respond(SESSION, &k_set_stop::encode(target)).unwrap();
        assert_eq!(k_gostop_ack::decode(&answer), Some(target));
        port.take_lost()
    };
    assert_eq!(stop(&mut port, KeySet::K1), []);
    assert_eq!(port.read(STATUS) & 0xf, 2);
    assert_eq!(stop(&mut port, KeySet::K0), [STREAM]);
    assert_eq!(port.read(STATUS) & 0xf, 0);
    assert_eq!(stop(&mut port, KeySet::K0), []);
    let reserved = Target::new(0, RESERVED_STREAM, posted(KeySet::K0));
    assert_eq!(port.respond(SESSION, &k_set_stop::encode(reserved)), None);
    // Keyed and not secure yet: a TDI may rely on it already.
    assert_eq!(stop(&mut keyed(), KeySet::K0), [STREAM]);
}

#[test]
fn one_session_owns_the_port() {
    let mut port = secure();
    let other = SESSION + 1;
    let key = program(posted(KeySet::K1));
    assert_eq!(port.respond(other, &query::encode(0)), None);
    assert_eq!(prog(&mut port, other, &key), None);
    assert!(port.is_keyed_by(STREAM, SESSION) && !port.is_keyed_by(STREAM, other));
    assert!(port.serves_as_default(STREAM, SESSION));
    assert!(!port.serves_as_default(STREAM, other) && !port.serves_as_default(6, SESSION));

    port.session_ended(other);
    assert_eq!(port.take_lost(), []);
    port.session_ended(SESSION);
    assert_eq!(port.take_lost(), [STREAM]);
    assert_eq!(port.read(STATUS) & 0xf, 0);
    assert!(!port.is_keyed_by(STREAM, SESSION));

    assert!(port.respond(other, &query::encode(0)).is_some());
    assert_eq!(prog(&mut port, other, &key), Some(Status::Successful));
    assert_eq!(port.respond(SESSION, &query::encode(0)), None);
}

#[test]
fn what_else_loses_a_stream() {
    for (offset, value) in [(CONTROL, 0), (0x18, 0x100), (0x1c, 0x101), (0x20, 1)] {
        let mut port = secure();
        port.write(offset, value, !0);
        assert_eq!(port.take_lost(), [STREAM], "{offset:#x}");
        assert_eq!(port.take_lost(), []);
    }
    let mut port = secure();
    port.write(CONTROL + 32, 0x0600_0000, !0);
    assert_eq!(port.take_lost(), []);
    port.receive_fail(STREAM);
    assert_eq!(port.read(STATUS), 0x8000_0002);
    assert_eq!(port.take_lost(), []);
    port.fail(STREAM);
    assert_eq!(port.read(STATUS), 0x8000_0000);
    assert_eq!(port.take_lost(), [STREAM]);
    let mut port = secure();
    port.reset();
    assert_eq!(port.take_lost(), [STREAM]);
    assert_eq!((port.read(CONTROL), port.read(STATUS)), (0, 0));
    assert!(port.respond(SESSION + 1, &query::encode(0)).is_some());
}

#[test]
fn keyed_by_its_own_firmware() {
    let mut byte = 0;
    let keys = Keys::generate(&mut |bytes| {
        byte += 1;
        bytes.fill(byte);
        true
    })
    .unwrap();
    let mut root = Port::new(
        0,
        Shape {
            streams: 1,
            associations: 2,
            endpoint: false,
        },
    );
    root.write(CONTROL, 0x0500_0001, !0);
    root.take_lost();
    let (k0, rx, tx) = (KeySet::K0, Direction::Receive, Direction::Transmit);
    assert_eq!(root.go(STREAM, k0, rx), Err(Refused::Empty));
    root.program(STREAM, k0, &keys).unwrap();
    root.go(STREAM, k0, rx).unwrap();
    assert_eq!(root.read(STATUS), 0);
    root.go(STREAM, k0, tx).unwrap();
    assert_eq!(root.read(STATUS), 2);
    assert_eq!(root.program(STREAM, k0, &keys), Err(Refused::InUse));
    assert_eq!(root.take_lost(), []);
    root.stop(STREAM, k0);
    assert_eq!(root.read(STATUS), 0);
    assert_eq!(root.take_lost(), [STREAM]);
}

proptest! {
    #[test]
    fn any_bytes(
        requests in proptest::collection::vec(
            (0u32..3, 0u8..8, proptest::collection::vec(any::<u8>(), 0..60)), 0..20)
    ) {
        let mut port = secure();
        port.session_ended(SESSION);
        for (session, object, mut bytes) in requests {
            let _ = port.respond(session, &bytes);
            if let Some(first) = bytes.first_mut() {
                *first = object;
            }
            let _ = port.respond(session, &bytes);
        }
    }

    /// Any valid messages in any order: the port and a bare key store agree, and whenever the stream
    /// stops to be secure, somebody is told.
    #[test]
    fn any_messages(
        start: bool,
        messages in proptest::collection::vec((0u8..3, any::<bool>(), 0usize..6), 0..150),
    ) {
        let mut port = port();
        let mut model = KeyStore::default();
        if start {
            port = secure();
            model = port.keys().clone();
        }
        port.write(CONTROL, 0x0540_0001, !0);
        port.take_lost();
        for (kind, first, at) in messages {
            let set = if first { KeySet::K0 } else { KeySet::K1 };
            let slot = Slot::of(set).nth(at).unwrap();
            let target = Target::new(0, STREAM, slot);
            let before = port.read(STATUS);
            match kind {
                0 => {
                    let expected = match model.program(STREAM, slot, program(slot).key.clone()) {
                        Ok(()) => Status::Successful,
                        Err(_) => Status::UnspecifiedFailure,
                    };
                    prop_assert_eq!(prog(&mut port, SESSION, &program(slot)), Some(expected));
                }
                1 => {
                    let answer = port.respond(SESSION, &k_set_go::encode(target));
                    prop_assert_eq!(answer.is_some(), model.go(STREAM, slot).is_ok());
                }
                _ => {
                    model.stop(STREAM, slot);
                    prop_assert!(port.respond(SESSION, &k_set_stop::encode(target)).is_some());
                }
            }
            let secure = model.is_secure(STREAM);
            prop_assert_eq!(port.read(STATUS), if secure { 2 } else { 0 });
            let lost = port.take_lost();
            if before == 2 && !secure {
                prop_assert_eq!(lost, [STREAM]);
            }
        }
    }
}
