// SPDX-License-Identifier: GPL-2.0

//! A VMM with one TD, and the guest in it.

use crate::host::{Host, PAGE, RID, STREAM};
use std::collections::BTreeMap;
use tsm_wire::mailbox::{Personality, X_COUNT};
use tsm_wire::tdx::devif::{
    devifmt_index, request, response, DevifId, ResponseOut, TdispCode, REPORT_PORTION, TD_FLAG,
};
use tsm_wire::tdx::dmar::{
    invalidate_subject, pasid_entry, INVALIDATE_PASID_ENTRY, PASID_TABLE_ENTRY, WAIT_DESCRIPTOR,
};
use tsm_wire::tdx::doe::{DoeHeader, HEADER_SIZE};
use tsm_wire::tdx::ide::{
    address_association, rid_association, stream_control, IdeKmObject, KmParameters, StreamConfig,
};
use tsm_wire::tdx::mmio::{mmiomt_data, mmiomt_index, MMIOMT_QNODE};
use tsm_wire::tdx::status::Status;
use tsm_wire::tdx::td::TD_PARAMS;
use tsm_wire::tdx::tpa::{Information, Turn};
use tsm_wire::tdx::{Call, Leaf, StandIn};
use zerocopy::{FromBytes, IntoBytes};

pub(crate) type Registers = [u64; X_COUNT];

/// Number of the SPDM session.
pub(crate) const SPDM: u64 = 7;
/// Key ID of the TD.
pub(crate) const HKID: u64 = 5;
/// Function 0 of the device.
pub(crate) const FUNCTION: u16 = RID as u16;
/// What the root port of the device is.
pub(crate) const ROOT_PORT: u8 = 0x10;
/// Where the TD sees MMIO.
pub(crate) const GPA: u64 = 0x2_0000_0000;

/// Register of a result.
pub(crate) const RCX: usize = 1;
pub(crate) const RDX: usize = 2;
pub(crate) const R8: usize = 3;

/// What a host knows of everything it made.
pub(crate) struct Vmm {
    pub(crate) host: Host,
    pub(crate) tdr: u64,
    pub(crate) tdcx: u64,
    /// Pages of messages: request, answer, evidence.
    pub(crate) request: u64,
    pub(crate) answer: u64,
    pub(crate) evidence: u64,
    /// Pages that were given for tables, by kind and level.
    pub(crate) tables: Vec<(Leaf, u64, u64)>,
    pub(crate) hash: [u64; 6],
    pub(crate) objects: BTreeMap<u32, Vec<u8>>,
    /// How many messages were carried.
    pub(crate) sent: usize,
}

impl Vmm {
    /// With nothing but pages for messages.
    pub(crate) fn bare() -> Self {
        let mut host = Host::new();
        let [tdr, tdcx, request, answer, evidence] = std::array::from_fn(|_| host.page());
        Self {
            host,
            tdr,
            tdcx,
            request,
            answer,
            evidence,
            tables: Vec::new(),
            hash: [0; 6],
            objects: BTreeMap::new(),
            sent: 0,
        }
    }

    /// With a TD.
    pub(crate) fn new() -> Self {
        let mut vmm = Self::bare();
        vmm.build();
        vmm
    }

    /// With a session, too.
    pub(crate) fn connected() -> Self {
        let mut vmm = Self::new();
        vmm.connect().unwrap();
        vmm
    }

    /// With a stream that is keyed, too.
    pub(crate) fn keyed() -> Self {
        let mut vmm = Self::connected();
        vmm.make_stream().unwrap();
        vmm.key().unwrap();
        vmm.host.stream_control(STREAM, true);
        vmm
    }

    /// With a device interface, too.
    pub(crate) fn bound() -> Self {
        let mut vmm = Self::keyed();
        vmm.bind().unwrap();
        vmm
    }

