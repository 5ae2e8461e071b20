// SPDX-License-Identifier: GPL-2.0

//! Whose each page is.

use crate::host::{PAGE, STREAM};
use crate::vmm::{Vmm, FUNCTION, HKID, SPDM};
use tsm_wire::tdx::devif::{devifmt_index, DevifId};
use tsm_wire::tdx::mmio::mmiomt_index;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::{Leaf, StandIn};

/// Calls that take a page, and where in their operands that is.
fn takers(vmm: &Vmm) -> Vec<(Leaf, Vec<u64>, usize, Operand)> {
    let id = DevifId {
        iommu: 0,
        stream: STREAM,
        kind: 0,
        function: u32::from(FUNCTION) + 1,
    };
    // Pages that are free, for the calls that take more than one.
    let [a, b, c] = [vmm.request, vmm.answer, vmm.evidence];
    let devif = vec![id.raw(), vmm.tdr, a, b, c];
    vec![
        (Leaf::MngCreate, vec![0, HKID + 1], 0, Operand::Rcx),
        (Leaf::SpdmCreate, vec![0, SPDM + 1, 0], 2, Operand::R8),
        (Leaf::DevifCreate, devif.clone(), 2, Operand::R8),
        (Leaf::DevifCreate, devif.clone(), 3, Operand::R9),
        (Leaf::DevifCreate, devif, 4, Operand::R10),
        (
            Leaf::DevifMtAdd,
            vec![devifmt_index(1, 0x8000), 0],
            1,
            Operand::Rdx,
        ),
        (
            Leaf::MmioMtAdd,
            vec![mmiomt_index(5, 0), 0],
            1,
            Operand::Rdx,
        ),
    ]
}

#[test]
fn only_the_hosts_pages_are_taken() {
    let mut vmm = Vmm::bound();
    let counts = vmm.counts();
    let bar = vmm.host.bar(0, 0);
    let mut used = vec![vmm.tdr, vmm.tdcx];
    used.extend(vmm.tables.iter().map(|(_, _, page)| *page));
    for (leaf, operands, index, operand) in takers(&vmm) {
        let mut refused = |page: u64, status: Status| {
            let mut operands = operands.clone();
            operands[index] = page;
            let is = vmm.call(leaf, &operands).unwrap_err();
            assert_eq!(is, status.of(operand), "{leaf:?} {page:#x}: {is:#x}");
        };
        for page in &used {
            refused(*page, Status::PageMetadataIncorrect);
        }
        refused(bar, Status::OperandAddrRangeError);
        refused(0x7fff_f000, Status::OperandAddrRangeError);
        refused(used[0] + 8, Status::OperandInvalid);
        refused(used[0] | 1 << 46, Status::OperandInvalid);
        refused(!0, Status::OperandInvalid);
    }
    assert_eq!(vmm.counts(), counts);
}

/// Messages are not written to pages that were given away, and not read from them.
#[test]
fn pages_of_messages_are_the_hosts() {
    let mut vmm = Vmm::bound();
    let bar = vmm.host.bar(0, 0);
    let own = [vmm.tdr, bar, 0x7fff_f000, vmm.request + 4, !0xfff];
    let (function, stream) = (u64::from(FUNCTION), u64::from(STREAM));
    let secret = vmm.host.read(vmm.tdr, PAGE as usize);
    for page in own {
        let refused = |outcome: Result<_, u64>, operand: Operand| {
            let is = outcome.map(|_: [u64; 16]| ()).unwrap_err();
            assert_eq!(is, Status::OperandInvalid.of(operand), "{page:#x}");
        };
        let (request, answer) = (vmm.request, vmm.answer);
        let out = vmm.call(Leaf::DevifRequest, &[function, 0x85, page]);
        refused(out, Operand::R8);
        let out = vmm.call(Leaf::IdeStreamIdekmreq, &[0, stream, 2, 0, 15, page]);
        refused(out, Operand::R11);
        vmm.call(Leaf::DevifRequest, &[function, 0x85, request])
            .unwrap();
        let bare = page & !(1 << 63);
        let out = vmm.call(Leaf::DevifResponse, &[function, bare, 0]);
        refused(out, Operand::Rdx);
        let out = vmm.call(Leaf::DevifResponse, &[function, answer, page]);
        refused(out, Operand::R8);
        vmm.converse(Leaf::DevifResponse, &[function, answer, 0])
            .unwrap();
        let nonce = vmm.provision(StandIn::TpaMeasure, [page, 0]);
        refused(nonce, Operand::R12);
    }
    assert_eq!(vmm.host.read(vmm.tdr, PAGE as usize), secret);
}

/// A page is not given twice in one call.
#[test]
fn the_same_page_twice() {
    let mut vmm = Vmm::keyed();
    let id = DevifId {
        iommu: 0,
        stream: STREAM,
        kind: 0,
        function: FUNCTION.into(),
    };
    let [a, b] = [vmm.host.page(), vmm.host.page()];
    for (pages, operand) in [
        ([a, a, b], Operand::R9),
        ([a, b, a], Operand::R10),
        ([a, b, b], Operand::R10),
    ] {
        let [root, guest, host] = pages;
        let out = vmm.call(Leaf::DevifCreate, &[id.raw(), vmm.tdr, root, guest, host]);
        assert_eq!(out, Err(Status::OperandBusy.of(operand)));
    }
}

#[test]
fn pages_in_use_are_not_reclaimed() {
    let mut vmm = Vmm::bound();
    let out = vmm.host.page();
    vmm.call(Leaf::SpdmCreate, &[0, SPDM + 1, out]).unwrap();
    let refused = vmm.call(Leaf::PhymemPageReclaim, &[out]);
    assert_eq!(refused, Err(Status::IommuMtPageInUse.raw()));
    for (_, _, page) in vmm.tables.clone() {
        let refused = vmm.call(Leaf::PhymemPageReclaim, &[page]);
        let status = Status::PageMetadataIncorrect.of(Operand::Rcx);
        assert_eq!(refused, Err(status));
    }
    // What is not given back is not written back either.
    let tdr = vmm.tdr;
    let refused = vmm.call(Leaf::PhymemPageWbinvd, &[tdr]);
    assert_eq!(refused, Err(Status::PageMetadataIncorrect.of(Operand::Rcx)));
    let page = vmm.host.page();
    for key in [64, 63 << 1] {
        let refused = vmm.call(Leaf::PhymemPageWbinvd, &[page | key << 46]);
        assert_eq!(refused, Err(Status::OperandInvalid.of(Operand::Rcx)));
    }
}
