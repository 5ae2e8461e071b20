// SPDX-License-Identifier: GPL-2.0

//! The session between the firmware and the device, and the IDE stream that is keyed in it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod host;

use host::{Host, Tdi, PAGE, STREAM};
use tdisp::{ErrorCode, State};
use tsm_wire::detail::{
    AuthenticationFault, Detail, DetailClass, IdeFault, SessionFault, TransportFault,
};
use tsm_wire::rmi::{DevObject, Fid, PdevState, Status, VdevState};
use zerocopy::IntoBytes;

fn detail(class: DetailClass, value: u16) -> Result<(), (Status, Detail)> {
    Err((Status::ErrorDevice, Detail { class, value }))
}

fn authentication(fault: AuthenticationFault) -> Result<(), (Status, Detail)> {
    detail(DetailClass::Authentication, fault as u16)
}

fn session(fault: SessionFault) -> Result<(), (Status, Detail)> {
    detail(DetailClass::Session, fault as u16)
}

/// Loses the session, in a way that the firmware notices and the device does not.
fn lose_session(host: &mut Host, tdi: Tdi) {
    let before = host.device_state(tdi.function);
    host.set("doe-no-answer", "1");
    let outcome = host.run(Fid::VdevGetInterfaceReport, tdi).map(drop);
    let lost = TransportFault::NoAnswer as u16;
    assert_eq!(outcome, detail(DetailClass::Transport, lost));
    assert_eq!(host.device_state(tdi.function), before);
    assert_eq!(host.state(tdi), VdevState::Error);
}

/// A device that is not to be trusted is not connected, and one that is again is.
#[test]
fn authentication_faults() {
    for (knob, fault) in [
        ("cert-foreign", AuthenticationFault::Untrusted),
        ("cert-expired", AuthenticationFault::Expired),
        (
            "spdm-wrong-signature",
            AuthenticationFault::ChallengeSignature,
        ),
        ("measurement-wrong", AuthenticationFault::Measurement),
        ("stale-nonce", AuthenticationFault::MeasurementSignature),
    ] {
        let mut host = Host::new();
        let pdev = host.pdev();
        host.set(knob, "1");
        let outcome = host.carry(Fid::PdevCommunicate, &[pdev]).map(drop);
        assert_eq!(outcome, authentication(fault), "{knob}");
        assert_eq!(host.pdev_state(pdev), PdevState::Error);
        assert_eq!(host.device().session(), None);
        host.disconnect(pdev);
        host.set(knob, "0");
        let (pdev, _) = host.connect();
        host.disconnect(pdev);
    }
}

/// Each signature is looked at, and each secured message on the way.
#[test]
fn faults_in_every_message() {
    let (challenge, key_exchange) = {
        let mut host = Host::new();
        let (_, kept) = host.connect();
        (kept.sent - 4, kept.sent - 2)
    };
    for (knob, at, expected) in [
        (
            "spdm-wrong-signature",
            challenge,
            authentication(AuthenticationFault::ChallengeSignature),
        ),
        (
            "spdm-wrong-signature",
            challenge + 1,
            authentication(AuthenticationFault::MeasurementSignature),
        ),
        (
            "spdm-wrong-signature",
            key_exchange,
            authentication(AuthenticationFault::KeyExchangeSignature),
        ),
        (
            "secured-bit-flip",
            key_exchange + 1,
            session(SessionFault::Decrypt),
        ),
    ] {
        let mut host = Host::new();
        let pdev = host.pdev();
        let mut sent = 0;
        let outcome = host.carry_watching(Fid::PdevCommunicate, &[pdev], |host| {
            if sent == at {
                host.set(knob, "1");
            }
            sent += 1;
        });
        assert_eq!(outcome.map(drop), expected, "{knob} {at}");
        host.disconnect(pdev);
        host.connect();
    }
}

