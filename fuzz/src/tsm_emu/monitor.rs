// SPDX-License-Identifier: GPL-2.0

//! The monitor, whatever a host calls, writes into its memory and makes of the messages that it is to
//! carry: objects and granules stay what the host was told that they are, memory that the host gave
//! away is not touched, and no TDI is locked or run on the word of anybody but the device.

use super::host::{bar_address, passed_on, Host};
use super::memory::{page, PAGE};
use super::monitor_host::template;
use crate::{seeds, Input};
use spdm::{Carriage, Packet};
use std::collections::BTreeMap;
use tdisp::State;
use tsm_emu::config_space::{bar, COMMAND};
use tsm_emu::firmware::ground::{Ground, Kind};
use tsm_emu::firmware::rmm::Rmm;
use tsm_wire::detail::Detail;
use tsm_wire::rmi::pdev::FLAG_CATEGORY_ROOT_PORT;
use tsm_wire::rmi::rtt::{RangeDesc, FLAG_OUTPUT_SINGLE};
use tsm_wire::rmi::{
    AddrRange, CommStatus, DevCommEnter, DevCommExit, DevObject, ExitFlags, Fid, PdevState,
    Protocol, Status, VdevParams, VdevState,
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Most events of an input.
const EVENTS: usize = 40;
/// More messages than any communication has.
const MESSAGES: usize = 128;

/// Pages that messages are carried in.
const DATA: u8 = 0;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
/// A page for parameters.
const PARAMS: u8 = 3;
/// Pages of the objects that are made in a good order.
const PDEV: u8 = 8;
const ROOT_PORT: u8 = 9;
const REALM: u8 = 10;
const VDEV: u8 = 11;

struct Pdev {
    state: PdevState,
    root_port: bool,
    /// An answer to it was changed on its way since it was made.
    tampered: bool,
}

struct Vdev {
    realm: u64,
    pdev: u64,
    requester_id: u64,
    ranges: Vec<AddrRange>,
    state: VdevState,
}

impl Vdev {
    fn is_locked(&self) -> bool {
        matches!(self.state, VdevState::Locked | VdevState::Started)
    }
}

/// The monitor's objects, as far as the host knows.
#[derive(Default)]
struct Model {
    /// Device memory by guest physical page.
    realms: BTreeMap<u64, BTreeMap<u64, u64>>,
    pdevs: BTreeMap<u64, Pdev>,
    vdevs: BTreeMap<u64, Vdev>,
    /// Handles of streams.
    streams: Vec<u64>,
}

struct Rig {
    host: Host<Rmm>,
    model: Model,
    /// The device was changed since it last answered.
    touched: bool,
    /// The messages carried last had one that was changed.
    tampered: bool,
}

/// How much is made in a good order, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rig = Rig {
        host: Host::new(None),
        model: Model::default(),
        touched: false,
        tampered: false,
    };
    rig.rise(input.byte() % 10);
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
}

