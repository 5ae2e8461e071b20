// SPDX-License-Identifier: GPL-2.0

//! Device contexts.

use super::super::errand::Errand;
use super::super::peer::{Link, Peer};
use super::buffer::{self, Buffer, Buffers};
use super::conversation::{failed, Conversation, Ended, Talk};
use super::evidence;
use super::parameters::{reserved, tio};
use super::platform::DEVICE_CONTEXT;
use super::{require, Machine, Psp, Refused};
use spdm::measurements::NONCE_SIZE;
use std::collections::BTreeMap;
use tdisp::State;
use tsm_wire::detail::DetailClass;
use tsm_wire::object::ObjectType;
use tsm_wire::sev::dev::{
    DevCertificates, DevConnect, DevCreate, DevDisconnect, DevMeasurements, DevReclaim, DevState,
    DevStatus, DevStatusData, SpdmAlgorithms, DISCONNECT_FORCE, HASH_SHA_384, MEASUREMENTS_RAW,
    NO_STREAM, REQUEST_PENDING, REQUEST_PENDING_TDI,
};
use tsm_wire::sev::fence::Fence;
use tsm_wire::sev::object::ObjectId;
use tsm_wire::sev::{Command, Sla, SpdmCtrl, Status};
use zerocopy::{FromZeros, IntoBytes};

/// Slots that a device can have certificates in.
const SLOTS: u8 = 8;
/// Bits of a requester ID that tell the function.
const FUNCTIONS: u16 = 7;
/// The traffic class that a stream is for.
const TRAFFIC_CLASS_0: u8 = 1 << 0;
/// What connecting takes of the scratch buffer.
const CONNECT_SCRATCH: usize = 8192;
/// In [`DevStatusData::p2_flags`]: the digest of measurements is valid.
const DIGEST_VALID: u8 = 1 << 0;
/// What SPDM sessions have: secp384r1, AES-256-GCM, ECDSA P-384, SHA-384.
pub(super) const ALGORITHMS: SpdmAlgorithms = SpdmAlgorithms {
    dhe: 1,
    aead: 1,
    asym: 2,
    hash: HASH_SHA_384,
    key_sched: 0,
    reserved: [0; 3],
};

/// A device context.
#[derive(Debug)]
pub(super) struct Device {
    pages: Vec<u64>,
    /// Requester ID of function 0.
    id: u16,
    root_port: u16,
    state: DevState,
    pub(super) peer: Peer,
    pub(super) conversation: Option<Conversation>,
    /// Digest of the measurements that the host has.
    pub(super) measured: Option<[u8; 48]>,
    /// The fences between it and the memory of guests, by ASID.
    pub(super) fences: BTreeMap<u32, Fence>,
}

impl Device {
    /// Requester ID of function 0.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Whether a requester ID is that of one of its functions.
    pub(super) fn has(&self, requester_id: u16) -> bool {
        requester_id & !FUNCTIONS == self.id
    }

    /// Whether it is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.state == DevState::Connected
    }

    /// Whether it talks for this command.
    pub(super) fn awaits(&self, command: Command) -> bool {
        let conversation = self.conversation.as_ref();
        conversation.is_some_and(|conversation| conversation.command() == command)
    }

    /// The certificate chain that it showed, as SPDM has it.
    fn chain(&self) -> Option<Vec<u8>> {
        evidence::chain(self.peer.certificates.as_deref()?)
    }

    /// Digest of the certificate chain.
    pub(super) fn certificates_digest(&self) -> [u8; 48] {
        let chain = self.chain();
        chain.map_or([0; 48], |chain| evidence::digest(&chain))
    }

    /// Gives up what is under way.
    pub(super) fn hang_up(&mut self) {
        if self.conversation.take().is_some() {
            // An answer that is lost is missing in the session.
            self.peer.forget();
        }
    }

    fn stream(&self) -> Option<u8> {
        self.peer.link.map(|link| link.stream)
    }
}

