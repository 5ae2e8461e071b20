// SPDX-License-Identifier: GPL-2.0

//! All messages: what was understood of bytes is all that they say, but for what is reserved.

use ide_km::key_prog::Malformed;
use ide_km::{k_gostop_ack, k_set_go, k_set_stop, query};
use ide_km::{Key, KeyProg, KeySet, KpAck, QueryResp, Slot, Status, Target};

/// A message.
pub fn run(data: &[u8]) {
    let mut understood = 0;
    let mut check = |again: Vec<u8>, reserved: &[usize]| {
        let mut came = data.to_vec();
        for at in reserved {
            came[*at] = 0;
        }
        assert_eq!(again, came);
        understood += 1;
    };
    if let Some(port_index) = query::decode(data) {
        check(query::encode(port_index), &[1]);
    }
    if let Some(response) = QueryResp::decode(data) {
        check(response.encode(), &[1]);
    }
    match KeyProg::decode(data) {
        Ok(message) => {
            assert_eq!(data.len(), 7 + Key::ENCODED);
            check(message.encode(), &[1, 2, 4]);
        }
        Err(Malformed::Answer(target, status)) => {
            assert_eq!(status, Status::IncorrectLength);
            assert_eq!(
                [target.stream, target.slot, target.port_index],
                [data[3], data[5], data[6]]
            );
        }
        Err(Malformed::Unanswerable) => {}
    }
    if let Some(ack) = KpAck::decode(data) {
        if Status::try_from(data[4]).is_ok() {
            check(ack.encode(), &[1, 2]);
        } else {
            assert_eq!(ack.status, Status::UnspecifiedFailure);
        }
    }
    if let Some(target) = k_set_go::decode(data) {
        check(k_set_go::encode(target), &[1, 2, 4]);
    }
    if let Some(target) = k_set_stop::decode(data) {
        check(k_set_stop::encode(target), &[1, 2, 4]);
    }
    if let Some(target) = k_gostop_ack::decode(data) {
        check(k_gostop_ack::encode(target), &[1, 2, 4]);
    }
    assert!(understood < 2, "two messages in one");
    if let Some(byte) = data.first() {
        if let Some(slot) = Slot::decode(*byte) {
            assert_eq!(slot.encode(), byte & !0xc);
            assert_eq!(slot.mirrored().mirrored(), slot);
        }
    }
}

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let slots = Slot::of(KeySet::K1).map(|slot| Target::new(1, 5, slot));
    let mut seeds: Vec<_> = slots
        .flat_map(|target| {
            let key = Key::new([target.slot; 32]);
            let status = Status::Successful;
            [
                KeyProg { target, key }.encode(),
                KpAck { target, status }.encode(),
                k_set_go::encode(target),
                k_set_stop::encode(target),
                k_gostop_ack::encode(target),
            ]
        })
        .collect();
    let response = QueryResp {
        port_index: 0,
        requester_id: 0x100,
        segment: 0,
        max_port_index: 0,
        registers: vec![1, 2, 3],
    };
    seeds.extend([query::encode(0), response.encode()]);
    seeds
}
