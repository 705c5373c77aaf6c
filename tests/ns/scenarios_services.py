"""Supervision: readiness, restarts, limits, order, orphans, stopping."""
import os
import signal

from guest import Guest, unit
from harness import Skip, check, scenario

SUBSCRIBE, START, STOP, RESTART, RELOAD = 2, 3, 4, 5, 6


@scenario("READY=1 counts from whom NotifyAccess= names: the main process, or all of the group; a stranger's is ignored")
def notify_sender(_test):
    with Guest(units={"main.service": unit("ready sleep"),
                      "child.service": unit("child-ready sleep", service_keys="NotifyAccess=all"),
                      "alone.service": unit("child-ready event:alone sleep"),
                      "stranger.service": unit("ready ready sleep", kind="simple"),
                      "slow.service": unit("fifo:/run/slow await:/run/slow status:working ready sleep")}) as guest:
        guest.wait_service("main.service", "active")
        guest.wait_service("stranger.service", "active")
        if guest.cgroup:
            guest.wait_service("child.service", "active")
        # The harness itself: a process outside every service, and outside the namespace.
        send_datagram(guest.path("/run/keel/notify"), b"READY=1\nSTATUS=forged")
        slow = guest.snapshot()["services"]["slow.service"]
        check(slow["state"] == "starting" and slow["status"] == "", slow)
        guest.retry(lambda: "alone" in guest.event_names(), "its child has said READY=1 and is gone")
        alone = guest.snapshot()["services"]["alone.service"]
        check(alone["state"] == "starting", f"a child's READY=1 counts without NotifyAccess=all: {alone}")
        guest.release("/run/slow")
        slow = guest.wait_service("slow.service", "active")
        check(slow["status"] == "working", slow)


def send_datagram(path, data):
    import socket  # one caller
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, path)


@scenario("a killed service is restarted at once: another pid, one restart, the reason")
def restart_after_kill(_test):
    with Guest(units={"a.service": unit("ready sleep", service_keys="Restart=always\nRestartSec=50ms")}) as guest:
        before = guest.wait_service("a.service", "active")
        guest.kill(before["pid"])
        picture = guest.wait(lambda s: s["services"]["a.service"]["restarts"] == 1 and
                             s["services"]["a.service"]["state"] == "active", "restarted")
        after = picture["services"]["a.service"]
        check(after["pid"] != before["pid"], f"{before} {after}")
        check(os.WTERMSIG(after["exit_status"]) == signal.SIGKILL, after)
        check("a.service: backoff: killed by signal 9" in guest.log_text(), guest.log_text())


@scenario("a service that keeps dying reaches its start limit and fails with the reason; start tries anew")
def start_limit(_test):
    with Guest(units={"a.service": unit("event:start exit:3", service_keys="Restart=always\nRestartSec=1ms\n"
                                        "StartLimitBurst=3\nStartLimitIntervalSec=30s")}) as guest:
        failed = guest.wait_service("a.service", "failed")
        check(failed["reason"].startswith("died too often (3 starts), last: exited with status 3"), failed)
        check(guest.event_names() == ["start"] * 3, guest.event_names())
        check(guest.snapshot()["boot"]["state"] == "degraded", "boot state")
        check(guest.request(START, "a.service") == 0, "start accepted")
        guest.wait(lambda s: s["services"]["a.service"]["state"] == "failed" and
                   s["services"]["a.service"]["since_us"] > failed["since_us"], "failed again")
        check(guest.event_names() == ["start"] * 6, guest.event_names())


@scenario("Restart=on-failure leaves a clean exit alone; Restart=no fails on a bad one")
def restart_policies(_test):
    with Guest(units={"clean.service": unit("exit:0", kind="simple", service_keys="Restart=on-failure"),
                      "bad.service": unit("exit:1", kind="simple", service_keys="Restart=no"),
                      "once.service": unit("event:once", kind="oneshot"),
                      "stays.service": unit("event:stays", kind="oneshot", service_keys="RemainAfterExit=yes"),
                      "after.service": unit("ready sleep", unit_keys="Requires=once.service stays.service\n"
                                            "After=once.service stays.service")}) as guest:
        guest.wait_service("clean.service", "inactive")
        bad = guest.wait_service("bad.service", "failed")
        check(bad["reason"].startswith("exited with status 1; see keelctl logs bad.service"), bad)
        guest.wait_service("after.service", "active")
        once = guest.snapshot()["services"]["once.service"]
        check(once["state"] == "inactive" and once["exit_status"] == 0 and not once["wanted"], once)
        stays = guest.snapshot()["services"]["stays.service"]
        check(stays["state"] == "active" and stays["pid"] == 0, stays)


