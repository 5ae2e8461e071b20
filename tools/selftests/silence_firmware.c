// SPDX-License-Identifier: GPL-2.0
/* A firmware that does not answer one call. */
#include "lib/misbehaviour.h"

WRONG_IN_EVERY_STEP(no_answer, "fw-no-answer", 1);

TEST_HARNESS_MAIN
