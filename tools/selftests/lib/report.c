// SPDX-License-Identifier: GPL-2.0
#include "report.h"

#include <errno.h>
#include <string.h>

struct header {
	__u16 interface_info;
	__u16 reserved;
	__u16 msix_control;
	__u16 lnr_control;
	__u32 tph_control;
	__u32 ranges;
};

int report_parse(struct report *report, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	struct header header;
	__u32 i;

	_Static_assert(sizeof(header) == 16, "as it is in the report");
	_Static_assert(sizeof(struct report_range) == 16, "as it is in the report");
	if (len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	at += sizeof(header);
	len -= sizeof(header);
	if (!header.ranges || header.ranges > REPORT_RANGES ||
	    len < header.ranges * sizeof(struct report_range))
		return -EBADMSG;
	report->interface_info = header.interface_info;
	report->ranges = header.ranges;
	for (i = 0; i < header.ranges; i++)
		memcpy(&report->range[i], at + i * sizeof(struct report_range),
		       sizeof(struct report_range));
	return 0;
}

int report_bar(const struct report_range *range, const struct function *fn, __u64 *offset)
{
	__u64 start = range->first_page * 4096, size = range->pages * 4096ULL;
	unsigned int index;
	struct bar bar;

	for (index = 0; index < FUNCTION_BARS; index++) {
		if (function_bar(fn, index, &bar) || !bar.size)
			continue;
		if (start < bar.start || start - bar.start > bar.size ||
		    size > bar.size - (start - bar.start))
			continue;
		*offset = start - bar.start;
		return index;
	}
	return -ENOENT;
}
