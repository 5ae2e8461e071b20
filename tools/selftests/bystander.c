// SPDX-License-Identifier: GPL-2.0
/*
 * The other commands of /dev/iommu answer the same, to the byte, whether the
 * module is loaded, is not, or is just being loaded or removed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "lib/clock.h"
#include "lib/fence.h"
#include "lib/fixture.h"
#include "lib/kmod.h"

#define ROUND_TRIPS 5		/* loads and removals under load */
#define NOBODY 0x7ffffff0	/* an id of nothing */

/* One call: what it is given, and afterwards what came of it. */
struct record {
	const char *name;
	int result;		/* or the negative errno */
	unsigned char argument[128];
};

#define RECORDS 96

struct script {
	struct record record[RECORDS];
	int count;
};

static int note(struct script *script, const char *name, int fd, unsigned long command, void *arg,
		size_t size)
{
	struct record *record = &script->record[script->count++];
	int ret;

	ret = ioctl(fd, command, arg);
	record->name = name;
	record->result = ret < 0 ? -errno : ret;
	if (size)
		memcpy(record->argument, arg, size);
	return record->result;
}

#define NOTE(_name, _command, _arg) note(script, _name, fd, _command, &(_arg), sizeof(_arg))

/* Every command, right and wrong, on a fresh /dev/iommu. Ids start anew with it. */
static void perform(struct script *script, void *buffer)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	/* static, so that its address is the same whoever asks */
	static struct iommu_iova_range ranges[8];
	int fd = iommufd_open();
	__u32 ioas, second;

	script->count = 0;
	memset(script, 0, sizeof(*script));
	if (fd < 0)
		return;

	NOTE("IOAS_ALLOC", IOMMU_IOAS_ALLOC, alloc);
	ioas = alloc.out_ioas_id;
	alloc.out_ioas_id = 0;
	NOTE("a second IOAS_ALLOC", IOMMU_IOAS_ALLOC, alloc);
	second = alloc.out_ioas_id;
	alloc.flags = 1;
	NOTE("IOAS_ALLOC with a flag", IOMMU_IOAS_ALLOC, alloc);
	alloc.flags = 0;
	alloc.size = sizeof(alloc) - 1;
	NOTE("IOAS_ALLOC that is short", IOMMU_IOAS_ALLOC, alloc);
	note(script, "IOAS_ALLOC of nothing", fd, IOMMU_IOAS_ALLOC, NULL, 0);
	note(script, "IOAS_ALLOC of nowhere", fd, IOMMU_IOAS_ALLOC, fence_nowhere(), 0);
	struct {
		struct iommu_ioas_alloc alloc;
		__u32 tail;
	} longer = { .alloc.size = sizeof(longer), .tail = 1 };
	NOTE("IOAS_ALLOC with a tail", IOMMU_IOAS_ALLOC, longer);

	struct iommu_ioas_iova_ranges iova = {
		.size = sizeof(iova), .ioas_id = ioas, .num_iovas = ARRAY_SIZE(ranges),
		.allowed_iovas = (uintptr_t)ranges,
	};
	NOTE("IOVA_RANGES", IOMMU_IOAS_IOVA_RANGES, iova);
	iova.ioas_id = NOBODY;
	NOTE("IOVA_RANGES of nobody", IOMMU_IOAS_IOVA_RANGES, iova);
	struct iommu_ioas_allow_iovas allow = { .size = sizeof(allow), .ioas_id = ioas };
	NOTE("ALLOW_IOVAS", IOMMU_IOAS_ALLOW_IOVAS, allow);

	struct iommu_ioas_map map = {
		.size = sizeof(map), .ioas_id = ioas,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)buffer, .length = 8192, .iova = 0x100000,
	};
	NOTE("MAP", IOMMU_IOAS_MAP, map);
	NOTE("MAP over it", IOMMU_IOAS_MAP, map);
	map.length = 0;
	NOTE("MAP of nothing", IOMMU_IOAS_MAP, map);
	map.length = 8191;
	map.iova = 0x200000;
	NOTE("MAP of an odd length", IOMMU_IOAS_MAP, map);
	map.flags |= 1U << 31;
	NOTE("MAP with a flag", IOMMU_IOAS_MAP, map);
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy), .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = second, .src_ioas_id = ioas, .length = 8192, .dst_iova = 0x300000,
		.src_iova = 0x100000,
	};
	NOTE("COPY", IOMMU_IOAS_COPY, copy);
	copy.src_iova = 0x900000;
	NOTE("COPY of nothing", IOMMU_IOAS_COPY, copy);
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = 0x100000, .length = 4096,
	};
	NOTE("UNMAP of a part", IOMMU_IOAS_UNMAP, unmap);
	unmap.length = 8192;
	NOTE("UNMAP", IOMMU_IOAS_UNMAP, unmap);
	unmap.length = 8192;
	NOTE("UNMAP again", IOMMU_IOAS_UNMAP, unmap);
	unmap.iova = 0;
	unmap.length = ~0ULL;
	NOTE("UNMAP of everything", IOMMU_IOAS_UNMAP, unmap);
	struct iommu_ioas_map_file file = {
		.size = sizeof(file), .ioas_id = ioas, .fd = -1, .length = 4096,
	};
	NOTE("MAP_FILE", IOMMU_IOAS_MAP_FILE, file);
	struct iommu_ioas_change_process process = { .size = sizeof(process) };
	NOTE("CHANGE_PROCESS", IOMMU_IOAS_CHANGE_PROCESS, process);

	struct iommu_option option = { .size = sizeof(option), .option_id = 1, .op = IOMMU_OPTION_OP_GET,
		.object_id = ioas };
	NOTE("OPTION of huge pages", IOMMU_OPTION, option);
	option.option_id = IOMMU_OPTION_RLIMIT_MODE;
	NOTE("OPTION of an object that needs none", IOMMU_OPTION, option);
	option.object_id = 0;
	NOTE("OPTION of the limit", IOMMU_OPTION, option);
	option.op = IOMMU_OPTION_OP_SET;
	option.val64 = 2;
	NOTE("OPTION set to nonsense", IOMMU_OPTION, option);
	option.option_id = 77;
	NOTE("OPTION unknown", IOMMU_OPTION, option);
	option.option_id = IOMMU_OPTION_RLIMIT_MODE;
	option.__reserved = 1;
	NOTE("OPTION reserved", IOMMU_OPTION, option);

	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt), .dev_id = NOBODY, .pt_id = ioas,
	};
	NOTE("HWPT_ALLOC", IOMMU_HWPT_ALLOC, hwpt);
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = NOBODY };
	NOTE("GET_HW_INFO", IOMMU_GET_HW_INFO, info);
	struct iommu_hwpt_set_dirty_tracking tracking = { .size = sizeof(tracking), .hwpt_id = NOBODY };
	NOTE("SET_DIRTY_TRACKING", IOMMU_HWPT_SET_DIRTY_TRACKING, tracking);
	struct iommu_hwpt_get_dirty_bitmap bitmap = { .size = sizeof(bitmap), .hwpt_id = NOBODY };
	NOTE("GET_DIRTY_BITMAP", IOMMU_HWPT_GET_DIRTY_BITMAP, bitmap);
	struct iommu_hwpt_invalidate invalidate = { .size = sizeof(invalidate), .hwpt_id = NOBODY };
	NOTE("INVALIDATE", IOMMU_HWPT_INVALIDATE, invalidate);
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu), .type = 1, .dev_id = NOBODY, .hwpt_id = ioas,
	};
	NOTE("VIOMMU_ALLOC", IOMMU_VIOMMU_ALLOC, viommu);
	viommu.type = 0;
	NOTE("VIOMMU_ALLOC of type 0", IOMMU_VIOMMU_ALLOC, viommu);
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice), .viommu_id = NOBODY, .dev_id = NOBODY,
	};
	NOTE("VDEVICE_ALLOC", IOMMU_VDEVICE_ALLOC, vdevice);
	struct iommu_veventq_alloc veventq = { .size = sizeof(veventq), .viommu_id = NOBODY, .type = 1,
		.veventq_depth = 1 };
	NOTE("VEVENTQ_ALLOC", IOMMU_VEVENTQ_ALLOC, veventq);
	struct iommu_hw_queue_alloc queue = { .size = sizeof(queue), .viommu_id = NOBODY, .type = 1,
		.length = 4096 };
	NOTE("HW_QUEUE_ALLOC", IOMMU_HW_QUEUE_ALLOC, queue);

	struct iommu_vfio_ioas vfio = { .size = sizeof(vfio), .op = IOMMU_VFIO_IOAS_GET };
	NOTE("VFIO_IOAS get of none", IOMMU_VFIO_IOAS, vfio);
	vfio.op = IOMMU_VFIO_IOAS_SET;
	vfio.ioas_id = ioas;
	NOTE("VFIO_IOAS set", IOMMU_VFIO_IOAS, vfio);
	vfio.op = IOMMU_VFIO_IOAS_GET;
	vfio.ioas_id = 0;
	NOTE("VFIO_IOAS get", IOMMU_VFIO_IOAS, vfio);
	vfio.op = IOMMU_VFIO_IOAS_CLEAR;
	NOTE("VFIO_IOAS clear", IOMMU_VFIO_IOAS, vfio);
	note(script, "VFIO_GET_API_VERSION", fd, VFIO_GET_API_VERSION, NULL, 0);
	note(script, "VFIO_CHECK_EXTENSION", fd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU, 0);

	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = second };
	NOTE("DESTROY", IOMMU_DESTROY, destroy);
	NOTE("DESTROY again", IOMMU_DESTROY, destroy);
	destroy.id = 0;
	NOTE("DESTROY of 0", IOMMU_DESTROY, destroy);

	/* neighbours of the two commands, and the two in other encodings */
	static const unsigned int numbers[] = {
		_IO(';', 0x7f), _IO(';', 0x94), _IO(';', 0x95), _IO(';', 0x98), _IO(';', 0x99),
		_IO(';', 0xa0), _IO(';', 0xff), _IO(';', 0x00), _IOW(';', 0x96, __u32),
		_IOWR(';', 0x97, __u64), _IOR(';', 0x96, __u64), _IO('x', 0x96), _IO(':', 0x97),
		0x96, 0x97, 0xffffffff,
	};
	static const char *const names[] = {
		"; 7f", "; 94", "; 95", "; 98", "; 99", "; a0", "; ff", "; 00", "W 96", "WR 97",
		"R 96", "x 96", ": 97", "96", "97", "-1",
	};
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		__u32 words[24] = { sizeof(words) };

		NOTE(names[i], numbers[i], words);
	}
	close(fd);
}

