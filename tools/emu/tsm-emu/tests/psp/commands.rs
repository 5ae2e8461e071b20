// SPDX-License-Identifier: GPL-2.0

//! What each command looks at before it does something: its buffer, what is reserved in it, pages, and
//! the order of commands.

use crate::driver::{Driver, Refused};
use crate::host::{Host, PAGE, RID};
use std::mem::offset_of;
use tsm_wire::detail::Detail;
use tsm_wire::mailbox::Personality;
use tsm_wire::sev::dev::*;
use tsm_wire::sev::fence::{AsidFenceClear, AsidFenceStatus};
use tsm_wire::sev::guest_message::TioGuestRequest;
use tsm_wire::sev::platform::{TioInit, TioStatus};
use tsm_wire::sev::rmp::{PageState, RmpResult};
use tsm_wire::sev::snp::{Activate, Address, LaunchFinish, LaunchStart};
use tsm_wire::sev::tdi::*;
use tsm_wire::sev::{Command, Sla, SpdmCtrl, Status};

fn refused(status: Status) -> Result<(), Refused> {
    Err((status, Detail::NONE))
}

/// The commands of SEV-TIO: length, and a byte that is reserved or holds a flag that is unknown.
fn commands() -> Vec<(Command, usize, usize)> {
    vec![
        (Command::TioStatus, size_of::<TioStatus>(), 4),
        (Command::TioInit, size_of::<TioInit>(), 15),
        (Command::TioDevCreate, size_of::<DevCreate>(), 31),
        (Command::TioDevReclaim, size_of::<DevReclaim>(), 7),
        (
            Command::TioDevConnect,
            size_of::<DevConnect>(),
            offset_of!(DevConnect, reserved2),
        ),
        (Command::TioDevDisconnect, size_of::<DevDisconnect>(), 5),
        (
            Command::TioDevStatus,
            size_of::<DevStatus>(),
            offset_of!(DevStatus, reserved2),
        ),
        (Command::TioDevMeasurements, size_of::<DevMeasurements>(), 5),
        (Command::TioDevCertificates, size_of::<DevCertificates>(), 4),
        (Command::TioTdiCreate, size_of::<TdiCreate>(), 47),
        (Command::TioTdiReclaim, size_of::<TdiReclaim>(), 31),
        (
            Command::TioTdiBind,
            size_of::<TdiBind>(),
            offset_of!(TdiBind, run_flags) + 1,
        ),
        (Command::TioTdiUnbind, size_of::<TdiUnbind>(), 7),
        (Command::TioTdiReport, size_of::<TdiReport>(), 4),
        (Command::TioTdiStatus, size_of::<TdiStatus>(), 4),
        (Command::TioGuestRequest, size_of::<TioGuestRequest>(), 4),
        (Command::TioAsidFenceClear, size_of::<AsidFenceClear>(), 31),
        (
            Command::TioAsidFenceStatus,
            size_of::<AsidFenceStatus>(),
            31,
        ),
    ]
}

#[test]
fn buffers_of_commands() {
    let mut driver = Driver::new();
    for (command, length, reserved) in commands() {
        let number = u64::from(command);
        let mut bytes = vec![0; length];
        for wrong in [0, length - 1, length + 1, 1 << 31] {
            bytes[..4].copy_from_slice(&(wrong as u32).to_le_bytes());
            let outcome = driver.call_raw(number, &bytes);
            assert_eq!(outcome, refused(Status::InvalidLen), "{command:?}");
        }
        bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[reserved] = 0x80;
        let outcome = driver.call_raw(number, &bytes);
        assert_eq!(outcome, refused(Status::InvalidParam), "{command:?}");
    }
    let firmware = driver.data;
    for &command in Command::ALL
        .iter()
        .filter(|command| **command != Command::SnpDfFlush)
    {
        for (at, status) in [
            (driver.command + 8, Status::InvalidAddress),
            (0, Status::InvalidAddress),
            (!0xfff, Status::InvalidAddress),
            (driver.host.bar(0, 0), Status::InvalidAddress),
            (firmware, Status::InvalidPageState),
        ] {
            let number = u64::from(command);
            let results = driver
                .host
                .ring_on(Personality::Psp, number, &[at])
                .unwrap();
            assert_eq!(results[..2], [u64::from(status), 0], "{command:?} {at:#x}");
        }
    }
    for unknown in [0, 0x85, 0xd9, 0xff, 0x1_00d0, u64::MAX >> 1] {
        let outcome = driver.call_raw(unknown, &[0; 128]);
        assert_eq!(outcome, refused(Status::InvalidCommand), "{unknown:#x}");
    }
    driver.end();
}

