// SPDX-License-Identifier: GPL-2.0
/*
 * Why a call is refused, each reason once, and which reason wins if there are
 * several.
 */
#include <sys/ioctl.h>

#include <linux/iommufd.h>

#include "iommufd_test.h"

#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/sysfs.h"

#define NO_VDEVICE 0x7ffffff0

FIXTURE(refusal)
{
	struct vmm vmm;
	struct tdi tdi;		/* bound, UNLOCKED */
	struct tdi unbound;
	enum arch other;	/* not that of the TSM, nor SEV, which has all operations */
	void *nowhere;
	void *page;
};

FIXTURE_ON_EACH_ARCH(refusal);

FIXTURE_SETUP(refusal)
{
	SETUP_PLATFORM(variant->arch);
	self->unbound = TDI_NONE;
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tdi_open(&self->unbound, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
	self->other = variant->arch == ARCH_TDX ? ARCH_CCA : ARCH_TDX;
	self->nowhere = fence_nowhere();
	self->page = fence_zeroes(4096);
}

FIXTURE_TEARDOWN(refusal)
{
	tdi_close(&self->unbound);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* A request that would be granted, and all that a reason may change in it. */
struct ask {
	struct {
		struct iommu_vdevice_tsm_req req;
		__u64 tail;
	} frame;
	union {
		struct iommu_tsm_read_object read;
		struct iommu_tsm_regen_object regen;
	} payload;
	char response[64];
};

/* The reasons in the order in which they are looked at. */
enum reason {
	SHORT_FRAME,
	READONLY_FRAME,
	TAIL,
	UNKNOWN_ARCH,
	UNKNOWN_OP,
	OP_AGAINST_ARCH,
	POINTER_WITHOUT_LENGTH,
	LENGTH_TOO_LONG,
	UNKNOWN_VDEVICE,
	NOT_BOUND,
	OTHER_ARCH,
	NO_REQUEST_THERE,
	BAD_PAYLOAD,
	NO_RESPONSE_THERE,
	STATE,
	REASONS,
};

static const struct {
	const char *name;
	int err;
} reasons[REASONS] = {
	[SHORT_FRAME] = { "short structure", -EINVAL },
	[TAIL] = { "unknown tail", -E2BIG },
	[READONLY_FRAME] = { "structure that cannot be written", -EFAULT },
	[UNKNOWN_ARCH] = { "unknown architecture", -EINVAL },
	[UNKNOWN_OP] = { "unknown operation", -EINVAL },
	[OP_AGAINST_ARCH] = { "operation that the architecture has not", -EINVAL },
	[POINTER_WITHOUT_LENGTH] = { "pointer without a length", -EINVAL },
	[LENGTH_TOO_LONG] = { "request beyond its limit", -EMSGSIZE },
	[UNKNOWN_VDEVICE] = { "no such vDEVICE", -ENOENT },
	[NOT_BOUND] = { "not bound", -ENXIO },
	[OTHER_ARCH] = { "architecture is not the TSM's", -EINVAL },
	[NO_REQUEST_THERE] = { "request is not there", -EFAULT },
	[BAD_PAYLOAD] = { "payload without a meaning", -EINVAL },
	[NO_RESPONSE_THERE] = { "response is not there", -EFAULT },
	[STATE] = { "not in this state", -EPROTO },
};

/* Later reasons first, so that what an earlier one needs to be is not undone. */
static void apply(FIXTURE_DATA(refusal) *self, struct ask *ask, unsigned int set)
{
	struct iommu_vdevice_tsm_req *req = &ask->frame.req;

	memset(ask, 0, sizeof(*ask));
	*req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &ask->payload,
			   sizeof(ask->payload.read), NULL, 0);
	for (int r = REASONS - 1; r >= 0; r--) {
		if (!(set & 1U << r))
			continue;
		switch ((enum reason)r) {
		case STATE:
			/* a report is made only of what is locked */
			req->op = IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT;
			req->req_len = sizeof(ask->payload.regen);
			ask->payload.regen.type = IOMMU_TSM_OBJECT_INTERFACE_REPORT;
			break;
		case NO_RESPONSE_THERE:
			req->resp_uptr = (uintptr_t)self->nowhere;
			req->resp_len = sizeof(ask->response);
			break;
		case BAD_PAYLOAD:
			ask->payload.read.__reserved = 1;
			break;
		case NO_REQUEST_THERE:
			req->req_uptr = (uintptr_t)self->nowhere;
			break;
		case OTHER_ARCH:
			req->tvm_arch = self->other;
			break;
		case NOT_BOUND:
			req->vdevice_id = self->unbound.vdevice_id;
			break;
		case UNKNOWN_VDEVICE:
			req->vdevice_id = NO_VDEVICE;
			break;
		case LENGTH_TOO_LONG:
			req->req_len = IOMMU_VDEVICE_TSM_REQ_MAX_LEN + 1;
			break;
		case POINTER_WITHOUT_LENGTH:
			req->resp_uptr = (uintptr_t)ask->response;
			req->resp_len = 0;
			break;
		case OP_AGAINST_ARCH:
			req->op = IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA;
			break;
		case UNKNOWN_OP:
			req->op = 8;
			break;
		case UNKNOWN_ARCH:
			req->tvm_arch = 4;
			break;
		case READONLY_FRAME:
			break;
		case TAIL:
			req->size = sizeof(ask->frame);
			ask->frame.tail = 1;
			break;
		case SHORT_FRAME:
			req->size = sizeof(*req) - 1;
			break;
		case REASONS:
			break;
		}
	}
}

/* With the structure in a page that is the kernel's to read only, if that is a reason. */
static int refuse(FIXTURE_DATA(refusal) *self, unsigned int set, struct ask *ask)
{
	char *page = self->page;
	int ret;

	apply(self, ask, set);
	if (!(set & 1U << READONLY_FRAME))
		return tsm_ioctl_req(self->vmm.iommufd, &ask->frame);
	memcpy(page, &ask->frame, sizeof(ask->frame));
	mprotect(page, 4096, PROT_READ);
	ret = tsm_ioctl_req(self->vmm.iommufd, page);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	return ret;
}

TEST_F(refusal, none)
{
	struct ask ask;

	EXPECT_EQ(0, refuse(self, 0, &ask));
	EXPECT_EQ(0, ask.frame.req.tsm_code);
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(refusal, each_reason)
{
	struct ask ask;

	for (unsigned int r = 0; r < REASONS; r++) {
		EXPECT_EQ(reasons[r].err, refuse(self, 1U << r, &ask)) {
			TH_LOG("%s", reasons[r].name);
		}
	}
}

TEST_F(refusal, first_of_two_wins)
{
	struct ask ask;

	for (unsigned int r = 0; r < REASONS; r++)
		for (unsigned int s = r + 1; s < REASONS; s++) {
			EXPECT_EQ(reasons[r].err, refuse(self, 1U << r | 1U << s, &ask)) {
				TH_LOG("%s, and %s", reasons[r].name, reasons[s].name);
			}
		}
}

TEST_F_TIMEOUT(refusal, first_of_any_wins, 60)
{
	unsigned int wrong = 0;
	struct ask ask;

	for (unsigned int set = 1; set < 1U << REASONS; set++) {
		unsigned int first = __builtin_ctz(set);
		int ret = refuse(self, set, &ask);

		if (ret == reasons[first].err || wrong++ > 20)
			continue;
		TH_LOG("reasons %#x, %s first: %d", set, reasons[first].name, ret);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

/* From the look at the structure on, the code is written; there is none. */
TEST_F(refusal, code_is_written_with_it)
{
	struct ask ask;

	for (unsigned int r = UNKNOWN_ARCH; r < REASONS; r++) {
		EXPECT_EQ(reasons[r].err, refuse(self, 1U << r, &ask));
		EXPECT_EQ(0, ask.frame.req.tsm_code) {
			TH_LOG("%s", reasons[r].name);
		}
	}
}

/* EINVAL: a pointer without its length, a length without its pointer. */
TEST_F(refusal, length_and_pointer_go_together)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_VCA };
	struct iommu_tsm_object_info_out out;
	static const struct {
		bool req_len, req_uptr, resp_len, resp_uptr;
	} pairs[] = {
		{ 0, 1, 1, 1 }, { 1, 0, 1, 1 }, { 1, 1, 0, 1 }, { 1, 1, 1, 0 },
		{ 0, 1, 1, 0 }, { 1, 0, 0, 1 }, { 0, 1, 0, 0 }, { 0, 0, 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct iommu_vdevice_tsm_req req =
			tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO,
				    pairs[i].req_uptr ? &info : NULL,
				    pairs[i].req_len ? sizeof(info) : 0,
				    pairs[i].resp_uptr ? &out : NULL,
				    pairs[i].resp_len ? sizeof(out) : 0);

		EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("pair %zu", i);
		}
		/* before the id is looked up */
		req.vdevice_id = NO_VDEVICE;
		EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
	}
}

/* EINVAL: the payload is exactly the structure, and its values have a meaning. */
TEST_F(refusal, payload_of_another_length)
{
	static const struct {
		__u32 op, size;
	} ops[] = {
		{ IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, sizeof(struct iommu_tsm_validate_mmio) },
		{ IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, sizeof(struct iommu_tsm_set_tdi_state) },
		{ IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, sizeof(struct iommu_tsm_read_object) },
		{ IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, sizeof(struct iommu_tsm_regen_object) },
		{ IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, sizeof(struct iommu_tsm_object_info) },
	};
	static const __u32 lengths[] = { 64, 4096, IOMMU_VDEVICE_TSM_REQ_MAX_LEN };
	char *zeroes = fence_zeroes(IOMMU_VDEVICE_TSM_REQ_MAX_LEN);
	char response[64];

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		for (__u32 n = 0; n < 48 + ARRAY_SIZE(lengths); n++) {
			__u32 len = n < 48 ? n : lengths[n - 48];
			struct iommu_vdevice_tsm_req req =
				tsm_request(&self->tdi, ops[i].op,
					    len ? zeroes + IOMMU_VDEVICE_TSM_REQ_MAX_LEN - len : NULL,
					    len, response, sizeof(response));

			if (len == ops[i].size)
				continue;
			EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req)) {
				TH_LOG("op %u with %u bytes", ops[i].op, len);
			}
		}
	}
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(refusal, state_that_is_none)
{
	static const __u32 states[] = { 3, 4, 0x100, 0x10000, 0x80000001, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		EXPECT_EQ(-EINVAL, tsm_set_state(&self->tdi, states[i], NULL)) {
			TH_LOG("state %#x", states[i]);
		}
	}
}

