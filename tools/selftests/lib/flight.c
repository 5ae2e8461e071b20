// SPDX-License-Identifier: GPL-2.0
#include "flight.h"

#include <errno.h>

#include "clock.h"
#include "knob.h"

static int start(struct flight *flight, const struct tdi *tdi, unsigned long command,
		 unsigned int ms)
{
	double until = clock_seconds() + 5;
	long calls = knob_count("calls");
	int ret;

	if (calls < 0)
		return calls;
	ret = knob_set("fw-busy-ms", ms);
	if (ret)
		return ret;
	ret = call_start(&flight->call, tdi->vmm->iommufd, command, &flight->req);
	if (ret)
		return ret;
	while (knob_count("calls") == calls)
		if (clock_seconds() > until)
			return -ETIMEDOUT;
	return call_is_done(&flight->call) ? -EALREADY : 0;
}

int flight_of_state(struct flight *flight, const struct tdi *tdi, __u32 state, unsigned int ms)
{
	flight->payload.state.state = state;
	flight->req = tsm_request(tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &flight->payload,
				  sizeof(flight->payload.state), NULL, 0);
	return start(flight, tdi, IOMMU_VDEVICE_TSM_REQ, ms);
}

int flight_of_regen(struct flight *flight, const struct tdi *tdi, __u32 type, unsigned int ms)
{
	flight->payload.regen = (struct iommu_tsm_regen_object){ .type = type };
	flight->req = tsm_request(tdi, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, &flight->payload,
				  sizeof(flight->payload.regen), NULL, 0);
	return start(flight, tdi, IOMMU_VDEVICE_TSM_REQ, ms);
}

int flight_of_op(struct flight *flight, const struct tdi *tdi, __u32 type, unsigned int ms)
{
	flight->op = (struct iommu_vdevice_tsm_op){
		.size = sizeof(flight->op),
		.type = type,
		.vdevice_id = tdi->vdevice_id,
	};
	return start(flight, tdi, IOMMU_VDEVICE_TSM_OP, ms);
}
