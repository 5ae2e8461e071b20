// SPDX-License-Identifier: GPL-2.0

//! The socket protocol of spdm-emu with PCI DOE as transport, as far as recording needs it: command,
//! transport and size, 32 bits each and big-endian, and then a data object with its header.

use spdm::{Carriage, Packet};
use std::io::{Read, Write};
use std::net::TcpStream;

const NORMAL: u32 = 1;
const TEST: u32 = 0xdead;
const SHUTDOWN: u32 = 0xfffe;
const PCI_DOE: u32 = 2;
const DISCOVERY: u8 = 0;

/// A connection.
pub(crate) struct Frames(TcpStream);

/// A data object of this type.
fn object(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let words = bytes.len().div_ceil(4) as u32 + 2;
    let mut object = vec![1, 0, kind, 0];
    object.extend(words.to_le_bytes());
    object.extend(bytes);
    object.resize(4 * words as usize, 0);
    object
}

/// What a data object carries.
fn packet(object: &[u8]) -> Option<Packet> {
    Some(Packet {
        carriage: Carriage::of(object[2])?,
        bytes: object[8..].to_vec(),
    })
}

impl Frames {
    /// To a responder.
    pub(crate) fn connect(stream: TcpStream) -> Self {
        let mut frames = Self(stream);
        frames.write(TEST, b"Client Hello!\0");
        assert_eq!(frames.read().0, TEST);
        frames
    }

    pub(crate) fn exchange(&mut self, request: &Packet) -> Packet {
        let kind = request.carriage.data_object_type();
        self.write(NORMAL, &object(kind, &request.bytes));
        let (command, answer) = self.read();
        assert_eq!(command, NORMAL);
        packet(&answer).unwrap()
    }

    pub(crate) fn shutdown(&mut self) {
        self.write(SHUTDOWN, &[]);
        assert_eq!(self.read().0, SHUTDOWN);
    }

    /// A requester, until it is done.
    pub(crate) fn serve(stream: TcpStream, respond: &mut dyn FnMut(&Packet) -> Packet) {
        let mut frames = Self(stream);
        loop {
            let (command, payload) = frames.read();
            if command != NORMAL {
                frames.write(command, &[]);
                if command == SHUTDOWN {
                    return;
                }
                continue;
            }
            let answer = match packet(&payload) {
                Some(request) => {
                    let response = respond(&request);
                    object(response.carriage.data_object_type(), &response.bytes)
                }
                None => {
                    // Discovery: the types 0, 1 and 2 in turn.
                    let index = payload[8];
                    object(DISCOVERY, &[1, 0, index, (index + 1) % 3])
                }
            };
            frames.write(NORMAL, &answer);
        }
    }

    fn write(&mut self, command: u32, payload: &[u8]) {
        let head = [command, PCI_DOE, payload.len() as u32].map(u32::to_be_bytes);
        let bytes = [head.as_flattened(), payload].concat();
        self.0.write_all(&bytes).unwrap();
    }

    fn read(&mut self) -> (u32, Vec<u8>) {
        let mut head = [0; 12];
        self.0.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!(word(4), PCI_DOE);
        let mut payload = vec![0; word(8) as usize];
        self.0.read_exact(&mut payload).unwrap();
        (word(0), payload)
    }
}
