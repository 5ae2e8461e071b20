// SPDX-License-Identifier: GPL-2.0

//! Bind, unbind and requests of the kernel's PCI/TSM core.
//!
//! C header: [`include/linux/pci-tsm.h`](srctree/include/linux/pci-tsm.h)

use crate::{
    bindings,
    link::Call,
    raw_pci,
    vm::Vm, //
};
use core::any::Any;
use kernel::{
    bindings as kernel_bindings,
    pci,
    prelude::*, //
};
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    scope::Scope, //
};

/// What the TSM can do that a function is connected to.
pub struct TsmOps {
    /// It has a bind operation.
    pub bind: bool,
    /// It has a guest_req operation.
    pub guest_req: bool,
    /// It is one of this project.
    pub ours: bool,
    /// The function is bound through it.
    pub bound: bool,
}

/// What the TSM can do that `function` is connected to; `None` if it is not connected.
///
/// A hint: PCI/TSM keeps its lock to itself, and root may disconnect the function at any time.
pub fn tsm_ops(function: &pci::Device) -> Option<TsmOps> {
    let mut has = bindings::tsm_shim_ops::default();
    // SAFETY: The function tolerates that `pdev->tsm` goes away under it.
    let ret = unsafe { bindings::tsm_shim_ops_of(raw_pci(function), &mut has) };
    (ret == 0).then_some(TsmOps {
        bind: has.bind,
        guest_req: has.guest_req,
        ours: has.ours,
        bound: has.bound,
    })
}

/// What a task that is in [`bind`] has for the [`Dsm::bind`](crate::link::Dsm::bind) that PCI/TSM
/// calls from there. On that task's stack.
struct Offer {
    next: *mut Offer,
    task: *mut kernel_bindings::task_struct,
    what: *const dyn Any,
}

/// The offers of all tasks.
struct Offers(*mut Offer);

// SAFETY: The pointers are followed with the lock held only, and an offer is taken out of the list,
// with the lock held, before its task's stack frame ends.
unsafe impl Send for Offers {}

kernel::sync::global_lock! {
    // SAFETY: Initialized by `init`, which the module calls first.
    unsafe(uninit) static OFFERS: SpinLock<Offers> = Offers(core::ptr::null_mut());
}

/// To be called first, when the module is loaded.
pub fn init() {
    // SAFETY: Called once, before anybody can bind.
    unsafe { OFFERS.init() };
}

/// Runs `f` with `what` on offer.
fn with_offer<R>(what: &dyn Any, f: impl FnOnce() -> R) -> R {
    // SAFETY: Only the lifetime changes; the offer is withdrawn below.
    let what: *const dyn Any = unsafe { core::mem::transmute::<&dyn Any, *const dyn Any>(what) };
    let mut offer = Offer {
        next: core::ptr::null_mut(),
        task: current!().as_ptr(),
        what,
    };
    let this: *mut Offer = &mut offer;
    {
        let mut offers = OFFERS.lock();
        // SAFETY: `this` is ours, and not in the list yet.
        unsafe { (*this).next = offers.0 };
        offers.0 = this;
    }
    let ret = f();
    {
        let mut offers = OFFERS.lock();
        let mut link: *mut *mut Offer = &mut offers.0;
        // SAFETY: The list holds `this`, and offers of other tasks that cannot end while the lock
        // is held.
        unsafe {
            while !core::ptr::eq(*link, this) {
                link = &raw mut (**link).next;
            }
            *link = (*this).next;
        }
    }
    ret
}

/// What the current task has on offer.
///
/// # Safety
///
/// Called by the task that is in [`bind`], from there: what it offers is on its stack for as long as
/// `'a` lasts.
pub(crate) unsafe fn offered<'a>() -> Option<&'a dyn Any> {
    let task = current!().as_ptr();
    let offers = OFFERS.lock();
    let mut offer = offers.0;
    while !offer.is_null() {
        // SAFETY: In the list, and the lock is held.
        let this = unsafe { &*offer };
        if core::ptr::eq(this.task, task) {
            // SAFETY: By the contract.
            return Some(unsafe { &*this.what });
        }
        offer = this.next;
    }
    None
}

/// pci_tsm_bind(). A TSM of this project finds `offer` in its
/// [`Dsm::bind`](crate::link::Dsm::bind).
///
/// The caller looked at [`tsm_ops`] before: PCI/TSM of Linux 7.3 calls a bind that is not there.
///
/// # Errors
///
/// As PCI/TSM or the TSM has them.
pub fn bind(function: &pci::Device, vm: &Vm, tdi_id: u32, offer: &dyn Any) -> Result {
    // SAFETY: The function and the VM are referenced by the caller.
    let ret = with_offer(offer, || unsafe {
        bindings::pci_tsm_bind(raw_pci(function), vm.as_ptr(), tdi_id)
    });
    kernel::error::to_result(ret)
}

/// pci_tsm_unbind(). Of an unbound function: no change.
pub fn unbind(function: &pci::Device) {
    // SAFETY: The function is referenced by the caller.
    unsafe { bindings::pci_tsm_unbind(raw_pci(function)) };
}

/// A request to a TSM of ours, under the locks that PCI/TSM holds for it. Returns the bytes of its
/// response.
///
/// # Errors
///
/// [`Refusal::Signal`] if one came while waiting for the locks, [`Refusal::NotBound`], and what
/// the TSM refuses.
pub fn guest_req(function: &pci::Device, call: &mut Call<'_>) -> Result<usize, Refused> {
    let mut code = 0;
    let call_ptr: *mut Call<'_> = call;
    // SAFETY: The length says that `call_ptr` is a `Call`, which no length of a user's can say; it
    // is used during the function only.
    let ret = unsafe {
        bindings::tsm_shim_guest_req(
            raw_pci(function),
            Scope::StateChange as u32,
            call_ptr.cast(),
            usize::MAX,
            core::ptr::null_mut(),
            0,
            &mut code,
        )
    };
    match ret {
        0 => call.result,
        _ => Err(Refusal::from_errno(-(ret as i32)).into()),
    }
}

/// A request to a TSM that is not ours: raw bytes and a scope. Returns the residue, and what the TSM
/// said, in both cases.
pub fn guest_req_raw(
    function: &pci::Device,
    scope: Scope,
    req: &mut [u8],
    resp: &mut [u8],
) -> (Result<u32, Refusal>, u64) {
    let mut code = 0;
    let resp_ptr = if resp.is_empty() {
        core::ptr::null_mut()
    } else {
        resp.as_mut_ptr().cast()
    };
    // SAFETY: The buffers are valid for their lengths during the call.
    let ret = unsafe {
        bindings::tsm_shim_guest_req(
            raw_pci(function),
            scope as u32,
            req.as_mut_ptr().cast(),
            req.len(),
            resp_ptr,
            resp.len(),
            &mut code,
        )
    };
    let residue = match ret {
        0.. => u32::try_from(ret).map_err(|_| Refusal::Firmware),
        _ => Err(Refusal::from_errno(-(ret as i32))),
    };
    (residue, code)
}
