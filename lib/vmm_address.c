/* SPDX-License-Identifier: MIT
 *
 * vmm_address.c - see vmm_address.h. Pure. Caller: vmm_find.c.
 */
#include "lib/vmm_address.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "lib/cmdline.h"

#define CREDENTIAL "vmm.notify_socket"

#define OEM_STRINGS 11

static int parse_number(const char **text, unsigned int *number)
{
	const char *at = *text;
	uint64_t value = 0;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > UINT32_MAX)
			return -EINVAL;
	}
	*number = (unsigned int)value;
	*text = at;
	return 0;
}

static int parse_vsock(const char *text, struct vmm_address *address)
{
	if (parse_number(&text, &address->cid) < 0 || *text != ':')
		return -EINVAL;
	text++;
	if (parse_number(&text, &address->port) < 0 || *text)
		return -EINVAL;
	/* "any" is an address to listen on. */
	return address->cid == VMADDR_CID_ANY || address->port == VMADDR_PORT_ANY ? -EINVAL : 0;
}

int vmm_address_parse(const char *text, struct vmm_address *address)
{
	static const struct {
		const char *prefix;
		int type;
	} forms[] = {{"vsock:", 0}, {"vsock-dgram:", SOCK_DGRAM},
		{"vsock-seqpacket:", SOCK_SEQPACKET}, {"vsock-stream:", SOCK_STREAM}};
	size_t len = strlen(text);

	*address = (struct vmm_address){0};
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct vmm_address parsed = {.family = AF_VSOCK, .type = forms[i].type};
		size_t prefix = strlen(forms[i].prefix);

		if (strncmp(text, forms[i].prefix, prefix) != 0)
			continue;
		if (parse_vsock(text + prefix, &parsed) < 0)
			return -EINVAL;
		*address = parsed;
		return 0;
	}
	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(address->path))
		return -EINVAL;
	address->family = AF_UNIX;
	memcpy(address->path, text, len + 1);
	return 0;
}

/* ---- where it is written ------------------------------------------------------------------------ */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4; the padding may be left out. A NUL in it is nothing that an address has. Of what is no good the
 * value is "". */
static int decode(const char *text, char value[VMM_VALUE_MAX])
{
	char decoded[VMM_VALUE_MAX] = "";
	size_t digits = strcspn(text, "="), len = 0;
	uint32_t bits = 0;

	value[0] = '\0';
	if (digits % 4 == 1 || strspn(text + digits, "=") != strlen(text + digits) ||
		strlen(text + digits) > 2)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 == 0)
			continue;
		decoded[len] = (char)(bits >> (6 - 2 * (i % 4)));
		if (decoded[len] == '\0' || len + 1 == VMM_VALUE_MAX)
			return -EINVAL;
		len++;
	}
	memcpy(value, decoded, len);
	value[len] = '\0';
	return 0;
}

static int take(const char *text, bool binary, char value[VMM_VALUE_MAX])
{
	size_t len = strlen(text);

	if (binary)
		return decode(text, value);
	value[0] = '\0';
	if (len >= VMM_VALUE_MAX)
		return -EINVAL;
	memcpy(value, text, len + 1);
	return 0;
}

/* Returns what follows `prefix`, in which `-` and `_` are the same (as in all of the kernel's parameters), or NULL. */
static const char *skip_prefix(const char *text, const char *prefix)
{
	for (; *prefix; prefix++, text++)
		if (*text != *prefix && !(*prefix == '_' && *text == '-'))
			return NULL;
	return text;
}

struct form {
	const char *prefix;
	bool binary;
};

/* Of an address, its credential's name and base64: what is longer is cut, and then no good. */
#define TEXT_MAX (2 * VMM_VALUE_MAX + 64)

static int take_form(const char *text, const struct form *forms, size_t count,
	char value[VMM_VALUE_MAX])
{
	for (size_t i = 0; i < count; i++) {
		const char *rest = skip_prefix(text, forms[i].prefix);

		if (rest)
			return take(rest, forms[i].binary, value);
	}
	return -ENOENT;
}

int vmm_address_from_cmdline(const char *text, size_t len, char value[VMM_VALUE_MAX])
{
	static const struct form forms[] = {{"systemd.set_credential=" CREDENTIAL ":", false},
		{"systemd.set_credential_binary=" CREDENTIAL ":", true}, {CREDENTIAL "=", false}};
	char word[TEXT_MAX];
	const char *at = text;

	while (cmdline_next(&at, text + len, word, sizeof(word))) {
		int rc = take_form(word, forms, ARRAY_SIZE(forms), value);

		if (rc != -ENOENT)
			return rc;
	}
	return -ENOENT;
}

/* The strings behind the formatted area of a structure: each ends with a NUL, the last with two. Returns where the next
 * structure begins, NULL if the table ends before. */
static const uint8_t *take_strings(const uint8_t *at, const uint8_t *end, bool wanted,
	char value[VMM_VALUE_MAX], int *rc)
{
	static const struct form forms[] = {{"io.systemd.credential:" CREDENTIAL "=", false},
		{"io.systemd.credential.binary:" CREDENTIAL "=", true}};
	char text[TEXT_MAX];

	/* Without strings there are two NULs all the same. */
	if (end - at >= 2 && at[0] == '\0' && at[1] == '\0')
		return at + 2;
	while (at < end && *at != '\0') {
		const uint8_t *stop = memchr(at, '\0', (size_t)(end - at));

		if (!stop)
			return NULL;
		(void)snprintf(text, sizeof(text), "%s", (const char *)at);
		if (wanted && *rc == -ENOENT)
			*rc = take_form(text, forms, ARRAY_SIZE(forms), value);
		at = stop + 1;
	}
	return at < end ? at + 1 : NULL;
}

int vmm_address_from_smbios(const uint8_t *table, size_t len, char value[VMM_VALUE_MAX])
{
	const uint8_t *at = table, *end = table + len;
	int rc = -ENOENT;

	/* A structure begins with its type, the length of its formatted area with this header, and a handle. */
	while (at && end - at >= 4 && at[1] >= 4 && end - at > at[1] && rc == -ENOENT)
		at = take_strings(at + at[1], end, at[0] == OEM_STRINGS, value, &rc);
	return rc;
}
