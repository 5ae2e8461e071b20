/* SPDX-License-Identifier: GPL-2.0 */
/* Attributes of sysfs, procfs and debugfs: small texts in files. */
#ifndef SELFTEST_SYSFS_H
#define SELFTEST_SYSFS_H

#include <stddef.h>

/* Where the PCI functions are. */
#define SYSFS_PCI "/sys/bus/pci/devices"

/*
 * Read an attribute into @buf, ended by NUL and without a newline at its end.
 * Returns its length or a negative errno.
 */
int sysfs_read(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Write @value in one write. Returns 0 or a negative errno. */
int sysfs_write(const char *value, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The number in an attribute, in any base that strtol knows, or a negative errno. */
long sysfs_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Is there such a file? */
int sysfs_has(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