TEST_F(refusal, object_that_is_none)
{
	static const __u32 types[] = { 4, 5, 0x100, 0x80000000, 0xffffffff };
	__u32 length;
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-EINVAL, tsm_object_info(&self->tdi, types[i], &length));
		EXPECT_EQ(-EINVAL, tsm_object_read(&self->tdi, types[i], 0, buf, sizeof(buf)));
		EXPECT_EQ(-EINVAL, tsm_object_regen(&self->tdi, types[i], 0, NULL, NULL));
	}
}

TEST_F(refusal, reserved_word_of_a_payload)
{
	struct iommu_tsm_read_object read = { .type = IOMMU_TSM_OBJECT_VCA, .__reserved = 1 };
	struct iommu_tsm_regen_object regen = {
		.type = IOMMU_TSM_OBJECT_MEASUREMENT, .__reserved = 0x80000000,
	};
	struct iommu_vdevice_tsm_req req;
	char buf[16];

	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read, sizeof(read), buf,
			  sizeof(buf));
	EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, &regen, sizeof(regen),
			  NULL, 0);
	EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
}

/* EMSGSIZE: one byte beyond each limit, and far beyond. */
TEST_F(refusal, length_beyond_its_limit)
{
	static const struct {
		__u32 req_len, resp_len;
	} lengths[] = {
		{ IOMMU_VDEVICE_TSM_REQ_MAX_LEN + 1, 0 },
		{ 1U << 31, 0 },
		{ 0xffffffff, 0 },
		{ 4, IOMMU_VDEVICE_TSM_RESP_MAX_LEN + 1 },
		{ 4, 1U << 31 },
		{ 4, 0xffffffff },
		{ 0xffffffff, 0xffffffff },
	};
	__u32 word = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct iommu_vdevice_tsm_req req =
			tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &word,
				    lengths[i].req_len, lengths[i].resp_len ? &word : NULL,
				    lengths[i].resp_len);

		EXPECT_EQ(-EMSGSIZE, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("%#x, %#x", lengths[i].req_len, lengths[i].resp_len);
		}
	}
}

