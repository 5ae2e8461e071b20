// SPDX-License-Identifier: GPL-2.0

//! A host that does to the PSP what the backend does.

use crate::host::{Host, PAGE, RID, STREAM};
use snp::{Guest, Vmpck};
use std::time::Duration;
use tsm_wire::detail::Detail;
use tsm_wire::mailbox::{Personality, INSTRUCTION};
use tsm_wire::sev::dev::{
    DevConnect, DevCreate, DevDisconnect, DevReclaim, DevStatus, DevStatusData, DISCONNECT_FORCE,
    NO_STREAM,
};
use tsm_wire::sev::guest_message::TioGuestRequest;
use tsm_wire::sev::object::{EvidenceHeader, MessageHeader, ObjectId};
use tsm_wire::sev::platform::{TioInit, TioStatus, TioStatusData};
use tsm_wire::sev::rmp::{Instruction, PageState, RmpResult};
use tsm_wire::sev::snp::{Activate, Address, LaunchFinish, LaunchStart, POLICY_RESERVED_ONE};
use tsm_wire::sev::tdi::{
    InterfaceId, TdiBind, TdiCreate, TdiReclaim, TdiReport, TdiStatus, TdiStatusData, TdiUnbind,
    RUN, UNBIND_FORCE,
};
use tsm_wire::sev::{BufferHeader, Command, Sla, SpdmCtrl, Status};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// Requester ID of the first TDI in its guest.
pub(crate) const GUEST_RID: u16 = 0x18;

/// Why a command failed.
pub(crate) type Refused = (Status, Detail);

/// A host with a PSP.
pub(crate) struct Driver {
    pub(crate) host: Host,
    /// The page that commands are given in.
    pub(crate) command: u64,
    /// A page of the firmware's that it tells things in.
    pub(crate) data: u64,
    pub(crate) buffers: SpdmCtrl,
    pub(crate) limits: TioStatusData,
    /// Messages that were carried.
    pub(crate) sent: usize,
    /// How often a buffer was too short.
    pub(crate) expanded: usize,
    /// What the last command with an output put there.
    pub(crate) output: Vec<u8>,
}

/// A guest: its context, and its end of the conversation.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) context: u64,
    pub(crate) asid: u32,
    pub(crate) guest: Guest,
}

impl Driver {
    /// The firmware is ready, and nothing is connected.
    pub(crate) fn new() -> Self {
        let mut host = Host::new();
        let command = host.page();
        let mut driver = Self {
            host,
            command,
            data: 0,
            buffers: SpdmCtrl::default(),
            limits: TioStatusData::default(),
            sent: 0,
            expanded: 0,
            output: Vec::new(),
        };
        driver.data = driver.firmware_page();
        driver.limits = driver.platform_status();
        let length = size_of::<TioInit>() as u32;
        let init = TioInit {
            length,
            ..TioInit::default()
        };
        driver.call(Command::TioInit, &init).unwrap();
        driver.buffers = driver.new_buffers();
        driver
    }

    pub(crate) fn platform_status(&mut self) -> TioStatusData {
        let status = TioStatus {
            length: size_of::<TioStatus>() as u32,
            status_paddr: self.data,
            ..TioStatus::default()
        };
        self.call(Command::TioStatus, &status).unwrap();
        self.told()
    }

    /// What is in the page of data.
    pub(crate) fn told<T: FromBytes>(&self) -> T {
        T::read_from_bytes(&self.host.read(self.data, size_of::<T>())).unwrap()
    }

    /// An instruction of the host's.
    pub(crate) fn instruction(&mut self, which: Instruction, x: &[u64]) -> (u64, u64) {
        let number = INSTRUCTION | u64::from(which);
        let results = self.host.ring_on(Personality::Psp, number, x).unwrap();
        (results[0], results[1])
    }

    /// RMPUPDATE of so many pages.
    pub(crate) fn rmpupdate(
        &mut self,
        page: u64,
        gpa: u64,
        state: PageState,
        pages: u64,
    ) -> (RmpResult, u64) {
        let x = [page, gpa, state.raw(), pages];
        let (result, done) = self.instruction(Instruction::RmpUpdate, &x);
        (RmpResult::try_from(result).unwrap(), done)
    }

    /// Makes a page the firmware's.
    pub(crate) fn donate(&mut self, page: u64) {
        let result = self.rmpupdate(page, 0, PageState::Firmware, 1);
        assert_eq!(result, (RmpResult::Success, 1));
    }

