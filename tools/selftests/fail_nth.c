// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel integrity, in the manner of iommufd_fail_nth.c of the kernel: sequences
 * that succeed, with every allocation and every access to user memory on their
 * way made to fail, one after the other. What comes of a call is checked only as
 * far as that it is no nonsense; splats are what is looked for.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "lib/clock.h"
#include "lib/fixture.h"
#include "lib/sysfs.h"

#define DEBUGFS "/sys/kernel/debug"
#define NTH_MOST 2000		/* points of one sequence; there are far fewer */
#define BUDGET 40		/* seconds for one sequence */
/* connect verifies certificates and keys a stream, under KASAN twice a point */
#define CONNECT_BUDGET 300

/* Let every allocation fail that is asked to, and keep the log quiet. */
static bool have_fault_injection(void)
{
	struct dirent *d;
	DIR *dir;

	if (!sysfs_has(DEBUGFS "/failslab"))
		mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	if (sysfs_write("N", DEBUGFS "/failslab/ignore-gfp-wait"))
		return false;
	sysfs_write("N", DEBUGFS "/fail_page_alloc/ignore-gfp-wait");
	sysfs_write("N", DEBUGFS "/fail_page_alloc/ignore-gfp-highmem");
	dir = opendir(DEBUGFS);
	if (!dir)
		return false;
	while ((d = readdir(dir)))
		if (!strncmp(d->d_name, "fail", 4))
			sysfs_write("0", DEBUGFS "/%s/verbose", d->d_name);
	closedir(dir);
	return true;
}

/* The n-th point from now on, of this task, fails. */
static int nth_arm(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* Disarm it. Did it fail something? */
static bool nth_was_used(int fd)
{
	char text[16] = "";
	ssize_t len;

	len = pread(fd, text, sizeof(text) - 1, 0);
	/* reading and disarming are accesses to user memory themselves */
	if (len < 0)
		text[0] = '1';
	while (nth_arm(fd, 0))
		text[0] = '1';
	return text[0] == '0' && text[1] == '\n';
}

FIXTURE(fail_nth)
{
	struct vmm vmm;
	struct tdi tdi;
	int nth;
	unsigned int points;	/* that failed, so far */
	unsigned int first, stride;	/* which points of a sequence are tried */
	double budget;		/* seconds for one sequence */
};

FIXTURE_ON_EACH_ARCH(fail_nth);

FIXTURE_SETUP(fail_nth)
{
	char path[64];

	SETUP_PLATFORM(variant->arch);
	self->budget = BUDGET;
	self->first = self->stride = 1;
	if (!have_fault_injection())
		SKIP(return, "the kernel is built without CONFIG_FAILSLAB, or debugfs is not mounted");
	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", getpid());
	self->nth = open(path, O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		SKIP(return, "no %s: the kernel is built without CONFIG_FAULT_INJECTION", path);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(fail_nth)
{
	nth_arm(self->nth, 0);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* Nothing that was refused for want of memory may leave it half done. */
static bool is_known(int ret)
{
	switch (ret) {
	case -ENOMEM:
	case -EFAULT:
	case -EIO:
	case -EINVAL:
	case -ENXIO:
	case -ENOENT:
	case -EPROTO:
	case -EBUSY:
	case -ENODEV:
	case -EINTR:
		return true;
	}
	return ret >= 0;
}

/*
 * Sweep @body, which returns the result of what it did, with @before to make
 * things ready and @after to clean up, neither of which fails.
 */
#define SWEEP(_before, _body, _after)						\
	do {									\
		double _start = clock_seconds();				\
		unsigned int _n;						\
		bool _used = true;						\
		int _ret = -1;							\
										\
		_before;							\
		ASSERT_LE(0, _body);						\
		_after;								\
		for (_n = self->first; _used && _n < NTH_MOST; _n += self->stride) { \
			ASSERT_GT(self->budget, clock_seconds() - _start) {		\
				TH_LOG("only %u points were tried", _n - 1);	\
			}							\
			_before;						\
			ASSERT_EQ(0, nth_arm(self->nth, _n));			\
			_ret = _body;						\
			_used = nth_was_used(self->nth);			\
			EXPECT_TRUE(is_known(_ret)) {				\
				TH_LOG("point %u: %s", _n, strerror(-_ret));	\
			}							\
			_after;							\
		}								\
		/* the last one was beyond the last point that there is */	\
		_n = (_n - self->first) / self->stride - 1;			\
		TH_LOG("%u points, %.1f s", _n, clock_seconds() - _start);	\
		EXPECT_FALSE(_used);						\
		/* the last round went to its end undisturbed */		\
		EXPECT_LE(0, _ret);						\
		self->points += _n;						\
	} while (0)

/* Bring it back, whatever a failure made of it. */
#define UNLOCKED()								\
	do {									\
		ASSERT_EQ(0, tsm_unbind(&self->tdi));				\
		ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));		\
	} while (0)

TEST_F_TIMEOUT(fail_nth, bind, 60)
{
	SWEEP((void)0, tsm_bind(&self->tdi), ASSERT_EQ(0, tsm_unbind(&self->tdi)));
	/* if there were none, none of this would be worth anything */
	EXPECT_LT(3, self->points);
}

TEST_F_TIMEOUT(fail_nth, unbind, 60)
{
	SWEEP(ASSERT_EQ(0, tsm_bind(&self->tdi)), tsm_unbind(&self->tdi),
	      ASSERT_EQ(0, tsm_unbind(&self->tdi)));
}

TEST_F_TIMEOUT(fail_nth, destroy_while_bound, 60)
{
	SWEEP(ASSERT_EQ(0, tsm_bind(&self->tdi)), tdi_destroy(&self->tdi), {
		if (self->tdi.vdevice_id) {
			ASSERT_EQ(0, tdi_destroy(&self->tdi));
		}
		ASSERT_EQ(0, tdi_alloc(&self->tdi, 0x10));
	});
}

TEST_F_TIMEOUT(fail_nth, run, 60)
{
	SWEEP(ASSERT_EQ(0, tsm_bind(&self->tdi)),
	      tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL),
	      ASSERT_EQ(0, tsm_unbind(&self->tdi)));
}

TEST_F_TIMEOUT(fail_nth, lock_and_unlock, 60)
{
	UNLOCKED();
	SWEEP((void)0, ({
		int _r = tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL);

		_r ?: tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL);
	}), UNLOCKED());
}

