// SPDX-License-Identifier: GPL-2.0
/*
 * SNP guest messages: an emulated guest and the PSP talk past the host, which
 * carries what it cannot read. VALIDATE_MMIO of architecture SEV, SEV_ENABLE_DMA
 * and SEV_DISABLE_DMA, and the scope form.
 */
#include "lib/fault.h"
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/guest.h"
#include "lib/report.h"

#define DEVICE 0x10		/* what the guest knows the TDI by */
#define GPA 0x8000000000ULL	/* where nothing of this VM is */
#define TIO_GUEST_REQUEST 0xe0

/* Status of MMIO_VALIDATE: a page is not assigned to the guest. */
#define NOT_ASSIGNED 3

#define VALIDATE_MMIO IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO
#define ENABLE_DMA IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA
#define DISABLE_DMA IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA
#define INFO IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO
#define STATE_CHANGE IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE

FIXTURE(guest_message)
{
	struct vmm vmm;
	struct tdi tdi;
	struct guest guest;
	int length;			/* of the message */
	unsigned char message[GUEST_MESSAGE_MOST];
	unsigned char response[2 * GUEST_MESSAGE_MOST];
	char said[1024];		/* what the guest read of it */
};

FIXTURE_SETUP(guest_message)
{
	SETUP_PLATFORM(ARCH_SEV);
	SETUP_TDI(&self->vmm, &self->tdi, 0, DEVICE);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, guest_newest(&self->guest));
}

FIXTURE_TEARDOWN(guest_message)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

#define SEAL(...)								\
	do {									\
		self->length = guest_seal(&self->guest, self->message, __VA_ARGS__); \
		ASSERT_LT(0, self->length);					\
	} while (0)

static struct iommu_vdevice_tsm_req request(FIXTURE_DATA(guest_message) *self, __u32 op,
					    __u32 resp_len)
{
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, op, self->message, self->length, self->response, resp_len);

	req.tvm_arch = ARCH_SEV;
	canary_fill(self->response, sizeof(self->response));
	return req;
}

/* Carry the message; what the ioctl returns, and the code. */
static int carry(FIXTURE_DATA(guest_message) *self, __u32 op, __u64 *code)
{
	struct iommu_vdevice_tsm_req req = request(self, op, GUEST_MESSAGE_MOST);
	int ret = tsm_ioctl_req(self->vmm.iommufd, &req);

	if (code)
		*code = req.tsm_code;
	return ret;
}

/* The guest reads what came, of which @residue bytes of a page are missing. */
static int read_response(FIXTURE_DATA(guest_message) *self, int residue)
{
	if (residue < 0)
		return residue;
	return guest_open(&self->guest, self->response, GUEST_MESSAGE_MOST - residue, self->said,
			  sizeof(self->said));
}

/* Message, response, and that the PSP did as it was asked. */
#define GRANTED(_op)								\
	do {									\
		__u64 _code = TSM_CODE_UNTOUCHED;				\
		int _residue = carry(self, _op, &_code);			\
										\
		ASSERT_LE(0, _residue);						\
		EXPECT_EQ(0, _code);						\
		EXPECT_GT(GUEST_MESSAGE_MOST, _residue);			\
		ASSERT_EQ(0, read_response(self, _residue));			\
		EXPECT_EQ(0, guest_value(self->said, "status")) {		\
			TH_LOG("%s", self->said);				\
		}								\
	} while (0)

#define EXPECT_REFUSED(_op, _err)						\
	do {									\
		__u64 _code = TSM_CODE_UNTOUCHED;				\
		long _calls = knob_count("calls");				\
										\
		EXPECT_EQ(_err, carry(self, _op, &_code));			\
		if (_err == -EIO) {						\
			EXPECT_NE(0, _code);					\
			EXPECT_NE(TSM_CODE_UNTOUCHED, _code);			\
			TH_LOG("code %#llx", (unsigned long long)_code);	\
		} else {							\
			EXPECT_EQ(0, _code);					\
			EXPECT_EQ(_calls, knob_count("calls"));			\
		}								\
		EXPECT_TRUE(canary_is_whole(self->response, sizeof(self->response))); \
	} while (0)

