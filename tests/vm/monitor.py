# SPDX-License-Identifier: MIT
"""monitor.py NAME READY_FD - the process behind one running guest; started by `vm up`.

It starts QEMU, ends with it, and in between
- is the guest's vsock device (vsockdev.py),
- accepts the guest's report (vsock port 702) and keeps report.jsonl and health.json,
- forwards state/docker.sock to the guest's Docker API (vsock port 701), half-closes included,
- answers requests on state/monitor.sock: one JSON object a line, the answer likewise:
    {"do":"follow"}        every line since the start, {"type":"now"}, then each new line as it comes
    {"do":"rss"}           {"kib":N}
    {"do":"kill"}          ends QEMU at once, as a power cut
    {"do":"ctrl-alt-del"}  presses the keys
    {"do":"power-button"}  presses the machine's
    {"do":"qmp","execute":NAME,"arguments":{...},"event":NAME}
                           {"return":...} of QEMU's command, after the event about the same device if one
                           is named
A line is what the guest reported or {"type":"vm","event":...} from here; both carry host_ms, the
milliseconds since QEMU was started. Writes one line to READY_FD when requests are answered. If the
monitor dies, the kernel ends QEMU.
"""
import asyncio
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import sys
import time

import machine
import vsock
import vsockdev

LINE_MAX = 1 << 20
HISTORY_MAX = 2000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Guest:
    """Everything the tasks of one guest share."""

    def __init__(self, name):
        self.name = name
        self.state = machine.state_dir(name)
        self.config = machine.read_config(name)
        self.started = time.monotonic()
        self.history = []
        self.followers = set()
        self.tasks = set()
        self.qemu = None
        self.qmp = None
        self.qmp_waiting = {}  # an answer's id, or an event and its device: the future of who waits
        self.shutdown_reason = None
        self.killed = False


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def spawn(command, log, environment=None):
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        preexec_fn=die_with_parent, env=dict(os.environ, **(environment or {})))


