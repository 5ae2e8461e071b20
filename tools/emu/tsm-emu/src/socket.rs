// SPDX-License-Identifier: GPL-2.0

//! The socket protocol of DMTF's `spdm-emu` (its `command.h`), with PCI DOE as transport.
//!
//! Each frame is a command, a transport and a size, 32 bits each and big-endian, and then so many
//! bytes. With transport PCI DOE the bytes of a [`Command::Normal`] frame are one data object with
//! its header. The requester connects, says hello, sends objects and waits for the answer of each,
//! and at last shuts the responder down.

pub mod connection;
pub mod dialogue;
pub mod host;
pub mod requester;
pub mod responder;
pub mod run;

use crate::doe::Object;
use std::io::{self, Read, Write};
use thiserror::Error;

/// Transport: PCI DOE.
const TRANSPORT_PCI_DOE: u32 = 2;

/// Most bytes in a frame. What `spdm-emu` sends is far shorter.
pub const PAYLOAD_MAX: usize = 0x1_0000;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A data object.
    Normal,
    /// Hello.
    Test,
    /// The requester is done, and will be back.
    Continue,
    /// The requester is done; the responder shall end.
    Shutdown,
    /// The responder does not know the command it was sent.
    Unknown,
    /// Another one.
    Other(u32),
}

impl From<u32> for Command {
    fn from(value: u32) -> Self {
        match value {
            0x0001 => Self::Normal,
            0xdead => Self::Test,
            0xfffd => Self::Continue,
            0xfffe => Self::Shutdown,
            0xffff => Self::Unknown,
            value => Self::Other(value),
        }
    }
}

impl From<Command> for u32 {
    fn from(command: Command) -> Self {
        match command {
            Command::Normal => 0x0001,
            Command::Test => 0xdead,
            Command::Continue => 0xfffd,
            Command::Shutdown => 0xfffe,
            Command::Unknown => 0xffff,
            Command::Other(value) => value,
        }
    }
}

/// Why there is no frame.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The socket failed, or ended inside a frame.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The peer's transport is not PCI DOE.
    #[error("the peer's transport is {0}, not 2 (PCI_DOE)")]
    Transport(u32),
    /// The frame is longer than [`PAYLOAD_MAX`].
    #[error("a frame of {0} bytes is too long")]
    TooLong(u32),
    /// The bytes of a frame with command normal are not a data object.
    #[error("not a data object")]
    NoObject,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub command: Command,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Frame {
    /// With nothing behind the header.
    pub fn empty(command: Command) -> Self {
        Self {
            command,
            payload: Vec::new(),
        }
    }

    /// With a data object.
    pub fn of_object(object: &Object) -> Self {
        Self {
            command: Command::Normal,
            payload: object.to_bytes(),
        }
    }

    /// The data object in it.
    pub fn object(&self) -> Result<Object, FrameError> {
        Object::from_bytes(&self.payload).ok_or(FrameError::NoObject)
    }

    /// Reads a frame; None at the end of the stream.
    pub fn read(stream: &mut impl Read) -> Result<Option<Self>, FrameError> {
        let Some(command) = first_word(stream)? else {
            return Ok(None);
        };
        let transport = next_word(stream)?;
        if transport != TRANSPORT_PCI_DOE {
            return Err(FrameError::Transport(transport));
        }
        let size = next_word(stream)?;
        if size as usize > PAYLOAD_MAX {
            return Err(FrameError::TooLong(size));
        }
        let mut payload = vec![0; size as usize];
        stream.read_exact(&mut payload)?;
        Ok(Some(Self {
            command: command.into(),
            payload,
        }))
    }

    /// Writes it.
    pub fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(12 + self.payload.len());
        bytes.extend(u32::from(self.command).to_be_bytes());
        bytes.extend(TRANSPORT_PCI_DOE.to_be_bytes());
        bytes.extend((self.payload.len() as u32).to_be_bytes());
        bytes.extend(&self.payload);
        stream.write_all(&bytes)?;
        stream.flush()
    }
}

fn next_word(stream: &mut impl Read) -> io::Result<u32> {
    let mut word = [0; 4];
    stream.read_exact(&mut word)?;
    Ok(u32::from_be_bytes(word))
}

/// A word, or None if the stream ends before it.
fn first_word(stream: &mut impl Read) -> io::Result<Option<u32>> {
    let mut first = [0; 1];
    loop {
        match stream.read(&mut first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut rest = [0; 3];
    stream.read_exact(&mut rest)?;
    let ([a], [b, c, d]) = (first, rest);
    Ok(Some(u32::from_be_bytes([a, b, c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doe::TYPE_CMA;
    use proptest::prelude::*;

    fn read(mut bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
        Frame::read(&mut bytes)
    }

    #[test]
    fn get_version() {
        let frame = Frame::of_object(&Object::of_bytes(TYPE_CMA, &[0x10, 0x84, 0, 0]));
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        assert_eq!(
            bytes,
            [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 12, 1, 0, 1, 0, 3, 0, 0, 0, 0x10, 0x84, 0, 0]
        );
        assert_eq!(read(&bytes).unwrap(), Some(frame.clone()));
        assert_eq!(frame.object().unwrap().bytes(), [0x10, 0x84, 0, 0]);
    }

    #[test]
    fn hello() {
        let bytes = b"\0\0\xde\xad\0\0\0\x02\0\0\0\x0eClient Hello!\0";
        let frame = read(bytes).unwrap().unwrap();
        assert_eq!(frame.command, Command::Test);
        assert_eq!(frame.payload, b"Client Hello!\0");
    }

    #[test]
    fn end_of_stream() {
        assert_eq!(read(&[]).unwrap(), None);
        for length in 1..12 {
            let bytes = [0, 0, 0xff, 0xfe, 0, 0, 0, 2, 0, 0, 0, 0];
            let error = read(&bytes[..length]).unwrap_err();
            assert!(matches!(error, FrameError::Io(_)), "{length}");
        }
        let error = read(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 7]).unwrap_err();
        assert!(matches!(error, FrameError::Io(_)));
    }

    #[test]
    fn refused() {
        let error = read(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]).unwrap_err();
        assert!(matches!(error, FrameError::Transport(1)));
        let error = read(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1]).unwrap_err();
        assert!(matches!(error, FrameError::TooLong(0x1_0001)));
        let frame = Frame {
            command: Command::Normal,
            payload: vec![1, 0, 1, 0, 4, 0, 0, 0, 1, 2, 3],
        };
        assert!(matches!(frame.object(), Err(FrameError::NoObject)));
    }

    proptest! {
        #[test]
        fn round_trip(command: u32, payload: Vec<u8>) {
            let frame = Frame { command: command.into(), payload };
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            prop_assert_eq!(read(&bytes).unwrap(), Some(frame));
        }

        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
