// SPDX-License-Identifier: GPL-2.0
/* Evidence objects: how long they are, slices of them, and making them anew. */
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/report.h"

static const char *const names[] = { "VCA", "CERTIFICATE", "MEASUREMENT", "INTERFACE_REPORT" };

FIXTURE(object)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(object)
{
	enum arch arch;
	__u32 type;
};

FIXTURE_VARIANT_ON_EACH_ARCH(object, vca, .type = IOMMU_TSM_OBJECT_VCA);
FIXTURE_VARIANT_ON_EACH_ARCH(object, certificate, .type = IOMMU_TSM_OBJECT_CERTIFICATE);
FIXTURE_VARIANT_ON_EACH_ARCH(object, measurement, .type = IOMMU_TSM_OBJECT_MEASUREMENT);
FIXTURE_VARIANT_ON_EACH_ARCH(object, interface_report, .type = IOMMU_TSM_OBJECT_INTERFACE_REPORT);

FIXTURE_SETUP(object)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	if (variant->type == IOMMU_TSM_OBJECT_MEASUREMENT) {
		ASSERT_EQ(0, tsm_object_regen(&self->tdi, variant->type, 0, NULL, NULL));
	}
}

FIXTURE_TEARDOWN(object)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(object, slices_at_every_edge)
{
	unsigned char *whole, *buf;
	int length;

	length = tsm_object_whole(&self->tdi, variant->type, &whole);
	ASSERT_LT(16, length) {
		TH_LOG("%s is of %d bytes", names[variant->type], length);
	}
	buf = malloc(length + 64);
	for (int offset = 0; offset <= length; offset += offset > 20 && offset < length - 20 ?
	     length / 5 : 1) {
		int lens[] = { 1, 2, 15, length - offset - 1, length - offset, length - offset + 1,
			       length + 64 };

		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			int len = lens[i];
			int filled = len < length - offset ? len : length - offset;

			if (len < 1 || len > length + 64)
				continue;
			memset(buf, 0xee, length + 64);
			EXPECT_EQ(len - filled, tsm_object_read(&self->tdi, variant->type, offset,
								buf, len)) {
				TH_LOG("%d bytes at %d of %d", len, offset, length);
			}
			EXPECT_EQ(0, memcmp(buf, whole + offset, filled)) {
				TH_LOG("%d bytes at %d of %d", len, offset, length);
			}
			for (int b = filled; b < length + 64; b++) {
				ASSERT_EQ(0xee, buf[b]);
			}
		}
	}
}

TEST_F(object, offset_beyond_its_end)
{
	__u32 length;
	char buf[16];

	ASSERT_EQ(0, tsm_object_info(&self->tdi, variant->type, &length));
	const __u64 offsets[] = {
		length + 1ULL, length + 4096ULL, 1ULL << 31, 1ULL << 32, (1ULL << 32) + length,
		(1ULL << 32) + 1, 1ULL << 63, ~0ULL - 15, ~0ULL,
	};

	EXPECT_EQ(16, tsm_object_read(&self->tdi, variant->type, length, buf, 16));
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(-EINVAL, tsm_object_read(&self->tdi, variant->type, offsets[i], buf,
						   sizeof(buf))) {
			TH_LOG("offset %#llx", (unsigned long long)offsets[i]);
		}
	}
}

/* What was read once is read again. */
TEST_F(object, stays_as_it_is)
{
	unsigned char *one, *two;
	int length;

	length = tsm_object_whole(&self->tdi, variant->type, &one);
	ASSERT_LT(0, length);
	ASSERT_EQ(length, tsm_object_whole(&self->tdi, variant->type, &two));
	EXPECT_EQ(0, memcmp(one, two, length));
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	ASSERT_EQ(length, tsm_object_whole(&self->tdi, variant->type, &two));
	EXPECT_EQ(0, memcmp(one, two, length));
}

