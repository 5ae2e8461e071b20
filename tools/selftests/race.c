// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that race: with somebody who changes what they are given, with each
 * other, and with the end of what they are about. What is looked for is a splat;
 * what is checked besides is that no answer is one that cannot be.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/clock.h"
#include "lib/fence.h"
#include "lib/fixture.h"

#define SECONDS 4.0

/* A structure that is changed while the kernel reads it (CVE-2023-4155 was such). */
struct flipper {
	volatile __u32 *word;
	__u32 values[2];
	atomic_bool stop;
};

static void *flip(void *data)
{
	struct flipper *flipper = data;
	unsigned int i = 0;

	while (!atomic_load_explicit(&flipper->stop, memory_order_relaxed))
		*flipper->word = flipper->values[i++ & 1];
	return NULL;
}

FIXTURE(flipped)
{
	struct vmm vmm;
	struct tdi tdi;
	int length;
};

enum word {
	SIZE,
	VDEVICE_ID,
	OP,
	ARCH,
	REQ_LEN,
	RESP_LEN,
	PAYLOAD_TYPE,
	PAYLOAD_OFFSET,
};

FIXTURE_VARIANT(flipped)
{
	enum arch arch;
	enum word word;
};

FIXTURE_VARIANT_ON_EACH_ARCH(flipped, size, .word = SIZE);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, vdevice_id, .word = VDEVICE_ID);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, op, .word = OP);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, arch, .word = ARCH);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, req_len, .word = REQ_LEN);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, resp_len, .word = RESP_LEN);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, payload_type, .word = PAYLOAD_TYPE);
FIXTURE_VARIANT_ON_EACH_ARCH(flipped, payload_offset, .word = PAYLOAD_OFFSET);

FIXTURE_SETUP(flipped)
{
	unsigned char *object;

	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	self->length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, &object);
	ASSERT_LT(64, self->length);
	free(object);
}

FIXTURE_TEARDOWN(flipped)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(flipped, under_the_call)
{
	struct iommu_tsm_read_object *read = fence_zeroes(sizeof(*read));
	struct iommu_vdevice_tsm_req *req = fence_zeroes(sizeof(*req));
	unsigned char *response = fence_zeroes(32);
	struct flipper flipper = {};
	double end = clock_seconds() + 1.0;
	unsigned int calls = 0;
	pthread_t thread;

	read->type = IOMMU_TSM_OBJECT_CERTIFICATE;
	*req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, read, sizeof(*read),
			   response, 32);
	switch (variant->word) {
	case SIZE:
		flipper.word = &req->size;
		flipper.values[1] = 0xffffffff;
		break;
	case VDEVICE_ID:
		flipper.word = &req->vdevice_id;
		flipper.values[1] = 1;
		break;
	case OP:
		flipper.word = &req->op;
		flipper.values[1] = IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO;
		break;
	case ARCH:
		flipper.word = &req->tvm_arch;
		flipper.values[1] = arch_other(variant->arch);
		break;
	case REQ_LEN:
		flipper.word = &req->req_len;
		flipper.values[1] = IOMMU_VDEVICE_TSM_REQ_MAX_LEN;
		break;
	case RESP_LEN:
		flipper.word = &req->resp_len;
		flipper.values[1] = 0xffffffff;
		break;
	case PAYLOAD_TYPE:
		flipper.word = &read->type;
		flipper.values[1] = IOMMU_TSM_OBJECT_INTERFACE_REPORT;
		break;
	case PAYLOAD_OFFSET:
		flipper.word = (__u32 *)&read->offset + 1;
		flipper.values[1] = 0x80000000;
		break;
	}
	flipper.values[0] = *flipper.word;
	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &flipper));
	while (clock_seconds() < end) {
		int ret = tsm_ioctl_req(self->vmm.iommufd, req);

		calls++;
		/* one of the two, and never a mixture that is neither */
		ASSERT_TRUE(ret == 0 || ret == -EINVAL || ret == -ENOENT || ret == -EMSGSIZE ||
			    ret == -EFAULT || ret == -E2BIG) {
			TH_LOG("%d", ret);
		}
	}
	atomic_store(&flipper.stop, true);
	pthread_join(thread, NULL);
	TH_LOG("%u calls", calls);
	EXPECT_LT(10, calls);
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* Everybody at once, on vDEVICEs that come and go. */
FIXTURE(crowd)
{
	struct vmm vmm;
	struct tdi tdi;
	pthread_mutex_t lock;
	__u32 id;		/* of the vDEVICE that is there now */
	atomic_bool stop;
	int wrong;
	unsigned int errors;
};

FIXTURE_ON_EACH_ARCH(crowd);

FIXTURE_SETUP(crowd)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	self->id = self->tdi.vdevice_id;
}

FIXTURE_TEARDOWN(crowd)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static struct tdi current(FIXTURE_DATA(crowd) *self)
{
	struct tdi tdi = self->tdi;

	tdi.vdevice_id = __atomic_load_n(&self->id, __ATOMIC_RELAXED);
	return tdi;
}

/* What a call may say if nothing but the others is in its way. */
static void judge(FIXTURE_DATA(crowd) *self, int ret)
{
	if (ret >= 0 || ret == -ENXIO || ret == -ENOENT || ret == -EPROTO || ret == -EBUSY)
		return;
	__atomic_store_n(&self->wrong, ret, __ATOMIC_RELAXED);
}

static void *bind_and_unbind(void *data)
{
	FIXTURE_DATA(crowd) *self = data;

	while (!atomic_load(&self->stop)) {
		struct tdi tdi = current(self);

		judge(self, tsm_bind(&tdi));
		judge(self, tsm_unbind(&tdi));
	}
	return NULL;
}

