// SPDX-License-Identifier: GPL-2.0

//! A TSM of ours, as the kernel's PCI/TSM core sees it.
//!
//! PCI/TSM calls a `struct pci_tsm_ops`; here each call arrives at an object that lives exactly as
//! long as what it stands for:
//!
//! | object | from | until |
//! |---|---|---|
//! | [`Link`] | tsm_register() | tsm_unregister() |
//! | [`Dsm`] | connect of function 0 | disconnect |
//! | [`Tdi`] | bind of a function | unbind |
//!
//! Each borrows from the one above it: PCI/TSM unbinds all before it disconnects, and disconnects
//! all before tsm_unregister() returns. The locks are `pci_tsm_rwsem`, for writing in connect and
//! disconnect, and `pci_tsm_pf0::lock` of the DSM, so that no two calls for one DSM run at once.
//!
//! C header: [`include/linux/pci-tsm.h`](srctree/include/linux/pci-tsm.h)

use crate::{
    bindings,
    doe::Doe,
    pci_from_raw, //
};
use core::{
    any::Any,
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    device,
    pci,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};
use tsm_wire::{
    guest_message::GuestMessage,
    refusal::{
        Refusal,
        Refused, //
    },
    request::Request,
    uapi::NONCE_LEN, //
};

/// A request on its way to a [`Tdi`].
pub struct Call<'a> {
    /// What is asked.
    pub request: Request,
    /// Nonce of a REGEN_OBJECT.
    pub nonce: Option<[u8; NONCE_LEN]>,
    /// The message of a GUEST_MESSAGE.
    pub message: Option<GuestMessage<'a>>,
    /// What tells the TDI that it is for from one that was bound in its place since.
    pub tdi: usize,
    /// When somebody began to wait for it.
    pub start: Instant<Monotonic>,
    /// What came of it: how many bytes of the response.
    pub result: Result<usize, Refused>,
}

/// A TSM.
pub trait Link: Send + Sync {
    /// Establishes the link to the device whose function 0 is `function`.
    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
    ) -> Result<KBox<dyn Dsm + 'a>, Refused>;
}

/// A connected device. Dropping it disconnects: uninterruptible, infallible.
pub trait Dsm: Send + Sync {
    /// Makes `function` a TDI of the VM with this key. `offer` is what the caller of
    /// [`crate::binding::bind`] gave, `None` if the request did not come from there.
    fn bind<'a>(
        &'a self,
        function: &'a pci::Device,
        tdi_id: u32,
        vm: usize,
        offer: Option<&dyn Any>,
    ) -> Result<KBox<dyn Tdi + 'a>, Refused>;
}

/// A bound TDI. Dropping it unbinds: uninterruptible, infallible.
pub trait Tdi: Send {
    /// Carries out a request, and leaves in it what came of it.
    fn guest_req(&mut self, call: &mut Call<'_>);
}

/// What C knows as the `struct tsm_link`.
#[repr(C)]
struct Registered {
    raw: bindings::tsm_link,
    link: NonNull<dyn Link>,
    owner: *mut kernel_bindings::module,
}

/// `struct pci_tsm` of a function 0.
#[repr(C)]
struct Pf0Context {
    base: bindings::pci_tsm_pf0,
    registered: NonNull<Registered>,
    /// Set by connect, taken by disconnect, both under the DSM lock.
    dsm: Option<KBox<dyn Dsm>>,
}

/// `struct pci_tsm` of another function.
#[repr(C)]
struct FunctionContext {
    base: bindings::pci_tsm,
}

/// `struct pci_tdi`.
#[repr(C)]
struct TdiContext {
    base: bindings::pci_tdi,
    tdi: KBox<dyn Tdi>,
    owner: *mut kernel_bindings::module,
}

/// A registered TSM, /sys/class/tsm/tsmN. Dropping it disconnects what is connected to it.
///
/// A registration must be dropped, not leaked, before `'a` ends.
pub struct Registration<'a, L: Link> {
    registered: NonNull<Registered>,
    /// Owned by `registered` too; dropped after it.
    link: NonNull<L>,
    _parent: PhantomData<&'a L>,
}

