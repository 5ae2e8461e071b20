// SPDX-License-Identifier: GPL-2.0
#include "kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sysfs.h"

const char *const kmod_stack[KMOD_COUNT] = {
	"iommufd_tsm_core",
	"pci_tsm",
	"pci_tsm_cca",
	"pci_tsm_sev",
	"pci_tsm_tdx",
	"iommufd_tsm",
};

static const char *module_path(const char *name, char *path, size_t size)
{
	const char *dir = getenv("TSM_MODULES");

	snprintf(path, size, "%s/%s.ko", dir ? dir : "/lib/modules/tsm", name);
	return path;
}

bool kmod_exists(const char *name)
{
	char path[PATH_MAX];

	return access(module_path(name, path, sizeof(path)), R_OK) == 0;
}

int kmod_load(const char *name, const char *parameters)
{
	char path[PATH_MAX];
	int fd, ret;

	fd = open(module_path(name, path, sizeof(path)), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int kmod_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

bool kmod_is_loaded(const char *name)
{
	return sysfs_has("/sys/module/%s/initstate", name);
}

int kmod_load_stack(void)
{
	int i, ret;

	for (i = 0; i < KMOD_COUNT; i++) {
		if (kmod_is_loaded(kmod_stack[i]))
			continue;
		ret = kmod_load(kmod_stack[i], "");
		if (ret)
			return ret;
	}
	return 0;
}

int kmod_unload_stack(void)
{
	int i, ret;

	for (i = KMOD_COUNT - 1; i >= 0; i--) {
		if (!kmod_is_loaded(kmod_stack[i]))
			continue;
		ret = kmod_unload(kmod_stack[i]);
		if (ret)
			return ret;
	}
	return 0;
}
