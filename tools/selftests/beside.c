// SPDX-License-Identifier: GPL-2.0
/* Devices side by side: one on each TSM at once, and two on the same. */
#include <pthread.h>

#include "lib/call.h"
#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/plug.h"
#include "lib/sysfs.h"

/* A device on each, in every way to give them out. */
FIXTURE(plugged)
{
	struct vmm vmm[PLUG_DEVICES];
	struct tdi tdi[PLUG_DEVICES];
};

FIXTURE_IN_EACH_ORDER(plugged);

FIXTURE_SETUP(plugged)
{
	SETUP_PLUGS();
	for (int i = 0; i < PLUG_DEVICES; i++) {
		self->vmm[i] = VMM_NONE;
		self->tdi[i] = TDI_NONE;
	}
	for (int i = 0; i < PLUG_DEVICES; i++) {
		SETUP_TDI(&self->vmm[i], &self->tdi[i], plug_functions[i], 0x10 + i);
		ASSERT_EQ(0, plug(&self->tdi[i].fn, variant->order[i]));
	}
}

FIXTURE_TEARDOWN(plugged)
{
	for (int i = 0; i < PLUG_DEVICES; i++)
		tdi_close(&self->tdi[i]);
	for (int i = 0; i < PLUG_DEVICES; i++)
		vmm_close(&self->vmm[i]);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

/* Step by step in turn, in which each state is of one device. */
TEST_F_TIMEOUT(plugged, in_turn, 120)
{
	for (int i = 0; i < PLUG_DEVICES; i++) {
		ASSERT_EQ(0, tsm_bind(&self->tdi[i]));
	}
	for (int i = 0; i < PLUG_DEVICES; i++) {
		EXPECT_EQ(0, tsm_set_state(&self->tdi[i], IOMMU_TSM_TDI_RUN, NULL));
		for (int j = 0; j < PLUG_DEVICES; j++) {
			EXPECT_STATE(j <= i ? TSM_RUN : TSM_LOCKED, &self->tdi[j]);
			EXPECT_EQ(j <= i ? KNOB_TDISP_RUN : KNOB_TDISP_LOCKED,
				  knob_tdisp(plug_functions[j]));
		}
	}
	for (int i = PLUG_DEVICES - 1; i >= 0; i--) {
		EXPECT_EQ(0, tsm_unbind(&self->tdi[i]));
		for (int j = 0; j < i; j++) {
			EXPECT_STATE(TSM_RUN, &self->tdi[j]);
		}
	}
	EXPECT_EQ(0, knob_count("vms"));
}

struct life {
	const struct tdi *tdi;
	enum arch arch;
	int rounds;
	int result;
};

static void *live(void *data)
{
	struct life *life = data;

	for (int i = 0; i < life->rounds && !life->result; i++)
		life->result = plug_whole_life(life->tdi, life->arch);
	return NULL;
}

TEST_F_TIMEOUT(plugged, at_once, 120)
{
	struct life life[PLUG_DEVICES];
	pthread_t thread[PLUG_DEVICES];

	for (int i = 0; i < PLUG_DEVICES; i++) {
		life[i] = (struct life){ &self->tdi[i], variant->order[i], 4, 0 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, live, &life[i]));
	}
	for (int i = 0; i < PLUG_DEVICES; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0, life[i].result) {
			TH_LOG("%s: %s", arch_name(life[i].arch), strerror(-life[i].result));
		}
	}
}

/* The device of one TSM is disconnected while a request to another one is on its way. */
TEST_F_TIMEOUT(plugged, disconnect_next_to_a_request, 120)
{
	__u32 run = IOMMU_TSM_TDI_RUN;
	struct iommu_vdevice_tsm_req req;
	struct call call;

	for (int i = 0; i < PLUG_DEVICES; i++) {
		ASSERT_EQ(0, tsm_bind(&self->tdi[i]));
	}
	/* this is of the first device alone */
	ASSERT_EQ(0, knob_set("doe-late-ms", 400));
	req = tsm_request(&self->tdi[0], IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &run, sizeof(run),
			  NULL, 0);
	ASSERT_EQ(0, call_start(&call, self->vmm[0].iommufd, IOMMU_VDEVICE_TSM_REQ, &req));
	EXPECT_EQ(0, tsm_disconnect(self->tdi[1].fn.bdf));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi[1], IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_set_state(&self->tdi[2], IOMMU_TSM_TDI_RUN, NULL));
	ASSERT_TRUE(call_wait(&call, TSM_DEADLINE));
	EXPECT_EQ(0, call.result);
	ASSERT_EQ(0, knob_reset());
	EXPECT_STATE(TSM_RUN, &self->tdi[0]);
	EXPECT_STATE(TSM_RUN, &self->tdi[2]);
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(plug_functions[1]));
	/* and it comes back */
	EXPECT_EQ(0, plug(&self->tdi[1].fn, variant->order[1]));
	EXPECT_EQ(0, tsm_bind(&self->tdi[1]));
}

