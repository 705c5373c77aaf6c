# SPDX-License-Identifier: MIT
"""The guest's wall clock: wrong, after a pause of an hour, after a suspend. How far it is off is measured from the host,
against the host's clock: the guest's answer against the middle of the round trip, the shortest of some.

The hour is simulated: QEMU stands still (QMP `stop`), and its host's wall clock, as QEMU sees it, is moved on
(`vm up --clock`). All clocks of the guest stand still meanwhile, but for the machine's real-time clock.
"""
import json
import pathlib
import time

import disk_verbs
import harness
import machine
import vsock
from guests import DATA, events, health, keelctl, sh, up
from harness import check, equal, scenario

HOUR = 3600
ERROR_MS = 50
RESUME_SECONDS = 2
FILE_SECONDS = 1.5  # until QEMU has seen what is in its clock's file
SAMPLES = 12


class HostClock:
    """The host's wall clock, as the guest's machine sees it."""

    def __init__(self, t, guest):
        DATA.mkdir(parents=True, exist_ok=True)
        self.path = pathlib.Path(DATA) / f"{guest}.clock"
        self.off = 0
        self.write()
        t.cleanup(lambda: self.path.unlink(missing_ok=True))

    def write(self):
        machine.write_atomically(self.path, f"+{self.off}\n")

    def now(self):
        return time.time() + self.off


class Api:
    """One connection to the guest's API, that stays open."""

    def __init__(self, guest):
        self.connection = vsock.GuestHTTPConnection(machine.state_dir(guest) / "vsock.sock", vsock.API_PORT, 30)

    def ask(self, body=None):
        self.connection.request("POST" if body else "GET", "/v1/clock", json.dumps(body) if body else None)
        answer = self.connection.getresponse()
        document = json.loads(answer.read())
        equal(answer.status, 200, f"status of /v1/clock: {document}")
        return document

    def sample(self, clock):
        """(round trip, offset) in milliseconds: the guest's clock minus the host's."""
        sent = clock.now()
        document = self.ask()
        received = clock.now()
        return (received - sent) * 1000, (document["realtime_us"] / 1e6 - (sent + received) / 2) * 1000

    def offset(self, clock):
        return min(self.sample(clock) for _ in range(SAMPLES))

    def close(self):
        self.connection.close()


def right(t, api, clock, what):
    trip, off = api.offset(clock)
    t.note(f"{what}: off by {off:+.1f} ms, round trip {trip:.1f} ms")
    check(abs(off) <= ERROR_MS, f"{what}: off by {off:+.1f} ms, round trip {trip:.1f} ms")


def set_wrong(guest, api, seconds):
    """Somebody sets the guest's clock."""
    before = api.ask()["jumps"]["count"]
    sh(guest, f"date -s @$(( $(date +%s) + {seconds} ))")
    facts = harness.retry_until(10, lambda: (found := api.ask())["jumps"]["count"] > before and found, "that it was set")
    check(abs(facts["jumps"]["last_ms"] - seconds * 1000) < 1500, f"jumps: {facts['jumps']}")


def services(guest):
    return [(s["name"], s["pid"], s["restarts"], s["state"]) for s in health(guest)["services"]]


def pause(guest, api, clock, move):
    """The host sleeps for an hour. Returns when the machine runs again. The lab's vsock device loses its connections when
    QEMU stops it."""
    api.close()
    disk_verbs.qmp(guest, "stop")
    if move:
        clock.off += HOUR
        clock.write()
        time.sleep(FILE_SECONDS)
    disk_verbs.qmp(guest, "cont")


def check_by_hand(t, guest, api, clock):
    for sign in (1, -1):
        set_wrong(guest, api, sign * HOUR)
        before = services(guest)
        check(abs(api.offset(clock)[1]) > 1e6, "the clock is as wrong as it was made")
        result = keelctl(guest, "--json", "clock", "sync")
        equal(result.returncode, 0, f"keelctl clock sync: {result.stderr}")
        said = json.loads(result.stdout)
        equal(said["action"], "stepped", "what was done")
        check(abs(said["before_ms"] - sign * HOUR * 1000) < 2000 and abs(said["after_ms"]) <= ERROR_MS, f"keelctl: {said}")
        right(t, api, clock, f"after {sign * HOUR:+d} s and keelctl clock sync")
        equal(services(guest), before, "services")


