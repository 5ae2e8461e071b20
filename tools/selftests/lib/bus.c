// SPDX-License-Identifier: GPL-2.0
#include "bus.h"

FILE *bus_open(void)
{
	return fopen("/proc/bus/pci/devices", "re");
}

bool bus_next(FILE *bus, struct bus_function *function)
{
	unsigned int place, ids;
	char line[512];

	/* bus, and device with function, two digits each; vendor and device, four each */
	while (fgets(line, sizeof(line), bus)) {
		if (sscanf(line, "%4x %8x", &place, &ids) != 2)
			continue;
		snprintf(function->bdf, sizeof(function->bdf), "0000:%02x:%02x.%x",
			 place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
		function->vendor = ids >> 16;
		function->device = ids & 0xffff;
		return true;
	}
	return false;
}
