// SPDX-License-Identifier: GPL-2.0

//! The whole life of TDIs, and the rules of the calls on the way.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod host;

use host::{Host, Tdi, PAGE, RID};
use tdisp::{ErrorCode, InterfaceReport, State};
use tsm_wire::detail::{Detail, DetailClass};
use tsm_wire::mailbox::Personality;
use tsm_wire::rmi::rtt::{RangeDesc, FLAG_OUTPUT_LIST, FLAG_OUTPUT_SINGLE};
use tsm_wire::rmi::{
    DevObject, Fid, PdevState, Status, VdevMeasureParams, VdevState, ABI_VERSION, FEATURE_DA,
    FEATURE_REGISTER_DA,
};
use zerocopy::{FromZeros, IntoBytes};

#[test]
fn discovery() {
    let mut host = Host::new();
    for (index, protocol, next) in [(0, 0, 1), (1, 1, 2), (2, 2, 0)] {
        for version in [0, 2] {
            let answer = host.exchange(0, &[index, version, 0, 0]).unwrap();
            assert_eq!(answer, [1, 0, protocol, next]);
        }
    }
    assert_eq!(host.exchange(0, &[3, 0, 0, 0]).unwrap()[..2], [0xff, 0xff]);
    // A type that is not there gets no answer; a secured message without a session one in the clear.
    assert_eq!(host.exchange(9, &[0; 4]), None);
    assert_eq!(host.exchange(2, &[0; 4]), None);
    let (kind, answer) = host.wire.last().unwrap();
    assert_eq!((*kind, answer[1]), (1, 0x7f));
}

#[test]
fn versions_and_features() {
    let mut host = Host::new();
    assert_eq!(
        host.call(Fid::Version, &[ABI_VERSION]),
        Ok([ABI_VERSION, ABI_VERSION, 0])
    );
    assert_eq!(
        host.call(Fid::Version, &[1 << 16]),
        Err((Status::ErrorInput, ABI_VERSION))
    );
    let [features, ..] = host.call(Fid::Features, &[FEATURE_REGISTER_DA]).unwrap();
    assert_ne!(features & FEATURE_DA, 0);
    assert_eq!(host.ring(0xc400_0151, &[0]), Some([u64::MAX, 0, 0, 0]));
    assert_eq!(host.ring(1, &[0]), Some([u64::MAX, 0, 0, 0]));
}

#[test]
fn connect() {
    let mut host = Host::new();
    let (pdev, kept) = host.connect();
    let vca = kept.object(DevObject::Vca);
    assert_eq!(vca[..8], [0x10, 0x84, 0, 0, 0x10, 0x04, 0, 0]);
    assert_eq!(vca.len(), 4 + 8 + 20 + 20 + 44 + 48);
    let certificates = kept.object(DevObject::Certificate);
    assert_eq!(certificates[..2], [0x30, 0x82]);
    assert!(certificates.len() > 4096, "{}", certificates.len());
    // Three to connect, digests, the chain in portions of 1 KiB, challenge, measurements, key
    // exchange and finish.
    assert_eq!(
        kept.sent,
        3 + 1 + (certificates.len() + 52).div_ceil(1024) + 4
    );
    assert!(host.device().session().is_some());
    host.disconnect(pdev);
    assert_eq!(host.device().session(), None);
    let counts = host.platform.counts();
    assert_eq!((counts.connections, counts.pages), (0, 0));
    // And again.
    let (pdev, _) = host.connect();
    host.disconnect(pdev);
}

