// SPDX-License-Identifier: GPL-2.0

//! Intel TDX Connect: devices of trust domains, by the TDX module.
//!
//! | module | noun |
//! |---|---|
//! | [`module`] | calls into the TDX module |
//! | [`courier`] | messages that the host carries between the module and a device |
//! | [`agent`] | who opens the SPDM session of a device |
//! | [`device`] | a connected device |
//! | [`stream`] | the encrypted link to it |
//! | [`td`] | the VM, as the module has it |
//! | [`devif`] | a bound TDI |
//! | [`tdisp`] | what it is asked |
//! | [`mapping`] | its MMIO in the VM |
//! | [`table`] | tables of the module's whose pages the host adds |
//! | [`numbers`] | numbers that the host gives out |

#![forbid(unsafe_code)]

mod agent;
mod courier;
mod device;
mod devif;
mod mapping;
mod module;
mod numbers;
mod stream;
mod table;
mod td;
mod tdisp;

use crate::{
    device::Device,
    module::Module,
    numbers::Numbers,
    table::{
        Kind,
        Table, //
    },
    td::Tds, //
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
        PCI_DEVICE_TDX,
        PCI_VENDOR, //
    },
    op::TvmArch,
    refusal::Refused,
    tdx::SPDM_IDS, //
};

/// The TDX module behind a transport.
pub(crate) struct Tdx<'f, T> {
    module: Module<'f, T>,
    sessions: Pin<KBox<Numbers>>,
    tds: Pin<KBox<Tds<'f>>>,
    devifs: Pin<KBox<Table<'f>>>,
    mmio: Pin<KBox<Table<'f>>>,
}

impl<'f, T: FirmwareTransport<'f>> Tdx<'f, T> {
    fn new(transport: T) -> Result<Self> {
        Ok(Tdx {
            module: Module::new(transport)?,
            sessions: KBox::pin_init(Numbers::new(0..=SPDM_IDS as u16 - 1), GFP_KERNEL)?,
            tds: KBox::pin_init(Tds::new(), GFP_KERNEL)?,
            devifs: KBox::pin_init(Table::new(Kind::Devif), GFP_KERNEL)?,
            mmio: KBox::pin_init(Table::new(Kind::Mmio), GFP_KERNEL)?,
        })
    }
}

impl<'f, T: FirmwareTransport<'f>> LinkTsm for Tdx<'f, T> {
    const ARCH: TvmArch = TvmArch::Tdx;

    type Dsm<'a>
        = Device<'a, 'f, T>
    where
        Self: 'a;

    fn connect<'a>(
        &'a self,
        function: &'a pci::Device,
        doe: Doe<'a>,
        evidence: &Evidence,
    ) -> Result<Device<'a, 'f, T>, Refused> {
        Device::connect(self, function, doe, evidence)
    }
}

/// The driver of the firmware's function.
struct TdxDriver;

/// What it has per function.
struct TdxFirmware<'bound> {
    _registration: Registration<'bound, Tdx<'bound, Pin<KBox<Mailbox<'bound>>>>>,
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
        let mailbox = Mailbox::new(pdev, Personality::Tdx)?;
        let tdx = Tdx::new(mailbox)?;
        let owner = kernel::module::this_module::<crate::LocalModule>();
        Ok(TdxFirmware {
            _registration: Registration::new(pdev.as_ref(), tdx, owner)?,
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
