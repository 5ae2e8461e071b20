// SPDX-License-Identifier: GPL-2.0

//! What a requester does to the port of a device: sequences of messages that key a stream there, or
//! stop it.

use crate::{
    k_gostop_ack, k_set_go, k_set_stop, query, Direction, KeyProg, KeySet, Keys, KpAck, QueryResp,
    Slot, Status, Target,
};
use std::collections::VecDeque;
use thiserror::Error;

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The device did not take a key.
    #[error("KEY_PROG: {0:?}")]
    Refused(Status),
    /// The answer is not one to this request.
    #[error("not the response to this request")]
    Unexpected,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The device told what it has.
    Queried,
    /// All keys are in the device. Now is the time to program the partner port, and to let it
    /// receive: the device will transmit before the end.
    Programmed,
    /// The device receives. Now the partner port may transmit.
    Receiving,
    /// The device transmits, too: the stream is secure there.
    Transmitting,
    /// The device uses none of the keys any more.
    Stopped,
}

/// What follows from an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The next request; without one it is done. It may hold a key in the clear.
    pub request: Option<Vec<u8>>,
    /// What was reached with this answer.
    pub reached: Option<Milestone>,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Query,
    Program(Slot),
    Go(Slot),
    Stop(Slot),
}

impl Action {
    /// What is reached when no more actions like this one follow.
    fn milestone(self) -> Milestone {
        match self {
            Self::Query => Milestone::Queried,
            Self::Program(_) => Milestone::Programmed,
            Self::Go(slot) => match slot.direction {
                Direction::Receive => Milestone::Receiving,
                Direction::Transmit => Milestone::Transmitting,
            },
            Self::Stop(_) => Milestone::Stopped,
        }
    }
}

/// A sequence under way.
#[derive(Clone, Debug)]
pub struct Procedure {
    port_index: u8,
    stream: u8,
    keys: Option<Keys>,
    current: Action,
    rest: VecDeque<Action>,
    done: bool,
    queried: Option<QueryResp>,
}

impl Procedure {
    /// Asks what there is, programs all keys of a key set, and starts them: those for receiving
    /// before those for transmitting. `keys` are as the device has them.
    pub fn establish(port_index: u8, stream: u8, set: KeySet, keys: Keys) -> Self {
        let actions = Slot::of(set)
            .map(Action::Program)
            .chain(Slot::of(set).map(Action::Go));
        Self::new(port_index, stream, Some(keys), Action::Query, actions)
    }

    /// Stops all keys of a key set.
    pub fn stop(port_index: u8, stream: u8, set: KeySet) -> Self {
        let first = Slot {
            set,
            direction: Direction::Receive,
            sub_stream: crate::SubStream::Posted,
        };
        let others = Slot::of(set).filter(|slot| *slot != first);
        let actions = others.map(Action::Stop);
        Self::new(port_index, stream, None, Action::Stop(first), actions)
    }

    fn new(
        port_index: u8,
        stream: u8,
        keys: Option<Keys>,
        current: Action,
        rest: impl Iterator<Item = Action>,
    ) -> Self {
        Self {
            port_index,
            stream,
            keys,
            current,
            rest: rest.collect(),
            done: false,
            queried: None,
        }
    }

    /// The first request. It may hold a key in the clear.
    pub fn begin(&self) -> Vec<u8> {
        match self.current {
            Action::Query => query::encode(self.port_index),
            Action::Program(slot) => self
                .keys
                .as_ref()
                .map(|keys| {
                    KeyProg {
                        target: self.target(slot),
                        key: keys.key(slot).clone(),
                    }
                    .encode()
                })
                .unwrap_or_default(),
            Action::Go(slot) => k_set_go::encode(self.target(slot)),
            Action::Stop(slot) => k_set_stop::encode(self.target(slot)),
        }
    }

    /// Takes the answer to the request before.
    pub fn take(&mut self, answer: &[u8]) -> Result<Step, Fault> {
        if self.done {
            return Err(Fault::Unexpected);
        }
        match self.current {
            Action::Query => {
                let found = QueryResp::decode(answer)
                    .filter(|found| found.port_index == self.port_index)
                    .ok_or(Fault::Unexpected)?;
                self.queried = Some(found);
            }
            Action::Program(slot) => {
                let ack = KpAck::decode(answer)
                    .filter(|ack| ack.target == self.target(slot))
                    .ok_or(Fault::Unexpected)?;
                if ack.status != Status::Successful {
                    return Err(Fault::Refused(ack.status));
                }
            }
            Action::Go(slot) | Action::Stop(slot) => {
                k_gostop_ack::decode(answer)
                    .filter(|target| *target == self.target(slot))
                    .ok_or(Fault::Unexpected)?;
            }
        }
        let before = self.current.milestone();
        let next = self.rest.pop_front();
        if let Some(next) = next {
            self.current = next;
        }
        self.done = next.is_none();
        let reached = next.is_none_or(|next| next.milestone() != before);
        if reached && before == Milestone::Programmed {
            self.keys = None;
        }
        Ok(Step {
            request: next.map(|_| self.begin()),
            reached: reached.then_some(before),
        })
    }