#[test]
fn before_init() {
    let mut host = Host::new();
    let page = host.page();
    for (command, length, _) in commands() {
        if matches!(command, Command::TioStatus | Command::TioInit) {
            continue;
        }
        host.write(page, &(length as u32).to_le_bytes());
        let results = host
            .ring_on(Personality::Psp, command.into(), &[page])
            .unwrap();
        assert_eq!(
            results[0],
            u64::from(Status::InvalidPlatformState),
            "{command:?}"
        );
    }
    let mut driver = Driver::new();
    let init = TioInit {
        length: 16,
        ..TioInit::default()
    };
    assert_eq!(
        driver.call(Command::TioInit, &init),
        refused(Status::InvalidPlatformState)
    );
}

#[test]
fn without_bus_mastering() {
    let mut driver = Driver::new();
    let command = tsm_emu::config_space::COMMAND;
    let firmware = driver.host.platform.firmware_mut(Personality::Psp);
    firmware.write_config(command, &2u16.to_le_bytes());
    let init = TioInit {
        length: 16,
        ..TioInit::default()
    };
    assert_eq!(
        driver.call(Command::TioInit, &init),
        refused(Status::InvalidAddress)
    );
}

#[test]
fn who_owns_a_page() {
    let mut driver = Driver::new();
    let page = driver.host.page();
    let bar = driver.host.bar(0, 2);
    let nowhere = 0x1000;
    use RmpResult::{FailInput, FailPermission, Success};
    for (at, gpa, state, count, result) in [
        (page, 0, PageState::Firmware, 0, (FailInput, 0)),
        (page, 0, PageState::Firmware, (1 << 20) + 1, (FailInput, 0)),
        (page + 1, 0, PageState::Firmware, 1, (FailInput, 0)),
        (nowhere, 0, PageState::Shared, 1, (FailInput, 0)),
        (u64::MAX - 0xfff, 0, PageState::Shared, 2, (FailInput, 0)),
        (bar, 0, PageState::Firmware, 1, (FailInput, 0)),
        (page, 0, PageState::Guest(1), 1, (FailInput, 0)),
        (bar, 1, PageState::Guest(1), 1, (FailInput, 0)),
        // The BAR ends.
        (bar, 0, PageState::Guest(1), 5, (FailInput, 4)),
        (bar, PAGE, PageState::Guest(2), 4, (Success, 4)),
        (bar, 0, PageState::Shared, 4, (Success, 4)),
        (page, 0, PageState::Shared, 1, (Success, 1)),
        (page, 0, PageState::Firmware, 1, (Success, 1)),
        (page, 0, PageState::Firmware, 1, (FailPermission, 0)),
        (page, 0, PageState::Shared, 1, (FailPermission, 0)),
    ] {
        let outcome = driver.rmpupdate(at, gpa, state, count);
        assert_eq!(outcome, result, "{at:#x} {gpa:#x} {state:?} {count}");
    }
    let reclaim =
        |driver: &mut Driver, address| driver.call(Command::SnpPageReclaim, &Address { address });
    assert_eq!(
        reclaim(&mut driver, page | 1),
        refused(Status::InvalidPageSize)
    );
    assert_eq!(
        reclaim(&mut driver, page | 2),
        refused(Status::InvalidAddress)
    );
    assert_eq!(
        reclaim(&mut driver, page + PAGE),
        refused(Status::InvalidPageState)
    );
    let create = Address { address: page };
    driver.call(Command::SnpGctxCreate, &create).unwrap();
    assert_eq!(
        reclaim(&mut driver, page),
        refused(Status::InvalidPageState)
    );
    let outcome = driver.rmpupdate(page, 0, PageState::Shared, 1);
    assert_eq!(outcome, (FailPermission, 0));
    assert_eq!(
        driver.call(Command::SnpGctxCreate, &create),
        refused(Status::InvalidPageState)
    );
    driver.call(Command::SnpDecommission, &create).unwrap();
    assert_eq!(
        driver.call(Command::SnpDecommission, &create),
        refused(Status::InvalidGuest)
    );
    driver.reclaim(page).unwrap();
    // A page of a guest's is nobody's to write to.
    driver.rmpupdate(bar, 0, PageState::Guest(1), 1);
    let status = TioStatus {
        length: 16,
        status_paddr: bar,
        ..TioStatus::default()
    };
    assert_eq!(
        driver.call(Command::TioStatus, &status),
        refused(Status::InvalidAddress)
    );
    driver.rmpupdate(bar, 0, PageState::Shared, 1);
    driver.end();
}

