// SPDX-License-Identifier: GPL-2.0

//! One PCI function of a device: its configuration space and what is behind its BARs.
//!
//! | BAR | |
//! |---|---|
//! | 0 | 64 KiB of registers, the upper half for the TVM only |
//! | 2 | 16 KiB of memory, for the TVM only |
//! | 4 | MSI-X table and, on a page of its own, the PBA |

use crate::config_space::express::Topology;
use crate::config_space::{
    self, access_control, bar, data_object_exchange, express, ide, msix, power_management,
    ConfigSpace, Identity, COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY,
};
use crate::registers::{self, Registers};
use tdisp::interface_report::{
    Range, INFO_DMA_WITHOUT_PASID, INFO_NO_FW_UPDATE, PAGE_SIZE, RANGE_MSIX_PBA, RANGE_MSIX_TABLE,
    RANGE_NON_TEE,
};
use tdisp::lock::Flags;
use tdisp::{InterfaceReport, Lock, State};
use tsm_wire::mailbox::{PCI_DEVICE_ENDPOINT, PCI_VENDOR};

/// BAR of the registers.
pub const REGISTER_BAR: usize = 0;
/// BAR of the memory.
pub const MEMORY_BAR: usize = 2;
/// BAR of the MSI-X structures.
pub const MSIX_BAR: usize = 4;
/// MSI-X vectors.
pub const VECTORS: u16 = 4;

const CLASS_PROCESSING_ACCELERATOR: u32 = 0x12_0000;
const MEMORY_SIZE: usize = 0x4000;
const MSIX_TABLE: u32 = 0;
const MSIX_PBA: u32 = 0x1000;
const MSIX_SIZE: usize = 0x2000;
/// What a report that lies adds to addresses.
const LIE: u64 = 0x1000_0000;

/// What a write to configuration space means to a TDI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// It changed what must not change while the TDI is locked (11.2.6).
    pub hostile: bool,
    /// It changed MSI-X.
    pub msix: bool,
    /// It reset the function.
    pub reset: bool,
}

/// Which function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the device.
    pub device: u8,
    /// Number of the function.
    pub function: u8,
    /// How many functions the device has.
    pub functions: u8,
}

/// A PCI function.
#[derive(Debug)]
pub struct Endpoint {
    number: u8,
    config: ConfigSpace,
    reset_config: ConfigSpace,
    express: usize,
    msix: usize,
    exchange: Option<usize>,
    ide: Option<usize>,
    registers: Registers,
    memory: Vec<u8>,
    msix_memory: Vec<u8>,
}

impl Endpoint {
    /// The function of this number of the first device, which is below a root port.
    #[cfg(test)]
    fn new(number: u8) -> Self {
        let place = Place {
            device: 0,
            function: number,
            functions: 3,
        };
        Self::in_topology(place, Topology::default())
    }

    /// This function, in this place. Function 0 has what the device has once.
    pub fn in_topology(place: Place, topology: Topology) -> Self {
        let number = place.function;
        let mut config = ConfigSpace::new(&Identity {
            vendor: PCI_VENDOR,
            device: PCI_DEVICE_ENDPOINT,
            class: CLASS_PROCESSING_ACCELERATOR,
            multifunction: place.functions > 1,
        });
        for (index, size) in bar_sizes() {
            config.add_bar(index, size);
        }
        config.add_capability(power_management::ID, &power_management::body());
        let express = config.add_capability(express::ID, &express::body(topology));
        let msix_body = msix::body(VECTORS, MSIX_BAR as u32, MSIX_TABLE, MSIX_PBA);
        let msix = config.add_capability(msix::ID, &msix_body);
        config.add_extended(
            access_control::ID,
            access_control::VERSION,
            &access_control::body(),
        );
        let mut ide_at = None;
        let exchange = (number == 0).then(|| {
            let body = data_object_exchange::body();
            let offset = config.add_extended(
                data_object_exchange::ID,
                data_object_exchange::VERSION,
                &body,
            );
            // Where there is no link, there is nothing to encrypt.
            if topology == Topology::Endpoint {
                ide_at = Some(config.add_extended(ide::ID, ide::VERSION, &ide::body()));
            }
            offset
        });
        Self {
            number,
            reset_config: config.clone(),
            config,
            express,
            msix,
            exchange,
            ide: ide_at,
            registers: Registers::new(u32::from(number), u32::from(place.device)),
            memory: vec![0; MEMORY_SIZE],
            msix_memory: vec![0; MSIX_SIZE],
        }
    }

    /// Size of a BAR in bytes; 0 if there is none of this number.
    pub fn bar_size(index: usize) -> u32 {
        bar_sizes()
            .into_iter()
            .find(|(at, _)| *at == index)
            .map_or(0, |(_, size)| size)
    }

