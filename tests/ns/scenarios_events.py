# SPDX-License-Identifier: MIT
"""GET /v1/events as real clients see it: curl, a client by the specification's rules, keelctl. Real PID 1 and agent."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

from guest import unit
from harness import check, equal, scenario
from scenarios_logs import LogGuest

ID = re.compile(r"[0-9a-f]{16}-[0-9]+")
AGENT = "keel-agent.service"
VICTIM = "victim.service"
UNITS = {VICTIM: unit("ready sleep", unit_keys="StartLimitIntervalSec=0", service_keys="Restart=always\nRestartSec=20ms"),
         "idle.service": unit("ready", enabled=False)}


class EventSource:
    """As the WHATWG's interpretation has it: fields, dispatch at an empty line, the last id is kept."""

    def __init__(self, guest, query="", last_id=None, lines=None):
        self.last_id, self.retry_ms, self.events, self.error = last_id, None, [], None
        self.changed = threading.Condition()
        if lines is None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(guest.path("/run/keel/api.sock"))
            header = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
            self.socket.sendall(f"GET /v1/events{query} HTTP/1.0\r\nHost: keel\r\nAccept: text/event-stream\r\n{header}"
                                "\r\n".encode())
            lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
            self.head = lines.readline()
            while (field := lines.readline()) != "\r\n":
                if field.lower().startswith("content-type:"):
                    self.type = field.split(":")[1].strip()
        self.lines = lines
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.socket.close()

    def read(self):
        name, data, buffer_id = "", [], self.last_id
        try:
            for line in self.lines:
                field, _, value = line.rstrip("\n").partition(":")
                value = value.removeprefix(" ")
                if line == "\n":
                    self.last_id = buffer_id
                    if data:
                        with self.changed:
                            self.events.append((buffer_id, name or "message", json.loads("\n".join(data))))
                            self.changed.notify_all()
                    name, data = "", []
                elif field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    buffer_id = value
                elif field == "retry":
                    self.retry_ms = int(value)
        except (OSError, ValueError) as error:
            self.error = error
        with self.changed:
            self.changed.notify_all()

    def wait(self, predicate, what, seconds=20):
        """The first event that (id, kind, data) fits."""
        def find():
            return next((event for event in self.events if predicate(*event)), None)
        with self.changed:
            check(self.changed.wait_for(find, seconds), f"waited for an event: {what}; there were {self.events[-20:]}")
            return find()


@contextlib.contextmanager
def event_guest(**options):
    with LogGuest(UNITS, agent=True, seconds=60, **options) as guest:
        for name in (AGENT, VICTIM):
            guest.wait_service(name, "active")
        guest.retry(lambda: os.path.exists(guest.path("/run/keel/api.sock")), "the API's socket")
        yield guest


def kill_victim(guest):
    before = guest.snapshot()["services"][VICTIM]
    guest.kill(before["pid"])
    guest.wait(lambda s: s["services"][VICTIM]["state"] == "active" and
               s["services"][VICTIM]["restarts"] > before["restarts"], "the victim is back")
    return before["restarts"] + 1


def is_back(restarts):
    return lambda _, kind, data: (kind == "service" and data["name"] == VICTIM and data["state"] == "active" and
                                  data["restarts"] == restarts)


def number(event_id):
    return int(event_id.split("-")[1])


def check_gapless(events):
    ids = [event_id for event_id, kind, _ in events if kind not in ("lost", "reset")]
    check(all(ID.fullmatch(event_id) for event_id in ids), ids)
    equal(len({event_id.split("-")[0] for event_id in ids}), 1, "lives")
    equal([number(event_id) for event_id in ids],
          list(range(number(ids[0]), number(ids[0]) + len(ids))), "the numbers of the events")


