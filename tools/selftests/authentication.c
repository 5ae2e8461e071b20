// SPDX-License-Identifier: GPL-2.0
/*
 * A device that does not prove who it is, or that it is what it should be: it
 * is not connected, the kernel's log says why, and an honest one is connected
 * right after.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/fixture.h"
#include "lib/klog.h"

/* Bits 63:32 of a tsm_code on CCA: class and value. */
#define AUTHENTICATION(_value) (5u << 16 | (_value))

enum authentication_fault {
	UNTRUSTED = 3,
	EXPIRED = 5,
	CHALLENGE_SIGNATURE = 10,
	MEASUREMENT_SIGNATURE = 11,
	MEASUREMENT = 13,
};

FIXTURE(impostor)
{
	struct vmm vmm;
	struct tdi tdi;
	char tsm[32];
};

FIXTURE_VARIANT(impostor)
{
	const char *knob;
	unsigned int detail;
};

FIXTURE_VARIANT_ADD(impostor, of_another_root) {
	.knob = "cert-foreign", .detail = AUTHENTICATION(UNTRUSTED),
};

FIXTURE_VARIANT_ADD(impostor, expired) {
	.knob = "cert-expired", .detail = AUTHENTICATION(EXPIRED),
};

FIXTURE_VARIANT_ADD(impostor, without_the_key) {
	.knob = "spdm-wrong-signature", .detail = AUTHENTICATION(CHALLENGE_SIGNATURE),
};

FIXTURE_VARIANT_ADD(impostor, with_old_measurements) {
	.knob = "stale-nonce", .detail = AUTHENTICATION(MEASUREMENT_SIGNATURE),
};

FIXTURE_VARIANT_ADD(impostor, with_other_firmware) {
	.knob = "measurement-wrong", .detail = AUTHENTICATION(MEASUREMENT),
};

FIXTURE_SETUP(impostor)
{
	SETUP_PLATFORM();
	SETUP_TDI(&self->vmm, &self->tdi, 0, 0x10);
	ASSERT_EQ(0, platform_tsm(self->tsm, sizeof(self->tsm)));
	ASSERT_EQ(0, tsm_disconnect(self->tdi.fn.bdf));
}

FIXTURE_TEARDOWN(impostor)
{
	EXPECT_EQ(0, knob_reset());
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
	TEARDOWN_PLATFORM();
}

/* It stays that way as long as it goes on, and is over with it. */
TEST_F_TIMEOUT(impostor, is_not_connected, 120)
{
	char want[64], line[256], tsm[32];
	int log = klog_open();

	ASSERT_LE(0, log);
	snprintf(want, sizeof(want), "TSM code %#llx",
		 (unsigned long long)variant->detail << 32);
	/* the low half is what the RMM returned, the same for all of these */
	want[strlen(want) - 8] = 0;
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, knob_set(variant->knob, 1));
		EXPECT_EQ(-EIO, tsm_connect(self->tdi.fn.bdf, self->tsm));
		EXPECT_EQ(1, klog_count(log, want, line, sizeof(line))) {
			klog_count(log, "TSM code", line, sizeof(line));
			TH_LOG("not '%s'", want);
		}
		EXPECT_EQ(0, tsm_connected(self->tdi.fn.bdf, tsm, sizeof(tsm)));
		EXPECT_STREQ("", tsm);
		EXPECT_EQ(-ENXIO, tsm_bind(&self->tdi));
		EXPECT_EQ(0, knob_count("pdevs"));
	}
	close(log);
	EXPECT_EQ(0, knob_reset());
	EXPECT_EQ(0, tsm_connect(self->tdi.fn.bdf, self->tsm));
	EXPECT_EQ(0, tsm_bind(&self->tdi));
	EXPECT_EQ(0, tsm_set_state(&self->tdi, IOMMU_TSM_TDI_RUN, NULL));
}

TEST_HARNESS_MAIN
