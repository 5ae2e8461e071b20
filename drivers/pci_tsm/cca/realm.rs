// SPDX-License-Identifier: GPL-2.0

//! The VM, as the RMM has it.
//!
//! KVM makes the Realm of a Realm VM. Nothing but an arm64 host with RME has one: for the VMs of
//! other hosts a stand-in is made, one for each VM that has a TDI bound, so that the RMM can tell
//! whose a VDEV is.

use crate::rmm::Rmm;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    patience::Patience,
    transport::FirmwareTransport, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    rmi::Fid, //
};

struct Realm<'f> {
    /// Key of the VM; `None` if the RMM keeps a VDEV of it that nobody can get rid of. The key may
    /// be that of another VM by and by.
    vm: Option<usize>,
    /// TDIs that are bound to it.
    users: usize,
    rd: Granule<'f>,
}

/// The Realms that have a TDI.
#[pin_data]
pub(crate) struct Realms<'f> {
    #[pin]
    realms: Mutex<KVec<Realm<'f>>>,
}

impl<'f> Realms<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            realms <- new_mutex!(KVec::new(), "Realms::realms"),
        })
    }

    /// Address of the Realm descriptor of this VM, for a TDI of it.
    pub(crate) fn join<T: FirmwareTransport<'f>>(
        &self,
        rmm: &Rmm<'f, T>,
        patience: &Patience,
        vm: usize,
    ) -> Result<u64, Refused> {
        let mut realms = self.realms.lock();
        if let Some(realm) = realms.iter_mut().find(|realm| realm.vm == Some(vm)) {
            realm.users += 1;
            return Ok(realm.rd.bus_address());
        }
        realms.reserve(1, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        // all zeroes, as the stand-in wants its parameters
        let params = rmm.granule()?;
        let rd = rmm.delegated(patience)?;
        let address = rd.bus_address();
        if let Err(failure) = rmm.call(patience, Fid::RealmCreate, &[address, params.bus_address()])
        {
            let undo = patience.undo();
            // it may be that the answer alone was lost
            let _ = rmm.call(&undo, Fid::RealmDestroy, &[address]);
            rmm.reclaim(&undo, rd);
            return Err(failure);
        }
        let realm = Realm {
            vm: Some(vm),
            users: 1,
            rd,
        };
        // reserved above
        realms
            .push(realm, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        Ok(address)
    }

    /// The RMM keeps a VDEV of the Realm at `rd`: no TDI joins it any more, and it stays for good.
    pub(crate) fn abandon(&self, rd: u64) {
        let mut realms = self.realms.lock();
        if let Some(realm) = realms.iter_mut().find(|r| r.rd.bus_address() == rd) {
            realm.vm = None;
        }
    }

    /// A TDI of the Realm at `rd` is gone.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        rmm: &Rmm<'f, T>,
        patience: &Patience,
        rd: u64,
    ) {
        let mut realms = self.realms.lock();
        let Some(index) = realms.iter().position(|r| r.rd.bus_address() == rd) else {
            return;
        };
        let Some(realm) = realms.get_mut(index) else {
            return;
        };
        realm.users -= 1;
        if realm.users != 0 {
            return;
        }
        let Ok(realm) = realms.remove(index) else {
            return;
        };
        let destroy = || rmm.call(patience, Fid::RealmDestroy, &[rd]);
        // twice: one answer may be lost
        let _ = destroy().or_else(|_| destroy());
        // what is a Realm still is not given back
        rmm.reclaim(patience, realm.rd);
    }
}
