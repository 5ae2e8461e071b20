// SPDX-License-Identifier: GPL-2.0

//! Memory of a host, with who owns each page: firmware that reads or writes what it must not does not
//! get away with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use tsm_emu::device::Device;
use tsm_emu::firmware::ground::{Ground, Kind};

pub(super) const PAGE: u64 = 4096;
/// First page of memory, and how many there are.
const MEMORY: u64 = 0x1000_0000;
const PAGES: u64 = 32;
/// Most accesses to memory that one call of firmware makes. Of four lists of 511 pages it reads each
/// entry.
const ACCESSES: usize = 4096;

/// A page of memory.
pub(super) fn page(number: u8) -> u64 {
    MEMORY + u64::from(number) % PAGES * PAGE
}

/// Who owns a page that is not the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The firmware.
    Firmware,
    /// A context is made of it.
    Context,
    /// A guest.
    Guest,
}

/// Memory, with who owns it.
pub(super) struct Memory {
    bytes: RefCell<Vec<u8>>,
    /// Pages that are not the host's. Some are device memory.
    pub(super) owners: RefCell<BTreeMap<u64, Owner>>,
    /// Whose pages the firmware writes to; `None` if the host's.
    written: Option<Owner>,
    /// Accesses of the call that is made.
    accesses: Cell<usize>,
    pub(super) device: RefCell<Device>,
}

impl Memory {
    /// All of it the host's.
    pub(super) fn new(device: Device, written: Option<Owner>) -> Self {
        Self {
            bytes: RefCell::new(vec![0; (PAGES * PAGE) as usize]),
            owners: RefCell::default(),
            written,
            accesses: Cell::new(0),
            device: RefCell::new(device),
        }
    }

    /// A call is made now.
    pub(super) fn begin_call(&self) {
        self.accesses.set(0);
    }

    fn range(&self, address: u64, length: usize) -> io::Result<Range<usize>> {
        let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let from = address.checked_sub(MEMORY).ok_or_else(missing)? as usize;
        let to = from.checked_add(length).ok_or_else(missing)?;
        if to > (PAGES * PAGE) as usize {
            return Err(missing());
        }
        Ok(from..to)
    }

    /// What firmware reads or writes, all pages of which have to have this owner.
    fn access(
        &self,
        address: u64,
        length: usize,
        owner: Option<Owner>,
    ) -> io::Result<Range<usize>> {
        let range = self.range(address, length)?;
        let pages = address - address % PAGE..address + length as u64;
        for page in pages.step_by(PAGE as usize) {
            assert_eq!(self.owner(page), owner, "{address:#x}, {length} bytes");
        }
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() <= ACCESSES, "no end");
        Ok(range)
    }

    /// Who owns what is at an address; `None` if the host does.
    pub(super) fn owner(&self, address: u64) -> Option<Owner> {
        let page = address - address % PAGE;
        self.owners.borrow().get(&page).copied()
    }

    /// Reads memory, whoever owns it.
    pub(super) fn peek(&self, address: u64, length: usize) -> Vec<u8> {
        let range = self.range(address, length).unwrap();
        self.bytes.borrow()[range].to_vec()
    }

    /// Writes to one page of memory, if it is the host's.
    pub(super) fn poke(&self, address: u64, data: &[u8]) {
        if self.owner(address).is_none() {
            let length = data.len().min((PAGE - address % PAGE) as usize);
            let range = self.range(address, length).unwrap();
            self.bytes.borrow_mut()[range].copy_from_slice(&data[..length]);
        }
    }
}

impl Ground for Memory {
    fn kind(&self, page: u64) -> Option<Kind> {
        if (MEMORY..MEMORY + PAGES * PAGE).contains(&page) {
            Some(Kind::Memory)
        } else {
            self.device.borrow().owns(page).then_some(Kind::Device)
        }
    }

    fn read(&self, address: u64, data: &mut [u8]) -> io::Result<()> {
        let range = self.access(address, data.len(), None)?;
        data.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        let range = self.access(address, data.len(), self.written)?;
        self.bytes.borrow_mut()[range].copy_from_slice(data);
        Ok(())
    }
}