/* EFAULT: whatever of the memory is not there. */
TEST_F(refusal, memory_that_is_not_there)
{
	struct iommu_tsm_read_object read = { .type = IOMMU_TSM_OBJECT_VCA };
	char response[32];
	struct {
		const char *what;
		void *req, *resp;
	} parts[] = {
		{ "request", fence_nowhere(), response },
		{ "last byte of the request", (char *)fence_copy(&read, sizeof(read)) + 1, response },
		{ "request of the kernel", (void *)0xffffffff81000000UL, response },
		{ "request nowhere at all", (void *)(1UL << 62), response },
		{ "response", &read, fence_nowhere() },
		{ "response that cannot be written", &read,
		  fence_readonly(response, sizeof(response)) },
		{ "response of the kernel", &read, (void *)0xffffffff81000000UL },
		{ "response nowhere at all", &read, (void *)(1UL << 62) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct iommu_vdevice_tsm_req req =
			tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, parts[i].req,
				    sizeof(read), parts[i].resp, sizeof(response));

		EXPECT_EQ(-EFAULT, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("%s", parts[i].what);
		}
	}
}

/* An operation that has no response still names memory when it is given some. */
TEST_F(refusal, response_that_nobody_needs_is_looked_at)
{
	__u32 state = IOMMU_TSM_TDI_LOCKED;
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &state, sizeof(state),
			    fence_nowhere(), 64);

	EXPECT_EQ(-EFAULT, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

/* ENOENT: ids that are of no vDEVICE, of another iommufd, or of one that was. */
TEST_F(refusal, id_of_no_vdevice)
{
	__u32 ids[] = {
		0, 0xffffffff, NO_VDEVICE, self->vmm.ioas_id, self->vmm.hwpt_id,
		self->vmm.viommu_id, self->tdi.fn.dev_id, self->unbound.vdevice_id + 1,
	};
	__u32 gone = self->unbound.vdevice_id;
	struct tdi other = self->tdi;
	int iommufd;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		other.vdevice_id = ids[i];
		EXPECT_EQ(-ENOENT, tsm_set_state(&other, IOMMU_TSM_TDI_UNLOCKED, NULL)) {
			TH_LOG("id %#x", ids[i]);
		}
		EXPECT_EQ(-ENOENT, tsm_bind(&other)) {
			TH_LOG("id %#x", ids[i]);
		}
		EXPECT_EQ(-ENOENT, tsm_unbind(&other)) {
			TH_LOG("id %#x", ids[i]);
		}
	}
	iommufd = iommufd_open();
	ASSERT_LE(0, iommufd);
	EXPECT_EQ(-ENOENT, tsm_op(iommufd, IOMMU_VDEVICE_TSM_BIND, 0, self->tdi.vdevice_id));
	close(iommufd);
	ASSERT_EQ(0, tdi_destroy(&self->unbound));
	EXPECT_EQ(-ENOENT, tsm_op(self->vmm.iommufd, IOMMU_VDEVICE_TSM_BIND, 0, gone));
}

