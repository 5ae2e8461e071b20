// SPDX-License-Identifier: GPL-2.0
/* Binding a TDI to its VM: again, for another VM, without one, and many at once. */
#include <pthread.h>

#include "lib/fixture.h"
#include "lib/kmod.h"
#include "lib/sysfs.h"

FIXTURE(bind)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(bind);

FIXTURE_SETUP(bind)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
}

FIXTURE_TEARDOWN(bind)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(bind, locks_the_device)
{
	char tsm[32], want[32];

	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	ASSERT_EQ(0, platform_tsm(variant->arch, want, sizeof(want)));
	ASSERT_LT(0, sysfs_read(tsm, sizeof(tsm), SYSFS_PCI "/%s/tsm/bound", self->tdi.fn.bdf));
	EXPECT_STREQ(want, tsm);
}

TEST_F(bind, unbind_unlocks_the_device)
{
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
	EXPECT_STATE(TSM_UNBOUND, &self->tdi);
}

TEST_F(bind, unbind_from_run)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

TEST_F(bind, unbind_from_unlocked)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

/* The same VM, the same id: nothing happens, not even a message to the device. */
TEST_F(bind, twice)
{
	long calls;

	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	calls = knob_count("calls");
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, tsm_bind(&self->tdi));
	}
	EXPECT_EQ(calls, knob_count("calls"));
	EXPECT_STATE(TSM_RUN, &self->tdi);
}

TEST_F(bind, unbind_of_an_unbound_vdevice)
{
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
}

TEST_F(bind, again_and_again)
{
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(0, tsm_bind(&self->tdi));
		EXPECT_EQ(0, tsm_unbind(&self->tdi));
	}
}

/* A new vDEVICE of the same function starts anew. */
TEST_F(bind, is_of_the_vdevice)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_RUN));
	ASSERT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	ASSERT_EQ(0, tdi_alloc(&self->tdi, 0x20));
	EXPECT_STATE(TSM_UNBOUND, &self->tdi);
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* v7: no IOMMU_VDEVICE_TSM_OP at all. */
TEST_F(bind, without_op)
{
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_LOCKED, knob_tdisp(0));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(0));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
}

/* Both flows are of one state. */
TEST_F(bind, op_after_locked)
{
	ASSERT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_STATE(TSM_UNBOUND, &self->tdi);
}

/* BIND leaves a bound TDI as it is, in whatever state. */
TEST_F(bind, does_not_lock_again)
{
	ASSERT_EQ(0, tsm_reach(&self->tdi, TSM_UNLOCKED));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi);
}

FIXTURE(virt_id)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_VARIANT(virt_id)
{
	enum arch arch;
	__u64 id;
	int result;
};

FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, zero, .id = 0, .result = 0);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, segment_and_bdf, .id = 0x00010100, .result = 0);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_16_bits, .id = 0xffff, .result = 0);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_17_bits, .id = 0x10010, .result = 0);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_32_bits, .id = 0xffffffff, .result = 0);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_33_bits, .id = 1ULL << 32, .result = -EINVAL);
/* cut to 32 bits it would be one that is taken for another device */
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_33_bits_and_more,
			     .id = (1ULL << 32) + 0x10, .result = -EINVAL);
FIXTURE_VARIANT_ON_EACH_ARCH(virt_id, of_64_bits, .id = ~0ULL, .result = -EINVAL);

/* A PSP knows a TDI by 16 bits of what the others have 32 of. */
static int result(const FIXTURE_VARIANT(virt_id) *variant)
{
	return variant->arch == ARCH_SEV && variant->id > 0xffff ? -EINVAL : variant->result;
}

FIXTURE_SETUP(virt_id)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, variant->id);
}

