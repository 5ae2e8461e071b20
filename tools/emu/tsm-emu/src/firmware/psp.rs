// SPDX-License-Identifier: GPL-2.0

//! The Platform Security Processor: commands of AMD SEV-TIO, and those of SEV-SNP that they need.
//!
//! Numbers and layouts are those of [`tsm_wire::sev`]. The specification of the commands is not public
//! in full: which status tells of which failure is what the status codes are named for (Linux's
//! `enum sev_ret_code`) and how SEV-SNP uses them (AMD 56860). The details of a failed conversation with
//! a device in `X1` are an addition.

mod buffer;
mod conversation;
mod device;
mod evidence;
mod fence;
mod guest;
mod guest_request;
mod parameters;
mod platform;
mod rmp;
mod tdi;

use super::fault::transport;
use super::tsm::{Counts, Machine, Registers, Tsm, GUEST_KEY_SIZE};
use device::Device;
use guest::Guests;
use rmp::Rmp;
use std::collections::{BTreeMap, BTreeSet};
use tdi::Tdi;
use tracing::debug;
use tsm_wire::detail::{Detail, TransportFault};
use tsm_wire::mailbox::{INSTRUCTION, X_COUNT};
use tsm_wire::sev::rmp::Instruction;
use tsm_wire::sev::{Command, Sla, Status};

/// A command that was not executed, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    status: Status,
    /// Why a conversation with a device failed.
    detail: Detail,
}

impl Refused {
    fn with(status: Status, detail: Detail) -> Self {
        Self { status, detail }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::with(status, Detail::NONE)
    }
}

/// Refuses with a status unless something holds.
fn require(holds: bool, status: Status) -> Result<(), Refused> {
    if holds {
        Ok(())
    } else {
        Err(status.into())
    }
}

/// The processor.
#[derive(Debug, Default)]
pub struct Psp {
    /// TIO_INIT is done.
    initialized: bool,
    rmp: Rmp,
    guests: Guests,
    /// Device contexts by what the host calls them.
    devices: BTreeMap<u64, Device>,
    /// TDI contexts by what the host calls them.
    tdis: BTreeMap<u64, Tdi>,
    /// Requester IDs of TDIs that were let go without the device saying that they are unlocked. They
    /// outlive contexts: the device does not know of those.
    left: BTreeSet<u16>,
}

impl Tsm for Psp {
    fn call(&mut self, machine: &mut Machine<'_>, x: &Registers) -> Registers {
        let [x0, x1, x2, x3, x4, ..] = *x;
        let (first, second) = if x0 & INSTRUCTION != 0 {
            match Instruction::try_from(x0 & !INSTRUCTION) {
                Ok(Instruction::RmpUpdate) => {
                    let (result, pages) = self.rmp.update(machine.ground, x1, x2, x3, x4);
                    (result.into(), pages)
                }
                Ok(Instruction::Wbinvd) => {
                    self.guests.write_back();
                    (0, 0)
                }
                // It would be an undefined instruction.
                Err(_) => (u64::MAX, 0),
            }
        } else {
            match self.command(machine, x0, x1) {
                Ok(()) => (Status::Success.into(), 0),
                Err(refused) => (refused.status.into(), refused.detail.raw()),
            }
        };
        debug!("{x0:#x} {x1:#x} {x2:#x} {x3:#x} {x4:#x} -> {first:#x} {second:#x}");
        let mut results = [0; X_COUNT];
        for (to, from) in results.iter_mut().zip([first, second]) {
            *to = from;
        }
        results
    }

    fn cut_off(&self) -> u64 {
        Status::HardwarePlatform.into()
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn counts(&self) -> Counts {
        Counts {
            connections: self.devices.len(),
            tdis: self.tdis.len(),
            vms: self.guests.len(),
            pages: self.rmp.len(),
        }
    }

    fn guest_key(&self, age: usize) -> Option<[u8; GUEST_KEY_SIZE]> {
        self.guests.key(age)
    }
}

impl Psp {
    fn command(
        &mut self,
        machine: &mut Machine<'_>,
        number: u64,
        address: u64,
    ) -> Result<(), Refused> {
        let command = Command::try_from(number).map_err(|_| Status::InvalidCommand)?;
        let busy = command != Command::TioStatus && machine.is_busy();
        require(!busy, Status::ResourceLimit)?;
        // Of a command that talks with a device, the first call can fail before it does anything.
        let goes_on = self.devices.values().any(|device| device.awaits(command));
        if !goes_on && machine.knobs.fails_before(number) {
            return Err(injected(Status::HardwarePlatform));
        }
        require(
            self.initialized || !needs_init(command),
            Status::InvalidPlatformState,
        )?;
        self.dispatch(machine, command, address)?;
        if machine.knobs.fails_after(number) {
            return Err(injected(Status::HardwareUnsafe));
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        machine: &mut Machine<'_>,
        command: Command,
        at: u64,
    ) -> Result<(), Refused> {
        match command {
            Command::SnpDfFlush => self.df_flush(),
            Command::SnpDecommission => self.decommission(machine, at),
            Command::SnpActivate => self.activate(machine, at),
            Command::SnpGctxCreate => self.gctx_create(machine, at),
            Command::SnpLaunchStart => self.launch_start(machine, at),
            Command::SnpLaunchFinish => self.launch_finish(machine, at),
            Command::SnpPageReclaim => self.page_reclaim(machine, at),
            Command::TioStatus => self.tio_status(machine, at),
            Command::TioInit => self.tio_init(machine, at),
            Command::TioDevCreate => self.dev_create(machine, at),
            Command::TioDevReclaim => self.dev_reclaim(machine, at),
            Command::TioDevConnect => self.dev_connect(machine, at),
            Command::TioDevDisconnect => self.dev_disconnect(machine, at),
            Command::TioDevStatus => self.dev_status(machine, at),
            Command::TioDevMeasurements => self.dev_measurements(machine, at),
            Command::TioDevCertificates => self.dev_certificates(machine, at),
            Command::TioTdiCreate => self.tdi_create(machine, at),
            Command::TioTdiReclaim => self.tdi_reclaim(machine, at),
            Command::TioTdiBind => self.tdi_bind(machine, at),
            Command::TioTdiUnbind => self.tdi_unbind(machine, at),
            Command::TioTdiReport => self.tdi_report(machine, at),
            Command::TioTdiStatus => self.tdi_status(machine, at),
            Command::TioGuestRequest => self.guest_request(machine, at),
            Command::TioAsidFenceClear => self.fence_clear(machine, at),
            Command::TioAsidFenceStatus => self.fence_status(machine, at),
        }
    }

    /// A device context.
    fn device(&mut self, name: Sla) -> Result<&mut Device, Refused> {
        self.devices
            .get_mut(&name.0)
            .ok_or(Status::InvalidDevCtx.into())
    }

    /// A TDI context of a device's.
    fn tdi(&mut self, device: Sla, name: Sla) -> Result<&mut Tdi, Refused> {
        self.device(device)?;
        self.tdis
            .get_mut(&name.0)
            .filter(|tdi| tdi.device == device.0)
            .ok_or(Status::InvalidTdiCtx.into())
    }
}

/// Whether a command is refused as long as TIO_INIT is not done.
fn needs_init(command: Command) -> bool {
    let number = u64::from(command);
    number > u64::from(Command::TioInit)
}

/// Failure that was asked for.
fn injected(status: Status) -> Refused {
    Refused::with(status, transport(TransportFault::Injected))
}
