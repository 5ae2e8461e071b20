// SPDX-License-Identifier: GPL-2.0

//! Calls in the wrong order, of what is somebody else's, and with operands that are none.

use crate::host::{PAGE, STREAM};
use crate::vmm::{Vmm, FUNCTION, GPA, HKID, SPDM};
use tsm_wire::tdx::devif::{devifmt_index, request, TdispCode, NO_FW_UPDATE, TD_FLAG};
use tsm_wire::tdx::dmar::{
    invalidate_subject, pasid_entry, INVALIDATE_PASID_ENTRY, PASID_TABLE_ENTRY, WAIT_DESCRIPTOR,
};
use tsm_wire::tdx::ide::{IdeKmObject, KmParameters};
use tsm_wire::tdx::mmio::{mmiomt_data, mmiomt_index};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::{Call, Leaf, StandIn};

const FUNCTION_U64: u64 = FUNCTION as u64;

fn refused<T: std::fmt::Debug>(outcome: Result<T, u64>, status: Status, operand: Operand) {
    let is = outcome.unwrap_err();
    assert_eq!(
        is,
        status.of(operand),
        "{is:#x}, not {status:?} {operand:?}"
    );
}

fn refused_plainly<T: std::fmt::Debug>(outcome: Result<T, u64>, status: Status) {
    let is = outcome.unwrap_err();
    assert_eq!(is, status.raw(), "{is:#x}, not {status:?}");
}

#[test]
fn unknown_leaves() {
    let mut vmm = Vmm::bare();
    let x0 = [0, 2, 137 | 1 << 16, 137 | 1 << 63, 66, 1 << 62, u64::MAX];
    for x0 in x0 {
        let out = vmm.ring(x0, &[]);
        assert_eq!(out[0], Status::OperandInvalid.of(Operand::Rax), "{x0:#x}");
    }
    let out = vmm.call(Leaf::SysRd, &[0, 1]);
    refused(out, Status::MetadataFieldIdIncorrect, Operand::Rdx);
}

#[test]
fn td_in_the_wrong_order() {
    let mut vmm = Vmm::bare();
    let (tdr, tdcx, page) = (vmm.tdr, vmm.tdcx, vmm.host.page());
    let incorrect = Status::PageMetadataIncorrect;
    refused(
        vmm.call(Leaf::MngKeyConfig, &[tdr]),
        incorrect,
        Operand::Rcx,
    );
    for hkid in [0, 1, 64, 0x1_0002] {
        let out = vmm.call(Leaf::MngCreate, &[tdr, hkid]);
        refused(out, Status::OperandInvalid, Operand::Rdx);
    }
    vmm.call(Leaf::MngCreate, &[tdr, HKID]).unwrap();
    let again = vmm.call(Leaf::MngCreate, &[tdr, HKID + 1]);
    refused(again, incorrect, Operand::Rcx);
    let taken = vmm.call(Leaf::MngCreate, &[page, HKID]);
    refused_plainly(taken, Status::HkidNotFree);
    let early = vmm.call(Leaf::MngAddcx, &[tdcx, tdr]);
    refused_plainly(early, Status::TdKeysNotConfigured);
    vmm.call(Leaf::MngKeyConfig, &[tdr]).unwrap();
    let again = vmm.call(Leaf::MngKeyConfig, &[tdr]);
    refused_plainly(again, Status::KeyStateIncorrect);
    let early = vmm.call(Leaf::MrFinalize, &[tdr]);
    refused_plainly(early, Status::TdcsNotAllocated);
    vmm.call(Leaf::MngAddcx, &[tdcx, tdr]).unwrap();
    let more = vmm.call(Leaf::MngAddcx, &[page, tdr]);
    refused_plainly(more, Status::TdcxNumIncorrect);
    let early = vmm.call(Leaf::MrFinalize, &[tdr]);
    refused_plainly(early, Status::OpStateIncorrect);
    // Zeroes are no parameters.
    let out = vmm.call(Leaf::MngInit, &[tdr, page]);
    refused(out, Status::OperandInvalid, Operand::Xfam);
    let early = vmm.call(Leaf::PhymemPageReclaim, &[tdr]);
    refused_plainly(early, Status::LifecycleStateIncorrect);
    let early = vmm.call(Leaf::MngKeyFreeid, &[tdr]);
    refused_plainly(early, Status::LifecycleStateIncorrect);
    let early = vmm.call(Leaf::PhymemCacheWb, &[0]);
    refused_plainly(early, Status::NoHkidReadyToWbcache);
    vmm.call(Leaf::MngVpflushdone, &[tdr]).unwrap();
    let early = vmm.call(Leaf::MngKeyFreeid, &[tdr]);
    refused_plainly(early, Status::WbcacheNotComplete);
    vmm.call(Leaf::PhymemCacheWb, &[0]).unwrap();
    vmm.call(Leaf::MngKeyFreeid, &[tdr]).unwrap();
    let early = vmm.call(Leaf::PhymemPageReclaim, &[tdr]);
    refused_plainly(early, Status::TdAssociatedPagesExist);
    // Its key ID can be another's.
    vmm.call(Leaf::MngCreate, &[page, HKID]).unwrap();
    vmm.call(Leaf::PhymemPageReclaim, &[tdcx]).unwrap();
    vmm.call(Leaf::PhymemPageReclaim, &[tdr]).unwrap();
    let gone = vmm.call(Leaf::PhymemPageReclaim, &[tdr]);
    refused(gone, incorrect, Operand::Rcx);
}

