// SPDX-License-Identifier: GPL-2.0

//! Intel TDX Connect: devices of trust domains, by the TDX module.

#![forbid(unsafe_code)]

use kernel::{
    device::Core,
    pci,
    prelude::*, //
};
use pci_tsm::mailbox::Mailbox;
use tsm_wire::mailbox::{
    Personality,
    PCI_DEVICE_TDX,
    PCI_VENDOR, //
};

/// The driver of the firmware's function.
struct TdxDriver;

/// What it has per function.
struct TdxFirmware<'bound> {
    _mailbox: Pin<KBox<Mailbox<'bound>>>,
}

kernel::pci_device_table!(
    PCI_TABLE,
    <TdxDriver as pci::Driver>::IdInfo,
    [(tsm_sys::pci_id::device_id(PCI_VENDOR, PCI_DEVICE_TDX), ())]
);

impl pci::Driver for TdxDriver {
    type IdInfo = ();
    type Data<'bound> = TdxFirmware<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Ok(TdxFirmware {
            _mailbox: Mailbox::new(pdev, Personality::Tdx)?,
        })
    }
}

kernel::module_pci_driver! {
    type: TdxDriver,
    name: "pci_tsm_tdx",
    authors: ["iommufd-tsm developers"],
    description: "PCI TSM backend for Intel TDX Connect",
    license: "GPL",
    imports_ns: ["IOMMUFD_TSM"],
}
