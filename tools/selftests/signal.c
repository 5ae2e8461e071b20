// SPDX-License-Identifier: GPL-2.0
/*
 * Signals to a task that waits in a request: it returns at once with EINTR, and
 * nothing happened. Only an unbind goes on.
 */
#include <signal.h>

#include "lib/clock.h"
#include "lib/fixture.h"
#include "lib/flight.h"

#define BUSY_MS 8000		/* longer than any of these tests waits */
#define AT_ONCE 3.0		/* seconds that "at once" may take here */

FIXTURE(interrupted)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(interrupted);

FIXTURE_SETUP(interrupted)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(interrupted)
{
	knob_reset();
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

#define INTERRUPT(_flight)							\
	do {									\
		double _start = clock_seconds();				\
										\
		ASSERT_EQ(0, call_interrupt(&(_flight)->call, SIGUSR1));	\
		ASSERT_TRUE(call_wait(&(_flight)->call, TSM_DEADLINE));		\
		EXPECT_GT(AT_ONCE, clock_seconds() - _start) {			\
			TH_LOG("%.3f s after the signal", clock_seconds() - _start); \
		}								\
		ASSERT_EQ(0, knob_reset());					\
	} while (0)

/* The second is interrupted while it waits for the first, which does not notice. */
#define INTERRUPT_SECOND(_first, _second)					\
	do {									\
		clock_sleep_ms(300);						\
		ASSERT_EQ(0, call_interrupt(&(_second)->call, SIGUSR1));	\
		EXPECT_TRUE(call_wait(&(_second)->call, AT_ONCE));		\
		EXPECT_EQ(-EINTR, (_second)->call.result);			\
		EXPECT_FALSE(call_is_done(&(_first)->call));			\
		ASSERT_TRUE(call_wait(&(_first)->call, TSM_DEADLINE));		\
		EXPECT_EQ(0, (_first)->call.result);				\
	} while (0)

TEST_F(interrupted, run)
{
	struct flight flight;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_EQ(0, flight.req.tsm_code);
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
}

TEST_F(interrupted, unlock)
{
	struct flight flight;

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_UNLOCKED, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_STATE(TSM_RUN, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(interrupted, lock)
{
	struct flight flight;

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_LOCKED, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
}

TEST_F(interrupted, regen)
{
	unsigned char *before, *after;
	struct flight flight;
	int length;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &before);
	ASSERT_LT(0, length);
	ASSERT_EQ(0, flight_of_regen(&flight, &self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_EQ(length, tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &after));
	EXPECT_EQ(0, memcmp(before, after, length));
	EXPECT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
}

TEST_F(interrupted, bind)
{
	struct flight flight;

	ASSERT_EQ(0, flight_of_op(&flight, &self->tdi, IOMMU_VDEVICE_TSM_BIND, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* What was begun is given back at the next chance: by another bind, or when the device goes. */
TEST_F_TIMEOUT(interrupted, bind_leaves_nothing, 60)
{
	long pages = knob_count("pages");
	struct flight flight;
	char tsm[32];

	ASSERT_EQ(0, platform_tsm(variant->arch, tsm, sizeof(tsm)));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, flight_of_op(&flight, &self->tdi, IOMMU_VDEVICE_TSM_BIND, BUSY_MS));
		INTERRUPT(&flight);
		EXPECT_EQ(-EINTR, flight.call.result);
	}
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, knob_count("vms"));
	EXPECT_EQ(pages, knob_count("pages"));

	ASSERT_EQ(0, flight_of_op(&flight, &self->tdi, IOMMU_VDEVICE_TSM_BIND, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(0, knob_count("vms"));
	ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
	EXPECT_EQ(pages, knob_count("pages"));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
}

/* The VM of another device is being made known to the firmware, which has no time. */
TEST_F_TIMEOUT(interrupted, bind_behind_another_one, 60)
{
	struct flight first, second;
	struct tdi other;
	char tsm[32];

	ASSERT_EQ(0, platform_tsm(variant->arch, tsm, sizeof(tsm)));
	ASSERT_EQ(0, tdi_open(&other, &self->vmm, FUNCTION_OF_DEVICE_1, 0x20));
	ASSERT_EQ(0, tsm_connect(other.fn.bdf, tsm));
	ASSERT_EQ(0, flight_of_op(&first, &self->tdi, IOMMU_VDEVICE_TSM_BIND, 4000));
	second.op = (struct iommu_vdevice_tsm_op){
		.size = sizeof(second.op),
		.type = IOMMU_VDEVICE_TSM_BIND,
		.vdevice_id = other.vdevice_id,
	};
	ASSERT_EQ(0, call_start(&second.call, self->vmm.iommufd, IOMMU_VDEVICE_TSM_OP,
				&second.op));
	INTERRUPT_SECOND(&first, &second);
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_bind(&other));
	tdi_close(&other);
	EXPECT_EQ(0, tsm_disconnect(other.fn.bdf));
}

/* The flow without an explicit bind leaves nothing half done either. */
TEST_F(interrupted, bind_by_locked)
{
	struct flight flight;

	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_LOCKED, BUSY_MS));
	INTERRUPT(&flight);
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
}

/* Unbind cannot fail, so it does not listen. */
TEST_F(interrupted, unbind_goes_on)
{
	struct flight flight;

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, flight_of_op(&flight, &self->tdi, IOMMU_VDEVICE_TSM_UNBIND, 2000));
	ASSERT_EQ(0, call_interrupt(&flight.call, SIGUSR1));
	clock_sleep_ms(100);
	ASSERT_EQ(0, call_interrupt(&flight.call, SIGUSR1));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	EXPECT_EQ(0, flight.call.result);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

/* The firmware is quick and the device is late: the message is on its way. */
TEST_F(interrupted, while_the_device_is_late)
{
	__u32 run = IOMMU_TSM_TDI_RUN;
	struct iommu_vdevice_tsm_req req;
	struct call call;
	enum tsm_state state;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, knob_set("doe-late-ms", 700));
	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &run, sizeof(run), NULL,
			  0);
	ASSERT_EQ(0, call_start(&call, self->vmm.iommufd, IOMMU_VDEVICE_TSM_REQ, &req));
	clock_sleep_ms(250);
	ASSERT_EQ(0, call_interrupt(&call, SIGUSR1));
	ASSERT_TRUE(call_wait(&call, TSM_DEADLINE));
	ASSERT_EQ(0, knob_reset());
	/* either it heard of the signal before anything was sent, or it went on */
	ASSERT_TRUE(call.result == 0 || call.result == -EINTR) {
		TH_LOG("result %d", call.result);
	}
	state = call.result ? TSM_LOCKED : TSM_RUN;
	EXPECT_EQ(call.result ? KNOB_TDISP_LOCKED : KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_STATE(state, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

static void nothing(int signal)
{
}

/* A handler that asks for restart: a request is not made twice all the same. */
TEST_F(interrupted, with_restart)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct flight flight;
	double start;

	ASSERT_EQ(0, sigaction(SIGUSR2, &action, NULL));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	start = clock_seconds();
	ASSERT_EQ(0, pthread_kill(flight.call.thread, SIGUSR2));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	EXPECT_EQ(-EINTR, flight.call.result);
	EXPECT_GT(AT_ONCE, clock_seconds() - start);
}

/* A task that waits for the TDI of somebody else to be done with the device. */
TEST_F(interrupted, while_it_waits_for_its_turn)
{
	struct flight first, second;
	struct tdi other;

	ASSERT_EQ(0, tdi_open(&other, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, tsm_bind(&other));
	ASSERT_EQ(0, flight_of_state(&first, &self->tdi, IOMMU_TSM_TDI_RUN, 4000));
	second.payload.state.state = IOMMU_TSM_TDI_RUN;
	second.req = tsm_request(&other, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &second.payload,
				 sizeof(second.payload.state), NULL, 0);
	ASSERT_EQ(0, call_start(&second.call, self->vmm.iommufd, IOMMU_VDEVICE_TSM_REQ,
				&second.req));
	INTERRUPT_SECOND(&first, &second);
	EXPECT_STATE(TSM_RUN, &self->tdi);
	EXPECT_STATE(TSM_LOCKED, &other);
	tdi_close(&other);
}

/* Reading what the host has does not wait for the device at all. */
TEST_F(interrupted, reader_does_not_wait)
{
	struct flight flight;
	double start;
	__u32 length;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, 3000));
	start = clock_seconds();
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, &length));
	EXPECT_LT(0, length);
	EXPECT_GT(1.0, clock_seconds() - start);
	EXPECT_FALSE(call_is_done(&flight.call));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	EXPECT_EQ(0, flight.call.result);
}

/* SIGKILL is a signal too: the process goes at once, and the TDI is as it was. */
TEST_F(interrupted, by_a_kill)
{
	double start;
	long calls;
	int status;
	pid_t pid;

	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, knob_set("fw-busy-ms", BUSY_MS));
	calls = knob_count("calls");
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL) ? 1 : 0);
	for (int i = 0; i < 200 && knob_count("calls") == calls; i++)
		clock_sleep_ms(10);
	start = clock_seconds();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_GT(AT_ONCE, clock_seconds() - start);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(0, knob_reset());
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_HARNESS_MAIN
