# SPDX-License-Identifier: MIT
"""dns_server.py ADDRESS ANSWER - a resolver: every A question is answered with ANSWER, by UDP and TCP; any other with
no records. Writes "ready" when it listens, then the name of each question."""
import contextlib
import selectors
import socket
import struct
import sys
import threading

A = 1


def reply(query, answer):
    """The answer to one message, and the name that was asked."""
    end, labels = 12, []
    while query[end]:
        labels.append(query[end + 1:end + 1 + query[end]].decode())
        end += 1 + query[end]
    kind = struct.unpack_from(">H", query, end + 1)[0]
    question = query[12:end + 5]
    records = b""
    if kind == A:
        records = b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(answer)
    head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if records else 0, 0, 0)
    return head + question + records, ".".join(labels)


def serve_stream(client, answer):
    """One question; who leaves without any is no matter."""
    with client, contextlib.suppress(ConnectionError):
        head = client.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return
        message, name = reply(client.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL), answer)
        client.sendall(struct.pack(">H", len(message)) + message)
        print(name, flush=True)


def main():
    address, answer = sys.argv[1:]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    tcp = socket.create_server((address, 53))
    selector = selectors.DefaultSelector()
    selector.register(udp, selectors.EVENT_READ)
    selector.register(tcp, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is udp:
                query, client = udp.recvfrom(65536)
                message, name = reply(query, answer)
                udp.sendto(message, client)
                print(name, flush=True)
            else:
                threading.Thread(target=serve_stream, args=(tcp.accept()[0], answer), daemon=True).start()


if __name__ == "__main__":
    main()
