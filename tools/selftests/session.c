// SPDX-License-Identifier: GPL-2.0
/*
 * The SPDM session between firmware and device is attacked, or lost. The request
 * fails with a code that says how, the TDI is in ERROR, for its lock went with
 * the session, and is as good as new after an unlock: the next message opens a
 * session again.
 */
#include "lib/fault.h"
#include "lib/fixture.h"

FIXTURE(session)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(session)
{
	enum arch arch;
	const char *knob;
	enum fault_class class;
	unsigned int value;
};

FIXTURE_VARIANT_ON_EACH_ARCH(session, bit_flipped,
			     .knob = "secured-bit-flip", .class = FAULT_SESSION, .value = FAULT_DECRYPT);

FIXTURE_VARIANT_ON_EACH_ARCH(session, replayed,
			     .knob = "secured-replay", .class = FAULT_SESSION, .value = FAULT_SEQUENCE);

FIXTURE_VARIANT_ON_EACH_ARCH(session, out_of_order,
			     .knob = "secured-skip", .class = FAULT_SESSION, .value = FAULT_SEQUENCE);

FIXTURE_VARIANT_ON_EACH_ARCH(session, lost_by_the_device, .knob = "session-lost");

FIXTURE_SETUP(session)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(session)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static void check_fault(struct __test_metadata *_metadata, int ret, __u64 code, bool is_it)
{
	EXPECT_EQ(-EIO, ret);
	EXPECT_NE(TSM_CODE_UNTOUCHED, code);
	EXPECT_NE(0, code);
	EXPECT_TRUE(is_it) {
		TH_LOG("code %#llx", (unsigned long long)code);
	}
}

/* Out of ERROR, and all the way: nothing is left of what happened. */
static void check_renewal(struct __test_metadata *_metadata, const struct tdi *tdi)
{
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_NE(0, knob_count("session"));
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

TEST_F_TIMEOUT(session, of_a_run, 120)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	int ret;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, knob_set(variant->knob, 1));
	ret = tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, &code);
	check_fault(_metadata, ret, code,
		    fault_is(variant->arch, code, variant->class, variant->value));
	EXPECT_STATE(TSM_ERROR, &self->tdi);
	check_renewal(_metadata, &self->tdi);
}

TEST_F_TIMEOUT(session, of_a_measurement, 120)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	int ret;

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, knob_set(variant->knob, 1));
	ret = tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &code);
	check_fault(_metadata, ret, code,
		    fault_is(variant->arch, code, variant->class, variant->value));
	EXPECT_STATE(TSM_ERROR, &self->tdi);
	check_renewal(_metadata, &self->tdi);
}

TEST_F_TIMEOUT(session, of_a_bind, 120)
{
	ASSERT_EQ(0, knob_set(variant->knob, 1));
	EXPECT_EQ(-EIO, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_UNBOUND, &self->tdi);
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

/* An unbind comes to its end whatever the device does, and the device is free. */
TEST_F_TIMEOUT(session, of_an_unbind, 120)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, knob_set(variant->knob, 1));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

FIXTURE(evidence)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(evidence);

FIXTURE_SETUP(evidence)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(evidence)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* Measurements that are signed for somebody else's nonce, or by somebody else, are not kept. */
static void check_measurement(struct __test_metadata *_metadata, enum arch arch,
			      const struct tdi *tdi, const char *knob)
{
	static const unsigned char nonce[32] = "one that nobody used before";
	__u64 code = TSM_CODE_UNTOUCHED;
	int ret;

	ASSERT_EQ(0, knob_set(knob, 1));
	ret = tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, nonce, &code);
	check_fault(_metadata, ret, code, fault_is(arch, code, FAULT_AUTHENTICATION,
						   FAULT_MEASUREMENT_SIGNATURE));
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(0, tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
}

TEST_F(evidence, for_another_nonce)
{
	check_measurement(_metadata, variant->arch, &self->tdi, "stale-nonce");
}

TEST_F(evidence, with_another_signature)
{
	check_measurement(_metadata, variant->arch, &self->tdi, "spdm-wrong-signature");
}

/* The last moment before a DOE exchange is over is not too late. */
TEST_F_TIMEOUT(evidence, at_the_last_moment, 120)
{
	ASSERT_EQ(0, knob_set("doe-late-ms", 800));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

TEST_HARNESS_MAIN
