// SPDX-License-Identifier: GPL-2.0
/*
 * The same script on the TSM of each architecture, and what came of each step side
 * by side. A guest and its VMM go by the common operations: what these answer must
 * be the same, whoever is behind them. A row that may differ is marked so.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/knob.h"
#include "lib/platform.h"
#include "lib/report.h"
#include "lib/scope.h"
#include "lib/stream.h"
#include "lib/tsm.h"

#define GPA 0x8000000000ULL	/* where nothing of this VM is */
#define PAGE 4096

#define ROWS 96
#define CELL 12

/* Must all columns of a row be the same? */
enum rule {
	SAME,
	ANY,
};

struct row {
	const char *name;
	enum rule rule;
	char cell[ARCH_END][CELL];
};

static struct row rows[ROWS];
static int row_count;

/* One run of the script: on which column it is, and at which row. */
struct run {
	enum arch arch;
	int row;
	struct vmm vmm;
	struct tdi tdi;
};

static void note(struct run *run, enum rule rule, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void note(struct run *run, enum rule rule, const char *name, const char *fmt, ...)
{
	struct row *row = &rows[run->row];
	va_list args;

	if (run->row == ROWS) {
		fprintf(stderr, "# more than %d rows\n", ROWS);
		exit(1);
	}
	row->name = name;
	row->rule = rule;
	va_start(args, fmt);
	vsnprintf(row->cell[run->arch], CELL, fmt, args);
	va_end(args);
	if (++run->row > row_count)
		row_count = run->row;
}

/* What a call returned: a number, or the name of an error. */
static void result(struct run *run, const char *name, int ret)
{
	if (ret < 0)
		note(run, SAME, name, "%s", strerrorname_np(-ret) ?: "?");
	else
		note(run, SAME, name, "%d", ret);
}

static void state(struct run *run, const char *name)
{
	note(run, SAME, name, "%s", tsm_state_name(tsm_state(&run->tdi)));
}

static void code(struct run *run, const char *name, __u64 value)
{
	/* a cell is too narrow for all of it: whether there is one is the same for all */
	note(run, SAME, name, "%s", value == TSM_CODE_UNTOUCHED ? "untouched" :
	     value ? "a code" : "none");
}

/* How many calls of the firmware there were since @before. */
static long calls(struct run *run, const char *name, long before)
{
	long now = knob_count("calls");

	note(run, ANY, name, "%ld", now - before);
	return now;
}

static int connect(struct run *run)
{
	char tsm[32];
	int ret = platform_tsm(run->arch, tsm, sizeof(tsm));

	return ret ? ret : tsm_connect(run->tdi.fn.bdf, tsm);
}

/* A digest, which tells whether two are the same bytes. */
static void digest(struct run *run, const char *name, const unsigned char *bytes, int length)
{
	__u32 hash = 2166136261u;	/* FNV-1a, 32 bits */

	for (int i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	note(run, SAME, name, "%08x", hash);
}

static void object(struct run *run, __u32 type, const char *length_name, const char *digest_name)
{
	unsigned char *bytes;
	int length = tsm_object_whole(&run->tdi, type, &bytes);

	result(run, length_name, length);
	digest(run, digest_name, bytes, length);
	free(bytes);
}

/* Of a report: how the interface is locked, and what there is of it. */
static void report(struct run *run)
{
	unsigned char *bytes;
	int length = tsm_object_whole(&run->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &bytes);
	struct report parsed = {};
	int ret = length < 0 ? length : report_parse(&parsed, bytes, length);

	result(run, "report: length", length);
	result(run, "report: well formed", ret);
	note(run, SAME, "report: interface info", "%#06x", parsed.interface_info);
	note(run, SAME, "report: ranges", "%u", parsed.ranges);
	digest(run, "report: their digest", (unsigned char *)parsed.range, sizeof(parsed.range));
	free(bytes);
}

static int ask_of(struct run *run, enum arch arch, __u32 op)
{
	struct iommu_tsm_set_tdi_state locked = { .state = IOMMU_TSM_TDI_LOCKED };
	unsigned char response[PAGE];
	struct iommu_vdevice_tsm_req req =
		tsm_request(&run->tdi, op, &locked, sizeof(locked), NULL, 0);

	if (op != IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE) {
		req.resp_uptr = (uintptr_t)response;
		req.resp_len = sizeof(response);
	}
	req.tvm_arch = arch;
	return tsm_ioctl_req(run->vmm.iommufd, &req);
}

static int scope_state(struct run *run, __u32 state)
{
	struct scope_payload payload = scope_set_state(run->arch, state);

	return tsm_scope(&run->tdi, IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE, payload.bytes,
			 payload.len, NULL, 0);
}

static void objects(struct run *run)
{
	static unsigned char buf[65536];

	object(run, IOMMU_TSM_OBJECT_VCA, "VCA: length", "VCA: digest");
	object(run, IOMMU_TSM_OBJECT_CERTIFICATE, "certificate: length", "certificate: digest");
	result(run, "measure for a nonce",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0,
				"a nonce of 32 bytes, neither more", NULL));
	object(run, IOMMU_TSM_OBJECT_MEASUREMENT, "measurement: length", "measurement: digest");
	result(run, "measure, raw",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 1, NULL, NULL));
	object(run, IOMMU_TSM_OBJECT_MEASUREMENT, "raw measurement: length",
	       "raw measurement: digest");
	result(run, "make the report anew",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, NULL));
	report(run);
	result(run, "make a certificate anew",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, NULL, NULL));
	result(run, "read into 64 KiB: residue",
	       tsm_object_read(&run->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, 0, buf, sizeof(buf)));
	result(run, "read beyond its end",
	       tsm_object_read(&run->tdi, IOMMU_TSM_OBJECT_CERTIFICATE, sizeof(buf), buf,
			       sizeof(buf)));
}

