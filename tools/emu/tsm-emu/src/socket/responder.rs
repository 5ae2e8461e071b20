// SPDX-License-Identifier: GPL-2.0

//! The responder's side of the socket: requesters come one after the other, and data objects are
//! answered.

use super::{Command, Frame, FrameError};
use crate::doe::Object;
use std::io::{Read, Write};
use std::net::TcpListener;
use tracing::{debug, info, warn};

/// What a responder says to hello, with the zero byte that the peer sends too.
const HELLO: &[u8] = b"Server Hello!\0";

/// How a requester went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Another may come.
    Continue,
    /// It shut the responder down.
    Shutdown,
}

/// Serves requesters until one shuts it down. `answer` gets each data object and gives the one that
/// goes back; without one, the connection ends, as the protocol has no other way to say so.
pub fn serve(
    listener: &TcpListener,
    answer: &mut dyn FnMut(&Object) -> Option<Object>,
) -> Result<(), FrameError> {
    loop {
        let (mut stream, peer) = listener.accept()?;
        info!(%peer, "requester");
        stream.set_nodelay(true)?;
        match talk(&mut stream, answer) {
            Ok(Departure::Shutdown) => return Ok(()),
            Ok(Departure::Continue) => {}
            Err(error) => warn!(%peer, %error, "requester"),
        }
    }
}

/// Serves one requester.
pub fn talk(
    stream: &mut (impl Read + Write),
    answer: &mut dyn FnMut(&Object) -> Option<Object>,
) -> Result<Departure, FrameError> {
    while let Some(frame) = Frame::read(stream)? {
        match frame.command {
            Command::Normal => {
                let object = frame.object()?;
                let Some(answer) = answer(&object) else {
                    debug!(kind = object.kind, "not answered");
                    break;
                };
                Frame::of_object(&answer).write(stream)?;
            }
            Command::Test => Frame {
                command: Command::Test,
                payload: HELLO.to_vec(),
            }
            .write(stream)?,
            Command::Continue => {
                Frame::empty(Command::Continue).write(stream)?;
                break;
            }
            Command::Shutdown => {
                Frame::empty(Command::Shutdown).write(stream)?;
                return Ok(Departure::Shutdown);
            }
            Command::Unknown | Command::Other(_) => {
                Frame::empty(Command::Unknown).write(stream)?;
                break;
            }
        }
    }
    Ok(Departure::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doe::TYPE_CMA;
    use crate::socket::connection::Connection;
    use std::io;
    use std::net::TcpStream;
    use std::thread;

    /// What comes in, and what went out.
    struct Pipe<'a> {
        input: &'a [u8],
        output: Vec<u8>,
    }

    impl Read for Pipe<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.input.read(bytes)
        }
    }

    impl Write for Pipe<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bytes(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.write(&mut bytes).unwrap();
        }
        bytes
    }

    fn talked(frames: &[Frame]) -> (Departure, Vec<Frame>) {
        let input = bytes(frames);
        let mut pipe = Pipe {
            input: &input,
            output: Vec::new(),
        };
        let departure = talk(&mut pipe, &mut |object| {
            (object.kind == TYPE_CMA).then(|| object.clone())
        });
        let mut output = pipe.output.as_slice();
        let mut frames = Vec::new();
        while let Some(frame) = Frame::read(&mut output).unwrap() {
            frames.push(frame);
        }
        (departure.unwrap(), frames)
    }

    #[test]
    fn commands() {
        let object = Frame::of_object(&Object::of_bytes(TYPE_CMA, &[1, 2, 3]));
        let unanswered = Frame::of_object(&Object::of_bytes(9, &[]));
        let hello = Frame::empty(Command::Test);
        let (continued, shutdown) = (
            Frame::empty(Command::Continue),
            Frame::empty(Command::Shutdown),
        );
        let (departure, answers) = talked(&[hello, object.clone(), shutdown.clone()]);
        assert_eq!(departure, Departure::Shutdown);
        assert_eq!(answers[0].payload, HELLO);
        assert_eq!(answers[1..], [object.clone(), shutdown]);
        let over = (Departure::Continue, vec![continued.clone()]);
        assert_eq!(talked(&[continued, object.clone()]), over);
        assert_eq!(talked(&[unanswered, object.clone()]).1, []);
        let (_, answers) = talked(&[Frame::empty(Command::Other(0x8001)), object.clone()]);
        assert_eq!(answers, [Frame::empty(Command::Unknown)]);
        assert_eq!(talked(std::slice::from_ref(&object)).1, [object]);
    }

    #[test]
    fn one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut count = 0;
            serve(&listener, &mut |object| {
                count += 1;
                Some(object.clone())
            })
            .map(|()| count)
        });
        let object = Object::of_bytes(TYPE_CMA, &[7; 8]);
        // The first one's frame is no object: that is its own misfortune.
        let mut stream = TcpStream::connect(address).unwrap();
        let frame = Frame {
            command: Command::Normal,
            payload: vec![1],
        };
        frame.write(&mut stream).unwrap();
        assert!(Frame::read(&mut stream).unwrap().is_none());
        for last in [false, true] {
            let mut connection = Connection::open(TcpStream::connect(address).unwrap()).unwrap();
            assert_eq!(connection.exchange(&object).unwrap(), object);
            connection.close(last).unwrap();
        }
        assert_eq!(server.join().unwrap().unwrap(), 2);
    }
}
