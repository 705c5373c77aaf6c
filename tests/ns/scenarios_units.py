"""What unit files ask for: commands in every phase, watchdog, reload, main processes that change, sockets, groups,
daemon-reload. The words of systemd's man pages, held against a real PID 1."""
import contextlib
import os
import random
import signal
import socket
import time

from guest import Guest, unit
from harness import Skip, check, scenario

START, STOP, RESTART, RELOAD = 3, 4, 5, 6
DAEMON_RELOAD, RESET_FAILED, TRY_RESTART = 9, 10, 11
ENOENT, ENOEXEC, EOPNOTSUPP = -2, -8, -95
SVC = "/usr/bin/svc"


def need_cgroup(guest):
    if not guest.cgroup:
        raise Skip("no cgroup v2 hierarchy to write to")


def again(guest, name, before):
    return guest.wait(lambda s: s["services"][name]["state"] == "active" and
                      s["services"][name]["pid"] not in (0, before["pid"]), f"{name} is up again")["services"][name]


def record(guest, path="/var/test/record"):
    """What svc's record: wrote: {"env:A=1", "cwd=/", ...}."""
    return set(guest.kept(path).splitlines())


# ---- phases -------------------------------------------------------------------------------------

PHASES = f"""ExecStartPre={SVC} event:pre-1
ExecStartPre=-{SVC} event:pre-2 exit:1
ExecStartPost={SVC} event:post
ExecStop={SVC} event:stop-${{MAINPID}}
ExecStopPost={SVC} record:/var/test/post event:stop-post"""


@scenario("ExecStartPre= to ExecStopPost= run in order, each after the one before; MAINPID is known")
def phases(_test):
    with Guest(units={"a.service": unit("event:main onterm:term ready sleep", service_keys=PHASES)}) as guest:
        state = guest.wait_service("a.service", "active")
        check(guest.event_names() == ["pre-1", "pre-2", "main", "post"], guest.event_names())
        check(guest.request(STOP, "a.service") == 0, "stop accepted")
        guest.wait_service("a.service", "inactive")
        check(guest.event_names()[4:] == [f"stop-{state['pid']}", "term", "stop-post"], guest.event_names())
        check({"env:SERVICE_RESULT=success", "env:EXIT_CODE=exited", "env:EXIT_STATUS=0"} <=
              record(guest, "/var/test/post"), guest.kept("/var/test/post"))


@scenario("a crash: no ExecStop=, but ExecStopPost= with the result; then the restart")
def crash_phases(_test):
    keys = PHASES + "\nRestart=always\nRestartSec=10ms"
    with Guest(units={"a.service": unit("event:main ready sleep", service_keys=keys)}) as guest:
        before = guest.wait_service("a.service", "active")
        guest.kill(before["pid"], signal.SIGSEGV)
        again(guest, "a.service", before)
        check(guest.event_names()[4:] == ["stop-post", "pre-1", "pre-2", "main", "post"], guest.event_names())
        check({"env:SERVICE_RESULT=signal", "env:EXIT_CODE=killed", "env:EXIT_STATUS=11"} <=
              record(guest, "/var/test/post"), guest.kept("/var/test/post"))


@scenario("a failed ExecStartPre= fails the start with its reason; one that hangs meets TimeoutStartSec; the limit counts")
def failed_pre(_test):
    units = {"bad.service": unit("event:main ready sleep", service_keys=f"ExecStartPre={SVC} exit:7"),
             "gone.service": unit("event:main ready sleep", service_keys="ExecStartPre=/no/such/program"),
             "hung.service": unit("event:main ready sleep", service_keys=f"ExecStartPre={SVC} sleep\n"
                                  "TimeoutStartSec=200ms"),
             "loop.service": unit("event:main ready sleep", service_keys=f"ExecStartPre={SVC} exit:1\n"
                                  "Restart=always\nRestartSec=1ms\nStartLimitBurst=3")}
    with Guest(units=units) as guest:
        reasons = {name: guest.wait_service(name, "failed")["reason"] for name in units}
        check(reasons["bad.service"].startswith(f"{SVC} exited with status 7"), reasons)
        check(reasons["gone.service"].startswith("cannot run /no/such/program: No such file"), reasons)
        check(reasons["hung.service"].startswith("not ready within 200 ms"), reasons)
        check(reasons["loop.service"].startswith("died too often (3 starts)"), reasons)
        check(guest.event_names() == [], "no main program ran")


