// SPDX-License-Identifier: GPL-2.0

//! Physical devices.

use super::communication::{Communication, Progress};
use super::errand::Errand;
use super::granule::Use;
use super::ground::{is_aligned, read, Ground, Kind};
use super::{injected, Refused, Rmm, MAX_VDEVS_ORDER};
use crate::knobs::FirmwareKnobs;
use tsm_wire::rmi::pdev::{
    FLAGS_MASK, FLAG_CATEGORY_OFF_CHIP, FLAG_SPDM, HASH_SHA_256, HASH_SHA_384, HASH_SHA_512,
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
}

impl Pdev {
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
        check(&params)?;
        let known = self.pdevs.values().any(|pdev| pdev.id == params.pdev_id);
        if known || !self.granules.take(address, Kind::Memory, Use::Pdev) {
            return Err(Status::ErrorInput.into());
        }
        let errand = Errand::identify(params.id_index as u8);
        let pdev = Pdev {
            id: params.pdev_id,
            rid_base: params.rid_base,
            rid_top: params.rid_top,
            state: PdevState::New,
            communication: Communication::pending(Fid::PdevCreate, errand),
        };
        self.pdevs.insert(address, pdev);
        Ok(())
    }

    pub(super) fn pdev_state(&mut self, address: u64) -> Result<PdevState, Refused> {
        Ok(self.pdev(address)?.state)
    }

    pub(super) fn pdev_communicate(
        &mut self,
        ground: &dyn Ground,
        knobs: &mut FirmwareKnobs,
        address: u64,
        data: u64,
    ) -> Result<(), Refused> {
        let pdev = self.pdevs.get_mut(&address).ok_or(Status::ErrorInput)?;
        let fid = pdev.communication.fid();
        match pdev.communication.go_on(ground, &self.granules, data)? {
            Progress::More => Ok(()),
            Progress::Done(_) => {
                pdev.state = match fid {
                    Some(Fid::PdevStop) => PdevState::Stopped,
                    _ => PdevState::Ready,
                };
                if fid.is_some() && knobs.error_after == fid {
                    knobs.error_after = None;
                    pdev.communication.fail();
                    return Err(injected(true));
                }
                Ok(())
            }
            Progress::Failed(_, detail) => {
                pdev.state = PdevState::Error;
                Err(Refused::with(Status::ErrorDevice, detail.raw()))
            }
        }
    }

    pub(super) fn pdev_stop(&mut self, address: u64) -> Result<(), Refused> {
        let used = self.vdevs.values().any(|vdev| vdev.pdev() == address);
        let pdev = self.pdev(address)?;
        if used || pdev.state == PdevState::Stopped || !pdev.communication.is_free() {
            return Err(Status::ErrorDevice.into());
        }
        pdev.communication = Communication::pending(Fid::PdevStop, Errand::Nothing);
        Ok(())
    }

    pub(super) fn pdev_abort(&mut self, address: u64) -> Result<(), Refused> {
        let pdev = self.pdev(address)?;
        if pdev.communication.abort()? {
            pdev.state = PdevState::Error;
        }
        Ok(())
    }

    pub(super) fn pdev_destroy(&mut self, address: u64) -> Result<(), Refused> {
        if self.pdev(address)?.state != PdevState::Stopped {
            return Err(Status::ErrorDevice.into());
        }
        self.pdevs.remove(&address);
        self.granules.release(address);
        Ok(())
    }
}

fn check(params: &PdevParams) -> Result<(), Refused> {
    let functions = params.rid_top.saturating_sub(params.rid_base);
    let well_formed = params.flags & !FLAGS_MASK == 0
        && (1..=1 << MAX_VDEVS_ORDER).contains(&functions)
        && params.rid_top <= 1 << 16
        && params.pdev_id < 1 << 16
        && params.routing_id < 1 << 16
        && params.id_index < 8
        && [HASH_SHA_256, HASH_SHA_384, HASH_SHA_512].contains(&params.hash_algo)
        && params.reserved.iter().all(|byte| *byte == 0);
    if !well_formed {
        return Err(Status::ErrorInput.into());
    }
    // Root ports and devices on the chip are not emulated.
    if params.flags != FLAG_SPDM | FLAG_CATEGORY_OFF_CHIP {
        return Err(Status::ErrorNotSupported.into());
    }
    Ok(())
}
