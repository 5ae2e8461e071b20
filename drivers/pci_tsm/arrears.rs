// SPDX-License-Identifier: GPL-2.0

//! What firmware has not given back yet.
//!
//! An operation that a signal ends does not wait until the firmware is free to take back what it
//! began, and an unbind does not wait for ever. What is left then is owed: nobody else gets it, and
//! it is asked for at every chance there is after that, before something new is begun of the same
//! kind.

use crate::patience::Patience;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use tsm_wire::refusal::{
    Refusal,
    Refused, //
};

/// Milliseconds between two looks whether it is our turn.
const POLL_MS: u32 = 2;

/// Debts of a firmware, oldest first. Who drops a debt that was not paid gives up what it is about:
/// it must not be used by anybody.
#[pin_data]
pub struct Arrears<D> {
    /// One that is just being paid is not in its place. Never locked for long, so that whoever is in
    /// a hurry can add to it.
    #[pin]
    owed: Mutex<KVec<Option<D>>>,
    /// Held while debts are paid: one is paid before the next is looked at, by whomever.
    #[pin]
    turn: Mutex<()>,
}

impl<D> Arrears<D> {
    /// None yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            owed <- new_mutex!(KVec::new(), "Arrears::owed"),
            turn <- new_mutex!((), "Arrears::turn"),
        })
    }

    /// Notes a debt.
    ///
    /// # Errors
    ///
    /// The debt: there is no memory for the note.
    pub fn owe(&self, debt: D) -> Result<(), D> {
        let mut owed = self.owed.lock();
        if owed.reserve(1, GFP_KERNEL).is_err() {
            return Err(debt);
        }
        // reserved just now
        let _ = owed.push(Some(debt), GFP_KERNEL);
        Ok(())
    }

    /// Has all debts paid. `pay` fails if it was not the time yet, and leaves what is left of the
    /// debt; what the firmware never lets go of is not for it to fail at.
    ///
    /// # Errors
    ///
    /// What `pay` has, [`Refusal::Signal`], or that somebody else paid for too long.
    pub fn settle(
        &self,
        patience: &Patience,
        mut pay: impl FnMut(&mut D) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        if self.owed.lock().is_empty() {
            return Ok(());
        }
        // not lock(): a signal would have to wait with us
        let _turn = loop {
            match self.turn.try_lock() {
                Some(turn) => break turn,
                None => patience.wait(POLL_MS)?,
            }
        };
        loop {
            let oldest = self.owed.lock().first_mut().map(Option::take);
            let Some(oldest) = oldest else {
                return Ok(());
            };
            if let Some(mut debt) = oldest {
                if let Err(refused) = pay(&mut debt) {
                    // others add at the end only, and nobody but us takes away
                    if let Some(place) = self.owed.lock().first_mut() {
                        *place = Some(debt);
                    }
                    return Err(refused);
                }
            }
            let _ = self.owed.lock().remove(0);
        }
    }
}

/// Was it not the time yet? What was refused so may be granted later.
pub fn is_early(refused: &Refused, patience: &Patience) -> bool {
    refused.why == Refusal::Signal || patience.is_over()
}
