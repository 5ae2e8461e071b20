// SPDX-License-Identifier: GPL-2.0

//! The VM, as the RMM has it.
//!
//! KVM makes the Realm of a Realm VM. Nothing but an arm64 host with RME has one: for the VMs of
//! other hosts a stand-in is made, one for each VM that has a TDI bound, so that the RMM can tell
//! whose a VDEV is.

use crate::rmm::Rmm;
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    shared::Shared,
    transport::FirmwareTransport, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::Refused,
    rmi::Fid, //
};

/// The Realms that have a TDI, by the key of their VM: Realm descriptors.
#[pin_data]
pub(crate) struct Realms<'f> {
    #[pin]
    realms: Shared<usize, Granule<'f>>,
}

impl<'f> Realms<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            realms <- Shared::new(c"Realms::realms", kernel::static_lock_class!()),
        })
    }

    /// Address of the Realm descriptor of this VM, for a TDI of it.
    pub(crate) fn join<T: FirmwareTransport<'f>>(
        &self,
        rmm: &Rmm<'f, T>,
        patience: &Patience,
        vm: usize,
    ) -> Result<u64, Refused> {
        self.realms.join(patience, vm, || {
            // all zeroes, as the stand-in wants its parameters
            let params = rmm.granule()?;
            let rd = rmm.delegated(patience)?;
            let address = rd.bus_address();
            let create = [address, params.bus_address()];
            if let Err(failure) = rmm.call(patience, Fid::RealmCreate, &create) {
                let undo = patience.undo();
                // it may be that the answer alone was lost
                let _ = rmm.call(&undo, Fid::RealmDestroy, &[address]);
                rmm.reclaim(&undo, rd);
                return Err(failure);
            }
            Ok(rd)
        })
    }

    /// The RMM keeps a VDEV of the Realm at `rd`: no TDI joins it any more, and it stays for good.
    pub(crate) fn abandon(&self, rd: u64) {
        self.realms.abandon(rd);
    }

    /// A TDI of the Realm at `rd` is gone.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        rmm: &Rmm<'f, T>,
        patience: &Patience,
        rd: u64,
    ) {
        self.realms.leave(rd, |granule| {
            let destroy = || rmm.call(patience, Fid::RealmDestroy, &[rd]);
            // twice: one answer may be lost
            let _ = destroy().or_else(|_| destroy());
            // what is a Realm still is not given back
            rmm.reclaim(patience, granule);
        });
    }
}
