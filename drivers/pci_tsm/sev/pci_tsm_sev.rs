// SPDX-License-Identifier: GPL-2.0

//! AMD SEV-TIO: devices of SNP guests, by the PSP.
//!
//! | module | noun |
//! |---|---|
//! | [`host`] | what the host does by instructions of its own |
//! | [`psp`] | commands to the PSP |
//! | [`buffer`] | pages that a command is given |
//! | [`debt`] | what the PSP has to give back |
//! | [`conversation`] | messages that the host carries between the PSP and a device |
//! | [`vca`] | how a connection began, as it passed by |
//! | [`guest`] | the VM, as the PSP has it |
//! | [`dev`] | a connected device |
//! | [`tdi`] | a bound TDI |

#![forbid(unsafe_code)]

mod buffer;
mod conversation;
mod debt;
mod dev;
mod guest;
mod host;
mod psp;
mod tdi;
mod vca;

use crate::{
    debt::Debt,
    dev::Dev,
    guest::Guests,
    host::Host,
    psp::Psp, //
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};
use pci_tsm::{
    link_tsm::LinkTsm,
    mailbox::Mailbox,
    patience::Patience,
    registration::Registration, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::doe::Doe;
use tsm_wire::{
    mailbox::{
        Personality,
        PCI_DEVICE_PSP,
        PCI_VENDOR, //
    },
    op::TvmArch,
    refusal::Refused, //
};

/// The PSP behind a transport.
pub(crate) struct Sev<'f, T: Host<'f>> {
    psp: Psp<'f, T>,
    guests: Pin<KBox<Guests<'f>>>,
}

impl<'f, T: Host<'f>> Sev<'f, T> {
    fn new(transport: T) -> Result<Self> {
        Ok(Sev {
            psp: Psp::new(transport)?,
            guests: KBox::pin_init(Guests::new(), GFP_KERNEL)?,
        })
    }

    /// Asks for what the PSP has not given back yet.
    pub(crate) fn settle(&self, patience: &Patience) -> Result<(), Refused> {
        let pay = |debt: &mut Debt<'f>| debt.pay(&self.psp, &self.guests, patience);
        self.psp.arrears.settle(patience, pay)
    }
}

impl<'f, T: Host<'f>> Drop for Sev<'f, T> {
    fn drop(&mut self) {
        // the last chance
        let _ = self.settle(&Patience::end());
    }
}

impl<'f, T: Host<'f>> LinkTsm for Sev<'f, T> {
    const ARCH: TvmArch = TvmArch::Sev;

    type Dsm<'a>
        = Dev<'a, 'f, T>
    where
        Self: 'a;

    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Dev<'a, 'f, T>, Refused> {
        Dev::connect(self, function, doe, evidence)
    }
}

/// The driver of the firmware's function.
struct SevDriver;

/// What it has per function.
struct SevFirmware<'bound> {
    _registration: Registration<'bound, Sev<'bound, Pin<KBox<Mailbox<'bound>>>>>,
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
        let mailbox = Mailbox::new(pdev, Personality::Psp)?;
        let sev = Sev::new(mailbox)?;
        let owner = kernel::module::this_module::<crate::LocalModule>();
        Ok(SevFirmware {
            _registration: Registration::new(pdev.as_ref(), sev, owner)?,
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
