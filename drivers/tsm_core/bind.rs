// SPDX-License-Identifier: GPL-2.0

//! Bind and unbind.

use crate::context::TdiContext;
use kernel::{
    pci,
    prelude::*,
    sync::Arc, //
};
use tsm_sys::{
    binding,
    vm::Vm, //
};
use tsm_wire::{
    op::TvmArch,
    refusal::{
        Refusal,
        Refused, //
    }, //
};

/// A TDI that is bound. Dropping it unbinds it, unless the TSM went away before: exactly once,
/// infallible, without an allocation, uninterruptible.
pub struct BoundTdi(Arc<TdiContext>);

impl BoundTdi {
    /// What its requests go to.
    #[inline]
    pub fn context(&self) -> &Arc<TdiContext> {
        &self.0
    }
}

impl Drop for BoundTdi {
    fn drop(&mut self) {
        if !self.0.is_revoked() {
            binding::unbind(&self.0.function);
        }
    }
}

/// Binds `function` as the TDI `virt_id` of the VM that `vm` finds, through a TSM of `arch`, and
/// locks it.
///
/// # Errors
///
/// [`Refusal::NotBound`] without a TSM, [`Refusal::VirtId`] beyond 32 bits, [`Refusal::NoVm`],
/// [`Refusal::Unsupported`] if the TSM cannot, [`Refusal::Taken`] if the function is bound already,
/// [`Refusal::Arch`], [`Refusal::Firmware`], and [`Refusal::Memory`]; nothing is changed then.
pub fn tsm_bind(
    function: &pci::Device,
    arch: TvmArch,
    virt_id: u64,
    vm: impl FnOnce() -> Option<Vm>,
) -> Result<BoundTdi, Refused> {
    let ops = binding::tsm_ops(function).ok_or(Refusal::NotBound)?;
    let tdi_id = u32::try_from(virt_id).map_err(|_| Refusal::VirtId)?;
    let vm = vm().ok_or(Refusal::NoVm)?;
    if !ops.bind {
        return Err(Refusal::Unsupported.into());
    }
    if ops.bound {
        // somebody else in the kernel did that: PCI/TSM would say 0, if it is the same VM
        return Err(Refusal::Taken.into());
    }
    let context = TdiContext::new(function.into(), vm, tdi_id, arch)
        .map_err(|_| Refused::from(Refusal::Memory))?;
    if let Err(e) = binding::bind(function, &context.vm, tdi_id, &context) {
        return Err(
            match (context.refused(), Refusal::from_errno(-e.to_errno())) {
                (Some(refused), _) => refused,
                // PCI/TSM's word for a function that was disconnected in between
                (None, Refusal::Payload) if ops.ours => Refusal::NotBound.into(),
                (None, why) => why.into(),
            },
        );
    }
    if context.is_pending() {
        if ops.ours {
            return Err(Refusal::Taken.into());
        }
        context.adopt_foreign();
    }
    Ok(BoundTdi(context))
}
