// SPDX-License-Identifier: GPL-2.0

//! Devices and hosts that do not keep to it, faults that are asked for, and what is left of all that.

use crate::driver::{Driver, Refused, Vm};
use crate::host::STREAM;
use tdisp::State;
use tsm_wire::detail::{AuthenticationFault, Detail, DetailClass, SessionFault, TransportFault};
use tsm_wire::mailbox::Personality;
use tsm_wire::sev::dev::{REQUEST_PENDING, REQUEST_PENDING_TDI};
use tsm_wire::sev::snp::Address;
use tsm_wire::sev::{Command, Sla, Status};

const INJECTED: Detail = Detail {
    class: DetailClass::Transport,
    value: TransportFault::Injected as u16,
};

fn spdm_error(class: DetailClass, value: u16) -> Result<(), Refused> {
    Err((Status::SpdmError, Detail { class, value }))
}

fn transport(fault: TransportFault) -> Result<(), Refused> {
    spdm_error(DetailClass::Transport, fault as u16)
}

fn refused(status: Status) -> Result<(), Refused> {
    Err((status, Detail::NONE))
}

/// Everything is as it was before something went wrong: the TDI can be used and taken apart.
fn goes_on(mut driver: Driver, names: [Sla; 2], vm: &Vm) {
    driver.lock(names, vm).unwrap();
    driver.report(names, vm).unwrap();
    driver.run(names, vm).unwrap();
    driver.unbind(names, vm, false).unwrap();
    assert_eq!(driver.host.device_state(0), State::Unlocked);
    driver.take_apart(names, vm);
}

#[test]
fn no_answer_while_connecting() {
    let mut driver = Driver::new();
    let device = driver.create();
    driver.connect(device).unwrap();
    let messages = driver.sent;
    driver.disconnect(device, false).unwrap();
    for lost in 0..messages {
        let mut count = 0;
        let parameters = Driver::connect_parameters(device, false);
        let outcome = driver.converse_watching(Command::TioDevConnect, parameters, |driver| {
            let knob = if count == lost { "1" } else { "0" };
            driver.host.set("doe-no-answer", knob);
            count += 1;
        });
        assert_eq!(outcome, transport(TransportFault::NoAnswer), "{lost}");
        assert_eq!(driver.device_status(device).ctx_state, 0);
    }
    driver.reclaim_device(device).unwrap();
    let device = driver.create();
    driver.connect(device).unwrap();
    driver.disconnect(device, false).unwrap();
    driver.reclaim_device(device).unwrap();
    driver.end();
}

