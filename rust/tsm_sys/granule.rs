// SPDX-License-Identifier: GPL-2.0

//! Memory that firmware is given.

use core::ptr::NonNull;
use kernel::{
    bindings, device,
    dma::{
        Device as _,
        DmaMask, //
    },
    pci,
    prelude::*,
};

/// Bytes in a granule.
pub const GRANULE_SIZE: usize = 4096;

/// One page that a bus master can reach, zeroed at first.
///
/// # Invariants
///
/// `cpu` and `bus` are one coherent allocation of [`GRANULE_SIZE`] bytes for `dev`.
pub struct Granule<'a> {
    dev: &'a device::Device<device::Bound>,
    cpu: NonNull<u8>,
    bus: u64,
}

// SAFETY: The memory belongs to the granule and can be freed by any task.
unsafe impl Send for Granule<'_> {}
// SAFETY: Through a shared reference it is copied from only.
unsafe impl Sync for Granule<'_> {}

impl<'a> Granule<'a> {
    /// A new one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(dev: &'a device::Device<device::Bound>) -> Result<Self> {
        let mut bus = 0;
        // SAFETY: `dev` is bound to a driver, and `'a` does not outlast that.
        let cpu = unsafe {
            bindings::dma_alloc_attrs(
                crate::raw_device(dev),
                GRANULE_SIZE,
                &mut bus,
                bindings::GFP_KERNEL | bindings::__GFP_ZERO,
                0,
            )
        };
        let cpu = NonNull::new(cpu.cast()).ok_or(ENOMEM)?;
        // INVARIANT: That is what the function gives.
        Ok(Granule { dev, cpu, bus })
    }

    /// Address on the bus.
    pub fn bus_address(&self) -> u64 {
        self.bus
    }

    /// Copies from it, starting at `offset`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if that is not all inside.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        Self::check(offset, to.len())?;
        // SAFETY: Inside the allocation, as just checked. The firmware may write at the same time;
        // what is read then is its concern, and is checked where it is decoded.
        unsafe {
            self.cpu
                .as_ptr()
                .add(offset)
                .copy_to_nonoverlapping(to.as_mut_ptr(), to.len())
        };
        Ok(())
    }

    /// Copies to it, starting at `offset`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if that is not all inside.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result {
        Self::check(offset, from.len())?;
        // SAFETY: Inside the allocation, as just checked; no other task has it.
        unsafe {
            self.cpu
                .as_ptr()
                .add(offset)
                .copy_from_nonoverlapping(from.as_ptr(), from.len())
        };
        Ok(())
    }

    fn check(offset: usize, len: usize) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= GRANULE_SIZE => Ok(()),
            _ => Err(ERANGE),
        }
    }

    /// Gives the memory up for good: firmware did not give it back, and nobody may use it again.
    pub fn leak(self) {
        core::mem::forget(self);
    }
}

impl Drop for Granule<'_> {
    fn drop(&mut self) {
        // SAFETY: By the invariant; not used after this.
        unsafe {
            bindings::dma_free_attrs(
                crate::raw_device(self.dev),
                GRANULE_SIZE,
                self.cpu.as_ptr().cast(),
                self.bus,
                0,
            )
        };
    }
}

/// Lets a function reach memory with addresses of `BITS` bits. An IOMMU that is let gives addresses
/// of 64, which is more than the physical addresses have that firmware is used to.
///
/// # Errors
///
/// If the platform cannot.
pub fn set_dma_mask<const BITS: u32>(function: &pci::Device<device::Core<'_>>) -> Result {
    // SAFETY: A `Core` device is one in probe(), where nothing was allocated for it yet.
    unsafe { function.dma_set_mask_and_coherent(DmaMask::new::<BITS>()) }
}
