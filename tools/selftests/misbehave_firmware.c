// SPDX-License-Identifier: GPL-2.0
/*
 * Firmware that reports an error, at every command that a backend has. Each test
 * goes through the whole life of a TDI, from loading the backend to disconnecting
 * the device, with that error in each step in turn. The step fails with EIO and a
 * code that says why, or comes to its end all the same; then it is taken again,
 * and nothing is in its way.
 */
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fixture.h"
#include "lib/kmod.h"

#define GPA 0x8000000000ULL	/* where nothing of this VM is */

/* What firmware has of a device and its TDIs, which goes with them. */
#define LEFTOVERS 3
static const char *const leftovers[LEFTOVERS] = { "connections", "vms", "pages" };

FIXTURE(misbehave)
{
	struct vmm vmm;
	struct tdi tdi;
	char tsm[32];
	__u64 code;	/* of the last request */
	long left[LEFTOVERS];	/* what there is of each before it begins */
};

FIXTURE_VARIANT(misbehave)
{
	enum arch arch;
	const char *knob;
	unsigned long call;	/* as the firmware numbers it */
};

#define CALL(_order, _arch, _name, _number)					\
	FIXTURE_VARIANT_ADD_OF(_order, misbehave, before_##_name) {		\
		.arch = _arch, .knob = "fw-error-before", .call = _number,	\
	};									\
	FIXTURE_VARIANT_ADD_OF(_order, misbehave, after_##_name) {		\
		.arch = _arch, .knob = "fw-error-after", .call = _number,	\
	}

/* RMI, rust/tsm_wire/rmi/fid.rs: the low bits of the function identifier. */
#define RMI(_name, _number) CALL(1, ARCH_CCA, _name, _number)

RMI(rmi_version, 0x150);
RMI(rmi_realm_create, 0x158);
RMI(rmi_realm_destroy, 0x159);
RMI(rmi_features, 0x165);
RMI(rmi_pdev_communicate, 0x175);
RMI(rmi_pdev_create, 0x176);
RMI(rmi_pdev_destroy, 0x177);
RMI(rmi_pdev_stop, 0x17c);
RMI(rmi_vdev_communicate, 0x186);
RMI(rmi_vdev_create, 0x187);
RMI(rmi_vdev_destroy, 0x188);
RMI(rmi_vdev_unlock, 0x18a);
RMI(rmi_vdev_get_interface_report, 0x1d0);
RMI(rmi_vdev_get_measurements, 0x1d1);
RMI(rmi_vdev_lock, 0x1d2);
RMI(rmi_vdev_start, 0x1d3);
RMI(rmi_granule_range_delegate, 0x1f1);
RMI(rmi_granule_range_undelegate, 0x1f2);
RMI(rmi_rtt_dev_map, 0x1f7);
RMI(rmi_rtt_dev_unmap, 0x1f8);
RMI(rmi_pdev_stream_connect, 0x204);
RMI(rmi_pdev_stream_disconnect, 0x205);
RMI(rmi_pdev_stream_complete, 0x206);

/* PSP commands, rust/tsm_wire/sev/command.rs. */
#define PSP(_name, _number) CALL(2, ARCH_SEV, _name, _number)

#define SNP_DF_FLUSH 0x84

PSP(snp_df_flush, SNP_DF_FLUSH);
PSP(snp_decommission, 0x90);
PSP(snp_activate, 0x91);
PSP(snp_gctx_create, 0x93);
PSP(snp_launch_start, 0xa0);
PSP(snp_launch_finish, 0xa2);
PSP(snp_page_reclaim, 0xc7);
PSP(tio_status, 0xd0);
PSP(tio_dev_create, 0xd2);
PSP(tio_dev_reclaim, 0xd3);
PSP(tio_dev_connect, 0xd4);
PSP(tio_dev_disconnect, 0xd5);
PSP(tio_dev_status, 0xd6);
PSP(tio_dev_measurements, 0xd7);
PSP(tio_dev_certificates, 0xd8);
PSP(tio_tdi_create, 0xda);
PSP(tio_tdi_reclaim, 0xdb);
PSP(tio_tdi_bind, 0xdc);
PSP(tio_tdi_unbind, 0xdd);
PSP(tio_tdi_report, 0xde);
PSP(tio_asid_fence_clear, 0xe1);
PSP(tio_asid_fence_status, 0xe2);

/* SEAMCALL leaves, rust/tsm_wire/tdx/leaf.rs. */
#define TDH(_name, _number) CALL(3, ARCH_TDX, _name, _number)