    /// Offset of the DOE capability, if it is here.
    pub fn exchange(&self) -> Option<usize> {
        self.exchange
    }

    /// Offset of the IDE capability, if it is here. Its registers are those of a port.
    pub fn ide(&self) -> Option<usize> {
        self.ide
    }

    /// Reads configuration space.
    pub fn read_config(&self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    /// Writes configuration space.
    pub fn write_config(&mut self, offset: usize, data: &[u8]) -> Change {
        let before = self.watched();
        let control = self.express + express::DEVICE_CONTROL;
        let asked = config_space::written(control, self.config.u16(control), offset, data);
        self.config.write(offset, data);
        let after = self.watched();
        let reset = asked.is_some_and(|value| value & express::CONTROL_FLR != 0);
        if reset {
            self.function_level_reset();
        }
        let enables = COMMAND_MEMORY | COMMAND_BUS_MASTER;
        Change {
            hostile: before.command & !after.command & enables != 0
                || before.bars != after.bars
                || before.control != after.control
                || before.control_2 != after.control_2,
            msix: before.msix != after.msix,
            reset,
        }
    }

    /// Reads behind a BAR. `tdi` is the state of the TDI and what it is locked with.
    pub fn read_bar(
        &self,
        index: usize,
        offset: usize,
        data: &mut [u8],
        tdi: (State, Option<&Lock>),
    ) {
        if denied(index, offset.saturating_add(data.len()), tdi) {
            data.fill(0xff);
            return;
        }
        match index {
            REGISTER_BAR => self.registers.read(offset, data),
            MEMORY_BAR => read_memory(&self.memory, offset, data),
            MSIX_BAR => read_memory(&self.msix_memory, offset, data),
            _ => data.fill(0xff),
        }
    }

    /// Writes behind a BAR. Returns the MSI-X vector that the write fires.
    pub fn write_bar(
        &mut self,
        index: usize,
        offset: usize,
        data: &[u8],
        tdi: (State, Option<&Lock>),
    ) -> Option<u32> {
        if denied(index, offset.saturating_add(data.len()), tdi) {
            return None;
        }
        match index {
            REGISTER_BAR => return self.registers.write(offset, data),
            MEMORY_BAR => write_memory(&mut self.memory, offset, data),
            MSIX_BAR => write_memory(&mut self.msix_memory, offset, data),
            _ => {}
        }
        None
    }

    /// Where the BARs are: number, address and size of each.
    pub fn bars(&self) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
        bar_sizes()
            .into_iter()
            .map(|(index, size)| (index, self.config.bar_address(index), u64::from(size)))
    }

    /// What there is to report, or `None` if a BAR has no address.
    pub fn report(&self, flags: Flags, lie: bool) -> Option<InterfaceReport> {
        let sized = |size: u64| u64::from(u32::MAX) + 1 - size;
        if self
            .bars()
            .any(|(_, address, size)| address == 0 || address == sized(size))
        {
            return None;
        }
        let lock_msix = flags.contains(Flags::LOCK_MSIX);
        let tee = registers::TEE_BASE as u64;
        let mut parts = vec![
            (REGISTER_BAR, 0, tee, RANGE_NON_TEE),
            (REGISTER_BAR, tee, registers::SIZE as u64 - tee, 0),
            (MEMORY_BAR, 0, MEMORY_SIZE as u64, 0),
        ];
        if lock_msix {
            let (table, pba) = (u64::from(MSIX_TABLE), u64::from(MSIX_PBA));
            parts.push((MSIX_BAR, table, pba - table, RANGE_MSIX_TABLE));
            parts.push((MSIX_BAR, pba, MSIX_SIZE as u64 - pba, RANGE_MSIX_PBA));
        }
        let ranges = parts
            .into_iter()
            .map(|(index, offset, length, attributes)| Range {
                address: self.config.bar_address(index) + offset + if lie { LIE } else { 0 },
                pages: (length / PAGE_SIZE) as u32,
                attributes,
                id: index as u16,
            })
            .collect();
        let no_update = flags.contains(Flags::NO_FW_UPDATE);
        Some(InterfaceReport {
            info: INFO_DMA_WITHOUT_PASID | if no_update { INFO_NO_FW_UPDATE } else { 0 },
            msix_control: if lock_msix {
                self.config.u16(self.msix + msix::CONTROL)
            } else {
                0
            },
            lnr_control: 0,
            tph_control: 0,
            ranges,
            device_info: format!("tsm-emu function {}", self.number).into_bytes(),
        })
    }

    /// Forgets what belongs to a TVM.
    pub fn scrub(&mut self) {
        self.registers.scrub();
        self.memory.fill(0);
    }

