/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of these programs have in common. Every test starts from and
 * returns to the state that platform.h describes.
 */
#ifndef SELFTEST_FIXTURE_H
#define SELFTEST_FIXTURE_H

#include "kselftest_harness.h"

#include "knob.h"
#include "platform.h"
#include "tsm.h"
#include "vmm.h"

/* First line of a setup. */
#define SETUP_PLATFORM()						\
	do {								\
		const char *_why = platform_missing();			\
									\
		if (_why)						\
			SKIP(return, "%s", _why);			\
		ASSERT_EQ(0, platform_ready());				\
	} while (0)

/* A VMM with one function as a vDEVICE that is not bound. */
#define SETUP_TDI(_vmm, _tdi, _number, _virt_id)			\
	do {								\
		ASSERT_EQ(0, vmm_open(_vmm));				\
		ASSERT_EQ(0, tdi_open(_tdi, _vmm, _number, _virt_id));	\
	} while (0)

/* Last line of a teardown: nothing is left behind. */
#define TEARDOWN_PLATFORM()						\
	do {								\
		struct function _fn;					\
									\
		EXPECT_EQ(0, knob_reset());				\
		for (int _i = 0; _i < FUNCTION_COUNT; _i++) {		\
			if (function_find(&_fn, _i))			\
				continue;				\
			EXPECT_FALSE(tsm_is_bound(_fn.bdf)) {		\
				TH_LOG("%s is still bound", _fn.bdf);	\
			}						\
		}							\
		/* the firmware thinks so too */			\
		EXPECT_EQ(0, knob_count("vdevs"));			\
		EXPECT_EQ(0, knob_count("realms"));			\
	} while (0)

#define EXPECT_STATE(_state, _tdi)					\
	EXPECT_STREQ(tsm_state_name(_state), tsm_state_name(tsm_state(_tdi)))

#define ASSERT_STATE(_state, _tdi)					\
	ASSERT_STREQ(tsm_state_name(_state), tsm_state_name(tsm_state(_tdi)))

#endif
