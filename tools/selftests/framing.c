// SPDX-License-Identifier: GPL-2.0
/*
 * How the two ioctls take their structure: sizes, tails, and memory that is not
 * there. The id is of no vDEVICE, so that ENOENT says: the frame was accepted.
 */
#include <limits.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/scope.h"

#define NO_VDEVICE 0x7ffffff0

/* Every structure of these calls, at its full length. */
union frame {
	__u32 size;
	struct iommu_vdevice_tsm_req req;
	struct iommu_vdevice_tsm_scope_req scope;
	struct iommu_vdevice_tsm_op op;
};

static const __u32 state_payload = IOMMU_TSM_TDI_UNLOCKED;

FIXTURE(framing)
{
	int iommufd;
	union frame frame;
};

FIXTURE_VARIANT(framing)
{
	unsigned long command;
	__u32 size;
	int longer;	/* what one more byte of zeroes gives */
	int tail;	/* what one more byte that is not zero gives */
	int readonly;	/* what a structure that cannot be written gives */
};

FIXTURE_VARIANT_ADD(framing, req)
{
	.command = IOMMU_VDEVICE_TSM_REQ,
	.size = sizeof(struct iommu_vdevice_tsm_req),
	.longer = -ENOENT,
	.tail = -E2BIG,
	.readonly = -EFAULT,	/* there would be no place for tsm_code */
};

FIXTURE_VARIANT_ADD(framing, scope)
{
	.command = IOMMU_VDEVICE_TSM_REQ,
	.size = sizeof(struct iommu_vdevice_tsm_scope_req),
	.longer = -EINVAL,	/* neither this form nor yet the other */
	.tail = -EINVAL,
	.readonly = -ENOENT,	/* it has no output */
};

FIXTURE_VARIANT_ADD(framing, op)
{
	.command = IOMMU_VDEVICE_TSM_OP,
	.size = sizeof(struct iommu_vdevice_tsm_op),
	.longer = -ENOENT,
	.tail = -E2BIG,
	.readonly = -ENOENT,
};

/* A frame that ends in ENOENT. */
static union frame fill(unsigned long command, __u32 size)
{
	union frame frame = {};

	if (command == IOMMU_VDEVICE_TSM_OP) {
		frame.op.type = IOMMU_VDEVICE_TSM_UNBIND;
		frame.op.vdevice_id = NO_VDEVICE;
	} else if (size == sizeof(frame.scope)) {
		frame.scope.vdevice_id = NO_VDEVICE;
		frame.scope.scope = IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO;
		frame.scope.req_len = sizeof(state_payload);
		frame.scope.req_uptr = (uintptr_t)&state_payload;
	} else {
		frame.req.vdevice_id = NO_VDEVICE;
		frame.req.op = IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE;
		frame.req.req_len = sizeof(state_payload);
		frame.req.req_uptr = (uintptr_t)&state_payload;
		frame.req.tsm_code = TSM_CODE_UNTOUCHED;
	}
	frame.size = size;
	return frame;
}

static int call(int iommufd, unsigned long command, void *arg)
{
	int ret = ioctl(iommufd, command, arg);

	return ret < 0 ? -errno : ret;
}

/* The frame with @len bytes of memory behind which there is none. */
static void *fenced(const union frame *frame, size_t len)
{
	char *at = fence_zeroes(len);

	memcpy(at, frame, len < sizeof(*frame) ? len : sizeof(*frame));
	return at;
}

FIXTURE_SETUP(framing)
{
	SETUP_PLATFORM(ARCH_NONE);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	self->frame = fill(variant->command, variant->size);
}

FIXTURE_TEARDOWN(framing)
{
	close(self->iommufd);
	TEARDOWN_PLATFORM();
}

TEST_F(framing, exact_size)
{
	EXPECT_EQ(-ENOENT, call(self->iommufd, variant->command, fenced(&self->frame, variant->size)));
}

TEST_F(framing, one_byte_less)
{
	self->frame.size = variant->size - 1;
	EXPECT_EQ(-EINVAL, call(self->iommufd, variant->command, fenced(&self->frame, variant->size - 1)));
	/* that more memory is there makes no difference */
	EXPECT_EQ(-EINVAL, call(self->iommufd, variant->command, fenced(&self->frame, variant->size)));
}

TEST_F(framing, every_shorter_size)
{
	for (__u32 size = 0; size < variant->size; size++) {
		/* 40 is the scope form of what is 48 */
		if (variant->command == IOMMU_VDEVICE_TSM_REQ &&
		    size == sizeof(struct iommu_vdevice_tsm_scope_req))
			continue;
		self->frame.size = size;
		EXPECT_EQ(-EINVAL, call(self->iommufd, variant->command, fenced(&self->frame, variant->size))) {
			TH_LOG("size %u", size);
		}
	}
}