#[test]
fn whole_life() {
    let (mut host, tdi) = Host::assigned();
    let [rd, pdev, _] = tdi.names;
    assert_eq!(host.device_state(0), State::Unlocked);

    let kept = host.run(Fid::VdevLock, tdi).unwrap();
    assert_eq!(kept.sent, 5);
    assert_eq!(host.state(tdi), VdevState::Locked);
    assert_eq!(host.device_state(0), State::Locked);

    let kept = host.run(Fid::VdevGetInterfaceReport, tdi).unwrap();
    assert!(kept.sent > 1, "the report comes in portions");
    let report = InterfaceReport::decode(kept.object(DevObject::InterfaceReport)).unwrap();
    let addresses: Vec<u64> = report.ranges.iter().map(|range| range.address).collect();
    assert_eq!(
        addresses,
        [host.bar(0, 0), host.bar(0, 0) + 0x8000, host.bar(0, 2)]
    );

    let digests = host.measure(tdi, false).unwrap();
    assert_eq!(digests.object(DevObject::Measurement).len(), 4 * 55);
    let raw = host.measure(tdi, true).unwrap();
    assert!(raw
        .object(DevObject::Measurement)
        .windows(8)
        .any(|text| text == b"firmware"));

    map(&mut host, tdi, 0x8000_0000, host_bar(2), 4).unwrap();
    host.run(Fid::VdevStart, tdi).unwrap();
    assert_eq!(host.state(tdi), VdevState::Started);
    assert_eq!(host.device_state(0), State::Run);
    let mut data = [0; 4];
    host.device().read_bar(0, 0, 0x8000, &mut data);
    assert_eq!(data, [0xff; 4]);
    host.device().read_bar(0, 0, 0, &mut data);
    assert_eq!(data, *b"TDI0");

    let mapped = host.call(Fid::VdevUnlock, &tdi.names);
    assert_eq!(mapped, Err((Status::ErrorGranule, host_bar(2))));
    assert_eq!(host.state(tdi), VdevState::Started);
    unmap(&mut host, rd, 0x8000_0000, 4);
    host.undelegate(host_bar(2), host_bar(2) + 0x4000).unwrap();

    host.run(Fid::VdevUnlock, tdi).unwrap();
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    assert_eq!(host.device_state(0), State::Unlocked);
    host.run(Fid::VdevLock, tdi).unwrap();
    assert_eq!(
        host.call(Fid::VdevDestroy, &tdi.names),
        Err((Status::ErrorDevice, 0))
    );
    host.run(Fid::VdevUnlock, tdi).unwrap();

    assert_eq!(
        host.call(Fid::RealmDestroy, &[rd]),
        Err((Status::ErrorRealm, 0))
    );
    assert_eq!(
        host.call(Fid::PdevStop, &[pdev]),
        Err((Status::ErrorDevice, 0))
    );
    host.unassign(tdi);
    host.call(Fid::RealmDestroy, &[rd]).unwrap();
    host.undelegate(rd, rd + PAGE).unwrap();
    host.disconnect(pdev);
    let counts = host.platform.counts();
    assert_eq!(
        (counts.connections, counts.tdis, counts.vms, counts.pages),
        (0, 0, 0, 0)
    );
}

fn host_bar(index: u64) -> u64 {
    0xfe00_0000 + index * 0x1_0000
}

fn map(host: &mut Host, tdi: Tdi, ipa: u64, base: u64, pages: u64) -> Result<(), host::Refused> {
    let [rd, _, vdev] = tdi.names;
    host.delegate(base, base + pages * PAGE)?;
    let (mut done, top) = (0, ipa + pages * PAGE);
    while done < pages {
        let at = base + done * PAGE;
        let output = RangeDesc {
            base: at,
            pages: pages - done,
        }
        .raw()
        .unwrap();
        let from = ipa + done * PAGE;
        let arguments = [rd, vdev, from, top, FLAG_OUTPUT_SINGLE, output];
        let [next, ..] = host.call(Fid::RttDevMap, &arguments)?;
        assert!(next > from && next <= top);
        done = (next - ipa) / PAGE;
    }
    Ok(())
}

fn unmap(host: &mut Host, rd: u64, ipa: u64, pages: u64) {
    let top = ipa + pages * PAGE;
    let mut next = ipa;
    while next < top {
        let [end, range, _] = host
            .call(Fid::RttDevUnmap, &[rd, next, top, FLAG_OUTPUT_SINGLE, 0])
            .unwrap();
        assert_eq!(RangeDesc::from_raw(range).unwrap().len(), end - next);
        next = end;
    }
}

