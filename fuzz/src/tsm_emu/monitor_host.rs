// SPDX-License-Identifier: GPL-2.0

//! A host that calls the monitor.

use super::host::{bar_address, Host, RID, STREAM};
use super::memory::{Owner, PAGE};
use tsm_emu::device::FUNCTIONS;
use tsm_emu::firmware::rmm::Rmm;
use tsm_wire::mailbox::X_COUNT;
use tsm_wire::rmi::pdev::{
    FLAG_CATEGORY_OFF_CHIP, FLAG_CATEGORY_ROOT_PORT, FLAG_SPDM, HASH_SHA_384,
};
use tsm_wire::rmi::stream::STREAM_NCOH;
use tsm_wire::rmi::{
    AddrRange, Fid, PdevParams, PdevStreamParams, Status, VdevMeasureParams, VdevParams,
};
use zerocopy::{FromZeros, IntoBytes};

impl Host<Rmm> {
    pub(super) fn is_delegated(&self, page: u64) -> bool {
        self.memory.owner(page).is_some()
    }

    /// Makes a call: status and results.
    pub(super) fn call(&mut self, fid: Fid, arguments: &[u64]) -> (Status, [u64; 3]) {
        let [x0, results @ ..] = self.raw(fid.raw(), arguments);
        (Status::from_x0(x0).unwrap(), results)
    }

    /// The same without any knowledge of it.
    pub(super) fn raw(&mut self, x0: u64, arguments: &[u64]) -> [u64; 4] {
        let results = self.ring(x0, arguments);
        assert!(results[4..].iter().all(|result| *result == 0));
        let [x0_out, x1, x2, x3, ..] = results;
        let mut registers = [0; X_COUNT];
        registers[0] = x0;
        registers[1..=arguments.len()].copy_from_slice(arguments);
        self.follow(&registers, x0_out, x1);
        [x0_out, x1, x2, x3]
    }

    /// Granules go to and fro with these calls, and with no other.
    fn follow(&mut self, registers: &[u64; X_COUNT], x0: u64, next: u64) {
        let [fid, base, top, ..] = *registers;
        let delegates = fid == Fid::GranuleRangeDelegate.raw();
        if x0 != 0 || !delegates && fid != Fid::GranuleRangeUndelegate.raw() {
            return;
        }
        assert!(base < next && next <= top && next.is_multiple_of(PAGE));
        let mut owners = self.memory.owners.borrow_mut();
        for page in (base..next).step_by(PAGE as usize) {
            let changed = match delegates {
                true => owners.insert(page, Owner::Firmware).is_none(),
                false => owners.remove(&page).is_some(),
            };
            assert!(changed, "{page:#x} went where it was");
        }
    }
}

/// Parameters that are good for something.
pub(super) fn template(number: u8, pdev: u64, root_port: u64) -> Vec<u8> {
    let function = usize::from(number / 8) % FUNCTIONS;
    match number % 8 {
        0 => vec![0; PAGE as usize],
        1 => {
            let mut params = PdevParams::new_zeroed();
            params.flags = FLAG_SPDM | FLAG_CATEGORY_OFF_CHIP;
            params.pdev_id = RID.into();
            params.rid_base = RID.into();
            params.rid_top = u64::from(RID) + 8;
            params.hash_algo = HASH_SHA_384;
            params.as_bytes().to_vec()
        }
        2 => {
            let mut params = PdevParams::new_zeroed();
            params.flags = FLAG_CATEGORY_ROOT_PORT;
            params.pdev_id = 0x10;
            params.as_bytes().to_vec()
        }
        3 | 4 => {
            let mut params = VdevParams::new_zeroed();
            params.vdev_id = 0x10 + function as u64;
            params.tdi_id = u64::from(RID) + function as u64;
            params.num_addr_range = 3;
            let sizes = [(0, 0x1_0000), (2, 0x4000), (4, 0x2000)];
            for (range, (index, size)) in params.addr_range.iter_mut().zip(sizes) {
                let base = bar_address(function, index);
                *range = AddrRange {
                    base,
                    top: base + size,
                };
            }
            params.as_bytes().to_vec()
        }
        5 => {
            let mut params = VdevMeasureParams::new_zeroed();
            params.flags = u64::from(number >> 3 & 1);
            params.nonce = [number; 32];
            params.as_bytes().to_vec()
        }
        _ => {
            let mut params = PdevStreamParams::new_zeroed();
            params.stream_type = STREAM_NCOH;
            params.pdev_1 = pdev;
            params.pdev_2 = root_port;
            params.ide_sid = STREAM.into();
            params.num_addr_range = 1;
            params.addr_range[0] = AddrRange {
                base: 0xfe00_0000,
                top: 0xff00_0000,
            };
            params.as_bytes().to_vec()
        }
    }
}