    /// With one that is locked, and that the guest knows.
    pub(crate) fn locked() -> Self {
        let mut vmm = Self::bound();
        vmm.dma().unwrap();
        vmm.lock().unwrap();
        vmm.validate().unwrap();
        vmm
    }

    /// With one that runs.
    pub(crate) fn running() -> Self {
        let mut vmm = Self::locked();
        vmm.guest(StandIn::DmarAccept, &[FUNCTION.into()]).unwrap();
        vmm.start().unwrap();
        vmm
    }

    /// Makes a call: all that comes back.
    pub(crate) fn ring(&mut self, x0: u64, arguments: &[u64]) -> Registers {
        let out = self.host.ring_on(Personality::Tdx, x0, arguments);
        out.expect("the call ends")
    }

    /// Makes a call; its completion status if it did not do all of its work.
    pub(crate) fn call(
        &mut self,
        call: impl Into<Call>,
        arguments: &[u64],
    ) -> Result<Registers, u64> {
        let out = self.ring(call.into().raw(), arguments);
        if out[0] == Status::Success.raw() {
            Ok(out)
        } else {
            let results = if out[0] == Status::GoOn.raw() {
                return Err(out[0]);
            } else {
                out[1..].iter()
            };
            assert!(results.copied().all(|word| word == 0), "{out:x?}");
            Err(out[0])
        }
    }

    /// A call of the guest's.
    pub(crate) fn guest(&mut self, call: StandIn, arguments: &[u64]) -> Result<Registers, u64> {
        self.guest_of(self.tdr, call, arguments)
    }

    /// A call of the guest's of another TD.
    pub(crate) fn guest_of(
        &mut self,
        tdr: u64,
        call: StandIn,
        arguments: &[u64],
    ) -> Result<Registers, u64> {
        let mut all = [0; 13];
        all[..arguments.len()].copy_from_slice(arguments);
        all[12] = tdr;
        self.call(call, &all)
    }

