"""Faults with the real engine: killed daemons, a disk that is missing or comes late."""
import os
import signal
import subprocess

from engine import IMAGE, EngineGuest, data_disk, unavailable
from harness import check, scenario


def restarted(guest, name, before):
    return guest.wait(lambda s: s["services"][name]["state"] == "active" and
                      s["services"][name]["pid"] not in (0, before), f"{name} is up again")["services"][name]


@scenario("kill -9 of the agent, keel-log, containerd and dockerd: each is back, data lives on", deadline=180, skip=unavailable)
def killed_daemons(test):
    with data_disk() as disk, EngineGuest(disk) as guest:
        boot = guest.wait_ready()["boot"]
        guest.import_image()
        guest.docker("run", "-d", "--name", "stays", IMAGE, "/busybox", "sh", "-c",
                     "trap 'exit 0' TERM; while :; do /busybox sleep 0.1; done")
        _, pid, _ = guest.docker("inspect", "-f", "{{.State.Pid}}", "stays")
        for name in ("keel-agent.service", "keel-log.service", "containerd.service", "docker.service"):
            with test.step(f"{name} comes back, the container does not notice"):
                kill_and_wait(guest, name)
                check(guest.read(f"/proc/{pid.strip()}/cmdline").startswith("/busybox"), "the container's process")
                guest.retry(lambda: guest.docker("exec", "stays", "/busybox", "true", check=False)[0] == 0,
                            "docker exec works")
                check(guest.docker("inspect", "-f", "{{.State.Pid}}", "stays")[1] == pid, "the same process")
        with test.step("new containers run"):
            _, out, _ = guest.docker("run", "--rm", IMAGE, "/busybox", "echo", "again")
            check(out == "again\n", out)
        with test.step("health is ready again, PID 1 is the same"):
            guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
            check(boot["start_us"] == guest.snapshot()["boot"]["start_us"], boot)
        guest.docker("rm", "-f", "stays")


def kill_and_wait(guest, name):
    before = guest.snapshot()["services"][name]
    guest.kill(before["pid"])
    after = restarted(guest, name, before["pid"])
    check(after["restarts"] == before["restarts"] + 1, after)
    check(os.WTERMSIG(after["exit_status"]) == signal.SIGKILL, after)


@scenario("dockerd is stopped (SIGSTOP): health says so, and says ready again when it goes on",
          deadline=180, skip=unavailable)
def stopped_dockerd(_test):
    with data_disk() as disk, EngineGuest(disk, config="[health]\nprobe = 1\n") as guest:
        picture = guest.wait_ready()
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
        pid = picture["services"]["docker.service"]["pid"]
        guest.kill(pid, signal.SIGSTOP)
        guest.retry(lambda: guest.api("/readyz")[0] == 503, "not ready")
        _, health = guest.api("/v1/health")
        check(health["ready"] is False and health["reason"], health)
        guest.kill(pid, signal.SIGCONT)
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready again")


@scenario("the data disk is missing: the engine waits, the reason is told, and it starts when the disk comes",
          deadline=180, skip=unavailable)
def late_disk(test):
    with data_disk() as disk:
        subprocess.run(["losetup", "-d", disk.device], check=True)
        with EngineGuest(disk, config="wait = 1\n") as guest:
            with test.step("the stage fails with a reason after its deadline, the agent answers"):
                picture = guest.wait(lambda s: s["stages"]["disk"]["state"] == "failed" and
                                     s["services"]["keel-agent.service"]["state"] == "active", "the stage failed")
                check(disk.label in picture["stages"]["disk"]["reason"], picture["stages"]["disk"])
                for name in ("docker.service", "containerd.service"):
                    service = picture["services"][name]
                    check(service["state"] == "waiting" and service["exec_us"] == 0, service)
                status, health = guest.api("/v1/health")
                check(status == 503 and health["ready"] is False and health["reason"], health)
                check(not os.listdir(guest.path("/var/lib/docker")), "nothing was written where the disk belongs")
            with test.step("the disk comes: the engine starts by itself"):
                device = subprocess.run(["losetup", "-f", "--show", disk.path], check=True, capture_output=True,
                                        text=True).stdout.strip()
                try:
                    guest.wait_ready()
                    check(guest.snapshot()["disk"]["state"] == "mounted", "mounted")
                    guest.request(7)
                    check(guest.wait_end() == "signal 2", guest.end_line)
                finally:
                    subprocess.run(["losetup", "-d", device], check=False, stderr=subprocess.DEVNULL)
