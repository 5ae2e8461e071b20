// SPDX-License-Identifier: GPL-2.0
/* States of a TDI: the steps between them, steps there are not, and ERROR. */
#include <linux/pci_regs.h>

#include "lib/fixture.h"
#include "lib/report.h"

FIXTURE(state)
{
	struct vmm vmm;
	struct tdi tdi;
};

/* From each state that can be reached, what each request of one gives. */
FIXTURE_VARIANT(state)
{
	enum arch arch;
	enum tsm_state from;
	__u32 ask;
	int result;
	enum tsm_state to;
};

#define STEP(_from, _ask, _result, _to)						\
	FIXTURE_VARIANT_ON_EACH_ARCH(state, from_##_from##_to_##_ask,		\
		.from = TSM_##_from, .ask = IOMMU_TSM_TDI_##_ask,		\
		.result = _result, .to = TSM_##_to)

STEP(UNBOUND, UNLOCKED, -ENXIO, UNBOUND);
STEP(UNBOUND, LOCKED, 0, LOCKED);
STEP(UNBOUND, RUN, -ENXIO, UNBOUND);
STEP(UNLOCKED, UNLOCKED, 0, UNLOCKED);
STEP(UNLOCKED, LOCKED, 0, LOCKED);
STEP(UNLOCKED, RUN, -EPROTO, UNLOCKED);
STEP(LOCKED, UNLOCKED, 0, UNLOCKED);
STEP(LOCKED, LOCKED, 0, LOCKED);
STEP(LOCKED, RUN, 0, RUN);
STEP(RUN, UNLOCKED, 0, UNLOCKED);
STEP(RUN, LOCKED, -EPROTO, RUN);
STEP(RUN, RUN, 0, RUN);

FIXTURE_SETUP(state)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	if (variant->from != TSM_UNBOUND) {
		ASSERT_EQ(0, tsm_reach(&self->tdi, variant->from));
	}
}

FIXTURE_TEARDOWN(state)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int tdisp_of(enum tsm_state state)
{
	switch (state) {
	case TSM_LOCKED:
		return KNOB_TDISP_LOCKED;
	case TSM_RUN:
		return KNOB_TDISP_RUN;
	default:
		return KNOB_TDISP_UNLOCKED;
	}
}

TEST_F(state, step)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	long calls = knob_count("calls");

	ASSERT_LE(0, calls);
	EXPECT_EQ(variant->result, tsm_set_state(&self->tdi, variant->ask, &code));
	EXPECT_EQ(0, code);
	/* a step that there is not, or that is none, asks nothing of the firmware */
	if (variant->from == variant->to) {
		EXPECT_EQ(calls, knob_count("calls"));
	} else {
		EXPECT_LT(calls, knob_count("calls"));
	}
	EXPECT_EQ(tdisp_of(variant->to), knob_tdisp(0));
	EXPECT_STATE(variant->to, &self->tdi);
}

/* What brings a TDI into ERROR, and how it gets out of it. */
FIXTURE(error)
{
	struct vmm vmm;
	struct tdi tdi;
};

enum fault {
	RESET,
	BUS_MASTER,
	MEMORY,
	IDE,
};

FIXTURE_VARIANT(error)
{
	enum arch arch;
	enum tsm_state from;
	enum fault fault;
};

