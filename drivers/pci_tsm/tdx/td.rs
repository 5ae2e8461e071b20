// SPDX-License-Identifier: GPL-2.0

//! The VM, as the TDX module has it.
//!
//! KVM makes the trust domain of a TDX VM. Nothing but an Intel host with TDX has one: for the VMs
//! of other hosts a stand-in is made, one for each VM that has a TDI bound, so that the module can
//! tell whose a device interface is.

use crate::{
    module::Module,
    numbers::Numbers, //
};
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    shared::{
        Share,
        Shared, //
    },
    transport::{
        nonsense,
        FirmwareTransport, //
    }, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    tdx::{
        td::{
            GLOBAL_HKID,
            HKIDS,
            TD_PARAMS, //
        },
        Leaf, //
    }, //
};
use zerocopy::IntoBytes;

/// A trust domain.
struct Td<'f> {
    tdr: Granule<'f>,
    /// Its control structure.
    tdcs: KVec<Granule<'f>>,
    hkid: u16,
}

impl Share for Td<'_> {
    /// Address of the TDR.
    type Name = u64;

    fn name(&self) -> u64 {
        self.tdr.bus_address()
    }
}

/// The trust domains that have a TDI, by the key of their VM.
#[pin_data]
pub(crate) struct Tds<'f> {
    #[pin]
    hkids: Numbers,
    #[pin]
    tds: Shared<usize, Td<'f>>,
}

impl<'f> Tds<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            hkids <- Numbers::new(HKIDS),
            tds <- Shared::new(c"Tds::tds", kernel::static_lock_class!()),
        })
    }

    /// Address of the TDR of this VM, for a TDI of it.
    pub(crate) fn join<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        vm: usize,
    ) -> Result<u64, Refused> {
        self.tds.join(patience, vm, || {
            let mut params = module.page()?;
            params
                .write(0, TD_PARAMS.as_bytes())
                .map_err(|_| nonsense())?;
            let mut td = Td {
                tdr: module.page()?,
                tdcs: KVec::new(),
                hkid: 0,
            };
            for _ in 0..module.tdcs_pages() {
                let page = module.page()?;
                td.tdcs
                    .push(page, GFP_KERNEL)
                    .map_err(|_| Refusal::Memory)?;
            }
            td.hkid = self.hkids.take().ok_or(Refusal::Taken)?;
            let create = [td.tdr.bus_address(), u64::from(td.hkid)];
            match module.call(patience, Leaf::MngCreate, &create) {
                // nothing happened, and nobody waits for more
                Err(refused) if refused.why == Refusal::Signal => {
                    self.hkids.give_back(td.hkid);
                    return Err(refused);
                }
                Err(refused) => {
                    self.end(module, &patience.undo(), td);
                    return Err(refused);
                }
                Ok(_) => {}
            }
            match complete(module, patience, &td, params.bus_address()) {
                Ok(()) => Ok(td),
                Err(refused) => {
                    self.end(module, &patience.undo(), td);
                    Err(refused)
                }
            }
        })
    }

    /// The module keeps a device interface of the TD at `tdr`: no TDI joins it any more, and it
    /// stays for good.
    pub(crate) fn abandon(&self, tdr: u64) {
        self.tds.abandon(tdr);
    }

    /// A TDI of the TD at `tdr` is gone.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        tdr: u64,
    ) {
        self.tds.leave(tdr, |td| self.end(module, patience, td));
    }

    /// Takes everything of a TD back, whatever of it there is: first what its key is good for ends,
    /// then each page is taken back, its root last.
    fn end<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        td: Td<'f>,
    ) {
        let tdr = td.tdr.bus_address();
        for (leaf, operand) in [
            (Leaf::MngVpflushdone, tdr),
            (Leaf::PhymemCacheWb, 0),
            (Leaf::MngKeyFreeid, tdr),
        ] {
            let _ = module.call_twice(patience, leaf, &[operand]);
        }
        let mut all = true;
        let own = td.tdcs.into_iter().map(|page| (page, td.hkid));
        for (page, hkid) in Iterator::chain(own, [(td.tdr, GLOBAL_HKID)]) {
            let _ = module.call_twice(patience, Leaf::PhymemPageReclaim, &[page.bus_address()]);
            all &= module.take_back(patience, page, hkid);
        }
        if all {
            self.hkids.give_back(td.hkid);
        }
    }
}

/// Has a TD that was made be ready to run, of which no vCPU is needed.
fn complete<'f, T: FirmwareTransport<'f>>(
    module: &Module<'f, T>,
    patience: &Patience,
    td: &Td<'f>,
    params: u64,
) -> Result<(), Refused> {
    let tdr = td.tdr.bus_address();
    module.call(patience, Leaf::MngKeyConfig, &[tdr])?;
    for page in &td.tdcs {
        module.call(patience, Leaf::MngAddcx, &[page.bus_address(), tdr])?;
    }
    module.call(patience, Leaf::MngInit, &[tdr, params])?;
    module.call(patience, Leaf::MrFinalize, &[tdr])?;
    Ok(())
}
