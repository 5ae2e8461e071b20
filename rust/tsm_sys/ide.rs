// SPDX-License-Identifier: GPL-2.0

//! IDE streams: encryption of the link between an endpoint and its root port.
//!
//! The kernel keeps account of streams and programs the registers of both ports; the keys are the
//! affair of whoever talks to the ports. While a [`Stream`] exists, two links name it: `streamH.R.E`
//! at the host bridge, which the kernel makes, and the same at the TSM, as kernels after 7.3 have
//! it. Both are in sysfs.
//!
//! C header: [`include/linux/pci-ide.h`](srctree/include/linux/pci-ide.h)

use crate::{
    bindings,
    pci_from_raw,
    raw_pci, //
};
use core::ptr::NonNull;
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    pci,
    prelude::*, //
};

/// Functions that a device without ARI may have, less one.
const LAST_FUNCTION: u16 = 7;

/// A selective stream between an endpoint and its root port.
///
/// # Invariants
///
/// `ide` is a descriptor for `function` from pci_ide_stream_alloc(), which nobody else has, and
/// `root_port` is the root port above `function`.
pub struct Stream<'a> {
    ide: NonNull<bindings::pci_ide>,
    function: &'a pci::Device,
    root_port: &'a pci::Device,
    /// The link at the TSM is there.
    shown: bool,
}

// SAFETY: The descriptor belongs to the stream; any task may use and free it.
unsafe impl Send for Stream<'_> {}
// SAFETY: Through a shared reference it is only read from.
unsafe impl Sync for Stream<'_> {}

impl<'a> Stream<'a> {
    /// Takes a stream for `function`, which is function 0 of a device that is being connected to a
    /// TSM of ours, and programs the registers of both ends, but for the enable bits. `None` if one
    /// of the ends has no IDE, or if there are no two ends.
    ///
    /// All functions of the device are reached by it, and all that the device sends goes by it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if all streams of an end are in use, `ENOMEM`.
    pub fn new(function: &'a pci::Device) -> Result<Option<Self>> {
        let pdev = raw_pci(function);
        // SAFETY: The caller refers to the function. The kernel wrote the field when it found the
        // function, before any driver or TSM saw it, and never again.
        let has_ide = unsafe { (*pdev).ide_cap } != 0;
        // The kernel shows no IDE of an endpoint whose root port has none, and sets up no stream of
        // what is not an endpoint.
        // SAFETY: As above; both functions only read what was written at that time.
        let (kind, root_port) = unsafe {
            (
                bindings::tsm_shim_pcie_type(pdev),
                bindings::tsm_shim_root_port(pdev),
            )
        };
        if !has_ide || kind != kernel_bindings::PCI_EXP_TYPE_ENDPOINT as c_int {
            return Ok(None);
        }
        let Some(root_port) = NonNull::new(root_port) else {
            return Ok(None);
        };
        // SAFETY: A function is removed before the root port above it is, so that this one lives as
        // long as `'a` lasts.
        let root_port = unsafe { pci_from_raw(root_port.as_ptr()) };
        // SAFETY: An endpoint with IDE has a root port with IDE; what is allocated is locked by the
        // function itself.
        let ide = NonNull::new(unsafe { bindings::pci_ide_stream_alloc(pdev) }).ok_or(EBUSY)?;
        // INVARIANT: As just made.
        let mut stream = Stream {
            ide,
            function,
            root_port,
            shown: false,
        };
        stream.set_up()?;
        Ok(Some(stream))
    }

    fn set_up(&mut self) -> Result {
        let (ide, function, root_port) = self.raw();
        // SAFETY: By the invariant the descriptor is ours, and nobody else looks at it.
        let settings = unsafe { &mut *ide };
        // one stream of the host bridge is one Stream ID, as other TSMs of the kernel have it
        settings.stream_id = c_int::from(settings.host_bridge_stream);
        if let Some(endpoint) = settings
            .partner
            .get_mut(bindings::pci_ide_partner_select_PCI_IDE_EP as usize)
        {
            endpoint.set_default_stream(1);
        }
        if let Some(port) = settings
            .partner
            .get_mut(bindings::pci_ide_partner_select_PCI_IDE_RP as usize)
        {
            // the kernel has function 0 and its virtual functions; the others are TDIs as well
            port.rid_end = port.rid_end.max(port.rid_start | LAST_FUNCTION);
        }
        // SAFETY: The descriptor is ours, not registered yet, and has a Stream ID.
        to_result(unsafe { bindings::pci_ide_stream_register(ide) })?;
        // SAFETY: The descriptor is registered. Its two ports are there, and no register of this
        // stream is anybody else's.
        unsafe {
            bindings::pci_ide_stream_setup(function, ide);
            bindings::pci_ide_stream_setup(root_port, ide);
        }
        // SAFETY: `function` is connected to a TSM whose tsm_dev outlasts that, and pci_tsm_rwsem
        // is held for writing in connect(). The name is the descriptor's, that is registered.
        to_result(unsafe { bindings::tsm_shim_stream_show(function, (*ide).name) })?;
        self.shown = true;
        Ok(())
    }