#[test]
fn three_tdis() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let rd = host.realm();
    let tdis = [0, 1, 2].map(|function| host.assign(rd, pdev, function));
    for tdi in tdis {
        host.run(Fid::VdevLock, tdi).unwrap();
    }
    host.run(Fid::VdevStart, tdis[1]).unwrap();
    let states = [0, 1, 2].map(|function| host.device_state(function));
    assert_eq!(states, [State::Locked, State::Run, State::Locked]);
    let report = host.run(Fid::VdevGetInterfaceReport, tdis[2]).unwrap();
    let report = InterfaceReport::decode(report.object(DevObject::InterfaceReport)).unwrap();
    assert_eq!(report.ranges[0].address, host.bar(2, 0));

    // One conversation at a time with one device.
    host.call(Fid::VdevGetInterfaceReport, &tdis[0].names)
        .unwrap();
    host.call(Fid::VdevGetInterfaceReport, &tdis[1].names)
        .unwrap();
    let page = host.page();
    let mut enter = tsm_wire::rmi::DevCommEnter::new_zeroed();
    enter.req_addr = host.page();
    enter.resp_addr = host.page();
    host.write(page, enter.as_bytes());
    let with_page = |tdi: Tdi| [tdi.names[0], tdi.names[1], tdi.names[2], page];
    host.call(Fid::VdevCommunicate, &with_page(tdis[0]))
        .unwrap();
    let busy = host.call(Fid::VdevCommunicate, &with_page(tdis[1]));
    assert_eq!(busy, Err((Status::Busy, 0)));
    host.call(Fid::VdevAbort, &tdis[0].names).unwrap();
    // With the answer that was not waited for the session is lost, and with that every lock.
    for tdi in tdis {
        assert_eq!(host.state(tdi), VdevState::Error);
    }
    let failed = host.carry(Fid::VdevCommunicate, &tdis[1].names);
    let refused = Detail {
        class: DetailClass::Tdisp,
        value: ErrorCode::InvalidInterfaceState as u16,
    };
    assert_eq!(failed.map(drop), Err((Status::ErrorDevice, refused)));
    let states = [0, 1, 2].map(|function| host.device_state(function));
    assert_eq!(states, [State::Error; 3]);

    for tdi in tdis {
        host.run(Fid::VdevUnlock, tdi).unwrap();
        host.unassign(tdi);
    }
}

#[test]
fn granules() {
    let mut host = Host::new();
    let page = host.page();
    let input = |at| Err((Status::ErrorInput, at));
    assert_eq!(
        host.call(Fid::GranuleRangeDelegate, &[page + 1, page + PAGE]),
        input(page + 1)
    );
    assert_eq!(
        host.call(Fid::GranuleRangeDelegate, &[page, page]),
        input(page)
    );
    assert_eq!(
        host.call(Fid::GranuleRangeDelegate, &[0x5000, 0x6000]),
        input(0x5000)
    );
    assert_eq!(
        host.call(Fid::GranuleRangeDelegate, &[u64::MAX - 0xfff, 0]),
        input(u64::MAX - 0xfff)
    );
    assert_eq!(
        host.call(Fid::GranuleRangeUndelegate, &[page, page + PAGE]),
        input(page)
    );
    host.delegate(page, page + PAGE).unwrap();
    assert_eq!(
        host.call(Fid::GranuleRangeDelegate, &[page, page + PAGE]),
        input(page)
    );
    host.undelegate(page, page + PAGE).unwrap();
    // Device memory can be delegated as well, and not more than there is.
    let bar = host.bar(1, 0);
    host.delegate(bar, bar + 0x1_0000).unwrap();
    assert!(host.delegate(bar + 0x1_0000, bar + 0x1_1000).is_err());
    // A granule that is used is not given back, and one of the host's makes no object.
    let rd = host.realm();
    assert_eq!(
        host.call(Fid::GranuleRangeUndelegate, &[rd, rd + PAGE]),
        input(rd)
    );
    let (own, params) = (host.page(), host.page());
    assert_eq!(host.call(Fid::RealmCreate, &[own, params]), input(0));
    assert_eq!(host.call(Fid::RealmCreate, &[bar, params]), input(0));
    let delegated = host.delegated();
    assert_eq!(host.call(Fid::RealmCreate, &[delegated, rd]), input(0));
    host.write(params, &[0, 1]);
    assert_eq!(host.call(Fid::RealmCreate, &[delegated, params]), input(0));
}

#[test]
fn without_bus_mastering() {
    let mut host = Host::new();
    let (rd, params) = (host.delegated(), host.page());
    host.platform
        .firmware_mut(Personality::Rmm)
        .write_config(4, &2u16.to_le_bytes());
    assert_eq!(
        host.call(Fid::RealmCreate, &[rd, params]),
        Err((Status::ErrorInput, 0))
    );
    host.platform
        .firmware_mut(Personality::Rmm)
        .write_config(4, &6u16.to_le_bytes());
    host.call(Fid::RealmCreate, &[rd, params]).unwrap();
}

