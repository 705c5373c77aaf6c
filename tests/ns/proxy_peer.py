"""A stand-in for dockerd behind the proxy, and clients that know to the byte what must come through.

    with Peer(path) as peer: ...

POST /stream is upgraded: each end says pseudo-random bytes of its own, ends, and hears the other to its end. GET /_ping is
answered; GET /forever never ends.
"""
import hashlib
import random
import socket
import threading
import time

REQUEST = b"POST /stream HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
PING = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\nOK"
DEADLINE = 60


def read_head(sock):
    """One header, byte for byte so that nothing behind it is taken; b"" at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return head
        head += byte
    return head


def say(sock, seed, size, largest):
    """Writes of random sizes; returns the digest of all."""
    choice, digest, sent = random.Random(seed), hashlib.sha256(), 0
    block = choice.randbytes(largest)
    while sent < size:
        # The block turned by one each time: equal parts at other places do not pass for each other.
        start = choice.randrange(largest)
        data = block[start:start + choice.choice((1, 100, 4096, 16384, 32768, largest))][:size - sent]
        sock.sendall(data)
        digest.update(data)
        sent += len(data)
    sock.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def hear(sock, pause=0.0):
    """All until the end: its digest and length. With a pause after each MiB."""
    digest, size, due = hashlib.sha256(), 0, 1 << 20
    buffer = memoryview(bytearray(100000))
    while count := sock.recv_into(buffer):
        digest.update(buffer[:count])
        size += count
        if pause and size > due:
            due += 1 << 20
            time.sleep(pause)
    return digest.hexdigest(), size


def both(sock, seed, size, pause=0.0, largest=200000):
    """Says and hears at the same time; {"said": digest, "heard": digest, "size": bytes heard}."""
    result = {}

    def listen():
        result["heard"], result["size"] = hear(sock, pause)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    result["said"] = say(sock, seed, size, largest)
    thread.join(DEADLINE)
    return result


def dial(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE)
    sock.connect(path)
    return sock


class Peer:
    def __init__(self, path, size=0, pause=0.0):
        """size: what it says on a stream."""
        self.path, self.size, self.pause = path, size, pause
        self.results, self.seen = [], 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(4096)

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.seen += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            with sock:
                sock.settimeout(DEADLINE)
                while head := read_head(sock):
                    if head.startswith(b"POST /stream "):
                        sock.sendall(UPGRADED)
                        self.results.append(both(sock, "peer", self.size, self.pause))
                        return
                    if not head.endswith(b"\r\n\r\n"):
                        return
                    sock.sendall(PONG)
        except OSError:
            pass  # a client that went
