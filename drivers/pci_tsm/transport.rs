// SPDX-License-Identifier: GPL-2.0

//! A way to the firmware of a TSM.

use crate::patience::Patience;
use tsm_sys::granule::Granule;
use tsm_wire::{
    mailbox::X_COUNT,
    refusal::Refusal, //
};

/// The registers of a call, as the SMC calling convention has them: the function and its arguments
/// before it, the results after it.
pub type Registers = [u64; X_COUNT];

/// One call into the TSM at a time.
///
/// A real one would be an SMC, a PSP command or a SEAMCALL; Linux 7.3 lets a module issue none of
/// them. `'a` is how long the way exists.
pub trait FirmwareTransport<'a>: Send + Sync {
    /// Runs a call.
    ///
    /// # Errors
    ///
    /// [`Refusal::Signal`] or [`Refusal::Firmware`] if there was no answer while there was patience;
    /// the call has not happened then.
    fn call(&self, registers: &mut Registers, patience: &Patience) -> Result<(), Refusal>;

    /// New memory that the firmware can be given.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`].
    fn granule(&self) -> Result<Granule<'a>, Refusal>;
}