    /// Conventional reset.
    pub fn reset(&mut self) {
        self.config = self.reset_config.clone();
        self.registers.reset();
        self.memory.fill(0);
        self.msix_memory.fill(0);
    }

    /// Function level reset (6.6.2). The BARs stay: QEMU answers reads of them from its own copy,
    /// which such a reset does not touch, so the guest would not write them again.
    fn function_level_reset(&mut self) {
        self.config.set(COMMAND, &[0, 0]);
        let control = self.express + express::DEVICE_CONTROL;
        self.config
            .set(control, &express::CONTROL_RESET.to_le_bytes());
        self.config
            .set(self.express + express::DEVICE_CONTROL_2, &[0, 0]);
        let msix = self.reset_config.u16(self.msix + msix::CONTROL);
        self.config
            .set(self.msix + msix::CONTROL, &msix.to_le_bytes());
        self.registers.reset();
        self.memory.fill(0);
    }

    fn watched(&self) -> Watched {
        let mut bars = [0; config_space::BARS + 1];
        let registers = (0..config_space::BARS).map(bar).chain([config_space::ROM]);
        for (value, register) in bars.iter_mut().zip(registers) {
            *value = self.config.u32(register);
        }
        Watched {
            command: self.config.u16(COMMAND),
            bars,
            control: self.config.u16(self.express + express::DEVICE_CONTROL)
                & express::CONTROL_LOCKED,
            control_2: self.config.u16(self.express + express::DEVICE_CONTROL_2)
                & express::CONTROL_2_LOCKED,
            msix: self.config.u16(self.msix + msix::CONTROL),
        }
    }
}

/// Registers that a DSM watches while a TDI is locked.
struct Watched {
    command: u16,
    bars: [u32; config_space::BARS + 1],
    control: u16,
    control_2: u16,
    msix: u16,
}

fn bar_sizes() -> [(usize, u32); 3] {
    [
        (REGISTER_BAR, registers::SIZE as u32),
        (MEMORY_BAR, MEMORY_SIZE as u32),
        (MSIX_BAR, MSIX_SIZE as u32),
    ]
}

/// Whether an access that ends at `end` is refused. No access of the host's carries the mark of a
/// TVM (the T bit), so while the TDI is not unlocked none reaches what is the TVM's (11.2.1).
fn denied(index: usize, end: usize, (state, lock): (State, Option<&Lock>)) -> bool {
    let tee = match index {
        REGISTER_BAR => end > registers::TEE_BASE,
        MEMORY_BAR => true,
        MSIX_BAR => lock.is_some_and(|lock| lock.flags.contains(Flags::LOCK_MSIX)),
        _ => false,
    };
    tee && state != State::Unlocked
}

fn read_memory(memory: &[u8], offset: usize, data: &mut [u8]) {
    let inside = memory.get(offset..).unwrap_or_default();
    for (to, from) in data
        .iter_mut()
        .zip(inside.iter().copied().chain(std::iter::repeat(0xff)))
    {
        *to = from;
    }
}

