// SPDX-License-Identifier: GPL-2.0

//! MMIO of a device interface that is in its TD.

use crate::{
    module::status,
    table::Path,
    tdisp::Interface, //
};
use core::mem::replace;
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::FirmwareTransport, //
};
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    request::MmioRange,
    tdx::{
        mmio::{
            mmiomt_data,
            mmiomt_first,
            mmiomt_index,
            page_info,
            MMIOMT_QNODE, //
        },
        Leaf,
        StandIn,
        Status,
        PAGE_SIZE, //
    }, //
};

/// Bytes in a page.
const PAGE: u64 = PAGE_SIZE as u64;

/// A range that is mapped, or was to be.
pub(crate) struct Mapping {
    range: MmioRange,
    /// Bytes of it that are mapped, from its beginning on.
    done: u64,
    /// Something was asked for with the page after that.
    begun: bool,
    /// The module's tables that it needs.
    paths: KVec<Path>,
}

impl Mapping {
    /// Of nothing yet.
    pub(crate) fn new(range: MmioRange) -> Self {
        Mapping {
            range,
            done: 0,
            begun: false,
            paths: KVec::new(),
        }
    }

    /// Is it of this range, and was not all of it mapped?
    pub(crate) fn is_part_of(&self, range: &MmioRange) -> bool {
        self.range == *range && self.done < range.len
    }

    /// Is nothing of it mapped?
    pub(crate) fn is_gone(&self) -> bool {
        self.done == 0 && !self.begun
    }

    /// Guest physical and physical address of each page that something was asked for.
    fn pages(&self) -> impl Iterator<Item = (u64, u64)> {
        let (gpa, pa) = (self.range.gpa, self.range.pa);
        let pages = self.done / PAGE + u64::from(self.begun);
        let offsets = (0..pages).map(|n| n * PAGE);
        offsets.map(move |offset| (gpa + offset, pa + offset))
    }

    /// Maps all of it, and has the guest accept it. What was done before a failure stays: the
    /// module unmaps nothing of an interface that is locked. It can be gone on with.
    pub(crate) fn map<'f, T: FirmwareTransport<'f>>(
        &mut self,
        interface: &Interface<'_, '_, 'f, T>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let tdx = interface.device.tdx;
        let module = &tdx.module;
        let mut table = None;
        while self.done < self.range.len {
            let pa = self.range.pa + self.done;
            let gpa = self.range.gpa + self.done;
            let first = mmiomt_first(1, pa);
            if table != Some(first) {
                self.paths
                    .reserve(1, GFP_KERNEL)
                    .map_err(|_| Refusal::Memory)?;
                let path = tdx.mmio.join(module, patience, pa)?;
                // reserved above
                self.paths
                    .push(path, GFP_KERNEL)
                    .map_err(|_| Refusal::Memory)?;
                table = Some(first);
            }
            let again = replace(&mut self.begun, true);
            // with this page something was done before, and nobody knows what
            let unless_done = |made: Result<_, Refused>, done: &[Status]| match made {
                Err(refused) if !again || !status(&refused).is_some_and(|s| done.contains(&s)) => {
                    Err(refused)
                }
                _ => Ok(()),
            };
            let set = [mmiomt_index(0, pa), mmiomt_data(interface.function as u32)];
            let set = module.call(patience, Leaf::MmioMtSet, &set);
            unless_done(set, &[Status::MmioInvalidPageMetadata])?;
            let map = [page_info(gpa), interface.tdr, pa];
            let map = module.call(patience, Leaf::MmioMap, &map);
            unless_done(
                map,
                &[
                    Status::MmioInvalidPageMetadata,
                    Status::EptEntryStateIncorrect,
                ],
            )?;
            // that it did so before is no failure
            interface.as_guest(patience, StandIn::MmioAccept, &[page_info(gpa), pa])?;
            self.begun = false;
            self.done += PAGE;
        }
        Ok(())
    }

    /// Takes all of it away, again if it has to be. The interface is unlocked, or was never
    /// started.
    pub(crate) fn unmap<'f, T: FirmwareTransport<'f>>(
        &mut self,
        interface: &Interface<'_, '_, 'f, T>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let first = self.take_away(interface, patience);
        let gone = match first {
            Ok(()) => true,
            // a word may have been lost, and what is done twice is refused
            Err(_) => {
                let _ = self.take_away(interface, patience);
                self.is_taken(interface, patience)
            }
        };
        if gone {
            self.done = 0;
            self.begun = false;
            let tdx = interface.device.tdx;
            while let Some(path) = self.paths.pop() {
                tdx.mmio.leave(&tdx.module, patience, path);
            }
        }
        first
    }

    fn take_away<'f, T: FirmwareTransport<'f>>(
        &self,
        interface: &Interface<'_, '_, 'f, T>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let module = &interface.device.tdx.module;
        let tdr = interface.tdr;
        let mut outcome = Ok(());
        let mut note = |result: Result<_, Refused>| {
            if let (Ok(()), Err(refused)) = (outcome, result) {
                outcome = Err(refused);
            }
        };
        for (gpa, _) in self.pages() {
            note(module.call(patience, Leaf::MmioBlock, &[page_info(gpa), tdr]));
        }
        note(module.call(patience, Leaf::MemTrack, &[tdr]));
        for (gpa, pa) in self.pages() {
            note(module.call(patience, Leaf::MmioUnmap, &[page_info(gpa), tdr]));
            let free = [mmiomt_index(0, pa), MMIOMT_QNODE];
            note(module.call(patience, Leaf::MmioMtSet, &free));
        }
        outcome
    }

    /// Is no page of it the function's any more? A page that is nobody's can be given to it.
    fn is_taken<'f, T: FirmwareTransport<'f>>(
        &self,
        interface: &Interface<'_, '_, 'f, T>,
        patience: &Patience,
    ) -> bool {
        let module = &interface.device.tdx.module;
        let data = mmiomt_data(interface.function as u32);
        self.pages().all(|(_, pa)| {
            let index = mmiomt_index(0, pa);
            module
                .call(patience, Leaf::MmioMtSet, &[index, data])
                .and_then(|_| module.call(patience, Leaf::MmioMtSet, &[index, MMIOMT_QNODE]))
                .is_ok()
        })
    }
}
