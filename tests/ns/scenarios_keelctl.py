"""keelctl's manners, against an API that says what the test wants: options, complaints, pages that follow changes, top, forward,
Docker contexts, completion in real shells. No guest is needed: they run beside each other."""
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time

import harness
from fake_api import FakeApi, health
from harness import check, contains, equal, scenario
from terminal import Terminal

TOP = harness.TOP
KEELCTL = f"{TOP}/build/bin/keelctl"
ENV = {"PATH": f"{TOP}/build/bin:/usr/bin:/bin", "HOME": "/nonexistent", "TERM": "xterm", "LANG": "C.UTF-8"}
STARTING = {"status": "starting", "ready": False, "reason": "docker.service is starting"}


def run(*words, code=0, env=None, **options):
    """(output, errors) of keelctl; its exit status must be `code`."""
    result = subprocess.run([KEELCTL, *words], env=ENV | (env or {}), capture_output=True, text=True, timeout=30, check=False,
                            stdin=subprocess.DEVNULL, **options)
    equal(result.returncode, code, f"exit status of {words}: {result.stdout}{result.stderr}")
    return result.stdout, result.stderr


def verbs():
    return re.findall(r"^  ([a-z-]+) ", run("--help")[0].split("\nOptions")[0], re.MULTILINE)


def options_of(verb):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", run("help", verb)[0], re.MULTILINE))


# ---- words and complaints --------------------------------------------------------------------------------

def check_complaint(words, *parts, code=2):
    out, error = run(*words, code=code)
    equal(out, "", f"{words}: output")
    check(error.startswith("keelctl: ") and error.count("\n") == 1, f"{words}: {error!r}")
    for part in parts:
        contains(error, part, f"complaint of {words}")


