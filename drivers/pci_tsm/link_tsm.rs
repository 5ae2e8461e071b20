// SPDX-License-Identifier: GPL-2.0

//! The traits that a backend implements.
//!
//! A TSM connects devices, a connected device has TDIs. What connect and bind make is ended by
//! being dropped, each before what it came from; PCI/TSM sees to the order. All calls for one
//! device, and for its TDIs, come one at a time, under the DSM lock; they may sleep.

use crate::patience::Patience;
use kernel::pci;
use tsm_core::evidence::Evidence;
use tsm_sys::doe::Doe;
use tsm_wire::{
    guest_message::GuestMessage,
    op::TvmArch,
    refusal::{
        Refusal,
        Refused, //
    },
    request::{
        MmioRange,
        Regen, //
    },
    tdi::{
        TdiState,
        Transition, //
    },
    uapi::NONCE_LEN, //
};

/// A TSM.
pub trait LinkTsm: Send + Sync {
    /// Architecture of the VMs that it knows.
    const ARCH: TvmArch;

    /// A connected device; dropping it disconnects.
    type Dsm<'a>: LinkDsm
    where
        Self: 'a;

    /// Connects the device whose function 0 is `function`, and fills `evidence` with its objects.
    ///
    /// # Errors
    ///
    /// Whatever refuses; the device is not connected then.
    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Self::Dsm<'a>, Refused>;
}

/// Who a TDI is.
pub struct TdiIdentity<'a> {
    /// The function.
    pub function: &'a pci::Device,
    /// The name that the VM has for it.
    pub tdi_id: u32,
    /// Key of the VM.
    pub vm: usize,
}

/// A connected device.
pub trait LinkDsm: Send + Sync {
    /// A TDI of the device; dropping it unbinds. Infallible, uninterruptible, and without an
    /// allocation but that of a note of what the firmware owes, see [`crate::arrears`].
    type Tdi<'a>: LinkTdi
    where
        Self: 'a;

    /// Makes a TDI and locks it, and fills `evidence` with its objects.
    ///
    /// # Errors
    ///
    /// Whatever refuses; the function is as before then.
    fn bind<'a>(
        &'a self,
        who: &TdiIdentity<'a>,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<Self::Tdi<'a>, Refused>;
}

/// An operation that did not succeed.
pub struct Faltered {
    /// Why.
    pub refused: Refused,
    /// The state that the TDI is in now, if it is not the one it was in.
    pub state: Option<TdiState>,
}

impl<R: Into<Refused>> From<R> for Faltered {
    /// Nothing happened.
    fn from(refused: R) -> Self {
        Faltered {
            refused: refused.into(),
            state: None,
        }
    }
}

/// A bound TDI. Its caller knows the state it is in, and asks for nothing that state forbids.
pub trait LinkTdi: Send {
    /// Takes the TDI to another state. `evidence` gets the report of a TDI that is locked.
    fn transition(
        &mut self,
        step: Transition,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<(), Faltered>;

    /// Makes an object anew.
    fn regen(
        &mut self,
        regen: Regen,
        nonce: Option<[u8; NONCE_LEN]>,
        evidence: &Evidence,
        patience: Patience,
    ) -> Result<(), Faltered>;

    /// Maps MMIO of the TDI into the VM.
    fn validate_mmio(&mut self, range: MmioRange, patience: Patience) -> Result<(), Faltered>;

    /// Carries a message of the guest to the firmware. Returns the bytes of the response. Of a
    /// backend without such messages nothing is needed here.
    fn guest_message(
        &mut self,
        _message: GuestMessage<'_>,
        _patience: Patience,
    ) -> Result<usize, Faltered> {
        Err(Refusal::Payload.into())
    }
}