#[test]
fn guests() {
    let mut driver = Driver::new();
    let page = driver.firmware_page();
    driver
        .call(Command::SnpGctxCreate, &Address { address: page })
        .unwrap();
    let mut start = LaunchStart {
        gctx_paddr: page,
        ..LaunchStart::default()
    };
    let finish = LaunchFinish {
        gctx_paddr: page,
        ..LaunchFinish::default()
    };
    let launch = Command::SnpLaunchStart;
    assert_eq!(driver.call(launch, &start), refused(Status::PolicyFailure));
    start.policy = 1 << 17 | 1 << 63;
    assert_eq!(driver.call(launch, &start), refused(Status::PolicyFailure));
    start.policy = 1 << 17;
    start.flags = 1;
    assert_eq!(driver.call(launch, &start), refused(Status::InvalidParam));
    start.flags = 0;
    let early = driver.call(Command::SnpLaunchFinish, &finish);
    assert_eq!(early, refused(Status::InvalidGuestState));
    driver.call(launch, &start).unwrap();
    assert_eq!(
        driver.call(launch, &start),
        refused(Status::InvalidGuestState)
    );
    for (asid, status) in [(0, Status::InvalidAsid), (513, Status::InvalidAsid)] {
        let activate = Activate {
            gctx_paddr: page,
            asid,
        };
        assert_eq!(
            driver.call(Command::SnpActivate, &activate),
            refused(status)
        );
    }
    let vm = driver.launch(9);
    let activate = Activate {
        gctx_paddr: page,
        asid: 9,
    };
    assert_eq!(
        driver.call(Command::SnpActivate, &activate),
        refused(Status::AsidOwned)
    );
    let nobody = LaunchStart {
        gctx_paddr: page + 64 * PAGE,
        ..start
    };
    assert_eq!(driver.call(launch, &nobody), refused(Status::InvalidGuest));
    driver.decommission(&vm).unwrap();
}

#[test]
fn buffers_of_conversations() {
    let mut driver = Driver::new();
    let device = driver.create();
    let good = driver.buffers;
    let page = Sla::page(driver.host.page()).unwrap();
    let firmware = Sla::page(driver.firmware_page()).unwrap();
    let empty = driver.host.page();
    driver.host.write(empty, &Sla::END.0.to_le_bytes());
    let endless = driver.host.page();
    let entries: Vec<u8> = (0..512).flat_map(|_| firmware.0.to_le_bytes()).collect();
    driver.host.write(endless, &entries);
    let nested = driver.host.page();
    driver
        .host
        .write(nested, &(Sla::list(endless).unwrap().0).to_le_bytes());
    let cases: [(SpdmCtrl, Status); 11] = [
        (
            SpdmCtrl {
                req: Sla::NULL,
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                req: Sla(good.req.0 | 4),
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                req: Sla(good.req.0 | 2),
                ..good
            },
            Status::InvalidAddress,
        ),
        (SpdmCtrl { req: page, ..good }, Status::InvalidPageState),
        (
            SpdmCtrl {
                resp: firmware,
                ..good
            },
            Status::InvalidPageState,
        ),
        (
            SpdmCtrl {
                scratch: page,
                ..good
            },
            Status::InvalidPageState,
        ),
        (
            SpdmCtrl {
                output: good.req,
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                output: Sla::list(empty).unwrap(),
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                output: Sla::list(endless).unwrap(),
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                output: Sla::list(nested).unwrap(),
                ..good
            },
            Status::InvalidAddress,
        ),
        (
            SpdmCtrl {
                output: Sla(firmware.0 | 1),
                ..good
            },
            Status::InvalidPageState,
        ),
    ];
    for (case, (buffers, status)) in cases.into_iter().enumerate() {
        let connect = Driver::connect_parameters(device, false)(buffers);
        let outcome = driver.call(Command::TioDevConnect, &connect);
        assert_eq!(outcome, refused(status), "{case}");
    }
    driver.connect(device).unwrap();
}

