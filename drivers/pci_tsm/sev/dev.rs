// SPDX-License-Identifier: GPL-2.0

//! A connected device: a device context of the PSP.

use crate::{
    buffer::{
        Buffer,
        Owner, //
    },
    conversation::{
        Conversation,
        Talk, //
    },
    host::Host,
    psp::is_status,
    tdi::Tdi,
    Sev, //
};
use core::mem::size_of;
use kernel::{
    new_mutex,
    pci,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    ide_stream::IdeStream,
    link_tsm::{
        LinkDsm,
        TdiIdentity, //
    },
    patience::Patience,
    transport::{
        insecure,
        nonsense, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::{
    doe::Doe,
    granule::Granule,
    location, //
};
use tsm_wire::{
    object::ObjectType,
    refusal::{
        Refusal,
        Refused, //
    },
    sev::{
        dev::{
            DevCertificates,
            DevConnect,
            DevCreate,
            DevDisconnect,
            DevReclaim,
            DevState,
            DISCONNECT_FORCE,
            HASH_SHA_256,
            HASH_SHA_384,
            NO_STREAM,
            TRAFFIC_CLASSES, //
        },
        object::ObjectId,
        Command,
        Sla,
        SpdmCtrl,
        Status,
        PAGE_SIZE, //
    }, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};

/// Bytes before the hash of the root in a chain of certificates: its length, and two more.
const CHAIN_HEAD: usize = 4;

/// What the host needs for commands about the device.
pub(crate) struct Desk<'a, 'f, T: Host<'f>> {
    pub(crate) conversation: Conversation<'a, 'f, T>,
    /// For a message of a guest; the host's.
    pub(crate) guest_request: Granule<'f>,
    /// For the answer; the firmware's.
    pub(crate) guest_response: Buffer<'a, 'f, T>,
}

/// A device.
pub(crate) struct Dev<'a, 'f, T: Host<'f>> {
    pub(crate) sev: &'a Sev<'f, T>,
    /// The DSM lock is held whenever it is used; this one is for the compiler.
    desk: Pin<KBox<Mutex<Desk<'a, 'f, T>>>>,
    context: Buffer<'a, 'f, T>,
    /// The encrypted link to it, if it has one.
    stream: Option<IdeStream<'a>>,
    /// The PSP may have a context of it.
    created: bool,
    /// It may be connected.
    connected: bool,
}