impl Psp {
    pub(super) fn dev_create(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (create, _) = tio::<DevCreate>(machine.ground, &self.rmp, at)?;
        reserved(create.reserved1.iter().chain(&create.reserved2))?;
        let well_formed = create.device_id & FUNCTIONS == 0 && create.segment_id == 0;
        require(well_formed, Status::InvalidParam)?;
        let known = |device: &Device| device.id == create.device_id;
        require(!self.devices.values().any(known), Status::InUse)?;
        let pages = self.context(machine, create.dev_ctx_sla, DEVICE_CONTEXT)?;
        let device = Device {
            pages,
            id: create.device_id,
            root_port: create.root_port_id,
            state: DevState::Disconnected,
            peer: Peer::new(0),
            conversation: None,
            measured: None,
            fences: BTreeMap::new(),
        };
        self.devices.insert(create.dev_ctx_sla.0, device);
        Ok(())
    }

    /// Takes the pages of a context of so many bytes.
    pub(super) fn context(
        &mut self,
        machine: &Machine<'_>,
        name: Sla,
        size: usize,
    ) -> Result<Vec<u64>, Refused> {
        let pages = buffer::pages(machine.ground, &self.rmp, name)?;
        buffer::distinct(&pages)?;
        for page in &pages {
            self.rmp.firmware(machine.ground, *page)?;
        }
        let long_enough = Buffer::length_of(&pages) >= size;
        require(long_enough, Status::IncorrectBufferLength)?;
        self.rmp.take(&pages);
        Ok(pages)
    }

    pub(super) fn dev_reclaim(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (reclaim, _) = tio::<DevReclaim>(machine.ground, &self.rmp, at)?;
        reserved(&reclaim.reserved)?;
        let name = reclaim.dev_ctx_sla;
        let used = self.tdis.values().any(|tdi| tdi.device == name.0);
        let device = self.device(name)?;
        let disconnected = device.state == DevState::Disconnected;
        require(disconnected, Status::InvalidDevState)?;
        let conversation = device.conversation.as_ref();
        let in_use = used || conversation.is_some_and(Conversation::is_waiting);
        require(!in_use, Status::InUse)?;
        if let Some(device) = self.devices.remove(&name.0) {
            self.rmp.release(&device.pages);
        }
        Ok(())
    }

    pub(super) fn dev_connect(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (connect, contents) = tio::<DevConnect>(machine.ground, &self.rmp, at)?;
        let fields = connect.reserved1.iter().chain(&connect.reserved2);
        reserved(fields.chain(&connect.reserved3).chain(&connect.reserved4))?;
        let [stream, others @ ..] = connect.ide_stream_id;
        let streams = connect.tc_mask == TRAFFIC_CLASS_0;
        let well_formed = (streams || connect.tc_mask == 0)
            && streams == (stream != NO_STREAM)
            && others.iter().all(|other| *other == NO_STREAM)
            && connect.cert_slot < SLOTS;
        require(well_formed, Status::InvalidParam)?;
        let name = connect.dev_ctx_sla;
        let talk = Talk {
            command: Command::TioDevConnect,
            contents,
            buffers: connect.spdm_ctrl,
            device: name,
            tdi: None,
        };
        let (ended, _) = self.talk(machine, &talk, |psp, machine, buffers| {
            let device = psp.device(name)?;
            let disconnected = device.state == DevState::Disconnected;
            require(disconnected, Status::InvalidDevState)?;
            let link = streams.then_some(Link {
                root_port: usize::from(device.root_port),
                stream,
            });
            if let Some(link) = link {
                let there = machine.root_ports.get(link.root_port).is_some();
                require(there, Status::InvalidParam)?;
            }
            if buffers.scratch.length() < CONNECT_SCRATCH {
                let wanted = buffers.scratch.want(machine.ground, CONNECT_SCRATCH);
                wanted.ok_or(Status::InvalidAddress)?;
                return Err(Status::ExpandBufferLengthRequest.into());
            }
            device.peer = Peer::new(connect.cert_slot);
            device.measured = None;
            let keys = link.map_or_else(Errand::nothing, Errand::key);
            Ok(Errand::identify().then(keys))
        })?;
        let device = self.device(name)?;
        match ended {
            Ended::Well(_) => {
                device.state = DevState::Connected;
                Ok(())
            }
            Ended::Badly(_, detail) => {
                device.peer = Peer::new(connect.cert_slot);
                let root_port = machine.root_ports.get_mut(usize::from(device.root_port));
                if let Some(root_port) = root_port.filter(|_| streams) {
                    root_port.stop(stream);
                }
                Err(match detail.class {
                    DetailClass::Authentication | DetailClass::Session | DetailClass::Ide => {
                        Refused::with(Status::ErrInDevConn, detail)
                    }
                    _ => failed(detail),
                })
            }
        }
    }

