// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the entry of iommufd_fops_ioctl() the way a livepatch of it would, and
 * changes nothing.
 */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>

static char ioctl_name[] = "iommufd_fops_ioctl";

static notrace void owner_entry(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
				struct ftrace_regs *fregs)
{
}

static struct ftrace_ops owner_ops = {
	.func = owner_entry,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

static int __init owner_init(void)
{
	int ret;

	ret = ftrace_set_filter(&owner_ops, ioctl_name, strlen(ioctl_name), 1);
	if (ret)
		return ret;
	ret = register_ftrace_function(&owner_ops);
	if (ret)
		ftrace_free_filter(&owner_ops);
	return ret;
}
module_init(owner_init);

static void __exit owner_exit(void)
{
	unregister_ftrace_function(&owner_ops);
	ftrace_free_filter(&owner_ops);
}
module_exit(owner_exit);

MODULE_DESCRIPTION("Owner of the ioctl handler of /dev/iommu, for the tests of iommufd_tsm");
MODULE_LICENSE("GPL");
