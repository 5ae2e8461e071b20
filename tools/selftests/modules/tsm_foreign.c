// SPDX-License-Identifier: GPL-2.0
/*
 * A TSM that is none of the project's: a driver in the kernel that can connect
 * and, by its parameter, bind or also take requests. It asks no firmware; a
 * request is given back as its own response.
 */
#include <linux/device/faux.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pci-tsm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm.h>

static char *can = "connect";
module_param(can, charp, 0444);
MODULE_PARM_DESC(can, "what it can: connect, bind (also), request (too)");

static int lie;
module_param(lie, int, 0644);
MODULE_PARM_DESC(lie, "0: none; 1: more residue than buffer; 2: INT_MAX; 3: more than that; 4: fail with a code");

/* How much of a request it reads when it has no place to copy it to. */
#define FOREIGN_LOOK 32

static struct faux_device *parent;
static struct tsm_dev *tsm;

static struct pci_tsm *foreign_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	struct pci_tsm_pf0 *pf0;
	struct pci_tsm *fn;

	if (is_pci_tsm_pf0(pdev)) {
		pf0 = kzalloc_obj(*pf0);
		if (!pf0)
			return NULL;
		if (!pci_tsm_pf0_constructor(pdev, pf0, tsm_dev))
			return &pf0->base_tsm;
		kfree(pf0);
		return NULL;
	}
	fn = kzalloc_obj(*fn);
	if (!fn)
		return NULL;
	if (!pci_tsm_link_constructor(pdev, fn, tsm_dev))
		return fn;
	kfree(fn);
	return NULL;
}

static void foreign_remove(struct pci_tsm *fn)
{
	struct pci_tsm_pf0 *pf0;

	if (!is_pci_tsm_pf0(fn->pdev)) {
		kfree(fn);
		return;
	}
	pf0 = container_of(fn, struct pci_tsm_pf0, base_tsm);
	pci_tsm_pf0_destructor(pf0);
	kfree(pf0);
}

static int foreign_connect(struct pci_dev *pdev)
{
	return 0;
}

static void foreign_disconnect(struct pci_dev *pdev)
{
}

static struct pci_tdi *foreign_bind(struct pci_dev *pdev, struct kvm *kvm, u32 tdi_id)
{
	struct pci_tdi *tdi = kzalloc_obj(*tdi);

	if (!tdi)
		return ERR_PTR(-ENOMEM);
	pci_tsm_tdi_constructor(pdev, tdi, kvm, tdi_id);
	return tdi;
}

static void foreign_unbind(struct pci_tdi *tdi)
{
	kfree(tdi);
}

static ssize_t foreign_guest_req(struct pci_tdi *tdi, enum pci_tsm_req_scope scope,
				 sockptr_t req_in, size_t in_len, sockptr_t req_out,
				 size_t out_len, u64 *tsm_code)
{
	size_t len = min(in_len, out_len);
	void *bytes;
	int ret;

	if (tsm_code)
		*tsm_code = (u64)scope << 32 | (u32)in_len;
	if (!out_len)
		return in_len - min_t(size_t, in_len, FOREIGN_LOOK);
	bytes = kvmalloc(len, GFP_KERNEL);
	if (!bytes)
		return -ENOMEM;
	ret = copy_from_sockptr(bytes, req_in, len);
	if (!ret)
		ret = copy_to_sockptr(req_out, bytes, len);
	kvfree(bytes);
	if (ret)
		return -EFAULT;
	switch (lie) {
	case 1:
		return out_len + 1;
	case 2:
		return INT_MAX;
	case 3:
		return (ssize_t)UINT_MAX + 1;
	case 4:
		return -EIO;
	}
	return out_len - len;
}

/* Filled when it is known what it can. */
static struct pci_tsm_ops foreign_ops;

static int __init foreign_init(void)
{
	foreign_ops.probe = foreign_probe;
	foreign_ops.remove = foreign_remove;
	foreign_ops.connect = foreign_connect;
	foreign_ops.disconnect = foreign_disconnect;
	if (strcmp(can, "connect")) {
		foreign_ops.bind = foreign_bind;
		foreign_ops.unbind = foreign_unbind;
	}
	if (!strcmp(can, "request"))
		foreign_ops.guest_req = foreign_guest_req;

	parent = faux_device_create("tsm_foreign", NULL, NULL);
	if (!parent)
		return -ENODEV;
	tsm = tsm_register(&parent->dev, &foreign_ops);
	if (IS_ERR(tsm)) {
		faux_device_destroy(parent);
		return PTR_ERR(tsm);
	}
	return 0;
}
module_init(foreign_init);

static void __exit foreign_exit(void)
{
	tsm_unregister(tsm);
	faux_device_destroy(parent);
}
module_exit(foreign_exit);

MODULE_DESCRIPTION("TSM of somebody else, for the tests of iommufd_tsm");
MODULE_LICENSE("GPL");