#[test]
fn td_with_a_device_stays() {
    let mut vmm = Vmm::bound();
    let tdr = vmm.tdr;
    let out = vmm.call(Leaf::MngVpflushdone, &[tdr]);
    refused_plainly(out, Status::TdHasAttachedDevices);
}

#[test]
fn session_in_the_wrong_order() {
    let mut vmm = Vmm::new();
    let page = vmm.host.page();
    let absent = vmm.call(Leaf::SpdmDelete, &[0, SPDM]);
    refused(absent, Status::SpdmEntryNotPresent, Operand::Rdx);
    let absent = vmm.provision(StandIn::TpaConnect, [FUNCTION_U64, 0]);
    refused(absent, Status::SpdmEntryNotPresent, Operand::Rdx);
    let other = vmm.call(Leaf::SpdmCreate, &[1, SPDM, page]);
    refused(other, Status::IommuInvalidState, Operand::Rcx);
    let out = vmm.call(Leaf::SpdmCreate, &[128, SPDM, page]);
    refused(out, Status::OperandInvalid, Operand::Rcx);
    let out = vmm.call(Leaf::SpdmCreate, &[0, 256, page]);
    refused(out, Status::OperandInvalid, Operand::Rdx);
    vmm.call(Leaf::SpdmCreate, &[0, SPDM, page]).unwrap();
    let other = vmm.host.page();
    let again = vmm.call(Leaf::SpdmCreate, &[0, SPDM, other]);
    refused(again, Status::SpdmEntryAlreadyPresent, Operand::Rdx);
    for call in [StandIn::TpaMeasure, StandIn::TpaDisconnect] {
        let early = vmm.provision(call, [0, 0]);
        refused(early, Status::SpdmInvalidState, Operand::Rdx);
    }
    let operands = Vmm::stream_operands(other);
    let early = vmm.call(Leaf::IdeStreamCreate, &operands);
    refused(early, Status::SpdmInvalidState, Operand::Rdx);
    vmm.provision(StandIn::TpaConnect, [FUNCTION_U64, 0])
        .unwrap();
    let again = vmm.provision(StandIn::TpaConnect, [FUNCTION_U64, 0]);
    refused(again, Status::SpdmInvalidState, Operand::Rdx);
    vmm.make_stream().unwrap();
    let used = vmm.call(Leaf::SpdmDelete, &[0, SPDM]);
    refused(used, Status::SpdmHasActiveIdeStreams, Operand::Rdx);
}