    pub(super) fn dev_disconnect(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (disconnect, contents) = tio::<DevDisconnect>(machine.ground, &self.rmp, at)?;
        require(
            disconnect.flags & !DISCONNECT_FORCE == 0,
            Status::InvalidParam,
        )?;
        let name = disconnect.dev_ctx_sla;
        if disconnect.flags & DISCONNECT_FORCE != 0 {
            return self.let_go(machine, name, &disconnect.spdm_ctrl);
        }
        let talk = Talk {
            command: Command::TioDevDisconnect,
            contents,
            buffers: disconnect.spdm_ctrl,
            device: name,
            tdi: None,
        };
        let (ended, _) = self.talk(machine, &talk, |psp, _, _| {
            let bound = psp.tdis.values();
            let bound = bound
                .filter(|tdi| tdi.device == name.0)
                .any(|tdi| tdi.bound.is_some());
            let device = psp.device(name)?;
            let disconnected = device.state == DevState::Disconnected;
            require(!disconnected, Status::InvalidDevState)?;
            require(!bound, Status::InUse)?;
            let keys = device.peer.link.map_or_else(Errand::nothing, Errand::unkey);
            Ok(keys.then(Errand::farewell()))
        })?;
        match ended {
            Ended::Well(_) => {
                self.device(name)?.state = DevState::Disconnected;
                Ok(())
            }
            Ended::Badly(_, detail) => Err(failed(detail)),
        }
    }

    /// Disconnects a device without a word.
    fn let_go(
        &mut self,
        machine: &mut Machine<'_>,
        name: Sla,
        buffers: &SpdmCtrl,
    ) -> Result<(), Refused> {
        let device = self.device(name)?;
        let connects = device.awaits(Command::TioDevConnect);
        let connected = connects || device.state != DevState::Disconnected;
        require(connected, Status::InvalidDevState)?;
        Buffers::new(machine.ground, &self.rmp, buffers)?;
        let device = self.device(name)?;
        device.hang_up();
        device.peer.forget();
        device.state = DevState::Disconnected;
        if let Some(link) = device.peer.link.take() {
            if let Some(root_port) = machine.root_ports.get_mut(link.root_port) {
                root_port.stop(link.stream);
            }
        }
        let bound: Vec<u64> = self
            .tdis
            .iter()
            .filter(|(_, tdi)| tdi.device == name.0 && tdi.bound.is_some())
            .map(|(tdi, _)| *tdi)
            .collect();
        for tdi in bound {
            self.abandon(name, Sla(tdi))?;
        }
        Ok(())
    }

    pub(super) fn dev_status(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (status, _) = tio::<DevStatus>(machine.ground, &self.rmp, at)?;
        reserved(
            status
                .reserved1
                .as_bytes()
                .iter()
                .chain(status.reserved2.as_bytes()),
        )?;
        let name = status.dev_ctx_sla;
        let tdis = || self.tdis.values().filter(|tdi| tdi.device == name.0);
        let (count, bound) = (
            tdis().count(),
            tdis().filter(|tdi| tdi.bound.is_some()).count(),
        );
        let device = self.devices.get(&name.0).ok_or(Status::InvalidDevCtx)?;
        let mut data = DevStatusData::new_zeroed();
        data.length = size_of::<DevStatusData>() as u32;
        data.ctx_state = u64::from(device.state) as u8;
        data.certs_slot = device.peer.slot();
        data.device_id = device.id;
        let conversation = device.conversation.as_ref();
        if let Some(conversation) = conversation.filter(|talk| talk.is_waiting()) {
            data.p1_flags = REQUEST_PENDING;
            data.request_pending_command = u64::from(conversation.command()) as u16;
            let tdi = conversation.tdi().and_then(|tdi| self.tdis.get(&tdi));
            if let Some(tdi) = tdi {
                data.p1_flags |= REQUEST_PENDING_TDI;
                let id = tdi.interface.to_le_bytes();
                for (to, from) in data.request_pending_interface_id.iter_mut().zip(id) {
                    *to = from;
                }
            }
        }
        data.ide_stream_id = [NO_STREAM; 8];
        if let Some(stream) = device.stream() {
            data.tc_mask = TRAFFIC_CLASS_0;
            let [first, ..] = &mut data.ide_stream_id;
            *first = stream;
        }
        data.certs_digest = device.certificates_digest();
        if let Some(digest) = device.measured {
            data.p2_flags = DIGEST_VALID;
            data.meas_digest = digest;
        }
        data.tdi_count = count as u32;
        data.bound_tdi_count = bound as u32;
        data.algos = ALGORITHMS;
        self.tell(machine, status.status_paddr, data.as_bytes())
    }

