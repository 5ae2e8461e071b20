// SPDX-License-Identifier: GPL-2.0
/* The payload that TDX had for the 40-byte form of IOMMU_VDEVICE_TSM_REQ: one word. */
#include "lib/fence.h"
#include "lib/fixture.h"

#define INFO IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO
#define STATE_CHANGE IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE

/* What the word asks for, by the names that the RFC of 2025 has. */
#define TDI_REQ_BIND 1
#define TDI_REQ_START 2
#define TDI_REQ_STOP 4

FIXTURE(scope_tdx)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_SETUP(scope_tdx)
{
	SETUP_PLATFORM(ARCH_TDX);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(scope_tdx)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int ask(const struct tdi *tdi, __u32 scope, __u32 word)
{
	return tsm_scope(tdi, scope, &word, sizeof(word), NULL, 0);
}

TEST_F(scope_tdx, whole_flow)
{
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, TDI_REQ_STOP));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, TDI_REQ_BIND));
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, TDI_REQ_START));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_EQ(-EPROTO, ask(&self->tdi, STATE_CHANGE, TDI_REQ_BIND));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_F(scope_tdx, word_that_is_none)
{
	static const __u32 words[] = { 0, 3, 5, 6, 7, 8, 0x10, 0x102, 0x10002, 0x80000002, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_EQ(-EINVAL, ask(&self->tdi, STATE_CHANGE, words[i])) {
			TH_LOG("%#x", words[i]);
		}
	}
	for (__u32 word = 0; word < 9; word++) {
		EXPECT_EQ(-EINVAL, ask(&self->tdi, INFO, word)) {
			TH_LOG("%#x", word);
		}
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_F(scope_tdx, payload_of_another_length)
{
	char *end = (char *)fence_zeroes(64) + 64;
	__u32 word = TDI_REQ_START;

	for (__u32 len = 1; len <= 64; len++) {
		char *at = end - len;

		if (len == sizeof(word))
			continue;
		memset(at, 0, len);
		memcpy(at, &word, len < sizeof(word) ? len : sizeof(word));
		EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, STATE_CHANGE, at, len, NULL, 0)) {
			TH_LOG("%u bytes", len);
		}
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_HARNESS_MAIN
