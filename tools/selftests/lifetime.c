// SPDX-License-Identifier: GPL-2.0
/* How a binding ends, and what happens to what was asked of it meanwhile. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/fixture.h"
#include "lib/flight.h"
#include "lib/pager.h"

#define BUSY_MS 2500		/* how long a request is held in flight */

FIXTURE(lifetime)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(lifetime);

FIXTURE_SETUP(lifetime)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(lifetime)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(lifetime, destroy_while_bound)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

/* What the vDEVICE stands on cannot go before it (CVE-2024-26785 was of this kind). */
TEST_F(lifetime, destroy_below_it)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->vmm.iommufd, self->vmm.viommu_id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->vmm.iommufd, self->vmm.hwpt_id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->vmm.iommufd, self->vmm.ioas_id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->vmm.iommufd, self->tdi.fn.dev_id));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_F(lifetime, destroy_while_a_request_is_in_flight)
{
	struct flight flight;

	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	EXPECT_EQ(-EBUSY, tdi_destroy(&self->tdi));
	EXPECT_FALSE(call_is_done(&flight.call));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	EXPECT_EQ(0, flight.call.result);
	EXPECT_STATE(TSM_RUN, &self->tdi);
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* Closes the VFIO device in a thread, as it may have to wait for something. */
struct closing {
	struct vmm *vmm;
	struct tdi *tdi;
	atomic_bool done;
	pthread_t thread;
};

static void *close_vfio(void *data)
{
	struct closing *closing = data;

	vm_release(&closing->vmm->vm, closing->tdi->fn.vfio);
	function_close(&closing->tdi->fn);
	atomic_store(&closing->done, true);
	return NULL;
}

static bool is_closed_in(struct closing *closing, double seconds)
{
	double until = clock_seconds() + seconds;

	while (!atomic_load(&closing->done) && clock_seconds() < until)
		clock_sleep_ms(10);
	return atomic_load(&closing->done);
}

TEST_F_TIMEOUT(lifetime, close_vfio_while_a_request_is_in_flight, 80)
{
	struct closing closing = { &self->vmm, &self->tdi };
	struct flight flight;

	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	ASSERT_EQ(0, pthread_create(&closing.thread, NULL, close_vfio, &closing));
	ASSERT_TRUE(call_wait(&flight.call, TSM_DEADLINE));
	/* closing clears the bus master bit before, so how it went depends on who was first */
	EXPECT_TRUE(flight.call.result == 0 || flight.call.result == -EIO ||
		    flight.call.result == -ENXIO) {
		TH_LOG("result %d", flight.call.result);
	}
	/* it waits for the request, for the vDEVICE goes with the device, and no longer */
	EXPECT_TRUE(is_closed_in(&closing, 10)) {
		TH_LOG("closing goes on after the request ended");
	}
	pthread_join(closing.thread, NULL);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	self->tdi.vdevice_id = 0;
}

TEST_F(lifetime, unbind_while_a_request_is_in_flight)
{
	double start = clock_seconds();
	struct flight flight;

	ASSERT_EQ(0, flight_of_state(&flight, &self->tdi, IOMMU_TSM_TDI_RUN, BUSY_MS));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_GT(TSM_DEADLINE, clock_seconds() - start);
	ASSERT_TRUE(call_wait(&flight.call, 5));
	EXPECT_TRUE(flight.call.result == 0 || flight.call.result == -ENXIO);
	EXPECT_STATE(TSM_UNBOUND, &self->tdi);
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

/* The id of a vDEVICE whose device is gone finds nothing, and no stale device. */
TEST_F(lifetime, id_outlives_the_device)
{
	struct vmm vmm = self->vmm;

	ASSERT_EQ(0, vm_release(&self->vmm.vm, self->tdi.fn.vfio));
	function_close(&self->tdi.fn);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(-ENOENT, tsm_bind(&self->tdi));
	EXPECT_EQ(-ENOENT, tsm_unbind(&self->tdi));
	EXPECT_EQ(-ENOENT, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(-ENOENT, iommufd_destroy(vmm.iommufd, self->tdi.vdevice_id));
	self->tdi.vdevice_id = 0;
}

/* VFIO holds the iommufd open, and the VM file of VFIO the VFIO device. */
TEST_F(lifetime, close_iommufd_first)
{
	close(self->vmm.iommufd);
	self->vmm.iommufd = -1;
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	close(self->tdi.fn.vfio);
	self->tdi.fn.vfio = -1;
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	vm_close(&self->vmm.vm);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

TEST_F(lifetime, duplicate_descriptor)
{
	int copy = dup(self->vmm.iommufd);

	ASSERT_LE(0, copy);
	close(self->vmm.iommufd);
	self->vmm.iommufd = copy;
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

static int wait_for_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

TEST_F(lifetime, child_that_closes_changes_nothing)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		function_close(&self->tdi.fn);
		vmm_close(&self->vmm);
		_exit(0);
	}
	ASSERT_EQ(0, wait_for_child(pid));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

/* Descriptors of a child keep the binding when its parent closed them all. */
TEST_F(lifetime, child_that_stays_keeps_it)
{
	int go[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(go[1]);
		/* until the parent has closed everything */
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		if (tsm_state(&self->tdi) != TSM_LOCKED)
			_exit(2);
		if (tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL))
			_exit(3);
		_exit(tsm_is_bound(self->tdi.fn.bdf) ? 0 : 4);
	}
	close(go[0]);
	function_close(&self->tdi.fn);
	vmm_close(&self->vmm);
	self->tdi.vdevice_id = 0;
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	close(go[1]);
	EXPECT_EQ(0, wait_for_child(pid));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

static int send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

TEST_F(lifetime, descriptor_that_was_sent)
{
	int sockets[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vmm vmm = self->vmm;
		struct tdi tdi = self->tdi;

		/* nothing is inherited; the iommufd is what comes through the socket */
		function_close(&self->tdi.fn);
		vmm_close(&self->vmm);
		vmm.iommufd = receive_fd(sockets[1]);
		tdi.vmm = &vmm;
		if (vmm.iommufd < 0)
			_exit(1);
		_exit(tsm_set_state(&tdi, IOMMU_TSM_TDI_RUN, NULL) ? 2 : 0);
	}
	ASSERT_EQ(0, send_fd(sockets[0], self->vmm.iommufd));
	EXPECT_EQ(0, wait_for_child(pid));
	EXPECT_STATE(TSM_RUN, &self->tdi);
	close(sockets[0]);
	close(sockets[1]);
}

/* In flight in a socket that nobody reads, a descriptor is a reference all the same. */
TEST_F(lifetime, descriptor_on_its_way)
{
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, send_fd(sockets[0], self->tdi.fn.vfio));
	ASSERT_EQ(0, vm_release(&self->vmm.vm, self->tdi.fn.vfio));
	function_close(&self->tdi.fn);
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	close(sockets[0]);
	close(sockets[1]);
	/* such a descriptor goes when the last end of the socket goes, if not at once */
	for (int i = 0; i < 100 && tsm_is_bound(self->tdi.fn.bdf); i++)
		clock_sleep_ms(20);
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	self->tdi.vdevice_id = 0;
}

/* A VMM without any privilege but the descriptors that it was given. */
TEST_F(lifetime, without_privileges)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		__u32 length;

		if (setgid(65534) || setuid(65534))
			_exit(1);
		if (tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL))
			_exit(2);
		if (tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, &length) || !length)
			_exit(3);
		if (tsm_unbind(&self->tdi))
			_exit(4);
		_exit(tsm_bind(&self->tdi) ? 5 : 0);
	}
	EXPECT_EQ(0, wait_for_child(pid));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/*
 * Whoever sleeps on memory that he named himself keeps nobody else waiting, and
 * least of all the end of the device, for which iommufd would give up and warn
 * after 60 s.
 */