TEST_F(object, made_anew)
{
	bool can = variant->type == IOMMU_TSM_OBJECT_MEASUREMENT ||
		   variant->type == IOMMU_TSM_OBJECT_INTERFACE_REPORT;
	unsigned char *one, *two;
	int length;

	length = tsm_object_whole(&self->tdi, variant->type, &one);
	ASSERT_LT(0, length);
	EXPECT_EQ(can ? 0 : -EINVAL, tsm_object_regen(&self->tdi, variant->type, 0, NULL, NULL));
	EXPECT_EQ(length, tsm_object_whole(&self->tdi, variant->type, &two));
	/* a report of the same locked interface says the same, and so does what cannot be made */
	if (variant->type != IOMMU_TSM_OBJECT_MEASUREMENT) {
		EXPECT_EQ(0, memcmp(one, two, length));
	}
}

TEST_F(object, flags_that_are_none)
{
	static const __u64 flags[] = { 2, 3, 1ULL << 32, 1ULL << 63, ~0ULL };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(-EINVAL, tsm_object_regen(&self->tdi, variant->type, flags[i], NULL,
						    NULL)) {
			TH_LOG("flags %#llx", (unsigned long long)flags[i]);
		}
	}
	/* a format is of measurements only */
	EXPECT_EQ(variant->type == IOMMU_TSM_OBJECT_MEASUREMENT ? 0 : -EINVAL,
		  tsm_object_regen(&self->tdi, variant->type, 1, NULL, NULL));
}

FIXTURE(evidence)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(evidence);

FIXTURE_SETUP(evidence)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(evidence)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* The interface report is there exactly while the TDI is locked or runs. */
TEST_F(evidence, report_needs_a_lock)
{
	__u32 length;
	char buf[8];

	ASSERT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	EXPECT_LT(0, length);
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	EXPECT_EQ(0, length);
	EXPECT_EQ(sizeof(buf), tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0,
					       buf, sizeof(buf)));
	EXPECT_EQ(-EINVAL, tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 1, buf,
					   sizeof(buf)));
	EXPECT_EQ(-EPROTO, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL,
					    NULL));
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	EXPECT_LT(0, length);
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	EXPECT_LT(0, length);
	EXPECT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, NULL));
}

/* What is of the device and not of a lock is there in any state. */
TEST_F(evidence, of_the_device_needs_no_lock)
{
	__u32 length;

	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_VCA, &length));
	EXPECT_LT(0, length);
	EXPECT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, &length));
	EXPECT_LT(0, length);
}

/* The report tells the addresses that the BARs really have. */
TEST_F(evidence, report_holds_the_bars)
{
	struct report report;
	unsigned char *bytes;
	int length;

	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	ASSERT_LT(0, length);
	ASSERT_EQ(0, report_parse(&report, bytes, length));
	EXPECT_LE(1, report.ranges);
	for (__u32 i = 0; i < report.ranges; i++) {
		__u64 offset;

		EXPECT_LT(0, report.range[i].pages);
		EXPECT_LE(0, report_bar(&report.range[i], &self->tdi.fn, &offset)) {
			TH_LOG("range %u: page %#llx", i,
			       (unsigned long long)report.range[i].first_page);
		}
	}
}

/*
 * Measurements are made anew for a nonce. It is the TSM that sees that they are
 * fresh for it; the record of them does not hold it.
 */
TEST_F(evidence, nonce)
{
	unsigned char nonce[2][32], *bytes[2];
	int length[2];

	for (int i = 0; i < 2; i++) {
		long messages = knob_count("doe");

		for (size_t b = 0; b < sizeof(nonce[i]); b++)
			nonce[i][b] = 0x40 * i + b;
		/* at the end of memory: 32 bytes are read, and no more */
		ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0,
					      fence_copy(nonce[i], 32), NULL));
		EXPECT_LT(messages, knob_count("doe"));
		length[i] = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &bytes[i]);
		ASSERT_LT(0, length[i]);
	}
	EXPECT_EQ(length[0], length[1]);
	EXPECT_EQ(0, memcmp(bytes[0], bytes[1], length[0]));
}

/* What the device measures now is seen when it is asked again, and not before. */
TEST_F(evidence, regen_changes_the_bytes)
{
	unsigned char *before, *same, *after;
	int length;

	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &before);
	ASSERT_LT(0, length);
	/* other contents of the same length */
	ASSERT_EQ(0, knob_set("measurement-bytes", length));
	ASSERT_EQ(length, tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &same));
	EXPECT_EQ(0, memcmp(before, same, length));
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	ASSERT_EQ(length, tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &after));
	EXPECT_NE(0, memcmp(before, after, length));
}