@scenario("keelctl: words and options that are wrong are named, with the way out; help, version, closed pipes", deadline=60)
def manners(test):
    with test.step("complaints"):
        check_complaint([], "which verb?", "keelctl --help")
        for wrong, right in (("sttus", "status"), ("sta", "status"), ("restrat", "restart"), ("lgos", "logs"), ("dsk", "disk")):
            check_complaint([wrong], f"{wrong}: no such verb; perhaps {right}?")
        check_complaint(["xyzzy"], "xyzzy: no such verb (")
        check_complaint(["status", "--jsn"], "--jsn: no such option; perhaps --json?")
        check_complaint(["status", "--js"], "--js: no such option")  # never shortened
        check_complaint(["status", "-q"], "-q: no such option")
        check_complaint(["status", "--json=1"], "--json takes no value")
        check_complaint(["status", "--follow"], "keelctl: status: it takes no --follow (see keelctl help status)")
        check_complaint(["-n", "3", "status"], "keelctl: status: it takes no --lines")
        check_complaint(["status", "--timeout"], "--timeout: SECONDS is missing")
        for bad in ("0", "x", "-1", "1.5", "9999999999", ""):
            check_complaint(["status", "--timeout", bad], f"--timeout {bad}: it must be a number from 1 on")
        check_complaint(["--vm", "ftp:x", "status"], "--vm ftp:x: it must be vsock:CID, hvsock:PATH")
        check_complaint(["--color=red", "status"], "--color red: it must be auto, always or never")
        check_complaint(["status", "x"], "keelctl: status: x: it takes no operands")
        check_complaint(["logs"], "keelctl: logs: UNIT is missing (see keelctl help logs)")
        check_complaint(["logs", "a", "b"], "keelctl: logs: b: one word too many")
        check_complaint(["--vm", "vsock:3", "restart", "docker"], "keelctl: restart: it works in the guest only, not with --vm")
        check_complaint(["disk", "trm"], "keelctl: disk: trm: it must be status, list, trim, grow, repair, init or adopt")
        check_complaint(["disk", "init", "/dev/sdx"], "keelctl: disk init: it needs --uuid IDENTITY and DEVICE")
        check_complaint(["memory", "target"], "keelctl: memory target: it needs a number of bytes")
        check_complaint(["wait", "redy"], "keelctl: wait: redy: it must be ready, starting")
        check_complaint(["wait", "--", "--json"], "keelctl: wait: --json: it must be ready")  # -- ends options
        check_complaint(["forward", "tcp:0.0.0.0:1"], "tcp:0.0.0.0:1: it must be unix:PATH or tcp:127.0.0.1:PORT")
        check_complaint(["forward", "unix:/x", "--ready-fd", "77"], "--ready-fd 77: it is not open")
        check_complaint(["xyz\033[31m"], "xyz?[31m: no such verb")
        contains(run("status", code=2, env={"KEEL_VM": "no"})[1], "KEEL_VM=no: it must be vsock:CID", "KEEL_VM")
    with test.step("nobody answers: exit 3, one shape"):
        for words in (["status"], ["health"], ["services"], ["kernel"], ["top"], ["memory"], ["disk", "list"], ["logs", "a"],
                      ["shutdown"], ["disk", "trim"], ["memory", "reclaim"]):
            check_complaint(["--vm", "unix:/nonexistent/x", *words],
                            ": keel-agent does not answer on unix:/nonexistent/x: No such file or directory", code=3)
        mute = {"KEEL_CONTROL": "/nonexistent/x"}  # and there is no agent
        for words in (["shutdown"], ["reboot"], ["start", "docker"]):
            contains(run(*words, code=3, env=mute)[1], "PID 1: No such file or directory", f"{words}")
    with test.step("not allowed to ask"), FakeApi() as api:
        os.chmod(os.path.dirname(api.path), 0o755)
        os.chmod(api.path, 0o600)
        nobody = {"user": 65534, "extra_groups": [], "executable": shutil.copy(KEELCTL, os.path.dirname(api.path))}
        for words in (["status"], ["shell"], ["logs", "a"]):
            contains(run(*api.vm, *words, code=255 if words == ["shell"] else 3, **nobody)[1], "Permission denied (are you root?)", f"{words}")
        contains(run(*api.vm, "wait", "--timeout", "1", code=1, **nobody)[1], "last seen: nobody answers: Permission denied", "wait")
    with test.step("a full disk: a word, also under the other names"), tempfile.TemporaryDirectory() as here, open("/dev/full", "wb") as full:
        with open(f"{here}/a.service.log", "w", encoding="ascii") as log:
            log.write("2026-11-25T19:15:38.123456Z 12.345678 text\n" * 30000)
        for name, *words in (("keelctl", "logs", "a"), ("journalctl", "-n", "all"), ("journalctl", "--help"), ("systemctl", "--help")):
            if not os.path.exists(f"{here}/{name}"):
                os.symlink(KEELCTL, f"{here}/{name}")
            result = subprocess.run([f"{here}/{name}", *words], env=ENV | {"KEEL_LOG_DIR": here}, stdout=full, stderr=subprocess.PIPE,
                                    stdin=subprocess.DEVNULL, timeout=30, check=False)
            verb = " logs:" if name == "keelctl" else ""
            equal((result.returncode, result.stderr.decode()), (1, f"{name}:{verb} cannot write the output: No space left on device\n"), name)
    with test.step("nobody reads the output: not a word"), FakeApi() as api:
        api.answers |= {"/v1/disk/list": (200, {}), "/v1/clock": (200, {}), "/v1/diagnostics": (200, "\0" * 900000),
                        "/v1/disk/trim?progress=1": (200, '{"progress":{"percent":1}}\n{"result":{"trimmed_bytes":1}}\n'),
                        "/v1/events?follow=0&last=1000": (200, 'id: 1\nevent: x\ndata: {"a":1}\n\n' * 50000),
                        "/v1/logs/a.service?follow=0": (200, "2026-11-25T19:15:38.123456Z 12.345678 x\n" * 30000)}
        for words in (["status"], ["status", "--watch"], ["health"], ["services"], ["top"], ["top", "--json"], ["memory"], ["help"],
                      ["disk", "list"], ["disk", "trim"], ["logs", "a"], ["events", "--once"], ["events"], ["clock"], ["diagnose", "-o", "-"],
                      ["docker-context"]):
            reader, writer = os.pipe()
            os.close(reader)
            result = subprocess.run([KEELCTL, *api.vm, *words], env=ENV, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                    timeout=30, check=False)
            os.close(writer)
            equal(result.stderr, b"", f"errors of {words}")
            check(result.returncode in (0, 1, -signal.SIGPIPE) and (result.returncode != 1 or words[0] == "diagnose"), f"{words}: {result}")
    with test.step("refusals: exit 1, the guest's sentence"), FakeApi() as api:
        problem = {"code": "busy", "detail": "another job runs", "message": "another job runs"}
        api.answers = dict.fromkeys(("/v1/disk/trim?progress=1", "/v1/memory", "/v1/memory/reclaim", "/v1/shutdown",
                                     "/v1/logs/a.service?follow=0"), (409, problem))
        for words in (["disk", "trim"], ["memory"], ["memory", "reclaim"], ["shutdown"], ["logs", "a"]):
            named = " ".join(words[:2]) if words[0] != "logs" else "logs"
            equal(run(*api.vm, *words, code=1)[1], f"keelctl: {named}: another job runs\n", "the refusal")
        equal(json.loads(run(*api.vm, "memory", "--json", code=1)[0]), problem, "with --json")
        api.answers["/v1/memory"] = (200, "<html>")
        contains(run(*api.vm, "memory", code=3)[1], "keelctl: memory: the answer is not what the keel API says", "no JSON")
    with test.step("help on stdout, for every verb, in narrow terminals too"):
        equal(run("--version")[0], run("status", "--version")[0], "version")
        for verb in verbs():
            out, error = run("help", verb)
            check(out.startswith(f"usage: keelctl {verb}") and error == "", f"{verb}: {out}{error}")
            equal(run(verb, "--help")[0], out, f"{verb} --help")
        equal(run("-h")[0], run("help")[0], "-h")
        for columns in (20, 40, 80):
            with Terminal([KEELCTL, "--help"], env=ENV, size=(24, columns)) as terminal:
                equal(terminal.wait_end(), 0, "--help")
                lines = terminal.text.split("\n")
                check(max(map(len, lines)) <= max(columns, 32) and len(lines) > 30, f"{columns}: {lines}")
        for verb in verbs():
            with Terminal([KEELCTL, "help", verb], env=ENV, size=(24, 40)) as terminal:
                equal(terminal.wait_end(), 0, f"help {verb}")
                check(max(map(len, terminal.text.split("\n"))) <= 40, f"{verb}: {terminal.text}")
    with test.step("a reader that goes away is no error; a full disk is one"), FakeApi() as api:
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([KEELCTL, *api.vm, "health"], env=ENV, stdout=full, stderr=subprocess.PIPE, check=False)
        check(result.returncode == 1 and b"cannot write the output: No space left" in result.stderr, result)
        for ignored in (signal.SIG_DFL, signal.SIG_IGN):
            reader, writer = os.pipe()
            os.close(reader)
            result = subprocess.run([KEELCTL, *api.vm, "health"], env=ENV, stdout=writer, stderr=subprocess.PIPE, check=False,
                                    preexec_fn=lambda how=ignored: signal.signal(signal.SIGPIPE, how))
            os.close(writer)
            check(result.returncode in (0, -signal.SIGPIPE) and result.stderr == b"", result)


