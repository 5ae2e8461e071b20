// SPDX-License-Identifier: GPL-2.0

//! IDE streams between a device and its root port.
//!
//! The host makes a stream, and has each key of it brought to the device by a pair of calls with a
//! message between them: `TDH.IDE.STREAM.IDEKMREQ` writes an IDE_KM request and keys the root port,
//! `TDH.IDE.STREAM.IDEKMRSP` takes the answer. Layouts: `ide_stream_defs.h`.

use crate::word::word_enum;

/// `ide_stream_cfg_t`: `R8` of `TDH.IDE.STREAM.CREATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Register block of the root port, link streams counted first; bits 7:0.
    pub block: u8,
    /// Device and function of the root port, bits 15:8.
    pub root_port: u8,
    /// Number of the stream in the key configuration unit, bits 23:16.
    pub key_id: u8,
}

/// Bit 31 of a [`StreamConfig`]: a selective stream.
const SELECTIVE: u64 = 1 << 31;

impl StreamConfig {
    /// Of a selective stream, as it stands in a register.
    pub const fn raw(self) -> u64 {
        self.block as u64 | (self.root_port as u64) << 8 | (self.key_id as u64) << 16 | SELECTIVE
    }

    /// From a register. `None` if it is not of a selective stream, or something reserved is set.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        if raw & !0xff_ffff != SELECTIVE {
            return None;
        }
        Some(Self {
            block: raw as u8,
            root_port: (raw >> 8) as u8,
            key_id: (raw >> 16) as u8,
        })
    }
}

/// `ide_stream_ctrl_t`: `R9`, the Selective IDE Stream Control Register, of which the module takes
/// the Stream ID, bits 31:24, and little else; nothing else is set here.
pub const fn stream_control(stream: u8) -> u64 {
    (stream as u64) << 24
}

/// `R10` and `R11`, the RID association registers: last and first requester ID of the device.
pub const fn rid_association(first: u16, last: u16) -> [u64; 2] {
    [(last as u64) << 8, (first as u64) << 8 | 1]
}

/// `R12` to `R14`, the address association registers: first and last address of the device, of
/// which 1 MiB is the granularity.
pub const fn address_association(first: u64, last: u64) -> [u64; 3] {
    [
        1 | lower_bits(first) << 8 | lower_bits(last) << 20,
        last >> 32,
        first >> 32,
    ]
}

const fn lower_bits(address: u64) -> u64 {
    (address >> 20) & 0xfff
}

word_enum! {
    /// Object IDs of IDE_KM requests (PCIe 7.0 section 6.33.3).
    pub enum IdeKmObject {
        /// KEY_PROG.
        KeyProg = 2,
        /// K_SET_GO.
        KSetGo = 4,
        /// K_SET_STOP.
        KSetStop = 5,
    }
}

word_enum! {
    /// Direction of a key, as the device has it; bit 1 of [`KmParameters`].
    pub enum Direction {
        /// The device receives.
        Receive = 0,
        /// The device transmits.
        Transmit = 1,
    }
}

word_enum! {
    /// Sub-streams; bits 7:4 of [`KmParameters`].
    pub enum SubStream {
        /// Posted requests.
        Posted = 0,
        /// Non-posted requests.
        NonPosted = 1,
        /// Completions.
        Completion = 2,
    }
}

/// `ide_km_param_t`: which key it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KmParameters {
    /// Key set, bit 0.
    pub key_set: u8,
    /// Direction.
    pub direction: Direction,
    /// Sub-stream.
    pub sub_stream: SubStream,
}

impl KmParameters {
    /// All six of a key set: what the device receives first.
    pub fn of_key_set(key_set: u8) -> impl Iterator<Item = Self> {
        Direction::ALL.iter().flat_map(move |&direction| {
            SubStream::ALL.iter().map(move |&sub_stream| Self {
                key_set,
                direction,
                sub_stream,
            })
        })
    }

    /// As it stands in a register.
    pub const fn raw(self) -> u64 {
        (self.key_set & 1) as u64 | (self.direction as u64) << 1 | (self.sub_stream as u64) << 4
    }

    /// From a register. `None` if something reserved is set, or there is no such sub-stream.
    pub fn from_raw(raw: u64) -> Option<Self> {
        if raw & !0xf3 != 0 {
            return None;
        }
        Some(Self {
            key_set: (raw & 1) as u8,
            direction: Direction::try_from(raw >> 1 & 1).ok()?,
            sub_stream: SubStream::try_from(raw >> 4).ok()?,
        })
    }

    /// The slot that the root port has the key in: three for each direction of each stream.
    pub const fn slot(self, key_id: u8) -> u64 {
        key_id as u64 * 3 + self.sub_stream as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config() {
        let config = StreamConfig {
            block: 1,
            root_port: 0x18,
            key_id: 5,
        };
        assert_eq!(
            config.raw(),
            u64::from_le_bytes([0x01, 0x18, 0x05, 0x80, 0, 0, 0, 0])
        );
        assert_eq!(StreamConfig::from_raw(config.raw()), Some(config));
        assert_eq!(StreamConfig::from_raw(0x0005_1801), None);
        assert_eq!(StreamConfig::from_raw(config.raw() | 1 << 24), None);
    }

    /// Registers of PCIe 7.0 section 7.9.26.5.
    #[test]
    fn registers() {
        assert_eq!(stream_control(5).to_le_bytes(), [0, 0, 0, 5, 0, 0, 0, 0]);
        let [rid1, rid2] = rid_association(0x0100, 0x0107);
        assert_eq!(rid1.to_le_bytes(), [0, 0x07, 0x01, 0, 0, 0, 0, 0]);
        assert_eq!(rid2.to_le_bytes(), [1, 0x00, 0x01, 0, 0, 0, 0, 0]);
        let [addr1, addr2, addr3] = address_association(0x12_3450_0000, 0x13_678f_ffff);
        // valid; base 31:20 is 0x345, limit 31:20 is 0x678
        assert_eq!(addr1, 0x6783_4501);
        assert_eq!((addr2, addr3), (0x13, 0x12));
    }

    #[test]
    fn parameters() {
        let parameters = KmParameters {
            key_set: 0,
            direction: Direction::Transmit,
            sub_stream: SubStream::Completion,
        };
        assert_eq!(parameters.raw(), 0x22);
        assert_eq!(KmParameters::from_raw(0x22), Some(parameters));
        assert_eq!(KmParameters::from_raw(0x26), None);
        assert_eq!(KmParameters::from_raw(0x30), None);
        assert_eq!(parameters.slot(4), 14);
        let all: [u64; 6] = [0, 0x10, 0x20, 0x02, 0x12, 0x22];
        assert!(KmParameters::of_key_set(0).map(KmParameters::raw).eq(all));
    }
}
