// SPDX-License-Identifier: GPL-2.0

//! What there is, as a host knows from what it asked for and was answered.

use super::super::memory::{Memory, Owner};
use super::operands::Operands;
use std::collections::{BTreeMap, BTreeSet};
use tsm_emu::firmware::ground::{Ground, Kind};
use tsm_emu::firmware::tsm::Registers;
use tsm_wire::tdx::devif::DevifId;
use tsm_wire::tdx::{Call, Leaf, StandIn};

/// What a page of the module's is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Tdr,
    /// Of the TD with this TDR.
    Tdcx(u64),
    Session(u64),
    Stream(u8),
    DeviceTable,
    /// Of this function.
    Devif(u16),
    MmioTable,
}

struct Stream {
    session: u64,
    blocked: bool,
}

struct Devif {
    tdr: u64,
    stream: u8,
    pages: [u64; 3],
    /// Its guest let it reach memory.
    dma: bool,
}

/// All of it.
#[derive(Default)]
pub(super) struct Model {
    pages: BTreeMap<u64, Use>,
    sessions: BTreeSet<u64>,
    streams: BTreeMap<u8, Stream>,
    devifs: BTreeMap<u16, Devif>,
    /// Which function a page of MMIO is said to be of.
    of: BTreeMap<u64, u16>,
    /// MMIO by TDR and guest physical page: where it is, and of which function.
    mapped: BTreeMap<(u64, u64), (u64, u16)>,
}

impl Model {
    /// Connections, TDIs, VMs, pages.
    pub(super) fn counts(&self) -> [usize; 4] {
        let tds = self.pages.values().filter(|used| **used == Use::Tdr);
        let (sessions, devifs) = (self.sessions.len(), self.devifs.len());
        [sessions, devifs, tds.count(), self.pages.len()]
    }

    /// Whether a function has a device interface.
    pub(super) fn has_devif(&self, function: u16) -> bool {
        self.devifs.contains_key(&function)
    }

    fn take(&mut self, memory: &Memory, page: u64, used: Use) {
        assert_eq!(memory.kind(page), Some(Kind::Memory), "{page:#x}");
        let before = memory.owners.borrow_mut().insert(page, Owner::Firmware);
        assert_eq!(before, None, "{page:#x} for {used:?}");
        self.pages.insert(page, used);
    }

    fn release(&mut self, memory: &Memory, page: u64, used: Use) {
        let was = self.pages.remove(&page);
        assert_eq!(was, Some(used), "{page:#x}");
        memory.owners.borrow_mut().remove(&page);
    }

