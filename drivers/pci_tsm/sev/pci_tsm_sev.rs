// SPDX-License-Identifier: GPL-2.0

//! AMD SEV-TIO: devices of SNP guests, by the PSP.

#![forbid(unsafe_code)]

use kernel::{
    device::Core,
    pci,
    prelude::*, //
};
use pci_tsm::mailbox::Mailbox;
use tsm_wire::mailbox::{
    Personality,
    PCI_DEVICE_PSP,
    PCI_VENDOR, //
};

/// The driver of the firmware's function.
struct SevDriver;

/// What it has per function.
struct SevFirmware<'bound> {
    _mailbox: Pin<KBox<Mailbox<'bound>>>,
}

kernel::pci_device_table!(
    PCI_TABLE,
    <SevDriver as pci::Driver>::IdInfo,
    [(tsm_sys::pci_id::device_id(PCI_VENDOR, PCI_DEVICE_PSP), ())]
);

impl pci::Driver for SevDriver {
    type IdInfo = ();
    type Data<'bound> = SevFirmware<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Ok(SevFirmware {
            _mailbox: Mailbox::new(pdev, Personality::Psp)?,
        })
    }
}

kernel::module_pci_driver! {
    type: SevDriver,
    name: "pci_tsm_sev",
    authors: ["iommufd-tsm developers"],
    description: "PCI TSM backend for AMD SEV-TIO",
    license: "GPL",
    imports_ns: ["IOMMUFD_TSM"],
}
