// SPDX-License-Identifier: GPL-2.0

//! The life of a TDI, and what there is to see of it.

use crate::host::{Host, PAGE, RID, STREAM};
use crate::vmm::{Vmm, FUNCTION, GPA, R8, RCX, RDX, SPDM};
use sha2::{Digest, Sha384};
use tdisp::interface_report::InterfaceReport;
use tdisp::State;
use tsm_wire::mailbox::Personality;
use tsm_wire::object::ObjectType;
use tsm_wire::tdx::devif::TdispCode;
use tsm_wire::tdx::ide::{Direction, IdeKmObject, KmParameters};
use tsm_wire::tdx::mmio::mmiomt_index;
use tsm_wire::tdx::status::Status;
use tsm_wire::tdx::{Leaf, StandIn, FEATURES0_TDXCONNECT, FIELD_FEATURES0, FIELD_TDCS_BASE_SIZE};

#[test]
fn features() {
    let mut vmm = Vmm::bare();
    let out = vmm.call(Leaf::SysRd, &[0, FIELD_FEATURES0]).unwrap();
    assert_ne!(out[R8] & FEATURES0_TDXCONNECT, 0);
    let out = vmm.call(Leaf::SysRd, &[0, FIELD_TDCS_BASE_SIZE]).unwrap();
    assert_eq!(out[R8], PAGE);
}

#[test]
fn life_of_a_tdi() {
    let mut vmm = Vmm::new();
    assert_eq!(vmm.counts(), [0, 0, 1, 2]);
    vmm.connect().unwrap();
    assert_eq!(vmm.counts(), [1, 0, 1, 7]);
    vmm.make_stream().unwrap();
    vmm.key().unwrap();
    assert_eq!(vmm.host.stream_status(), [0, 0]);
    vmm.host.stream_control(STREAM, true);
    assert_eq!(vmm.host.stream_status(), [2, 2]);

    let pages = vmm.bind().unwrap();
    assert_eq!(vmm.counts(), [1, 1, 1, 11]);
    vmm.dma().unwrap();
    let locked = vmm.lock().unwrap();
    assert_eq!(locked.code(), TdispCode::Locked as u64);
    assert_eq!(vmm.host.device_state(0), State::Locked);
    vmm.validate().unwrap();

    // Addresses are those that the host gave, no offset is on them.
    let report = InterfaceReport::decode(&vmm.report().unwrap()).unwrap();
    assert_eq!(report.ranges[0].address, vmm.host.bar(0, 0));
    assert_eq!(vmm.host.read(vmm.evidence, 2), [0x10, 0x04]);
    // It is there to be read again.
    assert!(!vmm.report().unwrap().is_empty());

    let address = vmm.host.bar(0, 2);
    vmm.mmio_tables(address).unwrap();
    for page in 0..4 {
        let (gpa, address) = (GPA + page * PAGE, address + page * PAGE);
        vmm.map(gpa, address).unwrap();
        vmm.guest(StandIn::MmioAccept, &[gpa, address]).unwrap();
    }
    vmm.guest(StandIn::DmarAccept, &[FUNCTION.into()]).unwrap();
    let started = vmm.start().unwrap();
    assert_eq!(started.code(), TdispCode::Started as u64);
    assert_eq!(vmm.host.device_state(0), State::Run);
    let state = vmm.ask(TdispCode::GetState).unwrap();
    assert_eq!(state.state(), 2);
    assert_eq!(vmm.guest_asks(TdispCode::GetState).unwrap().state(), 2);

    assert_eq!(vmm.stop().unwrap().code(), TdispCode::Stopped as u64);
    assert_eq!(vmm.host.device_state(0), State::Unlocked);
    vmm.no_dma().unwrap();
    for page in 0..4 {
        vmm.unmap(GPA + page * PAGE, address + page * PAGE).unwrap();
    }
    vmm.take_tables(Leaf::MmioMtRemove);
    let out = vmm.unbind().unwrap();
    assert_eq!([out[RCX], out[RDX], out[R8]], [pages[1], pages[2], vmm.tdr]);
    for page in pages {
        let hkid = crate::vmm::HKID;
        vmm.call(Leaf::PhymemPageWbinvd, &[page | hkid << 46])
            .unwrap();
    }
    assert_eq!(vmm.counts(), [1, 0, 1, 8]);

    for parameters in KmParameters::of_key_set(0) {
        vmm.key_message(IdeKmObject::KSetStop, parameters).unwrap();
    }
    assert_eq!(vmm.host.stream_status(), [0, 0]);
    vmm.disconnect().unwrap();
    assert_eq!(vmm.counts(), [0, 0, 1, 2]);
    vmm.tear_down();
    assert_eq!(vmm.counts(), [0; 4]);
}

