// SPDX-License-Identifier: GPL-2.0

//! Integrity and Data Encryption extended capability (7.9.26) of the device: one selective stream
//! with one address association. Its registers and keys are in a [`Port`].

use super::Body;
use ide_km::{Port, Shape};

/// Capability ID.
pub const ID: u16 = ide_km::CAPABILITY_ID;
/// Capability version.
pub const VERSION: u8 = ide_km::CAPABILITY_VERSION;

const SHAPE: Shape = Shape {
    streams: 1,
    associations: 1,
    endpoint: true,
};
/// Bytes in a register.
const REGISTER: usize = 4;
/// Status of the stream. What a write clears there, a mask of bits that can be written cannot say.
const STATUS: usize = 0x14;

/// The port that the capability is of.
pub fn port() -> Port {
    Port::new(0, SHAPE)
}

/// The registers after the header as they are after a reset, with the bits that can be written while
/// the stream is not enabled.
pub fn body() -> Body {
    let port = port();
    (REGISTER..port.size())
        .step_by(REGISTER)
        .fold(Body::default(), |body, offset| {
            let writable = match offset {
                STATUS => 0,
                _ => port.capability().writable(offset),
            };
            body.u32(port.read(offset), writable)
        })
}

/// Reads as many bytes as `data` has, from an offset in the capability.
pub fn read(port: &Port, offset: usize, data: &mut [u8]) {
    for (at, byte) in (offset..).zip(data) {
        let register = port.read(at - at % REGISTER).to_le_bytes();
        *byte = register.get(at % REGISTER).copied().unwrap_or(0);
    }
}

/// Writes bytes at an offset in the capability. Each register is written once, with the bytes that
/// are for it.
pub fn write(port: &mut Port, offset: usize, data: &[u8]) {
    let mut rest = data;
    let mut at = offset;
    while !rest.is_empty() {
        let shift = at % REGISTER;
        let (now, after) = rest
            .split_at_checked(REGISTER - shift)
            .unwrap_or((rest, &[]));
        let (mut value, mut enables) = (0, 0);
        for (place, byte) in (shift..).zip(now) {
            value |= u32::from(*byte) << (8 * place);
            enables |= 0xff << (8 * place);
        }
        port.write(at - shift, value, enables);
        at += now.len();
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn room() {
        assert_eq!(body().len() + REGISTER, port().size());
        assert_eq!(port().size(), 0x2c);
        assert_eq!(port().read(4), 0x0100_00c2);
    }

    #[test]
    fn parts_of_registers() {
        let mut port = port();
        write(&mut port, 0x12, &[0x40, 5]);
        assert_eq!(port.read(0x10), 0x0540_0000);
        write(&mut port, 0x11, &[2]);
        assert_eq!(port.read(0x10), 0x0540_0200);
        port.receive_fail(5);
        write(&mut port, STATUS, &[0xff; 3]);
        let mut data = [0; 6];
        read(&port, 0x12, &mut data);
        assert_eq!(data, [0x40, 5, 0, 0, 0, 0x80]);
        write(&mut port, 0x16, &[0, 0x80, 0, 1]);
        assert_eq!((port.read(STATUS), port.read(0x18)), (0, 0x100));
    }

    proptest! {
        /// In one piece or byte by byte, the registers of associations end up the same.
        #[test]
        fn any_pieces(offset in 0x18usize..0x40, data in proptest::collection::vec(any::<u8>(), 0..12)) {
            let (mut whole, mut pieces) = (port(), port());
            write(&mut whole, offset, &data);
            for (at, byte) in (offset..).zip(&data) {
                write(&mut pieces, at, &[*byte]);
            }
            let (mut one, mut other) = ([0; 0x50], [0; 0x50]);
            read(&whole, 0, &mut one);
            read(&pieces, 0, &mut other);
            prop_assert_eq!(one, other);
        }
    }
}
