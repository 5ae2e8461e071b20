// SPDX-License-Identifier: GPL-2.0

//! The control line of the emulated platform: knobs that make it misbehave, and what it knows of
//! itself. One line asks, one line answers.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Where a guest finds it: the second serial port.
pub const DEFAULT_PATH: &str = "/dev/ttyS1";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes in an answer.
const ANSWER_MAX: usize = 64 * 1024;

/// A request that was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The line could not be opened or used.
    #[error("control line: {0}")]
    Line(io::Error),
    /// Nobody is at the other end.
    #[error("control line: no answer to '{0}'")]
    Silence(String),
    /// The platform refused.
    #[error("control line: '{request}' is refused: {answer}")]
    Refused {
        /// What was asked.
        request: String,
        /// Why not.
        answer: String,
    },
    /// The answer is none.
    #[error("control line: '{request}' is answered by '{answer}'")]
    Answer {
        /// What was asked.
        request: String,
        /// What came.
        answer: String,
    },
}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        ControlError::Line(error)
    }
}

/// The control line.
#[derive(Debug)]
pub struct ControlLine<S = File> {
    stream: S,
    patience: Duration,
}

impl ControlLine {
    /// Opens a serial line and makes it one that passes bytes on as they are.
    ///
    /// # Errors
    ///
    /// [`ControlError::Line`].
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        let stream = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        let mut mode = rustix::termios::tcgetattr(&stream).map_err(io::Error::from)?;
        mode.make_raw();
        // Flush: what an earlier user asked for and did not wait for is not our answer
        rustix::termios::tcsetattr(&stream, rustix::termios::OptionalActions::Flush, &mode)
            .map_err(io::Error::from)?;
        Ok(ControlLine {
            stream,
            patience: PATIENCE,
        })
    }
}

impl<S: Read + Write> ControlLine<S> {
    /// Sets a knob.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub fn set(&mut self, knob: &str, value: u64) -> Result<(), ControlError> {
        self.ask(&format!("set {knob} {value}")).map(drop)
    }

    /// The value of a knob.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub fn get(&mut self, knob: &str) -> Result<String, ControlError> {
        self.ask(&format!("get {knob}"))
    }

    /// Sets all knobs to their defaults.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub fn reset(&mut self) -> Result<(), ControlError> {
        self.ask("reset").map(drop)
    }

    /// The platform's state, as JSON.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub fn state(&mut self) -> Result<String, ControlError> {
        self.ask("state")
    }

    /// The key that the newest SNP guest but `older` shares with the PSP, 64 hexadecimal digits: what
    /// that guest would know from its secrets page, and nobody else.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub fn guest_key(&mut self, older: usize) -> Result<String, ControlError> {
        self.ask(&format!("guest-key {older}"))
    }

    fn ask(&mut self, request: &str) -> Result<String, ControlError> {
        let deadline = Instant::now() + self.patience;
        let mut line = format!("{request}\n").into_bytes();
        while !line.is_empty() {
            match self.stream.write(&line) {
                Ok(n) => line.drain(..n.min(line.len())).for_each(drop),
                Err(error) => wait(error, deadline, request)?,
            }
        }
        let mut answer = Vec::new();
        let mut byte = [0];
        while answer.len() < ANSWER_MAX {
            match self.stream.read(&mut byte) {
                Ok(0) => return Err(ControlError::Silence(request.to_owned())),
                Ok(_) if byte == *b"\n" => break,
                Ok(_) => answer.extend_from_slice(&byte),
                Err(error) => wait(error, deadline, request)?,
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.trim_end_matches('\r');
        let request = request.to_owned();
        match answer.split_once(' ').unwrap_or((answer, "")) {
            ("ok", value) => Ok(value.to_owned()),
            ("error", text) => Err(ControlError::Refused {
                request,
                answer: text.to_owned(),
            }),
            _ => Err(ControlError::Answer {
                request,
                answer: answer.to_owned(),
            }),
        }
    }
}

/// Waits by trying again. Sleeping would be wrong on a machine that counts instructions: its clock
/// jumps to the end of a sleep when nothing else runs, long before the other end had time to answer.
fn wait(error: io::Error, deadline: Instant, request: &str) -> Result<(), ControlError> {
    match error.kind() {
        io::ErrorKind::WouldBlock if Instant::now() < deadline => {
            thread::yield_now();
            Ok(())
        }
        io::ErrorKind::WouldBlock => Err(ControlError::Silence(request.to_owned())),
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A platform that gives one answer to whatever is asked.
    struct Platform {
        asked: Vec<u8>,
        answer: VecDeque<u8>,
        hesitate: bool,
    }

    impl Read for Platform {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.hesitate = !self.hesitate;
            match self.answer.pop_front() {
                Some(byte) if !self.hesitate => {
                    buffer[0] = byte;
                    Ok(1)
                }
                byte => {
                    byte.into_iter().for_each(|b| self.answer.push_front(b));
                    Err(io::ErrorKind::WouldBlock.into())
                }
            }
        }
    }

    impl Write for Platform {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(3);
            self.asked.extend(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(answer: &str) -> ControlLine<Platform> {
        ControlLine {
            stream: Platform {
                asked: Vec::new(),
                answer: answer.bytes().collect(),
                hesitate: false,
            },
            patience: Duration::from_millis(20),
        }
    }

    #[test]
    fn one_line_each_way() {
        let mut l = line("ok\r\n");
        l.set("measurement-bytes", 70_000).unwrap();
        assert_eq!(l.stream.asked, b"set measurement-bytes 70000\n");
        assert_eq!(line("ok 200\n").get("measurement-bytes").unwrap(), "200");
        assert_eq!(line("ok {\"a\": 1}\n").state().unwrap(), "{\"a\": 1}");
        line("ok\n").reset().unwrap();
    }

    #[test]
    fn what_is_not_done_is_said() {
        let error = line("error no such knob\n").set("x", 1).unwrap_err();
        assert!(error.to_string().ends_with("refused: no such knob"));
        let error = line("Debian login: \n").reset().unwrap_err();
        assert!(matches!(error, ControlError::Answer { .. }), "{error}");
        let error = line("ok without end").reset().unwrap_err();
        assert!(matches!(error, ControlError::Silence(_)), "{error}");
    }
}
