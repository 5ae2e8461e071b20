// SPDX-License-Identifier: GPL-2.0

//! The ioctls IOMMU_VDEVICE_TSM_OP and IOMMU_VDEVICE_TSM_REQ on /dev/iommu.
//!
//! | module | noun |
//! |---|---|
//! | [`framing`] | the structures in user memory |
//! | [`bindings`] | which vDEVICE is bound |
//! | [`request`] | a guest's request |

#![forbid(unsafe_code)]

mod bindings;
mod framing;
mod request;

use crate::bindings::Bindings;
use kernel::prelude::*;
use tsm_sys::redirect::{
    Ioctl,
    Redirect,
    RedirectError, //
};
use tsm_sys::vdevice::IommuFile;
use tsm_wire::{
    refusal::Refusal,
    uapi::IOMMU_VDEVICE_TSM_OP, //
};

/// The module iommufd_tsm.
struct IommufdTsm {
    _redirect: Redirect<Bindings>,
}

impl Ioctl for Bindings {
    #[inline]
    fn ioctl(&self, file: IommuFile<'_>, cmd: u32, arg: usize) -> isize {
        if cmd == IOMMU_VDEVICE_TSM_OP {
            returned(self.op(file, arg))
        } else {
            self.req(file, arg)
        }
    }
}

/// What an ioctl returns for a residue or a refusal.
#[inline]
fn returned(result: Result<u32, Refusal>) -> isize {
    match result {
        Ok(residue) => residue as isize,
        Err(refusal) => -(refusal.errno() as isize),
    }
}

impl kernel::Module for IommufdTsm {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let bindings = KBox::pin_init(Bindings::new(module), GFP_KERNEL)?;
        let redirect = Redirect::install(bindings).inspect_err(|refusal| match refusal {
            RedirectError::NoIommufd(e) => pr_err!(
                "/dev/iommu cannot be used ({e:?}): load iommufd first, and mount /dev\n"
            ),
            RedirectError::Answered => pr_err!(
                "the TSM ioctls are there already: use the kernel's own, or unload who put them there\n"
            ),
            RedirectError::Taken => pr_err!(
                "iommufd_fops_ioctl is redirected by somebody else: disable that livepatch first\n"
            ),
            RedirectError::NotTraceable(e) => pr_err!(
                "iommufd_fops_ioctl cannot be redirected ({e:?}): the kernel needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS\n"
            ),
        });
        Ok(IommufdTsm {
            _redirect: redirect.map_err(|refusal| refusal.error())?,
        })
    }
}

module! {
    type: IommufdTsm,
    name: "iommufd_tsm",
    authors: ["iommufd-tsm developers"],
    description: "TSM requests of vDEVICEs on /dev/iommu",
    license: "GPL",
    imports_ns: ["IOMMUFD", "IOMMUFD_TSM"],
}