#[test]
fn pdev_parameters() {
    let mut host = Host::new();
    let (pdev, page) = (host.delegated(), host.page());
    let mut attempt = |change: &dyn Fn(&mut tsm_wire::rmi::PdevParams)| {
        let mut params = host.pdev_params();
        change(&mut params);
        host.write(page, params.as_bytes());
        host.call(Fid::PdevCreate, &[pdev, page]).unwrap_err().0
    };
    assert_eq!(attempt(&|p| p.flags |= 8), Status::ErrorInput);
    assert_eq!(attempt(&|p| p.flags = 2), Status::ErrorNotSupported);
    assert_eq!(attempt(&|p| p.rid_top = p.rid_base), Status::ErrorInput);
    assert_eq!(
        attempt(&|p| p.rid_top = p.rid_base + 17),
        Status::ErrorInput
    );
    assert_eq!(attempt(&|p| p.hash_algo = 3), Status::ErrorInput);
    // A root port has no functions.
    assert_eq!(attempt(&|p| p.flags = 0), Status::ErrorInput);
    assert_eq!(attempt(&|p| p.reserved[0xfbf] = 1), Status::ErrorInput);
    host.pdev();
    // The same device twice.
    host.write(page, host.pdev_params().as_bytes());
    assert_eq!(
        host.call(Fid::PdevCreate, &[pdev, page]),
        Err((Status::ErrorInput, 0))
    );
}

#[test]
fn vdev_parameters() {
    let mut host = Host::new();
    let (pdev, _) = host.connect();
    let rd = host.realm();
    let (vdev, page) = (host.delegated(), host.page());
    let mut attempt = |change: &dyn Fn(&mut tsm_wire::rmi::VdevParams)| {
        let mut params = host.vdev_params(1);
        change(&mut params);
        host.write(page, params.as_bytes());
        host.call(Fid::VdevCreate, &[rd, pdev, vdev, page])
            .map_err(|(status, _)| status)
    };
    let input = Err(Status::ErrorInput);
    assert_eq!(attempt(&|p| p.flags = 1), input);
    assert_eq!(attempt(&|p| p.reserved0 = 1), input);
    assert_eq!(attempt(&|p| p.reserved2[0] = 1), input);
    assert_eq!(attempt(&|p| p.tdi_id = RID - 1), input);
    assert_eq!(attempt(&|p| p.tdi_id = RID + 8), input);
    assert_eq!(attempt(&|p| p.num_addr_range = 9), input);
    assert_eq!(attempt(&|p| p.addr_range.swap(0, 1)), input);
    assert_eq!(
        attempt(&|p| p.addr_range[0].top = p.addr_range[0].base),
        input
    );
    assert_eq!(attempt(&|p| p.addr_range[0].base += 1), input);
    assert_eq!(attempt(&|_| ()), Ok([0; 3]));
    let first = host.vdev_params(1);
    let other = host.delegated();
    let mut attempt = |change: &dyn Fn(&mut tsm_wire::rmi::VdevParams)| {
        let mut params = host.vdev_params(2);
        change(&mut params);
        host.write(page, params.as_bytes());
        host.call(Fid::VdevCreate, &[rd, pdev, other, page])
            .map_err(|(status, _)| status)
    };
    assert_eq!(attempt(&|p| p.vdev_id = first.vdev_id), input);
    assert_eq!(attempt(&|p| p.tdi_id = first.tdi_id), input);
    assert_eq!(attempt(&|p| p.addr_range[0] = first.addr_range[2]), input);
    assert_eq!(attempt(&|_| ()), Ok([0; 3]));
}

