// SPDX-License-Identifier: GPL-2.0

//! A connected device: an SPDM session of the TDX module's.

use crate::{
    agent,
    courier::Courier,
    devif::Devif,
    module::{
        other_device,
        result, //
    },
    stream::Stream,
    table::Path,
    Tdx, //
};
use kernel::{
    new_mutex,
    pci,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    }, //
};
use pci_tsm::{
    link_tsm::{
        LinkDsm,
        TdiIdentity, //
    },
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport,
        Registers, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::{
    doe::Doe,
    granule::Granule, //
};
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    tdx::{
        register::R8,
        status::Operand,
        td::GLOBAL_HKID,
        tpa::{
            HASH_WORDS,
            MEASURE_RAW, //
        },
        Leaf,
        StandIn,
        Status,
        IOMMU_ID, //
    },
    uapi::NONCE_LEN, //
};

/// What the host needs for the messages of the device.
pub(crate) struct Desk<'a, 'f> {
    pub(crate) courier: Courier<'a, 'f>,
    /// What somebody other than the host says: the agent, or the guest.
    pub(crate) paper: Granule<'f>,
    /// What the host says to them.
    note: Granule<'f>,
}

/// A connected device.
pub(crate) struct Device<'a, 'f, T: FirmwareTransport<'f>> {
    pub(crate) tdx: &'a Tdx<'f, T>,
    /// Requester ID of function 0.
    function: u64,
    /// How many sessions there were before this one.
    lost: Atomic<u32>,
    /// The DSM lock is held whenever it is used; this one is for the compiler.
    desk: Pin<KBox<Mutex<Desk<'a, 'f>>>>,
    /// Number of the SPDM session.
    pub(crate) spdm: u16,
    /// The module's, until it is given back in the end.
    session: Option<Granule<'f>>,
    /// What guests know the device by: the hash of what the agent found out about it.
    pub(crate) hash: [u64; HASH_WORDS],
    /// Where the device interfaces of its functions are found.
    path: Option<Path>,
    /// The encrypted link to it, or what counts as one. Its lock is for the compiler, too.
    stream: Pin<KBox<Mutex<Option<Stream<'a, 'f>>>>>,
    /// A store for what nobody asked for.
    scrap: Pin<KBox<Evidence>>,
}

