// SPDX-License-Identifier: GPL-2.0

//! One TDI in the device: its state machine (11.2, figure 11-5).

use crate::lock::Flags;
use crate::{ErrorCode, Nonce, State};

/// What a TDI was locked with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Flags of the request.
    pub flags: Flags,
    /// Offset of addresses in reports.
    pub offset: u64,
    /// What START_INTERFACE has to repeat; gone once it was used.
    nonce: Option<Nonce>,
}

/// A TDI.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    state: State,
    lock: Lock,
}

impl Interface {
    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it is locked with, while it is.
    pub fn locked_with(&self) -> Option<&Lock> {
        self.state.is_locked().then_some(&self.lock)
    }

    /// LOCK_INTERFACE.
    pub fn lock(&mut self, flags: Flags, offset: u64, nonce: Nonce) -> Result<(), ErrorCode> {
        if self.state != State::Unlocked {
            return Err(ErrorCode::InvalidInterfaceState);
        }
        self.state = State::Locked;
        self.lock = Lock {
            flags,
            offset,
            nonce: Some(nonce),
        };
        Ok(())
    }

    /// START_INTERFACE.
    pub fn start(&mut self, nonce: &Nonce) -> Result<(), ErrorCode> {
        if self.state != State::Locked {
            return Err(ErrorCode::InvalidInterfaceState);
        }
        if self.lock.nonce.as_ref() != Some(nonce) {
            return Err(ErrorCode::InvalidNonce);
        }
        self.lock.nonce = None;
        self.state = State::Run;
        Ok(())
    }

    /// STOP_INTERFACE, which is legal in every state.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// Something that must not happen while locked did. Returns whether it was.
    pub fn fail(&mut self) -> bool {
        let locked = self.state.is_locked();
        if locked {
            self.state = State::Error;
            self.lock.nonce = None;
        }
        locked
    }

    /// Conventional reset (11.4.8).
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Puts the TDI in a state, whatever the standard says: for devices that misbehave.
    pub fn force(&mut self, state: State) {
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Event {
        Lock(u8),
        Start(u8),
        Stop,
        Fail,
        Reset,
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u8..3).prop_map(Event::Lock),
            (0u8..3).prop_map(Event::Start),
            Just(Event::Stop),
            Just(Event::Fail),
            Just(Event::Reset),
        ]
    }

    proptest! {
        #[test]
        fn transitions(events in proptest::collection::vec(events(), 0..50)) {
            let mut tdi = Interface::default();
            let mut nonce = None;
            for event in events {
                let before = tdi.state();
                match event {
                    Event::Lock(n) => {
                        let result = tdi.lock(Flags(0), 0, [n; 32]);
                        prop_assert_eq!(result.is_ok(), before == State::Unlocked);
                        if result.is_ok() {
                            prop_assert_eq!(tdi.state(), State::Locked);
                            nonce = Some(n);
                        } else {
                            prop_assert_eq!(tdi.state(), before);
                        }
                    }
                    Event::Start(n) => {
                        let result = tdi.start(&[n; 32]);
                        prop_assert_eq!(result.is_ok(), before == State::Locked && nonce == Some(n));
                        let after = if result.is_ok() { State::Run } else { before };
                        prop_assert_eq!(tdi.state(), after);
                    }
                    Event::Stop => {
                        tdi.stop();
                        prop_assert_eq!(tdi.state(), State::Unlocked);
                    }
                    Event::Fail => {
                        prop_assert_eq!(tdi.fail(), before.is_locked());
                        let after = if before.is_locked() { State::Error } else { before };
                        prop_assert_eq!(tdi.state(), after);
                    }
                    Event::Reset => {
                        tdi.reset();
                        prop_assert_eq!(tdi.state(), State::Unlocked);
                    }
                }
                prop_assert_eq!(tdi.locked_with().is_some(), tdi.state().is_locked());
            }
        }
    }

    #[test]
    fn error_has_its_own_answers() {
        let mut tdi = Interface::default();
        assert_eq!(tdi.start(&[0; 32]), Err(ErrorCode::InvalidInterfaceState));
        tdi.lock(Flags(0), 0, [7; 32]).unwrap();
        assert_eq!(tdi.start(&[8; 32]), Err(ErrorCode::InvalidNonce));
        assert_eq!(tdi.state(), State::Locked);
        assert_eq!(
            tdi.lock(Flags(0), 0, [7; 32]),
            Err(ErrorCode::InvalidInterfaceState)
        );
    }
}
