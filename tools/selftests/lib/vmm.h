/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VMM sets up before its guest can ask anything of a TDI: a VM, an
 * iommufd with a vIOMMU, and PCI functions that are vDEVICEs of it. What returns
 * int returns 0 or a negative errno.
 */
#ifndef SELFTEST_VMM_H
#define SELFTEST_VMM_H

#include "function.h"
#include "iommufd.h"
#include "vm.h"

struct vmm {
	struct vm vm;
	int iommufd;
	__u32 ioas_id;
	__u32 hwpt_id;		/* 0 until the first function is there */
	__u32 viommu_id;	/* likewise */
};

/* One function that a guest may use as a TDI. */
struct tdi {
	struct vmm *vmm;
	struct function fn;
	__u64 virt_id;
	__u32 vdevice_id;	/* 0: none */
};

#define VMM_NONE ((struct vmm){ .vm = VM_NONE, .iommufd = -1 })
#define TDI_NONE ((struct tdi){ .fn = { .vfio = -1 } })

/* With a VM, or without one. */
int vmm_open(struct vmm *vmm);
int vmm_open_without_vm(struct vmm *vmm);
void vmm_close(struct vmm *vmm);

/*
 * Physical function @number of the endpoint as a vDEVICE, not bound to the TSM:
 * vfio-pci, KVM_DEV_VFIO_FILE_ADD, VFIO_DEVICE_BIND_IOMMUFD, attach,
 * IOMMU_VDEVICE_ALLOC, in the order that is needed.
 */
int tdi_open(struct tdi *tdi, struct vmm *vmm, unsigned int number, __u64 virt_id);

/* Only the vDEVICE, of a function that has none. */
int tdi_alloc(struct tdi *tdi, __u64 virt_id);

/* Only the vDEVICE. */
int tdi_destroy(struct tdi *tdi);

/* All of it, in the order of an orderly VMM. */
void tdi_close(struct tdi *tdi);

#endif