    pub(super) fn dev_measurements(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (measure, contents) = tio::<DevMeasurements>(machine.ground, &self.rmp, at)?;
        require(measure.flags & !MEASUREMENTS_RAW == 0, Status::InvalidParam)?;
        let name = measure.dev_ctx_sla;
        let talk = Talk {
            command: Command::TioDevMeasurements,
            contents,
            buffers: measure.spdm_ctrl,
            device: name,
            tdi: None,
        };
        let (ended, buffers) = self.talk(machine, &talk, |psp, _, _| {
            let device = psp.device(name)?;
            require(device.is_connected(), Status::InvalidDevState)?;
            let raw = measure.flags & MEASUREMENTS_RAW != 0;
            // Nothing is fresh for a nonce of a host whose guest gave none.
            let nonce = Some(measure.meas_nonce).filter(|nonce| *nonce != [0; NONCE_SIZE]);
            Ok(Errand::measure(device.id, raw, nonce))
        })?;
        let gained = match ended {
            Ended::Well(gained) => gained,
            Ended::Badly(_, detail) => return Err(failed(detail)),
        };
        let id = self.device(name)?.id;
        let record = gained.object(ObjectType::Measurement);
        let put = evidence::put(machine.ground, &buffers, ObjectId::Measurement, id, record);
        match put {
            Ok(()) => {
                self.device(name)?.measured = Some(evidence::digest(record));
                for tdi in self.tdis.values_mut().filter(|tdi| tdi.device == name.0) {
                    tdi.measured = true;
                }
                Ok(())
            }
            Err(refused) => {
                if refused.status == Status::ExpandBufferLengthRequest {
                    self.keep(&talk, gained)?;
                }
                Err(refused)
            }
        }
    }

    pub(super) fn dev_certificates(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (certificates, _) = tio::<DevCertificates>(machine.ground, &self.rmp, at)?;
        reserved(&certificates.reserved)?;
        self.device(certificates.dev_ctx_sla)?;
        let buffers = Buffers::new(machine.ground, &self.rmp, &certificates.spdm_ctrl)?;
        let device = self.device(certificates.dev_ctx_sla)?;
        require(device.is_connected(), Status::InvalidDevState)?;
        let conversation = device.conversation.as_ref();
        let waiting = conversation.is_some_and(Conversation::is_waiting);
        require(!waiting, Status::InUse)?;
        let chain = device.chain().ok_or(Status::InvalidDevState)?;
        evidence::put(
            machine.ground,
            &buffers,
            ObjectId::Certificate,
            device.id,
            &chain,
        )
    }

    /// The locks of a device's TDIs end with the session that they were made in (11.4.5).
    pub(super) fn drop_locks(&mut self, name: Sla) {
        let Some(device) = self.devices.get_mut(&name.0) else {
            return;
        };
        let session = device.peer.session();
        for tdi in self.tdis.values_mut().filter(|tdi| tdi.device == name.0) {
            let locked = matches!(tdi.state, State::Locked | State::Run);
            if locked && tdi.session != session {
                tdi.state = State::Error;
                if let Some(bound) = &tdi.bound {
                    device.fences.insert(bound.asid, Fence::ERROR);
                }
            }
        }
    }
}
