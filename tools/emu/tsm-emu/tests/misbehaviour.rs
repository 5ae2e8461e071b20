// SPDX-License-Identifier: GPL-2.0

//! Every knob, and every way to tamper with a locked TDI.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod host;

use host::{Host, Tdi, PAGE};
use spdm::{vendor, Entropy, Exchange, Found, Requester, Step, Trust};
use std::time::Duration;
use tdisp::lock::{Flags, LockRequest};
use tdisp::{ErrorCode, InterfaceId, InterfaceReport, Request, Response, State};
use tsm_emu::config_space::{bar, COMMAND};
use tsm_wire::detail::{Detail, DetailClass, TransportFault};
use tsm_wire::rmi::{DevObject, Fid, PdevState, Status, VdevState};

/// Offset of device control: the PCI Express capability is after power management.
const DEVICE_CONTROL: usize = 0x48 + 8;
/// Offset of MSI-X message control.
const MSIX_CONTROL: usize = 0x84 + 2;

fn detail(class: DetailClass, value: u16) -> Result<(), (Status, Detail)> {
    Err((Status::ErrorDevice, Detail { class, value }))
}

fn transport(fault: TransportFault) -> Result<(), (Status, Detail)> {
    detail(DetailClass::Transport, fault as u16)
}

/// Unlocks what is in error, and goes through lock and start to see that all is well again.
fn recover(host: &mut Host, tdi: Tdi) {
    assert_eq!(host.state(tdi), VdevState::Error);
    host.run(Fid::VdevUnlock, tdi).unwrap();
    assert_eq!(host.device_state(0), State::Unlocked);
    host.run(Fid::VdevLock, tdi).unwrap();
    host.run(Fid::VdevStart, tdi).unwrap();
}

#[test]
fn no_answer() {
    let (mut host, tdi) = Host::locked();
    host.set("doe-no-answer", "1");
    let outcome = host.run(Fid::VdevStart, tdi).map(drop);
    assert_eq!(outcome, transport(TransportFault::NoAnswer));
    assert_eq!(host.device_state(0), State::Locked);
    recover(&mut host, tdi);
}

#[test]
fn no_answer_while_connecting() {
    let mut host = Host::new();
    let messages = {
        let (pdev, kept) = host.connect();
        host.disconnect(pdev);
        kept.sent as u64
    };
    for lost in 0..messages {
        let pdev = host.pdev();
        let from = host.device().exchanges();
        // The message that is lost is another one each time.
        let outcome = host.carry_watching(Fid::PdevCommunicate, &[pdev], |host| {
            let lose = host.device().exchanges() - from == lost;
            host.set("doe-no-answer", if lose { "1" } else { "0" });
        });
        assert_eq!(outcome.map(drop), transport(TransportFault::NoAnswer));
        assert_eq!(host.pdev_state(pdev), PdevState::Error);
        host.call(Fid::PdevAbort, &[pdev]).unwrap();
        host.disconnect(pdev);
    }
    let (pdev, _) = host.connect();
    host.disconnect(pdev);
}

#[test]
fn late_answer() {
    let (mut host, tdi) = Host::assigned();
    host.set("doe-late-ms", "300");
    host.run(Fid::VdevLock, tdi).unwrap();
    host.set("doe-late-ms", "1500");
    let outcome = host.run(Fid::VdevStart, tdi).map(drop);
    assert_eq!(outcome, transport(TransportFault::NoAnswer));
    // The device did it, only nobody heard.
    assert_eq!(host.device_state(0), State::Run);
    host.set("doe-late-ms", "0");
    recover(&mut host, tdi);
}

/// A secured answer that does not arrive whole cannot be opened, and there is no session without it.
#[test]
fn mangled_answers() {
    for (knob, fault) in [
        ("doe-short", TransportFault::Short),
        ("doe-oversize", TransportFault::TooLong),
    ] {
        let (mut host, tdi) = Host::assigned();
        host.set(knob, "1");
        assert_eq!(
            host.run(Fid::VdevLock, tdi).map(drop),
            transport(fault),
            "{knob}"
        );
        assert_eq!(host.state(tdi), VdevState::Error);
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.run(Fid::VdevLock, tdi).unwrap();
        host.set(knob, "1");
        assert_eq!(
            host.run(Fid::VdevGetInterfaceReport, tdi).map(drop),
            transport(fault)
        );
        assert_eq!(host.device_state(0), State::Locked);
        recover(&mut host, tdi);
        host.set(knob, "1");
        assert_eq!(host.measure(tdi, false).map(drop), transport(fault));
        assert_eq!(host.device_state(0), State::Run);
        recover(&mut host, tdi);
        // The answer to STOP is lost. The device is unlocked, but nobody said so in time.
        host.set(knob, "1");
        assert_eq!(host.run(Fid::VdevUnlock, tdi).map(drop), transport(fault));
        assert_eq!(host.device_state(0), State::Unlocked);
        recover(&mut host, tdi);
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.unassign(tdi);
    }
}

