/* SPDX-License-Identifier: MIT
 *
 * vmm_address.h - where the virtual machine monitor wants to hear of the boot and of its end: the credential
 * vmm.notify_socket of systemd's VM interface (https://systemd.io/VM_INTERFACE; systemd(1), "System Credentials").
 *
 * Its language is that of $NOTIFY_SOCKET (sd_notify(3)):
 *   vsock:CID:PORT            AF_VSOCK; datagrams if the transport has them, else seqpacket, else a stream
 *   vsock-dgram:CID:PORT, vsock-seqpacket:CID:PORT, vsock-stream:CID:PORT
 *   /PATH, @NAME              AF_UNIX, abstract with @; the same order of types, which systemd does not have: it takes
 *                             datagrams only
 * It comes from, the first one counts:
 *   SMBIOS, strings of type 11 (OEM strings): io.systemd.credential:vmm.notify_socket=VALUE, and
 *                             io.systemd.credential.binary:vmm.notify_socket=BASE64
 *   the kernel command line   systemd.set_credential=vmm.notify_socket:VALUE, systemd.set_credential_binary=vmm.
 *                             notify_socket:BASE64, both also with `-`; and, keel's own, vmm.notify_socket=VALUE
 *
 * All of it is the host's word: it is for the agent and for PID 1's last child, never for PID 1 itself.
 */
#pragma once

#include "lib/base.h"

#define VMM_VALUE_MAX 128 /* with its NUL */

struct vmm_address {
	int family; /* AF_VSOCK, AF_UNIX; 0: none */
	int type;   /* SOCK_*; 0: the first of the order above that works */
	unsigned int cid, port;
	char path[108]; /* AF_UNIX; abstract: begins with '@' */
};

/* 0 or -EINVAL. A CID and a port must be there. Pure. */
int vmm_address_parse(const char *text, struct vmm_address *address) MUST_CHECK;
/* The credential's value out of a command line, or an SMBIOS structure table (DSP0134, section 6): 0, -ENOENT, or -EINVAL
 * and "" (base64 that is none; longer than any address). Pure. */
int vmm_address_from_cmdline(const char *text, size_t len, char value[VMM_VALUE_MAX]) MUST_CHECK;
int vmm_address_from_smbios(const uint8_t *table, size_t len, char value[VMM_VALUE_MAX]) MUST_CHECK;
