// SPDX-License-Identifier: GPL-2.0

//! The emulated device, asked on its control line what it knows of itself: the other end of what
//! the walk does.

use crate::transcript::Transcript;
use anyhow::{ensure, Context};
use iommufd_tsm::{Bdf, TdiState};
use serde::Deserialize;
use std::path::Path;
use tsmctl::control::ControlLine;

/// A witness, if there is one.
pub(super) struct Witness(Option<ControlLine>);

/// What the platform says of itself.
#[derive(Deserialize)]
struct State {
    /// TDISP states by function number.
    tdi: Vec<u32>,
    /// DOE exchanges so far.
    doe: u64,
}

impl Witness {
    /// Finds the control line at `path`, if one is given.
    pub(super) fn at(path: Option<&Path>) -> anyhow::Result<Self> {
        let line = path.map(ControlLine::open).transpose()?;
        Ok(Witness(line))
    }

    /// Asks for the state of the TDI, which is to be `expected`.
    pub(super) fn sees(
        &mut self,
        out: &Transcript,
        function: Bdf,
        expected: TdiState,
    ) -> anyhow::Result<()> {
        let Some(line) = &mut self.0 else {
            return Ok(());
        };
        out.step("device says", || {
            let text = line.state()?;
            let State { tdi, doe } = serde_json::from_str(&text)
                .with_context(|| format!("the control line says '{text}'"))?;
            let state = tdi
                .get(usize::from(function.function()))
                .with_context(|| format!("the control line knows no {function}: '{text}'"))?;
            ensure!(
                *state == expected as u32,
                "the TDI is in TDISP state {state} and not {expected:?}"
            );
            let name = match expected {
                TdiState::Unlocked => "CONFIG_UNLOCKED",
                TdiState::Locked => "CONFIG_LOCKED",
                TdiState::Run => "RUN",
                TdiState::Error => "ERROR",
            };
            Ok((
                (),
                format!("TDISP state {name}; {doe} DOE exchanges so far"),
            ))
        })
    }
}
