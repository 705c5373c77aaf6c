"""The real daemons under the stand-in for WSL's launcher."""
import os

import engine
import harness
from profiles import by_profile, single
from wsl_guest import WslGuest

TRAP = "trap 'echo bye >/v/bye; exit 0' TERM; echo up >/v/up; while :; do /busybox usleep 100000; done"


@by_profile("wsl -t with a running container", profiles=("2.6", "2.9", "head"), deadline=90)
def container(t, profile):
    engine.skip_without_engine()
    with engine.data_disk() as disk, WslGuest(disk, profile=profile, engine=True, seconds=75) as guest:
        guest.boot()
        guest.wait_ready()
        with t.step("a shell does not wait for the engine"):
            ready = guest.snapshot()["services"]["docker.service"]["ready_us"]
            harness.check(guest.found("session-exec")[0].time < ready, (ready, guest.events))
        guest.import_image()
        for kind in (False, True):
            with t.step(f"/data is seen, elevated={kind}"):
                harness.contains(guest.session("cat", "/proc/self/mounts", elevated=kind)[1], f"{disk.device} /data ext4")
        with t.step("the agent has its whole sandbox"):
            log = guest.session("keelctl", "logs", "keel-agent")[1]
            harness.check("sandbox" not in log and "not allowed" not in log, log)
            pid = guest.session("systemctl", "show", "-p", "MainPID", "--value", "keel-agent.service")[1].strip()
            harness.contains(guest.session("cat", f"/proc/{pid}/status", elevated=True)[1], "Seccomp:\t2\n")
            view = guest.session("cat", f"/proc/{pid}/mountinfo", elevated=True)[1]
            harness.check(" /data " not in view and " /run/keel rw," in view, view)
        with t.step("docker works in a session"):
            guest.session("docker", "volume", "create", "vol")
            guest.session("docker", "run", "-d", "-v", "vol:/v", engine.IMAGE, "/busybox", "sh", "-c", TRAP)
            volume = "/data/docker/volumes/vol/_data"
            guest.retry(lambda: guest.session("cat", f"{volume}/up", check=False)[0] == 0, "the container is up")
        with t.step("it ends by itself, within initTimeout"):
            harness.equal(guest.terminate(), "poweroff")
            harness.equal(guest.found("poweroff-timeout") + guest.found("watcher-fired"), [])
            t.note(f"{profile}: wsl -t with a container "
                   f"{(guest.found('ended')[0].time - guest.found('terminate')[0].time) / 1000:.0f} ms")
        with t.step("the data disk was unmounted"):
            status, output = disk.check()
            harness.equal(status, 0, output)
            harness.check("recover" not in output, output)
        with t.step("the container was told"):
            harness.contains(disk.cat("docker/volumes/vol/_data/bye"), "bye")


@single("without boot.systemd [boot] command starts keel, the engine works, and again after wsl -t", deadline=90)
def fall_back(t):
    engine.skip_without_engine()
    with engine.data_disk("512M") as disk, WslGuest(disk, engine=True, options=["--no-systemd"], seconds=75) as guest:
        with t.step("PID 1 is WSL's, a session starts at once"):
            harness.equal(guest.session("cat", "/proc/1/comm")[1], "init(docker-desktop)"[:15] + "\n")
            guest.session("true", elevated=True)  # most likely before there is a data disk
            harness.equal(guest.found("is-system-running"), [])
        guest.retry(lambda: os.path.exists(guest.path("/run/keel/control")), "keel answers")
        guest.wait_ready()
        guest.import_image()
        for kind in (False, True):
            with t.step(f"what keel mounts is seen, docker and systemctl answer, elevated={kind}"):
                harness.contains(guest.session("cat", "/proc/self/mounts", elevated=kind)[1], f"{disk.device} /data ext4")
                harness.contains(guest.session("docker", "image", "ls", elevated=kind)[1], engine.IMAGE)
                harness.equal(guest.session("systemctl", "is-active", "docker", elevated=kind)[1], "active\n")
        with t.step("wsl -t kills all"):
            harness.equal(guest.terminate(), "poweroff")
        with t.step("and the next session starts it again, with all it had"):
            guest.session("true")
            guest.retry(lambda: os.path.exists(guest.path("/run/keel/control")), "keel answers")
            guest.wait_ready()
            harness.contains(guest.session("docker", "image", "ls")[1], engine.IMAGE)
