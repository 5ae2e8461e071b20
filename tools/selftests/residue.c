// SPDX-License-Identifier: GPL-2.0
/* What a request returns on success, and what it writes and does not write. */
#include <limits.h>

#include "lib/fence.h"
#include "lib/fixture.h"

#define CANARY 256	/* bytes behind a buffer that are looked at */

FIXTURE(residue)
{
	struct vmm vmm;
	struct tdi tdi;
	unsigned char *object;	/* the certificate chain, the longest that is always there */
	int length;
};

FIXTURE_ON_EACH_ARCH(residue);

FIXTURE_SETUP(residue)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	self->length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, &self->object);
	ASSERT_LT(64, self->length);
}

FIXTURE_TEARDOWN(residue)
{
	free(self->object);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* The buffer is filled from its start; what is behind the object stays as it was. */
TEST_F(residue, of_a_buffer_of_any_length)
{
	__u32 lengths[] = {
		1, 2, 7, self->length / 2, self->length - 1, self->length, self->length + 1,
		self->length + 4095, 65536, 1 << 20,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		__u32 len = lengths[i], filled = len < self->length ? len : self->length;
		unsigned char *buf = malloc(len + CANARY);

		ASSERT_NE(NULL, buf);
		canary_fill(buf + filled, len + CANARY - filled);
		EXPECT_EQ(len - filled, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0,
							buf, len)) {
			TH_LOG("buffer of %u for an object of %d", len, self->length);
		}
		EXPECT_EQ(0, memcmp(buf, self->object, filled));
		EXPECT_TRUE(canary_is_whole(buf + filled, len + CANARY - filled)) {
			TH_LOG("buffer of %u for an object of %d", len, self->length);
		}
		free(buf);
	}
}

/* The kernel does not touch the byte behind the buffer, not even to look. */
TEST_F(residue, buffer_at_the_end_of_memory)
{
	for (int len = 1; len <= self->length; len += self->length / 7 + 1) {
		unsigned char *buf = fence_zeroes(len);

		EXPECT_EQ(0, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf,
					     len));
		EXPECT_EQ(0, memcmp(buf, self->object, len));
	}
}

TEST_F(residue, of_the_longest_buffer)
{
	__u32 len = IOMMU_VDEVICE_TSM_RESP_MAX_LEN;
	unsigned char *buf = fence_zeroes(len);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(len - self->length,
		  tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf, len));
	EXPECT_EQ(0, memcmp(buf, self->object, self->length));
}

TEST_F(residue, buffer_beyond_the_limit)
{
	static const __u32 lengths[] = {
		IOMMU_VDEVICE_TSM_RESP_MAX_LEN + 1, 1 << 25, 1 << 30, INT_MAX, 1U << 31,
		UINT_MAX - 4095, UINT_MAX,
	};
	unsigned char *buf = malloc(4096);

	canary_fill(buf, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(-EMSGSIZE, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0,
						     buf, lengths[i])) {
			TH_LOG("buffer of %#x", lengths[i]);
		}
	}
	EXPECT_TRUE(canary_is_whole(buf, 4096));
	free(buf);
}

/* A call that fails writes nothing, also where it could have begun to. */
TEST_F(residue, buffer_that_ends_in_the_object)
{
	unsigned char *buf = fence_zeroes(self->length - 1);

	canary_fill(buf, self->length - 1);
	EXPECT_EQ(-EFAULT, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf,
					   self->length));
	EXPECT_TRUE(canary_is_whole(buf, self->length - 1));
	EXPECT_EQ(-EFAULT, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf,
					   65536));
	EXPECT_TRUE(canary_is_whole(buf, self->length - 1));
}

/* What is not needed may be missed or not, but what is behind the object stays. */
TEST_F(residue, buffer_that_ends_behind_the_object)
{
	__u32 len = self->length + 64;
	unsigned char *buf = fence_zeroes(len);
	int ret;

	canary_fill(buf + self->length, 64);
	ret = tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf, len + 4096);
	EXPECT_TRUE(ret == -EFAULT || ret == 4096 + 64);
	EXPECT_TRUE(canary_is_whole(buf + self->length, 64));
}

TEST_F(residue, no_buffer_for_what_there_is)
{
	struct iommu_tsm_read_object read = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read, sizeof(read),
			    NULL, 0);

	/* of the request all was consumed, so nothing is left */
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
}

