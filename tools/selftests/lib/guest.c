// SPDX-License-Identifier: GPL-2.0
#include "guest.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "knob.h"

/* The longest command line: a message in hex digits and some words. */
#define COMMAND_MOST (2 * GUEST_MESSAGE_MOST + 512)

int guest_newest(struct guest *guest)
{
	guest->sequence = 1;
	return knob_guest_key(0, guest->key, sizeof(guest->key));
}

/* What the program prints. -EBADMSG if it fails, and it says why on stderr. */
static int run(const char *command, char *output, size_t size)
{
	FILE *program = popen(command, "r");
	size_t len;

	if (!program)
		return -errno;
	len = fread(output, 1, size - 1, program);
	output[len] = '\0';
	return pclose(program) ? -EBADMSG : 0;
}

int guest_seal(const struct guest *guest, unsigned char *message, const char *words, ...)
{
	char command[COMMAND_MOST], output[2 * GUEST_MESSAGE_MOST + 2];
	va_list args;
	int len, ret;

	len = snprintf(command, sizeof(command), "snp-guest --key %s --sequence %lu seal ",
		       guest->key, guest->sequence);
	va_start(args, words);
	vsnprintf(command + len, sizeof(command) - len, words, args);
	va_end(args);
	ret = run(command, output, sizeof(output));
	if (ret)
		return ret;
	for (len = 0; len < GUEST_MESSAGE_MOST && isxdigit(output[2 * len]); len++)
		if (sscanf(output + 2 * len, "%2hhx", &message[len]) != 1)
			return -EBADMSG;
	return len < GUEST_MESSAGE_HEADER ? -EBADMSG : len;
}

int guest_open(struct guest *guest, const unsigned char *message, size_t len, char *text,
	       size_t size)
{
	char command[COMMAND_MOST];
	size_t at;
	int ret;

	if (len > GUEST_MESSAGE_MOST)
		return -EMSGSIZE;
	at = snprintf(command, sizeof(command), "snp-guest --key %s --sequence %lu open ",
		      guest->key, guest->sequence);
	for (size_t i = 0; i < len; i++)
		at += snprintf(command + at, sizeof(command) - at, "%02x", message[i]);
	ret = run(command, text, size);
	if (!ret)
		guest->sequence += 2;
	return ret;
}

long guest_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; text && *text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, name, len) && text[len] == ' ')
			return strtol(text + len + 1, NULL, 0);
	}
	return -ENOENT;
}
