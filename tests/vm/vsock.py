# SPDX-License-Identifier: MIT
"""Host side of a guest's vsock ports: connections, HTTP, and the lab shell's protocol.

A guest's ports are behind one unix socket (vsockdev.py): a client connects, sends "CONNECT PORT\\n", reads
"OK ...\\n" and then has the stream. Used by vm.py, monitor.py and the suites. Every function takes
a deadline in seconds and raises OSError (TimeoutError is one).
"""
import http.client
import os
import selectors
import socket
import struct
import time

HOST_CID = 2
API_PORT = 700
DOCKER_PORT = 701
REPORT_PORT = 702
SHELL_PORT = 9000  # tests/vm/guest/lab-shell.c

FRAME_PAYLOAD_MAX = 32768


def connect(uds, port, timeout, cid=HOST_CID):
    """A stream socket to a guest's port; ConnectionRefusedError if nobody listens there. The guest sees
    `cid` as its peer."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(str(uds))
        sock.sendall(b"CONNECT %d %d\n" % (port, cid))
        answer = b""
        while not answer.endswith(b"\n"):
            byte = sock.recv(1)
            if not byte:
                raise ConnectionRefusedError(f"the guest refused vsock port {port}")
            answer += byte
        if not answer.startswith(b"OK "):
            raise ConnectionRefusedError(f"vsock port {port}: {answer!r}")
    except BaseException:
        sock.close()
        raise
    return sock


class GuestHTTPConnection(http.client.HTTPConnection):
    """http.client over a guest's vsock port."""

    def __init__(self, uds, port, timeout):
        super().__init__("keel", timeout=timeout)
        self.uds, self.guest_port = uds, port

    def connect(self):
        self.sock = connect(self.uds, self.guest_port, self.timeout)


def http_request(uds, port, method, path, body=None, timeout=10):
    """(status, reason, body) of one request."""
    connection = GuestHTTPConnection(uds, port, timeout)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.reason, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"not an HTTP answer: {error!r}") from error
    finally:
        connection.close()


def frame(kind, payload=b""):
    return kind + struct.pack(">I", len(payload)) + payload


def take_frames(buffer):
    """Removes the whole frames from a bytearray and returns them as [(type, payload)]."""
    frames = []
    while len(buffer) >= 5:
        end = 5 + struct.unpack(">I", buffer[1:5])[0]
        if len(buffer) < end:
            break
        frames.append((bytes(buffer[:1]), bytes(buffer[5:end])))
        del buffer[:end]
    return frames


class ShellBroken(ConnectionError):
    """The guest went away in the middle of a command."""


def run_command(sock, command, stdin_fd, on_output, deadline, terminal_size=None):
    """Runs a command on a lab-shell connection and returns its exit status.

    stdin_fd: descriptor to forward, or None for an empty input. on_output(which, bytes) is called with
    which = 1 or 2. deadline: time.monotonic() value or None. terminal_size: (rows, columns) for a
    command on a terminal. Never blocks on sending, so that a command may answer while it is fed; polls
    rather than using epoll, because stdin may be a plain file.
    """
    to_guest = bytearray(frame(b"T" if terminal_size else b"C", os.fsencode(command)))
    if terminal_size:
        to_guest += frame(b"W", struct.pack(">HH", *terminal_size))
    if stdin_fd is None:
        to_guest += frame(b"I")
    from_guest = bytearray()
    sock.setblocking(False)
    with selectors.PollSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        while True:
            _watch_input(selector, sock, stdin_fd, to_guest)
            ready = {key.fileobj for key, _ in selector.select(_time_left(deadline))}
            if sock in ready:
                status = _receive(sock, from_guest, on_output)
                if status is not None:
                    return status
            if stdin_fd in ready:
                data = os.read(stdin_fd, FRAME_PAYLOAD_MAX)
                to_guest += frame(b"I", data)
                if not data:
                    selector.unregister(stdin_fd)
                    stdin_fd = None
            if to_guest:
                _send(sock, to_guest)


def _time_left(deadline):
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the command did not end within its deadline")
    return left


def _watch_input(selector, sock, stdin_fd, to_guest):
    """Reads stdin only when what was read before is on its way."""
    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if to_guest else 0)
    selector.modify(sock, events)
    if stdin_fd is None:
        return
    registered = stdin_fd in selector.get_map()
    if to_guest and registered:
        selector.unregister(stdin_fd)
    elif not to_guest and not registered:
        selector.register(stdin_fd, selectors.EVENT_READ)


def _send(sock, to_guest):
    try:
        del to_guest[: sock.send(to_guest)]
    except BlockingIOError:
        pass


def _receive(sock, from_guest, on_output):
    """Passes output on; the exit status once it has come."""
    try:
        data = sock.recv(65536)
    except BlockingIOError:
        return None
    if not data:
        raise ShellBroken("the guest closed the connection before the command ended")
    from_guest += data
    for kind, payload in take_frames(from_guest):
        if kind == b"X":
            return payload[0]
        on_output(1 if kind == b"O" else 2, payload)
    return None