@scenario("keelctl: the manual page has every verb and option of the help, and no others; so has each completion", deadline=30)
def manual(_test):
    with open(f"{TOP}/docs/keelctl.1", encoding="utf-8") as page:
        text = page.read().split(".Sh SYSTEMCTL")[0]
    described = set()
    for line in re.findall(r"^\.It Cm (.*)$", text.split(".Sh OPTIONS")[0], re.MULTILINE):
        described |= {word for word in re.split(r"[ ,|]+", line.split(" Ar ")[0].split(" O")[0]) if re.fullmatch("[a-z-]+", word)}
    named = set(verbs())
    check(named <= described, f"verbs without a paragraph: {named - described}")
    helped = set().union(*(options_of(verb) for verb in named), re.findall(r"--[a-z-]+", run("--help")[0]))
    paged = {f"--{name}" for name in re.findall(r"Fl -([a-z-]+)", text)}
    equal(sorted(paged), sorted(helped), "options")
    for verb in sorted(named):
        offered = {line.split("\t")[0] for line in run("__complete", verb, "--")[0].splitlines()}
        check(options_of(verb) <= offered <= helped, f"{verb}: {offered}")
    offered = [line.split("\t")[0] for line in run("__complete", "")[0].splitlines()]
    equal(sorted(offered), sorted(named), "verbs of the completion")


# ---- pages that follow ------------------------------------------------------------------------------------

