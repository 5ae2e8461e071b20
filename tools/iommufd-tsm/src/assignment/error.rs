// SPDX-License-Identifier: GPL-2.0

//! Why a function could not be assigned.

use crate::bdf::Bdf;
use iommufd_ioctls::IommufdError;
use std::io;
use vfio_ioctls::VfioError;

/// A step of an assignment that failed. Its text tells the whole story, so there is no
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssignmentError {
    /// A device node could not be opened.
    #[error("opening {path}: {error}")]
    Open {
        /// Which.
        path: &'static str,
        /// The errno.
        error: io::Error,
    },
    /// KVM refused.
    #[error("kvm, {step}: {error}")]
    Kvm {
        /// What was asked.
        step: &'static str,
        /// The errno.
        error: kvm_ioctls::Error,
    },
    /// vfio refused.
    #[error("vfio, {step} of {bdf}: {error}")]
    Vfio {
        /// The function.
        bdf: Bdf,
        /// What was asked.
        step: &'static str,
        /// Why, with the errno.
        error: VfioError,
    },
    /// The IO address space of a VM could not be made.
    #[error("io address space of a vm: {0}")]
    Vm(VfioError),
    /// iommufd refused.
    #[error("iommufd: {0}")]
    Iommufd(IommufdError),
    /// vfio gave no device id for the iommufd.
    #[error("vfio gave no iommufd id for {0}")]
    NoId(Bdf),
    /// Configuration space or a BAR could not be read or written.
    #[error("region of {bdf}: {error}")]
    Region {
        /// The function.
        bdf: Bdf,
        /// The errno.
        error: io::Error,
    },
}

impl From<IommufdError> for AssignmentError {
    fn from(error: IommufdError) -> Self {
        AssignmentError::Iommufd(error)
    }
}
