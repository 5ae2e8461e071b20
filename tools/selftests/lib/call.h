/* SPDX-License-Identifier: GPL-2.0 */
/* An ioctl in a thread of its own, to be looked at while it has not returned. */
#ifndef SELFTEST_CALL_H
#define SELFTEST_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct call {
	pthread_t thread;
	int fd;
	unsigned long command;
	void *argument;
	atomic_bool done;
	int result;		/* when done: as tsm.h has it */
	double seconds;		/* when done: how long it took */
};

/* Start it. Returns 0 or a negative errno. @call must stay where it is. */
int call_start(struct call *call, int fd, unsigned long command, void *argument);

/* Did it return yet? */
bool call_is_done(const struct call *call);

/* Wait at most so long for it; true if it returned, and is then joined. */
bool call_wait(struct call *call, double seconds);

/* Send a signal to its thread; the handler does nothing. */
int call_interrupt(struct call *call, int signal);

#endif
