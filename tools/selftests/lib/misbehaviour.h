/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One test for all the ways to misbehave: every call ends in time and says EIO
 * and why, the TDI is in a state that is true, and as soon as device and firmware
 * behave again everything works. The ways are the variants of its fixture, which
 * the programs add.
 */
#ifndef SELFTEST_MISBEHAVIOUR_H
#define SELFTEST_MISBEHAVIOUR_H

#include "clock.h"
#include "fixture.h"

FIXTURE(misbehave)
{
	struct vmm vmm;
	struct tdi tdi;
};

enum step {
	CONNECT,
	BIND,
	RUN,
	REGEN,
	UNLOCK,
	UNBIND,
};

/* What is done wrong, and in which step. */
FIXTURE_VARIANT(misbehave)
{
	enum arch arch;
	enum step step;
	const char *knob;
	unsigned long value;
};

#define WRONG(_step, _name, _knob, _value)					\
	FIXTURE_VARIANT_ON_EACH_ARCH(misbehave, _step##_##_name,		\
		.step = _step, .knob = _knob, .value = _value)

#define WRONG_IN_EVERY_STEP(_name, _knob, _value)				\
	WRONG(CONNECT, _name, _knob, _value);					\
	WRONG(BIND, _name, _knob, _value);					\
	WRONG(RUN, _name, _knob, _value);					\
	WRONG(REGEN, _name, _knob, _value);					\
	WRONG(UNLOCK, _name, _knob, _value);					\
	WRONG(UNBIND, _name, _knob, _value)

FIXTURE_SETUP(misbehave)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(misbehave)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* Time a call that is to end within the deadline. */
#define IN_TIME(_want, _call)							\
	do {									\
		double _start = clock_seconds();				\
										\
		EXPECT_EQ(_want, _call);					\
		EXPECT_GT(TSM_DEADLINE, clock_seconds() - _start) {		\
			TH_LOG("%.1f s", clock_seconds() - _start);		\
		}								\
	} while (0)

/*
 * After a failure: what the kernel says and what is the case agree. The TDI is
 * what it was, or what it was to become, for the device may have done it all the
 * same; else it is in ERROR.
 */
static void check_state(struct __test_metadata *_metadata, const struct tdi *tdi,
			enum tsm_state before, enum tsm_state after)
{
	int tdisp = knob_tdisp(0);
	enum tsm_state state;

	state = tsm_state(tdi);
	TH_LOG("%s, and the device says %d", tsm_state_name(state), tdisp);
	EXPECT_TRUE(state == before || state == after || state == TSM_ERROR);
	switch (state) {
	case TSM_UNLOCKED:
		EXPECT_EQ(KNOB_TDISP_UNLOCKED, tdisp);
		break;
	case TSM_LOCKED:
		EXPECT_EQ(KNOB_TDISP_LOCKED, tdisp);
		break;
	case TSM_RUN:
		EXPECT_EQ(KNOB_TDISP_RUN, tdisp);
		break;
	default:
		break;
	}
}

/* Both behave again. */
static void check_recovery(struct __test_metadata *_metadata, const struct tdi *tdi)
{
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	EXPECT_EQ(0, tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_STATE(TSM_RUN, tdi);
}

static void at_bind(struct __test_metadata *_metadata, const struct tdi *tdi)
{
	IN_TIME(-EIO, tsm_bind(tdi));
	EXPECT_FALSE(tsm_is_bound(tdi->fn.bdf));
	EXPECT_STATE(TSM_UNBOUND, tdi);
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_bind(tdi));
}

static void at_request(struct __test_metadata *_metadata, const struct tdi *tdi, enum step step)
{
	__u64 code = TSM_CODE_UNTOUCHED;
	double start = clock_seconds();
	int ret;

	if (step == RUN)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, &code);
	else if (step == UNLOCK)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, &code);
	else
		ret = tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &code);
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start) {
		TH_LOG("%.1f s", clock_seconds() - start);
	}
	EXPECT_NE(TSM_CODE_UNTOUCHED, code);
	EXPECT_EQ(0, knob_reset());
	if (step == UNLOCK && !ret) {
		/* firmware that asks again finds the device where it was to be */
		EXPECT_EQ(0, code);
		EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
		EXPECT_STATE(TSM_UNLOCKED, tdi);
		return;
	}
	EXPECT_EQ(-EIO, ret);
	EXPECT_NE(0, code);
	switch (step) {
	case RUN:
		check_state(_metadata, tdi, TSM_LOCKED, TSM_RUN);
		break;
	case UNLOCK:
		check_state(_metadata, tdi, TSM_RUN, TSM_UNLOCKED);
		break;
	default:
		check_state(_metadata, tdi, TSM_LOCKED, TSM_LOCKED);
	}
}

/* Unbind does not fail, and what it leaves can be bound again. */
static void at_unbind(struct __test_metadata *_metadata, const struct tdi *tdi)
{
	IN_TIME(0, tsm_unbind(tdi));
	EXPECT_FALSE(tsm_is_bound(tdi->fn.bdf));
	EXPECT_STATE(TSM_UNBOUND, tdi);
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(0, tsm_bind(tdi));
}

/* The connection fails, and the next one is good. */
static void at_connect(struct __test_metadata *_metadata, enum arch arch, const struct tdi *tdi,
		       const char *knob, unsigned long value)
{
	char tsm[32];

	ASSERT_EQ(0, platform_tsm(arch, tsm, sizeof(tsm)));
	ASSERT_EQ(0, tsm_disconnect(tdi->fn.bdf));
	ASSERT_EQ(0, knob_set(knob, value));
	EXPECT_GT(0, tsm_connect(tdi->fn.bdf, tsm));
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(-ENXIO, tsm_bind(tdi));
	ASSERT_EQ(0, tsm_connect(tdi->fn.bdf, tsm));
	EXPECT_EQ(0, tsm_bind(tdi));
}

TEST_F_TIMEOUT(misbehave, is_survived, 70)
{
	switch (variant->step) {
	case CONNECT:
		at_connect(_metadata, variant->arch, &self->tdi, variant->knob, variant->value);
		break;
	case BIND:
		ASSERT_EQ(0, knob_set(variant->knob, variant->value));
		at_bind(_metadata, &self->tdi);
		break;
	case RUN:
	case REGEN:
		ASSERT_EQ(0, tsm_bind(&self->tdi));
		ASSERT_EQ(0, knob_set(variant->knob, variant->value));
		at_request(_metadata, &self->tdi, variant->step);
		break;
	case UNLOCK:
		ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
		ASSERT_EQ(0, knob_set(variant->knob, variant->value));
		at_request(_metadata, &self->tdi, variant->step);
		break;
	case UNBIND:
		ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
		ASSERT_EQ(0, knob_set(variant->knob, variant->value));
		at_unbind(_metadata, &self->tdi);
		break;
	}
	check_recovery(_metadata, &self->tdi);
}

#endif