#[test]
fn order_of_calls() {
    let (mut host, tdi) = Host::assigned();
    let [rd, pdev, vdev] = tdi.names;
    let refused = Err((Status::ErrorDevice, 0));
    let all = [
        Fid::VdevLock,
        Fid::VdevStart,
        Fid::VdevUnlock,
        Fid::VdevGetInterfaceReport,
    ];
    let check = |host: &mut Host, allowed: &[Fid]| {
        for fid in all {
            let outcome = host.call(fid, &tdi.names);
            assert_eq!(outcome.is_ok(), allowed.contains(&fid), "{fid:?}");
            match outcome {
                // What was not sent yet can be taken back.
                Ok(_) => drop(host.call(Fid::VdevAbort, &tdi.names).unwrap()),
                Err(error) => assert_eq!(Err::<(), _>(error), Err((Status::ErrorDevice, 0))),
            }
        }
        assert_eq!(host.call(Fid::VdevAbort, &tdi.names), refused);
    };
    check(&mut host, &[Fid::VdevLock]);
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    host.run(Fid::VdevLock, tdi).unwrap();
    check(
        &mut host,
        &[Fid::VdevStart, Fid::VdevUnlock, Fid::VdevGetInterfaceReport],
    );
    host.run(Fid::VdevStart, tdi).unwrap();
    check(&mut host, &[Fid::VdevUnlock, Fid::VdevGetInterfaceReport]);
    assert_eq!(host.state(tdi), VdevState::Started);

    // Names that do not belong together.
    let other = host.realm();
    assert_eq!(
        host.call(Fid::VdevUnlock, &[other, pdev, vdev]),
        Err((Status::ErrorInput, 0))
    );
    assert_eq!(
        host.call(Fid::VdevUnlock, &[rd, rd, vdev]),
        Err((Status::ErrorInput, 0))
    );
    assert_eq!(
        host.call(Fid::VdevUnlock, &[rd, pdev, vdev + 1]),
        Err((Status::ErrorInput, 0))
    );
    assert_eq!(
        host.call(Fid::VdevGetState, &[pdev]),
        Err((Status::ErrorInput, 0))
    );
    assert_eq!(
        host.call(Fid::PdevGetState, &[vdev]),
        Err((Status::ErrorInput, 0))
    );
    assert_eq!(
        host.call(Fid::PdevSetPubkey, &[pdev, 0]),
        Err((Status::ErrorNotSupported, 0))
    );

    // Two things at once.
    host.call(Fid::VdevUnlock, &tdi.names).unwrap();
    assert_eq!(host.call(Fid::VdevUnlock, &tdi.names), refused);
    let page = host.page();
    host.write(page, VdevMeasureParams::new_zeroed().as_bytes());
    assert_eq!(
        host.call(Fid::VdevGetMeasurements, &[rd, pdev, vdev, page]),
        refused
    );
    host.carry(Fid::VdevCommunicate, &tdi.names).unwrap();
    // Nothing to talk about.
    let outcome = host.carry(Fid::VdevCommunicate, &tdi.names).unwrap_err();
    assert_eq!(outcome.0, Status::ErrorDevice);
}

#[test]
fn communication_pages() {
    let (mut host, tdi) = Host::assigned();
    let [rd, pdev, vdev] = tdi.names;
    host.call(Fid::VdevLock, &tdi.names).unwrap();
    let (data, request, response) = (host.page(), host.page(), host.page());
    let delegated = host.delegated();
    let mut attempt = |data: u64, change: &dyn Fn(&mut tsm_wire::rmi::DevCommEnter)| {
        let mut enter = tsm_wire::rmi::DevCommEnter::new_zeroed();
        enter.req_addr = request;
        enter.resp_addr = response;
        change(&mut enter);
        host.write(data & !0xfff, enter.as_bytes());
        let outcome = host.call(Fid::VdevCommunicate, &[rd, pdev, vdev, data]);
        outcome.map(drop).map_err(|(status, _)| status)
    };
    let input = Err(Status::ErrorInput);
    assert_eq!(attempt(data + 8, &|_| ()), input);
    assert_eq!(attempt(delegated, &|_| ()), input);
    assert_eq!(attempt(data, &|e| e.req_addr += 1), input);
    assert_eq!(attempt(data, &|e| e.resp_addr = delegated), input);
    assert_eq!(attempt(data, &|e| e.resp_addr = 0), input);
    assert_eq!(attempt(data, &|e| e.status = 3), input);
    assert_eq!(attempt(data, &|e| e.resp_len = 4097), input);
    assert_eq!(attempt(data, &|e| e.reserved[0] = 1), input);
    assert_eq!(attempt(data, &|e| e.status = 1), input);
    let device = Err(Status::ErrorDevice);
    assert_eq!(
        attempt(data, &|e| {
            e.status = 1;
            e.resp_len = 4
        }),
        device
    );
    assert_eq!(attempt(data, &|e| e.status = 2), device);
    assert_eq!(attempt(data, &|_| ()), Ok(()));
    assert_eq!(attempt(data, &|_| ()), device);
    // None of that ended the communication.
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    host.call(Fid::VdevAbort, &tdi.names).unwrap();
    assert_eq!(host.state(tdi), VdevState::Error);
    host.unassign(tdi);
}

