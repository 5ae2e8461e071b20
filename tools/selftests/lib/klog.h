/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's log. */
#ifndef SELFTEST_KLOG_H
#define SELFTEST_KLOG_H

#include <stddef.h>

/* From now on: a file descriptor to close, or a negative errno. */
int klog_open(void);

/*
 * How many of the messages since the last look hold @text; @last, if not NULL,
 * gets the last of them.
 */
int klog_count(int fd, const char *text, char *last, size_t size);

#endif
