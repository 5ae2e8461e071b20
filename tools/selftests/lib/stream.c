// SPDX-License-Identifier: GPL-2.0
#include "stream.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

#define DEVICES "/sys/devices/"

int stream_bridge(const char *bdf, char *path, size_t size)
{
	char link[PATH_MAX], real[PATH_MAX];
	char *end;

	snprintf(link, sizeof(link), SYSFS_PCI "/%s", bdf);
	if (!realpath(link, real))
		return -errno;
	if (strncmp(real, DEVICES "pci", strlen(DEVICES "pci")))
		return -ENODEV;
	end = strchr(real + strlen(DEVICES), '/');
	if (!end)
		return -ENODEV;
	*end = '\0';
	snprintf(path, size, "%s", real);
	return 0;
}

int stream_count(const char *path, const char *bdf, char *name, size_t size)
{
	char link[PATH_MAX], to[PATH_MAX];
	DIR *dir = opendir(path);
	struct dirent *d;
	int count = 0;
	ssize_t len;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		const char *last;

		if (strncmp(d->d_name, "stream", strlen("stream")))
			continue;
		snprintf(link, sizeof(link), "%s/%s", path, d->d_name);
		len = readlink(link, to, sizeof(to) - 1);
		if (len < 0)
			continue;
		to[len] = '\0';
		last = strrchr(to, '/');
		if (strcmp(last ? last + 1 : to, bdf))
			continue;
		count++;
		if (name)
			snprintf(name, size, "%s", d->d_name);
	}
	closedir(dir);
	return count;
}

long stream_available(const char *bridge)
{
	return sysfs_number("%s/available_secure_streams", bridge);
}
