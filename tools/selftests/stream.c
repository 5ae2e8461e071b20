// SPDX-License-Identifier: GPL-2.0
/*
 * The IDE stream of a connected device: there as long as the connection is, and
 * nothing left of it when one of the two fails.
 */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/stream.h"
#include "lib/sysfs.h"

/* Offsets in the capability, and in the registers of a selective stream. */
#define IDE_ID 0x30
#define IDE_STREAM_0 0xc
#define STREAM_CONTROL 4
#define STREAM_STATUS 8
#define CONTROL_ENABLE 1
#define STATUS_SECURE 2

#define PORT_IDE "root_port_ide"

FIXTURE(stream)
{
	struct function fn;
	char tsm[32], bridge[PATH_MAX], at_tsm[PATH_MAX];
	long available;
};

FIXTURE_ON_EACH_ARCH(stream);

FIXTURE_SETUP(stream)
{
	SETUP_DISCONNECTED(variant->arch);
	if (!kmod_is_loaded(PORT_IDE))
		SKIP(return, "the device is not below a root port with IDE");
	ASSERT_EQ(0, function_find(&self->fn, 0));
	ASSERT_EQ(0, platform_tsm(variant->arch, self->tsm, sizeof(self->tsm)));
	ASSERT_EQ(0, stream_bridge(self->fn.bdf, self->bridge, sizeof(self->bridge)));
	snprintf(self->at_tsm, sizeof(self->at_tsm), "/sys/class/tsm/%s", self->tsm);
	self->available = stream_available(self->bridge);
	ASSERT_LT(0, self->available);
}

FIXTURE_TEARDOWN(stream)
{
	EXPECT_EQ(0, platform_ready(variant->arch));
	TEARDOWN_PLATFORM();
}

/* How many links there are to the device's stream, of which there are two or none. */
static int links(FIXTURE_DATA(stream) *self)
{
	return stream_count(self->bridge, self->fn.bdf, NULL, 0) +
	       stream_count(self->at_tsm, self->fn.bdf, NULL, 0);
}

#define EXPECT_NO_STREAM()						\
	do {								\
		EXPECT_EQ(0, links(self));				\
		EXPECT_EQ(self->available, stream_available(self->bridge)); \
		EXPECT_EQ(0, knob_count("connections"));			\
		EXPECT_EQ(0, knob_count("pages"));			\
	} while (0)

#define EXPECT_STREAM()							\
	do {								\
		EXPECT_EQ(2, links(self));				\
		EXPECT_EQ(self->available - 1, stream_available(self->bridge)); \
		/* the RMM has a PDEV for the root port, too */		\
		EXPECT_EQ(variant->arch == ARCH_CCA ? 2 : 1,		\
			  knob_count("connections"));			\
	} while (0)

/* A register of selective stream 0 of a function, all ones if there is none. */
static __u32 stream_register(const char *config, off_t reg)
{
	int fd = open(config, O_RDONLY | O_CLOEXEC);
	__u32 word = 0, at;

	for (at = 0x100; at; at = word >> 20)
		if (pread(fd, &word, sizeof(word), at) != sizeof(word) || (word & 0xffff) == IDE_ID)
			break;
	if (!at || pread(fd, &word, sizeof(word), at + IDE_STREAM_0 + reg) != sizeof(word))
		word = ~0;
	close(fd);
	return word;
}

TEST_F(stream, lasts_as_long_as_the_connection)
{
	char name[64] = "", other[64] = "";

	EXPECT_NO_STREAM();
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	EXPECT_STREAM();
	EXPECT_EQ(1, stream_count(self->bridge, self->fn.bdf, name, sizeof(name)));
	EXPECT_EQ(1, stream_count(self->at_tsm, self->fn.bdf, other, sizeof(other)));
	EXPECT_STREQ(name, other);
	ASSERT_EQ(0, tsm_disconnect(self->fn.bdf));
	EXPECT_NO_STREAM();
}

TEST_F(stream, is_secure_at_both_ends)
{
	char ends[2][PATH_MAX];

	snprintf(ends[0], PATH_MAX, SYSFS_PCI "/%s/config", self->fn.bdf);
	snprintf(ends[1], PATH_MAX, SYSFS_PCI "/%s/../config", self->fn.bdf);
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	for (int i = 0; i < 2; i++) {
		__u32 control = stream_register(ends[i], STREAM_CONTROL);
		__u32 status = stream_register(ends[i], STREAM_STATUS);

		EXPECT_NE(0, control & CONTROL_ENABLE);
		EXPECT_EQ(STATUS_SECURE, status & 0xf) {
			TH_LOG("%s: control %#x, status %#x", ends[i], control, status);
		}
	}
	/* the same ID, that of the first stream */
	EXPECT_EQ(0, stream_register(ends[0], STREAM_CONTROL) >> 24);
	EXPECT_EQ(0, stream_register(ends[1], STREAM_CONTROL) >> 24);
	ASSERT_EQ(0, tsm_disconnect(self->fn.bdf));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, stream_register(ends[i], STREAM_CONTROL) & CONTROL_ENABLE);
		EXPECT_NE(STATUS_SECURE, stream_register(ends[i], STREAM_STATUS) & 0xf);
	}
}

TEST_F_TIMEOUT(stream, twenty_times, 120)
{
	char first[64] = "", name[64];

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
		EXPECT_STREAM();
		ASSERT_EQ(1, stream_count(self->bridge, self->fn.bdf, name, sizeof(name)));
		if (!i)
			strcpy(first, name);
		/* what was given back is what is taken again */
		EXPECT_STREQ(first, name);
		ASSERT_EQ(0, tsm_disconnect(self->fn.bdf));
		EXPECT_NO_STREAM();
	}
}

