"""What is left to the agent of root's rights once it serves, and what happens when it is made to do what it may not."""
import contextlib
import os
import re
import resource
import socket
import time

import ptrace
from engine import IMAGE, EngineGuest, data_disk, unavailable
from harness import check, equal, scenario

AGENT = "keel-agent.service"
# x86-64's numbers (asm/unistd_64.h). That all others of their kind are refused as well: tests/unit/test_sandbox.c.
FORBIDDEN = {"execve": {"rax": 59, "rdi": 0, "rsi": 0, "rdx": 0}, "mount": {"rax": 165},
             "socket of the network": {"rax": 41, "rdi": 2, "rsi": 1, "rdx": 0}}
# Whoever could set this could go on after a forbidden call: it ends the agent at once, without a word.
SILENT = {"rt_sigaction of SIGSYS": {"rax": 13, "rdi": 31, "rsi": 0, "rdx": 0, "r10": 8}}


def agent(guest):
    return guest.outside_pid(guest.snapshot()["services"][AGENT]["pid"])


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def make_call(pid, registers):
    """The agent sleeps in epoll_wait: the instruction before the present one is `syscall`."""
    with ptrace.stopped(pid) as now:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(now.rip - 2)
            equal(memory.read(2), b"\x0f\x05", "the instruction that it sleeps in")
        now.rip -= 2
        for name, value in registers.items():
            setattr(now, name, value)


def log_of(guest):
    return guest.api("/v1/logs/keel-agent")[1].decode()


def answers(guest):
    try:
        return guest.api("/livez")[0] == 200
    except OSError:
        return False


def end_by(guest, what, registers):
    """Makes the agent do that; how long there was no API, in seconds, and what PID 1 says of its end."""
    before = guest.snapshot()["services"][AGENT]
    make_call(guest.outside_pid(before["pid"]), registers)
    start = time.monotonic()
    guest.wait(lambda s: s["services"][AGENT]["restarts"] == before["restarts"] + 1 and
               s["services"][AGENT]["state"] == "active", f"{what}: the agent is back")
    guest.retry(lambda: answers(guest), f"{what}: the API answers")
    gap = time.monotonic() - start
    check("killed by signal 31 (" in guest.log_text(), guest.log_text())
    return gap


@scenario("sandbox: a system call that is not in the table ends the agent, which says which; it comes back, and neither "
          "dockerd nor a container notices", deadline=300, skip=lambda: unavailable() or ptrace.possible())
def forbidden(test):
    with data_disk() as disk, EngineGuest(disk, seconds=200) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.docker("run", "-d", "--name", "alive", "--network", "none", IMAGE, "/busybox", "sleep", "1000")
        container = guest.docker("inspect", "-f", "{{.State.Pid}} {{.RestartCount}}", "alive")
        engine = {name: guest.snapshot()["services"][name]["pid"] for name in ("docker.service", "containerd.service")}
        gaps = {}
        for what, registers in {**FORBIDDEN, **SILENT}.items():
            with test.step(what):
                gaps[what] = end_by(guest, what, registers)
                line = f"system call {registers['rax']} is not allowed"
                equal(line in log_of(guest), what not in SILENT, line)
        print(f"# without the API for {max(gaps.values()) * 1000:.0f} ms at most", flush=True)
        check(min(gaps.values()) < 1, gaps)  # PID 1 pauses longer from death to death
        with test.step("the engine has not noticed"):
            equal({name: guest.snapshot()["services"][name]["pid"] for name in engine}, engine, "the engine's processes")
            equal(guest.docker("inspect", "-f", "{{.State.Pid}} {{.RestartCount}}", "alive"), container, "the container")
        with test.step("health says why it was restarted"):
            service = {s["name"]: s for s in guest.api("/v1/health")[1]["services"]}[AGENT]
            equal(service["restarts"], len(gaps), "restarts")


