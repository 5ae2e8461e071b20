// SPDX-License-Identifier: GPL-2.0

//! A machine without a kernel: memory, a device below a root port and firmware, and a host that calls
//! it.

use super::memory::{Memory, Owner};
use crate::Input;
use ide_km::CAPABILITY_ID;
use spdm::Packet;
use std::sync::LazyLock;
use std::time::Instant;
use tdisp::State;
use tsm_emu::config_space::{bar, COMMAND};
use tsm_emu::device::{Device, FUNCTIONS};
use tsm_emu::firmware::references::{Reference, References};
use tsm_emu::firmware::root_ports::RootPorts;
use tsm_emu::firmware::tsm::{Machine, Registers, Tsm};
use tsm_emu::identity::{Identity, Length, Presented};
use tsm_emu::knobs::{ExchangeKnobs, FirmwareKnobs};
use tsm_wire::mailbox::X_COUNT;

/// Requester ID of function 0.
pub(super) const RID: u16 = 0x100;
/// Stream ID of the stream.
pub(super) const STREAM: u8 = 5;
/// In the IDE capability: control of the first stream.
const STREAM_CONTROL: usize = 0x10;

/// Address that a BAR is assigned.
pub(super) fn bar_address(function: usize, index: usize) -> u64 {
    0xfe00_0000 + function as u64 * 0x10_0000 + index as u64 * 0x1_0000
}

/// The machine.
pub(super) struct Host<T> {
    pub(super) firmware: T,
    pub(super) memory: Memory,
    knobs: FirmwareKnobs,
    root_ports: RootPorts,
    references: References,
    now: Instant,
}

impl<T: Tsm + Default> Host<T> {
    /// With firmware that writes to pages of this owner.
    pub(super) fn new(written: Option<Owner>) -> Self {
        static IDENTITY: LazyLock<Identity> =
            LazyLock::new(|| Identity::generate(Length::default()).unwrap());
        let device = Device::new(IDENTITY.clone(), 0, FUNCTIONS);
        let reference = Reference {
            root: device.root().to_vec(),
            measurements: device.reference_values(),
        };
        let mut host = Self {
            firmware: T::default(),
            memory: Memory::new(device, written),
            knobs: FirmwareKnobs::default(),
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

    /// Makes a call: all that comes back.
    pub(super) fn ring(&mut self, x0: u64, arguments: &[u64]) -> Registers {
        let mut registers = [0; X_COUNT];
        registers[0] = x0;
        registers[1..=arguments.len()].copy_from_slice(arguments);
        let mut machine = Machine {
            ground: &self.memory,
            root_ports: &mut self.root_ports,
            references: &self.references,
            knobs: &mut self.knobs,
            now: self.now,
        };
        self.memory.begin_call();
        self.firmware.call(&mut machine, &registers)
    }

    /// Connections, TDIs, VMs, pages.
    pub(super) fn counts(&self) -> [usize; 4] {
        let counts = self.firmware.counts();
        [counts.connections, counts.tdis, counts.vms, counts.pages]
    }

    pub(super) fn device(&mut self) -> &mut Device {
        self.memory.device.get_mut()
    }

    pub(super) fn device_state(&mut self, requester_id: u16) -> State {
        self.device().state(usize::from(requester_id - RID))
    }

    pub(super) fn write_config(&mut self, function: usize, offset: usize, data: &[u8]) {
        let now = self.now;
        let mut knobs = ExchangeKnobs::default();
        self.device()
            .write_config(function, offset, data, &mut knobs, now);
    }

    /// Carries a message to the device: its answer, empty if there is none that a host takes for one.
    pub(super) fn carry(&mut self, packet: &Packet) -> Vec<u8> {
        let answer = self.device().respond(packet);
        let answer = answer.filter(|answer| answer.carriage == packet.carriage);
        answer.map(|answer| answer.bytes).unwrap_or_default()
    }

    /// Lets the device misbehave.
    pub(super) fn mischief(&mut self, input: &mut Input<'_>) {
        let times = u32::from(input.byte() % 3);
        let device = self.device();
        match input.byte() % 8 {
            0 => device.mischief().wrong_signature = times,
            1 => device.mischief().flip_bit = times,
            2 => device.mischief().busy = times,
            3 => device.mischief().not_ready = times,
            4 => device.mischief().replay = times,
            5 => device.present(Presented::Foreign),
            6 => device.set_altered(true),
            _ => device.present(Presented::Own),
        }
    }

    /// Writes control of the stream at both ends.
    pub(super) fn configure_stream(&mut self, enable: bool) {
        let value = u32::from(STREAM) << 24 | u32::from(enable);
        let root_port = self.root_ports.get_mut(0).unwrap();
        root_port.write(STREAM_CONTROL, value);
        // The default stream.
        let value = value | 1 << 22;
        let control = self.ide() + STREAM_CONTROL;
        self.write_config(0, control, &value.to_le_bytes());
    }

    /// Where function 0 has its IDE capability.
    fn ide(&mut self) -> usize {
        let (now, mut offset) = (self.now, 0x100);
        loop {
            let mut head = [0; 4];
            self.device().read_config(0, offset, &mut head, now);
            let head = u32::from_le_bytes(head);
            if head as u16 == CAPABILITY_ID {
                return offset;
            }
            offset = (head >> 20) as usize;
            assert_ne!(offset, 0);
        }
    }
}

/// What becomes of an answer on its way, empty if it is lost; `None` if the host does not go on.
pub(super) fn passed_on(mut answer: Vec<u8>, input: &mut Input<'_>) -> Option<Vec<u8>> {
    match input.byte() % 16 {
        11 if !answer.is_empty() => {
            let at = usize::from(input.half()) % answer.len();
            answer[at] ^= input.byte();
        }
        12 => answer.clear(),
        13 => answer = input.bytes().to_vec(),
        14 => answer.truncate(input.half().into()),
        15 => return None,
        _ => {}
    }
    Some(answer)
}
