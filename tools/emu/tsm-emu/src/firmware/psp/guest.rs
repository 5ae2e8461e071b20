// SPDX-License-Identifier: GPL-2.0

//! Guests: as much of SEV-SNP as a TDI needs to be bound to somebody. No VM of the machine is one.

use super::parameters::parameters;
use super::{require, Machine, Psp, Refused};
use crate::entropy::SystemEntropy;
use snp::{Channel, Vmpck, KEY_SIZE, VMPCK_COUNT};
use spdm::Entropy;
use std::collections::{BTreeMap, BTreeSet};
use tsm_wire::sev::snp::{Activate, Address, LaunchFinish, LaunchStart, POLICY_RESERVED_ONE};
use tsm_wire::sev::Status;

/// Highest ASID.
const ASID_MAX: u32 = 512;
/// Bits of a policy that mean something (AMD 56860, "Guest policy").
const POLICY_KNOWN: u64 = 0x3ff_ffff;
/// The key that a guest of privilege level 0 has.
const VMPCK: usize = 0;

/// How far a guest came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Init,
    Launch,
    Running,
}

/// A guest context.
#[derive(Debug)]
struct Guest {
    /// How many were made before it.
    serial: u64,
    stage: Stage,
    asid: Option<u32>,
    /// Its keys, once it is launched.
    channel: Option<Channel>,
}

/// All guests, and what is left of those that are no more.
#[derive(Debug, Default)]
pub(super) struct Guests {
    guests: BTreeMap<u64, Guest>,
    made: u64,
    /// ASIDs that data of a guest may still be cached with.
    stale: BTreeSet<u32>,
    /// Caches were written back since the last guest ended.
    written_back: bool,
}

impl Guests {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.guests.len()
    }

    /// Caches are written back.
    pub(super) fn write_back(&mut self) {
        self.written_back = true;
    }

    /// A key of the guest that so many were made after.
    pub(super) fn key(&self, age: usize) -> Option<[u8; KEY_SIZE]> {
        let mut guests: Vec<&Guest> = self.guests.values().collect();
        guests.sort_by_key(|guest| std::cmp::Reverse(guest.serial));
        let channel = guests.get(age)?.channel.as_ref()?;
        channel.key(VMPCK).map(|key| *key.bytes())
    }

    fn guest(&mut self, context: u64) -> Result<&mut Guest, Refused> {
        self.guests
            .get_mut(&context)
            .ok_or(Status::InvalidGuest.into())
    }

    /// ASID of a guest.
    pub(super) fn active(&mut self, context: u64) -> Result<u32, Refused> {
        self.guest(context)?.asid.ok_or(Status::Inactive.into())
    }

    /// ASID of a guest that TDIs can be bound to.
    pub(super) fn running(&mut self, context: u64) -> Result<u32, Refused> {
        let running = self.guest(context)?.stage == Stage::Running;
        require(running, Status::InvalidGuestState)?;
        self.active(context)
    }

    /// The firmware's end of what a guest says to it.
    pub(super) fn channel(&mut self, context: u64) -> Result<&mut Channel, Refused> {
        let channel = self.guest(context)?.channel.as_mut();
        channel.ok_or(Status::InvalidGuestState.into())
    }
}

/// Whether there is such an ASID.
pub(super) fn check_asid(asid: u32) -> Result<(), Refused> {
    require((1..=ASID_MAX).contains(&asid), Status::InvalidAsid)
}

/// New keys.
fn keys() -> Option<[Vmpck; VMPCK_COUNT]> {
    let mut bytes = [[0; KEY_SIZE]; VMPCK_COUNT];
    for key in &mut bytes {
        SystemEntropy.fill(key)?;
    }
    Some(bytes.map(Vmpck::new))
}

impl Psp {
    pub(super) fn gctx_create(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let Address { address } = parameters(machine.ground, &self.rmp, at)?;
        self.rmp.firmware(machine.ground, address)?;
        self.rmp.take(&[address]);
        let guest = Guest {
            serial: self.guests.made,
            stage: Stage::Init,
            asid: None,
            channel: None,
        };
        self.guests.made += 1;
        self.guests.guests.insert(address, guest);
        Ok(())
    }

    pub(super) fn launch_start(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let start: LaunchStart = parameters(machine.ground, &self.rmp, at)?;
        let guest = self.guests.guest(start.gctx_paddr)?;
        require(guest.stage == Stage::Init, Status::InvalidGuestState)?;
        let fine = start.policy & POLICY_RESERVED_ONE != 0 && start.policy & !POLICY_KNOWN == 0;
        require(fine, Status::PolicyFailure)?;
        // No migration agent, and no image of a guest that ran elsewhere.
        let plain = start.ma_gctx_paddr == 0 && start.flags == 0;
        require(plain, Status::InvalidParam)?;
        let keys = keys().ok_or(Status::HardwarePlatform)?;
        guest.channel = Some(Channel::new(keys));
        guest.stage = Stage::Launch;
        Ok(())
    }

    pub(super) fn launch_finish(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let finish: LaunchFinish = parameters(machine.ground, &self.rmp, at)?;
        let guest = self.guests.guest(finish.gctx_paddr)?;
        require(guest.stage == Stage::Launch, Status::InvalidGuestState)?;
        let plain = finish.flags == 0 && finish.id_block_paddr == 0 && finish.id_auth_paddr == 0;
        require(plain, Status::InvalidParam)?;
        guest.stage = Stage::Running;
        Ok(())
    }

    pub(super) fn activate(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let activate: Activate = parameters(machine.ground, &self.rmp, at)?;
        let (context, asid) = (activate.gctx_paddr, activate.asid);
        let guest = self.guests.guest(context)?;
        let (stage, active) = (guest.stage, guest.asid.is_some());
        require(stage != Stage::Init, Status::InvalidGuestState)?;
        check_asid(asid)?;
        require(!active, Status::Active)?;
        let owned = self
            .guests
            .guests
            .values()
            .any(|guest| guest.asid == Some(asid));
        require(!owned, Status::AsidOwned)?;
        let stale = self.guests.stale.contains(&asid);
        require(!stale, Status::DfflushRequired)?;
        self.guests.guest(context)?.asid = Some(asid);
        Ok(())
    }

    pub(super) fn df_flush(&mut self) -> Result<(), Refused> {
        let guests = &mut self.guests;
        let clean = guests.stale.is_empty() || guests.written_back;
        require(clean, Status::WbinvdRequired)?;
        guests.stale.clear();
        Ok(())
    }

    pub(super) fn decommission(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let Address { address } = parameters(machine.ground, &self.rmp, at)?;
        self.guests.guest(address)?;
        let of_guest = |context: u64| context == address;
        let mut bound = self.tdis.values().filter_map(|tdi| tdi.bound.as_ref());
        let used = bound.any(|bound| of_guest(bound.guest));
        require(!used, Status::InUse)?;
        if let Some(asid) = self
            .guests
            .guests
            .remove(&address)
            .and_then(|guest| guest.asid)
        {
            self.guests.stale.insert(asid);
            self.guests.written_back = false;
            for device in self.devices.values_mut() {
                device.fences.remove(&asid);
            }
        }
        for tdi in self.tdis.values_mut() {
            tdi.forget_guest(address);
        }
        self.rmp.release(&[address]);
        Ok(())
    }
}
