# SPDX-License-Identifier: MIT
"""A virtio vsock device for QEMU (vhost-user), in the guest's monitor process.

Host programs see the guest's ports as one unix socket, as with other user-space vsock devices: connect
to `uds`, send "CONNECT PORT\\n", read "OK PORT\\n", then the stream follows. A guest that connects to port
N of CID 2 arrives at the unix socket `uds_N`. This device exists because the packaged one turns a half-close of
the host into a full close and drops the guest's: Docker's attach streams need both. For tests of the
guest's peer check "CONNECT PORT CID\\n" connects as another CID.

Sources: the vhost-user protocol (QEMU, docs/interop/vhost-user.rst) and virtio 1.2, 2.7 (split rings)
and 5.10 (socket device). Rings are written through typed memoryviews, whose stores are one machine
store each; x86 keeps stores in order. The guest is trusted: this is a test tool.
"""
import asyncio
import collections
import contextlib
import mmap
import os
import select
import socket
import struct

HOST_CID = 2
BUFFER_SIZE = 256 * 1024  # what the guest may send before we have passed it on
READ_SIZE = 64 * 1024
FIRST_PORT = 1 << 30

HEADER = struct.Struct("<QQIIIHHIII")  # virtio 1.2, 5.10.6
TYPE_STREAM = 1
REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST = range(1, 8)
NO_RECEIVE, NO_SEND = 1, 2

DESC = struct.Struct("<QIHH")
DESC_NEXT = 1
RX, TX = 0, 1


class Ring:
    """One split virtqueue in guest memory."""

    def __init__(self):
        self.size = 0
        self.next_avail = 0
        self.kick = self.call = None
        self.desc = self.avail = self.used_u16 = self.used_u32 = None

    def ready(self):
        return self.kick is not None and self.avail is not None

    def pop(self, memory):
        """(head, [memoryview]) of the next chain, or None."""
        if not self.ready() or self.avail[1] == self.next_avail:
            return None
        head = index = self.avail[2 + self.next_avail % self.size]
        self.next_avail = (self.next_avail + 1) & 0xFFFF
        chain = []
        while True:
            address, length, flags, following = DESC.unpack_from(self.desc, index * DESC.size)
            chain.append(memory.guest_view(address, length))
            if not flags & DESC_NEXT:
                return head, chain
            index = following

    def push(self, head, length):
        used = self.used_u16[1]
        slot = 1 + 2 * (used % self.size)
        self.used_u32[slot], self.used_u32[slot + 1] = head, length
        self.used_u16[1] = (used + 1) & 0xFFFF

    def interrupt(self):
        if self.call is not None:
            os.eventfd_write(self.call, 1)


class Memory:
    """The guest's memory, shared by QEMU."""

    def __init__(self):
        self.regions = []  # (guest address, size, QEMU's address, memoryview)

    def set_table(self, payload, fds):
        self.regions = []
        for index, fd in enumerate(fds):
            guest, size, user, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * index)
            view = memoryview(mmap.mmap(fd, size + offset))[offset:]
            os.close(fd)
            self.regions.append((guest, size, user, view))

    def guest_view(self, address, length):
        for guest, size, _, view in self.regions:
            if guest <= address and address + length <= guest + size:
                return view[address - guest : address - guest + length]
        raise ValueError(f"no guest memory at {address:#x}+{length}")

    def user_view(self, address, length):
        for _, size, user, view in self.regions:
            if user <= address and address + length <= user + size:
                return view[address - user : address - user + length]
        raise ValueError(f"no memory at QEMU's {address:#x}+{length}")


