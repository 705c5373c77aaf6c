# SPDX-License-Identifier: MIT
"""A disk with a volatile write cache, served to QEMU as NBD over a unix socket, whose power can be cut.

Used by machines.py. What the guest writes is in the cache until it flushes (or writes with FUA); reads see the
newest. Power is cut on request or after the N-th write: from then on nothing is answered, and settle() decides
from a seed which of the unflushed 4 KiB pages are on the medium, in any order, torn within one request and with any of
the versions that a page has had since the last flush. That is all that a disk which honours flushes may do, and
more than most do. Only discards are as orderly as writes: a discarded page reads as zero once it is discarded.

The medium is a sparse raw file and holds what is durable, nothing else: after settle(), or while the guest has its file
system frozen, it may be read by others.
"""
import collections
import ctypes
import os
import pathlib
import random
import socket
import struct
import threading

PAGE = 4096
CHANCES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of an unflushed page to have reached the medium
CACHE_PAGES = 16384  # 64 MiB: beyond it the oldest pages reach the medium by themselves
ZEROES = bytes(PAGE)

# The NBD protocol (proto.md of the project): fixed newstyle negotiation, simple replies.
NEGOTIATION, OPTION, OPTION_REPLY = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
REQUEST, REPLY = 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_INFO, OPT_GO = 1, 2, 6, 7
REP_ACK, REP_INFO, REP_UNSUPPORTED = 1, 3, 0x80000001
INFO_EXPORT = 0
HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES = 1, 4, 8, 32, 64
FLAGS = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES
READ, WRITE, DISCONNECT, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
EINVAL = 22

FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)


def punch(fd, offset, length):
    """Zeroes that take no room."""
    if LIBC.fallocate(fd, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, offset, length) < 0:
        raise OSError(ctypes.get_errno(), "punch a hole")


def pieces(offset, length):
    """(page, first byte in it, bytes) of a range."""
    while length:
        page, start = divmod(offset, PAGE)
        size = min(length, PAGE - start)
        yield page, start, size
        offset, length = offset + size, length - size