@scenario("a failed ExecStartPost= ends the service; a main process that dies meanwhile too")
def failed_post(_test):
    units = {"a.service": unit("onterm:a ready sleep", service_keys=f"ExecStartPost={SVC} exit:3"),
             "b.service": unit("ready delay:50 exit:4", service_keys=f"ExecStartPost={SVC} sleep")}
    with Guest(units=units) as guest:
        check(f"{SVC} exited with status 3" in guest.wait_service("a.service", "failed")["reason"], "reason")
        check(guest.wait_service("b.service", "failed")["reason"].startswith("exited with status 4"), "reason")
        check(guest.event_names() == ["a"], guest.event_names())
        guest.retry(lambda: not [p for p in guest.processes().values() if p[1] == "svc"], "nothing is left")


@scenario("an ExecStop= that hangs is ended after TimeoutStopSec, then the service is stopped by signal")
def hung_stop(_test):
    keys = f"ExecStop={SVC} sleep\nTimeoutStopSec=200ms"
    with Guest(units={"a.service": unit("onterm:a ready sleep", service_keys=keys)}) as guest:
        guest.wait_service("a.service", "active")
        check(guest.request(STOP, "a.service") == 0, "stop accepted")
        guest.wait_service("a.service", "inactive")
        check(guest.event_names() == ["a"], guest.event_names())
        guest.retry(lambda: not [p for p in guest.processes().values() if p[1] == "svc"], "nothing is left")


@scenario("a oneshot runs its ExecStart= one after the other; the first bad one ends it; a stop undoes RemainAfterExit=")
def oneshots(_test):
    units = {"two.service": f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={SVC} delay:30 event:first\n"
                            f"ExecStart={SVC} event:second\nExecStop={SVC} event:undone\n[Install]\nWantedBy=x\n",
             "bad.service": f"[Service]\nType=oneshot\nExecStart={SVC} exit:2\nExecStart={SVC} event:never\n"
                            "[Install]\nWantedBy=x\n"}
    with Guest(units=units) as guest:
        guest.wait_service("two.service", "active")
        guest.wait_service("bad.service", "failed")
        check(guest.event_names() == ["first", "second"], guest.event_names())
        check(guest.request(7) == 0, "power off")
        guest.wait_end()
        check(guest.event_names() == ["first", "second", "undone"], guest.event_names())


# ---- results and restarts -------------------------------------------------------------------------

@scenario("SuccessExitStatus=, RestartPreventExitStatus= and Restart= decide by how it ended")
def exit_statuses(_test):
    always = "Restart=always\nRestartSec=10ms\n"
    units = {"fine.service": unit("exit:3", kind="simple", service_keys="SuccessExitStatus=3 SIGUSR1"),
             "enough.service": unit("exit:5", kind="simple", service_keys=always + "RestartPreventExitStatus=5"),
             "abort.service": unit("exit:1", kind="simple", service_keys="Restart=on-abort\nRestartSec=10ms"),
             "signal.service": unit("abort", kind="simple", service_keys="Restart=on-abnormal\nRestartSec=1ms\n"
                                    "StartLimitBurst=2")}
    with Guest(units=units) as guest:
        guest.wait_service("fine.service", "inactive")
        for name, restarts in (("enough.service", 0), ("abort.service", 0), ("signal.service", 1)):
            service = guest.wait_service(name, "failed")
            check(service["restarts"] == restarts, service)


@scenario("RestartSec= doubles up to RestartMaxDelaySec=, and is not waited for after a request")
def backoff(_test):
    keys = "Restart=always\nRestartSec=40ms\nRestartMaxDelaySec=80ms\nStartLimitBurst=0"
    with Guest(units={"a.service": unit("event:start exit:1", kind="simple", service_keys=keys),
                      "b.service": unit("event:b ready sleep", enabled=False,
                                        service_keys="Restart=always\nRestartSec=30s")}) as guest:
        guest.retry(lambda: guest.event_names().count("start") >= 5, "five starts")
        times = [at for name, _, at in guest.events() if name == "start"]
        gaps = [b - a for a, b in zip(times, times[1:])]
        check(gaps[0] >= 40000 and all(gap >= 80000 for gap in gaps[1:4]), gaps)
        check(guest.request(START, "b.service") == 0, "start accepted")
        before = guest.wait_service("b.service", "active")
        guest.kill(before["pid"])
        guest.wait_service("b.service", "backoff")
        check(guest.request(START, "b.service") == 0, "start accepted")
        again(guest, "b.service", before)


