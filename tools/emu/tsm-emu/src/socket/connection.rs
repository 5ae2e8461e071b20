// SPDX-License-Identifier: GPL-2.0

//! A connection to a responder, for requesters.

use super::{Command, Frame, FrameError};
use crate::doe::{Object, TYPE_DISCOVERY};
use std::io::{Read, Write};
use thiserror::Error;

/// What a requester says first, with the zero byte that the peer sends too.
const HELLO: &[u8] = b"Client Hello!\0";

/// Most protocols that are taken from a mailbox; its index has 8 bits.
const PROTOCOLS_MAX: usize = 256;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// There is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The responder ended the connection.
    #[error("the responder is gone")]
    Gone,
    /// The answer is to another command.
    #[error("answered with {0:?}")]
    Command(Command),
    /// What answers discovery is not an answer to it, or has no end.
    #[error("discovery is answered wrongly")]
    Discovery,
}

impl From<std::io::Error> for ConnectionError {
    fn from(error: std::io::Error) -> Self {
        Self::Frame(error.into())
    }
}

/// A protocol of a mailbox: vendor and type of its data objects.
pub type Protocol = (u16, u8);

/// A connection to a responder.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
}

impl<S: Read + Write> Connection<S> {
    /// Says hello over this stream.
    pub fn open(stream: S) -> Result<Self, ConnectionError> {
        let mut connection = Self { stream };
        connection.ask(&Frame {
            command: Command::Test,
            payload: HELLO.to_vec(),
        })?;
        Ok(connection)
    }

    /// Sends an object and waits for the one that answers it.
    pub fn exchange(&mut self, object: &Object) -> Result<Object, ConnectionError> {
        Ok(self.ask(&Frame::of_object(object))?.object()?)
    }

    /// Asks for the protocols of the mailbox (PCI Express 6.0, 6.30.1.1).
    pub fn discover(&mut self) -> Result<Vec<Protocol>, ConnectionError> {
        let mut protocols = Vec::new();
        let mut index = 0;
        while protocols.len() < PROTOCOLS_MAX {
            let answer = self.exchange(&Object::of_bytes(TYPE_DISCOVERY, &[index, 0, 0, 0]))?;
            let ([word], TYPE_DISCOVERY) = (answer.payload.as_slice(), answer.kind) else {
                break;
            };
            protocols.push((*word as u16, (*word >> 16) as u8));
            index = (*word >> 24) as u8;
            if index == 0 {
                return Ok(protocols);
            }
        }
        Err(ConnectionError::Discovery)
    }

    /// Says goodbye, and shuts the responder down if nobody else will come.
    pub fn close(mut self, last: bool) -> Result<(), ConnectionError> {
        let command = if last {
            Command::Shutdown
        } else {
            Command::Continue
        };
        self.ask(&Frame::empty(command)).map(drop)
    }

    fn ask(&mut self, frame: &Frame) -> Result<Frame, ConnectionError> {
        frame.write(&mut self.stream)?;
        let answer = Frame::read(&mut self.stream)?.ok_or(ConnectionError::Gone)?;
        if answer.command != frame.command {
            return Err(ConnectionError::Command(answer.command));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doe::TYPE_CMA;
    use std::io;

    /// A responder that has its answers ready.
    struct Script<'a> {
        answers: &'a [u8],
    }

    impl Read for Script<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.answers.read(bytes)
        }
    }

    impl Write for Script<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn script(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Frame::empty(Command::Test).write(&mut bytes).unwrap();
        for frame in frames {
            frame.write(&mut bytes).unwrap();
        }
        bytes
    }

    fn discovered(words: &[u32]) -> Result<Vec<Protocol>, ConnectionError> {
        let frames: Vec<Frame> = words
            .iter()
            .map(|word| Frame::of_object(&Object::of_bytes(TYPE_DISCOVERY, &word.to_le_bytes())))
            .collect();
        let answers = script(&frames);
        Connection::open(Script { answers: &answers })
            .unwrap()
            .discover()
    }

    #[test]
    fn discovery() {
        let protocols = discovered(&[0x0100_0001, 0x0201_0001, 0x0002_0001]).unwrap();
        assert_eq!(protocols, [(1, 0), (1, 1), (1, 2)]);
        let endless = discovered(&[0x0100_0001; 300]);
        assert!(matches!(endless, Err(ConnectionError::Discovery)));
        assert!(matches!(
            discovered(&[0x0100_0001]),
            Err(ConnectionError::Gone)
        ));
        let cma = Frame::of_object(&Object::of_bytes(TYPE_CMA, &[0; 4]));
        let answers = script(&[cma]);
        let mut connection = Connection::open(Script { answers: &answers }).unwrap();
        assert!(matches!(
            connection.discover(),
            Err(ConnectionError::Discovery)
        ));
    }

    #[test]
    fn wrong_command() {
        let answers = script(&[Frame::empty(Command::Unknown)]);
        let mut connection = Connection::open(Script { answers: &answers }).unwrap();
        let error = connection
            .exchange(&Object::of_bytes(TYPE_CMA, &[]))
            .unwrap_err();
        assert!(matches!(error, ConnectionError::Command(Command::Unknown)));
        assert!(matches!(
            Connection::open(Script { answers: &[] }),
            Err(ConnectionError::Gone)
        ));
    }
}