def mounts(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return {fields[4]: fields[5].split(",") for fields in map(str.split, file)}


def fails(error, function, *args):
    try:
        function(*args)
    except OSError as found:
        equal(found.errno, error, f"{args}: {found}")
        return
    raise AssertionError(f"{args}: that is possible")


def is_sent_away(client):
    """Whether it is closed instead of answered."""
    client.settimeout(10)
    try:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: keel\r\n\r\n")
        return client.recv(4096) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def run_out_of_descriptors(guest, pid):
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    last = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    sent_away = 0
    with contextlib.ExitStack() as held:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (last + 1, limits[1]))
        held.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, limits)
        for _ in range(200):  # the first ones take what is free below the limit
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(guest.path("/run/keel/api.sock"))
            sent_away += is_sent_away(client)
            if sent_away == 3:
                break
        equal(sent_away, 3, "clients sent away")
    guest.retry(lambda: answers(guest), "the API answers")
    guest.retry(lambda: "out of descriptors: closed a new connection" in log_of(guest), "the log says so")
    equal(agent(guest), pid, "the agent")


@scenario("sandbox: what the agent has left: two capabilities, a read-only view without data and devices, one helper with the rest",
          deadline=180, skip=unavailable)
def rights(test):
    with data_disk() as disk, EngineGuest(disk, seconds=120) as guest:
        guest.wait_ready()
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
        pid = agent(guest)
        with test.step("capabilities, privileges, filter"):
            found = status(pid)
            allowed = (1 << 10 | 1 << 25)  # NET_BIND_SERVICE, SYS_TIME (which the lab may have taken from all)
            for name in ("CapPrm", "CapEff", "CapBnd"):
                value = int(found[name], 16)
                check(value & ~allowed == 0 and value & 1 << 10, f"{name}: {value:#x}")
            for name in ("CapInh", "CapAmb"):
                equal(int(found[name], 16), 0, name)
            equal((found["NoNewPrivs"], found["Seccomp"], found["Seccomp_filters"]), ("1", "2", "1"), "privileges")
        with test.step("its view"):
            view = mounts(pid)
            writable = {point for point, options in view.items() if "rw" in options}
            check(writable <= {"/run/keel", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"}, writable)
            check(all({"nodev", "nosuid", "noexec"} <= set(options) for options in view.values()), view)
            check(not any(point.startswith(("/data", "/var", "/dev")) for point in view), view)
            root = f"/proc/{pid}/root"
            for path in ("/etc/passwd", "/usr/bin/x", "/run/x", "/x", "/run/keel/log/x"):
                fails(30, os.open, root + path, os.O_WRONLY | os.O_CREAT)  # EROFS
            fails(30, os.open, f"{root}/proc/sys/kernel/core_pattern", os.O_WRONLY)
            equal(os.listdir(f"{root}/data"), [], "the data disk")
            check(not os.path.exists(f"{root}/dev/null") and os.path.exists(f"{root}/run/docker.sock"), "devices, sockets")
        with test.step("nothing that is open leads out of it"):
            own = os.stat(f"/proc/{pid}/ns/mnt").st_ino
            check(own != os.stat(f"/proc/{guest.pid}/ns/mnt").st_ino, "a mount namespace of its own")
            devices = {os.stat(f"{root}{point}").st_dev for point in view}
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.path.isdir(f"/proc/{pid}/fd/{fd}"):
                    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                        mount = re.search(r"mnt_id:\t(\d+)", file.read())[1]
                    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
                        check(mount in {line.split()[0] for line in file}, f"descriptor {fd} is of another view {devices}")
        with test.step("an address that it could not open in there is refused at its start"):
            for option in ("--report", "--docker"):
                equal(guest.run("/usr/lib/keel/keel-agent", option, "tcp:127.0.0.1:1", check=False)[0], 2, option)
        with test.step("out of descriptors it sends clients away, one after the other, and stays"):
            run_out_of_descriptors(guest, pid)
        with test.step("the runner has PID 1's view and rights, and ends with it"):
            children = [outside for outside, name, _state, parent in guest.processes().values()
                        if name == "agent-runner"]
            equal(len(children), 1, "runners")
            equal(os.stat(f"/proc/{children[0]}/ns/mnt").st_ino, os.stat(f"/proc/{guest.pid}/ns/mnt").st_ino, "its mounts")
            os.kill(children[0], 9)
            before = guest.snapshot()["services"][AGENT]
            guest.wait(lambda s: s["services"][AGENT]["restarts"] == before["restarts"] + 1 and
                       s["services"][AGENT]["state"] == "active", "another agent with another runner")
            guest.retry(lambda: answers(guest), "the API answers")
