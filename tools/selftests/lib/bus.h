/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on the PCI buses. Every test asks for it many times over, so it is
 * read from /proc/bus/pci/devices: one file, where sysfs has two for each
 * function, which is the better part of a second on a kernel that checks itself.
 * That file names no domain; the emulated platform has one.
 */
#ifndef SELFTEST_BUS_H
#define SELFTEST_BUS_H

#include <stdbool.h>
#include <stdio.h>

struct bus_function {
	char bdf[16];	/* as in sysfs, "0000:01:00.0" */
	unsigned int vendor;
	unsigned int device;
};

/* To be closed by fclose(). NULL: errno says why. */
FILE *bus_open(void);

/* The next one, in the order of its enumeration; false after the last. */
bool bus_next(FILE *bus, struct bus_function *function);

#endif