static bool same(const struct script *a, const struct script *b, const char **name)
{
	if (a->count != b->count) {
		*name = "number of calls";
		return false;
	}
	for (int i = 0; i < a->count; i++) {
		*name = a->record[i].name;
		if (a->record[i].result != b->record[i].result ||
		    memcmp(a->record[i].argument, b->record[i].argument,
			   sizeof(a->record[i].argument)))
			return false;
	}
	return true;
}

FIXTURE(bystander)
{
	struct script *before, *now;
	void *buffer;
};

FIXTURE_SETUP(bystander)
{
	SETUP_PLATFORM(ARCH_CCA);
	ASSERT_EQ(0, kmod_unload_stack());
	self->before = calloc(1, sizeof(*self->before));
	self->now = calloc(1, sizeof(*self->now));
	self->buffer = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buffer);
	perform(self->before, self->buffer);
	ASSERT_LT(40, self->before->count);
}

FIXTURE_TEARDOWN(bystander)
{
	EXPECT_EQ(0, platform_ready(ARCH_CCA));
	TEARDOWN_PLATFORM();
}

#define EXPECT_SAME(_when)							\
	do {									\
		const char *_name;						\
										\
		perform(self->now, self->buffer);				\
		EXPECT_TRUE(same(self->before, self->now, &_name)) {		\
			TH_LOG("%s: %s", _when, _name);				\
		}								\
	} while (0)