class Cache:
    """The medium and, for each page written since the last flush, its versions, oldest first."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.pages = collections.OrderedDict()

    def close(self):
        os.close(self.fd)

    def stable(self, page):
        return os.pread(self.fd, PAGE, page * PAGE).ljust(PAGE, b"\0")

    def newest(self, page):
        versions = self.pages.get(page)
        return versions[-1] if versions else self.stable(page)

    def read(self, offset, length):
        if not any(page in self.pages for page, _, _ in pieces(offset, length)):
            return os.pread(self.fd, length, offset).ljust(length, b"\0")
        return b"".join(self.newest(page)[start:start + size] for page, start, size in pieces(offset, length))

    def put(self, page, content):
        self.pages.setdefault(page, []).append(content)
        if len(self.pages) > CACHE_PAGES:
            self.evict()

    def write(self, offset, data):
        at = 0
        for page, start, size in pieces(offset, len(data)):
            part = data[at:at + size]
            if size < PAGE:
                old = self.newest(page)
                part = old[:start] + part + old[start + size:]
            self.put(page, part)
            at += size

    def zero(self, offset, length):
        for page, start, size in pieces(offset, length):
            if size < PAGE:
                old = self.newest(page)
                self.put(page, old[:start] + bytes(size) + old[start + size:])
            elif page in self.pages or self.has_data(page):
                self.put(page, ZEROES)

    def has_data(self, page):
        """A page of a hole need not be zeroed; that spares a discard of the whole disk."""
        try:
            return os.lseek(self.fd, page * PAGE, os.SEEK_DATA) < (page + 1) * PAGE
        except OSError:
            return False  # a hole to the end

    def store(self, page, content):
        if content is ZEROES:
            punch(self.fd, page * PAGE, PAGE)
        else:
            os.pwrite(self.fd, content, page * PAGE)

    def evict(self):
        page, versions = self.pages.popitem(last=False)
        self.store(page, versions[-1])

    def persist(self, offset, length):
        """What was written there is durable now (FUA)."""
        for page, _, _ in pieces(offset, length):
            versions = self.pages.pop(page, None)
            if versions:
                self.store(page, versions[-1])

    def flush(self):
        while self.pages:
            self.evict()

    def settle(self, rng):
        """The power is off: each page keeps one of its versions, or what the medium had. (kept, lost) pages."""
        chance, kept, lost = rng.choice(CHANCES), 0, 0
        for page in sorted(self.pages):
            if rng.random() < chance:
                self.store(page, rng.choice(self.pages[page]))
                kept += 1
            else:
                lost += 1
        self.pages.clear()
        return kept, lost


class Medium:
    """The server of one disk for one run of a guest: start(), then stop() or cut() and settle().

    What it serves is a Cache or whatever else has its size, read, write, zero, persist, flush and close.
    """

    def __init__(self, cache, address):
        self.cache = cache
        self.address = str(address)
        self.lock = threading.Lock()
        self.writes = 0     # writes, zeroes and discards since the start
        self.flushes = 0
        self.cut_after = None
        self.off = threading.Event()
        self.failure = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.peer = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    @property
    def url(self):
        return f"nbd+unix:///?socket={self.address}"

    def start(self):
        pathlib.Path(self.address).unlink(missing_ok=True)
        self.listener.bind(self.address)
        self.listener.listen(1)
        self.thread.start()
        return self

    def cut(self):
        """The power goes now: what has not been answered never will be."""
        with self.lock:
            self.off.set()

    def cut_in(self, writes):
        """The power goes after so many writes more."""
        with self.lock:
            self.cut_after = self.writes + writes

    def settle(self, seed):
        """After cut(): what the medium holds in the end; (kept, lost) pages. Ends the server."""
        self.cut()
        self.close()
        with self.lock:
            result = self.cache.settle(random.Random(seed))
        self.cache.close()
        return result

    def stop(self):
        """The guest is gone in good order, or nobody minds: all that was written is kept."""
        self.off.set()
        self.close()
        with self.lock:
            self.cache.flush()
        self.cache.close()

    def close(self):
        for sock in (self.listener, self.peer):
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        pathlib.Path(self.address).unlink(missing_ok=True)
        self.thread.join(10)
        if self.failure:
            raise self.failure

    # ---- the server's thread ------------------------------------------------------------------------

    def run(self):
        try:
            self.peer, _ = self.listener.accept()
            with self.peer.makefile("rb", 1 << 20) as stream:
                if self.negotiate(stream):
                    while self.serve(stream):
                        pass
        except (OSError, EOFError, ValueError) as error:
            if not self.off.is_set() and not isinstance(error, (ConnectionError, EOFError)):
                self.failure = error

    def negotiate(self, stream):
        self.peer.sendall(NEGOTIATION + OPTION + struct.pack(">H", FIXED_NEWSTYLE | NO_ZEROES))
        take(stream, 4)
        while True:
            magic, option, length = struct.unpack(">8sII", take(stream, 16))
            if magic != OPTION:
                raise ValueError(f"not an NBD option: {magic!r}")
            take(stream, length)
            if option == OPT_EXPORT_NAME:
                self.peer.sendall(struct.pack(">QH", self.cache.size, FLAGS))
                return True
            if option in (OPT_INFO, OPT_GO):
                self.answer_option(option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, self.cache.size, FLAGS))
                self.answer_option(option, REP_ACK)
                if option == OPT_GO:
                    return True
            elif option == OPT_ABORT:
                self.answer_option(option, REP_ACK)
                return False
            else:
                self.answer_option(option, REP_UNSUPPORTED)

    def answer_option(self, option, kind, data=b""):
        self.peer.sendall(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data)) + data)

    def serve(self, stream):
        """One request; False at the end."""
        magic, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", take(stream, 28))
        if magic != REQUEST:
            raise ValueError(f"not an NBD request: {magic:#x}")
        data = take(stream, length) if kind == WRITE else b""
        with self.lock:
            if self.off.is_set() or kind == DISCONNECT:
                return False
            error, answer = self.carry_out(kind, flags, offset, length, data)
            if self.off.is_set():
                return False
        self.peer.sendall(struct.pack(">IIQ", REPLY, error, handle) + answer)
        return True

    def carry_out(self, kind, flags, offset, length, data):
        if offset + length > self.cache.size:
            return EINVAL, b""
        if kind == READ:
            return 0, self.cache.read(offset, length)
        if kind == FLUSH:
            self.flushes += 1
            self.cache.flush()
            return 0, b""
        if kind not in (WRITE, TRIM, WRITE_ZEROES):
            return EINVAL, b""
        if kind == WRITE:
            self.cache.write(offset, data)
        else:
            self.cache.zero(offset, length)
        self.writes += 1
        if self.writes == self.cut_after:
            self.off.set()  # in the cache, but neither durable nor answered
        elif flags & FUA:
            self.cache.persist(offset, length)
        return 0, b""


def take(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
