// SPDX-License-Identifier: GPL-2.0
/* A device that does not answer, or too late. */
#include "lib/misbehaviour.h"

WRONG_IN_EVERY_STEP(no_answer, "doe-no-answer", 1);
/* the kernel gives a DOE exchange one second */
WRONG_IN_EVERY_STEP(late_answer, "doe-late-ms", 2500);

TEST_HARNESS_MAIN