TEST_F(framing, only_the_size_is_there)
{
	for (__u32 size = 0; size <= variant->size; size++) {
		int want = size < variant->size ? -EINVAL : -EFAULT;

		if (variant->command == IOMMU_VDEVICE_TSM_REQ &&
		    size == sizeof(struct iommu_vdevice_tsm_scope_req))
			want = -EFAULT;
		self->frame.size = size;
		EXPECT_EQ(want, call(self->iommufd, variant->command, fenced(&self->frame, sizeof(__u32)))) {
			TH_LOG("size %u", size);
		}
	}
}

TEST_F(framing, last_byte_is_not_there)
{
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, fenced(&self->frame, variant->size - 1)));
}

TEST_F(framing, one_byte_of_zeroes_behind)
{
	char *at;

	self->frame.size = variant->size + 1;
	at = fenced(&self->frame, variant->size + 1);
	at[variant->size] = 0;
	EXPECT_EQ(variant->longer, call(self->iommufd, variant->command, at));
}

TEST_F(framing, one_byte_behind_that_is_not_zero)
{
	char *at;

	self->frame.size = variant->size + 1;
	at = fenced(&self->frame, variant->size + 1);
	at[variant->size] = 1;
	EXPECT_EQ(variant->tail, call(self->iommufd, variant->command, at));
}

TEST_F(framing, huge_size)
{
	static const __u32 sizes[] = { 4097, 1U << 16, INT_MAX, 1U << 31, UINT_MAX };
	char *at = fence_zeroes(8192);

	memcpy(at, &self->frame, variant->size);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int ret;

		memcpy(at, &sizes[i], sizeof(__u32));
		if (variant->longer == -EINVAL)
			memset(at + variant->size, 0, sizeof(self->frame.req) - variant->size);
		ret = call(self->iommufd, variant->command, at);
		EXPECT_EQ(-E2BIG, ret) {
			TH_LOG("size %#x", sizes[i]);
		}
	}
}

TEST_F(framing, no_structure)
{
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, NULL));
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, fence_nowhere()));
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, (void *)-1UL));
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, (void *)-4096UL));
	/* an address that is no address */
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, (void *)(1UL << 62)));
	/* of the kernel */
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, (void *)0xffffffff81000000UL));
}

TEST_F(framing, size_across_the_fence)
{
	for (size_t len = 1; len < sizeof(__u32); len++) {
		EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, fenced(&self->frame, len)));
	}
}

TEST_F(framing, any_alignment)
{
	char *at = fence_zeroes(variant->size + 8);

	for (int i = 0; i <= 8; i++) {
		memmove(at + i, &self->frame, variant->size);
		EXPECT_EQ(-ENOENT, call(self->iommufd, variant->command, at + i)) {
			TH_LOG("offset %d", i);
		}
	}
}

TEST_F(framing, readonly_structure)
{
	EXPECT_EQ(variant->readonly,
		  call(self->iommufd, variant->command, fence_readonly(&self->frame, variant->size)));
}

TEST_F(framing, only_the_code_is_written)
{
	union frame *at = fenced(&self->frame, variant->size);
	union frame want = self->frame;

	EXPECT_EQ(-ENOENT, call(self->iommufd, variant->command, at));
	if (variant->size == sizeof(want.req) && variant->command == IOMMU_VDEVICE_TSM_REQ)
		want.req.tsm_code = 0;
	EXPECT_EQ(0, memcmp(&want, at, variant->size));
}

/* A command is its whole number: direction and size bits are part of it. */
TEST_F(framing, other_encodings_are_unknown)
{
	unsigned int nr = _IOC_NR(variant->command);
	unsigned int commands[] = {
		_IOR(';', nr, __u32), _IOW(';', nr, union frame), _IOWR(';', nr, union frame),
		_IO(':', nr), _IO('<', nr), _IOC(_IOC_NONE, ';', nr, variant->size),
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-1, ioctl(self->iommufd, commands[i], &self->frame));
		EXPECT_EQ(ENOTTY, errno) {
			TH_LOG("command %#x", commands[i]);
		}
	}
}

/* On any file but /dev/iommu the numbers mean what they meant. */
TEST_F(framing, other_files_do_not_know_it)
{
	struct vm vm;

	ASSERT_EQ(0, vm_open(&vm));
	EXPECT_EQ(-1, ioctl(vm.fd, variant->command, &self->frame));
	EXPECT_EQ(ENOTTY, errno);
	vm_close(&vm);
}

/* What is behind the structures that may grow. */
FIXTURE(tail)
{
	int iommufd;
	union frame frame;
};

FIXTURE_VARIANT(tail)
{
	unsigned long command;
	__u32 size;
};

