// SPDX-License-Identifier: GPL-2.0
#include "vmm.h"

#include <unistd.h>

int vmm_open_without_vm(struct vmm *vmm)
{
	int ret;

	*vmm = VMM_NONE;
	ret = iommufd_open();
	if (ret < 0)
		return ret;
	vmm->iommufd = ret;
	ret = iommufd_ioas_alloc(vmm->iommufd, &vmm->ioas_id);
	if (ret)
		vmm_close(vmm);
	return ret;
}

int vmm_open(struct vmm *vmm)
{
	int ret = vmm_open_without_vm(vmm);

	if (ret)
		return ret;
	ret = vm_open(&vmm->vm);
	if (ret)
		vmm_close(vmm);
	return ret;
}

void vmm_close(struct vmm *vmm)
{
	if (vmm->iommufd >= 0)
		close(vmm->iommufd);
	vm_close(&vmm->vm);
	*vmm = VMM_NONE;
}

int tdi_open(struct tdi *tdi, struct vmm *vmm, unsigned int number, __u64 virt_id)
{
	int ret;

	*tdi = TDI_NONE;
	tdi->vmm = vmm;
	ret = function_find(&tdi->fn, number);
	if (!ret)
		ret = function_take(&tdi->fn);
	if (!ret)
		ret = function_open(&tdi->fn);
	/* what VFIO knows of the VM when the device is bound is what counts */
	if (!ret && vmm->vm.vfio >= 0)
		ret = vm_adopt(&vmm->vm, tdi->fn.vfio);
	if (!ret)
		ret = function_bind(&tdi->fn, vmm->iommufd);
	if (!ret && !vmm->hwpt_id)
		ret = iommufd_hwpt_alloc(vmm->iommufd, tdi->fn.dev_id, vmm->ioas_id, &vmm->hwpt_id);
	if (!ret)
		ret = function_attach(&tdi->fn, vmm->hwpt_id);
	if (!ret && !vmm->viommu_id)
		ret = iommufd_viommu_alloc(vmm->iommufd, tdi->fn.dev_id, vmm->hwpt_id,
					   &vmm->viommu_id);
	if (!ret)
		ret = tdi_alloc(tdi, virt_id);
	if (ret)
		tdi_close(tdi);
	return ret;
}

int tdi_alloc(struct tdi *tdi, __u64 virt_id)
{
	tdi->virt_id = virt_id;
	return iommufd_vdevice_alloc(tdi->vmm->iommufd, tdi->vmm->viommu_id, tdi->fn.dev_id,
				     virt_id, &tdi->vdevice_id);
}

int tdi_destroy(struct tdi *tdi)
{
	int ret = iommufd_destroy(tdi->vmm->iommufd, tdi->vdevice_id);

	if (!ret)
		tdi->vdevice_id = 0;
	return ret;
}

void tdi_close(struct tdi *tdi)
{
	if (tdi->vdevice_id)
		tdi_destroy(tdi);
	if (tdi->fn.vfio >= 0 && tdi->vmm->vm.vfio >= 0)
		vm_release(&tdi->vmm->vm, tdi->fn.vfio);
	function_close(&tdi->fn);
	tdi->vdevice_id = 0;
}
