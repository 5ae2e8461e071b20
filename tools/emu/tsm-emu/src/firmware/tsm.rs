// SPDX-License-Identifier: GPL-2.0

//! What a personality of the firmware is to the mailbox in front of it.

use super::ground::Ground;
use super::peer::{Line, Peer};
use super::references::References;
use super::root_ports::RootPorts;
use crate::knobs::FirmwareKnobs;
use std::fmt::Debug;
use std::ops::Add;
use std::time::Instant;
use tsm_wire::mailbox::X_COUNT;

/// Registers of a call.
pub type Registers = [u64; X_COUNT];

/// Bytes of a guest's key.
pub const GUEST_KEY_SIZE: usize = 32;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices: PDEVs, device contexts, SPDM objects.
    pub connections: usize,
    /// TDIs: VDEVs, TDI contexts, DEVIFs.
    pub tdis: usize,
    /// Stand-ins of VMs: Realms, guest contexts, TDs.
    pub vms: usize,
    /// Pages that are not the host's.
    pub pages: usize,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            tdis: self.tdis + other.tdis,
            vms: self.vms + other.vms,
            pages: self.pages + other.pages,
        }
    }
}

/// What a call finds besides the firmware's own state.
pub struct Machine<'a> {
    /// Memory of the host and of devices.
    pub ground: &'a dyn Ground,
    /// IDE of the root ports.
    pub root_ports: &'a mut RootPorts,
    /// What devices are compared with.
    pub references: &'a References,
    /// How the firmware misbehaves.
    pub knobs: &'a mut FirmwareKnobs,
    /// When it is.
    pub now: Instant,
}

impl Machine<'_> {
    /// A line to a device, for an errand.
    pub fn line<'l>(&'l mut self, peer: &'l mut Peer) -> Line<'l> {
        Line {
            peer,
            root_ports: self.root_ports,
            references: self.references,
        }
    }

    /// Whether calls find the firmware busy.
    pub fn is_busy(&self) -> bool {
        let until = self.knobs.busy_until;
        until.is_some_and(|until| self.now < until)
    }
}

/// A personality: what answers the calls.
pub trait Tsm: Debug + Send {
    /// Makes a call. What it must not do is done with nothing changed.
    fn call(&mut self, machine: &mut Machine<'_>, x: &Registers) -> Registers;

    /// `X[0]` of a call that was ended by the mailbox' reset register.
    fn cut_off(&self) -> u64;

    /// The machine was reset: forgets everything.
    fn reset(&mut self);

    /// How much there is of everything.
    fn counts(&self) -> Counts;

    /// The key that the guest of the VM that was made `age` VMs before the newest one talks to the
    /// firmware with. `None` if there is no such guest, or guests have no keys.
    fn guest_key(&self, age: usize) -> Option<[u8; GUEST_KEY_SIZE]> {
        let _ = age;
        None
    }
}