/* ENXIO: the device is not connected to any TSM. */
TEST_F(refusal, device_without_a_tsm)
{
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->unbound, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->unbound, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(-ENXIO, tsm_bind(&self->tdi));
	EXPECT_EQ(-ENXIO, tsm_bind(&self->unbound));
	/* nothing is bound, so there is nothing to refuse */
	EXPECT_EQ(0, tsm_unbind(&self->unbound));
}

/* ENXIO: an unbound vDEVICE, for every operation but the one that binds. */
TEST_F(refusal, not_bound)
{
	struct bar bar = {};
	__u32 length;
	char buf[16];

	function_bar(&self->unbound.fn, 0, &bar);
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->unbound, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->unbound, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(-ENXIO, tsm_object_info(&self->unbound, IOMMU_TSM_OBJECT_VCA, &length));
	EXPECT_EQ(-ENXIO, tsm_object_read(&self->unbound, IOMMU_TSM_OBJECT_VCA, 0, buf, 16));
	EXPECT_EQ(-ENXIO, tsm_object_regen(&self->unbound, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL,
					   NULL));
	EXPECT_EQ(-ENXIO, tsm_validate_mmio(&self->unbound, 0, 4096, bar.start));
	/* with a payload that would be refused */
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->unbound, 7, NULL));
	EXPECT_EQ(-ENXIO, tsm_object_info(&self->unbound, 99, &length));
}

