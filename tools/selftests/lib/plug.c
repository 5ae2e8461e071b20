// SPDX-License-Identifier: GPL-2.0
#include "plug.h"

#include <errno.h>

#include "platform.h"

const unsigned int plug_functions[PLUG_DEVICES] = {
	0, FUNCTION_OF_DEVICE_1, FUNCTION_OF_DEVICE_2
};

int plug(const struct function *fn, enum arch arch)
{
	char tsm[32];
	int ret = platform_tsm(arch, tsm, sizeof(tsm));

	return ret ? ret : tsm_connect(fn->bdf, tsm);
}

int plug_whole_life(const struct tdi *tdi, enum arch arch)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_INTERFACE_REPORT };
	struct iommu_tsm_object_info_out out = {};
	struct iommu_vdevice_tsm_req req;
	int ret;

	ret = tsm_bind(tdi);
	if (ret)
		return ret;
	req = tsm_request(tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &info, sizeof(info), &out,
			  sizeof(out));
	req.tvm_arch = arch;
	ret = tsm_ioctl_req(tdi->vmm->iommufd, &req);
	if (ret)
		return ret;
	req.tvm_arch = arch_other(arch);
	if (tsm_ioctl_req(tdi->vmm->iommufd, &req) != -EINVAL || !out.length)
		return -EBADMSG;
	ret = tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL);
	return ret ? ret : tsm_unbind(tdi);
}