FIXTURE_TEARDOWN(virt_id)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(virt_id, binds_or_not)
{
	int want = result(variant);

	EXPECT_EQ(want, tsm_bind(&self->tdi));
	EXPECT_EQ(!want, tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_EQ(want, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_EQ(!want, tsm_is_bound(self->tdi.fn.bdf));
}

/* Whose VM it is: what VFIO knew when the device was bound to the iommufd. */
FIXTURE(vm)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_ON_EACH_ARCH(vm);

FIXTURE_SETUP(vm)
{
	SETUP_PLATFORM(variant->arch);
	self->tdi = TDI_NONE;
	self->vmm = VMM_NONE;
}

FIXTURE_TEARDOWN(vm)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

TEST_F(vm, none)
{
	ASSERT_EQ(0, vmm_open_without_vm(&self->vmm));
	ASSERT_EQ(0, tdi_open(&self->tdi, &self->vmm, 0, 0x10));
	EXPECT_EQ(-ENODEV, tsm_bind(&self->tdi));
	EXPECT_EQ(-ENODEV, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
}

TEST_F(vm, told_too_late)
{
	ASSERT_EQ(0, vmm_open_without_vm(&self->vmm));
	ASSERT_EQ(0, tdi_open(&self->tdi, &self->vmm, 0, 0x10));
	ASSERT_EQ(0, vm_open(&self->vmm.vm));
	ASSERT_EQ(0, vm_adopt(&self->vmm.vm, self->tdi.fn.vfio));
	EXPECT_EQ(-ENODEV, tsm_bind(&self->tdi));
}

/* Everything of the VM that has a descriptor is closed: the TDI does not mind. */
TEST_F(vm, closed_while_bound)
{
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	vm_close(&self->vmm.vm);
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	/* and again: VFIO still has it */
	EXPECT_EQ(0, tsm_bind(&self->tdi));
}

TEST_F(vm, released_while_bound)
{
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_bind(&self->tdi));
	ASSERT_EQ(0, vm_release(&self->vmm.vm, self->tdi.fn.vfio));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	ASSERT_EQ(0, vm_adopt(&self->vmm.vm, self->tdi.fn.vfio));
}

TEST_F(vm, closed_before_bind)
{
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	vm_close(&self->vmm.vm);
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

/*
 * EBUSY: somebody else in the kernel bound the function. The module kvm_other
 * does, for a VM and under an id that it is told. Our own TSMs are for nobody
 * else, so that this is about those of others.
 */
FIXTURE(other)
{
	struct vmm vmm;
	struct tdi tdi;
	struct vm vm;
};

FIXTURE_VARIANT(other)
{
	bool same_vm;
	__u32 id;
};

FIXTURE_VARIANT_ADD(other, vm) { .id = 0x10 };
FIXTURE_VARIANT_ADD(other, id) { .same_vm = true, .id = 0x77 };
FIXTURE_VARIANT_ADD(other, vm_and_id) { .id = 0x77 };

/* Modules of an earlier test that did not come to its end. */
#define SETUP_OTHER()								\
	do {									\
		if (!kmod_exists("kvm_other") || !kmod_exists("tsm_foreign"))	\
			SKIP(return, "no test modules kvm_other.ko and tsm_foreign.ko in " \
				     "/lib/modules/tsm");			\
		if (kmod_is_loaded("kvm_other")) {				\
			ASSERT_EQ(0, kmod_unload("kvm_other"));			\
		}								\
		if (kmod_is_loaded("tsm_foreign")) {				\
			ASSERT_EQ(0, kmod_unload("tsm_foreign"));		\
		}								\
	} while (0)

static int load_other(const struct tdi *tdi, int vm, __u32 id)
{
	char parameters[128];

	snprintf(parameters, sizeof(parameters), "device=%s vm=%d id=%u", tdi->fn.bdf, vm, id);
	return kmod_load("kvm_other", parameters);
}

FIXTURE_SETUP(other)
{
	char tsm[32];

	SETUP_PLATFORM(ARCH_NONE);
	SETUP_OTHER();
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, vm_open(&self->vm));
	ASSERT_EQ(0, kmod_load("tsm_foreign", "can=request"));
	ASSERT_EQ(0, platform_tsm_of("tsm_foreign", tsm, sizeof(tsm)));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	ASSERT_EQ(0, tsm_connect(self->tdi.fn.bdf, tsm));
	ASSERT_EQ(0, load_other(&self->tdi, variant->same_vm ? self->vmm.vm.fd : self->vm.fd,
				variant->id));
}

FIXTURE_TEARDOWN(other)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	vm_close(&self->vm);
	if (kmod_is_loaded("kvm_other")) {
		EXPECT_EQ(0, kmod_unload("kvm_other"));
	}
	EXPECT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
	EXPECT_EQ(0, kmod_unload("tsm_foreign"));
	TEARDOWN_PLATFORM();
}

TEST_F(other, keeps_its_binding)
{
	ASSERT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(-EBUSY, tsm_bind(&self->tdi));
	EXPECT_EQ(-EBUSY, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	/* it is bound, but not as this vDEVICE */
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
	EXPECT_EQ(-ENXIO, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	/* nothing of ours to unbind, and what is of others stays */
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tdi_destroy(&self->tdi));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
}

TEST_F(other, lets_go)
{
	ASSERT_EQ(-EBUSY, tsm_bind(&self->tdi));
	ASSERT_EQ(0, kmod_unload("kvm_other"));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_TRUE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_unbind(&self->tdi));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
}

FIXTURE(intruder)
{
	struct vmm vmm;
	struct tdi tdi;
	struct vm vm;
};

FIXTURE_ON_EACH_ARCH(intruder);

FIXTURE_SETUP(intruder)
{
	SETUP_PLATFORM(variant->arch);
	SETUP_OTHER();
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, vm_open(&self->vm));
}

FIXTURE_TEARDOWN(intruder)
{
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	vm_close(&self->vm);
	TEARDOWN_PLATFORM();
}