FIXTURE_VARIANT_ADD(tail, of_req)
{
	.command = IOMMU_VDEVICE_TSM_REQ,
	.size = sizeof(struct iommu_vdevice_tsm_req),
};

FIXTURE_VARIANT_ADD(tail, of_op)
{
	.command = IOMMU_VDEVICE_TSM_OP,
	.size = sizeof(struct iommu_vdevice_tsm_op),
};

FIXTURE_SETUP(tail)
{
	SETUP_PLATFORM(ARCH_NONE);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	self->frame = fill(variant->command, variant->size);
}

FIXTURE_TEARDOWN(tail)
{
	close(self->iommufd);
	TEARDOWN_PLATFORM();
}

TEST_F(tail, is_long)
{
	char *at = fence_zeroes(4096);

	self->frame.size = 4096;
	memcpy(at, &self->frame, variant->size);
	EXPECT_EQ(-ENOENT, call(self->iommufd, variant->command, at));
	for (__u32 i = variant->size; i < 4096; i += i < 64 ? 1 : 63) {
		at[i] = 0x80;
		EXPECT_EQ(-E2BIG, call(self->iommufd, variant->command, at)) {
			TH_LOG("byte %u is set", i);
		}
		at[i] = 0;
	}
	at[4095] = 1;
	EXPECT_EQ(-E2BIG, call(self->iommufd, variant->command, at));
}

TEST_F(tail, is_not_there)
{
	char *at;

	self->frame.size = variant->size + 64;
	at = fenced(&self->frame, variant->size);
	EXPECT_EQ(-EFAULT, call(self->iommufd, variant->command, at));
}

FIXTURE(framing_of_req)
{
	int iommufd;
	union frame frame;
};

FIXTURE_SETUP(framing_of_req)
{
	SETUP_PLATFORM(ARCH_NONE);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	self->frame = fill(IOMMU_VDEVICE_TSM_REQ, sizeof(self->frame.req));
}

FIXTURE_TEARDOWN(framing_of_req)
{
	close(self->iommufd);
	TEARDOWN_PLATFORM();
}

/* Between the scope form and the op form there is nothing. */
TEST_F(framing_of_req, sizes_between_the_forms)
{
	for (__u32 size = 41; size < 48; size++) {
		self->frame.size = size;
		EXPECT_EQ(-EINVAL, call(self->iommufd, IOMMU_VDEVICE_TSM_REQ,
					fenced(&self->frame, size))) {
			TH_LOG("size %u", size);
		}
		/* with everything set that either form could have */
		memset((char *)&self->frame + 40, 0xff, 8);
		EXPECT_EQ(-EINVAL, call(self->iommufd, IOMMU_VDEVICE_TSM_REQ,
					fenced(&self->frame, size)));
		memset((char *)&self->frame + 40, 0, 8);
		EXPECT_EQ(-EINVAL, call(self->iommufd, IOMMU_VDEVICE_TSM_REQ,
					fenced(&self->frame, sizeof(self->frame))));
	}
}

/*
 * With a TDI behind it: a call that could not give its result back is refused
 * before it changes anything.
 */
FIXTURE(reply)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(reply);

FIXTURE_SETUP(reply)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(reply)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(reply, that_cannot_be_written)
{
	__u32 state = IOMMU_TSM_TDI_RUN;
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &state, sizeof(state),
			    NULL, 0);

	EXPECT_EQ(-EFAULT,
		  tsm_ioctl_req(self->vmm.iommufd, fence_readonly(&req, sizeof(req))));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
}

TEST_F(reply, readonly_scope_form_works)
{
	struct scope_payload run = scope_set_state(variant->arch, IOMMU_TSM_TDI_RUN);
	struct iommu_vdevice_tsm_scope_req req = {
		.size = sizeof(req),
		.vdevice_id = self->tdi.vdevice_id,
		.scope = IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE,
		.req_len = run.len,
		.req_uptr = (uintptr_t)run.bytes,
	};

	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, fence_readonly(&req, sizeof(req))));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

/* Bytes that this kernel does not know do not keep a request from working. */
TEST_F(reply, of_a_longer_structure)
{
	__u32 state = IOMMU_TSM_TDI_RUN;
	struct {
		struct iommu_vdevice_tsm_req req;
		__u64 later[4];
	} cmd = {};

	cmd.req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &state,
			      sizeof(state), NULL, 0);
	cmd.req.size = sizeof(cmd);
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &cmd));
	EXPECT_EQ(0, cmd.req.tsm_code);
	for (size_t i = 0; i < ARRAY_SIZE(cmd.later); i++) {
		EXPECT_EQ(0, cmd.later[i]);
	}
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_HARNESS_MAIN
