/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why a TSM refused, out of a tsm_code. What each architecture has in it is in
 * Documentation/userspace-api/iommufd_tsm.rst; the details that no firmware
 * specification has are those of rust/tsm_wire/detail.rs.
 */
#ifndef SELFTEST_FAULT_H
#define SELFTEST_FAULT_H

#include <stdbool.h>

#include "arch.h"

/* Whose complaint it is. */
enum fault_class {
	FAULT_NONE = 0,		/* not said */
	FAULT_AUTHENTICATION = 5,
	FAULT_SESSION = 6,
};

/* Values of FAULT_AUTHENTICATION. */
enum fault_authentication {
	FAULT_UNTRUSTED = 3,
	FAULT_EXPIRED = 5,
	FAULT_CHALLENGE_SIGNATURE = 10,
	FAULT_MEASUREMENT_SIGNATURE = 11,
	FAULT_MEASUREMENT = 13,
};

/* Values of FAULT_SESSION. */
enum fault_session {
	FAULT_DECRYPT = 2,
	FAULT_SEQUENCE = 3,
};

/* Does @code of a TSM of @arch say that? */
bool fault_is(enum arch arch, __u64 code, enum fault_class class, unsigned int value);

/* Does it say that the firmware failed because it was made to, by fw-error-*? */
bool fault_is_injected(enum arch arch, __u64 code);

#endif
