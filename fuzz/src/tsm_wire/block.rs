// SPDX-License-Identifier: GPL-2.0

//! Granules and words that host and firmware exchange.

use crate::Input;
use tsm_wire::detail::Detail;
use tsm_wire::rmi::pdev::{PdevParams, PdevState};
use tsm_wire::rmi::rtt::RangeDesc;
use tsm_wire::rmi::stream::PdevStreamParams;
use tsm_wire::rmi::vdev::{VdevMeasureParams, VdevParams, VdevState};
use tsm_wire::rmi::{
    CommStatus, DevCommData, DevObject, ExitFlags, Fid, Protocol, Status, GRANULE_SIZE,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A word, then a granule whose end is zero.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    word(input.double());
    let mut granule = input.rest().to_vec();
    granule.resize(GRANULE_SIZE, 0);
    let at = |offset: usize| u64::from_le_bytes(granule[offset..offset + 8].try_into().unwrap());

    let block: DevCommData = exact(&granule);
    let (enter, exit) = (block.enter, block.exit);
    assert_eq!([enter.status, enter.req_addr], [at(0), at(8)]);
    assert_eq!([enter.resp_addr, enter.resp_len], [at(0x10), at(0x18)]);
    assert_eq!([exit.flags, exit.cache_req_offset], [at(0x800), at(0x808)]);
    assert_eq!(
        [exit.cache_req_len, exit.cache_rsp_offset],
        [at(0x810), at(0x818)]
    );
    assert_eq!(
        [exit.cache_rsp_len, exit.cache_obj_id],
        [at(0x820), at(0x828)]
    );
    assert_eq!([exit.protocol, exit.req_delay], [at(0x830), at(0x838)]);
    assert_eq!([exit.req_len, exit.rsp_timeout], [at(0x840), at(0x848)]);

    let block: PdevParams = exact(&granule);
    assert_eq!([block.flags, block.hb_base], [at(0), at(8)]);
    assert_eq!([block.pdev_id, block.routing_id], [at(0x10), at(0x18)]);
    assert_eq!([block.id_index, block.rid_base], [at(0x20), at(0x28)]);
    assert_eq!([block.rid_top, block.hash_algo], [at(0x30), at(0x38)]);

    let block: VdevParams = exact(&granule);
    assert_eq!(
        [block.flags, block.vdev_id, block.tdi_id],
        [at(0), at(8), at(0x10)]
    );
    assert_eq!(
        [block.num_addr_range, block.addr_range[7].top],
        [at(0x30), at(0x278)]
    );

    let block: VdevMeasureParams = exact(&granule);
    assert_eq!(block.flags, at(0));
    assert_eq!(block.nonce, granule[0x100..0x120]);

    let block: PdevStreamParams = exact(&granule);
    assert_eq!([block.flags, block.stream_type], [at(0), at(8)]);
    assert_eq!(
        [block.pdev_1, block.pdev_2, block.ide_sid],
        [at(0x10), at(0x18), at(0x20)]
    );
    assert_eq!(
        [block.num_addr_range, block.addr_range[15].top],
        [at(0x28), at(0x1f8)]
    );
}

/// Words that mean something everywhere, and a granule in which no two words are the same.
pub fn seeds() -> Vec<Vec<u8>> {
    let granule: Vec<u8> = (0..512u64).flat_map(u64::to_le_bytes).collect();
    let words = [0, 1, 5, 0xc400_0175, 0x1_0003, 0x1234_5000 | 3 << 2, 0x302];
    let mut seeds: Vec<_> = words
        .iter()
        .map(|word| u64::to_le_bytes(*word).to_vec())
        .collect();
    seeds.push([&7u64.to_le_bytes(), granule.as_slice()].concat());
    seeds
}

/// A block is its bytes, and needs all of them.
fn exact<T: FromBytes + IntoBytes + Immutable>(granule: &[u8]) -> T {
    let block = T::read_from_bytes(granule).unwrap();
    assert_eq!(block.as_bytes(), granule);
    assert!(T::read_from_bytes(&granule[..GRANULE_SIZE - 1]).is_err());
    block
}

fn word(word: u64) {
    let same = |value: Option<u64>| assert!(value.is_none_or(|value| value == word));
    same(CommStatus::try_from(word).ok().map(u64::from));
    same(Protocol::try_from(word).ok().map(u64::from));
    same(DevObject::try_from(word).ok().map(u64::from));
    same(PdevState::try_from(word).ok().map(u64::from));
    same(VdevState::try_from(word).ok().map(u64::from));
    same(Fid::from_raw(word).ok().map(Fid::raw));
    same(Detail::from_raw(word).ok().map(Detail::raw));
    same(RangeDesc::from_raw(word).map(|desc| desc.raw().unwrap()));
    if let Ok(status) = Status::from_x0(word) {
        assert_eq!(
            u64::from(status) | u64::from(Status::index(word)) << 8,
            word & 0xffff
        );
    }
    if let Some(desc) = RangeDesc::from_raw(word) {
        assert!(!desc.is_empty() && desc.base.checked_add(desc.len()).is_some());
    }
    let flags = ExitFlags(word);
    assert!(flags.contains(flags) && flags.union(ExitFlags::SEND).contains(ExitFlags::SEND));
}
