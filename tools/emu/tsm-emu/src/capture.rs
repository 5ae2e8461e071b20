// SPDX-License-Identifier: GPL-2.0

//! A file of data objects, for DMTF's `spdm_dump` and for Wireshark.
//!
//! Each packet is a whole data object with its header (PCI Express 6.0, 6.30.1). A file whose name
//! ends with `.pcap` is a classic capture file, which is what `spdm_dump` reads; any other is
//! pcapng, which also tells who sent each object and, by its interface, which device it is of.
//!
//! Both have the link type by which `spdm_dump` and `spdm-emu` know PCI DOE. The registry of link
//! types gives the same number to something else, so Wireshark lists the packets without dissecting
//! them.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng, both little-endian here.

use crate::doe::Object;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Link type of PCI DOE, as `spdm_dump` has it.
pub const LINK_TYPE: u16 = 292;

/// Most bytes of a packet that are stored; `spdm_dump` reads no more.
const SNAP_LENGTH: u32 = 0x1_0000;

const PCAP_MAGIC: u32 = 0xa1b2_c3d4;
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const OPTION_END: u16 = 0;
/// In a section header: the application.
const OPTION_APPLICATION: u16 = 4;
/// In an interface description: its name.
const OPTION_NAME: u16 = 2;
/// In an interface description: the unit of time.
const OPTION_TIME_RESOLUTION: u16 = 9;
/// In an enhanced packet: flags, of which the lowest two are the direction.
const OPTION_FLAGS: u16 = 2;

/// Who sent an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The host, to the device.
    Request,
    /// The device, to the host.
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Pcap,
    PcapNg,
}

/// A file of data objects.
#[derive(Debug)]
pub struct Capture<W: Write = File> {
    output: W,
    format: Format,
    interfaces: usize,
}

impl Capture {
    /// Makes the file, or empties the one that is there. It is for so many devices.
    pub fn create(path: &Path, devices: usize) -> io::Result<Self> {
        let classic = path
            .extension()
            .is_some_and(|extension| extension == "pcap");
        let format = if classic {
            Format::Pcap
        } else {
            Format::PcapNg
        };
        Self::begin(File::create(path)?, format, devices)
    }
}

impl<W: Write> Capture<W> {
    fn begin(mut output: W, format: Format, interfaces: usize) -> io::Result<Self> {
        let header = match format {
            Format::Pcap => pcap_header(),
            Format::PcapNg => {
                let mut header = section_header();
                header.extend((0..interfaces).flat_map(interface_description));
                header
            }
        };
        output.write_all(&header)?;
        Ok(Self {
            output,
            format,
            interfaces,
        })
    }

    /// Adds an object to or from a device. It is in the file when this returns, so that nothing is
    /// lost with the process.
    pub fn record(
        &mut self,
        device: usize,
        direction: Direction,
        object: &Object,
        time: SystemTime,
    ) -> io::Result<()> {
        // A clock that stands before 1970 is no reason to lose the packet.
        let time = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let packet = object.to_bytes();
        let stored = packet.get(..SNAP_LENGTH as usize).unwrap_or(&packet);
        let block = match self.format {
            Format::Pcap => pcap_packet(stored, packet.len(), time),
            Format::PcapNg => {
                let interface = device.min(self.interfaces.saturating_sub(1));
                enhanced_packet(interface, stored, packet.len(), time, direction)
            }
        };
        self.output.write_all(&block)?;
        self.output.flush()
    }
}

fn pcap_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(PCAP_MAGIC.to_le_bytes());
    header.extend([2, 0, 4, 0]); // version 2.4
    header.extend([0; 8]); // time zone and accuracy: always zero
    header.extend(SNAP_LENGTH.to_le_bytes());
    header.extend(u32::from(LINK_TYPE).to_le_bytes());
    header
}

fn pcap_packet(stored: &[u8], length: usize, time: Duration) -> Vec<u8> {
    let mut packet = Vec::with_capacity(16 + stored.len());
    packet.extend((time.as_secs() as u32).to_le_bytes());
    packet.extend(time.subsec_micros().to_le_bytes());
    packet.extend((stored.len() as u32).to_le_bytes());
    packet.extend((length as u32).to_le_bytes());
    packet.extend(stored);
    packet
}

fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend([1, 0, 0, 0]); // version 1.0
    body.extend(u64::MAX.to_le_bytes()); // its length is not known beforehand
    option(&mut body, OPTION_APPLICATION, b"tsm-emu");
    option(&mut body, OPTION_END, &[]);
    block(SECTION_HEADER, &body)
}

fn interface_description(number: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(LINK_TYPE.to_le_bytes());
    body.extend([0; 2]);
    body.extend(SNAP_LENGTH.to_le_bytes());
    option(&mut body, OPTION_NAME, format!("doe{number}").as_bytes());
    option(&mut body, OPTION_TIME_RESOLUTION, &[9]); // 10^-9 s
    option(&mut body, OPTION_END, &[]);
    block(INTERFACE_DESCRIPTION, &body)
}