#[test]
fn contexts() {
    let mut driver = Driver::new();
    let device = driver.create();
    let mut create = DevCreate {
        length: size_of::<DevCreate>() as u32,
        device_id: RID as u16 + 8,
        ..DevCreate::default()
    };
    let command = Command::TioDevCreate;
    assert_eq!(
        driver.call(command, &create),
        refused(Status::InvalidAddress)
    );
    create.dev_ctx_sla = driver.buffer(4096, true);
    assert_eq!(
        driver.call(command, &create),
        refused(Status::IncorrectBufferLength)
    );
    create.dev_ctx_sla = driver.buffer(8192, false);
    assert_eq!(
        driver.call(command, &create),
        refused(Status::InvalidPageState)
    );
    create.dev_ctx_sla = device;
    assert_eq!(
        driver.call(command, &create),
        refused(Status::InvalidPageState)
    );
    create.dev_ctx_sla = driver.buffer(8192, true);
    for (id, segment, status) in [
        (RID as u16, 0, Status::InUse),
        (RID as u16 + 9, 0, Status::InvalidParam),
        (RID as u16 + 8, 1, Status::InvalidParam),
    ] {
        create.device_id = id;
        create.segment_id = segment;
        assert_eq!(driver.call(command, &create), refused(status));
    }
    let tdi = driver.create_tdi(device, 0).map(drop);
    assert_eq!(tdi, refused(Status::InvalidDevState));
    assert_eq!(
        driver.disconnect(device, false),
        refused(Status::InvalidDevState)
    );
    assert_eq!(
        driver.disconnect(device, true),
        refused(Status::InvalidDevState)
    );
    driver.connect(device).unwrap();
    assert_eq!(driver.connect(device), refused(Status::InvalidDevState));
    assert_eq!(
        driver.reclaim_device(device),
        refused(Status::InvalidDevState)
    );
    let other = Sla(device.0 ^ 1);
    assert_eq!(driver.connect(other), refused(Status::InvalidDevCtx));
    let tdi = driver.create_tdi(device, 0).unwrap();
    assert_eq!(
        driver.create_tdi(device, 0).map(drop),
        refused(Status::InvalidTdi)
    );
    assert_eq!(
        driver.create_tdi(device, 8).map(drop),
        refused(Status::InvalidTdi)
    );
    driver.disconnect(device, false).unwrap();
    assert_eq!(driver.reclaim_device(device), refused(Status::InUse));
    assert_eq!(
        driver.reclaim_tdi(other, tdi),
        refused(Status::InvalidDevCtx)
    );
    assert_eq!(
        driver.reclaim_tdi(device, other),
        refused(Status::InvalidTdiCtx)
    );
    driver.reclaim_tdi(device, tdi).unwrap();
    driver.reclaim_device(device).unwrap();
}

