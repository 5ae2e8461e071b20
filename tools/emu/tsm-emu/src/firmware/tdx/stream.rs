// SPDX-License-Identifier: GPL-2.0

//! IDE streams (`ide_stream.c`, `tdh_ide_stream_*.c` of the published source).
//!
//! The registers of the root port are the host's in the emulation, which on real machines are the
//! module's alone: what the host says about them is checked, and not written.

use super::super::root_port::RootPort;
use super::super::root_ports::RootPorts;
use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::key_management::KeyManagement;
use super::spdm_session::{check_iommu, session_number};
use super::Tdx;
use tsm_wire::tdx::ide::StreamConfig;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::{PageType, HKID_SHIFT};
use tsm_wire::tdx::IOMMU_ID;

/// Streams that a key configuration unit has.
const KEY_IDS: u8 = 32;
/// Register blocks of selective streams that a root port has.
const BLOCKS: u8 = 2;
/// In the IDE capability of a root port: where the first block has its control register, and how long
/// a block is.
const BLOCK_CONTROL: usize = 0x10;
const BLOCK_SIZE: usize = 44;
/// In that register, and in the operand with its layout: enable.
const ENABLE: u32 = 1;
/// In the operand: all that a selective stream can be made with, PCRC, traffic class and Stream ID.
const CONTROL_MASK: u64 = 1 << 8 | 7 << 19 | 0xff << 24;

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    page: u64,
    /// The SPDM session that its keys are brought in.
    pub(super) spdm: u64,
    /// Number of the root port; an endpoint in the root complex has none.
    pub(super) root_port: Option<usize>,
    config: Option<StreamConfig>,
    /// First and last requester ID.
    rids: (u16, u16),
    /// First and last address.
    addresses: (u64, u64),
    pub(super) blocked: bool,
    pub(super) keys: KeyManagement,
}

impl Stream {
    /// Whether a requester ID is one of the device's.
    pub(super) fn has(&self, requester_id: u16) -> bool {
        (self.rids.0..=self.rids.1).contains(&requester_id)
    }

    /// Whether an address is one that the stream is for.
    pub(super) fn reaches(&self, address: u64) -> bool {
        (self.addresses.0..=self.addresses.1).contains(&address)
    }

    /// Nothing waits for an answer any more.
    pub(super) fn forget_request(&mut self) {
        self.keys.forget_request();
    }
}

/// The root port of this number.
pub(super) fn root_port<'a>(
    machine: &'a mut Machine<'_>,
    number: Option<usize>,
) -> Option<&'a mut RootPort> {
    machine.root_ports.get_mut(number?)
}

/// The Stream ID in a register.
pub(super) fn stream_number(register: u64) -> Outcome<u8> {
    u8::try_from(register).map_err(|_| Refused::at(Status::OperandInvalid, Operand::Rdx))
}

/// Requester IDs and addresses of a selective stream, from the registers that say so.
fn associations(x: &Gprs) -> Outcome<((u16, u16), (u64, u64))> {
    let right = |so: bool, operand: Operand| demand(so, Status::OperandInvalid, operand);
    right(x.r10 & !0x00ff_ff00 == 0, Operand::R10)?;
    right(x.r11 & !0x00ff_ff00 == 1, Operand::R11)?;
    let rids = ((x.r11 >> 8) as u16, (x.r10 >> 8) as u16);
    right(rids.0 <= rids.1, Operand::R10)?;
    right(x.r12 >> 32 == 0 && x.r12 & 0xff == 1, Operand::R12)?;
    right(x.r13 >> 32 == 0, Operand::R13)?;
    right(x.r14 >> 32 == 0, Operand::R14)?;
    let first = x.r14 << 32 | (x.r12 >> 8 & 0xfff) << 20;
    let last = x.r13 << 32 | (x.r12 >> 20 & 0xfff) << 20 | 0xf_ffff;
    right(first < last && last >> HKID_SHIFT == 0, Operand::R12)?;
    Ok((rids, (first, last)))
}

impl Tdx {
    /// A stream that was made.
    pub(super) fn stream(&mut self, number: u8) -> Outcome<&mut Stream> {
        self.streams
            .get_mut(&number)
            .ok_or(Refused::at(Status::IdeStreamNotConfigured, Operand::Rdx))
    }

    /// A stream that was made and is not blocked.
    pub(super) fn open_stream(&mut self, number: u8) -> Outcome<&mut Stream> {
        let stream = self.stream(number)?;
        demand(!stream.blocked, Status::IdeStreamBlocked, Operand::Rdx)?;
        Ok(stream)
    }

    /// Whether a function belongs to a stream that was not blocked.
    pub(super) fn is_blocked(&self, number: u8) -> bool {
        self.streams
            .get(&number)
            .is_none_or(|stream| stream.blocked)
    }

