// SPDX-License-Identifier: GPL-2.0
/* Inline functions and macros of the kernel, for the crate tsm_sys. */

#include <linux/bitfield.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pci-tsm.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "shim.h"

int tsm_shim_read_op(u64 to[2], const u64 __user *from)
{
	if (!user_read_access_begin(from, 2 * sizeof(*from)))
		return -EFAULT;
	unsafe_get_user(to[0], from + 0, fault);
	unsafe_get_user(to[1], from + 1, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}
/* inlined into the modules above, as are the others that are exported */
EXPORT_SYMBOL_NS_GPL(tsm_shim_read_op, "IOMMUFD_TSM");

/* One access for the whole structure: each costs more than what it moves. */
int tsm_shim_read_req(u64 to[5], u64 __user *from)
{
	if (!user_access_begin(from, 6 * sizeof(*from)))
		return -EFAULT;
	unsafe_get_user(to[0], from + 0, fault);
	unsafe_get_user(to[1], from + 1, fault);
	unsafe_get_user(to[2], from + 2, fault);
	unsafe_get_user(to[3], from + 3, fault);
	unsafe_get_user(to[4], from + 4, fault);
	/* the form with tsm_code: is it there, and nothing was said yet */
	if ((u32)to[0] >= 6 * sizeof(*from))
		unsafe_put_user(0, from + 5, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_read_req, "IOMMUFD_TSM");

int tsm_shim_put_u64(u64 value, u64 __user *to)
{
	return put_user(value, to);
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_put_u64, "IOMMUFD_TSM");

/* A request of a length that some request has; -EINVAL for others. */
int tsm_shim_read_payload(u64 to[4], const u64 __user *from, size_t len)
{
	int ret = -EINVAL;
	u32 word;

	if (!user_read_access_begin(from, len))
		return -EFAULT;
	switch (len) {
	case 4:
		unsafe_get_user(word, (const u32 __user *)from, fault);
		*(u32 *)to = word;
		ret = 0;
		break;
	case 32:
		unsafe_get_user(to[3], from + 3, fault);
		fallthrough;
	case 24:
		unsafe_get_user(to[2], from + 2, fault);
		fallthrough;
	case 16:
		unsafe_get_user(to[1], from + 1, fault);
		fallthrough;
	case 8:
		unsafe_get_user(to[0], from + 0, fault);
		ret = 0;
		break;
	}
	user_read_access_end();
	return ret;
fault:
	user_read_access_end();
	return -EFAULT;
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_read_payload, "IOMMUFD_TSM");

int tsm_shim_put_u32(u32 value, u32 __user *to)
{
	return put_user(value, to);
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_put_u32, "IOMMUFD_TSM");

/*
 * Write @len bytes, or none: each page but the first is looked at before the
 * first byte, and what fails in the first page has written nothing. x86 has an
 * exchange of a byte for itself, which is a write to the memory and none to its
 * reader; for others the pages are faulted in, which takes longer.
 */
int tsm_shim_write(void __user *to, const void *from, size_t len)
{
	size_t first = PAGE_SIZE - offset_in_page(to);

	if (len > first) {
#ifdef unsafe_try_cmpxchg_user
		u8 __user *at = to + first, *end = to + len;
		u8 old;

		if (!user_access_begin(to, len))
			return -EFAULT;
		/* a 0 for a 0, and nothing for what is none: either is a write to the MMU */
		for (; at < end; at += PAGE_SIZE) {
			old = 0;
			(void)unsafe_try_cmpxchg_user(at, &old, 0, fault);
		}
		user_access_end();
#else
		if (fault_in_safe_writeable(to + first, len - first))
			return -EFAULT;
#endif
	}
	return copy_to_user(to, from, len) ? -EFAULT : 0;
#ifdef unsafe_try_cmpxchg_user
fault:
	user_access_end();
	return -EFAULT;
#endif
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_write, "IOMMUFD_TSM");

int tsm_shim_get_u32(u32 *value, const u32 __user *from)
{
	return get_user(*value, from);
}

/*
 * The driver data of a device is a struct vfio_pci_core_device exactly if its
 * driver takes errors the way vfio-pci-core does. That module is in use then,
 * and no dependency of ours is needed to name it.
 */
bool tsm_shim_is_vfio_pci(struct pci_dev *pdev)
{
	typeof(&vfio_pci_core_aer_err_detected) detected;
	bool is;

	if (!pdev->driver || !pdev->driver->err_handler)
		return false;
	detected = symbol_get(vfio_pci_core_aer_err_detected);
	if (!detected)
		return false;
	is = pdev->driver->err_handler->error_detected == detected;
	symbol_put(vfio_pci_core_aer_err_detected);
	return is;
}

struct kvm *tsm_shim_vfio_kvm(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vfio = dev_get_drvdata(&pdev->dev);

	return READ_ONCE(vfio->vdev.kvm);
}

void *tsm_shim_symbol_get_kvm_get(void)
{
	return symbol_get(kvm_get_kvm_safe);
}

void *tsm_shim_symbol_get_kvm_put(void)
{
	return symbol_get(kvm_put_kvm);
}

void tsm_shim_symbol_put_kvm_get(void)
{
	symbol_put(kvm_get_kvm_safe);
}

void tsm_shim_symbol_put_kvm_put(void)
{
	symbol_put(kvm_put_kvm);
}

bool tsm_shim_is_pf0(struct pci_dev *pdev)
{
	return is_pci_tsm_pf0(pdev);
}

bool tsm_shim_module_get(struct module *module)
{
	return try_module_get(module);
}

void tsm_shim_module_put(struct module *module)
{
	module_put(module);
}

ssize_t tsm_shim_guest_req(struct pci_dev *pdev, u32 scope, void *req, size_t req_len,
			   void *resp, size_t resp_len, u64 *tsm_code)
{
	return pci_tsm_guest_req(pdev, scope, KERNEL_SOCKPTR(req), req_len,
				 KERNEL_SOCKPTR(resp), resp_len, tsm_code);
}

/*
 * Which operations the TSM has that @pdev is connected to. PCI/TSM of the
 * kernel calls them without a look, and its lock is its own: the answer is read
 * with loads that may fail, and is out of date if root disconnects the device
 * right now.
 */
int tsm_shim_ops_of(struct pci_dev *pdev, struct tsm_shim_ops *has)
{
	const struct pci_tsm_ops *ops;
	struct tsm_dev *tsm_dev;
	struct pci_tsm *tsm;
	void *bind, *guest_req, *tdi;

	tsm = READ_ONCE(pdev->tsm);
	if (!tsm)
		return -ENXIO;
	if (get_kernel_nofault(tsm_dev, &tsm->tsm_dev) ||
	    get_kernel_nofault(ops, &tsm_dev->pci_ops) ||
	    get_kernel_nofault(bind, (void **)&ops->bind) ||
	    get_kernel_nofault(guest_req, (void **)&ops->guest_req) ||
	    get_kernel_nofault(tdi, (void **)&tsm->tdi))
		return -ENXIO;
	has->bind = bind;
	has->guest_req = guest_req;
	has->bound = tdi;
	has->ours = bind == (void *)tsm_link_bind;
	return 0;
}

bool tsm_shim_memory_bar(struct pci_dev *pdev, int bar, u64 *start, u64 *len)
{
	*start = pci_resource_start(pdev, bar);
	*len = pci_resource_len(pdev, bar);
	return pci_resource_flags(pdev, bar) & IORESOURCE_MEM;
}

int tsm_shim_pcie_type(struct pci_dev *pdev)
{
	return pci_pcie_type(pdev);
}

struct pci_dev *tsm_shim_root_port(struct pci_dev *pdev)
{
	return pcie_find_root_port(pdev);
}

/*
 * Does anything of what is behind the bridge above a function, or of the function,
 * have an address in that window of the bridge? A window may be there for later.
 */
bool tsm_shim_window_is_used(struct pci_dev *pdev, bool prefetchable)
{
	struct pci_dev *bridge = pci_upstream_bridge(pdev);

	return bridge && pci_resource_n(bridge, prefetchable ? PCI_BRIDGE_PREF_MEM_WINDOW :
							       PCI_BRIDGE_MEM_WINDOW)->child;
}

/* Negative if there is no root port, or none that can be asked. */
int tsm_shim_root_port_number(struct pci_dev *pdev)
{
	struct pci_dev *root_port = pcie_find_root_port(pdev);
	u32 lnkcap;

	if (!root_port || pcie_capability_read_dword(root_port, PCI_EXP_LNKCAP, &lnkcap))
		return -ENXIO;
	return FIELD_GET(PCI_EXP_LNKCAP_PN, lnkcap);
}

int tsm_shim_segment(struct pci_dev *pdev)
{
	return pci_domain_nr(pdev->bus);
}

MODULE_VERSION("0.1.0");