#[test]
fn stream_operands() {
    let mut vmm = Vmm::connected();
    let page = vmm.host.page();
    let wrong: [(usize, u64, Status, Operand); 11] = [
        (0, 1, Status::IommuInvalidState, Operand::Rcx),
        (1, 300, Status::OperandInvalid, Operand::Rdx),
        (1, 8, Status::SpdmEntryNotPresent, Operand::Rdx),
        (2, 0, Status::OperandInvalid, Operand::R8),
        (
            2,
            1 << 31 | 0x99 << 8,
            Status::IommuRpNotConfigured,
            Operand::R8,
        ),
        (3, 1, Status::OperandInvalid, Operand::R9),
        (4, 1 << 30, Status::OperandInvalid, Operand::R10),
        (5, 0x100 << 8, Status::OperandInvalid, Operand::R11),
        (6, 0, Status::OperandInvalid, Operand::R12),
        (8, 1 << 40, Status::OperandInvalid, Operand::R14),
        (9, 1, Status::OperandInvalid, Operand::R15),
    ];
    for (index, value, status, operand) in wrong {
        let mut operands = Vmm::stream_operands(page);
        operands[index] = value;
        let out = vmm.call(Leaf::IdeStreamCreate, &operands);
        refused(out, status, operand);
    }
    vmm.call(Leaf::IdeStreamCreate, &Vmm::stream_operands(page))
        .unwrap();
    let other = vmm.host.page();
    let again = vmm.call(Leaf::IdeStreamCreate, &Vmm::stream_operands(other));
    refused(again, Status::OperandInvalid, Operand::R8);
}

#[test]
fn stream_in_the_wrong_order() {
    let mut vmm = Vmm::connected();
    let stream = u64::from(STREAM);
    for leaf in [Leaf::IdeStreamBlock, Leaf::IdeStreamDelete] {
        let absent = vmm.call(leaf, &[0, stream]);
        refused(absent, Status::IdeStreamNotConfigured, Operand::Rdx);
    }
    vmm.make_stream().unwrap();
    let mut keys = KmParameters::of_key_set(0);
    let first = keys.next().unwrap();
    let early = vmm.key_message(IdeKmObject::KSetGo, first);
    refused(early, Status::IdeStreamIdekmKeysNotReady, Operand::Rdx);
    let answer = vmm.answer;
    let early = vmm.call(Leaf::IdeStreamIdekmrsp, &[0, stream, answer]);
    refused(early, Status::IdeStreamIdekmInvalidResponse, Operand::Rdx);
    let (parameters, slot, page) = (first.raw(), first.slot(STREAM), vmm.request);
    for (operands, operand) in [
        ([0, stream, 3, parameters, slot, page], Operand::R8),
        ([0, stream, 2, 0x30, slot, page], Operand::R9),
        ([0, stream, 2, parameters, 96, page], Operand::R10),
        ([0, stream, 5, parameters, 1, page], Operand::R10),
        ([0, stream, 2, parameters, slot, page + 8], Operand::R11),
    ] {
        let out = vmm.call(Leaf::IdeStreamIdekmreq, &operands);
        refused(out, Status::OperandInvalid, operand);
    }
    let request = [0, stream, 2, parameters, slot, page];
    vmm.call(Leaf::IdeStreamIdekmreq, &request).unwrap();
    let twice = vmm.call(Leaf::IdeStreamIdekmreq, &request);
    refused(twice, Status::IdeStreamIdekmOutreq, Operand::Rdx);
    vmm.converse(Leaf::IdeStreamIdekmrsp, &[0, stream, answer])
        .unwrap();
    vmm.key().unwrap();
    let early = vmm.call(Leaf::IdeStreamDelete, &[0, stream]);
    refused(early, Status::IdeStreamNotBlocked, Operand::Rdx);
    vmm.bind().unwrap();
    let used = vmm.key_message(IdeKmObject::KSetStop, first);
    refused(used, Status::IdeStreamHasDeviceInterfaces, Operand::Rdx);
    vmm.call(Leaf::IdeStreamBlock, &[0, stream]).unwrap();
    let twice = vmm.call(Leaf::IdeStreamBlock, &[0, stream]);
    refused(twice, Status::IdeStreamBlocked, Operand::Rdx);
    let used = vmm.call(Leaf::IdeStreamDelete, &[0, stream]);
    refused(used, Status::IdeStreamHasDeviceInterfaces, Operand::Rdx);
    let late = vmm.key_message(IdeKmObject::KeyProg, first);
    refused(late, Status::IdeStreamBlocked, Operand::Rdx);
    vmm.unbind().unwrap();
    vmm.call(Leaf::IdeStreamDelete, &[0, stream]).unwrap();
}

