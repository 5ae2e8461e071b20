// SPDX-License-Identifier: GPL-2.0
/*
 * Binds a PCI function to a VM past the ioctls, as another user of PCI/TSM in
 * the kernel would; unbinds it when it goes.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-tsm.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "address of the PCI function, as in sysfs");

static int vm = -1;
module_param(vm, int, 0444);
MODULE_PARM_DESC(vm, "file descriptor of a KVM VM, of the task that loads the module");

static uint id;
module_param(id, uint, 0444);
MODULE_PARM_DESC(id, "virtual id");

static struct file *vm_file;
static struct pci_dev *pdev;

static int __init other_init(void)
{
	unsigned int domain, bus, slot, fn;
	int ret;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &fn) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, fn));
	if (!pdev)
		return -ENODEV;
	vm_file = fget(vm);
	/* nothing but the test gives it a descriptor, so it is not checked whose it is */
	if (!vm_file) {
		pci_dev_put(pdev);
		return -EBADF;
	}
	ret = pci_tsm_bind(pdev, vm_file->private_data, id);
	if (ret) {
		fput(vm_file);
		pci_dev_put(pdev);
	}
	return ret;
}
module_init(other_init);

static void __exit other_exit(void)
{
	pci_tsm_unbind(pdev);
	fput(vm_file);
	pci_dev_put(pdev);
}
module_exit(other_exit);

MODULE_DESCRIPTION("Another user of PCI/TSM, for the tests of iommufd_tsm");
MODULE_LICENSE("GPL");