#[test]
fn again_and_again() {
    let mut vmm = Vmm::keyed();
    for _ in 0..3 {
        vmm.bind().unwrap();
        for _ in 0..3 {
            vmm.dma().unwrap();
            vmm.lock().unwrap();
            vmm.validate().unwrap();
            vmm.guest(StandIn::DmarAccept, &[FUNCTION.into()]).unwrap();
            vmm.start().unwrap();
            vmm.stop().unwrap();
            vmm.no_dma().unwrap();
        }
        vmm.unbind().unwrap();
    }
    vmm.disconnect().unwrap();
    vmm.connect().unwrap();
    vmm.make_stream().unwrap();
    vmm.key().unwrap();
    vmm.host.stream_control(STREAM, true);
    assert_eq!(vmm.host.stream_status(), [2, 2]);
}

/// Evidence is that which the RMM gives of the same device.
#[test]
fn evidence() {
    let vmm = Vmm::connected();
    for object in [ObjectType::Vca, ObjectType::Certificate] {
        assert!(vmm.objects[&(object as u32)].len() > 16, "{object:?}");
    }
    let certificates = &vmm.objects[&(ObjectType::Certificate as u32)];
    let hash = Sha384::digest(certificates);
    for (word, bytes) in vmm.hash.iter().zip(hash.chunks(8)) {
        assert_eq!(word.to_le_bytes(), bytes);
    }
    let (_, kept) = Host::new().connect();
    let rmm = kept.object(tsm_wire::rmi::DevObject::Vca);
    let vca = &vmm.objects[&(ObjectType::Vca as u32)];
    assert_eq!(vca.len(), rmm.len());
}

#[test]
fn measurements() {
    let mut vmm = Vmm::connected();
    let nonce = vmm.host.page();
    vmm.host.write(nonce, &[9; 32]);
    let object = ObjectType::Measurement as u32;
    for (nonce, raw) in [(nonce, 0), (nonce, 1), (0, 0)] {
        vmm.objects.clear();
        vmm.provision(StandIn::TpaMeasure, [nonce, raw]).unwrap();
        assert_eq!(vmm.objects.keys().copied().collect::<Vec<_>>(), [object]);
        assert!(vmm.objects[&object].len() > 100);
    }
    // Many messages.
    vmm.host.set("measurement-bytes", "50000");
    let sent = vmm.sent;
    vmm.provision(StandIn::TpaMeasure, [nonce, 1]).unwrap();
    assert_eq!(vmm.objects[&object].len(), 50_000);
    assert!(vmm.sent - sent > 10);
}

#[test]
fn measurements_are_signed_for_their_nonce() {
    let fault = tsm_wire::detail::Detail {
        class: tsm_wire::detail::DetailClass::Authentication,
        value: tsm_wire::detail::AuthenticationFault::MeasurementSignature as u16,
    };
    let mut vmm = Vmm::locked();
    vmm.host.set("stale-nonce", "1");
    let outcome = vmm.provision(StandIn::TpaMeasure, [0, 0]);
    assert_eq!(outcome, Err(Status::tpa_failed(fault)));
    // The session is as good as before, and so is the lock.
    vmm.provision(StandIn::TpaMeasure, [0, 0]).unwrap();
    vmm.report().unwrap();
}

#[test]
fn late_answers() {
    let mut vmm = Vmm::locked();
    vmm.host.set("doe-late-ms", "300");
    vmm.report().unwrap();
}

/// An endpoint in the root complex has no link, and no keys.
#[test]
fn integrated_endpoint() {
    let mut vmm = Vmm::connected();
    let page = vmm.host.page();
    let (stream, last, first) = (u64::from(STREAM), RID + 7, RID);
    let arguments = [0, SPDM, stream, 0, last, first, 0, 0, 0, page];
    vmm.call(StandIn::IntegratedStream, &arguments).unwrap();
    let parameters = KmParameters {
        key_set: 0,
        direction: Direction::Receive,
        sub_stream: tsm_wire::tdx::ide::SubStream::Posted,
    };
    let refused = vmm.key_message(IdeKmObject::KeyProg, parameters);
    let status = Status::from_rax(refused.unwrap_err());
    assert_eq!(status, Ok(Status::IdeStreamNotSupported));
    vmm.bind().unwrap();
    vmm.lock().unwrap();
    vmm.stop().unwrap();
    vmm.unbind().unwrap();
    vmm.disconnect().unwrap();
    assert_eq!(vmm.counts(), [0, 0, 1, 2]);
}

/// Reads of the table of MMIO are of pages; tables that are used stay.
#[test]
fn tables_that_are_used() {
    let mut vmm = Vmm::locked();
    let address = vmm.host.bar(0, 2);
    vmm.mmio_tables(address).unwrap();
    vmm.map(GPA, address).unwrap();
    for level in 1..=5 {
        let index = mmiomt_index(level, address);
        let refused = vmm.call(Leaf::MmioMtRemove, &[index]).unwrap_err();
        assert_eq!(
            Status::from_rax(refused),
            Ok(Status::MmioInvalidPageMetadata)
        );
    }
}

#[test]
fn machine_reset() {
    let mut vmm = Vmm::running();
    vmm.host.platform.firmware_mut(Personality::Tdx).reset();
    assert_eq!(vmm.counts(), [0; 4]);
}
