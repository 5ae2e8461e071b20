// SPDX-License-Identifier: GPL-2.0

//! The TDX module: leaves of SEAMCALL that TDX Connect has.

use super::tsm::{Counts, Machine, Registers, Tsm};
use tsm_wire::mailbox::X_COUNT;

/// `TDX_OPERAND_INVALID` of operand RAX, as the module returns it for a leaf that it does not have.
const OPERAND_INVALID: u64 = 0xc000_0100_0000_0000;

/// The module.
#[derive(Debug, Default)]
pub struct Tdx {}

impl Tsm for Tdx {
    fn call(&mut self, _: &mut Machine<'_>, _: &Registers) -> Registers {
        let mut results = [0; X_COUNT];
        if let Some(status) = results.first_mut() {
            *status = OPERAND_INVALID;
        }
        results
    }

    fn cut_off(&self) -> u64 {
        OPERAND_INVALID
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }
}
