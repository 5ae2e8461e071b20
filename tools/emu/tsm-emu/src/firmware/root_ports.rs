// SPDX-License-Identifier: GPL-2.0

//! The root ports of the machine, and the windows that the host sees their IDE through.

use super::root_port::RootPort;
use std::ops::Range;
use tsm_wire::mailbox::{ROOT_PORT, ROOT_PORTS, ROOT_PORT_LEN};

/// Where the windows are in the BAR.
const WINDOWS: Range<usize> = ROOT_PORT..ROOT_PORT + ROOT_PORTS * ROOT_PORT_LEN;
/// Bits of a requester ID that are the function's.
const FUNCTION_BITS: u16 = 3;
/// Device number of the first root port on the root bus; the others follow it.
const FIRST_DEVICE: u16 = 2;

/// The root ports, by number.
#[derive(Debug, Default)]
pub struct RootPorts([RootPort; ROOT_PORTS]);

impl RootPorts {
    /// Number of the root port with this requester ID.
    pub fn number_of(requester_id: u64) -> Option<usize> {
        (0..ROOT_PORTS).find(|number| u64::from(Self::requester_id(*number)) == requester_id)
    }

    /// Requester ID of a root port.
    pub fn requester_id(number: usize) -> u16 {
        (FIRST_DEVICE + number as u16) << FUNCTION_BITS
    }

    /// A root port. Its number is also the port number in its link capabilities.
    pub fn get(&self, number: usize) -> Option<&RootPort> {
        self.0.get(number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut RootPort> {
        self.0.get_mut(number)
    }

    /// Whether an offset in the BAR is one of a window.
    pub fn has_window(offset: usize) -> bool {
        WINDOWS.contains(&offset)
    }

    /// Reads a window.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        let (number, register) = place(offset);
        let word = self
            .get(number)
            .map_or(!0, |port| port.read(register & !3))
            .to_le_bytes();
        let inside = word.get(register & 3..).unwrap_or_default();
        for (to, from) in data
            .iter_mut()
            .zip(inside.iter().chain(std::iter::repeat(&0)))
        {
            *to = *from;
        }
    }

    /// Writes a window. The registers take whole words.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        let (number, register) = place(offset);
        if let (0, Ok(word), Some(port)) = (
            register & 3,
            <[u8; 4]>::try_from(data),
            self.get_mut(number),
        ) {
            port.write(register, u32::from_le_bytes(word));
        }
    }

    /// Conventional reset.
    pub fn reset(&mut self) {
        self.0.iter_mut().for_each(RootPort::reset);
    }
}

/// Number and register of an offset in the BAR.
fn place(offset: usize) -> (usize, usize) {
    let inside = offset.saturating_sub(WINDOWS.start);
    (inside / ROOT_PORT_LEN, inside % ROOT_PORT_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsm_wire::mailbox::root_port;

    #[test]
    fn each_has_its_window() {
        let mut ports = RootPorts::default();
        let control = root_port(2) + 0x10;
        ports.write(control, &0x0500_0000u32.to_le_bytes());
        ports.write(control + 1, &0u32.to_le_bytes());
        ports.write(control, &[0; 2]);
        let mut data = [0; 4];
        ports.read(control, &mut data);
        assert_eq!(u32::from_le_bytes(data), 0x0500_0000);
        ports.read(control + 2, &mut data);
        assert_eq!(data, [0, 5, 0, 0]);
        ports.read(root_port(1) + 0x10, &mut data);
        assert_eq!(data, [0; 4]);
        assert!(RootPorts::has_window(root_port(2) + 0x1ff));
        assert!(!RootPorts::has_window(root_port(3)));
        ports.reset();
        ports.read(control, &mut data);
        assert_eq!(data, [0; 4]);
    }

    #[test]
    fn requester_ids() {
        assert_eq!(RootPorts::number_of(0x10), Some(0));
        assert_eq!(RootPorts::number_of(0x20), Some(2));
        assert_eq!(RootPorts::number_of(0x28), None);
        assert_eq!(RootPorts::number_of(0x11), None);
    }
}
