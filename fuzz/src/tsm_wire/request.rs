// SPDX-License-Identifier: GPL-2.0

//! Requests of guests: both forms, and what each says has to be all that it says.

use crate::Input;
use tsm_wire::guest_message::{Kind, HEADER_LEN, MSG_TYPE};
use tsm_wire::object::ObjectType;
use tsm_wire::op::{Op, TvmArch};
use tsm_wire::refusal::Refusal;
use tsm_wire::request::{Regen, Request, MMIO_GRANULE};
use tsm_wire::scope::{cca, decode, Scope};
use tsm_wire::uapi;
use zerocopy::IntoBytes;

/// Form, operation or scope, then the payload.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => of_op(input.pick(&Op::ALL), input.rest()),
        1 => of_scope(input.word(), input.rest()),
        2 => of_numbers(input.word(), input.word()),
        3 => message_of_op(input.pick(&Op::ALL), input.rest()),
        _ => {
            let arch = input.pick(&[TvmArch::Sev, TvmArch::Tdx]);
            of_other_scope(arch, input.word(), input.rest());
        }
    }
}

/// Of each operation and scope, the shortest request that is taken.
pub fn seeds() -> Vec<Vec<u8>> {
    let range = [0x1000u64, 0x3000, 0x8000];
    let mut seeds = vec![
        [&[0, 0], range.as_bytes()].concat(),
        [&[0, 1][..], &2u32.to_le_bytes()].concat(),
        [&[0, 4][..], [3u32, 0, 16, 0].as_bytes()].concat(),
        [&[0, 5][..], [2u32, 0, 1, 0, 0x1000, 0].as_bytes()].concat(),
        [&[0, 6][..], [1u32].as_bytes()].concat(),
        [&[2][..], [1u32, 1].as_bytes()].concat(),
    ];
    let scoped: [(u32, &[u32]); 6] = [
        (0, &[1, 3]),
        (0, &[2, 1, 16, 0]),
        (0, &[3]),
        (1, &[4, 0, 1, 0, 0x1000, 0]),
        (1, &[5, 0, 0x1000, 0, 0x2000, 0, 0x3000, 0]),
        (1, &[6, 2]),
    ];
    for (scope, payload) in scoped {
        seeds.push([&[1][..], scope.as_bytes(), payload.as_bytes()].concat());
    }
    // An SNP guest message of each type, under an operation and a scope of its own.
    for (number, op, scope) in [(19, 0, 0u32), (21, 0, 1), (25, 2, 1)] {
        let mut message = [0; HEADER_LEN];
        message[MSG_TYPE] = number;
        seeds.push([&[3, op][..], &message].concat());
        seeds.push([&[4, 0][..], scope.as_bytes(), &message].concat());
    }
    seeds.push([&[4, 0][..], 1u32.as_bytes(), &[1]].concat());
    seeds
}

/// What a message says it is decides whether the operation carries it.
fn message_of_op(op: Op, payload: &[u8]) {
    match Request::decode_message(op, payload) {
        Ok(Request::GuestMessage(kind)) => {
            assert!(kind.is_of_op(op));
            assert_eq!(Kind::of(payload), Ok(kind));
            assert_eq!(payload[MSG_TYPE], kind as u8);
        }
        Ok(request) => panic!("{request:?}"),
        Err(refusal) => assert_eq!(refusal, Refusal::Payload),
    }
}

/// The scope form of architectures whose payloads are not those of the op form.
fn of_other_scope(arch: TvmArch, scope: u32, payload: &[u8]) {
    let Ok(scope) = Scope::try_from(scope) else {
        return;
    };
    match decode(arch, scope, payload) {
        Ok(Request::GuestMessage(kind)) => assert!(kind.is_of_scope(scope)),
        Ok(request) => {
            check(&request);
            let either = request.is_read() || matches!(request, Request::RegenObject(_));
            assert!(scope == Scope::StateChange || either);
        }
        Err(refusal) => assert_eq!(refusal, Refusal::Payload),
    }
}

fn of_op(op: Op, payload: &[u8]) {
    let Ok(request) = Request::decode(op, payload) else {
        return;
    };
    check(&request);
    let (wanted, again) = op_form(&request);
    assert_eq!((op, payload), (wanted, again.as_slice()));
}

