// SPDX-License-Identifier: GPL-2.0

//! The emulated devices, asked on their control line what they know of themselves: the other end of
//! what the walk does.

use super::way::Way;
use crate::transcript::Transcript;
use anyhow::{ensure, Context};
use iommufd_tsm::{PciFunction, TdiState};
use serde::Deserialize;
use std::path::Path;
use tsm_wire::mailbox::{PCI_DEVICE_ENDPOINT, PCI_VENDOR};
use tsmctl::control::ControlLine;

/// A witness, if there is one.
pub(super) struct Witness(Option<ControlLine>);

/// What the platform says of itself.
#[derive(Deserialize)]
struct State {
    /// TDISP states of all functions of all devices, in order.
    tdi: Vec<u32>,
}

impl Witness {
    /// Finds the control line at `path`, if one is given.
    pub(super) fn at(path: Option<&Path>) -> anyhow::Result<Self> {
        let line = path.map(ControlLine::open).transpose()?;
        Ok(Witness(line))
    }

    /// Asks for the states of the TDIs, which are to be `expected`.
    pub(super) fn sees(
        &mut self,
        out: &Transcript,
        ways: &[Way],
        expected: TdiState,
    ) -> anyhow::Result<()> {
        let Some(line) = &mut self.0 else {
            return Ok(());
        };
        let text = line.state()?;
        let State { tdi } = serde_json::from_str(&text)
            .with_context(|| format!("the control line says '{text}'"))?;
        let emulated = emulated()?;
        out.row("device says", ways, |way| {
            let number = emulated.iter().position(|f| f.bdf() == way.function.bdf());
            let state = number
                .and_then(|number| tdi.get(number))
                .with_context(|| format!("the control line knows none of it: '{text}'"))?;
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
            Ok(((), name.to_owned()))
        })?;
        Ok(())
    }
}

/// All functions of the emulated devices, in order.
fn emulated() -> anyhow::Result<Vec<PciFunction>> {
    let mut functions = PciFunction::all()?;
    functions.retain(|function| {
        let ids = function.ids();
        ids.is_ok_and(|ids| ids == (PCI_VENDOR, PCI_DEVICE_ENDPOINT))
    });
    Ok(functions)
}
