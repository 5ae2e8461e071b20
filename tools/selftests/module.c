// SPDX-License-Identifier: GPL-2.0
/* Loading and removing the modules: when it is refused, and that it is safe else. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/clock.h"
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/klog.h"
#include "lib/kmod.h"
#include "lib/pager.h"
#include "lib/sysfs.h"

#define NO_VDEVICE 0x7ffffff0

/* Is the ioctl there? As the header says that one is to find out. */
static int probe(int iommufd)
{
	__u32 state = 0;
	struct iommu_vdevice_tsm_req req = {
		.size = sizeof(req),
		.op = IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE,
		.req_len = sizeof(state),
		.req_uptr = (uintptr_t)&state,
	};

	return tsm_ioctl_req(iommufd, &req);
}

FIXTURE(module)
{
	int iommufd;
};

FIXTURE_SETUP(module)
{
	SETUP_PLATFORM(ARCH_NONE);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
}

FIXTURE_TEARDOWN(module)
{
	close(self->iommufd);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

TEST_F(module, ioctls_come_and_go_with_it)
{
	EXPECT_EQ(-ENOENT, probe(self->iommufd));
	EXPECT_EQ(-ENOENT, tsm_op(self->iommufd, IOMMU_VDEVICE_TSM_UNBIND, 0, NO_VDEVICE));
	ASSERT_EQ(0, kmod_unload("iommufd_tsm"));
	/* of a file that was open all the time */
	EXPECT_EQ(-ENOTTY, probe(self->iommufd));
	EXPECT_EQ(-ENOTTY, tsm_op(self->iommufd, IOMMU_VDEVICE_TSM_UNBIND, 0, NO_VDEVICE));
	ASSERT_EQ(0, kmod_load("iommufd_tsm", ""));
	EXPECT_EQ(-ENOENT, probe(self->iommufd));
	EXPECT_EQ(-ENOENT, tsm_op(self->iommufd, IOMMU_VDEVICE_TSM_UNBIND, 0, NO_VDEVICE));
}

TEST_F(module, loaded_twice)
{
	for (int i = 0; i < KMOD_COUNT; i++) {
		EXPECT_EQ(-EEXIST, kmod_load(kmod_stack[i], "")) {
			TH_LOG("%s", kmod_stack[i]);
		}
	}
	EXPECT_EQ(-ENOENT, probe(self->iommufd));
}

/* In the order of their needs, again and again. */
TEST_F(module, whole_stack)
{
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, kmod_unload_stack());
		EXPECT_FALSE(sysfs_has("/sys/class/tsm/tsm0"));
		EXPECT_EQ(-ENOTTY, probe(self->iommufd));
		ASSERT_EQ(0, kmod_load_stack());
		EXPECT_EQ(-ENOENT, probe(self->iommufd));
	}
	ASSERT_EQ(0, platform_ready(ARCH_NONE));
}

/* A module that another one needs stays. */
TEST_F(module, needed_by_another)
{
	EXPECT_EQ(-EWOULDBLOCK, kmod_unload("iommufd_tsm_core"));
	EXPECT_EQ(-EWOULDBLOCK, kmod_unload("pci_tsm"));
	/* iommufd is what iommufd_tsm stands on */
	EXPECT_EQ(-EWOULDBLOCK, kmod_unload("iommufd"));
}

/* Next to another owner of the function: one line, and nothing is left behind. */
TEST_F(module, next_to_another_owner)
{
	char line[1024] = "";
	int log;

	if (!kmod_exists("ioctl_owner"))
		SKIP(return, "no test module ioctl_owner.ko in /lib/modules/tsm");
	ASSERT_EQ(0, kmod_unload("iommufd_tsm"));
	ASSERT_EQ(0, kmod_load("ioctl_owner", ""));
	log = klog_open();
	ASSERT_LE(0, log);
	EXPECT_EQ(-EBUSY, kmod_load("iommufd_tsm", ""));
	EXPECT_EQ(1, klog_count(log, "iommufd_tsm", line, sizeof(line)));
	TH_LOG("%s", line);
	/* it names what it is about */
	EXPECT_NE(NULL, strstr(line, "iommufd_fops_ioctl"));
	EXPECT_FALSE(kmod_is_loaded("iommufd_tsm"));
	EXPECT_EQ(-ENOTTY, probe(self->iommufd));
	ASSERT_EQ(0, kmod_unload("ioctl_owner"));
	EXPECT_EQ(-ENOTTY, probe(self->iommufd));
	EXPECT_EQ(0, kmod_load("iommufd_tsm", ""));
	EXPECT_EQ(-ENOENT, probe(self->iommufd));
	close(log);
}

