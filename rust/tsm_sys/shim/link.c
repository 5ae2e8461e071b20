// SPDX-License-Identifier: GPL-2.0
/*
 * struct pci_tsm_ops of a TSM that is written in Rust.
 *
 * C, since the enum and the sockptr_t among the arguments have no type in Rust
 * that kCFI takes for the same.
 */

#include <linux/module.h>
#include <linux/pci-tsm.h>
#include <linux/sysfs.h>
#include <linux/tsm.h>

#include "shim.h"

struct tsm_link *tsm_shim_link_of(struct tsm_dev *tsm_dev)
{
	return container_of(tsm_dev->pci_ops, struct tsm_link, ops);
}

static struct pci_tsm *link_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	return tsm_link_probe(tsm_shim_link_of(tsm_dev), tsm_dev, pdev);
}

static ssize_t link_guest_req(struct pci_tdi *tdi, enum pci_tsm_req_scope scope,
			      sockptr_t req_in, size_t in_len, sockptr_t req_out,
			      size_t out_len, u64 *tsm_code)
{
	/* somebody's raw bytes; what we are asked arrives decoded */
	if (!sockptr_is_kernel(req_in) || in_len != TSM_LINK_CALL)
		return -EOPNOTSUPP;
	return tsm_link_guest_req(tdi, req_in.kernel, out_len);
}

static const struct pci_tsm_ops link_ops = {
	.probe = link_probe,
	.remove = tsm_link_remove,
	.connect = tsm_link_connect,
	.disconnect = tsm_link_disconnect,
	.bind = tsm_link_bind,
	.unbind = tsm_link_unbind,
	.guest_req = link_guest_req,
};

/* The link to the endpoint of a stream, in the directory of its TSM. */
int tsm_shim_stream_show(struct pci_dev *pdev, const char *name)
{
	return sysfs_create_link(&pdev->tsm->tsm_dev->dev.kobj, &pdev->dev.kobj, name);
}

void tsm_shim_stream_hide(struct pci_dev *pdev, const char *name)
{
	sysfs_remove_link(&pdev->tsm->tsm_dev->dev.kobj, name);
}

void tsm_shim_link_init(struct tsm_link *link)
{
	link->ops = link_ops;
}
EXPORT_SYMBOL_NS_GPL(tsm_shim_link_init, "IOMMUFD_TSM");
