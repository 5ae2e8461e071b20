// SPDX-License-Identifier: GPL-2.0

//! Data Object Exchange mailbox (PCI Express 6.0, 6.30 and 7.9.24).
//!
//! Software writes the words of an object to the write register and sets GO; the answer appears in
//! the read register, from which a write pops each word. ABORT empties both directions and is the
//! only way out of an error.

use std::collections::VecDeque;
use std::time::Instant;

/// Vendor of the objects that are known here.
pub const VENDOR_PCI_SIG: u16 = 0x0001;
/// Object type: discovery.
pub const TYPE_DISCOVERY: u8 = 0;
/// Object type: CMA-SPDM.
pub const TYPE_CMA: u8 = 1;
/// Object type: secured CMA-SPDM.
pub const TYPE_SECURED_CMA: u8 = 2;

/// Words of the header of an object.
pub const HEADER_WORDS: usize = 2;
/// Most words in an object; its length field is 0 then.
const WORDS_MAX: usize = 1 << 18;

/// Control register, from the capability's offset.
pub const CONTROL: usize = 0x08;
/// Status register.
pub const STATUS: usize = 0x0c;
/// Write data mailbox register.
pub const WRITE: usize = 0x10;
/// Read data mailbox register.
pub const READ: usize = 0x14;

/// In [`CONTROL`]: give up.
pub const CONTROL_ABORT: u32 = 1 << 0;
/// In [`CONTROL`]: the object is complete.
pub const CONTROL_GO: u32 = 1 << 31;
/// In [`STATUS`]: the object is being worked on.
pub const STATUS_BUSY: u32 = 1 << 0;
/// In [`STATUS`]: something is wrong; abort.
pub const STATUS_ERROR: u32 = 1 << 2;
/// In [`STATUS`]: there is a word to be read.
pub const STATUS_READY: u32 = 1 << 31;

/// A data object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Vendor ID.
    pub vendor: u16,
    /// Type, of the vendor's.
    pub kind: u8,
    /// What follows the header.
    pub payload: Vec<u32>,
}

impl Object {
    /// With bytes as payload, padded to whole words.
    pub fn of_bytes(kind: u8, bytes: &[u8]) -> Self {
        let payload = bytes
            .chunks(4)
            .map(|chunk| {
                let mut word = [0; 4];
                for (to, from) in word.iter_mut().zip(chunk) {
                    *to = *from;
                }
                u32::from_le_bytes(word)
            })
            .collect();
        Self {
            vendor: VENDOR_PCI_SIG,
            kind,
            payload,
        }
    }

    /// The payload as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.payload
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// The whole object, with its header.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// Of the bytes of a whole object, if that is what they are.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        let words: Vec<u32> = words.iter().copied().map(u32::from_le_bytes).collect();
        rest.is_empty().then(|| Self::decode(&words)).flatten()
    }

    fn encode(&self) -> VecDeque<u32> {
        let length = (self.payload.len() + HEADER_WORDS) % WORDS_MAX;
        let header = [
            u32::from(self.vendor) | u32::from(self.kind) << 16,
            length as u32,
        ];
        header
            .into_iter()
            .chain(self.payload.iter().copied())
            .collect()
    }

    fn decode(words: &[u32]) -> Option<Self> {
        let [first, second, payload @ ..] = words else {
            return None;
        };
        let length = match (second & 0x3ffff) as usize {
            0 => WORDS_MAX,
            length => length,
        };
        (words.len() == length).then(|| Self {
            vendor: (first & 0xffff) as u16,
            kind: (first >> 16 & 0xff) as u8,
            payload: payload.to_vec(),
        })
    }
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: it is not one that is known here.
    Discard,
    /// An error.
    Error,
    /// Nothing, and the mailbox stays busy until it is aborted.
    Never,
    /// This object, not before that time.
    Object(Object, Instant),
}

/// A mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    input: Vec<u32>,
    output: VecDeque<u32>,
    ready_at: Option<Instant>,
    hangs: bool,
    error: bool,
}

impl Mailbox {
    /// Reads a register, by its offset from the capability's.
    pub fn read(&self, register: usize, now: Instant) -> u32 {
        match register {
            STATUS => {
                let mut status = 0;
                if self.is_busy(now) {
                    status |= STATUS_BUSY;
                }
                if self.error {
                    status |= STATUS_ERROR;
                }
                if self.is_ready(now) {
                    status |= STATUS_READY;
                }
                status
            }
            READ if self.is_ready(now) => self.output.front().copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Writes a register. Returns the object that the write completed; it has to be answered.
    pub fn write(&mut self, register: usize, value: u32, now: Instant) -> Option<Object> {
        match register {
            CONTROL if value & CONTROL_ABORT != 0 => {
                self.abort();
                None
            }
            CONTROL if value & CONTROL_GO != 0 => self.go(now),
            WRITE => {
                if !self.is_busy(now) && !self.error {
                    self.input.push(value);
                    if self.input.len() > WORDS_MAX {
                        self.fail();
                    }
                }
                None
            }
            READ => {
                if !self.is_ready(now) {
                    self.fail();
                } else {
                    self.output.pop_front();
                }
                None
            }
            _ => None,
        }
    }

    /// Answers the object that a write returned.
    pub fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Discard => {}
            Answer::Error => self.fail(),
            Answer::Never => self.hangs = true,
            Answer::Object(object, at) => {
                self.output = object.encode();
                self.ready_at = Some(at);
            }
        }
    }

    /// Empties it.
    pub fn abort(&mut self) {
        *self = Self::default();
    }