@scenario("reset-failed forgets a failure; is-system-running is whole again")
def reset_failed(_test):
    with Guest(units={"a.service": unit("exit:1", kind="simple")}) as guest:
        guest.wait_service("a.service", "failed")
        guest.wait(lambda s: s["boot"]["state"] == "degraded", "degraded")
        check(guest.request(RESET_FAILED, "a.service") == 0, "accepted")
        guest.wait_service("a.service", "inactive")


@scenario("1,000 kills in a row: each is followed by exactly one new instance, none is missed")
def thousand_kills(_test):
    keys = "Restart=always\nRestartSec=0\nStartLimitBurst=0"
    with Guest(units={"a.service": unit("lock:/run/lock-a ready sleep", service_keys=keys)}, seconds=120) as guest:
        service = guest.wait_service("a.service", "active")
        with guest.client() as client:
            client.send(2)
            client.read_picture()
            for _ in range(1000):
                guest_pid = service["pid"]
                guest.kill(guest_pid)
                while client.state["services"]["a.service"]["pid"] in (0, guest_pid) or \
                        client.state["services"]["a.service"]["state"] != "active":
                    client.read_picture()
                service = client.state["services"]["a.service"]
        check(service["restarts"] == 1000, service)
        check(guest.event_names() == [], "two instances at a time")


# ---- groups -----------------------------------------------------------------------------------------

@scenario("KillMode=control-group: SIGTERM reaches everybody, and the last of them is waited for")
def term_reaches_all(_test):
    with Guest(units={"a.service": unit("leave:child:200 onterm:main ready sleep")}) as guest:
        need_cgroup(guest)
        guest.wait_service("a.service", "active")
        check(guest.request(RESTART, "a.service") == 0, "restart accepted")
        guest.wait(lambda s: s["services"]["a.service"]["state"] == "active" and
                   s["services"]["a.service"]["exit_us"], "restarted")
        check(sorted(guest.event_names()) == ["child", "main"], guest.event_names())
        ends = {name: at for name, _, at in guest.events()}
        check(guest.snapshot()["services"]["a.service"]["exec_us"] >= ends["child"],
              "the next instance began before the last process of the old one was gone")


@scenario("a main process that dies alone: who is left of its group is ended before the next instance starts")
def rest_after_crash(_test):
    keys = "Restart=always\nRestartSec=0"
    with Guest(units={"a.service": unit("ignore:15 fork:3 lock:/run/lock-a ready sleep",
                                        service_keys=keys + "\nTimeoutStopSec=300ms"),
                      "m.service": unit("ignore:15 fork:3 ready sleep", service_keys=keys + "\nKillMode=mixed")}) as guest:
        need_cgroup(guest)
        for name in ("a.service", "m.service"):
            before = guest.wait_service(name, "active")
            guest.kill(before["pid"])
            after = again(guest, name, before)
            old = [p for p in guest.processes().values() if p[1] == "svc" and p[3] == 1 and
                   p[2] != "Z"]
            check(len([p for p in old]) <= 2, f"{name}: the old children live: {guest.processes()}")
            check(after["restarts"] == 1, after)
        check(guest.event_names() == [], "two instances at a time")