@scenario("events: curl follows a service that dies and comes back, in time, numbered without a gap", deadline=90)
def curl_follows(test):
    with event_guest() as guest:
        curl = subprocess.Popen(["curl", "-sN", "--unix-socket", guest.path("/run/keel/api.sock"),
                                 "http://keel/v1/events?last=256"], stdout=subprocess.PIPE, text=True)
        try:
            source = EventSource(guest, lines=curl.stdout)
            delays = []
            with test.step("each death and each return is told, with how it ended"):
                for _ in range(5):
                    restarts = kill_victim(guest)
                    data = source.wait(is_back(restarts), f"restart {restarts}")[2]
                    equal(data["exit_signal"], signal.SIGKILL, "how it ended")
                    delays.append(data["at_ms"] - data["since_ms"])
            with test.step("an event leaves within 50 ms of what it tells"):
                check(min(delays) < 50, delays)
            with test.step("from the first on, without a gap"):
                check_gapless(source.events)
                equal(number(source.events[0][0]), 1, "the first")
                check(all({"at_ms", "realtime_ms"} <= set(data) for _, _, data in source.events), source.events)
                times = [data["at_ms"] for _, _, data in source.events]
                check(times == sorted(times), times)
                check({"status", "service", "stage"} <= {kind for _, kind, _ in source.events}, source.events)
        finally:
            curl.kill()
            curl.wait(10)


@scenario("events: Last-Event-ID gives what was missed, and a new agent says that it is one", deadline=90)
def replay(test):
    with event_guest() as guest:
        with test.step("a client that comes back misses nothing and gets nothing twice"):
            with EventSource(guest) as first:
                equal((first.head.split()[1], first.type), ("200", "text/event-stream"), "the answer")
                restarts = kill_victim(guest)
                first.wait(is_back(restarts), "the first return")
            missed = kill_victim(guest)
            with EventSource(guest, last_id=first.last_id) as second:
                second.wait(is_back(missed), "what was missed")
            equal(first.retry_ms, 1000, "retry")
            check_gapless(first.events + second.events)
            equal([kind for _, kind, _ in second.events if kind in ("lost", "reset")], [], "losses")
        with test.step("the same by the query, and only some kinds"):
            with EventSource(guest, f"?since={first.last_id}&kinds=service,oom") as third:
                third.wait(is_back(missed), "what was missed")
            equal({kind for _, kind, _ in third.events}, {"service"}, "kinds")
        with test.step("one that comes without an id begins with now"):
            with EventSource(guest) as fresh:
                again = kill_victim(guest)
                fresh.wait(is_back(again), "the next return")
            check(number(fresh.events[0][0]) > number(second.last_id), fresh.events)
        with test.step("follow=0 ends by itself"):
            status, lines = guest.get("/v1/events?follow=0&last=3")
            equal((status, sum(line.startswith("data: ") for line in lines)), (200, 3), f"{lines}")
        with test.step("what is no query is refused"):
            for query in ("kinds=bad", "kinds=", "since=1", "last=x", "last_event_id=", "follow=2", "color=red"):
                status, lines = guest.get(f"/v1/events?{query}")
                equal((status, json.loads(lines[0])["code"]), (400, "bad_query"), query)
            equal(guest.get("/v1/events", "POST")[0], 405, "POST")
            equal(guest.get("/v1/events", "HEAD"), (200, []), "HEAD")
        with test.step("a new agent does not know the old one's ids"):
            with EventSource(guest) as old:
                guest.kill(guest.pid_of(AGENT))
                old.thread.join(20)
                check(not old.thread.is_alive(), "the stream of a dead agent goes on")
            guest.wait(lambda s: s["services"][AGENT]["restarts"] >= 1 and s["services"][AGENT]["state"] == "active",
                       "the agent is back")
            with EventSource(guest, last_id=fresh.last_id) as new:
                new.wait(lambda _, kind, data: kind == "service" and data["name"] == VICTIM, "the present state")
            equal(new.events[0][1], "reset", "the first event")
            check(new.events[0][0].split("-")[0] != fresh.last_id.split("-")[0], new.events[0])
            check_gapless(new.events)


