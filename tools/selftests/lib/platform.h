/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The emulated platform, brought into the state that every test starts from:
 * modules loaded, knobs honest, the first device connected to the TSM of one
 * architecture and no other device to any, nothing bound.
 */
#ifndef SELFTEST_PLATFORM_H
#define SELFTEST_PLATFORM_H

#include <stddef.h>

#include "arch.h"

/* Why no test of this architecture can run here, or NULL. */
const char *platform_missing(enum arch arch);

/*
 * Bring it there. With ARCH_NONE the first device stays connected to whatever TSM
 * it is. Returns 0 or a negative errno, and says on stderr what failed.
 */
int platform_ready(enum arch arch);

/* The same, but that no device is connected to any TSM. */
int platform_disconnected(void);

/* The address of a firmware's function, or a negative errno if it is not there. */
int platform_firmware(enum arch arch, char *bdf, size_t size);

/* The name of its TSM, one of "tsm0" to "tsm2" mostly. */
int platform_tsm(enum arch arch, char *tsm, size_t size);

/* Name of the TSM whose parent device is @parent. */
int platform_tsm_of(const char *parent, char *tsm, size_t size);

#endif