/* Memory of the interface that is for the TEE, and what the guest calls it. */
struct range {
	__u16 id;
	__u32 offset;	/* in pages, from the first page that the report has with this id */
	__u64 pa;
};

static int find_range(const struct tdi *tdi, struct range *range)
{
	__u64 first = ~0ULL;
	struct report report;
	unsigned char *bytes;
	int length, ret;

	length = tsm_object_whole(tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	if (length < 0)
		return length;
	ret = report_parse(&report, bytes, length);
	free(bytes);
	if (ret)
		return ret;
	range->pa = 0;
	for (__u32 i = 0; i < report.ranges && !range->pa; i++)
		if (!(report.range[i].attributes & REPORT_NON_TEE)) {
			range->id = report.range[i].id;
			range->pa = report.range[i].first_page * 4096;
		}
	for (__u32 i = 0; i < report.ranges; i++)
		if (report.range[i].id == range->id && report.range[i].first_page < first)
			first = report.range[i].first_page;
	range->offset = range->pa / 4096 - first;
	return range->pa ? 0 : -ENOENT;
}

/* What a guest does with its device, from MMIO to DMA. */
TEST_F(guest_message, whole_flow)
{
	struct range range = {};

	ASSERT_EQ(0, find_range(&self->tdi, &range));
	/* the host maps, and the guest has the PSP validate what was mapped */
	ASSERT_EQ(0, tsm_validate_mmio(&self->tdi, GPA, GPA + 4096, range.pa));
	SEAL("mmio-validate --device %#x --range %u --offset %u --gpa %#llx --pages 1", DEVICE,
	     range.id, range.offset, (unsigned long long)GPA);
	GRANTED(VALIDATE_MMIO);
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
	SEAL("sdte-write --device %#x --invalidate", DEVICE);
	GRANTED(DISABLE_DMA);
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

/* What the host did not map, the PSP does not validate: the guest is told, not the host. */
TEST_F(guest_message, mmio_that_is_not_mapped)
{
	struct range range = {};
	int residue;

	ASSERT_EQ(0, find_range(&self->tdi, &range));
	SEAL("mmio-validate --device %#x --range %u --offset %u --gpa %#llx --pages 1", DEVICE,
	     range.id, range.offset, (unsigned long long)GPA);
	residue = carry(self, VALIDATE_MMIO, NULL);
	ASSERT_LE(0, residue);
	ASSERT_EQ(0, read_response(self, residue));
	EXPECT_EQ(NOT_ASSIGNED, guest_value(self->said, "status")) {
		TH_LOG("%s", self->said);
	}
}

TEST_F(guest_message, tdi_info_by_scope)
{
	int residue;

	SEAL("tdi-info --device %#x", DEVICE);
	residue = tsm_scope(&self->tdi, INFO, self->message, self->length, self->response,
			    GUEST_MESSAGE_MOST);
	ASSERT_LE(0, residue);
	ASSERT_EQ(0, read_response(self, residue));
	EXPECT_EQ(0, guest_value(self->said, "status")) {
		TH_LOG("%s", self->said);
	}
	EXPECT_EQ(DEVICE, guest_value(self->said, "device"));
}

TEST_F(guest_message, dma_by_scope)
{
	int residue;

	SEAL("sdte-write --device %#x", DEVICE);
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	residue = tsm_scope(&self->tdi, STATE_CHANGE, self->message, self->length, self->response,
			    GUEST_MESSAGE_MOST);
	ASSERT_LE(0, residue);
	ASSERT_EQ(0, read_response(self, residue));
	EXPECT_EQ(0, guest_value(self->said, "status"));
}

/* Each operation, and each scope, is for its own messages: it is no way to others. */
TEST_F(guest_message, comes_under_its_own_operation)
{
	static const struct {
		const char *words;
		__u32 op;
		__u32 scope;
	} kinds[] = {
		{ "tdi-info --device 0x10", 0, INFO },
		{ "mmio-validate --device 0x10 --range 0 --gpa 0x8000000000 --pages 1",
		  VALIDATE_MMIO, STATE_CHANGE },
		{ "sdte-write --device 0x10", ENABLE_DMA, STATE_CHANGE },
	};
	static const __u32 ops[] = { VALIDATE_MMIO, ENABLE_DMA, DISABLE_DMA };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		__u32 other = kinds[i].scope == INFO ? STATE_CHANGE : INFO;

		SEAL("%s", kinds[i].words);
		for (size_t j = 0; j < ARRAY_SIZE(ops); j++) {
			if (ops[j] == kinds[i].op ||
			    (kinds[i].op == ENABLE_DMA && ops[j] == DISABLE_DMA))
				continue;
			EXPECT_REFUSED(ops[j], -EINVAL);
		}
		EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, other, self->message, self->length,
					     self->response, GUEST_MESSAGE_MOST));
	}
}

