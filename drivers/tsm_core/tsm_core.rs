// SPDX-License-Identifier: GPL-2.0

//! What user space and the TSMs have in common: bound TDIs and their evidence.
//!
//! | module | noun |
//! |---|---|
//! | [`context`] | a TDI, from bind to unbind |
//! | [`bind`] | bind and unbind |
//! | [`evidence`] | objects that a guest examines |

#![forbid(unsafe_code)]

pub mod bind;
pub mod context;
pub mod evidence;

use kernel::prelude::*;

/// The module iommufd_tsm_core.
struct TsmCore;

impl kernel::Module for TsmCore {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        tsm_sys::binding::init();
        Ok(TsmCore)
    }
}

module! {
    type: TsmCore,
    name: "iommufd_tsm_core",
    authors: ["iommufd-tsm developers"],
    description: "TDIs of confidential VMs and their evidence",
    license: "GPL",
}
