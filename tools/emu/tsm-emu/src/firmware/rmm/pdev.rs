// SPDX-License-Identifier: GPL-2.0

//! Physical devices.

use super::communication::{Communication, Progress};
use super::granule::{release, take, Use};
use super::{injected, Refused, Rmm, MAX_VDEVS_ORDER};
use crate::firmware::errand::Errand;
use crate::firmware::ground::{is_aligned, read, Ground, Kind};
use crate::firmware::peer::Peer;
use crate::firmware::root_ports::RootPorts;
use crate::firmware::tsm::Machine;
use tsm_wire::rmi::pdev::{
    FLAGS_MASK, FLAG_CATEGORY_OFF_CHIP, FLAG_CATEGORY_ROOT_PORT, FLAG_SPDM, HASH_SHA_256,
    HASH_SHA_384, HASH_SHA_512,
};
use tsm_wire::rmi::{Fid, PdevParams, PdevState, Status};

/// A PDEV.
#[derive(Debug)]
pub(super) struct Pdev {
    id: u64,
    rid_base: u64,
    rid_top: u64,
    state: PdevState,
    communication: Communication,
    /// Number of the root port that it is of, with which there is nothing to be said.
    root_port: Option<usize>,
    peer: Peer,
}

impl Pdev {
    /// What it talks about, and whom with.
    pub(super) fn conversation(&mut self) -> (&mut Communication, &mut Peer) {
        (&mut self.communication, &mut self.peer)
    }

    /// What it talks about.
    pub(super) fn communication(&mut self) -> &mut Communication {
        &mut self.communication
    }

    /// Its communication failed.
    pub(super) fn break_down(&mut self) {
        self.state = PdevState::Error;
    }

    /// Number of the root port that it is of.
    pub(super) fn root_port(&self) -> Option<usize> {
        self.root_port
    }

    /// The device behind it.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The device behind it, to be talked with.
    pub(super) fn peer_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// Whether a requester ID is one of the device's functions.
    pub(super) fn has(&self, requester_id: u64) -> bool {
        (self.rid_base..self.rid_top).contains(&requester_id)
    }

    /// Whether VDEVs can be made and talked about.
    pub(super) fn is_ready(&self) -> bool {
        self.state == PdevState::Ready && self.communication.is_free()
    }

    /// Whether messages of its own are under way.
    pub(super) fn is_active(&self) -> bool {
        self.communication.is_active()
    }
}

impl Rmm {
    fn pdev(&mut self, address: u64) -> Result<&mut Pdev, Refused> {
        self.pdevs
            .get_mut(&address)
            .ok_or(Status::ErrorInput.into())
    }

    pub(super) fn pdev_create(
        &mut self,
        ground: &dyn Ground,
        address: u64,
        params: u64,
    ) -> Result<(), Refused> {
        if !is_aligned(address) || !self.granules.is_host_memory(ground, params) {
            return Err(Status::ErrorInput.into());
        }
        let params: PdevParams = read(ground, params).ok_or(Status::ErrorInput)?;
        let root_port = check(&params)?;
        let known = self.pdevs.values().any(|pdev| pdev.id == params.pdev_id);
        if known || !take(&mut self.granules, address, Kind::Memory, Use::Pdev) {
            return Err(Status::ErrorInput.into());
        }
        let errand = if root_port.is_some() {
            Errand::nothing()
        } else {
            Errand::identify()
        };
        let pdev = Pdev {
            id: params.pdev_id,
            rid_base: params.rid_base,
            rid_top: params.rid_top,
            state: PdevState::New,
            communication: Communication::pending(Fid::PdevCreate, errand),
            root_port,
            peer: Peer::new(params.id_index as u8),
        };
        self.pdevs.insert(address, pdev);
        Ok(())
    }

    pub(super) fn pdev_state(&mut self, address: u64) -> Result<PdevState, Refused> {
        Ok(self.pdev(address)?.state)
    }

    pub(super) fn pdev_communicate(
        &mut self,
        machine: &mut Machine<'_>,
        address: u64,
        data: u64,
    ) -> Result<(), Refused> {
        // One conversation at a time with one device.
        let mut vdevs = self.vdevs.values();
        if vdevs.any(|vdev| vdev.pdev() == address && vdev.is_active()) {
            return Err(Status::Busy.into());
        }
        let outcome = self
            .stream_communicate(machine, address, data)
            .unwrap_or_else(|| self.pdev_talk(machine, address, data));
        self.drop_locks(address);
        outcome
    }

