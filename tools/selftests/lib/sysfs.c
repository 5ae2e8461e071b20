// SPDX-License-Identifier: GPL-2.0
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_attribute(const char *fmt, va_list ap, int flags)
{
	char path[PATH_MAX];
	int fd;

	vsnprintf(path, sizeof(path), fmt, ap);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_attribute(char *buf, size_t size, const char *fmt, va_list ap)
{
	int fd = open_attribute(fmt, ap, O_RDONLY);
	ssize_t len;
	int err;

	if (fd < 0)
		return fd;
	len = read(fd, buf, size - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return len;
}

int sysfs_read(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = read_attribute(buf, size, fmt, ap);
	va_end(ap);
	return ret;
}

int sysfs_write(const char *value, const char *fmt, ...)
{
	ssize_t done;
	va_list ap;
	int fd, err;

	va_start(ap, fmt);
	fd = open_attribute(fmt, ap, O_WRONLY);
	va_end(ap);
	if (fd < 0)
		return fd;
	done = write(fd, value, strlen(value));
	err = errno;
	close(fd);
	return done < 0 ? -err : 0;
}

long sysfs_number(const char *fmt, ...)
{
	char buf[64];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = read_attribute(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return ret < 0 ? ret : strtol(buf, NULL, 0);
}

int sysfs_has(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return access(path, F_OK) == 0;
}
