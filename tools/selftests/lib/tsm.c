// SPDX-License-Identifier: GPL-2.0
#include "tsm.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "sysfs.h"

int tsm_ioctl_req(int iommufd, void *arg)
{
	int ret = ioctl(iommufd, IOMMU_VDEVICE_TSM_REQ, arg);

	return ret < 0 ? -errno : ret;
}

int tsm_ioctl_op(int iommufd, void *arg)
{
	int ret = ioctl(iommufd, IOMMU_VDEVICE_TSM_OP, arg);

	return ret < 0 ? -errno : ret;
}

int tsm_op(int iommufd, __u32 type, __u32 flags, __u32 vdevice_id)
{
	struct iommu_vdevice_tsm_op cmd = {
		.size = sizeof(cmd),
		.type = type,
		.flags = flags,
		.vdevice_id = vdevice_id,
	};

	return tsm_ioctl_op(iommufd, &cmd);
}

int tsm_bind(const struct tdi *tdi)
{
	return tsm_op(tdi->vmm->iommufd, IOMMU_VDEVICE_TSM_BIND, 0, tdi->vdevice_id);
}

int tsm_unbind(const struct tdi *tdi)
{
	return tsm_op(tdi->vmm->iommufd, IOMMU_VDEVICE_TSM_UNBIND, 0, tdi->vdevice_id);
}

struct iommu_vdevice_tsm_req tsm_request(const struct tdi *tdi, __u32 op, const void *req,
					 __u32 req_len, void *resp, __u32 resp_len)
{
	return (struct iommu_vdevice_tsm_req){
		.size = sizeof(struct iommu_vdevice_tsm_req),
		.vdevice_id = tdi->vdevice_id,
		.op = op,
		.tvm_arch = IOMMU_VDEVICE_TSM_TVM_ARCH_COMMON,
		.req_len = req_len,
		.resp_len = resp_len,
		.req_uptr = (uintptr_t)req,
		.resp_uptr = (uintptr_t)resp,
		.tsm_code = TSM_CODE_UNTOUCHED,
	};
}

static int operation(const struct tdi *tdi, __u32 op, const void *req, __u32 req_len, void *resp,
		     __u32 resp_len, __u64 *code)
{
	struct iommu_vdevice_tsm_req cmd = tsm_request(tdi, op, req, req_len, resp, resp_len);
	int ret = tsm_ioctl_req(tdi->vmm->iommufd, &cmd);

	if (code)
		*code = cmd.tsm_code;
	return ret;
}

int tsm_set_state(const struct tdi *tdi, __u32 state, __u64 *code)
{
	struct iommu_tsm_set_tdi_state req = { .state = state };

	return operation(tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &req, sizeof(req), NULL, 0,
			 code);
}

int tsm_object_info(const struct tdi *tdi, __u32 type, __u32 *length)
{
	struct iommu_tsm_object_info req = { .type = type };
	struct iommu_tsm_object_info_out out = {};
	int ret;

	ret = operation(tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &req, sizeof(req), &out,
			sizeof(out), NULL);
	*length = out.length;
	return ret;
}

int tsm_object_read(const struct tdi *tdi, __u32 type, __u64 offset, void *buf, __u32 len)
{
	struct iommu_tsm_read_object req = { .type = type, .offset = offset };

	return operation(tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &req, sizeof(req), buf, len, NULL);
}

int tsm_object_regen(const struct tdi *tdi, __u32 type, __u64 flags, const void *nonce,
		     __u64 *code)
{
	struct iommu_tsm_regen_object req = {
		.type = type,
		.flags = flags,
		.nonce_uptr = (uintptr_t)nonce,
	};

	return operation(tdi, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, &req, sizeof(req), NULL, 0, code);
}

int tsm_validate_mmio(const struct tdi *tdi, __u64 gpa_base, __u64 gpa_top, __u64 pa_base)
{
	struct iommu_tsm_validate_mmio req = {
		.gpa_base = gpa_base,
		.gpa_top = gpa_top,
		.pa_base = pa_base,
	};

	return operation(tdi, IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, &req, sizeof(req), NULL, 0, NULL);
}

int tsm_scope(const struct tdi *tdi, __u32 scope, const void *req, __u32 req_len, void *resp,
	      __u32 resp_len)
{
	struct iommu_vdevice_tsm_scope_req cmd = {
		.size = sizeof(cmd),
		.vdevice_id = tdi->vdevice_id,
		.scope = scope,
		.req_len = req_len,
		.resp_len = resp_len,
		.req_uptr = (uintptr_t)req,
		.resp_uptr = (uintptr_t)resp,
	};

	return tsm_ioctl_req(tdi->vmm->iommufd, &cmd);
}

int tsm_object_whole(const struct tdi *tdi, __u32 type, unsigned char **bytes)
{
	__u32 length;
	int ret;

	*bytes = NULL;
	ret = tsm_object_info(tdi, type, &length);
	if (ret)
		return ret;
	/* never of size 0, so that it can be told from none */
	*bytes = malloc(length + 1);
	if (!*bytes)
		return -ENOMEM;
	if (!length)
		return 0;
	ret = tsm_object_read(tdi, type, 0, *bytes, length);
	if (ret < 0)
		return ret;
	/* no residue: it is as long as it said */
	return ret ? -EBADMSG : (int)length;
}

enum tsm_state tsm_state(const struct tdi *tdi)
{
	__u32 length;
	int ret;

	ret = tsm_object_info(tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length);
	if (ret == -ENXIO)
		return TSM_UNBOUND;
	if (ret)
		return TSM_CONTRADICTION;
	if (length) {
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, NULL);
		return ret == 0 ? TSM_LOCKED : ret == -EPROTO ? TSM_RUN : TSM_CONTRADICTION;
	}
	ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL);
	if (ret != -EPROTO)
		return TSM_CONTRADICTION;
	ret = tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, NULL);
	if (ret == -EPROTO)
		return TSM_ERROR;
	if (ret || tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL))
		return TSM_CONTRADICTION;
	return TSM_UNLOCKED;
}

const char *tsm_state_name(enum tsm_state state)
{
	static const char *const names[] = {
		"UNBOUND", "UNLOCKED", "LOCKED", "RUN", "ERROR", "CONTRADICTION",
	};

	return names[state];
}

int tsm_reach(const struct tdi *tdi, enum tsm_state state)
{
	int ret;

	if (state == TSM_UNBOUND)
		return tsm_unbind(tdi);
	ret = tsm_bind(tdi);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL);
	if (!ret && state != TSM_UNLOCKED)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, NULL);
	if (!ret && state == TSM_RUN)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL);
	return ret;
}

int tsm_connect(const char *bdf, const char *tsm)
{
	return sysfs_write(tsm, SYSFS_PCI "/%s/tsm/connect", bdf);
}

int tsm_disconnect(const char *bdf)
{
	char tsm[32];
	int ret = tsm_connected(bdf, tsm, sizeof(tsm));

	if (ret <= 0)
		return ret;
	return sysfs_write(tsm, SYSFS_PCI "/%s/tsm/disconnect", bdf);
}

int tsm_connected(const char *bdf, char *tsm, size_t size)
{
	return sysfs_read(tsm, size, SYSFS_PCI "/%s/tsm/connect", bdf);
}

bool tsm_is_bound(const char *bdf)
{
	char tsm[32];

	return sysfs_read(tsm, sizeof(tsm), SYSFS_PCI "/%s/tsm/bound", bdf) > 0;
}
