// SPDX-License-Identifier: GPL-2.0
/* A device that answers wrongly, on DOE and in what it claims to have done. */
#include "lib/misbehaviour.h"

WRONG_IN_EVERY_STEP(short_answer, "doe-short", 1);
WRONG_IN_EVERY_STEP(oversized_answer, "doe-oversize", 1);
WRONG_IN_EVERY_STEP(wrong_type, "doe-wrong-type", 1);

/* it says that it did, and did not */
WRONG(BIND, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(BIND, ends_in_run, "wrong-state", KNOB_TDISP_RUN);
WRONG(RUN, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(RUN, ends_in_locked, "wrong-state", KNOB_TDISP_LOCKED);
WRONG(UNLOCK, ends_in_error, "wrong-state", KNOB_TDISP_ERROR);
WRONG(UNLOCK, ends_in_locked, "wrong-state", KNOB_TDISP_LOCKED);

TEST_HARNESS_MAIN