    /// What the device told of itself. Whether it is the function and the registers that the host
    /// showed is for the caller to see.
    pub fn queried(&self) -> Option<&QueryResp> {
        self.queried.as_ref()
    }

    fn target(&self, slot: Slot) -> Target {
        Target::new(self.port_index, self.stream, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Port, Shape};
    use proptest::prelude::*;

    const SESSION: u32 = 9;

    fn keys(first: u8) -> Keys {
        let mut next = first;
        Keys::generate(&mut |bytes| {
            next += 1;
            bytes.fill(next);
            true
        })
        .unwrap()
    }

    fn port(endpoint: bool) -> Port {
        let mut port = Port::new(
            0,
            Shape {
                streams: 1,
                associations: 1,
                endpoint,
            },
        );
        port.write(0x10, 0x0500_0000, !0);
        port.write(0x10, 0x0500_0001, !0);
        port
    }

    fn run(
        device: &mut Port,
        mut procedure: Procedure,
        mut at: impl FnMut(Milestone),
    ) -> Result<(Procedure, usize), Fault> {
        let mut request = Some(procedure.begin());
        let mut count = 0;
        while let Some(bytes) = request {
            count += 1;
            let answer = device.respond(SESSION, &bytes).unwrap_or_default();
            let step = procedure.take(&answer)?;
            if let Some(milestone) = step.reached {
                at(milestone);
            }
            request = step.request;
        }
        Ok((procedure, count))
    }

    #[test]
    fn both_ends_of_a_stream() {
        let (mut device, mut root) = (port(true), port(false));
        let set = KeySet::K0;
        let theirs = keys(0);
        let ours = theirs.clone().mirrored();
        let mut reached = Vec::new();
        let procedure = Procedure::establish(0, 5, set, theirs);
        let (procedure, count) = run(&mut device, procedure, |milestone| {
            match milestone {
                Milestone::Programmed => {
                    root.program(5, set, &ours).unwrap();
                    root.go(5, set, Direction::Receive).unwrap();
                }
                Milestone::Receiving => root.go(5, set, Direction::Transmit).unwrap(),
                _ => {}
            }
            reached.push(milestone);
        })
        .unwrap();
        assert_eq!(count, 13);
        assert_eq!(
            reached,
            [
                Milestone::Queried,
                Milestone::Programmed,
                Milestone::Receiving,
                Milestone::Transmitting
            ]
        );
        assert_eq!(procedure.queried().unwrap().registers[3], 0x0500_0001);
        assert_eq!((device.read(0x14), root.read(0x14)), (2, 2));
        assert!(device.keys().agrees_with(root.keys(), 5));
        assert!(procedure.keys.is_none());

        let (mut procedure, count) = run(&mut device, Procedure::stop(0, 5, set), |milestone| {
            assert_eq!(milestone, Milestone::Stopped);
        })
        .unwrap();
        assert_eq!(count, 6);
        assert_eq!(device.read(0x14), 0);
        assert_eq!(procedure.take(&[]), Err(Fault::Unexpected));
    }

    #[test]
    fn faults() {
        let start = |stream| Procedure::establish(0, stream, KeySet::K1, keys(0));
        let refused = run(&mut port(true), start(6), |_| {}).unwrap_err();
        assert_eq!(refused, Fault::Refused(Status::UnsupportedValue));
        let wrong_port = Procedure::establish(1, 5, KeySet::K0, keys(0));
        let silent = run(&mut port(true), wrong_port, |_| {}).unwrap_err();
        assert_eq!(silent, Fault::Unexpected);

        let mut procedure = start(5);
        let mut device = port(true);
        let answer = device.respond(SESSION, &procedure.begin()).unwrap();
        let mut other = answer.clone();
        other[2] = 1;
        assert_eq!(procedure.take(&other), Err(Fault::Unexpected));
        let request = procedure.take(&answer).unwrap().request.unwrap();
        let answer = device.respond(SESSION, &request).unwrap();
        for (at, value) in [(0, 6), (3, 6), (5, 0x10), (6, 1)] {
            let mut other = answer.clone();
            other[at] = value;
            assert_eq!(procedure.take(&other), Err(Fault::Unexpected));
        }
    }

    #[test]
    fn nothing_is_shown() {
        let shown = format!("{:?}", Procedure::establish(0, 5, KeySet::K0, keys(0xc0)));
        assert!(shown.contains("Key(..)") && !shown.contains("193"));
    }

    proptest! {
        #[test]
        fn any_answers(answers in proptest::collection::vec(
            (0u8..8, proptest::collection::vec(any::<u8>(), 0..30)), 0..30)
        ) {
            let mut procedure = Procedure::establish(0, 5, KeySet::K0, keys(0));
            for (object, mut answer) in answers {
                let _ = procedure.take(&answer);
                if let Some(first) = answer.first_mut() {
                    *first = object;
                }
                let _ = procedure.take(&answer);
            }
        }
    }
}
