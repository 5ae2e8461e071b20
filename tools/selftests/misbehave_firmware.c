// SPDX-License-Identifier: GPL-2.0
/* A firmware that reports errors, before and after the deed. */
#include "lib/misbehaviour.h"

/* Calls of the firmware, by the low bits of their number. */
#define VDEV_COMMUNICATE 0x186
#define VDEV_CREATE 0x187
#define VDEV_DESTROY 0x188
#define VDEV_UNLOCK 0x18a
#define VDEV_GET_INTERFACE_REPORT 0x1d0
#define VDEV_GET_MEASUREMENTS 0x1d1
#define VDEV_LOCK 0x1d2
#define VDEV_START 0x1d3
#define PDEV_COMMUNICATE 0x175
#define PDEV_CREATE 0x176

WRONG(CONNECT, error_before, "fw-error-before", PDEV_CREATE);
WRONG(BIND, error_before, "fw-error-before", VDEV_LOCK);
WRONG(RUN, error_before, "fw-error-before", VDEV_START);
WRONG(REGEN, error_before, "fw-error-before", VDEV_GET_MEASUREMENTS);
WRONG(UNLOCK, error_before, "fw-error-before", VDEV_UNLOCK);
WRONG(UNBIND, error_before, "fw-error-before", VDEV_UNLOCK);
WRONG(CONNECT, error_after, "fw-error-after", PDEV_CREATE);
WRONG(BIND, error_after, "fw-error-after", VDEV_LOCK);
WRONG(RUN, error_after, "fw-error-after", VDEV_START);
WRONG(REGEN, error_after, "fw-error-after", VDEV_GET_MEASUREMENTS);
WRONG(UNLOCK, error_after, "fw-error-after", VDEV_UNLOCK);
WRONG(UNBIND, error_after, "fw-error-after", VDEV_UNLOCK);
WRONG(CONNECT, communication_error, "fw-error-before", PDEV_COMMUNICATE);
WRONG(BIND, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(RUN, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(REGEN, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(UNLOCK, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(UNBIND, communication_error, "fw-error-before", VDEV_COMMUNICATE);
WRONG(BIND, report_error, "fw-error-before", VDEV_GET_INTERFACE_REPORT);
WRONG(BIND, creation_error, "fw-error-before", VDEV_CREATE);
/* whatever became of the VDEV, none may be left: it would keep the device for ever */
WRONG(UNBIND, destruction_error, "fw-error-before", VDEV_DESTROY);
WRONG(UNBIND, destruction_error_after, "fw-error-after", VDEV_DESTROY);
WRONG(BIND, creation_error_after, "fw-error-after", VDEV_CREATE);

TEST_HARNESS_MAIN