/* And the other way round: who comes later is the one who is refused. */
TEST_F(module, owner_that_comes_later)
{
	if (!kmod_exists("ioctl_owner"))
		SKIP(return, "no test module ioctl_owner.ko in /lib/modules/tsm");
	EXPECT_EQ(-EBUSY, kmod_load("ioctl_owner", ""));
	EXPECT_EQ(-ENOENT, probe(self->iommufd));
}

/* While a TDI is bound, nothing of it can go. */
FIXTURE(bound)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(bound);

FIXTURE_SETUP(bound)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(bound)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(variant->arch));
	TEARDOWN_PLATFORM();
}

static bool is_refusal(int ret)
{
	return ret == -EWOULDBLOCK || ret == -EBUSY;
}

/* Is it a backend, and not that of @arch? */
static bool is_other_backend(const char *name, enum arch arch)
{
	for (enum arch other = ARCH_CCA; other < ARCH_END; other++)
		if (other != arch && !strcmp(name, arch_module(other)))
			return true;
	return false;
}

/* Nothing of the other backends is in use: they may. */
static void refuse_to_go(struct __test_metadata *_metadata, enum arch arch)
{
	for (int i = 0; i < KMOD_COUNT; i++) {
		int ret;

		if (is_other_backend(kmod_stack[i], arch))
			continue;
		ret = kmod_unload(kmod_stack[i]);
		EXPECT_TRUE(is_refusal(ret)) {
			TH_LOG("%s: %d", kmod_stack[i], ret);
		}
	}
}

TEST_F(bound, refuses_to_go)
{
	refuse_to_go(_metadata, variant->arch);
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	/* also in states that have less of a device */
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	refuse_to_go(_metadata, variant->arch);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_F(bound, goes_after_unbind)
{
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	/* the vDEVICE is still there, and was once ours */
	EXPECT_EQ(0, kmod_unload("iommufd_tsm"));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_EQ(0, kmod_unload_stack());
}

TEST_F(bound, goes_after_destruction)
{
	ASSERT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_EQ(0, kmod_unload_stack());
}

TEST_F(bound, goes_after_a_revocation)
{
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, kmod_unload_stack());
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
}

/* A vDEVICE that was there before the module is one that it can bind. */
TEST_F(bound, vdevice_that_is_older)
{
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	ASSERT_EQ(0, kmod_unload_stack());
	ASSERT_EQ(0, platform_ready(variant->arch));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* A task sleeps inside the ioctl, on memory of its own, and the module is to go. */
FIXTURE(asleep)
{
	struct vmm vmm;
	struct tdi tdi;		/* not bound, which would keep the module */
	struct pager pager;
	struct call call;
	struct iommu_vdevice_tsm_req req;
	int result;		/* what the call is to return in the end */
	char page[PAGER_PAGE];
};

enum where {
	STRUCTURE,
	REQUEST,
};

FIXTURE_VARIANT(asleep)
{
	enum where where;
};

FIXTURE_VARIANT_ADD(asleep, on_its_structure) { .where = STRUCTURE };
FIXTURE_VARIANT_ADD(asleep, on_its_request) { .where = REQUEST };

FIXTURE_SETUP(asleep)
{
	void *arg = &self->req;

	SETUP_PLATFORM(ARCH_NONE);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, pager_open(&self->pager));
	self->req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, self->pager.page,
				4, NULL, 0);
	self->result = -ENXIO;
	if (variant->where == STRUCTURE) {
		self->req.vdevice_id = NO_VDEVICE;
		self->result = -ENOENT;
		memcpy(self->page, &self->req, sizeof(self->req));
		arg = self->pager.page;
	}
	ASSERT_EQ(0, call_start(&self->call, self->vmm.iommufd, IOMMU_VDEVICE_TSM_REQ, arg));
	ASSERT_EQ(0, pager_wait(&self->pager, 5000));
}

FIXTURE_TEARDOWN(asleep)
{
	pager_close(&self->pager);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

struct removal {
	atomic_bool done;
	int result;
};

static void *remove_module(void *data)
{
	struct removal *removal = data;

	removal->result = kmod_unload("iommufd_tsm");
	atomic_store(&removal->done, true);
	return NULL;
}

TEST_F(asleep, and_the_removal_waits)
{
	struct removal removal = {};
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, remove_module, &removal));
	clock_sleep_ms(1000);
	EXPECT_FALSE(call_is_done(&self->call));
	if (atomic_load(&removal.done)) {
		/* refused is safe too, gone is not */
		EXPECT_TRUE(is_refusal(removal.result)) {
			TH_LOG("removed from under a task: %d", removal.result);
		}
	}
	ASSERT_EQ(0, pager_fill(&self->pager, self->page));
	ASSERT_TRUE(call_wait(&self->call, 10));
	EXPECT_EQ(self->result, self->call.result);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	if (removal.result == 0) {
		EXPECT_EQ(-ENOTTY, probe(self->vmm.iommufd));
	}
}