#[test]
fn no_answer_to_a_lock() {
    let (mut driver, names, vm) = Driver::assigned();
    driver.host.set("doe-no-answer", "1");
    assert_eq!(driver.lock(names, &vm), transport(TransportFault::NoAnswer));
    // Nobody knows whether it is locked.
    assert_eq!(driver.lock(names, &vm), refused(Status::InvalidTdiState));
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn no_answer_to_a_start() {
    let (mut driver, names, vm) = Driver::locked();
    driver.host.set("doe-no-answer", "1");
    assert_eq!(driver.run(names, &vm), transport(TransportFault::NoAnswer));
    assert_eq!(driver.run(names, &vm), refused(Status::InvalidTdiState));
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn a_device_that_never_answers() {
    let (mut driver, names, vm) = Driver::locked();
    let [device, tdi] = names;
    driver.host.set("doe-no-answer", "1000");
    assert_eq!(
        driver.unbind(names, &vm, false),
        transport(TransportFault::NoAnswer)
    );
    assert_eq!(
        driver.unbind(names, &vm, false),
        transport(TransportFault::NoAnswer)
    );
    driver.unbind(names, &vm, true).unwrap();
    driver.reclaim_tdi(device, tdi).unwrap();
    // There is no session any more that could be ended.
    driver.disconnect(device, false).unwrap();
    driver.reclaim_device(device).unwrap();
    driver.decommission(&vm).unwrap();
    driver.end();
}

#[test]
fn by_force() {
    let (mut driver, names, vm) = Driver::locked();
    let [device, tdi] = names;
    let sent = driver.sent;
    driver.unbind(names, &vm, true).unwrap();
    assert_eq!(driver.sent, sent);
    assert_eq!(driver.host.device_state(0), State::Locked);
    // It is stopped before it is locked anew.
    driver.lock(names, &vm).unwrap();
    driver.disconnect(device, false).unwrap_err();
    driver.disconnect(device, true).unwrap();
    assert_eq!(driver.device_status(device).ctx_state, 0);
    assert_eq!(
        driver.unbind(names, &vm, false),
        refused(Status::InvalidTdiState)
    );
    driver.reclaim_tdi(device, tdi).unwrap();
    driver.reclaim_device(device).unwrap();
    driver.decommission(&vm).unwrap();
    driver.end();
}

#[test]
fn doe() {
    for (knob, outcome) in [
        ("doe-wrong-type", transport(TransportFault::NoAnswer)),
        // The host fills up what was cut off, so that it is only not authentic.
        (
            "doe-short",
            spdm_error(DetailClass::Session, SessionFault::Decrypt as u16),
        ),
        ("doe-oversize", transport(TransportFault::TooLong)),
    ] {
        let (mut driver, names, vm) = Driver::locked();
        driver.host.set(knob, "1");
        assert_eq!(driver.run(names, &vm), outcome, "{knob}");
        driver.unbind(names, &vm, false).unwrap();
        goes_on(driver, names, &vm);
    }
}

#[test]
fn secured_messages() {
    for knob in [
        "secured-bit-flip",
        "secured-replay",
        "secured-skip",
        "session-lost",
    ] {
        let (mut driver, names, vm) = Driver::locked();
        driver.host.set(knob, "1");
        let outcome = driver.run(names, &vm).unwrap_err();
        assert_eq!(outcome.0, Status::SpdmError, "{knob}");
        // The lock went with the session.
        assert_eq!(driver.tdi_status(names), Ok(3), "{knob}");
        driver.unbind(names, &vm, false).unwrap();
        goes_on(driver, names, &vm);
    }
}

#[test]
fn a_device_that_is_not_to_be_trusted() {
    for (knob, fault) in [
        ("cert-foreign", AuthenticationFault::Untrusted),
        ("cert-expired", AuthenticationFault::Expired),
        ("measurement-wrong", AuthenticationFault::Measurement),
        (
            "spdm-wrong-signature",
            AuthenticationFault::ChallengeSignature,
        ),
    ] {
        let mut driver = Driver::new();
        let device = driver.create();
        driver.host.set(knob, "1");
        let detail = Detail {
            class: DetailClass::Authentication,
            value: fault as u16,
        };
        let outcome = driver.connect(device);
        assert_eq!(outcome, Err((Status::ErrInDevConn, detail)), "{knob}");
        driver.host.set(knob, "0");
        driver.connect(device).unwrap();
        driver.disconnect(device, false).unwrap();
        driver.reclaim_device(device).unwrap();
        driver.end();
    }
}

#[test]
fn another_device_in_its_place() {
    let (mut driver, names, vm) = Driver::locked();
    driver.host.set("session-lost", "1");
    driver.run(names, &vm).unwrap_err();
    driver.host.set("cert-foreign", "1");
    let (status, detail) = driver.unbind(names, &vm, false).unwrap_err();
    assert_eq!(detail.class, DetailClass::Authentication);
    assert_eq!(status, Status::SpdmError);
    driver.host.set("cert-foreign", "0");
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn a_tdi_in_error() {
    let (mut driver, names, vm) = Driver::locked();
    driver.host.set("tdi-error", "1");
    let outcome = driver.run(names, &vm);
    assert!(matches!(outcome, Err((Status::SpdmError, _))));
    assert_eq!(driver.tdi_status(names), Ok(3));
    assert_eq!(
        driver.report(names, &vm).map(drop),
        refused(Status::InvalidTdiState)
    );
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn keys_that_are_lost_come_again() {
    let mut driver = Driver::new();
    let device = driver.create();
    driver.connect_secure(device);
    driver.host.set("session-lost", "1");
    let vm = driver.launch(1);
    let tdi = driver.create_tdi(device, 0).unwrap();
    driver.lock([device, tdi], &vm).unwrap_err();
    driver.unbind([device, tdi], &vm, false).unwrap();
    assert_eq!(driver.host.stream_status(), [2, 2]);
    assert_eq!(driver.device_status(device).ide_stream_id[0], STREAM);
    goes_on(driver, [device, tdi], &vm);
}

/// Gives the first call of a lock: a message to the device is in the request buffer.
fn begin(driver: &mut Driver, names: [Sla; 2], vm: &Vm) {
    let parameters = Driver::bind_parameters(names, vm, 0)(driver.buffers);
    let outcome = driver.call(Command::TioTdiBind, &parameters);
    assert_eq!(outcome, refused(Status::SpdmRequest));
}

#[test]
fn one_conversation_at_a_time() {
    let (mut driver, names, vm) = Driver::assigned();
    let [device, tdi] = names;
    begin(&mut driver, names, &vm);
    let status = driver.device_status(device);
    assert_eq!(status.p1_flags, REQUEST_PENDING | REQUEST_PENDING_TDI);
    assert_eq!(
        u64::from(status.request_pending_command),
        u64::from(Command::TioTdiBind)
    );
    assert_eq!(status.request_pending_interface_id[..2], [0, 1]);
    assert_eq!(driver.disconnect(device, false), refused(Status::InUse));
    assert_eq!(driver.tdi_status(names), Err((Status::InUse, Detail::NONE)));
    assert_eq!(driver.reclaim_tdi(device, tdi), refused(Status::InUse));
    let mut other = Driver::bind_parameters(names, &vm, 0)(driver.buffers);
    other.guest_device_id += 1;
    assert_eq!(
        driver.call(Command::TioTdiBind, &other),
        refused(Status::InUse)
    );
    // The answer is there: it goes on where it stood.
    driver.carry();
    driver.lock(names, &vm).unwrap();
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn answers_that_are_none() {
    let (mut driver, names, vm) = Driver::assigned();
    begin(&mut driver, names, &vm);
    let (kind, message) = driver.request();
    let answer = driver.host.exchange(kind, &message).unwrap();
    driver.respond(kind, &answer);
    let parameters = Driver::bind_parameters(names, &vm, 0)(driver.buffers);
    let good = driver.contents(driver.buffers.resp);
    for (at, byte) in [
        (64, 1),
        (64 + 5, 0x40),
        (64 + 4, 15),
        (64 + 9, 2),
        (64 + 10, 1),
        (64 + 11, 1),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        driver.put(driver.buffers.resp, &bad);
        let outcome = driver.call(Command::TioTdiBind, &parameters);
        assert_eq!(outcome, refused(Status::InvalidParam), "{at}");
    }
    driver.put(driver.buffers.resp, &good);
    driver.lock(names, &vm).unwrap();
    driver.unbind(names, &vm, false).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn given_up() {
    let (mut driver, names, vm) = Driver::assigned();
    begin(&mut driver, names, &vm);
    driver.disconnect(names[0], true).unwrap();
    driver.connect(names[0]).unwrap();
    goes_on(driver, names, &vm);
}

#[test]
fn busy() {
    let mut driver = Driver::new();
    driver.host.set("fw-busy-ms", "50");
    let address = driver.data;
    let outcome = driver.call(Command::SnpPageReclaim, &Address { address });
    assert_eq!(outcome, refused(Status::ResourceLimit));
    driver.platform_status();
    driver.wait(std::time::Duration::from_millis(50));
    driver.end();
}

/// Every command of a life, and some once more: the state that it leaves is asked for by what comes
/// after it.
fn life(driver: &mut Driver, tolerate: &mut dyn FnMut(Result<(), Refused>) -> bool) {
    let device = driver.create();
    while !tolerate(driver.connect(device)) {
        let _ = driver.disconnect(device, true);
    }
    let vm = driver.launch(1);
    let tdi = driver.create_tdi(device, 0).unwrap();
    let names = [device, tdi];
    while !tolerate(driver.lock(names, &vm)) {
        let _ = driver.unbind(names, &vm, false);
    }
    while !tolerate(driver.report(names, &vm).map(drop)) {}
    while !tolerate(driver.run(names, &vm)) {
        let _ = driver.unbind(names, &vm, false);
        driver.lock(names, &vm).unwrap();
    }
    while !tolerate(driver.tdi_status(names).map(drop)) {}
    while !tolerate(driver.unbind(names, &vm, false)) {
        // It may have been done.
        match driver.unbind(names, &vm, true) {
            Ok(()) | Err((Status::InvalidTdiState, _)) => break,
            outcome => outcome.unwrap(),
        }
    }
    driver.reclaim_tdi(device, tdi).unwrap();
    driver.decommission(&vm).unwrap();
    while !tolerate(driver.disconnect(device, false)) {
        match driver.disconnect(device, true) {
            Ok(()) | Err((Status::InvalidDevState, _)) => break,
            outcome => outcome.unwrap(),
        }
    }
    driver.reclaim_device(device).unwrap();
    driver.instruction(tsm_wire::sev::rmp::Instruction::Wbinvd, &[]);
    driver
        .call_raw(u64::from(Command::SnpDfFlush), &[])
        .unwrap();
    assert_eq!(driver.counts()[..3], [0; 3]);
}

#[test]
fn faults_that_are_asked_for() {
    let mut driver = Driver::new();
    for command in [
        Command::TioDevConnect,
        Command::TioDevDisconnect,
        Command::TioTdiBind,
        Command::TioTdiUnbind,
        Command::TioTdiReport,
        Command::TioTdiStatus,
    ] {
        for (knob, status) in [
            ("fw-error-before", Status::HardwarePlatform),
            ("fw-error-after", Status::HardwareUnsafe),
        ] {
            let number = format!("{:#x}", u64::from(command));
            driver.host.set(knob, &number);
            let mut failed = 0;
            life(&mut driver, &mut |outcome| match outcome {
                Ok(()) => true,
                Err(refused) => {
                    assert_eq!(refused, (status, INJECTED), "{knob} {command:?}");
                    failed += 1;
                    false
                }
            });
            assert_eq!(failed, 1, "{knob} {command:?}");
        }
    }
    driver.end();
}

#[test]
fn faults_of_commands_that_do_not_talk() {
    for (knob, status, done) in [
        ("fw-error-before", Status::HardwarePlatform, false),
        ("fw-error-after", Status::HardwareUnsafe, true),
    ] {
        let mut driver = Driver::new();
        let page = driver.firmware_page();
        let create = Address { address: page };
        driver.host.set(knob, "0x93");
        let outcome = driver.call(Command::SnpGctxCreate, &create);
        assert_eq!(outcome, Err((status, INJECTED)));
        assert_eq!(driver.counts()[2], usize::from(done));
        // Once, and of this command only.
        if done {
            driver.call(Command::SnpDecommission, &create).unwrap();
        }
        driver.reclaim(page).unwrap();
        driver.end();
    }
}

#[test]
fn cut_off() {
    let mut driver = Driver::new();
    driver.host.set("fw-no-answer", "1");
    let page = driver.command;
    let host = &mut driver.host;
    assert_eq!(host.ring_on(Personality::Psp, 0xd0, &[page]), None);
    let platform = &mut host.platform;
    platform.write_mailbox(
        Personality::Psp,
        tsm_wire::mailbox::RESET,
        &[1, 0, 0, 0],
        host.now,
    );
    let mut data = [0; 8];
    platform.read_mailbox(Personality::Psp, tsm_wire::mailbox::x(0), &mut data);
    assert_eq!(
        u64::from_le_bytes(data),
        u64::from(Status::HardwarePlatform)
    );
    driver.end();
}