/// From each height: the rest of the life, ends, and a message that is lost or changed.
pub fn seeds() -> Vec<Vec<u8>> {
    let call = |fid: Fid, arguments: &[[u8; 2]]| {
        let number = Fid::ALL.iter().position(|other| *other == fid).unwrap() as u8;
        let mut words = arguments.to_vec();
        words.resize(6, [7, 0]);
        [&[0, number], words.as_flattened()].concat()
    };
    let at = |number: u8| [0u8, number];
    let (pdev, realm, vdev) = (at(PDEV), at(REALM), at(VDEV));
    let names = [realm, pdev, vdev];
    let carry = |kind: u8, script: &[u8]| [&[4, kind][..], &seeds::bytes(script)].concat();
    let run = |fid: Fid| [call(fid, &names), carry(1, &[])].concat();
    let params = |what: u8| vec![3, PARAMS, what];
    let raw = |bytes: &[u8]| [&[13][..], &seeds::bytes(bytes)].concat();
    let from = |height: u8, events: &[Vec<u8>]| [vec![height], events.concat()].concat();
    let unlock = run(Fid::VdevUnlock);
    let function = 0x100u64.to_le_bytes();
    let mut all: Vec<_> = (0..10).map(|height| vec![height]).collect();
    all.extend([
        from(
            6,
            &[run(Fid::VdevLock), run(Fid::VdevStart), unlock.clone()],
        ),
        from(
            6,
            &[
                params(5),
                call(Fid::VdevGetMeasurements, &[realm, pdev, vdev, at(PARAMS)]),
            ],
        ),
        from(7, &[run(Fid::VdevGetInterfaceReport), unlock.clone()]),
        from(8, std::slice::from_ref(&unlock)),
        // Parameters in a granule that is not the host's any more.
        from(
            6,
            &[
                call(Fid::GranuleRangeDelegate, &[at(PARAMS + 1), at(PARAMS + 2)]),
                call(
                    Fid::VdevGetMeasurements,
                    &[realm, pdev, vdev, at(PARAMS + 1)],
                ),
            ],
        ),
        // Into the realm when it is about to be unlocked.
        from(
            7,
            &[
                call(Fid::VdevUnlock, &names),
                vec![8, 0, 0, 0],
                carry(1, &[]),
            ],
        ),
        from(
            6,
            &[
                call(Fid::VdevDestroy, &names),
                call(Fid::RealmDestroy, &[realm]),
            ],
        ),
        from(
            2,
            &[
                call(Fid::PdevStop, &[pdev]),
                carry(0, &[]),
                call(Fid::PdevDestroy, &[pdev]),
            ],
        ),
        // Changed, lost, and given up.
        from(
            6,
            &[call(Fid::VdevLock, &names), carry(1, &[0, 11, 40, 0, 1])],
        ),
        from(
            6,
            &[
                call(Fid::VdevLock, &names),
                carry(1, &[0, 15]),
                call(Fid::VdevAbort, &names),
            ],
        ),
        from(
            7,
            &[
                call(Fid::VdevStart, &names),
                carry(1, &[12]),
                run(Fid::VdevUnlock),
            ],
        ),
        from(1, &[carry(0, &[11, 9, 0, 1])]),
        from(
            1,
            &[carry(
                0,
                &[&[0, 0, 0][..], &raw(&[0x12, 0x7f, 3, 0])].concat(),
            )],
        ),
        // The device is configured anew, is late, lies about who it is.
        from(7, &[vec![5, 0, 2], run(Fid::VdevStart)]),
        from(7, &[vec![7, 1, 1], run(Fid::VdevStart)]),
        from(1, &[vec![7, 2, 2], carry(0, &[])]),
        from(1, &[vec![7, 0, 5], carry(0, &[])]),
        // A root port with a function that is assigned.
        from(
            0,
            &[
                call(Fid::GranuleRangeDelegate, &[at(ROOT_PORT), at(VDEV + 1)]),
                params(2),
                [
                    &[2, PARAMS, 0x28, 0, 16, 0][..],
                    &function,
                    &(0x108u64).to_le_bytes(),
                ]
                .concat(),
                call(Fid::PdevCreate, &[at(ROOT_PORT), at(PARAMS)]),
                carry(0, &[]),
                params(0),
                call(Fid::RealmCreate, &[realm, at(PARAMS)]),
                params(3),
                call(Fid::VdevCreate, &[realm, at(ROOT_PORT), vdev, at(PARAMS)]),
            ],
        ),
    ]);
    all
}

