// SPDX-License-Identifier: GPL-2.0
#include "fault.h"

/* Of all architectures but TDX, bits 63:32 of a code: class and value. */
#define DETAIL(_code) ((__u32)((_code) >> 32))

/* The firmware itself failed: class transport, value injected. */
#define DETAIL_INJECTED (3u << 16 | 6)
#define RMI_ERROR_DEVICE 6

/* Statuses of the PSP, bits 31:0 (rust/tsm_wire/sev/status.rs): of SEV_RET_* in psp-sev.h. */
#define SEV_HWSEV_RET_PLATFORM 0x13
#define SEV_HWSEV_RET_UNSAFE 0x14

/* Completion statuses of the TDX module, bits 63:32 (rust/tsm_wire/tdx/status.rs). */
#define TDX_TPA_FAILED 0xc000ff02u	/* bits 31:0: class and value */
#define TDX_SYS_NOT_READY 0xc0000505u
#define TDX_SYS_STATE_INCORRECT 0xc0000508u

bool fault_is(enum arch arch, __u64 code, enum fault_class class, unsigned int value)
{
	__u32 detail = class << 16 | value;

	if (class == FAULT_NONE)
		return code != 0;
	if (arch != ARCH_TDX)
		return DETAIL(code) == detail;
	/* the module has a status for a session that is gone, and none for why */
	if (class == FAULT_SESSION && DETAIL(code) != TDX_TPA_FAILED)
		return code != 0;
	return DETAIL(code) == TDX_TPA_FAILED && (__u32)code == detail;
}

bool fault_is_injected(enum arch arch, __u64 code)
{
	switch (arch) {
	case ARCH_SEV:
		return (__u32)code == SEV_HWSEV_RET_PLATFORM || (__u32)code == SEV_HWSEV_RET_UNSAFE;
	case ARCH_TDX:
		return code == (__u64)TDX_SYS_NOT_READY << 32 ||
		       code == (__u64)TDX_SYS_STATE_INCORRECT << 32;
	default:
		/* of a call that begins no communication the RMM has no detail */
		return DETAIL(code) == DETAIL_INJECTED || code == RMI_ERROR_DEVICE;
	}
}
