// SPDX-License-Identifier: GPL-2.0

//! An object of an iommufd that is destroyed with its owner.

use super::error::AssignmentError;
use iommufd_bindings::iommufd::{iommu_hwpt_alloc, iommu_vdevice_alloc, iommu_viommu_alloc};
use iommufd_ioctls::{IommuFd, IommufdError};
use std::sync::Arc;

/// An object id that is ours to destroy.
pub(super) struct Object {
    iommufd: Arc<IommuFd>,
    id: Option<u32>,
}

impl Object {
    /// A hardware page table; `alloc` without its size.
    pub(super) fn hwpt(
        iommufd: &Arc<IommuFd>,
        mut alloc: iommu_hwpt_alloc,
    ) -> Result<Self, IommufdError> {
        alloc.size = size_of_val(&alloc) as u32;
        iommufd.alloc_iommu_hwpt(&mut alloc)?;
        Ok(Object::new(iommufd, alloc.out_hwpt_id))
    }

    /// A vIOMMU; `alloc` without its size.
    pub(super) fn viommu(
        iommufd: &Arc<IommuFd>,
        mut alloc: iommu_viommu_alloc,
    ) -> Result<Self, IommufdError> {
        alloc.size = size_of_val(&alloc) as u32;
        iommufd.alloc_iommu_viommu(&mut alloc)?;
        Ok(Object::new(iommufd, alloc.out_viommu_id))
    }

    /// A vDEVICE; `alloc` without its size.
    pub(super) fn vdevice(
        iommufd: &Arc<IommuFd>,
        mut alloc: iommu_vdevice_alloc,
    ) -> Result<Self, IommufdError> {
        alloc.size = size_of_val(&alloc) as u32;
        iommufd.alloc_iommu_vdevice(&mut alloc)?;
        Ok(Object::new(iommufd, alloc.out_vdevice_id))
    }

    fn new(iommufd: &Arc<IommuFd>, id: u32) -> Self {
        Object {
            iommufd: Arc::clone(iommufd),
            id: Some(id),
        }
    }

    /// Its id; 0, which is never one, after it was destroyed.
    pub(super) fn id(&self) -> u32 {
        self.id.unwrap_or(0)
    }

    /// Destroys it now and says if that went wrong.
    pub(super) fn destroy(&mut self) -> Result<(), AssignmentError> {
        match self.id.take() {
            Some(id) => Ok(self.iommufd.destroy_iommu_object(id)?),
            None => Ok(()),
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // nobody is left to tell, and closing the iommufd destroys what this did not
        let _ = self.destroy();
    }
}
