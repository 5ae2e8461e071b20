// SPDX-License-Identifier: GPL-2.0

//! Arm CCA: devices of Realms, by the RMM.
//!
//! | module | noun |
//! |---|---|
//! | [`rmm`] | calls into the RMM |
//! | [`communicate`] | messages that the host carries between the RMM and a device |
//! | [`realm`] | the VM, as the RMM has it |
//! | [`pdev`] | a connected device |
//! | [`root_port`] | the root ports above such |
//! | [`stream`] | the encrypted link between the two |
//! | [`vdev`] | a bound TDI |

#![forbid(unsafe_code)]

mod communicate;
mod pdev;
mod realm;
mod rmm;
mod root_port;
mod stream;
mod vdev;

use crate::{
    pdev::Pdev,
    realm::Realms,
    rmm::Rmm,
    root_port::RootPorts, //
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};
use pci_tsm::{
    link_tsm::LinkTsm,
    mailbox::Mailbox,
    registration::Registration,
    transport::FirmwareTransport, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::doe::Doe;
use tsm_wire::{
    mailbox::{
        Personality,
        PCI_DEVICE_RMM,
        PCI_VENDOR, //
    },
    op::TvmArch,
    refusal::Refused, //
};

/// The RMM behind a transport.
pub(crate) struct Cca<'f, T> {
    rmm: Rmm<'f, T>,
    realms: Pin<KBox<Realms<'f>>>,
    root_ports: Pin<KBox<RootPorts<'f>>>,
}

impl<'f, T: FirmwareTransport<'f>> Cca<'f, T> {
    fn new(transport: T) -> Result<Self> {
        let rmm = Rmm::new(transport);
        rmm.check()?;
        Ok(Cca {
            rmm,
            realms: KBox::pin_init(Realms::new(), GFP_KERNEL)?,
            root_ports: KBox::pin_init(RootPorts::new(), GFP_KERNEL)?,
        })
    }
}

impl<'f, T: FirmwareTransport<'f>> LinkTsm for Cca<'f, T> {
    const ARCH: TvmArch = TvmArch::Cca;

    type Dsm<'a>
        = Pdev<'a, 'f, T>
    where
        Self: 'a;

    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Pdev<'a, 'f, T>, Refused> {
        Pdev::connect(self, function, doe, evidence)
    }
}

/// The driver of the firmware's function.
struct CcaDriver;

/// What it has per function.
struct CcaFirmware<'bound> {
    _registration: Registration<'bound, Cca<'bound, Pin<KBox<Mailbox<'bound>>>>>,
}

kernel::pci_device_table!(
    PCI_TABLE,
    <CcaDriver as pci::Driver>::IdInfo,
    [(tsm_sys::pci_id::device_id(PCI_VENDOR, PCI_DEVICE_RMM), ())]
);

impl pci::Driver for CcaDriver {
    type IdInfo = ();
    type Data<'bound> = CcaFirmware<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let mailbox = Mailbox::new(pdev, Personality::Rmm)?;
        let cca = Cca::new(mailbox)?;
        let owner = kernel::module::this_module::<crate::LocalModule>();
        Ok(CcaFirmware {
            _registration: Registration::new(pdev.as_ref(), cca, owner)?,
        })
    }
}

kernel::module_pci_driver! {
    type: CcaDriver,
    name: "pci_tsm_cca",
    authors: ["iommufd-tsm developers"],
    description: "PCI TSM backend for Arm CCA",
    license: "GPL",
    imports_ns: ["IOMMUFD_TSM"],
}
