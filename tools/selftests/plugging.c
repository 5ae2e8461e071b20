// SPDX-License-Identifier: GPL-2.0
/*
 * Three backends side by side: loaded and gone in any order, devices on several of
 * them at once, and one device that goes from one to another.
 */
#include <pthread.h>

#include "lib/call.h"
#include "lib/clock.h"
#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/sysfs.h"

#define DEVICES 3

/* The function by which each device is connected. */
static const unsigned int functions[DEVICES] = { 0, FUNCTION_OF_DEVICE_1, FUNCTION_OF_DEVICE_2 };

/* The setup of all of these: everything there, nothing connected. */
#define SETUP_PLUGS()								\
	do {									\
		struct function _fn;						\
										\
		for (enum arch _arch = ARCH_CCA; _arch < ARCH_END; _arch++)	\
			NEED_PLATFORM(_arch);					\
		for (int _i = 0; _i < DEVICES; _i++)				\
			ASSERT_EQ(0, function_find(&_fn, functions[_i]));	\
		ASSERT_EQ(0, platform_disconnected());				\
	} while (0)

/* Connect the device of @fn to the TSM of @arch. */
static int plug(const struct function *fn, enum arch arch)
{
	char tsm[32];
	int ret = platform_tsm(arch, tsm, sizeof(tsm));

	return ret ? ret : tsm_connect(fn->bdf, tsm);
}

/* The whole life of a TDI, in which every answer is of the right TSM. */
static int whole_life(const struct tdi *tdi, enum arch arch)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_INTERFACE_REPORT };
	struct iommu_tsm_object_info_out out = {};
	struct iommu_vdevice_tsm_req req;
	int ret;

	ret = tsm_bind(tdi);
	if (ret)
		return ret;
	req = tsm_request(tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &info, sizeof(info), &out,
			  sizeof(out));
	req.tvm_arch = arch;
	ret = tsm_ioctl_req(tdi->vmm->iommufd, &req);
	if (ret)
		return ret;
	req.tvm_arch = arch_other(arch);
	if (tsm_ioctl_req(tdi->vmm->iommufd, &req) != -EINVAL || !out.length)
		return -EBADMSG;
	ret = tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL);
	return ret ? ret : tsm_unbind(tdi);
}

/* The three in an order, of which there are six. */
#define FIXTURE_IN_EACH_ORDER(_fixture)						\
	FIXTURE_VARIANT(_fixture)						\
	{									\
		enum arch order[DEVICES];					\
	};									\
	FIXTURE_VARIANT_ADD(_fixture, cca_sev_tdx)				\
	{ .order = { ARCH_CCA, ARCH_SEV, ARCH_TDX } };				\
	FIXTURE_VARIANT_ADD(_fixture, cca_tdx_sev)				\
	{ .order = { ARCH_CCA, ARCH_TDX, ARCH_SEV } };				\
	FIXTURE_VARIANT_ADD(_fixture, sev_cca_tdx)				\
	{ .order = { ARCH_SEV, ARCH_CCA, ARCH_TDX } };				\
	FIXTURE_VARIANT_ADD(_fixture, sev_tdx_cca)				\
	{ .order = { ARCH_SEV, ARCH_TDX, ARCH_CCA } };				\
	FIXTURE_VARIANT_ADD(_fixture, tdx_cca_sev)				\
	{ .order = { ARCH_TDX, ARCH_CCA, ARCH_SEV } };				\
	FIXTURE_VARIANT_ADD(_fixture, tdx_sev_cca)				\
	{ .order = { ARCH_TDX, ARCH_SEV, ARCH_CCA } }

/* Loading, with no device on any of them. */
FIXTURE(loaded)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_IN_EACH_ORDER(loaded);

FIXTURE_SETUP(loaded)
{
	SETUP_PLUGS();
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	for (enum arch arch = ARCH_CCA; arch < ARCH_END; arch++) {
		ASSERT_EQ(0, kmod_unload(arch_module(arch)));
	}
}

FIXTURE_TEARDOWN(loaded)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

/* Each is a TSM from the moment it is loaded to the moment it goes, whoever else is there. */
TEST_F_TIMEOUT(loaded, in_any_order, 120)
{
	char tsm[32];

	for (int i = 0; i < DEVICES; i++) {
		EXPECT_EQ(-ENODEV, platform_tsm(variant->order[i], tsm, sizeof(tsm)));
		ASSERT_EQ(0, kmod_load(arch_module(variant->order[i]), ""));
		for (int j = 0; j <= i; j++) {
			EXPECT_EQ(0, platform_tsm(variant->order[j], tsm, sizeof(tsm))) {
				TH_LOG("%s", arch_name(variant->order[j]));
			}
		}
		ASSERT_EQ(0, plug(&self->tdi.fn, variant->order[i]));
		EXPECT_EQ(0, whole_life(&self->tdi, variant->order[i])) {
			TH_LOG("%s", arch_name(variant->order[i]));
		}
		ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	}
	/* and away, in the same order, which is another one seen from the other end */
	for (int i = 0; i < DEVICES; i++) {
		ASSERT_EQ(0, kmod_unload(arch_module(variant->order[i])));
		EXPECT_EQ(-ENODEV, platform_tsm(variant->order[i], tsm, sizeof(tsm)));
	}
	/* the one in the middle comes back alone */
	ASSERT_EQ(0, kmod_load(arch_module(variant->order[1]), ""));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->order[1]));
	EXPECT_EQ(0, whole_life(&self->tdi, variant->order[1]));
}

