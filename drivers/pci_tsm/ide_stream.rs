// SPDX-License-Identifier: GPL-2.0

//! The encrypted link between a connected device and its root port.
//!
//! A backend sets the stream up, has its firmware bring keys to both ends, and enables it. At the
//! end the firmware takes the keys back, as long as the ports know which stream they are of; then the
//! stream is dropped, which disables it and gives its registers back. A device without a root port,
//! or one end of which has no IDE, is connected without a stream; whether that is good enough is for
//! the firmware to say when a TDI is locked.

use kernel::{
    pci,
    prelude::*, //
};
use tsm_sys::ide::Stream;
use tsm_wire::refusal::{
    Refusal,
    Refused, //
};

/// The stream of a connected device.
pub struct IdeStream<'a> {
    stream: Stream<'a>,
}

impl<'a> IdeStream<'a> {
    /// Takes a stream for the device whose function 0 this is, and programs both ends. `None` if
    /// there are no two ends with IDE.
    ///
    /// To be called in [`connect()`](crate::link_tsm::LinkTsm::connect) only.
    ///
    /// # Errors
    ///
    /// [`Refusal::Taken`] if all streams of an end are in use, [`Refusal::Memory`].
    pub fn set_up(function: &'a pci::Device) -> Result<Option<Self>, Refused> {
        match Stream::new(function) {
            Ok(stream) => Ok(stream.map(|stream| IdeStream { stream })),
            Err(e) => Err(Refusal::from_errno(-e.to_errno()).into()),
        }
    }

    /// The Stream ID.
    pub fn id(&self) -> u8 {
        self.stream.id()
    }

    /// The other end.
    pub fn root_port(&self) -> &'a pci::Device {
        self.stream.root_port()
    }

    /// The register block of the root port that it has, link streams counted first.
    pub fn root_port_block(&self) -> u8 {
        self.stream.root_port_block()
    }

    /// Bus addresses that the root port reaches by the stream, ascending: first, and last.
    pub fn memory(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut after = None;
        let next = move || {
            let next = self
                .stream
                .memory()
                .filter(|(first, _)| after.is_none_or(|after| *first > after))
                .min()?;
            after = Some(next.1);
            Some(next)
        };
        core::iter::from_fn(next)
    }

    /// Enables it; both ends have their keys.
    ///
    /// # Errors
    ///
    /// `insecure` if one of the ends does not become secure. It is not disabled by that.
    pub fn enable(&mut self, insecure: Refused) -> Result<(), Refused> {
        self.stream.enable().map_err(|_| insecure)
    }

    /// Disables it, so that it can be given other keys and be enabled again.
    pub fn disable(&mut self) {
        self.stream.disable();
    }
}
