// SPDX-License-Identifier: GPL-2.0

//! What there is of everything: devices and root ports side by side, and firmware of each kind.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod host;

use host::{Host, Stream, PAGE, STREAM};
use std::time::Instant;
use tdisp::State;
use tsm_emu::config_space::express::Topology;
use tsm_emu::identity::Length;
use tsm_emu::platform::{identities, Platform, DEVICES, FUNCTIONS_OF};
use tsm_wire::detail::{AuthenticationFault, Detail, DetailClass};
use tsm_wire::mailbox::{root_port, Personality, MAGIC, MAGIC_VALUE, PERSONALITY, RESET};
use tsm_wire::rmi::pdev::FLAG_CATEGORY_ROOT_PORT;
use tsm_wire::rmi::{Fid, PdevState, Status, VdevState};
use zerocopy::IntoBytes;

fn states(host: &Host) -> Vec<State> {
    let devices = host.platform.devices.iter();
    devices.flat_map(|device| device.states()).collect()
}

/// Whether the state has a member of this name with this value.
fn has(host: &Host, name: &str, value: &str) -> bool {
    let member = format!("\"{name}\":{value}");
    host.platform.state().contains(&member)
}

#[test]
fn every_device_at_once() {
    let mut host = Host::new();
    let rd = host.realm();
    let mut made = Vec::new();
    for number in 0..DEVICES {
        host.turn_to(number);
        let (pdev, _) = host.connect();
        let stream = host.secure(pdev);
        let tdi = host.assign(rd, pdev, 0);
        host.run(Fid::VdevLock, tdi).unwrap();
        host.run(Fid::VdevStart, tdi).unwrap();
        made.push((pdev, stream, tdi));
    }
    use State::{Run, Unlocked};
    assert_eq!(states(&host), [Run, Unlocked, Unlocked, Run, Run]);
    assert!(has(&host, "tdi", "[2,0,0,2,2]"));
    let secure = r#"["secure", "secure", "secure"]"#;
    assert!(has(&host, "stream", r#""secure""#) && has(&host, "streams", secure));
    // Two PDEVs a device, since the root ports have one each.
    let counts = host.platform.counts();
    assert_eq!(
        (counts.connections, counts.tdis, counts.vms, counts.pages),
        (6, 3, 1, 10)
    );

    // What happens to one is nothing to the others.
    host.platform.devices[1].reset(0);
    assert_eq!(states(&host), [Run, Unlocked, Unlocked, Unlocked, Run]);
    let streams = r#"["secure", "none", "secure"]"#;
    assert!(has(&host, "streams", streams));
    for (number, (pdev, stream, tdi)) in made.into_iter().enumerate().rev() {
        host.turn_to(number);
        let outcome = host.run(Fid::VdevUnlock, tdi);
        if number == 1 {
            // Its session is gone, of which the firmware finds out when it talks with it.
            outcome.unwrap_err();
            assert_eq!(host.state(tdi), VdevState::Error);
            continue;
        }
        outcome.unwrap();
        host.unassign(tdi);
        host.dissolve(stream);
        host.disconnect(pdev);
    }
    let counts = host.platform.counts();
    assert_eq!((counts.connections, counts.tdis), (2, 1));
}

/// The stream of one device may end at another's root port, for all that the firmware knows: the
/// keys are not those of the device's own link then.
#[test]
fn every_root_port_has_its_keys() {
    let mut host = Host::new();
    host.turn_to(1);
    let (pdev, _) = host.connect();
    host.stream_control(STREAM, false);
    host.turn_to(2);
    let other = host.root_port();
    host.stream_control(STREAM, false);
    let page = host.page();
    host.write(page, Host::stream_params(pdev, other).as_bytes());
    let [handle, ..] = host.call(Fid::PdevStreamConnect, &[page]).unwrap();
    host.turn_to(1);
    let names = [pdev, other, handle];
    host.take_turns(Stream { names }).unwrap();
    assert!(has(&host, "streams", r#"["none", "insecure", "none"]"#));
}

/// A root port is one of those that the machine has.
#[test]
fn no_other_root_port() {
    let mut host = Host::new();
    let (address, page) = (host.delegated(), host.page());
    let mut params = host.pdev_params();
    params.flags = FLAG_CATEGORY_ROOT_PORT;
    params.rid_top = params.rid_base;
    let refused = Err((Status::ErrorInput, 0));
    for (id, outcome) in [(0x28, refused), (0x21, refused), (0x20, Ok([0; 3]))] {
        params.pdev_id = id;
        host.write(page, params.as_bytes());
        let made = host.call(Fid::PdevCreate, &[address, page]);
        assert_eq!(made, outcome, "{id:#x}");
    }
}

/// Each device has a root, a key and reference values of its own.
#[test]
fn devices_are_not_each_other() {
    let mut host = Host::new();
    host.set("measurement-bytes", "9000");
    for number in 0..DEVICES {
        host.turn_to(number);
        let (pdev, _) = host.connect();
        host.disconnect(pdev);
    }
    // What one of them measures is not what another one shall.
    let references = &mut host.platform.references.0;
    let first = std::mem::take(&mut references[0].measurements);
    references[0].measurements = std::mem::replace(&mut references[2].measurements, first);
    for (number, fails) in [(0, true), (1, false), (2, true)] {
        host.turn_to(number);
        let pdev = host.pdev();
        let outcome = host.carry(Fid::PdevCommunicate, &[pdev]).map(drop);
        let detail = Detail {
            class: DetailClass::Authentication,
            value: AuthenticationFault::Measurement as u16,
        };
        let (expected, state) = match fails {
            true => (Err((Status::ErrorDevice, detail)), PdevState::Error),
            false => (Ok(()), PdevState::Ready),
        };
        assert_eq!(outcome, expected, "{number}");
        assert_eq!(host.pdev_state(pdev), state);
    }
}

#[test]
fn mischief_is_the_first_devices() {
    let mut host = Host::new();
    host.set("doe-no-answer", "1");
    host.turn_to(1);
    let (pdev, _) = host.connect();
    host.disconnect(pdev);
    host.turn_to(0);
    let pdev = host.pdev();
    assert!(host.carry(Fid::PdevCommunicate, &[pdev]).is_err());
}

#[test]
fn every_firmware_has_its_function() {
    let mut host = Host::new();
    for (personality, id) in Personality::ALL.into_iter().zip(0x7d50u32..) {
        let mut word = [0; 4];
        let firmware = host.platform.firmware(personality);
        firmware.read_config(0, &mut word);
        assert_eq!(u32::from_le_bytes(word), id << 16 | 0x1234);
        let mut read = |offset| {
            host.platform.read_mailbox(personality, offset, &mut word);
            u32::from_le_bytes(word)
        };
        assert_eq!(read(MAGIC), MAGIC_VALUE);
        assert_eq!(read(PERSONALITY), personality as u32);
        // No command set has this one, and each says so in its own way.
        let refused = host.ring_on(personality, 0x7f01, &[0; 15]).unwrap();
        assert_ne!(refused[0], 0, "{personality:?}");
    }
    assert!(has(&host, "calls", "3"));
    // A call of one that does not end is nothing to the others.
    host.set("fw-no-answer", "1");
    assert_eq!(host.ring_on(Personality::Psp, 0x7f01, &[]), None);
    for personality in [Personality::Rmm, Personality::Tdx] {
        assert!(host.ring_on(personality, 0x7f01, &[]).is_some());
    }
    host.platform
        .write_mailbox(Personality::Psp, RESET, &[1, 0, 0, 0], host.now);
    assert!(host.ring_on(Personality::Psp, 0x7f01, &[]).is_some());
}

/// The windows of the root ports are those of the RMM's function, and go with it.
#[test]
fn machine_reset() {
    let control = |host: &Host| {
        let mut word = [0; 4];
        let offset = root_port(2) + 0x10;
        host.platform
            .read_mailbox(Personality::Rmm, offset, &mut word);
        u32::from_le_bytes(word)
    };
    let mut host = Host::new();
    host.delegated();
    host.turn_to(2);
    host.stream_control(STREAM, false);
    host.platform.reset_firmware(Personality::Psp);
    assert_eq!(host.platform.counts().pages, 1);
    assert_eq!(control(&host), u32::from(STREAM) << 24);
    host.platform.reset_firmware(Personality::Rmm);
    assert_eq!(host.platform.counts().pages, 0);
    assert_eq!(control(&host), 0);
    let mut word = [1; 4];
    let offset = root_port(0);
    host.platform
        .read_mailbox(Personality::Psp, offset, &mut word);
    assert_eq!(word, [0; 4]);
    let page = host.page();
    host.delegate(page, page + PAGE).unwrap();
}

#[test]
fn functions() {
    let now = Instant::now();
    for topology in [Topology::Endpoint, Topology::RootComplex] {
        let platform = Platform::in_topology(identities(Length::default()).unwrap(), topology);
        for (number, device) in platform.devices.iter().enumerate() {
            let functions = FUNCTIONS_OF[number];
            assert_eq!(device.functions(), functions);
            let mut word = [0; 4];
            device.read_config(0, 0xc, &mut word, now);
            assert_eq!(word[2] & 0x80 != 0, functions > 1, "multifunction");
            device.read_config(functions, 0, &mut word, now);
            assert_eq!(word, [0xff; 4]);
            device.read_bar(0, 0, 8, &mut word);
            assert_eq!(u32::from_le_bytes(word), number as u32);
        }
    }
}