static void *change_states(void *data)
{
	FIXTURE_DATA(crowd) *self = data;
	unsigned int i = 0;

	while (!atomic_load(&self->stop)) {
		struct tdi tdi = current(self);

		judge(self, tsm_set_state(&tdi, i++ % 3, NULL));
	}
	return NULL;
}

static void *read_objects(void *data)
{
	FIXTURE_DATA(crowd) *self = data;
	unsigned int i = 0;
	char buf[256];
	__u32 length;

	while (!atomic_load(&self->stop)) {
		struct tdi tdi = current(self);

		judge(self, tsm_object_info(&tdi, i % 4, &length));
		judge(self, tsm_object_read(&tdi, i % 4, 0, buf, sizeof(buf)));
		if (i++ % 16 == 0)
			judge(self, tsm_object_regen(&tdi, 2 + i / 16 % 2, 0, NULL, NULL));
	}
	return NULL;
}

/* One of them destroys and makes the vDEVICE, so that two do not make it. */
static void *destroy_and_alloc(void *data)
{
	FIXTURE_DATA(crowd) *self = data;

	while (!atomic_load(&self->stop)) {
		__u32 id = __atomic_load_n(&self->id, __ATOMIC_RELAXED);
		int ret;

		clock_sleep_ms(10);
		ret = iommufd_destroy(self->vmm.iommufd, id);
		judge(self, ret);
		if (ret)
			continue;
		ret = iommufd_vdevice_alloc(self->vmm.iommufd, self->vmm.viommu_id,
					    self->tdi.fn.dev_id, 0x10, &id);
		judge(self, ret);
		if (!ret)
			__atomic_store_n(&self->id, id, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Destroys what another one made, by guessing its id. */
static void *destroy_too(void *data)
{
	FIXTURE_DATA(crowd) *self = data;

	while (!atomic_load(&self->stop)) {
		struct tdi tdi = current(self);

		tdi.vdevice_id++;
		judge(self, tsm_bind(&tdi));
		judge(self, tsm_unbind(&tdi));
	}
	return NULL;
}

static void *disconnect_and_connect(void *data)
{
	FIXTURE_DATA(crowd) *self = data;
	char tsm[32];

	if (tsm_connected(self->tdi.fn.bdf, tsm, sizeof(tsm)) <= 0)
		return NULL;
	while (!atomic_load(&self->stop)) {
		clock_sleep_ms(50);
		tsm_disconnect(self->tdi.fn.bdf);
		tsm_connect(self->tdi.fn.bdf, tsm);
	}
	return NULL;
}

static void run_crowd(struct __test_metadata *_metadata, FIXTURE_DATA(crowd) *self,
		      enum arch arch, void *(*const members[])(void *), int count)
{
	pthread_t thread[8];

	for (int i = 0; i < count; i++) {
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, members[i], self));
	}
	clock_sleep_ms(SECONDS * 1000);
	atomic_store(&self->stop, true);
	for (int i = 0; i < count; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	}
	self->tdi.vdevice_id = self->id;
	EXPECT_EQ(0, self->wrong) {
		TH_LOG("an answer that cannot be: %s", strerror(-self->wrong));
	}
	/* and it is all as good as new */
	ASSERT_EQ(0, platform_ready(arch));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

TEST_F_TIMEOUT(crowd, of_requests, 60)
{
	void *(*const members[])(void *) = { change_states, change_states, read_objects,
					     read_objects };

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	run_crowd(_metadata, self, variant->arch, members, ARRAY_SIZE(members));
}

TEST_F_TIMEOUT(crowd, of_binders, 60)
{
	void *(*const members[])(void *) = { bind_and_unbind, bind_and_unbind, change_states,
					     read_objects };

	run_crowd(_metadata, self, variant->arch, members, ARRAY_SIZE(members));
}

TEST_F_TIMEOUT(crowd, of_destroyers, 60)
{
	void *(*const members[])(void *) = { destroy_and_alloc, bind_and_unbind, change_states,
					     read_objects, destroy_too };

	run_crowd(_metadata, self, variant->arch, members, ARRAY_SIZE(members));
}

TEST_F_TIMEOUT(crowd, of_connections, 60)
{
	void *(*const members[])(void *) = { disconnect_and_connect, bind_and_unbind,
					     change_states, read_objects };

	run_crowd(_metadata, self, variant->arch, members, ARRAY_SIZE(members));
}

/* The iommufd is closed while calls are made with it: each has its own reference. */
TEST_F(crowd, of_closers)
{
	for (int round = 0; round < 5; round++) {
		pthread_t thread[2];
		struct vmm vmm;
		struct tdi tdi;

		FIXTURE_DATA(crowd) other = {};

		ASSERT_EQ(0, vmm_open(&vmm));
		ASSERT_EQ(0, tdi_open(&tdi, &vmm, 1, 0x11));
		other.vmm = vmm;
		other.tdi = tdi;
		other.tdi.vmm = &other.vmm;
		other.id = tdi.vdevice_id;
		ASSERT_EQ(0, pthread_create(&thread[0], NULL, change_states, &other));
		ASSERT_EQ(0, pthread_create(&thread[1], NULL, read_objects, &other));
		clock_sleep_ms(100 + 37 * round);
		ASSERT_EQ(0, vm_release(&vmm.vm, tdi.fn.vfio));
		function_close(&tdi.fn);
		vmm_close(&vmm);
		clock_sleep_ms(20);
		atomic_store(&other.stop, true);
		pthread_join(thread[0], NULL);
		pthread_join(thread[1], NULL);
		EXPECT_FALSE(tsm_is_bound(tdi.fn.bdf));
	}
}

TEST_HARNESS_MAIN
