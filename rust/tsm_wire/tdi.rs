// SPDX-License-Identifier: GPL-2.0

//! States of a bound TDI.
//!
//! ```text
//! Unbound --bind--> Locked --run--> Run         bind   = create the TDI in the TSM, TDISP LOCK
//!    ^                |  ^            |          run    = TDISP START
//!    |             unlock lock     unlock        unlock = TDISP STOP; it stays bound
//!    +---unbind--- Unlocked <---------+          any bound state --fault--> Error
//! ```
//!
//! PCIe 7.0 section 11.4.4 has the device's half of it. Unbind is possible from every state and is
//! the end of the object that holds one, so `Unbound` is no value of [`TdiState`].

use crate::refusal::Refusal;

/// The state of a bound TDI, as the host knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TdiState {
    /// TDISP CONFIG_UNLOCKED: the host may configure the function.
    Unlocked = 0,
    /// TDISP CONFIG_LOCKED: the configuration is frozen, the guest examines the report.
    Locked = 1,
    /// TDISP RUN: the guest uses the function.
    Run = 2,
    /// TDISP ERROR: something changed under it. Left by unlock or unbind only.
    Error = 3,
}

/// What SET_TDI_STATE asks the TSM to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// TDISP LOCK_INTERFACE_REQUEST.
    Lock,
    /// TDISP START_INTERFACE_REQUEST.
    Run,
    /// TDISP STOP_INTERFACE_REQUEST.
    Unlock,
}

impl Transition {
    /// The state it ends in.
    pub const fn target(self) -> TdiState {
        match self {
            Transition::Lock => TdiState::Locked,
            Transition::Run => TdiState::Run,
            Transition::Unlock => TdiState::Unlocked,
        }
    }
}

impl TdiState {
    /// The state that a guest may ask for by number, `enum iommu_tsm_tdi_state`.
    pub const fn requested(raw: u32) -> Result<TdiState, Refusal> {
        match raw {
            0 => Ok(TdiState::Unlocked),
            1 => Ok(TdiState::Locked),
            2 => Ok(TdiState::Run),
            _ => Err(Refusal::Payload),
        }
    }

    /// The way to `target`: `None` if it is reached already.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`] if there is no single step that leads there; nothing is to be asked of
    /// the TSM then.
    pub const fn toward(self, target: TdiState) -> Result<Option<Transition>, Refusal> {
        match (self, target) {
            (TdiState::Unlocked, TdiState::Unlocked)
            | (TdiState::Locked, TdiState::Locked)
            | (TdiState::Run, TdiState::Run) => Ok(None),
            (TdiState::Unlocked, TdiState::Locked) => Ok(Some(Transition::Lock)),
            (TdiState::Locked, TdiState::Run) => Ok(Some(Transition::Run)),
            (TdiState::Locked | TdiState::Run | TdiState::Error, TdiState::Unlocked) => {
                Ok(Some(Transition::Unlock))
            }
            (TdiState::Unlocked, TdiState::Run)
            | (TdiState::Run, TdiState::Locked)
            | (TdiState::Error, TdiState::Locked | TdiState::Run)
            | (_, TdiState::Error) => Err(Refusal::State),
        }
    }

    /// Is the configuration frozen, so that there is an interface report and MMIO to validate?
    pub const fn is_frozen(self) -> bool {
        matches!(self, TdiState::Locked | TdiState::Run)
    }

    /// The state with this number; for one that was stored as a number.
    pub const fn from_raw(raw: u32) -> TdiState {
        match raw {
            0 => TdiState::Unlocked,
            1 => TdiState::Locked,
            2 => TdiState::Run,
            _ => TdiState::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATES: [TdiState; 4] = [
        TdiState::Unlocked,
        TdiState::Locked,
        TdiState::Run,
        TdiState::Error,
    ];

    fn state() -> impl Strategy<Value = TdiState> {
        (0u32..4).prop_map(TdiState::from_raw)
    }

    #[test]
    fn error_is_left_by_unlock_only() {
        for target in STATES {
            let way = TdiState::Error.toward(target);
            if target == TdiState::Unlocked {
                assert_eq!(way, Ok(Some(Transition::Unlock)));
            } else {
                assert_eq!(way, Err(Refusal::State));
            }
        }
    }

    #[test]
    fn nobody_asks_for_error() {
        assert_eq!(TdiState::requested(3), Err(Refusal::Payload));
        assert_eq!(TdiState::requested(u32::MAX), Err(Refusal::Payload));
        for from in STATES {
            assert_eq!(from.toward(TdiState::Error), Err(Refusal::State));
        }
    }

    proptest! {
        /// Along any walk of requests, a step that is taken ends where it was asked to, RUN is
        /// entered from LOCKED only, and a refused step changes nothing.
        #[test]
        fn walks(start in state(), asks in proptest::collection::vec(0u32..3, 0..64)) {
            let mut now = start;
            for ask in asks {
                let target = TdiState::requested(ask).unwrap();
                match now.toward(target) {
                    Ok(None) => prop_assert_eq!(now, target),
                    Ok(Some(step)) => {
                        prop_assert_eq!(step.target(), target);
                        prop_assert!(step != Transition::Run || now == TdiState::Locked);
                        prop_assert!(step != Transition::Lock || now == TdiState::Unlocked);
                        now = step.target();
                    }
                    Err(refusal) => prop_assert_eq!(refusal, Refusal::State),
                }
            }
        }

        #[test]
        fn numbers_round_trip(s in state()) {
            prop_assert_eq!(TdiState::from_raw(s as u32), s);
        }
    }
}
