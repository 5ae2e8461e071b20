/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page whose first touch sleeps until it is told to go on (userfaultfd): it
 * keeps a task inside a system call for as long as a test likes. What returns
 * int returns 0 or a negative errno.
 */
#ifndef SELFTEST_PAGER_H
#define SELFTEST_PAGER_H

#define PAGER_PAGE 4096

struct pager {
	int uffd;
	char *page;		/* not there yet */
};

int pager_open(struct pager *pager);

/* Wait until somebody sleeps on the page; -ETIMEDOUT if nobody does. */
int pager_wait(struct pager *pager, int timeout_ms);

/* The page is there, with @content of PAGER_PAGE bytes; who slept goes on. */
int pager_fill(struct pager *pager, const void *content);

void pager_close(struct pager *pager);

#endif
