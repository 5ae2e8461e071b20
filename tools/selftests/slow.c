// SPDX-License-Identifier: GPL-2.0
/* A device and a firmware that take their time, and firmware that takes for ever. */
#include "lib/clock.h"
#include "lib/fixture.h"

FIXTURE(slow)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(slow);

FIXTURE_SETUP(slow)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(slow)
{
	knob_reset();
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* What is slow is not wrong. */
TEST_F(slow, device)
{
	ASSERT_EQ(0, knob_set("doe-late-ms", 400));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

TEST_F(slow, firmware)
{
	double start = clock_seconds();

	ASSERT_EQ(0, knob_set("fw-busy-ms", 2000));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_LT(1.0, clock_seconds() - start);
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

/* For ever is too slow: the request ends before iommufd stops waiting for it. */
TEST_F_TIMEOUT(slow, firmware_for_ever, 60)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	double start = clock_seconds();

	ASSERT_EQ(0, knob_set("fw-busy-ms", 120000));
	EXPECT_EQ(-EIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, &code));
	TH_LOG("%.1f s, code %#llx", clock_seconds() - start, (unsigned long long)code);
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start);
	EXPECT_NE(0, code);
	ASSERT_EQ(0, knob_reset());
	/* nothing happened, which the host could not find out */
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
}

/* Firmware that is dead takes no longer than one that is slow. */
TEST_F_TIMEOUT(slow, firmware_that_is_dead, 60)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	double start = clock_seconds();

	ASSERT_EQ(0, knob_set("fw-no-answer", 1000000));
	EXPECT_EQ(-EIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, &code));
	TH_LOG("%.1f s, code %#llx", clock_seconds() - start, (unsigned long long)code);
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start);
	EXPECT_NE(0, code);
	ASSERT_EQ(0, knob_reset());
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
}

/*
 * One answer that is lost costs its five seconds and not what the sleeps add to
 * them on a busy host: an unbind has to have time for the rest.
 */
TEST_F_TIMEOUT(slow, firmware_that_lost_an_answer, 60)
{
	double start = clock_seconds();

	ASSERT_EQ(0, knob_set("fw-no-answer", 1));
	EXPECT_EQ(-EIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	TH_LOG("%.1f s", clock_seconds() - start);
	EXPECT_LT(4.5, clock_seconds() - start);
	EXPECT_GT(6.0, clock_seconds() - start);
	ASSERT_EQ(0, knob_reset());
}

TEST_HARNESS_MAIN