TEST_F_TIMEOUT(fail_nth, regen, 60)
{
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	SWEEP((void)0,
	      tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, "0123456789abcdef0123456789abcdef", NULL), {
		/* a failure in the middle of the messages may have led to ERROR */
		if (tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL)) {
			ASSERT_EQ(0, tsm_unbind(&self->tdi));
			ASSERT_EQ(0, tsm_bind(&self->tdi));
		}
	});
}

TEST_F_TIMEOUT(fail_nth, objects, 60)
{
	char buf[8192];
	__u32 length;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	for (__u32 type = 0; type < 4; type++) {
		SWEEP((void)0, tsm_object_info(&self->tdi, type, &length), (void)0);
		SWEEP((void)0, tsm_object_read(&self->tdi, type, 0, buf, sizeof(buf)), (void)0);
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_F_TIMEOUT(fail_nth, validate_mmio, 60)
{
	struct bar bar;

	ASSERT_EQ(0, function_bar(&self->tdi.fn, 0, &bar));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	/* what is mapped is not mapped again: unlocking takes it away */
	SWEEP({
		ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
		ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_LOCKED));
	}, tsm_validate_mmio(&self->tdi, 0x8000000000, 0x8000001000, bar.start), (void)0);
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_F_TIMEOUT(fail_nth, refused_calls, 60)
{
	struct tdi none = self->tdi;
	char buf[64];

	none.vdevice_id = 0x7ffffff0;
	SWEEP((void)0, ({
		int _r = tsm_bind(&none);

		_r == -ENOENT ? 0 : _r;
	}), (void)0);
	SWEEP((void)0, ({
		int _r = tsm_object_read(&self->tdi, 0, 0, buf, sizeof(buf));

		_r == -ENXIO ? 0 : _r;
	}), (void)0);
}

TEST_F_TIMEOUT(fail_nth, connect, CONNECT_BUDGET + 20)
{
	char tsm[32];

	self->budget = CONNECT_BUDGET;
	/* most of these points are the kernel's and pci_tsm's: each of the three has a third */
	self->first = variant->arch;
	self->stride = ARCH_COUNT;
	ASSERT_EQ(0, platform_tsm(variant->arch, tsm, sizeof(tsm)));
	SWEEP(ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf)), tsm_connect(self->tdi.fn.bdf, tsm), {
		char _tsm[32];

		ASSERT_LE(0, tsm_connected(self->tdi.fn.bdf, _tsm, sizeof(_tsm)));
		if (!_tsm[0]) {
			ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
		}
	});
}

/* The whole of it, as a VMM does it. */
TEST_F_TIMEOUT(fail_nth, whole_flow, 60)
{
	__u32 length;

	SWEEP((void)0, ({
		int _r = tsm_bind(&self->tdi);

		if (_r >= 0)
			_r = tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length);
		if (_r >= 0)
			_r = tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL);
		if (_r >= 0)
			_r = tsm_unbind(&self->tdi);
		_r;
	}), ASSERT_EQ(0, tsm_unbind(&self->tdi)));
}

TEST_HARNESS_MAIN
