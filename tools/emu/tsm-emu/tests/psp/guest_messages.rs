// SPDX-License-Identifier: GPL-2.0

//! Messages of guests: what they do, and what becomes of those that are forged, repeated, or misled.

use crate::driver::{Driver, Refused, Vm, GUEST_RID};
use crate::host::PAGE;
use snp::mmio_validate::{self, FORCE, VALIDATED};
use snp::sdte::Sdte;
use snp::{mmio_config, sdte_write, Guest, MessageType, Vmpck, HEADER_SIZE};
use tsm_wire::detail::Detail;
use tsm_wire::sev::rmp::{PageState, RmpResult};
use tsm_wire::sev::{Sla, Status};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

/// Where the guest has BAR 2.
const GPA: u64 = 0x4_0000_0000;

fn refused(status: Status) -> Result<Vec<u8>, Refused> {
    Err((status, Detail::NONE))
}

fn exchange(
    driver: &mut Driver,
    names: [Sla; 2],
    vm: &mut Vm,
    kind: MessageType,
    payload: &[u8],
) -> Result<Vec<u8>, Refused> {
    let message = vm.guest.request(kind, payload).unwrap();
    let answer = driver.guest_request(names, vm, &message)?;
    Ok(vm.guest.response(&answer).unwrap().payload)
}

/// MMIO_VALIDATE of pages of BAR 2; the status, and whether it changed something.
fn validate(
    driver: &mut Driver,
    names: [Sla; 2],
    vm: &mut Vm,
    change: impl FnOnce(&mut mmio_validate::Request),
) -> (u16, bool) {
    let mut request = mmio_validate::Request {
        guest_device_id: U16::new(GUEST_RID),
        base: U64::new(GPA),
        page_count: U32::new(4),
        flags: U16::new(VALIDATED),
        range_id: U16::new(2),
        ..mmio_validate::Request::default()
    };
    change(&mut request);
    let kind = MessageType::MmioValidateRequest;
    let answer = exchange(driver, names, vm, kind, request.as_bytes()).unwrap();
    let answer = mmio_validate::Response::read_from_bytes(&answer).unwrap();
    assert_eq!(answer.base, request.base);
    (answer.status.get(), answer.flags.get() == 1)
}

fn sdte(driver: &mut Driver, names: [Sla; 2], vm: &mut Vm, entry: Sdte) -> u16 {
    let request = sdte_write::Request::of(GUEST_RID, entry);
    let kind = MessageType::SdteWriteRequest;
    let answer = exchange(driver, names, vm, kind, request.as_bytes()).unwrap();
    let answer = sdte_write::Response::read_from_bytes(&answer).unwrap();
    answer.status.get()
}

#[test]
fn mmio() {
    let (mut driver, names, mut vm) = Driver::locked();
    let bar = driver.host.bar(0, 2);
    let mut ask = |driver: &mut Driver, change: &dyn Fn(&mut mmio_validate::Request)| {
        validate(driver, names, &mut vm, change)
    };
    use mmio_validate::Status;
    let failed = |status: Status| (status as u16, false);
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotAssigned));
    let private = driver.rmpupdate(bar, GPA, PageState::Guest(1), 3);
    assert_eq!(private, (RmpResult::Success, 3));
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotAssigned));
    driver.rmpupdate(bar + 3 * PAGE, GPA, PageState::Guest(1), 1);
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotMapped));
    driver.rmpupdate(bar + 3 * PAGE, GPA + 3 * PAGE, PageState::Guest(2), 1);
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotAssigned));
    driver.rmpupdate(bar + 3 * PAGE, GPA + 3 * PAGE, PageState::Guest(1), 1);
    type Change = fn(&mut mmio_validate::Request);
    let cases: [(Change, Status); 8] = [
        (|r| r.guest_device_id = U16::new(1), Status::InvalidTdi),
        (|r| r.range_id = U16::new(5), Status::NotReported),
        (|r| r.page_count = U32::new(5), Status::OutOfRange),
        (|r| r.page_count = U32::ZERO, Status::OutOfRange),
        (|r| r.range_offset = U32::new(1), Status::OutOfRange),
        (|r| r.range_offset = U32::new(u32::MAX), Status::OutOfRange),
        (|r| r.base = U64::new(GPA + 1), Status::NotMapped),
        // The registers for the TEE: not there, and not so many.
        (|r| r.range_id = U16::ZERO, Status::NotAssigned),
    ];
    for (case, (change, status)) in cases.into_iter().enumerate() {
        assert_eq!(ask(&mut driver, &change), failed(status), "{case}");
    }
    // They are in the second half of a BAR, and their offsets count from there.
    let registers = driver.host.bar(0, 0) + 0x8000;
    driver.rmpupdate(registers + PAGE, 2 * GPA, PageState::Guest(1), 1);
    let second = |r: &mut mmio_validate::Request| {
        r.range_id = U16::ZERO;
        r.range_offset = U32::new(1);
        r.page_count = U32::new(1);
        r.base = U64::new(2 * GPA);
    };
    assert_eq!(ask(&mut driver, &second), (0, true));
    assert_eq!(ask(&mut driver, &|r| r.page_count = U32::new(2)), (0, true));
    assert_eq!(
        ask(&mut driver, &|r| r.page_count = U32::new(2)),
        (0, false)
    );
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotUniform));
    let force = |r: &mut mmio_validate::Request| r.flags = U16::new(VALIDATED | FORCE);
    assert_eq!(ask(&mut driver, &force), (0, true));
    assert_eq!(ask(&mut driver, &|r| r.flags = U16::ZERO), (0, true));
    assert_eq!(ask(&mut driver, &|_| ()), (0, true));
    // What the host takes away is not accepted any more when it comes back.
    for state in [PageState::Shared, PageState::Guest(1)] {
        assert_eq!(
            driver.rmpupdate(bar, GPA, state, 1),
            (RmpResult::Success, 1)
        );
    }
    assert_eq!(ask(&mut driver, &|_| ()), failed(Status::NotUniform));
}