def check_by_itself(t, guest, api, clock):
    """Through the machine's real-time clock, within two seconds."""
    sleeps = api.ask()["sleeps"]["count"]
    harness.retry_until(20, lambda: api.ask()["offset"]["source"] == "rtc", "the real-time clock was measured since the setting")
    pause(guest, api, clock, True)
    resumed = time.monotonic()
    harness.retry_until(RESUME_SECONDS, lambda: abs(api.sample(clock)[1]) <= ERROR_MS, "the right time")
    t.note(f"paused for an hour, by itself: {time.monotonic() - resumed:.2f} s after the resume")
    right(t, api, clock, "paused for an hour, by itself")
    facts = api.ask()
    equal((facts["sleeps"]["count"], facts["sleeps"]["last_kind"]), (sleeps + 1, "paused"), "sleeps")
    check(abs(facts["sleeps"]["last_ms"] - HOUR * 1000) < 5000, f"sleeps: {facts['sleeps']}")
    equal((facts["last"]["action"], facts["last"]["source"], facts["disciplined_by"]), ("stepped", "rtc", "keel"), "what was done")
    harness.retry_until(10, lambda: any(
        line.get("health", {}).get("clock", {}).get("sleeps", {}).get("count") == sleeps + 1 for line in events(guest)),
        "a report of the sleep")


def check_by_host(t, guest, api, clock):
    """The host tells at once. No clock of the machine's has moved: only the host knows."""
    pause(guest, api, clock, False)
    resumed = time.monotonic()
    clock.off += HOUR
    trip = min(api.sample(clock) for _ in range(3))[0]
    answer = api.ask({"realtime_ms": (clock.now() + trip / 2000) * 1000, "uncertainty_ms": trip / 2})
    equal(answer["action"], "stepped", f"POST /v1/clock: {answer}")
    took = time.monotonic() - resumed
    right(t, api, clock, f"paused for an hour, told by the host, {took:.2f} s after the resume")
    check(took < RESUME_SECONDS, f"{took} s")
    time.sleep(3)  # nothing takes it back: the real-time clock still says the old time
    right(t, api, clock, "3 s later")
    refused = api.ask({"realtime_ms": 0})
    equal((refused["action"], refused["reason"]), ("refused", "absurd"), "1970")
    right(t, api, clock, "after an absurd word")


@scenario("the clock: set wrong, paused for an hour, by the host's word and by itself", deadline=420)
def clock_story(t):
    guest = "clock"
    clock = HostClock(t, guest)
    up(t, guest, "--no-data", "--mem", "1G", "--clock", str(clock.path), append="keel.disk.wait=1", wait="degraded")
    api = Api(guest)
    t.cleanup(api.close)
    with t.step("it is compared with the real-time clock, which is no authority: nothing is set by it"):
        facts = harness.retry_until(20, lambda: (found := api.ask())["offset"] and found, "a measurement")
        equal((facts["source"], facts["source_name"], facts["disciplined_by"], facts["manage"]),
              ("rtc", "rtc0", "keel", "auto"), "facts")
        equal((facts["steps"], facts["last"], facts["jumps"]["count"]), (0, None, 0), "what was done")
        t.note(f"after the boot: off by {api.offset(clock)[1]:+.1f} ms")
    with t.step("an hour wrong either way: keelctl clock sync, nobody notices"):
        check_by_hand(t, guest, api, clock)
    with t.step("a pause of an hour: right within 2 s, by itself"):
        check_by_itself(t, guest, api, clock)
    with t.step("a pause of an hour: right when the host tells"):
        check_by_host(t, guest, api, clock)
    with t.step("what people see"):
        page = keelctl(guest, "clock").stdout.decode()
        check("Kept by" in page and "Sleeps" in page and "Last action" in page, page)


@scenario("the clock: a suspend is noticed", deadline=300)
def suspend(t):
    """ACPI S3, from within: the machine's firmware wakes it."""
    guest = "suspend"
    up(t, guest, "--no-data", "--mem", "1G", append="keel.disk.wait=1 no_console_suspend", wait="degraded")
    check("mem" in sh(guest, "cat /sys/power/state").split(), "the kernel can suspend")
    sh(guest, "(sleep 1; echo mem >/sys/power/state) >/dev/null 2>&1 &")
    harness.retry_until(60, lambda: disk_verbs.qmp(guest, "query-status")["return"]["status"] == "suspended", "S3")
    time.sleep(3)
    disk_verbs.qmp(guest, "system_wakeup")
    api = Api(guest)
    t.cleanup(api.close)
    with t.step("sleep counted, clock right"):
        facts = harness.retry_until(60, lambda: (found := Api(guest).ask())["sleeps"]["count"] > 0 and found, "a sleep")
        t.note(f"sleeps: {facts['sleeps']}")
        equal(facts["sleeps"]["last_kind"], "suspended", "kind")
        check(facts["sleeps"]["last_ms"] > 2000, f"sleeps: {facts['sleeps']}")
