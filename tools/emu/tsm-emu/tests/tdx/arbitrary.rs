// SPDX-License-Identifier: GPL-2.0

//! Registers that are whatever they are: nothing panics, nothing is touched that is the module's, and the
//! host gets everything back.

use crate::host::PAGE;
use crate::vmm::{Vmm, FUNCTION, GPA, HKID, SPDM};
use proptest::prelude::*;
use tsm_wire::tdx::devif::{devifmt_index, TD_FLAG};
use tsm_wire::tdx::dmar::{pasid_entry, PASID_TABLE_ENTRY, WAIT_DESCRIPTOR};
use tsm_wire::tdx::mmio::{mmiomt_data, mmiomt_index};
use tsm_wire::tdx::{Call, Leaf, StandIn};

/// How many words [`word`] knows.
const WORDS: usize = 40;

/// A word that means something somewhere.
fn word(vmm: &Vmm, number: usize) -> u64 {
    let bar = vmm.host.bar(0, 2);
    let function = u64::from(FUNCTION);
    let words = [
        0,
        1,
        2,
        3,
        4,
        5,
        SPDM,
        HKID,
        function,
        function + 1,
        0x83,
        0x84,
        0x85,
        0x86,
        0x87,
        TD_FLAG,
        vmm.tdr,
        vmm.tdcx,
        vmm.request,
        vmm.answer,
        vmm.answer | TD_FLAG,
        vmm.evidence,
        vmm.evidence + PAGE,
        vmm.evidence + 2 * PAGE,
        vmm.evidence + 3 * PAGE,
        bar,
        bar + PAGE,
        GPA,
        GPA + PAGE,
        mmiomt_index(0, bar),
        mmiomt_index(1, bar),
        mmiomt_index(5, bar),
        mmiomt_data(FUNCTION.into()),
        devifmt_index(1, FUNCTION.into()),
        devifmt_index(4, FUNCTION.into()),
        pasid_entry(0, FUNCTION),
        PASID_TABLE_ENTRY[0],
        PASID_TABLE_ENTRY[1],
        WAIT_DESCRIPTOR,
        function << 32 | 5 << 16,
    ];
    words[number % WORDS]
}

fn calls() -> Vec<Call> {
    let leaves = Leaf::ALL.iter().map(|leaf| Call::from(*leaf));
    let stand_ins = StandIn::ALL.iter().map(|call| Call::from(*call));
    leaves.chain(stand_ins).collect()
}

#[derive(Clone, Debug)]
enum Word {
    Known(usize),
    Any(u64),
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = prop_oneof![
        9 => (0..WORDS).prop_map(Word::Known),
        1 => any::<u64>().prop_map(Word::Any),
    ];
    proptest::collection::vec(word, 14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_registers(
        running: bool,
        steps in proptest::collection::vec((0usize..64, any::<bool>(), words()), 0..150),
    ) {
        let mut vmm = if running { Vmm::running() } else { Vmm::locked() };
        // What the module has is written with something that nobody else writes.
        let mark = [0xa5; PAGE as usize];
        let mut own = vec![vmm.tdr, vmm.tdcx];
        own.extend(vmm.tables.iter().map(|(_, _, page)| *page));
        for page in &own {
            vmm.host.write(*page, &mark);
        }
        let calls = calls();
        for (call, carries, words) in steps {
            let call = calls[call % calls.len()];
            let mut arguments: Vec<u64> = words
                .iter()
                .map(|each| match each {
                    Word::Known(number) => word(&vmm, *number),
                    Word::Any(value) => *value,
                })
                .collect();
            if matches!(call, Call::StandIn(_)) && !arguments[5].is_multiple_of(4) {
                arguments[12] = vmm.tdr;
            }
            let out = vmm.ring(call.raw(), &arguments);
            // Whether it did it or not, it has a status that is one.
            prop_assert!(tsm_wire::tdx::status::Status::from_rax(out[0]).is_ok(), "{:#x}", out[0]);
            if carries {
                carry_anything(&mut vmm);
            }
        }
        for page in own {
            let bytes = vmm.host.read(page, PAGE as usize);
            // It can have been given back, and be a page for messages then.
            let given_back = vmm.call(Leaf::PhymemPageWbinvd, &[page]).is_ok();
            prop_assert!(given_back || bytes == mark);
        }
    }

    /// One register that is wrong, in calls that would otherwise work.
    #[test]
    fn any_single_register(call in 0usize..64, index in 0usize..13, value: u64) {
        let mut vmm = Vmm::bound();
        let calls = calls();
        let call = calls[call % calls.len()];
        let mut arguments = [0; 13];
        arguments[..10].copy_from_slice(&Vmm::stream_operands(vmm.request));
        arguments[12] = vmm.tdr;
        arguments[index] = value;
        let out = vmm.ring(call.raw(), &arguments);
        prop_assert!(tsm_wire::tdx::status::Status::from_rax(out[0]).is_ok());
    }
}

/// Carries what is in the page for requests, if it is a message at all.
fn carry_anything(vmm: &mut Vmm) {
    use tsm_wire::tdx::doe::{DoeHeader, HEADER_SIZE};
    use zerocopy::FromBytes;
    let bytes = vmm.host.read(vmm.request, HEADER_SIZE);
    let header = DoeHeader::read_from_bytes(&bytes).unwrap();
    if header.payload().is_some_and(|length| length != 0) {
        vmm.carry();
    }
}