class Connection:
    """One stream between a host's unix socket and the guest."""

    def __init__(self, device, sock, cid, host_port, guest_port):
        self.device, self.sock = device, sock
        self.cid, self.host_port, self.guest_port = cid, host_port, guest_port
        self.established = False
        self.guest_space = self.guest_forwarded = self.sent = 0
        self.to_host = bytearray()
        self.forwarded = self.advertised = 0
        self.host_ended = False
        self.guest_shut = 0

    def key(self):
        return self.cid, self.host_port, self.guest_port

    def send(self, op, payload=b"", flags=0):
        self.device.queue_packet(self, op, payload, flags)

    def credit(self):
        return self.guest_space - (self.sent - self.guest_forwarded & 0xFFFFFFFF)

    def start(self):
        self.established = True
        self.sock.setblocking(False)
        self.watch_host()

    def watch_host(self):
        """Reads from the host while the guest has room and its queue has not piled up."""
        if not self.established or self.host_ended:
            return
        if self.credit() > 0 and not self.device.congested():
            self.device.loop.add_reader(self.sock, self.read_host)
        else:
            self.device.loop.remove_reader(self.sock)
            self.device.waiting.add(self)

    def read_host(self):
        if self.credit() <= 0:
            self.watch_host()
            return
        try:
            data = self.sock.recv(min(self.credit(), READ_SIZE))
        except BlockingIOError:
            return
        except OSError:
            self.close(RST)
            return
        if data:
            self.sent = self.sent + len(data) & 0xFFFFFFFF
            self.send(RW, data)
            if self.credit() <= 0:
                self.send(CREDIT_REQUEST)
            self.watch_host()
            return
        self.host_ended = True
        self.device.loop.remove_reader(self.sock)
        self.send(SHUTDOWN, flags=NO_SEND)
        self.device.hangups.register(self.sock, 0)  # a full close is reported without being asked for

    def host_hung_up(self):
        """The host's end is closed for good: whatever the guest still sends has no reader."""
        self.send(SHUTDOWN, flags=NO_SEND | NO_RECEIVE)

    def write_host(self):
        try:
            done = self.sock.send(self.to_host)
        except BlockingIOError:
            done = 0
        except OSError:
            self.close(RST)
            return
        del self.to_host[:done]
        self.forwarded = self.forwarded + done & 0xFFFFFFFF
        if (self.forwarded - self.advertised & 0xFFFFFFFF) >= BUFFER_SIZE // 4:
            self.send(CREDIT_UPDATE)
        if self.to_host:
            self.device.loop.add_writer(self.sock, self.write_host)
            return
        self.device.loop.remove_writer(self.sock)
        if self.guest_shut == NO_SEND | NO_RECEIVE:
            self.close(RST)
        elif self.guest_shut & NO_SEND:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def shut_by_guest(self, flags):
        self.guest_shut |= flags & (NO_SEND | NO_RECEIVE)
        if self.guest_shut & NO_RECEIVE and not self.host_ended:
            self.host_ended = True
            self.device.loop.remove_reader(self.sock)
        self.write_host()

    def close(self, op=None):
        """Ends the stream; `op` (RST) tells the guest."""
        if self.device.connections.pop(self.key(), None) is None:
            return
        self.established = False
        if op:
            self.send(op)
        with contextlib.suppress(OSError, ValueError):
            self.device.hangups.unregister(self.sock)
        self.device.waiting.discard(self)
        self.device.loop.remove_reader(self.sock)
        self.device.loop.remove_writer(self.sock)
        self.sock.close()


