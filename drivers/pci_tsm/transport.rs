// SPDX-License-Identifier: GPL-2.0

//! A way to the firmware of a TSM.

use crate::patience::Patience;
use tsm_sys::granule::Granule;
use tsm_wire::{
    detail::{
        Detail,
        DetailClass,
        TransportFault, //
    },
    mailbox::X_COUNT,
    refusal::{
        Refusal,
        Refused, //
    }, //
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

/// What no status of the firmware says: bits 63:32 of `tsm_code` on every architecture.
pub fn detail(class: DetailClass, value: u16) -> Refused {
    Refused::by_firmware(Detail { class, value }.raw() << 32)
}

/// No result of the firmware, but of the way to it, or of the host.
pub fn fault(fault: TransportFault) -> Refused {
    detail(DetailClass::Transport, fault as u16)
}

/// The firmware was not reached in time.
pub fn unreached(why: Refusal) -> Refused {
    match why {
        Refusal::Firmware => fault(TransportFault::NoAnswer),
        _ => why.into(),
    }
}

/// The firmware said something that makes no sense.
pub fn nonsense() -> Refused {
    fault(TransportFault::Malformed)
}

/// The stream of a device has its keys and is not secure.
pub fn insecure() -> Refused {
    fault(TransportFault::Insecure)
}