impl<'a, 'f, T: FirmwareTransport<'f>> Device<'a, 'f, T> {
    /// Has the agent open a session, and sees to the stream.
    pub(crate) fn connect(
        tdx: &'a Tdx<'f, T>,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Self, Refused> {
        let mut patience = Patience::operation();
        let module = &tdx.module;
        let desk = Desk {
            courier: Courier::new(doe, module)?,
            paper: module.page()?,
            note: module.page()?,
        };
        let desk = KBox::pin_init(new_mutex!(desk, "Device::desk"), GFP_KERNEL);
        let stream = KBox::pin_init(new_mutex!(None, "Device::stream"), GFP_KERNEL);
        let scrap = Evidence::boxed();
        let (Ok(desk), Ok(stream), Ok(scrap)) = (desk, stream, scrap) else {
            return Err(Refusal::Memory.into());
        };
        let session = module.page()?;
        let address = session.bus_address();
        let function_id = u64::from(function.dev_id());
        let mut device = Device {
            tdx,
            function: function_id,
            lost: Atomic::new(0),
            desk,
            spdm: tdx.sessions.take().ok_or(Refusal::Taken)?,
            session: Some(session),
            hash: [0; HASH_WORDS],
            path: None,
            stream,
            scrap,
        };
        // whatever comes back, dropping it undoes it: it may be that the answer alone was lost
        let spdm = u64::from(device.spdm);
        let made = module.call(&patience, Leaf::SpdmCreate, &[IOMMU_ID, spdm, address]);
        if let Err(refused) = made {
            if refused.why == Refusal::Signal {
                // nothing happened, and nobody waits for more
                device.session = None;
                tdx.sessions.give_back(device.spdm);
            }
            return Err(refused);
        }
        let bound = device.ask_agent(
            StandIn::TpaConnect,
            [function_id, 0],
            evidence,
            &mut patience,
        )?;
        device.hash = hash(&bound);
        device.path = Some(tdx.devifs.join(module, &patience, function_id)?);
        if let Some(stream) = Stream::begin(&device, function)? {
            // whatever comes of it: dropping the device ends it
            *device.stream.lock() = Some(stream);
            device.at_stream(|stream| stream.create(module, device.spdm, &patience))?;
            device.key_stream(&mut patience)?;
        }
        Ok(device)
    }

    /// Does something with the stream, if there is one.
    fn at_stream(
        &self,
        task: impl FnOnce(&mut Stream<'a, 'f>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        match &mut *self.stream.lock() {
            Some(stream) => task(stream),
            None => Ok(()),
        }
    }

    /// The Stream ID.
    pub(crate) fn stream_id(&self) -> u8 {
        self.stream.lock().as_ref().map_or(0, Stream::id)
    }

    /// Ends the use of the stream, see [`Stream::block`].
    pub(crate) fn block_stream(&self, patience: &Patience) {
        if let Some(stream) = &mut *self.stream.lock() {
            stream.block(&self.tdx.module, patience);
        }
    }

    /// Makes a stream anew that was blocked, with other keys. As long as device interfaces belong to
    /// the old one, those of other functions, the module refuses that.
    pub(crate) fn mend_stream(&self, patience: &mut Patience) -> Result<(), Refused> {
        let module = &self.tdx.module;
        if !self.stream.lock().as_ref().is_some_and(Stream::is_broken) {
            return Ok(());
        }
        self.at_stream(|stream| stream.delete(module, patience))?;
        let lost = self.lost();
        self.in_session(patience, Operand::Rdx, |patience| {
            self.at_stream(|stream| stream.create(module, self.spdm, patience))
        })?;
        // in a session that lasted the device may use the old ones yet
        if self.lost() == lost {
            self.keys_of_stream(|stream, desk| {
                stream.stop_keys(module, &mut desk.courier, patience)
            })?;
        }
        self.key_stream(patience)
    }

    /// Brings keys to both ends of the stream, and enables it.
    fn key_stream(&self, patience: &mut Patience) -> Result<(), Refused> {
        let module = &self.tdx.module;
        self.keys_of_stream(|stream, desk| stream.key(module, &mut desk.courier, patience))
    }

    /// Gives `task` what is needed for messages about the stream, if there is one.
    fn keys_of_stream(
        &self,
        task: impl FnOnce(&mut Stream<'a, 'f>, &mut Desk<'a, 'f>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.at_stream(|stream| self.at_desk(|desk| task(stream, desk)))
    }

    /// How many sessions there were before this one. What was locked in one of them is not locked any
    /// more, whatever the device says.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Relaxed)
    }

    /// Runs a task that takes a session, once more in a new one if there is none. The module says
    /// that, before anything happened, of the operand that the session is found by.
    pub(crate) fn in_session<R>(
        &self,
        patience: &mut Patience,
        operand: Operand,
        task: impl Fn(&mut Patience) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        match task(patience) {
            Err(refused) if refused.tsm_code == Status::SpdmInvalidState.of(operand) => {
                self.renew(patience)?;
                task(patience)
            }
            done => done,
        }
    }

    /// Has the agent open another session in the place of one that was lost, as it is by a message
    /// that is missing or not authentic, and brings keys in it.
    fn renew(&self, patience: &mut Patience) -> Result<(), Refused> {
        // under the DSM lock
        self.lost.store(self.lost().wrapping_add(1), Relaxed);
        let operands = [self.function, 0];
        let bound = self.ask_agent(StandIn::TpaConnect, operands, &self.scrap, patience)?;
        if hash(&bound) != self.hash {
            // the TDIs of the device are not for this one
            let _ = self.ask_agent(StandIn::TpaDisconnect, [0; 2], &self.scrap, patience);
            return Err(other_device());
        }
        let module = &self.tdx.module;
        self.keys_of_stream(|stream, desk| {
            if stream.is_keyed() {
                stream.bring_keys(module, &mut desk.courier, patience)
            } else {
                // one that is blocked gets none any more
                Ok(())
            }
        })
    }

    /// Gives `task` what is needed for messages.
    pub(crate) fn at_desk<R>(&self, task: impl FnOnce(&mut Desk<'a, 'f>) -> R) -> R {
        task(&mut self.desk.lock())
    }

    /// Has the agent do something, see [`agent::run`].
    fn ask_agent(
        &self,
        call: StandIn,
        operands: [u64; 2],
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<Registers, Refused> {
        let mut desk = self.desk.lock();
        let Desk { courier, paper, .. } = &mut *desk;
        let task = (call, self.spdm, operands);
        agent::run(&self.tdx.module, courier, paper, task, evidence, patience)
    }

    /// Has the agent measure the device anew.
    pub(crate) fn measure(
        &self,
        raw: bool,
        nonce: Option<[u8; NONCE_LEN]>,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let page = match nonce {
            Some(nonce) => {
                let mut desk = self.desk.lock();
                desk.note.write(0, &nonce).map_err(|_| nonsense())?;
                desk.note.bus_address()
            }
            None => 0,
        };
        let operands = [page, if raw { MEASURE_RAW } else { 0 }];
        self.in_session(patience, Operand::Rdx, |patience| {
            self.ask_agent(StandIn::TpaMeasure, operands, evidence, patience)
        })?;
        Ok(())
    }

    /// Ends the session, as far as the module and the device let us.
    fn end(&self, patience: &mut Patience, session: Granule<'f>) {
        let module = &self.tdx.module;
        let part = |patience: &mut Patience| {
            self.ask_agent(StandIn::TpaDisconnect, [0; 2], &self.scrap, patience)
        };
        // twice: one answer may be lost
        let _ = part(patience).or_else(|_| part(patience));
        let operands = [IOMMU_ID, u64::from(self.spdm)];
        let _ = module.call_twice(patience, Leaf::SpdmDelete, &operands);
        // what is a session still is not given back
        if module.take_back(patience, session, GLOBAL_HKID) {
            self.tdx.sessions.give_back(self.spdm);
        }
    }
}

impl<'a, 'f, T: FirmwareTransport<'f>> LinkDsm for Device<'a, 'f, T> {
    type Tdi<'t>
        = Devif<'t, 'a, 'f, T>
    where
        Self: 't;

    fn bind<'t>(
        &'t self,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<Devif<'t, 'a, 'f, T>, Refused> {
        Devif::bind(self, who, evidence, patience)
    }
}

impl<'f, T: FirmwareTransport<'f>> Drop for Device<'_, 'f, T> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let mut patience = Patience::end();
        let module = &self.tdx.module;
        let stream = self.stream.lock().take();
        if let Some(stream) = stream {
            let mut desk = self.desk.lock();
            stream.end(module, &mut desk.courier, &mut patience);
        }
        if let Some(path) = self.path.take() {
            self.tdx.devifs.leave(module, &patience, path);
        }
        self.end(&mut patience, session);
    }
}

/// The hash of the device information that a session was opened with.
fn hash(bound: &Registers) -> [u64; HASH_WORDS] {
    core::array::from_fn(|n| result(bound, R8 + n))
}
