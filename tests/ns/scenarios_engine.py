"""The real thing at native speed: the shipped root file system, real containerd and dockerd, a real ext4."""
import json
import os
import subprocess
import sys

from engine import IMAGE, EngineGuest, data_disk, unavailable
from guest import TOP
from harness import check, scenario

POWEROFF = 7


@scenario("engine: boots from the data disk, runs a container, reports health, unmounts cleanly",
          deadline=180, skip=unavailable)
def whole_story(test):
    with data_disk() as disk, EngineGuest(disk) as guest:
        with test.step("containerd and dockerd are started in parallel and say READY=1"):
            picture = guest.wait_ready()
            execs = [picture["services"][name]["exec_us"] for name in ("containerd.service", "docker.service")]
            check(abs(execs[0] - execs[1]) < 20000, f"exec times {execs}")
            for name in ("containerd.service", "docker.service"):
                service = picture["services"][name]
                check(service["ready_us"] > service["exec_us"] and service["restarts"] == 0, service)
        with test.step("the data disk is mounted where Docker's data lives"):
            record = picture["disk"]
            check(record["state"] == "mounted" and record["device"] == disk.device and
                  record["label"] == disk.label, record)
            mounts = {line.split()[1]: line.split()[0] for line in guest.read("/proc/1/mounts").splitlines()}
            for point in ("/data", "/var/lib/docker", "/var/lib/containerd"):
                check(mounts.get(point) == disk.device, f"{point} is {mounts.get(point)}")
        with test.step("health says ready"):
            check_health(guest)
        with test.step("a container runs, in the guest's own control group"):
            run_container(guest)
        with test.step("keelctl and systemctl answer inside"):
            check_clients(guest)
        with test.step("shutdown is clean: dockerd before containerd, the disk unmounted, e2fsck has nothing to say"):
            check(guest.request(POWEROFF) == 0, "accepted")
            check(guest.wait_end() == "signal 2", guest.end_line)
            log = guest.log_text()
            order = [log.index(f"{name}: inactive") for name in
                     ("docker.service", "containerd.service", "keel-agent.service")]
            check(order == sorted(order), log)
            check("powering off" in log and "busy" not in log, log)
            status, output = disk.check()
            check(status == 0 and "recovering journal" not in output, f"{status}\n{output}")


def check_health(guest):
    status, health = guest.api("/v1/health")
    guest.retry(lambda: guest.api("/v1/health")[0] == 200, f"ready, not {status} {health}")
    _, health = guest.api("/v1/health")
    check(health["ready"] is True and health["schema"] == 1 and health["mode"] == "wsl", health)
    check(health["disk"]["state"] == "mounted", health["disk"])
    check(health["engine"]["state"] in ("ready", "up", "running"), health["engine"])
    check({s["name"]: s["state"] for s in health["services"]}["docker.service"] == "active", health["services"])
    check(guest.api("/livez")[0] == 200 and guest.api("/readyz")[0] == 200, "livez and readyz")


def run_container(guest):
    guest.import_image()
    _, out, _ = guest.docker("run", "--rm", IMAGE, "/busybox", "sh", "-c", "/busybox echo hello; /busybox id -u")
    check(out == "hello\n0\n", repr(out))
    code, out, _ = guest.docker("run", "--rm", "-i", IMAGE, "/busybox", "sh", "-c", "/busybox cat; exit 7",
                                stdin=b"through stdin", check=False)
    check((code, out) == (7, "through stdin"), f"{code} {out!r}")
    guest.docker("run", "-d", "--name", "stays", IMAGE, "/busybox", "sleep", "1000")
    _, pid, _ = guest.docker("inspect", "-f", "{{.State.Pid}}", "stays")
    group = guest.read(f"/proc/{pid.strip()}/cgroup")
    check("/base/containers/" in group, group)
    _, out, _ = guest.docker("exec", "stays", "/busybox", "cat", "/proc/1/cmdline")
    check(out == "/busybox\0sleep\0" + "1000\0", repr(out))
    guest.docker("rm", "-f", "stays")


def check_clients(guest):
    code, out, error = guest.run("keelctl", "status", check=False)
    check(code == 0 and "docker" in out, f"{code} {out} {error}")
    check(guest.run("keelctl", "wait", "ready", check=False)[0] == 0, "keelctl wait ready")
    _, lines, _ = guest.run("keelctl", "logs", "docker", "-n", "3")
    check(len(lines.splitlines()) == 3 and all(" level=" in line for line in lines.splitlines()), lines)
    _, lines, _ = guest.run("journalctl", "-eu", "containerd", "-o", "cat")
    check(" level=" in lines, lines)
    code, out, _ = guest.run("systemctl", "is-system-running", check=False)
    # Degraded on a host whose controllers are all in cgroup v1.
    check(out.strip() in ("running", "degraded"), out)
    check(guest.run("systemctl", "is-active", "docker.service", check=False)[0] == 0, "systemctl is-active")


@scenario("engine: systemctl poweroff with running containers: exit 0 at once, containers end by SIGTERM",
          deadline=180, skip=unavailable)
def poweroff_with_containers(_test):
    with data_disk() as disk, EngineGuest(disk) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.docker("run", "-d", "-v", "/var/test:/out", IMAGE, "/busybox", "sh", "-c",
                     "trap '/busybox echo stopped > /out/container; exit 0' TERM; while :; do /busybox sleep 0.1; done")
        code, _, error = guest.run("systemctl", "poweroff", check=False)
        check(code == 0, error)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.kept("/var/test/container") == "stopped\n", "the container got SIGTERM and had time")
        check(not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "WSL's init was left alone")
        status, output = disk.check()
        check(status == 0, output)


