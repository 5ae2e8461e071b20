// SPDX-License-Identifier: GPL-2.0
/*
 * Backends that come and go, in any order, and one device that goes from one to
 * another.
 */
#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/plug.h"

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

	for (int i = 0; i < PLUG_DEVICES; i++) {
		EXPECT_EQ(-ENODEV, platform_tsm(variant->order[i], tsm, sizeof(tsm)));
		ASSERT_EQ(0, kmod_load(arch_module(variant->order[i]), ""));
		for (int j = 0; j <= i; j++) {
			EXPECT_EQ(0, platform_tsm(variant->order[j], tsm, sizeof(tsm))) {
				TH_LOG("%s", arch_name(variant->order[j]));
			}
		}
		ASSERT_EQ(0, plug(&self->tdi.fn, variant->order[i]));
		EXPECT_EQ(0, plug_whole_life(&self->tdi, variant->order[i])) {
			TH_LOG("%s", arch_name(variant->order[i]));
		}
		ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	}
	/* and away, in the same order, which is another one seen from the other end */
	for (int i = 0; i < PLUG_DEVICES; i++) {
		ASSERT_EQ(0, kmod_unload(arch_module(variant->order[i])));
		EXPECT_EQ(-ENODEV, platform_tsm(variant->order[i], tsm, sizeof(tsm)));
	}
	/* the one in the middle comes back alone */
	ASSERT_EQ(0, kmod_load(arch_module(variant->order[1]), ""));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->order[1]));
	EXPECT_EQ(0, plug_whole_life(&self->tdi, variant->order[1]));
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
	EXPECT_EQ(0, plug_whole_life(&self->tdi, variant->from));
	/* it is one TSM's at a time */
	EXPECT_GT(0, plug(&self->tdi.fn, variant->to));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(0, knob_count("connections"));
	ASSERT_EQ(0, plug(&self->tdi.fn, variant->to));
	EXPECT_EQ(0, plug_whole_life(&self->tdi, variant->to));
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
	EXPECT_EQ(0, plug_whole_life(&self->tdi, variant->to));
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
	EXPECT_EQ(0, plug_whole_life(tdi, arch));
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

TEST_HARNESS_MAIN