/* It is of SEV: COMMON has a structure under VALIDATE_MMIO, and nothing else. */
TEST_F(guest_message, of_no_architecture)
{
	struct iommu_vdevice_tsm_req req;

	SEAL("mmio-validate --device %#x --range 0 --gpa %#llx --pages 1", DEVICE,
	     (unsigned long long)GPA);
	req = request(self, VALIDATE_MMIO, GUEST_MESSAGE_MOST);
	req.tvm_arch = ARCH_NONE;
	EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
}

/* A bit is changed on the way, in the header and in what is sealed. */
TEST_F(guest_message, tampered)
{
	int at[] = { 0, 31, 32, GUEST_MESSAGE_HEADER, GUEST_MESSAGE_HEADER + 3 };

	SEAL("sdte-write --device %#x", DEVICE);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		self->message[at[i]] ^= 1;
		EXPECT_REFUSED(ENABLE_DMA, -EIO);
		self->message[at[i]] ^= 1;
	}
	self->message[self->length - 1] ^= 0x80;
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	self->message[self->length - 1] ^= 0x80;
	/* as it was sealed it is taken: none of these counted */
	GRANTED(ENABLE_DMA);
}

TEST_F(guest_message, replayed)
{
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	EXPECT_REFUSED(DISABLE_DMA, -EIO);
	SEAL("sdte-write --device %#x --invalidate", DEVICE);
	GRANTED(DISABLE_DMA);
}

/* One that comes before its turn. */
TEST_F(guest_message, out_of_order)
{
	self->guest.sequence = 3;
	SEAL("sdte-write --device %#x", DEVICE);
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	self->guest.sequence = 1;
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
}

TEST_F(guest_message, sealed_with_another_key)
{
	struct guest good = self->guest;

	memset(self->guest.key, '5', 64);
	SEAL("sdte-write --device %#x", DEVICE);
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	self->guest = good;
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
}

/* The guest of before is gone with its key when its last TDI is. */
TEST_F(guest_message, of_a_guest_that_is_gone)
{
	SEAL("sdte-write --device %#x", DEVICE);
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	ASSERT_EQ(0, guest_newest(&self->guest));
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
}

TEST_F(guest_message, of_another_length)
{
	static const int lengths[] = { 1, 23, 25, 64, GUEST_MESSAGE_HEADER - 1,
				       GUEST_MESSAGE_MOST + 1, 65536 };
	unsigned char *message = fence_zeroes(65536);
	int whole;

	SEAL("sdte-write --device %#x", DEVICE);
	whole = self->length;
	memcpy(message, self->message, whole);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct iommu_vdevice_tsm_req req;

		for (int op = 0; op < 2; op++) {
			req = request(self, op ? ENABLE_DMA : VALIDATE_MMIO, GUEST_MESSAGE_MOST);
			req.req_uptr = (uintptr_t)message;
			req.req_len = lengths[i];
			EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req)) {
				TH_LOG("%d bytes", lengths[i]);
			}
		}
	}
	/* cut off behind its header: the PSP is asked, and says no */
	self->length = GUEST_MESSAGE_HEADER;
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	self->length = whole - 1;
	EXPECT_REFUSED(ENABLE_DMA, -EIO);
	self->length = whole;
	GRANTED(ENABLE_DMA);
}