    fn raw(
        &self,
    ) -> (
        *mut bindings::pci_ide,
        *mut kernel_bindings::pci_dev,
        *mut kernel_bindings::pci_dev,
    ) {
        (
            self.ide.as_ptr(),
            raw_pci(self.function),
            raw_pci(self.root_port),
        )
    }

    /// The Stream ID, in both ports.
    pub fn id(&self) -> u8 {
        // SAFETY: The descriptor is ours. It is from a u8, see `set_up`, and not changed after that.
        unsafe { (*self.ide.as_ptr()).stream_id as u8 }
    }

    /// The root port.
    pub fn root_port(&self) -> &'a pci::Device {
        self.root_port
    }

    /// The register block of the root port that it has, link streams counted first.
    pub fn root_port_block(&self) -> u8 {
        // SAFETY: The descriptor is ours, and not changed after `set_up`.
        let settings = unsafe { &*self.ide.as_ptr() };
        // SAFETY: The root port lives as long as the stream. The kernel wrote the field when it
        // found the port, and never again.
        let links = unsafe { (*raw_pci(self.root_port)).nr_link_ide };
        settings
            .partner
            .get(bindings::pci_ide_partner_select_PCI_IDE_RP as usize)
            .map_or(0, |port| links.wrapping_add(port.stream_index))
    }

    /// Bus addresses of the device that the root port reaches by the stream: first, and last. A
    /// window of the bridge above the device in which it has nothing is not among them, though the
    /// kernel has the root port know it.
    pub fn memory(&self) -> impl Iterator<Item = (u64, u64)> + use<'_, 'a> {
        // SAFETY: The descriptor is ours, and not changed after `set_up`.
        let settings = unsafe { &*self.ide.as_ptr() };
        settings
            .partner
            .get(bindings::pci_ide_partner_select_PCI_IDE_RP as usize)
            .map(|port| [(false, port.mem_assoc), (true, port.pref_assoc)])
            .into_iter()
            .flatten()
            .filter(|(prefetchable, _)| self.has_memory(*prefetchable))
            .map(|(_, region)| region)
            // one that is not there ends before its beginning, all around
            .filter(|region| region.end != u64::MAX && region.start <= region.end)
            .map(|region| (region.start, region.end))
    }

    /// Does the device have something in that window of the bridge above it?
    #[inline(never)]
    fn has_memory(&self, prefetchable: bool) -> bool {
        // SAFETY: The function is there as long as the stream. What is above it got its addresses
        // before a driver or a TSM saw it.
        unsafe { bindings::tsm_shim_window_is_used(raw_pci(self.function), prefetchable) }
    }

    /// Disables it in both ports, of which each forgets the keys that it uses, and programs their
    /// registers anew, but for the enable bits.
    pub fn disable(&mut self) {
        let (ide, function, root_port) = self.raw();
        for port in [root_port, function] {
            // SAFETY: The descriptor is registered and set up; `&mut` keeps others away from the
            // registers of the stream. The control register has the Stream ID, too, which is gone
            // until it is set up again.
            unsafe {
                bindings::pci_ide_stream_disable(port, ide);
                bindings::pci_ide_stream_setup(port, ide);
            }
        }
    }

    /// Enables it, in both ports, until it is disabled or dropped.
    ///
    /// # Errors
    ///
    /// `ENXIO` if a port does not become secure at once: it has no keys, or does not use them.
    pub fn enable(&mut self) -> Result {
        let (ide, function, root_port) = self.raw();
        // SAFETY: The descriptor is registered and set up; `&mut` keeps others away from the
        // registers of the stream.
        to_result(unsafe { bindings::pci_ide_stream_enable(function, ide) })?;
        // SAFETY: As above.
        to_result(unsafe { bindings::pci_ide_stream_enable(root_port, ide) })
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let (ide, function, _) = self.raw();
        if self.shown {
            // SAFETY: Made by `set_up`. The function is connected still: PCI/TSM forgets the TSM
            // after disconnect() returned, and holds pci_tsm_rwsem for writing meanwhile.
            unsafe { bindings::tsm_shim_stream_hide(function, (*ide).name) };
        }
        // SAFETY: The descriptor is ours, and not used after this. It knows what of it is enabled,
        // set up and registered.
        unsafe { bindings::pci_ide_stream_release(ide) };
    }
}