#[test]
fn streams() {
    let mut driver = Driver::new();
    let device = driver.create();
    let change = |change: fn(&mut DevConnect)| {
        move |buffers| {
            let mut connect = Driver::connect_parameters(device, true)(buffers);
            change(&mut connect);
            connect
        }
    };
    for parameters in [
        change(|connect| connect.tc_mask = 3),
        change(|connect| connect.tc_mask = 0),
        change(|connect| connect.ide_stream_id[0] = NO_STREAM),
        change(|connect| connect.ide_stream_id[7] = 1),
        change(|connect| connect.cert_slot = 8),
    ] {
        let outcome = driver.converse(Command::TioDevConnect, parameters);
        assert_eq!(outcome, refused(Status::InvalidParam));
    }
}

#[test]
fn binding() {
    let (mut driver, names, vm) = Driver::assigned();
    let [device, tdi] = names;
    let change = |change: fn(&mut TdiBind)| {
        let good = Driver::bind_parameters(names, &vm, 0);
        move |buffers| {
            let mut bind = good(buffers);
            change(&mut bind);
            bind
        }
    };
    for (parameters, status) in [
        (change(|bind| bind.run_flags = RUN), Status::InvalidTdiState),
        (change(|bind| bind.gctx_paddr += 1), Status::InvalidGuest),
        (
            change(|bind| bind.tdisp_lock_if_flags = 2),
            Status::InvalidParam,
        ),
        (
            change(|bind| bind.tdisp_lock_if_flags = LOCK_BIND_P2P),
            Status::Unsupported,
        ),
    ] {
        let outcome = driver.converse(Command::TioTdiBind, parameters);
        assert_eq!(outcome, refused(status));
    }
    let unbound = refused(Status::InvalidTdiState);
    assert_eq!(driver.unbind(names, &vm, false), unbound);
    assert_eq!(driver.unbind(names, &vm, true), unbound);
    assert_eq!(driver.report(names, &vm).map(drop), unbound);
    let lock = change(|bind| bind.tdisp_lock_if_flags = LOCK_NO_FW_UPDATE);
    driver.converse(Command::TioTdiBind, lock).unwrap();
    assert_eq!(driver.lock(names, &vm), unbound);
    assert_eq!(driver.reclaim_tdi(device, tdi), unbound);
    assert_eq!(driver.decommission(&vm), refused(Status::InUse));
    assert_eq!(driver.disconnect(device, false), refused(Status::InUse));
    let stranger = driver.launch(2);
    let outcome = driver.report(names, &stranger).map(drop);
    assert_eq!(outcome, refused(Status::InvalidGuest));
    assert_eq!(
        driver.unbind(names, &stranger, true),
        refused(Status::InvalidGuest)
    );
    assert_eq!(driver.run(names, &stranger), unbound);
    // Two TDIs of one guest have two names there.
    let second = driver.create_tdi(device, 1).unwrap();
    let outcome = driver.lock([device, second], &vm);
    assert_eq!(outcome, refused(Status::InvalidParam));
    driver.lock([device, second], &stranger).unwrap();
    driver.run(names, &vm).unwrap();
    assert_eq!(driver.run(names, &vm), unbound);
}

#[test]
fn fences() {
    let (mut driver, [device, _], vm) = Driver::assigned();
    let mut status = AsidFenceStatus {
        length: size_of::<AsidFenceStatus>() as u32,
        dev_ctx_sla: device,
        status_pa: driver.data,
        ..AsidFenceStatus::default()
    };
    let command = Command::TioAsidFenceStatus;
    assert_eq!(driver.call(command, &status), refused(Status::InvalidAsid));
    status.asid = 1;
    driver.call(command, &status).unwrap();
    status.status_pa = driver.command;
    assert_eq!(
        driver.call(command, &status),
        refused(Status::InvalidPageState)
    );
    let mut clear = AsidFenceClear {
        length: size_of::<AsidFenceClear>() as u32,
        dev_ctx_sla: device,
        gctx_paddr: vm.context + 1,
        ..AsidFenceClear::default()
    };
    let command = Command::TioAsidFenceClear;
    assert_eq!(driver.call(command, &clear), refused(Status::InvalidGuest));
    clear.gctx_paddr = vm.context;
    driver.call(command, &clear).unwrap();
}