/* It carries a TDI, and stays when that goes. */
TEST_F(stream, outlasts_its_tdis)
{
	struct vmm vmm;
	struct tdi tdi;

	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	SETUP_TDI(&vmm, &tdi, 1, 0x11);
	EXPECT_EQ(0, tsm_reach(&tdi, TSM_RUN));
	EXPECT_STREAM();
	tdi_close(&tdi);
	vmm_close(&vmm);
	EXPECT_STREAM();
}

TEST_F_TIMEOUT(stream, goes_with_the_device, 120)
{
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	ASSERT_EQ(0, sysfs_write("1", SYSFS_PCI "/%s/remove", self->fn.bdf));
	EXPECT_NO_STREAM();
	ASSERT_EQ(0, sysfs_write("1", "/sys/bus/pci/rescan"));
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	EXPECT_STREAM();
}

TEST_F_TIMEOUT(stream, goes_with_the_firmware, 120)
{
	char firmware[32];

	ASSERT_EQ(0, platform_firmware(variant->arch, firmware, sizeof(firmware)));
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	ASSERT_EQ(0, sysfs_write("1", SYSFS_PCI "/%s/remove", firmware));
	EXPECT_EQ(0, stream_count(self->bridge, self->fn.bdf, NULL, 0));
	EXPECT_EQ(self->available, stream_available(self->bridge));
	ASSERT_EQ(0, sysfs_write("1", "/sys/bus/pci/rescan"));
	ASSERT_EQ(0, platform_tsm(variant->arch, self->tsm, sizeof(self->tsm)));
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	EXPECT_STREAM();
}

/* The root port cannot lose its IDE under a driver that uses what is below. */
TEST_F_TIMEOUT(stream, keeps_the_module_of_the_rig, 120)
{
	ASSERT_EQ(0, function_take(&self->fn));
	EXPECT_EQ(-EAGAIN, kmod_unload(PORT_IDE));
	ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
	EXPECT_STREAM();
}

struct failure {
	enum arch arch;
	const char *knob;
	unsigned long call;	/* as the firmware numbers it */
};

static const struct failure failures[] = {
	{ ARCH_CCA, "fw-error-before", 0x204 },	/* RMI_PDEV_STREAM_CONNECT */
	{ ARCH_CCA, "fw-error-after", 0x204 },
	{ ARCH_CCA, "fw-error-before", 0x206 },	/* RMI_PDEV_STREAM_COMPLETE */
	{ ARCH_SEV, "fw-error-before", 0xd4 },	/* TIO_DEV_CONNECT */
	{ ARCH_SEV, "fw-error-after", 0xd4 },
	{ ARCH_TDX, "fw-error-before", 132 },	/* TDH.IDE.STREAM.CREATE */
	{ ARCH_TDX, "fw-error-after", 132 },
};

/* A stream that does not come about is a device that is not connected. */
TEST_F_TIMEOUT(stream, that_fails_leaves_nothing, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		int ret;

		if (failures[i].arch != variant->arch)
			continue;
		ASSERT_EQ(0, knob_set(failures[i].knob, failures[i].call));
		ret = tsm_connect(self->fn.bdf, self->tsm);
		EXPECT_EQ(0, knob_get(failures[i].knob));
		ASSERT_EQ(0, knob_reset());
		EXPECT_EQ(-EIO, ret) {
			TH_LOG("%s %#lx", failures[i].knob, failures[i].call);
		}
		EXPECT_NO_STREAM();
		ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
		EXPECT_STREAM();
		ASSERT_EQ(0, tsm_disconnect(self->fn.bdf));
	}
}

static const struct failure late_failures[] = {
	{ ARCH_CCA, "fw-error-before", 0x205 },	/* RMI_PDEV_STREAM_DISCONNECT */
	{ ARCH_CCA, "fw-error-after", 0x205 },
	{ ARCH_CCA, "fw-error-before", 0x206 },	/* RMI_PDEV_STREAM_COMPLETE */
	{ ARCH_CCA, "fw-error-before", 0x175 },	/* RMI_PDEV_COMMUNICATE */
	{ ARCH_SEV, "fw-error-before", 0xd5 },	/* TIO_DEV_DISCONNECT */
	{ ARCH_SEV, "fw-error-after", 0xd5 },
	{ ARCH_TDX, "fw-error-before", 135 },	/* TDH.IDE.STREAM.IDEKMREQ */
	{ ARCH_TDX, "fw-error-before", 133 },	/* TDH.IDE.STREAM.BLOCK */
	{ ARCH_TDX, "fw-error-after", 133 },
	{ ARCH_TDX, "fw-error-before", 134 },	/* TDH.IDE.STREAM.DELETE */
};

/* A disconnect comes to its end, whatever is said to it once. */
TEST_F_TIMEOUT(stream, that_does_not_want_to_go, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(late_failures); i++) {
		if (late_failures[i].arch != variant->arch)
			continue;
		ASSERT_EQ(0, tsm_connect(self->fn.bdf, self->tsm));
		ASSERT_EQ(0, knob_set(late_failures[i].knob, late_failures[i].call));
		EXPECT_EQ(0, tsm_disconnect(self->fn.bdf));
		EXPECT_EQ(0, knob_get(late_failures[i].knob));
		ASSERT_EQ(0, knob_reset());
		EXPECT_NO_STREAM();
	}
}

TEST_HARNESS_MAIN
