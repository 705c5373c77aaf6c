# SPDX-License-Identifier: MIT
"""The API as its description says: docs/openapi.yaml against a running agent, both ways, and curl as a client.

Each route is called with what it takes and with what it does not; every answer must be one that the file declares, with no
field that it does not name. scenarios_api_peers.py has the peers that misbehave.
"""
import json
import subprocess
import time

import openapi
from api_peer import SOCKET, Peer, agent_guest, ask, request
from engine import data_disk, unavailable
from harness import check, contains, equal, scenario

# Bodies that no route takes, whatever it is.
BAD_BODIES = (b"", b"[", b"[]", b"nothing", b'"text"', b'{"unknown":1}', b'{"bytes":-1}', b'{"uuid":1,"device":[]}',
              b'{"action":"explode"}', b'{"mode":"fast"}', b'{"bytes":1e999}', b'{"\xff":1}', b"{" * 3000, b"\0" * 9,
              b'{"uuid":"-x","device":"/dev/../etc"}')
# What each takes.
GOOD_BODIES = {"/v1/memory/reclaim": (b'{"bytes":"all","timeout_ms":2000}', b'{"bytes":4096}'),
               "/v1/memory/target": (b'{"bytes":1099511627776}', b'{"bytes":null}'),
               "/v1/memory/mode": (b'{"mode":"gradual"}', b'{"mode":"adaptive"}'),
               "/v1/disk/trim": (b"", b"{}"), "/v1/disk/grow": (b"", b"{}"), "/v1/disk/release": (b"", b"{}"),
               "/v1/disk/repair": (b"", b'{"uuid":"none"}'),
               "/v1/disk/init": (b'{"uuid":"none","device":"/dev/none"}',),
               "/v1/disk/adopt": (b'{"uuid":"none","device":"/dev/none"}',),
               # No guest of this suite may set the clock: it is refused, or left.
               "/v1/clock": (b'{"realtime_us":%d,"uncertainty_ms":60000}' % (time.time_ns() // 1000),
                             b'{"realtime_ms":0.5}'),
               "/v1/exec": (b"", b"{}", b'{"argv":["true"]}', b'{"tty":true,"rows":9,"cols":9,"term":"vt100"}')}
FIELDS = {"/v1/exec": "Connection: Upgrade\r\nUpgrade: keel-exec/1\r\n"}
QUERIES = {"progress": ("0", "1"), "lines": ("0", "5"), "follow": ("0", "1"), "since_us": ("0", "999999999999999"),
           "kinds": ("disk", "status,clock&follow=0"), "last_event_id": ("0123456789abcdef-7",),
           "since": ("0123456789abcdef-7&follow=0",), "last": ("3", "256&follow=0"), "names": ("node-exporter",)}
BAD_QUERIES = ("unknown=1", "progress=2", "lines=x", "follow", "%", "&", "lines=-1&follow=7")


# ---- the file, the text, the sources ----------------------------------------------------------------

@scenario("api: routes and codes are the same in the sources, in openapi.yaml and in api.md", deadline=30)
def words(test):
    api = openapi.OpenApi()
    text_paths, text_codes = openapi.of_text()
    routes = openapi.routes_of_sources()
    with test.step("routes"):
        equal(set(routes), {(path, method) for path, method, _ in api.operations()}, "routes[] and openapi.yaml")
        equal({path.replace("{name}", "NAME") for path, _ in routes}, text_paths - {"/v1/disk/VERB"}, "routes[] and api.md")
    with test.step("which of them know a query"):
        equal({path for (path, _), query in routes.items() if query},
              {path for path, _, operation in api.operations()
               if any(parameter["in"] == "query" for parameter in api.parameters(path, operation))}, "queries")
    with test.step("codes"):
        codes = openapi.codes_of_sources()
        equal(codes, api.enum("Code"), "codes of the sources and of openapi.yaml")
        equal(codes - text_codes, set(), "codes without a line in api.md")
        equal(text_codes - codes, {"not-found", "no-such-device"}, "codes of api.md that nobody gives")
    with test.step("the words of keel-disk"):
        equal(openapi.words_of_disk(), api.enum("DiskWord"), "words")
    with test.step("every operation has a name of its own, and a summary"):
        names = [operation["operationId"] for _, _, operation in api.operations()]
        equal(len(names), len(set(names)), "names")
        check(all(operation["summary"] for _, _, operation in api.operations()), "summaries")


# ---- a running agent --------------------------------------------------------------------------------

class Caller:
    """Calls, and holds every answer against the file."""

    def __init__(self, guest, api):
        self.guest, self.api = guest, api
        self.seen = set()

    def call(self, operation, path, method, body=None, fields=None):
        """`fields` of the request: those that the route needs, or others."""
        with Peer(self.guest) as peer:
            peer.send(request(path, method, body, FIELDS.get(path, "") if fields is None else fields))
            status, fields = peer.head()
            check(status, f"{method} {path}: no answer")
            kind = fields.get("content-type", "").lower() or None
            if status == 101:
                equal(fields["upgrade"], "keel-exec/1", path)
                peer.end()  # it hangs up on what it began
                peer.rest()
                body = None
            else:
                equal(fields["cache-control"], "no-store", f"{method} {path}")
                body = None if "follow=1" in path or kind == "text/event-stream" and "follow=0" not in path else peer.body(fields)
        wrong = self.api.complain(operation, status, kind, body)
        check(not wrong, f"{method} {path} {status}: {wrong}")
        if body and "problem" in kind:
            problem = json.loads(body)
            equal((problem["status"], problem["message"]), (status, problem["detail"]), path)
            self.seen.add((status, problem["code"]))
            return status, problem["code"]
        return status, fields


def queries_for(api, path, operation):
    for parameter in api.parameters(path, operation):
        if parameter["in"] == "query":
            for value in QUERIES[parameter["name"]]:
                yield f"?{parameter['name']}={value}"


def call_route(caller, path, method, operation, name="keel-agent.service"):
    """Everything that it takes, and what it does not."""
    route = path
    path = path.replace("{name}", name)
    bodies = GOOD_BODIES.get(route, (None,)) if method == "POST" else (None,)
    for body in bodies:
        if route != "/v1/shutdown":
            caller.call(operation, path, method, body)
    for query in queries_for(caller.api, route, operation):
        caller.call(operation, path + query, method, bodies[0])
    for query in BAD_QUERIES:
        equal(caller.call(operation, f"{path}?{query}", method, bodies[0]), (400, "bad_query"), f"{path}?{query}")
    if method == "POST":
        for body in BAD_BODIES:
            if body not in bodies:
                equal(caller.call(operation, path, method, body)[0], 400, f"{path} {body[:40]}")
    known = [word.upper() for word in openapi.METHODS if word in caller.api.strict["paths"][route]]
    allow = ", ".join({"GET": "GET, HEAD"}.get(word, word) for word in known)
    for other in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"):
        if other not in known:
            status, fields, body = ask(caller.guest, path, other)
            equal((status, fields["allow"]), (405, allow), f"{other} {path}")
            check(not caller.api.complain(operation, status, fields["content-type"], body), f"{other} {path}")


def call_head(caller, path):
    """As GET, without a body: what changes from one moment to the next may have another length."""
    with Peer(caller.guest) as peer:
        peer.send(request(path, "HEAD"))
        head = peer.head()
        peer.send(request(path))
        get = peer.head()
    for fields in (head[1], get[1]):
        fields.pop("content-length", None)
    equal(head, get, f"HEAD {path}")


@scenario("api: every route answers what openapi.yaml declares, to what it takes and to what it does not", deadline=200,
          skip=unavailable)
def contract(test):
    api = openapi.OpenApi()
    with data_disk("256M") as disk, agent_guest("[debug]\nshell = yes\n", disk=disk, seconds=180) as guest:
        caller = Caller(guest, api)
        guest.retry(lambda: ask(guest, "/v1/logs/keel-agent")[0] == 200, "the agent has written something")
        for path, method, operation in api.operations():
            with test.step(f"{method} {path}"):
                call_route(caller, path, method, operation)
        with test.step("HEAD"):
            for path in ("/v1/health", "/v1/services", "/v1/disk", "/v1/memory", "/v1/clock", "/metrics", "/livez", "/readyz", "/none"):
                call_head(caller, path)
            for path in ("/v1/logs/keel-agent", "/v1/events", "/v1/diagnostics"):
                status, fields, _ = ask(guest, path, "HEAD")
                equal((status, fields["connection"]), (200, "close"), f"HEAD of a stream: {path}")
        logs = api.strict["paths"]["/v1/logs/{name}"]["get"]
        with test.step("a log that is followed, one that is not there, names with escapes"):
            caller.call(logs, "/v1/logs/keel-agent?follow=1", "GET")
            for path, want in (("/v1/logs/none", (404, "no_log")), ("/v1/logs/..%2f..%2fetc", (404, "no_log")),
                               ("/v1/logs/%00", (404, "no_log")), ("/v1/logs/%", (404, "no_log")),
                               ("/v1/logs/" + "a" * 300, (404, "no_log"))):
                equal(caller.call(logs, path, "GET"), want, path)
            equal(caller.call(logs, "/v1/logs/keel%2Dagent%2eservice", "GET")[0], 200, "escaped")
        with test.step("what a job on the disk is answered"):
            trim = api.strict["paths"]["/v1/disk/trim"]["post"]
            check(caller.call(trim, "/v1/disk/trim", "POST")[1]["content-type"] == "application/json", "one object")
            kind = caller.call(trim, "/v1/disk/trim?progress=1", "POST")[1]["content-type"]
            equal(kind, "application/x-ndjson", "lines")
            check({(404, "no-such-device"), (400, "bad_body"), (400, "bad_query")} <= caller.seen, caller.seen)
        with test.step("a session is asked for with its protocol"):
            shell = api.strict["paths"]["/v1/exec"]["post"]
            for fields in ("", "Upgrade: keel-exec/1\r\n", "Connection: Upgrade\r\nUpgrade: keel-exec/2\r\n"):
                equal(caller.call(shell, "/v1/exec", "POST", b"{}", fields), (426, "upgrade_required"), fields)
        with test.step("every event that is kept, and what a stream begins with after a foreign id"):
            events = api.strict["paths"]["/v1/events"]["get"]
            equal(caller.call(events, "/v1/events?follow=0", "GET", fields="Last-Event-ID: of another\r\n")[0], 200, "foreign")
            text = ask(guest, "/v1/events?last=256&follow=0")[2].decode()
            check({"event: status\n", "event: disk\n", "event: memory\n", "event: clock\n"} <=
                  {line + "\n" for line in text.split("\n")}, text[:2000])
        with test.step("no path of ours"):
            for path in ("/", "/v1", "/v1/", "/v1/health/", "/v1//health", "/V1/health", "/v1/he%61lth", "/v1/logs/", "/livez;"):
                equal(ask(guest, path)[0], 404, path)
        with test.step("the guest shuts down when it is told to"):
            shutdown = api.strict["paths"]["/v1/shutdown"]["post"]
            equal(caller.call(shutdown, "/v1/shutdown", "POST", b'{"action":"poweroff"}')[0], 202, "shutdown")
            contains(guest.wait_end(), "signal", "the end")


@scenario("api: with neither disk nor engine, every document is still what openapi.yaml says", deadline=120, skip=unavailable)
def bare(test):
    api = openapi.OpenApi()
    with agent_guest() as guest:
        caller = Caller(guest, api)
        for path, method, operation in api.operations():
            if method == "GET":
                caller.call(operation, path.replace("{name}", "keel-agent"), method)
        with test.step("nor is a command run that the configuration does not allow"):
            equal(caller.call(api.strict["paths"]["/v1/exec"]["post"], "/v1/exec", "POST", b"{}"), (403, "shell_disabled"), "exec")
        health = guest.api("/v1/health")[1]
        with test.step("a component for each part, in order of dependency"):
            equal([part["name"] for part in health["components"]],
                  ["agent", "boot", "disk", "network", "memory", "clock", "containerd", "docker", "services"], "names")
            states = {part["name"]: part["state"] for part in health["components"]}
            equal((states["agent"], states["disk"], states["memory"]), ("ok", "off", "ok"), "states")


UNIT = "[Service]\nExecStart=/bin/sh -c 'test -e /run/mended || exit 1; exec sleep 1000'\nRestart=no\n"


@scenario("api: a component says what is wrong, what to do, and since when by both clocks", deadline=120, skip=unavailable)
def components(test):
    with agent_guest(units={"flappy.service": UNIT}) as guest:
        def part(name="services"):
            document = guest.api("/v1/health")[1]
            return document, next(part for part in document["components"] if part["name"] == name)

        def moment(document, part):
            """The same moment by both clocks."""
            return abs(document["clock"]["boot_realtime_ms"] + part["since_ms"] - part["since_realtime_ms"])

        equal(part()[1]["state"], "ok", "before")
        guest.run("keelctl", "start", "flappy", check=False)
        guest.wait_service("flappy.service", "failed")
        document, sick = guest.retry(lambda: part()[1]["state"] == "degraded" and part(), "the service is told of")
        with test.step("reason and hint"):
            contains(sick["reason"], "flappy.service failed", "reason")
            contains(sick["hint"], "keelctl restart flappy.service", "hint")
        with test.step("since, by both clocks"):
            service = next(entry for entry in document["services"] if entry["name"] == "flappy.service")
            check(service["since_ms"] <= sick["since_ms"] <= document["uptime_ms"], (service, sick))
            check(moment(document, sick) < 1000, (document["clock"], sick))
        with test.step("what keelctl prints is the same advice"):
            contains(guest.run("keelctl", "status", check=False)[1], "keelctl restart flappy.service", "Try")
        with test.step("mended: ok, and since later"):
            guest.run("touch", "/run/mended")
            guest.run("keelctl", "restart", "flappy")
            document, well = guest.retry(lambda: part()[1]["state"] == "ok" and part(), "it is well")
            equal((well["reason"], well["hint"]), ("", ""), "nothing to say")
            check(well["since_ms"] > sick["since_ms"] and moment(document, well) < 1000, (well, sick))
        with test.step("the others did not move"):
            later = {entry["name"]: entry["since_ms"] for entry in part()[0]["components"]}
            for entry in document["components"]:
                equal(later[entry["name"]], entry["since_ms"], entry["name"])


# ---- curl -------------------------------------------------------------------------------------------

@scenario("api: curl, as people and scripts use it", deadline=120, skip=unavailable)
def curl(test):
    with agent_guest() as guest:
        def run(*words, code=0):
            result = subprocess.run(["curl", "-sS", "--max-time", "20", "--unix-socket", guest.path(SOCKET), *words],
                                    capture_output=True, check=False)
            equal(result.returncode, code, f"curl {words}: {result.stderr.decode()}")
            return result.stdout.decode()
        url = "http://keel"
        with test.step("one connection for many"):
            out = run("-w", "%{num_connects} %{http_code}\n", *[f"{url}/livez"] * 3)
            equal(out, "ok\n1 200\n" + "ok\n0 200\n" * 2, "connections")
        with test.step("HTTP/1.0"):
            contains(run("--http1.0", "-i", f"{url}/livez"), "\r\n\r\nok\n", "1.0")
        with test.step("HEAD"):
            out = run("-I", f"{url}/livez")
            check(out.startswith("HTTP/1.1 200 OK\r\n") and "Content-Length: 3\r\n" in out, out)
        with test.step("OPTIONS, of a path and of the server"):
            contains(run("-i", "-X", "OPTIONS", f"{url}/livez"), "405 Method Not Allowed", "OPTIONS")
            contains(run("-i", "-X", "OPTIONS", "--request-target", "*", url), "HTTP/1.1 404 ", "OPTIONS *")
        with test.step("an absolute target"):
            equal(run("--request-target", "http://other:1/livez", url), "ok\n", "absolute")
        with test.step("a body that waits to be asked for"):
            out = run("-i", "-H", "Expect: 100-continue", "-d", '{"mode":"off"}', f"{url}/v1/memory/mode")
            check("100 Continue" in out and '"mode":"off"' in out, out)
        with test.step("a chunked body, and one that is too large"):
            contains(run("-H", "Transfer-Encoding: chunked", "-d", "{}", f"{url}/v1/memory/mode"), '"transfer_encoding"', "chunked")
            contains(run("-H", "Expect:", "-d", "x" * 70000, f"{url}/v1/memory/mode"), '"body_too_large"', "too large")
        with test.step("a stream that it leaves after a second"):
            contains(run("--max-time", "1", f"{url}/v1/logs/keel-agent?follow=1", code=28), "Z ", "a log")
