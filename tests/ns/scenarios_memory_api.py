# SPDX-License-Identifier: MIT
"""Memory as people and programs see it: the routes, the metrics, keelctl. Real PID 1 and agent.

The control groups of this machine may have no memory controller: then it is the reduced mode that is told, and that is
tested too. What reclaim does with memory is for the VM suite.
"""
import contextlib
import json
import re

from engine import EngineGuest, unavailable
from harness import check, contains, equal, scenario

GROUPS_KEYS = {"name", "current_bytes", "anon_bytes", "shmem_bytes", "cache_bytes", "cold_bytes", "floor_bytes",
               "reclaimed_bytes"}
NUMBERS = ("total_bytes", "available_bytes", "free_bytes", "cached_bytes", "swap_total_bytes", "swap_free_bytes",
           "cache_bytes", "slab_bytes", "anon_bytes", "shmem_bytes", "reportable_bytes", "stranded_bytes",
           "per_cpu_bytes", "reclaimed_bytes", "steps", "compactions", "compacted_bytes")
ABILITIES = {"cgroup", "reclaim", "swappiness", "psi", "lru_gen", "lru_gen_ages", "compaction", "reporting"}


@contextlib.contextmanager
def memory_guest(config=""):
    """The agent alone: dockerd has no part in it."""
    with EngineGuest(config="[vsock]\nreport_port = 0\n" + config, seconds=90,
                     masked=("docker.service", "containerd.service")) as guest:
        guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active", "the agent is up")
        guest.retry(lambda: memory(guest)["mode"] != "unknown", "memory was looked at")
        yield guest


def memory(guest):
    status, document = guest.api("/v1/memory")
    equal(status, 200, "GET /v1/memory")
    return document


def post(guest, verb, body):
    return guest.api(f"/v1/memory/{verb}", "POST", body if isinstance(body, str) else json.dumps(body))


@scenario("memory: the document has every field, the report and health go without history and pressure", deadline=120,
          skip=unavailable)
def document(test):
    with memory_guest() as guest:
        facts = memory(guest)
        with test.step("types"):
            for key in NUMBERS:
                check(isinstance(facts[key], int) and facts[key] >= 0, f"{key}: {facts[key]}")
            check(0 < facts["free_bytes"] < facts["total_bytes"], facts)
            check(facts["looked_ms"] > 0 and facts["mode"] == "adaptive", facts)
            equal(set(facts["abilities"]), ABILITIES, "abilities")
            check(all(isinstance(value, bool) for value in facts["abilities"].values()), facts["abilities"])
            equal(len(facts["free_blocks"]), 11, "orders")
            check(all(set(group) == GROUPS_KEYS for group in facts["groups"]), facts["groups"])
            check(isinstance(facts["waiting"], str) and isinstance(facts["working"], bool), facts)
            equal(facts["oom_kills"]["count"] >= len(facts["oom_kills"]["last"]), True, "kills")
            check(all(len(sample) == 3 for sample in facts["history"]), facts["history"])
        with test.step("groups, where this kernel has them"):
            equal(bool(facts["groups"]), facts["abilities"]["cgroup"], "groups")
        with test.step("health has it too, without these two, and how many processors there are"):
            health = guest.api("/v1/health")[1]
            equal(set(facts) - set(health["memory"]), {"history", "pressure"}, "what health leaves out")
            check(health["kernel"]["cpus"] >= 1, health["kernel"])


@scenario("memory: mode and target are set at run time, and what is no such thing is refused with what is expected",
          deadline=120, skip=unavailable)
def settings(test):
    with memory_guest("[memory]\nmode = gradual\ntarget = 100000\n") as guest:
        with test.step("as configured at first"):
            facts = memory(guest)
            equal((facts["mode"], facts["target_bytes"]), ("gradual", 100000 << 20), "at first")
        with test.step("each mode"):
            for mode in ("adaptive", "dropcache", "gradual", "off"):
                status, facts = post(guest, "mode", {"mode": mode})
                equal((status, facts["mode"]), (200, mode), "mode")
        with test.step("a target, and none"):
            equal(post(guest, "target", {"bytes": 1 << 50})[1]["target_bytes"], 1 << 50, "target")
            equal(post(guest, "target", {"bytes": None})[1]["target_bytes"], None, "no target")
        with test.step("bad bodies change nothing"):
            for verb, body, part in (("mode", {"mode": "fast"}, "adaptive, gradual, dropcache or off"),
                                     ("mode", "off", "the body must be"), ("target", {"bytes": 0}, "above 0"),
                                     ("target", {}, "null"), ("reclaim", {"bytes": "some"}, '"all"'),
                                     ("reclaim", {"bytes": 1, "timeout_ms": 0}, "from 1 to 600000")):
                status, problem = post(guest, verb, body)
                equal((status, problem["code"]), (400, "bad_body"), f"{verb} {body}")
                contains(problem["detail"], part, f"{verb} {body}")
            facts = memory(guest)
            equal((facts["mode"], facts["target_bytes"]), ("off", None), "after bad bodies")
        with test.step("a restart of the agent goes back to the configuration"):
            guest.run("keelctl", "restart", "keel-agent")
            facts = guest.retry(lambda: memory(guest)["mode"] != "unknown" and memory(guest), "it is back")
            equal((facts["mode"], facts["target_bytes"]), ("gradual", 100000 << 20), "after a restart")


