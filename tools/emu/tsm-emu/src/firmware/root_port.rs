// SPDX-License-Identifier: GPL-2.0

//! The root port above the device, as far as IDE goes: its end of the streams.
//!
//! QEMU's root ports have no IDE. The firmware has it in their place: it shows the IDE extended
//! capability through a window of its BAR, and keys the port itself, without any protocol. On a real
//! machine such a port is keyed by means that are the root complex' own.

use ide_km::{Direction, KeySet, Keys, Port, Refused, Shape};

/// Two streams, so that one can be tried that is not the first. Linux associates each with two address
/// ranges, one per window of the bridge.
const SHAPE: Shape = Shape {
    streams: 2,
    associations: 2,
    endpoint: false,
};

/// The root port's IDE.
#[derive(Debug)]
pub struct RootPort {
    port: Port,
}

impl Default for RootPort {
    fn default() -> Self {
        Self {
            port: Port::new(0, SHAPE),
        }
    }
}

impl RootPort {
    /// Bytes of its extended capability; the window behaves as if zeroes followed.
    pub fn size(&self) -> usize {
        self.port.size()
    }

    /// Reads a doubleword of the extended capability; its header is at offset 0.
    pub fn read(&self, offset: usize) -> u32 {
        self.port.read(offset)
    }

    /// Writes a doubleword of it.
    pub fn write(&mut self, offset: usize, value: u32) {
        self.port.write(offset, value, !0);
    }

    /// Programs a key set of a stream. `keys` are as the device has them. Fails if one of them is in
    /// use.
    pub fn program(&mut self, stream: u8, set: KeySet, keys: &Keys) -> Result<(), Refused> {
        self.port.program(stream, set, &keys.clone().mirrored())
    }

    /// Uses a key set in one direction from now on. Fails if it was not programmed.
    pub fn go(&mut self, stream: u8, set: KeySet, direction: Direction) -> Result<(), Refused> {
        self.port.go(stream, set, direction)
    }

    /// Ends the use of a stream: all its keys are gone.
    pub fn stop(&mut self, stream: u8) {
        self.port.fail(stream);
    }

    /// The device says that a stream failed there.
    pub fn receive_fail(&mut self, stream: u8) {
        self.port.receive_fail(stream);
    }

    /// Streams that were lost or configured differently since this was last asked.
    pub fn take_lost(&mut self) -> Vec<u8> {
        self.port.take_lost()
    }

    /// Whether this end and that of the device have the same keys in use for a stream.
    pub fn agrees_with(&self, device: &Port, stream: u8) -> bool {
        self.port.keys().agrees_with(device.keys(), stream)
    }

    /// Conventional reset.
    pub fn reset(&mut self) {
        self.port.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_space::ide;
    use ide_km::{Milestone, Procedure};

    const SESSION: u32 = 1;
    const CONTROL: usize = 0x10;
    const STATUS: usize = 0x14;

    fn keys() -> Keys {
        let mut next = 0;
        Keys::generate(&mut |bytes| {
            next += 1;
            bytes.fill(next);
            true
        })
        .unwrap()
    }

    /// What Linux writes to the registers of both ends before, and after, the firmware keys them.
    fn configure(device: &mut Port, root: &mut RootPort, enable: bool) {
        let value = 0x05 << 24 | u32::from(enable);
        ide::write(device, CONTROL, &(value | 1 << 22).to_le_bytes());
        root.write(CONTROL, value);
    }

    #[test]
    fn both_ends() {
        let (mut device, mut root) = (ide::port(), RootPort::default());
        configure(&mut device, &mut root, false);
        let keys = keys();
        let mut procedure = Procedure::establish(0, 5, KeySet::K0, keys.clone());
        let mut request = Some(procedure.begin());
        while let Some(bytes) = request {
            let answer = device.respond(SESSION, &bytes).unwrap();
            let step = procedure.take(&answer).unwrap();
            match step.reached {
                Some(Milestone::Programmed) => {
                    root.program(5, KeySet::K0, &keys).unwrap();
                    root.go(5, KeySet::K0, Direction::Receive).unwrap();
                }
                Some(Milestone::Receiving) => {
                    root.go(5, KeySet::K0, Direction::Transmit).unwrap();
                }
                _ => {}
            }
            request = step.request;
        }
        assert_eq!((root.read(STATUS), device.read(STATUS)), (0, 0));
        configure(&mut device, &mut root, true);
        assert_eq!((root.read(STATUS), device.read(STATUS)), (2, 2));
        assert!(root.agrees_with(&device, 5) && !root.agrees_with(&device, 0));
        assert!(device.serves_as_default(5, SESSION));
        let again = root.program(5, KeySet::K0, &keys);
        assert_eq!(again, Err(Refused::InUse));

        root.take_lost();
        root.stop(5);
        assert_eq!((root.read(STATUS), device.read(STATUS)), (0, 2));
        assert_eq!(root.take_lost(), [5]);
        root.receive_fail(5);
        assert_eq!(root.read(STATUS), 1 << 31);
        root.reset();
        assert_eq!((root.read(CONTROL), root.read(STATUS)), (0, 0));
    }

    #[test]
    fn window() {
        let mut root = RootPort::default();
        assert_eq!(root.size(), 0xc + 2 * (20 + 2 * 12));
        assert_eq!(root.read(0), 0x0001_0030);
        assert_eq!(root.read(4) >> 16 & 0xff, 1);
        assert_eq!(root.read(0xc), 2);
        assert_eq!(root.read(0xc + 44), 2);
        root.write(0x1f8, !0);
        assert_eq!(root.read(0x1f8), 0);
        assert_eq!(
            root.go(5, KeySet::K0, Direction::Receive),
            Err(Refused::Empty)
        );
    }
}