#[test]
fn mmio_of_a_tdi_that_is_unbound() {
    let (mut driver, names, mut vm) = Driver::locked();
    let bar = driver.host.bar(0, 2);
    driver.rmpupdate(bar, GPA, PageState::Guest(1), 4);
    assert_eq!(validate(&mut driver, names, &mut vm, |_| ()), (0, true));
    assert_eq!(sdte(&mut driver, names, &mut vm, Sdte::allow(0, 1)), 0);
    driver.unbind(names, &vm, false).unwrap();
    let request = sdte_write::Request::of(GUEST_RID, Sdte::deny());
    let outcome = exchange(
        &mut driver,
        names,
        &mut vm,
        MessageType::SdteWriteRequest,
        request.as_bytes(),
    );
    assert_eq!(outcome, refused(Status::InvalidTdiState));
    driver.lock(names, &vm).unwrap();
    let unreported = mmio_validate::Status::NotReported as u16;
    assert_eq!(
        validate(&mut driver, names, &mut vm, |_| ()),
        (unreported, false)
    );
    driver.report(names, &vm).unwrap();
    // The pages were assigned all the time, and what was accepted is not.
    assert_eq!(validate(&mut driver, names, &mut vm, |_| ()), (0, true));
}

#[test]
fn dma() {
    let (mut driver, names, mut vm) = Driver::locked();
    for _ in 0..2 {
        assert_eq!(
            sdte(&mut driver, names, &mut vm, Sdte::allow(0, 0x7fff_ffff)),
            0
        );
        assert_eq!(sdte(&mut driver, names, &mut vm, Sdte::deny()), 0);
    }
    let reserved = Sdte::read_from_bytes(&[2; 64]).unwrap();
    let status = sdte_write::Status::Reserved as u16;
    assert_eq!(sdte(&mut driver, names, &mut vm, reserved), status);
    // A TDI in error is not one to give memory to.
    driver.host.set("tdi-error", "1");
    assert_eq!(driver.tdi_status(names), Ok(3));
    let status = sdte_write::Status::TdiNotBound as u16;
    assert_eq!(sdte(&mut driver, names, &mut vm, Sdte::allow(0, 1)), status);
}

#[test]
fn attributes() {
    let (mut driver, names, mut vm) = Driver::locked();
    let mut ask = |range, write| {
        let request = mmio_config::Request {
            guest_device_id: U16::new(GUEST_RID),
            range_id: U16::new(range),
            write: U32::new(write),
            ..mmio_config::Request::default()
        };
        let kind = MessageType::MmioConfigRequest;
        let answer = exchange(&mut driver, names, &mut vm, kind, request.as_bytes()).unwrap();
        let answer = mmio_config::Response::read_from_bytes(&answer).unwrap();
        (answer.status.get(), answer.attributes.get())
    };
    assert_eq!(ask(2, 0), (0, 0));
    assert_eq!(ask(2, 1), (mmio_config::Status::CouldNotChange as u16, 0));
    assert_eq!(ask(4, 0), (mmio_config::Status::NotReported as u16, 0));
}

