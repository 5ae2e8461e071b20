// SPDX-License-Identifier: GPL-2.0

//! What a TSM does with a TDI: each a sequence of requests, ended by asking for the state, so that
//! no device is believed a change of state that it does not have.

use crate::lock::{Flags, LockRequest};
use crate::report::{Portion, ReportRequest, PORTION_HEADER_SIZE};
use crate::{InterfaceId, Malformed, Nonce, Request, Response, State, HEADER_SIZE};
use std::ops::Range;
use thiserror::Error;
use zerocopy::little_endian::{U16, U64};

/// Largest report that is read. A RMM keeps none larger than a granule.
const REPORT_MAX: usize = 4096;
/// How much of a report is asked for at a time: what fits in a granule with every header.
const PORTION: u16 = 3072;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// CONFIG_UNLOCKED to CONFIG_LOCKED.
    Lock,
    /// CONFIG_LOCKED to RUN.
    Start(Nonce),
    /// Any state to CONFIG_UNLOCKED.
    Stop,
    /// Read the report.
    Report,
    /// Ask for the state.
    State,
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The device answered TDISP_ERROR.
    #[error("TDISP error {0:#x}")]
    Refused(u32),
    /// The answer is no TDISP message.
    #[error("not a response: {0}")]
    Malformed(#[from] Malformed),
    /// The answer is one to another request or of another TDI.
    #[error("not the response to this request")]
    Unexpected,
    /// The answer contradicts an earlier one, or has no end.
    #[error("inconsistent response")]
    Inconsistent,
    /// The state is not what it has to be.
    #[error("in state {0:?}")]
    WrongState(State),
}

/// What follows from an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Which bytes of the answer belong to what is read.
    pub take: Option<Range<usize>>,
    /// The next request; without one it is done.
    pub request: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Version,
    Capabilities,
    Before,
    Act,
    After,
    Done,
}

/// An operation under way.
#[derive(Clone, Debug)]
pub struct Procedure {
    interface: InterfaceId,
    operation: Operation,
    phase: Phase,
    stream: u8,
    lock_flags: Flags,
    read: usize,
    state: Option<State>,
    nonce: Option<Nonce>,
}

impl Procedure {
    /// Does `operation` with the TDI of this requester ID.
    pub fn new(requester_id: u16, operation: Operation) -> Self {
        Self {
            interface: InterfaceId::of(requester_id),
            operation,
            phase: match operation {
                Operation::Lock => Phase::Version,
                Operation::State => Phase::After,
                Operation::Start(_) | Operation::Stop | Operation::Report => Phase::Act,
            },
            stream: 0,
            lock_flags: Flags(0),
            read: 0,
            state: None,
            nonce: None,
        }
    }

    /// Locks with this default IDE stream; it is stream 0 otherwise.
    pub fn on_stream(self, stream: u8) -> Self {
        Self { stream, ..self }
    }

    /// The first request.
    pub fn begin(&self) -> Vec<u8> {
        self.request().encode(self.interface)
    }

    /// Takes the answer to the request before.
    pub fn take(&mut self, answer: &[u8]) -> Result<Step, Fault> {
        let (interface, response) = Response::decode(answer)?;
        if interface != self.interface {
            return Err(Fault::Unexpected);
        }
        if let Response::Error(code, _) = response {
            return Err(Fault::Refused(code));
        }
        let mut take = None;
        self.phase = match (self.phase, self.operation, response) {
            (Phase::Version, _, Response::Version(_)) => Phase::Capabilities,
            (Phase::Capabilities, _, Response::Capabilities(caps)) => {
                // What the device offers, but for MSI-X, which the host programs itself.
                let offered = caps.lock_flags.get() & Flags::NO_FW_UPDATE.0;
                self.lock_flags = Flags(offered);
                Phase::Before
            }
            (Phase::Before, _, Response::State(state)) => {
                self.expect(state, State::Unlocked)?;
                Phase::Act
            }
            (Phase::Act, Operation::Lock, Response::Lock(nonce)) => {
                self.nonce = Some(nonce);
                Phase::After
            }
            (Phase::Act, Operation::Start(_), Response::Start) => Phase::After,
            (Phase::Act, Operation::Stop, Response::Stop) => Phase::After,
            (Phase::Act, Operation::Report, Response::Report(portion)) => {
                take = Some(self.count(&portion)?);
                if portion.remainder == 0 {
                    Phase::Done
                } else {
                    Phase::Act
                }
            }
            (Phase::After, operation, Response::State(state)) => {
                match operation {
                    Operation::Lock => self.expect(state, State::Locked)?,
                    Operation::Start(_) => self.expect(state, State::Run)?,
                    Operation::Stop => self.expect(state, State::Unlocked)?,
                    Operation::Report | Operation::State => self.state = Some(state),
                }
                Phase::Done
            }
            _ => return Err(Fault::Unexpected),
        };
        let request = (self.phase != Phase::Done).then(|| self.begin());
        Ok(Step { take, request })
    }

    /// What state the device said that the TDI is in, when it was last asked.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// The nonce that came with the lock.
    pub fn nonce(&self) -> Option<Nonce> {
        self.nonce
    }

