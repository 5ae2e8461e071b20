// SPDX-License-Identifier: GPL-2.0

//! A host that does to the platform what a kernel does, register by register, with a clock of its
//! own.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tdisp::State;
use tsm_emu::config_space::{bar, COMMAND};
use tsm_emu::device::Device;
use tsm_emu::firmware::root_ports::RootPorts;
use tsm_emu::identity::Length;
use tsm_emu::platform::{identities, Platform, FUNCTIONS_OF};
use tsm_wire::detail::Detail;
use tsm_wire::mailbox::{root_port, x, Personality, DOORBELL, RESET, STATUS, STATUS_BUSY, X_COUNT};
use tsm_wire::rmi::pdev::{
    FLAG_CATEGORY_OFF_CHIP, FLAG_CATEGORY_ROOT_PORT, FLAG_SPDM, HASH_SHA_384,
};
use tsm_wire::rmi::stream::STREAM_NCOH;
use tsm_wire::rmi::{
    AddrRange, CommStatus, DevCommEnter, DevCommExit, DevObject, ExitFlags, Fid, PdevParams,
    PdevState, PdevStreamParams, Protocol, Status, VdevMeasureParams, VdevParams, VdevState,
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

pub(crate) const PAGE: u64 = 4096;
/// Bus address and size of the memory.
const MEMORY: u64 = 0x1000_0000;
const MEMORY_SIZE: u64 = 0x40_0000;
/// Requester ID of function 0.
pub(crate) const RID: u64 = 0x100;
/// Offset of the DOE capability: after ACS.
pub(crate) const DOE: usize = 0x110;
/// In an IDE capability: control and status of the first selective stream.
const STREAM_CONTROL: usize = 0x10;
const STREAM_STATUS: usize = 0x14;
/// In control: enable; default stream (of an endpoint).
const STREAM_ENABLE: u32 = 1 << 0;
const STREAM_DEFAULT: u32 = 1 << 22;
/// Stream ID of the stream.
pub(crate) const STREAM: u8 = 5;

/// Objects that the firmware wanted kept, and how many messages were sent.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) objects: BTreeMap<u64, Vec<u8>>,
    pub(crate) sent: usize,
}

impl Kept {
    pub(crate) fn object(&self, object: DevObject) -> &[u8] {
        &self.objects[&object.into()]
    }
}

/// Why a call failed: status and `X1`.
pub(crate) type Refused = (Status, u64);

pub(crate) struct Host {
    pub(crate) platform: Platform,
    pub(crate) now: Instant,
    /// What went through the mailbox, both ways: type and payload.
    pub(crate) wire: Vec<(u8, Vec<u8>)>,
    memory: File,
    next: u64,
    /// Number of the device that is talked with, and whose link is set up.
    number: usize,
}

/// A stream: the PDEVs of its ends, and what the firmware calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) names: [u64; 3],
}

/// A VDEV with what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tdi {
    pub(crate) names: [u64; 3],
    pub(crate) function: usize,
}

impl Host {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = (std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(format!("tsm-emu-host-{}-{}", unique.0, unique.1));
        let mut options = File::options();
        let memory = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(path).unwrap();
        memory.set_len(MEMORY_SIZE).unwrap();
        let mut platform = Platform::new(identities(Length::default()).unwrap());
        for personality in Personality::ALL {
            let firmware = platform.firmware_mut(personality);
            let file = memory.try_clone().unwrap();
            let map = firmware.memory();
            map.map(MEMORY, MEMORY_SIZE, file, 0, true).unwrap();
            firmware.write_config(COMMAND, &6u16.to_le_bytes());
        }
        let mut host = Self {
            platform,
            now: Instant::now(),
            wire: Vec::new(),
            memory,
            next: MEMORY,
            number: 0,
        };
        for (device, functions) in FUNCTIONS_OF.into_iter().enumerate() {
            for function in 0..functions {
                for index in [0, 2, 4] {
                    let address = host.bar_of(device, function, index) as u32;
                    host.write_config_of(device, function, bar(index), &address.to_le_bytes());
                }
                host.write_config_of(device, function, COMMAND, &6u16.to_le_bytes());
            }
        }
        host
    }

    /// Talks with this device from now on.
    pub(crate) fn turn_to(&mut self, number: usize) {
        self.number = number;
    }