@scenario("a service that never says READY=1 is ended after TimeoutStartSec and tried again")
def start_timeout(_test):
    with Guest(units={"a.service": unit("event:start onterm:asked sleep", service_keys="TimeoutStartSec=200ms\n"
                                        "Restart=always\nRestartSec=10ms\nStartLimitBurst=2")}) as guest:
        failed = guest.wait_service("a.service", "failed")
        check(guest.event_names() == ["start", "asked"] * 2, guest.event_names())
        check(failed["restarts"] == 1, failed)
        check("a.service: backoff: not ready within" in guest.log_text(), guest.log_text())


@scenario("After= orders, Requires= pulls in and orders a stage, Wants= only pulls in")
def order(_test):
    with Guest(units={"first.service": unit("delay:80 event:first ready sleep", enabled=False),
                      "second.service": unit("event:second ready sleep",
                                             unit_keys="Requires=first.service\nAfter=first.service"),
                      "wanted.service": unit("event:wanted exit:1", kind="simple", enabled=False),
                      "third.service": unit("event:third ready sleep",
                                            unit_keys="Wants=wanted.service\nAfter=second.service")}) as guest:
        guest.wait_service("third.service", "active")
        guest.wait_service("wanted.service", "failed")
        names = [name for name in guest.event_names() if name != "wanted"]
        check(names == ["first", "second", "third"], guest.event_names())


@scenario("two services without order start in parallel")
def parallel(_test):
    with Guest(units={"a.service": unit("delay:300 ready sleep"), "b.service": unit("delay:300 ready sleep"),
                      "c.service": unit("ready sleep", unit_keys="Requires=a.service b.service")}) as guest:
        picture = guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all up")
        execs = [x["exec_us"] for x in picture["services"].values()]
        check(max(execs) - min(execs) < 200000, f"exec times {execs}: one waited for another")


@scenario("1,000 orphans are reaped, PID 1 keeps answering, no zombie stays")
def orphans(_test):
    with Guest(units={"a.service": unit("orphans:1000 event:made ready sleep")}, seconds=40) as guest:
        guest.wait_service("a.service", "active")
        guest.retry(lambda: [p[1] for p in guest.processes().values()].count("svc") == 1,
                    "all orphans are gone, zombies included")
        check(guest.snapshot()["services"]["a.service"]["state"] == "active", "still active")


@scenario("stop kills what the service left behind in its group, and leaves foreign processes alone")
def stop_whole_group(_test):
    with Guest(units={"a.service": unit("fork:3 daemon onterm:stopped ready sleep")}) as guest:
        if not guest.cgroup:
            raise Skip("no cgroup v2 hierarchy to write to")
        guest.wait_service("a.service", "active")
        foreign = sorted(pid for pid, p in guest.processes().items() if p[1] in ("init-watcher", "relay"))
        check(len([p for p in guest.processes().values() if p[1] == "svc"]) == 5, guest.processes())
        check(guest.request(STOP, "a.service") == 0, "stop accepted")
        guest.wait_service("a.service", "inactive")
        guest.retry(lambda: not [p for p in guest.processes().values() if p[1] == "svc"], "its processes are gone")
        check(guest.event_names() == ["stopped"], guest.event_names())
        check(foreign == sorted(pid for pid, p in guest.processes().items()
                                if p[1] in ("init-watcher", "relay")), "foreign processes live")


@scenario("KillMode=process: a restart leaves the children (container shims) alone")
def kill_mode_process(_test):
    with Guest(units={"a.service": unit("fork:1 ready sleep", service_keys="KillMode=process\nRestart=always\n"
                                        "RestartSec=10ms")}) as guest:
        first = guest.wait_service("a.service", "active")
        child = [pid for pid, p in guest.processes().items() if p[1] == "svc" and p[3] == first["pid"]]
        guest.kill(first["pid"])
        guest.wait(lambda s: s["services"]["a.service"]["restarts"] == 1 and
                   s["services"]["a.service"]["state"] == "active", "restarted")
        check(guest.processes()[child[0]][3] == 1, "the child lives on, below PID 1")


