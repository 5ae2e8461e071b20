/* SPDX-License-Identifier: GPL-2.0 */
/* A request that is in flight: the firmware heard of it and is made to say BUSY. */
#ifndef SELFTEST_FLIGHT_H
#define SELFTEST_FLIGHT_H

#include "call.h"
#include "tsm.h"

struct flight {
	struct call call;
	union {
		struct iommu_tsm_set_tdi_state state;
		struct iommu_tsm_regen_object regen;
	} payload;
	union {
		struct iommu_vdevice_tsm_req req;
		struct iommu_vdevice_tsm_op op;
	};
};

/*
 * Start SET_TDI_STATE, REGEN_OBJECT or an operation of IOMMU_VDEVICE_TSM_OP, and
 * return when it is in flight, where it stays for about @ms milliseconds. 0 or a
 * negative errno; -EALREADY if it ended before that.
 */
int flight_of_state(struct flight *flight, const struct tdi *tdi, __u32 state, unsigned int ms);
int flight_of_regen(struct flight *flight, const struct tdi *tdi, __u32 type, unsigned int ms);
int flight_of_op(struct flight *flight, const struct tdi *tdi, __u32 type, unsigned int ms);

#endif
