"""A debugging session over the API: terminal, pipes, signals, sizes, exit statuses; off unless the configuration says yes."""
import fcntl
import hashlib
import os
import signal
import socket
import struct
import subprocess
import termios
import time

import engine
from harness import TOP, check, equal, scenario
from terminal import Terminal

KEELCTL = f"{TOP}/build/bin/keelctl"
WITHOUT_ENGINE = ("docker.service", "containerd.service")


def shell_guest(allowed=True):
    return engine.EngineGuest(config="[debug]\nshell = yes\n" if allowed else "", masked=WITHOUT_ENGINE)


def keelctl(guest, *words, data=b"", seconds=30):
    return subprocess.run(guest.command("keelctl", "shell", *words), input=data, capture_output=True, timeout=seconds,
                          check=False)


def alive(guest, marker):
    """Processes of the guest that have the marker in their command line."""
    return [pid for pid in guest.processes() if marker.encode() in read_cmdline(guest, pid)]


def read_cmdline(guest, pid):
    try:
        with open(f"/proc/{guest.outside_pid(pid)}/cmdline", "rb") as file:
            return file.read()
    except (OSError, KeyError):
        return b""


class Raw:
    """A client of its own, frame by frame."""

    def __init__(self, guest, body):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(guest.path("/run/keel/api.sock"))
        self.socket.sendall(f"POST /v1/exec HTTP/1.1\r\nHost: k\r\nConnection: Upgrade\r\nUpgrade: keel-exec/1\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(1)
        self.head, self.data = self.data, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, payload=b""):
        self.socket.sendall(bytes([kind]) + len(payload).to_bytes(3, "big") + payload)

    def need(self, size):
        while len(self.data) < size:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.data += more

    def frame(self):
        self.need(4)
        size = int.from_bytes(self.data[1:4], "big")
        self.need(4 + size)
        kind, payload, self.data = self.data[0], self.data[4:4 + size], self.data[4 + size:]
        return kind, payload

    def rest(self):
        """All frames to the last, without those that say what was taken."""
        frames = [self.frame()]
        while frames[-1][0] != 18:
            frames.append(self.frame())
        return [frame for frame in frames if frame[0] != 19]


@scenario("exec: off unless the configuration allows it; the refusal names the key", deadline=60, skip=engine.unavailable)
def disabled(_test):
    with shell_guest(allowed=False) as guest:
        guest.wait_service("keel-agent.service", "active")
        status, problem = guest.api("/v1/exec", "POST")
        check(status == 403 and problem["code"] == "shell_disabled" and "keel.debug.shell" in problem["detail"], problem)
        result = keelctl(guest, "true")
        check(result.returncode == 255 and b"[debug]" in result.stderr, result)


@scenario("exec: pipes: exit statuses, signals, stdin's end, stdout and stderr apart, 50 MB intact, at most four", deadline=120,
          skip=engine.unavailable)
def pipes(_test):
    with shell_guest() as guest:
        guest.wait_service("keel-agent.service", "active")
        for words, code in ((["true"], 0), (["sh", "-c", "exit 77"], 77), (["sh", "-c", "kill -9 $$"], 137),
                            (["no-such-command"], 127)):
            equal(keelctl(guest, *words).returncode, code, str(words))
        result = keelctl(guest, "sh", "-c", "echo out; echo err >&2; echo -n last")
        equal((result.stdout, result.stderr), (b"out\nlast", b"err\n"), "both outputs")
        equal(keelctl(guest, "cat", data=b"a\nb").stdout, b"a\nb", "cat ends with its input")
        equal(keelctl(guest, "sh", "-c", "tty; echo $TERM").stdout.split(b"\n")[0], b"not a tty", "no terminal")
        environment = keelctl(guest, "env").stdout
        check(b"NOTIFY_SOCKET" not in environment and b"HOME=/root" in environment, environment)
        result = keelctl(guest, "sh", "-c", "head -c 52428800 /dev/zero | tr '\\0' x", seconds=60)
        equal((len(result.stdout), result.returncode), (52428800, 0), "50 MB")
        data = os.urandom(8 << 20)
        equal(hashlib.sha256(keelctl(guest, "cat", data=data, seconds=60).stdout).hexdigest(),
              hashlib.sha256(data).hexdigest(), "8 MiB there and back")
        equal(guest.api("/v1/exec", "POST")[0], 426, "without Upgrade")
        with Raw(guest, '{"argv":[]}') as bad:
            check(b" 400 " in bad.head, bad.head)
        clients = [Raw(guest, '{"argv":["sleep","1000"]}') for _ in range(4)]
        with Raw(guest, "{}") as fifth:
            check(b" 503 " in fifth.head, fifth.head)
        clients[0].send(4, bytes([signal.SIGTERM]))
        equal(clients[0].rest(), [(18, bytes([1, signal.SIGTERM]))], "killed by a signal")
        for client in clients:
            client.socket.close()
        guest.retry(lambda: not alive(guest, "1000"), "all of them have ended")
        guest.retry(lambda: keelctl(guest, "true").returncode == 0, "there is room again")