/* Who comes past the ioctls does not get a TDI of our own TSMs, bound or not. */
TEST_F(intruder, of_another_vm)
{
	EXPECT_GT(0, load_other(&self->tdi, self->vm.fd, 0x10));
	EXPECT_FALSE(tsm_is_bound(self->tdi.fn.bdf));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(-EBUSY, load_other(&self->tdi, self->vm.fd, 0x10));
	EXPECT_STATE(TSM_LOCKED, &self->tdi);
}

/* Several functions of one device at once: TDIs of their own. */
FIXTURE(parallel)
{
	struct vmm vmm[FUNCTIONS_OF_DEVICE_0];
	struct tdi tdi[FUNCTIONS_OF_DEVICE_0];
};

FIXTURE_VARIANT(parallel)
{
	enum arch arch;
	bool one_vm;
};

FIXTURE_VARIANT_ON_EACH_ARCH(parallel, of_one_vm, .one_vm = true);
FIXTURE_VARIANT_ON_EACH_ARCH(parallel, of_three_vms, .one_vm = false);

FIXTURE_SETUP(parallel)
{
	SETUP_PLATFORM(variant->arch);
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		self->vmm[i] = VMM_NONE;
		self->tdi[i] = TDI_NONE;
	}
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		struct vmm *vmm = &self->vmm[variant->one_vm ? 0 : i];

		if (vmm->iommufd < 0) {
			ASSERT_EQ(0, vmm_open(vmm));
		}
		ASSERT_EQ(0, tdi_open(&self->tdi[i], vmm, i, 0x10 + i));
	}
}

FIXTURE_TEARDOWN(parallel)
{
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++)
		tdi_close(&self->tdi[i]);
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++)
		vmm_close(&self->vmm[i]);
	TEARDOWN_PLATFORM();
}

static void *whole_flow(void *data)
{
	const struct tdi *tdi = data;
	__u32 length;
	int ret;

	ret = tsm_bind(tdi);
	if (!ret)
		ret = tsm_object_info(tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length);
	if (!ret && !length)
		ret = -ENODATA;
	if (!ret)
		ret = tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL);
	if (!ret)
		ret = tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, NULL);
	return (void *)(long)ret;
}

TEST_F(parallel, whole_flow)
{
	pthread_t thread[FUNCTIONS_OF_DEVICE_0];

	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, whole_flow, &self->tdi[i]));
	}
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		void *ret;

		ASSERT_EQ(0, pthread_join(thread[i], &ret));
		EXPECT_EQ(0, (long)ret) {
			TH_LOG("function %d", i);
		}
	}
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		EXPECT_EQ(KNOB_TDISP_RUN, knob_tdisp(i));
		EXPECT_STATE(TSM_RUN, &self->tdi[i]);
	}
}

/* What happens to one is nothing to the others. */
TEST_F(parallel, one_each_its_own_state)
{
	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		ASSERT_EQ(0, tsm_bind(&self->tdi[i]));
	}
	ASSERT_EQ(0, tsm_set_state(&self->tdi[0], IOMMU_TSM_TDI_RUN, NULL));
	ASSERT_EQ(0, tsm_set_state(&self->tdi[1], IOMMU_TSM_TDI_UNLOCKED, NULL));
	EXPECT_STATE(TSM_RUN, &self->tdi[0]);
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi[1]);
	EXPECT_STATE(TSM_LOCKED, &self->tdi[2]);
	ASSERT_EQ(0, tdi_destroy(&self->tdi[0]));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi[1]);
	EXPECT_STATE(TSM_LOCKED, &self->tdi[2]);
	EXPECT_EQ(0, tsm_unbind(&self->tdi[2]));
	EXPECT_STATE(TSM_UNLOCKED, &self->tdi[1]);
	EXPECT_TRUE(tsm_is_bound(self->tdi[1].fn.bdf));
	EXPECT_FALSE(tsm_is_bound(self->tdi[0].fn.bdf));
	EXPECT_FALSE(tsm_is_bound(self->tdi[2].fn.bdf));
}

/* The report of each is its own. */
TEST_F(parallel, reports_differ)
{
	unsigned char *bytes[FUNCTIONS_OF_DEVICE_0];
	int length[FUNCTIONS_OF_DEVICE_0];

	for (int i = 0; i < FUNCTIONS_OF_DEVICE_0; i++) {
		ASSERT_EQ(0, tsm_bind(&self->tdi[i]));
		length[i] = tsm_object_whole(&self->tdi[i], IOMMU_TSM_OBJECT_INTERFACE_REPORT,
					     &bytes[i]);
		ASSERT_LT(0, length[i]);
		for (int j = 0; j < i; j++) {
			EXPECT_FALSE(length[i] == length[j] &&
				     !memcmp(bytes[i], bytes[j], length[i]));
		}
	}
}

TEST_HARNESS_MAIN
