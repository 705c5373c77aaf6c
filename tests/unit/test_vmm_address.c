/* SPDX-License-Identifier: MIT
 *
 * test_vmm_address.c - the address's language; where a command line and an SMBIOS table have it, and what they may have instead.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "tests/unit/unit_test.h"

#include "lib/cmdline.h"
#include "lib/vmm_address.h"

static void test_language(void **state)
{
	static const struct {
		const char *text;
		int family, type;
		unsigned int cid, port;
	} good[] = {
		{"vsock:2:1234", AF_VSOCK, 0, 2, 1234},
		{"vsock-stream:2:0", AF_VSOCK, SOCK_STREAM, 2, 0},
		{"vsock-dgram:1:4294967294", AF_VSOCK, SOCK_DGRAM, 1, 4294967294U},
		{"vsock-seqpacket:4294967294:1", AF_VSOCK, SOCK_SEQPACKET, 4294967294U, 1},
		{"/run/notify", AF_UNIX, 0, 0, 0},
		{"@keel", AF_UNIX, 0, 0, 0},
	};
	static const char *const bad[] = {"", "/", "@", "x", "vsock", "vsock:", "vsock:2",
		"vsock:2:", "vsock::702", "vsock:2:702 ", "vsock:2:702:1", "vsock:-1:2",
		"vsock:2:+1", "vsock:4294967295:1", "vsock:2:4294967295", "vsock:4294967296:1",
		"vsock-:2:1", "vsock-raw:2:1", "VSOCK:2:1", "unix:/run/x", "2:702"};
	struct vmm_address address;
	char path[120];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(vmm_address_parse(good[i].text, &address), 0);
		assert_int_equal(address.family, good[i].family);
		assert_int_equal(address.type, good[i].type);
		assert_int_equal(address.cid, good[i].cid);
		assert_int_equal(address.port, good[i].port);
		if (good[i].family == AF_UNIX)
			assert_string_equal(address.path, good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vmm_address_parse(bad[i], &address), -EINVAL);
		assert_int_equal(address.family, 0);
	}
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_int_equal(vmm_address_parse(path, &address), -EINVAL);
	path[107] = '\0';
	assert_int_equal(vmm_address_parse(path, &address), 0);
}

static void test_command_line(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *value;
	} lines[] = {
		{"", -ENOENT, NULL},
		{"quiet init=/sbin/init\n", -ENOENT, NULL},
		{"quiet vmm.notify_socket=vsock:2:5 x", 0, "vsock:2:5"},
		{"vmm.notify_socket=vsock:2:5", 0, "vsock:2:5"},
		{"a vmm.notify-socket=/run/x\n", 0, "/run/x"},
		{"\"vmm.notify_socket=/run/a b\" c", 0, "/run/a b"},
		{"a systemd.set_credential=vmm.notify_socket:vsock-stream:2:9", 0,
			"vsock-stream:2:9"},
		{"systemd.set-credential=vmm.notify_socket:@x", 0, "@x"},
		{"systemd.set_credential_binary=vmm.notify_socket:dnNvY2s6Mjo1", 0, "vsock:2:5"},
		{"systemd.set-credential-binary=vmm.notify_socket:L3J1bi94", 0, "/run/x"},
		{"systemd.set_credential=other:1 vmm.notify_socket=a vmm.notify_socket=b", 0, "a"},
		{"xvmm.notify_socket=a vmm.notify_socketx=a keel.vmm.notify_socket=a", -ENOENT,
			NULL},
		{"vmm.notify_socket=", 0, ""},
		{"systemd.set_credential_binary=vmm.notify_socket:????", -EINVAL, NULL},
	};
	char value[VMM_VALUE_MAX], longer[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		/* Without a NUL behind it. */
		size_t len = strlen(lines[i].text);
		char *copy = malloc(len ? len : 1);

		memcpy(copy, lines[i].text, len);
		assert_int_equal(vmm_address_from_cmdline(copy, len, value), lines[i].rc);
		if (lines[i].rc == 0)
			assert_string_equal(value, lines[i].value);
		free(copy);
	}
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "vmm.notify_socket=", 18);
	assert_int_equal(vmm_address_from_cmdline(longer, 18 + VMM_VALUE_MAX, value), -EINVAL);
	assert_int_equal(vmm_address_from_cmdline(longer, 18 + VMM_VALUE_MAX - 1, value), 0);
	assert_int_equal(strlen(value), VMM_VALUE_MAX - 1);
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *value;
	} words[] = {{"", ""}, {"QQ==", "A"}, {"QQ", "A"}, {"QUI=", "AB"}, {"QUJD", "ABC"},
		{"Kz8+fg==", "+?>~"}, {"7/8=", "\xef\xff"}};
	static const char *const bad[] = {
		"Q", "QUJDR", "QQ===", "QQ=Q", "=", "Q Q=", "QQ\t", "-_==", "AAAA", "QUIA", "{{{{"};
	char line[400] = "systemd.set_credential_binary=vmm.notify_socket:", value[VMM_VALUE_MAX];
	size_t prefix = strlen(line);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		strcpy(line + prefix, words[i].text);
		assert_int_equal(vmm_address_from_cmdline(line, strlen(line), value), 0);
		assert_string_equal(value, words[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (strcmp(bad[i], "=") == 0 || strchr(bad[i], ' '))
			continue; /* an empty value; a word's end */
		strcpy(line + prefix, bad[i]);
		memset(value, 'x', sizeof(value));
		assert_int_equal(vmm_address_from_cmdline(line, strlen(line), value), -EINVAL);
		assert_int_equal(value[0], '\0'); /* it goes into a message */
	}
	/* 127 characters are the most. */
	memset(line + prefix, 'Q', 172);
	line[prefix + 170] = '\0';
	assert_int_equal(vmm_address_from_cmdline(line, strlen(line), value), 0);
	assert_int_equal(strlen(value), VMM_VALUE_MAX - 1);
	line[prefix + 170] = 'Q';
	line[prefix + 171] = '\0';
	memset(value, 'x', sizeof(value));
	assert_int_equal(vmm_address_from_cmdline(line, strlen(line), value), -EINVAL);
	assert_int_equal(value[0], '\0');
}