TDH(tdh_mng_addcx, 1);
TDH(tdh_mng_key_config, 8);
TDH(tdh_mng_create, 9);
TDH(tdh_mr_finalize, 17);
TDH(tdh_mng_vpflushdone, 19);
TDH(tdh_mng_key_freeid, 20);
TDH(tdh_mng_init, 21);
TDH(tdh_phymem_page_reclaim, 28);
TDH(tdh_sys_rd, 34);
TDH(tdh_mem_track, 38);
TDH(tdh_phymem_cache_wb, 40);
TDH(tdh_phymem_page_wbinvd, 41);
TDH(tdh_spdm_create, 130);
TDH(tdh_spdm_delete, 131);
TDH(tdh_ide_stream_create, 132);
TDH(tdh_ide_stream_block, 133);
TDH(tdh_ide_stream_delete, 134);
TDH(tdh_ide_stream_idekmreq, 135);
TDH(tdh_ide_stream_idekmrsp, 136);
TDH(tdh_devif_create, 137);
TDH(tdh_devif_remove, 138);
TDH(tdh_devif_request, 139);
TDH(tdh_devif_response, 140);
TDH(tdh_dmar_add, 150);
TDH(tdh_dmar_block, 151);
TDH(tdh_dmar_remove, 153);
TDH(tdh_mmio_mt_add, 154);
TDH(tdh_mmio_mt_set, 155);
TDH(tdh_mmio_mt_remove, 157);
TDH(tdh_mmio_map, 158);
TDH(tdh_mmio_block, 159);
TDH(tdh_mmio_unmap, 160);
TDH(tdh_iq_inv_request, 161);
TDH(tdh_iq_inv_process, 162);
TDH(tdh_devif_mt_add, 164);
TDH(tdh_devif_mt_remove, 165);

enum step {
	LOAD,
	CONNECT,
	BIND,
	REGEN_REPORT,
	MEASURE,
	VALIDATE,
	RUN,
	UNLOCK,
	LOCK,
	UNBIND,
	DISCONNECT,
	STEPS,
};

/* What each is called, and which state the TDI is in when it begins. */
static const struct {
	const char *name;
	enum tsm_state from;
} steps[STEPS] = {
	[LOAD] = { "load", TSM_UNBOUND },
	[CONNECT] = { "connect", TSM_UNBOUND },
	[BIND] = { "bind", TSM_UNBOUND },
	[REGEN_REPORT] = { "report", TSM_LOCKED },
	[MEASURE] = { "measure", TSM_LOCKED },
	[VALIDATE] = { "validate", TSM_LOCKED },
	[RUN] = { "run", TSM_LOCKED },
	[UNLOCK] = { "unlock", TSM_RUN },
	[LOCK] = { "lock", TSM_UNLOCKED },
	[UNBIND] = { "unbind", TSM_LOCKED },
	[DISCONNECT] = { "disconnect", TSM_UNBOUND },
};

static bool is_request(enum step step)
{
	return step > BIND && step < UNBIND;
}

/* The backend finds its firmware, which registers a TSM. */
static int load(FIXTURE_DATA(misbehave) *self, enum arch arch)
{
	int ret = 0;

	/* it stays loaded when it cannot talk to its firmware */
	if (kmod_is_loaded(arch_module(arch)))
		ret = kmod_unload(arch_module(arch));
	if (!ret)
		ret = kmod_load(arch_module(arch), "");
	if (!ret && platform_tsm(arch, self->tsm, sizeof(self->tsm)))
		ret = -EIO;
	return ret;
}

static int validate(FIXTURE_DATA(misbehave) *self)
{
	struct iommu_tsm_validate_mmio range = { .gpa_base = GPA, .gpa_top = GPA + 4096 };
	struct iommu_vdevice_tsm_req req;
	struct bar bar;
	int ret;

	ret = function_bar(&self->tdi.fn, 0, &bar);
	if (ret)
		return ret;
	range.pa_base = bar.start;
	req = tsm_request(&self->tdi, IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, &range, sizeof(range),
			  NULL, 0);
	ret = tsm_ioctl_req(self->vmm.iommufd, &req);
	self->code = req.tsm_code;
	return ret;
}

static int take(FIXTURE_DATA(misbehave) *self, enum arch arch, enum step step)
{
	const struct tdi *tdi = &self->tdi;

	switch (step) {
	case LOAD:
		return load(self, arch);
	case CONNECT:
		return tsm_connect(tdi->fn.bdf, self->tsm);
	case BIND:
		return tsm_bind(tdi);
	case REGEN_REPORT:
		return tsm_object_regen(tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, &self->code);
	case MEASURE:
		return tsm_object_regen(tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &self->code);
	case VALIDATE:
		return validate(self);
	case RUN:
		return tsm_set_state(tdi, IOMMU_TSM_TDI_RUN, &self->code);
	case UNLOCK:
		return tsm_set_state(tdi, IOMMU_TSM_TDI_UNLOCKED, &self->code);
	case LOCK:
		return tsm_set_state(tdi, IOMMU_TSM_TDI_LOCKED, &self->code);
	case UNBIND:
		return tsm_unbind(tdi);
	case DISCONNECT:
		return tsm_disconnect(tdi->fn.bdf);
	case STEPS:
		break;
	}
	return -EINVAL;
}