#[test]
fn device_interface_in_the_wrong_order() {
    let mut vmm = Vmm::keyed();
    let page = vmm.request;
    let absent = vmm.unbind();
    refused(absent, Status::DevifmtNotPresent, Operand::Rcx);
    let absent = vmm.lock();
    refused(absent, Status::DevifmtNotPresent, Operand::Rcx);
    vmm.bind().unwrap();
    let again = vmm.bind();
    refused(again, Status::DevifmtAlreadyPresent, Operand::Rcx);
    for level in 1..=4 {
        let index = devifmt_index(level, FUNCTION.into());
        let used = vmm.call(Leaf::DevifMtRemove, &[index]);
        refused(used, Status::DevifInvalidMetadata, Operand::Rcx);
    }
    for wrong in [
        request(TdispCode::Start),
        request(TdispCode::GetReport),
        request(TdispCode::Stop) | NO_FW_UPDATE,
        request(TdispCode::Lock) | 1 << 9,
        request(TdispCode::Stop) | TD_FLAG,
        0,
    ] {
        let out = vmm.call(Leaf::DevifRequest, &[FUNCTION_U64, wrong, page]);
        refused(out, Status::OperandInvalid, Operand::Rdx);
    }
    let out = vmm.call(Leaf::DevifRequest, &[FUNCTION_U64, TD_FLAG, page]);
    refused(out, Status::DevifTdispInvalidReqSts, Operand::Rcx);
    let answer = vmm.answer;
    let early = vmm.call(Leaf::DevifResponse, &[FUNCTION_U64, answer, 0]);
    refused(early, Status::DevifTdispOutReq, Operand::Rcx);
    // Not validated yet.
    let early = vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x86]);
    refused(early, Status::DevifInvalidState, Operand::Rcx);
    let early = vmm.guest(StandIn::DmarAccept, &[FUNCTION_U64]);
    refused(early, Status::DevifInvalidState, Operand::Rcx);

    let lock = [FUNCTION_U64, request(TdispCode::Lock), page];
    vmm.call(Leaf::DevifRequest, &lock).unwrap();
    let twice = vmm.call(Leaf::DevifRequest, &lock);
    refused(twice, Status::DevifTdispOutReq, Operand::Rcx);
    let out = vmm.call(Leaf::DevifResponse, &[FUNCTION_U64, answer | TD_FLAG, 0]);
    refused(out, Status::DevifTdispInvalidReqSts, Operand::Rdx);
    vmm.converse(Leaf::DevifResponse, &[FUNCTION_U64, answer, 0])
        .unwrap();
    let hash = vmm.hash;
    vmm.hash[3] ^= 1;
    let out = vmm.validate();
    refused(out, Status::DevifPkhMismatch, Operand::Rdx);
    vmm.hash = hash;
    vmm.validate().unwrap();
    let again = vmm.validate();
    refused(again, Status::DevifAlreadyValid, Operand::Rcx);
    let out = vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x83]);
    refused(out, Status::OperandInvalid, Operand::Rdx);
    let early = vmm.guest(StandIn::DevifResponse, &[FUNCTION_U64, 0]);
    refused(early, Status::DevifTdispInvalidReqSts, Operand::Rcx);
    // No DMA was added.
    let out = vmm.guest(StandIn::DmarAccept, &[FUNCTION_U64]);
    refused(out, Status::DmarInvalidMappingState, Operand::Dmar);
    let early = vmm.unbind();
    refused(early, Status::DevifInvalidState, Operand::Rcx);
    // The guest's request waits for the host; its own does not.
    vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x84])
        .unwrap();
    let twice = vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x84]);
    refused(twice, Status::DevifTdispInvalidReqSts, Operand::Rcx);
    vmm.ask(TdispCode::GetState).unwrap();
    vmm.ask_for_guest().unwrap();
    vmm.guest(StandIn::DevifResponse, &[FUNCTION_U64, 0])
        .unwrap();
    vmm.stop().unwrap();
    vmm.unbind().unwrap();
}

