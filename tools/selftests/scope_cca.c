// SPDX-License-Identifier: GPL-2.0
/* The payloads that CCA had for the 40-byte form of IOMMU_VDEVICE_TSM_REQ. */
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/report.h"

#define INFO IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO
#define STATE_CHANGE IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE

FIXTURE(scope_cca)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_SETUP(scope_cca)
{
	SETUP_PLATFORM(ARCH_CCA);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(scope_cca)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int set_state(const struct tdi *tdi, __u32 scope, __u32 state)
{
	struct iommu_tsm_cca_scope_set_tdi_state req = {
		.req_type = IOMMU_TSM_CCA_SCOPE_SET_TDI_STATE,
		.state = state,
	};

	return tsm_scope(tdi, scope, &req, sizeof(req), NULL, 0);
}

static int object_size(const struct tdi *tdi, __u32 scope, __u32 type, __u32 *length)
{
	struct iommu_tsm_cca_scope_object_size req = {
		.req_type = IOMMU_TSM_CCA_SCOPE_OBJECT_SIZE,
		.object_type = type,
	};

	return tsm_scope(tdi, scope, &req, sizeof(req), length, sizeof(*length));
}

static int object_read(const struct tdi *tdi, __u32 scope, __u32 type, __u64 offset, void *buf,
		       __u32 len)
{
	struct iommu_tsm_cca_scope_object_read req = {
		.req_type = IOMMU_TSM_CCA_SCOPE_OBJECT_READ,
		.object_type = type,
		.offset = offset,
	};

	return tsm_scope(tdi, scope, &req, sizeof(req), buf, len);
}

static int map(const struct tdi *tdi, __u32 scope, __u64 gpa, __u64 pa)
{
	struct iommu_tsm_cca_scope_vdev_map req = {
		.req_type = IOMMU_TSM_CCA_SCOPE_VDEV_MAP,
		.mmio = { .gpa_base = gpa, .gpa_top = gpa + 4096, .pa_base = pa },
	};

	return tsm_scope(tdi, scope, &req, sizeof(req), NULL, 0);
}

static int regen_report(const struct tdi *tdi, __u32 scope)
{
	__u32 req = IOMMU_TSM_CCA_SCOPE_UPDATE_INTERFACE_REPORT;

	return tsm_scope(tdi, scope, &req, sizeof(req), NULL, 0);
}

static int regen_measurements(const struct tdi *tdi, __u32 scope, __u64 flags, const void *nonce)
{
	struct iommu_tsm_cca_scope_update_measurements req = {
		.req_type = IOMMU_TSM_CCA_SCOPE_UPDATE_MEASUREMENTS,
		.flags = flags,
		.nonce_uptr = (uintptr_t)nonce,
	};

	return tsm_scope(tdi, scope, &req, sizeof(req), NULL, 0);
}

TEST_F(scope_cca, whole_flow)
{
	unsigned char *bytes, *same;
	struct report report;
	__u32 length = 0;
	struct bar bar;
	int len;

	EXPECT_EQ(0, set_state(&self->tdi, STATE_CHANGE, IOMMU_TSM_TDI_UNLOCKED));
	EXPECT_EQ(0, set_state(&self->tdi, STATE_CHANGE, IOMMU_TSM_TDI_LOCKED));
	ASSERT_EQ(0, object_size(&self->tdi, INFO, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	ASSERT_LT(0, length);
	bytes = fence_zeroes(length);
	EXPECT_EQ(0, object_read(&self->tdi, INFO, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, bytes,
				 length));
	EXPECT_EQ(0, report_parse(&report, bytes, length));
	len = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &same);
	ASSERT_EQ(length, len);
	EXPECT_EQ(0, memcmp(bytes, same, length));
	ASSERT_EQ(0, function_bar(&self->tdi.fn, 0, &bar));
	EXPECT_EQ(0, map(&self->tdi, STATE_CHANGE, 0x100000000, bar.start));
	EXPECT_EQ(0, set_state(&self->tdi, STATE_CHANGE, IOMMU_TSM_TDI_RUN));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_STATE(TSM_RUN, &self->tdi);
	EXPECT_EQ(0, set_state(&self->tdi, STATE_CHANGE, IOMMU_TSM_TDI_UNLOCKED));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(scope_cca, every_object)
{
	for (__u32 type = IOMMU_TSM_OBJECT_VCA; type <= IOMMU_TSM_OBJECT_INTERFACE_REPORT; type++) {
		unsigned char *want, got[32];
		__u32 length = 0;
		int len;

		EXPECT_EQ(0, object_size(&self->tdi, INFO, type, &length));
		len = tsm_object_whole(&self->tdi, type, &want);
		EXPECT_EQ(length, len);
		if (len < (int)sizeof(got))
			continue;
		EXPECT_EQ(0, object_read(&self->tdi, INFO, type, length - sizeof(got), got,
					 sizeof(got)));
		EXPECT_EQ(0, memcmp(want + length - sizeof(got), got, sizeof(got)));
	}
}

TEST_F(scope_cca, residue)
{
	__u32 length = 0;
	char buf[4096];

	ASSERT_EQ(0, object_size(&self->tdi, INFO, IOMMU_TSM_OBJECT_VCA, &length));
	ASSERT_LT(16, length);
	ASSERT_GT(sizeof(buf), length);
	EXPECT_EQ(sizeof(buf) - length,
		  object_read(&self->tdi, INFO, IOMMU_TSM_OBJECT_VCA, 0, buf, sizeof(buf)));
	EXPECT_EQ(sizeof(buf) - 1, object_read(&self->tdi, INFO, IOMMU_TSM_OBJECT_VCA, length - 1,
					       buf, sizeof(buf)));
}

/* Reading is INFO; what changes the TDI is STATE_CHANGE; making anew is either. */
TEST_F(scope_cca, covers_what_it_says)
{
	unsigned char nonce[32] = { 1 };
	__u32 length;
	struct bar bar;
	char buf[16];

	ASSERT_EQ(0, function_bar(&self->tdi.fn, 0, &bar));
	EXPECT_EQ(-EINVAL, set_state(&self->tdi, INFO, IOMMU_TSM_TDI_RUN));
	EXPECT_EQ(-EINVAL, set_state(&self->tdi, INFO, IOMMU_TSM_TDI_LOCKED));
	EXPECT_EQ(-EINVAL, map(&self->tdi, INFO, 0x100000000, bar.start));
	EXPECT_EQ(-EINVAL, object_size(&self->tdi, STATE_CHANGE, IOMMU_TSM_OBJECT_VCA, &length));
	EXPECT_EQ(-EINVAL, object_read(&self->tdi, STATE_CHANGE, IOMMU_TSM_OBJECT_VCA, 0, buf,
				       sizeof(buf)));
	EXPECT_EQ(0, regen_report(&self->tdi, INFO));
	EXPECT_EQ(0, regen_report(&self->tdi, STATE_CHANGE));
	EXPECT_EQ(0, regen_measurements(&self->tdi, INFO, 0, nonce));
	EXPECT_EQ(0, regen_measurements(&self->tdi, STATE_CHANGE, 1, NULL));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* A type, then exactly what belongs to it. */
TEST_F(scope_cca, payload_of_another_length)
{
	static const __u32 sizes[] = { 0, 8, 16, 4, 24, 32, 8 };
	char *end = (char *)fence_zeroes(64) + 64;

	for (__u32 type = 0; type < 9; type++) {
		for (__u32 len = 1; len <= 64; len++) {
			char *at = end - len;

			memset(at, 0, len);
			memcpy(at, &type, len < sizeof(type) ? len : sizeof(type));
			if (type < ARRAY_SIZE(sizes) && len == sizes[type])
				continue;
			for (__u32 scope = INFO; scope <= STATE_CHANGE; scope++) {
				EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, scope, at, len, NULL, 0)) {
					TH_LOG("type %u with %u bytes", type, len);
				}
			}
		}
	}
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

TEST_F(scope_cca, payload_without_a_meaning)
{
	struct iommu_tsm_cca_scope_update_measurements measurements = {
		.req_type = IOMMU_TSM_CCA_SCOPE_UPDATE_MEASUREMENTS, .__reserved = 1,
	};
	struct iommu_tsm_cca_scope_vdev_map map = {
		.req_type = IOMMU_TSM_CCA_SCOPE_VDEV_MAP, .__reserved = 0x80000000,
	};
	__u32 length;
	struct bar bar;
	char buf[16];

	ASSERT_EQ(0, function_bar(&self->tdi.fn, 0, &bar));
	map.mmio.gpa_top = 4096;
	map.mmio.pa_base = bar.start;
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, INFO, &measurements, sizeof(measurements), NULL, 0));
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, STATE_CHANGE, &map, sizeof(map), NULL, 0));
	EXPECT_EQ(-EINVAL, object_size(&self->tdi, INFO, 4, &length));
	EXPECT_EQ(-EINVAL, object_read(&self->tdi, INFO, 4, 0, buf, sizeof(buf)));
	EXPECT_EQ(-EINVAL, object_read(&self->tdi, INFO, IOMMU_TSM_OBJECT_VCA, 1ULL << 40, buf, 16));
	EXPECT_EQ(-EINVAL, set_state(&self->tdi, STATE_CHANGE, 3));
	EXPECT_EQ(-EINVAL, regen_measurements(&self->tdi, INFO, 2, NULL));
	/* 4 bytes are what a size takes */
	EXPECT_EQ(-EINVAL, tsm_scope(&self->tdi, INFO,
				     &(struct iommu_tsm_cca_scope_object_size){
					.req_type = IOMMU_TSM_CCA_SCOPE_OBJECT_SIZE },
				     8, buf, 3));
}

TEST_HARNESS_MAIN