    fn request(&self) -> Request {
        match (self.phase, self.operation) {
            (Phase::Version, _) => Request::GetVersion,
            (Phase::Capabilities, _) => Request::GetCapabilities(0),
            (Phase::Act, Operation::Lock) => Request::Lock(LockRequest {
                flags: U16::new(self.lock_flags.0),
                default_stream: self.stream,
                reserved: 0,
                mmio_reporting_offset: U64::new(0),
                bind_p2p_mask: U64::new(0),
            }),
            (Phase::Act, Operation::Start(nonce)) => Request::Start(nonce),
            (Phase::Act, Operation::Stop) => Request::Stop,
            (Phase::Act, Operation::Report) => Request::GetReport(ReportRequest {
                offset: U16::new(self.read as u16),
                length: U16::new(PORTION),
            }),
            (Phase::Act, Operation::State) | (Phase::Before | Phase::After | Phase::Done, _) => {
                Request::GetState
            }
        }
    }

    fn expect(&mut self, state: State, expected: State) -> Result<(), Fault> {
        self.state = Some(state);
        if state == expected {
            Ok(())
        } else {
            Err(Fault::WrongState(state))
        }
    }

    /// Counts a portion of the report; where its bytes are in the message.
    fn count(&mut self, portion: &Portion) -> Result<Range<usize>, Fault> {
        let length = portion.bytes.len();
        self.read += length;
        // A device that sends nothing and promises more would never end.
        if length == 0
            || length > usize::from(PORTION)
            || self.read + usize::from(portion.remainder) > REPORT_MAX
        {
            return Err(Fault::Inconsistent);
        }
        let start = HEADER_SIZE + PORTION_HEADER_SIZE;
        Ok(start..start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dsm, ErrorCode, Hosting, InterfaceReport};
    use proptest::prelude::*;

    const SESSION: u32 = 0x8001_0002;

    struct Functions;

    impl Hosting for Functions {
        fn find(&self, interface: InterfaceId) -> Option<usize> {
            (interface.requester_id() == 0x100).then_some(0)
        }
        fn report(&self, _: usize, _: Flags) -> Option<InterfaceReport> {
            Some(InterfaceReport {
                device_info: (0..100).collect(),
                ..Default::default()
            })
        }
        fn stream_is_ready(&self, stream: u8, session: u32) -> bool {
            stream == 7 && session == SESSION
        }
        fn nonce(&mut self) -> Option<Nonce> {
            Some([3; 32])
        }
        fn scrub(&mut self, _: usize) {}
    }

    fn run(dsm: &mut Dsm, operation: Operation) -> (Result<Vec<u8>, Fault>, Procedure, usize) {
        let procedure = Procedure::new(0x100, operation).on_stream(7);
        through(dsm, procedure)
    }

    fn through(
        dsm: &mut Dsm,
        mut procedure: Procedure,
    ) -> (Result<Vec<u8>, Fault>, Procedure, usize) {
        let mut request = Some(procedure.begin());
        let mut object = Vec::new();
        let mut count = 0;
        while let Some(bytes) = request {
            count += 1;
            let answer = dsm.respond(&mut Functions, SESSION, &bytes);
            match procedure.take(&answer) {
                Ok(step) => {
                    object.extend(
                        step.take
                            .map(|range| answer[range].to_vec())
                            .unwrap_or_default(),
                    );
                    request = step.request;
                }
                Err(fault) => return (Err(fault), procedure, count),
            }
        }
        (Ok(object), procedure, count)
    }

    #[test]
    fn lock_report_start_stop() {
        let mut dsm = Dsm::new(1, 64);
        let (result, procedure, count) = run(&mut dsm, Operation::Lock);
        assert_eq!((result, count), (Ok(vec![]), 5));
        assert_eq!(procedure.state(), Some(State::Locked));
        let nonce = procedure.nonce().unwrap();

        let (report, _, count) = run(&mut dsm, Operation::Report);
        assert_eq!(count, 2);
        let report = InterfaceReport::decode(&report.unwrap()).unwrap();
        assert_eq!(report.device_info.len(), 100);

        let (result, procedure, _) = run(&mut dsm, Operation::Start(nonce));
        assert_eq!(result, Ok(vec![]));
        assert_eq!(procedure.state(), Some(State::Run));
        let (result, ..) = run(&mut dsm, Operation::Stop);
        assert_eq!(result, Ok(vec![]));
        assert_eq!(dsm.state(0), Some(State::Unlocked));
    }

    #[test]
    fn faults() {
        let mut dsm = Dsm::new(1, 64);
        let refused = Fault::Refused(ErrorCode::InvalidInterfaceState as u32);
        assert_eq!(run(&mut dsm, Operation::Start([0; 32])).0, Err(refused));
        assert_eq!(run(&mut dsm, Operation::Report).0, Err(refused));
        let stream_0 = Procedure::new(0x100, Operation::Lock);
        let refused = Fault::Refused(ErrorCode::InvalidRequest as u32);
        assert_eq!(through(&mut dsm, stream_0).0, Err(refused));
        dsm.force_next(Some(State::Unlocked));
        assert_eq!(
            run(&mut dsm, Operation::Lock).0,
            Err(Fault::WrongState(State::Unlocked))
        );
        dsm.force(0, State::Error);
        let (result, procedure, _) = run(&mut dsm, Operation::Lock);
        assert_eq!(result, Err(Fault::WrongState(State::Error)));
        assert_eq!(procedure.state(), Some(State::Error));
    }

    proptest! {
        #[test]
        fn any_answers(answers in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..60), 0..10)
        ) {
            for operation in [Operation::Lock, Operation::Stop, Operation::Report, Operation::State] {
                let mut procedure = Procedure::new(0x100, operation);
                for answer in &answers {
                    let _ = procedure.take(answer);
                }
            }
        }
    }
}
