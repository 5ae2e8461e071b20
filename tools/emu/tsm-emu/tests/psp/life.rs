// SPDX-License-Identifier: GPL-2.0

//! A device, a guest and TDIs from beginning to end.

use crate::driver::{Driver, GUEST_RID};
use crate::host::STREAM;
use sha2::{Digest, Sha384};
use snp::{tdi_info, MessageType};
use tdisp::{InterfaceReport, State};
use tsm_wire::sev::dev::{DevCertificates, DevMeasurements, MEASUREMENTS_RAW};
use tsm_wire::sev::fence::{AsidFenceClear, AsidFenceStatus, Fence};
use tsm_wire::sev::object::ObjectId;
use tsm_wire::sev::platform::{FLAG_ENABLED, FLAG_INIT_DONE};
use tsm_wire::sev::rmp::Instruction;
use tsm_wire::sev::snp::Activate;
use tsm_wire::sev::{Command, Sla, Status};
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn platform() {
    let mut driver = Driver::new();
    assert_eq!(driver.limits.flags, FLAG_ENABLED);
    assert_eq!(
        driver.platform_status().flags,
        FLAG_ENABLED | FLAG_INIT_DONE
    );
    driver.end();
}

fn certificates(driver: &mut Driver, device: Sla) -> Vec<u8> {
    let command = Command::TioDevCertificates;
    let certificates = driver.converse(command, |spdm_ctrl| DevCertificates {
        length: size_of::<DevCertificates>() as u32,
        spdm_ctrl,
        dev_ctx_sla: device,
        ..DevCertificates::default()
    });
    certificates.unwrap();
    driver.evidence(ObjectId::Certificate)
}

fn measurements(driver: &mut Driver, device: Sla, flags: u32) -> Vec<u8> {
    let command = Command::TioDevMeasurements;
    let measurements = driver.converse(command, |spdm_ctrl| DevMeasurements {
        length: size_of::<DevMeasurements>() as u32,
        flags,
        spdm_ctrl,
        dev_ctx_sla: device,
        meas_nonce: [7; 32],
    });
    measurements.unwrap();
    driver.evidence(ObjectId::Measurement)
}

#[test]
fn a_device() {
    let mut driver = Driver::new();
    let device = driver.create();
    assert_eq!(driver.device_status(device).ctx_state, 0);
    driver.connect(device).unwrap();
    // Connecting wants more of the scratch buffer than there is at first.
    assert_eq!(driver.expanded, 1);
    let chain = certificates(&mut driver, device);
    assert!(chain.len() > 4096, "the output buffer has to be expanded");
    assert_eq!(driver.expanded, 2);
    assert_eq!(
        usize::from(u16::from_le_bytes([chain[0], chain[1]])),
        chain.len()
    );
    let digests = measurements(&mut driver, device, 0);
    let raw = measurements(&mut driver, device, MEASUREMENTS_RAW);
    assert_ne!(digests, raw);
    let status = driver.device_status(device);
    assert_eq!(
        (status.ctx_state, status.p1_flags, status.p2_flags),
        (1, 0, 1)
    );
    assert_eq!(status.certs_digest[..], Sha384::digest(&chain)[..]);
    assert_eq!(status.meas_digest[..], Sha384::digest(&raw)[..]);
    assert_eq!((status.tc_mask, status.tdi_count), (0, 0));
    assert!(driver.host.device().session().is_some());
    driver.disconnect(device, false).unwrap();
    assert_eq!(driver.host.device().session(), None);
    assert_eq!(driver.device_status(device).ctx_state, 0);
    driver.connect(device).unwrap();
    driver.disconnect(device, false).unwrap();
    driver.reclaim_device(device).unwrap();
    driver.end();
}

#[test]
fn long_measurements() {
    let mut driver = Driver::new();
    driver.host.set("measurement-bytes", "70000");
    let device = driver.create();
    driver.connect(device).unwrap();
    let expanded = driver.expanded;
    let sent = driver.sent;
    let long = measurements(&mut driver, device, 0);
    assert_eq!(long.len(), 70000);
    assert_eq!(driver.expanded, expanded + 1);
    // Nothing was asked again for the longer buffer.
    let once = driver.sent - sent;
    let sent = driver.sent;
    measurements(&mut driver, device, 0);
    assert_eq!(driver.sent - sent, once);
}

#[test]
fn a_stream() {
    let mut driver = Driver::new();
    let device = driver.create();
    driver.connect_secure(device);
    let status = driver.device_status(device);
    assert_eq!((status.tc_mask, status.ide_stream_id[0]), (1, STREAM));
    let vm = driver.launch(1);
    let tdi = driver.create_tdi(device, 0).unwrap();
    driver.lock([device, tdi], &vm).unwrap();
    driver.run([device, tdi], &vm).unwrap();
    driver.unbind([device, tdi], &vm, false).unwrap();
    driver.take_apart([device, tdi], &vm);
}

fn fence(driver: &mut Driver, device: Sla, asid: u32) -> Fence {
    let status = AsidFenceStatus {
        length: size_of::<AsidFenceStatus>() as u32,
        dev_ctx_sla: device,
        asid,
        status_pa: driver.data,
        ..AsidFenceStatus::default()
    };
    driver.call(Command::TioAsidFenceStatus, &status).unwrap();
    driver.told()
}

