// SPDX-License-Identifier: GPL-2.0

//! A machine without a kernel: memory, the device and the monitor, and a host that calls it.

use ide_km::CAPABILITY_ID;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::sync::LazyLock;
use std::time::Instant;
use tdisp::State;
use tsm_emu::config_space::{bar, COMMAND};
use tsm_emu::device::{Device, FUNCTIONS};
use tsm_emu::firmware::ground::{Ground, Kind};
use tsm_emu::firmware::references::{Reference, References};
use tsm_emu::firmware::rmm::Rmm;
use tsm_emu::firmware::root_ports::RootPorts;
use tsm_emu::firmware::tsm::{Machine, Tsm};
use tsm_emu::identity::Identity;
use tsm_emu::knobs::{ExchangeKnobs, FirmwareKnobs};
use tsm_wire::mailbox::X_COUNT;
use tsm_wire::rmi::pdev::{
    FLAG_CATEGORY_OFF_CHIP, FLAG_CATEGORY_ROOT_PORT, FLAG_SPDM, HASH_SHA_384,
};
use tsm_wire::rmi::stream::STREAM_NCOH;
use tsm_wire::rmi::{
    AddrRange, Fid, PdevParams, PdevStreamParams, Status, VdevMeasureParams, VdevParams,
};
use zerocopy::{FromZeros, IntoBytes};

pub(super) const PAGE: u64 = 4096;
/// First page of memory, and how many there are.
const MEMORY: u64 = 0x1000_0000;
const PAGES: u64 = 24;
/// Requester ID of function 0.
const RID: u64 = 0x100;
/// Stream ID of the stream.
const STREAM: u8 = 5;
/// In the IDE capability: control of the first stream.
const STREAM_CONTROL: usize = 0x10;

/// A page of memory.
pub(super) fn page(number: u8) -> u64 {
    MEMORY + u64::from(number) % PAGES * PAGE
}

/// Address that a BAR is assigned.
pub(super) fn bar_address(function: usize, index: usize) -> u64 {
    0xfe00_0000 + function as u64 * 0x10_0000 + index as u64 * 0x1_0000
}

/// Memory of the host, with who owns it.
pub(super) struct Memory {
    bytes: RefCell<Vec<u8>>,
    /// Pages that the monitor has.
    delegated: RefCell<BTreeSet<u64>>,
    device: RefCell<Device>,
}

impl Memory {
    /// Where a range is, which must be one of the host's.
    fn range(&self, address: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
        let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let from = address.checked_sub(MEMORY).ok_or_else(missing)? as usize;
        let to = from.checked_add(length).ok_or_else(missing)?;
        if to > (PAGES * PAGE) as usize {
            return Err(missing());
        }
        let delegated = self.delegated.borrow();
        let own = delegated.range(..address + length as u64).next_back();
        assert!(
            own.is_none_or(|page| page + PAGE <= address),
            "{address:#x} is not the host's"
        );
        Ok(from..to)
    }
}

impl Ground for Memory {
    fn kind(&self, page: u64) -> Option<Kind> {
        if (MEMORY..MEMORY + PAGES * PAGE).contains(&page) {
            Some(Kind::Memory)
        } else {
            self.device.borrow().owns(page).then_some(Kind::Device)
        }
    }

    fn read(&self, address: u64, data: &mut [u8]) -> io::Result<()> {
        let range = self.range(address, data.len())?;
        data.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        let range = self.range(address, data.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(data);
        Ok(())
    }
}

/// The machine.
pub(super) struct Host {
    pub(super) rmm: Rmm,
    pub(super) knobs: FirmwareKnobs,
    pub(super) memory: Memory,
    root_ports: RootPorts,
    references: References,
    now: Instant,
}

impl Host {
    pub(super) fn new() -> Self {
        static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().unwrap());
        let device = Device::new(IDENTITY.clone(), 0, FUNCTIONS);
        let reference = Reference {
            root: device.root().to_vec(),
            measurements: device.reference_values(),
        };
        let mut host = Self {
            rmm: Rmm::default(),
            knobs: FirmwareKnobs::default(),
            memory: Memory {
                bytes: RefCell::new(vec![0; (PAGES * PAGE) as usize]),
                delegated: RefCell::default(),
                device: RefCell::new(device),
            },
            root_ports: RootPorts::default(),
            references: References(vec![reference]),
            now: Instant::now(),
        };
        for function in 0..FUNCTIONS {
            for index in [0, 2, 4] {
                let address = bar_address(function, index) as u32;
                host.write_config(function, bar(index), &address.to_le_bytes());
            }
            host.write_config(function, COMMAND, &6u16.to_le_bytes());
        }
        host
    }

