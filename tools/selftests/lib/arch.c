// SPDX-License-Identifier: GPL-2.0
#include "arch.h"

#include <stdlib.h>
#include <strings.h>

/* rust/tsm_wire/mailbox.rs has these ids. */
static const struct {
	const char *name, *module;
	__u16 firmware;
} archs[ARCH_END] = {
	[ARCH_NONE] = { "no architecture", "", 0 },
	[ARCH_CCA] = { "CCA", "pci_tsm_cca", 0x7d50 },
	[ARCH_SEV] = { "SEV", "pci_tsm_sev", 0x7d51 },
	[ARCH_TDX] = { "TDX", "pci_tsm_tdx", 0x7d52 },
};

const char *arch_name(enum arch arch)
{
	return archs[arch].name;
}

const char *arch_module(enum arch arch)
{
	return archs[arch].module;
}

__u16 arch_firmware(enum arch arch)
{
	return archs[arch].firmware;
}

bool arch_is_wanted(enum arch arch)
{
	const char *wanted = getenv("SELFTEST_ARCH");

	if (!wanted || !*wanted)
		return true;
	for (; *wanted; wanted++)
		if (!strncasecmp(wanted, archs[arch].name, 3))
			return true;
	return false;
}

enum arch arch_other(enum arch arch)
{
	return arch == ARCH_TDX ? ARCH_CCA : arch + 1;
}
