// SPDX-License-Identifier: GPL-2.0

//! vDEVICEs of an iommufd.
//!
//! The functions here are inlined into iommufd_tsm.ko, where the shims are that they call: only
//! that module depends on iommufd.
//!
//! C header: [`include/linux/iommufd.h`](srctree/include/linux/iommufd.h)

use crate::{
    bindings,
    module::ModuleRef,
    vm::Vm, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    device,
    pci, //
};

/// An open /dev/iommu, during an ioctl on it.
#[derive(Clone, Copy)]
pub struct IommuFile<'a>(
    *mut kernel_bindings::file,
    PhantomData<&'a kernel_bindings::file>,
);

impl<'a> IommuFile<'a> {
    /// # Safety
    ///
    /// `file` is one of iommufd and open as long as `'a` lasts.
    #[inline]
    pub(crate) unsafe fn from_raw(file: *mut kernel_bindings::file) -> Self {
        IommuFile(file, PhantomData)
    }

    /// The vDEVICE with this id, if there is one.
    #[inline]
    pub fn vdevice(self, id: u32) -> Option<Vdevice<'a>> {
        // SAFETY: The file is one of iommufd. The function takes `users` and `wait_cnt` of the
        // object under the lock of the array it is in.
        let vdev = NonNull::new(unsafe { bindings::tsm_shim_vdevice_get(self.0, id) })?;
        // INVARIANT: Both were taken.
        Some(Vdevice { file: self, vdev })
    }

    /// Looks at the vDEVICE with this id, if there is one, under the lock of the array it is in:
    /// until `look` returns it does not go. Much cheaper than holding it.
    ///
    /// `look` does not sleep, and takes no lock but an innermost one.
    #[inline]
    pub fn look<R>(self, id: u32, look: impl FnOnce(VdeviceKey) -> R) -> Option<R> {
        // SAFETY: The file is one of iommufd. The function leaves with the lock of its objects held
        // if it found one.
        let vdev = NonNull::new(unsafe { bindings::tsm_shim_vdevice_find(self.0, id) })?;
        let seen = look(vdev.as_ptr() as VdeviceKey);
        // SAFETY: Taken above, by this task.
        unsafe { bindings::tsm_shim_vdevice_unlock(self.0) };
        Some(seen)
    }
}

/// A vDEVICE that cannot be destroyed as long as this exists: IOMMU_DESTROY answers EBUSY, closing
/// the VFIO device waits.
///
/// # Invariants
///
/// `users` and `wait_cnt` of the object are held.
pub struct Vdevice<'a> {
    file: IommuFile<'a>,
    vdev: NonNull<bindings::iommufd_vdevice>,
}

/// A callback of a vDEVICE's destruction, to be called once with it.
pub type DestroyFn = bindings::tsm_vdevice_destroy_fn;

/// Who wants to know that a vDEVICE goes: the one who answers the ioctls.
pub trait VdeviceGone: Send + Sync + 'static {
    /// The vDEVICE with this key goes, and no reference to it is left but that of its destroyer.
    /// Returns what stood in the place of this one, and the reference to the module that was taken
    /// for it.
    ///
    /// Called under the `igroup->lock` of its device.
    fn gone(&self, key: VdeviceKey) -> Option<(SavedDestroy, ModuleRef)>;
}

/// What tells one existing vDEVICE from another.
pub type VdeviceKey = usize;

/// The destroy callback that a vDEVICE had before.
pub struct SavedDestroy(DestroyFn);

// SAFETY: A function pointer.
unsafe impl Send for SavedDestroy {}
// SAFETY: Likewise.
unsafe impl Sync for SavedDestroy {}

impl Vdevice<'_> {
    /// What tells it from others.
    #[inline]
    pub fn key(&self) -> VdeviceKey {
        self.vdev.as_ptr() as VdeviceKey
    }

    /// The PCI function behind it, if it is one.
    #[inline]
    pub fn function(&self) -> Option<&pci::Device> {
        // SAFETY: The vDEVICE holds its iommufd_device, which holds the device.
        let dev = unsafe { bindings::tsm_shim_vdevice_device(self.vdev.as_ptr()) };
        // SAFETY: As above; it lives as long as `self`.
        let dev: &device::Device = unsafe { device::Device::from_raw(dev) };
        dev.try_into().ok()
    }

    /// Its virtual id.
    #[inline]
    pub fn virt_id(&self) -> u64 {
        // SAFETY: The field is set before the object can be found and never changes.
        unsafe { bindings::tsm_shim_vdevice_virt_id(self.vdev.as_ptr()) }
    }

    /// The VM behind it.
    #[inline]
    pub fn vm(&self) -> Option<Vm> {
        let function = self.function()?;
        // SAFETY: The vDEVICE exists, so that its device is bound to the iommufd. Unbinding it
        // destroys the vDEVICE first, which waits for `self`.
        unsafe { Vm::behind(function) }
    }

    /// Puts `G` in front of the destroy callback; [`Vdevice::unchain`] takes it back.
    ///
    /// The caller sees to it that this is not done twice at once for one vDEVICE.
    #[inline]
    pub fn chain<G: VdeviceGone>(&self) -> SavedDestroy {
        let vdev = self.vdev.as_ptr();
        // SAFETY: The callback is read by the destroyer alone, which cannot run as long as `self`
        // holds the object, and sees what was written before that was given up.
        let saved = unsafe { bindings::tsm_shim_vdevice_destroy(vdev) };
        // SAFETY: As above.
        unsafe { bindings::tsm_shim_vdevice_set_destroy(vdev, Some(destroyed::<G>)) };
        SavedDestroy(saved)
    }

    /// Puts the callback back that was there before [`Vdevice::chain`], unless somebody else put
    /// one in front of ours; then false, and ours stays.
    #[inline]
    #[must_use]
    pub fn unchain<G: VdeviceGone>(&self, saved: &SavedDestroy) -> bool {
        let vdev = self.vdev.as_ptr();
        // SAFETY: As in `chain`.
        let now = unsafe { bindings::tsm_shim_vdevice_destroy(vdev) };
        let ours: unsafe extern "C" fn(*mut bindings::iommufd_vdevice) = destroyed::<G>;
        if now.map(|now| now as usize) != Some(ours as usize) {
            return false;
        }
        // SAFETY: As in `chain`.
        unsafe { bindings::tsm_shim_vdevice_set_destroy(vdev, saved.0) };
        true
    }
}

impl Drop for Vdevice<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant. The function gives up `users` first, then `wait_cnt`, and wakes
        // who waits for that.
        unsafe { bindings::tsm_shim_vdevice_put(self.file.0, self.vdev.as_ptr()) };
    }
}

/// `vdev->destroy` of a chained vDEVICE.
///
/// # Safety
///
/// Called by iommufd, once, in the destruction of `vdev`.
unsafe extern "C" fn destroyed<G: VdeviceGone>(vdev: *mut bindings::iommufd_vdevice) {
    // SAFETY: A chained vDEVICE holds a reference to the module, so that `G` answers still.
    let answerer = unsafe { crate::redirect::answerer::<G>() };
    let Some((SavedDestroy(saved), module)) = answerer.gone(vdev as VdeviceKey) else {
        return;
    };
    if let Some(destroy) = saved {
        // SAFETY: That is what iommufd would have called in our place, with the same argument and
        // under the same lock.
        unsafe { destroy(vdev) };
    }
    // Last: unloading waits for a task that is past this, but not for one that sleeps in it.
    drop(module);
}