fn of_scope(scope: u32, payload: &[u8]) {
    let Ok(scope) = Scope::try_from(scope) else {
        assert!(scope > 1);
        return;
    };
    let Ok(request) = cca::decode(scope, payload) else {
        return;
    };
    check(&request);
    assert_eq!(scope_form(&request), payload);
    let allowed = match request {
        Request::ObjectInfo(_) | Request::ReadObject { .. } => scope == Scope::Info,
        Request::ValidateMmio(_) | Request::SetTdiState(_) => scope == Scope::StateChange,
        Request::RegenObject(_) => true,
        Request::GuestMessage(_) => false,
    };
    assert!(allowed, "{request:?} under {scope:?}");
    // Both forms say the same.
    let (op, bytes) = op_form(&request);
    assert_eq!(Request::decode(op, &bytes), Ok(request));
}

fn of_numbers(op: u32, arch: u32) {
    match Op::decode(op, arch) {
        Ok((known, of)) => {
            assert_eq!((known as u32, of as u32), (op, arch));
            assert!(!matches!(known, Op::SevEnableDma | Op::SevDisableDma) || of == TvmArch::Sev);
        }
        Err(Refusal::Arch) => assert!(arch > 3),
        Err(Refusal::Op) => assert!(!(1..=7).contains(&op)),
        Err(refusal) => {
            assert_eq!(refusal, Refusal::OpArch);
            assert!(matches!(op, 3 | 4) && arch != TvmArch::Sev as u32);
        }
    }
}

/// What has to hold of a request, whichever form it came in.
fn check(request: &Request) {
    match request {
        Request::ValidateMmio(range) => {
            assert_ne!(range.len, 0);
            assert_eq!((range.gpa | range.pa | range.len) % MMIO_GRANULE, 0);
            assert!(range.gpa.checked_add(range.len).is_some());
            assert!(range.pa.checked_add(range.len).is_some());
            assert!(range.is_inside(range.pa, range.len));
            assert!(!range.is_inside(range.pa, range.len - 1));
        }
        Request::RegenObject(regen) => {
            assert!(regen.object.can_regen());
            let fresh = regen.object == ObjectType::Measurement;
            assert!(fresh || !regen.raw && regen.nonce_uptr == 0);
        }
        Request::SetTdiState(state) => assert!((*state as u32) < 3),
        Request::ReadObject { .. } | Request::ObjectInfo(_) => {}
        Request::GuestMessage(kind) => panic!("{kind:?} is not asked for here"),
    }
    let reads = matches!(request, Request::ReadObject { .. } | Request::ObjectInfo(_));
    assert_eq!(request.is_read(), reads);
}

fn op_form(request: &Request) -> (Op, Vec<u8>) {
    match *request {
        Request::ValidateMmio(range) => {
            let raw = uapi::ValidateMmio {
                gpa_base: range.gpa,
                gpa_top: range.gpa + range.len,
                pa_base: range.pa,
            };
            (Op::ValidateMmio, raw.as_bytes().to_vec())
        }
        Request::SetTdiState(state) => (Op::SetTdiState, (state as u32).as_bytes().to_vec()),
        Request::ReadObject { object, offset } => {
            let raw = uapi::ReadObject {
                r#type: object as u32,
                reserved: 0,
                offset,
            };
            (Op::ReadObject, raw.as_bytes().to_vec())
        }
        Request::RegenObject(regen) => {
            let raw = uapi::RegenObject {
                r#type: regen.object as u32,
                reserved: 0,
                flags: regen.raw.into(),
                nonce_uptr: regen.nonce_uptr,
            };
            (Op::RegenObject, raw.as_bytes().to_vec())
        }
        Request::ObjectInfo(object) => (Op::ObjectInfo, (object as u32).as_bytes().to_vec()),
        Request::GuestMessage(_) => unreachable!("it has bytes of its own"),
    }
}

fn scope_form(request: &Request) -> Vec<u8> {
    let (_, op_form) = op_form(request);
    let typed = |words: &[u32]| [words.as_bytes(), &op_form].concat();
    match request {
        Request::ObjectInfo(_) => typed(&[1]),
        // The reserved word of the other form is the type here.
        Request::ReadObject { object, offset } => {
            [[2, *object as u32].as_bytes(), offset.as_bytes()].concat()
        }
        Request::RegenObject(Regen {
            object: ObjectType::InterfaceReport,
            ..
        }) => 3u32.as_bytes().to_vec(),
        Request::RegenObject(_) => [[4u32, 0].as_bytes(), &op_form[8..]].concat(),
        Request::ValidateMmio(_) => typed(&[5, 0]),
        Request::SetTdiState(_) => typed(&[6]),
        Request::GuestMessage(_) => unreachable!("it has bytes of its own"),
    }
}
