"""Faults without the engine: system calls that do not exist, no descriptors, full file systems, floods."""
import errno
import os
import resource
import time

from guest import Guest, unit
from harness import Skip, check, scenario

RESTARTING = "Restart=always\nRestartSec=20ms\nStartLimitBurst=0"


def cpu_seconds(guest):
    with open(f"/proc/{guest.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def restarted(guest, name, before):
    return guest.wait(lambda s: s["services"][name]["state"] == "active" and
                      s["services"][name]["pid"] not in (0, before["pid"]), f"{name} is up again")


@scenario("clone3 does not exist: services start and restart by fork, in their groups")
def no_clone3(_test):
    with Guest(units={"a.service": unit("record:/var/test/record ready sleep", service_keys=RESTARTING)},
               enosys="clone3") as guest:
        before = guest.wait_service("a.service", "active")
        restarted_pid = None
        guest.kill(before["pid"])
        restarted_pid = restarted(guest, "a.service", before)["services"]["a.service"]["pid"]
        check(restarted_pid != before["pid"], "a new process")
        if guest.cgroup:
            check("/base/system/a.service\n" in guest.kept("/var/test/record"), guest.kept("/var/test/record"))


@scenario("PID 1 has no free descriptor: it answers its clients, does not spin, and recovers")
def no_descriptors(_test):
    with Guest(units={"a.service": unit("ready sleep", service_keys=RESTARTING)}) as guest:
        before = guest.wait_service("a.service", "active")
        with guest.client() as old:
            old.snapshot()
            limits = resource.prlimit(guest.pid, resource.RLIMIT_NOFILE)
            lowest = max(int(fd) for fd in os.listdir(f"/proc/{guest.pid}/fd")) + 1
            resource.prlimit(guest.pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
            # The holes below the limit are taken by clients, then some more knock.
            waiting = [guest.client() for _ in range(12)]
            check(old.snapshot()["boot"], "a client that was there is served")
            guest.kill(before["pid"])
            old.send(2)
            while old.state["services"]["a.service"]["state"] not in ("backoff", "waiting", "failed"):
                old.read_picture()
            used = cpu_seconds(guest)
            time.sleep(0.5)  # the time that is measured
            check(cpu_seconds(guest) - used < 0.2, f"PID 1 used {cpu_seconds(guest) - used} s of 0.5 s")
            resource.prlimit(guest.pid, resource.RLIMIT_NOFILE, limits)
            for client in waiting:
                client.close()
        restarted(guest, "a.service", before)
        check(guest.snapshot()["boot"], "new clients are served again")


@scenario("the spool has no inode left: services start without a log")
def no_inodes(_test):
    with Guest(units={"a.service": unit("ready sleep", service_keys=RESTARTING),
                      "b.service": unit("record:/var/test/record ready sleep", enabled=False)}) as guest:
        guest.wait_service("a.service", "active")
        for number in range(1000):
            try:
                os.close(os.open(guest.path(f"/run/keel/spool/{number}"), os.O_CREAT | os.O_WRONLY))
            except OSError as error:
                check(error.errno == errno.ENOSPC, error)
                break
        else:
            raise AssertionError("the spool has no bound on files")
        check(guest.request(3, "b.service") == 0, "start accepted")
        guest.wait_service("b.service", "active")
        check("fd:1=/dev/null" in guest.kept("/var/test/record"), guest.kept("/var/test/record"))


@scenario("a flood of sd_notify messages does not keep others from being served")
def notify_flood(_test):
    with Guest(units={"flood.service": unit("ready notify-flood:10000 event:flooded sleep"),
                      "a.service": unit("ready sleep")}) as guest:
        guest.wait_service("flood.service", "active")
        slowest, answers = 0.0, 0
        while not guest.event_names():
            start = time.monotonic()
            guest.snapshot()
            slowest, answers = max(slowest, time.monotonic() - start), answers + 1
        check(answers >= 5, f"only {answers} answers during the flood")
        check(slowest < 1.0, f"an answer took {slowest:.3f} s")
        guest.wait(lambda s: s["services"]["flood.service"]["status"] == "10000 of 10000", "the last word counts")


@scenario("no control group hierarchy: services run, are stopped by process, the stage says so")
def no_cgroup(_test):
    with Guest(units={"a.service": unit("onterm:a ready sleep", service_keys=RESTARTING)}, cgroup=False) as guest:
        before = guest.wait_service("a.service", "active")
        stage = guest.snapshot()["stages"]["cgroup"]
        check(stage["state"] == "degraded" and "no cgroup v2 hierarchy" in stage["reason"], stage)
        guest.kill(before["pid"])
        restarted(guest, "a.service", before)
        os.kill(guest.pid, 15)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == ["a"], guest.event_names())


@scenario("a stage helper that talks nonsense, dies while talking, or floods: its stage fails, PID 1 goes on")
def bad_helpers(_test):
    with Guest(units={"a.service": unit("ready sleep")},
               files={"/etc/test/keel-modules": "nonsense:100 exit:0", "/etc/test/keel-net": "report:running abort"}) as guest:
        picture = guest.wait(lambda s: s["stages"]["modules"]["state"] == "failed" and
                             s["stages"]["net"]["state"] == "failed", "both stages failed")
        check("no result" in picture["stages"]["modules"]["reason"], picture["stages"]["modules"])
        check("killed by signal 6" in picture["stages"]["net"]["reason"], picture["stages"]["net"])
        guest.wait_service("a.service", "active")


@scenario("every unit is broken: PID 1 is up and says which file and line for each")
def all_units_broken(_test):
    units = {"a.service": "", "b.service": "\x01\x02 not a unit\n", "c.service": "[Service]\nExecStart=/x\nType=fancy\n",
             "d.service": "[Service]\nExecStart=" + "x" * 5000 + "\n", "e.service": "[Service\nExecStart=/bin/true\n"}
    with Guest(units=units) as guest:
        services = guest.wait(lambda s: s["stages"]["services"]["state"] in ("done", "degraded", "failed"),
                              "boot ends")["services"]
        check(services["a.service"]["state"] == "inactive", services["a.service"])
        for name in ("b.service", "c.service", "d.service", "e.service"):
            check(services[name]["state"] == "failed" and f"/{name}" in services[name]["reason"], services[name])


@scenario("hundreds of unit files: 128 are used, the others are named in the log")
def too_many_units(_test):
    with Guest(units={f"u{i:03}.service": unit("ready sleep") for i in range(200)}) as guest:
        picture = guest.wait(lambda s: s["services"] and all(x["state"] == "active" for x in s["services"].values()),
                             "all that were taken are up")
        check(len(picture["services"]) == 128, len(picture["services"]))
        check("u128.service: more than 128 units" in guest.log_text(), guest.log_text()[-500:])


@scenario("a user's process cannot use the control socket")
def not_root(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        guest.wait_service("a.service", "active")
        if os.stat(guest.path("/run/keel/control")).st_mode & 0o077:
            raise AssertionError("the socket is open to others")
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    os.setuid(65534)
                except OSError:
                    os._exit(2)
                try:
                    with guest.client() as client:
                        client.snapshot()
                    os._exit(1)
                except OSError:
                    os._exit(0)
                except BaseException:
                    os._exit(3)
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 2:
            raise Skip("no second user in this user namespace")
        check(status == 0, f"answered a user's process ({status})")
