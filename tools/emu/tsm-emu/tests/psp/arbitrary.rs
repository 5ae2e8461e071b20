// SPDX-License-Identifier: GPL-2.0

//! Whatever a host says: nothing breaks, and no page is changed that is not the firmware's, nor one of
//! a context.

use crate::driver::{Driver, Vm, GUEST_RID};
use crate::owners::Owners;
use proptest::prelude::*;
use tsm_wire::mailbox::INSTRUCTION;
use tsm_wire::sev::rmp::{Instruction, PageState};
use tsm_wire::sev::{Command, Sla, SpdmCtrl};
use zerocopy::IntoBytes;

/// Words that mean something in a command.
#[derive(Clone, Copy, Debug)]
enum Word {
    Device,
    Tdi,
    Guest,
    Buffer(u8),
    Host,
    Data,
    Identifier,
    Any(u64),
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        Just(Word::Device),
        Just(Word::Tdi),
        Just(Word::Guest),
        (0u8..4).prop_map(Word::Buffer),
        Just(Word::Host),
        Just(Word::Data),
        Just(Word::Identifier),
        any::<u64>().prop_map(Word::Any),
        (0u64..4).prop_map(Word::Any),
    ]
}

#[derive(Clone, Debug)]
enum Act {
    /// A command of this length, with these words; or its buffers at the right place.
    Command(usize, Vec<Word>, bool),
    /// Carry what is in the request buffer.
    Carry,
    /// Something into the response buffer.
    Respond(Vec<u8>),
    /// RMPUPDATE of one of the pages that are no list.
    Update(Word, u64, u64),
    /// Anything else.
    Raw(u64, [u64; 4]),
}

fn page() -> impl Strategy<Value = Word> {
    prop_oneof![
        Just(Word::Host),
        Just(Word::Data),
        Just(Word::Guest),
        Just(Word::Tdi),
    ]
}

fn state() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(PageState::Firmware.raw()),
        2 => Just(PageState::Shared.raw()),
        1 => Just(PageState::Guest(1).raw()),
        1 => any::<u64>(),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let commands = 0..Command::ALL.len();
    let words = proptest::collection::vec(word(), 0..10);
    prop_oneof![
        6 => (commands, words, any::<bool>()).prop_map(|(c, w, b)| Act::Command(c, w, b)),
        2 => Just(Act::Carry),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Act::Respond),
        2 => (page(), state(), 0u64..3).prop_map(|(page, state, gpa)| Act::Update(page, state, gpa)),
        1 => (any::<u64>(), any::<[u64; 4]>()).prop_map(|(x0, x)| Act::Raw(x0, x)),
    ]
}

/// Length of a command's buffer, as its first word has to say.
fn length(command: Command) -> u32 {
    match command {
        Command::TioStatus | Command::TioInit | Command::TioDevReclaim => 16,
        Command::TioDevCreate
        | Command::TioDevStatus
        | Command::TioTdiReclaim
        | Command::TioAsidFenceClear
        | Command::TioAsidFenceStatus => 32,
        Command::TioDevDisconnect | Command::TioDevCertificates | Command::TioTdiCreate => 48,
        Command::TioTdiUnbind | Command::TioTdiReport | Command::TioTdiStatus => 64,
        _ => 80,
    }
}

fn parameters(
    command: Command,
    words: &[Word],
    buffers: Option<SpdmCtrl>,
    value: impl Fn(Word) -> u64,
) -> Vec<u8> {
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| value(*word).to_le_bytes())
        .collect();
    bytes.resize(128, 0);
    if u64::from(command) >= u64::from(Command::TioStatus) {
        bytes[..8].copy_from_slice(&u64::from(length(command)).to_le_bytes());
        if let Some(buffers) = buffers {
            bytes[8..40].copy_from_slice(buffers.as_bytes());
        }
    }
    bytes
}

/// A host that does as it likes, and what it knows of its pages.
struct Wanton {
    driver: Driver,
    names: [Sla; 2],
    vm: Vm,
    /// A page that is the host's at first.
    page: u64,
    owners: Owners,
}