#[test]
fn other_td() {
    let mut vmm = Vmm::locked();
    let [tdr, tdcx] = [vmm.host.page(), vmm.host.page()];
    let none = vmm.guest_of(tdr, StandIn::DmarAccept, &[FUNCTION_U64]);
    refused(none, Status::PageMetadataIncorrect, Operand::Tdr);
    vmm.build_of(tdr, tdcx, HKID + 1);
    for (call, arguments) in [
        (StandIn::DmarAccept, [FUNCTION_U64, 0]),
        (StandIn::DevifRequest, [FUNCTION_U64, 0x84]),
        (StandIn::DevifResponse, [FUNCTION_U64, 0]),
        (StandIn::DevifValidate, [FUNCTION_U64, 0]),
    ] {
        let out = vmm.guest_of(tdr, call, &arguments);
        refused(out, Status::DevifInvalidMetadata, Operand::Rcx);
    }
    let address = vmm.host.bar(0, 2);
    vmm.mmio_tables(address).unwrap();
    let index = mmiomt_index(0, address);
    let data = mmiomt_data(FUNCTION.into());
    vmm.call(Leaf::MmioMtSet, &[index, data]).unwrap();
    let out = vmm.call(Leaf::MmioMap, &[GPA, tdr, address]);
    refused(out, Status::MmioDevifOwnerMismatch, Operand::Rdx);
    vmm.call(Leaf::MmioMap, &[GPA, vmm.tdr, address]).unwrap();
    let out = vmm.guest_of(tdr, StandIn::MmioAccept, &[GPA, address]);
    refused(out, Status::EptWalkFailed, Operand::Rcx);
    let out = vmm.call(Leaf::MmioBlock, &[GPA, tdr]);
    refused(out, Status::EptEntryStateIncorrect, Operand::Rcx);
}