    pub(super) fn ide_stream_create(&mut self, machine: &mut Machine<'_>, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let spdm = session_number(x.rdx, Operand::Rdx)?;
        self.bound(spdm, Operand::Rdx)?;
        let config = StreamConfig::from_raw(x.r8);
        let config = config.ok_or(Refused::at(Status::OperandInvalid, Operand::R8))?;
        let number = RootPorts::number_of(config.root_port.into());
        let root_port = root_port(machine, number);
        let registers = root_port.ok_or(Refused::at(Status::IommuRpNotConfigured, Operand::R8))?;
        let known = config.key_id < KEY_IDS && config.block < BLOCKS;
        demand(known, Status::OperandInvalid, Operand::R8)?;
        let control = BLOCK_CONTROL + BLOCK_SIZE * usize::from(config.block);
        let enabled = registers.read(control) & ENABLE != 0;
        let mut others = self.streams.values();
        let taken = others.any(|other| {
            other.config.is_some_and(|theirs| {
                theirs.key_id == config.key_id
                    || (theirs.root_port, theirs.block) == (config.root_port, config.block)
            })
        });
        demand(!enabled && !taken, Status::OperandInvalid, Operand::R8)?;
        demand(
            x.r9 & !CONTROL_MASK == 0,
            Status::OperandInvalid,
            Operand::R9,
        )?;
        let id = (x.r9 >> 24) as u8;
        let free = !self.streams.contains_key(&id);
        demand(free, Status::IdeStreamNotFree, Operand::R9)?;
        let (rids, addresses) = associations(x)?;
        for other in self.streams.values().filter(|other| other.config.is_some()) {
            if rids.0 <= other.rids.1 && other.rids.0 <= rids.1 {
                return Err(Status::IdeStreamRidOverlap.into());
            }
            if addresses.0 <= other.addresses.1 && other.addresses.0 <= addresses.1 {
                return Err(Status::IdeStreamAddrOverlap.into());
            }
        }
        self.pamt.check(machine.ground, x.r15, Operand::R15)?;
        let stream = Stream {
            page: x.r15,
            spdm,
            root_port: number,
            config: Some(config),
            rids,
            addresses,
            blocked: false,
            keys: KeyManagement::default(),
        };
        self.pamt
            .take(machine.ground, x.r15, PageType::IommuMt, IOMMU_ID);
        self.streams.insert(id, stream);
        Ok(Gprs::default())
    }

    /// What counts as a stream of an endpoint in the root complex, see
    /// [`tsm_wire::tdx::StandIn::IntegratedStream`].
    pub(super) fn integrated_stream(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let spdm = session_number(x.rdx, Operand::Rdx)?;
        self.bound(spdm, Operand::Rdx)?;
        let id =
            u8::try_from(x.r8).map_err(|_| Refused::at(Status::OperandInvalid, Operand::R8))?;
        let free = !self.streams.contains_key(&id);
        demand(free, Status::IdeStreamNotFree, Operand::R8)?;
        let plain = |register: u64, operand: Operand| {
            u16::try_from(register).map_err(|_| Refused::at(Status::OperandInvalid, operand))
        };
        let rids = (plain(x.r11, Operand::R11)?, plain(x.r10, Operand::R10)?);
        demand(rids.0 <= rids.1, Status::OperandInvalid, Operand::R10)?;
        let mut others = self.streams.values();
        if others.any(|other| rids.0 <= other.rids.1 && other.rids.0 <= rids.1) {
            return Err(Status::IdeStreamRidOverlap.into());
        }
        self.pamt.check(machine.ground, x.r15, Operand::R15)?;
        let stream = Stream {
            page: x.r15,
            spdm,
            root_port: None,
            config: None,
            rids,
            addresses: (0, u64::MAX),
            blocked: false,
            keys: KeyManagement::default(),
        };
        self.pamt
            .take(machine.ground, x.r15, PageType::IommuMt, IOMMU_ID);
        self.streams.insert(id, stream);
        Ok(Gprs::default())
    }

    pub(super) fn ide_stream_block(&mut self, machine: &mut Machine<'_>, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let id = stream_number(x.rdx)?;
        let stream = self.open_stream(id)?;
        stream.blocked = true;
        stream.keys = KeyManagement::default();
        if let Some(port) = root_port(machine, stream.root_port) {
            port.stop(id);
        }
        Ok(Gprs::default())
    }

    pub(super) fn ide_stream_delete(&mut self, x: &Gprs) -> Outcome {
        check_iommu(x.rcx, Operand::Rcx)?;
        let id = stream_number(x.rdx)?;
        let stream = self.stream(id)?;
        demand(stream.blocked, Status::IdeStreamNotBlocked, Operand::Rdx)?;
        let page = stream.page;
        let used = self.devifs.values().any(|devif| devif.stream == id);
        demand(!used, Status::IdeStreamHasDeviceInterfaces, Operand::Rdx)?;
        self.streams.remove(&id);
        self.pamt.release(page);
        Ok(Gprs {
            rcx: page,
            ..Gprs::default()
        })
    }
}
