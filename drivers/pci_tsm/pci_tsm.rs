// SPDX-License-Identifier: GPL-2.0

//! What every TSM backend is made of.
//!
//! | module | noun |
//! |---|---|
//! | [`link_tsm`] | the traits that a backend implements |
//! | [`registration`] | a backend, registered with PCI/TSM |
//! | [`shared`] | what several devices or TDIs have in common |
//! | [`arrears`] | what firmware has not given back yet |
//! | [`collection`] | what is to be known of a device, a part at a time |
//! | [`ide_stream`] | the encrypted link to a device |
//! | [`transport`] | a way to the firmware |
//! | [`mailbox`] | the way to the emulated one |
//! | [`patience`] | how long to wait for it |

#![forbid(unsafe_code)]

pub mod arrears;
pub mod collection;
pub mod ide_stream;
pub mod link_tsm;
pub mod mailbox;
pub mod patience;
pub mod registration;
pub mod shared;
pub mod transport;

use kernel::prelude::*;

/// The module pci_tsm.
struct PciTsm;

impl kernel::Module for PciTsm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(PciTsm)
    }
}

module! {
    type: PciTsm,
    name: "pci_tsm",
    authors: ["iommufd-tsm developers"],
    description: "Foundation of PCI TSM backends",
    license: "GPL",
    imports_ns: ["IOMMUFD_TSM"],
}