#[test]
fn mmio_in_the_wrong_order() {
    let mut vmm = Vmm::locked();
    let (tdr, address, page) = (vmm.tdr, vmm.host.bar(0, 2), vmm.host.page());
    let index = |level| mmiomt_index(level, address);
    let data = mmiomt_data(FUNCTION.into());
    for level in 1..5 {
        let early = vmm.call(Leaf::MmioMtAdd, &[index(level), page]);
        refused(early, Status::MmiomtNotPresent, Operand::Rcx);
    }
    let early = vmm.call(Leaf::MmioMtSet, &[index(0), data]);
    refused(early, Status::MmiomtNotPresent, Operand::Rcx);
    let early = vmm.call(Leaf::MmioMap, &[GPA, tdr, address]);
    refused(early, Status::MmiomtNotPresent, Operand::Rcx);
    vmm.mmio_tables(address).unwrap();
    let again = vmm.call(Leaf::MmioMtAdd, &[index(1), page]);
    refused(again, Status::MmioInvalidPageMetadata, Operand::Rcx);
    let early = vmm.call(Leaf::MmioMap, &[GPA, tdr, address]);
    refused(early, Status::MmioInvalidPageMetadata, Operand::Rcx);
    let nobody = vmm.call(Leaf::MmioMtSet, &[index(0), mmiomt_data(0x999)]);
    refused(nobody, Status::DevifmtNotPresent, Operand::Rdx);
    vmm.call(Leaf::MmioMtSet, &[index(0), data]).unwrap();
    let again = vmm.call(Leaf::MmioMtSet, &[index(0), data]);
    refused(again, Status::MmioInvalidPageMetadata, Operand::Mmiomt);
    for gpa in [GPA + 1, 1 << 47] {
        let out = vmm.call(Leaf::MmioMap, &[gpa, tdr, address]);
        refused(out, Status::OperandInvalid, Operand::Rcx);
    }
    let early = vmm.call(Leaf::MmioBlock, &[GPA, tdr]);
    refused(early, Status::EptEntryStateIncorrect, Operand::Rcx);
    vmm.call(Leaf::MmioMap, &[GPA, tdr, address]).unwrap();
    let twice = vmm.call(Leaf::MmioMap, &[GPA + PAGE, tdr, address]);
    refused(twice, Status::MmioInvalidPageMetadata, Operand::Rcx);
    let used = vmm.call(Leaf::MmioMtSet, &[index(0), 0]);
    refused(used, Status::MmioInvalidPageMetadata, Operand::Mmiomt);
    // The report speaks of another page.
    let wrong = vmm.guest(StandIn::MmioAccept, &[GPA, address + PAGE]);
    refused(wrong, Status::MmioInvalidHpaOffset, Operand::Rcx);
    vmm.guest(StandIn::MmioAccept, &[GPA, address]).unwrap();
    let again = vmm.guest(StandIn::MmioAccept, &[GPA, address]);
    refused_plainly(again, Status::PageAlreadyAccepted);
    let early = vmm.call(Leaf::MmioUnmap, &[GPA, tdr]);
    refused(early, Status::GpaRangeNotBlocked, Operand::Rcx);
    vmm.call(Leaf::MmioBlock, &[GPA, tdr]).unwrap();
    let early = vmm.call(Leaf::MmioUnmap, &[GPA, tdr]);
    refused(early, Status::TlbTrackingNotDone, Operand::Rcx);
    vmm.call(Leaf::MemTrack, &[tdr]).unwrap();
    let early = vmm.call(Leaf::MmioUnmap, &[GPA, tdr]);
    refused(early, Status::DevifTdispInvalidState, Operand::Rcx);
    vmm.stop().unwrap();
    let early = vmm.unbind();
    refused(early, Status::DevifHasMappedMmio, Operand::Rcx);
    vmm.call(Leaf::MmioUnmap, &[GPA, tdr]).unwrap();
    vmm.unbind().unwrap();
}

/// Memory is no MMIO, and another device's is not this one's.
#[test]
fn mmio_of_others() {
    let mut vmm = Vmm::locked();
    let memory = vmm.host.page();
    let other = vmm.host.bar_of(1, 0, 0);
    for address in [memory, other] {
        vmm.take_tables(Leaf::MmioMtRemove);
        vmm.mmio_tables(address).unwrap();
        let out = vmm.map(GPA, address);
        refused(out, Status::MmioPageNotInAssocRange, Operand::R8);
        let index = mmiomt_index(0, address);
        vmm.call(Leaf::MmioMtSet, &[index, 0]).unwrap();
    }
}