@scenario("keelctl status --watch: a page for each change that is pushed, none without; the terminal is clean afterwards", deadline=60)
def watch(test):
    with FakeApi() as api:
        with test.step("not a terminal: a page per change, pushed"):
            command = subprocess.Popen([KEELCTL, *api.vm, "status", "--watch"], env=ENV, stdout=subprocess.PIPE, text=True)
            api.wait_asked("/v1/events", 1)
            api.wait_asked("/v1/health", 1)
            api.change(uptime_ms=80000.0)  # nothing of note
            api.wait_asked("/v1/health", 2)
            began = time.monotonic()
            api.change(**STARTING)
            text = ""
            while "is starting  (" not in text:
                check(select.select([command.stdout], [], [], 10)[0], f"no page for the change: {text}")
                text += os.read(command.stdout.fileno(), 65536).decode()
            took = time.monotonic() - began
            check(text.count("keel 1.2 is") == 2 and "\x1b" not in text, text)
            check(took < 0.4, f"{took} s: not pushed")  # it would look every 0.5 s
            command.send_signal(signal.SIGINT)
            equal(command.wait(5), -signal.SIGINT, "the end")
        with test.step("nobody asks while nothing changes; the guest goes away and comes back"):
            asked = api.asked.count("/v1/health") + 2  # one when the stream has begun
            command = subprocess.Popen([KEELCTL, *api.vm, "status", "--watch", "--json"], env=ENV, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
            equal(json.loads(command.stdout.readline())["status"], "starting", "the first")
            api.wait_asked("/v1/health", asked)
            time.sleep(1.2)
            equal(api.asked.count("/v1/health"), asked, "questions without a change")
            api.close()
            api.answers["/v1/health"] = (200, health(boot_id="another"))
            api.open()
            equal(json.loads(command.stdout.readline())["boot_id"], "another", "after its reboot")
            command.terminate()
            equal(command.wait(5), -signal.SIGTERM, "the end")
            command.stdout.close()
    with test.step("an agent without events is asked"), FakeApi(events=False) as api:
        with subprocess.Popen([KEELCTL, *api.vm, "status", "--watch", "--json"], env=ENV, stdout=subprocess.PIPE) as command:
            command.stdout.readline()
            api.change(**STARTING)
            equal(json.loads(command.stdout.readline())["status"], "starting", "the change")
            command.terminate()
    with test.step("a terminal: drawn over, another size, Ctrl-C; nothing is left behind"), FakeApi() as api:
        with Terminal(["sh", "-c", 'before=$(stty -g); trap : INT; "$0" "$@"; code=$?; [ "$before" = "$(stty -g)" ] && echo "left $code"',
                       KEELCTL, *api.vm, "status", "--watch"], env=ENV, size=(12, 60)) as terminal:
            terminal.expect("is ready")
            api.change(**STARTING)
            terminal.expect("is starting")
            check("\x1b[H" in terminal.raw and terminal.raw.count("\x1b[2J") == 1 and "\x1b[?25l" in terminal.raw, terminal.raw)
            check(terminal.clean().count("keel 1.2 is") == 2, terminal.clean())
            terminal.type("\x03")
            terminal.expect("left 130")
            check(terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l"), "the cursor is there again")
            check(terminal.raw.rindex("\x1b[?7h") > terminal.raw.rindex("\x1b[?7l"), "lines are wrapped again")
        with Terminal([KEELCTL, *api.vm, "status", "--watch"], env=ENV | {"TERM": "dumb"}) as terminal:
            terminal.expect("is starting")
            check("\x1b" not in terminal.raw, f"dumb: {terminal.raw!r}")


@scenario("keelctl wait: the change is pushed; its end, its exit codes", deadline=30)
def wait(_test):
    with FakeApi() as api:
        api.change(**STARTING)
        with subprocess.Popen([KEELCTL, *api.vm, "wait", "--timeout", "20"], env=ENV) as command:
            api.wait_asked("/v1/health", 1)
            time.sleep(0.7)
            check(api.asked.count("/v1/health") <= 2, f"polled: {api.asked}")
            began = time.monotonic()
            api.change()
            equal(command.wait(10), 0, "exit status")
            check(time.monotonic() - began < 0.4, "not pushed")
        run(*api.vm, "wait", "ready")
        contains(run(*api.vm, "wait", "failed", "--timeout", "1", code=1)[1], "keelctl: wait: not failed in time; last seen: ready", "late")
        api.change(status="failed", ready=False, reason="the disk is gone")
        contains(run(*api.vm, "wait", code=1)[1], "keelctl: wait: not ready; last seen: failed: the disk is gone", "never")
        run(*api.vm, "wait", "failed")
    contains(run("--vm", "unix:/nonexistent/x", "wait", "--timeout", "1", code=1)[1], "last seen: nobody answers: No such file or directory", "nobody")


@scenario("keelctl: a stream that has gone silent is given up: events come back by the last id, wait and status look again", deadline=60)
def silence(test):
    impatient = ENV | {"KEEL_SILENCE_MS": "300"}
    with FakeApi() as api:
        api.change(**STARTING)
        for words in (["wait"], ["status", "--watch", "--json"]):
            with test.step(" ".join(words)):
                api.answers["/v1/health"] = (503, health(**STARTING))
                streams, asked = (api.asked.count(path) for path in ("/v1/events", "/v1/health"))
                with subprocess.Popen([KEELCTL, *api.vm, *words], env=impatient, stdout=subprocess.PIPE, text=True) as command:
                    api.wait_asked("/v1/events", streams + 2)
                    api.wait_asked("/v1/health", asked + 2)
                    api.answers["/v1/health"] = (200, health())  # and no event says so
                    if words[0] == "wait":
                        equal(command.wait(10), 0, "exit status")
                    else:
                        equal([json.loads(command.stdout.readline())["status"] for _ in range(2)], ["starting", "ready"], "what it saw")
                    command.terminate()
        with test.step("events"):
            with subprocess.Popen([KEELCTL, *api.vm, "events", "--json"], env=impatient, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as command:
                api.wait_asked("/v1/events?follow=1", 1)
                api.change(ready=True)
                equal(json.loads(command.stdout.readline()), {"id": "1", "event": "status", "ready": True}, "an event")
                api.wait_asked("/v1/events?follow=1&last_event_id=1", 2)
                command.terminate()
                contains(command.stderr.read(), "keelctl: events: the connection has gone silent; trying again\n", "what it says")
    with test.step("who was stopped for longer reads first what has come"), FakeApi() as api:
        with subprocess.Popen([KEELCTL, *api.vm, "events", "--json"], env=ENV | {"KEEL_SILENCE_MS": "2000"}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as command:
            api.wait_asked("/v1/events?follow=1", 1)
            api.change(ready=False)
            command.stdout.readline()
            command.send_signal(signal.SIGSTOP)
            harness.retry_until(10, lambda: state_of(command.pid) == "T", "it is stopped")
            api.change(ready=True)
            time.sleep(2.2)
            command.send_signal(signal.SIGCONT)
            check(select.select([command.stdout], [], [], 10)[0], "the event")
            equal(len(api.asked), 1, "connections")
            command.terminate()
            equal(command.stderr.read(), "", "what it says")
    with test.step("signs of life are enough"), FakeApi() as api:
        with subprocess.Popen([KEELCTL, *api.vm, "events"], env=ENV | {"KEEL_SILENCE_MS": "3000"}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as command:
            api.wait_asked("/v1/events?follow=1", 1)
            for _ in range(12):
                api.beat()
                time.sleep(0.3)
            equal(len(api.asked), 1, "connections")
            command.terminate()
            equal(command.stderr.read(), b"", "what it says")


@scenario("keelctl top: what it shows, its keys, narrow terminals, for scripts; colours only where they belong", deadline=60)
def top(test):
    with FakeApi() as api:
        with test.step("for scripts"):
            out = run(*api.vm, "top")[0]
            equal(run(*api.vm, "top", "--once")[0], out, "--once is what it is without a terminal")
            for part in ("keel 1.2 is ready", "Memory      1.0 GiB of 4.0 GiB in use, 1.0 GiB cache", "cpu     12.5 %", "io     not known",
                         "Reclaim     adaptive, 1.0 GiB given back; waiting: nothing cold", "Data disk   mounted, 6.0 GiB of 8.0 GiB free (ok)",
                         "Services    2 up", "CONTAINER"):
                contains(out, part, "the page")
            check("\x1b" not in out and re.search(r"apple .*300.0 MiB(.|\n)*cccccccccccc .*200.0 MiB(.|\n)*zebra .*100.0 MiB", out), out)
            sample = json.loads(run(*api.vm, "top", "--json")[0])
            check(sample["memory"]["pressure"]["cpu"]["some_percent"] == 12.5 and sample["health"]["status"] == "ready", sample)
            check("\x1b[3" in run(*api.vm, "--color=always", "top")[0], "colours, if they are asked for")
            check("█" not in run(*api.vm, "top", env={"LANG": "C"})[0], "ASCII where the locale is not UTF-8")
        with test.step("live, keys"), Terminal([KEELCTL, *api.vm, "top"], env=ENV, size=(24, 80)) as terminal:
            terminal.expect("by memory")
            terminal.expect("zebra")
            terminal.type("n")
            terminal.expect("by name")
            page = terminal.expect("zebra")[0]
            check(page.index("apple") < page.index("cccc"), page)
            terminal.type("c")
            page = terminal.expect("by cache")[0] + terminal.expect("apple")[0]
            check(page.index("zebra") < page.index("cccc"), page)
            terminal.type("q")
            equal(terminal.wait_end(), 0, "q")
            check("\x1b[3" in terminal.raw and terminal.raw.endswith("\x1b[?25h"), repr(terminal.raw[-80:]))
        with test.step("20 columns, NO_COLOR"):
            with Terminal([KEELCTL, *api.vm, "top", "--once"], env=ENV | {"NO_COLOR": "1"}, size=(24, 20)) as terminal:
                equal(terminal.wait_end(), 0, "exit status")
                check("\x1b[" not in terminal.raw and "apple" in terminal.text, terminal.raw)
    contains(run("--vm", "unix:/nonexistent/x", "top", code=3)[1], "keelctl: top: keel-agent does not answer", "nobody")


# ---- a guest that means harm ------------------------------------------------------------------------------

ODD = "a\x1b]0;b\x07\u009b31m\x7f"  # what a terminal would obey
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Talker:
    """An API that answers every client with `head`, and then `piece` without end (b"": nothing more is said, and nobody hangs up;
    None: it hangs up)."""

    def __init__(self, head, piece=b""):
        self.dir = tempfile.TemporaryDirectory()
        self.vm = ["--vm", f"unix:{self.dir.name}/x"]
        self.head, self.piece, self.clients = head, piece, []
        self.asked = threading.Semaphore(0)

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.dir.name}/x")
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            client.close()
        self.dir.cleanup()

    def accept(self):
        try:
            while True:
                self.clients.append(self.listener.accept()[0])
                threading.Thread(target=self.talk, args=(self.clients[-1],), daemon=True).start()
        except OSError:
            pass

    def talk(self, client):
        try:
            client.recv(4096)
            client.sendall(self.head)
            self.asked.release()
            while self.piece:
                client.sendall(self.piece)
            if self.piece is None:
                client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@scenario("keelctl: a guest that means harm: control characters, answers without end, none at all", deadline=60)
def harm(test):
    with test.step("control characters do not reach a terminal, pipes get the document as it is"), FakeApi() as api:
        text = json.dumps(health(reason=ODD, version=ODD), ensure_ascii=False)
        api.answers |= {"/v1/health": (200, text), "/v1/memory": (409, f'{{"detail":"{ODD}"}}'),
                        "/v1/events?follow=0&last=1000": (200, f"id: 1\nevent: x\ndata: {json.dumps({'a': ODD}, ensure_ascii=False)}\n\n"),
                        "/v1/clock": (200, json.dumps({"realtime_us": 1, "a": ODD}, ensure_ascii=False))}
        for words in (["health"], ["status"], ["status", "--json"], ["services", "--json"], ["top", "--once"], ["memory", "--json"],
                      ["events", "--once", "--json"], ["events", "--once"], ["clock"], ["clock", "--json"]):
            with Terminal([KEELCTL, "--color=never", *api.vm, *words], env=ENV) as terminal:
                terminal.wait_end()
                odd = re.findall("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", terminal.raw)
                check(terminal.raw and not odd, f"{words}: {terminal.raw!r}")
        equal(run(*api.vm, "health")[0].rstrip("\n"), text, "in a pipe")
    with test.step("an archive that never ends, or stands still and is interrupted, leaves no file"), tempfile.TemporaryDirectory() as here:
        with Talker(HEAD, bytes(65536)) as api:
            check_complaint([*api.vm, "diagnose", "-o", f"{here}/a", "--timeout", "1"], "the archive broke off", code=1)
        with Talker(HEAD + b"x" * 512) as api:
            with subprocess.Popen([KEELCTL, *api.vm, "diagnose", "-o", f"{here}/b"], env=ENV, stderr=subprocess.DEVNULL) as command:
                check(api.asked.acquire(timeout=10), "asked")
                harness.retry_until(10, lambda: os.path.exists(f"{here}/b"), "it has begun")
                command.send_signal(signal.SIGINT)
                equal(command.wait(5), -signal.SIGINT, "its end")
        equal(os.listdir(here), [], "files")
    with test.step("an answer that breaks off is not taken for a whole one"), tempfile.TemporaryDirectory() as here:
        chunked, sized = (b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n" for field in (b"Transfer-Encoding: chunked", b"Content-Length: 4"))
        for name, text, whole in (("a", chunked + b"4\r\nabcd\r\n", False), ("b", chunked + b"4\r\nabcd\r\n0\r\n\r\n", True),
                                  ("c", chunked + b"4\r\nab", False), ("d", chunked + b"2;x=y\r\nab\r\n002\r\ncd\r\n0\r\nA: b\r\n\r\nmore", True),
                                  ("e", chunked + b"abcd", False), ("f", sized + b"abc", False), ("g", sized + b"abcdefg", True),
                                  ("h", HEAD + b"abcd", True)):
            with Talker(text, None) as api:
                if whole:
                    contains(run(*api.vm, "diagnose", "-o", f"{here}/{name}")[1], "Look before you pass it on", name)
                    with open(f"{here}/{name}", "rb") as file:
                        equal(file.read(), b"abcd", name)
                else:
                    check_complaint([*api.vm, "diagnose", "-o", f"{here}/{name}"], "diagnose: the archive broke off", code=1)
                    check(not os.path.exists(f"{here}/{name}"), f"{name} is left")
        with Talker(chunked + b"2\r\n{}\r\n", None) as api:
            for words in (["disk", "list"], ["logs", "a"]):
                check_complaint([*api.vm, *words], "the answer broke off: Connection reset by peer", code=1)
            contains(run(*api.vm, "disk", "trim", code=1)[1], "the connection ended before the job; it goes on in the guest", "a job")
            check_complaint([*api.vm, "events", "--once"], "keel-agent does not answer on", code=3)
    with test.step("Ctrl-C while a guest that is silent is waited for"), Talker(b"") as api:
        for words in (["top"], ["status", "--watch"], ["memory", "--watch"]):
            with Terminal([KEELCTL, *api.vm, *words, "--timeout", "60"], env=ENV) as terminal:
                check(api.asked.acquire(timeout=10), "asked")
                terminal.type("\x03")
                equal(terminal.wait_end(5), -signal.SIGINT, f"the end of {words}")
    with test.step("no standard output, none for errors: nobody writes into the archive"), tempfile.TemporaryDirectory() as here:
        with Talker(HEAD + b"x" * 512) as api:
            subprocess.run(["sh", "-c", f'exec "$0" --timeout 1 "$@" diagnose -o {here}/a >&- 2>&-', KEELCTL, *api.vm], env=ENV, check=False)
            equal(os.listdir(here), [], "files")
    check_complaint(["events", "--kinds", "," * 600, "--since", "0-1"], "kinds are words with commas between them")


class Guest:
    """A guest's end of keelctl shell: accept() gives a session."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.vm = f"unix:{self.dir.name}/x"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.dir.name}/x")
        self.listener.listen(1)
        self.listener.settimeout(10)
        return self

    def __exit__(self, *_exc):
        self.listener.close()
        self.dir.cleanup()

    def accept(self, before=lambda: None):
        return Session(self.listener.accept()[0], before)


class Session:
    def __init__(self, client, before):
        self.client = client
        client.settimeout(10)
        self.request = b""
        while not self.request.endswith(b"}"):
            self.request += client.recv(4096)
        before()
        client.sendall(b"HTTP/1.1 101 X\r\n\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.client.close()

    def frame(self):
        head = self.client.recv(4, socket.MSG_WAITALL)
        return head[0], self.client.recv(int.from_bytes(head[1:], "big"), socket.MSG_WAITALL)

    def send(self, kind, payload):
        self.client.sendall(bytes([kind]) + len(payload).to_bytes(3, "big") + payload)


@scenario("keelctl shell: a size that the terminal gets while the guest is asked arrives; the terminal is put back", deadline=30)
def size(_test):
    with Guest() as guest, Terminal([KEELCTL, "--vm", guest.vm, "shell"], env=ENV, size=(33, 101)) as terminal:
        def resize():
            fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 122, 0, 0))

        with guest.accept(resize) as client:
            contains(client.request, b'"rows":33,"cols":101', "the request")
            equal(client.frame(), (3, struct.pack(">HH", 44, 122)), "what the guest is told")
            check(termios.tcgetattr(terminal.master) != terminal.modes, "raw")
            client.send(18, b"\0\7")
            equal(terminal.wait_end(), 7, "exit status")
        equal(termios.tcgetattr(terminal.master), terminal.modes, "its modes")


class Jobs(Terminal):
    """A shell with job control, and keelctl in its foreground."""

    def __init__(self):
        super().__init__(["bash", "--norc", "--noprofile", "-i"], env=ENV | {"PS1": "# "}, size=(24, 100))
        self.expect("# ")
        self.settings = self.find_settings()

    def find_settings(self):
        """Of the terminal; what the shell says of its jobs may be before or behind it."""
        return re.search(r"^[0-9a-f]+(:[0-9a-f]+)+$", self.ask("stty -g")[0], re.MULTILINE)[0]

    def start(self, *words):
        """Its pid."""
        self.type(f"sh -c 'echo p\"\"id=$$.; exec \"$0\" \"$@\"' keelctl {' '.join(words)}\n")
        self.expect("\npid=")
        return int(self.expect(".")[0][:-1])

    def check_stopped(self):
        self.expect("Stopped")
        self.expect("# ")
        equal(self.find_settings(), self.settings, "the terminal's modes")


def state_of(pid):
    """As in ps; one that has ended may still be its shell's zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@scenario("keelctl: one that is stopped leaves the terminal as it was, and draws again when it goes on", deadline=60)
def stopped(test):
    with FakeApi() as api:
        for words, page in ((["top"], "by memory"), (["status", "--watch"], "is ready"), (["memory", "--watch"], "in use")):
            with test.step(" ".join(words)), Jobs() as terminal:
                pid = terminal.start(*api.vm, *words)
                for stop in (lambda: terminal.type("\x1a"), lambda pid=pid: os.kill(pid, signal.SIGTSTP)):
                    terminal.expect(page)
                    stop()
                    terminal.check_stopped()
                    check(terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l"), "the cursor is there again")
                    terminal.type("fg\n")
                terminal.expect(page)
                check(terminal.raw.rindex("\x1b[?25l") > terminal.raw.rindex("\x1b[?25h"), "the cursor is gone")
                # In the background it waits; there too it ends when it is told.
                terminal.type("\x1a")
                terminal.check_stopped()
                terminal.ask("bg")
                harness.retry_until(10, lambda pid=pid: state_of(pid) == "T", "it is stopped again")
                terminal.ask("kill %1")
                harness.retry_until(10, lambda pid=pid: state_of(pid) == "Z", "it has ended")
                equal(terminal.find_settings(), terminal.settings, "the terminal's modes")
    with test.step("shell"), Guest() as guest, Jobs() as terminal:
        pid = terminal.start("--vm", guest.vm, "shell")
        with guest.accept() as client:
            equal(client.frame(), (3, struct.pack(">HH", 24, 100)), "the size")
            client.send(16, b"begun")
            terminal.expect("begun")
            os.kill(pid, signal.SIGTSTP)
            terminal.check_stopped()
            terminal.type("fg\n")
            equal([client.frame() for _ in range(2)], [(3, struct.pack(">HH", 24, columns)) for columns in (99, 100)],
                  "another size for a moment: what has the guest's terminal draws again")
            terminal.type("\x03x")
            text = b""
            while len(text) < 2:
                text += client.frame()[1]
                client.send(19, b"\1")
            equal(text, b"\x03x", "keys go to the guest again")
            client.send(18, b"\0\7")
            terminal.expect("# ")
        equal(terminal.ask("echo $?")[0], "7\n", "its end")
        equal(terminal.find_settings(), terminal.settings, "the terminal's modes")
    for how, number, background in (("stopped", signal.SIGTSTP, False), ("stopped at once", signal.SIGSTOP, False),
                                    ("in the background", signal.SIGTSTP, True)):
        with test.step(f"shell: told to end while it is {how}"), Guest() as guest, Jobs() as terminal:
            pid = terminal.start("--vm", guest.vm, "shell")
            with guest.accept() as client:
                client.frame()
                os.kill(pid, number)
                terminal.check_stopped()
                if background:
                    terminal.ask("bg")
                    harness.retry_until(10, lambda pid=pid: state_of(pid) == "T", "it is stopped again")
                terminal.ask("kill %1")
                harness.retry_until(10, lambda pid=pid: state_of(pid) == "Z", "it has ended")
                equal(terminal.find_settings(), terminal.settings, "the terminal's modes")
    with test.step("shell: TERM and HUP"), Guest() as guest:
        for number in (signal.SIGTERM, signal.SIGHUP):
            with Terminal([KEELCTL, "--vm", guest.vm, "shell"], env=ENV) as terminal, guest.accept() as client:
                client.frame()
                client.send(16, b"begun")
                terminal.expect("begun")
                check(termios.tcgetattr(terminal.master) != terminal.modes, "raw")
                terminal.process.send_signal(number)
                equal(terminal.wait_end(), 128 + number, "its end")
                equal(termios.tcgetattr(terminal.master), terminal.modes, "the terminal's modes")


# ---- forward and contexts ---------------------------------------------------------------------------------

def forward(api, listen, *options, **more):
    """Started, and ready: --ready-fd has said so."""
    reader, writer = os.pipe()
    command = subprocess.Popen([KEELCTL, *api.vm, "forward", listen, "--ready-fd", str(writer), *options], env=ENV,
                               pass_fds=[writer], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    os.close(writer)
    check(select.select([reader], [], [], 10)[0] and os.read(reader, 8) == b"\n" and os.read(reader, 8) == b"", "it is ready")
    os.close(reader)
    return command


def ask(address):
    """The status that an HTTP client gets."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
        client.settimeout(10)
        client.connect(address)
        client.sendall(b"GET /containers/json HTTP/1.0\r\n\r\n")
        return int(client.recv(4096).split()[1])


@scenario("keelctl forward: ready, mode, a socket in use is left alone, a dead one replaced; the guest may go and come", deadline=60)
def forwards(test):
    with FakeApi() as api, tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/docker.sock"
        with test.step("unix: mode, in use, gone at the end"):
            command = forward(api, f"unix:{path}")
            equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
            equal(command.stdout.readline(), f"forwarding; use it with: docker -H unix://{path}\n", "what it prints")
            equal(ask(path), 200, "through it")
            contains(run(*api.vm, "forward", f"unix:{path}", code=1)[1], f"keelctl: forward: {path} is in use", "a second")
            equal(ask(path), 200, "the first still works")
        with test.step("the guest is away: 503; it is back: it works"):
            api.close()
            equal(ask(path), 503, "meanwhile")
            api.open()
            equal(ask(path), 200, "afterwards")
        with test.step("the end; what a killed one leaves is replaced"):
            command.send_signal(signal.SIGINT)
            equal((command.wait(5), os.path.exists(path)), (0, False), "its end")
            command = forward(api, f"unix:{path}")
            command.kill()
            command.wait()
            check(os.path.exists(path), "the dead one's socket")
            command = forward(api, f"unix:{path}")
            equal(ask(path), 200, "a new one")
            os.unlink(path)
            other = forward(api, f"unix:{path}")
            command.terminate()
            equal((command.wait(5), os.path.exists(path)), (0, True), "another's socket is left alone")
            other.terminate()
            equal((other.wait(5), os.path.exists(path)), (0, False), "its end")
            with open(path, "w", encoding="ascii") as file:
                file.write("precious")
            contains(run(*api.vm, "forward", f"unix:{path}", code=1)[1], "is there and no socket", "a file")
            check(os.path.getsize(path) == 8, "the file is as it was")
        with test.step("TCP: a warning"):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command = forward(api, f"tcp:127.0.0.1:{port}")
            contains(command.stderr.readline(), "everybody on this machine can use it", "the warning")
            equal(command.stdout.readline(), f"forwarding; use it with: docker -H tcp://127.0.0.1:{port}\n", "what it prints")
            equal(ask(("127.0.0.1", port)), 200, "through it")
            contains(run(*api.vm, "forward", f"tcp:127.0.0.1:{port}", code=1)[1], "ddress in use", "a port in use")
            command.terminate()
            equal(command.wait(5), 0, "its end")


@scenario("keelctl docker-context: what it prints makes a context, from the guest and from a host, with odd names", deadline=60,
          skip=lambda: None if shutil.which("docker") else "no Docker client")
def docker_context(test):
    with tempfile.TemporaryDirectory() as directory:
        env = {"HOME": directory, "XDG_RUNTIME_DIR": f"{directory}/it's a $HOME"}
        os.mkdir(env["XDG_RUNTIME_DIR"])

        def shell(line):
            result = subprocess.run(["sh", "-ec", line], env=ENV | env, capture_output=True, text=True, timeout=30, check=False)
            equal(result.returncode, 0, f"{line}: {result.stdout}{result.stderr}")
            return result.stdout

        def host_of(name):
            return json.loads(shell(f"docker context inspect {name}"))[0]["Endpoints"]["docker"]["Host"]

        with test.step("in the guest"):
            equal(run("docker-context")[0], "docker context create keel --docker host=unix:///run/docker.sock\n", "the command")
            shell('eval "$(keelctl docker-context)"')
            equal(host_of("keel"), "unix:///run/docker.sock", "the context")
            shell('eval "$(keelctl --vm "unix:/a b/docker.sock" docker-context other)"')
            equal(host_of("other"), "unix:///a b/docker.sock", "a socket's context")
        with test.step("from a host: a socket is forwarded"):
            # Firecracker's convention, as far as forward needs it: nobody is there, which the client is told.
            out = shell('eval "$(keelctl --vm "hvsock:$HOME/v sock" --docker-port 7 docker-context far)" 2>/dev/null; echo $!')
            pid = int(out.split()[-1])
            try:
                equal(host_of("far"), f"unix://{env['XDG_RUNTIME_DIR']}/keel-far.sock", "the context")
                harness.retry_until(10, lambda: os.path.exists(f"{env['XDG_RUNTIME_DIR']}/keel-far.sock"), "it listens")
                result = subprocess.run(["docker", "--context", "far", "version"], env=ENV | env, capture_output=True, text=True,
                                        timeout=30, check=False)
                contains(result.stderr, "the guest does not answer on its Docker port", "what Docker's client says")
            finally:
                os.kill(pid, signal.SIGTERM)
        with test.step("names that Docker would refuse"):
            for name in ("a", "default", "-x", "a b", "a/b", "ä"):
                contains(run("docker-context", "--", name, code=2)[1], "keelctl: docker-context: ", name)


# ---- completion ---------------------------------------------------------------------------------------------

@scenario("keelctl: completion in a real bash and a real zsh", deadline=60,
          skip=lambda: None if shutil.which("zsh") else "no zsh")
def completion(test):
    units = {"docker.service", "containerd.service"}
    with FakeApi() as api, tempfile.TemporaryDirectory() as directory:
        os.mkdir(f"{directory}/some-directory")
        vm = f"unix:{api.path}"
        cases = (("keelctl me", "keelctl memory "), ("keelctl docker", "keelctl docker-context "), ("keelctl disk re", "keelctl disk repair "),
                 ("keelctl status --wa", "keelctl status --watch "), ("keelctl --color al", "keelctl --color always "),
                 ("keelctl --color=ne", "keelctl --color=never "), ("keelctl --timeout 5 memory mode gr", "keelctl --timeout 5 memory mode gradual "),
                 ("keelctl help forw", "keelctl help forward "), ("keelctl forward tc", "keelctl forward tcp:127.0.0.1:"),
                 ("keelctl --vm hv", "keelctl --vm hvsock:"), (f"keelctl forward unix:{directory}/so", f"keelctl forward unix:{directory}/some-directory/"),
                 (f"keelctl --vm {vm} logs do", f"keelctl --vm {vm} logs docker.service "), ("keelctl memory reclaim a", "keelctl memory reclaim all "),
                 ("keelctl diag", "keelctl diagnose "), ("keelctl clock sy", "keelctl clock sync "), ("keelctl events --kinds status,ser", "keelctl events --kinds status,service "),
                 ("keelctl proxy fr", "keelctl proxy from-environment "), ("keelctl shell --no-t", "keelctl shell --no-tty "),
                 (f"keelctl diagnose -o {directory}/so", f"keelctl diagnose -o {directory}/some-directory/"),
                 (f"keelctl diagnose --output={directory}/so", f"keelctl diagnose --output={directory}/some-directory/"))
        with test.step("bash"):
            with Terminal(["bash", "--norc", "--noprofile", "-i"], env=ENV | {"PS1": "# "}, size=(40, 200)) as terminal:
                terminal.expect("# ")
                terminal.ask(f"source {TOP}/agent/ctl/completion.bash; bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'")
                check_typed(terminal, cases)
                terminal.type("keelctl wait st\t")
                check("starting" in terminal.expect("stopping")[0], "a list")
                terminal.type("\x15")
                terminal.type(f"keelctl --vm {vm} restart \t")
                text = terminal.expect("docker.service")[0]
                check(all(unit in text for unit in units), text)
        with test.step("zsh"):
            shutil.copy(f"{TOP}/agent/ctl/completion.zsh", f"{directory}/_keelctl")
            with Terminal(["zsh", "-f", "-i"], env=ENV | {"PS1": "# ", "HOME": directory}, size=(40, 200)) as terminal:
                terminal.expect("# ")
                terminal.ask(f"unsetopt prompt_sp beep; unset zle_bracketed_paste; fpath=({directory} $fpath); autoload -Uz compinit; "
                             "compinit -u -D")
                check_typed(terminal, cases)
                terminal.type("keelctl memory mo\t \t")
                terminal.type("\x15keelctl wait st\t\t")
                text = terminal.expect("it is going down")[0]
                check("stopping" in text and "it is on its way" in text, text)


def check_typed(terminal, cases):
    """What the line becomes after Tab."""
    for line, whole in cases:
        terminal.type(f"{line}\t")
        terminal.expect(whole.rstrip(), 10)
        terminal.type("\x15")