// SAFETY: What it owns is `Send` and `Sync`, and tsm_unregister() may be called from any task.
unsafe impl<L: Link> Send for Registration<'_, L> {}
// SAFETY: It has no methods.
unsafe impl<L: Link> Sync for Registration<'_, L> {}

impl<'a, L: Link + 'a> Registration<'a, L> {
    /// Registers `link` below `parent`.
    ///
    /// # Errors
    ///
    /// As tsm_register() has them.
    pub fn new(
        parent: &'a device::Device<device::Bound>,
        link: L,
        owner: &'static ThisModule,
    ) -> Result<Self> {
        let link = NonNull::from(KBox::leak(KBox::new(link, GFP_KERNEL)?));
        let erased: NonNull<dyn Link + 'a> = link;
        // SAFETY: Only the lifetime changes. What uses it is called by PCI/TSM, which does so until
        // tsm_unregister(), which is called before `'a` ends.
        let erased: NonNull<dyn Link> = unsafe { core::mem::transmute(erased) };
        let registered = KBox::new(
            Registered {
                // SAFETY: Pointers and function pointers, for which zero is no pointer.
                raw: unsafe { core::mem::zeroed() },
                link: erased,
                owner: owner.as_ptr(),
            },
            GFP_KERNEL,
        );
        let registered = match registered {
            Ok(registered) => NonNull::from(KBox::leak(registered)),
            Err(e) => {
                // SAFETY: Leaked above, and known to nobody else.
                drop(unsafe { KBox::from_raw(link.as_ptr()) });
                return Err(e.into());
            }
        };
        // Owns both from here on; `tsm_dev` says whether there is something to unregister.
        let registration = Registration {
            registered,
            link,
            _parent: PhantomData,
        };
        let raw = registered.as_ptr().cast::<bindings::tsm_link>();
        // SAFETY: `raw` is ours, and at an address that does not change any more.
        unsafe { bindings::tsm_shim_link_init(raw) };
        // SAFETY: The operations live until they are unregistered.
        let tsm_dev =
            unsafe { bindings::tsm_register(crate::raw_device(parent), &raw mut (*raw).ops) };
        let tsm_dev = kernel::error::from_err_ptr(tsm_dev)?;
        // SAFETY: `raw` is ours; C does not look at this field.
        unsafe { (*raw).tsm_dev = tsm_dev };
        Ok(registration)
    }
}

impl<L: Link> Drop for Registration<'_, L> {
    fn drop(&mut self) {
        // SAFETY: Ours until the end of this function.
        let tsm_dev = unsafe { (*self.registered.as_ptr()).raw.tsm_dev };
        if !tsm_dev.is_null() {
            // SAFETY: Registered by `new`. Returns when PCI/TSM will not call us any more, and all
            // Dsm and Tdi objects are gone.
            unsafe { bindings::tsm_unregister(tsm_dev) };
        }
        // SAFETY: Leaked by `new`, and nobody uses them any more.
        drop(unsafe { KBox::from_raw(self.registered.as_ptr()) });
        // SAFETY: Likewise.
        drop(unsafe { KBox::from_raw(self.link.as_ptr()) });
    }
}

/// A negative errno.
fn errno(refused: Refused) -> c_int {
    -refused.why.errno()
}