/*
 * A vDEVICE whose device is not on PCI: a mock of iommufd's own tests.
 */
TEST_F(refusal, device_that_is_not_pci)
{
	struct iommu_test_cmd mock = {
		.size = sizeof(mock),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
	};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt), .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
	};
	struct iommu_viommu_alloc viommu = { .size = sizeof(viommu), .type = 0xdeadbeef };
	struct vmm vmm;
	struct tdi tdi = TDI_NONE;

	ASSERT_EQ(0, vmm_open_without_vm(&vmm));
	mock.id = vmm.ioas_id;
	if (ioctl(vmm.iommufd, IOMMU_TEST_CMD, &mock)) {
		ASSERT_EQ(ENOTTY, errno);
		vmm_close(&vmm);
		SKIP(return, "the kernel is built without CONFIG_IOMMUFD_TEST");
	}
	hwpt.dev_id = mock.mock_domain.out_idev_id;
	hwpt.pt_id = vmm.ioas_id;
	ASSERT_EQ(0, ioctl(vmm.iommufd, IOMMU_HWPT_ALLOC, &hwpt));
	viommu.dev_id = hwpt.dev_id;
	viommu.hwpt_id = hwpt.out_hwpt_id;
	ASSERT_EQ(0, ioctl(vmm.iommufd, IOMMU_VIOMMU_ALLOC, &viommu));
	tdi.vmm = &vmm;
	ASSERT_EQ(0, iommufd_vdevice_alloc(vmm.iommufd, viommu.out_viommu_id, hwpt.dev_id, 0x10,
					   &tdi.vdevice_id));

	EXPECT_EQ(-ENXIO, tsm_bind(&tdi));
	EXPECT_EQ(-ENXIO, tsm_set_state(&tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));

	EXPECT_EQ(0, iommufd_destroy(vmm.iommufd, tdi.vdevice_id));
	EXPECT_EQ(0, iommufd_destroy(vmm.iommufd, viommu.out_viommu_id));
	EXPECT_EQ(0, iommufd_destroy(vmm.iommufd, hwpt.out_hwpt_id));
	EXPECT_EQ(0, iommufd_destroy(vmm.iommufd, mock.mock_domain.out_stdev_id));
	vmm_close(&vmm);
}

/* EIO and the code behind it are in misbehave.c, EINTR is in signal.c. */