#[test]
fn a_tdi() {
    let (mut driver, names, vm) = Driver::assigned();
    let [device, _] = names;
    assert_eq!(driver.tdi_status(names), Ok(0));
    for round in 0..2 {
        driver.lock(names, &vm).unwrap();
        assert_eq!(driver.host.device_state(0), State::Locked);
        assert_eq!(driver.tdi_status(names), Ok(1));
        let report = driver.report(names, &vm).unwrap();
        let report = InterfaceReport::decode(&report).unwrap();
        assert_eq!(report.ranges[0].address, driver.host.bar(0, 0));
        driver.run(names, &vm).unwrap();
        assert_eq!(driver.host.device_state(0), State::Run);
        assert_eq!(driver.tdi_status(names), Ok(2));
        let up = fence(&mut driver, device, vm.asid);
        assert_eq!(
            up,
            if round == 0 {
                Fence::DEFAULT
            } else {
                Fence::NONE
            }
        );
        let clear = AsidFenceClear {
            length: size_of::<AsidFenceClear>() as u32,
            dev_ctx_sla: device,
            gctx_paddr: vm.context,
            ..AsidFenceClear::default()
        };
        driver.call(Command::TioAsidFenceClear, &clear).unwrap();
        assert_eq!(fence(&mut driver, device, vm.asid), Fence::NONE);
        assert_eq!(driver.counts()[..3], [1, 1, 1]);
        driver.unbind(names, &vm, false).unwrap();
        assert_eq!(driver.host.device_state(0), State::Unlocked);
        assert_eq!(driver.tdi_status(names), Ok(0));
    }
    driver.take_apart(names, &vm);
}

#[test]
fn what_the_guest_is_told() {
    let (mut driver, names, mut vm) = Driver::locked();
    let [device, _] = names;
    let ask = |driver: &mut Driver, vm: &mut crate::driver::Vm, device_id| {
        let request = tdi_info::Request::of(device_id);
        let message = vm
            .guest
            .request(MessageType::TdiInfoRequest, request.as_bytes());
        let answer = driver.guest_request(names, vm, &message.unwrap()).unwrap();
        let answer = vm.guest.response(&answer).unwrap();
        assert_eq!(answer.message_type, 20);
        tdi_info::Response::read_from_bytes(&answer.payload).unwrap()
    };
    let info = ask(&mut driver, &mut vm, GUEST_RID);
    assert_eq!(
        (info.guest_device_id.get(), info.status.get()),
        (GUEST_RID, 0)
    );
    assert_eq!(
        (info.measurement_flags.get(), info.lock_flags.get()),
        (0, 1)
    );
    assert_eq!(info.spdm_algorithms.get(), 0x0102_0101);
    assert_eq!(info.report_count.get(), 1);
    let report = driver.report(names, &vm).unwrap();
    let chain = certificates(&mut driver, device);
    let measured = measurements(&mut driver, device, 0);
    let info = ask(&mut driver, &mut vm, GUEST_RID);
    assert_eq!(info.report_digest[..], Sha384::digest(report)[..]);
    assert_eq!(info.certificates_digest[..], Sha384::digest(chain)[..]);
    assert_eq!(info.measurements_digest[..], Sha384::digest(measured)[..]);
    assert_eq!(info.measurement_flags.get(), 3);
    assert_eq!(info.report_count.get(), 2);
    let other = ask(&mut driver, &mut vm, GUEST_RID + 1);
    assert_eq!(other.status.get(), tdi_info::Status::Invalid as u16);
    assert_eq!(other.report_digest, [0; 48]);
}

#[test]
fn asids() {
    let mut driver = Driver::new();
    let vm = driver.launch(5);
    let other = driver.firmware_page();
    let create = tsm_wire::sev::snp::Address { address: other };
    driver.call(Command::SnpGctxCreate, &create).unwrap();
    let mut activate = Activate {
        gctx_paddr: other,
        asid: 6,
    };
    let status = |outcome: Result<(), (Status, _)>| outcome.unwrap_err().0;
    assert_eq!(
        status(driver.call(Command::SnpActivate, &activate)),
        Status::InvalidGuestState
    );
    driver.call(Command::SnpDecommission, &create).unwrap();
    let second = driver.launch(6);
    activate = Activate {
        gctx_paddr: second.context,
        asid: 7,
    };
    assert_eq!(
        status(driver.call(Command::SnpActivate, &activate)),
        Status::Active
    );
    driver.decommission(&second).unwrap();
    driver.decommission(&vm).unwrap();
    let flush = u64::from(Command::SnpDfFlush);
    assert_eq!(status(driver.call_raw(flush, &[])), Status::WbinvdRequired);
    assert_eq!(driver.instruction(Instruction::Wbinvd, &[]), (0, 0));
    driver.call_raw(flush, &[]).unwrap();
    let again = driver.launch(5);
    driver.decommission(&again).unwrap();
    assert_eq!(driver.instruction(Instruction::Wbinvd, &[]), (0, 0));
    driver.call_raw(flush, &[]).unwrap();
    driver.reclaim(other).unwrap();
    driver.end();
}

#[test]
fn a_reset_forgets() {
    let (mut driver, ..) = Driver::locked();
    let firmware = driver
        .host
        .platform
        .firmware_mut(tsm_wire::mailbox::Personality::Psp);
    firmware.reset();
    assert_eq!(driver.counts(), [0; 4]);
}
