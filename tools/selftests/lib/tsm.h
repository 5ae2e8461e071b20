/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two ioctls, and the sysfs attributes of PCI/TSM.
 *
 * An ioctl returns what the system call returned if that is not negative (the
 * residue), else the negative errno.
 */
#ifndef SELFTEST_TSM_H
#define SELFTEST_TSM_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/iommufd_tsm.h>

#include "vmm.h"

/* A tsm_code that no TSM gives: who finds it knows that nothing was written. */
#define TSM_CODE_UNTOUCHED 0x5a5a5a5a5a5a5a5aULL

/* Longest time that any call may take, seconds. */
#define TSM_DEADLINE 30.0

/* The raw calls; @arg may be anything. */
int tsm_ioctl_req(int iommufd, void *arg);
int tsm_ioctl_op(int iommufd, void *arg);

/* IOMMU_VDEVICE_TSM_OP */
int tsm_op(int iommufd, __u32 type, __u32 flags, __u32 vdevice_id);
int tsm_bind(const struct tdi *tdi);
int tsm_unbind(const struct tdi *tdi);

/* An op form request of architecture COMMON; the rest is for the caller to set. */
struct iommu_vdevice_tsm_req tsm_request(const struct tdi *tdi, __u32 op, const void *req,
					 __u32 req_len, void *resp, __u32 resp_len);

/* The operations; @code may be NULL. */
int tsm_set_state(const struct tdi *tdi, __u32 state, __u64 *code);
int tsm_object_info(const struct tdi *tdi, __u32 type, __u32 *length);
int tsm_object_read(const struct tdi *tdi, __u32 type, __u64 offset, void *buf, __u32 len);
int tsm_object_regen(const struct tdi *tdi, __u32 type, __u64 flags, const void *nonce,
		     __u64 *code);
int tsm_validate_mmio(const struct tdi *tdi, __u64 gpa_base, __u64 gpa_top, __u64 pa_base);

/* The scope form. */
int tsm_scope(const struct tdi *tdi, __u32 scope, const void *req, __u32 req_len, void *resp,
	      __u32 resp_len);

/* A whole object, from malloc. Returns its length or a negative errno. */
int tsm_object_whole(const struct tdi *tdi, __u32 type, unsigned char **bytes);

/* What the kernel holds a TDI to be in. */
enum tsm_state {
	TSM_UNBOUND,
	TSM_UNLOCKED,
	TSM_LOCKED,
	TSM_RUN,
	TSM_ERROR,
	TSM_CONTRADICTION,	/* its answers fit no state */
};

/*
 * Find out by requests that change nothing, or whose change is undone; the
 * device is asked too where that cannot be had otherwise.
 */
enum tsm_state tsm_state(const struct tdi *tdi);
const char *tsm_state_name(enum tsm_state state);

/* Bring a bound TDI into a state other than ERROR by legal steps. */
int tsm_reach(const struct tdi *tdi, enum tsm_state state);

/* sysfs: tsm/connect and tsm/disconnect of a function. */
int tsm_connect(const char *bdf, const char *tsm);
int tsm_disconnect(const char *bdf);
/* The TSM that a function is connected to or bound through; "" if there is none. */
int tsm_connected(const char *bdf, char *tsm, size_t size);
bool tsm_is_bound(const char *bdf);

#endif