/* The reasons of IOMMU_VDEVICE_TSM_OP that need nothing set up, in their order. */
TEST_F(refusal, first_reason_of_op_wins)
{
	static const char *const names[] = {
		"short structure", "unknown tail", "flags", "unknown type", "no such vDEVICE",
	};
	static const int errs[] = { -EINVAL, -E2BIG, -EOPNOTSUPP, -EINVAL, -ENOENT };

	for (unsigned int set = 0; set < 1U << ARRAY_SIZE(errs); set++) {
		struct {
			struct iommu_vdevice_tsm_op op;
			__u64 tail;
		} cmd = {
			.op.size = sizeof(cmd.op),
			.op.type = IOMMU_VDEVICE_TSM_UNBIND,
			.op.vdevice_id = self->unbound.vdevice_id,
		};
		int first = __builtin_ffs(set) - 1;

		if (set & 1 << 4)
			cmd.op.vdevice_id = NO_VDEVICE;
		if (set & 1 << 3)
			cmd.op.type = 3;
		if (set & 1 << 2)
			cmd.op.flags = 1;
		if (set & 1 << 1) {
			cmd.op.size = sizeof(cmd);
			cmd.tail = 1;
		}
		if (set & 1 << 0)
			cmd.op.size = sizeof(cmd.op) - 1;
		EXPECT_EQ(first < 0 ? 0 : errs[first], tsm_ioctl_op(self->vmm.iommufd, &cmd)) {
			TH_LOG("reasons %#x, %s first", set, first < 0 ? "none" : names[first]);
		}
	}
}

TEST_F(refusal, every_flag_of_op)
{
	for (int bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-EOPNOTSUPP, tsm_op(self->vmm.iommufd, IOMMU_VDEVICE_TSM_BIND, 1U << bit,
					      self->unbound.vdevice_id));
		EXPECT_EQ(-EOPNOTSUPP, tsm_op(self->vmm.iommufd, IOMMU_VDEVICE_TSM_UNBIND,
					      1U << bit, self->unbound.vdevice_id));
	}
}

TEST_F(refusal, unknown_type_of_op)
{
	static const __u32 types[] = { 0, 3, 4, 0x101, 0x80000001, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-EINVAL, tsm_op(self->vmm.iommufd, types[i], 0,
					  self->unbound.vdevice_id)) {
			TH_LOG("type %#x", types[i]);
		}
	}
}

/*
 * EOPNOTSUPP: a TSM of somebody else that cannot bind, or takes no requests.
 */
FIXTURE(foreign)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(foreign)
{
	const char *parameters;
	int bind, request;
};

FIXTURE_VARIANT_ADD(foreign, that_cannot_bind)
{
	.parameters = "can=connect",
	.bind = -EOPNOTSUPP,
	.request = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(foreign, that_takes_no_requests)
{
	.parameters = "can=bind",
	.bind = 0,
	.request = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(foreign, that_can_both)
{
	.parameters = "can=request",
	.bind = 0,
	.request = 0,
};

/* Connect the function to the TSM of the test module instead of ours. */
#define SETUP_FOREIGN(_parameters)						\
	do {									\
		char _tsm[32];							\
										\
		if (!kmod_exists("tsm_foreign"))				\
			SKIP(return, "no test module tsm_foreign.ko in /lib/modules/tsm"); \
		if (kmod_is_loaded("tsm_foreign")) {				\
			ASSERT_EQ(0, kmod_unload("tsm_foreign"));		\
		}								\
		SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);			\
		ASSERT_EQ(0, kmod_load("tsm_foreign", _parameters));		\
		ASSERT_EQ(0, platform_tsm_of("tsm_foreign", _tsm, sizeof(_tsm))); \
		ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));			\
		ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, _tsm));		\
	} while (0)

#define TEARDOWN_FOREIGN()							\
	do {									\
		tdi_close(&self->tdi);						\
		vmm_close(&self->vmm);						\
		EXPECT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));			\
		EXPECT_EQ(0, kmod_unload("tsm_foreign"));			\
	} while (0)

FIXTURE_SETUP(foreign)
{
	SETUP_PLATFORM(ARCH_NONE);
	SETUP_FOREIGN(variant->parameters);
}

FIXTURE_TEARDOWN(foreign)
{
	TEARDOWN_FOREIGN();
	TEARDOWN_PLATFORM();
}

