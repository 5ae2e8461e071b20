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
    /// Default IDE stream.
    pub stream: u8,
    /// SPDM session that the request came in.
    pub session: Option<u32>,
}

/// A TDI.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    state: State,
    lock: Lock,
    /// What START_INTERFACE has to repeat. It is gone once it was used, and with the lock.
    nonce: Option<Nonce>,
    /// Streams to peers.
    p2p: Vec<u8>,
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

    /// Whether it is locked and its TLPs may go over this IDE stream.
    pub fn uses(&self, stream: u8) -> bool {
        self.state.is_locked() && (self.lock.stream == stream || self.p2p.contains(&stream))
    }

    /// Whether a request of this SPDM session may change it. While it is locked, that is for the
    /// session that locked it, whose end would not leave it locked (11.4.5).
    pub fn obeys(&self, session: u32) -> bool {
        let owner = self.locked_with().and_then(|lock| lock.session);
        owner.is_none_or(|owner| owner == session)
    }

    /// LOCK_INTERFACE.
    pub fn lock(&mut self, lock: Lock, nonce: Nonce) -> Result<(), ErrorCode> {
        if self.state != State::Unlocked {
            return Err(ErrorCode::InvalidInterfaceState);
        }
        self.state = State::Locked;
        self.lock = lock;
        self.nonce = Some(nonce);
        Ok(())
    }

    /// START_INTERFACE. A nonce that is wrong leaves everything as it is.
    pub fn start(&mut self, nonce: &Nonce) -> Result<(), ErrorCode> {
        if self.state != State::Locked {
            return Err(ErrorCode::InvalidInterfaceState);
        }
        if self.nonce.as_ref() != Some(nonce) {
            return Err(ErrorCode::InvalidNonce);
        }
        self.nonce = None;
        self.state = State::Run;
        Ok(())
    }

    /// STOP_INTERFACE, which is legal in every state.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// BIND_P2P_STREAM.
    pub fn bind_p2p(&mut self, stream: u8) -> Result<(), ErrorCode> {
        self.may_bind_p2p()?;
        if stream == self.lock.stream || self.p2p.contains(&stream) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.p2p.push(stream);
        Ok(())
    }

    /// UNBIND_P2P_STREAM.
    pub fn unbind_p2p(&mut self, stream: u8) -> Result<(), ErrorCode> {
        self.may_bind_p2p()?;
        if !self.p2p.contains(&stream) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.p2p.retain(|bound| *bound != stream);
        Ok(())
    }

    fn may_bind_p2p(&self) -> Result<(), ErrorCode> {
        if self.state != State::Run {
            Err(ErrorCode::InvalidInterfaceState)
        } else if !self.lock.flags.contains(Flags::BIND_P2P) {
            Err(ErrorCode::InvalidRequest)
        } else {
            Ok(())
        }
    }

    /// Something that must not happen while locked did. Returns whether it was.
    pub fn fail(&mut self) -> bool {
        let locked = self.state.is_locked();
        if locked {
            *self = Self {
                state: State::Error,
                ..Self::default()
            };
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
                        let result = tdi.lock(Lock::default(), [n; 32]);
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
        tdi.lock(Lock::default(), [7; 32]).unwrap();
        assert_eq!(tdi.start(&[8; 32]), Err(ErrorCode::InvalidNonce));
        assert_eq!(tdi.state(), State::Locked);
        assert_eq!(
            tdi.lock(Lock::default(), [7; 32]),
            Err(ErrorCode::InvalidInterfaceState)
        );
    }

    /// A nonce is good for one lock, and for one start.
    #[test]
    fn nonces() {
        let mut tdi = Interface::default();
        tdi.lock(Lock::default(), [1; 32]).unwrap();
        assert!(tdi.fail());
        assert!(!tdi.fail());
        assert_eq!(tdi.start(&[1; 32]), Err(ErrorCode::InvalidInterfaceState));
        tdi.force(State::Locked);
        assert_eq!(tdi.start(&[1; 32]), Err(ErrorCode::InvalidNonce));
        tdi.stop();
        tdi.lock(Lock::default(), [2; 32]).unwrap();
        assert_eq!(tdi.start(&[1; 32]), Err(ErrorCode::InvalidNonce));
        tdi.start(&[2; 32]).unwrap();
        tdi.force(State::Locked);
        assert_eq!(tdi.start(&[2; 32]), Err(ErrorCode::InvalidNonce));
    }

    #[test]
    fn streams_to_peers() {
        let mut tdi = Interface::default();
        let lock = Lock {
            flags: Flags::BIND_P2P,
            stream: 1,
            ..Lock::default()
        };
        tdi.lock(lock, [1; 32]).unwrap();
        assert_eq!(tdi.bind_p2p(2), Err(ErrorCode::InvalidInterfaceState));
        tdi.start(&[1; 32]).unwrap();
        assert_eq!(tdi.bind_p2p(1), Err(ErrorCode::InvalidRequest));
        tdi.bind_p2p(2).unwrap();
        assert_eq!(tdi.bind_p2p(2), Err(ErrorCode::InvalidRequest));
        assert!(tdi.uses(1) && tdi.uses(2) && !tdi.uses(3));
        assert_eq!(tdi.unbind_p2p(3), Err(ErrorCode::InvalidRequest));
        tdi.unbind_p2p(2).unwrap();
        assert!(!tdi.uses(2));
        tdi.bind_p2p(3).unwrap();
        tdi.fail();
        assert!(!tdi.uses(1) && !tdi.uses(3));
        assert_eq!(tdi.unbind_p2p(3), Err(ErrorCode::InvalidInterfaceState));
        tdi.stop();
        tdi.lock(Lock::default(), [1; 32]).unwrap();
        tdi.start(&[1; 32]).unwrap();
        assert_eq!(tdi.bind_p2p(3), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn session() {
        let mut tdi = Interface::default();
        assert!(tdi.obeys(1) && tdi.obeys(2));
        let lock = Lock {
            session: Some(1),
            ..Lock::default()
        };
        tdi.lock(lock, [1; 32]).unwrap();
        assert!(tdi.obeys(1) && !tdi.obeys(2));
        tdi.fail();
        assert!(tdi.obeys(2));
    }
}
