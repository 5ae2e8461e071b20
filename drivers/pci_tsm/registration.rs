// SPDX-License-Identifier: GPL-2.0

//! A backend, registered with PCI/TSM of the kernel.
//!
//! Here the states of a TDI are kept: a backend is asked for a step only if the state allows it.

use crate::link_tsm::{
    Faltered,
    LinkDsm,
    LinkTdi,
    LinkTsm,
    TdiIdentity, //
};
use crate::patience::Patience;
use core::any::Any;
use kernel::{
    device,
    pci,
    prelude::*,
    sync::Arc, //
};
use tsm_core::{
    context::TdiContext,
    evidence::Evidence, //
};
use tsm_sys::{
    doe::Doe,
    link::{
        self,
        Call, //
    }, //
};
use tsm_wire::{
    op::TvmArch,
    refusal::{
        Refusal,
        Refused, //
    },
    request::Request,
    tdi::TdiState, //
};

/// A TSM that PCI/TSM knows, /sys/class/tsm/tsmN. Dropping it disconnects its devices.
pub struct Registration<'a, T: LinkTsm> {
    _link: link::Registration<'a, Adaptor<T>>,
}

impl<'a, T: LinkTsm + 'a> Registration<'a, T> {
    /// Registers `tsm`, whose firmware `parent` is.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and as tsm_register() has them.
    pub fn new(
        parent: &'a device::Device<device::Bound>,
        tsm: T,
        owner: &'static ThisModule,
    ) -> Result<Self> {
        Ok(Registration {
            _link: link::Registration::new(parent, Adaptor(tsm), owner)?,
        })
    }
}

struct Adaptor<T>(T);

impl<T: LinkTsm> link::Link for Adaptor<T> {
    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
    ) -> Result<KBox<dyn link::Dsm + 'a>, Refused> {
        let evidence = Evidence::boxed().map_err(|_| Refusal::Memory)?;
        let dsm = self.0.connect(function, doe, &evidence).inspect_err(|e| {
            let code = e.tsm_code;
            dev_warn!(function, "connect: {:?}, TSM code {code:#x}\n", e.why);
        })?;
        let connected = ConnectedDsm {
            dsm,
            evidence,
            arch: T::ARCH,
        };
        let connected = KBox::new(connected, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        Ok(connected)
    }
}

struct ConnectedDsm<D> {
    dsm: D,
    evidence: Pin<KBox<Evidence>>,
    arch: TvmArch,
}

impl<D: LinkDsm> link::Dsm for ConnectedDsm<D> {
    fn bind<'a>(
        &'a self,
        function: &'a pci::Device,
        tdi_id: u32,
        vm: usize,
        offer: Option<&dyn Any>,
    ) -> Result<KBox<dyn link::Tdi + 'a>, Refused> {
        // somebody else's pci_tsm_bind() has no context, and nothing to do here without
        let context = offer
            .and_then(|offer| offer.downcast_ref::<Arc<TdiContext>>())
            .ok_or(Refusal::Unsupported)?
            .clone();
        let who = TdiIdentity {
            function,
            tdi_id,
            vm,
        };
        let refuse = |refused: &Refused| context.refuse(*refused);
        if !context.asked().fits(self.arch) {
            return Err(Refusal::Arch.into()).inspect_err(refuse);
        }
        let patience = Patience::since(context.start());
        let tdi = self
            .dsm
            .bind(&who, context.evidence(), patience)
            .inspect_err(refuse)?;
        context.evidence().share(&self.evidence);
        context.attach(self.arch);
        let bound = BoundTdi { context, tdi };
        let bound = KBox::new(bound, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        Ok(bound)
    }
}

struct BoundTdi<T> {
    context: Arc<TdiContext>,
    tdi: T,
}

impl<T: LinkTdi> BoundTdi<T> {
    fn run(&mut self, call: &mut Call<'_>) -> Result<usize, Faltered> {
        if call.tdi != self.context.identity() {
            // unbound and bound again since
            return Err(Refusal::NotBound.into());
        }
        let evidence = self.context.evidence();
        let patience = Patience::since(call.start);
        if patience.is_over() {
            // its turn came too late
            return Err(Refusal::Firmware.into());
        }
        let state = self.context.state().ok_or(Refusal::NotBound)?;
        match call.request {
            Request::SetTdiState(target) => {
                let Some(step) = state.toward(target)? else {
                    return Ok(0);
                };
                self.tdi.transition(step, evidence, patience)?;
                self.context.enter(target);
                Ok(0)
            }
            Request::RegenObject(_) | Request::ValidateMmio(_) if !state.is_frozen() => {
                Err(Refusal::State.into())
            }
            Request::RegenObject(regen) => {
                self.tdi.regen(regen, call.nonce, evidence, patience)?;
                Ok(0)
            }
            Request::ValidateMmio(range) => {
                self.tdi.validate_mmio(range, patience)?;
                Ok(0)
            }
            // one that asks that DMA be stopped comes after the TDI was stopped, too
            Request::GuestMessage(_) if state == TdiState::Error => Err(Refusal::State.into()),
            Request::GuestMessage(_) => {
                let message = call.message.take().ok_or(Refusal::Payload)?;
                self.tdi.guest_message(message, patience)
            }
            // read from the evidence, and never sent here
            Request::ReadObject { .. } | Request::ObjectInfo(_) => Err(Refusal::Payload.into()),
        }
    }
}

impl<T: LinkTdi> link::Tdi for BoundTdi<T> {
    fn guest_req(&mut self, call: &mut Call<'_>) {
        call.result = self.run(call).map_err(|faltered| {
            if let Some(state) = faltered.state {
                self.context.enter(state);
            }
            faltered.refused
        });
    }
}

impl<T> Drop for BoundTdi<T> {
    fn drop(&mut self) {
        // before the TDI itself goes
        self.context.revoke();
    }
}
