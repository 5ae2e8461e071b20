// SPDX-License-Identifier: GPL-2.0
#include "klog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

int klog_count(int fd, const char *text, char *last, size_t size)
{
	char record[8192], *message;
	int count = 0;
	ssize_t len;

	for (;;) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && (errno == EPIPE || errno == EINTR))
			continue;	/* overwritten meanwhile: go on with the next */
		if (len <= 0)
			return count;
		record[len] = '\0';
		message = strchr(record, ';');
		if (!message)
			continue;
		message++;
		/* continuation lines hold the device, not the message */
		message[strcspn(message, "\n")] = '\0';
		if (!strstr(message, text))
			continue;
		count++;
		if (last)
			snprintf(last, size, "%s", message);
	}
}