    fn pdev_talk(
        &mut self,
        machine: &mut Machine<'_>,
        address: u64,
        data: u64,
    ) -> Result<(), Refused> {
        let Self {
            granules, pdevs, ..
        } = self;
        let ground = machine.ground;
        let pdev = pdevs.get_mut(&address).ok_or(Status::ErrorInput)?;
        let fid = pdev.communication.fid();
        let mut line = machine.line(&mut pdev.peer);
        let progress = pdev
            .communication
            .go_on(ground, granules, &mut line, data)?;
        match (progress, fid) {
            (Progress::More, _) => Ok(()),
            (Progress::Done(_), fid) => {
                pdev.state = match fid {
                    Some(Fid::PdevStop) => PdevState::Stopped,
                    _ => PdevState::Ready,
                };
                if fid.is_some_and(|fid| machine.knobs.fails_after(fid.into())) {
                    pdev.communication.fail();
                    return Err(injected(true));
                }
                Ok(())
            }
            (Progress::Failed(_, detail), fid) => {
                // A device that does not answer any more is stopped all the same.
                pdev.state = match fid {
                    Some(Fid::PdevStop) => PdevState::Stopped,
                    _ => PdevState::Error,
                };
                Err(Refused::with(Status::ErrorDevice, detail.raw()))
            }
        }
    }

    pub(super) fn pdev_stop(&mut self, address: u64) -> Result<(), Refused> {
        let used = self.vdevs.values().any(|vdev| vdev.pdev() == address);
        let used = used || self.has_stream(address);
        let pdev = self.pdev(address)?;
        if used || pdev.state == PdevState::Stopped || !pdev.communication.is_free() {
            return Err(Status::ErrorDevice.into());
        }
        pdev.communication = Communication::pending(Fid::PdevStop, Errand::farewell());
        Ok(())
    }

    pub(super) fn pdev_abort(&mut self, address: u64) -> Result<(), Refused> {
        let stream = self.stream_abort(address);
        let pdev = self.pdev(address)?;
        match pdev.communication.abort() {
            Ok(true) => {
                pdev.state = PdevState::Error;
                // An answer that is lost is missing in the session.
                pdev.peer.forget();
                self.drop_locks(address);
            }
            // It was the other end's turn.
            Err(_) if stream => {}
            outcome => drop(outcome?),
        }
        Ok(())
    }

    pub(super) fn pdev_destroy(&mut self, address: u64) -> Result<(), Refused> {
        if self.pdev(address)?.state != PdevState::Stopped {
            return Err(Status::ErrorDevice.into());
        }
        self.pdevs.remove(&address);
        release(&mut self.granules, address);
        Ok(())
    }
}

/// Number of the root port, if it is one; fails if the parameters are not well formed.
fn check(params: &PdevParams) -> Result<Option<usize>, Refused> {
    let functions = params.rid_top.saturating_sub(params.rid_base);
    let root_port = params.flags == FLAG_CATEGORY_ROOT_PORT;
    let well_formed = params.flags & !FLAGS_MASK == 0
        && if root_port {
            params.rid_base == params.rid_top
        } else {
            (1..=1 << MAX_VDEVS_ORDER).contains(&functions)
        }
        && params.rid_top <= 1 << 16
        && params.pdev_id < 1 << 16
        && params.routing_id < 1 << 16
        && params.id_index < 8
        && [HASH_SHA_256, HASH_SHA_384, HASH_SHA_512].contains(&params.hash_algo)
        && params.reserved.iter().all(|byte| *byte == 0);
    if !well_formed {
        return Err(Status::ErrorInput.into());
    }
    if root_port {
        let number = RootPorts::number_of(params.pdev_id).ok_or(Status::ErrorInput)?;
        return Ok(Some(number));
    }
    // Devices on the chip are not emulated.
    if params.flags != FLAG_SPDM | FLAG_CATEGORY_OFF_CHIP {
        return Err(Status::ErrorNotSupported.into());
    }
    Ok(None)
}
