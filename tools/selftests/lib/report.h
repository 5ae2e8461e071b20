/* SPDX-License-Identifier: GPL-2.0 */
/* The TDISP interface report of a TDI, PCIe 7.0 section 11.3.11. */
#ifndef SELFTEST_REPORT_H
#define SELFTEST_REPORT_H

#include "function.h"

#define REPORT_RANGES 8

/* Attributes of a range. */
#define REPORT_MSIX_TABLE (1 << 0)
#define REPORT_MSIX_PBA (1 << 1)
#define REPORT_NON_TEE (1 << 2)

struct report_range {
	__u64 first_page;	/* of 4 KiB, by the address in the BAR */
	__u32 pages;
	__u16 attributes;
	__u16 id;
};

struct report {
	__u16 interface_info;
	__u32 ranges;
	struct report_range range[REPORT_RANGES];
};

/* Take the bytes apart. Returns 0, or -EBADMSG if they are no report. */
int report_parse(struct report *report, const void *bytes, size_t len);

/* Which BAR of @fn holds @range, and where in it; or a negative errno. */
int report_bar(const struct report_range *range, const struct function *fn, __u64 *offset);

#endif
