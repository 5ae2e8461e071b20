// SPDX-License-Identifier: GPL-2.0

//! What connect and bind take: time on the clock of the machine, and round trips to the device.
//!
//! On a clock that counts instructions the time is virtual. It holds what the kernel waits for
//! between two looks at a DOE mailbox, and nothing of what the emulation computes.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tsmctl::control::ControlLine;

/// A procedure that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Procedure {
    pub(crate) name: &'static str,
    /// Milliseconds.
    pub(crate) milliseconds: f64,
    /// Data objects that were sent to the device, each for an answer.
    pub(crate) round_trips: u64,
}

/// What is of interest here of the platform's state.
#[derive(Deserialize)]
struct State {
    /// Data objects since the machine was switched on.
    doe: u64,
}

impl Procedure {
    /// Measures `run`, which has to succeed.
    pub(crate) fn of<E>(
        name: &'static str,
        control: &mut ControlLine,
        run: impl FnOnce() -> Result<(), E>,
    ) -> anyhow::Result<Self>
    where
        E: Into<anyhow::Error>,
    {
        let before = round_trips(control)?;
        let start = Instant::now();
        run().map_err(Into::into).context(name)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
        Ok(Procedure {
            name,
            milliseconds,
            round_trips: round_trips(control)?.saturating_sub(before),
        })
    }
}

fn round_trips(control: &mut ControlLine) -> anyhow::Result<u64> {
    let state = control.state()?;
    let state: State = serde_json::from_str(&state).context("the platform's state")?;
    Ok(state.doe)
}
