// SPDX-License-Identifier: GPL-2.0

//! TSM firmware: a PCI function with a mailbox, and a personality behind it.
//!
//! | module | noun |
//! |---|---|
//! | [`tsm`] | what a personality is, and what a call of it finds |
//! | [`rmm`], [`psp`], [`tdx`] | the personalities |
//! | [`ground`] | memory of the host and of devices |
//! | `pages` | who owns which page |
//! | [`peer`] | a device, as firmware talks with it |
//! | `errand` | what it talks with a device for |
//! | `fault` | how the host is told what was wrong with a device |
//! | [`root_port`], [`root_ports`] | IDE of the root ports |
//! | [`references`] | what devices are compared with |

mod errand;
mod fault;
pub mod ground;
mod mailbox;
mod pages;
pub mod peer;
pub mod psp;
pub mod references;
pub mod rmm;
pub mod root_port;
pub mod root_ports;
pub mod tdx;
pub mod tsm;

use crate::config_space::{power_management, ConfigSpace, Identity, COMMAND, COMMAND_BUS_MASTER};
use crate::device::Device;
use crate::dma::DmaMap;
use crate::knobs::{ExchangeKnobs, FirmwareKnobs};
use ground::{Ground, Kind};
use mailbox::{Event, Mailbox};
use psp::Psp;
use references::References;
use rmm::Rmm;
use root_ports::RootPorts;
use std::io;
use std::time::Instant;
use tdx::Tdx;
use tracing::debug;
use tsm::{Counts, Machine, Tsm, GUEST_KEY_SIZE};
use tsm_wire::mailbox::{Personality, BAR_SIZE, PCI_VENDOR};

/// BAR of the mailbox.
pub const MAILBOX_BAR: usize = 0;

/// SMBus controller: what Linux looks for at the address of the IOAPIC in the table of an AMD
/// IOMMU, before it lets interrupts be remapped. The RMM stands there.
const CLASS_SMBUS: u32 = 0x0c_0500;
/// Encryption controller, as AMD's is.
const CLASS_ENCRYPTION: u32 = 0x10_8000;
/// System peripheral of another kind.
const CLASS_SYSTEM: u32 = 0x08_8000;

/// Around the firmware.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The devices.
    pub devices: &'a [Device],
    /// The root ports above them.
    pub root_ports: &'a mut RootPorts,
    /// What they are compared with.
    pub references: &'a References,
    /// How firmware misbehaves.
    pub knobs: &'a mut FirmwareKnobs,
}

/// The firmware's PCI function.
#[derive(Debug)]
pub struct Firmware {
    config: ConfigSpace,
    reset_config: ConfigSpace,
    mailbox: Mailbox,
    tsm: Box<dyn Tsm>,
    memory: DmaMap,
    calls: u64,
}

/// What the firmware stands on.
struct Site<'a> {
    memory: &'a DmaMap,
    devices: &'a [Device],
    bus_master: bool,
}

impl Ground for Site<'_> {
    fn kind(&self, page: u64) -> Option<Kind> {
        if self.memory.contains(page, BAR_SIZE as u64) {
            return Some(Kind::Memory);
        }
        let owned = self.devices.iter().any(|device| device.owns(page));
        owned.then_some(Kind::Device)
    }

    fn read(&self, address: u64, data: &mut [u8]) -> io::Result<()> {
        if !self.bus_master {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.memory.read(address, data)
    }

    fn write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        if !self.bus_master {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.memory.write(address, data)
    }
}

impl Firmware {
    /// With this personality, just powered on.
    pub fn new(personality: Personality) -> Self {
        let (class, tsm): (u32, Box<dyn Tsm>) = match personality {
            Personality::Rmm => (CLASS_SMBUS, Box::<Rmm>::default()),
            Personality::Psp => (CLASS_ENCRYPTION, Box::<Psp>::default()),
            Personality::Tdx => (CLASS_SYSTEM, Box::<Tdx>::default()),
        };
        let mut config = ConfigSpace::new(&Identity {
            vendor: PCI_VENDOR,
            device: personality.pci_device(),
            class,
            multifunction: false,
        });
        config.add_bar(MAILBOX_BAR, BAR_SIZE as u32);
        config.add_capability(power_management::ID, &power_management::body());
        Self {
            reset_config: config.clone(),
            config,
            mailbox: Mailbox::new(personality),
            tsm,
            memory: DmaMap::default(),
            calls: 0,
        }
    }

    /// Size of a BAR in bytes; 0 if there is none of this number.
    pub fn bar_size(index: usize) -> u32 {
        if index == MAILBOX_BAR {
            BAR_SIZE as u32
        } else {
            0
        }
    }

    /// Reads configuration space.
    pub fn read_config(&self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    /// Writes configuration space.
    pub fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
    }

    /// Reads the mailbox.
    pub fn read_mailbox(&self, offset: usize, data: &mut [u8]) {
        self.mailbox.read(offset, data);
    }

    /// Writes the mailbox, which may run a call.
    pub fn write_mailbox(
        &mut self,
        offset: usize,
        data: &[u8],
        surroundings: Surroundings<'_>,
        now: Instant,
    ) {
        match self.mailbox.write(offset, data) {
            Event::None => {}
            Event::CutOff => self.mailbox.finish([self.tsm.cut_off()]),
            Event::Ring => self.call(surroundings, now),
        }
    }

    fn call(&mut self, surroundings: Surroundings<'_>, now: Instant) {
        let x = self.mailbox.begin();
        self.calls += 1;
        let Surroundings {
            devices,
            root_ports,
            references,
            knobs,
        } = surroundings;
        if ExchangeKnobs::take(&mut knobs.no_answer) {
            debug!("call {:#x} is not answered", x.first().unwrap_or(&0));
            return;
        }
        let site = Site {
            memory: &self.memory,
            devices,
            bus_master: self.config.u16(COMMAND) & COMMAND_BUS_MASTER != 0,
        };
        let mut machine = Machine {
            ground: &site,
            root_ports,
            references,
            knobs,
            now,
        };
        let results = self.tsm.call(&mut machine, &x);
        debug!("{:x?} -> {:x?}", x.get(..8), results.get(..4));
        self.mailbox.finish(results);
    }

    /// Memory that the function may reach.
    pub fn memory(&mut self) -> &mut DmaMap {
        &mut self.memory
    }

    /// Conventional reset, which is that of the machine: nothing is assigned any more.
    pub fn reset(&mut self) {
        self.config = self.reset_config.clone();
        self.mailbox.reset();
        self.tsm.reset();
    }

    /// Calls that were rung for, whether they were made or not.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        self.tsm.counts()
    }

    /// A guest's key, see [`Tsm::guest_key`].
    pub fn guest_key(&self, age: usize) -> Option<[u8; GUEST_KEY_SIZE]> {
        self.tsm.guest_key(age)
    }
}
