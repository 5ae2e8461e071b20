// SPDX-License-Identifier: GPL-2.0
/*
 * The 40-byte form of IOMMU_VDEVICE_TSM_REQ, as far as it is the same for all. What
 * may be in its payload is in scope_cca.c, scope_tdx.c and guest_message.c.
 */
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/scope.h"

#define NO_VDEVICE 0x7ffffff0
#define INFO IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO
#define STATE_CHANGE IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE

FIXTURE(scope)
{
	struct vmm vmm;
	struct tdi tdi;
	struct scope_payload run, unlock;
};

FIXTURE_ON_EACH_ARCH(scope);

FIXTURE_SETUP(scope)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	self->run = scope_set_state(variant->arch, IOMMU_TSM_TDI_RUN);
	self->unlock = scope_set_state(variant->arch, IOMMU_TSM_TDI_UNLOCKED);
}

FIXTURE_TEARDOWN(scope)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int ask(const struct tdi *tdi, __u32 scope, const struct scope_payload *payload)
{
	return tsm_scope(tdi, scope, payload->bytes, payload->len, NULL, 0);
}

TEST_F(scope, runs_and_unlocks)
{
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, &self->run));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_STATE(TSM_RUN, &self->tdi);
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, &self->unlock));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
	EXPECT_EQ(-EPROTO, ask(&self->tdi, STATE_CHANGE, &self->run));
	/* the op form goes on where this one was */
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, ask(&self->tdi, STATE_CHANGE, &self->run));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

/* A state is changed under STATE_CHANGE and under nothing else. */
TEST_F(scope, that_is_refused)
{
	static const __u32 scopes[] = {
		INFO, IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_READ,
		IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_WRITE, 4, 0x100, 0x10001, 0x80000000, 0xffffffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		EXPECT_EQ(-EINVAL, ask(&self->tdi, scopes[i], &self->run)) {
			TH_LOG("scope %#x", scopes[i]);
		}
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* What another architecture has for it means nothing here. */
TEST_F(scope, payload_of_another_architecture)
{
	for (enum arch arch = ARCH_CCA; arch < ARCH_END; arch++) {
		struct scope_payload run = scope_set_state(arch, IOMMU_TSM_TDI_RUN);

		if (arch == variant->arch)
			continue;
		EXPECT_EQ(-EINVAL, ask(&self->tdi, STATE_CHANGE, &run)) {
			TH_LOG("%s", arch_name(arch));
		}
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_F(scope, empty_payload)
{
	char buf[16];

	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, INFO, NULL, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, INFO, NULL, 0, buf, sizeof(buf)));
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, STATE_CHANGE, NULL, 0, NULL, 0));
}

TEST_F(scope, first_reason_wins)
{
	struct iommu_vdevice_tsm_scope_req good = {
		.size = sizeof(good),
		.vdevice_id = self->tdi.vdevice_id,
		.scope = STATE_CHANGE,
	};
	struct scope_payload none = scope_set_state(variant->arch, 3);
	static const struct {
		const char *name;
		int err;
	} reasons[] = {
		{ "short structure", -EINVAL },
		{ "reserved word", -EOPNOTSUPP },
		{ "unknown scope", -EINVAL },
		{ "pointer without a length", -EINVAL },
		{ "request beyond its limit", -EMSGSIZE },
		{ "no such vDEVICE", -ENOENT },
		{ "request is not there", -EFAULT },
		{ "payload without a meaning", -EINVAL },
		{ "not in this state", -EPROTO },
	};
	void *nowhere = fence_nowhere();
	char response[8];

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
	for (unsigned int set = 0; set < 1U << ARRAY_SIZE(reasons); set++) {
		const struct scope_payload *payload = set & 1 << 8 ? &self->run : &self->unlock;
		struct iommu_vdevice_tsm_scope_req req = good;
		int first = __builtin_ffs(set) - 1;

		if (set & 1 << 7)
			payload = &none;
		req.req_len = payload->len;
		req.req_uptr = (uintptr_t)payload->bytes;
		if (set & 1 << 6)
			req.req_uptr = (uintptr_t)nowhere;
		if (set & 1 << 5)
			req.vdevice_id = NO_VDEVICE;
		if (set & 1 << 4)
			req.req_len = IOMMU_VDEVICE_TSM_REQ_MAX_LEN + 1;
		if (set & 1 << 3)
			req.resp_uptr = (uintptr_t)response;
		if (set & 1 << 2)
			req.scope = IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_READ;
		if (set & 1 << 1)
			req.__reserved = 1;
		if (set & 1 << 0)
			req.size = sizeof(req) - 1;
		EXPECT_EQ(first < 0 ? 0 : reasons[first].err,
			  tsm_ioctl_req(self->vmm.iommufd, &req)) {
			TH_LOG("reasons %#x, %s first", set,
			       first < 0 ? "none" : reasons[first].name);
		}
	}
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

/* The request of this fixture's architecture in its frame. */
static struct iommu_vdevice_tsm_scope_req frame(const struct tdi *tdi,
						const struct scope_payload *payload)
{
	return (struct iommu_vdevice_tsm_scope_req){
		.size = sizeof(struct iommu_vdevice_tsm_scope_req),
		.vdevice_id = tdi->vdevice_id,
		.scope = STATE_CHANGE,
		.req_len = payload->len,
		.req_uptr = (uintptr_t)payload->bytes,
	};
}

TEST_F(scope, every_reserved_bit)
{
	for (int bit = 0; bit < 32; bit++) {
		struct iommu_vdevice_tsm_scope_req req = frame(&self->tdi, &self->run);

		req.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, tsm_ioctl_req(self->vmm.iommufd, &req));
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/*
 * In the days of this form LOCKED did not bind; what it asks for is not known
 * before the TSM is.
 */
TEST_F(scope, locked_does_not_bind)
{
	struct scope_payload lock = scope_set_state(variant->arch, IOMMU_TSM_TDI_LOCKED);

	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(-ENXIO, ask(&self->tdi, STATE_CHANGE, &self->run));
	EXPECT_EQ(-ENXIO, ask(&self->tdi, STATE_CHANGE, &lock));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* 40 bytes and nothing behind them: there is no place for a code. */
TEST_F(scope, structure_ends_where_it_says)
{
	struct iommu_vdevice_tsm_scope_req req = frame(&self->tdi, &self->run);
	void *at = fence_copy(&req, sizeof(req));

	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, at));
	EXPECT_EQ(0, memcmp(at, &req, sizeof(req)));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_HARNESS_MAIN
