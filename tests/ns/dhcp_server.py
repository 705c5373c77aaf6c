# SPDX-License-Identifier: MIT
"""dhcp_server.py INTERFACE - gives every client the one lease 192.168.77.50/24, a small DHCP server for tests
(RFC 2131: DISCOVER gets an OFFER, REQUEST an ACK). Needs root; runs until it is killed.
"""
import socket
import struct
import sys

CLIENT = socket.inet_aton("192.168.77.50")
SERVER = socket.inet_aton("192.168.77.1")
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MESSAGE_TYPE, SERVER_ID, END = 53, 54, 255


def option(code, value):
    return bytes([code, len(value)]) + value


LEASE = b"".join([
    option(SERVER_ID, SERVER), option(51, struct.pack(">I", 600)), option(1, bytes([255, 255, 255, 0])),
    option(3, SERVER), option(6, SERVER + socket.inet_aton("192.168.77.2")), option(26, struct.pack(">H", 1400)),
    # A host name that must not reach a shell or a file.
    option(12, b"$(touch /tmp/owned)"), bytes([END])])


def message_type(packet):
    rest = packet[240:]
    while len(rest) > 1 and rest[0] != END:
        if rest[0] == 0:  # padding
            rest = rest[1:]
            continue
        if rest[0] == MESSAGE_TYPE:
            return rest[2]
        rest = rest[2 + rest[1]:]
    return 0


def answer(packet):
    """The reply to a client's packet, or None."""
    if len(packet) < 241 or packet[0] != 1 or packet[236:240] != COOKIE:
        return None
    kind = {DISCOVER: OFFER, REQUEST: ACK}.get(message_type(packet))
    if kind is None:
        return None
    head = bytes([2]) + packet[1:16] + CLIENT + SERVER + packet[24:44]  # op, ..., yiaddr, siaddr, giaddr, chaddr
    return head.ljust(236, b"\0") + COOKIE + option(MESSAGE_TYPE, bytes([kind])) + LEASE


def main(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        server.bind(("", 67))
        while True:
            reply = answer(server.recv(2048))
            if reply:
                server.sendto(reply, ("255.255.255.255", 68))


if __name__ == "__main__":
    main(sys.argv[1])
