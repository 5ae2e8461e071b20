/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The architectures of confidential VMs. The emulated platform has the firmware
 * of each, so that most tests run on one after the other.
 */
#ifndef SELFTEST_ARCH_H
#define SELFTEST_ARCH_H

#include <stdbool.h>

#include <linux/iommufd_tsm.h>

/* Numbered as in a request. */
enum arch {
	ARCH_NONE = IOMMU_VDEVICE_TSM_TVM_ARCH_COMMON,	/* where it does not matter */
	ARCH_CCA = IOMMU_VDEVICE_TSM_TVM_ARCH_CCA,
	ARCH_SEV = IOMMU_VDEVICE_TSM_TVM_ARCH_SEV,
	ARCH_TDX = IOMMU_VDEVICE_TSM_TVM_ARCH_TDX,
};

/* for (arch = ARCH_CCA; arch < ARCH_END; arch++) */
#define ARCH_END (ARCH_TDX + 1)
#define ARCH_COUNT (ARCH_END - ARCH_CCA)

/* As it is said: "CCA". */
const char *arch_name(enum arch arch);

/* Its backend: "pci_tsm_cca". */
const char *arch_module(enum arch arch);

/* The PCI device id of its firmware; the vendor is that of the endpoint. */
__u16 arch_firmware(enum arch arch);

/*
 * Are tests of it wanted? All are, unless SELFTEST_ARCH in the environment names
 * those that are: "cca", or "sev,tdx".
 */
bool arch_is_wanted(enum arch arch);

/* Another one of the three, and from that the third. */
enum arch arch_other(enum arch arch);

#endif
