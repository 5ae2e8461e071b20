// SPDX-License-Identifier: GPL-2.0

//! A PCI function assigned to a KVM VM, as a VMM does it, up to the vDEVICE that TSM requests name.
//!
//! The order is the kernel's: vfio learns of the VM (`KVM_DEV_VFIO_FILE_ADD`) before the device is
//! bound to an iommufd, because it keeps that VM for as long as it is bound; the page table that
//! the device is attached to must be able to be the parent of a nested one, because a vIOMMU, which
//! a vDEVICE belongs to, is made of such a table.

mod error;
mod object;
mod region;
mod vm;

pub use error::AssignmentError;
pub use region::Region;
pub use vm::Vm;

use crate::{bdf::Bdf, pci::PciFunction, vdevice::Vdevice};
use iommufd_bindings::iommufd::{
    iommu_hwpt_alloc, iommu_vdevice_alloc, iommu_viommu_alloc,
    iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_NEST_PARENT as NEST_PARENT,
};
use object::Object;
use std::os::fd::BorrowedFd;
use tsm_wire::op::TvmArch;
use vfio_bindings::bindings::vfio::{VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_ROM_REGION_INDEX};
use vfio_ioctls::VfioDevice;

/// Type of the vIOMMU. AMD has no number of its own yet and its driver takes any but 0.
const VIOMMU_TYPE: u32 = 1;

/// Offset of the command register in configuration space (PCIe 7.0, 7.5.1.1.3).
const COMMAND: u64 = 4;
/// Memory Space Enable and Bus Master Enable.
const MEMORY_AND_MASTER: u16 = 1 << 1 | 1 << 2;

/// A PCI function assigned to a VM. Dropping it unbinds its TDI and takes it from the VM; the
/// function stays with vfio-pci.
// The order of the fields is the order in which they go.
pub struct Assignment<'v> {
    vdevice: Object,
    _viommu: Object,
    config: Region,
    bars: Vec<Region>,
    _device: VfioDevice,
    _page_table: Object,
    vm: &'v Vm,
    bdf: Bdf,
}

impl<'v> Assignment<'v> {
    /// Assigns `function`, which vfio-pci must have ([`PciFunction::take`]), to `vm`, where it has
    /// the id `virt_id`. Its memory space and bus mastering are enabled.
    ///
    /// # Errors
    ///
    /// [`AssignmentError`], which says at which step.
    pub fn new(vm: &'v Vm, function: &PciFunction, virt_id: u64) -> Result<Self, AssignmentError> {
        let bdf = function.bdf();
        let vfio = |step| move |error| AssignmentError::Vfio { bdf, step, error };
        let file = VfioDevice::open_cdev(function.path()).map_err(vfio("open"))?;
        // a second descriptor of the same file, since the one of `VfioDevice` cannot be borrowed
        let regions = file
            .try_clone()
            .map_err(|error| AssignmentError::Region { bdf, error })?;
        // without attaching it: that is done below, to a table of its own
        let device =
            VfioDevice::new_from_fd(file, vm.vfio(), false).map_err(vfio("bind to iommufd"))?;
        let dev_id = device.iommufd_dev_id().ok_or(AssignmentError::NoId(bdf))?;

        let page_table = Object::hwpt(
            vm.iommufd(),
            iommu_hwpt_alloc {
                flags: NEST_PARENT,
                dev_id,
                pt_id: vm.ioas_id(),
                ..iommu_hwpt_alloc::default()
            },
        )?;
        device
            .attach_hwpt(page_table.id())
            .map_err(vfio("attach"))?;
        let viommu = Object::viommu(
            vm.iommufd(),
            iommu_viommu_alloc {
                type_: VIOMMU_TYPE,
                dev_id,
                hwpt_id: page_table.id(),
                ..iommu_viommu_alloc::default()
            },
        )?;
        let vdevice = Object::vdevice(
            vm.iommufd(),
            iommu_vdevice_alloc {
                viommu_id: viommu.id(),
                dev_id,
                virt_id,
                ..iommu_vdevice_alloc::default()
            },
        )?;

        let region = |index| Region::new(&regions, &device, bdf, index);
        let assignment = Assignment {
            vdevice,
            _viommu: viommu,
            config: region(VFIO_PCI_CONFIG_REGION_INDEX)?,
            bars: (0..VFIO_PCI_ROM_REGION_INDEX)
                .map(region)
                .collect::<Result<_, _>>()?,
            _device: device,
            _page_table: page_table,
            vm,
            bdf,
        };
        assignment.enable()?;
        Ok(assignment)
    }

    /// The vDEVICE, for requests of a guest of architecture `arch`.
    #[must_use]
    pub fn vdevice(&self, arch: TvmArch) -> Vdevice<'_> {
        Vdevice::new(self.iommufd(), self.vdevice.id(), arch)
    }

    /// The iommufd that the vDEVICE is in.
    #[must_use]
    pub fn iommufd(&self) -> BorrowedFd<'_> {
        self.vm.iommufd_fd()
    }

    /// The function.
    #[must_use]
    pub fn bdf(&self) -> Bdf {
        self.bdf
    }

    /// Its configuration space, as vfio shows it.
    #[must_use]
    pub fn config(&self) -> &Region {
        &self.config
    }

    /// The BAR of register `index`.
    #[must_use]
    pub fn bar(&self, index: u8) -> Option<&Region> {
        self.bars
            .get(usize::from(index))
            .filter(|bar| !bar.is_empty())
    }

    /// Destroys the vDEVICE, which unbinds its TDI; what is left of the assignment goes as it is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`AssignmentError::Iommufd`] if the kernel does not destroy it.
    pub fn release(mut self) -> Result<(), AssignmentError> {
        self.vdevice.destroy()
    }

    /// A TDI is locked with its memory space and bus mastering on: changing them later moves it to
    /// ERROR.
    fn enable(&self) -> Result<(), AssignmentError> {
        let mut command = [0; 2];
        self.config.read(COMMAND, &mut command)?;
        let command = u16::from_le_bytes(command) | MEMORY_AND_MASTER;
        self.config.write(COMMAND, &command.to_le_bytes())
    }
}