/// Whatever happens to a secured message, the session is over, and the next attempt has a new one.
#[test]
fn session_faults() {
    for (knob, expected) in [
        ("secured-bit-flip", session(SessionFault::Decrypt)),
        ("secured-replay", session(SessionFault::Sequence)),
        ("secured-skip", session(SessionFault::Sequence)),
        // The device has no keys to say so, and DOE takes nothing else for an answer.
        (
            "session-lost",
            detail(DetailClass::Transport, TransportFault::NoAnswer as u16),
        ),
    ] {
        let (mut host, tdi) = Host::locked();
        let before = host.device().session();
        host.set(knob, "1");
        assert_eq!(host.run(Fid::VdevStart, tdi).map(drop), expected, "{knob}");
        assert_eq!(host.state(tdi), VdevState::Error);
        host.run(Fid::VdevUnlock, tdi).unwrap();
        assert_eq!(host.device_state(0), State::Unlocked);
        host.run(Fid::VdevLock, tdi).unwrap();
        host.run(Fid::VdevStart, tdi).unwrap();
        let after = host.device().session();
        assert!(after.is_some() && after != before, "{knob}");

        // The same where there is no lock to lose.
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.set(knob, "1");
        assert_eq!(host.run(Fid::VdevLock, tdi).map(drop), expected, "{knob}");
        assert_eq!(host.state(tdi), VdevState::Error);
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.run(Fid::VdevLock, tdi).unwrap();
    }
}

/// A device that loses its session takes the TDIs that were locked in it to ERROR, all of them.
#[test]
fn lost_session_ends_every_lock() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let rd = host.realm();
    let tdis = [0, 1, 2].map(|function| host.assign(rd, pdev, function));
    host.run(Fid::VdevLock, tdis[0]).unwrap();
    host.run(Fid::VdevLock, tdis[1]).unwrap();
    host.run(Fid::VdevStart, tdis[1]).unwrap();
    host.set("session-lost", "1");
    host.run(Fid::VdevLock, tdis[2]).unwrap_err();
    let states = [0, 1, 2].map(|function| host.device_state(function));
    assert_eq!(states, [State::Error, State::Error, State::Unlocked]);
    for tdi in tdis {
        assert_eq!(host.state(tdi), VdevState::Error);
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.run(Fid::VdevLock, tdi).unwrap();
    }
}

/// Who is asked again has to be who was there before.
#[test]
fn authentication_is_made_again() {
    for (knob, fault) in [
        ("cert-foreign", AuthenticationFault::Untrusted),
        ("cert-expired", AuthenticationFault::Expired),
        ("measurement-wrong", AuthenticationFault::Measurement),
    ] {
        let (mut host, tdi) = Host::locked();
        lose_session(&mut host, tdi);
        host.set(knob, "1");
        let outcome = host.run(Fid::VdevUnlock, tdi).map(drop);
        assert_eq!(outcome, authentication(fault), "{knob}");
        // Asking it was enough for the device to give up the session, and the lock.
        assert_eq!(host.device_state(0), State::Error);
        assert_eq!(host.state(tdi), VdevState::Error);
        host.set(knob, "0");
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.run(Fid::VdevLock, tdi).unwrap();
    }
}

#[test]
fn another_device_in_its_place() {
    let (mut host, tdi) = Host::locked();
    lose_session(&mut host, tdi);
    // One that is trusted as well.
    let other = Host::new();
    let mut other = other.platform;
    let trusted = std::mem::take(&mut other.references.0);
    host.platform.references.0.extend(trusted);
    std::mem::swap(host.device(), &mut other.devices[0]);
    let outcome = host.run(Fid::VdevUnlock, tdi).map(drop);
    assert_eq!(outcome, authentication(AuthenticationFault::OtherDevice));
    assert_eq!(host.state(tdi), VdevState::Error);
}

/// Signed measurements come with the nonce of whom they are for.
#[test]
fn measurements_are_signed_for_their_nonce() {
    let (mut host, tdi) = Host::locked();
    host.measure(tdi, false).unwrap();
    // Who gives no nonce gets a fresh one all the same.
    for (knob, raw, nonce) in [
        ("stale-nonce", false, [9; 32]),
        ("stale-nonce", false, [0; 32]),
        ("spdm-wrong-signature", true, [9; 32]),
    ] {
        host.set(knob, "1");
        let outcome = host.measure_for(tdi, raw, nonce).map(drop);
        let fault = AuthenticationFault::MeasurementSignature;
        assert_eq!(outcome, authentication(fault), "{knob}");
        // The session is as good as before, and so is the lock.
        assert_eq!(host.state(tdi), VdevState::Locked);
        host.measure(tdi, raw).unwrap();
    }
    host.run(Fid::VdevStart, tdi).unwrap();
}