def publish(guest, line):
    """Gives one line to the log and to everybody who follows."""
    line["host_ms"] = round((time.monotonic() - guest.started) * 1000)
    guest.history.append(line)
    del guest.history[:-HISTORY_MAX]
    with open(guest.state / "report.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    if line.get("type") == "health":
        machine.write_atomically(guest.state / "health.json", json.dumps(line["health"]) + "\n")
    for queue in guest.followers:
        queue.put_nowait(line)


async def take_report(guest, reader, writer):
    """One connection of the guest's report."""
    publish(guest, {"type": "vm", "event": "report-connected"})
    try:
        while text := await reader.readline():
            try:
                line = json.loads(text)
                if not isinstance(line, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                line = {"type": "vm", "event": "bad-line", "error": str(error),
                        "text": text.decode(errors="replace")[:200]}
            publish(guest, line)
    except (OSError, ValueError) as error:
        publish(guest, {"type": "vm", "event": "bad-line", "error": str(error)})
    finally:
        publish(guest, {"type": "vm", "event": "report-lost"})
        writer.close()


async def pump(reader, writer):
    """Copies one direction and passes its end on as a half-close."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def guest_stream(guest, port):
    reader, writer = await asyncio.open_unix_connection(guest.state / "vsock.sock")
    try:
        writer.write(b"CONNECT %d\n" % port)
        answer = await asyncio.wait_for(reader.readline(), 30)
        if not answer.startswith(b"OK "):
            raise ConnectionRefusedError(port)
        return reader, writer
    except BaseException:
        writer.close()
        raise


async def forward_docker(guest, reader, writer):
    with contextlib.closing(writer):
        try:
            guest_reader, guest_writer = await guest_stream(guest, vsock.DOCKER_PORT)
        except (OSError, asyncio.TimeoutError):
            return
        with contextlib.closing(guest_writer):
            with contextlib.suppress(OSError):
                await asyncio.gather(pump(reader, guest_writer), pump(guest_reader, writer))


def resident_kib(guest):
    """Pages of the guest's memory that the host holds: the blocks of the memfd behind it. That counts
    each page once, whoever of QEMU and the vsock device touched it, and one that was swapped out."""
    blocks = 0
    directory = pathlib.Path(f"/proc/{guest.qemu.pid}/fd")
    for entry in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry).startswith("/memfd:memory-backend"):
                blocks += entry.stat().st_blocks
    return blocks // 2


async def follow(guest, writer):
    queue = asyncio.Queue()
    guest.followers.add(queue)
    try:
        for line in [*guest.history, {"type": "now"}]:
            writer.write(json.dumps(line).encode() + b"\n")
        while True:
            await writer.drain()
            line = await queue.get()
            if line is None:
                return
            writer.write(json.dumps(line).encode() + b"\n")
    finally:
        guest.followers.discard(queue)


async def press_ctrl_alt_del(guest):
    keys = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
    await qmp_send(guest, {"execute": "send-key", "arguments": {"keys": keys}})
    return {}


async def answer(guest, request):
    if guest.qemu is None:
        return {"error": "QEMU is not running yet"}
    if request.get("do") == "rss":
        return {"kib": resident_kib(guest)}
    if request.get("do") == "kill":
        guest.killed = True
        guest.qemu.kill()
        return {}
    if request.get("do") == "ctrl-alt-del":
        return await press_ctrl_alt_del(guest)
    if request.get("do") == "power-button":
        await qmp_send(guest, {"execute": "system_powerdown"})
        return {}
    if request.get("do") == "qmp":
        return await qmp_execute(guest, request)
    return {"error": f"unknown request {request}"}


async def serve_request(guest, reader, writer):
    with contextlib.closing(writer), contextlib.suppress(OSError):
        request = json.loads(await reader.readline() or "{}")
        if request.get("do") == "follow":
            await follow(guest, writer)
        else:
            writer.write(json.dumps(await answer(guest, request)).encode() + b"\n")
        await writer.drain()


def keeping(guest, handler):
    """A connection's handler for asyncio, which itself holds tasks weakly: one whose streams are both
    paused could be collected as garbage."""
    async def run(reader, writer):
        task = asyncio.current_task()
        guest.tasks.add(task)
        try:
            await handler(guest, reader, writer)
        finally:
            guest.tasks.discard(task)
    return run


async def wait_for_socket(path, process, what):
    """QEMU does not tell when it listens: look often, until a deadline."""
    for _ in range(1000):
        if path.exists():
            return
        if process.returncode is not None:
            raise machine.VmError(f"{what} ended with status {process.returncode}")
        await asyncio.sleep(0.01)
    raise machine.VmError(f"{what} did not come up within 10 s")


async def qmp_send(guest, command):
    guest.qmp.write(json.dumps(command).encode() + b"\n")
    await guest.qmp.drain()


async def qmp_execute(guest, request):
    """A command with its answer, and with the event that tells that it is done if one is named."""
    arguments = request.get("arguments", {})
    keys = [f"{time.monotonic_ns()}"]
    if request.get("event"):
        keys.append((request["event"], arguments.get("id")))
    futures = [guest.qmp_waiting.setdefault(key, asyncio.get_running_loop().create_future()) for key in keys]
    try:
        await qmp_send(guest, {"execute": request["execute"], "arguments": arguments, "id": keys[0]})
        answer_line = await futures[0]
        if "error" in answer_line:
            return {"error": f"QEMU, {request['execute']}: {answer_line['error']['desc']}"}
        await asyncio.gather(*futures)
        return {"return": answer_line["return"]}
    finally:
        for key in keys:
            guest.qmp_waiting.pop(key, None)


def qmp_wake(guest, message):
    """Who waits for this message goes on."""
    key = message.get("id") or (message.get("event"), message.get("data", {}).get("device"))
    if (future := guest.qmp_waiting.get(key)) and not future.done():
        future.set_result(message)


async def watch_qmp(guest):
    """Keeps the reason of the shutdown, which tells a power-off from a panic."""
    reader, guest.qmp = await asyncio.open_unix_connection(guest.state / "qmp.sock", limit=LINE_MAX)
    await qmp_send(guest, {"execute": "qmp_capabilities"})
    while text := await reader.readline():
        message = json.loads(text)
        if message.get("event") == "SHUTDOWN":
            guest.shutdown_reason = message["data"]["reason"]
        qmp_wake(guest, message)


def describe_end(guest, qemu_status):
    if guest.killed:
        return "killed"
    if guest.shutdown_reason == "guest-shutdown":
        return "powered-off"
    if guest.shutdown_reason == "guest-reset":
        return "reset"  # a reboot, or a panic with panic=-1
    return f"qemu-exit-{qemu_status}"


async def run_machine(guest, log, ready_fd):
    """Starts QEMU and waits for its end; returns how it ended."""
    vsockdev.Device(machine.GUEST_CID, guest.state / "vu.sock", guest.state / "vsock.sock").start()
    guest.started = time.monotonic()
    guest.qemu = await spawn(machine.qemu_command(guest.config, guest.state), log,
                             machine.clock_environment(guest.config))
    try:
        await wait_for_socket(guest.state / "qmp.sock", guest.qemu, "QEMU")
        qmp = asyncio.create_task(watch_qmp(guest))
        publish(guest, {"type": "vm", "event": "started"})
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
        status = await guest.qemu.wait()
        await asyncio.wait([qmp], timeout=2)
        return describe_end(guest, status)
    finally:
        if guest.qemu.returncode is None:
            guest.qemu.kill()
            await guest.qemu.wait()


async def monitor(name, ready_fd):
    guest = Guest(name)
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    loop.add_signal_handler(signal.SIGTERM, main.cancel)
    servers = []
    for path, handler in (("vsock.sock_702", take_report), ("docker.sock", forward_docker),
                          ("monitor.sock", serve_request)):
        servers.append(await asyncio.start_unix_server(
            keeping(guest, handler), guest.state / path, limit=LINE_MAX))
    try:
        with open(guest.state / "monitor.log", "ab") as log:
            how = await run_machine(guest, log, ready_fd)
    except machine.VmError as error:
        print(f"monitor: {error}", file=sys.stderr)
        how = str(error)
    except asyncio.CancelledError:
        how = "monitor-terminated"
    machine.write_atomically(guest.state / "exit.json", json.dumps({"how": how}) + "\n")
    # Who hears of the end may start the next guest in this directory at once: leave it alone from here.
    for path in ("monitor.sock", "docker.sock", "vsock.sock", "vsock.sock_702", "vu.sock"):
        (guest.state / path).unlink(missing_ok=True)
    publish(guest, {"type": "vm", "event": "exit", "how": how})
    for queue in guest.followers:
        queue.put_nowait(None)
    leave = time.monotonic() + 2
    while guest.followers and time.monotonic() < leave:
        await asyncio.sleep(0.01)


def main():
    asyncio.run(monitor(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