    pub(crate) fn firmware_page(&mut self) -> u64 {
        let page = self.host.page();
        self.donate(page);
        page
    }

    /// Takes a page back.
    pub(crate) fn reclaim(&mut self, page: u64) -> Result<(), Refused> {
        self.call(Command::SnpPageReclaim, &Address { address: page })?;
        let result = self.rmpupdate(page, 0, PageState::Shared, 1);
        assert_eq!(result, (RmpResult::Success, 1));
        Ok(())
    }

    /// A buffer of so many bytes, and its pages.
    pub(crate) fn buffer(&mut self, bytes: u32, firmware: bool) -> Sla {
        let count = u64::from(bytes).div_ceil(PAGE);
        let pages: Vec<u64> = (0..count).map(|_| self.host.page()).collect();
        let mut header = BufferHeader::new_zeroed();
        header.capacity_sz = bytes;
        self.host.write(pages[0], header.as_bytes());
        let name = match pages.as_slice() {
            [page] => Sla::page(*page).unwrap(),
            pages => {
                let list = self.host.page();
                let entries = pages.iter().map(|page| Sla::page(*page).unwrap());
                for (at, entry) in (list..).step_by(8).zip(entries.chain([Sla::END])) {
                    self.host.write(at, entry.as_bytes());
                }
                Sla::list(list).unwrap()
            }
        };
        for page in pages.into_iter().filter(|_| firmware) {
            self.donate(page);
        }
        name
    }

    /// Buffers as the backend makes them at first.
    pub(crate) fn new_buffers(&mut self) -> SpdmCtrl {
        let limits = self.limits;
        SpdmCtrl {
            req: self.buffer(limits.spdm_req_size_max, true),
            resp: self.buffer(limits.spdm_rsp_size_max, false),
            scratch: self.buffer(limits.spdm_scratch_size_min, true),
            output: self.buffer(limits.spdm_out_size_min, true),
        }
    }

    /// The pages of a buffer.
    pub(crate) fn pages(&self, name: Sla) -> Vec<u64> {
        if !name.is_list() {
            return vec![name.address()];
        }
        (name.address()..)
            .step_by(8)
            .map(|at| Sla::read_from_bytes(&self.host.read(at, 8)).unwrap())
            .take_while(|sla| *sla != Sla::END)
            .map(Sla::address)
            .collect()
    }

    /// What is in a buffer, header and all.
    pub(crate) fn contents(&self, name: Sla) -> Vec<u8> {
        let pages = self.pages(name).into_iter();
        pages.flat_map(|page| self.host.read(page, 4096)).collect()
    }

    fn header(&self, name: Sla) -> BufferHeader {
        BufferHeader::read_from_prefix(&self.contents(name))
            .unwrap()
            .0
    }

    /// Gives a command.
    pub(crate) fn call<T: IntoBytes + Immutable>(
        &mut self,
        command: Command,
        parameters: &T,
    ) -> Result<(), Refused> {
        self.call_raw(command.into(), parameters.as_bytes())
    }

    pub(crate) fn call_raw(&mut self, command: u64, parameters: &[u8]) -> Result<(), Refused> {
        let page = self.command;
        self.host.write(page, parameters);
        let results = self
            .host
            .ring_on(Personality::Psp, command, &[page])
            .unwrap();
        match Status::from_x0(results[0]).unwrap() {
            Status::Success => {
                assert_eq!(results[1], 0);
                Ok(())
            }
            status => Err((status, Detail::from_raw(results[1]).unwrap())),
        }
    }

    /// Gives a command that talks with a device, until it is over.
    pub(crate) fn converse<T: IntoBytes + Immutable>(
        &mut self,
        command: Command,
        parameters: impl Fn(SpdmCtrl) -> T,
    ) -> Result<(), Refused> {
        self.converse_watching(command, parameters, |_| ())
    }

    /// The same, with something to do before each message.
    pub(crate) fn converse_watching<T: IntoBytes + Immutable>(
        &mut self,
        command: Command,
        parameters: impl Fn(SpdmCtrl) -> T,
        mut watch: impl FnMut(&mut Self),
    ) -> Result<(), Refused> {
        loop {
            let outcome = self.call(command, &parameters(self.buffers));
            match outcome {
                Err((Status::SpdmRequest, Detail::NONE)) => {
                    watch(self);
                    self.carry();
                }
                Err((Status::ExpandBufferLengthRequest, Detail::NONE)) => self.expand(),
                outcome => {
                    self.output = self.contents(self.buffers.output);
                    return outcome;
                }
            }
        }
    }

