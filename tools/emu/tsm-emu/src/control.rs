// SPDX-License-Identifier: GPL-2.0

//! The control socket: one request a line, one answer a line.
//!
//! | request | answer |
//! |---|---|
//! | `set KNOB VALUE` | `ok` |
//! | `get KNOB` | `ok VALUE` |
//! | `reset` | `ok`; all knobs are back, states stay |
//! | `state` | `ok` and JSON |
//! | `guest-key N` | `ok` and the key that the guest of the newest VM (0), the one before it (1) and so on talks to its firmware with, in hexadecimal |
//!
//! What cannot be done is answered with `error` and a reason. Empty lines are not answered.

use crate::platform::{Platform, Shared};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Instant;
use tracing::{debug, warn};

/// Longest line.
const LINE_MAX: u64 = 256;

/// Answers a request; an empty line has no answer.
pub fn answer(platform: &mut Platform, line: &str, now: Instant) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let outcome = match words.as_slice() {
        [] => return None,
        ["set", knob, value] => platform.set_knob(knob, value, now).map(|()| String::new()),
        ["get", knob] => platform.knob(knob, now),
        ["reset"] => {
            platform.reset_knobs();
            Ok(String::new())
        }
        ["state"] => Ok(platform.state()),
        ["guest-key", age] => {
            let key = age.parse().ok().and_then(|age| platform.guest_key(age));
            return Some(key.map_or("error no such guest".to_owned(), |key| format!("ok {key}")));
        }
        _ => return Some("error no such request".to_owned()),
    };
    Some(match outcome {
        Ok(text) if text.is_empty() => "ok".to_owned(),
        Ok(text) => format!("ok {text}"),
        Err(error) => format!("error {error}"),
    })
}

fn talk(platform: &Shared, stream: &UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        if (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line);
        let answer = answer(&mut platform.lock(), &line, Instant::now());
        debug!(?line, ?answer, "control");
        if let Some(answer) = answer {
            let mut stream = stream;
            stream.write_all(answer.as_bytes())?;
            stream.write_all(b"\n")?;
        }
    }
}

/// Serves everybody who connects.
pub fn serve(platform: &Shared, listener: &UnixListener) {
    for stream in listener.incoming() {
        let platform = platform.clone();
        match stream {
            Ok(stream) => {
                thread::spawn(move || {
                    if let Err(error) = talk(&platform, &stream) {
                        warn!(%error, "control socket");
                    }
                });
            }
            Err(error) => warn!(%error, "control socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Length};
    use crate::platform::{identities, DEVICES};
    use proptest::prelude::*;
    use std::sync::OnceLock;

    fn platform() -> Platform {
        static IDENTITIES: OnceLock<[Identity; DEVICES]> = OnceLock::new();
        Platform::new(
            IDENTITIES
                .get_or_init(|| identities(Length::default()).unwrap())
                .clone(),
        )
    }

    #[test]
    fn requests() {
        let mut platform = platform();
        let now = Instant::now();
        let mut ask = |line| answer(&mut platform, line, now);
        assert_eq!(ask(""), None);
        assert_eq!(ask(" \r\n"), None);
        assert_eq!(ask("set doe-short 2\r\n").as_deref(), Some("ok"));
        assert_eq!(ask("get doe-short\n").as_deref(), Some("ok 2"));
        assert_eq!(ask("reset\n").as_deref(), Some("ok"));
        assert_eq!(ask("get doe-short\n").as_deref(), Some("ok 0"));
        assert_eq!(
            ask("state\n").as_deref(),
            Some(
                "ok {\"tdi\":[0,0,0,0,0],\"session\":0,\"sessions\":[0, 0, 0],\"stream\":\"none\",\"streams\":[\"none\", \"none\", \"none\"],\"doe\":0,\"calls\":0,\"connections\":0,\"tdis\":0,\"vms\":0,\"pages\":0}"
            )
        );
        for line in ["guest-key 0\n", "guest-key x\n", "guest-key -1\n"] {
            assert_eq!(ask(line).as_deref(), Some("error no such guest"));
        }
        assert_eq!(ask("set tdi-error 2\n").as_deref(), Some("ok"));
        assert!(ask("state\n")
            .unwrap()
            .starts_with("ok {\"tdi\":[0,3,0,0,0],"));
        assert_eq!(
            ask("set nothing 1\n").as_deref(),
            Some("error no such knob: nothing")
        );
        assert_eq!(
            ask("set doe-short x\n").as_deref(),
            Some("error bad value: x")
        );
        assert_eq!(ask("hello\n").as_deref(), Some("error no such request"));
    }

    #[test]
    fn over_a_socket() {
        let (here, there) = UnixStream::pair().unwrap();
        let shared = Shared::new(platform());
        let server = thread::spawn(move || talk(&shared, &there));
        let mut reader = BufReader::new(&here);
        let mut line = String::new();
        (&here)
            .write_all(b"\nset doe-late-ms 30\nget doe-late-ms\n")
            .unwrap();
        reader.read_line(&mut line).unwrap();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "ok\nok 30\n");
        here.shutdown(std::net::Shutdown::Both).unwrap();
        server.join().unwrap().unwrap();
    }

    proptest! {
        #[test]
        fn any_line(line: String) {
            let _ = answer(&mut platform(), &line, Instant::now());
        }
    }
}