FIXTURE(asleep)
{
	struct vmm vmm;
	struct tdi tdi;
	struct pager pager;
	struct call call;
	struct iommu_tsm_read_object read;
	struct iommu_vdevice_tsm_req req;
	char page[PAGER_PAGE];
};

enum buffer {
	REQUEST,
	RESPONSE,
	NONCE,
};

FIXTURE_VARIANT(asleep)
{
	enum arch arch;
	enum buffer buffer;
};

FIXTURE_VARIANT_ON_EACH_ARCH(asleep, on_its_request, .buffer = REQUEST);
FIXTURE_VARIANT_ON_EACH_ARCH(asleep, on_its_response, .buffer = RESPONSE);
FIXTURE_VARIANT_ON_EACH_ARCH(asleep, on_its_nonce, .buffer = NONCE);

FIXTURE_SETUP(asleep)
{
	struct iommu_tsm_regen_object *regen = (void *)self->page;

	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, pager_open(&self->pager));
	self->read.type = IOMMU_TSM_OBJECT_CERTIFICATE;
	switch (variant->buffer) {
	case REQUEST:
		self->req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE,
					self->pager.page, 4, NULL, 0);
		break;
	case RESPONSE:
		self->req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &self->read,
					sizeof(self->read), self->pager.page, 64);
		break;
	case NONCE:
		regen->type = IOMMU_TSM_OBJECT_MEASUREMENT;
		regen->nonce_uptr = (uintptr_t)self->pager.page;
		self->req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, regen,
					sizeof(*regen), NULL, 0);
		break;
	}
	ASSERT_EQ(0, call_start(&self->call, self->vmm.iommufd, IOMMU_VDEVICE_TSM_REQ, &self->req));
	ASSERT_EQ(0, pager_wait(&self->pager, 5000));
}