TEST_F(foreign, tsm)
{
	EXPECT_EQ(variant->bind, tsm_bind(&self->tdi));
	if (variant->bind) {
		EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
		EXPECT_EQ(variant->bind, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
		EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
		return;
	}
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	/* again: the same VM and id */
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(variant->request, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* A TSM of somebody else that gives back what it got, so that it can be seen here. */
FIXTURE(echo)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_SETUP(echo)
{
	SETUP_PLATFORM(ARCH_NONE);
	SETUP_FOREIGN("can=request");
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(echo)
{
	TEARDOWN_FOREIGN();
	TEARDOWN_PLATFORM();
}

/* It is asked with the raw bytes and a scope, and leaves a residue. */
TEST_F(echo, of_the_raw_bytes)
{
	unsigned char request[40], response[64];
	struct iommu_vdevice_tsm_req req;

	canary_fill(request, sizeof(request));
	memset(response, 0xee, sizeof(response));
	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, request, sizeof(request),
			  response, sizeof(response));
	EXPECT_EQ(sizeof(response) - sizeof(request), tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(0, memcmp(request, response, sizeof(request)));
	for (size_t i = sizeof(request); i < sizeof(response); i++) {
		EXPECT_EQ(0xee, response[i]);
	}
	/* the scope is the upper half of its code, the length the lower one */
	EXPECT_EQ(IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE, req.tsm_code >> 32);
	EXPECT_EQ(sizeof(request), (__u32)req.tsm_code);

	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, request, sizeof(request),
			  response, 8);
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO, req.tsm_code >> 32);
}

/*
 * Of whatever architecture a request is, for nobody knows that of such a TSM; an
 * operation that the architecture does not have does not get there.
 */
TEST_F(echo, of_every_operation)
{
	unsigned char request[24], response[24];

	for (__u32 op = IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO;
	     op <= IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO; op++)
		for (enum arch arch = ARCH_NONE; arch < ARCH_END; arch++) {
			bool of_sev = op == IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA ||
				      op == IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA;
			bool reads = op == IOMMU_VDEVICE_TSM_REQ_READ_OBJECT ||
				     op == IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO;
			struct iommu_vdevice_tsm_req req =
				tsm_request(&self->tdi, op, request, sizeof(request), response,
					    sizeof(response));

			canary_fill(request, sizeof(request));
			memset(response, 0, sizeof(response));
			req.tvm_arch = arch;
			if (of_sev && arch != ARCH_SEV) {
				EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
				continue;
			}
			EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req)) {
				TH_LOG("op %u of %s", op, arch_name(arch));
			}
			EXPECT_EQ(0, memcmp(request, response, sizeof(request)));
			EXPECT_EQ(reads ? IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO :
				  IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE, req.tsm_code >> 32) {
				TH_LOG("op %u of %s", op, arch_name(arch));
			}
		}
}

/* Another device is on a TSM of ours meanwhile, and neither knows of the other. */
TEST_F(echo, next_to_ours)
{
	struct vmm vmm;
	struct tdi ours;

	ASSERT_EQ(0, vmm_open(&vmm));
	ASSERT_EQ(0, tdi_open(&ours, &vmm, FUNCTION_OF_DEVICE_1, 0x20));
	for (enum arch arch = ARCH_CCA; arch < ARCH_END; arch++) {
		__u32 state = IOMMU_TSM_TDI_RUN, back = 0;
		struct iommu_vdevice_tsm_req req =
			tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &state,
				    sizeof(state), &back, sizeof(back));
		char tsm[32];

		ASSERT_EQ(0, platform_tsm(arch, tsm, sizeof(tsm)));
		ASSERT_EQ(0, tsm_connect(ours.fn.bdf, tsm));
		EXPECT_EQ(0, tsm_reach(&ours, TSM_RUN));
		EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
		EXPECT_EQ(state, back);
		EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
		EXPECT_STATE(TSM_RUN, &ours);
		EXPECT_EQ(0, tsm_unbind(&ours));
		EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
		ASSERT_EQ(0, tsm_disconnect(ours.fn.bdf));
	}
	tdi_close(&ours);
	vmm_close(&vmm);
}

