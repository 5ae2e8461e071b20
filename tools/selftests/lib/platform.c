// SPDX-License-Identifier: GPL-2.0
#include "platform.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "function.h"
#include "kmod.h"
#include "knob.h"
#include "sysfs.h"
#include "tsm.h"

#define TSM_CLASS "/sys/class/tsm"

const char *platform_missing(enum arch arch)
{
	static char why[128];
	char bdf[32];
	struct function fn;
	int i;

	if (geteuid())
		return "must be run as root";
	for (i = 0; i < KMOD_COUNT; i++)
		if (!kmod_is_loaded(kmod_stack[i]) && !kmod_exists(kmod_stack[i])) {
			snprintf(why, sizeof(why),
				 "%s is neither loaded nor in /lib/modules/tsm", kmod_stack[i]);
			return why;
		}
	if (access("/dev/iommu", F_OK))
		return "no /dev/iommu";
	if (access("/dev/kvm", F_OK))
		return "no /dev/kvm";
	if (function_find(&fn, 0))
		return "no PCI function 1234:7de0: not the emulated platform";
	if (access("/dev/ttyS1", F_OK))
		return "no /dev/ttyS1: the emulated platform has no control line";
	if (arch != ARCH_NONE && platform_firmware(arch, bdf, sizeof(bdf))) {
		snprintf(why, sizeof(why), "no PCI function %04x:%04x: the platform has no firmware of %s",
			 FUNCTION_VENDOR, arch_firmware(arch), arch_name(arch));
		return why;
	}
	return NULL;
}

int platform_firmware(enum arch arch, char *bdf, size_t size)
{
	struct bus_function found;
	FILE *bus = bus_open();
	int ret = -ENODEV;

	if (!bus)
		return -errno;
	while (ret && bus_next(bus, &found)) {
		if (found.vendor != FUNCTION_VENDOR || found.device != arch_firmware(arch))
			continue;
		snprintf(bdf, size, "%s", found.bdf);
		ret = 0;
	}
	fclose(bus);
	return ret;
}

int platform_tsm_of(const char *parent, char *tsm, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	DIR *dir = opendir(TSM_CLASS);
	struct dirent *d;
	int ret = -ENODEV;
	ssize_t len;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		const char *name;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), TSM_CLASS "/%s/device", d->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = '\0';
		name = strrchr(link, '/');
		if (strcmp(name ? name + 1 : link, parent))
			continue;
		snprintf(tsm, size, "%s", d->d_name);
		ret = 0;
		break;
	}
	closedir(dir);
	return ret;
}

int platform_tsm(enum arch arch, char *tsm, size_t size)
{
	char bdf[32];
	int ret = platform_firmware(arch, bdf, sizeof(bdf));

	return ret ? ret : platform_tsm_of(bdf, tsm, size);
}

static int failed(const char *what, int err)
{
	fprintf(stderr, "# platform: %s: %s\n", what, strerror(-err));
	return err;
}

/* Connect the device of @fn to @want and no other TSM, or to none if that is "". */
static int connect_to(const struct function *fn, const char *want)
{
	char have[32] = "";
	int ret;

	ret = tsm_connected(fn->bdf, have, sizeof(have));
	if (ret < 0)
		return failed("reading tsm/connect", ret);
	if (!strcmp(have, want))
		return 0;
	ret = tsm_disconnect(fn->bdf);
	if (ret)
		return failed("disconnecting", ret);
	ret = want[0] ? tsm_connect(fn->bdf, want) : 0;
	return ret ? failed("connecting", ret) : 0;
}

int platform_ready(enum arch arch)
{
	struct function fn;
	char tsm[32];
	int ret;

	ret = kmod_load_stack();
	if (ret)
		return failed("loading the modules", ret);
	ret = knob_reset();
	if (ret)
		return failed("resetting the knobs", ret);
	/* those after the first device; there may be fewer than that */
	for (int i = FUNCTION_OF_DEVICE_1; !ret && i < FUNCTION_COUNT; i++)
		if (!function_find(&fn, i))
			ret = connect_to(&fn, "");
	if (ret || arch == ARCH_NONE)
		return ret;
	ret = function_find(&fn, 0);
	if (ret)
		return failed("finding the endpoint", ret);
	ret = platform_tsm(arch, tsm, sizeof(tsm));
	if (ret)
		return failed("finding the TSM of the firmware function", ret);
	return connect_to(&fn, tsm);
}

int platform_disconnected(void)
{
	struct function fn;
	int ret = platform_ready(ARCH_NONE);

	if (ret)
		return ret;
	ret = function_find(&fn, 0);
	return ret ? failed("finding the endpoint", ret) : connect_to(&fn, "");
}