impl<'a, 'f, T: Host<'f>> Dev<'a, 'f, T> {
    /// Makes its context, and lets the PSP connect it.
    pub(crate) fn connect(
        sev: &'a Sev<'f, T>,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Self, Refused> {
        let mut patience = Patience::operation();
        let psp = &sev.psp;
        sev.settle(&patience)?;
        let desk = Desk {
            conversation: Conversation::new(psp, doe, &patience)?,
            guest_request: psp.granule()?,
            guest_response: Buffer::new(psp, &patience, PAGE_SIZE as u32, Owner::Firmware)?,
        };
        let desk = KBox::pin_init(new_mutex!(desk, "Dev::desk"), GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        // from here on, dropping it undoes what was done
        let mut dev = Dev {
            sev,
            desk,
            context: Buffer::new(psp, &patience, psp.sizes.devctx_size, Owner::Firmware)?,
            stream: None,
            created: false,
            connected: false,
        };
        dev.create(function, &patience)?;
        dev.stream = IdeStream::set_up(function)?;
        dev.establish(&mut patience)?;
        let hash = dev.check(&patience)?;
        if let Some(stream) = &mut dev.stream {
            stream.enable(insecure())?;
        }
        dev.certificates(hash, evidence, &mut patience)?;
        Ok(dev)
    }

    fn create(&mut self, function: &pci::Device, patience: &Patience) -> Result<(), Refused> {
        let segment_id = u8::try_from(location::segment(function));
        let create = DevCreate {
            length: size_of::<DevCreate>() as u32,
            dev_ctx_sla: self.sla(),
            device_id: function.dev_id(),
            root_port_id: location::root_port_number(function).unwrap_or(0).into(),
            // the PSP knows 256 of them
            segment_id: segment_id.map_err(|_| Refusal::Unsupported)?,
            ..Default::default()
        };
        // whatever comes back: it may be that the answer alone was lost
        self.created = true;
        self.sev.psp.call(patience, Command::TioDevCreate, &create)
    }

    /// Has the PSP open a session, and bring keys to both ends of the stream.
    fn establish(&mut self, patience: &mut Patience) -> Result<(), Refused> {
        let mut ide_stream_id = [NO_STREAM; TRAFFIC_CLASSES];
        let mut tc_mask = 0;
        if let (Some(stream), Some(id)) = (&self.stream, ide_stream_id.first_mut()) {
            *id = stream.id();
            tc_mask = 1;
        }
        let mut connect = DevConnect {
            length: size_of::<DevConnect>() as u32,
            dev_ctx_sla: self.sla(),
            tc_mask,
            ide_stream_id,
            ..Default::default()
        };
        self.connected = true;
        self.talk(&mut connect, patience)
    }

    /// Is it connected? Then: bytes of the hash that was agreed upon.
    fn check(&self, patience: &Patience) -> Result<usize, Refused> {
        let data = self
            .desk
            .lock()
            .conversation
            .dev_status(self.sla(), patience)?;
        match (
            DevState::try_from(u64::from(data.ctx_state)),
            data.algos.hash,
        ) {
            (Ok(DevState::Connected), HASH_SHA_256) => Ok(32),
            (Ok(DevState::Connected), HASH_SHA_384) => Ok(48),
            _ => Err(nonsense()),
        }
    }

    /// Fills the evidence with what the device showed when it was connected.
    fn certificates(
        &self,
        hash: usize,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let mut certificates = DevCertificates {
            length: size_of::<DevCertificates>() as u32,
            dev_ctx_sla: self.sla(),
            ..Default::default()
        };
        let mut desk = self.desk.lock();
        desk.conversation.run(&mut certificates, patience)?;
        let chain = desk.conversation.output(ObjectId::Certificate)?;
        let length = chain
            .get(..2)
            .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok())
            .map(u16::from_le_bytes);
        if length.map(usize::from) != Some(chain.len()) {
            return Err(nonsense());
        }
        let der = chain.get(CHAIN_HEAD + hash..).ok_or(nonsense())?;
        let mut bytes = KVVec::new();
        bytes
            .extend_from_slice(der, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        let put = |object, bytes| evidence.put(object, bytes).map_err(|_| Refusal::Memory);
        put(ObjectType::Certificate, bytes)?;
        if let Some(vca) = desk.conversation.vca.take() {
            put(ObjectType::Vca, vca)?;
        }
        Ok(())
    }

    /// How it is named in commands.
    pub(crate) fn sla(&self) -> Sla {
        self.context.sla()
    }

    /// Gives a command, and carries its messages.
    pub(crate) fn talk<B: Talk>(
        &self,
        buffer: &mut B,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        self.desk.lock().conversation.run(buffer, patience)
    }

    /// Gives a command that makes an object, and puts that where it can be read.
    pub(crate) fn talk_for<B: Talk>(
        &self,
        buffer: &mut B,
        (id, object): (ObjectId, ObjectType),
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let mut desk = self.desk.lock();
        desk.conversation.run(buffer, patience)?;
        desk.conversation.store(id, object, evidence)
    }

    /// The desk, for what takes more than a command.
    pub(crate) fn desk(&self) -> &Mutex<Desk<'a, 'f, T>> {
        &self.desk
    }

    /// Address of the page that the PSP tells into.
    pub(crate) fn status_paddr(&self) -> u64 {
        self.desk.lock().conversation.status_paddr()
    }

    /// What it told there.
    pub(crate) fn told<D: FromBytes + IntoBytes>(&self) -> Result<D, Refused> {
        self.desk.lock().conversation.told()
    }

    /// Has the PSP close the session and take the keys back; by force if there is no other way.
    fn end(&self, patience: &mut Patience) {
        let mut disconnect = |flags| {
            let mut disconnect = DevDisconnect {
                length: size_of::<DevDisconnect>() as u32,
                flags,
                spdm_ctrl: SpdmCtrl::default(),
                dev_ctx_sla: self.sla(),
            };
            self.talk(&mut disconnect, patience)
        };
        // each twice: one answer may be lost, and by force the device is told nothing
        for flags in [0, 0, DISCONNECT_FORCE, DISCONNECT_FORCE] {
            match disconnect(flags) {
                Ok(()) => break,
                // it is not connected, or not any more
                Err(refused) if is_status(&refused, Status::InvalidDevState) => break,
                Err(_) => {}
            }
        }
    }
}

impl<'a, 'f, T: Host<'f>> LinkDsm for Dev<'a, 'f, T> {
    type Tdi<'t>
        = Tdi<'t, 'a, 'f, T>
    where
        Self: 't;

    fn bind<'t>(
        &'t self,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<Tdi<'t, 'a, 'f, T>, Refused> {
        Tdi::bind(self, who, evidence, patience)
    }
}

impl<'f, T: Host<'f>> Drop for Dev<'_, 'f, T> {
    fn drop(&mut self) {
        let mut patience = Patience::end();
        // TDIs whose making was cut short, among others: a device that has TDIs is not disconnected
        let _ = self.sev.settle(&patience);
        if self.connected {
            self.end(&mut patience);
        }
        // the ports knew which stream the keys were of until here
        self.stream = None;
        if self.created {
            let reclaim = DevReclaim {
                length: size_of::<DevReclaim>() as u32,
                dev_ctx_sla: self.sla(),
                ..Default::default()
            };
            let psp = &self.sev.psp;
            let reclaim = || psp.call(&patience, Command::TioDevReclaim, &reclaim);
            // twice: one answer may be lost
            let _ = reclaim().or_else(|_| reclaim());
        }
        // what is a device context still is not given back
        self.context.take_back(&patience);
        let mut desk = self.desk.lock();
        desk.conversation.take_back(&patience);
        desk.guest_response.take_back(&patience);
    }
}