@scenario("memory: a reclaim is answered with what was achieved and why it ended", deadline=120, skip=unavailable)
def reclaim(test):
    with memory_guest() as guest:
        with test.step("an answer, whatever this kernel lets be done"):
            status, answer = post(guest, "reclaim", {"bytes": "all", "timeout_ms": 3000})
            equal(status, 200, answer)
            equal(set(answer), {"reclaimed_bytes", "free_before_bytes", "free_after_bytes", "reason", "detail",
                                "took_ms"}, "the answer")
            check(answer["reason"] and answer["detail"] and answer["took_ms"] < 30000, answer)
            check(memory(guest)["waiting"] or memory(guest)["working"], "idle, without a reason")
            if not memory(guest)["abilities"]["reclaim"]:
                # The reduced mode: no container runs, so all of it may go. It is a file here, see launch.c.
                equal(guest.read("/proc/sys/vm/drop_caches").strip(), "3", "drop_caches")
        with test.step("off: nothing is taken"):
            post(guest, "mode", {"mode": "off"})
            before = memory(guest)["steps"]
            status, answer = post(guest, "reclaim", {"bytes": 1 << 20})
            equal((status, answer["reason"], answer["reclaimed_bytes"]), (200, "off", 0), "off")
            equal(memory(guest)["steps"], before, "steps")


# ---- metrics -----------------------------------------------------------------------------------------

HELP = re.compile(r"# HELP ([a-zA-Z_][a-zA-Z0-9_]*) (.+)")
TYPE = re.compile(r"# TYPE ([a-zA-Z_][a-zA-Z0-9_]*) (counter|gauge|untyped)")
SAMPLE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(\{(?:,?[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*")+\})? '
                    r"([0-9]+(?:\.[0-9]+)?)")


def parse_metrics(text):
    """{name with labels: value}; fails on whatever the text format (version 0.0.4) or its lint does not allow."""
    check(text.endswith("\n"), "the last line has no end")
    values, seen, family, kind = {}, set(), None, None
    for line in text[:-1].split("\n"):
        if found := HELP.fullmatch(line):
            check(found[1] not in seen, f"{found[1]} twice")
            family, kind = found[1], None
            seen.add(family)
        elif found := TYPE.fullmatch(line):
            equal((found[1], kind), (family, None), f"TYPE after HELP: {line}")
            kind = found[2]
            equal(family.endswith("_total"), kind == "counter", f"the name of a {kind}: {family}")
        else:
            found = SAMPLE.fullmatch(line)
            check(found, f"no sample: {line!r}")
            equal(found[1], family, "the sample's family")
            check(kind and found[1] + (found[2] or "") not in values, f"twice, or without a type: {line}")
            values[found[1] + (found[2] or "")] = float(found[3])
    return values


@scenario("memory: GET /metrics is Prometheus' text format, and its counters never go down", deadline=120,
          skip=unavailable)
def metrics(test):
    with memory_guest() as guest:
        status, text = guest.api("/metrics?names=node-exporter")
        equal(status, 200, "GET /metrics")
        first = parse_metrics(text.decode())
        with test.step("what node-exporter has, under its names"):
            facts = memory(guest)
            equal(first["node_memory_MemTotal_bytes"], facts["total_bytes"], "MemTotal")
            check(first["node_memory_MemFree_bytes"] > 0 and "node_vmstat_oom_kill" in first, sorted(first))
        with test.step("keel's own"):
            equal(sum(first[f'keel_memory_mode{{mode="{mode}"}}'] for mode in ("adaptive", "gradual", "dropcache",
                                                                            "off")), 1, "one mode")
            for ability, value in facts["abilities"].items():
                equal(first[f'keel_memory_ability{{ability="{ability}"}}'], int(value), ability)
        with test.step("counters count"):
            second = parse_metrics(guest.api("/metrics?names=node-exporter")[1].decode())
            equal([name for name in first if name.partition("{")[0].endswith("_total") and
                   second[name] < first[name]], [], "went down")


# ---- keelctl -----------------------------------------------------------------------------------------

@scenario("memory: keelctl shows the page, asks, sets, and says what is wrong", deadline=120, skip=unavailable)
def keelctl(test):
    with memory_guest() as guest:
        def run(*words, code=0):
            status, out, error = guest.run("keelctl", "memory", *words, check=False)
            equal(status, code, f"keelctl memory {words}: {out}{error}")
            return out, error
        with test.step("the page"):
            out = run()[0]
            for part in ("Memory ", " in use, ", "Mode        adaptive", "Given back "):
                contains(out, part, "page")
            check(out.isascii() and "\033" not in out, "no terminal, no UTF-8 locale")
            equal(run("status")[0].split("\n")[0][:12], "Memory      ", "status")
            run("--watch")  # no terminal: one page
        with test.step("with a UTF-8 locale"):
            out = guest.run("env", "LC_ALL=C.UTF-8", "keelctl", "memory")[1]
            contains(out, "█", "blocks")
        with test.step("JSON"):
            equal(json.loads(run("--json")[0])["mode"], "adaptive", "mode")
        with test.step("mode and target"):
            equal(run("mode", "off")[0], "mode off, no target\n", "mode")
            equal(run("target", "2G")[0], "mode off, target 2.0 GiB (kept in mode adaptive only)\n", "target")
            equal(json.loads(run("target", "none", "--json")[0])["target_bytes"], None, "none")
        with test.step("reclaim: no is exit status 1"):
            contains(run("reclaim", code=1)[0], "0 B given back in ", "off")
            contains(run("reclaim", "1T", "--timeout", "1", code=1)[0], "0 B given back in ", "off")
        with test.step("usage"):
            for words in (("explode",), ("mode",), ("mode", "fast"), ("target",), ("target", "much"),
                          ("reclaim", "1", "2"), ("reclaim", "1.5G"), ("status", "x"),
                          ("reclaim", "--timeout", "601")):
                contains(run(*words, code=2)[1], "keelctl: memory", words)
        with test.step("without the agent"):
            guest.run("keelctl", "stop", "keel-agent")
            contains(run(code=3)[1], "does not answer", "no agent")