#[test]
fn forged_and_repeated() {
    let (mut driver, names, mut vm) = Driver::locked();
    let payload = sdte_write::Request::of(GUEST_RID, Sdte::allow(0, 1));
    let kind = MessageType::SdteWriteRequest;
    let foreign = Guest::new(Vmpck::new([0; 32]), 0, 0);
    let message = foreign.request(kind, payload.as_bytes()).unwrap();
    let outcome = driver.guest_request(names, &vm, &message);
    assert_eq!(outcome, refused(Status::BadSignature));
    let message = vm.guest.request(kind, payload.as_bytes()).unwrap();
    for (at, status) in [
        (0, Status::BadSignature),
        (HEADER_SIZE, Status::BadSignature),
        (HEADER_SIZE + 79, Status::BadSignature),
        (0x20, Status::InvalidParam),
        (0x30, Status::InvalidParam),
        (0x34, Status::BadSignature),
        (0x5f, Status::InvalidParam),
    ] {
        let mut changed = message.clone();
        changed[at] ^= 1;
        let outcome = driver.guest_request(names, &vm, &changed);
        assert_eq!(outcome, refused(status), "{at:#x}");
    }
    let mut other_key = message.clone();
    other_key[0x3c] = 4;
    let outcome = driver.guest_request(names, &vm, &other_key);
    assert_eq!(outcome, refused(Status::InvalidKey));
    let answer = driver.guest_request(names, &vm, &message).unwrap();
    let repeated = driver.guest_request(names, &vm, &message);
    assert_eq!(repeated, refused(Status::InvalidParam));
    vm.guest.response(&answer).unwrap();
    let repeated = driver.guest_request(names, &vm, &message);
    assert_eq!(repeated, refused(Status::InvalidParam));
    // What was refused was not counted.
    assert_eq!(sdte(&mut driver, names, &mut vm, Sdte::deny()), 0);
}

#[test]
fn unknown_messages() {
    let (mut driver, names, mut vm) = Driver::locked();
    let tio = snp::TIO_MESSAGE_VERSION;
    for (kind, version, payload) in [
        (5, 1, vec![0; 96]),
        (27, tio, vec![0; 16]),
        (20, tio, vec![0; 16]),
        (19, tio + 1, vec![0; 16]),
        (19, tio, vec![0; 17]),
        (19, tio, vec![0xff; 16]),
        (21, tio, vec![0; 16]),
        (21, tio, vec![0xff; 48]),
        (23, tio, vec![0xff; 16]),
        (25, tio, vec![0; 16]),
    ] {
        let message = vm.guest.request_raw(kind, version, &payload).unwrap();
        let outcome = driver.guest_request(names, &vm, &message);
        assert_eq!(outcome, refused(Status::InvalidParam), "{kind} {version}");
    }
    assert_eq!(sdte(&mut driver, names, &mut vm, Sdte::deny()), 0);
}

#[test]
fn a_host_that_mixes_up_guests() {
    let (mut driver, names, vm) = Driver::locked();
    let [device, _] = names;
    let mut other = driver.launch(2);
    let tdi = driver.create_tdi(device, 1).unwrap();
    driver.lock([device, tdi], &other).unwrap();
    let payload = sdte_write::Request::of(GUEST_RID, Sdte::allow(0, 1));
    let kind = MessageType::SdteWriteRequest;
    let message = other.guest.request(kind, payload.as_bytes()).unwrap();
    // The other guest's message for this one's TDI, and as this one's.
    let outcome = driver.guest_request(names, &other, &message);
    assert_eq!(outcome, refused(Status::InvalidGuest));
    let outcome = driver.guest_request(names, &vm, &message);
    assert_eq!(outcome, refused(Status::BadSignature));
    assert_eq!(
        sdte(&mut driver, [device, tdi], &mut other, Sdte::allow(0, 1)),
        0
    );
    // Keys are told newest guest first.
    let platform = &driver.host.platform;
    let firmware = platform.firmware(tsm_wire::mailbox::Personality::Psp);
    let keys = [0, 1, 2].map(|age| firmware.guest_key(age));
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1]);
    assert_eq!(keys[2], None);
}