@scenario("exec: a client that goes away ends its command, one that does not read costs nothing, nonsense ends the session",
          deadline=60, skip=engine.unavailable)
def ends(_test):
    with shell_guest() as guest:
        guest.wait_service("keel-agent.service", "active")
        with Raw(guest, '{"argv":["sh","-c","trap \\"\\" HUP; echo x; sleep 4711 & sleep 4711"]}') as client:
            equal(client.frame(), (16, b"x\n"), "it runs")
        guest.retry(lambda: not alive(guest, "4711"), "a command that ignores SIGHUP is killed")
        with Raw(guest, '{"argv":["yes","4712"]}') as client:
            client.frame()
            agent = guest.outside_pid(guest.snapshot()["services"]["keel-agent.service"]["pid"])
            before = resident(agent)
            # All buffers between are full now: the command waits.
            guest.retry(lambda: state_of(guest, "4712") == "S", "yes is blocked")
            check(resident(agent) < before + 1024, f"{before} KiB, then {resident(agent)}")
            equal(guest.api("/v1/services")[0], 200, "others are served")
        guest.retry(lambda: not alive(guest, "4712"), "yes has ended")
        with Raw(guest, '{"argv":["sleep","4713"]}') as client:
            client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                client.frame()
                check(False, "a frame for nonsense")
            except (EOFError, ConnectionResetError):
                pass
        guest.retry(lambda: not alive(guest, "4713"), "sleep has ended")