    pub(super) fn device(&mut self) -> &mut Device {
        self.memory.device.get_mut()
    }

    pub(super) fn write_config(&mut self, function: usize, offset: usize, data: &[u8]) {
        let now = self.now;
        let mut knobs = ExchangeKnobs::default();
        self.device()
            .write_config(function, offset, data, &mut knobs, now);
    }

    pub(super) fn device_state(&mut self, requester_id: u64) -> State {
        self.device().state((requester_id - RID) as usize)
    }

    /// Writes control of the stream at both ends.
    pub(super) fn configure_stream(&mut self, enable: bool) {
        let value = u32::from(STREAM) << 24 | u32::from(enable);
        let root_port = self.root_ports.get_mut(0).unwrap();
        root_port.write(STREAM_CONTROL, value);
        // The default stream.
        let value = value | 1 << 22;
        let control = self.ide() + STREAM_CONTROL;
        self.write_config(0, control, &value.to_le_bytes());
    }

    /// Where function 0 has its IDE capability.
    fn ide(&mut self) -> usize {
        let (now, mut offset) = (self.now, 0x100);
        loop {
            let mut head = [0; 4];
            self.device().read_config(0, offset, &mut head, now);
            let head = u32::from_le_bytes(head);
            if head as u16 == CAPABILITY_ID {
                return offset;
            }
            offset = (head >> 20) as usize;
            assert_ne!(offset, 0);
        }
    }

    /// Puts bytes into a page, as long as it is the host's.
    pub(super) fn fill(&mut self, page: u64, offset: usize, bytes: &[u8]) {
        if self.is_delegated(page) {
            return;
        }
        let offset = offset.min(PAGE as usize);
        let length = bytes.len().min(PAGE as usize - offset);
        self.memory
            .write(page + offset as u64, &bytes[..length])
            .unwrap();
    }

    pub(super) fn is_delegated(&self, page: u64) -> bool {
        self.memory.delegated.borrow().contains(&page)
    }

    pub(super) fn delegated(&self) -> usize {
        self.memory.delegated.borrow().len()
    }

    /// Makes a call: status and results.
    pub(super) fn call(&mut self, fid: Fid, arguments: &[u64]) -> (Status, [u64; 3]) {
        let [x0, results @ ..] = self.raw(fid.raw(), arguments);
        (Status::from_x0(x0).unwrap(), results)
    }

    /// The same without any knowledge of it.
    pub(super) fn raw(&mut self, x0: u64, arguments: &[u64]) -> [u64; 4] {
        let mut registers = [0; X_COUNT];
        registers[0] = x0;
        for (to, from) in registers[1..].iter_mut().zip(arguments) {
            *to = *from;
        }
        let mut machine = Machine {
            ground: &self.memory,
            root_ports: &mut self.root_ports,
            references: &self.references,
            knobs: &mut self.knobs,
            now: self.now,
        };
        let results = self.rmm.call(&mut machine, &registers);
        assert!(results[4..].iter().all(|result| *result == 0));
        let [x0, x1, x2, x3, ..] = results;
        self.follow(&registers, x0, x1);
        [x0, x1, x2, x3]
    }

    /// Granules go to and fro with these calls, and with no other.
    fn follow(&mut self, registers: &[u64; X_COUNT], x0: u64, next: u64) {
        let [fid, base, top, ..] = *registers;
        let delegates = fid == Fid::GranuleRangeDelegate.raw();
        if x0 != 0 || !delegates && fid != Fid::GranuleRangeUndelegate.raw() {
            return;
        }
        assert!(base < next && next <= top && next.is_multiple_of(PAGE));
        let delegated = self.memory.delegated.get_mut();
        for page in (base..next).step_by(PAGE as usize) {
            let changed = match delegates {
                true => delegated.insert(page),
                false => delegated.remove(&page),
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
            params.pdev_id = RID;
            params.rid_base = RID;
            params.rid_top = RID + 8;
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
            params.tdi_id = RID + function as u64;
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
