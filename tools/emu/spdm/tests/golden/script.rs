// SPDX-License-Identifier: GPL-2.0

//! A conversation in a file.

use spdm::{Carriage, Packet};
use std::fmt::Write;

const HEAD: &str = "# Data objects in order: who sent it, its type (0 discovery, 1 CMA/SPDM, \
    2 secured CMA/SPDM), and what follows its header.\n";

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Request,
    Response,
}

impl Speaker {
    fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// What is said, and how much of it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    said: Vec<(Speaker, Packet)>,
    at: usize,
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let said = lines
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let speaker = [Speaker::Request, Speaker::Response]
                    .into_iter()
                    .find(|speaker| speaker.word() == words[0])
                    .unwrap();
                let carriage = Carriage::of(words[1].parse().unwrap()).unwrap();
                let bytes = (0..words[2].len() / 2)
                    .map(|n| u8::from_str_radix(&words[2][2 * n..2 * n + 2], 16).unwrap())
                    .collect();
                (speaker, Packet { carriage, bytes })
            })
            .collect();
        Self { said, at: 0 }
    }

    /// What is said next.
    pub(crate) fn next(&mut self, speaker: Speaker) -> Packet {
        let (who, packet) = self.said[self.at].clone();
        assert_eq!(who, speaker);
        self.at += 1;
        packet
    }

    /// This, padded to whole words, has to be said next.
    pub(crate) fn expect(&mut self, speaker: Speaker, packet: &Packet) {
        let at = self.at;
        let expected = self.next(speaker);
        assert_eq!(packet.carriage, expected.carriage, "object {at}");
        assert_eq!(padded(&packet.bytes), expected.bytes, "object {at}");
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at == self.said.len()
    }

    /// Numbers of the responses, counted by themselves.
    pub(crate) fn responses(&self) -> std::ops::Range<usize> {
        0..self.said.len() / 2
    }

    pub(crate) fn push(&mut self, speaker: Speaker, packet: &Packet) {
        let packet = Packet {
            carriage: packet.carriage,
            bytes: padded(&packet.bytes),
        };
        self.said.push((speaker, packet));
    }

    /// Writes it to a file of this crate.
    pub(crate) fn write(&self, path: &str) {
        let mut text = HEAD.to_owned();
        for (speaker, packet) in &self.said {
            let kind = packet.carriage.data_object_type();
            write!(text, "{} {kind} ", speaker.word()).unwrap();
            for byte in &packet.bytes {
                write!(text, "{byte:02x}").unwrap();
            }
            text.push('\n');
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