    /// Requester ID of function 0 of the device that is talked with.
    pub(crate) fn requester_id(&self) -> u64 {
        RID + self.number as u64 * 0x100
    }

    /// Address that a BAR of the first device is assigned.
    pub(crate) fn bar(&self, function: usize, index: usize) -> u64 {
        self.bar_of(0, function, index)
    }

    /// Address that a BAR of a device is assigned.
    pub(crate) fn bar_of(&self, device: usize, function: usize, index: usize) -> u64 {
        let device = device as u64 * 0x40_0000;
        0xfe00_0000 + device + function as u64 * 0x10_0000 + index as u64 * 0x1_0000
    }

    pub(crate) fn write_config(&mut self, function: usize, offset: usize, data: &[u8]) {
        self.write_config_of(0, function, offset, data);
    }

    pub(crate) fn write_config_of(
        &mut self,
        device: usize,
        function: usize,
        offset: usize,
        data: &[u8],
    ) {
        self.platform
            .write_device_config(device, function, offset, data, self.now);
    }

    pub(crate) fn read_config(&self, function: usize, offset: usize) -> u32 {
        self.read_config_of(0, function, offset)
    }

    pub(crate) fn read_config_of(&self, device: usize, function: usize, offset: usize) -> u32 {
        let mut data = [0; 4];
        self.platform.devices[device].read_config(function, offset, &mut data, self.now);
        u32::from_le_bytes(data)
    }

    /// The first device.
    pub(crate) fn device(&mut self) -> &mut Device {
        &mut self.platform.devices[0]
    }

    pub(crate) fn set(&mut self, knob: &str, value: &str) {
        self.platform.set_knob(knob, value, self.now).unwrap();
    }

    pub(crate) fn device_state(&self, function: usize) -> State {
        self.platform.devices[0].state(function)
    }

    /// A page of memory, filled with zeroes.
    pub(crate) fn page(&mut self) -> u64 {
        let page = self.next;
        self.next += PAGE;
        assert!(self.next <= MEMORY + MEMORY_SIZE);
        self.write(page, &[0; PAGE as usize]);
        page
    }

    /// All pages of memory that were asked for.
    pub(crate) fn pages(&self) -> impl Iterator<Item = u64> {
        (MEMORY..self.next).step_by(PAGE as usize)
    }

    pub(crate) fn write(&mut self, address: u64, data: &[u8]) {
        self.memory.write_all_at(data, address - MEMORY).unwrap();
    }

    pub(crate) fn read(&self, address: u64, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        self.memory
            .read_exact_at(&mut data, address - MEMORY)
            .unwrap();
        data
    }

    fn register(&self, personality: Personality, offset: usize) -> u64 {
        let mut data = [0; 8];
        self.platform.read_mailbox(personality, offset, &mut data);
        u64::from_le_bytes(data)
    }

    /// Makes a call of this firmware; `None` if it does not end.
    pub(crate) fn ring_on(
        &mut self,
        personality: Personality,
        x0: u64,
        arguments: &[u64],
    ) -> Option<[u64; X_COUNT]> {
        for n in 0..X_COUNT {
            let word = if n == 0 {
                x0
            } else {
                *arguments.get(n - 1).unwrap_or(&0)
            };
            self.platform
                .write_mailbox(personality, x(n), &word.to_le_bytes(), self.now);
        }
        self.platform
            .write_mailbox(personality, DOORBELL, &[X_COUNT as u8, 0, 0, 0], self.now);
        let busy = self.register(personality, STATUS) as u32 & STATUS_BUSY != 0;
        (!busy).then(|| std::array::from_fn(|n| self.register(personality, x(n))))
    }

    /// Makes a call of the RMM; `None` if it does not end.
    pub(crate) fn ring(&mut self, x0: u64, arguments: &[u64]) -> Option<[u64; 4]> {
        let results = self.ring_on(Personality::Rmm, x0, arguments)?;
        Some(std::array::from_fn(|n| results[n]))
    }

    pub(crate) fn results(&self) -> [u64; 4] {
        std::array::from_fn(|n| self.register(Personality::Rmm, x(n)))
    }

    pub(crate) fn reset_mailbox(&mut self) {
        self.platform
            .write_mailbox(Personality::Rmm, RESET, &[1, 0, 0, 0], self.now);
    }