@scenario("events: many follow at once, one of them does not read, and nobody waits for it", deadline=90)
def followers(test):
    with event_guest() as guest, contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        deaf.connect(guest.path("/run/keel/api.sock"))
        deaf.sendall(b"GET /v1/events?last=256 HTTP/1.1\r\nHost: keel\r\n\r\n")
        sources = [stack.enter_context(EventSource(guest)) for _ in range(20)]
        with test.step("all get the same"):
            for _ in range(3):
                restarts = kill_victim(guest)
                for source in sources:
                    source.wait(is_back(restarts), f"restart {restarts}")
            for source in sources:
                check_gapless(source.events)
            ends = [[event[0] for event in source.events][-3:] for source in sources]
            check(all(end[0] for end in ends), ends)
        with test.step("they are counted, and gone when they go"):
            text = "\n".join(guest.get("/metrics")[1])
            check("\nkeel_events_followers 21\n" in text, "keel_events_followers")
            for source in sources:
                source.__exit__()
            deaf.close()
            guest.retry(lambda: "\nkeel_events_followers 0\n" in "\n".join(guest.get("/metrics")[1]), "all are gone")


class Ctl:
    """keelctl in the background; its lines as they come."""

    def __init__(self, guest, *words):
        self.process = subprocess.Popen(guest.command("/usr/bin/keelctl", "events", *words), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True)
        self.lines = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait(self, pattern, seconds=20):
        expression = re.compile(pattern)

        def find():
            return any(expression.search(line) for line in self.lines)
        with self.changed:
            check(self.changed.wait_for(find, seconds), f"waited for {pattern}; there were {self.lines}")

    def end(self):
        os.killpg(self.process.pid, signal.SIGTERM)  # nsenter, and keelctl in its child
        status = self.process.wait(10)
        self.thread.join(10)
        error = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, error


@scenario("events: keelctl shows them as lines and as JSON, and comes back by itself", deadline=90)
def keelctl(test):
    with event_guest() as guest:
        with test.step("what was kept, as lines"):
            out = guest.run("/usr/bin/keelctl", "events", "--once").stdout
            check(re.search(r"^\d\d:\d\d:\d\d\.\d{3} service  victim\.service: active \(was starting\)|"
                            r"^\d\d:\d\d:\d\d\.\d{3} service  victim\.service: active$", out, re.M), out)
            equal(len(guest.run("/usr/bin/keelctl", "events", "--once", "-n", "2").stdout.splitlines()), 2, "-n 2")
        with test.step("as JSON, only some kinds"):
            lines = guest.run("/usr/bin/keelctl", "events", "--once", "--json", "--kinds", "stage").stdout.splitlines()
            stages = [json.loads(line) for line in lines]
            check(stages and all(item["event"] == "stage" and ID.fullmatch(item["id"]) for item in stages), lines)
        with test.step("it follows, over the agent's death"):
            plain, machine = Ctl(guest, "-n", "0"), Ctl(guest, "--json", "--kinds", "service,status", "-n", "0")
            restarts = kill_victim(guest)
            plain.wait(rf"victim\.service: active .*, last ended by signal 9, {restarts} restart")
            guest.kill(guest.pid_of(AGENT))
            plain.wait(r"reset +the agent began anew")
            machine.wait('"event":"reset"')
            restarts = kill_victim(guest)
            plain.wait(rf"victim\.service: active .*, {restarts} restart")
            machine.wait(f'"restarts":{restarts}')
            for ctl in (plain, machine):
                status, error = ctl.end()
                equal((status, error.count("trying again")), (-signal.SIGTERM, 1), f"the end: {error}")
            check(all(json.loads(line)["event"] in ("service", "status", "reset") for line in machine.lines),
                  machine.lines)
        with test.step("what is wrong is said"):
            for words, status, text in ((("--kinds", "nonsense"), 1, "kinds"), (("--kinds", "a b"), 2, "--kinds"),
                                        (("--since", "x y"), 2, "--since"), (("--vm", "unix:/nothing"), 3, "")):
                result = guest.run("/usr/bin/keelctl", "events", *words, check_status=False)
                equal(result.returncode, status, f"{words}: {result}")
                check(text in result.stderr, result)
        with test.step("over --vm"):
            out = guest.run("/usr/bin/keelctl", "--vm", "unix:/run/keel/api.sock", "events", "--once").stdout
            check("victim.service: active" in out, out)