    /// Makes the buffers longer that are too short.
    fn expand(&mut self) {
        self.expanded += 1;
        let mut grown = 0;
        for output in [false, true] {
            let name = if output {
                self.buffers.output
            } else {
                self.buffers.scratch
            };
            let has = self.pages(name).len() as u64 * PAGE;
            let wanted = self.header(name).capacity_sz;
            if u64::from(wanted) == has {
                continue;
            }
            assert!(u64::from(wanted) > has && wanted.is_multiple_of(4096));
            let longer = self.buffer(wanted, true);
            for page in self.pages(name) {
                self.reclaim(page).unwrap();
            }
            let place = if output {
                &mut self.buffers.output
            } else {
                &mut self.buffers.scratch
            };
            *place = longer;
            grown += 1;
        }
        assert_ne!(grown, 0);
    }

    /// The message in the request buffer: how it travels, and its bytes.
    pub(crate) fn request(&self) -> (u8, Vec<u8>) {
        let bytes = self.contents(self.buffers.req);
        let (header, rest) = MessageHeader::read_from_prefix(&bytes[64..]).unwrap();
        let (id, length) = (header.object.id, header.object.length as usize);
        assert_eq!(u64::from(id), u64::from(ObjectId::Request));
        assert_eq!((header.object.major, header.object.minor), (1, 0));
        assert_eq!(
            self.header(self.buffers.req).payload_sz as usize,
            length.next_multiple_of(32)
        );
        (header.data_type, rest[..length - 16].to_vec())
    }

    /// Puts an answer into the response buffer, as Linux does: whole blocks of 32 bytes.
    pub(crate) fn respond(&mut self, kind: u8, answer: &[u8]) {
        let length = match answer.len() {
            0 => 16,
            length => (16 + length).next_multiple_of(32),
        };
        let mut header = MessageHeader::new_zeroed();
        header.object.id = u64::from(ObjectId::Response) as u32;
        header.object.length = length as u32;
        header.object.major = 1;
        header.data_type = kind;
        let mut buffer = BufferHeader::new_zeroed();
        buffer.capacity_sz = self.limits.spdm_rsp_size_max;
        buffer.payload_sz = length as u32;
        let mut bytes = [buffer.as_bytes(), header.as_bytes(), answer].concat();
        bytes.resize(64 + length, 0);
        self.put(self.buffers.resp, &bytes);
    }

    /// Writes a buffer.
    pub(crate) fn put(&mut self, name: Sla, bytes: &[u8]) {
        for (page, bytes) in self.pages(name).into_iter().zip(bytes.chunks(4096)) {
            self.host.write(page, bytes);
        }
    }

    /// Carries a message to the device and its answer back.
    pub(crate) fn carry(&mut self) {
        let (kind, message) = self.request();
        self.sent += 1;
        let answer = self.host.exchange(kind, &message).unwrap_or_default();
        let room = self.limits.spdm_rsp_size_max as usize - 80 - 31;
        self.respond(kind, &answer[..answer.len().min(room)]);
    }