/* Whose operations it takes. */
static void architectures(struct run *run)
{
	result(run, "LOCKED, as COMMON",
	       ask_of(run, ARCH_NONE, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE));
	result(run, "LOCKED, as its own",
	       ask_of(run, run->arch, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE));
	result(run, "LOCKED, as another's",
	       ask_of(run, arch_other(run->arch), IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE));
	result(run, "SEV_ENABLE_DMA of no message",
	       ask_of(run, run->arch, IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA));
}

static void states(struct run *run, __u64 bar)
{
	long before = knob_count("calls");
	__u32 length = 1;

	result(run, "unlock", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_UNLOCKED, NULL));
	before = calls(run, "firmware calls of unlock", before);
	state(run, "state");
	result(run, "report, unlocked",
	       tsm_object_info(&run->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, &length));
	note(run, SAME, "its length", "%u", length);
	result(run, "run, unlocked", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_RUN, NULL));
	result(run, "validate, unlocked", tsm_validate_mmio(&run->tdi, GPA, GPA + PAGE, bar));
	result(run, "lock", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	result(run, "validate a page", tsm_validate_mmio(&run->tdi, GPA, GPA + PAGE, bar));
	result(run, "the same again", tsm_validate_mmio(&run->tdi, GPA, GPA + PAGE, bar));
	result(run, "four pages more",
	       tsm_validate_mmio(&run->tdi, GPA + PAGE, GPA + 5 * PAGE, bar + PAGE));
	result(run, "validate memory", tsm_validate_mmio(&run->tdi, 0, PAGE, 0x100000));
	before = knob_count("calls");
	result(run, "run", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_RUN, NULL));
	before = calls(run, "firmware calls of run", before);
	state(run, "state");
	result(run, "lock what runs", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	result(run, "measure what runs",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, NULL));
	result(run, "unlock by scope", scope_state(run, IOMMU_TSM_TDI_UNLOCKED));
	result(run, "run by scope, unlocked", scope_state(run, IOMMU_TSM_TDI_RUN));
	result(run, "lock again", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	result(run, "run by scope", scope_state(run, IOMMU_TSM_TDI_RUN));
	state(run, "state");
}

/* The device fails, and then an answer of it is no good. */
static void errors(struct run *run)
{
	__u64 got = TSM_CODE_UNTOUCHED;

	knob_set("tdi-error", 1);
	result(run, "report of a TDI in ERROR",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_INTERFACE_REPORT, 0, NULL, &got));
	code(run, "its code", got);
	state(run, "state");
	result(run, "unlock from ERROR", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_UNLOCKED, &got));
	code(run, "its code", got);
	result(run, "lock", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_LOCKED, NULL));
	knob_set("spdm-wrong-signature", 1);
	result(run, "measurement of somebody else",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &got));
	code(run, "its code", got);
	knob_reset();
	result(run, "measurement of the device",
	       tsm_object_regen(&run->tdi, IOMMU_TSM_OBJECT_MEASUREMENT, 0, NULL, &got));
	code(run, "its code", got);
}