/// Not so while connecting, where nothing is secured yet.
#[test]
fn mangled_answers_while_connecting() {
    for (knob, fault) in [
        ("doe-short", TransportFault::Short),
        ("doe-oversize", TransportFault::TooLong),
    ] {
        let mut host = Host::new();
        let pdev = host.pdev();
        host.set(knob, "1");
        let outcome = host.carry(Fid::PdevCommunicate, &[pdev]).map(drop);
        assert_eq!(outcome, transport(fault), "{knob}");
        host.disconnect(pdev);
        host.connect();
    }
}

#[test]
fn wrong_type() {
    let (mut host, tdi) = Host::locked();
    host.set("doe-wrong-type", "1");
    let outcome = host.run(Fid::VdevGetInterfaceReport, tdi).map(drop);
    assert_eq!(outcome, transport(TransportFault::NoAnswer));
    recover(&mut host, tdi);
}

#[test]
fn busy_firmware() {
    let (mut host, tdi) = Host::assigned();
    host.set("fw-busy-ms", "100");
    assert_eq!(host.call(Fid::VdevLock, &tdi.names), Err((Status::Busy, 0)));
    assert!(host.call(Fid::Features, &[2]).is_ok());
    host.now += Duration::from_millis(99);
    assert_eq!(host.call(Fid::VdevLock, &tdi.names), Err((Status::Busy, 0)));
    host.now += Duration::from_millis(1);
    host.run(Fid::VdevLock, tdi).unwrap();
}

#[test]
fn firmware_without_answer() {
    let (mut host, tdi) = Host::assigned();
    let [_, _, vdev] = tdi.names;
    host.set("fw-no-answer", "1");
    assert_eq!(host.ring(Fid::VdevGetState.raw(), &[vdev]), None);
    assert_eq!(host.ring(Fid::VdevGetState.raw(), &[vdev]), None);
    host.reset_mailbox();
    assert_eq!(host.results()[0], u64::from(Status::ErrorDevice));
    assert_eq!(host.state(tdi), VdevState::Unlocked);
}

#[test]
fn firmware_error_before() {
    let (mut host, tdi) = Host::assigned();
    host.set("fw-error-before", "0x1d2");
    assert_eq!(
        host.call(Fid::VdevLock, &tdi.names),
        Err((Status::ErrorDevice, 0))
    );
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    host.run(Fid::VdevLock, tdi).unwrap();
    // In decimal: VDEV_COMMUNICATE.
    host.set("fw-error-before", "390");
    let outcome = host.run(Fid::VdevStart, tdi).map(drop);
    assert_eq!(outcome, transport(TransportFault::Injected));
    assert_eq!(
        (host.state(tdi), host.device_state(0)),
        (VdevState::Locked, State::Locked)
    );
    // The communication is still due.
    host.carry(Fid::VdevCommunicate, &tdi.names).unwrap();
    assert_eq!(host.state(tdi), VdevState::Started);
}

#[test]
fn firmware_error_after() {
    let mut host = Host::new();
    host.set("fw-error-after", "0x176");
    let pdev = host.pdev();
    let outcome = host.carry(Fid::PdevCommunicate, &[pdev]).map(drop);
    assert_eq!(outcome, transport(TransportFault::Injected));
    assert_eq!(host.pdev_state(pdev), PdevState::Ready);

    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    for (fid, state, device) in [
        ("0x1d2", VdevState::Locked, State::Locked),
        ("0x1d0", VdevState::Locked, State::Locked),
        ("0x1d1", VdevState::Locked, State::Locked),
        ("0x1d3", VdevState::Started, State::Run),
        ("0x18a", VdevState::Unlocked, State::Unlocked),
    ] {
        host.set("fw-error-after", fid);
        let number = u64::from_str_radix(fid.trim_start_matches("0x"), 16).unwrap();
        let call = Fid::try_from(number).unwrap();
        let outcome = match call {
            Fid::VdevGetMeasurements => host.measure(tdi, false),
            call => host.run(call, tdi),
        };
        assert_eq!(
            outcome.map(drop),
            transport(TransportFault::Injected),
            "{fid}"
        );
        assert_eq!(
            (host.state(tdi), host.device_state(0)),
            (state, device),
            "{fid}"
        );
        // A host that aborts after every failure changes nothing.
        host.call(Fid::VdevAbort, &tdi.names).unwrap();
        assert_eq!(host.state(tdi), state);
    }

    // A call without communication.
    host.set("fw-error-after", "0x188");
    assert_eq!(
        host.call(Fid::VdevDestroy, &tdi.names),
        Err((Status::ErrorDevice, 0))
    );
    assert_eq!(
        host.call(Fid::VdevDestroy, &tdi.names),
        Err((Status::ErrorInput, 0))
    );
    let [_, _, vdev] = tdi.names;
    host.undelegate(vdev, vdev + PAGE).unwrap();
}