/* Meanwhile who comes is told that there is no such ioctl, and nobody hangs. */
TEST_F(asleep, and_others_are_turned_away)
{
	struct removal removal = {};
	pthread_t thread;
	int ret;

	ASSERT_EQ(0, pthread_create(&thread, NULL, remove_module, &removal));
	clock_sleep_ms(1000);
	ret = probe(self->vmm.iommufd);
	EXPECT_TRUE(ret == -ENOTTY || ret == -ENOENT);
	ASSERT_EQ(0, pager_fill(&self->pager, self->page));
	ASSERT_TRUE(call_wait(&self->call, 10));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, removal.result);
	EXPECT_EQ(-ENOTTY, probe(self->vmm.iommufd));
	EXPECT_EQ(0, kmod_load("iommufd_tsm", ""));
	EXPECT_EQ(-ENOENT, probe(self->vmm.iommufd));
}

struct caller {
	int iommufd;
	atomic_bool stop;
	unsigned int there, gone, wrong;
};

static void *call_all_the_time(void *data)
{
	struct caller *caller = data;

	while (!atomic_load(&caller->stop)) {
		switch (probe(caller->iommufd)) {
		case -ENOENT:
			caller->there++;
			break;
		case -ENOTTY:
			caller->gone++;
			break;
		default:
			caller->wrong++;
		}
	}
	return NULL;
}

/* Load and removal while others call. */
TEST_F_TIMEOUT(module, while_others_call, 120)
{
	struct caller caller[3];
	pthread_t thread[3];

	for (int i = 0; i < 3; i++) {
		caller[i] = (struct caller){ .iommufd = self->iommufd };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, call_all_the_time, &caller[i]));
	}
	for (int i = 0; i < 8; i++) {
		clock_sleep_ms(30);
		EXPECT_EQ(0, kmod_unload("iommufd_tsm"));
		clock_sleep_ms(30);
		EXPECT_EQ(0, kmod_load("iommufd_tsm", ""));
	}
	clock_sleep_ms(30);
	for (int i = 0; i < 3; i++) {
		atomic_store(&caller[i].stop, true);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		TH_LOG("there %u times, gone %u times", caller[i].there, caller[i].gone);
		EXPECT_LT(0, caller[i].there);
		EXPECT_LT(0, caller[i].gone);
		EXPECT_EQ(0, caller[i].wrong);
	}
}

/* Somebody binds and unbinds: the module goes in between or not at all. */
FIXTURE(binders)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(binders);

FIXTURE_SETUP(binders)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(binders)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(variant->arch));
	TEARDOWN_PLATFORM();
}

struct binder {
	const struct tdi *tdi;
	atomic_bool stop;
	unsigned int bound, gone;
	int wrong;
};

static void *bind_all_the_time(void *data)
{
	struct binder *binder = data;

	while (!atomic_load(&binder->stop)) {
		int ret = tsm_bind(binder->tdi);

		if (!ret) {
			binder->bound++;
			ret = tsm_unbind(binder->tdi);
		}
		if (ret == -ENOTTY)
			binder->gone++;
		else if (ret)
			binder->wrong = ret;
	}
	return NULL;
}

TEST_F_TIMEOUT(binders, and_the_module_goes, 60)
{
	unsigned int removed = 0, refused = 0;
	struct binder binder = {};
	double end = clock_seconds() + 3;
	pthread_t thread;

	binder.tdi = &self->tdi;
	ASSERT_EQ(0, pthread_create(&thread, NULL, bind_all_the_time, &binder));
	while (clock_seconds() < end) {
		int ret = kmod_unload("iommufd_tsm");

		if (ret) {
			refused++;
			EXPECT_TRUE(is_refusal(ret)) {
				TH_LOG("%d", ret);
			}
		} else {
			removed++;
			EXPECT_EQ(0, kmod_load("iommufd_tsm", ""));
		}
		clock_sleep_ms(37);
	}
	atomic_store(&binder.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("bound %u times, gone %u times; removed %u times, refused %u times", binder.bound,
	       binder.gone, removed, refused);
	EXPECT_EQ(0, binder.wrong);
	EXPECT_LT(0, binder.bound);
}

TEST_HARNESS_MAIN