    pub(crate) fn call(&mut self, fid: Fid, arguments: &[u64]) -> Result<[u64; 3], Refused> {
        let [x0, x1, x2, x3] = self.ring(fid.raw(), arguments).expect("the call ends");
        match Status::from_x0(x0).unwrap() {
            Status::Success => Ok([x1, x2, x3]),
            status => Err((status, x1)),
        }
    }

    pub(crate) fn delegate(&mut self, base: u64, top: u64) -> Result<(), Refused> {
        let mut next = base;
        while next < top {
            next = self.call(Fid::GranuleRangeDelegate, &[next, top])?[0];
        }
        Ok(())
    }

    pub(crate) fn undelegate(&mut self, base: u64, top: u64) -> Result<(), Refused> {
        let mut next = base;
        while next < top {
            next = self.call(Fid::GranuleRangeUndelegate, &[next, top])?[0];
        }
        Ok(())
    }

    /// A delegated page.
    pub(crate) fn delegated(&mut self) -> u64 {
        let page = self.page();
        self.delegate(page, page + PAGE).unwrap();
        page
    }

    /// One DOE exchange as Linux does it: a second for the answer, then an abort.
    pub(crate) fn exchange(&mut self, kind: u8, payload: &[u8]) -> Option<Vec<u8>> {
        self.exchange_with(0, kind, payload)
    }

    /// The same with another device than the first.
    pub(crate) fn exchange_with(
        &mut self,
        device: usize,
        kind: u8,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let (control, status, write, read) = (DOE + 8, DOE + 12, DOE + 16, DOE + 20);
        let word = |host: &mut Self, offset, value: u32| {
            host.write_config_of(device, 0, offset, &value.to_le_bytes())
        };
        word(self, write, 1 | u32::from(kind) << 16);
        word(self, write, 2 + payload.len().div_ceil(4) as u32);
        for chunk in payload.chunks(4) {
            let mut bytes = [0; 4];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word(self, write, u32::from_le_bytes(bytes));
        }
        word(self, control, 1 << 31);
        self.wire.push((kind, payload.to_vec()));
        for _ in 0..128 {
            let value = self.read_config_of(device, 0, status);
            if value & 1 << 31 != 0 {
                let header = self.read_config_of(device, 0, read);
                word(self, read, 0);
                let length = self.read_config_of(device, 0, read) as usize & 0x3ffff;
                let mut bytes = Vec::new();
                for _ in 2..length {
                    word(self, read, 0);
                    assert_ne!(self.read_config_of(device, 0, status) & 1 << 31, 0);
                    bytes.extend(self.read_config_of(device, 0, read).to_le_bytes());
                }
                word(self, read, 0);
                assert_eq!(self.read_config_of(device, 0, status), 0);
                self.wire.push(((header >> 16) as u8, bytes.clone()));
                return (header == 1 | u32::from(kind) << 16).then_some(bytes);
            }
            if value & 1 << 2 != 0 {
                break;
            }
            self.now += Duration::from_millis(8);
        }
        word(self, control, 1);
        assert_eq!(self.read_config_of(device, 0, status), 0);
        None
    }

    /// Carries messages until it is over, as `tsm_wire::rmi::dev_comm` says.
    pub(crate) fn carry(&mut self, fid: Fid, names: &[u64]) -> Result<Kept, (Status, Detail)> {
        self.carry_watching(fid, names, |_| ())
    }

    /// The same, with something to do before each message.
    pub(crate) fn carry_watching(
        &mut self,
        fid: Fid,
        names: &[u64],
        watch: impl FnMut(&mut Self),
    ) -> Result<Kept, (Status, Detail)> {
        let (kept, waits) = self.carry_on(fid, names, watch)?;
        assert!(!waits);
        Ok(kept)
    }

