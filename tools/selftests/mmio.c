// SPDX-License-Identifier: GPL-2.0
/* VALIDATE_MMIO: which ranges it takes. Whose guest chose them is not trusted. */
#include "lib/fixture.h"

#define GPA 0x8000000000ULL	/* where nothing of this VM is */
#define PAGE 4096ULL

FIXTURE(mmio)
{
	struct vmm vmm;
	struct tdi tdi;
	struct bar bar;		/* the largest of the function */
};

FIXTURE_ON_EACH_ARCH(mmio);

FIXTURE_SETUP(mmio)
{
	struct bar bar;

	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	for (unsigned int i = 0; i < FUNCTION_BARS; i++) {
		ASSERT_EQ(0, function_bar(&self->tdi.fn, i, &bar));
		if (bar.size > self->bar.size)
			self->bar = bar;
	}
	ASSERT_LE(2 * PAGE, self->bar.size);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
}

FIXTURE_TEARDOWN(mmio)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int validate(FIXTURE_DATA(mmio) *self, __u64 gpa, __u64 len, __u64 pa)
{
	return tsm_validate_mmio(&self->tdi, gpa, gpa + len, pa);
}

TEST_F(mmio, one_page)
{
	EXPECT_EQ(0, validate(self, GPA, PAGE, self->bar.start));
}

TEST_F(mmio, last_page)
{
	EXPECT_EQ(0, validate(self, GPA, PAGE, self->bar.start + self->bar.size - PAGE));
}

TEST_F(mmio, every_bar_as_a_whole)
{
	struct bar bar;

	for (unsigned int i = 0; i < FUNCTION_BARS; i++) {
		ASSERT_EQ(0, function_bar(&self->tdi.fn, i, &bar));
		if (!bar.size || bar.start % PAGE || bar.size % PAGE)
			continue;
		EXPECT_EQ(0, validate(self, GPA + i * (1ULL << 32), bar.size, bar.start)) {
			TH_LOG("BAR %u: %#llx, %#llx bytes", i, (unsigned long long)bar.start,
			       (unsigned long long)bar.size);
		}
	}
}

TEST_F(mmio, while_it_runs)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, validate(self, GPA, PAGE, self->bar.start));
}

/* A range of a TDI that anybody may change is worth nothing. */
TEST_F(mmio, not_while_unlocked)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(-EPROTO, validate(self, GPA, PAGE, self->bar.start));
	/* a payload without a meaning is told first */
	EXPECT_EQ(-EINVAL, validate(self, GPA, PAGE - 1, self->bar.start));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

TEST_F(mmio, alignment)
{
	static const __u64 off[] = { 1, 8, 512, 2048, 4095 };

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA + off[i], GPA + PAGE,
						     self->bar.start));
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA, GPA + PAGE + off[i],
						     self->bar.start));
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA, GPA + PAGE,
						     self->bar.start + off[i]));
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA + off[i], GPA + PAGE + off[i],
						     self->bar.start + off[i]));
	}
}

TEST_F(mmio, empty_or_backwards)
{
	EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA, GPA, self->bar.start));
	EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA + PAGE, GPA, self->bar.start));
	EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, GPA, 0, self->bar.start));
	EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, 0, 0, self->bar.start));
	EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, -PAGE, 0, self->bar.start));
}

TEST_F(mmio, outside_of_any_bar)
{
	const struct {
		const char *what;
		__u64 pa, len;
	} ranges[] = {
		{ "memory", 0x100000, PAGE },
		{ "address 0", 0, PAGE },
		{ "in front of the BAR", self->bar.start - PAGE, PAGE },
		{ "across its start", self->bar.start - PAGE, 2 * PAGE },
		{ "behind it", self->bar.start + self->bar.size, PAGE },
		{ "across its end", self->bar.start + self->bar.size - PAGE, 2 * PAGE },
		{ "more than it", self->bar.start, self->bar.size + PAGE },
		{ "around it", self->bar.start - PAGE, self->bar.size + 2 * PAGE },
		{ "the whole address space", 0, -PAGE },
		{ "APIC", 0xfee00000, PAGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct bar other;
		bool elsewhere = false;

		/* what is behind one BAR can be another one of the same function */
		for (unsigned int b = 0; b < FUNCTION_BARS; b++) {
			ASSERT_EQ(0, function_bar(&self->tdi.fn, b, &other));
			elsewhere |= other.size && ranges[i].pa >= other.start &&
				     ranges[i].pa - other.start + ranges[i].len <= other.size;
		}
		if (elsewhere)
			continue;
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, PAGE, PAGE + ranges[i].len,
						     ranges[i].pa)) {
			TH_LOG("%s", ranges[i].what);
		}
	}
}