/* A device on each, in every way to give them out. */
FIXTURE(plugged)
{
	struct vmm vmm[DEVICES];
	struct tdi tdi[DEVICES];
};

FIXTURE_IN_EACH_ORDER(plugged);

FIXTURE_SETUP(plugged)
{
	SETUP_PLUGS();
	for (int i = 0; i < DEVICES; i++) {
		self->vmm[i] = VMM_NONE;
		self->tdi[i] = TDI_NONE;
	}
	for (int i = 0; i < DEVICES; i++) {
		SETUP_TDI(&self->vmm[i], &self->tdi[i], functions[i], 0x10 + i);
		ASSERT_EQ(0, plug(&self->tdi[i].fn, variant->order[i]));
	}
}

FIXTURE_TEARDOWN(plugged)
{
	for (int i = 0; i < DEVICES; i++)
		tdi_close(&self->tdi[i]);
	for (int i = 0; i < DEVICES; i++)
		vmm_close(&self->vmm[i]);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

/* Step by step in turn, in which each state is of one device. */
TEST_F_TIMEOUT(plugged, in_turn, 120)
{
	for (int i = 0; i < DEVICES; i++) {
		ASSERT_EQ(0, tsm_bind(&self->tdi[i]));
	}
	for (int i = 0; i < DEVICES; i++) {
		EXPECT_EQ(0, tsm_set_state(&self->tdi[i], IOMMU_TSM_TDI_RUN, NULL));
		for (int j = 0; j < DEVICES; j++) {
			EXPECT_STATE(j <= i ? TSM_RUN : TSM_LOCKED, &self->tdi[j]);
			EXPECT_EQ(j <= i ? KNOB_TDISP_RUN : KNOB_TDISP_LOCKED,
				  knob_tdisp(functions[j]));
		}
	}
	for (int i = DEVICES - 1; i >= 0; i--) {
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
		life->result = whole_life(life->tdi, life->arch);
	return NULL;
}

TEST_F_TIMEOUT(plugged, at_once, 120)
{
	struct life life[DEVICES];
	pthread_t thread[DEVICES];

	for (int i = 0; i < DEVICES; i++) {
		life[i] = (struct life){ &self->tdi[i], variant->order[i], 4, 0 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, live, &life[i]));
	}
	for (int i = 0; i < DEVICES; i++) {
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

	for (int i = 0; i < DEVICES; i++) {
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
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(functions[1]));
	/* and it comes back */
	EXPECT_EQ(0, plug(&self->tdi[1].fn, variant->order[1]));
	EXPECT_EQ(0, tsm_bind(&self->tdi[1]));
}

/* A backend goes under what is bound; those of the others do not notice. */
TEST_F_TIMEOUT(plugged, one_goes, 120)
{
	char firmware[32];
	int ret;

	for (int i = 0; i < DEVICES; i++) {
		ASSERT_EQ(0, tsm_reach(&self->tdi[i], TSM_RUN));
	}
	/* not by removal, as long as anything of it is bound */
	for (int i = 0; i < DEVICES; i++) {
		ret = kmod_unload(arch_module(variant->order[i]));
		EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
			TH_LOG("%d", ret);
		}
	}
	ASSERT_EQ(0, platform_firmware(variant->order[0], firmware, sizeof(firmware)));
	ASSERT_EQ(0, sysfs_write(firmware, SYSFS_PCI "/%s/driver/unbind", firmware));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi[0], IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(functions[0]));
	for (int i = 1; i < DEVICES; i++) {
		EXPECT_STATE(TSM_RUN, &self->tdi[i]);
		EXPECT_EQ(0, tsm_object_regen(&self->tdi[i], IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL,
					      NULL));
	}
	/* nothing holds its module now, while the others are bound */
	EXPECT_EQ(0, tsm_unbind(&self->tdi[0]));
	EXPECT_EQ(0, kmod_unload(arch_module(variant->order[0])));
	EXPECT_EQ(0, kmod_load(arch_module(variant->order[0]), ""));
	EXPECT_EQ(0, plug(&self->tdi[0].fn, variant->order[0]));
	EXPECT_EQ(0, whole_life(&self->tdi[0], variant->order[0]));
	for (int i = 1; i < DEVICES; i++) {
		EXPECT_STATE(TSM_RUN, &self->tdi[i]);
	}
}

/* One device, from each TSM to each other one. */
FIXTURE(moved)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(moved)
{
	enum arch from, to;
};