/* That the table is worth something: it has answers of many kinds. */
TEST_F(bystander, table_is_of_many_kinds)
{
	unsigned int good = 0, einval = 0, enoent = 0, enotty = 0, other = 0;

	for (int i = 0; i < self->before->count; i++) {
		switch (self->before->record[i].result) {
		case -EINVAL: einval++; break;
		case -ENOENT: enoent++; break;
		case -ENOTTY: enotty++; break;
		default:
			if (self->before->record[i].result >= 0)
				good++;
			else
				other++;
		}
	}
	TH_LOG("%u good, %u EINVAL, %u ENOENT, %u ENOTTY, %u other", good, einval, enoent, enotty,
	       other);
	EXPECT_LT(5, good);
	EXPECT_LT(2, einval);
	EXPECT_LT(5, enoent);
	EXPECT_LT(5, enotty);
	EXPECT_LT(3, other);
	EXPECT_SAME("a second time");
}

TEST_F(bystander, while_it_is_loaded)
{
	for (int i = 0; i < KMOD_COUNT; i++) {
		ASSERT_EQ(0, kmod_load(kmod_stack[i], ""));
		EXPECT_SAME(kmod_stack[i]);
	}
	ASSERT_EQ(0, kmod_unload("iommufd_tsm"));
	EXPECT_SAME("after it was removed");
	ASSERT_EQ(0, kmod_unload_stack());
	EXPECT_SAME("after all were removed");
}

