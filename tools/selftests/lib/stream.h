/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IDE streams, as sysfs has them: links named streamH.R.E to the endpoint, at
 * the host bridge and at the TSM.
 */
#ifndef SELFTEST_STREAM_H
#define SELFTEST_STREAM_H

#include <stddef.h>

/* Where the host bridge above a function is in sysfs; 0 or a negative errno. */
int stream_bridge(const char *bdf, char *path, size_t size);

/*
 * How many streams of the directory @path lead to function @bdf; @name, if not
 * NULL, gets that of the last. Or a negative errno.
 */
int stream_count(const char *path, const char *bdf, char *name, size_t size);

/* How many streams the host bridge has left, or a negative errno. */
long stream_available(const char *bridge);

#endif
