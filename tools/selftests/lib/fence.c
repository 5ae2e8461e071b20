// SPDX-License-Identifier: GPL-2.0
#include "fence.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define FENCE_PAGE 4096UL

static char *pages(size_t len)
{
	size_t span = (len + FENCE_PAGE - 1) / FENCE_PAGE * FENCE_PAGE;
	char *base;

	base = mmap(NULL, span + FENCE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (span && mprotect(base, span, PROT_READ | PROT_WRITE))
		return NULL;
	return base + span;
}

void *fence_zeroes(size_t len)
{
	char *end = pages(len);

	return end ? end - len : NULL;
}

void *fence_copy(const void *from, size_t len)
{
	void *at = fence_zeroes(len);

	if (at)
		memcpy(at, from, len);
	return at;
}

void *fence_readonly(const void *from, size_t len)
{
	char *at = fence_copy(from, len);
	uintptr_t page;

	if (!at)
		return NULL;
	page = (uintptr_t)at & ~(FENCE_PAGE - 1);
	if (mprotect((void *)page, (uintptr_t)at + len - page, PROT_READ))
		return NULL;
	return at;
}

void *fence_nowhere(void)
{
	return pages(0);
}

void canary_fill(void *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		((unsigned char *)at)[i] = 0xc5 ^ (i * 29);
}

bool canary_is_whole(const void *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (((const unsigned char *)at)[i] != (unsigned char)(0xc5 ^ (i * 29)))
			return false;
	return true;
}
