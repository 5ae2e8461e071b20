// SPDX-License-Identifier: GPL-2.0
/* The TSM or the device goes away under a TDI, and comes back. */
#include <pthread.h>

#include "lib/clock.h"
#include "lib/fixture.h"
#include "lib/flight.h"
#include "lib/sysfs.h"

#define BUSY_MS 2500		/* how long a request is held in flight */

FIXTURE(revoked)
{
	struct vmm vmm;
	struct tdi tdi;
	struct tdi second;
	char tsm[32], firmware[32];
};

enum way {
	DISCONNECT,
	FIRMWARE_REMOVED,
	FIRMWARE_UNBOUND,
};

FIXTURE_VARIANT(revoked)
{
	enum arch arch;
	enum way way;
};

FIXTURE_VARIANT_ON_EACH_ARCH(revoked, by_disconnect, .way = DISCONNECT);
FIXTURE_VARIANT_ON_EACH_ARCH(revoked, by_removal_of_the_firmware, .way = FIRMWARE_REMOVED);
FIXTURE_VARIANT_ON_EACH_ARCH(revoked, by_unbinding_its_driver, .way = FIRMWARE_UNBOUND);

FIXTURE_SETUP(revoked)
{
	SETUP_PLATFORM(variant->arch);
	self->second = TDI_NONE;
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tdi_open(&self->second, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, tsm_bind(&self->second));
	ASSERT_EQ(0, platform_firmware(variant->arch, self->firmware, sizeof(self->firmware)));
	ASSERT_EQ(0, platform_tsm(variant->arch, self->tsm, sizeof(self->tsm)));
}

FIXTURE_TEARDOWN(revoked)
{
	tdi_close(&self->second);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int go_away(FIXTURE_DATA(revoked) *self, enum way way)
{
	switch (way) {
	case DISCONNECT:
		return tsm_disconnect(self->tdi.fn.bdf);
	case FIRMWARE_REMOVED:
		return sysfs_write("1", SYSFS_PCI "/%s/remove", self->firmware);
	case FIRMWARE_UNBOUND:
		return sysfs_write(self->firmware, SYSFS_PCI "/%s/driver/unbind", self->firmware);
	}
	return -EINVAL;
}

static int come_back(FIXTURE_DATA(revoked) *self, const FIXTURE_VARIANT(revoked) *variant)
{
	int ret = 0;

	switch (variant->way) {
	case DISCONNECT:
		break;
	case FIRMWARE_REMOVED:
		ret = sysfs_write("1", "/sys/bus/pci/rescan");
		break;
	case FIRMWARE_UNBOUND:
		ret = sysfs_write(self->firmware, "/sys/bus/pci/drivers_probe");
		break;
	}
	if (!ret)
		ret = platform_tsm(variant->arch, self->tsm, sizeof(self->tsm));
	return ret ? ret : tsm_connect(self->tdi.fn.bdf, self->tsm);
}

TEST_F(revoked, tdi_of_a_tsm)
{
	struct tdi *tdis[] = { &self->tdi, &self->second };
	__u32 length;

	ASSERT_EQ(0, go_away(self, variant->way));
	for (size_t i = 0; i < ARRAY_SIZE(tdis); i++) {
		EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(i));
		EXPECT_EQ(-ENXIO, tsm_set_state(tdis[i], IOMMU_TSM_TDI_UNLOCKED, NULL));
		EXPECT_EQ(-ENXIO, tsm_set_state(tdis[i], IOMMU_TSM_TDI_RUN, NULL));
		EXPECT_EQ(-ENXIO, tsm_object_info(tdis[i], IOMMU_TSM_OBJECT_CERTIFICATE, &length));
		EXPECT_EQ(-ENXIO, tsm_bind(tdis[i]));
		EXPECT_EQ(-ENXIO, tsm_set_state(tdis[i], IOMMU_TSM_TDI_LOCKED, NULL));
		EXPECT_EQ(0, tsm_unbind(tdis[i]));
	}
	ASSERT_EQ(0, come_back(self, variant));
	for (size_t i = 0; i < ARRAY_SIZE(tdis); i++) {
		/* nothing binds it again but somebody who asks for it */
		EXPECT_EQ(-ENXIO, tsm_set_state(tdis[i], IOMMU_TSM_TDI_RUN, NULL));
		EXPECT_FALSE(tsm_is_bound(tdis[i]->fn.bdf));
		EXPECT_EQ(0, tsm_bind(tdis[i]));
		EXPECT_EQ(0, tsm_set_state(tdis[i], IOMMU_TSM_TDI_RUN, NULL));
		EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(i));
	}
}

