// SPDX-License-Identifier: GPL-2.0
#include "function.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bus.h"
#include "sysfs.h"

#define DEVICES 3
#define DEVICE_NAME 10	/* of "0000:01:00.0" what is the same for a device */

/* Where a function is: on which of the devices, and which of its functions. */
static const struct {
	unsigned int device;
	char digit;
} places[FUNCTION_COUNT] = { { 0, '0' }, { 0, '1' }, { 0, '2' }, { 1, '0' }, { 2, '0' } };

/* Enter the device of @bdf into @devices, which are sorted as sysfs names them. */
static int enter(char devices[DEVICES][DEVICE_NAME + 1], int count, const char *bdf)
{
	int at, i;

	for (at = 0; at < count; at++) {
		int order = strncmp(bdf, devices[at], DEVICE_NAME);

		if (!order)
			return count;
		if (order < 0)
			break;
	}
	if (count == DEVICES)
		return count;
	for (i = count; i > at; i--)
		memcpy(devices[i], devices[i - 1], sizeof(devices[i]));
	memcpy(devices[at], bdf, DEVICE_NAME);
	devices[at][DEVICE_NAME] = '\0';
	return count + 1;
}

int function_find(struct function *fn, unsigned int number)
{
	char devices[DEVICES][DEVICE_NAME + 1];
	struct bus_function found;
	int count = 0;
	FILE *bus;

	fn->vfio = -1;
	fn->dev_id = 0;
	if (number >= FUNCTION_COUNT)
		return -ENODEV;
	bus = bus_open();
	if (!bus)
		return -errno;
	while (bus_next(bus, &found))
		if (found.vendor == FUNCTION_VENDOR && found.device == FUNCTION_ENDPOINT)
			count = enter(devices, count, found.bdf);
	fclose(bus);
	if ((int)places[number].device >= count)
		return -ENODEV;
	snprintf(fn->bdf, sizeof(fn->bdf), "%s.%c", devices[places[number].device],
		 places[number].digit);
	return sysfs_has(SYSFS_PCI "/%s", fn->bdf) ? 0 : -ENODEV;
}

static bool is_taken(const struct function *fn)
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/driver", fn->bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return false;
	link[len] = '\0';
	name = strrchr(link, '/');
	return name && !strcmp(name, "/vfio-pci");
}

int function_take(const struct function *fn)
{
	int ret;

	if (is_taken(fn))
		return 0;
	ret = sysfs_write("vfio-pci", SYSFS_PCI "/%s/driver_override", fn->bdf);
	if (ret)
		return ret;
	if (sysfs_has(SYSFS_PCI "/%s/driver", fn->bdf)) {
		ret = sysfs_write(fn->bdf, SYSFS_PCI "/%s/driver/unbind", fn->bdf);
		if (ret)
			return ret;
	}
	ret = sysfs_write(fn->bdf, "/sys/bus/pci/drivers_probe");
	if (ret)
		return ret;
	return is_taken(fn) ? 0 : -ENODEV;
}

/* The character device, made here if devtmpfs did not. */
static int open_cdev(const char *bdf, const char *name)
{
	unsigned int major, minor;
	char path[64], dev[32];
	int fd, ret;

	ret = snprintf(path, sizeof(path), "/dev/vfio/devices/%.32s", name);
	if (ret >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	ret = sysfs_read(dev, sizeof(dev), SYSFS_PCI "/%s/vfio-dev/%s/dev", bdf, name);
	if (ret < 0)
		return ret;
	if (sscanf(dev, "%u:%u", &major, &minor) != 2)
		return -EINVAL;
	mkdir("/dev/vfio", 0755);
	mkdir("/dev/vfio/devices", 0755);
	if (mknod(path, S_IFCHR | 0600, makedev(major, minor)) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int function_open(struct function *fn)
{
	char path[PATH_MAX];
	struct dirent *d;
	int ret = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/vfio-dev", fn->bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, "vfio", 4))
			continue;
		ret = open_cdev(fn->bdf, d->d_name);
		break;
	}
	closedir(dir);
	fn->vfio = ret < 0 ? -1 : ret;
	return ret < 0 ? ret : 0;
}

int function_bind(struct function *fn, int iommufd)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.iommufd = iommufd,
	};

	if (ioctl(fn->vfio, VFIO_DEVICE_BIND_IOMMUFD, &cmd))
		return -errno;
	fn->dev_id = cmd.out_devid;
	return function_command(fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
}

int function_attach(struct function *fn, __u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = pt_id,
	};

	return ioctl(fn->vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd) ? -errno : 0;
}

static int region_offset(struct function *fn, unsigned int index, __u64 *offset, __u64 *size)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(fn->vfio, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	*offset = info.offset;
	*size = info.size;
	return 0;
}

int function_command(struct function *fn, __u16 set, __u16 clear)
{
	__u64 offset = 0, size = 0;
	__u16 command;
	int ret;

	ret = region_offset(fn, VFIO_PCI_CONFIG_REGION_INDEX, &offset, &size);
	if (ret)
		return ret;
	offset += PCI_COMMAND;
	if (pread(fn->vfio, &command, sizeof(command), offset) != sizeof(command))
		return -errno;
	command = (command | set) & ~clear;
	if (pwrite(fn->vfio, &command, sizeof(command), offset) != sizeof(command))
		return -errno;
	return 0;
}

int function_reset(struct function *fn)
{
	return ioctl(fn->vfio, VFIO_DEVICE_RESET) ? -errno : 0;
}

int function_bar(const struct function *fn, unsigned int index, struct bar *bar)
{
	unsigned long long start, end, flags;
	char text[4096], *line = text;
	int ret;

	if (index >= FUNCTION_BARS)
		return -EINVAL;
	ret = sysfs_read(text, sizeof(text), SYSFS_PCI "/%s/resource", fn->bdf);
	if (ret < 0)
		return ret;
	while (index--) {
		line = strchr(line, '\n');
		if (!line)
			return -EINVAL;
		line++;
	}
	if (sscanf(line, "%llx %llx %llx", &start, &end, &flags) != 3)
		return -EINVAL;
	bar->start = start;
	bar->size = end ? end - start + 1 : 0;
	return 0;
}

int function_bar_read(struct function *fn, unsigned int index, __u64 offset, void *buf, size_t len)
{
	__u64 start = 0, size = 0;
	int ret;

	ret = region_offset(fn, index, &start, &size);
	if (ret)
		return ret;
	if (offset > size || len > size - offset)
		return -ERANGE;
	ret = pread(fn->vfio, buf, len, start + offset);
	if (ret < 0)
		return -errno;
	return (size_t)ret == len ? 0 : -EIO;
}

void function_close(struct function *fn)
{
	if (fn->vfio >= 0)
		close(fn->vfio);
	fn->vfio = -1;
	fn->dev_id = 0;
}