/* A structure without strings, one with two, OEM strings, the end-of-table structure. */
#define BARE     "\x07\x06\x01\x00XX\0\0"
#define TWO      "\x01\x05\x02\x00Xone\0two\0\0"
#define OEM      "\x0b\x05\x03\x00\x02"
#define THE_END  "\x7f\x04\x04\x00\0"
#define KEY      "io.systemd.credential:vmm.notify_socket="
#define KEY64    "io.systemd.credential.binary:vmm.notify_socket="
#define OF(text) (const uint8_t *)(text), sizeof(text)

static void test_smbios(void **state)
{
	static const struct {
		const uint8_t *table;
		size_t len;
		int rc;
		const char *value;
	} tables[] = {
		{OF(BARE TWO OEM KEY "vsock:2:5\0\0" THE_END), 0, "vsock:2:5"},
		{OF(OEM "other=1\0" KEY "vsock:2:5\0" KEY "no\0\0" THE_END), 0, "vsock:2:5"},
		{OF(OEM "a\0\0" BARE OEM KEY64 "dnNvY2s6Mjo1\0\0" THE_END), 0, "vsock:2:5"},
		{OF(OEM KEY64 "dnNvY2s6Mjo1!\0\0" THE_END), -EINVAL, NULL},
		{OF(OEM "io.systemd.credential:vmm.notify_socket_x=1\0\0" THE_END), -ENOENT, NULL},
		/* In another structure it is no OEM string. */
		{OF("\x01\x04\x01\x00" KEY "vsock:2:5\0\0" THE_END), -ENOENT, NULL},
		{OF(BARE TWO THE_END), -ENOENT, NULL},
		/* One NUL where two should be. */
		{OF("\x07\x04\x01\x00\0" OEM KEY "vsock:2:5\0\0" THE_END), 0, "vsock:2:5"},
		/* A structure shorter than its header. */
		{OF("\x0b\x03\x01\x00" KEY "vsock:2:5\0\0"), -ENOENT, NULL},
	};
	static const char whole[] = BARE TWO OEM KEY "vsock:2:5\0\0" THE_END;
	char value[VMM_VALUE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		assert_int_equal(vmm_address_from_smbios(tables[i].table, tables[i].len, value),
			tables[i].rc);
		if (tables[i].rc == 0)
			assert_string_equal(value, tables[i].value);
	}
	/* Cut anywhere: it is there, or it is not. */
	for (size_t len = 0; len <= sizeof(whole); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		int rc;

		memcpy(copy, whole, len < sizeof(whole) ? len : sizeof(whole));
		rc = vmm_address_from_smbios(copy, len, value);
		assert_true(rc == 0 || rc == -ENOENT);
		if (rc == 0)
			assert_string_equal(value, "vsock:2:5");
		free(copy);
	}
}

static void test_words(void **state)
{
	static const char line[] = "a  \"b c\"d e=\"f g\" \"h\nnot this";
	static const char *const words[] = {"a", "", "b cd", "e=f g", "h"};
	const char *at = line;
	char word[5];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		assert_true(cmdline_next(&at, line + sizeof(line) - 1, word, sizeof(word)));
		assert_memory_equal(word, words[i],
			strlen(words[i]) < 4 ? strlen(words[i]) + 1 : 4);
	}
	assert_false(cmdline_next(&at, line + sizeof(line) - 1, word, sizeof(word)));
	at = line;
	assert_false(cmdline_next(&at, line, word, sizeof(word)));
	at = "ab\0cd"; /* it ends at a NUL */
	assert_true(cmdline_next(&at, at + 5, word, sizeof(word)));
	assert_string_equal(word, "ab");
	assert_false(cmdline_next(&at, at + 3, word, sizeof(word)));
	at = "";
	assert_false(cmdline_next(&at, at + 1, word, sizeof(word)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_smbios),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
