# SPDX-License-Identifier: MIT
"""The wall clock, where it is not the guest's own: the agent may not set the machine's, looks at nothing by itself, and
says so. Setting it is for the VM suite.
"""
import contextlib
import time

from engine import EngineGuest, unavailable
from harness import check, contains, equal, scenario


@contextlib.contextmanager
def clock_guest():
    with EngineGuest(config="[vsock]\nreport_port = 0\n", seconds=90, masked=("docker.service", "containerd.service")) as guest:
        guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active", "the agent is up")
        yield guest


def post(guest, body):
    return guest.api("/v1/clock", "POST", body)


@scenario("the clock: facts, the host's word, who may not set it", deadline=120, skip=unavailable)
def document(test):
    with clock_guest() as guest:
        with test.step("facts"):
            status, facts = guest.api("/v1/clock")
            equal(status, 200, "GET /v1/clock")
            equal((facts["manage"], facts["may_set"], facts["source"], facts["offset"], facts["last"], facts["steps"]),
                  ("auto", False, "none", None, None, 0), "facts")
            check(abs(facts["realtime_us"] / 1e6 - time.time()) < 10, facts)
            check(facts["disciplined_by"] in ("nobody", "other"), facts)
        with test.step("the host's word, within the dead band or less than its uncertainty: left"):
            status, answer = post(guest, f'{{"realtime_ms":{time.time() * 1000:.3f},"uncertainty_ms":60000}}')
            equal((status, answer["action"]), (200, "left"), "POST /v1/clock")
        with test.step("an hour off: refused for want of the right, and health says so"):
            before = time.time() - time.monotonic()
            status, answer = post(guest, f'{{"realtime_ms":{(time.time() + 3600) * 1000:.3f}}}')
            equal((status, answer["action"], answer["reason"]), (200, "refused", "rights"), "POST /v1/clock")
            check(abs(answer["offset_after_ms"] - 3600e3) < 10e3, answer)
            check(abs(time.time() - time.monotonic() - before) < 60, "this machine's clock was not touched")
            _, facts = guest.api("/v1/clock")
            equal((facts["last"]["action"], facts["last"]["reason"]), ("refused", "rights"), "last")
            equal(facts["sleeps"]["count"], 0, "sleeps: a word that was refused tells of none")
        with test.step("bodies that are none, methods that are not known"):
            for body in ("", "{}", '{"realtime_ms":"now"}', '{"realtime_ms":1,"realtime_us":1}', '{"realtime_ms":1,"x":1}'):
                status, problem = post(guest, body)
                equal((status, problem["code"]), (400, "bad_body"), f"body {body!r}")
            status, problem = guest.api("/v1/clock", "DELETE")
            equal((status, problem["code"]), (405, "method_not_allowed"), "DELETE")
        with test.step("keelctl clock"):
            contains(guest.run("keelctl", "clock")[1], "(keel may not set it here)", "the page")
