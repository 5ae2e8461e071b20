/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The emulated platform, brought into the state that every test starts from:
 * modules loaded, knobs honest, the endpoint connected to the TSM of the
 * firmware function, nothing bound.
 */
#ifndef SELFTEST_PLATFORM_H
#define SELFTEST_PLATFORM_H

#include <stddef.h>

/* Why no test can run here, or NULL. */
const char *platform_missing(void);

/* Bring it there. Returns 0 or a negative errno, and says on stderr what failed. */
int platform_ready(void);

/*
 * The same, but with a new connection: what went on in the firmware and the
 * device before is forgotten.
 */
int platform_renew(void);

/* The address of the firmware function, or a negative errno if it is not there. */
int platform_firmware(char *bdf, size_t size);

/* The name of the TSM of the firmware function, "tsm0" mostly. */
int platform_tsm(char *tsm, size_t size);

/* Name of the TSM whose parent device is @parent. */
int platform_tsm_of(const char *parent, char *tsm, size_t size);

#endif
