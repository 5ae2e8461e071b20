// SPDX-License-Identifier: GPL-2.0

//! VMs, as KVM has them.

use crate::bindings;
use core::ptr::NonNull;
use kernel::pci;

type GetFn = unsafe extern "C" fn(*mut bindings::kvm) -> bool;
type PutFn = unsafe extern "C" fn(*mut bindings::kvm);

/// A VM that cannot go away as long as this exists.
///
/// # Invariants
///
/// `kvm` holds a reference; `put` is kvm_put_kvm(), with a reference to its module.
pub struct Vm {
    kvm: NonNull<bindings::kvm>,
    put: PutFn,
}

// SAFETY: `struct kvm` is reference counted, and put from any task.
unsafe impl Send for Vm {}
// SAFETY: Nothing of it is accessed but the reference count.
unsafe impl Sync for Vm {}

impl Vm {
    /// The VM that the VFIO device driving `function` is associated with.
    ///
    /// # Safety
    ///
    /// `function` is bound to an iommufd, and stays so during the call: the VFIO device is open
    /// then, and its association does not change.
    pub(crate) unsafe fn behind(function: &pci::Device) -> Option<Vm> {
        let raw = crate::raw_pci(function);
        // SAFETY: The device is open, so that its driver is bound and cannot be unbound.
        if !unsafe { bindings::tsm_shim_is_vfio_pci(raw) } {
            return None;
        }
        // SAFETY: It is a device of vfio-pci-core, as was just seen.
        let kvm = NonNull::new(unsafe { bindings::tsm_shim_vfio_kvm(raw) })?;
        // SAFETY: Takes a reference to the module of KVM, if there is one.
        let put = unsafe { bindings::tsm_shim_symbol_get_kvm_put() };
        if put.is_null() {
            return None;
        }
        // SAFETY: As above.
        let get = unsafe { bindings::tsm_shim_symbol_get_kvm_get() };
        let mut got = false;
        if !get.is_null() {
            // SAFETY: That is the type of kvm_get_kvm_safe().
            let get: GetFn = unsafe { core::mem::transmute(get) };
            // SAFETY: VFIO holds a reference to the VM as long as the device is open.
            got = unsafe { get(kvm.as_ptr()) };
            // SAFETY: Taken above.
            unsafe { bindings::tsm_shim_symbol_put_kvm_get() };
        }
        if !got {
            // SAFETY: Taken above.
            unsafe { bindings::tsm_shim_symbol_put_kvm_put() };
            return None;
        }
        // SAFETY: That is the type of kvm_put_kvm().
        let put: PutFn = unsafe { core::mem::transmute(put) };
        // INVARIANT: Both references were taken above.
        Some(Vm { kvm, put })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kvm {
        self.kvm.as_ptr()
    }

    /// A number that tells this VM from every other one that exists.
    pub fn key(&self) -> usize {
        self.kvm.as_ptr() as usize
    }
}

impl PartialEq for Vm {
    fn eq(&self, other: &Vm) -> bool {
        self.kvm == other.kvm
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: The reference that the invariant speaks of; it is not used after this.
        unsafe { (self.put)(self.kvm.as_ptr()) };
        // SAFETY: Likewise that of the module.
        unsafe { bindings::tsm_shim_symbol_put_kvm_put() };
    }
}