FIXTURE_TEARDOWN(asleep)
{
	pager_close(&self->pager);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(asleep, others_go_on)
{
	static char zeroes[PAGER_PAGE];

	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_FALSE(call_is_done(&self->call));
	ASSERT_EQ(0, pager_fill(&self->pager, zeroes));
	ASSERT_TRUE(call_wait(&self->call, 10));
	/* what it asked of may be another binding now, or the same */
	EXPECT_TRUE(self->call.result == 0 || self->call.result == -ENXIO) {
		TH_LOG("result %d", self->call.result);
	}
}

TEST_F_TIMEOUT(asleep, the_device_goes, 80)
{
	struct closing closing = { &self->vmm, &self->tdi };
	static char zeroes[PAGER_PAGE];

	ASSERT_EQ(0, pthread_create(&closing.thread, NULL, close_vfio, &closing));
	EXPECT_TRUE(is_closed_in(&closing, 5)) {
		TH_LOG("closing waits for a task that is asleep on its own memory");
	}
	EXPECT_FALSE(call_is_done(&self->call));
	ASSERT_EQ(0, pager_fill(&self->pager, zeroes));
	ASSERT_TRUE(call_wait(&self->call, 10));
	pthread_join(closing.thread, NULL);
	self->tdi.vdevice_id = 0;
}

/* A process that is killed with a running TDI leaves nothing. */
FIXTURE(process)
{
	struct function fn;
};

FIXTURE_ON_EACH_ARCH(process);

FIXTURE_SETUP(process)
{
	SETUP_PLATFORM(variant->arch);
	ASSERT_EQ(0, function_find(&self->fn, 0));
}

FIXTURE_TEARDOWN(process)
{
	TEARDOWN_PLATFORM();
}

TEST_F(process, that_is_killed)
{
	int told[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(told));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vmm vmm;
		struct tdi tdi;

		if (vmm_open(&vmm) || tdi_open(&tdi, &vmm, 0, 0x10) || tsm_reach(&tdi, TSM_RUN))
			_exit(1);
		if (write(told[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(told[1]);
	ASSERT_EQ(1, read(told[0], &c, 1));
	EXPECT_TRUE(tsm_is_bound(self->fn.bdf));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, wait_for_child(pid));
	EXPECT_FALSE(tsm_is_bound(self->fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

TEST_HARNESS_MAIN