FIXTURE_VARIANT_ADD(moved, from_cca_to_sev) { .from = ARCH_CCA, .to = ARCH_SEV };
FIXTURE_VARIANT_ADD(moved, from_cca_to_tdx) { .from = ARCH_CCA, .to = ARCH_TDX };
FIXTURE_VARIANT_ADD(moved, from_sev_to_cca) { .from = ARCH_SEV, .to = ARCH_CCA };
FIXTURE_VARIANT_ADD(moved, from_sev_to_tdx) { .from = ARCH_SEV, .to = ARCH_TDX };
FIXTURE_VARIANT_ADD(moved, from_tdx_to_cca) { .from = ARCH_TDX, .to = ARCH_CCA };
FIXTURE_VARIANT_ADD(moved, from_tdx_to_sev) { .from = ARCH_TDX, .to = ARCH_SEV };

FIXTURE_SETUP(moved)
{
	SETUP_PLUGS();
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->from));
}

FIXTURE_TEARDOWN(moved)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(ARCH_NONE));
	TEARDOWN_PLATFORM();
}

TEST_F_TIMEOUT(moved, in_order, 120)
{
	EXPECT_EQ(0, whole_life(&self->tdi, variant->from));
	/* it is one TSM's at a time */
	EXPECT_GT(0, plug(&self->tdi.fn, variant->to));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(0, knob_count("connections"));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->to));
	EXPECT_EQ(0, whole_life(&self->tdi, variant->to));
}

/* While it runs: the old TDI is revoked, and the new one is another. */
TEST_F_TIMEOUT(moved, while_bound, 120)
{
	struct tdi second;
	char tsm[32];

	ASSERT_EQ(0, tdi_open(&second, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, tsm_bind(&second));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->to));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, whole_life(&self->tdi, variant->to));
	/* the other one is bound without an unbind before, and through the new TSM */
	EXPECT_EQ(0, tsm_bind(&second));
	ASSERT_EQ(0, platform_tsm(variant->to, tsm, sizeof(tsm)));
	EXPECT_TRUE(tsm_is_bound(second.fn.bdf));
	EXPECT_EQ(0, tsm_set_state(&second, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(1));
	tdi_close(&second);
}

/* A foreign-looking mixture: one VM with devices through two TSMs. */
TEST_F_TIMEOUT(moved, one_vm_with_both, 120)
{
	struct tdi other;

	ASSERT_EQ(0, tdi_open(&other, &self->vmm, FUNCTION_OF_DEVICE_1, 0x20));
	ASSERT_EQ(0, plug(&other.fn, variant->to));
	EXPECT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	EXPECT_EQ(0, tsm_reach(&other, TSM_RUN));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_STATE(TSM_RUN, &other);
	tdi_close(&other);
	EXPECT_EQ(0, knob_count("tdis"));
}

/*
 * A device that is not unlocked as it should be. Firmware that looks before it locks
 * refuses once, and the end of that bind stops the device; other firmware stops it first.
 */
static void stopped_in_the_end(struct __test_metadata *_metadata, const struct tdi *tdi,
			       enum arch arch)
{
	int ret = tsm_bind(tdi);

	EXPECT_TRUE(ret == 0 || ret == -EIO) {
		TH_LOG("%s: %d", arch_name(arch), ret);
	}
	if (!ret) {
		EXPECT_EQ(0, tsm_unbind(tdi));
	}
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, whole_life(tdi, arch));
}

/*
 * Taken away by force: the firmware gives up, and the device knows of nothing. It is
 * locked for a session that nobody has any more.
 */
TEST_F_TIMEOUT(moved, by_force, 120)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, knob_set("doe-no-answer", 1000));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	ASSERT_EQ(0, knob_reset());
	EXPECT_NE(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->to));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	stopped_in_the_end(_metadata, &self->tdi, variant->to);
}

/* Nobody uses it, and it is in error all the same, as a session that ended can leave it. */
TEST_F_TIMEOUT(moved, in_error, 120)
{
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	ASSERT_EQ(0, knob_set("tdi-error", 1));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->to));
	EXPECT_EQ(KNOB_TDISP_ERROR, knob_tdisp(0));
	stopped_in_the_end(_metadata, &self->tdi, variant->to);
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
		SETUP_TDI(&self->vmm[i], &self->tdi[i], functions[i], 0x10 + i);
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
	EXPECT_EQ(0, whole_life(&self->tdi[0], variant->arch));
	ASSERT_EQ(0, tsm_disconnect(self->tdi[0].fn.bdf));
	EXPECT_STATE(TSM_RUN, &self->tdi[1]);
	EXPECT_EQ(0, tsm_object_regen(&self->tdi[1], IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	ASSERT_EQ(0, plug(&self->tdi[0].fn, variant->arch));
	EXPECT_EQ(0, whole_life(&self->tdi[0], variant->arch));
}

TEST_HARNESS_MAIN