/// `pci_tsm_ops::probe`
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held.
#[no_mangle]
unsafe extern "C" fn tsm_link_probe(
    link: *mut bindings::tsm_link,
    tsm_dev: *mut bindings::tsm_dev,
    pdev: *mut kernel_bindings::pci_dev,
) -> *mut bindings::pci_tsm {
    let Some(registered) = NonNull::new(link.cast::<Registered>()) else {
        return core::ptr::null_mut();
    };
    // SAFETY: PCI/TSM holds `pdev`.
    if unsafe { bindings::tsm_shim_is_pf0(pdev) } {
        let context = KBox::new(
            Pf0Context {
                // SAFETY: Pointers, and a mutex that the constructor initializes.
                base: unsafe { core::mem::zeroed() },
                registered,
                dsm: None,
            },
            GFP_KERNEL,
        );
        let Ok(context) = context else {
            return core::ptr::null_mut();
        };
        let context = KBox::into_raw(context);
        // SAFETY: `context` is ours; its address does not change until tsm_link_remove().
        let ret =
            unsafe { bindings::pci_tsm_pf0_constructor(pdev, &raw mut (*context).base, tsm_dev) };
        if ret != 0 {
            // SAFETY: From into_raw() above; C did not keep it.
            drop(unsafe { KBox::from_raw(context) });
            return core::ptr::null_mut();
        }
        context.cast()
    } else {
        let context = KBox::new(
            FunctionContext {
                // SAFETY: Pointers.
                base: unsafe { core::mem::zeroed() },
            },
            GFP_KERNEL,
        );
        let Ok(context) = context else {
            return core::ptr::null_mut();
        };
        let context = KBox::into_raw(context);
        // SAFETY: As above.
        let ret =
            unsafe { bindings::pci_tsm_link_constructor(pdev, &raw mut (*context).base, tsm_dev) };
        if ret != 0 {
            // SAFETY: As above.
            drop(unsafe { KBox::from_raw(context) });
            return core::ptr::null_mut();
        }
        context.cast()
    }
}

/// `pci_tsm_ops::remove`
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held for writing, with what tsm_link_probe() gave.
#[no_mangle]
unsafe extern "C" fn tsm_link_remove(tsm: *mut bindings::pci_tsm) {
    // SAFETY: `tsm` is one of ours, and its function lives.
    if unsafe { bindings::tsm_shim_is_pf0((*tsm).pdev) } {
        let context = tsm.cast::<Pf0Context>();
        // SAFETY: Constructed by tsm_link_probe().
        unsafe { bindings::pci_tsm_pf0_destructor(&raw mut (*context).base) };
        // SAFETY: Made there, and PCI/TSM forgets it now.
        drop(unsafe { KBox::from_raw(context) });
    } else {
        // SAFETY: As above.
        drop(unsafe { KBox::from_raw(tsm.cast::<FunctionContext>()) });
    }
}

/// The context of the function that `pdev->tsm` of a function 0 of ours is in.
///
/// # Safety
///
/// `pdev` is a function 0 that a TSM of ours probed, and PCI/TSM holds `pci_tsm_rwsem`.
unsafe fn pf0_context(pdev: *mut kernel_bindings::pci_dev) -> *mut Pf0Context {
    // SAFETY: The rwsem keeps the field.
    unsafe { (*pdev).tsm.cast::<Pf0Context>() }
}

/// `pci_tsm_ops::connect`
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held for writing and the DSM lock.
#[no_mangle]
unsafe extern "C" fn tsm_link_connect(pdev: *mut kernel_bindings::pci_dev) -> c_int {
    // SAFETY: PCI/TSM connects a function 0 that we probed.
    let context = unsafe { pf0_context(pdev) };
    // SAFETY: The registration outlasts its contexts.
    let link: &dyn Link = unsafe { (*context).registered.as_ref().link.as_ref() };
    // SAFETY: The function outlasts its context.
    let function = unsafe { pci_from_raw(pdev) };
    // SAFETY: The context outlasts the Dsm, see tsm_link_disconnect().
    let doe = unsafe { Doe::new(function) };
    match link.connect(function, doe) {
        Ok(dsm) => {
            // SAFETY: Only the lifetime changes. The Dsm is dropped by tsm_link_disconnect(), which
            // PCI/TSM calls before the link, the function or the context goes.
            let dsm: KBox<dyn Dsm> = unsafe { core::mem::transmute(dsm) };
            // SAFETY: The DSM lock is held, so that nobody else looks at the field.
            unsafe { (*context).dsm = Some(dsm) };
            0
        }
        Err(refused) => errno(refused),
    }
}

/// `pci_tsm_ops::disconnect`
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held for writing and the DSM lock, after all functions
/// of the device were unbound.
#[no_mangle]
unsafe extern "C" fn tsm_link_disconnect(pdev: *mut kernel_bindings::pci_dev) {
    // SAFETY: As in tsm_link_connect().
    let context = unsafe { pf0_context(pdev) };
    // SAFETY: The DSM lock is held. No Tdi borrows from the Dsm any more.
    drop(unsafe { (*context).dsm.take() });
}