FIXTURE_SETUP(misbehave)
{
	static const enum step earlier[] = { LOAD, CONNECT, BIND, UNBIND, DISCONNECT };

	SETUP_DISCONNECTED(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, kmod_unload(arch_module(variant->arch)));
	/* needed for an ASID that another guest had, so that there has to be one before */
	if (variant->arch == ARCH_SEV && variant->call == SNP_DF_FLUSH) {
		for (size_t i = 0; i < ARRAY_SIZE(earlier); i++) {
			ASSERT_EQ(0, take(self, variant->arch, earlier[i]));
		}
		ASSERT_EQ(0, kmod_unload(arch_module(variant->arch)));
	}
	for (int i = 0; i < LEFTOVERS; i++)
		self->left[i] = knob_count(leftovers[i]);
}

FIXTURE_TEARDOWN(misbehave)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	EXPECT_EQ(0, platform_ready(variant->arch));
	TEARDOWN_PLATFORM();
}

/*
 * What the kernel says of the TDI after a step that failed is the case: it is as
 * before, or as it was to become, or it is in ERROR.
 */
static void check_state(struct __test_metadata *_metadata, const struct tdi *tdi, enum step step)
{
	enum tsm_state state = tsm_state(tdi);
	int tdisp = knob_tdisp(0);

	EXPECT_NE(TSM_CONTRADICTION, state) {
		TH_LOG("%s", steps[step].name);
	}
	if (state == TSM_ERROR)
		return;
	EXPECT_EQ(state == TSM_RUN ? KNOB_TDISP_RUN :
		  state == TSM_LOCKED ? KNOB_TDISP_LOCKED : KNOB_TDISP_UNLOCKED, tdisp) {
		TH_LOG("%s: the kernel says %s", steps[step].name, tsm_state_name(state));
	}
}

/* The step failed, and is taken again. */
static void take_again(struct __test_metadata *_metadata, FIXTURE_DATA(misbehave) *self,
		       enum arch arch, enum step step, int ret)
{
	EXPECT_EQ(-EIO, ret) {
		TH_LOG("%s", steps[step].name);
	}
	/* these cannot fail, or there would be no end */
	EXPECT_NE(UNBIND, step);
	EXPECT_NE(DISCONNECT, step);
	if (step >= BIND)
		check_state(_metadata, &self->tdi, step);
	if (is_request(step)) {
		EXPECT_TRUE(fault_is_injected(arch, self->code)) {
			TH_LOG("%s: code %#llx", steps[step].name, (unsigned long long)self->code);
		}
		ASSERT_EQ(0, tsm_reach(&self->tdi, steps[step].from)) {
			TH_LOG("%s", steps[step].name);
		}
	}
	ASSERT_EQ(0, take(self, arch, step)) {
		TH_LOG("%s, again", steps[step].name);
	}
}

TEST_F_TIMEOUT(misbehave, in_every_step, 180)
{
	unsigned int fired = 0;

	for (enum step step = LOAD; step < STEPS; step++) {
		double start = clock_seconds();
		bool did;
		int ret;

		ASSERT_EQ(0, knob_set(variant->knob, variant->call));
		ret = take(self, variant->arch, step);
		EXPECT_GT(TSM_DEADLINE, clock_seconds() - start) {
			TH_LOG("%s: %.1f s", steps[step].name, clock_seconds() - start);
		}
		did = !knob_get(variant->knob);
		ASSERT_EQ(0, knob_reset());
		if (did) {
			fired++;
			TH_LOG("%s: %s", steps[step].name, ret ? strerror(-ret) : "done");
		} else {
			EXPECT_EQ(0, ret) {
				TH_LOG("%s", steps[step].name);
			}
		}
		if (ret)
			take_again(_metadata, self, variant->arch, step, ret);
		if (step == UNBIND) {
			EXPECT_EQ(0, knob_count("tdis"));
			EXPECT_EQ(KNOB_TDISP_UNLOCKED, knob_tdisp(0));
		}
	}
	for (int i = 0; i < LEFTOVERS; i++) {
		EXPECT_EQ(self->left[i], knob_count(leftovers[i])) {
			TH_LOG("%s are left", leftovers[i]);
		}
	}
	EXPECT_LT(0, fired) {
		TH_LOG("nothing of this calls it");
	}
}

TEST_HARNESS_MAIN
