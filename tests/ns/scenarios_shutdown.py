"""The way down: order, deadlines, foreign processes, every way to ask for it."""
import json
import os
import signal

import engine
from guest import Guest, unit
from harness import check, scenario

POWEROFF, REBOOT = 7, 8
ENGINE = {
    "containerd.service": unit("onterm:containerd ready sleep", service_keys="Slice=engine.slice\nKillMode=process"),
    "docker.service": unit("onterm:docker:150 ready sleep", unit_keys="Requires=containerd.service",
                           service_keys="Slice=engine.slice\nKillMode=process"),
    "keel-agent.service": unit("onterm:agent ready sleep", service_keys="Slice=keel.slice"),
    "other.service": unit("onterm:other ready sleep"),
}


def all_active(guest):
    return guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all active")


@scenario("shutdown order: dockerd before containerd, keel's own last; then the namespace ends")
def shutdown_order(_test):
    for mode in ("wsl", "vm"):
        with Guest(units=ENGINE, mode=mode) as guest:
            all_active(guest)
            check(guest.request(POWEROFF) == 0, "accepted")
            check(guest.wait_end() == "signal 2", f"{mode}: {guest.end_line}")
            names = guest.event_names()
            check(names.index("docker") < names.index("containerd"), f"{mode}: {names}")
            check(names[-1] == "agent" and sorted(names) == ["agent", "containerd", "docker", "other"],
                  f"{mode}: {names}")


@scenario("WSL shutdown never signals foreign processes: its init lives until the last moment")
def foreign_processes(_test):
    units = dict(ENGINE, **{"stubborn.service": unit("ignore:15 ready sleep",
                                                     service_keys="TimeoutStopSec=400ms")})
    with Guest(units=units) as guest:
        all_active(guest)
        check("init-watcher" in [p[1] for p in guest.processes().values()], "a foreign watcher is there")
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check("/var/test/foreign-init-died" and not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"),
              "WSL's init was killed, its watcher ended the namespace")
        check("stubborn.service: inactive" in guest.log_text(), guest.log_text())
        check("agent" in guest.event_names(), guest.event_names())
        check("powering off" in guest.log_text(), guest.log_text())


@scenario("the watcher of this suite works: killing WSL's init ends the namespace")
def watcher_works(_test):
    with Guest(units=ENGINE) as guest:
        all_active(guest)
        guest.kill(2)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "the watcher saw it")


@scenario("power off by SIGTERM, SIGPWR, SIGUSR2, SIGRTMIN+4; reboot by SIGINT, SIGRTMIN+5 and by request")
def ways_to_end(_test):
    ways = {signal.SIGTERM: 2, signal.SIGPWR: 2, signal.SIGUSR2: 2, 38: 2, signal.SIGINT: 1, 39: 1, None: 1}
    for way, expected in ways.items():
        with Guest(units={"a.service": unit("onterm:stopped ready sleep")}) as guest:
            all_active(guest)
            if way is None:
                check(guest.request(REBOOT) == 0, "accepted")
            else:
                os.kill(guest.pid, way)
            check(guest.wait_end() == f"signal {expected}", f"{way}: {guest.end_line}")
            check(guest.event_names() == ["stopped"], f"{way}: {guest.event_names()}")


@scenario("power off and reboot by systemctl, poweroff, reboot and the API", skip=engine.unavailable)
def ways_to_ask(_test):
    def api(action):
        def ask(guest):
            body = json.dumps({"action": action})
            check(guest.api("/v1/shutdown", "POST", body)[0] == 202, "accepted")
        return ask

    def command(*words):
        return lambda guest: guest.run(*words, check=False)

    ways = ((command("systemctl", "poweroff"), 2), (command("systemctl", "reboot"), 1), (command("poweroff"), 2),
            (command("reboot"), 1), (api("poweroff"), 2), (api("reboot"), 1))
    for mode in ("wsl", "vm"):
        for ask, end in ways:
            with engine.EngineGuest(mode=mode, masked=["containerd.service", "docker.service"]) as guest:
                guest.wait_service("keel-agent.service", "active")
                guest.retry(lambda guest=guest: os.path.exists(guest.path("/run/keel/api.sock")), "the API listens")
                ask(guest)
                check(guest.wait_end() == f"signal {end}", f"{mode}: {guest.end_line}")


@scenario("signals that mean nothing to PID 1 do nothing")
def other_signals(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        state = all_active(guest)
        for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGSEGV, signal.SIGPIPE,
                       signal.SIGALRM, signal.SIGABRT, signal.SIGBUS, 40, 64):
            os.kill(guest.pid, number)
        picture = guest.snapshot()
        check(picture["boot"]["state"] != "stopping", picture["boot"])
        check(picture["services"]["a.service"]["pid"] == state["services"]["a.service"]["pid"], picture)


@scenario("a service that ignores SIGTERM is killed after its timeout, and the rest follows")
def stubborn(_test):
    with Guest(units={"a.service": unit("ignore:15 ready sleep", unit_keys="Requires=b.service",
                                        service_keys="TimeoutStopSec=300ms"),
                      "b.service": unit("onterm:b ready sleep")}) as guest:
        all_active(guest)
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == ["b"], guest.event_names())


@scenario("a shutdown that exceeds its limit goes on without waiting")
def shutdown_limit(_test):
    with Guest(units={"a.service": unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=60s")},
               files={"/etc/keel/keel.conf": "[boot]\nshutdown = 1\n"}) as guest:
        all_active(guest)
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check("shutdown takes longer than 1 s" in guest.log_text(), guest.log_text())


@scenario("VM shutdown: what services left behind gets SIGTERM and time, then SIGKILL")
def vm_leftovers(_test):
    left = "leave:left:100 onterm:a ready sleep"
    with Guest(units={"a.service": unit(left, service_keys="KillMode=process")}, mode="vm") as guest:
        all_active(guest)
        check(guest.request(POWEROFF) == 0, "accepted")
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == ["a", "left"], guest.event_names())
    with Guest(units={"a.service": unit("ignore:15 fork:1 leave:left:10000 ready sleep",
                                        service_keys="KillMode=process\nTimeoutStopSec=100ms")}, mode="vm") as guest:
        all_active(guest)
        check(guest.request(POWEROFF) == 0, "accepted")
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == [], "it was not waited for beyond its grace")


@scenario("a shutdown during boot: what waits or backs off does not start any more")
def shutdown_while_booting(_test):
    with Guest(units={"waiting.service": unit("event:waiting ready sleep", unit_keys="Requires=local-fs.target"),
                      "dying.service": unit("exit:1", service_keys="Restart=always\nRestartSec=30s"),
                      "starting.service": unit("onterm:starting fifo:/run/x await:/run/x sleep")},
               files={"/etc/test/keel-disk": "sleep"}) as guest:
        guest.wait(lambda s: s["services"]["dying.service"]["state"] == "backoff" and
                   s["services"]["waiting.service"]["state"] == "waiting", "in the middle of the boot")
        guest.retry(lambda: os.path.exists(guest.path("/run/x")), "starting.service has its handler")
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == ["starting"], guest.event_names())
