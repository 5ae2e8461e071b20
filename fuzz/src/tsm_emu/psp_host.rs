// SPDX-License-Identifier: GPL-2.0

//! A machine without a kernel: memory with who owns it, the device and the PSP, and a host that gives it
//! commands.

use super::host::bar_address;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::LazyLock;
use std::time::Instant;
use tdisp::State;
use tsm_emu::config_space::{bar, COMMAND};
use tsm_emu::device::{Device, FUNCTIONS};
use tsm_emu::firmware::ground::{Ground, Kind};
use tsm_emu::firmware::psp::Psp;
use tsm_emu::firmware::references::{Reference, References};
use tsm_emu::firmware::root_ports::RootPorts;
use tsm_emu::firmware::tsm::{Machine, Tsm};
use tsm_emu::identity::Identity;
use tsm_emu::knobs::{ExchangeKnobs, FirmwareKnobs};
use tsm_wire::detail::{Detail, DetailClass};
use tsm_wire::mailbox::{INSTRUCTION, X_COUNT};
use tsm_wire::sev::rmp::{PageState, RmpResult};
use tsm_wire::sev::{Command, Status};

pub(super) const PAGE: u64 = 4096;
/// First page of memory, and how many there are.
const MEMORY: u64 = 0x1000_0000;
const PAGES: u64 = 64;
/// The page that commands are given in.
pub(super) const COMMAND_PAGE: u8 = 0;

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
    pub(super) owners: RefCell<BTreeMap<u64, Owner>>,
    device: RefCell<Device>,
}

impl Memory {
    fn range(&self, address: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
        let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let from = address.checked_sub(MEMORY).ok_or_else(missing)? as usize;
        let to = from.checked_add(length).ok_or_else(missing)?;
        if to > (PAGES * PAGE) as usize {
            return Err(missing());
        }
        Ok(from..to)
    }

    fn owner(&self, address: u64) -> Option<Owner> {
        let page = address - address % PAGE;
        self.owners.borrow().get(&page).copied()
    }

    /// Reads memory, whoever owns it.
    pub(super) fn peek(&self, address: u64, length: usize) -> Vec<u8> {
        let range = self.range(address, length).unwrap();
        self.bytes.borrow()[range].to_vec()
    }

    /// Writes memory, if it is the host's.
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
        let range = self.range(address, data.len())?;
        let owner = self.owner(address);
        assert_eq!(
            owner, None,
            "{address:#x} is not the host's to say something in"
        );
        data.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        let range = self.range(address, data.len())?;
        let owner = self.owner(address);
        assert_eq!(owner, Some(Owner::Firmware), "{address:#x}");
        self.bytes.borrow_mut()[range].copy_from_slice(data);
        Ok(())
    }
}

/// The machine.
pub(super) struct Host {
    pub(super) psp: Psp,
    pub(super) memory: Memory,
    root_ports: RootPorts,
    references: References,
    now: Instant,
}

impl Host {
    pub(super) fn new() -> Self {
        static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().unwrap());
        let device = Device::new(IDENTITY.clone(), 0, FUNCTIONS);
        let reference = Reference {
            root: device.root().to_vec(),
            measurements: device.reference_values(),
        };
        let mut host = Self {
            psp: Psp::default(),
            memory: Memory {
                bytes: RefCell::new(vec![0; (PAGES * PAGE) as usize]),
                owners: RefCell::default(),
                device: RefCell::new(device),
            },
            root_ports: RootPorts::default(),
            references: References(vec![reference]),
            now: Instant::now(),
        };
        for function in 0..FUNCTIONS {
            for index in [0, 2, 4] {
                let address = bar_address(function, index) as u32;
                host.write_config(function, bar(index), &address.to_le_bytes());
            }
            host.write_config(function, COMMAND, &6u16.to_le_bytes());
        }
        host
    }

    pub(super) fn device(&mut self) -> &mut Device {
        self.memory.device.get_mut()
    }

    pub(super) fn write_config(&mut self, function: usize, offset: usize, data: &[u8]) {
        let now = self.now;
        let mut knobs = ExchangeKnobs::default();
        self.device()
            .write_config(function, offset, data, &mut knobs, now);
    }

    pub(super) fn device_state(&mut self, function: usize) -> State {
        self.device().state(function)
    }

    /// Connections, TDIs, guests, pages.
    pub(super) fn counts(&self) -> [usize; 4] {
        let counts = self.psp.counts();
        [counts.connections, counts.tdis, counts.vms, counts.pages]
    }

    /// Makes a call: `X0` and `X1` of its results.
    pub(super) fn raw(&mut self, x: [u64; 5]) -> (u64, u64) {
        let mut registers = [0; X_COUNT];
        registers[..5].copy_from_slice(&x);
        let mut knobs = FirmwareKnobs::default();
        let mut machine = Machine {
            ground: &self.memory,
            root_ports: &mut self.root_ports,
            references: &self.references,
            knobs: &mut knobs,
            now: self.now,
        };
        let results = self.psp.call(&mut machine, &registers);
        assert!(results[2..].iter().all(|result| *result == 0));
        (results[0], results[1])
    }

    /// RMPUPDATE of a page, which goes where the host's model says.
    pub(super) fn update(&mut self, page: u64, gpa: u64, state: u64) {
        let (result, done) = self.raw([INSTRUCTION | 1, page, gpa, state, 1]);
        let succeeded = RmpResult::try_from(result) == Ok(RmpResult::Success);
        assert_eq!(done, u64::from(succeeded));
        let mut owners = self.memory.owners.borrow_mut();
        let owner = owners.get(&page).copied();
        let owned = matches!(owner, Some(Owner::Firmware | Owner::Context));
        assert!(!succeeded || !owned, "{page:#x} was the firmware's");
        match PageState::from_raw(state).filter(|_| succeeded) {
            Some(PageState::Firmware) => drop(owners.insert(page, Owner::Firmware)),
            Some(PageState::Guest(_)) => drop(owners.insert(page, Owner::Guest)),
            Some(PageState::Shared) => drop(owners.remove(&page)),
            None => {}
        }
    }

    /// Gives a command.
    pub(super) fn command(&mut self, command: u64, parameters: &[u8]) -> (Status, Detail) {
        let at = page(COMMAND_PAGE);
        self.memory.poke(at, parameters);
        let (status, detail) = self.raw([command, at, 0, 0, 0]);
        let status = Status::from_x0(status).unwrap();
        let detail = Detail::from_raw(detail).unwrap();
        let talks = matches!(
            status,
            Status::SpdmError | Status::ErrInDevConn | Status::DevCertChanged
        );
        assert_eq!(talks, detail.class != DetailClass::None, "{status:?}");
        assert!(Command::try_from(command).is_ok() || status == Status::InvalidCommand);
        (status, detail)
    }
}
