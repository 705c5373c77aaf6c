"""Logs: what services write, kept in order and within bounds, whatever happens to who reads it."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import guest as ns
from guest import Guest, unit
from harness import check, scenario

STOP, RESTART = 4, 5
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z (\d+)\.(\d{6}) (.*)")
FILE_MAX = 512 * 1024
NOTE = re.compile(r"keel-log: dropped (\d+) lines, (\d+) bytes(?: \((\d+) of them not counted in lines\))? since")
PROGRAMS = {"keel-log": "/usr/lib/keel/keel-log", "keel-agent": "/usr/lib/keel/keel-agent",
            "keelctl": "/usr/bin/keelctl"}


def shipped_unit(name):
    with open(f"{ns.TOP}/rootfs/usr/lib/keel/units/{name}", encoding="utf-8") as file:
        return file.read()


class LogGuest(Guest):
    """A tiny guest with keel-log, and the agent if asked for."""

    def __init__(self, units, agent=False, **options):
        units = {"keel-log.service": shipped_unit("keel-log.service"), **units}
        if agent:
            units["keel-agent.service"] = shipped_unit("keel-agent.service")
        super().__init__(units=units, **options)
        for name, path in PROGRAMS.items():
            target = f"{self.dir}/upper{path}"
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(f"{ns.BIN}/{name}", target)
        os.symlink("keelctl", f"{self.dir}/upper/usr/bin/journalctl")
        os.symlink("keelctl", f"{self.dir}/upper/usr/bin/systemctl")

    def lines(self, name):
        """[(seconds of boot time, text)] of a stored log, its old file first; every line must be whole."""
        found = []
        for suffix in (".log.1", ".log"):
            try:
                data = open(self.path(f"/run/keel/log/{name}{suffix}"), "rb").read().decode(errors="replace")
            except FileNotFoundError:
                continue
            for line in data.split("\n")[:-1]:
                match = LINE.fullmatch(line)
                check(match, f"not a stored line: {line!r}")
                found.append((int(match[2]) + int(match[3]) / 1e6, match[4]))
        return found

    def texts(self, name):
        return [text for _, text in self.lines(name)]

    def wait_line(self, name, text):
        self.retry(lambda: text in self.texts(name), f"{text!r} in the log of {name}")

    def pid_of(self, name):
        return self.wait_service(name, "active")["pid"]

    def spool_room(self):
        stat = os.statvfs(self.path("/run/keel/spool"))
        return stat.f_bavail * stat.f_frsize

    def command(self, *words):
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "--", *words]

    def get(self, path, method="GET"):
        """(status, lines) of an API request."""
        with self.follow(path, method) as reader:
            return reader.status, [line.rstrip("\n") for line in reader]

    def health(self):
        return json.loads(self.get("/v1/health")[1][0])

    def follow(self, path, method="GET"):
        return Reader(self.path("/run/keel/api.sock"), path, method)

    def wait_line_like(self, name, pattern):
        self.retry(lambda: any(pattern.match(text) for text in self.texts(name)), f"{pattern} in the log of {name}")

    def links(self, inside):
        """What the descriptors of a process are."""
        directory = f"/proc/{self.outside_pid(inside)}/fd"
        return [os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory)]

    def run(self, *words, check_status=True):
        result = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                                text=True, errors="replace", check=False)
        check(not check_status or result.returncode == 0, f"{words}: {result}\n{self.describe()}")
        return result


class Reader:
    """The lines of an HTTP body, as they come; in HTTP/1.0, whose streams are not in chunks."""

    def __init__(self, socket_path, path, method):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(socket_path)
        self.socket.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        self.file = self.socket.makefile("r", encoding="utf-8", errors="replace", newline="\n")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() != "\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def __iter__(self):
        return self

    def __next__(self):
        line = self.file.readline()
        if not line:
            raise StopIteration
        return line


def numbered(texts):
    return [text for text in texts if text.startswith("line ")]


def check_order(guest, name):
    times = [at for at, _ in guest.lines(name)]
    check(times == sorted(times), f"times of {name} go back")


@scenario("stdout and stderr come in order, each line with its time; what has no newline is kept too")
def order(_test):
    with LogGuest({"a.service": unit("event:before ready count:400 part:the_end", kind="simple"),
                   "b.service": unit("ready part:prompt: sleep")}) as guest:
        guest.wait_line("a.service", "the end")
        check(numbered(guest.texts("a.service")) == [f"line {i}" for i in range(400)], guest.texts("a.service")[:5])
        check_order(guest, "a.service")
        state = guest.snapshot()["services"]["a.service"]
        first, last = guest.lines("a.service")[0][0], guest.lines("a.service")[-1][0]
        # A line's time is that of the kernel's last tick before it was written.
        check(guest.events()[0][2] / 1e6 - 0.02 <= first <= last <= state["exit_us"] / 1e6,
              f"{first} {last} against {guest.events()} {state}")
        guest.wait_line("b.service", "prompt:")  # flushed after a while though its writer lives


@scenario("a shell's '> /dev/stdout' truncates the spool: its lines are taken all the same")
def truncated(_test):
    words = "say:one fifo:/run/1 await:/run/1 rewrite:two fifo:/run/2 await:/run/2 rewrite:two say:three ready sleep"
    with LogGuest({"a.service": unit(words)}) as guest:
        guest.wait_line("a.service", "one")
        guest.release("/run/1")
        guest.wait_line("a.service", "two")
        guest.release("/run/2")
        guest.wait_line("a.service", "three")
        check(guest.texts("a.service") == ["one", "two", "two", "three"], guest.texts("a.service"))


@scenario("a log is rotated at its bound: two files, none larger, the newest lines are there")
def rotation(_test):
    # Each half is within the budget of its window; together they are more than one file.
    with LogGuest({"a.service": unit("ready count:6000 delay:10100 count:6000 say:last sleep")}) as guest:
        guest.wait_line("a.service", "last")
        sizes = [os.path.getsize(guest.path(f"/run/keel/log/a.service.log{suffix}")) for suffix in ("", ".1")]
        check(all(0 < size <= FILE_MAX for size in sizes), sizes)
        texts = guest.texts("a.service")
        check(texts == [f"line {i}" for i in (*range(6000), *range(6000))] + ["last"], f"{len(texts)} lines")
        check_order(guest, "a.service")


def drops(texts):
    """(lines, bytes, bytes whose lines were not counted) of all notes."""
    notes = [NOTE.match(text) for text in texts]
    return [sum(int(note[i] or 0) for note in notes if note) for i in (1, 2, 3)]


@scenario("1 GB in a service's log: bounded files, an exact count of what was dropped, others keep every line", deadline=180)
def torrent(_test):
    total = 1 << 30
    with LogGuest({"flood.service": unit(f"ready torrent:{total} sleep"),
                   "a.service": unit("ready count:1000:5 say:done sleep")}, seconds=150) as guest:
        guest.retry(lambda: guest.event_names(), "the flood is over")
        _, wrote, whole, refused, slowest = guest.event_names()[0].split(":")
        guest.wait_line("a.service", "done")
        check(numbered(guest.texts("a.service")) == [f"line {i}" for i in range(1000)], "lines of the other are missing")

        def counted():
            texts = guest.texts("flood.service")
            kept = sum(1 for text in texts if not NOTE.match(text))
            return drops(texts)[1] + 64 * kept, texts

        # The note about the last window comes when it is over.
        guest.retry(lambda: counted()[0] == int(wrote), f"{wrote} bytes are kept or counted: {counted()[0]}")
        texts = counted()[1]
        lines, _, unread = drops(texts)
        check(abs(lines + unread // 64 + len(texts) - int(whole)) <= 2 * int(refused) + len(texts),
              f"lines {lines} + unread {unread} of {whole}")
        for suffix in ("", ".1"):
            path = guest.path(f"/run/keel/log/flood.service.log{suffix}")
            check(not os.path.exists(path) or os.path.getsize(path) <= FILE_MAX, "bounded")
        check(int(slowest) < 2000000, f"a write took {slowest} us")
        check(guest.spool_room() > 7 << 20, "the spool is free again")
        print(f"wrote {wrote} bytes, {refused} writes refused, slowest {slowest} us, dropped {drops(texts)}")


@scenario("keel-log is killed again and again under load: each line is stored once, in order", deadline=90)
def killed(_test):
    impatient = shipped_unit("keel-log.service").replace("RestartSec=100ms", "RestartSec=1ms")
    with LogGuest({"a.service": unit("ready count:6000:1 say:done sleep"), "keel-log.service": impatient},
                  seconds=80) as guest:
        kills = 0
        guest.pid_of("a.service")
        while "done" not in guest.texts("a.service"):
            picture = guest.snapshot()["services"]["keel-log.service"]
            if picture["pid"]:
                try:
                    guest.kill(picture["pid"])
                    kills += 1
                except (KeyError, ProcessLookupError):
                    pass
            time.sleep(0.03)
            if time.monotonic() > guest.deadline:
                raise AssertionError("it does not end\n" + guest.describe())
        check(kills >= 10, f"{kills} kills")
        check(numbered(guest.texts("a.service")) == [f"line {i}" for i in range(6000)], "lines lost or twice")
        check_order(guest, "a.service")
        check(guest.snapshot()["services"]["a.service"]["restarts"] == 0, "the service noticed")
        print(f"{kills} kills")


@scenario("keel-log is stopped (SIGSTOP): a full spool is ENOSPC for who fills it, others go on; then all is back")
def stopped(_test):
    with LogGuest({"flood.service": unit("ready fifo:/run/go await:/run/go torrent:50000000 fifo:/run/on await:/run/on "
                                         "say:after sleep"),
                   "a.service": unit("ready fifo:/run/a await:/run/a count:300 event:counted sleep")}) as guest:
        for name in ("flood.service", "a.service"):
            guest.pid_of(name)
        guest.retry(lambda: guest.lines("keel-log.service") == [], "keel-log says nothing")
        pid = guest.pid_of("keel-log.service")
        # Both have their reserve before the spool is full.
        guest.retry(lambda: os.stat(guest.path("/run/keel/spool/a.service")).st_blocks > 0, "room set aside")
        guest.kill(pid, signal.SIGSTOP)
        guest.release("/run/go")
        guest.retry(lambda: guest.event_names(), "the flood is over")
        _, wrote, _, refused, _ = guest.event_names()[0].split(":")
        check(int(refused) > 0 and int(wrote) <= 8 << 20, guest.event_names())
        check(guest.spool_room() == 0, "full")
        guest.release("/run/a")
        guest.retry(lambda: "counted" in guest.event_names(), "a quiet service writes into its reserve")
        check(guest.snapshot()["services"]["a.service"]["restarts"] == 0, "not disturbed")
        guest.kill(pid, signal.SIGCONT)
        guest.wait_line("a.service", "line 299")
        check(numbered(guest.texts("a.service")) == [f"line {i}" for i in range(300)], guest.texts("a.service")[-3:])
        guest.release("/run/on")
        guest.retry(lambda: guest.spool_room() > 7 << 20, "the spool is free again")


@scenario("last words: a service that dies has its last lines in the health document, at the API and from PID 1's facts")
def last_words(test):
    words = "say:starting_up count:20 err:it_is_all_over part:no_newline sleep"
    with LogGuest({"a.service": unit("ready " + words, service_keys="Restart=always\nRestartSec=200ms\nStartLimitBurst=0"),
                   "clean.service": unit("say:bye exit:0", kind="simple")}, agent=True) as guest:
        guest.pid_of("keel-agent.service")
        guest.wait_line("a.service", "it is all over")
        guest.kill(guest.pid_of("a.service"))
        guest.wait(lambda s: s["services"]["a.service"]["restarts"] == 1, "it died")

        def log_of(name, health):
            return next(service for service in health["services"] if service["name"] == name)["log"]

        def told(health):
            log = log_of("a.service", health)
            return len(log) == 10 and log[-2:] == ["it is all over", "no newline"] and log[0] == "line 12"

        guest.retry(lambda: told(guest.health()), "the last lines are in the document")
        with test.step("what the next process writes does not belong to the dead one"):
            guest.retry(lambda: guest.texts("a.service").count("starting up") == 2, "the next one writes")
            check(told(guest.health()), guest.health()["services"])
        with test.step("a service that ended well has none"):
            check(log_of("clean.service", guest.health()) == [], guest.health()["services"])
        with test.step("the same without the agent"):
            check(guest.request(STOP, "keel-agent.service") == 0, "stop accepted")
            guest.wait_service("keel-agent.service", "inactive")
            result = guest.run("/usr/bin/keelctl", "health", check_status=False)
            check(told(json.loads(result.stdout)), result)


@scenario("GET /v1/logs: lines=, since_us=, follow=; unknown names and keys are refused; a stalled client costs nobody anything")
def api(test):
    with LogGuest({"a.service": unit("ready count:50 fifo:/run/on await:/run/on say:more fifo:/run/flood await:/run/flood "
                                     f"flood:{8 << 20} sleep")}, agent=True) as guest:
        def for_logs():
            """What the agent has open for who reads logs; an inotify of its own it has for control groups."""
            links = guest.links(guest.pid_of("keel-agent.service"))
            return sorted(fd for fd in links if "/run/keel/log" in fd or "inotify" in fd)

        guest.pid_of("keel-agent.service")
        guest.wait_line("a.service", "line 49")
        check(guest.get("/livez")[0] == 200, "it serves: it has opened what it always has")
        before = for_logs()
        with test.step("whole, the last lines, since a time, HEAD"):
            texts = guest.get("/v1/logs/a.service")[1]
            check([LINE.fullmatch(line)[4] for line in texts] == [f"line {i}" for i in range(50)], texts)
            check(guest.get("/v1/logs/a?lines=3")[1] == texts[-3:], "lines=3")
            check(guest.get("/v1/logs/a?lines=0")[1] == [], "lines=0")
            check(guest.get("/v1/logs/a?since_us=999999999999999")[1] == [], "since_us")
            check(guest.get("/v1/logs/a?follow=1", method="HEAD") == (200, []), "HEAD")
        with test.step("refusals"):
            for path, status in (("/v1/logs/nobody", 404), ("/v1/logs/..%2fx", 404), ("/v1/logs/", 404),
                                 ("/v1/logs/a?lines=x", 400), ("/v1/logs/a?color=1", 400), ("/v1/logs/a?follow", 400)):
                check(guest.get(path)[0] == status, f"{path}: {guest.get(path)}")
            check(guest.get("/v1/logs/a", method="POST")[0] == 405, "POST")
        with test.step("follow: what comes is sent as it comes"):
            with guest.follow("/v1/logs/a?lines=1&follow=1") as reader, guest.follow("/v1/logs/a?follow=1") as stalled:
                check(next(reader).endswith(" line 49\n"), "the last line first")
                guest.release("/run/on")
                check(next(reader).endswith(" more\n"), "then the next")
                guest.release("/run/flood")
                guest.wait_line_like("a.service", NOTE)
                check(any(NOTE.search(line) for line in reader), "the reader gets everything, the note included")
                check(guest.get("/livez")[0] == 200, "others are served")
                agent = guest.pid_of("keel-agent.service")
                guest.retry(lambda: sum("/a.service.log" in link for link in guest.links(agent)) == 1,
                            "the client that takes nothing is dropped, the other is not")
                check(stalled.status == 200, stalled.status)
        with test.step("no descriptor stays"):
            guest.retry(lambda: guest.get("/livez")[0] == 200 and for_logs() == before, "closed")


@scenario("keelctl logs and journalctl: the last lines, merged, followed; a reader that goes away ends them")
def commands(test):
    with LogGuest({"a.service": unit("ready count:30:2 err:odd fifo:/run/on await:/run/on say:more sleep"),
                   "b.service": unit("ready count:30:2 say:b_done sleep"),
                   "once.service": unit("say:once exit:4", kind="oneshot")}, agent=True) as guest:
        for name, text in (("a.service", "odd"), ("b.service", "b done"), ("once.service", "once")):
            guest.wait_line(name, text)
        with test.step("keelctl logs"):
            lines = guest.run("/usr/bin/keelctl", "logs", "a", "-n", "2").stdout.splitlines()
            check([LINE.fullmatch(line)[4] for line in lines] == ["line 29", "odd"], lines)
            check(len(guest.run("/usr/bin/keelctl", "logs", "a.service").stdout.splitlines()) == 31, "all")
            check(guest.run("/usr/bin/keelctl", "logs", "nobody", check_status=False).returncode == 1, "nobody")
            check(guest.run("/usr/bin/keelctl", "logs", "-f", "nobody", check_status=False).returncode == 1, "-f nobody")
            check(guest.run("/usr/bin/keelctl", "logs", "a", "-n", "x", check_status=False).returncode == 2, "-n x")
        with test.step("keelctl logs through the agent is the same"):
            vm = ("--vm", "unix:/run/keel/api.sock")
            check(guest.run("/usr/bin/keelctl", *vm, "logs", "a").stdout == guest.run("/usr/bin/keelctl", "logs", "a").stdout,
                  "the same bytes")
            check(guest.run("/usr/bin/keelctl", *vm, "logs", "nobody", check_status=False).returncode == 1, "nobody")
        with test.step("journalctl merges in order of time"):
            out = guest.run("/usr/bin/journalctl", "-o", "short-monotonic", "-b", "--no-pager").stdout.splitlines()
            names = [re.fullmatch(r"\[ *(\d+\.\d+)\] \S+ (\S+): .*", line) for line in out]
            check(all(names) and {"a", "b", "once"} <= {match[2] for match in names}, out)
            check([float(m[1]) for m in names] == sorted(float(m[1]) for m in names), out)
            both = guest.run("/usr/bin/journalctl", "-u", "a", "-u", "b.service", "-o", "cat", "-n", "all").stdout.splitlines()
            check(sorted(both) == sorted(guest.texts("a.service") + guest.texts("b.service")), both)
            check(guest.run("/usr/bin/journalctl", "-eu", "b", "-n2", "-ocat").stdout == "line 29\nb done\n", "-n2")
            short = guest.run("/usr/bin/journalctl", "-u", "once").stdout
            check(re.fullmatch(r"[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d \S+ once: once\n", short), short)
            check(guest.run("/usr/bin/journalctl", "-u", "a", "--since", "@99999999").stdout.count("\n") == 31, "--since")
            check(guest.run("/usr/bin/journalctl", "-u", "a", "--until", "1999-01-01").stdout.count("No entries") == 1, "1999")
            check("No entries" in guest.run("/usr/bin/journalctl", "-u", "a", "-S", "@4000000000").stdout, "future")
            check("No entries" in guest.run("/usr/bin/journalctl", "-u", "nobody").stdout, "nobody")
        with test.step("journalctl says what it does not know"):
            for words in (["--vacuum-size=1"], ["-o", "json"], ["_PID=1"], ["-b", "-1"], ["-p", "err"], ["-u", "../x"]):
                result = guest.run("/usr/bin/journalctl", *words, check_status=False)
                check(result.returncode == 1 and "journalctl: " in result.stderr, result)
        with test.step("systemctl status shows the last lines"):
            out = guest.run("/usr/bin/systemctl", "status", "a", check_status=False).stdout
            check(out.rstrip().endswith("a: odd") and "line 21" in out and "line 20" not in out, out)
        with test.step("-f goes on; a reader that goes ends it; so does SIGINT"):
            for words in (["/usr/bin/keelctl", "logs", "-f", "-n", "1", "a"], ["/usr/bin/journalctl", "-fu", "a", "-n1"],
                          ["/usr/bin/keelctl", "--vm", "unix:/run/keel/api.sock", "logs", "-f", "-n", "1", "a"]):
                first = subprocess.Popen(guest.command(*words), stdout=subprocess.PIPE)
                check(first.stdout.readline().endswith(b"odd\n"), words)
                first.stdout.close()
                first.wait(20)
            # nsenter ends as its child did, unless whoever runs the tests in the background ignores SIGINT.
            follower = subprocess.Popen(guest.command("/usr/bin/journalctl", "-f", "-o", "cat"), stdout=subprocess.PIPE,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            while follower.stdout.readline() != b"b done\n":
                pass
            guest.release("/run/on")
            while follower.stdout.readline() != b"more\n":
                pass
            inside = [pid for pid, p in guest.processes().items() if p[1] == "journalctl"]
            guest.kill(inside[0], signal.SIGINT)
            check(follower.wait(20) in (-signal.SIGINT, 128 + signal.SIGINT), follower.returncode)
            follower.stdout.close()


@scenario("the logs' file system is full: services go on, what is lost is counted and told when there is room again")
def no_room(_test):
    words = "say:one fifo:/run/on await:/run/on count:100 event:counted fifo:/run/go await:/run/go say:two ready sleep"
    with LogGuest({"a.service": unit(words)}) as guest:
        guest.wait_line("a.service", "one")
        filler = guest.path("/run/keel/log/filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        # What is left of the log's last page.
        with open(guest.path("/run/keel/log/a.service.log"), "ab", buffering=0) as file:
            file.write(b"x" * (4095 - os.path.getsize(file.name)) + b"\n")
        guest.release("/run/on")
        guest.retry(lambda: guest.event_names(), "the service is not held up")
        # What was taken is freed, and reads as zeroes.
        guest.retry(lambda: set(open(guest.path("/run/keel/spool/a.service"), "rb").read()) == {0}, "taken")
        os.unlink(filler)
        with open(guest.path("/run/keel/log/a.service.log"), "r+b", buffering=0) as file:
            file.truncate(file.read().index(b"one\n") + 4)
        guest.release("/run/go")
        guest.wait_line("a.service", "two")
        guest.wait_line_like("a.service", NOTE)
        texts = guest.texts("a.service")
        check(drops(texts)[:2] == [100, sum(len(f"line {i}\n") for i in range(100))], texts)
        check(any(text.endswith(": no room in /run/keel/log") for text in texts), texts)


@scenario("keel-log says WATCHDOG=1 at half of WATCHDOG_USEC if it is asked to, and not otherwise")
def watchdog(_test):
    keys = "Environment=\"NOTIFY_SOCKET=/var/test/notify\" \"WATCHDOG_USEC=200000\""
    watched = shipped_unit("keel-log.service").replace("WatchdogSec=1min\n", "").replace("Type=notify", f"Type=simple\n{keys}")
    with LogGuest({"keel-log.service": watched.replace("WantedBy=multi-user.target", "")}) as guest:
        guest.wait(lambda s: s["boot"]["state"] != "starting", "booted")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(20)
            receiver.bind(guest.path("/var/test/notify"))
            check(guest.request(3, "keel-log.service") == 0, "start accepted")
            words = [receiver.recv(100) for _ in range(4)]
            check(words == [b"READY=1"] + [b"WATCHDOG=1"] * 3, words)


@scenario("keel-log sleeps when nothing is written")
def idle_log(_test):
    with LogGuest({"a.service": unit("say:one ready sleep")}) as guest:
        guest.wait_line("a.service", "one")
        pid = guest.outside_pid(guest.pid_of("keel-log.service"))

        def switches():
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                return [line for line in file if "ctxt_switches" in line]

        guest.retry(lambda: open(f"/proc/{pid}/stat", encoding="ascii").read().split(") ")[1][0] == "S", "asleep")
        time.sleep(0.1)
        before = switches()
        time.sleep(3)  # the time that is measured
        check(switches() == before, f"{before} -> {switches()}")