TEST_F(residue, buffer_for_what_there_is_not)
{
	__u32 state = IOMMU_TSM_TDI_LOCKED;
	unsigned char buf[100 + CANARY];
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &state, sizeof(state),
			    buf, 100);

	canary_fill(buf, sizeof(buf));
	EXPECT_EQ(100, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_TRUE(canary_is_whole(buf, sizeof(buf)));
	state = IOMMU_TSM_TDI_RUN;
	EXPECT_EQ(100, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_TRUE(canary_is_whole(buf, sizeof(buf)));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_F(residue, of_object_info)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };

	for (__u32 len = 1; len <= 64; len++) {
		unsigned char buf[64 + CANARY];
		struct iommu_vdevice_tsm_req req =
			tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &info,
				    sizeof(info), buf, len);
		__u32 length;

		canary_fill(buf, sizeof(buf));
		if (len < sizeof(struct iommu_tsm_object_info_out)) {
			EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
			EXPECT_TRUE(canary_is_whole(buf, sizeof(buf)));
			continue;
		}
		EXPECT_EQ(len - 4, tsm_ioctl_req(self->vmm.iommufd, &req));
		memcpy(&length, buf, sizeof(length));
		EXPECT_EQ(self->length, length);
		canary_fill(buf, 4);
		EXPECT_TRUE(canary_is_whole(buf, sizeof(buf)));
	}
}

TEST_F(residue, of_object_info_without_a_buffer)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &info, sizeof(info),
			    NULL, 0);

	EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
}

TEST_F(residue, code_is_written_on_success)
{
	struct iommu_tsm_object_info info = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };
	__u32 length;
	struct iommu_vdevice_tsm_req want, req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &info, sizeof(info),
			    &length, sizeof(length));

	want = req;
	want.tsm_code = 0;
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(0, memcmp(&want, &req, sizeof(req)));
}

/* A call that fails writes nothing but the code, for every way to fail late. */
TEST_F(residue, of_a_failed_call)
{
	struct iommu_tsm_read_object read = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };
	struct iommu_tsm_object_info info = { .type = 4 };
	__u32 state = 3;
	unsigned char buf[4096];
	const struct {
		const char *what;
		__u32 op, arch, vdevice_id, len;
		const void *req;
		__u64 offset;
		int err;
	} calls[] = {
		{ "no vDEVICE", IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, 0, 0x7ffffff0, sizeof(read),
		  &read, 0, -ENOENT },
		{ "other architecture", IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, arch_other(variant->arch),
		  self->tdi.vdevice_id, sizeof(read), &read, 0, -EINVAL },
		{ "offset", IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, 0, self->tdi.vdevice_id,
		  sizeof(read), &read, self->length + 1, -EINVAL },
		{ "object", IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, 0, self->tdi.vdevice_id,
		  sizeof(info), &info, 0, -EINVAL },
		{ "state", IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, 0, self->tdi.vdevice_id,
		  sizeof(state), &state, 0, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct iommu_vdevice_tsm_req want, req =
			tsm_request(&self->tdi, calls[i].op, calls[i].req, calls[i].len, buf,
				    sizeof(buf));

		req.vdevice_id = calls[i].vdevice_id;
		req.tvm_arch = calls[i].arch;
		read.offset = calls[i].offset;
		canary_fill(buf, sizeof(buf));
		want = req;
		want.tsm_code = 0;
		EXPECT_EQ(calls[i].err, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("%s", calls[i].what);
		}
		EXPECT_TRUE(canary_is_whole(buf, sizeof(buf))) {
			TH_LOG("%s", calls[i].what);
		}
		EXPECT_EQ(0, memcmp(&want, &req, sizeof(req))) {
			TH_LOG("%s", calls[i].what);
		}
	}
}

/* The response may lie over the request: it was read before. */
TEST_F(residue, buffer_over_the_request)
{
	unsigned char *buf = fence_zeroes(self->length);
	struct iommu_tsm_read_object read = { .type = IOMMU_TSM_OBJECT_CERTIFICATE };
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, buf, sizeof(read), buf,
			    self->length);

	memcpy(buf, &read, sizeof(read));
	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(0, memcmp(buf, self->object, self->length));
}

TEST_HARNESS_MAIN
