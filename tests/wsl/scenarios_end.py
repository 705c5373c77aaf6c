"""How a distro ends (README.md, section 3)."""
import harness
from profiles import by_profile, single
from wsl_guest import OTHER, WslGuest

WATCHED = ("2.9", "head")

SLOW = """[Service]
Type=exec
ExecStart=/bin/sh -c 'trap "usleep 700000; echo done >/var/test/stopped; exit 0" TERM; while :; do usleep 100000; done'
TimeoutStopSec=10
[Install]
WantedBy=multi-user.target
"""
# Stops when it is let go.
HELD = """[Service]
Type=exec
ExecStart=/bin/sh -c 'trap "until [ -e /run/go ]; do usleep 10000; done; echo done >/var/test/stopped; exit 0" TERM; while :; do usleep 100000; done'
TimeoutStopSec=20
[Install]
WantedBy=multi-user.target
"""


def let_go(guest):
    with open(guest.path("/run/go"), "w", encoding="ascii"):
        pass


def dead_systemctl(poweroff):
    """A systemctl whose poweroff does nothing and ends with this status."""
    return (f"#!/bin/sh\ncase $1 in poweroff) exit {poweroff};; is-system-running) echo running;; esac\nexit 0\n", 0o755)


@by_profile("wsl -t: poweroff is answered at once, services stop in peace, then the end")
def terminate(t, profile):
    with WslGuest(profile=profile, units={"held.service": HELD}) as guest:
        guest.boot()
        guest.wait_service("held.service", "active")
        asker = guest.ask_in_background("terminate")
        answered = guest.wait_event("poweroff-answered")
        with t.step("status 0, while a service still stops"):
            harness.equal(answered.values["status"], "0")
            harness.equal((guest.kept("/var/test/stopped"), guest.found("ended")), ("", []))
        let_go(guest)
        harness.equal(guest.wait_end(), "poweroff")
        asker.communicate(timeout=10)
        with t.step("the service had its time"):
            harness.equal(guest.kept("/var/test/stopped"), "done\n")
        with t.step("WSL's own processes were left alone until then"):
            harness.equal(guest.found("watcher-fired") + guest.found("poweroff-timeout"), [])


@by_profile("WSL's init is mortal while a distro ends: whoever signals it ends all")
def trap(t, profile):
    with WslGuest(profile=profile, units={"held.service": HELD}) as guest:
        guest.boot()
        guest.wait_service("held.service", "active")
        guest.kill(2, 15)
        with t.step("before that SIGTERM does nothing to it"):
            harness.equal(guest.session("echo", "alive")[1], "alive\n")
        asker = guest.ask_in_background("terminate")
        guest.wait_event("poweroff-answered")
        guest.kill(2, 15)
        if profile in WATCHED:
            guest.wait_event("watcher-fired")
            guest.wait_event("ended")
            with t.step("the service was cut off"):
                harness.equal(guest.kept("/var/test/stopped"), "")
        else:
            let_go(guest)
            guest.wait_event("ended")
            with t.step("without a watcher PID 1 goes on to its end"):
                harness.equal(guest.kept("/var/test/stopped"), "done\n")
        asker.communicate(timeout=10)


@by_profile("a poweroff that does nothing: WSL waits initTimeout, then powers off")
def no_poweroff(t, profile):
    with WslGuest(profile=profile, files={"/usr/bin/systemctl": dead_systemctl(0)},
                  options=["--init-timeout", "700"]) as guest:
        guest.boot()
        harness.equal(guest.terminate(), "poweroff")
        waited = guest.wait_event("ended").time - guest.wait_event("terminate").time
        with t.step("the wait"):
            harness.check(700_000 <= waited < 10_000_000, waited)
    with WslGuest(profile=profile, files={"/usr/bin/systemctl": dead_systemctl(1)},
                  options=["--init-timeout", "700"]) as guest:
        guest.boot()
        harness.equal(guest.terminate(), "poweroff")
        with t.step("one that fails: only newer versions wait"):
            harness.equal(bool(guest.found("poweroff-timeout")), profile in WATCHED)


@by_profile("WSL's init dies")
def init_dies(t, profile):
    with WslGuest(profile=profile) as guest:
        guest.boot()
        guest.kill(2)
        if profile in WATCHED:
            harness.equal(guest.wait_end(), "poweroff")
            with t.step("its watcher ends the distro"):
                harness.equal(len(guest.found("watcher-fired")), 1)
        else:
            with t.step("without a watcher PID 1 lives on"):
                guest.retry(lambda: guest.processes().get(2, (0, 0, "Z"))[2] == "Z", "PID 2 is dead")
                harness.check(guest.snapshot(), "PID 1 does not answer")
            with t.step("and reaps it"):
                guest.retry(lambda: 2 not in guest.processes(), "PID 2 is reaped")
                harness.equal(guest.hard_kill(), "killed-by-host")