    /// The evidence in the output buffer.
    pub(crate) fn evidence(&self, id: ObjectId) -> Vec<u8> {
        let (header, rest) = EvidenceHeader::read_from_prefix(&self.output[64..]).unwrap();
        let (found, length) = (header.object.id, header.object.length as usize);
        assert_eq!(u64::from(found), u64::from(id));
        assert_eq!((header.r#type, u64::from(header.device_id)), (1, RID));
        rest[..length - 32].to_vec()
    }

    /// The context of a device, not connected.
    pub(crate) fn create(&mut self) -> Sla {
        let dev_ctx_sla = self.buffer(self.limits.devctx_size, true);
        let create = DevCreate {
            length: size_of::<DevCreate>() as u32,
            dev_ctx_sla,
            device_id: RID as u16,
            ..DevCreate::default()
        };
        self.call(Command::TioDevCreate, &create).unwrap();
        dev_ctx_sla
    }

    pub(crate) fn connect_parameters(device: Sla, stream: bool) -> impl Fn(SpdmCtrl) -> DevConnect {
        move |spdm_ctrl| {
            let mut connect = DevConnect {
                length: size_of::<DevConnect>() as u32,
                spdm_ctrl,
                dev_ctx_sla: device,
                ide_stream_id: [NO_STREAM; 8],
                ..DevConnect::default()
            };
            if stream {
                connect.tc_mask = 1;
                connect.ide_stream_id[0] = STREAM;
            }
            connect
        }
    }

    /// Connects a device, without a stream.
    pub(crate) fn connect(&mut self, device: Sla) -> Result<(), Refused> {
        let parameters = Self::connect_parameters(device, false);
        self.converse(Command::TioDevConnect, parameters)
    }

    /// Connects a device over a stream that is secure then.
    pub(crate) fn connect_secure(&mut self, device: Sla) {
        self.host.stream_control(STREAM, false);
        let parameters = Self::connect_parameters(device, true);
        self.converse(Command::TioDevConnect, parameters).unwrap();
        self.host.stream_control(STREAM, true);
        assert_eq!(self.host.stream_status(), [2, 2]);
    }

    pub(crate) fn disconnect(&mut self, device: Sla, force: bool) -> Result<(), Refused> {
        self.converse(Command::TioDevDisconnect, |spdm_ctrl| DevDisconnect {
            length: size_of::<DevDisconnect>() as u32,
            flags: if force { DISCONNECT_FORCE } else { 0 },
            spdm_ctrl,
            dev_ctx_sla: device,
        })
    }

    /// Ends the context of a device, and takes its pages back.
    pub(crate) fn reclaim_device(&mut self, device: Sla) -> Result<(), Refused> {
        let reclaim = DevReclaim {
            length: size_of::<DevReclaim>() as u32,
            dev_ctx_sla: device,
            ..DevReclaim::default()
        };
        self.call(Command::TioDevReclaim, &reclaim)?;
        for page in self.pages(device) {
            self.reclaim(page)?;
        }
        Ok(())
    }

    pub(crate) fn device_status(&mut self, device: Sla) -> DevStatusData {
        let status = DevStatus {
            length: size_of::<DevStatus>() as u32,
            dev_ctx_sla: device,
            status_paddr: self.data,
            ..DevStatus::default()
        };
        self.call(Command::TioDevStatus, &status).unwrap();
        self.told()
    }

    /// A guest that runs.
    pub(crate) fn launch(&mut self, asid: u32) -> Vm {
        let context = self.firmware_page();
        self.call(Command::SnpGctxCreate, &Address { address: context })
            .unwrap();
        let start = LaunchStart {
            gctx_paddr: context,
            policy: POLICY_RESERVED_ONE,
            ..LaunchStart::default()
        };
        self.call(Command::SnpLaunchStart, &start).unwrap();
        let activate = Activate {
            gctx_paddr: context,
            asid,
        };
        self.call(Command::SnpActivate, &activate).unwrap();
        let finish = LaunchFinish {
            gctx_paddr: context,
            ..LaunchFinish::default()
        };
        self.call(Command::SnpLaunchFinish, &finish).unwrap();
        let platform = &self.host.platform;
        let key = platform.firmware(Personality::Psp).guest_key(0).unwrap();
        Vm {
            context,
            asid,
            guest: Guest::new(Vmpck::new(key), 0, 0),
        }
    }

    pub(crate) fn decommission(&mut self, vm: &Vm) -> Result<(), Refused> {
        let address = vm.context;
        self.call(Command::SnpDecommission, &Address { address })?;
        self.reclaim(address)
    }

    /// The context of a TDI, not bound.
    pub(crate) fn create_tdi(&mut self, device: Sla, function: u16) -> Result<Sla, Refused> {
        let tdi_ctx_sla = self.buffer(self.limits.tdictx_size, true);
        let create = TdiCreate {
            length: size_of::<TdiCreate>() as u32,
            dev_ctx_sla: device,
            tdi_ctx_sla,
            interface_id: InterfaceId {
                function_id: RID as u32 + u32::from(function),
                reserved: [0; 8],
            },
            ..TdiCreate::default()
        };
        self.call(Command::TioTdiCreate, &create)?;
        Ok(tdi_ctx_sla)
    }

    pub(crate) fn reclaim_tdi(&mut self, device: Sla, tdi: Sla) -> Result<(), Refused> {
        let reclaim = TdiReclaim {
            length: size_of::<TdiReclaim>() as u32,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            ..TdiReclaim::default()
        };
        self.call(Command::TioTdiReclaim, &reclaim)?;
        for page in self.pages(tdi) {
            self.reclaim(page)?;
        }
        Ok(())
    }

    pub(crate) fn bind_parameters(
        [device, tdi]: [Sla; 2],
        vm: &Vm,
        run_flags: u16,
    ) -> impl Fn(SpdmCtrl) -> TdiBind {
        let gctx_paddr = vm.context;
        move |spdm_ctrl| TdiBind {
            length: size_of::<TdiBind>() as u32,
            spdm_ctrl,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            gctx_paddr,
            guest_device_id: GUEST_RID,
            run_flags,
            ..TdiBind::default()
        }
    }

    pub(crate) fn lock(&mut self, names: [Sla; 2], vm: &Vm) -> Result<(), Refused> {
        self.converse(Command::TioTdiBind, Self::bind_parameters(names, vm, 0))
    }

    pub(crate) fn run(&mut self, names: [Sla; 2], vm: &Vm) -> Result<(), Refused> {
        self.converse(Command::TioTdiBind, Self::bind_parameters(names, vm, RUN))
    }

    pub(crate) fn unbind(
        &mut self,
        [device, tdi]: [Sla; 2],
        vm: &Vm,
        force: bool,
    ) -> Result<(), Refused> {
        let gctx_paddr = vm.context;
        self.converse(Command::TioTdiUnbind, |spdm_ctrl| TdiUnbind {
            length: size_of::<TdiUnbind>() as u32,
            flags: if force { UNBIND_FORCE } else { 0 },
            spdm_ctrl,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            gctx_paddr,
        })
    }

    pub(crate) fn report(&mut self, [device, tdi]: [Sla; 2], vm: &Vm) -> Result<Vec<u8>, Refused> {
        let gctx_paddr = vm.context;
        self.converse(Command::TioTdiReport, |spdm_ctrl| TdiReport {
            length: size_of::<TdiReport>() as u32,
            spdm_ctrl,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            gctx_paddr,
            ..TdiReport::default()
        })?;
        Ok(self.evidence(ObjectId::Report))
    }

    pub(crate) fn tdi_status(&mut self, [device, tdi]: [Sla; 2]) -> Result<u8, Refused> {
        let status_paddr = self.data;
        self.converse(Command::TioTdiStatus, |spdm_ctrl| TdiStatus {
            length: size_of::<TdiStatus>() as u32,
            spdm_ctrl,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            status_paddr,
            ..TdiStatus::default()
        })?;
        Ok(self.told::<TdiStatusData>().tdisp_state)
    }

    /// Carries a guest's message and the response to it.
    pub(crate) fn guest_request(
        &mut self,
        [device, tdi]: [Sla; 2],
        vm: &Vm,
        message: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let page = self.host.page();
        self.host.write(page, message);
        let request = TioGuestRequest {
            length: size_of::<TioGuestRequest>() as u32,
            spdm_ctrl: self.buffers,
            dev_ctx_sla: device,
            tdi_ctx_sla: tdi,
            gctx_paddr: vm.context,
            req_paddr: page,
            res_paddr: self.data,
            ..TioGuestRequest::default()
        };
        self.call(Command::TioGuestRequest, &request)?;
        Ok(self.host.read(self.data, 4096))
    }

    /// A TDI context of a connected device, and a guest.
    pub(crate) fn assigned() -> (Self, [Sla; 2], Vm) {
        let mut driver = Self::new();
        let device = driver.create();
        driver.connect(device).unwrap();
        let vm = driver.launch(1);
        let tdi = driver.create_tdi(device, 0).unwrap();
        (driver, [device, tdi], vm)
    }

    /// A TDI that is locked for a guest, and its report was read.
    pub(crate) fn locked() -> (Self, [Sla; 2], Vm) {
        let (mut driver, names, vm) = Self::assigned();
        driver.lock(names, &vm).unwrap();
        driver.report(names, &vm).unwrap();
        (driver, names, vm)
    }

    /// Takes everything back, buffers too.
    pub(crate) fn take_apart(mut self, [device, tdi]: [Sla; 2], vm: &Vm) {
        self.reclaim_tdi(device, tdi).unwrap();
        self.decommission(vm).unwrap();
        self.disconnect(device, false).unwrap();
        self.reclaim_device(device).unwrap();
        self.end();
    }

    /// Takes the buffers back: nothing is the firmware's any more.
    pub(crate) fn end(mut self) {
        let SpdmCtrl {
            req,
            scratch,
            output,
            ..
        } = self.buffers;
        for name in [req, scratch, output] {
            for page in self.pages(name) {
                self.reclaim(page).unwrap();
            }
        }
        self.reclaim(self.data).unwrap();
        let counts = self.counts();
        assert_eq!(counts, [0; 4]);
    }

    /// Connections, TDIs, guests, pages.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let counts = self.host.platform.firmware(Personality::Psp).counts();
        [counts.connections, counts.tdis, counts.vms, counts.pages]
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.host.now += time;
    }
}
