// SPDX-License-Identifier: GPL-2.0

//! What calls are made with that do something.

use super::super::host::{bar_address, RID, STREAM};
use super::super::memory::{page, PAGE};
use crate::Input;
use tsm_emu::device::FUNCTIONS;
use tsm_wire::tdx::devif::{devifmt_index, request, response, DevifId, TdispCode, TD_FLAG};
use tsm_wire::tdx::dmar::{
    invalidate_subject, pasid_entry, INVALIDATE_PASID_ENTRY, PASID_TABLE_ENTRY, WAIT_DESCRIPTOR,
};
use tsm_wire::tdx::ide::{
    address_association, rid_association, stream_control, IdeKmObject, KmParameters, StreamConfig,
};
use tsm_wire::tdx::mmio::{mmiomt_data, mmiomt_index, MMIOMT_QNODE};
use tsm_wire::tdx::td::with_key;
use tsm_wire::tdx::{Call, Leaf, StandIn, FIELD_FEATURES0};

/// Registers of a call: `RCX`, `RDX`, `R8` to `R15`, `RBX`, `RDI`, `RSI`.
pub(super) type Operands = [u64; 13];

/// Number of the SPDM session.
const SPDM: u64 = 7;
/// Key ID of the TD.
const HKID: u16 = 5;
/// What the root port of the device is.
const ROOT_PORT: u8 = 0x10;
/// Where the TD sees MMIO.
const GPA: u64 = 0x2_0000_0000;
/// Levels of the tables.
const DEVICE_LEVELS: u8 = 4;
const MMIO_LEVELS: u8 = 5;

/// Pages that messages and parameters are in.
pub(super) const PARAMS: u8 = 0;
pub(super) const REQUEST: u8 = 1;
pub(super) const ANSWER: u8 = 2;
pub(super) const EVIDENCE: u8 = 3;
const STATUS: u8 = 4;
/// Pages that things are made of in a good order.
pub(super) const TDR: u8 = 5;
const TDCX: u8 = 6;
const SESSION: u8 = 7;
const STREAM_PAGE: u8 = 8;
const DEVICE_TABLE: u8 = 9;
const MMIO_TABLE: u8 = 13;
/// Three for each function.
const DEVIF: u8 = 18;
const SPARE: u8 = 30;

/// All calls.
pub(super) fn calls() -> Vec<Call> {
    let leaves = Leaf::ALL.iter().map(|leaf| Call::from(*leaf));
    let stand_ins = StandIn::ALL.iter().map(|call| Call::from(*call));
    leaves.chain(stand_ins).collect()
}

/// Requester ID of a function that there is.
pub(super) fn function(variant: u8) -> u16 {
    RID + u16::from(variant) % FUNCTIONS as u16
}

/// A page of its MMIO.
fn mmio(variant: u8) -> u64 {
    bar_address(usize::from(variant) % FUNCTIONS, 2)
}

/// IDE_KM requests: all that bring a key of a key set, then all that have one used or not used any more.
fn key_message(variant: u8) -> [u64; 3] {
    let objects = [
        IdeKmObject::KeyProg,
        IdeKmObject::KSetGo,
        IdeKmObject::KSetStop,
    ];
    let object = objects[usize::from(variant / 6) % objects.len()];
    let mut all = KmParameters::of_key_set(variant / 18 % 2);
    let parameters = all.nth(usize::from(variant) % 6).unwrap();
    let slot = match object {
        IdeKmObject::KeyProg => parameters.slot(STREAM),
        _ => 0,
    };
    [object as u64, parameters.raw(), slot]
}

/// Operands of a call. What it is about, of what there are several, the variant says; the hash is what the
/// guest believes that the device has.
pub(super) fn operands(call: Call, variant: u8, hash: [u64; 6]) -> Operands {
    let mut operands = [0; 13];
    let words = match call {
        Call::Leaf(leaf) => of_leaf(leaf, variant),
        Call::StandIn(call) => of_stand_in(call, variant, hash),
    };
    operands[..words.len()].copy_from_slice(&words);
    if matches!(call, Call::StandIn(_)) {
        operands[12] = page(TDR);
    }
    operands
}

