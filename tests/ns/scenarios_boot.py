"""Boot: the hand-over, what a service inherits, the unit files, the stages and their helpers."""
import re

from guest import Guest, unit
from harness import Skip, check, scenario

ALL_SIGNALS_DEFAULT = "0000000000000000"
CLEAN_ENVIRONMENT = {"PATH", "HOME", "LANG", "KEEL_CGROUP", "KEEL_MODE", "container", "NOTIFY_SOCKET"}


def fields(text):
    """What svc's `record:` wrote: "key=value" and "Key:\tvalue" lines."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"((?:fd|env|limit):[^=]+|[a-z]+)=(.*)|(\w+):\t(.*)", line)
        if match:
            found[match[1] or match[3]] = match[2] if match[1] else match[4]
    return found


def recorded(mode, service_keys=""):
    with Guest(units={"a.service": unit("record:/var/test/record ready sleep", service_keys=service_keys)},
               mode=mode) as guest:
        state = guest.wait_service("a.service", "active")
        return fields(guest.kept("/var/test/record")), state, guest.kept("/var/test/record")


def check_fresh_process(mode):
    got, state, text = recorded(mode, "LimitNOFILE=2048:4096\nLimitCORE=0\nOOMScoreAdjust=300")
    for key in ("SigBlk", "SigIgn", "SigCgt"):
        check(got[key] == ALL_SIGNALS_DEFAULT, f"{key} {got[key]}")
    fds = {key[3:]: value for key, value in got.items() if key.startswith("fd:")}
    check(fds == {"0": "/dev/null", "1": "/run/keel/spool/a.service", "2": "/run/keel/spool/a.service"},
          f"descriptors {fds}")
    names = {key[4:] for key in got if key.startswith("env:")}
    expected = CLEAN_ENVIRONMENT if mode == "wsl" else CLEAN_ENVIRONMENT - {"container"}
    check(names == expected, f"environment {sorted(names)}")
    check(got["Umask"] == "0022", f"umask {got['Umask']}")
    check(got["cwd"] == "/", f"cwd {got['cwd']}")
    check(got["sid"] == got["pid"] == got["pgid"] == str(state["pid"]), f"session {got['sid']} {got['pid']}")
    check(got["limit:NOFILE"] == "2048:4096", f"NOFILE {got['limit:NOFILE']}")
    check(got["limit:CORE"] == "0:0", f"CORE {got['limit:CORE']}")
    check(got["oom"] == "300", f"oom_score_adj {got['oom']}")
    return got, text


@scenario("WSL hand-over: boots and answers a snapshot")
def boots_like_wsl(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        state = guest.wait_service("a.service", "active")
        picture = guest.snapshot()
        check(picture["boot"]["mode"] == "wsl", picture["boot"])
        check(list(picture["stages"]) == ["console", "mounts", "cgroup", "memory", "modules", "disk", "net",
                                          "services"], list(picture["stages"]))
        check(picture["boot"]["start_us"] <= state["exec_us"] <= state["ready_us"], f"times {state}")
        check(guest.status("Umask") == "0022", f"PID 1's own umask {guest.status('Umask')}")
        check(guest.status("SigIgn") == ALL_SIGNALS_DEFAULT, f"PID 1 ignores {guest.status('SigIgn')}")


@scenario("VM hand-over: mounts everything itself and boots")
def boots_like_vm(_test):
    with Guest(units={"a.service": unit("ready sleep")}, mode="vm") as guest:
        guest.wait_service("a.service", "active")
        check(guest.snapshot()["boot"]["mode"] == "vm", "mode")
        mounts = {line.split()[1]: line.split()[2] for line in guest.read("/proc/1/mounts").splitlines()}
        for point, kind in {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/run": "tmpfs",
                            "/dev/shm": "tmpfs", "/tmp": "tmpfs", "/run/keel/spool": "tmpfs", "/run/keel/log": "tmpfs"}.items():
            check(mounts.get(point) == kind, f"{point} is {mounts.get(point)}")


@scenario("WSL hand-over: a service is a fresh process (signals, fds, environment, umask, limits)")
def fresh_process_wsl(_test):
    got, _ = check_fresh_process("wsl")
    check(got["env:container"] == "wsl" and got["env:KEEL_MODE"] == "wsl", "mode in the environment")


@scenario("VM hand-over: a service is a fresh process")
def fresh_process_vm(_test):
    got, _ = check_fresh_process("vm")
    check(got["env:KEEL_MODE"] == "vm", "mode in the environment")


@scenario("a service is in its own control group below PID 1's base, from its first instruction")
def service_cgroup(_test):
    with Guest(units={"a.service": unit("record:/var/test/record ready sleep",
                                        service_keys="Slice=engine.slice")}) as guest:
        if not guest.cgroup:
            raise Skip("no cgroup v2 hierarchy to write to")
        guest.wait_service("a.service", "active")
        text = guest.kept("/var/test/record")
        base = fields(text)["env:KEEL_CGROUP"]
        check(base.startswith("/keel-ns-") and base.endswith("/base"), f"KEEL_CGROUP={base}")
        check(f"0::{base}/engine/a.service\n" in text, "group in:\n" + text)
        with open(f"/proc/{guest.pid}/cgroup", encoding="ascii") as own:
            check(f"0::{base}/keel/init\n" in own.read(), "PID 1's own group")


@scenario("memory settings are written, and a kernel without them is no failure")
def memory_settings(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        picture = guest.wait_service("a.service", "active") and guest.snapshot()
        check(picture["stages"]["memory"]["state"] == "done", picture["stages"]["memory"])
        for path, value in {"/sys/module/page_reporting/parameters/page_reporting_order": "5",
                            "/sys/kernel/mm/lru_gen/enabled": "y",
                            "/sys/kernel/mm/transparent_hugepage/enabled": "madvise"}.items():
            try:
                check(guest.read(path).startswith(value), f"{path}: {guest.read(path)!r}")
            except FileNotFoundError:
                pass


@scenario("a unit in /etc wins over the one in /usr/lib; an empty one masks; one for VMs is left out")
def unit_overrides(_test):
    with Guest(units={"a.service": unit("event:usr ready sleep"), "b.service": unit("event:masked ready sleep"),
                      "c.service": unit("event:vm ready sleep", unit_keys="ConditionVirtualization=!wsl"),
                      "d.service": unit("ready sleep", unit_keys="After=a.service b.service c.service")},
               files={"/etc/keel/units/a.service": unit("event:etc ready sleep")},
               masked=["b.service"]) as guest:
        guest.wait_service("d.service", "active")
        picture = guest.snapshot()
        check(guest.event_names() == ["etc"], guest.event_names())
        check(picture["services"]["b.service"]["state"] == "inactive", picture["services"]["b.service"])
        check(picture["services"]["c.service"]["state"] == "inactive", picture["services"]["c.service"])
        check(guest.request(3, "b.service") == -8, "starting a masked unit answers ENOEXEC")


@scenario("a bad unit is reported with file and line, an unknown key warns, the others start")
def bad_unit(_test):
    bad = "[Service]\nType=notify\nExecStart=relative/path\n[Install]\nWantedBy=multi-user.target\n"
    with Guest(units={"bad.service": bad, "good.service": unit("ready sleep", service_keys="FancyKey=1")}) as guest:
        picture = guest.wait_service("good.service", "active") and guest.snapshot()
        record = picture["services"]["bad.service"]
        check(record["state"] == "failed" and "/usr/lib/keel/units/bad.service:3" in record["reason"], record)
        check(picture["boot"]["state"] == "degraded", picture["boot"])
        check(re.search(r"good\.service:6: unknown key FancyKey", guest.log_text()), guest.log_text())


@scenario("an exec that fails is reported with its reason, and the rest comes up")
def exec_failure(_test):
    broken = "[Service]\nType=simple\nExecStart=/usr/bin/missing\n[Install]\nWantedBy=x\n"
    denied = "[Service]\nType=simple\nExecStart=/etc/test/plain\nRestart=no\n[Install]\nWantedBy=x\n"
    with Guest(units={"missing.service": broken, "denied.service": denied, "a.service": unit("ready sleep")},
               files={"/etc/test/plain": "text"}) as guest:
        guest.wait_service("a.service", "active")
        missing = guest.wait_service("missing.service", "failed")
        denied = guest.wait_service("denied.service", "failed")
        check(missing["reason"] == "cannot run /usr/bin/missing: No such file or directory", missing)
        check(denied["reason"] == "cannot run /etc/test/plain: Permission denied", denied)
        check(missing["pid"] == 0 and missing["exec_us"] == 0, missing)


@scenario("a missing stage helper: its stage fails with the reason, what requires the disk waits")
def helper_missing(_test):
    with Guest(units={"engine.service": unit("event:engine ready sleep", unit_keys="Requires=local-fs.target"),
                      "other.service": unit("ready sleep", unit_keys="After=local-fs.target")}) as guest:
        guest.wait_service("engine.service", "active")  # it can work
    with Guest(units={"engine.service": unit("event:engine ready sleep", unit_keys="Requires=local-fs.target"),
                      "other.service": unit("ready sleep", unit_keys="After=local-fs.target")},
               without=["/usr/lib/keel/keel-disk"]) as guest:
        guest.wait_service("other.service", "active")
        picture = guest.wait(lambda s: "No such file" in s["services"]["engine.service"]["reason"],
                             "engine.service says what it waits for")
        stage, engine = picture["stages"]["disk"], picture["services"]["engine.service"]
        check(stage["state"] == "failed" and
              stage["reason"] == "cannot run /usr/lib/keel/keel-disk: No such file or directory", stage)
        check(engine["state"] == "waiting" and engine["reason"].startswith("waits for local-fs.target: "), engine)
        check(guest.event_names() == [], "the engine did not start without its disk")


@scenario("a stage helper that dies without a word: its stage fails with status or signal")
def helper_dies(_test):
    with Guest(units={"a.service": unit("ready sleep")},
               files={"/etc/test/keel-modules": "exit:7", "/etc/test/keel-net": "abort"}) as guest:
        picture = guest.wait(lambda s: s["stages"]["modules"]["state"] == "failed" and
                             s["stages"]["net"]["state"] == "failed", "both stages failed")
        check("ended with status 7" in picture["stages"]["modules"]["reason"], picture["stages"]["modules"])
        check("killed by signal 6" in picture["stages"]["net"]["reason"], picture["stages"]["net"])
        guest.wait_service("a.service", "active")


@scenario("a late disk: the stage fails, is done later, and only then what requires it starts")
def late_disk(_test):
    with Guest(units={"engine.service": unit("event:engine ready sleep", unit_keys="Requires=local-fs.target"),
                      "other.service": unit("event:other ready sleep")},
               files={"/etc/test/keel-disk": "fifo:/run/disk report:running:looking report:failed:no_disk "
                                             "await:/run/disk event:disk report:done:found"}) as guest:
        picture = guest.wait(lambda s: s["stages"]["disk"]["state"] == "failed" and
                             s["services"]["other.service"]["state"] == "active", "the disk stage failed")
        check(picture["stages"]["disk"]["reason"] == "no disk", picture["stages"]["disk"])
        check(picture["services"]["engine.service"]["state"] == "waiting", picture["services"]["engine.service"])
        guest.release("/run/disk")
        picture = guest.wait(lambda s: s["services"]["engine.service"]["state"] == "active", "the engine is up")
        check(picture["stages"]["disk"]["state"] == "done", picture["stages"]["disk"])
        check(guest.event_names() == ["other", "disk", "engine"], guest.event_names())


@scenario("a failed network or module stage holds nobody back")
def degraded_stages(_test):
    with Guest(units={"a.service": unit("ready sleep", unit_keys="Requires=network-online.target "
                                        "systemd-modules-load.service\nAfter=network-online.target")},
               files={"/etc/test/keel-modules": "report:failed:no_modules",
                      "/etc/test/keel-net": "report:failed:no_lease"}) as guest:
        guest.wait_service("a.service", "active")
        picture = guest.snapshot()
        check(picture["boot"]["state"] == "degraded", picture["boot"])


@scenario("no unit files at all: PID 1 stays, says so, and powers off")
def no_units(_test):
    with Guest() as guest:
        picture = guest.wait(lambda s: s["stages"]["services"]["state"] == "failed", "boot ends")
        check(picture["services"] == {}, picture["services"])
        check(picture["boot"]["state"] == "degraded" and
              picture["boot"]["reason"].startswith("no unit can be started"), picture["boot"])
        check("no unit files" in guest.log_text(), guest.log_text())
        check(guest.request(7) == 0, "power-off accepted")
        check(guest.wait_end() == "signal 2", guest.end_line)


@scenario("a broken keel.conf is a warning with file and line, not a failed boot")
def broken_config(_test):
    with Guest(units={"a.service": unit("ready sleep")},
               files={"/etc/keel/keel.conf": "[disk]\ndata = LABEL=ok\nwait = soon\n[nonsense]\nx = y\n???\n"}) as guest:
        guest.wait_service("a.service", "active")
        log = guest.log_text()
        check("/etc/keel/keel.conf:3: bad value \"soon\"" in log, log)
        check("/etc/keel/keel.conf:5: unknown key nonsense.x" in log, log)
