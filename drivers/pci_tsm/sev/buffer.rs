// SPDX-License-Identifier: GPL-2.0

//! Buffers and contexts: pages that a scatter list address stands for.

use crate::{
    debt::{
        Context,
        Pages, //
    },
    host::Host,
    psp::Psp, //
};
use core::mem::{
    offset_of,
    size_of, //
};
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::nonsense, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    sev::{
        sla::LIST_MAX,
        tdi::TdiReclaim,
        BufferHeader,
        Sla,
        PAGE_SIZE, //
    }, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};

/// Whose the pages of a buffer are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The host's, which writes to it.
    Host,
    /// The firmware's; the host can read them.
    Firmware,
}

/// A buffer. Dropping it takes its pages back, but for those that the firmware keeps.
pub(crate) struct Buffer<'a, 'f, T: Host<'f>> {
    psp: &'a Psp<'f, T>,
    sla: Sla,
    pages: KVec<Granule<'f>>,
    /// What lists the pages, if they are more than one.
    list: Option<Granule<'f>>,
    owner: Owner,
}

impl<'a, 'f, T: Host<'f>> Buffer<'a, 'f, T> {
    /// A new one of `len` bytes, rounded up to whole pages.
    pub(crate) fn new(
        psp: &'a Psp<'f, T>,
        patience: &Patience,
        len: u32,
        owner: Owner,
    ) -> Result<Self, Refused> {
        let mut buffer = Buffer::unowned(psp, len)?;
        if owner == Owner::Firmware {
            buffer.give(patience)?;
        }
        Ok(buffer)
    }

    /// One of the firmware's that is longer, with what is in `old`.
    pub(crate) fn expanded(old: &Self, patience: &Patience, len: u32) -> Result<Self, Refused> {
        let mut buffer = Buffer::unowned(old.psp, len)?;
        // once it is the firmware's, the host cannot write to it
        for (new, old) in buffer.pages.iter_mut().zip(&old.pages) {
            let mut part = [0; 256];
            for offset in (0..PAGE_SIZE).step_by(part.len()) {
                old.read(offset, &mut part).map_err(|_| nonsense())?;
                new.write(offset, &part).map_err(|_| nonsense())?;
            }
        }
        buffer.set_capacity()?;
        buffer.give(patience)?;
        Ok(buffer)
    }

    /// One of the host's, all zeroes but for its capacity.
    fn unowned(psp: &'a Psp<'f, T>, len: u32) -> Result<Self, Refused> {
        let count = (len as usize).div_ceil(PAGE_SIZE);
        if count == 0 || count > LIST_MAX {
            return Err(nonsense());
        }
        let mut buffer = Buffer {
            psp,
            sla: Sla::NULL,
            pages: KVec::with_capacity(count, GFP_KERNEL).map_err(|_| Refusal::Memory)?,
            list: None,
            owner: Owner::Host,
        };
        for _ in 0..count {
            buffer
                .pages
                .push(psp.granule()?, GFP_KERNEL)
                .map_err(|_| Refusal::Memory)?;
        }
        buffer.sla = match buffer.pages.as_slice() {
            [page] => Sla::page(page.bus_address()),
            _ => buffer.write_list()?,
        }
        .ok_or(nonsense())?;
        buffer.set_capacity()?;
        Ok(buffer)
    }

    fn write_list(&mut self) -> Result<Option<Sla>, Refused> {
        let mut list = self.psp.granule()?;
        let pages = self.pages.iter().map(|page| Sla::page(page.bus_address()));
        for (n, sla) in Iterator::chain(pages, [Some(Sla::END)]).enumerate() {
            let sla = sla.ok_or(nonsense())?;
            list.write(n * size_of::<Sla>(), sla.as_bytes())
                .map_err(|_| nonsense())?;
        }
        let address = list.bus_address();
        self.list = Some(list);
        Ok(Sla::list(address))
    }

    fn set_capacity(&mut self) -> Result<(), Refused> {
        let capacity = self.len() as u32;
        self.write(offset_of!(BufferHeader, capacity_sz), capacity.as_bytes())
    }

    /// Makes all of its pages the firmware's, or none.
    fn give(&mut self, patience: &Patience) -> Result<(), Refused> {
        for given in 0..self.pages.len() {
            let page = self.pages.get(given).ok_or(nonsense())?;
            if let Err(refused) = self.psp.give(patience, page) {
                // those behind it are the host's; of this one the answer alone may have been lost
                self.pages.truncate(given + 1);
                let pages = core::mem::take(&mut self.pages);
                self.psp.undo(&refused, patience, pages.into());
                return Err(refused);
            }
        }
        self.owner = Owner::Firmware;
        Ok(())
    }

    /// Takes its pages back; false if the firmware keeps one. The buffer is none any more then.
    pub(crate) fn take_back(&mut self, patience: &Patience) -> bool {
        let pages = core::mem::take(&mut self.pages);
        let all = self.owner == Owner::Host || self.psp.take_back(patience, pages.into());
        if let Some(list) = self.list.take() {
            if !all {
                // the firmware may look at it still
                list.leak();
            }
        }
        all
    }

    /// Its pages, of which a TDI context was made that `reclaim` ends, or none.
    pub(crate) fn into_context(mut self, reclaim: Option<TdiReclaim>) -> Context<'f> {
        Context {
            reclaim,
            pages: Pages::from(core::mem::take(&mut self.pages)),
            list: self.list.take(),
        }
    }

    /// What stands for it in a command.
    pub(crate) fn sla(&self) -> Sla {
        self.sla
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.pages.len() * PAGE_SIZE
    }

    /// Copies from it, starting at `offset`.
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) -> Result<(), Refused> {
        let mut at = offset;
        let mut rest = to;
        while !rest.is_empty() {
            let (inside, len) = part(at, rest.len());
            let page = self.pages.get(at / PAGE_SIZE).ok_or(nonsense())?;
            let (now, then) = rest.split_at_mut_checked(len).ok_or(nonsense())?;
            page.read(inside, now).map_err(|_| nonsense())?;
            rest = then;
            at += len;
        }
        Ok(())
    }

    /// Copies to it, starting at `offset`; it is the host's.
    pub(crate) fn write(&mut self, offset: usize, from: &[u8]) -> Result<(), Refused> {
        let mut at = offset;
        let mut rest = from;
        while !rest.is_empty() {
            let (inside, len) = part(at, rest.len());
            let page = self.pages.get_mut(at / PAGE_SIZE).ok_or(nonsense())?;
            let (now, then) = rest.split_at_checked(len).ok_or(nonsense())?;
            page.write(inside, now).map_err(|_| nonsense())?;
            rest = then;
            at += len;
        }
        Ok(())
    }

    /// What is at `offset`, read once.
    pub(crate) fn get<D: FromBytes + IntoBytes>(&self, offset: usize) -> Result<D, Refused> {
        let mut data = D::new_zeroed();
        self.read(offset, data.as_mut_bytes())?;
        Ok(data)
    }
}

/// Offset in its page of what is at `at`, and how much of `len` bytes is on that page.
fn part(at: usize, len: usize) -> (usize, usize) {
    let inside = at % PAGE_SIZE;
    (inside, len.min(PAGE_SIZE - inside))
}

impl<'f, T: Host<'f>> Drop for Buffer<'_, 'f, T> {
    fn drop(&mut self) {
        if !self.pages.is_empty() {
            self.take_back(&Patience::end());
        }
    }
}