    /// The same, until it is over or the turn of the other end of a stream.
    pub(crate) fn carry_on(
        &mut self,
        fid: Fid,
        names: &[u64],
        mut watch: impl FnMut(&mut Self),
    ) -> Result<(Kept, bool), (Status, Detail)> {
        let (data, request, response) = (self.page(), self.page(), self.page());
        let mut kept = Kept::default();
        let mut enter = DevCommEnter::new_zeroed();
        enter.req_addr = request;
        enter.resp_addr = response;
        loop {
            self.write(data, enter.as_bytes());
            let arguments: Vec<u64> = names.iter().copied().chain([data]).collect();
            if let Err((status, x1)) = self.call(fid, &arguments) {
                self.next = data;
                return Err((status, Detail::from_raw(x1).unwrap()));
            }
            let exit = DevCommExit::read_from_bytes(&self.read(data + 0x800, 0x100)).unwrap();
            let flags = ExitFlags(exit.flags);
            if flags == ExitFlags(0) || flags == ExitFlags::STREAM_WAIT {
                self.next = data;
                return Ok((kept, flags != ExitFlags(0)));
            }
            let object = kept.objects.entry(exit.cache_obj_id);
            if flags.contains(ExitFlags::CACHE_RSP) {
                assert_eq!(enter.status, u64::from(CommStatus::Response));
                assert!(exit.cache_rsp_offset + exit.cache_rsp_len <= enter.resp_len);
                let part = self.read(
                    response + exit.cache_rsp_offset,
                    exit.cache_rsp_len as usize,
                );
                object.or_default().extend(part);
            }
            let object = kept.objects.entry(exit.cache_obj_id);
            if flags.contains(ExitFlags::CACHE_REQ) {
                assert!(flags.contains(ExitFlags::SEND));
                let part = self.read(request + exit.cache_req_offset, exit.cache_req_len as usize);
                object.or_default().extend(part);
            }
            enter.status = CommStatus::None.into();
            enter.resp_len = 0;
            if flags.contains(ExitFlags::SEND) {
                let kind = match Protocol::try_from(exit.protocol).unwrap() {
                    Protocol::Spdm => 1,
                    Protocol::SecureSpdm => 2,
                };
                kept.sent += 1;
                watch(self);
                let message = self.read(request, exit.req_len as usize);
                match self.exchange_with(self.number, kind, &message) {
                    Some(mut answer) => {
                        answer.truncate(4096);
                        self.write(response, &answer);
                        enter.status = CommStatus::Response.into();
                        enter.resp_len = answer.len() as u64;
                    }
                    None => enter.status = CommStatus::Error.into(),
                }
            }
        }
    }

    pub(crate) fn pdev_params(&self) -> PdevParams {
        let mut params = PdevParams::new_zeroed();
        let id = self.requester_id();
        params.flags = FLAG_SPDM | FLAG_CATEGORY_OFF_CHIP;
        params.pdev_id = id;
        params.rid_base = id;
        params.rid_top = id + 8;
        params.hash_algo = HASH_SHA_384;
        params
    }

    /// A PDEV before its communication.
    pub(crate) fn pdev(&mut self) -> u64 {
        let (pdev, params) = (self.delegated(), self.page());
        let wanted = self.pdev_params();
        self.write(params, wanted.as_bytes());
        self.call(Fid::PdevCreate, &[pdev, params]).unwrap();
        assert_eq!(self.pdev_state(pdev), PdevState::New);
        pdev
    }

    /// A PDEV that is ready.
    pub(crate) fn connect(&mut self) -> (u64, Kept) {
        let pdev = self.pdev();
        let kept = self.carry(Fid::PdevCommunicate, &[pdev]).unwrap();
        assert_eq!(self.pdev_state(pdev), PdevState::Ready);
        (pdev, kept)
    }

    pub(crate) fn pdev_state(&mut self, pdev: u64) -> PdevState {
        PdevState::try_from(self.call(Fid::PdevGetState, &[pdev]).unwrap()[0]).unwrap()
    }