@by_profile("wsl --shutdown: each distro in turn, then SIGKILL, sync, off")
def shutdown(t, profile):
    with WslGuest(profile=profile, plain=True, units={"slow.service": SLOW}) as guest:
        guest.boot()
        guest.wait_service("slow.service", "active")
        guest.session("true", distro=OTHER)
        harness.equal(guest.shutdown(), "off")
        guest.wait_event("vm-off", "-")
        with t.step("the order"):
            order = [event.name + ("" if event.distro == "-" else " " + event.distro) for event in guest.events
                     if event.name in ("terminate", "ended", "all-killed", "synced", "vm-off")]
            harness.equal(order, ["terminate docker-desktop", "ended docker-desktop", f"terminate {OTHER}",
                                  f"ended {OTHER}", "all-killed", "synced", "vm-off"])
        with t.step("ours ended in peace"):
            harness.equal(guest.kept("/var/test/stopped"), "done\n")


@single("wsl --shutdown --force ends all at once")
def force(t):
    with WslGuest(plain=True, units={"slow.service": SLOW}) as guest:
        guest.boot()
        guest.wait_service("slow.service", "active")
        harness.equal(guest.shutdown(force=True), "killed")
        with t.step("nobody was asked"):
            harness.equal(guest.found("poweroff-asked"), [])
            harness.equal(guest.kept("/var/test/stopped"), "")


@single("a hard kill, and the next start")
def hard_kill(t):
    with WslGuest() as guest:
        guest.boot()
        guest.session("sh", "-c", "echo kept >/var/test/kept; sync")
        harness.equal(guest.hard_kill(), "killed-by-host")
        with t.step("it boots again, what was synced is there"):
            harness.equal(guest.session("cat", "/var/test/kept")[1], "kept\n")
            harness.equal(guest.found("boot-timeout"), [])


@single("a hard kill during the start")
def kill_early(t):
    with WslGuest() as guest:
        client = guest.start_session("true")
        guest.wait_event("exec-init")
        harness.equal(guest.hard_kill(), "killed-by-host")
        client.communicate(timeout=10)
        with t.step("its client is told, the next start is a good one"):
            harness.equal(client.returncode, 255)
            harness.equal(guest.session("echo", "up")[1], "up\n")


@single("PID 1 that exits ends the distro")
def exits(t):
    del t
    with WslGuest(files={"/usr/sbin/init": ("#!/bin/sh\nusleep 200000\nexit 4\n", 0o755)},
                  options=["--init-timeout", "100"]) as guest:
        client = guest.start_session("sleep", "60")
        harness.equal(guest.wait_end(), "exit:4")
        client.communicate(timeout=10)


@single("a distro that does not end is killed by the host")
def host_gives_up(t):
    del t
    with WslGuest(files={"/usr/bin/systemctl": dead_systemctl(0)}, options=["--host-timeout", "500"]) as guest:
        guest.boot()
        harness.equal(guest.terminate(), "killed-by-host")
        guest.wait_event("host-gave-up")


@single("our end takes nothing from the other distros' /mnt/wsl")
def shared_mounts(t):
    with WslGuest(plain=True) as guest:
        guest.boot()
        guest.session("sh", "-c", "mkdir -p /mnt/wsl/theirs && mount -t tmpfs theirs /mnt/wsl/theirs && "
                      "echo kept >/mnt/wsl/theirs/file", distro=OTHER)
        with t.step("their mount is seen in ours"):
            harness.equal(guest.session("cat", "/mnt/wsl/theirs/file")[1], "kept\n")
        harness.equal(guest.terminate(), "poweroff")
        with t.step("and is theirs still after our power-off"):
            harness.equal(guest.session("cat", "/mnt/wsl/theirs/file", distro=OTHER)[1], "kept\n")
        with t.step("whoever unmounts there without making it a slave takes it from all"):
            guest.session("umount", "/mnt/wsl/theirs")
            harness.equal(guest.session("ls", "/mnt/wsl/theirs", distro=OTHER)[1], "")


@single("without systemd wsl -t kills without a word")
def no_systemd(t):
    with WslGuest(wsl_conf="[boot]\nsystemd=false\n") as guest:
        client = guest.start_session("sh", "-c", "trap 'echo term >/var/test/term; exit' TERM; echo up; while :; do usleep 100000; done")
        harness.equal(client.stdout.readline(), b"up\n")
        harness.equal(guest.terminate(), "poweroff")
        client.communicate(timeout=10)
        with t.step("no SIGTERM reached the session"):
            harness.equal(guest.kept("/var/test/term"), "")