impl Rig {
    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 9 {
            0 => {
                let fid = input.pick(Fid::ALL);
                let arguments: Vec<u64> = (0..6).map(|_| self.word(input)).collect();
                self.call(fid, &arguments);
            }
            1 => {
                let x0 = input.double();
                if Fid::from_raw(x0).is_err() {
                    let arguments: Vec<u64> = (0..6).map(|_| self.word(input)).collect();
                    assert_eq!(self.host.raw(x0, &arguments), [u64::MAX, 0, 0, 0]);
                }
            }
            2 => {
                let (page, offset) = (page(input.byte()), input.half());
                let offset = u64::from(offset) % PAGE;
                self.host.memory.poke(page + offset, input.bytes());
            }
            3 => {
                let to = page(input.byte());
                let bytes = template(input.byte(), page(PDEV), page(ROOT_PORT));
                self.host.memory.poke(to, &bytes);
            }
            4 => self.carry_any(input),
            5 => {
                self.touched = true;
                let function = usize::from(input.byte() % 4);
                match input.byte() % 4 {
                    0 => {
                        let offset = usize::from(input.half() % 4096);
                        self.host.write_config(function, offset, input.take(4));
                    }
                    1 => self.host.write_config(function, COMMAND, &[0, 0]),
                    2 => self.host.write_config(function, bar(0), &[0, 0, 0, 0xfd]),
                    _ => self.host.device().reset(function),
                }
            }
            6 => {
                self.touched = true;
                self.host.configure_stream(input.flag());
            }
            7 => self.host.mischief(input),
            _ => self.map(input),
        }
    }

    /// An argument: an address or name that means something, or any word.
    fn word(&self, input: &mut Input<'_>) -> u64 {
        let of = |index: u8, names: Vec<u64>| match names.len() {
            0 => 0,
            count => names[usize::from(index) % count],
        };
        match input.byte() % 8 {
            0 => page(input.byte()),
            1 => of(input.byte(), self.model.pdevs.keys().copied().collect()),
            2 => of(input.byte(), self.model.vdevs.keys().copied().collect()),
            3 => of(input.byte(), self.model.realms.keys().copied().collect()),
            4 => of(input.byte(), self.model.streams.clone()),
            5 => bar_address((input.byte() % 3).into(), 0) + u64::from(input.byte()) * PAGE,
            6 => input.double(),
            _ => input.byte().into(),
        }
    }

    /// Makes objects in a good order, up to some height.
    fn rise(&mut self, height: u8) {
        let made = |rig: &mut Self, number: u8, what: u8, create: Fid, arguments: &[u64]| {
            let address = page(number);
            rig.call(Fid::GranuleRangeDelegate, &[address, address + PAGE]);
            let bytes = template(what, page(PDEV), page(ROOT_PORT));
            rig.host.memory.poke(page(PARAMS), &bytes);
            let arguments = [arguments, &[address, page(PARAMS)]].concat();
            assert_eq!(rig.call(create, &arguments), Status::Success);
        };
        let honest = &mut Input::new(&[]);
        let names = [page(REALM), page(PDEV), page(VDEV)];
        if height >= 1 {
            made(self, PDEV, 1, Fid::PdevCreate, &[]);
        }
        if height >= 2 {
            self.carry(Fid::PdevCommunicate, &[page(PDEV)], honest);
            assert_eq!(self.model.pdevs[&page(PDEV)].state, PdevState::Ready);
        }
        if height >= 3 {
            made(self, ROOT_PORT, 2, Fid::PdevCreate, &[]);
            self.carry(Fid::PdevCommunicate, &[page(ROOT_PORT)], honest);
            self.host.configure_stream(false);
            self.host
                .memory
                .poke(page(PARAMS), &template(6, page(PDEV), page(ROOT_PORT)));
            assert_eq!(
                self.call(Fid::PdevStreamConnect, &[page(PARAMS)]),
                Status::Success
            );
        }
        if height >= 4 {
            for _ in 0..2 {
                self.carry(Fid::PdevCommunicate, &[page(ROOT_PORT)], honest);
                self.carry(Fid::PdevCommunicate, &[page(PDEV)], honest);
            }
            let stream = [page(PDEV), page(ROOT_PORT), self.model.streams[0]];
            assert_eq!(self.call(Fid::PdevStreamComplete, &stream), Status::Success);
            self.host.configure_stream(true);
        }
        if height >= 5 {
            made(self, REALM, 0, Fid::RealmCreate, &[]);
        }
        if height >= 6 {
            made(self, VDEV, 3, Fid::VdevCreate, &names[..2]);
            self.carry(Fid::VdevCommunicate, &names, honest);
            assert_eq!(self.model.vdevs[&page(VDEV)].state, VdevState::Unlocked);
        }
        let steps = [
            (7, Fid::VdevLock, VdevState::Locked),
            (9, Fid::VdevStart, VdevState::Started),
        ];
        for (needed, fid, state) in steps {
            if height >= needed {
                assert_eq!(self.call(fid, &names), Status::Success);
                self.carry(Fid::VdevCommunicate, &names, honest);
                assert_eq!(self.model.vdevs[&page(VDEV)].state, state);
            }
        }
        if height >= 8 {
            self.map(honest);
        }
    }

    /// Device memory into the realm.
    fn map(&mut self, input: &mut Input<'_>) {
        let base = bar_address(0, 0) + u64::from(input.byte() % 16) * PAGE;
        let pages = u64::from(input.byte() % 12) + 1;
        self.call(Fid::GranuleRangeDelegate, &[base, base + pages * PAGE]);
        let output = RangeDesc { base, pages }.raw().unwrap();
        let ipa = 0x1_0000_0000 + u64::from(input.byte()) * PAGE;
        let end = ipa + pages * PAGE;
        let arguments = [
            page(REALM),
            page(VDEV),
            ipa,
            end,
            FLAG_OUTPUT_SINGLE,
            output,
        ];
        self.call(Fid::RttDevMap, &arguments);
    }

    fn carry_any(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let number = usize::from(kind >> 1);
        // What happens to messages; nothing does to those after that.
        let input = &mut Input::new(input.bytes());
        if kind & 1 == 0 {
            let pdev = self.model.pdevs.keys().nth(number).copied();
            self.carry(Fid::PdevCommunicate, &[pdev.unwrap_or(page(PDEV))], input);
        } else {
            let vdev = self.model.vdevs.iter().nth(number);
            let names = vdev.map(|(vdev, of)| [of.realm, of.pdev, *vdev]);
            let names = names.unwrap_or([page(REALM), page(PDEV), page(VDEV)]);
            self.carry(Fid::VdevCommunicate, &names, input);
        }
    }

    /// Carries messages until it is over, or somebody gives up.
    fn carry(&mut self, fid: Fid, names: &[u64], input: &mut Input<'_>) {
        let [data, request, response] = [DATA, REQUEST, RESPONSE].map(page);
        if [data, request, response]
            .iter()
            .any(|page| self.host.is_delegated(*page))
        {
            return;
        }
        let arguments = [names, &[data]].concat();
        let mut enter = DevCommEnter::new_zeroed();
        (enter.req_addr, enter.resp_addr) = (request, response);
        self.tampered = false;
        for count in 0.. {
            assert!(count < MESSAGES, "no end");
            self.host.memory.poke(data, enter.as_bytes());
            if self.make(fid, &arguments) != Status::Success {
                return;
            }
            let exit = self
                .host
                .memory
                .peek(data + 0x800, size_of::<DevCommExit>());
            let exit = DevCommExit::read_from_bytes(&exit).unwrap();
            let flags = ExitFlags(exit.flags);
            check(&enter, &exit);
            if flags == ExitFlags(0) || flags == ExitFlags::STREAM_WAIT {
                return;
            }
            enter.status = CommStatus::None.into();
            enter.resp_len = 0;
            if !flags.contains(ExitFlags::SEND) {
                continue;
            }
            let message = self.host.memory.peek(request, exit.req_len as usize);
            let Some(answer) = self.deliver(&exit, message, input) else {
                return;
            };
            if let Some(pdev) = self.model.pdevs.get_mut(&names[0]) {
                pdev.tampered |= self.tampered;
            }
            enter.status = CommStatus::Error.into();
            if let Some(answer) = answer {
                self.host.memory.poke(response, &answer);
                enter.status = CommStatus::Response.into();
                enter.resp_len = answer.len() as u64;
            }
        }
    }

    /// What becomes of a message: an answer, none, or nothing at all.
    fn deliver(
        &mut self,
        exit: &DevCommExit,
        bytes: Vec<u8>,
        input: &mut Input<'_>,
    ) -> Option<Option<Vec<u8>>> {
        let carriage = match Protocol::try_from(exit.protocol).unwrap() {
            Protocol::Spdm => Carriage::Plain,
            Protocol::SecureSpdm => Carriage::Secured,
        };
        let honest = self.host.carry(&Packet { carriage, bytes });
        self.touched = false;
        if honest.is_empty() {
            return Some(None);
        }
        let mut answer = honest.clone();
        answer.resize(answer.len().next_multiple_of(4).min(PAGE as usize), 0);
        let mut answer = passed_on(answer, input)?;
        answer.truncate(PAGE as usize);
        if answer.is_empty() {
            return Some(None);
        }
        let authentic = crate::spdm::is_padded(&answer, &honest);
        let error = carriage == Carriage::Plain && answer.get(1) == Some(&crate::spdm::ERROR);
        self.tampered |= !authentic && !error;
        Some(Some(answer))
    }

    /// Makes a call, with messages that may be anybody's.
    fn call(&mut self, fid: Fid, arguments: &[u64]) -> Status {
        if matches!(fid, Fid::PdevCommunicate | Fid::VdevCommunicate) {
            self.tampered = true;
            let pdev = arguments
                .first()
                .and_then(|pdev| self.model.pdevs.get_mut(pdev));
            if let Some(pdev) = pdev {
                pdev.tampered = true;
            }
        }
        self.make(fid, arguments)
    }

    /// Makes a call, and follows what it does.
    fn make(&mut self, fid: Fid, arguments: &[u64]) -> Status {
        let mut a = [0; 6];
        a[..arguments.len()].copy_from_slice(arguments);
        let before = self.host.counts();
        let (status, results) = self.host.call(fid, &a);
        if status == Status::Success {
            self.succeeded(fid, a, results);
        } else {
            assert_eq!(self.host.counts(), before, "{fid:?} {a:x?}: {status:?}");
            let communicates = matches!(fid, Fid::PdevCommunicate | Fid::VdevCommunicate);
            assert!(!communicates || Detail::from_raw(results[0]).is_ok());
        }
        let model = &self.model;
        let known = [model.pdevs.len(), model.vdevs.len(), model.realms.len()];
        assert_eq!(self.host.counts()[..3], known, "{fid:?} {a:x?}");
        assert_eq!(
            self.host.counts()[3],
            self.host.memory.owners.borrow().len()
        );
        self.watch(fid, a);
        status
    }

    fn succeeded(&mut self, fid: Fid, a: [u64; 6], results: [u64; 3]) {
        match fid {
            Fid::RealmCreate => {
                self.takes(a[0]);
                self.model.realms.insert(a[0], BTreeMap::new());
            }
            Fid::RealmDestroy => {
                let realm = self.model.realms.remove(&a[0]).unwrap();
                assert!(realm.is_empty(), "a realm with memory is gone");
                assert!(self.model.vdevs.values().all(|vdev| vdev.realm != a[0]));
            }
            Fid::PdevCreate => {
                self.takes(a[0]);
                let mut flags = [0; 8];
                self.host.memory.read(a[1], &mut flags).unwrap();
                let pdev = Pdev {
                    state: PdevState::New,
                    root_port: u64::from_le_bytes(flags) == FLAG_CATEGORY_ROOT_PORT,
                    tampered: false,
                };
                self.model.pdevs.insert(a[0], pdev);
            }
            Fid::PdevDestroy => {
                let pdev = self.model.pdevs.remove(&a[0]).unwrap();
                assert_eq!(pdev.state, PdevState::Stopped);
                assert!(self.model.vdevs.values().all(|vdev| vdev.pdev != a[0]));
            }
            Fid::VdevCreate => {
                self.takes(a[2]);
                let pdev = &self.model.pdevs[&a[1]];
                assert_eq!(pdev.state, PdevState::Ready);
                assert!(!pdev.root_port, "a TDI of a root port");
                let mut params = vec![0; PAGE as usize];
                self.host.memory.read(a[3], &mut params).unwrap();
                let params = VdevParams::read_from_bytes(&params).unwrap();
                let vdev = Vdev {
                    realm: a[0],
                    pdev: a[1],
                    requester_id: params.tdi_id,
                    ranges: params.addr_range[..params.num_addr_range as usize].to_vec(),
                    state: VdevState::New,
                };
                self.model.vdevs.insert(a[2], vdev);
            }
            Fid::VdevDestroy => {
                assert_eq!(self.mapped_of(a[2]), None);
                let vdev = self.model.vdevs.remove(&a[2]).unwrap();
                assert_eq!((vdev.realm, vdev.pdev), (a[0], a[1]));
                assert!(!vdev.is_locked());
            }
            Fid::GranuleRangeUndelegate => {
                for page in (a[0]..results[0]).step_by(PAGE as usize) {
                    assert!(!self.uses(page), "{page:#x} is in use");
                }
            }
            Fid::RttDevMap => self.mapped(a, results[0]),
            Fid::RttDevUnmap => {
                let range = RangeDesc::from_raw(results[1]).unwrap();
                assert_eq!(a[1] + range.len(), results[0]);
                let realm = self.model.realms.get_mut(&a[0]).unwrap();
                for offset in (0..range.len()).step_by(PAGE as usize) {
                    assert_eq!(realm.remove(&(a[1] + offset)), Some(range.base + offset));
                }
            }
            Fid::PdevStreamConnect => self.model.streams.push(results[0]),
            Fid::VdevUnlock => assert_eq!(self.mapped_of(a[2]), None),
            _ => {}
        }
    }

    /// Whether anything is in this page, or it is in a realm.
    fn uses(&self, page: u64) -> bool {
        let model = &self.model;
        let object = model.realms.contains_key(&page)
            || model.pdevs.contains_key(&page)
            || model.vdevs.contains_key(&page);
        object
            || model
                .realms
                .values()
                .any(|realm| realm.values().any(|mapped| *mapped == page))
    }

    /// An object is made in a page: one of memory, that was delegated and is not used.
    fn takes(&self, page: u64) {
        assert!(
            self.host.is_delegated(page) && !self.uses(page),
            "{page:#x}"
        );
        assert_eq!(self.host.memory.kind(page), Some(Kind::Memory));
    }

    /// What is in a realm belongs to a TDI that is locked, and was given away for it.
    fn mapped(&mut self, [rd, vdev, ipa, _, _, output]: [u64; 6], end: u64) {
        let vdev = &self.model.vdevs[&vdev];
        assert_eq!(vdev.realm, rd);
        assert!(vdev.is_locked(), "{:?}", vdev.state);
        let range = RangeDesc::from_raw(output).unwrap();
        assert!(ipa < end && end <= ipa + range.len());
        let top = range.base + (end - ipa);
        let owned = |own: &AddrRange| own.base <= range.base && top <= own.top;
        assert!(vdev.ranges.iter().any(owned));
        for offset in (0..end - ipa).step_by(PAGE as usize) {
            let page = range.base + offset;
            assert!(
                self.host.is_delegated(page) && !self.uses(page),
                "{page:#x}"
            );
            let realm = self.model.realms.get_mut(&rd).unwrap();
            assert_eq!(realm.insert(ipa + offset, page), None);
        }
    }

    /// A page of a VDEV's that is in its realm.
    fn mapped_of(&self, vdev: u64) -> Option<u64> {
        let vdev = &self.model.vdevs[&vdev];
        let own = |page: u64| {
            vdev.ranges
                .iter()
                .any(|of| (of.base..of.top).contains(&page))
        };
        let mut pages = self.model.realms[&vdev.realm].values().copied();
        pages.find(|page| own(*page))
    }

    /// States move along the arrows, by calls that may move them.
    fn watch(&mut self, fid: Fid, a: [u64; 6]) {
        let pdevs: Vec<u64> = self.model.pdevs.keys().copied().collect();
        for address in pdevs {
            let (status, [state, ..]) = self.host.call(Fid::PdevGetState, &[address]);
            assert_eq!(status, Status::Success);
            let state = PdevState::try_from(state).unwrap();
            let pdev = self.model.pdevs.get_mut(&address).unwrap();
            let before = std::mem::replace(&mut pdev.state, state);
            if before == state {
                continue;
            }
            let moves = match (before, state) {
                (PdevState::New, PdevState::Ready) => {
                    assert!(pdev.root_port || !pdev.tampered, "ready, and not authentic");
                    fid == Fid::PdevCommunicate
                }
                (PdevState::New | PdevState::Ready, PdevState::Error) => {
                    matches!(fid, Fid::PdevCommunicate | Fid::PdevAbort)
                }
                (_, PdevState::Stopped) => fid == Fid::PdevCommunicate,
                _ => false,
            };
            assert!(moves && a[0] == address, "{fid:?}: {before:?} to {state:?}");
        }
        let vdevs: Vec<u64> = self.model.vdevs.keys().copied().collect();
        for address in vdevs {
            let (status, [state, ..]) = self.host.call(Fid::VdevGetState, &[address]);
            assert_eq!(status, Status::Success);
            let state = VdevState::try_from(state).unwrap();
            let vdev = self.model.vdevs.get_mut(&address).unwrap();
            let before = std::mem::replace(&mut vdev.state, state);
            if before != state {
                self.moved(fid, a, address, (before, state));
            }
            let open = matches!(state, VdevState::New | VdevState::Unlocked);
            assert!(
                !open || self.mapped_of(address).is_none(),
                "unlocked, and in a realm"
            );
        }
    }

    fn moved(&mut self, fid: Fid, a: [u64; 6], address: u64, way: (VdevState, VdevState)) {
        let vdev = &self.model.vdevs[&address];
        let (rid, locked) = (
            vdev.requester_id,
            matches!(way.0, VdevState::Locked | VdevState::Started),
        );
        let mine = a[2] == address && fid == Fid::VdevCommunicate;
        let device = match way {
            (_, VdevState::Error) => {
                // Of a TDI that is locked by whatever ends the session.
                let ends = matches!(fid, Fid::PdevCommunicate | Fid::VdevCommunicate)
                    || matches!(fid, Fid::PdevAbort | Fid::VdevAbort);
                let aborted = a[2] == address && fid == Fid::VdevAbort;
                assert!(mine || aborted || locked && ends, "{fid:?}: {way:?}");
                return;
            }
            (VdevState::New, VdevState::Unlocked) => {
                assert!(mine, "{fid:?}: {way:?}");
                return;
            }
            (VdevState::Unlocked, VdevState::Locked) => State::Locked,
            (VdevState::Locked, VdevState::Started) => State::Run,
            (_, VdevState::Unlocked) => State::Unlocked,
            way => panic!("{way:?}"),
        };
        assert!(mine, "{fid:?}: {way:?}");
        assert!(!self.tampered, "{way:?}, and not authentic");
        if !self.touched {
            assert_eq!(self.host.device_state(rid as u16), device, "{way:?}");
        }
    }
}

