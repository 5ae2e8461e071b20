// SPDX-License-Identifier: GPL-2.0
/* Every operation of every architecture, against the table of the documentation. */
#include "lib/fixture.h"

#define OPS 8

/* rust/tsm_wire/guest_message.rs: where the type stands, and that of *_DMA. */
#define GUEST_MESSAGE_TYPE 52
#define GUEST_MESSAGE_SDTE_WRITE 25

static const bool table[OPS][ARCH_END] = {
	[IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO] = { 1, 1, 1, 1 },
	[IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE] = { 1, 1, 1, 1 },
	[IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA] = { [ARCH_SEV] = 1 },
	[IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA] = { [ARCH_SEV] = 1 },
	[IOMMU_VDEVICE_TSM_REQ_READ_OBJECT] = { 1, 1, 1, 1 },
	[IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT] = { 1, 1, 1, 1 },
	[IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO] = { 1, 1, 1, 1 },
};

/* Numbers that are none, for both. */
static const __u32 wild[] = { 8, 9, 0x10, 0x100, 0x10001, 0x80000001, 0xfffffffe, 0xffffffff };

static bool is_pair(__u32 op, __u32 arch)
{
	return op < OPS && arch < ARCH_END && table[op][arch];
}

/* For each operation a request that a locked TDI grants, and that changes nothing. */
struct payload {
	union {
		struct iommu_tsm_validate_mmio mmio;
		struct iommu_tsm_set_tdi_state state;
		struct iommu_tsm_read_object read;
		struct iommu_tsm_regen_object regen;
		struct iommu_tsm_object_info info;
		unsigned char message[96];
	};
	unsigned char response[4096];
};

/* Whether @op is answered by who hears the message, which is no message of a guest. */
static bool is_opaque(__u32 op)
{
	return op == IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA ||
	       op == IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA;
}

FIXTURE(op_arch)
{
	struct vmm vmm;
	struct tdi tdi;
	struct payload payload;
};

FIXTURE_ON_EACH_ARCH(op_arch);

FIXTURE_SETUP(op_arch)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(op_arch)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int ask(FIXTURE_DATA(op_arch) *self, __u32 op, __u32 arch, __u32 state)
{
	struct payload *p = &self->payload;
	struct iommu_vdevice_tsm_req req;
	__u32 len = 0, resp_len = 0;
	struct bar bar = {};

	memset(p, 0, sizeof(*p));
	switch (op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		function_bar(&self->tdi.fn, 0, &bar);
		p->mmio.gpa_base = 0x100000000;
		p->mmio.gpa_top = p->mmio.gpa_base + 4096;
		p->mmio.pa_base = bar.start;
		len = sizeof(p->mmio);
		break;
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		p->state.state = state;
		len = sizeof(p->state);
		break;
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		p->read.type = IOMMU_TSM_OBJECT_CERTIFICATE;
		len = sizeof(p->read);
		resp_len = 16; /* no chain is shorter */
		break;
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		p->regen.type = IOMMU_TSM_OBJECT_INTERFACE_REPORT;
		len = sizeof(p->regen);
		break;
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		p->info.type = IOMMU_TSM_OBJECT_CERTIFICATE;
		len = sizeof(p->info);
		resp_len = sizeof(struct iommu_tsm_object_info_out);
		break;
	default:
		/* a guest message of SNP that the kernel takes for one, and nobody sealed */
		p->message[GUEST_MESSAGE_TYPE] = GUEST_MESSAGE_SDTE_WRITE;
		len = sizeof(p->message);
		resp_len = sizeof(p->response);
	}
	req = tsm_request(&self->tdi, op, p->message, len, resp_len ? p->response : NULL, resp_len);
	req.tvm_arch = arch;
	return tsm_ioctl_req(self->vmm.iommufd, &req);
}

static bool is_ours(enum arch arch, enum arch asked)
{
	return asked == ARCH_NONE || asked == arch;
}