#[test]
fn wrong_state() {
    let wrong = |state: State| detail(DetailClass::WrongState, state as u16);
    let (mut host, tdi) = Host::assigned();
    host.set("wrong-state", "0");
    assert_eq!(
        host.run(Fid::VdevLock, tdi).map(drop),
        wrong(State::Unlocked)
    );
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    host.set("wrong-state", "2");
    assert_eq!(host.run(Fid::VdevLock, tdi).map(drop), wrong(State::Run));
    recover(&mut host, tdi);
    host.set("wrong-state", "2");
    assert_eq!(host.run(Fid::VdevUnlock, tdi).map(drop), wrong(State::Run));
    assert_eq!(host.state(tdi), VdevState::Started);
    host.set("wrong-state", "3");
    assert_eq!(
        host.run(Fid::VdevUnlock, tdi).map(drop),
        wrong(State::Error)
    );
    recover(&mut host, tdi);
}

#[test]
fn tdi_error() {
    let (mut host, tdi) = Host::locked();
    host.set("tdi-error", "1");
    assert_eq!(host.device_state(0), State::Error);
    // Nobody told the firmware.
    assert_eq!(host.state(tdi), VdevState::Locked);
    let refused = detail(DetailClass::Tdisp, ErrorCode::InvalidInterfaceState as u16);
    assert_eq!(host.run(Fid::VdevStart, tdi).map(drop), refused);
    recover(&mut host, tdi);
    host.set("tdi-error", "1");
    assert_eq!(
        host.run(Fid::VdevGetInterfaceReport, tdi).map(drop),
        refused
    );
    assert_eq!(host.state(tdi), VdevState::Error);
    host.unassign(tdi);
}

#[test]
fn measurement_bytes() {
    let (mut host, tdi) = Host::locked();
    let limit = spdm::measurements::BLOCK_MAX;
    // This firmware has room for a header more.
    for size in [100, 3000, limit, limit + 9, 50_000] {
        host.set("measurement-bytes", &size.to_string());
        let kept = host.measure(tdi, false).unwrap();
        assert_eq!(kept.object(DevObject::Measurement).len(), size);
        assert_eq!(kept.sent > 1, size > limit);
    }
    host.set("measurement-bytes", "0");
    assert_eq!(
        host.measure(tdi, false)
            .unwrap()
            .object(DevObject::Measurement)
            .len(),
        220
    );
}

#[test]
fn report_lie() {
    let (mut host, tdi) = Host::assigned();
    host.set("report-lie", "1");
    host.run(Fid::VdevLock, tdi).unwrap();
    let kept = host.run(Fid::VdevGetInterfaceReport, tdi).unwrap();
    let report = InterfaceReport::decode(kept.object(DevObject::InterfaceReport)).unwrap();
    assert_ne!(report.ranges[0].address, host.bar(0, 0));
}

#[test]
fn tampering() {
    let command = |value: u16| value.to_le_bytes().to_vec();
    let ways: [(&str, usize, Vec<u8>, bool); 9] = [
        ("bus master off", COMMAND, command(2), true),
        ("memory off", COMMAND, command(4), true),
        ("interrupt disable", COMMAND, command(0x406), false),
        ("BAR moved", bar(2), vec![0, 0, 0, 0xfd], true),
        ("FLR", DEVICE_CONTROL, vec![0x10, 0xa8], true),
        ("extended tags", DEVICE_CONTROL, vec![0x10, 0x29], true),
        ("error reporting", DEVICE_CONTROL, vec![0x1f, 0x28], false),
        ("interrupt line", 0x3c, vec![9], false),
        // The table is not locked: the firmware does not ask for that.
        ("MSI-X", MSIX_CONTROL, vec![0x03, 0x80], false),
    ];
    for started in [false, true] {
        for (what, offset, data, hostile) in &ways {
            let (mut host, tdi) = if started {
                Host::started()
            } else {
                Host::locked()
            };
            let before = host.device_state(0);
            host.write_config(1, *offset, data);
            assert_eq!(host.device_state(0), before, "{what} of another function");
            host.write_config(0, *offset, data);
            let after = if *hostile { State::Error } else { before };
            assert_eq!(host.device_state(0), after, "{what}");
            if *hostile {
                let outcome = host.run(Fid::VdevGetInterfaceReport, tdi).unwrap_err();
                assert_eq!(outcome.1.class, DetailClass::Tdisp, "{what}");
                assert_eq!(host.state(tdi), VdevState::Error);
                host.run(Fid::VdevUnlock, tdi).unwrap();
                assert_eq!(host.device_state(0), State::Unlocked);
            }
        }
    }
}

