// SPDX-License-Identifier: GPL-2.0
/*
 * Two ioctl commands of /dev/iommu, redirected at the entry of its handler.
 *
 * A module cannot register an ioctl with iommufd. ftrace, which livepatch is
 * made of, can change where a function goes on; this decides by the command, so
 * that the function itself runs untouched for all others.
 */

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/srcu.h>

#include <linux/iommufd_tsm.h>

#include "shim.h"

/* a reader of this kind costs two instructions, and may sleep as any other */
DEFINE_STATIC_SRCU_FAST(redirect_srcu);
static tsm_ioctl_fn redirect_to;
static void *redirect_answerer;

static notrace long redirect_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct srcu_ctr __percpu *reader = srcu_read_lock_fast(&redirect_srcu);
	long ret = redirect_to(file, cmd, arg, redirect_answerer);

	srcu_read_unlock_fast(&redirect_srcu, reader);
	return ret;
}

static notrace void redirect_entry(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *op, struct ftrace_regs *fregs)
{
	unsigned int cmd = ftrace_regs_get_argument(fregs, 1);

	if (cmd == IOMMU_VDEVICE_TSM_REQ || cmd == IOMMU_VDEVICE_TSM_OP)
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)redirect_ioctl);
}

static struct ftrace_ops redirect_ops = {
	.func = redirect_entry,
	/* no SAVE_REGS: only the arguments are looked at, and every ioctl pays */
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

int tsm_shim_redirect_install(unsigned long ioctl, tsm_ioctl_fn to, void *answerer)
{
	int ret;

	redirect_to = to;
	redirect_answerer = answerer;
	ret = ftrace_set_filter_ip(&redirect_ops, ioctl, 0, 0);
	if (ret)
		return ret;
	ret = register_ftrace_function(&redirect_ops);
	if (ret)
		ftrace_free_filter(&redirect_ops);
	return ret;
}

void tsm_shim_redirect_remove(void)
{
	unregister_ftrace_function(&redirect_ops);
	ftrace_free_filter(&redirect_ops);
	/* who was redirected and did not reach the read side section yet */
	synchronize_rcu_tasks();
	/* who sleeps inside it */
	synchronize_srcu(&redirect_srcu);
	/* who left it and did not return yet */
	synchronize_rcu_tasks();
}

void *tsm_shim_redirect_answerer(void)
{
	return redirect_answerer;
}
