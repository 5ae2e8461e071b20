// SPDX-License-Identifier: GPL-2.0

//! Tables of the TDX module's whose pages the host adds: that of device interfaces, and that of
//! MMIO.
//!
//! They are trees. The page below an entry is there as long as somebody needs it.

use crate::module::Module;
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    shared::Shared,
    transport::FirmwareTransport, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    tdx::{
        devif::{
            devifmt_first,
            devifmt_index,
            DEVIFMT_ROOT, //
        },
        mmio::{
            mmiomt_first,
            mmiomt_index,
            MMIOMT_ROOT, //
        },
        td::GLOBAL_HKID,
        Leaf, //
    }, //
};

/// Most levels that a table has above its entries of level 0.
const LEVELS: usize = 5;

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The table of device interfaces, whose keys are functions.
    Devif,
    /// The table of MMIO, whose keys are addresses.
    Mmio,
}

impl Kind {
    fn root(self) -> u8 {
        match self {
            Kind::Devif => DEVIFMT_ROOT,
            Kind::Mmio => MMIOMT_ROOT,
        }
    }

    /// The entry of `level` on the way to `key`, by the first of all keys that it is on the way to.
    fn entry(self, level: u8, key: u64) -> u64 {
        match self {
            Kind::Devif => devifmt_index(level, devifmt_first(level, key as u32)),
            Kind::Mmio => mmiomt_index(level, mmiomt_first(level, key)),
        }
    }

    fn add(self) -> Leaf {
        match self {
            Kind::Devif => Leaf::DevifMtAdd,
            Kind::Mmio => Leaf::MmioMtAdd,
        }
    }

    fn remove(self) -> Leaf {
        match self {
            Kind::Devif => Leaf::DevifMtRemove,
            Kind::Mmio => Leaf::MmioMtRemove,
        }
    }
}

/// The pages on the way to an entry of level 0, which are to be left.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    key: u64,
    /// Addresses of the pages, from the root on; 0 where there is none.
    pages: [u64; LEVELS],
}

/// A table.
#[pin_data]
pub(crate) struct Table<'f> {
    kind: Kind,
    /// Each page by the entry that it is below.
    #[pin]
    pages: Shared<u64, Granule<'f>>,
}

impl<'f> Table<'f> {
    pub(crate) fn new(kind: Kind) -> impl PinInit<Self> {
        pin_init!(Self {
            kind,
            pages <- Shared::new(c"Table::pages", kernel::static_lock_class!()),
        })
    }

    /// Sees to the pages on the way to the entry of `key`.
    pub(crate) fn join<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        key: u64,
    ) -> Result<Path, Refused> {
        let mut path = Path {
            key,
            pages: [0; LEVELS],
        };
        for (level, slot) in (1..=self.kind.root()).rev().zip(&mut path.pages) {
            let entry = self.kind.entry(level, key);
            let made = self.pages.join(patience, entry, || {
                let page = module.page()?;
                let added = module.call(patience, self.kind.add(), &[entry, page.bus_address()]);
                if let Err(refused) = added {
                    if refused.why == Refusal::Signal {
                        // nothing happened, and nobody waits for more
                        return Err(refused);
                    }
                    self.remove(module, &patience.undo(), entry, page);
                    return Err(refused);
                }
                Ok(page)
            });
            match made {
                Ok(address) => *slot = address,
                Err(refused) => {
                    self.leave(module, &patience.undo(), path);
                    return Err(refused);
                }
            }
        }
        Ok(path)
    }

    /// The pages of a path are not needed any more.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        path: Path,
    ) {
        let levels = (1..=self.kind.root()).rev().zip(path.pages);
        // from below, and those only that there are
        let mut last = LEVELS;
        while last > 0 {
            last -= 1;
            if let Some((level, address)) = levels.clone().nth(last).filter(|(_, a)| *a != 0) {
                let entry = self.kind.entry(level, path.key);
                self.pages
                    .leave(address, |page| self.remove(module, patience, entry, page));
            }
        }
    }

    fn remove<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
        entry: u64,
        page: Granule<'f>,
    ) {
        let _ = module.call_twice(patience, self.kind.remove(), &[entry]);
        module.take_back(patience, page, GLOBAL_HKID);
    }
}
