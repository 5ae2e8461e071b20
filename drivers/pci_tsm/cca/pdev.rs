// SPDX-License-Identifier: GPL-2.0

//! A connected device: a PDEV of the RMM.

use crate::{
    communicate::{
        Communication,
        Halt,
        Party, //
    },
    stream::Stream,
    vdev::Vdev,
    Cca, //
};
use kernel::{
    new_mutex,
    pci,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    link_tsm::{
        LinkDsm,
        TdiIdentity, //
    },
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport, //
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
    rmi::{
        pdev::{
            FLAG_CATEGORY_OFF_CHIP,
            FLAG_CATEGORY_ROOT_PORT,
            FLAG_SPDM,
            HASH_SHA_384, //
        },
        Fid,
        PdevParams,
        PdevState,
        GRANULE_SIZE, //
    }, //
};
use zerocopy::IntoBytes;

/// Communications that a PDEV may take to become ready; the specification has two.
const ROUNDS: usize = 4;
/// Functions of a device without ARI.
const FUNCTIONS: u64 = 8;
/// What is behind parameters that are shorter than those before them.
static ZEROES: [u8; GRANULE_SIZE] = [0; GRANULE_SIZE];

/// What a PDEV is of.
#[derive(Clone, Copy)]
pub(crate) enum Category {
    /// A device.
    OffChip,
    /// The root port above one.
    RootPort,
}

/// What the host needs to carry on a communication of the device.
pub(crate) struct Desk<'a, 'f> {
    pub(crate) communication: Communication<'a, 'f>,
    /// Parameters of a call.
    params: Granule<'f>,
    /// How many bytes of them may not be zero.
    filled: usize,
}

/// A PDEV.
pub(crate) struct Pdev<'a, 'f, T: FirmwareTransport<'f>> {
    pub(crate) cca: &'a Cca<'f, T>,
    /// The DSM lock is held whenever it is used; this one is for the compiler.
    desk: Pin<KBox<Mutex<Desk<'a, 'f>>>>,
    /// The RMM's, until it is given back in the end.
    granule: Option<Granule<'f>>,
    pub(crate) address: u64,
    /// The encrypted link to it, if it has one.
    stream: Option<Stream<'a>>,
    /// See [`Pdev::scrap`].
    scrap: Pin<KBox<Evidence>>,
}