#define FAULT(_from, _fault)							\
	FIXTURE_VARIANT_ON_EACH_ARCH(error, _fault##_while_##_from,		\
		.from = TSM_##_from, .fault = _fault)

FAULT(LOCKED, RESET);
FAULT(LOCKED, BUS_MASTER);
FAULT(LOCKED, MEMORY);
FAULT(LOCKED, IDE);
FAULT(RUN, RESET);
FAULT(RUN, BUS_MASTER);
FAULT(RUN, MEMORY);
FAULT(RUN, IDE);

FIXTURE_SETUP(error)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_reach(&self->tdi, variant->from));
	switch (variant->fault) {
	case RESET:
		ASSERT_EQ(0, function_reset(&self->tdi.fn));
		break;
	case BUS_MASTER:
		ASSERT_EQ(0, function_command(&self->tdi.fn, 0, PCI_COMMAND_MASTER));
		break;
	case MEMORY:
		ASSERT_EQ(0, function_command(&self->tdi.fn, 0, PCI_COMMAND_MEMORY));
		break;
	case IDE:
		ASSERT_EQ(0, knob_set("tdi-error", 1));
		break;
	}
	ASSERT_EQ(KNOB_TDISP_ERROR, knob_tdisp(0));
	ASSERT_EQ(0, function_command(&self->tdi.fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0));
}

FIXTURE_TEARDOWN(error)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* Unlock leads out of it, and then everything works. */
TEST_F(error, left_by_unlock)
{
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_F(error, left_by_unbind)
{
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_F(error, left_by_destruction)
{
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

/* The first request that asks the device finds out; nothing but unlock works then. */
TEST_F(error, is_found_out)
{
	__u64 code = TSM_CODE_UNTOUCHED;

	EXPECT_EQ(-EIO, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL,
					 &code));
	EXPECT_NE(0, code);
	EXPECT_NE(TSM_CODE_UNTOUCHED, code);
	EXPECT_EQ(-EPROTO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(-EPROTO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_STATE(TSM_ERROR, &self->tdi);
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	/* bound it stays, and binding again does not help */
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_ERROR, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(error, no_other_step_leads_out)
{
	__u64 code = TSM_CODE_UNTOUCHED;

	if (variant->from == TSM_LOCKED) {
		EXPECT_EQ(-EIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, &code));
		EXPECT_NE(0, code);
		EXPECT_STATE(TSM_ERROR, &self->tdi);
	} else {
		EXPECT_EQ(-EPROTO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	}
	EXPECT_EQ(KNOB_TDISP_ERROR, knob_tdisp(0));
}

/* What the host sees of the device in each state. */
FIXTURE(host)
{
	struct vmm vmm;
	struct tdi tdi;
	int bar;		/* that the report calls TEE only */
	__u64 offset;
	int open_bar;		/* one that it does not, or -1 */
	__u64 open_offset;
};

FIXTURE_ON_EACH_ARCH(host);

FIXTURE_SETUP(host)
{
	struct report report;
	unsigned char *bytes;
	int length;

	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	ASSERT_LT(0, length);
	ASSERT_EQ(0, report_parse(&report, bytes, length));
	self->bar = self->open_bar = -1;
	for (__u32 i = 0; i < report.ranges; i++) {
		const struct report_range *range = &report.range[i];

		if (range->attributes & REPORT_NON_TEE)
			self->open_bar = report_bar(range, &self->tdi.fn, &self->open_offset);
		else
			self->bar = report_bar(range, &self->tdi.fn, &self->offset);
	}
	ASSERT_LE(0, self->bar);
}

FIXTURE_TEARDOWN(host)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static bool all_ones(FIXTURE_DATA(host) *self)
{
	__u32 words[16];

	if (function_bar_read(&self->tdi.fn, self->bar, self->offset, words, sizeof(words)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] != 0xffffffff)
			return false;
	return true;
}

TEST_F(host, sees_nothing_of_what_runs)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_FALSE(all_ones(self));
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_TRUE(all_ones(self));
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_FALSE(all_ones(self));
}

TEST_F(host, sees_it_again_after_unbind)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_TRUE(all_ones(self));
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(all_ones(self));
}

TEST_F(host, sees_what_is_not_for_the_tee)
{
	__u32 word = 0xffffffff;

	if (self->open_bar < 0)
		SKIP(return, "the report has no range with the attribute non-TEE");
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, function_bar_read(&self->tdi.fn, self->open_bar, self->open_offset, &word,
				       sizeof(word)));
	EXPECT_NE(0xffffffff, word);
}

TEST_HARNESS_MAIN
