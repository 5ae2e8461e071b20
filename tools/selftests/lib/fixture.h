/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of these programs have in common. Every test starts from and
 * returns to the state that platform.h describes.
 */
#ifndef SELFTEST_FIXTURE_H
#define SELFTEST_FIXTURE_H

#include "kselftest_harness.h"

#include "arch.h"
#include "knob.h"
#include "platform.h"
#include "tsm.h"
#include "vmm.h"

/*
 * FIXTURE_VARIANT_ADD of kselftest_harness.h, for one architecture: left out if
 * the environment asks for others (arch_is_wanted), and in the order of the
 * architectures, whatever the order in the program, since going from one to
 * another means to connect the device anew.
 */
#define FIXTURE_VARIANT_ADD_OF(_arch, _fixture, _name)				\
	extern const FIXTURE_VARIANT(_fixture) _##_fixture##_##_name##_variant;	\
	static struct __fixture_variant_metadata _##_fixture##_##_name##_object = { \
		.name = #_name, .data = &_##_fixture##_##_name##_variant,	\
	};									\
	static void __attribute__((constructor(KSELFTEST_PRIO_XFAIL + (_arch)))) \
		_register_##_fixture##_##_name(void)				\
	{									\
		if (arch_is_wanted(_arch))					\
			__register_fixture_variant(&_##_fixture##_fixture_object, \
						   &_##_fixture##_##_name##_object); \
	}									\
	const FIXTURE_VARIANT(_fixture) _##_fixture##_##_name##_variant =

/*
 * A variant of a fixture that has variants of its own, and a member arch in
 * them, for each architecture. The numbers are those of enum arch: the priority
 * of a constructor can be no enumerator.
 */
#define FIXTURE_VARIANT_ON_EACH_ARCH(_fixture, _name, ...)			\
	FIXTURE_VARIANT_ADD_OF(1, _fixture, _name##_cca) { .arch = ARCH_CCA, __VA_ARGS__ }; \
	FIXTURE_VARIANT_ADD_OF(2, _fixture, _name##_sev) { .arch = ARCH_SEV, __VA_ARGS__ }; \
	FIXTURE_VARIANT_ADD_OF(3, _fixture, _name##_tdx) { .arch = ARCH_TDX, __VA_ARGS__ }

/* A fixture once for each architecture; in its functions that is variant->arch. */
#define FIXTURE_ON_EACH_ARCH(_fixture)						\
	FIXTURE_VARIANT(_fixture)						\
	{									\
		enum arch arch;							\
	};									\
	FIXTURE_VARIANT_ADD_OF(1, _fixture, cca) { .arch = ARCH_CCA };		\
	FIXTURE_VARIANT_ADD_OF(2, _fixture, sev) { .arch = ARCH_SEV };		\
	FIXTURE_VARIANT_ADD_OF(3, _fixture, tdx) { .arch = ARCH_TDX }

/* Skip the test where there is no such platform. */
#define NEED_PLATFORM(_arch)							\
	do {									\
		const char *_why = platform_missing(_arch);			\
										\
		if (_why)							\
			SKIP(return, "%s", _why);				\
	} while (0)

/* First line of a setup. */
#define SETUP_PLATFORM(_arch)							\
	do {									\
		NEED_PLATFORM(_arch);						\
		ASSERT_EQ(0, platform_ready(_arch));				\
	} while (0)

/* The same, where the test is to connect the device. */
#define SETUP_DISCONNECTED(_arch)						\
	do {									\
		NEED_PLATFORM(_arch);						\
		ASSERT_EQ(0, platform_disconnected());				\
	} while (0)

/* A VMM with one function as a vDEVICE that is not bound. */
#define SETUP_TDI(_vmm, _tdi, _number, _virt_id)				\
	do {									\
		ASSERT_EQ(0, vmm_open(_vmm));					\
		ASSERT_EQ(0, tdi_open(_tdi, _vmm, _number, _virt_id));		\
	} while (0)

/* Last line of a teardown: nothing is left behind. */
#define TEARDOWN_PLATFORM()							\
	do {									\
		struct function _fn;						\
										\
		EXPECT_EQ(0, knob_reset());					\
		for (int _i = 0; _i < FUNCTION_COUNT; _i++) {			\
			if (function_find(&_fn, _i))				\
				continue;					\
			EXPECT_FALSE(tsm_is_bound(_fn.bdf)) {			\
				TH_LOG("%s is still bound", _fn.bdf);		\
			}							\
		}								\
		/* the firmware thinks so too, of whatever architecture */	\
		EXPECT_EQ(0, knob_count("tdis"));				\
		EXPECT_EQ(0, knob_count("vms"));				\
	} while (0)

#define EXPECT_STATE(_state, _tdi)						\
	EXPECT_STREQ(tsm_state_name(_state), tsm_state_name(tsm_state(_tdi)))

#define ASSERT_STATE(_state, _tdi)						\
	ASSERT_STREQ(tsm_state_name(_state), tsm_state_name(tsm_state(_tdi)))

#endif
