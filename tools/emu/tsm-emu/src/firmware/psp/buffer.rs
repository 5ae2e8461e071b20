// SPDX-License-Identifier: GPL-2.0

//! Buffers: pages that a scatter list address names, with a header in front, see
//! [`tsm_wire::sev::sla`] and [`tsm_wire::sev::buffer`].

use super::super::ground::{read, Ground, PAGE_SIZE};
use super::platform::{Limits, OUTPUT, REQUEST, RESPONSE, SCRATCH};
use super::rmp::Rmp;
use super::{require, Refused};
use tsm_wire::sev::sla::LIST_MAX;
use tsm_wire::sev::{BufferHeader, Sla, SpdmCtrl, Status};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Bytes before what a buffer holds.
const HEADER_SIZE: usize = size_of::<BufferHeader>();

/// The pages that a scatter list address names. Who owns them is not looked at.
pub(super) fn pages(ground: &dyn Ground, rmp: &Rmp, name: Sla) -> Result<Vec<u64>, Refused> {
    let fine = |sla: Sla| sla != Sla::NULL && sla.is_well_formed() && !sla.is_large();
    require(fine(name), Status::InvalidAddress)?;
    if !name.is_list() {
        return Ok(vec![name.address()]);
    }
    rmp.host(ground, name.address())?;
    let mut pages = Vec::new();
    for entry in 0..=LIST_MAX {
        let at = name.address() + (entry * size_of::<Sla>()) as u64;
        let sla = Sla(read(ground, at).ok_or(Status::InvalidAddress)?);
        if sla == Sla::END {
            require(!pages.is_empty(), Status::InvalidAddress)?;
            return Ok(pages);
        }
        require(fine(sla) && !sla.is_list(), Status::InvalidAddress)?;
        pages.push(sla.address());
    }
    Err(Status::InvalidAddress.into())
}

/// A buffer.
#[derive(Debug)]
pub(super) struct Buffer {
    pages: Vec<u64>,
    /// Bytes in it, its header among them.
    capacity: usize,
}

impl Buffer {
    /// That a command names.
    fn new(
        ground: &dyn Ground,
        rmp: &Rmp,
        name: Sla,
        owner: Owner,
        limits: Limits,
    ) -> Result<Self, Refused> {
        let pages = pages(ground, rmp, name)?;
        for page in &pages {
            match owner {
                Owner::Host => rmp.host(ground, *page)?,
                Owner::Firmware => rmp.firmware(ground, *page)?,
            }
        }
        let capacity = Self::length_of(&pages);
        require(capacity >= limits.min, Status::IncorrectBufferLength)?;
        Ok(Self { pages, capacity })
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> usize {
        self.capacity
    }

    /// Bytes in so many pages.
    pub(super) fn length_of(pages: &[u64]) -> usize {
        pages.len() * PAGE_SIZE as usize
    }

    /// Bytes that an object in it may have.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(HEADER_SIZE)
    }

    /// Reads what it holds, from an offset on; `None` if it is not that long.
    pub(super) fn read(
        &self,
        ground: &dyn Ground,
        offset: usize,
        length: usize,
    ) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.each(HEADER_SIZE + offset, length, |address, range| {
            ground.read(address, bytes.get_mut(range)?).ok()
        })?;
        Some(bytes)
    }

    /// Puts an object into it; `None` if it does not fit.
    pub(super) fn put(&self, ground: &dyn Ground, object: &[u8]) -> Option<()> {
        let mut payload = object.to_vec();
        payload.resize(tsm_wire::sev::object::padded(object.len()), 0);
        let mut header = BufferHeader::new_zeroed();
        header.capacity_sz = u32::try_from(self.capacity).ok()?;
        header.payload_sz = u32::try_from(payload.len()).ok()?;
        let bytes = [header.as_bytes(), &payload].concat();
        self.each(0, bytes.len(), |address, range| {
            ground.write(address, bytes.get(range)?).ok()
        })
    }

    /// Tells the host how long it has to be instead.
    pub(super) fn want(&self, ground: &dyn Ground, capacity: usize) -> Option<()> {
        let first = *self.pages.first()?;
        let capacity = u32::try_from(capacity).ok()?;
        ground.write(first, capacity.as_bytes()).ok()
    }

    /// What the host would have to make of it for an object of this length.
    pub(super) fn length_for(object: usize) -> usize {
        let payload = tsm_wire::sev::object::padded(object);
        (HEADER_SIZE + payload).next_multiple_of(PAGE_SIZE as usize)
    }

    /// Does something to each piece of a range of bytes: where it is, and which part of the range.
    fn each(
        &self,
        start: usize,
        length: usize,
        mut action: impl FnMut(u64, std::ops::Range<usize>) -> Option<()>,
    ) -> Option<()> {
        let end = start
            .checked_add(length)
            .filter(|end| *end <= self.capacity)?;
        let page_size = PAGE_SIZE as usize;
        let mut at = start;
        while at < end {
            let inside = at % page_size;
            let piece = (page_size - inside).min(end - at);
            let page = *self.pages.get(at / page_size)?;
            action(page + inside as u64, at - start..at - start + piece)?;
            at += piece;
        }
        Some(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Host,
    Firmware,
}

/// The buffers of a command that talks with a device.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) request: Buffer,
    pub(super) response: Buffer,
    pub(super) scratch: Buffer,
    pub(super) output: Buffer,
}

impl Buffers {
    /// That a command names.
    pub(super) fn new(ground: &dyn Ground, rmp: &Rmp, names: &SpdmCtrl) -> Result<Self, Refused> {
        let buffer = |name, owner, limits| Buffer::new(ground, rmp, name, owner, limits);
        let buffers = Self {
            request: buffer(names.req, Owner::Firmware, REQUEST)?,
            response: buffer(names.resp, Owner::Host, RESPONSE)?,
            scratch: buffer(names.scratch, Owner::Firmware, SCRATCH)?,
            output: buffer(names.output, Owner::Firmware, OUTPUT)?,
        };
        let all = [
            &buffers.request,
            &buffers.response,
            &buffers.scratch,
            &buffers.output,
        ];
        let pages = all.into_iter().flat_map(|buffer| &buffer.pages);
        distinct(pages)?;
        Ok(buffers)
    }
}

/// No page may be named twice.
pub(super) fn distinct<'a>(pages: impl IntoIterator<Item = &'a u64>) -> Result<(), Refused> {
    let mut seen = std::collections::BTreeSet::new();
    let distinct = pages.into_iter().all(|page| seen.insert(*page));
    require(distinct, Status::InvalidAddress)
}

/// Reads a structure from what a buffer holds.
pub(super) fn structure<T: FromBytes>(ground: &dyn Ground, buffer: &Buffer) -> Option<T> {
    let bytes = buffer.read(ground, 0, size_of::<T>())?;
    T::read_from_bytes(&bytes).ok()
}