impl<'a, 'f, T: FirmwareTransport<'f>> Pdev<'a, 'f, T> {
    /// Makes it, and lets the RMM talk to the device until it is ready.
    pub(crate) fn connect(
        cca: &'a Cca<'f, T>,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Self, Refused> {
        let mut patience = Patience::operation();
        let rmm = &cca.rmm;
        let desk = Desk {
            communication: Communication::new(doe, rmm)?,
            params: rmm.granule()?,
            filled: 0,
        };
        let desk = KBox::pin_init(new_mutex!(desk, "Pdev::desk"), GFP_KERNEL);
        let scrap = Evidence::boxed();
        let (Ok(desk), Ok(scrap)) = (desk, scrap) else {
            return Err(Refusal::Memory.into());
        };
        let granule = rmm.delegated(&patience)?;
        let mut pdev = Pdev {
            cca,
            desk,
            address: granule.bus_address(),
            granule: Some(granule),
            stream: None,
            scrap,
        };
        // whatever comes back, dropping it undoes it: it may be that the answer alone was lost
        let id = u64::from(function.dev_id());
        pdev.create(pdev.address, Category::OffChip, id, &patience)?;
        pdev.make_ready(pdev.address, evidence, &mut patience)?;
        if let Some(mut stream) = Stream::begin(&pdev, function, &mut patience)? {
            let connected = stream.connect(&pdev, &mut patience);
            // whatever came of it: dropping the PDEV ends it
            pdev.stream = Some(stream);
            connected?;
        }
        Ok(pdev)
    }

    /// Makes a PDEV of the granule at `address`: its own, or that of the root port above. `id` is the
    /// requester ID.
    #[inline(never)] // a quarter of the stack, which is to be free again soon
    pub(crate) fn create(
        &self,
        address: u64,
        category: Category,
        id: u64,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let (flags, rid_base, rid_top, hash_algo) = match category {
            Category::OffChip => (
                FLAG_SPDM | FLAG_CATEGORY_OFF_CHIP,
                id,
                id + FUNCTIONS,
                HASH_SHA_384,
            ),
            Category::RootPort => (FLAG_CATEGORY_ROOT_PORT, 0, 0, 0),
        };
        let params = PdevParams {
            flags,
            hb_base: 0,
            pdev_id: id,
            routing_id: 0,
            id_index: 0,
            rid_base,
            rid_top,
            hash_algo,
            reserved: [0; 0xfc0],
        };
        let params = self.with_params(params.as_bytes())?;
        self.cca
            .rmm
            .call(patience, Fid::PdevCreate, &[address, params])?;
        Ok(())
    }

    /// Lets the RMM communicate for such a PDEV until it is ready.
    pub(crate) fn make_ready(
        &self,
        address: u64,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        for _ in 0..ROUNDS {
            match self.state(address, patience)? {
                PdevState::New | PdevState::NeedsKey | PdevState::HasKey => {
                    self.communicate(address, evidence, patience)?
                }
                PdevState::Ready => return Ok(()),
                PdevState::Stopped | PdevState::Error => break,
            }
        }
        Err(nonsense())
    }

    /// Fills the page of parameters, of which the rest is zero, and gives its address.
    pub(crate) fn with_params(&self, params: &[u8]) -> Result<u64, Refused> {
        let mut desk = self.desk.lock();
        desk.params.write(0, params).map_err(|_| nonsense())?;
        // longer ones were there before
        if let Some(rest) = ZEROES.get(params.len()..desk.filled) {
            desk.params
                .write(params.len(), rest)
                .map_err(|_| nonsense())?;
        }
        desk.filled = params.len();
        Ok(desk.params.bus_address())
    }

    /// A store for what nobody asked for.
    pub(crate) fn scrap(&self) -> &Evidence {
        &self.scrap
    }

    fn state(&self, address: u64, patience: &Patience) -> Result<PdevState, Refused> {
        let [_, state, ..] = self.cca.rmm.call(patience, Fid::PdevGetState, &[address])?;
        PdevState::try_from(state).map_err(|_| nonsense())
    }

    fn communicate(
        &self,
        address: u64,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let done = self.carry_through(Party::Pdev([address]), evidence, patience);
        if done.is_err() {
            let _ = self
                .cca
                .rmm
                .call(&patience.undo(), Fid::PdevAbort, &[address]);
        }
        done
    }

    /// Carries messages for one of the RMM's objects of this device, until it is over.
    pub(crate) fn carry_through(
        &self,
        party: Party,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        match self.carry(party, evidence, patience)? {
            Halt::Over => Ok(()),
            // there is no stream that this would be about
            Halt::StreamWait => Err(nonsense()),
        }
    }

    /// Carries messages for one of the RMM's objects of this device, as far as it can go on.
    pub(crate) fn carry(
        &self,
        party: Party,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<Halt, Refused> {
        let mut desk = self.desk.lock();
        desk.communication
            .run(&self.cca.rmm, party, evidence, patience)
    }

    /// Gets rid of the PDEV in a granule, and takes the granule back.
    pub(crate) fn unmake(&self, patience: &mut Patience, granule: Granule<'f>) {
        let address = granule.bus_address();
        // twice: one answer may be lost
        let _ = self
            .destroy(address, patience)
            .or_else(|_| self.destroy(address, patience));
        // what is a PDEV still is not given back
        self.cca.rmm.reclaim(patience, granule);
    }

    /// Stops and destroys a PDEV.
    fn destroy(&self, address: u64, patience: &mut Patience) -> Result<(), Refused> {
        let rmm = &self.cca.rmm;
        let pdev = [address];
        if rmm.call(patience, Fid::PdevStop, &pdev).is_err() {
            // something is under way still
            let _ = rmm.call(patience, Fid::PdevAbort, &pdev);
            // one that is stopped already is not stopped again, and can be destroyed
            let _ = rmm.call(patience, Fid::PdevStop, &pdev);
        }
        // the RMM stops it without the device, if that does not answer
        let _ = self.communicate(address, self.scrap(), patience);
        rmm.call(patience, Fid::PdevDestroy, &pdev)?;
        Ok(())
    }
}

impl<'a, 'f, T: FirmwareTransport<'f>> LinkDsm for Pdev<'a, 'f, T> {
    type Tdi<'t>
        = Vdev<'t, 'a, 'f, T>
    where
        Self: 't;

    fn bind<'t>(
        &'t self,
        who: &TdiIdentity<'t>,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<Vdev<'t, 'a, 'f, T>, Refused> {
        Vdev::bind(self, who, evidence, patience)
    }
}

impl<'f, T: FirmwareTransport<'f>> Drop for Pdev<'_, 'f, T> {
    fn drop(&mut self) {
        let Some(granule) = self.granule.take() else {
            return;
        };
        let mut patience = Patience::end();
        if let Some(stream) = self.stream.take() {
            stream.end(self, &mut patience);
        }
        self.unmake(&mut patience, granule);
    }
}
