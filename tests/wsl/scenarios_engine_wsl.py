"""The real daemons under the stand-in for WSL's launcher."""
import engine
import harness
from profiles import by_profile
from wsl_guest import WslGuest

TRAP = "trap 'echo bye >/v/bye; exit 0' TERM; echo up >/v/up; while :; do /busybox usleep 100000; done"


@by_profile("wsl -t with a running container", profiles=("2.6", "2.9", "head"), deadline=90)
def container(t, profile):
    engine.skip_without_engine()
    with engine.data_disk() as disk, WslGuest(disk, profile=profile, engine=True, seconds=75) as guest:
        guest.boot()
        with t.step("a shell does not wait for the engine"):
            harness.check(guest.found("session-exec")[0].time - guest.found("exec-init")[0].time < 1_000_000, guest.events)
        guest.wait_ready()
        guest.import_image()
        for kind in (False, True):
            with t.step(f"/data is seen, elevated={kind}"):
                harness.contains(guest.session("cat", "/proc/self/mounts", elevated=kind)[1], f"{disk.device} /data ext4")
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
