// SPDX-License-Identifier: GPL-2.0

//! Data object exchange with the DSM of a device, through the kernel's own mailbox.
//!
//! C header: [`include/linux/pci-tsm.h`](srctree/include/linux/pci-tsm.h)

use crate::bindings;
use kernel::pci;
use kernel::prelude::*;

/// What a data object is, PCIe 7.0 section 6.30.1, of the PCI-SIG's own.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum DoeType {
    /// CMA/SPDM.
    Cma = 1,
    /// Secured CMA/SPDM.
    SecuredCma = 2,
}

/// The DOE mailbox of a function that is connected to a TSM of ours.
pub struct Doe<'a> {
    function: &'a pci::Device,
}

impl<'a> Doe<'a> {
    /// # Safety
    ///
    /// As long as `'a` lasts, the function's `struct pci_tsm` is one of ours, and is freed after
    /// the [`Dsm`](crate::link::Dsm) that this is given to.
    pub(crate) unsafe fn new(function: &'a pci::Device) -> Self {
        Doe { function }
    }

    /// Sends `request`, waits for the answer, and returns how many bytes of it are in `response`:
    /// whole 32-bit words, so that the message itself may be up to three bytes shorter.
    ///
    /// Takes about a second at most: the kernel gives a device that long for an answer.
    ///
    /// # Errors
    ///
    /// As pci_doe() has them. An answer that is longer than `response` is cut off.
    pub fn exchange(&self, kind: DoeType, request: &[u8], response: &mut [u8]) -> Result<usize> {
        // SAFETY: The buffers are valid for their lengths during the call. `pdev->tsm` is ours by
        // the contract of `new`.
        let ret = unsafe {
            bindings::pci_tsm_doe_transfer(
                crate::raw_pci(self.function),
                kind as u8,
                request.as_ptr().cast(),
                request.len(),
                response.as_mut_ptr().cast(),
                response.len(),
            )
        };
        if ret < 0 {
            return Err(Error::from_errno(ret));
        }
        Ok((ret as usize).min(response.len()))
    }
}