    /// The session, stream and device interface in `counts`, and pages.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let counts = self.host.platform.firmware(Personality::Tdx).counts();
        [counts.connections, counts.tdis, counts.vms, counts.pages]
    }

    /// A TD of these pages.
    pub(crate) fn build_of(&mut self, tdr: u64, tdcx: u64, hkid: u64) {
        let params = self.host.page();
        self.host.write(params, TD_PARAMS.as_bytes());
        self.call(Leaf::MngCreate, &[tdr, hkid]).unwrap();
        self.call(Leaf::MngKeyConfig, &[tdr]).unwrap();
        self.call(Leaf::MngAddcx, &[tdcx, tdr]).unwrap();
        self.call(Leaf::MngInit, &[tdr, params]).unwrap();
        self.call(Leaf::MrFinalize, &[tdr]).unwrap();
    }

    fn build(&mut self) {
        self.build_of(self.tdr, self.tdcx, HKID);
    }

    pub(crate) fn tear_down(&mut self) {
        let (tdr, tdcx) = (self.tdr, self.tdcx);
        self.call(Leaf::MngVpflushdone, &[tdr]).unwrap();
        self.call(Leaf::PhymemCacheWb, &[0]).unwrap();
        self.call(Leaf::MngKeyFreeid, &[tdr]).unwrap();
        for (page, hkid) in [(tdcx, HKID), (tdr, 1)] {
            self.call(Leaf::PhymemPageReclaim, &[page]).unwrap();
            self.call(Leaf::PhymemPageWbinvd, &[page | hkid << 46])
                .unwrap();
        }
    }

    /// Carries the request in its page to the device, and the answer back.
    pub(crate) fn carry(&mut self) {
        let object = self.host.read(self.request, PAGE as usize);
        let (header, rest) = DoeHeader::read_from_prefix(&object).unwrap();
        let payload = header.payload().unwrap();
        let answer = self.host.exchange(header.kind, &rest[..payload]);
        self.sent += 1;
        let answer = answer.unwrap_or_default();
        let length = answer.len().min(PAGE as usize - HEADER_SIZE);
        let mut object = DoeHeader::new(header.kind, length).as_bytes().to_vec();
        object.extend_from_slice(&answer[..length]);
        self.host.write(self.answer, &object);
    }

    /// Carries messages until a call with the answer is over.
    pub(crate) fn converse(
        &mut self,
        call: impl Into<Call>,
        arguments: &[u64],
    ) -> Result<Registers, u64> {
        let call = call.into();
        loop {
            self.carry();
            let out = self.call(call, arguments);
            if out != Err(Status::GoOn.raw()) {
                return out;
            }
        }
    }

    /// The agent's part.
    pub(crate) fn provision(&mut self, call: StandIn, about: [u64; 2]) -> Result<Registers, u64> {
        let mut objects: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut turn = Turn::Begin;
        loop {
            let [r12, r13] = about;
            let (request, answer, evidence) = (self.request, self.answer, self.evidence);
            let arguments = [0, SPDM, answer, turn as u64, request, evidence, r12, r13];
            let out = self.ring(Call::from(call).raw(), &arguments);
            let going = out[0] == Status::GoOn.raw();
            if !going && out[0] != Status::Success.raw() {
                return Err(out[0]);
            }
            let part = Information::from_raw(out[RDX]);
            let bytes = self.host.read(evidence, part.len as usize);
            if !bytes.is_empty() {
                objects.entry(part.object).or_default().extend(bytes);
            }
            if !going {
                self.objects.extend(objects);
                return Ok(out);
            }
            turn = Turn::Nothing;
            if out[RCX] == 1 {
                self.carry();
                let (header, _) =
                    DoeHeader::read_from_prefix(&self.host.read(answer, HEADER_SIZE)).unwrap();
                turn = match header.payload() {
                    Some(0) => Turn::NoAnswer,
                    _ => Turn::Answer,
                };
            }
        }
    }

    pub(crate) fn connect(&mut self) -> Result<(), u64> {
        let page = self.host.page();
        self.call(Leaf::SpdmCreate, &[0, SPDM, page])?;
        let out = self.provision(StandIn::TpaConnect, [FUNCTION.into(), 0])?;
        self.hash.copy_from_slice(&out[3..9]);
        for level in (1..=4).rev() {
            let index = devifmt_index(level, FUNCTION.into());
            self.table(Leaf::DevifMtAdd, Leaf::DevifMtRemove, index)?;
        }
        Ok(())
    }

    /// Gives a page for a table.
    fn table(&mut self, add: Leaf, remove: Leaf, index: u64) -> Result<(), u64> {
        let page = self.host.page();
        self.call(add, &[index, page])?;
        self.tables.push((remove, index, page));
        Ok(())
    }

    /// Takes all of one kind back.
    pub(crate) fn take_tables(&mut self, kind: Leaf) {
        for (leaf, index, page) in self.tables.clone().into_iter().rev() {
            if leaf == kind {
                let out = self.call(leaf, &[index]).unwrap();
                let number = leaf == Leaf::MmioMtRemove;
                assert_eq!(out[RCX], if number { page >> 12 } else { page });
            }
        }
        self.tables.retain(|(leaf, ..)| *leaf != kind);
    }

    /// Operands of the stream.
    pub(crate) fn stream_operands(page: u64) -> [u64; 10] {
        let config = StreamConfig {
            block: 0,
            root_port: ROOT_PORT,
            key_id: STREAM,
        };
        let [last, first] = rid_association(FUNCTION, FUNCTION + 7);
        let [a1, a2, a3] = address_association(0xfe00_0000, 0xfe3f_ffff);
        let control = stream_control(STREAM);
        [
            0,
            SPDM,
            config.raw(),
            control,
            last,
            first,
            a1,
            a2,
            a3,
            page,
        ]
    }

    pub(crate) fn make_stream(&mut self) -> Result<(), u64> {
        self.host.stream_control(STREAM, false);
        let page = self.host.page();
        self.call(Leaf::IdeStreamCreate, &Self::stream_operands(page))?;
        Ok(())
    }

    /// One IDE_KM request with its answer.
    pub(crate) fn key_message(
        &mut self,
        object: IdeKmObject,
        parameters: KmParameters,
    ) -> Result<Registers, u64> {
        let slot = match object {
            IdeKmObject::KeyProg => parameters.slot(STREAM),
            _ => 0,
        };
        let stream = u64::from(STREAM);
        let (object, parameters) = (object as u64, parameters.raw());
        let request = self.request;
        self.call(
            Leaf::IdeStreamIdekmreq,
            &[0, stream, object, parameters, slot, request],
        )?;
        self.converse(Leaf::IdeStreamIdekmrsp, &[0, stream, self.answer])
    }

    /// Brings all keys, and has them used.
    pub(crate) fn key(&mut self) -> Result<(), u64> {
        for object in [IdeKmObject::KeyProg, IdeKmObject::KSetGo] {
            for parameters in KmParameters::of_key_set(0) {
                let out = self.key_message(object, parameters)?;
                // Protocol, object ID of the answer.
                let [protocol, answer, ..] = out[RCX].to_le_bytes();
                let expected = if object == IdeKmObject::KeyProg { 3 } else { 6 };
                assert_eq!((protocol, answer), (0, expected));
            }
        }
        Ok(())
    }

    pub(crate) fn bind(&mut self) -> Result<[u64; 3], u64> {
        let pages = std::array::from_fn(|_| self.host.page());
        let [root, guest, vmm] = pages;
        let id = DevifId {
            iommu: 0,
            stream: STREAM,
            kind: 0,
            function: FUNCTION.into(),
        };
        self.call(Leaf::DevifCreate, &[id.raw(), self.tdr, root, guest, vmm])?;
        Ok(pages)
    }

    pub(crate) fn dma(&mut self) -> Result<(), u64> {
        let [low, high] = PASID_TABLE_ENTRY;
        self.call(Leaf::DmarAdd, &[pasid_entry(0, FUNCTION), low, high])?;
        Ok(())
    }

    /// Takes the device's access away.
    pub(crate) fn no_dma(&mut self) -> Result<(), u64> {
        let index = pasid_entry(0, FUNCTION);
        self.call(Leaf::DmarBlock, &[index])?;
        let status = self.host.page();
        let subject = invalidate_subject(FUNCTION);
        self.call(
            Leaf::IqInvRequest,
            &[0, INVALIDATE_PASID_ENTRY, subject, WAIT_DESCRIPTOR, status],
        )?;
        self.call(Leaf::IqInvProcess, &[0])?;
        assert_eq!(self.host.read(status, 4), [1, 0, 0, 0]);
        self.call(Leaf::DmarRemove, &[index])?;
        Ok(())
    }

    /// A request of the host's with its answer.
    pub(crate) fn ask(&mut self, code: TdispCode) -> Result<ResponseOut, u64> {
        let function = u64::from(FUNCTION);
        self.call(Leaf::DevifRequest, &[function, request(code), self.request])?;
        let out = self.converse(Leaf::DevifResponse, &[function, response(self.answer), 0])?;
        Ok(ResponseOut(out[RCX]))
    }

    /// The host's part of a request of the guest's.
    pub(crate) fn ask_for_guest(&mut self) -> Result<Registers, u64> {
        let function = u64::from(FUNCTION);
        self.call(Leaf::DevifRequest, &[function, TD_FLAG, self.request])?;
        let page = response(self.answer) | TD_FLAG;
        self.converse(Leaf::DevifResponse, &[function, page, 0])
    }

    /// A request of the guest's with its answer, which goes to a page.
    pub(crate) fn guest_asks(&mut self, code: TdispCode) -> Result<ResponseOut, u64> {
        let (function, page) = (u64::from(FUNCTION), self.evidence);
        self.guest(StandIn::DevifRequest, &[function, code as u64])?;
        self.ask_for_guest()?;
        let out = self.guest(StandIn::DevifResponse, &[function, page])?;
        Ok(ResponseOut(out[RCX]))
    }

    pub(crate) fn lock(&mut self) -> Result<ResponseOut, u64> {
        self.ask(TdispCode::Lock)
    }

    pub(crate) fn stop(&mut self) -> Result<ResponseOut, u64> {
        self.ask(TdispCode::Stop)
    }

    pub(crate) fn start(&mut self) -> Result<ResponseOut, u64> {
        self.guest_asks(TdispCode::Start)
    }

    pub(crate) fn validate(&mut self) -> Result<Registers, u64> {
        let [a, b, c, d, e, f] = self.hash;
        let arguments = [FUNCTION.into(), a, b, c, d, e, f];
        self.guest(StandIn::DevifValidate, &arguments)
    }

    /// The interface report.
    pub(crate) fn report(&mut self) -> Result<Vec<u8>, u64> {
        let mut report = Vec::new();
        loop {
            let out = self.guest_asks(TdispCode::GetReport)?;
            if out.code() != TdispCode::Report as u64 {
                return Err(out.0);
            }
            let message = self.host.read(self.evidence, out.len().into());
            report.extend_from_slice(&message[REPORT_PORTION..]);
            assert_eq!(message.len() - REPORT_PORTION, usize::from(out.portion()));
            if out.remainder() == 0 {
                return Ok(report);
            }
        }
    }

    /// Gives pages for the table of MMIO that an address is found through.
    pub(crate) fn mmio_tables(&mut self, address: u64) -> Result<(), u64> {
        for level in (1..=5).rev() {
            let index = mmiomt_index(level, address);
            self.table(Leaf::MmioMtAdd, Leaf::MmioMtRemove, index)?;
        }
        Ok(())
    }

    /// Maps a page of MMIO that the tables are there for.
    pub(crate) fn map(&mut self, gpa: u64, address: u64) -> Result<(), u64> {
        let index = mmiomt_index(0, address);
        self.call(Leaf::MmioMtSet, &[index, mmiomt_data(FUNCTION.into())])?;
        self.call(Leaf::MmioMap, &[gpa, self.tdr, address])?;
        Ok(())
    }

    pub(crate) fn unmap(&mut self, gpa: u64, address: u64) -> Result<(), u64> {
        let tdr = self.tdr;
        self.call(Leaf::MmioBlock, &[gpa, tdr])?;
        self.call(Leaf::MemTrack, &[tdr])?;
        let out = self.call(Leaf::MmioUnmap, &[gpa, tdr])?;
        assert_eq!(out[R8], address);
        let index = mmiomt_index(0, address);
        self.call(Leaf::MmioMtSet, &[index, MMIOMT_QNODE])?;
        Ok(())
    }

    pub(crate) fn unbind(&mut self) -> Result<Registers, u64> {
        self.call(Leaf::DevifRemove, &[FUNCTION.into()])
    }

    /// Ends the stream and the session, without a word to the device about the stream.
    pub(crate) fn disconnect(&mut self) -> Result<(), u64> {
        let stream = u64::from(STREAM);
        match self.call(Leaf::IdeStreamBlock, &[0, stream]) {
            Ok(_) => {
                self.call(Leaf::IdeStreamDelete, &[0, stream])?;
            }
            Err(status) => assert_eq!(Status::from_rax(status), Ok(Status::IdeStreamNotConfigured)),
        }
        self.host.stream_control(255, false);
        // If there is none any more, that is as well.
        let _ = self.provision(StandIn::TpaDisconnect, [0, 0]);
        self.call(Leaf::SpdmDelete, &[0, SPDM])?;
        self.take_tables(Leaf::DevifMtRemove);
        Ok(())
    }
}
