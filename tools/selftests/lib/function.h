/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI function of the emulated devices, and its VFIO device.
 * What returns int returns 0 or a negative errno.
 */
#ifndef SELFTEST_FUNCTION_H
#define SELFTEST_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define FUNCTION_VENDOR 0x1234
#define FUNCTION_ENDPOINT 0x7de0

/*
 * Functions are numbered across the devices: 0 to 2 are those of the first, and
 * the second and the third have one each. Function 0 of a device holds its device
 * security manager, by which all of it is connected.
 */
#define FUNCTION_COUNT 5
#define FUNCTION_OF_DEVICE_1 3
#define FUNCTION_OF_DEVICE_2 4
/* How many functions the first device has. */
#define FUNCTIONS_OF_DEVICE_0 FUNCTION_OF_DEVICE_1
#define FUNCTION_BARS 6

struct function {
	char bdf[16];	/* as in sysfs, "0000:01:00.0" */
	int vfio;	/* the VFIO device, or -1 */
	__u32 dev_id;	/* in the iommufd that it is bound to */
};

/* Memory that a BAR decodes, by host physical address; size 0: none. */
struct bar {
	__u64 start;
	__u64 size;
};

/* Find function @number, also where others of its device are not there. */
int function_find(struct function *fn, unsigned int number);

/* Give it to vfio-pci, by driver_override. Nothing to do if it is there. */
int function_take(const struct function *fn);

/* Open its VFIO device; not yet bound to an iommufd, so of little use. */
int function_open(struct function *fn);

/* VFIO_DEVICE_BIND_IOMMUFD, then memory and bus master on, as a VMM has it. */
int function_bind(struct function *fn, int iommufd);

/* Attach it to an IOAS or a HWPT. */
int function_attach(struct function *fn, __u32 pt_id);

/* Set and clear bits of the PCI command register. */
int function_command(struct function *fn, __u16 set, __u16 clear);

/* VFIO_DEVICE_RESET: a function level reset. */
int function_reset(struct function *fn);

/* What BAR @index decodes, from sysfs. */
int function_bar(const struct function *fn, unsigned int index, struct bar *bar);

/* Read BAR @index through VFIO. */
int function_bar_read(struct function *fn, unsigned int index, __u64 offset, void *buf, size_t len);

void function_close(struct function *fn);

#endif
