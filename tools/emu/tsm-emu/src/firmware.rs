// SPDX-License-Identifier: GPL-2.0

//! The TSM firmware: a PCI function with a mailbox, and the RMM behind it.

mod mailbox;
mod references;
pub mod rmm;
pub mod root_port;

pub use references::References;

use crate::config_space::{power_management, ConfigSpace, Identity, COMMAND, COMMAND_BUS_MASTER};
use crate::device::Device;
use crate::dma::DmaMap;
use crate::knobs::{ExchangeKnobs, FirmwareKnobs};
use mailbox::{Event, Mailbox};
use rmm::{Counts, Ground, Kind, Rmm};
use root_port::RootPort;
use std::io;
use std::ops::Range;
use std::time::Instant;
use tracing::debug;
use tsm_wire::mailbox::{BAR_SIZE, PCI_DEVICE_RMM, PCI_VENDOR, ROOT_PORT, ROOT_PORT_LEN};

/// BAR of the mailbox.
pub const MAILBOX_BAR: usize = 0;

/// The window in it through which the root port's IDE capability is seen.
const WINDOW: Range<usize> = ROOT_PORT..ROOT_PORT + ROOT_PORT_LEN;

/// SMBus controller: what Linux looks for at the address of the IOAPIC in the table of an AMD
/// IOMMU, before it lets interrupts be remapped.
const CLASS_SMBUS: u32 = 0x0c_0500;

/// The firmware's PCI function.
#[derive(Debug)]
pub struct Firmware {
    config: ConfigSpace,
    reset_config: ConfigSpace,
    mailbox: Mailbox,
    rmm: Rmm,
    memory: DmaMap,
}

/// What the firmware sees of the machine.
struct Machine<'a> {
    memory: &'a DmaMap,
    device: &'a Device,
    bus_master: bool,
}

impl Ground for Machine<'_> {
    fn kind(&self, page: u64) -> Option<Kind> {
        if self.memory.contains(page, BAR_SIZE as u64) {
            Some(Kind::Memory)
        } else {
            self.device.owns(page).then_some(Kind::Device)
        }
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
    /// Just powered on, with what devices are compared with.
    pub fn new(references: References) -> Self {
        let mut config = ConfigSpace::new(&Identity {
            vendor: PCI_VENDOR,
            device: PCI_DEVICE_RMM,
            class: CLASS_SMBUS,
            multifunction: false,
        });
        config.add_bar(MAILBOX_BAR, BAR_SIZE as u32);
        config.add_capability(power_management::ID, &power_management::body());
        Self {
            reset_config: config.clone(),
            config,
            mailbox: Mailbox::new(),
            rmm: Rmm::new(references),
            memory: DmaMap::default(),
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

    /// Reads the mailbox, or the root port's registers.
    pub fn read_mailbox(&self, offset: usize, data: &mut [u8]) {
        if !WINDOW.contains(&offset) {
            self.mailbox.read(offset, data);
            return;
        }
        let register = offset - WINDOW.start;
        let word = self.rmm.root_port().read(register & !3).to_le_bytes();
        let inside = word.get(register & 3..).unwrap_or_default();
        for (to, from) in data
            .iter_mut()
            .zip(inside.iter().chain(std::iter::repeat(&0)))
        {
            *to = *from;
        }
    }

    /// Writes the mailbox, which may run a call, or the root port's registers.
    pub fn write_mailbox(
        &mut self,
        offset: usize,
        data: &[u8],
        device: &Device,
        knobs: &mut FirmwareKnobs,
        now: Instant,
    ) {
        if WINDOW.contains(&offset) {
            // The registers take whole words.
            let register = offset - WINDOW.start;
            if let (0, Ok(word)) = (register & 3, <[u8; 4]>::try_from(data)) {
                let root_port = self.rmm.root_port_mut();
                root_port.write(register, u32::from_le_bytes(word));
            }
            return;
        }
        if self.mailbox.write(offset, data) != Event::Ring {
            return;
        }
        let registers = self.mailbox.begin();
        self.rmm.count_call();
        if ExchangeKnobs::take(&mut knobs.no_answer) {
            debug!(
                "call {:#x} is not answered",
                registers.first().unwrap_or(&0)
            );
            return;
        }
        let machine = Machine {
            memory: &self.memory,
            device,
            bus_master: self.config.u16(COMMAND) & COMMAND_BUS_MASTER != 0,
        };
        let results = self.rmm.call(&machine, knobs, now, &registers);
        self.mailbox.finish(results);
    }

    /// What devices are compared with from now on.
    pub fn set_references(&mut self, references: References) {
        self.rmm.set_references(references);
    }

    /// What devices are compared with.
    pub fn references(&self) -> &References {
        self.rmm.references()
    }

    /// The root port's IDE.
    pub fn root_port(&self) -> &RootPort {
        self.rmm.root_port()
    }

    /// Memory that the function may reach.
    pub fn memory(&mut self) -> &mut DmaMap {
        &mut self.memory
    }

    /// Conventional reset, which is that of the machine: nothing is assigned any more.
    pub fn reset(&mut self) {
        self.config = self.reset_config.clone();
        self.mailbox = Mailbox::new();
        self.rmm.reset();
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        self.rmm.counts()
    }
}