    fn go(&mut self, now: Instant) -> Option<Object> {
        if self.is_busy(now) || self.error {
            return None;
        }
        let words = std::mem::take(&mut self.input);
        let object = Object::decode(&words);
        // An answer that nobody took is in the way.
        if object.is_none() || !self.output.is_empty() {
            self.fail();
            return None;
        }
        object
    }

    fn fail(&mut self) {
        self.abort();
        self.error = true;
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.hangs
            || self
                .ready_at
                .is_some_and(|at| !self.output.is_empty() && now < at)
    }

    fn is_ready(&self, now: Instant) -> bool {
        !self.output.is_empty() && !self.is_busy(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn send(mailbox: &mut Mailbox, words: &[u32], now: Instant) -> Option<Object> {
        for word in words {
            assert_eq!(mailbox.write(WRITE, *word, now), None);
        }
        mailbox.write(CONTROL, CONTROL_GO, now)
    }

    fn receive(mailbox: &mut Mailbox, now: Instant) -> Vec<u32> {
        let mut words = Vec::new();
        while mailbox.read(STATUS, now) & STATUS_READY != 0 {
            words.push(mailbox.read(READ, now));
            mailbox.write(READ, 0, now);
        }
        words
    }

    #[test]
    fn exchange() {
        let now = Instant::now();
        let mut mailbox = Mailbox::default();
        let object = send(&mut mailbox, &[0x0001_0001, 3, 0xabcd], now).unwrap();
        assert_eq!(object.bytes(), [0xcd, 0xab, 0, 0]);
        assert_eq!((object.vendor, object.kind), (VENDOR_PCI_SIG, TYPE_CMA));
        mailbox.answer(Answer::Object(Object::of_bytes(TYPE_CMA, b"hello"), now));
        assert_eq!(mailbox.read(STATUS, now), STATUS_READY);
        let words = receive(&mut mailbox, now);
        assert_eq!(
            words,
            [
                0x0001_0001,
                4,
                u32::from_le_bytes(*b"hell"),
                u32::from(b'o')
            ]
        );
        assert_eq!(mailbox.read(STATUS, now), 0);
    }

    #[test]
    fn late() {
        let now = Instant::now();
        let then = now + Duration::from_millis(5);
        let mut mailbox = Mailbox::default();
        send(&mut mailbox, &[0x0001_0001, 2], now).unwrap();
        mailbox.answer(Answer::Object(Object::of_bytes(TYPE_CMA, &[]), then));
        assert_eq!(mailbox.read(STATUS, now), STATUS_BUSY);
        assert_eq!(mailbox.read(READ, now), 0);
        assert_eq!(mailbox.read(STATUS, then), STATUS_READY);
        assert_eq!(receive(&mut mailbox, then), [0x0001_0001, 2]);
    }

    #[test]
    fn hang_and_abort() {
        let now = Instant::now();
        let mut mailbox = Mailbox::default();
        send(&mut mailbox, &[0x0001_0001, 2], now).unwrap();
        mailbox.answer(Answer::Never);
        assert_eq!(mailbox.read(STATUS, now), STATUS_BUSY);
        assert_eq!(send(&mut mailbox, &[0x0001_0001, 2], now), None);
        mailbox.write(CONTROL, CONTROL_ABORT, now);
        assert_eq!(mailbox.read(STATUS, now), 0);
        assert!(send(&mut mailbox, &[0x0001_0001, 2], now).is_some());
    }

    #[test]
    fn errors_need_an_abort() {
        let now = Instant::now();
        let cases: [&[u32]; 5] = [&[], &[1], &[1, 0], &[1, 3], &[1, 2, 3]];
        for words in cases {
            let mut mailbox = Mailbox::default();
            assert_eq!(send(&mut mailbox, words, now), None, "{words:?}");
            assert_eq!(mailbox.read(STATUS, now), STATUS_ERROR);
            assert_eq!(send(&mut mailbox, &[1, 2], now), None);
            mailbox.write(CONTROL, CONTROL_ABORT, now);
            assert_eq!(mailbox.read(STATUS, now), 0);
        }
        let mut mailbox = Mailbox::default();
        mailbox.write(READ, 0, now);
        assert_eq!(mailbox.read(STATUS, now), STATUS_ERROR);
    }

    #[test]
    fn unread_answer_is_an_error() {
        let now = Instant::now();
        let mut mailbox = Mailbox::default();
        send(&mut mailbox, &[1, 2], now).unwrap();
        mailbox.answer(Answer::Object(Object::of_bytes(0, b"1234"), now));
        assert_eq!(send(&mut mailbox, &[1, 2], now), None);
        assert_eq!(mailbox.read(STATUS, now), STATUS_ERROR);
    }

    #[test]
    fn largest_object() {
        let now = Instant::now();
        let mut mailbox = Mailbox::default();
        let mut words = vec![0; WORDS_MAX];
        words[0] = 0x0001_0001;
        let object = send(&mut mailbox, &words, now).unwrap();
        assert_eq!(object.payload.len(), WORDS_MAX - 2);
        assert_eq!(object.encode()[1], 0);
        words.push(0);
        assert_eq!(send(&mut mailbox, &words, now), None);
    }

    proptest! {
        #[test]
        fn any_writes(writes in proptest::collection::vec((0usize..0x18, any::<u32>()), 0..200)) {
            let now = Instant::now();
            let mut mailbox = Mailbox::default();
            for (register, value) in writes {
                if let Some(object) = mailbox.write(register & !3, value, now) {
                    mailbox.answer(Answer::Object(object, now));
                }
                let status = mailbox.read(STATUS, now);
                prop_assert!(status & STATUS_ERROR == 0 || status & STATUS_READY == 0);
            }
            mailbox.write(CONTROL, CONTROL_ABORT, now);
            prop_assert_eq!(mailbox.read(STATUS, now), 0);
        }
    }
}