def end_by(command, number, seconds=20):
    """The signal again and again, as by somebody who has no patience; the exit status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        command.send_signal(number)
        try:
            return command.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
    raise AssertionError(f"{command.args} does not end by signal {number}")


def fill(writer):
    """Writes until nobody takes more."""
    os.set_blocking(writer, False)
    quiet = 0
    while quiet < 5:
        try:
            os.write(writer, bytes(65536))
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.1)


@scenario("exec: signals get through input that the command does not take, and end the client of a guest that takes nothing",
          deadline=60, skip=engine.unavailable)
def signals(test):
    with shell_guest() as guest:
        guest.wait_service("keel-agent.service", "active")

        def client(line, **options):
            return subprocess.Popen([KEELCTL, "--vm", f"unix:{guest.path('/run/keel/api.sock')}", "shell", "sh", "-c", line],
                                    stdout=subprocess.PIPE, **options)

        with test.step("input that nobody takes"):
            reader, writer = os.pipe()
            with client("trap 'echo got; exit 5' INT; echo up; while :; do sleep 1; done", stdin=reader) as command:
                os.close(reader)
                equal(command.stdout.readline(), b"up\n", "it runs")
                fill(writer)
                command.send_signal(signal.SIGINT)
                equal((command.stdout.read(), command.wait(10)), (b"got\n", 5), "its end")
            os.close(writer)
        with test.step("output that nobody takes; an agent that stands still"):
            with client("yes", stdin=subprocess.DEVNULL) as command:
                equal(command.stdout.read(2), b"y\n", "it runs")
                equal(end_by(command, signal.SIGTERM), 143, "its end")
            guest.retry(lambda: not alive(guest, "yes"), "yes has ended")
            with client("echo up; exec sleep 4718", stdin=subprocess.DEVNULL) as command:
                equal(command.stdout.readline(), b"up\n", "it runs")
                agent = guest.outside_pid(guest.snapshot()["services"]["keel-agent.service"]["pid"])
                os.kill(agent, signal.SIGSTOP)
                try:
                    equal(end_by(command, signal.SIGINT), 130, "its end")
                finally:
                    os.kill(agent, signal.SIGCONT)
            guest.retry(lambda: not alive(guest, "4718"), "the command is told when the agent goes on")
        with test.step("frame by frame: what fits into the pipe is taken; sizes and signals pass the rest, its end does not hinder them"):
            with Raw(guest, '{"argv":["sleep","4717"]}') as raw:
                for _ in range(3):
                    raw.send(1, bytes(32768))
                equal([raw.frame() for _ in range(2)], [(19, b"\1")] * 2, "taken")
                raw.send(2)
                raw.send(3, bytes(4))
                raw.send(4, bytes([signal.SIGCONT]))
                equal(raw.frame(), (19, b"\4"), "a signal passes")
                raw.send(4, bytes([signal.SIGTERM]))
                equal(raw.rest(), [(18, bytes([1, signal.SIGTERM]))], "the end")
        with test.step("more input than was taken: as always it waits, and is all there"):
            with Raw(guest, '{"argv":["sh","-c","sleep 1; wc -c"]}') as raw:
                for _ in range(8):
                    raw.send(1, bytes(32768))
                raw.send(2)
                equal(raw.rest(), [(16, b"262144\n"), (18, bytes(2))], "what it counted")


@scenario("exec: who lives on in the background with the command's output does not hold the session", deadline=60,
          skip=engine.unavailable)
def background(_test):
    with shell_guest() as guest:
        guest.wait_service("keel-agent.service", "active")
        result = keelctl(guest, "sh", "-c", "echo first; setsid yes 4719 & sleep 1; echo last >&2; exit 3")
        equal((result.returncode, result.stderr), (3, b"last\n"), "its end, while somebody writes")
        check(b"first\n" in result.stdout, "what the command wrote is all there")
        guest.retry(lambda: not alive(guest, "4719"), "nobody reads it any more")
        result = keelctl(guest, "sh", "-c", "setsid sleep 4720 & sleep 4721 & sleep 1; head -c 60000 /dev/zero")
        equal((result.returncode, len(result.stdout)), (0, 60000), "while somebody says nothing")
        check(alive(guest, "4720") and not alive(guest, "4721"), "who has left the command's process group lives on")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def state_of(guest, marker):
    for pid in alive(guest, marker):
        with open(f"/proc/{guest.outside_pid(pid)}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    return None


@scenario("exec: a terminal: login shell, size and its changes, Ctrl-C, exit status; the terminal here is put back", deadline=60,
          skip=engine.unavailable)
def terminal(_test):
    with shell_guest() as guest:
        guest.wait_service("keel-agent.service", "active")
        words = guest.command("keelctl", "shell")
        words[words.index("-i", words.index("/usr/bin/env")) + 1:1 + words.index("-i", words.index("/usr/bin/env"))] = [
            "TERM=vt220"]
        with Terminal(words, size=(33, 101)) as here:
            here.expect("# ")
            equal(here.ask("stty size")[0].strip(), "33 101", "size")
            equal(here.ask("echo $TERM")[0].strip(), "vt220", "TERM")
            check("/dev/pts" in here.ask("tty")[0], "tty")
            fcntl.ioctl(here.master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 122, 0, 0))
            guest.retry(lambda: here.ask("stty size")[0].strip() == "44 122", "the new size arrives")
            here.type("sleep 4714\n")
            guest.retry(lambda: alive(guest, "4714"), "sleep runs")
            here.type("\x03")
            here.expect("# ")
            check(not alive(guest, "4714"), "Ctrl-C ends it")
            here.type("exit 42\n")
            equal(here.wait_end(), 42, "the shell's exit status")
            equal(termios.tcgetattr(here.master), here.modes, "the terminal's modes")
        guest.retry(lambda: "an API client runs /bin/sh" in guest.run("keelctl", "logs", "keel-agent")[1],
                    "the log names the command, not what sets its TERM")
        with Terminal(guest.command("keelctl", "shell", "sh", "-c", "echo ready; sleep 4715")) as here:
            here.expect("ready")
            os.kill(here.process.pid, signal.SIGKILL)
            guest.retry(lambda: not alive(guest, "4715"), "the session ends with its client")