/* The script. Returns 0, or a negative errno if it could not begin. */
static int perform(struct run *run)
{
	char tsm[32], path[64];
	struct bar bar = {};
	long before;
	int ret;

	ret = platform_ready(run->arch);
	if (!ret)
		ret = vmm_open(&run->vmm);
	if (!ret)
		ret = tdi_open(&run->tdi, &run->vmm, 0, 0x10);
	if (!ret)
		ret = tsm_disconnect(run->tdi.fn.bdf);
	if (!ret)
		ret = function_bar(&run->tdi.fn, 0, &bar);
	if (ret)
		return ret;
	result(run, "bind, not connected", tsm_bind(&run->tdi));
	before = knob_count("calls");
	result(run, "connect", connect(run));
	before = calls(run, "firmware calls of connect", before);
	platform_tsm(run->arch, tsm, sizeof(tsm));
	snprintf(path, sizeof(path), "/sys/class/tsm/%s", tsm);
	result(run, "IDE streams", stream_count(path, run->tdi.fn.bdf, NULL, 0));
	result(run, "run, not bound", tsm_set_state(&run->tdi, IOMMU_TSM_TDI_RUN, NULL));
	before = knob_count("calls");
	result(run, "bind", tsm_bind(&run->tdi));
	before = calls(run, "firmware calls of bind", before);
	state(run, "state");
	objects(run);
	architectures(run);
	states(run, bar.start);
	errors(run);
	before = knob_count("calls");
	result(run, "unbind", tsm_unbind(&run->tdi));
	before = calls(run, "firmware calls of unbind", before);
	state(run, "state");
	result(run, "unbind again", tsm_unbind(&run->tdi));
	before = knob_count("calls");
	result(run, "disconnect", tsm_disconnect(run->tdi.fn.bdf));
	calls(run, "firmware calls of disconnect", before);
	result(run, "connections left", knob_count("connections"));
	result(run, "VMs left", knob_count("vms"));
	result(run, "pages left", knob_count("pages"));
	tdi_close(&run->tdi);
	vmm_close(&run->vmm);
	return 0;
}

static bool is_good(const struct row *row)
{
	if (row->rule == ANY)
		return true;
	return !strcmp(row->cell[ARCH_CCA], row->cell[ARCH_SEV]) &&
	       !strcmp(row->cell[ARCH_CCA], row->cell[ARCH_TDX]);
}

static void print_cells(const char *const cells[ARCH_COUNT], const char *remark)
{
	for (int i = 0; i < ARCH_COUNT; i++)
		printf("%-*s", CELL, cells[i]);
	printf("%s\n", remark);
}

int main(void)
{
	const char *heads[ARCH_COUNT] = { arch_name(ARCH_CCA), arch_name(ARCH_SEV),
					  arch_name(ARCH_TDX) };
	int differ = 0;

	printf("TAP version 13\n");
	for (enum arch arch = ARCH_CCA; arch < ARCH_END; arch++) {
		const char *why = platform_missing(arch);
		struct run run = { .arch = arch, .vmm = VMM_NONE, .tdi = TDI_NONE };
		int ret;

		if (why) {
			printf("1..0 # SKIP %s\n", why);
			return 4;
		}
		ret = perform(&run);
		if (ret) {
			printf("Bail out! %s: %s\n", arch_name(arch), strerror(-ret));
			return 1;
		}
	}
	printf("1..%d\n#       %-32s", row_count, "");
	print_cells(heads, "");
	for (int i = 0; i < row_count; i++) {
		const struct row *row = &rows[i];
		const char *cells[ARCH_COUNT] = { row->cell[ARCH_CCA], row->cell[ARCH_SEV],
						  row->cell[ARCH_TDX] };
		bool good = is_good(row);
		int width;

		width = printf("%s %d %s", good ? "ok" : "not ok", i + 1, row->name);
		printf("%*s", width < 40 ? 40 - width : 1, "");
		print_cells(cells, row->rule == ANY ? "(may differ)" : "");
		differ += !good;
	}
	return differ ? 1 : 0;
}
