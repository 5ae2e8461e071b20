// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that holds a binding is closed or destroyed, in every order that
 * makes a difference, and after each step the binding is there or not as it
 * must be.
 */
#include "lib/clock.h"
#include "lib/fixture.h"

enum step {
	VDEVICE,	/* IOMMU_DESTROY */
	VIOMMU,		/* IOMMU_DESTROY */
	VFIO,		/* the descriptor; the VM has a reference of its own */
	IOMMUFD,
	KVM,		/* the VM and its VFIO device */
	STEPS,
};

static const char letters[STEPS + 1] = "dvfik";

/* What is still there. */
struct world {
	bool vdevice, viommu, vfio, iommufd, kvm;
};

/* Is the VFIO device open? */
static bool is_open(const struct world *w)
{
	return w->vfio || w->kvm;
}

static bool is_bound(const struct world *w)
{
	return w->vdevice && is_open(w);
}

/* Take the step in the model; what the call returns. */
static int take(struct world *w, enum step step)
{
	int ret = 0;

	switch (step) {
	case VDEVICE:
		if (!w->iommufd)
			return -EBADF;
		/* it went with the device */
		if (!w->vdevice || !is_open(w))
			ret = -ENOENT;
		w->vdevice = false;
		break;
	case VIOMMU:
		if (!w->iommufd)
			return -EBADF;
		if (is_bound(w))
			return -EBUSY;
		w->viommu = false;
		break;
	case VFIO:
		w->vfio = false;
		break;
	case IOMMUFD:
		w->iommufd = false;
		break;
	case KVM:
		w->kvm = false;
		break;
	case STEPS:
		break;
	}
	if (!is_open(w))
		w->vdevice = false;
	return ret;
}

FIXTURE(closing)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(closing)
{
	enum arch arch;
	enum step first;
};

FIXTURE_VARIANT_ON_EACH_ARCH(closing, vdevice_first, .first = VDEVICE);
FIXTURE_VARIANT_ON_EACH_ARCH(closing, viommu_first, .first = VIOMMU);
FIXTURE_VARIANT_ON_EACH_ARCH(closing, vfio_first, .first = VFIO);
FIXTURE_VARIANT_ON_EACH_ARCH(closing, iommufd_first, .first = IOMMUFD);
FIXTURE_VARIANT_ON_EACH_ARCH(closing, kvm_first, .first = KVM);

FIXTURE_SETUP(closing)
{
	SETUP_PLATFORM(variant->arch);
	self->vmm = VMM_NONE;
	self->tdi = TDI_NONE;
}

FIXTURE_TEARDOWN(closing)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

static int close_one(FIXTURE_DATA(closing) *self, enum step step)
{
	switch (step) {
	case VDEVICE:
		return iommufd_destroy(self->vmm.iommufd, self->tdi.vdevice_id);
	case VIOMMU:
		return iommufd_destroy(self->vmm.iommufd, self->vmm.viommu_id);
	case VFIO:
		function_close(&self->tdi.fn);
		return 0;
	case IOMMUFD:
		close(self->vmm.iommufd);
		self->vmm.iommufd = -1;
		return 0;
	case KVM:
		vm_close(&self->vmm.vm);
		return 0;
	case STEPS:
		break;
	}
	return -EINVAL;
}

static void run(struct __test_metadata *_metadata, FIXTURE_DATA(closing) *self,
		const enum step order[STEPS])
{
	struct world w = { true, true, true, true, true };
	char name[STEPS + 1] = {};

	for (int i = 0; i < STEPS; i++)
		name[i] = letters[order[i]];
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	for (int i = 0; i < STEPS; i++) {
		int want = take(&w, order[i]);

		EXPECT_EQ(want, close_one(self, order[i])) {
			TH_LOG("order %s, step %d", name, i);
		}
		EXPECT_EQ(is_bound(&w), tsm_is_bound(self->tdi.fn.bdf)) {
			TH_LOG("order %s, step %d", name, i);
		}
		/* as long as there is a way to ask, there is an answer */
		if (w.iommufd && is_bound(&w)) {
			EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL)) {
				TH_LOG("order %s, step %d", name, i);
			}
		}
	}
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0)) {
		TH_LOG("order %s", name);
	}
	/* a viommu_id or vdevice_id that is left is of an iommufd that is closed */
	self->tdi.vdevice_id = 0;
	vmm_close(&self->vmm);
}

/* The steps of an order that change anything: what it has in common with others. */
static void signature(const enum step order[STEPS], char *to)
{
	struct world w = { true, true, true, true, true };

	for (int i = 0; i < STEPS; i++) {
		struct world before = w;

		take(&w, order[i]);
		if (memcmp(&before, &w, sizeof(w)))
			*to++ = letters[order[i]];
	}
	*to = '\0';
}

TEST_F_TIMEOUT(closing, every_order, 60)
{
	char seen[120][STEPS + 1];
	double start = clock_seconds();
	int known = 0, orders = 0;

	for (int n = 0; n < 3125; n++) {
		char sign[STEPS + 1];
		enum step order[STEPS];
		unsigned int set = 0;
		bool old = false;

		for (int i = 0, rest = n; i < STEPS; i++, rest /= STEPS) {
			order[i] = rest % STEPS;
			set |= 1U << order[i];
		}
		if (set != (1U << STEPS) - 1 || order[0] != variant->first)
			continue;
		orders++;
		signature(order, sign);
		for (int i = 0; i < known; i++)
			old |= !strcmp(seen[i], sign);
		if (old)
			continue;
		strcpy(seen[known++], sign);
		run(_metadata, self, order);
	}
	TH_LOG("%d orders, %d of them different, %.1f s", orders, known, clock_seconds() - start);
}

TEST_HARNESS_MAIN
