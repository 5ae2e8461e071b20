// SPDX-License-Identifier: GPL-2.0

//! What a host does with a device before it speaks to it, and how it speaks: addresses for the BARs,
//! memory and bus master enabled, a default IDE stream set up, objects through the mailbox.

use crate::device::Device;
use crate::doe::{self, Object};
use crate::knobs::ExchangeKnobs;
use std::time::Instant;

/// First extended capability (PCI Express 6.0, 7.6.3).
const EXTENDED: usize = 0x100;
/// Capabilities that fit into configuration space.
const CAPABILITIES_MAX: usize = 960;
/// Extended capability: Data Object Exchange.
const DATA_OBJECT_EXCHANGE: u16 = 0x2e;
/// Extended capability: Integrity and Data Encryption.
const IDE: u16 = 0x30;

/// Command register: memory space and bus master.
const COMMAND: (usize, u16) = (0x04, 0x0006);
/// BARs of 64 bits: their registers.
const BARS: [usize; 3] = [0x10, 0x18, 0x20];
/// Where the BARs are put, each this far from the one before it.
const WINDOW: u32 = 0xe000_0000;
const DISTANCE: u32 = 0x0010_0000;

/// Control register of the first selective stream, from the IDE capability's offset (7.9.26.5).
const STREAM_CONTROL: usize = 0x10;
/// In it: enabled, and the default stream, of number 0.
const STREAM_DEFAULT: u32 = 1 << 0 | 1 << 22;

/// A host with a device.
#[derive(Debug)]
pub struct Host {
    device: Device,
    mailbox: usize,
    knobs: ExchangeKnobs,
}

impl Host {
    /// Sets the device up; `None` if it has no mailbox.
    pub fn new(device: Device) -> Option<Self> {
        let mut host = Self {
            device,
            mailbox: 0,
            knobs: ExchangeKnobs::default(),
        };
        host.mailbox = host.capability(DATA_OBJECT_EXCHANGE)?;
        let mut address = WINDOW;
        for function in 0..host.device.functions() {
            for bar in BARS {
                host.write(function, bar, &address.to_le_bytes());
                host.write(function, bar + 4, &[0; 4]);
                address += DISTANCE;
            }
            host.write(function, COMMAND.0, &COMMAND.1.to_le_bytes());
        }
        if let Some(ide) = host.capability(IDE) {
            host.write(0, ide + STREAM_CONTROL, &STREAM_DEFAULT.to_le_bytes());
        }
        Some(host)
    }

    /// Has an object answered; `None` if the mailbox does not.
    pub fn exchange(&mut self, object: &Object) -> Option<Object> {
        for word in object.to_bytes().as_chunks::<4>().0 {
            self.write(0, self.mailbox + doe::WRITE, word);
        }
        let go = doe::CONTROL_GO.to_le_bytes();
        self.write(0, self.mailbox + doe::CONTROL, &go);
        let mut answer = Vec::new();
        while self.read(0, self.mailbox + doe::STATUS) & doe::STATUS_READY != 0 {
            answer.extend(self.read(0, self.mailbox + doe::READ).to_le_bytes());
            self.write(0, self.mailbox + doe::READ, &[0; 4]);
        }
        let answer = Object::from_bytes(&answer);
        if answer.is_none() {
            let abort = doe::CONTROL_ABORT.to_le_bytes();
            self.write(0, self.mailbox + doe::CONTROL, &abort);
        }
        answer
    }

    /// Offset of an extended capability of function 0.
    fn capability(&self, wanted: u16) -> Option<usize> {
        let mut offset = EXTENDED;
        for _ in 0..CAPABILITIES_MAX {
            let header = self.read(0, offset);
            if header as u16 == wanted {
                return Some(offset);
            }
            offset = (header >> 20) as usize;
            if offset < EXTENDED {
                break;
            }
        }
        None
    }

    fn read(&self, function: usize, offset: usize) -> u32 {
        let mut data = [0; 4];
        self.device
            .read_config(function, offset, &mut data, Instant::now());
        u32::from_le_bytes(data)
    }

    fn write(&mut self, function: usize, offset: usize, data: &[u8]) {
        let now = Instant::now();
        self.device
            .write_config(function, offset, data, &mut self.knobs, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::FUNCTIONS;
    use crate::doe::{TYPE_CMA, TYPE_DISCOVERY};
    use crate::identity::{Identity, Length};

    #[test]
    fn objects_through_the_mailbox() {
        let mut host = Host::new(Device::new(
            Identity::generate(Length::default()).unwrap(),
            0,
            FUNCTIONS,
        ))
        .unwrap();
        let discovery = Object::of_bytes(TYPE_DISCOVERY, &[1, 0, 0, 0]);
        let answer = host.exchange(&discovery).unwrap();
        assert_eq!(answer.payload, [0x0201_0001]);
        let get_version = Object::of_bytes(TYPE_CMA, &[0x10, 0x84, 0, 0]);
        let answer = host.exchange(&get_version).unwrap();
        assert_eq!(answer.bytes()[..2], [0x10, 0x04]);
        assert_eq!(host.exchange(&Object::of_bytes(9, &[])), None);
        assert!(host.exchange(&get_version).is_some());
    }
}