#[test]
fn device_memory() {
    let (mut host, tdi) = Host::locked();
    let [rd, pdev, vdev] = tdi.names;
    let (base, ipa) = (host.bar(0, 0), 0x4000_0000);
    let desc = |base, pages| RangeDesc { base, pages }.raw().unwrap();
    let attempt = |host: &mut Host, ipa, top, flags, output| {
        let outcome = host.call(Fid::RttDevMap, &[rd, vdev, ipa, top, flags, output]);
        outcome.map(|[end, ..]| end)
    };
    let single = FLAG_OUTPUT_SINGLE;
    let input = Err((Status::ErrorInput, 0));
    assert_eq!(attempt(&mut host, ipa, ipa + PAGE, single, 0), input);
    assert_eq!(
        attempt(&mut host, ipa + 1, ipa + 1 + PAGE, single, desc(base, 1)),
        input
    );
    assert_eq!(
        attempt(&mut host, ipa, ipa + PAGE, single, desc(base, 2)),
        input
    );
    assert_eq!(
        attempt(&mut host, ipa, ipa + PAGE, FLAG_OUTPUT_LIST, desc(base, 1)),
        input
    );
    assert_eq!(
        attempt(
            &mut host,
            ipa,
            ipa + PAGE,
            single,
            desc(host_bar(0) + 0x10_0000, 1)
        ),
        input
    );
    let beyond = desc(base + 0x1_0000 - PAGE, 2);
    assert_eq!(
        attempt(&mut host, ipa, ipa + 2 * PAGE, single, beyond),
        input
    );
    let not_delegated = Err((Status::ErrorGranule, base));
    assert_eq!(
        attempt(&mut host, ipa, ipa + PAGE, single, desc(base, 1)),
        not_delegated
    );

    map(&mut host, tdi, ipa, base, 16).unwrap();
    let twice = host.call(
        Fid::RttDevMap,
        &[rd, vdev, ipa, ipa + PAGE, single, desc(base, 1)],
    );
    assert_eq!(twice, Err((Status::ErrorRtt, ipa)));
    let elsewhere = attempt(&mut host, ipa * 2, ipa * 2 + PAGE, single, desc(base, 1));
    assert_eq!(elsewhere, Err((Status::ErrorGranule, base)));
    assert_eq!(
        host.call(Fid::GranuleRangeUndelegate, &[base, base + PAGE]),
        Err((Status::ErrorInput, base))
    );
    unmap(&mut host, rd, ipa, 16);
    let nothing = host.call(Fid::RttDevUnmap, &[rd, ipa, ipa + PAGE, single, 0]);
    assert_eq!(nothing, Err((Status::ErrorRtt, ipa)));

    host.run(Fid::VdevUnlock, tdi).unwrap();
    let unlocked = attempt(&mut host, ipa, ipa + PAGE, single, desc(base, 1));
    assert_eq!(unlocked, Err((Status::ErrorDevice, 0)));
    assert_eq!(host.pdev_state(pdev), PdevState::Ready);
}

/// Whoever asks for it to be unlocked says that nothing is mapped any more.
#[test]
fn no_mapping_while_it_is_unlocked() {
    let (mut host, tdi) = Host::locked();
    let (base, ipa) = (host.bar(0, 0), 0x4000_0000);
    host.delegate(base, base + PAGE).unwrap();
    host.call(Fid::VdevUnlock, &tdi.names).unwrap();
    let [rd, _, vdev] = tdi.names;
    let output = RangeDesc { base, pages: 1 }.raw().unwrap();
    let arguments = [rd, vdev, ipa, ipa + PAGE, FLAG_OUTPUT_SINGLE, output];
    let refused = host.call(Fid::RttDevMap, &arguments);
    assert_eq!(refused, Err((Status::ErrorDevice, 0)));
    host.carry(Fid::VdevCommunicate, &tdi.names).unwrap();
    assert_eq!(host.state(tdi), VdevState::Unlocked);
    let mapped = host.call(
        Fid::RttDevUnmap,
        &[rd, ipa, ipa + PAGE, FLAG_OUTPUT_SINGLE, 0],
    );
    assert_eq!(mapped, Err((Status::ErrorRtt, ipa)));
}

#[test]
fn machine_reset() {
    let (mut host, tdi) = Host::started();
    host.device().reset(0);
    assert_eq!(host.device_state(0), State::Unlocked);
    host.platform.reset_firmware(Personality::Rmm);
    let counts = host.platform.counts();
    assert_eq!(
        (counts.connections, counts.tdis, counts.vms, counts.pages),
        (0, 0, 0, 0)
    );
    assert_eq!(
        host.call(Fid::VdevGetState, &[tdi.names[2]]),
        Err((Status::ErrorInput, 0))
    );
}