@scenario("a service that ignores SIGTERM is killed after TimeoutStopSec, not before")
def stop_timeout(_test):
    with Guest(units={"a.service": unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=300ms")}) as guest:
        guest.wait_service("a.service", "active")
        with guest.client() as watcher:
            watcher.send(SUBSCRIBE)
            watcher.read_picture()
            check(guest.request(STOP, "a.service") == 0, "stop accepted")
            while watcher.state["services"]["a.service"]["state"] != "stopping":
                watcher.read_picture()
            stopping = watcher.state["services"]["a.service"]
        down = guest.wait_service("a.service", "inactive")
        check(os.WTERMSIG(down["exit_status"]) == signal.SIGKILL, down)
        check(down["since_us"] - stopping["since_us"] >= 300000, f"{stopping} {down}")


@scenario("restart and reload by request; a request for an unknown unit is refused")
def requests(_test):
    reload = "ExecReload=/usr/bin/svc event:reload-$MAINPID\nKillSignal=SIGHUP"
    with Guest(units={"a.service": unit("ready sleep", service_keys=reload), "b.service": unit("ready sleep")}) as guest:
        before = guest.wait_service("a.service", "active")
        check(guest.request(RELOAD, "a.service") == 0, "reload accepted")
        guest.retry(lambda: guest.event_names(), "reload ran")
        check(guest.request(RESTART, "a.service") == 0, "restart accepted")
        after = guest.wait(lambda s: s["services"]["a.service"]["state"] == "active" and
                           s["services"]["a.service"]["pid"] != before["pid"], "restarted")["services"]["a.service"]
        check(after["restarts"] == 0, "asked for, not automatic")
        check(os.WTERMSIG(after["exit_status"]) == signal.SIGHUP, after)
        check(guest.request(STOP, "nobody.service") == -2, "unknown unit: ENOENT")
        guest.wait_service("b.service", "active")
        check(guest.request(RELOAD, "b.service") == -95, "no ExecReload: EOPNOTSUPP")


@scenario("$MAINPID and ${NAME} are expanded; quotes keep words together")
def expansion(_test):
    keys = "Environment=\"A=one two\" B=3\nExecReload=/usr/bin/svc event:pid-${MAINPID} event:b-${B}"
    with Guest(units={"a.service": unit("record:/var/test/record ready sleep", service_keys=keys)}) as guest:
        state = guest.wait_service("a.service", "active")
        check("env:A=one two\n" in guest.kept("/var/test/record"), guest.kept("/var/test/record"))
        check(guest.request(RELOAD, "a.service") == 0, "reload accepted")
        guest.retry(lambda: len(guest.event_names()) == 2, "reload ran")
        check(guest.event_names() == [f"pid-{state['pid']}", "b-3"], guest.event_names())


@scenario("a service that floods its log while nobody reads fills the spool and nothing else")
def log_flood(_test):
    with Guest(units={"flood.service": unit(f"flood:{64 << 20} event:flooded ready sleep"),
                      "a.service": unit("ready sleep", service_keys="Restart=always\nRestartSec=10ms")}) as guest:
        guest.wait_service("flood.service", "active")
        stat = os.statvfs(guest.path("/run/keel/spool"))
        check(stat.f_bavail == 0 and stat.f_blocks * stat.f_frsize <= 8 << 20, f"spool {stat}")
        check(os.statvfs(guest.path("/run")).f_bavail > 0, "/run has room")
        first = guest.wait_service("a.service", "active")
        guest.kill(first["pid"])
        guest.wait(lambda s: s["services"]["a.service"]["restarts"] == 1 and
                   s["services"]["a.service"]["state"] == "active", "a service restarts without room for its log")


@scenario("idle: PID 1 does not wake up once in 5 seconds")
def idle(_test):
    import time
    with Guest(units={f"s{i}.service": unit("ready sleep") for i in range(8)}) as guest:
        guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all up")
        guest.retry(lambda: guest.status("State").startswith("S"), "PID 1 sleeps")
        before = wakeups(guest)
        time.sleep(5)  # the time that is measured
        check(wakeups(guest) == before, f"switches {before} -> {wakeups(guest)}")


def wakeups(guest):
    return int(guest.status("voluntary_ctxt_switches")), int(guest.status("nonvoluntary_ctxt_switches"))