TEST_F(evidence, formats_of_measurements_differ)
{
	unsigned char *digests, *raw;
	int digests_len, raw_len;

	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	digests_len = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &digests);
	ASSERT_LT(0, digests_len);
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 1, NULL, NULL));
	raw_len = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &raw);
	ASSERT_LT(0, raw_len);
	EXPECT_FALSE(digests_len == raw_len && !memcmp(digests, raw, raw_len));
}

TEST_F(evidence, nonce_that_is_not_there)
{
	unsigned char *before, *after, nonce[32] = {};
	void *nonces[] = {
		fence_nowhere(), (char *)fence_copy(nonce, sizeof(nonce)) + 1,
		(void *)0xffffffff81000000UL, (void *)(1UL << 62), (void *)1UL,
	};
	int length;

	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &before);
	ASSERT_LT(0, length);
	for (size_t i = 0; i < ARRAY_SIZE(nonces); i++) {
		EXPECT_EQ(-EFAULT, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0,
						    nonces[i], NULL)) {
			TH_LOG("nonce at %p", nonces[i]);
		}
	}
	ASSERT_EQ(length, tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &after));
	EXPECT_EQ(0, memcmp(before, after, length));
}

/* Its freshness comes from the lock: it takes no nonce. */
TEST_F(evidence, report_takes_no_nonce)
{
	unsigned char nonce[32] = { 1 };

	EXPECT_EQ(-EINVAL, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, nonce,
					    NULL));
}

/* A measurement record that takes many messages and is read in pieces. */
TEST_F(evidence, long_measurements)
{
	static const unsigned long sizes[] = { 100, 4000, 4096, 4097, 20000, 100000 };
	unsigned char *whole, piece[4096];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int length, offset, ret;

		ASSERT_EQ(0, knob_set("measurement-bytes", sizes[i]));
		ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL,
					      NULL)) {
			TH_LOG("%lu bytes", sizes[i]);
		}
		length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &whole);
		EXPECT_EQ(sizes[i], length);
		for (offset = 0; offset < length; offset += sizeof(piece) - ret) {
			ret = tsm_object_read(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, offset,
					      piece, sizeof(piece));
			ASSERT_LE(0, ret);
			ASSERT_GT(sizeof(piece), ret);
			ASSERT_EQ(0, memcmp(whole + offset, piece, sizeof(piece) - ret));
		}
		free(whole);
	}
}

/* A new connection and a new bind do not show what an earlier TDI left. */
TEST_F(evidence, does_not_outlive_the_binding)
{
	__u32 before, after;

	ASSERT_EQ(0, knob_set("measurement-bytes", 3000));
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	ASSERT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &before));
	ASSERT_EQ(3000, before);
	ASSERT_EQ(0, tsm_unbind(&self->tdi));
	ASSERT_EQ(0, knob_reset());
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, tsm_object_info(&self->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, &after));
	EXPECT_NE(3000, after);
}

/* A report that does not tell the truth is the guest's to find: it sees it. */
TEST_F(evidence, report_that_lies)
{
	struct report report;
	unsigned char *bytes;
	bool lies = false;
	__u64 offset;
	int length;

	ASSERT_EQ(0, knob_set("report-lie", 1));
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, NULL));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	ASSERT_LT(0, length);
	ASSERT_EQ(0, report_parse(&report, bytes, length));
	for (__u32 i = 0; i < report.ranges; i++)
		lies |= report_bar(&report.range[i], &self->tdi.fn, &offset) < 0;
	EXPECT_TRUE(lies);
	ASSERT_EQ(0, knob_reset());
	ASSERT_EQ(0, tsm_object_regen(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, NULL));
	length = tsm_object_whole(&self->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	ASSERT_LT(0, length);
	ASSERT_EQ(0, report_parse(&report, bytes, length));
	for (__u32 i = 0; i < report.ranges; i++) {
		EXPECT_LE(0, report_bar(&report.range[i], &self->tdi.fn, &offset));
	}
}

TEST_HARNESS_MAIN
