// SPDX-License-Identifier: GPL-2.0
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

int vm_open(struct vm *vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	int kvm, err;

	*vm = VM_NONE;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return -errno;
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	err = errno;
	close(kvm);
	if (vm->fd < 0)
		return -err;
	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &device)) {
		err = errno;
		vm_close(vm);
		return -err;
	}
	vm->vfio = device.fd;
	return 0;
}

static int file_attribute(struct vm *vm, unsigned long what, int vfio)
{
	int32_t file = vfio;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = what,
		.addr = (uintptr_t)&file,
	};

	return ioctl(vm->vfio, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

int vm_adopt(struct vm *vm, int vfio)
{
	return file_attribute(vm, KVM_DEV_VFIO_FILE_ADD, vfio);
}

int vm_release(struct vm *vm, int vfio)
{
	return file_attribute(vm, KVM_DEV_VFIO_FILE_DEL, vfio);
}

void vm_close(struct vm *vm)
{
	if (vm->vfio >= 0)
		close(vm->vfio);
	if (vm->fd >= 0)
		close(vm->fd);
	*vm = VM_NONE;
}
