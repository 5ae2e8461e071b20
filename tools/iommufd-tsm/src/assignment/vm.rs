// SPDX-License-Identifier: GPL-2.0

//! The VM that functions are assigned to: what a VMM has of it towards KVM, vfio and iommufd.

use super::error::AssignmentError;
use iommufd_ioctls::IommuFd;
use kvm_bindings::{kvm_create_device, kvm_device_type_KVM_DEV_TYPE_VFIO};
use kvm_ioctls::{Kvm, VmFd};
use std::{
    fs::{File, OpenOptions},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};
use vfio_ioctls::{VfioDeviceFd, VfioIommufd};

const IOMMU: &str = "/dev/iommu";

/// A KVM VM, with an iommufd and an IO address space for its devices.
// The order of the fields is the order in which they go.
pub struct Vm {
    vfio: Arc<VfioIommufd>,
    iommufd: Arc<IommuFd>,
    file: File,
    _vm: VmFd,
}

impl Vm {
    /// Makes a VM without memory and virtual CPUs.
    ///
    /// # Errors
    ///
    /// [`AssignmentError`], which says at which step.
    pub fn new() -> Result<Self, AssignmentError> {
        let kvm = |step| move |error| AssignmentError::Kvm { step, error };
        let vm = Kvm::new()
            .map_err(kvm("open /dev/kvm"))?
            .create_vm()
            .map_err(kvm("create a vm"))?;
        Vm::of(vm)
    }

    /// Makes the device side of a VM that exists.
    ///
    /// # Errors
    ///
    /// [`AssignmentError`], which says at which step.
    pub fn of(vm: VmFd) -> Result<Self, AssignmentError> {
        let mut create = kvm_create_device {
            type_: kvm_device_type_KVM_DEV_TYPE_VFIO,
            fd: 0,
            flags: 0,
        };
        let tracker = vm
            .create_device(&mut create)
            .map_err(|error| AssignmentError::Kvm {
                step: "create the vfio device",
                error,
            })?;
        let open = |error| AssignmentError::Open { path: IOMMU, error };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(IOMMU)
            .map_err(open)?;
        // two descriptors of one iommufd, since the one of `IommuFd` cannot be borrowed
        let iommufd = Arc::new(IommuFd::new_from_fd(file.try_clone().map_err(open)?));
        let tracker = Arc::new(VfioDeviceFd::new_from_kvm(tracker));
        let vfio = VfioIommufd::new(Arc::clone(&iommufd), None, Some(tracker));
        Ok(Vm {
            vfio: Arc::new(vfio.map_err(AssignmentError::Vm)?),
            iommufd,
            file,
            _vm: vm,
        })
    }

    /// The iommufd of its devices.
    #[must_use]
    pub fn iommufd_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn iommufd(&self) -> &Arc<IommuFd> {
        &self.iommufd
    }

    pub(super) fn ioas_id(&self) -> u32 {
        self.vfio.ioas().id()
    }

    pub(super) fn vfio(&self) -> Arc<VfioIommufd> {
        Arc::clone(&self.vfio)
    }
}