fn of_leaf(leaf: Leaf, variant: u8) -> Vec<u64> {
    let (tdr, tdcx) = (page(TDR), page(TDCX));
    let number = u64::from(function(variant));
    let stream = u64::from(STREAM);
    let entry = pasid_entry(0, function(variant));
    let device_level = DEVICE_LEVELS - variant % DEVICE_LEVELS;
    let device_index = devifmt_index(device_level, RID.into());
    let mmio_level = MMIO_LEVELS - variant % MMIO_LEVELS;
    let mmio_index = mmiomt_index(mmio_level, mmio(0));
    match leaf {
        Leaf::MngCreate => vec![tdr, HKID.into()],
        Leaf::MngAddcx => vec![tdcx, tdr],
        Leaf::MngInit => vec![tdr, page(PARAMS)],
        Leaf::MngKeyConfig
        | Leaf::MrFinalize
        | Leaf::MngVpflushdone
        | Leaf::MngKeyFreeid
        | Leaf::MemTrack => vec![tdr],
        Leaf::PhymemPageReclaim if variant == 0 => vec![tdcx],
        Leaf::PhymemPageReclaim => vec![tdr],
        Leaf::SysRd => vec![0, FIELD_FEATURES0],
        Leaf::PhymemCacheWb => vec![0],
        Leaf::PhymemPageWbinvd => vec![with_key(page(SPARE), HKID)],
        Leaf::SpdmCreate => vec![0, SPDM, page(SESSION)],
        Leaf::SpdmDelete => vec![0, SPDM],
        Leaf::IdeStreamCreate => {
            let config = StreamConfig {
                block: 0,
                root_port: ROOT_PORT,
                key_id: STREAM,
            };
            let [last, first] = rid_association(RID, RID + 7);
            let [a1, a2, a3] = address_association(0xfe00_0000, 0xfe3f_ffff);
            let control = stream_control(STREAM);
            let page = page(STREAM_PAGE);
            let config = config.raw();
            vec![0, SPDM, config, control, last, first, a1, a2, a3, page]
        }
        Leaf::IdeStreamBlock | Leaf::IdeStreamDelete => vec![0, stream],
        Leaf::IdeStreamIdekmreq => {
            let [object, parameters, slot] = key_message(variant);
            vec![0, stream, object, parameters, slot, page(REQUEST)]
        }
        Leaf::IdeStreamIdekmrsp => vec![0, stream, page(ANSWER)],
        Leaf::DevifCreate => {
            let id = DevifId {
                iommu: 0,
                stream: STREAM,
                kind: 0,
                function: function(variant).into(),
            };
            let first = DEVIF + 3 * (variant % FUNCTIONS as u8);
            let [root, guest, host] = [0, 1, 2].map(|number| page(first + number));
            vec![id.raw(), tdr, root, guest, host]
        }
        Leaf::DevifRemove => vec![number],
        Leaf::DevifRequest => {
            let codes = [
                request(TdispCode::Lock),
                request(TdispCode::Stop),
                request(TdispCode::GetState),
                TD_FLAG,
            ];
            let code = codes[usize::from(variant / 3) % codes.len()];
            vec![number, code, page(REQUEST)]
        }
        Leaf::DevifResponse => {
            let answer = response(page(ANSWER));
            match variant / 3 % 3 {
                0 => vec![number, answer, 0],
                1 => vec![number, answer, page(EVIDENCE)],
                _ => vec![number, answer | TD_FLAG, 0],
            }
        }
        Leaf::DmarAdd => vec![entry, PASID_TABLE_ENTRY[0], PASID_TABLE_ENTRY[1]],
        Leaf::DmarBlock | Leaf::DmarRemove => vec![entry],
        Leaf::IqInvRequest => {
            let subject = invalidate_subject(function(variant));
            let (kind, status) = (INVALIDATE_PASID_ENTRY, page(STATUS));
            vec![0, kind, subject, WAIT_DESCRIPTOR, status]
        }
        Leaf::IqInvProcess => vec![0],
        Leaf::DevifMtAdd => vec![device_index, page(DEVICE_TABLE + device_level - 1)],
        Leaf::DevifMtRemove => vec![device_index],
        Leaf::MmioMtAdd => vec![mmio_index, page(MMIO_TABLE + mmio_level - 1)],
        Leaf::MmioMtRemove => vec![mmio_index],
        Leaf::MmioMtSet => {
            let data = match variant / 3 % 2 {
                0 => mmiomt_data(function(variant).into()),
                _ => MMIOMT_QNODE,
            };
            vec![mmiomt_index(0, mmio(variant)), data]
        }
        Leaf::MmioMap => vec![GPA, tdr, mmio(variant)],
        Leaf::MmioBlock | Leaf::MmioUnmap => vec![GPA, tdr],
    }
}

