/* SPDX-License-Identifier: GPL-2.0 */
/* Payloads of the scope form: each architecture has its own. */
#ifndef SELFTEST_SCOPE_H
#define SELFTEST_SCOPE_H

#include "arch.h"
#include "vmm.h"

#define SCOPE_PAYLOAD_MOST 64

struct scope_payload {
	__u32 len;
	unsigned char bytes[SCOPE_PAYLOAD_MOST];
};

/*
 * The request under STATE_CHANGE that brings a TDI to @state, which all have for
 * RUN and UNLOCKED; of a state that is none, one without a meaning.
 */
struct scope_payload scope_set_state(enum arch arch, __u32 state);

#endif