/* A backend goes under what is bound; those of the others do not notice. */
TEST_F_TIMEOUT(plugged, one_goes, 120)
{
	char firmware[32];
	int ret;

	for (int i = 0; i < PLUG_DEVICES; i++) {
		ASSERT_EQ(0, tsm_reach(&self->tdi[i], TSM_RUN));
	}
	/* not by removal, as long as anything of it is bound */
	for (int i = 0; i < PLUG_DEVICES; i++) {
		ret = kmod_unload(arch_module(variant->order[i]));
		EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
			TH_LOG("%d", ret);
		}
	}
	ASSERT_EQ(0, platform_firmware(variant->order[0], firmware, sizeof(firmware)));
	ASSERT_EQ(0, sysfs_write(firmware, SYSFS_PCI "/%s/driver/unbind", firmware));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi[0], IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(plug_functions[0]));
	for (int i = 1; i < PLUG_DEVICES; i++) {
		EXPECT_STATE(TSM_RUN, &self->tdi[i]);
		EXPECT_EQ(0, tsm_object_regen(&self->tdi[i], IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL,
					      NULL));
	}
	/* nothing holds its module now, while the others are bound */
	EXPECT_EQ(0, tsm_unbind(&self->tdi[0]));
	EXPECT_EQ(0, kmod_unload(arch_module(variant->order[0])));
	EXPECT_EQ(0, kmod_load(arch_module(variant->order[0]), ""));
	EXPECT_EQ(0, plug(&self->tdi[0].fn, variant->order[0]));
	EXPECT_EQ(0, plug_whole_life(&self->tdi[0], variant->order[0]));
	for (int i = 1; i < PLUG_DEVICES; i++) {
		EXPECT_STATE(TSM_RUN, &self->tdi[i]);
	}
}

/* Two devices, each on a port of its own, with the same TSM. */
FIXTURE(beside)
{
	struct vmm vmm[2];
	struct tdi tdi[2];
};

FIXTURE_ON_EACH_ARCH(beside);

FIXTURE_SETUP(beside)
{
	SETUP_PLUGS();
	for (int i = 0; i < 2; i++) {
		self->vmm[i] = VMM_NONE;
		self->tdi[i] = TDI_NONE;
	}
	for (int i = 0; i < 2; i++) {
		SETUP_TDI(&self->vmm[i], &self->tdi[i], plug_functions[i], 0x10 + i);
		ASSERT_EQ(0, plug(&self->tdi[i].fn, variant->arch));
	}
}

FIXTURE_TEARDOWN(beside)
{
	for (int i = 0; i < 2; i++)
		tdi_close(&self->tdi[i]);
	for (int i = 0; i < 2; i++)
		vmm_close(&self->vmm[i]);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

TEST_F_TIMEOUT(beside, each_for_itself, 120)
{
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, tsm_reach(&self->tdi[i], TSM_RUN));
	}
	EXPECT_EQ(0, tsm_unbind(&self->tdi[0]));
	EXPECT_STATE(TSM_RUN, &self->tdi[1]);
	EXPECT_EQ(0, plug_whole_life(&self->tdi[0], variant->arch));
	ASSERT_EQ(0, tsm_disconnect(self->tdi[0].fn.bdf));
	EXPECT_STATE(TSM_RUN, &self->tdi[1]);
	EXPECT_EQ(0, tsm_object_regen(&self->tdi[1], IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	ASSERT_EQ(0, plug(&self->tdi[0].fn, variant->arch));
	EXPECT_EQ(0, plug_whole_life(&self->tdi[0], variant->arch));
}

TEST_HARNESS_MAIN