/* With a TDI bound on another iommufd. */
TEST_F(bystander, while_a_tdi_is_bound)
{
	struct vmm vmm;
	struct tdi tdi;

	ASSERT_EQ(0, platform_ready(ARCH_CCA));
	SETUP_TDI(&vmm, &tdi, 0, 0x10);
	ASSERT_EQ(0, tsm_reach(&tdi, TSM_RUN));
	EXPECT_SAME("while a TDI runs");
	EXPECT_EQ(0, tsm_unbind(&tdi));
	EXPECT_SAME("after it was unbound");
	tdi_close(&tdi);
	vmm_close(&vmm);
	EXPECT_SAME("after it was closed");
}

TEST_F(bystander, after_a_refused_load)
{
	if (!kmod_exists("ioctl_owner"))
		SKIP(return, "no test module ioctl_owner.ko in /lib/modules/tsm");
	ASSERT_EQ(0, kmod_load("iommufd_tsm_core", ""));
	ASSERT_EQ(0, kmod_load("ioctl_owner", ""));
	EXPECT_SAME("with another owner");
	EXPECT_GT(0, kmod_load("iommufd_tsm", ""));
	EXPECT_SAME("after the refusal");
	ASSERT_EQ(0, kmod_unload("ioctl_owner"));
	EXPECT_SAME("after the other owner went");
}

struct crowd {
	FIXTURE_DATA(bystander) *self;
	atomic_bool stop;
	unsigned int rounds, wrong;
	char name[64];
};

static void *stand_by(void *data)
{
	struct crowd *crowd = data;
	struct script *now = calloc(1, sizeof(*now));
	const char *name;

	do {
		perform(now, crowd->self->buffer);
		crowd->rounds++;
		if (!same(crowd->self->before, now, &name)) {
			crowd->wrong++;
			snprintf(crowd->name, sizeof(crowd->name), "%s", name);
		}
	} while (!atomic_load(&crowd->stop));
	free(now);
	return NULL;
}

TEST_F_TIMEOUT(bystander, while_it_comes_and_goes, 60)
{
	struct crowd crowd[2] = { { .self = self }, { .self = self } };
	pthread_t thread[2];

	ASSERT_EQ(0, kmod_load("iommufd_tsm_core", ""));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, stand_by, &crowd[i]));
	}
	for (int i = 0; i < ROUND_TRIPS; i++) {
		EXPECT_EQ(0, kmod_load("iommufd_tsm", ""));
		clock_sleep_ms(20);
		EXPECT_EQ(0, kmod_unload("iommufd_tsm"));
		clock_sleep_ms(20);
	}
	for (int i = 0; i < 2; i++) {
		atomic_store(&crowd[i].stop, true);
		pthread_join(thread[i], NULL);
		EXPECT_LT(2, crowd[i].rounds);
		EXPECT_EQ(0, crowd[i].wrong) {
			TH_LOG("%u of %u rounds, one of them: %s", crowd[i].wrong, crowd[i].rounds,
			       crowd[i].name);
		}
	}
}

TEST_HARNESS_MAIN