/// What the monitor tells the host to do makes sense.
fn check(enter: &DevCommEnter, exit: &DevCommExit) {
    let flags = ExitFlags(exit.flags);
    let known = [
        ExitFlags::CACHE_REQ,
        ExitFlags::CACHE_RSP,
        ExitFlags::SEND,
        ExitFlags::WAIT,
        ExitFlags::STREAM_WAIT,
    ];
    let all = known.into_iter().fold(ExitFlags(0), ExitFlags::union);
    assert!(all.contains(flags), "{flags:?}");
    if flags.contains(ExitFlags::SEND) {
        assert!((1..=PAGE).contains(&exit.req_len));
        assert!(Protocol::try_from(exit.protocol).is_ok());
    }
    if flags.contains(ExitFlags::CACHE_REQ) {
        assert!(flags.contains(ExitFlags::SEND));
        assert!(exit.cache_req_offset + exit.cache_req_len <= exit.req_len);
    }
    if flags.contains(ExitFlags::CACHE_RSP) {
        assert_eq!(enter.status, u64::from(CommStatus::Response));
        assert!(exit.cache_rsp_offset + exit.cache_rsp_len <= PAGE);
        assert_ne!(exit.cache_rsp_len, 0);
    }
    if flags.contains(ExitFlags::CACHE_REQ) || flags.contains(ExitFlags::CACHE_RSP) {
        assert!(DevObject::try_from(exit.cache_obj_id).is_ok());
    }
}