/* Without a buffer the residue is of the request. */
TEST_F(echo, without_a_buffer)
{
	unsigned char request[40] = {};
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, request,
			    sizeof(request), NULL, 0);

	/* it does not look at more than 32 bytes that it has no place for */
	EXPECT_EQ(sizeof(request) - 32, tsm_ioctl_req(self->vmm.iommufd, &req));
}

TEST_F(echo, of_the_scope_form)
{
	unsigned char request[40], response[64];

	canary_fill(request, sizeof(request));
	EXPECT_EQ(sizeof(response) - sizeof(request),
		  tsm_scope(&self->tdi, IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO, request, sizeof(request),
			    response, sizeof(response)));
	EXPECT_EQ(0, memcmp(request, response, sizeof(request)));
	/* what PCI/TSM refuses does not get there */
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_READ, request,
				     sizeof(request), response, sizeof(response)));
}

/* A residue that cannot be is not handed on, and neither are the bytes. */
TEST_F(echo, that_lies)
{
	static const char *const lies[] = { "1", "2", "3" };
	unsigned char *response = fence_zeroes(16);
	struct iommu_vdevice_tsm_req req;
	__u32 word = 1;

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		ASSERT_EQ(0, sysfs_write(lies[i], "/sys/module/tsm_foreign/parameters/lie"));
		canary_fill(response, 16);
		req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &word,
				  sizeof(word), response, 16);
		EXPECT_EQ(-EIO, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("lie %s", lies[i]);
		}
		EXPECT_TRUE(canary_is_whole(response, 16));
	}
}

/* It fails with a code and with bytes: the code arrives, the bytes do not. */
TEST_F(echo, that_fails)
{
	unsigned char *response = fence_zeroes(16);
	struct iommu_vdevice_tsm_req req;
	__u32 word = 1;

	ASSERT_EQ(0, sysfs_write("4", "/sys/module/tsm_foreign/parameters/lie"));
	canary_fill(response, 16);
	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &word, sizeof(word),
			  response, 16);
	EXPECT_EQ(-EIO, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(sizeof(word), (__u32)req.tsm_code);
	EXPECT_TRUE(canary_is_whole(response, 16));
}

/* A TSM of somebody else tells nobody when it lets go of a TDI. */
TEST_F(echo, that_went_away)
{
	__u32 word = 1;
	char tsm[32];
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &word, sizeof(word),
			    NULL, 0);

	ASSERT_LT(0, tsm_connected(self->tdi.fn.bdf, tsm, sizeof(tsm)));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(-ENXIO, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(-ENXIO, tsm_bind(&self->tdi));
	ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
	EXPECT_EQ(-ENXIO, tsm_ioctl_req(self->vmm.iommufd, &req));
	/* what says that it is bound is bound */
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
}

/* It went away, and one of the project's own came in its place. */
TEST_F(echo, that_was_replaced)
{
	for (enum arch arch = ARCH_CCA; arch < ARCH_END; arch++) {
		char tsm[32];

		ASSERT_EQ(0, platform_tsm(arch, tsm, sizeof(tsm)));
		ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
		ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
		EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL)) {
			TH_LOG("%s", arch_name(arch));
		}
		EXPECT_EQ(0, tsm_unbind(&self->tdi));
		EXPECT_EQ(0, tsm_bind(&self->tdi));
		EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL)) {
			TH_LOG("%s", arch_name(arch));
		}
		EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
		/* and back to the foreign one, for the next */
		ASSERT_EQ(0, tsm_unbind(&self->tdi));
		ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
		ASSERT_EQ(0, platform_tsm_of("tsm_foreign", tsm, sizeof(tsm)));
		ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
		ASSERT_EQ(0, tsm_bind(&self->tdi));
	}
}

TEST_HARNESS_MAIN