#[test]
fn dma_in_the_wrong_order() {
    let mut vmm = Vmm::bound();
    let index = pasid_entry(0, FUNCTION);
    let [low, high] = PASID_TABLE_ENTRY;
    for leaf in [Leaf::DmarBlock, Leaf::DmarRemove] {
        let absent = vmm.call(leaf, &[index]);
        refused(absent, Status::DmarInvalidMappingState, Operand::Rcx);
    }
    // The host has no say in whether it is present, and in where the tables are.
    let present = vmm.call(Leaf::DmarAdd, &[index, low | 1, high]);
    refused(present, Status::OperandInvalid, Operand::Rdx);
    let table = vmm.call(Leaf::DmarAdd, &[index, low | 0x1000, high]);
    refused(table, Status::OperandInvalid, Operand::Rdx);
    let out = vmm.call(Leaf::DmarAdd, &[index, low, high, 1]);
    refused(out, Status::OperandInvalid, Operand::R9);
    let out = vmm.call(Leaf::DmarAdd, &[index | 1, low, high]);
    refused(out, Status::OperandInvalid, Operand::Rcx);
    vmm.dma().unwrap();
    let again = vmm.dma();
    refused(again, Status::DmarInvalidMappingState, Operand::Rcx);
    let early = vmm.call(Leaf::DmarRemove, &[index]);
    refused(early, Status::DmarInvalidMappingState, Operand::Rcx);
    vmm.lock().unwrap();
    vmm.validate().unwrap();
    vmm.guest(StandIn::DmarAccept, &[FUNCTION_U64]).unwrap();
    let again = vmm.guest(StandIn::DmarAccept, &[FUNCTION_U64]);
    refused(again, Status::DmarInvalidMappingState, Operand::Dmar);
    vmm.stop().unwrap();
    let early = vmm.unbind();
    refused(early, Status::DevifHasMappedDma, Operand::Rcx);
    let (subject, page) = (invalidate_subject(FUNCTION), vmm.host.page());
    let invalidate = [0, INVALIDATE_PASID_ENTRY, subject, WAIT_DESCRIPTOR, page];
    let early = vmm.call(Leaf::IqInvRequest, &invalidate);
    refused(early, Status::DmarInvalidMappingState, Operand::R8);
    vmm.call(Leaf::DmarBlock, &[index]).unwrap();
    let early = vmm.call(Leaf::DmarRemove, &[index]);
    refused(early, Status::DmarInvalidInvState, Operand::Rcx);
    for (number, value, operand) in [
        (1, 3, Operand::Rdx),
        (1, 6, Operand::Rdx),
        (3, 0, Operand::R9),
        (4, page + 1, Operand::R10),
        (4, vmm.tdr, Operand::R10),
    ] {
        let mut arguments = invalidate;
        arguments[number] = value;
        let out = vmm.call(Leaf::IqInvRequest, &arguments);
        refused(out, Status::OperandInvalid, operand);
    }
    vmm.call(Leaf::IqInvRequest, &invalidate).unwrap();
    let twice = vmm.call(Leaf::IqInvRequest, &invalidate);
    refused(twice, Status::DmarInvalidInvState, Operand::R8);
    let early = vmm.call(Leaf::DmarRemove, &[index]);
    refused(early, Status::DmarInvalidInvState, Operand::Rcx);
    vmm.call(Leaf::IqInvProcess, &[0]).unwrap();
    vmm.call(Leaf::DmarRemove, &[index]).unwrap();
    vmm.unbind().unwrap();
}

/// Steps of the agent that do not follow on one another.
#[test]
fn agent_out_of_step() {
    let mut vmm = Vmm::new();
    let page = vmm.host.page();
    vmm.call(Leaf::SpdmCreate, &[0, SPDM, page]).unwrap();
    let (request, answer, evidence) = (vmm.request, vmm.answer, vmm.evidence);
    let step = |vmm: &mut Vmm, call: StandIn, turn: u64| {
        let arguments = [0, SPDM, answer, turn, request, evidence, FUNCTION_U64, 0];
        vmm.ring(Call::from(call).raw(), &arguments)[0]
    };
    let invalid = Status::SpdmInvalidState.of(Operand::R9);
    for turn in 1..=3 {
        assert_eq!(step(&mut vmm, StandIn::TpaConnect, turn), invalid);
    }
    let unknown = step(&mut vmm, StandIn::TpaConnect, 4);
    assert_eq!(unknown, Status::OperandInvalid.of(Operand::R9));
    let begun = step(&mut vmm, StandIn::TpaConnect, 0);
    assert_eq!(begun, Status::GoOn.raw());
    // Something was asked.
    assert_eq!(step(&mut vmm, StandIn::TpaConnect, 3), invalid);
    assert_eq!(step(&mut vmm, StandIn::TpaMeasure, 1), invalid);
    // It can begin anew.
    vmm.provision(StandIn::TpaConnect, [FUNCTION_U64, 0])
        .unwrap();
}