@scenario("a stopped service (SIGSTOP) is woken up to end; one that does not is killed")
def stopped_service(_test):
    with Guest(units={"a.service": unit("onterm:a ready sleep"),
                      "b.service": unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=200ms")}) as guest:
        for name in ("a.service", "b.service"):
            guest.kill(guest.wait_service(name, "active")["pid"], signal.SIGSTOP)
            check(guest.request(STOP, name) == 0, "stop accepted")
            guest.wait_service(name, "inactive")
        check(guest.event_names() == ["a"], guest.event_names())


@scenario("KillSignal=, SendSIGHUP=, SendSIGKILL=no")
def kill_keys(_test):
    units = {"usr1.service": unit("ready sleep", service_keys="KillSignal=SIGUSR1"),
             "hup.service": unit("ignore:15 onhup:STATUS=hup ready sleep",
                                 service_keys="SendSIGHUP=yes\nTimeoutStopSec=500ms"),
             "never.service": unit("ignore:15 ready sleep", service_keys="SendSIGKILL=no\nTimeoutStopSec=200ms")}
    with Guest(units=units) as guest:
        for name in units:
            guest.wait_service(name, "active")
            check(guest.request(STOP, name) == 0, "stop accepted")
        check(os.WTERMSIG(guest.wait_service("usr1.service", "inactive")["exit_status"]) == signal.SIGUSR1, "SIGUSR1")
        guest.wait_service("hup.service", "inactive")
        check(guest.event_names() == ["hup"], guest.event_names())
        never = guest.wait_service("never.service", "failed")
        check("SendSIGKILL=no" in never["reason"] and never["pid"], never)


# ---- watchdog, reload, timeouts ----------------------------------------------------------------------

@scenario("WatchdogSec=: who feeds it lives; who stops feeding is ended by WatchdogSignal=, and restarted")
def watchdog(_test):
    keys = "WatchdogSec=300ms\nRestart=on-watchdog\nRestartSec=10ms\nStartLimitBurst=0"
    with Guest(units={"fed.service": unit("record:/var/test/record ready feed:1000:50", service_keys=keys),
                      "hungry.service": unit("ready feed:3:50 sleep", service_keys=keys),
                      "asks.service": unit("ready say-notify:WATCHDOG=trigger sleep", service_keys=keys)}) as guest:
        fed = guest.wait_service("fed.service", "active")
        check(f"env:WATCHDOG_USEC=300000" in record(guest) and f"env:WATCHDOG_PID={fed['pid']}" in record(guest),
              record(guest))
        for name in ("hungry.service", "asks.service"):
            picture = guest.wait(lambda s, n=name: s["services"][n]["restarts"] >= 1, f"{name} was restarted")
            check(os.WTERMSIG(picture["services"][name]["exit_status"]) == signal.SIGABRT, picture["services"][name])
            check(f"{name}: backoff: its watchdog was not fed within 300 ms" in guest.log_text(), guest.log_text())
        check(guest.snapshot()["services"]["fed.service"]["pid"] == fed["pid"], "the fed one lives")


@scenario("WATCHDOG_USEC= changes the watchdog, EXTEND_TIMEOUT_USEC= a timeout that runs")
def extensions(_test):
    with Guest(units={"w.service": unit("ready say-notify:WATCHDOG_USEC=200000 sleep",
                                        service_keys="WatchdogSec=1h\nRestart=on-watchdog\nRestartSec=10ms"),
                      "slow.service": unit("say-notify:EXTEND_TIMEOUT_USEC=10000000 delay:600 ready sleep",
                                           service_keys="TimeoutStartSec=200ms"),
                      "late.service": unit("delay:600 ready sleep", service_keys="TimeoutStartSec=200ms")}) as guest:
        guest.wait_service("late.service", "failed")
        guest.wait_service("slow.service", "active")
        guest.wait(lambda s: s["services"]["w.service"]["restarts"] >= 1, "the shorter watchdog bit")


@scenario("Type=notify-reload: SIGHUP, RELOADING=1, READY=1; a reload by command; one that fails leaves the service up")
def reloads(_test):
    units = {"signal.service": unit("onhup:RELOADING=1+READY=1 ready sleep", kind="notify-reload"),
             "slow.service": unit("onhup:RELOADING=1 ready sleep", kind="notify-reload",
                                  service_keys="TimeoutStartSec=300ms"),
             "command.service": unit("ready sleep", service_keys=f"ExecReload={SVC} event:one\nExecReload={SVC} event:two"),
             "bad.service": unit("ready sleep", service_keys=f"ExecReload={SVC} exit:6\nExecReload={SVC} event:never"),
             "own.service": unit("ready say-notify:RELOADING=1 delay:100 fifo:/run/own await:/run/own ready sleep")}
    with Guest(units=units) as guest:
        for name in units:
            if name != "own.service":
                guest.wait_service(name, "active")
                check(guest.request(RELOAD, name) == 0, f"{name}: reload accepted")
        guest.retry(lambda: sorted(guest.event_names()) == ["hup", "hup", "one", "two"], guest.event_names())
        for name in ("signal.service", "command.service"):
            check(guest.wait_service(name, "active")["reason"] == "", name)
        for name, why in (("bad.service", f"reload failed: {SVC} exited with status 6"),
                          ("slow.service", "reload failed: it did not say READY=1 in time")):
            guest.wait(lambda s, n=name, w=why: s["services"][n]["state"] == "active" and
                       s["services"][n]["reason"] == w, why)
        guest.wait_service("own.service", "reloading")
        guest.release("/run/own")
        guest.wait_service("own.service", "active")


@scenario("STOPPING=1: the service goes by itself and is not signalled; then the policy decides")
def stopping(_test):
    keys = "Restart=on-failure\nTimeoutStopSec=10s"
    with Guest(units={"a.service": unit("onterm:signalled ready say-notify:STOPPING=1 delay:200 exit:0",
                                        service_keys=keys)}) as guest:
        guest.wait_service("a.service", "stopping")
        guest.wait_service("a.service", "inactive")
        check(guest.event_names() == [], guest.event_names())


# ---- who is the main process ----------------------------------------------------------------------------

@scenario("MAINPID=: a daemon that forks; its new main process is watched, restarted and stopped")
def main_pid(_test):
    keys = "Restart=always\nRestartSec=10ms\nNotifyAccess=all"
    with Guest(units={"a.service": unit("become-main lock:/run/lock-a onterm:a ready sleep", service_keys=keys),
                      "b.service": unit("become-main:0 ready sleep", service_keys=keys + "\nTimeoutStopSec=500ms")}) as guest:
        need_cgroup(guest)
        for name in ("a.service", "b.service"):
            first = guest.wait_service(name, "active")
            children = guest.processes()
            check(children[first["pid"]][1] == "svc", f"{name}: {first} {children}")
            # b's parent lives on and is no longer the main process: the child is not ours to reap.
            check((children[first["pid"]][3] == 1) == (name == "a.service"), children)
            guest.kill(first["pid"])
            check(again(guest, name, first)["restarts"] == 1, "restarted")
        check(guest.request(STOP, "a.service") == 0, "stop accepted")
        guest.wait_service("a.service", "inactive")
        check(guest.event_names() == ["a"], guest.event_names())


@scenario("MAINPID= of a process that is not the service's is refused")
def forged_main_pid(_test):
    with Guest(units={"a.service": unit("say-notify:MAINPID=1 ready sleep"),
                      "b.service": unit("say-notify:MAINPID=2 ready sleep"),
                      "c.service": unit("say-notify:MAINPID=99999 ready sleep")}) as guest:
        for name in ("a.service", "b.service", "c.service"):
            service = guest.wait_service(name, "active")
            check(guest.processes()[service["pid"]][1] == "svc", service)
        check(guest.log_text().count("is not a process of this service; ignored") == 3, guest.log_text())


# ---- what a process is given ------------------------------------------------------------------------------

@scenario("EnvironmentFile=, Environment=, $VAR split into words, UMask=, WorkingDirectory=-, StandardOutput=null")
def given(_test):
    keys = ("EnvironmentFile=-/etc/none\nEnvironmentFile=/etc/vars\nEnvironment=A=unit WORDS=\"event:one event:two\"\n"
            "UMask=0077\nWorkingDirectory=-/no/such/dir\nStandardOutput=null\nLimitCORE=0")
    with Guest(units={"a.service": unit("record:/var/test/record $WORDS ${B} ready sleep", service_keys=keys),
                      "gone.service": unit("ready sleep", service_keys="EnvironmentFile=/etc/none"),
                      "dir.service": unit("ready sleep", service_keys="WorkingDirectory=/no/such/dir")},
               files={"/etc/vars": "# vars\nA=file\nB='event:quoted'\n"}) as guest:
        guest.wait_service("a.service", "active")
        check(guest.event_names() == ["one", "two", "quoted"], guest.event_names())
        lines = record(guest)
        check({"env:A=file", "cwd=/", "fd:1=/dev/null", "fd:2=/dev/null", "Umask:\t0077", "limit:CORE=0:0"} <= lines, lines)
        for name in ("gone.service", "dir.service"):
            check("No such file or directory" in guest.wait_service(name, "failed")["reason"], name)


@scenario("a socket unit: its service is handed the listener; clients of a restarting service wait, then are served")
def socket_unit(_test):
    sockets = {"a.socket": "[Socket]\nListenStream=/run/a.sock\nSocketMode=0660\nSocketGroup=daemon\n"}
    keys = "Restart=always\nRestartSec=300ms"
    with Guest(units={"a.service": unit("record:/var/test/record ready serve:1000", service_keys=keys), **sockets},
               files={"/etc/group": "root:x:0:\ndaemon:x:1:\n"}) as guest:
        first = guest.wait_service("a.service", "active")
        check({"env:LISTEN_FDS=1", f"env:LISTEN_PID={first['pid']}", "env:LISTEN_FDNAMES=a.socket"} <= record(guest),
              record(guest))
        info = os.stat(guest.path("/run/a.sock"))
        check(info.st_mode & 0o777 == 0o660 and info.st_gid == 1, f"{info}")
        check(ask(guest) == first["pid"], "it answers")
        guest.kill(first["pid"])
        guest.wait_service("a.service", "backoff")
        check(ask(guest) not in (first["pid"], 0), "a client that came meanwhile is served by the next instance")
        check(guest.request(STOP, "a.service") == 0, "stop accepted")
        guest.wait_service("a.service", "inactive")
        check(not os.path.exists(guest.path("/run/a.sock")), "who is stopped is not waited for")


def ask(guest):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(guest.path("/run/a.sock"))
        return int(client.makefile().readline())


# ---- requests that reach others, and unit files that change -------------------------------------------------

@scenario("start pulls in what is required, stop and restart reach who requires it; Before= orders")
def propagation(_test):
    units = {"base.service": unit("event:base ready sleep", enabled=False),
             "top.service": unit("event:top ready sleep", unit_keys="Requires=base.service\nAfter=base.service",
                                 enabled=False),
             "early.service": unit("delay:100 event:early ready sleep", unit_keys="Before=late.service"),
             "late.service": unit("event:late ready sleep")}
    with Guest(units=units) as guest:
        guest.wait_service("late.service", "active")
        check(guest.event_names() == ["early", "late"], guest.event_names())
        check(guest.request(START, "top.service") == 0, "start accepted")
        guest.wait_service("top.service", "active")
        check(guest.event_names()[2:] == ["base", "top"], guest.event_names())
        check(guest.request(RESTART, "base.service") == 0, "restart accepted")
        guest.retry(lambda: len(guest.event_names()) == 6, "both were restarted")
        check(guest.request(TRY_RESTART, "late.service") == 0, "accepted")
        guest.retry(lambda: guest.event_names()[-1] == "late", "restarted")
        check(guest.request(STOP, "base.service") == 0, "stop accepted")
        guest.wait_service("top.service", "inactive")
        guest.wait_service("base.service", "inactive")
        check(guest.request(TRY_RESTART, "base.service") == 0, "accepted, nothing to restart")
        check(guest.snapshot()["services"]["base.service"]["state"] == "inactive", "it stays down")


@scenario("daemon-reload: changed, new, bad, masked and removed units; drop-ins; what runs goes on")
def daemon_reload(_test):
    units = {"a.service": unit("event:old ready sleep"), "bad.service": unit("event:bad ready sleep"),
             "gone.service": unit("event:gone ready sleep"), "broken.service": "nonsense\n"}
    with Guest(units=units, seconds=60) as guest:
        running = {name: guest.wait_service(name, "active")["pid"] for name in ("a.service", "bad.service", "gone.service")}
        check(guest.snapshot()["services"]["broken.service"]["state"] == "failed", "broken")
        put(guest, "a.service", unit("event:new ready sleep"))
        put(guest, "a.service.d/10-more.conf", f"[Service]\nExecStartPre={SVC} event:dropin\n")
        put(guest, "bad.service", "[Service]\nType=odd\n")
        put(guest, "gone.service", "")
        put(guest, "new.service", unit("event:fresh ready sleep"))
        put(guest, "broken.service", unit("event:mended ready sleep"))
        check(guest.request(DAEMON_RELOAD) == ENOEXEC, "one is bad, and the answer says so")
        services = guest.snapshot()["services"]
        check({name: services[name]["pid"] for name in running} == running, "what runs goes on")
        check(services["broken.service"]["state"] == "inactive", services["broken.service"])
        for name in ("a.service", "bad.service", "new.service", "broken.service"):
            check(guest.request(RESTART, name) == 0, f"{name}: restart accepted")
        guest.retry(lambda: sorted(guest.event_names()[3:]) == ["bad", "dropin", "fresh", "mended", "new"],
                    "each as its file says now; the bad one as it was")
        check(guest.request(STOP, "gone.service") == 0, "it can still be stopped")
        guest.wait_service("gone.service", "inactive")
        check(guest.request(DAEMON_RELOAD) == ENOEXEC, "the bad one is still bad")
        check(guest.request(START, "gone.service") == ENOEXEC, "masked: cannot be started")
        check(f"/etc/keel/units/bad.service:2: Type: \"odd\"" in guest.log_text(), guest.log_text()[-800:])


def put(guest, name, text):
    path = guest.path(f"/etc/keel/units/{name}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@scenario("daemon-reload in the middle of a start: the commands stay what they are until it is at rest")
def reload_in_the_middle(_test):
    keys = f"ExecStartPre={SVC} fifo:/run/pre await:/run/pre event:pre"
    with Guest(units={"a.service": unit("event:old ready sleep", service_keys=keys)}) as guest:
        guest.retry(lambda: os.path.exists(guest.path("/run/pre")), "the first command runs")
        put(guest, "a.service", unit("event:new ready sleep"))
        check(guest.request(DAEMON_RELOAD) == 0, "accepted")
        guest.release("/run/pre")
        guest.wait_service("a.service", "active")
        check(guest.event_names() == ["pre", "old"], guest.event_names())
        check(guest.request(RESTART, "a.service") == 0, "restart accepted")
        guest.retry(lambda: guest.event_names() == ["pre", "old", "new"], "the new file counts")


# ---- at random --------------------------------------------------------------------------------------------

@scenario("3,000 requests and kills at random: never two instances, none lost, each ends as it is wanted",
          deadline=150)
def random_orders(_test):
    seed = int(os.environ.get("KEEL_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
    lot = random.Random(seed)
    keys = "Restart=always\nRestartSec=1ms\nStartLimitBurst=0\nTimeoutStopSec=1s\nTimeoutStartSec=5s"
    names = [f"s{i}.service" for i in range(6)]
    units = {name: unit(f"lock:/run/lock-{name} {'fork:2 ' if i % 2 else ''}ready sleep", service_keys=keys +
                        (f"\nExecStartPre={SVC} delay:1" if i % 3 == 0 else "") +
                        (f"\nExecStop={SVC} delay:1\nExecReload={SVC} delay:1" if i % 3 == 1 else ""))
             for i, name in enumerate(names)}
    with Guest(units=units, seconds=120) as guest:
        guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all up")
        with guest.client() as client:
            for _ in range(3000):
                name = lot.choice(names)
                verb = lot.choice([START, START, STOP, RESTART, RELOAD, TRY_RESTART, RESET_FAILED, None, None])
                if verb is None:
                    pid = client.snapshot()["services"][name]["pid"]
                    outside = guest.processes().get(pid) if pid else None
                    if outside and outside[1] == "svc":
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(outside[0], lot.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM]))
                else:
                    client.request(verb, name)
            down = set(lot.sample(names, 3))
            for name in names:
                client.request(STOP if name in down else START, name)
        guest.wait(lambda s: all(s["services"][name]["state"] == ("inactive" if name in down else "active")
                                 for name in names), f"each as it is wanted (KEEL_SEED={seed})")
        check("double" not in guest.event_names(), f"two instances at a time (KEEL_SEED={seed})")
        guest.retry(lambda: count_main(guest) == 3, f"one main process each (KEEL_SEED={seed})")


def count_main(guest):
    services = guest.snapshot()["services"]
    processes = guest.processes()
    zombies = [p for p in processes.values() if p[2] == "Z" and p[3] == 1]
    return sum(1 for s in services.values() if s["pid"] in processes) if not zombies else -1


@scenario("100 services in a chain and 100 in parallel start, stop and end in order")
def hundred(_test):
    units = {f"c{i:03}.service": unit(f"event:c{i}", kind="oneshot", service_keys="RemainAfterExit=yes",
                                      unit_keys=f"Requires=c{i - 1:03}.service\nAfter=c{i - 1:03}.service" if i else "")
             for i in range(100)}
    units["last.service"] = unit("ready sleep", unit_keys="Requires=c099.service\nAfter=c099.service")
    with Guest(units=units, seconds=60) as guest:
        start = time.monotonic()
        guest.wait_service("last.service", "active")
        print(f"# chain of 100: {time.monotonic() - start:.3f} s", flush=True)
        names = guest.event_names()
        check(names == [f"c{i}" for i in range(100)], names)
        check(guest.request(7) == 0, "power off")
        check(guest.wait_end() == "signal 2", guest.end_line)
