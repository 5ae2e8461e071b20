// SPDX-License-Identifier: GPL-2.0

//! The TDX module, whatever a host calls, writes into its memory and makes of the messages that it is
//! to carry, and whatever a guest calls: pages are the module's from the call that takes them to the
//! one that gives them back, and are neither read nor written meanwhile; MMIO is in one place only; and
//! no TDI is locked or runs on the word of anybody but the device.

mod inputs;
mod life;
mod model;
mod operands;

use super::host::{passed_on, Host};
use super::memory::{page, PAGE};
use crate::spdm::{is_padded, ERROR};
use crate::Input;
use life::{Step, Talk, LIFE, TALKS};
use model::Model;
use operands::{calls, function, operands, word, Operands, ANSWER, EVIDENCE, PARAMS, REQUEST, TDR};
use spdm::{Carriage, Packet};
use tdisp::State;
use tsm_emu::config_space::COMMAND;
use tsm_emu::device::FUNCTIONS;
use tsm_emu::firmware::tdx::Tdx;
use tsm_emu::firmware::tsm::Registers;
use tsm_wire::tdx::devif::{ResponseOut, TdispCode, TdispState, TD_FLAG};
use tsm_wire::tdx::doe::{DoeHeader, PAYLOAD_MAX};
use tsm_wire::tdx::status::Status;
use tsm_wire::tdx::td::TD_PARAMS;
use tsm_wire::tdx::tpa::Turn;
use tsm_wire::tdx::{Call, Leaf, StandIn};
use zerocopy::{FromBytes, IntoBytes};

pub use inputs::seeds;

/// Most events of an input.
const EVENTS: usize = 40;
/// More messages than any conversation has.
const MESSAGES: usize = 128;
struct Rig {
    host: Host<Tdx>,
    model: Model,
    /// What the device proved itself with when it was last connected.
    hash: [u64; 6],
    /// An answer in the conversation was changed on its way.
    tampered: bool,
}

/// How much is made in a good order, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rig = Rig::new();
    rig.rise(usize::from(input.byte()) % (LIFE.len() + 1));
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
}

impl Rig {
    /// Nothing is made, and the stream is configured and not enabled.
    fn new() -> Self {
        let mut rig = Self {
            host: Host::new(None),
            model: Model::default(),
            hash: [0; 6],
            tampered: false,
        };
        rig.host.memory.poke(page(PARAMS), TD_PARAMS.as_bytes());
        rig.host.configure_stream(false);
        rig
    }

    /// Makes things in a good order, up to some height.
    fn rise(&mut self, height: usize) {
        for step in LIFE.into_iter().take(height) {
            match step {
                Step::Calls(calls) => {
                    for (call, variants) in calls {
                        for variant in 0..*variants {
                            let operands = operands(*call, variant, self.hash);
                            let out = self.call(*call, &operands);
                            assert_eq!(out[0], Status::Success.raw(), "{call:?} {variant}");
                        }
                    }
                }
                Step::Talks(talk, variants) => {
                    for variant in 0..variants {
                        let done = self.talk(talk, variant, &mut Input::new(&[]));
                        assert!(done, "height {height}");
                    }
                }
            }
            if matches!(step, Step::Talks(Talk::Key, _)) {
                self.host.configure_stream(true);
            }
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0 => {
                let call = input.pick(&calls());
                let operands = operands(call, input.byte(), self.hash);
                self.call(call, &operands);
            }
            1 => {
                let call = input.pick(&calls());
                let mut operands = operands(call, input.byte(), self.hash);
                let at = usize::from(input.byte()) % operands.len();
                operands[at] = word(input);
                self.call(call, &operands);
            }
            2 => {
                let call = input.pick(&calls());
                let operands = [(); 13].map(|()| word(input));
                self.call(call, &operands);
            }
            3 => {
                let at = page(input.byte()) + u64::from(input.half()) % PAGE;
                self.host.memory.poke(at, input.bytes());
            }
            4 => {
                let talk = input.pick(&TALKS);
                let variant = input.byte();
                // What happens to messages; nothing does to those after that.
                let script = &mut Input::new(input.bytes());
                self.talk(talk, variant, script);
            }
            5 => {
                let number = usize::from(input.byte()) % FUNCTIONS;
                match input.byte() % 4 {
                    0 => self.host.device().reset(number),
                    1 => self.host.write_config(number, COMMAND, &[0, 0]),
                    _ => self.host.mischief(input),
                }
            }
            6 => self.host.configure_stream(input.flag()),
            _ => {
                let x0 = input.double();
                if Call::from_raw(x0).is_err() {
                    let operands = [(); 13].map(|()| word(input));
                    let out = self.host.ring(x0, &operands);
                    let status = Status::from_rax(out[0]);
                    assert_eq!(status, Ok(Status::OperandInvalid));
                    assert!(out[1..].iter().all(|word| *word == 0));
                }
            }
        }
    }

    /// Makes a call, and follows what it does.
    fn call(&mut self, call: Call, operands: &Operands) -> Registers {
        let out = self.host.ring(call.raw(), operands);
        let status = Status::from_rax(out[0]).unwrap();
        if out[0] == Status::Success.raw() {
            self.model.follow(&self.host.memory, call, operands, &out);
        } else if status != Status::GoOn {
            assert!(out[1..].iter().all(|word| *word == 0), "{call:?} {out:x?}");
        }
        assert_eq!(self.host.counts(), self.model.counts(), "{call:?}");
        out
    }