TEST_F(mmio, across_two_bars)
{
	struct bar one, two;

	for (unsigned int i = 0; i < FUNCTION_BARS; i++) {
		for (unsigned int j = 0; j < FUNCTION_BARS; j++) {
			ASSERT_EQ(0, function_bar(&self->tdi.fn, i, &one));
			ASSERT_EQ(0, function_bar(&self->tdi.fn, j, &two));
			if (!one.size || !two.size || one.start >= two.start)
				continue;
			/* from the start of one to the end of the other, with any gap */
			EXPECT_EQ(-EINVAL, validate(self, GPA, two.start + two.size - one.start,
						    one.start)) {
				TH_LOG("BAR %u to BAR %u", i, j);
			}
		}
	}
}

TEST_F(mmio, sums_that_overflow)
{
	const struct {
		__u64 base, top, pa;
	} ranges[] = {
		{ 0, -PAGE, self->bar.start },
		{ 0, -PAGE, self->bar.start + self->bar.size - PAGE },
		{ 0, PAGE, -PAGE },
		{ 0, 2 * PAGE, -PAGE },
		{ PAGE, -PAGE, self->bar.start },
		/* a length that brings the end back into the BAR */
		{ PAGE, 2 * PAGE - self->bar.start, self->bar.start },
		{ 1ULL << 63, (1ULL << 63) + self->bar.size + PAGE, self->bar.start },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		EXPECT_EQ(-EINVAL, tsm_validate_mmio(&self->tdi, ranges[i].base, ranges[i].top,
						     ranges[i].pa)) {
			TH_LOG("range %zu", i);
		}
	}
}

/* The BARs of another function are no business of this one. */
TEST_F(mmio, of_another_function)
{
	struct tdi other;
	struct bar bar;

	ASSERT_EQ(0, tdi_open(&other, &self->vmm, 1, 0x11));
	ASSERT_EQ(0, tsm_bind(&other));
	for (unsigned int i = 0; i < FUNCTION_BARS; i++) {
		ASSERT_EQ(0, function_bar(&other.fn, i, &bar));
		if (!bar.size || bar.start % PAGE || bar.size % PAGE)
			continue;
		EXPECT_EQ(-EINVAL, validate(self, GPA, PAGE, bar.start)) {
			TH_LOG("BAR %u", i);
		}
		EXPECT_EQ(0, tsm_validate_mmio(&other, GPA + i * PAGE, GPA + (i + 1) * PAGE,
					       bar.start));
	}
	tdi_close(&other);
}

/* The firmware keeps one page from being two, and says so. */
TEST_F(mmio, twice)
{
	struct iommu_tsm_validate_mmio range = {
		.gpa_base = GPA, .gpa_top = GPA + PAGE, .pa_base = self->bar.start,
	};
	struct iommu_vdevice_tsm_req req =
		tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, &range, sizeof(range),
			    NULL, 0);

	EXPECT_EQ(0, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_EQ(0, req.tsm_code);
	EXPECT_EQ(-EIO, tsm_ioctl_req(self->vmm.iommufd, &req));
	EXPECT_NE(0, req.tsm_code);
	/* another address of the VM for the same page, and another page at the same address */
	EXPECT_EQ(-EIO, validate(self, GPA + PAGE, PAGE, self->bar.start));
	EXPECT_EQ(-EIO, validate(self, GPA, PAGE, self->bar.start + PAGE));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	/* what was refused left nothing behind that would be in the way */
	EXPECT_EQ(0, validate(self, GPA + PAGE, PAGE, self->bar.start + PAGE));
}

/* An unlock takes everything out of the VM; a lock starts anew. */
TEST_F(mmio, gone_with_the_lock)
{
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, validate(self, GPA, self->bar.size, self->bar.start));
		EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
		EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
		EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	}
	EXPECT_EQ(0, validate(self, GPA, PAGE, self->bar.start));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, validate(self, GPA, PAGE, self->bar.start));
}

/* As many ranges as there are pages, and more than anybody counts on. */
TEST_F(mmio, many_ranges)
{
	__u64 pages = self->bar.size / PAGE;
	int ret = 0;

	for (__u64 i = 0; i < pages && !ret; i++)
		ret = validate(self, GPA + i * PAGE, PAGE, self->bar.start + i * PAGE);
	EXPECT_TRUE(ret == 0 || ret == -ENOMEM) {
		TH_LOG("%d", ret);
	}
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
}

TEST_HARNESS_MAIN
