// SPDX-License-Identifier: GPL-2.0
/*
 * A device that does not prove who it is, or that it is what it should be: it
 * is not connected, the kernel's log says why, and an honest one is connected
 * right after.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fault.h"
#include "lib/fixture.h"
#include "lib/klog.h"

FIXTURE(impostor)
{
	struct vmm vmm;
	struct tdi tdi;
	char tsm[32];
};

FIXTURE_VARIANT(impostor)
{
	enum arch arch;
	const char *knob;
	unsigned int fault;	/* of class FAULT_AUTHENTICATION */
};

FIXTURE_VARIANT_ON_EACH_ARCH(impostor, of_another_root,
			     .knob = "cert-foreign", .fault = FAULT_UNTRUSTED);

FIXTURE_VARIANT_ON_EACH_ARCH(impostor, expired,
			     .knob = "cert-expired", .fault = FAULT_EXPIRED);

FIXTURE_VARIANT_ON_EACH_ARCH(impostor, without_the_key,
			     .knob = "spdm-wrong-signature", .fault = FAULT_CHALLENGE_SIGNATURE);

FIXTURE_VARIANT_ON_EACH_ARCH(impostor, with_old_measurements,
			     .knob = "stale-nonce", .fault = FAULT_MEASUREMENT_SIGNATURE);

FIXTURE_VARIANT_ON_EACH_ARCH(impostor, with_other_firmware,
			     .knob = "measurement-wrong", .fault = FAULT_MEASUREMENT);

FIXTURE_SETUP(impostor)
{
	SETUP_DISCONNECTED(variant->arch);
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, platform_tsm(variant->arch, self->tsm, sizeof(self->tsm)));
}

FIXTURE_TEARDOWN(impostor)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* The code in the last message of the kernel's log that has one, or 0. */
static __u64 logged_code(const char *line)
{
	static const char before[] = "TSM code ";
	const char *at = strstr(line, before);

	return at ? strtoull(at + strlen(before), NULL, 0) : 0;
}

/* It stays that way as long as it goes on, and is over with it. */
TEST_F_TIMEOUT(impostor, is_not_connected, 120)
{
	char line[256] = "", tsm[32];
	int log = klog_open();

	ASSERT_LE(0, log);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, knob_set(variant->knob, 1));
		EXPECT_EQ(-EIO, tsm_connect(self->tdi.fn.bdf, self->tsm));
		EXPECT_EQ(1, klog_count(log, "TSM code", line, sizeof(line)));
		EXPECT_TRUE(fault_is(variant->arch, logged_code(line), FAULT_AUTHENTICATION,
				     variant->fault)) {
			TH_LOG("not %u: %s", variant->fault, line);
		}
		EXPECT_EQ(0, tsm_connected(self->tdi.fn.bdf, tsm, sizeof(tsm)));
		EXPECT_STREQ("", tsm);
		EXPECT_EQ(-ENXIO, tsm_bind(&self->tdi));
		EXPECT_EQ(0, knob_count("connections"));
	}
	close(log);
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(0, tsm_connect(self->tdi.fn.bdf, self->tsm));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_HARNESS_MAIN