    /// A call was done.
    pub(super) fn follow(&mut self, memory: &Memory, call: Call, x: &Operands, out: &Registers) {
        let [rcx, rdx, r8, r9, r10, .., r15] = *x.first_chunk::<10>().unwrap();
        let [_, rcx_out, rdx_out, r8_out, ..] = *out;
        match call {
            Call::Leaf(leaf) => match leaf {
                Leaf::MngCreate => self.take(memory, rcx, Use::Tdr),
                Leaf::MngAddcx => {
                    assert_eq!(self.pages.get(&rdx), Some(&Use::Tdr));
                    self.take(memory, rcx, Use::Tdcx(rdx));
                }
                Leaf::PhymemPageReclaim => self.reclaimed(memory, rcx),
                Leaf::SpdmCreate => {
                    self.take(memory, r8, Use::Session(rdx));
                    assert!(self.sessions.insert(rdx));
                }
                Leaf::SpdmDelete => {
                    self.release(memory, rcx_out, Use::Session(rdx));
                    self.sessions.remove(&rdx);
                    let mut streams = self.streams.values();
                    assert!(streams.all(|stream| stream.session != rdx));
                }
                Leaf::IdeStreamCreate => self.made(memory, (r9 >> 24) as u8, rdx, r15),
                Leaf::IdeStreamBlock => {
                    self.streams.get_mut(&(rdx as u8)).unwrap().blocked = true;
                }
                Leaf::IdeStreamDelete => {
                    let stream = rdx as u8;
                    self.release(memory, rcx_out, Use::Stream(stream));
                    assert!(self.streams.remove(&stream).unwrap().blocked);
                    assert!(self.devifs.values().all(|devif| devif.stream != stream));
                }
                Leaf::DevifCreate => {
                    let id = DevifId::from_raw(rcx);
                    let function = u16::try_from(id.function).unwrap();
                    assert_eq!(self.pages.get(&rdx), Some(&Use::Tdr));
                    let pages = [r8, r9, r10];
                    for page in pages {
                        self.take(memory, page, Use::Devif(function));
                    }
                    let stream = &self.streams[&id.stream];
                    assert!(!stream.blocked && self.sessions.contains(&stream.session));
                    let devif = Devif {
                        tdr: rdx,
                        stream: id.stream,
                        pages,
                        dma: false,
                    };
                    assert!(self.devifs.insert(function, devif).is_none());
                }
                Leaf::DevifRemove => {
                    let function = u16::try_from(rcx).unwrap();
                    let devif = self.devifs.remove(&function).unwrap();
                    let [_, guest, host] = devif.pages;
                    assert_eq!((rcx_out, rdx_out, r8_out), (guest, host, devif.tdr));
                    for page in devif.pages {
                        self.release(memory, page, Use::Devif(function));
                    }
                    assert!(!devif.dma, "{function:#x} reaches memory");
                    let mut mapped = self.mapped.values();
                    assert!(mapped.all(|(_, of)| *of != function));
                }
                Leaf::DevifMtAdd => self.take(memory, rdx, Use::DeviceTable),
                Leaf::DevifMtRemove => self.release(memory, rcx_out, Use::DeviceTable),
                Leaf::MmioMtAdd => self.take(memory, rdx, Use::MmioTable),
                Leaf::MmioMtRemove => self.release(memory, rcx_out << 12, Use::MmioTable),
                Leaf::MmioMtSet if rcx & 7 == 0 => self.said(rcx & !0xfff, rdx),
                Leaf::MmioMap => self.mapped(memory, (rdx, rcx), r8),
                Leaf::MmioUnmap => {
                    let mapped = self.mapped.remove(&(rdx, rcx));
                    assert_eq!(mapped.unwrap().0, r8_out);
                }
                Leaf::DmarRemove => {
                    let function = (rcx >> 32) as u16;
                    if let Some(devif) = self.devifs.get_mut(&function) {
                        devif.dma = false;
                    }
                }
                _ => {}
            },
            Call::StandIn(StandIn::IntegratedStream) => self.made(memory, r8 as u8, rdx, r15),
            Call::StandIn(StandIn::DmarAccept) => {
                let devif = self.devifs.get_mut(&(rcx as u16)).unwrap();
                assert_eq!(devif.tdr, x[12], "another TD's");
                devif.dma = true;
            }
            Call::StandIn(StandIn::MmioAccept) => {
                let mapped = self.mapped[&(x[12], rcx)];
                assert_eq!(mapped.0, rdx);
            }
            Call::StandIn(_) => {}
        }
    }

    fn made(&mut self, memory: &Memory, number: u8, session: u64, page: u64) {
        self.take(memory, page, Use::Stream(number));
        assert!(self.sessions.contains(&session));
        let stream = Stream {
            session,
            blocked: false,
        };
        assert!(self.streams.insert(number, stream).is_none());
    }

    /// Of a TD nothing is reclaimed that something else of it needs.
    fn reclaimed(&mut self, memory: &Memory, page: u64) {
        let used = self.pages[&page];
        match used {
            Use::Tdr => {
                let mut uses = self.pages.values();
                assert!(uses.all(|other| *other != Use::Tdcx(page)));
                let mut devifs = self.devifs.values();
                assert!(devifs.all(|devif| devif.tdr != page));
                assert!(self.mapped.keys().all(|(tdr, _)| *tdr != page));
            }
            Use::Tdcx(_) => {}
            used => panic!("{page:#x} is in use: {used:?}"),
        }
        self.release(memory, page, used);
    }

    /// What a page of MMIO is said to be of does not change while it is in a TD.
    fn said(&mut self, address: u64, data: u64) {
        let mut mapped = self.mapped.values();
        assert!(mapped.all(|(is, _)| *is != address), "{address:#x}");
        match data & 3 {
            0 => drop(self.of.remove(&address)),
            _ => drop(self.of.insert(address, (data >> 12) as u16)),
        }
    }

    /// A page of MMIO is in one TD at one place: that of the device interface that it is of.
    fn mapped(&mut self, memory: &Memory, at: (u64, u64), address: u64) {
        assert_eq!(memory.kind(address), Some(Kind::Device), "{address:#x}");
        let mut mapped = self.mapped.values();
        assert!(mapped.all(|(is, _)| *is != address), "{address:#x}");
        let of = self.of[&address];
        let devif = &self.devifs[&of];
        assert_eq!(devif.tdr, at.0);
        assert!(!self.streams[&devif.stream].blocked);
        assert!(self.mapped.insert(at, (address, of)).is_none());
    }
}