    fn root_port_register(&mut self, offset: usize) -> u32 {
        let mut data = [0; 4];
        self.platform
            .read_mailbox(Personality::Rmm, root_port(self.number) + offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Offset of the IDE capability, which is the one after DOE.
    fn ide(&self) -> usize {
        (self.read_config_of(self.number, 0, DOE) >> 20) as usize
    }

    /// Status of the stream: of the root port, of the device.
    pub(crate) fn stream_status(&mut self) -> [u32; 2] {
        let root_port = self.root_port_register(STREAM_STATUS);
        let register = self.ide() + STREAM_STATUS;
        [root_port, self.read_config_of(self.number, 0, register)]
    }

    /// Writes control of the stream at both ends.
    pub(crate) fn stream_control(&mut self, id: u8, enable: bool) {
        let enable = if enable { STREAM_ENABLE } else { 0 };
        let value = u32::from(id) << 24 | enable;
        self.platform.write_mailbox(
            Personality::Rmm,
            root_port(self.number) + STREAM_CONTROL,
            &value.to_le_bytes(),
            self.now,
        );
        let value = value | STREAM_DEFAULT;
        let register = self.ide() + STREAM_CONTROL;
        self.write_config_of(self.number, 0, register, &value.to_le_bytes());
    }

    /// Lets both ends of a stream communicate in turn until what was begun is over.
    pub(crate) fn take_turns(&mut self, stream: Stream) -> Result<usize, (Status, Detail)> {
        let [endpoint, root_port, _] = stream.names;
        let mut ends = [(root_port, false), (endpoint, false)];
        let mut sent = 0;
        for _ in 0..2 {
            for (pdev, over) in ends.iter_mut().filter(|(_, over)| !*over) {
                let (kept, waits) = self.carry_on(Fid::PdevCommunicate, &[*pdev], |_| ())?;
                sent += kept.sent;
                *over = !waits;
            }
        }
        assert!(ends.iter().all(|(_, over)| *over));
        self.call(Fid::PdevStreamComplete, &stream.names).unwrap();
        Ok(sent)
    }

    /// A PDEV for the root port that is ready.
    pub(crate) fn root_port(&mut self) -> u64 {
        let (pdev, page) = (self.delegated(), self.page());
        let mut params = PdevParams::new_zeroed();
        params.flags = FLAG_CATEGORY_ROOT_PORT;
        params.pdev_id = RootPorts::requester_id(self.number).into();
        self.write(page, params.as_bytes());
        self.call(Fid::PdevCreate, &[pdev, page]).unwrap();
        let kept = self.carry(Fid::PdevCommunicate, &[pdev]).unwrap();
        assert_eq!((kept.sent, self.pdev_state(pdev)), (0, PdevState::Ready));
        pdev
    }

    pub(crate) fn stream_params(endpoint: u64, root_port: u64) -> PdevStreamParams {
        let mut params = PdevStreamParams::new_zeroed();
        params.stream_type = STREAM_NCOH;
        params.pdev_1 = endpoint;
        params.pdev_2 = root_port;
        params.ide_sid = u64::from(STREAM);
        params.num_addr_range = 1;
        params.addr_range[0] = AddrRange {
            base: 0xfe00_0000,
            top: 0xff00_0000,
        };
        params
    }

    /// Asks for a stream, configured at both ends, that is not communicated about yet.
    pub(crate) fn stream(&mut self, pdev: u64) -> Stream {
        let root_port = self.root_port();
        self.stream_control(STREAM, false);
        let page = self.page();
        self.write(page, Self::stream_params(pdev, root_port).as_bytes());
        let [handle, ..] = self.call(Fid::PdevStreamConnect, &[page]).unwrap();
        Stream {
            names: [pdev, root_port, handle],
        }
    }

    /// A stream that is secure.
    pub(crate) fn secure(&mut self, pdev: u64) -> Stream {
        let stream = self.stream(pdev);
        self.take_turns(stream).unwrap();
        assert_eq!(self.stream_status(), [0, 0]);
        self.stream_control(STREAM, true);
        assert_eq!(self.stream_status(), [2, 2]);
        stream
    }

    /// Takes a stream away, and the root port's PDEV. Returns how many messages that took.
    pub(crate) fn dissolve(&mut self, stream: Stream) -> usize {
        self.call(Fid::PdevStreamDisconnect, &stream.names).unwrap();
        let sent = self.take_turns(stream).unwrap();
        // A device that was not told has its keys as long as it is enabled.
        let told = sent != 0;
        assert_eq!(self.stream_status(), [0, if told { 0 } else { 2 }]);
        self.stream_control(255, false);
        assert_eq!(self.stream_status(), [0, 0]);
        let [_, root_port, _] = stream.names;
        self.disconnect(root_port);
        sent
    }

    pub(crate) fn disconnect(&mut self, pdev: u64) {
        self.call(Fid::PdevStop, &[pdev]).unwrap();
        self.carry(Fid::PdevCommunicate, &[pdev]).unwrap();
        assert_eq!(self.pdev_state(pdev), PdevState::Stopped);
        self.call(Fid::PdevDestroy, &[pdev]).unwrap();
        self.undelegate(pdev, pdev + PAGE).unwrap();
    }

    pub(crate) fn realm(&mut self) -> u64 {
        let (rd, params) = (self.delegated(), self.page());
        self.call(Fid::RealmCreate, &[rd, params]).unwrap();
        rd
    }

    pub(crate) fn vdev_params(&self, function: usize) -> VdevParams {
        let mut params = VdevParams::new_zeroed();
        params.tdi_id = self.requester_id() + function as u64;
        params.vdev_id = params.tdi_id;
        params.num_addr_range = 3;
        for (range, (index, size)) in
            params
                .addr_range
                .iter_mut()
                .zip([(0, 0x1_0000), (2, 0x4000), (4, 0x2000)])
        {
            let base = self.bar_of(self.number, function, index);
            *range = AddrRange {
                base,
                top: base + size,
            };
        }
        params
    }

    /// A VDEV that is unlocked.
    pub(crate) fn assign(&mut self, rd: u64, pdev: u64, function: usize) -> Tdi {
        let (vdev, params) = (self.delegated(), self.page());
        let wanted = self.vdev_params(function);
        self.write(params, wanted.as_bytes());
        self.call(Fid::VdevCreate, &[rd, pdev, vdev, params])
            .unwrap();
        let tdi = Tdi {
            names: [rd, pdev, vdev],
            function,
        };
        assert_eq!(self.state(tdi), VdevState::New);
        self.carry(Fid::VdevCommunicate, &tdi.names).unwrap();
        assert_eq!(self.state(tdi), VdevState::Unlocked);
        tdi
    }

    pub(crate) fn state(&mut self, tdi: Tdi) -> VdevState {
        VdevState::try_from(self.call(Fid::VdevGetState, &[tdi.names[2]]).unwrap()[0]).unwrap()
    }

    /// A call that begins a communication, and that communication.
    pub(crate) fn run(&mut self, fid: Fid, tdi: Tdi) -> Result<Kept, (Status, Detail)> {
        self.call(fid, &tdi.names).unwrap();
        self.carry(Fid::VdevCommunicate, &tdi.names)
    }

    pub(crate) fn measure(&mut self, tdi: Tdi, raw: bool) -> Result<Kept, (Status, Detail)> {
        self.measure_for(tdi, raw, [7; 32])
    }

    /// The same with this nonce; zeroes are none.
    pub(crate) fn measure_for(
        &mut self,
        tdi: Tdi,
        raw: bool,
        nonce: [u8; 32],
    ) -> Result<Kept, (Status, Detail)> {
        let page = self.page();
        let mut params = VdevMeasureParams::new_zeroed();
        params.flags = u64::from(raw);
        params.nonce = nonce;
        self.write(page, params.as_bytes());
        let [rd, pdev, vdev] = tdi.names;
        self.call(Fid::VdevGetMeasurements, &[rd, pdev, vdev, page])
            .unwrap();
        self.carry(Fid::VdevCommunicate, &tdi.names)
    }

    pub(crate) fn unassign(&mut self, tdi: Tdi) {
        self.call(Fid::VdevDestroy, &tdi.names).unwrap();
        let [_, _, vdev] = tdi.names;
        self.undelegate(vdev, vdev + PAGE).unwrap();
    }

    /// A platform with a connected device and function 0 assigned to a Realm.
    pub(crate) fn assigned() -> (Self, Tdi) {
        let mut host = Self::new();
        let (pdev, _) = host.connect();
        let rd = host.realm();
        let tdi = host.assign(rd, pdev, 0);
        (host, tdi)
    }

    /// The same, locked.
    pub(crate) fn locked() -> (Self, Tdi) {
        let (mut host, tdi) = Self::assigned();
        host.run(Fid::VdevLock, tdi).unwrap();
        assert_eq!(host.state(tdi), VdevState::Locked);
        (host, tdi)
    }

    /// The same, started.
    pub(crate) fn started() -> (Self, Tdi) {
        let (mut host, tdi) = Self::locked();
        host.run(Fid::VdevStart, tdi).unwrap();
        assert_eq!(host.state(tdi), VdevState::Started);
        (host, tdi)
    }
}
