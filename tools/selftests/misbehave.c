// SPDX-License-Identifier: GPL-2.0
/*
 * A device and a firmware that misbehave: every call ends in time and says EIO
 * and why, the TDI is in a state that is true, and as soon as both behave again
 * everything works.
 */
#include "lib/clock.h"
#include "lib/fixture.h"

/* Calls of the firmware, by the low bits of their number. */
#define VDEV_COMMUNICATE 0x186
#define VDEV_CREATE 0x187
#define VDEV_DESTROY 0x188
#define VDEV_UNLOCK 0x18a
#define VDEV_GET_INTERFACE_REPORT 0x1d0
#define VDEV_GET_MEASUREMENTS 0x1d1
#define VDEV_LOCK 0x1d2
#define VDEV_START 0x1d3
#define PDEV_COMMUNICATE 0x175
#define PDEV_CREATE 0x176

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
	enum step step;
	const char *knob;
	unsigned long value;
};

#define WRONG(_step, _name, _knob, _value)					\
	FIXTURE_VARIANT_ADD(misbehave, _step##_##_name)				\
	{									\
		.step = _step, .knob = _knob, .value = _value,			\
	}

#define WRONG_IN_EVERY_STEP(_name, _knob, _value)				\
	WRONG(CONNECT, _name, _knob, _value);					\
	WRONG(BIND, _name, _knob, _value);					\
	WRONG(RUN, _name, _knob, _value);					\
	WRONG(REGEN, _name, _knob, _value);					\
	WRONG(UNLOCK, _name, _knob, _value);					\
	WRONG(UNBIND, _name, _knob, _value)

WRONG_IN_EVERY_STEP(no_answer, "doe-no-answer", 1);
/* the kernel gives a DOE exchange one second */
WRONG_IN_EVERY_STEP(late_answer, "doe-late-ms", 1500);
WRONG_IN_EVERY_STEP(short_answer, "doe-short", 1);
WRONG_IN_EVERY_STEP(oversized_answer, "doe-oversize", 1);
WRONG_IN_EVERY_STEP(wrong_type, "doe-wrong-type", 1);

WRONG_IN_EVERY_STEP(firmware_without_answer, "fw-no-answer", 1);
WRONG(CONNECT, error_before, "fw-error-before", PDEV_CREATE);
WRONG(BIND, error_before, "fw-error-before", VDEV_LOCK);
WRONG(RUN, error_before, "fw-error-before", VDEV_START);
WRONG(REGEN, error_before, "fw-error-before", VDEV_GET_MEASUREMENTS);
WRONG(UNLOCK, error_before, "fw-error-before", VDEV_UNLOCK);
WRONG(UNBIND, error_before, "fw-error-before", VDEV_UNLOCK);
WRONG(CONNECT, error_after, "fw-error-after", PDEV_CREATE);
WRONG(BIND, error_after, "fw-error-after", VDEV_LOCK);
WRONG(RUN, error_after, "fw-error-after", VDEV_START);
WRONG(REGEN, error_after, "fw-error-after", VDEV_GET_MEASUREMENTS);
WRONG(UNLOCK, error_after, "fw-error-after", VDEV_UNLOCK);
WRONG(UNBIND, error_after, "fw-error-after", VDEV_UNLOCK);
WRONG(CONNECT, communication_error, "fw-error-before", PDEV_COMMUNICATE);
WRONG(BIND, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(RUN, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(REGEN, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(UNLOCK, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(UNBIND, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(BIND, creation_error, "fw-error-before", VDEV_CREATE);
WRONG(BIND, creation_error_after, "fw-error-after", VDEV_CREATE);
WRONG(BIND, report_error, "fw-error-before", VDEV_GET_INTERFACE_REPORT);
WRONG(UNBIND, destruction_error, "fw-error-before", VDEV_DESTROY);
/* the device says that it did, and did not */
WRONG(BIND, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(BIND, ends_in_run, "wrong-state", KNOB_TDISP_RUN);
WRONG(RUN, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(RUN, ends_in_locked, "wrong-state", KNOB_TDISP_LOCKED);
WRONG(UNLOCK, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(UNLOCK, ends_in_locked, "wrong-state", KNOB_TDISP_LOCKED);

FIXTURE_SETUP(misbehave)
{
	SETUP_PLATFORM();
	ASSERT_EQ(0, platform_renew());
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
 * After a failure: what the kernel says and what is the case agree, and it is one
 * of the states that it may be.
 */
static void check_state(struct __test_metadata *_metadata, const struct tdi *tdi,
			enum tsm_state before)
{
	int tdisp = knob_tdisp(0);
	enum tsm_state state;

	state = tsm_state(tdi);
	TH_LOG("%s, and the device says %d", tsm_state_name(state), tdisp);
	EXPECT_TRUE(state == before || state == TSM_ERROR);
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
	enum tsm_state before = step == UNLOCK ? TSM_RUN : TSM_LOCKED;
	__u64 code = TSM_CODE_UNTOUCHED;

	if (step == RUN) {
		IN_TIME(-EIO, tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, &code));
	} else if (step == UNLOCK) {
		IN_TIME(-EIO, tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, &code));
	} else {
		IN_TIME(-EIO, tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &code));
	}
	EXPECT_NE(0, code);
	EXPECT_NE(TSM_CODE_UNTOUCHED, code);
	EXPECT_EQ(0, knob_reset());
	check_state(_metadata, tdi, before);
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
static void at_connect(struct __test_metadata *_metadata, const struct tdi *tdi, const char *knob,
		       unsigned long value)
{
	char tsm[32];

	ASSERT_EQ(0, platform_tsm(tsm, sizeof(tsm)));
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
		at_connect(_metadata, &self->tdi, variant->knob, variant->value);
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

/* What is slow is not wrong. */
FIXTURE(slow)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_SETUP(slow)
{
	SETUP_PLATFORM();
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
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

/* Firmware that is dead: unbind ends all the same, and a new connection helps. */
TEST_F_TIMEOUT(slow, firmware_that_is_dead, 120)
{
	double start = clock_seconds();

	ASSERT_EQ(0, knob_set("fw-no-answer", 1000000));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	TH_LOG("%.1f s", clock_seconds() - start);
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, platform_renew());
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_HARNESS_MAIN