impl Wanton {
    /// With a TDI context of a connected device, and a guest.
    fn new() -> Self {
        let (mut driver, names, vm) = Driver::assigned();
        let page = driver.host.page();
        driver.host.write(page, &[0x5a; 4096]);
        let owners = Owners::new(&driver, names, &vm);
        Self {
            driver,
            names,
            vm,
            page,
            owners,
        }
    }

    fn value(&self, word: Word) -> u64 {
        let [device, tdi] = self.names;
        let buffers = self.driver.buffers;
        match word {
            Word::Device => device.0,
            Word::Tdi => tdi.0,
            Word::Guest => self.vm.context,
            Word::Buffer(0) => buffers.req.0,
            Word::Buffer(1) => buffers.resp.0,
            Word::Buffer(2) => buffers.scratch.0,
            Word::Buffer(_) => buffers.output.0,
            Word::Host => self.page,
            Word::Data => self.driver.data,
            Word::Identifier => u64::from(GUEST_RID),
            Word::Any(value) => value,
        }
    }

    fn perform(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Command(which, words, buffers) => {
                let command = Command::ALL[*which];
                let buffers = buffers.then_some(self.driver.buffers);
                let bytes = parameters(command, words, buffers, |word| self.value(word));
                let page = self.driver.command;
                self.driver.host.write(page, &bytes);
                self.ring(command.into(), &[page])
            }
            Act::Carry => {
                // There may be no request in the buffer, or one that is over.
                let driver = &mut self.driver;
                let bytes = driver.contents(driver.buffers.req);
                if bytes[64] == 1 {
                    let length = u32::from_le_bytes(bytes[68..72].try_into().unwrap()) as usize;
                    let message = bytes.get(80..64 + length).unwrap_or_default().to_vec();
                    let answer = driver.host.exchange(bytes[74], &message);
                    driver.respond(bytes[74], &answer.unwrap_or_default());
                }
                Ok(())
            }
            Act::Respond(bytes) => {
                self.driver.put(self.driver.buffers.resp, bytes);
                Ok(())
            }
            Act::Update(page, state, gpa) => {
                let x0 = INSTRUCTION | u64::from(Instruction::RmpUpdate);
                self.ring(x0, &[self.value(*page), gpa * 4096, *state, 1])
            }
            Act::Raw(x0, x) => self.ring(*x0, x),
        }
    }

    fn ring(&mut self, x0: u64, x: &[u64]) -> Result<(), String> {
        self.owners.ring(&mut self.driver, x0, x)
    }
}

/// Every sequence has a platform of its own, which takes long to make: there are fewer of them than
/// elsewhere.
fn few() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(10),
        ..usual
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn any_commands(acts in proptest::collection::vec(act(), 1..120)) {
        let mut wanton = Wanton::new();
        for act in &acts {
            let done = wanton.perform(act);
            prop_assert!(done.is_ok(), "{act:?}: {}", done.unwrap_err());
        }
    }
}

/// What was a guest's context can be written to when the guest is no more, whatever other guest there
/// is by then.
#[test]
fn a_page_of_a_guest_that_is_no_more() {
    let mut wanton = Wanton::new();
    let page = wanton.vm.context;
    let before = wanton.driver.host.read(page, 4096);
    let command = |command: Command, words: &[Word]| {
        let which = Command::ALL.iter().position(|other| *other == command);
        Act::Command(which.unwrap(), words.to_vec(), false)
    };
    let tell = command(Command::TioStatus, &[Word::Any(0), Word::Guest]);
    let end = command(Command::SnpDecommission, &[Word::Guest]);
    let another = command(Command::SnpGctxCreate, &[Word::Data]);
    let steps = [
        (tell.clone(), false),
        (end, false),
        (another, false),
        (tell, true),
    ];
    for (act, tells) in &steps {
        assert_eq!(wanton.perform(act), Ok(()));
        let told = wanton.driver.host.read(page, 4096) != before;
        assert_eq!(told, *tells, "{act:?}");
    }
    assert_eq!(wanton.driver.counts()[..3], [1; 3]);
}