class Device:
    """The device of one guest. start() listens; QEMU connects to `socket_path`."""

    def __init__(self, cid, socket_path, uds):
        self.cid, self.uds = cid, str(uds)
        self.socket_path = str(socket_path)
        self.memory = Memory()
        self.rings = [Ring(), Ring()]
        self.connections = {}
        self.waiting = set()  # connections that would read from the host if the guest had room
        self.to_guest = collections.deque()
        self.next_port = FIRST_PORT
        self.hangups = select.epoll()
        self.tasks = set()

    def start(self):
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.hangups.fileno(), self.on_hangups)
        control = self.listen(self.socket_path)
        self.loop.add_reader(control, self.accept_qemu, control)
        clients = self.listen(self.uds)
        self.loop.add_reader(clients, self.accept_client, clients)

    @staticmethod
    def listen(path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(128)
        sock.setblocking(False)
        return sock

    def spawn(self, coroutine):
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # ---- vhost-user: what QEMU asks of us ----

    def accept_qemu(self, control):
        qemu, _ = control.accept()
        qemu.setblocking(True)
        self.loop.add_reader(qemu, self.on_message, qemu)

    def on_message(self, qemu):
        header, fds, _, _ = socket.recv_fds(qemu, 12, 16)
        if len(header) < 12:
            self.loop.remove_reader(qemu)
            qemu.close()
            return
        request, flags, size = struct.unpack("<III", header)
        payload = qemu.recv(size, socket.MSG_WAITALL) if size else b""
        answer = self.handle(request, payload, fds)
        if answer is None and flags & 8:
            answer = struct.pack("<Q", 0)
        if answer is not None:
            qemu.sendall(struct.pack("<III", request, 5, len(answer)) + answer)

    def handle(self, request, payload, fds):
        """Returns the answer's payload, or None."""
        if request == 1:  # GET_FEATURES: VERSION_1, PROTOCOL_FEATURES
            return struct.pack("<Q", 1 << 32 | 1 << 30)
        if request == 15:  # GET_PROTOCOL_FEATURES: MQ, REPLY_ACK, CONFIG
            return struct.pack("<Q", 1 << 0 | 1 << 3 | 1 << 9)
        if request == 17:  # GET_QUEUE_NUM
            return struct.pack("<Q", len(self.rings))
        if request == 24:  # GET_CONFIG: the guest's CID
            return payload[:12] + struct.pack("<Q", self.cid)[: len(payload) - 12]
        if request == 5:
            self.memory.set_table(payload, fds)
        elif 8 <= request <= 14 or request == 18:
            return self.handle_ring(request, payload, fds)
        return None

    def handle_ring(self, request, payload, fds):
        index, value = struct.unpack_from("<II", payload)
        ring = self.rings[index & 0xFF]
        if request == 8:  # SET_VRING_NUM
            ring.size = value
        elif request == 9:  # SET_VRING_ADDR
            desc, used, avail = struct.unpack_from("<QQQ", payload, 8)
            view = self.memory.user_view
            ring.desc = view(desc, DESC.size * ring.size)
            ring.avail = view(avail, 4 + 2 * ring.size).cast("H")
            used_view = view(used, 4 + 8 * ring.size)
            ring.used_u16, ring.used_u32 = used_view[:4].cast("H"), used_view.cast("I")
        elif request == 10:  # SET_VRING_BASE
            ring.next_avail = value
        elif request == 11:  # GET_VRING_BASE: the guest's driver is gone
            self.stop_ring(ring)
            return struct.pack("<II", index, ring.next_avail)
        elif request == 12 and fds:  # SET_VRING_KICK
            ring.kick = fds[0]
            self.loop.add_reader(ring.kick, self.on_kick, ring)
        elif request == 13 and fds:  # SET_VRING_CALL
            if ring.call is not None:
                os.close(ring.call)
            ring.call = fds[0]
        elif request == 18 and value:  # SET_VRING_ENABLE
            self.on_kick(None)
        return None

    def stop_ring(self, ring):
        if ring.kick is not None:
            self.loop.remove_reader(ring.kick)
            os.close(ring.kick)
        ring.kick = None
        self.to_guest.clear()
        for connection in list(self.connections.values()):
            connection.close()

    # ---- packets ----

    def on_kick(self, ring):
        if ring is not None:
            os.eventfd_read(ring.kick)
        self.take_packets()
        self.deliver()

    def take_packets(self):
        ring, took = self.rings[TX], False
        while (entry := ring.pop(self.memory)) is not None:
            head, chain = entry
            data = b"".join(chain)
            ring.push(head, 0)
            took = True
            self.on_packet(HEADER.unpack_from(data), data[HEADER.size :])
        if took:
            ring.interrupt()

    def congested(self):
        return len(self.to_guest) >= 64

    def queue_packet(self, connection, op, payload, flags):
        self.to_guest.append((connection, op, payload, flags))
        self.deliver()

    def deliver(self):
        """Fills the guest's receive buffers with what is queued for it."""
        ring, gave = self.rings[RX], False
        while self.to_guest and (entry := ring.pop(self.memory)) is not None:
            head, chain = entry
            ring.push(head, self.fill(chain))
            gave = True
        if gave:
            ring.interrupt()
        if not self.congested():
            for connection in list(self.waiting):
                self.waiting.discard(connection)
                connection.watch_host()

    def fill(self, chain):
        """Writes one packet, or as much of its payload as the buffer takes."""
        connection, op, payload, flags = self.to_guest.popleft()
        room = sum(map(len, chain)) - HEADER.size
        if len(payload) > room:
            self.to_guest.appendleft((connection, op, payload[room:], flags))
            payload = payload[:room]
        connection.advertised = connection.forwarded
        data = HEADER.pack(connection.cid, self.cid, connection.host_port, connection.guest_port,
                           len(payload), TYPE_STREAM, op, flags, BUFFER_SIZE,
                           connection.forwarded) + payload
        written = 0
        for part in chain:
            piece = data[written : written + len(part)]
            part[: len(piece)] = piece
            written += len(piece)
        return written

    def on_packet(self, header, payload):
        _, cid, guest_port, host_port, length, _, op, flags, space, forwarded = header
        connection = self.connections.get((cid, host_port, guest_port))
        if op == REQUEST and connection is None:
            connection = Connection(self, None, cid, host_port, guest_port)
            connection.guest_space, connection.guest_forwarded = space, forwarded
            self.spawn(self.connect_host(connection))
            return
        if connection is None:
            if op != RST:
                self.queue_packet(Connection(self, None, cid, host_port, guest_port), RST, b"", 0)
            return
        connection.guest_space, connection.guest_forwarded = space, forwarded
        if op == RESPONSE:
            self.answer_client(connection, b"OK %d\n" % host_port)
        elif op == RST:
            connection.shut_by_guest(NO_SEND | NO_RECEIVE)  # the host still gets what came before
        elif op == RW:
            connection.to_host += payload[:length]
            connection.write_host()
        elif op == SHUTDOWN:
            connection.shut_by_guest(flags)
        elif op == CREDIT_REQUEST:
            connection.send(CREDIT_UPDATE)
        if connection.established and not connection.host_ended:
            connection.watch_host()

    # ---- host's ends ----

    def answer_client(self, connection, text):
        try:
            connection.sock.send(text)
        except OSError:
            connection.close(RST)
            return
        connection.start()

    async def connect_host(self, connection):
        """The guest wants port N of the host: unix socket uds_N."""
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            if connection.cid != HOST_CID:
                raise ConnectionRefusedError
            await self.loop.sock_connect(sock, f"{self.uds}_{connection.host_port}")
        except OSError:
            sock.close()
            connection.send(RST)
            return
        connection.sock = sock
        self.connections[connection.key()] = connection
        connection.send(RESPONSE)
        connection.start()

    def accept_client(self, clients):
        client, _ = clients.accept()
        client.setblocking(False)
        self.spawn(self.connect_guest(client))

    async def connect_guest(self, client):
        """Reads the CONNECT line, byte by byte because the stream follows it, and asks the guest."""
        line = b""
        try:
            while not line.endswith(b"\n") and len(line) < 64:
                byte = await asyncio.wait_for(self.loop.sock_recv(client, 1), 10)
                line += byte or b"\n"
            words = line.split()
            port, cid = int(words[1]), int(words[2]) if len(words) > 2 else HOST_CID
        except (OSError, ValueError, IndexError, asyncio.TimeoutError):
            client.close()
            return
        self.next_port += 1
        connection = Connection(self, client, cid, self.next_port, port)
        self.connections[connection.key()] = connection
        connection.send(REQUEST)

    def on_hangups(self):
        ended = {fd for fd, _ in self.hangups.poll(0)}
        for connection in list(self.connections.values()):
            if connection.sock is not None and connection.sock.fileno() in ended:
                self.hangups.unregister(connection.sock)
                connection.host_hung_up()
