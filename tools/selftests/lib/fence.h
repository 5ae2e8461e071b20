/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory with a fence: the byte behind it is not there, so that whoever reads or
 * writes too far fails. Never freed; a test is a process of its own.
 */
#ifndef SELFTEST_FENCE_H
#define SELFTEST_FENCE_H

#include <stdbool.h>
#include <stddef.h>

/* @len bytes of zeroes. NULL if there is no memory. */
void *fence_zeroes(size_t len);

/* The same with a copy of @from in it. */
void *fence_copy(const void *from, size_t len);

/* The same, and then it is made read-only. */
void *fence_readonly(const void *from, size_t len);

/* An address where nothing is. */
void *fence_nowhere(void);

/* A canary: fill with it, then look if it is whole. */
void canary_fill(void *at, size_t len);
bool canary_is_whole(const void *at, size_t len);

#endif
