// SPDX-License-Identifier: GPL-2.0
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

int pager_open(struct pager *pager)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int err;

	pager->page = mmap(NULL, PAGER_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (pager->page == MAP_FAILED)
		return -errno;
	pager->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (pager->uffd < 0) {
		err = errno;
		munmap(pager->page, PAGER_PAGE);
		return -err;
	}
	reg.range.start = (uintptr_t)pager->page;
	reg.range.len = PAGER_PAGE;
	if (ioctl(pager->uffd, UFFDIO_API, &api) || ioctl(pager->uffd, UFFDIO_REGISTER, &reg)) {
		err = errno;
		pager_close(pager);
		return -err;
	}
	return 0;
}

int pager_wait(struct pager *pager, int timeout_ms)
{
	struct pollfd pfd = { .fd = pager->uffd, .events = POLLIN };
	struct uffd_msg msg;
	int ret;

	ret = poll(&pfd, 1, timeout_ms);
	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIMEDOUT;
	return read(pager->uffd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -EIO;
}

int pager_fill(struct pager *pager, const void *content)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)pager->page,
		.src = (uintptr_t)content,
		.len = PAGER_PAGE,
	};

	return ioctl(pager->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

void pager_close(struct pager *pager)
{
	close(pager->uffd);
	munmap(pager->page, PAGER_PAGE);
}