/// The last moment that DOE gives.
#[test]
fn answers_in_time() {
    let mut host = Host::new();
    host.set("doe-late-ms", "990");
    let (pdev, _) = host.connect();
    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    host.run(Fid::VdevLock, tdi).unwrap();
    host.run(Fid::VdevStart, tdi).unwrap();
    host.run(Fid::VdevUnlock, tdi).unwrap();
}

#[test]
fn stream() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let stream = host.stream(pdev);
    // One key for each sub-stream and direction, and the same for GO; first of all QUERY.
    assert_eq!(host.take_turns(stream).unwrap(), 1 + 6 + 6);
    host.stream_control(STREAM, true);
    assert_eq!(host.stream_status(), [2, 2]);
    assert!(host.platform.state().contains("\"stream\":\"secure\""));
    // While there is a stream its ends stay.
    let refused = Err((Status::ErrorDevice, 0));
    assert_eq!(host.call(Fid::PdevStop, &[pdev]), refused);
    assert_eq!(host.call(Fid::PdevStop, &[stream.names[1]]), refused);

    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    host.run(Fid::VdevLock, tdi).unwrap();
    let used = host.call(Fid::PdevStreamDisconnect, &stream.names);
    assert_eq!(used, refused);
    host.run(Fid::VdevStart, tdi).unwrap();
    host.run(Fid::VdevUnlock, tdi).unwrap();
    host.unassign(tdi);
    assert_eq!(host.dissolve(stream), 6);
    assert!(host.platform.state().contains("\"stream\":\"none\""));
    host.disconnect(pdev);
    assert_eq!(host.platform.counts().connections, 0);
}

/// A call with a page that is not the host's leaves everything where it was.
#[test]
fn stream_with_bad_pages() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let stream = host.stream(pdev);
    let root_port = stream.names[1];
    let delegated = host.delegated();
    for (end, waits) in [
        (root_port, true),
        (pdev, true),
        (root_port, false),
        (pdev, false),
    ] {
        for page in [delegated, 8, host.bar(0, 0)] {
            let outcome = host.call(Fid::PdevCommunicate, &[end, page]);
            assert_eq!(outcome, Err((Status::ErrorInput, 0)));
        }
        let turn = host.carry_on(Fid::PdevCommunicate, &[end], |_| ());
        assert_eq!(turn.unwrap().1, waits);
    }
    host.call(Fid::PdevStreamComplete, &stream.names).unwrap();
    host.stream_control(STREAM, true);
    assert_eq!(host.stream_status(), [2, 2]);
}

/// A stream that is not what it was takes the TDIs that rely on it to ERROR.
#[test]
fn stream_that_is_lost() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    host.secure(pdev);
    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    host.run(Fid::VdevLock, tdi).unwrap();
    host.stream_control(STREAM, false);
    assert_eq!(host.device_state(0), State::Error);
    assert_eq!(host.stream_status(), [0, 0]);
    // Its keys are gone, so that it is not secure when it is enabled again, nor can be locked with.
    host.run(Fid::VdevUnlock, tdi).unwrap();
    host.stream_control(STREAM, true);
    assert_eq!(host.stream_status(), [0, 0]);
    let refused = detail(DetailClass::Tdisp, ErrorCode::InvalidRequest as u16);
    assert_eq!(host.run(Fid::VdevLock, tdi).map(drop), refused);
    assert_eq!(host.state(tdi), VdevState::Unlocked);
}

/// The keys of a stream live as long as the session that they came in; they come again with the next.
#[test]
fn stream_is_keyed_again() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let stream = host.secure(pdev);
    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    host.run(Fid::VdevLock, tdi).unwrap();
    host.set("session-lost", "1");
    host.run(Fid::VdevStart, tdi).unwrap_err();
    assert_eq!(host.stream_status()[1], 0);
    assert_eq!(host.device_state(0), State::Error);
    host.run(Fid::VdevUnlock, tdi).unwrap();
    assert_eq!(host.stream_status(), [2, 2]);
    assert!(host.platform.state().contains("\"stream\":\"secure\""));
    host.run(Fid::VdevLock, tdi).unwrap();
    host.run(Fid::VdevStart, tdi).unwrap();

    // Without a session there is nothing to be said at the end.
    lose_session(&mut host, tdi);
    host.call(Fid::VdevDestroy, &tdi.names).unwrap();
    assert_eq!(host.dissolve(stream), 0);
}

