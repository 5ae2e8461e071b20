// SPDX-License-Identifier: GPL-2.0

//! The Platform Security Processor: commands of AMD SEV-TIO.

use super::tsm::{Counts, Machine, Registers, Tsm};
use tsm_wire::mailbox::X_COUNT;

/// `SEV_RET_INVALID_COMMAND` (`enum sev_ret_code` of the uapi header `psp-sev.h`).
const INVALID_COMMAND: u64 = 0x11;

/// The processor.
#[derive(Debug, Default)]
pub struct Psp {}

impl Tsm for Psp {
    fn call(&mut self, _: &mut Machine<'_>, _: &Registers) -> Registers {
        let mut results = [0; X_COUNT];
        if let Some(status) = results.first_mut() {
            *status = INVALID_COMMAND;
        }
        results
    }

    fn cut_off(&self) -> u64 {
        INVALID_COMMAND
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }
}
