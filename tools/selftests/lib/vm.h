/* SPDX-License-Identifier: GPL-2.0 */
/* A KVM virtual machine, as far as VFIO needs to know of it. */
#ifndef SELFTEST_VM_H
#define SELFTEST_VM_H

struct vm {
	int fd;		/* the VM, or -1 */
	int vfio;	/* its KVM_DEV_TYPE_VFIO device, or -1 */
};

#define VM_NONE ((struct vm){ .fd = -1, .vfio = -1 })

/* Make a VM without a vCPU. Returns 0 or a negative errno. */
int vm_open(struct vm *vm);

/*
 * KVM_DEV_VFIO_FILE_ADD and _DEL: associate a VFIO device file with the VM. The
 * VM holds a reference on the file in between.
 */
int vm_adopt(struct vm *vm, int vfio);
int vm_release(struct vm *vm, int vfio);

/* Close what is open of it. */
void vm_close(struct vm *vm);

#endif