fn enhanced_packet(
    interface: usize,
    stored: &[u8],
    length: usize,
    time: Duration,
    direction: Direction,
) -> Vec<u8> {
    let nanoseconds = time.as_nanos() as u64;
    let flags: u32 = match direction {
        Direction::Response => 1, // inbound, seen from the host
        Direction::Request => 2,
    };
    let mut body = Vec::with_capacity(40 + stored.len());
    body.extend((interface as u32).to_le_bytes());
    body.extend(((nanoseconds >> 32) as u32).to_le_bytes());
    body.extend((nanoseconds as u32).to_le_bytes());
    body.extend((stored.len() as u32).to_le_bytes());
    body.extend((length as u32).to_le_bytes());
    body.extend(stored);
    pad(&mut body);
    option(&mut body, OPTION_FLAGS, &flags.to_le_bytes());
    option(&mut body, OPTION_END, &[]);
    block(ENHANCED_PACKET, &body)
}

/// A block of pcapng around a body of whole words.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doe::{TYPE_CMA, TYPE_SECURED_CMA};

    fn time() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(0x1234_5678, 7_000)
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn written(format: Format) -> Vec<u8> {
        let mut capture = Capture::begin(Vec::new(), format, 2).unwrap();
        let version = Object::of_bytes(TYPE_CMA, &[0x10, 0x84, 0, 0]);
        let secured = Object::of_bytes(TYPE_SECURED_CMA, &[1, 2, 3, 4, 5]);
        capture
            .record(0, Direction::Request, &version, time())
            .unwrap();
        capture
            .record(1, Direction::Response, &secured, time())
            .unwrap();
        capture.output
    }

    #[test]
    fn pcap() {
        let bytes = written(Format::Pcap);
        let header = [
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x24, 1, 0, 0,
        ];
        assert_eq!(bytes[..24], header);
        let packet = [
            0x78, 0x56, 0x34, 0x12, 7, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, // when and how long
            1, 0, 1, 0, 3, 0, 0, 0, 0x10, 0x84, 0, 0,
        ];
        assert_eq!(bytes[24..52], packet);
        assert_eq!(
            bytes[60..],
            [16, 0, 0, 0, 16, 0, 0, 0, 1, 0, 2, 0, 4, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0,]
        );
    }

    #[test]
    fn pcapng() {
        let bytes = written(Format::PcapNg);
        let mut blocks = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = word(rest, 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(rest, length - 4) as usize, length);
            blocks.push((word(rest, 0), &rest[8..length - 4]));
            rest = &rest[length..];
        }
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [
                SECTION_HEADER,
                INTERFACE_DESCRIPTION,
                INTERFACE_DESCRIPTION,
                ENHANCED_PACKET,
                ENHANCED_PACKET
            ]
        );
        assert_eq!(word(blocks[0].1, 0), BYTE_ORDER_MAGIC);
        assert_eq!(blocks[1].1[..2], LINK_TYPE.to_le_bytes());
        assert_eq!(blocks[1].1[8..16], [2, 0, 4, 0, b'd', b'o', b'e', b'0']);
        assert_eq!(blocks[1].1[16..24], [9, 0, 1, 0, 9, 0, 0, 0]);
        assert_eq!(blocks[2].1[12..16], *b"doe1");
        let request = blocks[3].1;
        let nanoseconds = u64::from(word(request, 4)) << 32 | u64::from(word(request, 8));
        assert_eq!(nanoseconds, 0x1234_5678 * 1_000_000_000 + 7_000);
        assert_eq!((word(request, 12), word(request, 16)), (12, 12));
        assert_eq!(request[20..32], [1, 0, 1, 0, 3, 0, 0, 0, 0x10, 0x84, 0, 0]);
        assert_eq!(request[32..], [2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        let response = blocks[4].1;
        assert_eq!(response[36..44], [2, 0, 4, 0, 1, 0, 0, 0]);
        assert_eq!((word(request, 0), word(response, 0)), (0, 1));
    }

    #[test]
    fn long_objects_are_cut() {
        let object = Object::of_bytes(TYPE_CMA, &vec![0; 0x2_0000]);
        let mut capture = Capture::begin(Vec::new(), Format::Pcap, 1).unwrap();
        capture
            .record(0, Direction::Request, &object, time())
            .unwrap();
        assert_eq!(capture.output.len(), 24 + 16 + 0x1_0000);
        assert_eq!(word(&capture.output, 32), 0x1_0000);
        assert_eq!(word(&capture.output, 36), 0x2_0008);
    }

    #[test]
    fn name_decides() {
        let directory =
            std::env::temp_dir().join(format!("tsm-emu-capture-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, magic) in [
            ("a.pcap", PCAP_MAGIC),
            ("a.pcapng", SECTION_HEADER),
            ("a", SECTION_HEADER),
        ] {
            let path = directory.join(name);
            Capture::create(&path, 1).unwrap();
            assert_eq!(word(&std::fs::read(&path).unwrap(), 0), magic, "{name}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