#[test]
fn unlocked_tdi_takes_any_configuration() {
    let mut host = Host::new();
    host.write_config(0, COMMAND, &[0, 0]);
    host.write_config(0, DEVICE_CONTROL, &[0x10, 0xa8]);
    assert_eq!(host.device_state(0), State::Unlocked);
}

#[test]
fn tdi_without_addresses_is_not_locked() {
    let (mut host, tdi) = Host::assigned();
    host.write_config(0, bar(2), &[0; 4]);
    let refused = detail(
        DetailClass::Tdisp,
        ErrorCode::InvalidDeviceConfiguration as u16,
    );
    assert_eq!(host.run(Fid::VdevLock, tdi).map(drop), refused);
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    // On top of another BAR is as bad.
    let other = host.bar(1, 0) as u32;
    host.write_config(0, bar(2), &other.to_le_bytes());
    assert_eq!(host.run(Fid::VdevLock, tdi).map(drop), refused);
    let own = host.bar(0, 2) as u32;
    host.write_config(0, bar(2), &own.to_le_bytes());
    host.run(Fid::VdevLock, tdi).unwrap();
}

#[test]
fn conventional_reset() {
    let (mut host, tdi) = Host::started();
    host.device().reset(2);
    assert_eq!(host.device_state(0), State::Unlocked);
    // The session is gone with the reset, and what the device says to that does not get through.
    let outcome = host.run(Fid::VdevGetInterfaceReport, tdi).map(drop);
    assert_eq!(outcome, transport(TransportFault::NoAnswer));
    assert_eq!(host.state(tdi), VdevState::Error);
    host.unassign(tdi);
}

#[test]
fn data_does_not_survive() {
    let (mut host, tdi) = Host::assigned();
    host.device().write_bar(0, 2, 0, b"from the host");
    host.run(Fid::VdevLock, tdi).unwrap();
    let mut data = [0; 4];
    host.device().read_bar(0, 2, 0, &mut data);
    assert_eq!(data, [0xff; 4]);
    host.run(Fid::VdevUnlock, tdi).unwrap();
    host.device().read_bar(0, 2, 0, &mut data);
    assert_eq!(data, [0; 4]);
}

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Some(())
    }
}

/// One exchange with the device, past the firmware.
fn perform(host: &mut Host, requester: &mut Requester, exchange: Exchange) -> Vec<Found> {
    let mut all = Vec::new();
    let mut request = requester.begin(exchange).unwrap();
    loop {
        let answer = host.device().respond(&request).unwrap();
        match requester.take(&answer).unwrap() {
            Step::Send { packet, found, .. } => {
                all.extend(found);
                request = packet;
            }
            Step::Done { found } => {
                all.extend(found);
                return all;
            }
        }
    }
}

/// The firmware does not lock MSI-X; another TSM may.
#[test]
fn locked_msix() {
    let mut host = Host::new();
    let trust = Trust {
        roots: host.platform.references.roots(),
        now: 1_790_000_000,
    };
    let mut requester = Requester::new(trust, Box::new(Counter(0)));
    let slot = 0;
    for exchange in [
        Exchange::Connect,
        Exchange::Certificate { slot },
        Exchange::OpenSession { slot },
    ] {
        perform(&mut host, &mut requester, exchange);
    }
    let id = InterfaceId::of(0x302);
    let mut ask = |host: &mut Host, request: Request| {
        let exchange = Exchange::Vendor {
            protocol: vendor::PROTOCOL_TDISP,
            payload: request.encode(id),
        };
        match perform(host, &mut requester, exchange).as_slice() {
            [Found::Vendor(answer)] => Response::decode(answer).unwrap().1,
            other => panic!("{other:?}"),
        }
    };
    let lock = Request::Lock(LockRequest {
        flags: Flags::LOCK_MSIX.0.into(),
        ..Default::default()
    });
    assert!(matches!(ask(&mut host, lock), Response::Lock(_)));
    let mut data = [0];
    host.device().read_bar(2, 4, 0, &mut data);
    assert_eq!(data, [0xff]);
    assert_eq!(host.device_state(2), State::Locked);
    host.write_config(2, MSIX_CONTROL, &[0x03, 0x80]);
    assert_eq!(host.device_state(2), State::Error);
    assert_eq!(ask(&mut host, Request::Stop), Response::Stop);
    assert_eq!(host.device_state(2), State::Unlocked);
}