fn write_memory(memory: &mut [u8], offset: usize, data: &[u8]) {
    let inside = memory.get_mut(offset..).unwrap_or_default();
    for (to, from) in inside.iter_mut().zip(data) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: (State, Option<&Lock>) = (State::Unlocked, None);

    fn placed() -> Endpoint {
        let mut endpoint = Endpoint::new(0);
        for (index, address) in [(0, 0xfe00_0000u32), (2, 0xfe10_0000), (4, 0xfe20_0000)] {
            endpoint.write_config(bar(index), &address.to_le_bytes());
        }
        endpoint.write_config(COMMAND, &6u16.to_le_bytes());
        endpoint
    }

    /// Offsets of all capabilities, walked as software does.
    fn walk(endpoint: &Endpoint) -> (Vec<u8>, Vec<u16>) {
        let (mut ids, mut extended) = (Vec::new(), Vec::new());
        let mut at = usize::from(endpoint.config.u16(0x34) & 0xff);
        while at != 0 {
            let header = endpoint.config.u16(at);
            ids.push(header as u8);
            at = usize::from(header >> 8);
        }
        let mut at = 0x100;
        while at != 0 {
            let header = endpoint.config.u32(at);
            extended.push(header as u16);
            at = (header >> 20) as usize;
        }
        (ids, extended)
    }

    #[test]
    fn capabilities() {
        assert_eq!(
            walk(&Endpoint::new(0)),
            (vec![0x01, 0x10, 0x11], vec![0x0d, 0x2e, 0x30])
        );
        assert_eq!(
            walk(&Endpoint::new(1)),
            (vec![0x01, 0x10, 0x11], vec![0x0d])
        );
        let endpoint = Endpoint::new(0);
        let device_capabilities = endpoint.config.u32(endpoint.express + 4);
        assert_ne!(device_capabilities & 1 << 30, 0);
        assert_ne!(device_capabilities & 1 << 28, 0);
    }

    #[test]
    fn in_the_root_complex() {
        let below_a_port = Endpoint::new(0);
        assert_eq!(below_a_port.config.u16(below_a_port.express + 2) >> 4, 0);
        assert_ne!(below_a_port.config.u32(below_a_port.express + 0xc), 0);
        let place = Place {
            device: 0,
            function: 0,
            functions: 1,
        };
        let integrated = Endpoint::in_topology(place, Topology::RootComplex);
        // An integrated endpoint; no link, so no IDE either.
        assert_eq!(integrated.config.u16(integrated.express + 2) >> 4, 9);
        assert_eq!(integrated.config.u32(integrated.express + 0xc), 0);
        assert_eq!(walk(&integrated).1, [0x0d, 0x2e]);
    }

    #[test]
    fn report_has_the_assigned_addresses() {
        assert_eq!(Endpoint::new(0).report(Flags(0), false), None);
        let endpoint = placed();
        let report = endpoint.report(Flags(0), false).unwrap();
        let addresses: Vec<_> = report
            .ranges
            .iter()
            .map(|r| (r.address, r.pages, r.id))
            .collect();
        assert_eq!(
            addresses,
            [
                (0xfe00_0000, 8, 0),
                (0xfe00_8000, 8, 0),
                (0xfe10_0000, 4, 2)
            ]
        );
        let report = endpoint.report(Flags::LOCK_MSIX, false).unwrap();
        assert_eq!(report.ranges[4].address, 0xfe20_1000);
        let lie = endpoint.report(Flags(0), true).unwrap();
        assert_eq!(lie.ranges[0].address, 0x1_0e00_0000);
    }

    #[test]
    fn hostile_writes() {
        let mut endpoint = placed();
        let express = endpoint.express;
        let hostile = |endpoint: &mut Endpoint, offset, data: &[u8]| {
            endpoint.write_config(offset, data).hostile
        };
        assert!(!hostile(&mut endpoint, COMMAND, &[0x06, 0x04]));
        assert!(hostile(&mut endpoint, COMMAND, &[0x02]));
        assert!(!hostile(&mut endpoint, COMMAND, &[0x06]));
        assert!(hostile(&mut endpoint, COMMAND, &[0x04]));
        assert!(hostile(
            &mut endpoint,
            bar(0),
            &0xfd00_0000u32.to_le_bytes()
        ));
        assert!(!hostile(
            &mut endpoint,
            bar(0),
            &0xfd00_0000u32.to_le_bytes()
        ));
        assert!(hostile(&mut endpoint, express + 8, &[0x10, 0x29]));
        assert!(!hostile(&mut endpoint, express + 8, &[0x1f, 0x29]));
        assert!(!hostile(&mut endpoint, 0x3c, &[5]));
        assert!(!hostile(&mut endpoint, 0x44, &[3]));
    }

    #[test]
    fn function_level_reset() {
        let mut endpoint = placed();
        endpoint.write_bar(0, 0x100, &[1], OPEN);
        let control = endpoint.express + express::DEVICE_CONTROL;
        let change = endpoint.write_config(control, &0xa810u16.to_le_bytes());
        assert!(change.reset);
        assert_eq!(endpoint.config.u16(control), express::CONTROL_RESET);
        assert_eq!(endpoint.config.u16(COMMAND), 0);
        assert_eq!(endpoint.config.bar_address(0), 0xfe00_0000);
        let mut data = [9];
        endpoint.read_bar(0, 0x100, &mut data, OPEN);
        assert_eq!(data, [0]);
        endpoint.reset();
        assert_eq!(endpoint.config.bar_address(0), 0);
    }

    #[test]
    fn tee_only_range() {
        let mut endpoint = placed();
        let mut data = [0; 4];
        endpoint.write_bar(0, 0x8000, &[1, 2, 3, 4], OPEN);
        for state in [State::Locked, State::Run, State::Error] {
            for (index, offset) in [(0, 0x8000), (0, 0x7ffe), (2, 0)] {
                endpoint.write_bar(index, offset, &[9; 4], (state, None));
                endpoint.read_bar(index, offset, &mut data, (state, None));
                assert_eq!(data, [0xff; 4]);
            }
            endpoint.write_bar(0, 0x200, &[5; 4], (state, None));
            endpoint.read_bar(0, 0x200, &mut data, (state, None));
            assert_eq!(data, [5; 4]);
        }
        endpoint.read_bar(0, 0x8000, &mut data, OPEN);
        assert_eq!(data, [1, 2, 3, 4]);
        endpoint.scrub();
        endpoint.read_bar(0, 0x8000, &mut data, OPEN);
        assert_eq!(data, [0; 4]);
    }
}
