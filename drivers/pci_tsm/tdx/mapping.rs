// SPDX-License-Identifier: GPL-2.0

//! MMIO of a device interface that is in its TD.

use crate::{
    module::status,
    table::Path,
    tdisp::Interface, //
};
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

/// What is done with a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is said whose it is.
    Set,
    /// It is mapped.
    Map,
}

/// A range that is mapped, or was to be.
pub(crate) struct Mapping {
    range: MmioRange,
    /// Bytes of it that are mapped, from its beginning on.
    done: u64,
    /// What may have been done with the page after that.
    begun: Option<Step>,
    /// The module's tables that it needs.
    paths: KVec<Path>,
}

impl Mapping {
    /// Of nothing yet.
    pub(crate) fn new(range: MmioRange) -> Self {
        Mapping {
            range,
            done: 0,
            begun: None,
            paths: KVec::new(),
        }
    }

    /// Is it of this range, and was not all of it mapped?
    pub(crate) fn is_part_of(&self, range: &MmioRange) -> bool {
        self.range == *range && self.done < range.len
    }

    /// Is nothing of it mapped?
    pub(crate) fn is_gone(&self) -> bool {
        self.done == 0 && self.begun.is_none()
    }

    /// Guest physical and physical address of each page that something may have been done with.
    fn pages(&self) -> impl Iterator<Item = (u64, u64)> {
        self.first(self.done / PAGE + u64::from(self.begun.is_some()))
    }

    /// Those of them that may be in the TD.
    fn mapped_pages(&self) -> impl Iterator<Item = (u64, u64)> {
        self.first(self.done / PAGE + u64::from(self.begun == Some(Step::Map)))
    }

    fn first(&self, pages: u64) -> impl Iterator<Item = (u64, u64)> {
        let (gpa, pa) = (self.range.gpa, self.range.pa);
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
            self.map_page(interface, patience, (gpa, pa))?;
            self.begun = None;
            self.done += PAGE;
        }
        Ok(())
    }

    fn map_page<'f, T: FirmwareTransport<'f>>(
        &mut self,
        interface: &Interface<'_, '_, 'f, T>,
        patience: &Patience,
        (gpa, pa): (u64, u64),
    ) -> Result<(), Refused> {
        let module = &interface.device.tdx.module;
        let set = |info| {
            let operands = [mmiomt_index(0, pa), info];
            module.call(patience, Leaf::MmioMtSet, &operands)
        };
        // what was tried before may have been done; what was not, and is, is somebody else's
        let before = self.begun;
        if before != Some(Step::Map) {
            self.begun = Some(Step::Set);
            match set(mmiomt_data(interface.function as u32)) {
                Err(refused) if is_in_use(&refused) && before.is_none() => {
                    self.begun = None;
                    return Err(refused);
                }
                Err(refused) if !is_in_use(&refused) => {
                    if refused.why == Refusal::Signal {
                        self.begun = before;
                    }
                    return Err(refused);
                }
                _ => self.begun = Some(Step::Map),
            }
        }
        let operands = [page_info(gpa), interface.tdr, pa];
        match module.call(patience, Leaf::MmioMap, &operands) {
            Err(refused) if is_in_use(&refused) && before != Some(Step::Map) => {
                self.begun = set(MMIOMT_QNODE).err().map(|_| Step::Set);
                return Err(refused);
            }
            Err(refused) if !is_in_use(&refused) => {
                if refused.why == Refusal::Signal && before != Some(Step::Map) {
                    self.begun = Some(Step::Set);
                }
                return Err(refused);
            }
            _ => {}
        }
        // that it did so before is no failure
        interface.as_guest(patience, StandIn::MmioAccept, &[page_info(gpa), pa])?;
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
            self.begun = None;
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
        let end = self.range.pa + self.done;
        let mut outcome = Ok(());
        let mut note = |pa: u64, result: Result<_, Refused>| {
            if let (Ok(()), Err(refused)) = (outcome, result) {
                // what was begun with the last page need not have been done
                if pa < end || !is_in_use(&refused) {
                    outcome = Err(refused);
                }
            }
        };
        for (gpa, pa) in self.mapped_pages() {
            note(
                pa,
                module.call(patience, Leaf::MmioBlock, &[page_info(gpa), tdr]),
            );
        }
        if self.mapped_pages().next().is_some() {
            note(0, module.call(patience, Leaf::MemTrack, &[tdr]));
        }
        for (gpa, pa) in self.mapped_pages() {
            note(
                pa,
                module.call(patience, Leaf::MmioUnmap, &[page_info(gpa), tdr]),
            );
        }
        for (_, pa) in self.pages() {
            let free = [mmiomt_index(0, pa), MMIOMT_QNODE];
            note(pa, module.call(patience, Leaf::MmioMtSet, &free));
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

/// Was a page or an address refused since it is in use?
fn is_in_use(refused: &Refused) -> bool {
    matches!(
        status(refused),
        Some(Status::MmioInvalidPageMetadata | Status::EptEntryStateIncorrect)
    )
}