/// A device that does not know the stream takes no keys for it.
#[test]
fn stream_without_registers() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let stream = host.stream(pdev);
    host.stream_control(STREAM + 1, false);
    let outcome = host.take_turns(stream).map(drop);
    let fault = IdeFault::UnsupportedValue as u16;
    assert_eq!(outcome, detail(DetailClass::Ide, fault));
    assert_eq!(host.pdev_state(pdev), PdevState::Error);
    for end in [stream.names[1], pdev] {
        let _ = host.call(Fid::PdevAbort, &[end]);
    }
    // The session is as good as before, so the device is told.
    host.stream_control(STREAM, true);
    host.call(Fid::PdevStreamDisconnect, &stream.names).unwrap();
    assert_eq!(host.take_turns(stream).unwrap(), 6);
    host.disconnect(stream.names[1]);
    host.disconnect(pdev);
}

#[test]
fn stream_parameters() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let (root_port, page) = (host.root_port(), host.page());
    let mut attempt = |change: &dyn Fn(&mut tsm_wire::rmi::PdevStreamParams)| {
        let mut params = Host::stream_params(pdev, root_port);
        change(&mut params);
        host.write(page, params.as_bytes());
        let outcome = host.call(Fid::PdevStreamConnect, &[page]);
        outcome.map(drop).map_err(|(status, _)| status)
    };
    let input = Err(Status::ErrorInput);
    assert_eq!(attempt(&|p| p.flags = 1), input);
    assert_eq!(
        attempt(&|p| p.stream_type = 2),
        Err(Status::ErrorNotSupported)
    );
    assert_eq!(attempt(&|p| p.ide_sid = 255), input);
    assert_eq!(attempt(&|p| p.pdev_1 = p.pdev_2), input);
    assert_eq!(attempt(&|p| p.pdev_2 = p.pdev_1), input);
    assert_eq!(attempt(&|p| p.pdev_1 += PAGE), input);
    assert_eq!(attempt(&|p| p.num_addr_range = 17), input);
    assert_eq!(attempt(&|p| p.addr_range[0].base += 1), input);
    assert_eq!(attempt(&|p| p.addr_range[0].top = 0), input);
    assert_eq!(attempt(&|p| p.reserved0[0] = 1), input);
    assert_eq!(attempt(&|p| p.reserved1[0xdff] = 1), input);
    assert_eq!(attempt(&|_| ()), Ok(()));
    assert_eq!(attempt(&|_| ()), input);
}

/// What the host carries of a TDI it cannot read, though it gets to keep it in the end.
#[test]
fn nothing_crosses_in_the_clear() {
    const WINDOW: usize = 16;
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let rd = host.realm();
    let tdi = host.assign(rd, pdev, 0);
    host.wire.clear();
    host.run(Fid::VdevLock, tdi).unwrap();
    let report = host.run(Fid::VdevGetInterfaceReport, tdi).unwrap();
    let raw = host.measure(tdi, true).unwrap();
    let digests = host.measure(tdi, false).unwrap();
    assert!(host.wire.len() > 10);
    assert!(host.wire.iter().all(|(kind, _)| *kind == 2));
    let secrets = [
        report.object(DevObject::InterfaceReport),
        raw.object(DevObject::Measurement),
        digests.object(DevObject::Measurement),
    ];
    let crossed = |host: &Host, secret: &[u8]| {
        let objects = host.wire.iter();
        objects
            .flat_map(|(_, object)| object.windows(WINDOW))
            .any(|seen| {
                let mut windows = secret.windows(WINDOW);
                windows.any(|window| window == seen)
            })
    };
    for secret in secrets {
        assert!(secret.len() > WINDOW);
        assert!(!crossed(&host, secret));
    }
    // The test would find it: these are what it said in the clear when it was connected.
    host.wire.clear();
    lose_session(&mut host, tdi);
    host.run(Fid::VdevUnlock, tdi).unwrap();
    assert!(crossed(&host, digests.object(DevObject::Measurement)));
}