@scenario("engine: images and containers are there again after a restart of the guest", deadline=180, skip=unavailable)
def data_survives(_test):
    with data_disk() as disk:
        with EngineGuest(disk) as guest:
            guest.wait_ready()
            guest.import_image()
            guest.docker("run", "--name", "left", IMAGE, "/busybox", "sh", "-c", "/busybox echo kept > /file")
            # No shutdown: the guest is gone at once, as in a crash.
        with EngineGuest(disk) as guest:
            guest.wait_ready()
            _, out, _ = guest.docker("cp", "left:/file", "-")
            check("kept" in out, out)
            _, out, _ = guest.docker("run", "--rm", IMAGE, "/busybox", "echo", "again")
            check(out == "again\n", out)


# ---- restarts and the way down ---------------------------------------------------------------------

# A container that tells in a volume which signal ended it, and takes a moment for it.
TELL = ("trap 'echo {0} > /v/{0}; /busybox sleep 0.5; echo done >> /v/{0}; exit 0' {0}; echo up > /v/up; "
        "while :; do /busybox sleep 0.1; done")


def run_teller(guest, name, sig, *options):
    guest.docker("run", "-d", "--name", name, "--stop-signal", sig, "-v", f"/var/test/{name}:/v", *options, IMAGE,
                 "/busybox", "sh", "-c", TELL.format(sig.removeprefix("SIG")))
    guest.retry(lambda: guest.kept(f"/var/test/{name}/up"), f"{name} is up")


@scenario("containers outlive a restart, a reload and a crash of dockerd; a shutdown stops them with their own signals, "
          "and unless-stopped ones are up after the next boot", deadline=240, skip=unavailable)
def live_restore(test):
    with data_disk() as disk:
        with EngineGuest(disk, seconds=90) as guest:
            guest.wait_ready()
            guest.import_image()
            run_teller(guest, "usr1", "SIGUSR1", "--restart", "unless-stopped")
            run_teller(guest, "quit", "SIGQUIT")
            pids = {name: guest.docker("inspect", "-f", "{{.State.Pid}}", name)[1].strip() for name in ("usr1", "quit")}
            for words in (("restart", "docker"), ("reload", "docker"), ("restart", "containerd")):
                with test.step(f"systemctl {' '.join(words)}: the containers go on"):
                    guest.run("systemctl", *words)
                    for name, pid in pids.items():
                        guest.retry(lambda n=name, p=pid: guest.docker("inspect", "-f", "{{.State.Pid}}", n,
                                                                       check=False)[1].strip() == p, "the same process")
                        check(not guest.kept(f"/var/test/{name}/{'USR1' if name == 'usr1' else 'QUIT'}"), "no signal")
            with test.step("power off: each got its own signal and its time"):
                check(guest.request(POWEROFF) == 0, "accepted")
                check(guest.wait_end() == "signal 2", guest.end_line)
                for name, sig in (("usr1", "USR1"), ("quit", "QUIT")):
                    check(guest.kept(f"/var/test/{name}/{sig}") == f"{sig}\ndone\n",
                          f"{name}: {guest.kept(f'/var/test/{name}/{sig}')!r}\n" + guest.log_text())
        device = subprocess.run(["losetup", "-f", "--show", disk.path], check=True, capture_output=True,
                                text=True).stdout.strip()
        disk.device = device
        with test.step("after the next boot the unless-stopped one is up, the other is not"), \
                EngineGuest(disk, seconds=60) as guest:
            guest.wait_ready()
            state = {name: guest.docker("inspect", "-f", "{{.State.Running}}", name)[1].strip() for name in ("usr1", "quit")}
            check(state == {"usr1": "true", "quit": "false"}, state)


def packaged_units():
    """The unit files as Debian's packages of the engine ship them for systemd."""
    sys.path.append(f"{TOP}/image-build/pack")
    import deb  # the packer's reader
    listing = subprocess.run([f"{TOP}/image-build/fetch", "--list", "engine"], check=True, capture_output=True,
                             text=True).stdout
    units = {}
    for line in listing.splitlines():
        _, path, name, *_ = line.split()
        if name in ("docker.io", "containerd"):
            files = deb.read_files(path, lambda p: p.endswith((".service", ".socket")) and "/systemd/system/" in p)
            units |= {os.path.basename(p): text.decode() for p, text in files.items()}
    return units


@scenario("the packages' own docker.service, docker.socket and containerd.service run as they are", deadline=180,
          skip=unavailable)
def packaged(_test):
    units = packaged_units()
    check({"docker.service", "docker.socket", "containerd.service"} <= set(units), sorted(units))
    check("fd://" in units["docker.service"], units["docker.service"])
    with data_disk() as disk:
        guest = EngineGuest(disk, files={f"/etc/keel/units/{name}": text for name, text in units.items()})
        for path in ("usr/sbin/dockerd", "usr/bin/containerd"):
            if not os.path.exists(f"{guest.lower}/{path}"):
                os.makedirs(os.path.dirname(f"{guest.dir}/upper/{path}"), exist_ok=True)
                os.symlink(f"/usr/bin/{os.path.basename(path)}", f"{guest.dir}/upper/{path}")
        with guest:
            guest.wait_ready()
            guest.import_image()
            check(guest.docker("run", "--rm", IMAGE, "/busybox", "echo", "hello")[1] == "hello\n", "a container runs")
            log = guest.log_text()
            warnings = [line for line in log.splitlines() if "/etc/keel/units/" in line]
            check(not warnings, warnings)
            info = json.loads(guest.docker("version", "--format", "json")[1])
            check(info["Server"]["Version"], info)
            guest.run("systemctl", "restart", "docker")
            check(guest.docker("ps")[0] == 0, "it answers at once: the socket was kept")
            check(guest.request(POWEROFF) == 0, "accepted")
            check(guest.wait_end() == "signal 2", guest.end_line)
