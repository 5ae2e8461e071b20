/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel modules, of the project and of these tests. What returns int returns 0
 * or a negative errno.
 */
#ifndef SELFTEST_KMOD_H
#define SELFTEST_KMOD_H

#include <stdbool.h>

/* The modules of the project, each after those that it needs. */
#define KMOD_COUNT 6
extern const char *const kmod_stack[KMOD_COUNT];

/* finit_module(2) of the file of this name; @parameters may be "". */
int kmod_load(const char *name, const char *parameters);

/* delete_module(2) with O_NONBLOCK: does not wait for users. */
int kmod_unload(const char *name);

bool kmod_is_loaded(const char *name);

/* Is there a file for it? */
bool kmod_exists(const char *name);

/* The whole stack, as far as it is not there, and away again. */
int kmod_load_stack(void);
int kmod_unload_stack(void);

#endif
