// SPDX-License-Identifier: GPL-2.0
#include "scope.h"

#include <string.h>

struct scope_payload scope_set_state(enum arch arch, __u32 state)
{
	struct iommu_tsm_cca_scope_set_tdi_state cca = {
		.req_type = IOMMU_TSM_CCA_SCOPE_SET_TDI_STATE,
		.state = state,
	};
	/* one word, a power of two, by state */
	static const __u32 tdx[] = { 4, 1, 2 };
	__u32 word = state < 3 ? tdx[state] : 3;
	struct scope_payload payload = {};

	switch (arch) {
	case ARCH_TDX:
		payload.len = sizeof(word);
		memcpy(payload.bytes, &word, sizeof(word));
		break;
	case ARCH_SEV:
		/* one byte: 1 runs, 0 unlocks */
		payload.len = 1;
		payload.bytes[0] = state == IOMMU_TSM_TDI_RUN ? 1 :
				   state == IOMMU_TSM_TDI_UNLOCKED ? 0 : 0xff;
		break;
	default:
		payload.len = sizeof(cca);
		memcpy(payload.bytes, &cca, sizeof(cca));
	}
	return payload;
}
