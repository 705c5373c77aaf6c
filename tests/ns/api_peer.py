"""A peer of the API that says exactly what it wants to, byte for byte, and what the agent costs meanwhile."""
import contextlib
import os
import socket

from engine import EngineGuest

SOCKET = "/run/keel/api.sock"


@contextlib.contextmanager
def agent_guest(config="", seconds=100, **options):
    """PID 1 and the agent; the engine has no part in it."""
    with EngineGuest(config="[vsock]\nreport_port = 0\n" + config, seconds=seconds,
                     masked=("docker.service", "containerd.service"), **options) as guest:
        guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active", "the agent is up")
        guest.wait(lambda s: s["stages"]["services"]["end_us"] != 0, "the boot is over")
        guest.retry(lambda: guest.api("/v1/memory")[1]["mode"] != "unknown", "memory was looked at")
        yield guest


class Peer:
    """One connection; a context manager."""

    def __init__(self, guest, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(guest.path(SOCKET))  # waits for room in the queue; with a timeout it would not
        self.socket.settimeout(timeout)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def end(self):
        """Our side is done."""
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        data = self.socket.recv(65536)
        self.pending += data
        return bool(data)

    def rest(self):
        """All until the agent closes."""
        with contextlib.suppress(ConnectionResetError):
            while self.more():
                pass
        return self.pending

    def head(self):
        """(status, {header: value}) of the next answer; (None, {}) if the connection ends before it is whole."""
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n\r\n" not in self.pending:
                if not self.more():
                    return None, {}
        if b"\r\n\r\n" not in self.pending:
            return None, {}
        text, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = text.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in fields.items()}

    def answer(self, head=False):
        """(status, headers, body) of the next answer, which must be whole."""
        status, fields = self.head()
        if status is None:
            raise AssertionError(f"no answer: {self.pending!r}")
        return status, fields, b"" if head or status == 100 else self.body(fields)

    def body(self, fields):
        """The body of an answer whose head was read."""
        if fields.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        if "content-length" not in fields:
            return self.rest()
        return self.take(int(fields["content-length"]))

    def take(self, length):
        while len(self.pending) < length:
            if not self.more():
                raise AssertionError(f"{len(self.pending)} of {length} bytes")
        body, self.pending = self.pending[:length], self.pending[length:]
        return body

    def chunks(self):
        """Each as it comes, to the last."""
        while True:
            while b"\r\n" not in self.pending:
                if not self.more():
                    raise AssertionError(f"no last chunk: {self.pending!r}")
            line, self.pending = self.pending.split(b"\r\n", 1)
            chunk = self.take(int(line, 16))
            if self.take(2) != b"\r\n":
                raise AssertionError(f"no end of a chunk: {self.pending!r}")
            if not chunk:
                return
            yield chunk


def request(path, method="GET", body=None, fields=""):
    data = body if body is not None else b""
    length = f"Content-Length: {len(data)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nHost: keel\r\n{fields}{length}\r\n".encode() + data


def ask(guest, *args, **options):
    """One request on a connection of its own: (status, headers, body)."""
    with Peer(guest) as peer:
        peer.send(request(*args, **options))
        return peer.answer(head=len(args) > 1 and args[1] == "HEAD")


class Cost:
    """What the agent's process has: descriptors, and bytes that are its own."""

    def __init__(self, guest):
        inside = guest.snapshot()["services"]["keel-agent.service"]["pid"]
        self.pid = guest.outside_pid(inside)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def descriptor_names(self):
        """What they are, sorted: for who finds one too many."""
        names = []
        for entry in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(f"/proc/{self.pid}/fd/{entry}").split(":[")[0])
        return sorted(names)

    def memory(self):
        """{"Rss": …, "Pss": …, "Private": …, "Anonymous": …} in KiB. To compare, the last: what is private is shared, and less,
        while the child that does reclaim lives."""
        found = {"Private": 0}
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("Rss", "Pss", "Anonymous"):
                    found[name] = int(rest.split()[0])
                elif name.startswith("Private_"):
                    found["Private"] += int(rest.split()[0])
        return found