/* There has to be room for a whole page, whatever the response will be. */
TEST_F(guest_message, room_for_the_response)
{
	static const __u32 lengths[] = { 1, 96, GUEST_MESSAGE_MOST - 1 };
	unsigned char canary[sizeof(self->response)];
	struct iommu_vdevice_tsm_req req;
	long calls = knob_count("calls");
	int residue, filled;

	SEAL("sdte-write --device %#x", DEVICE);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		req = request(self, ENABLE_DMA, lengths[i]);
		EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("%u bytes", lengths[i]);
		}
		EXPECT_TRUE(canary_is_whole(self->response, sizeof(self->response)));
	}
	req = request(self, ENABLE_DMA, 0);
	req.resp_uptr = 0;
	EXPECT_EQ(-EINVAL, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(calls, knob_count("calls"));
	/* the message was not spent on these; more room than that is left as it was */
	req = request(self, ENABLE_DMA, sizeof(self->response));
	residue = tsm_ioctl_req(self->vmm.iommufd, &req);
	ASSERT_LE((int)GUEST_MESSAGE_MOST, residue);
	filled = sizeof(self->response) - residue;
	EXPECT_LT(GUEST_MESSAGE_HEADER, filled);
	canary_fill(canary, sizeof(canary));
	EXPECT_EQ(0, memcmp(canary + filled, self->response + filled, residue));
	EXPECT_EQ(0, guest_open(&self->guest, self->response, filled, self->said,
				sizeof(self->said)));
}

TEST_F(guest_message, response_that_is_not_there)
{
	struct iommu_vdevice_tsm_req req;

	SEAL("sdte-write --device %#x", DEVICE);
	req = request(self, ENABLE_DMA, GUEST_MESSAGE_MOST);
	req.resp_uptr = (uintptr_t)fence_nowhere();
	EXPECT_EQ(-EFAULT, tsm_ioctl_req(self->vmm.iommufd, &req));
	GRANTED(ENABLE_DMA);
}

/* Firmware that fails before it looks: the same message is good for a second try. */
TEST_F(guest_message, firmware_that_fails)
{
	__u64 code = 0;

	SEAL("sdte-write --device %#x", DEVICE);
	ASSERT_EQ(0, knob_set("fw-error-before", TIO_GUEST_REQUEST));
	EXPECT_EQ(-EIO, carry(self, ENABLE_DMA, &code));
	EXPECT_TRUE(fault_is_injected(ARCH_SEV, code)) {
		TH_LOG("code %#llx", (unsigned long long)code);
	}
	EXPECT_TRUE(canary_is_whole(self->response, sizeof(self->response)));
	ASSERT_EQ(0, knob_reset());
	GRANTED(ENABLE_DMA);
	/* and one that fails when it is done: this message is spent, the guest is not */
	SEAL("sdte-write --device %#x --invalidate", DEVICE);
	ASSERT_EQ(0, knob_set("fw-error-after", TIO_GUEST_REQUEST));
	EXPECT_REFUSED(DISABLE_DMA, -EIO);
	ASSERT_EQ(0, knob_reset());
	EXPECT_REFUSED(DISABLE_DMA, -EIO);
	self->guest.sequence += 2;
	SEAL("sdte-write --device %#x", DEVICE);
	GRANTED(ENABLE_DMA);
}

/* Of an interface in ERROR there is nothing to say. */
TEST_F(guest_message, of_a_tdi_in_error)
{
	ASSERT_EQ(0, knob_set("tdi-error", 1));
	EXPECT_EQ(-EIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	SEAL("sdte-write --device %#x", DEVICE);
	EXPECT_REFUSED(ENABLE_DMA, -EPROTO);
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_HARNESS_MAIN
