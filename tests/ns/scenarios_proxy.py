"""The Docker API's proxy: every byte once, thousands of connections, clients as people have them, a dockerd that goes."""
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import proxy_peer
from engine import IMAGE, EngineGuest, data_disk, unavailable
from guest import BIN, RUN, TOP
from harness import Skip, check, equal, retry_until, scenario

FRONT = "/run/keel/docker.sock"
MANY = 1000


def raise_descriptors(count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < count:
        raise Skip(f"at most {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))


# ---- against a stand-in: keelctl forward is the same proxy ---------------------------------------------

class Forward:
    """keelctl forward from front to the peer's socket."""
    def __init__(self, directory):
        self.front, self.back = f"{directory}/front", f"{directory}/back"
        self.process = subprocess.Popen([f"{BIN}/keelctl", "--vm", f"unix:{self.back}", "forward", f"unix:{self.front}"],
                                        stdout=subprocess.PIPE)
        check(b"forwarding" in self.process.stdout.readline(), "it listens")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def end(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


@contextlib.contextmanager
def forward():
    os.makedirs(RUN, exist_ok=True)
    # The path of a unix socket is short.
    directory = tempfile.mkdtemp(prefix="kp-", dir="/tmp")
    proxy = Forward(directory)
    try:
        yield proxy
    finally:
        proxy.end()
        shutil.rmtree(directory)


def ping(path):
    with proxy_peer.dial(path) as sock:
        sock.sendall(proxy_peer.PING)
        answer = b""
        while len(answer) < len(proxy_peer.PONG):
            data = sock.recv(4096)
            if not data:
                break
            answer += data
    return answer


def stream(front, seed, size, pause=0.0):
    with proxy_peer.dial(front) as sock:
        sock.sendall(proxy_peer.REQUEST)
        equal(proxy_peer.read_head(sock), proxy_peer.UPGRADED, "the upgrade")
        return proxy_peer.both(sock, seed, size, pause)


@scenario("proxy: every byte comes once and in order, both ways at once, with half-close and slow readers", deadline=120)
def every_byte(test):
    for name, mine, theirs, pause in (("128 MiB both ways", 128 << 20, 128 << 20, 0.0), ("up, the end first", 20 << 20, 0, 0.0),
                                      ("down, the end first", 0, 20 << 20, 0.0), ("slow readers", 8 << 20, 8 << 20, 0.02)):
        with test.step(name), forward() as proxy, proxy_peer.Peer(proxy.back, theirs, pause) as peer:
            result = stream(proxy.front, name, mine, pause)
            retry_until(10, lambda p=peer: p.results, "the peer heard the end")
            equal((result["size"], result["heard"]), (theirs, peer.results[0]["said"]), "down")
            equal((peer.results[0]["size"], peer.results[0]["heard"]), (mine, result["said"]), "up")


@scenario("proxy: 10,000 connections in a row, 1,000 at once, disconnects at every byte: none lost, nothing kept", deadline=120)
def many(test):
    raise_descriptors(4 * MANY)
    with forward() as proxy, proxy_peer.Peer(proxy.back) as peer:
        for _ in range(200):
            ping(proxy.front)
        retry_until(10, lambda: proxy.descriptors() < 12, "all closed")
        before = proxy.descriptors(), proxy.rss()
        with test.step("10,000 in a row"):
            good = sum(ping(proxy.front) == proxy_peer.PONG for _ in range(10000))
            equal(good, 10000, "answers")
            retry_until(10, lambda: proxy.descriptors() <= before[0], "all closed")
            check(proxy.rss() <= before[1] + 64, f"RSS: {proxy.rss()} KiB, before {before[1]}")
        with test.step("1,000 at once"):
            socks = [proxy_peer.dial(proxy.front) for _ in range(MANY)]
            for sock in socks:
                sock.sendall(proxy_peer.PING)
            for sock in socks:
                answer = b""
                while len(answer) < len(proxy_peer.PONG) and (data := sock.recv(4096)):
                    answer += data
                equal(answer, proxy_peer.PONG, "an answer")
            check(proxy.descriptors() >= 2 * MANY, f"{proxy.descriptors()} descriptors")
            for sock in socks:
                sock.close()
            retry_until(10, lambda: proxy.descriptors() <= before[0], "all closed")
            check(proxy.rss() <= before[1] + 256, f"RSS: {proxy.rss()} KiB, before {before[1]}")
        with test.step("disconnects at every byte of a request and of a stream"):
            whole = proxy_peer.REQUEST + random.Random(1).randbytes(50)
            for end in range(len(whole) + 1):
                for way in (socket.SHUT_RDWR, socket.SHUT_WR, None):
                    with proxy_peer.dial(proxy.front) as sock:
                        sock.sendall(whole[:end])
                        if way is not None:
                            sock.shutdown(way)
            equal(ping(proxy.front), proxy_peer.PONG, "a ping afterwards")
            retry_until(10, lambda: proxy.descriptors() <= before[0], "all closed")
        check(peer.seen > 10000 + MANY, "they came through")


# ---- the real thing ------------------------------------------------------------------------------------

def agent_unit():
    """The shipped unit, with Docker's API on a unix socket as well: it is how this machine reaches the proxy."""
    with open(f"{TOP}/rootfs/usr/lib/keel/units/keel-agent.service", encoding="utf-8") as file:
        return file.read().replace("ExecStart=/usr/lib/keel/keel-agent\n",
                                   f"ExecStart=/usr/lib/keel/keel-agent --docker-listen unix:{FRONT}\n")


@contextlib.contextmanager
def engine_guest(seconds=120):
    with data_disk() as disk, EngineGuest(disk, files={"/etc/keel/units/keel-agent.service": agent_unit()},
                                          seconds=seconds) as guest:
        guest.wait_ready()
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
        guest.front = guest.path(FRONT)
        yield guest


def cli(guest, *words, stdin=None, **options):
    return guest.docker("-H", f"unix://{FRONT}", *words, stdin=stdin, **options)


def exchange(path, request):
    """A raw request; all of the answer."""
    with proxy_peer.dial(path) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


@scenario("proxy: the Docker CLI, a Docker SDK and curl through it: run, exec, attach, build, logs, events, save and load",
          deadline=180, skip=unavailable)
def real_clients(test):
    with engine_guest() as guest:
        guest.import_image()
        with test.step("docker run and exec -i, the end of stdin"):
            equal(cli(guest, "run", "--rm", "-i", IMAGE, "/busybox", "sh", "-c", "/busybox cat; exit 7", stdin=b"in",
                      check=False)[:2], (7, "in"), "run -i")
            cli(guest, "run", "-d", "--name", "stays", IMAGE, "/busybox", "sleep", "1000")
            data = random.Random(2).randbytes(3 << 20)
            _, out, _ = cli(guest, "exec", "-i", "stays", "/busybox", "sha256sum", stdin=data)
            equal(out.split()[0], hashlib.sha256(data).hexdigest(), "exec -i")
        with test.step("docker attach, logs -f"):
            # Not "run -d": an attach to that loses its output at the end of its stdin, by design.
            cli(guest, "create", "-i", "--name", "waits", IMAGE, "/busybox", "sh", "-c",
                "read line; /busybox echo got $line; read line; /busybox echo then $line")
            cli(guest, "start", "waits")
            follow = guest.spawn("docker", "-H", f"unix://{FRONT}", "logs", "-f", "waits")
            equal(cli(guest, "attach", "waits", stdin=b"one\ntwo\n")[1], "got one\nthen two\n", "attach")
            equal(follow.communicate(timeout=20)[0], b"got one\nthen two\n", "logs -f")
        with test.step("docker build, with the old builder and BuildKit's upgrade to HTTP/2"):
            recipe = f'FROM {IMAGE}\nRUN ["/busybox", "touch", "/made"]\n'.encode()
            guest.run("env", "DOCKER_BUILDKIT=0", "docker", "-H", f"unix://{FRONT}", "build", "-q", "-t", "built", "-",
                      stdin=recipe)
            equal(cli(guest, "run", "--rm", "built", "/busybox", "ls", "/made")[1], "/made\n", "what was built")
            check_session(guest.front)
        with test.step("docker events"):
            check_events(guest)
        with test.step("the SDK"):
            check_sdk(guest.front)
        with test.step("curl"):
            out = subprocess.run(["curl", "-sS", "--unix-socket", guest.front, "http://docker/version", "http://docker/_ping"],
                                 check=True, capture_output=True, timeout=20).stdout
            check(b'"ApiVersion"' in out and out.endswith(b"OK"), out)
        check(len(guest.api("/v1/health")[1]["docker_api"]["address"]) > 0, "the listener is told")


def check_session(path):
    """What buildx does first: POST /session, upgraded to HTTP/2 without TLS, on which dockerd is the client."""
    with proxy_peer.dial(path) as sock:
        sock.sendall(b"POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                     b"X-Docker-Expose-Session-Uuid: keeltest\r\nX-Docker-Expose-Session-Name: keel\r\n\r\n")
        head = proxy_peer.read_head(sock)
        check(head.startswith(b"HTTP/1.1 101 "), head)
        preface = b""
        while len(preface) < 24 + 9 and (data := sock.recv(33 - len(preface))):
            preface += data
        equal(preface[:24], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2's preface")
        equal(preface[27], 4, "a SETTINGS frame")
        sock.sendall(struct.pack(">I", 0)[1:] + b"\4\0\0\0\0\0")
        check(sock.recv(9), "it goes on")


def check_events(guest):
    with proxy_peer.dial(guest.front) as sock:
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
        check(b"200 OK" in proxy_peer.read_head(sock), "the stream is there")
        cli(guest, "tag", IMAGE, "tagged")
        text = b""
        while b'"Action":"tag"' not in text:
            text += sock.recv(4096)


def check_sdk(path):
    import docker  # of the lab environment
    client = docker.DockerClient(base_url=f"unix://{path}", timeout=30)
    try:
        # The SDK reads what it ran only from logs of this driver.
        equal(client.containers.run(IMAGE, ["/busybox", "echo", "sdk"], remove=True, log_config={"type": "json-file"}),
              b"sdk\n", "containers.run")
        container = client.containers.get("stays")
        result = container.exec_run(["/busybox", "sh", "-c", "/busybox tr a-z A-Z"], stdin=True, socket=True)
        sock = result.output._sock  # the SDK's own documentation says so
        sock.sendall(b"through\n")
        sock.shutdown(socket.SHUT_WR)
        frame = b""
        while data := sock.recv(4096):
            frame += data
        equal(frame, b"\1\0\0\0\0\0\0\x08THROUGH\n", "exec_run with a socket")
        image = b"".join(client.images.get(IMAGE).save(named=True))
        client.images.remove(IMAGE, force=True)
        equal([f"{IMAGE}:latest" in loaded.tags for loaded in client.images.load(image)], [True], "save and load")
        events = client.events(decode=True)
        runner = client.containers.create(IMAGE, ["/busybox", "true"])
        runner.start()
        for event in events:
            if event.get("Action") == "die" and event["id"] == runner.id:
                break
        events.close()
        runner.remove()
        attached = client.containers.create(IMAGE, ["/busybox", "sh", "-c", "for i in 1 2 3; do /busybox echo $i; done"])
        output = attached.attach(stream=True)
        attached.start()
        equal(b"".join(output), b"1\n2\n3\n", "attach")
        attached.remove()
    finally:
        client.close()


def refused(front):
    """The proxy's answer while there is no dockerd, or None."""
    answer = exchange(front, b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    return answer if answer.startswith(b"HTTP/1.1 503 ") else None


class Events:
    """A client that follows events; knows when and how its stream ended."""
    def __init__(self, front):
        self.sock = proxy_peer.dial(front)
        self.sock.sendall(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
        check(b"200 OK" in proxy_peer.read_head(self.sock), "the stream is there")
        self.text, self.ended = b"", threading.Event()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        with contextlib.suppress(OSError):
            while data := self.sock.recv(65536):
                self.text += data
        self.sock.close()
        self.ended.set()


def stop_seconds(guest):
    """How long PID 1 takes to stop dockerd."""
    begun = time.monotonic()
    guest.run("systemctl", "stop", "docker.service")
    return time.monotonic() - begun


def start(guest):
    guest.run("systemctl", "start", "docker.service")
    guest.retry(lambda: b"200 OK" in exchange(guest.front, b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
                "dockerd answers through the proxy again")


@scenario("proxy: dockerd stops as fast with streams open as without, dies in the middle of one, is told of as a 503, comes back",
          deadline=180, skip=unavailable)
def dockerd_goes(test):
    with engine_guest() as guest:
        with test.step("events open: the stop does not wait for them, and their answer ends in order"):
            without = stop_seconds(guest)
            answer = refused(guest.front)
            check(answer and b"application/problem+json" in answer, answer)
            problem = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            check(problem["code"] == "engine_unavailable" and problem["message"] == problem["detail"], problem)
            code, _, error = cli(guest, "ps", check=False)
            check(code == 1 and problem["message"] in error, f"what the CLI says: {error}")
            start(guest)
            events = [Events(guest.front) for _ in range(3)]
            took = stop_seconds(guest)
            for stream_ in events:
                check(stream_.ended.wait(5), "the client got an end")
                check(stream_.text.endswith(b"0\r\n\r\n"), f"a complete answer: {stream_.text[-40:]}")
            check(took < without + 2, f"{took:.2f} s, without {without:.2f} s; dockerd would wait 5 s")
        start(guest)
        guest.import_image()
        with test.step("kill -9 in the middle of a stream and of idle: an end, a 503, and all is well again"):
            idle, following = proxy_peer.dial(guest.front), Events(guest.front)
            flow = guest.spawn("docker", "-H", f"unix://{FRONT}", "run", "--rm", IMAGE, "/busybox", "cat", "/dev/zero")
            check(flow.stdout.read(1 << 20), "it flows")
            guest.kill(guest.snapshot()["services"]["docker.service"]["pid"])
            check(following.ended.wait(10), "the events' client got an end")
            flow.stdout.read()
            check(flow.wait(20) != 0, "docker run knows that it failed")
            flow.stderr.close()
            flow.stdout.close()
            equal(idle.recv(10), b"", "the idle connection ended")
            idle.close()
            guest.retry(lambda: b" 200 " in exchange(guest.front, b"GET /info HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
                        "it works again")
            guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready again")
            cli(guest, "rm", "-f", *cli(guest, "ps", "-aq")[1].split(), check=False)