fn of_stand_in(call: StandIn, variant: u8, hash: [u64; 6]) -> Vec<u64> {
    let number = u64::from(function(variant));
    match call {
        StandIn::DevifValidate => {
            let [a, b, c, d, e, f] = hash;
            vec![number, a, b, c, d, e, f]
        }
        StandIn::DevifRequest => {
            let codes = [TdispCode::GetReport, TdispCode::Start, TdispCode::GetState];
            let code = codes[usize::from(variant / 3) % codes.len()];
            vec![number, code as u64]
        }
        StandIn::DevifResponse if variant % 6 < 3 => vec![number, page(EVIDENCE)],
        StandIn::DevifResponse | StandIn::DmarAccept => vec![number],
        StandIn::MmioAccept => vec![GPA, mmio(variant)],
        StandIn::TpaConnect | StandIn::TpaDisconnect | StandIn::TpaMeasure => {
            let (request, evidence) = (page(REQUEST), page(EVIDENCE));
            let turn = u64::from(variant % 4);
            // A nonce is whatever is in the page of parameters, and only measurements have one.
            let about = match (call, variant / 4 % 2) {
                (StandIn::TpaConnect, _) => [RID.into(), 0],
                (_, 0) => [0, 0],
                _ => [page(PARAMS), 1],
            };
            vec![
                0,
                SPDM,
                page(ANSWER),
                turn,
                request,
                evidence,
                about[0],
                about[1],
            ]
        }
        StandIn::IntegratedStream => {
            let stream = u64::from(STREAM) + 1;
            let (first, last) = (u64::from(RID) + 8, u64::from(RID) + 15);
            vec![0, SPDM, stream, 0, last, first, 0, 0, 0, page(SPARE)]
        }
    }
}

/// An operand that means something somewhere, or any word.
pub(super) fn word(input: &mut Input<'_>) -> u64 {
    let bar = bar_address(0, 2);
    let number = u64::from(RID);
    match input.byte() % 8 {
        0 => page(input.byte()),
        1 => bar_address(usize::from(input.byte()) % FUNCTIONS, 2) + u64::from(input.byte()) * PAGE,
        2 => input.double(),
        3 => GPA + u64::from(input.byte()) * PAGE,
        4 => page(input.byte()) | TD_FLAG,
        5 => input.pick(&[
            SPDM,
            HKID.into(),
            STREAM.into(),
            number,
            number + 1,
            TD_FLAG,
            0x83,
            0x84,
            0x85,
            0x86,
            0x87,
            number << 32 | u64::from(STREAM) << 16,
            pasid_entry(0, RID),
            WAIT_DESCRIPTOR,
        ]),
        6 => match input.byte() {
            level @ 0..8 => mmiomt_index(level, bar),
            level => devifmt_index(level % 8, RID.into()),
        },
        _ => input.byte().into(),
    }
}