    /// Talks with the device until it is over, or somebody gives up. Returns whether it was done.
    fn talk(&mut self, talk: Talk, variant: u8, input: &mut Input<'_>) -> bool {
        self.tampered = false;
        let done = match talk {
            Talk::Agent(call) => self.provision(call, variant, input),
            Talk::Key => {
                let request = operands(Leaf::IdeStreamIdekmreq.into(), variant, self.hash);
                let response = operands(Leaf::IdeStreamIdekmrsp.into(), variant, self.hash);
                self.does(Leaf::IdeStreamIdekmreq, &request)
                    && self
                        .hear(Leaf::IdeStreamIdekmrsp, &response, input)
                        .is_some()
            }
            Talk::Host(code) => self.host_asks(function(variant), code, input),
            Talk::Guest(code) => self.guest_asks(function(variant), code, input),
        };
        assert!(!done || !self.tampered, "done, and not authentic");
        done
    }

    fn provision(&mut self, call: StandIn, variant: u8, input: &mut Input<'_>) -> bool {
        let mut turn = Turn::Begin;
        for count in 0.. {
            assert!(count < MESSAGES, "no end");
            // The turn is another thing that operands are about.
            let variant = variant / 4 * 4 + turn as u8;
            let operands = operands(call.into(), variant, self.hash);
            let out = self.call(call.into(), &operands);
            let [status, asks, _, hash @ ..] = out;
            if status == Status::Success.raw() {
                if call == StandIn::TpaConnect {
                    self.hash.copy_from_slice(&hash[..6]);
                }
                return true;
            }
            if status != Status::GoOn.raw() {
                return false;
            }
            turn = Turn::Nothing;
            if asks == 1 {
                turn = match self.deliver(input) {
                    Some(true) => Turn::Answer,
                    Some(false) => Turn::NoAnswer,
                    None => return false,
                };
            }
        }
        unreachable!()
    }

    /// Makes a call. Returns whether it was done.
    fn does(&mut self, call: impl Into<Call>, operands: &Operands) -> bool {
        self.call(call.into(), operands)[0] == Status::Success.raw()
    }

    /// A request of the host's about a TDI, with its answer.
    fn host_asks(&mut self, number: u16, code: TdispCode, input: &mut Input<'_>) -> bool {
        let request = about(number, &[code as u64, page(REQUEST)]);
        let response = about(number, &[page(ANSWER), 0]);
        if !self.does(Leaf::DevifRequest, &request) {
            return false;
        }
        let out = self.hear(Leaf::DevifResponse, &response, input);
        if let Some(out) = &out {
            self.is_told(number, ResponseOut(out[1]));
        }
        out.is_some()
    }

    /// A request of the guest's, which the host carries.
    fn guest_asks(&mut self, number: u16, code: TdispCode, input: &mut Input<'_>) -> bool {
        let mut wish = about(number, &[code as u64]);
        let request = about(number, &[TD_FLAG, page(REQUEST)]);
        let response = about(number, &[page(ANSWER) | TD_FLAG, 0]);
        let mut answer = about(number, &[page(EVIDENCE)]);
        (wish[12], answer[12]) = (page(TDR), page(TDR));
        if !self.does(StandIn::DevifRequest, &wish)
            || !self.does(Leaf::DevifRequest, &request)
            || self.hear(Leaf::DevifResponse, &response, input).is_none()
        {
            return false;
        }
        let out = self.call(StandIn::DevifResponse.into(), &answer);
        let done = out[0] == Status::Success.raw();
        if done {
            self.is_told(number, ResponseOut(out[1]));
        }
        done
    }

    /// What is told of a TDI is what it is.
    fn is_told(&mut self, number: u16, told: ResponseOut) {
        assert!(self.model.has_devif(number));
        let unlocked = TdispState::Unlocked as u64;
        let state = match TdispCode::try_from(told.code()) {
            Ok(TdispCode::Locked) => State::Locked,
            Ok(TdispCode::Started) => State::Run,
            Ok(TdispCode::Stopped) => State::Unlocked,
            Ok(TdispCode::State) if told.state() == unlocked => State::Unlocked,
            _ => return,
        };
        assert_eq!(self.host.device_state(number), state);
    }

    /// Carries a request until its answer is taken.
    fn hear(
        &mut self,
        leaf: Leaf,
        operands: &Operands,
        input: &mut Input<'_>,
    ) -> Option<Registers> {
        for count in 0.. {
            assert!(count < MESSAGES, "no end");
            self.deliver(input)?;
            let out = self.call(leaf.into(), operands);
            if out[0] != Status::GoOn.raw() {
                return Some(out).filter(|out| out[0] == Status::Success.raw());
            }
        }
        unreachable!()
    }

    /// What becomes of the message in the page for requests. Returns whether there is an answer; `None`
    /// if the host gives up.
    fn deliver(&mut self, input: &mut Input<'_>) -> Option<bool> {
        let object = self.host.memory.peek(page(REQUEST), PAGE as usize);
        let (header, rest) = DoeHeader::read_from_prefix(&object).unwrap();
        let carriage = match header.kind {
            1 => Carriage::Plain,
            _ => Carriage::Secured,
        };
        let bytes = rest.get(..header.payload()?)?.to_vec();
        let honest = self.host.carry(&Packet { carriage, bytes });
        let mut answer = passed_on(honest.clone(), input)?;
        answer.truncate(PAYLOAD_MAX);
        let error = carriage == Carriage::Plain && answer.get(1) == Some(&ERROR);
        self.tampered |= !is_padded(&answer, &honest) && !error;
        let mut object = DoeHeader::new(header.kind, answer.len())
            .as_bytes()
            .to_vec();
        object.extend_from_slice(&answer);
        self.host.memory.poke(page(ANSWER), &object);
        Some(!answer.is_empty())
    }
}

/// Operands of a call about a TDI.
fn about(number: u16, words: &[u64]) -> Operands {
    let mut operands = [0; 13];
    operands[0] = number.into();
    operands[1..=words.len()].copy_from_slice(words);
    operands
}
