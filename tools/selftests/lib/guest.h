/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An SNP guest, as far as it talks to the PSP past the host: the program snp-guest
 * with the key that the secrets page would give the guest alone. What returns int
 * returns 0 or a negative errno.
 */
#ifndef SELFTEST_GUEST_H
#define SELFTEST_GUEST_H

#include <stddef.h>

#include <linux/types.h>

#define GUEST_MESSAGE_MOST 4096
#define GUEST_MESSAGE_HEADER 96

struct guest {
	char key[65];		/* hex digits */
	unsigned long sequence;	/* of its next request */
};

/* The guest that came last, which has said nothing yet. */
int guest_newest(struct guest *guest);

/*
 * Seal a request, which the words say as snp-guest has them. Returns its length or
 * a negative errno.
 */
int guest_seal(const struct guest *guest, unsigned char *message, const char *words, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Open the response to the request that was sealed last, and go on to the next.
 * @text gets its lines, "name value".
 */
int guest_open(struct guest *guest, const unsigned char *message, size_t len, char *text,
	       size_t size);

/* The number behind @name in such a text, or a negative errno. */
long guest_value(const char *text, const char *name);

#endif