/* It comes back before anybody noticed that it had gone: the old binding stays gone. */
TEST_F(revoked, tdi_and_nobody_noticed)
{
	ASSERT_EQ(0, go_away(self, variant->way));
	ASSERT_EQ(0, come_back(self, variant));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	/* the other one is bound without an unbind before */
	EXPECT_EQ(0, tsm_bind(&self->second));
	EXPECT_STATE(TSM_LOCKED, &self->second);
}

TEST_F(revoked, vdevice_is_destroyed)
{
	ASSERT_EQ(0, go_away(self, variant->way));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	ASSERT_EQ(0, come_back(self, variant));
	ASSERT_EQ(0, tdi_alloc(&self->tdi, 0x10));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
}

struct departure {
	FIXTURE_DATA(revoked) *self;
	enum way way;
	int result;
};

static void *depart(void *data)
{
	struct departure *departure = data;

	departure->result = go_away(departure->self, departure->way);
	return NULL;
}

/* It waits for a request that is in flight, and no longer. */
TEST_F(revoked, while_a_request_is_in_flight)
{
	struct departure departure = { self, variant->way, 1 };
	double start = clock_seconds();
	struct flight flight;
	pthread_t thread;

	ASSERT_EQ(0, flight_of_state(&flight, &self->second, IOMMU_TSM_TDI_RUN, BUSY_MS));
	ASSERT_EQ(0, pthread_create(&thread, NULL, depart, &departure));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, departure.result);
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start);
	ASSERT_TRUE(call_wait(&flight.call, 5));
	EXPECT_TRUE(flight.call.result == 0 || flight.call.result == -EIO ||
		    flight.call.result == -ENXIO) {
		TH_LOG("result %d", flight.call.result);
	}
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->second, IOMMU_TSM_TDI_RUN, NULL));
	ASSERT_EQ(0, come_back(self, variant));
	EXPECT_EQ(0, tsm_bind(&self->second));
}

/* The device goes away, as far as VFIO lets it. */
FIXTURE(removed)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(removed);

FIXTURE_SETUP(removed)
{
	SETUP_PLATFORM(variant->arch);
	self->vmm = VMM_NONE;
	self->tdi = TDI_NONE;
	ASSERT_EQ(0, vmm_open(&self->vmm));
}

FIXTURE_TEARDOWN(removed)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, sysfs_write("1", "/sys/bus/pci/rescan"));
	EXPECT_EQ(0, platform_ready(variant->arch));
	TEARDOWN_PLATFORM();
}

static void *remove_function(void *bdf)
{
	return (void *)(long)sysfs_write("1", SYSFS_PCI "/%s/remove", (char *)bdf);
}

/* Function 0 holds the device security manager: without it nobody is bound. */
TEST_F(removed, device_security_manager)
{
	struct function pf0;

	ASSERT_EQ(0, function_find(&pf0, 0));
	ASSERT_EQ(0, tdi_open(&self->tdi, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	EXPECT_EQ(0, (long)remove_function(pf0.bdf));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(-ENXIO, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(1));
	EXPECT_EQ(0, sysfs_write("1", "/sys/bus/pci/rescan"));
	ASSERT_EQ(0, platform_ready(variant->arch));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

/* A function that a VMM uses is removed when the VMM lets go of it. */
TEST_F(removed, function_in_use)
{
	pthread_t thread;
	char bdf[16];
	void *ret;

	ASSERT_EQ(0, tdi_open(&self->tdi, &self->vmm, 2, 0x12));
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	memcpy(bdf, self->tdi.fn.bdf, sizeof(bdf));
	ASSERT_EQ(0, pthread_create(&thread, NULL, remove_function, bdf));
	clock_sleep_ms(300);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	tdi_close(&self->tdi);
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (long)ret);
	EXPECT_FALSE(sysfs_has(SYSFS_PCI "/%s", bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(2));
}

/* What VFIO resets and switches while a request runs ends in a state that is known. */
TEST_F(removed, reset_while_a_request_is_in_flight)
{
	struct flight flight;

	ASSERT_EQ(0, tdi_open(&self->tdi, &self->vmm, 0, 0x10));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	EXPECT_EQ(0, function_reset(&self->tdi.fn));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	EXPECT_EQ(-EIO, flight.call.result);
	EXPECT_NE(0, flight.req.tsm_code);
	EXPECT_STATE(TSM_ERROR, &self->tdi);
	EXPECT_EQ(0, function_command(&self->tdi.fn, 6, 0));
	EXPECT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
}

TEST_HARNESS_MAIN
