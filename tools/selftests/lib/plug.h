/* SPDX-License-Identifier: GPL-2.0 */
/* Devices that are plugged into one TSM and another, for tests of all three. */
#ifndef SELFTEST_PLUG_H
#define SELFTEST_PLUG_H

#include "arch.h"
#include "function.h"
#include "tsm.h"

/* As many as there are TSMs. */
#define PLUG_DEVICES 3

/* The function by which each device is connected. */
extern const unsigned int plug_functions[PLUG_DEVICES];

/* Connect the device of @fn to the TSM of @arch. As tsm_connect(). */
int plug(const struct function *fn, enum arch arch);

/*
 * The whole life of a TDI that is not bound, through the TSM of @arch, of which every
 * answer has to be. 0 or a negative errno; -EBADMSG if one was of another TSM.
 */
int plug_whole_life(const struct tdi *tdi, enum arch arch);

/* The setup of all of these: everything there, nothing connected. */
#define SETUP_PLUGS()								\
	do {									\
		struct function _fn;						\
										\
		for (enum arch _arch = ARCH_CCA; _arch < ARCH_END; _arch++)	\
			NEED_PLATFORM(_arch);					\
		for (int _i = 0; _i < PLUG_DEVICES; _i++)			\
			ASSERT_EQ(0, function_find(&_fn, plug_functions[_i]));	\
		ASSERT_EQ(0, platform_disconnected());				\
	} while (0)

/* The three TSMs in an order, of which there are six. */
#define FIXTURE_IN_EACH_ORDER(_fixture)						\
	FIXTURE_VARIANT(_fixture)						\
	{									\
		enum arch order[PLUG_DEVICES];					\
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

#endif