/* For every architecture that a guest may claim to be of. */
#define FOR_EACH_ASKED(_asked) for (enum arch _asked = ARCH_NONE; _asked < ARCH_END; _asked++)

/* Which pairs there are is told before the vDEVICE is looked at. */
TEST_F(op_arch, of_no_vdevice)
{
	self->tdi.vdevice_id += 1000;
	FOR_EACH_ASKED(asked)
		for (__u32 op = 0; op <= OPS; op++) {
			EXPECT_EQ(is_pair(op, asked) ? -ENOENT : -EINVAL,
				  ask(self, op, asked, IOMMU_TSM_TDI_RUN)) {
				TH_LOG("op %u of %s", op, arch_name(asked));
			}
		}
	self->tdi.vdevice_id -= 1000;
}

/* The architecture of a TSM is known once a TDI is bound through it. */
TEST_F(op_arch, unbound)
{
	FOR_EACH_ASKED(asked)
		for (__u32 op = 0; op <= OPS; op++) {
			EXPECT_EQ(is_pair(op, asked) ? -ENXIO : -EINVAL,
				  ask(self, op, asked, IOMMU_TSM_TDI_RUN)) {
				TH_LOG("op %u of %s", op, arch_name(asked));
			}
		}
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* It is the TSM's own or COMMON: then the TSM hears of it, and else it does not. */
TEST_F(op_arch, bound)
{
	FOR_EACH_ASKED(asked) {
		ASSERT_EQ(0, tsm_bind(&self->tdi));
		for (__u32 op = 0; op <= OPS; op++) {
			long calls = knob_count("calls");
			int want = -EINVAL;

			if (is_pair(op, asked) && is_ours(variant->arch, asked))
				want = is_opaque(op) ? -EIO : 0;
			EXPECT_EQ(want, ask(self, op, asked, IOMMU_TSM_TDI_LOCKED)) {
				TH_LOG("op %u of %s", op, arch_name(asked));
			}
			if (want == -EINVAL) {
				EXPECT_EQ(calls, knob_count("calls")) {
					TH_LOG("op %u of %s", op, arch_name(asked));
				}
			}
		}
		EXPECT_STATE(TSM_LOCKED, &self->tdi);
		ASSERT_EQ(0, tsm_unbind(&self->tdi));
	}
}

/* LOCKED of an unbound vDEVICE binds, which makes the architecture count too. */
TEST_F(op_arch, that_binds)
{
	FOR_EACH_ASKED(asked) {
		bool ours = is_ours(variant->arch, asked);

		EXPECT_EQ(ours ? 0 : -EINVAL, ask(self, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, asked,
						  IOMMU_TSM_TDI_LOCKED)) {
			TH_LOG("%s", arch_name(asked));
		}
		EXPECT_EQ(ours, tsm_is_bound(self->tdi.fn.bdf));
		ASSERT_EQ(0, tsm_unbind(&self->tdi));
	}
}

TEST_F(op_arch, op_that_is_none)
{
	FOR_EACH_ASKED(asked)
		for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
			EXPECT_EQ(-EINVAL, ask(self, wild[i], asked, 0)) {
				TH_LOG("op %#x of %s", wild[i], arch_name(asked));
			}
		}
}

/* Of an architecture that is none, whatever the operation. */
TEST_F(op_arch, arch_that_is_none)
{
	FOR_EACH_ASKED(asked)
		for (__u32 op = 0; op <= OPS; op++) {
			__u32 far = asked + ARCH_END;

			EXPECT_EQ(-EINVAL, ask(self, op, far, 0)) {
				TH_LOG("op %u, arch %u", op, far);
			}
			/* what a number is when only its lower bits are looked at */
			for (int bit = 8; bit < 32; bit++) {
				EXPECT_EQ(-EINVAL, ask(self, op, asked | 1U << bit, 0)) {
					TH_LOG("op %u, arch %#x", op, asked | 1U << bit);
				}
			}
		}
}

TEST_HARNESS_MAIN
