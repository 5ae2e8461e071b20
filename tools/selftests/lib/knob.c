// SPDX-License-Identifier: GPL-2.0
#include "knob.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"

#define KNOB_LINE "/dev/ttyS1"
#define KNOB_PATIENCE 10.0	/* seconds until the other end counts as gone */

static int open_line(void)
{
	struct termios raw;
	int fd, err;

	fd = open(KNOB_LINE, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &raw)) {
		err = errno;
		close(fd);
		return -err;
	}
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL | CREAD;
	cfsetspeed(&raw, B115200);
	/* what an earlier process asked and did not read is of no use */
	if (tcsetattr(fd, TCSAFLUSH, &raw)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

static int wait_for(int fd, short events, double until)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	double left = until - clock_seconds();
	int ret;

	if (left <= 0)
		return -ETIMEDOUT;
	ret = poll(&pfd, 1, left * 1000 + 1);
	if (ret < 0)
		return errno == EINTR ? 0 : -errno;
	return 0;
}

static int send_line(int fd, const char *line, double until)
{
	size_t len = strlen(line), done = 0;

	while (done < len) {
		ssize_t n = write(fd, line + done, len - done);
		int ret;

		if (n > 0) {
			done += n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		ret = wait_for(fd, POLLOUT, until);
		if (ret)
			return ret;
	}
	return 0;
}

static int receive_line(int fd, char *line, size_t size, double until)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, line + len, 1);
		int ret;

		if (n == 1) {
			if (line[len] == '\n') {
				line[len] = '\0';
				return 0;
			}
			if (line[len] != '\r' && ++len == size)
				return -EMSGSIZE;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		ret = wait_for(fd, POLLIN, until);
		if (ret)
			return ret;
	}
}

/* One request, one answer; what follows "ok" goes to @answer. */
static int ask(const char *request, char *answer, size_t size)
{
	double until = clock_seconds() + KNOB_PATIENCE;
	char line[4096];
	int fd, ret;

	fd = open_line();
	if (fd < 0)
		return fd;
	ret = send_line(fd, request, until);
	if (!ret)
		ret = receive_line(fd, line, sizeof(line), until);
	close(fd);
	if (ret)
		return ret;
	if (strncmp(line, "ok", 2) || (line[2] && line[2] != ' ')) {
		fprintf(stderr, "# knob: '%.*s': %s\n", (int)strcspn(request, "\n"), request, line);
		return -EINVAL;
	}
	if (answer)
		snprintf(answer, size, "%s", line[2] ? line + 3 : "");
	return 0;
}

int knob_set(const char *knob, unsigned long value)
{
	char line[128];

	snprintf(line, sizeof(line), "set %s %lu\n", knob, value);
	return ask(line, NULL, 0);
}

long knob_get(const char *knob)
{
	char line[128], answer[128];
	int ret;

	snprintf(line, sizeof(line), "get %s\n", knob);
	ret = ask(line, answer, sizeof(answer));
	return ret ? ret : strtol(answer, NULL, 0);
}

int knob_reset(void)
{
	return ask("reset\n", NULL, 0);
}

int knob_state(char *json, size_t size)
{
	return ask("state\n", json, size);
}

int knob_guest_key(unsigned int age, char *key, size_t size)
{
	char line[64];

	snprintf(line, sizeof(line), "guest-key %u\n", age);
	return ask(line, key, size);
}

/* What stands behind "@name": in @json, past blanks; NULL if there is none. */
static const char *member(const char *json, const char *name)
{
	size_t len = strlen(name);

	for (json = strchr(json, '"'); json; json = strchr(json + 1, '"')) {
		const char *at = json + 1;

		if (strncmp(at, name, len) || at[len] != '"')
			continue;
		at += len + 1;
		while (isspace((unsigned char)*at))
			at++;
		if (*at++ != ':')
			continue;
		while (isspace((unsigned char)*at))
			at++;
		return at;
	}
	return NULL;
}

int knob_tdisp(unsigned int number)
{
	char json[4096];
	const char *at;
	int ret;

	ret = knob_state(json, sizeof(json));
	if (ret)
		return ret;
	at = member(json, "tdi");
	if (!at || *at != '[')
		return -EBADMSG;
	for (at++; number; number--) {
		at = strchr(at, ',');
		if (!at)
			return -ENODEV;
		at++;
	}
	while (isspace((unsigned char)*at))
		at++;
	return isdigit((unsigned char)*at) ? *at - '0' : -EBADMSG;
}

long knob_count(const char *name)
{
	char json[4096];
	const char *at;
	int ret;

	ret = knob_state(json, sizeof(json));
	if (ret)
		return ret;
	at = member(json, name);
	return at && isdigit((unsigned char)*at) ? strtol(at, NULL, 0) : -EBADMSG;
}