/// `pci_tsm_ops::bind`
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held for reading and the DSM lock.
#[no_mangle]
unsafe extern "C" fn tsm_link_bind(
    pdev: *mut kernel_bindings::pci_dev,
    kvm: *mut bindings::kvm,
    tdi_id: u32,
) -> *mut bindings::pci_tdi {
    let refuse = |why: Refusal| Error::from_errno(-why.errno()).to_ptr();
    // SAFETY: We probed `pdev`, and the rwsem keeps the field; the DSM is a function 0 of ours.
    let context = unsafe { pf0_context((*(*pdev).tsm.cast::<bindings::pci_tsm>()).dsm_dev) };
    // SAFETY: The DSM lock is held, so that the Dsm stays; it is `Sync`.
    let Some(dsm) = (unsafe { (*context).dsm.as_deref() }) else {
        return refuse(Refusal::NotBound);
    };
    // SAFETY: The registration outlasts its contexts.
    let owner = unsafe { (*context).registered.as_ref().owner };
    // SAFETY: The module is that of the TSM whose operation runs, so that it is there still.
    if !unsafe { bindings::tsm_shim_module_get(owner) } {
        return refuse(Refusal::NotBound);
    }
    // SAFETY: PCI/TSM unbinds before the function goes.
    let function = unsafe { pci_from_raw(pdev) };
    // SAFETY: PCI/TSM calls this in the task that called pci_tsm_bind().
    let offer = unsafe { crate::binding::offered() };
    let context = dsm
        .bind(function, tdi_id, kvm as usize, offer)
        .and_then(|tdi| {
            // SAFETY: Only the lifetime changes. The Tdi is dropped by tsm_link_unbind(), which
            // PCI/TSM calls before the Dsm or the function goes.
            let tdi: KBox<dyn Tdi> = unsafe { core::mem::transmute(tdi) };
            KBox::new(
                TdiContext {
                    base: bindings::pci_tdi { pdev, kvm, tdi_id },
                    tdi,
                    owner,
                },
                GFP_KERNEL,
            )
            .map_err(|_| Refusal::Memory.into())
        });
    match context {
        Ok(context) => KBox::into_raw(context).cast(),
        Err(refused) => {
            // SAFETY: Taken above. The rwsem is held, which tsm_unregister() of that module would
            // have to wait for: it is not unloaded before we are out of here.
            unsafe { bindings::tsm_shim_module_put(owner) };
            refuse(refused.why)
        }
    }
}

/// `pci_tsm_ops::unbind`
///
/// # Safety
///
/// Called by PCI/TSM, once, with `pci_tsm_rwsem` and the DSM lock held, with what tsm_link_bind()
/// gave.
#[no_mangle]
unsafe extern "C" fn tsm_link_unbind(tdi: *mut bindings::pci_tdi) {
    // SAFETY: Made by tsm_link_bind(), and PCI/TSM forgets it now.
    let context = unsafe { KBox::from_raw(tdi.cast::<TdiContext>()) };
    let owner = context.owner;
    drop(context);
    // SAFETY: Taken by tsm_link_bind(); the rwsem keeps the module as it did there.
    unsafe { bindings::tsm_shim_module_put(owner) };
}

/// `pci_tsm_ops::guest_req`, of a caller that is [`crate::binding::guest_req`].
///
/// # Safety
///
/// Called by PCI/TSM, with `pci_tsm_rwsem` held for reading and the DSM lock; `call` is a [`Call`]
/// that nobody else uses.
#[no_mangle]
unsafe extern "C" fn tsm_link_guest_req(
    tdi: *mut bindings::pci_tdi,
    call: *mut c_void,
    _len: usize,
) -> isize {
    // SAFETY: Made by tsm_link_bind(); the DSM lock keeps it, and others from it.
    let context = unsafe { &mut *tdi.cast::<TdiContext>() };
    // SAFETY: By the contract.
    let call = unsafe { &mut *call.cast::<Call<'_>>() };
    context.tdi.guest_req(call);
    0
}
