// SPDX-License-Identifier: GPL-2.0
#include "call.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "clock.h"

static void *run(void *data)
{
	struct call *call = data;
	double start = clock_seconds();
	int ret;

	ret = ioctl(call->fd, call->command, call->argument);
	call->result = ret < 0 ? -errno : ret;
	call->seconds = clock_seconds() - start;
	atomic_store(&call->done, true);
	return NULL;
}

int call_start(struct call *call, int fd, unsigned long command, void *argument)
{
	call->fd = fd;
	call->command = command;
	call->argument = argument;
	call->result = 0;
	call->seconds = 0;
	atomic_init(&call->done, false);
	return -pthread_create(&call->thread, NULL, run, call);
}

bool call_is_done(const struct call *call)
{
	return atomic_load(&call->done);
}

bool call_wait(struct call *call, double seconds)
{
	double until = clock_seconds() + seconds;

	while (!call_is_done(call)) {
		if (clock_seconds() > until)
			return false;
		clock_sleep_ms(5);
	}
	pthread_join(call->thread, NULL);
	return true;
}

static void nothing(int signal)
{
	(void)signal;
}

int call_interrupt(struct call *call, int signal)
{
	/* no SA_RESTART: the call is to say that it was interrupted */
	struct sigaction action = { .sa_handler = nothing };

	if (sigaction(signal, &action, NULL))
		return -errno;
	return -pthread_kill(call->thread, signal);
}
