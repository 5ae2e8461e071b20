/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control line of the emulated platform, on the second serial port: knobs
 * that make it misbehave. What returns int returns 0 or a negative errno.
 */
#ifndef SELFTEST_KNOB_H
#define SELFTEST_KNOB_H

#include <stddef.h>

/* What a TDI of the device is in, numbered as TDISP has it. */
enum knob_tdisp {
	KNOB_TDISP_UNLOCKED = 0,
	KNOB_TDISP_LOCKED = 1,
	KNOB_TDISP_RUN = 2,
	KNOB_TDISP_ERROR = 3,
};

int knob_set(const char *knob, unsigned long value);
long knob_get(const char *knob);

/* All knobs honest again. */
int knob_reset(void);

/* What the platform says of itself, one line of JSON. */
int knob_state(char *json, size_t size);

/*
 * The key that the @age-th newest SNP guest shares with the PSP, in hex digits: 0
 * is the newest. A platform of silicon gives it to the guest and to nobody else.
 */
int knob_guest_key(unsigned int age, char *key, size_t size);

/* The TDISP state of function @number as the device has it, or a negative errno. */
int knob_tdisp(unsigned int number);

/* A counter of the platform by its name in the JSON, or a negative errno. */
long knob_count(const char *name);

#endif
