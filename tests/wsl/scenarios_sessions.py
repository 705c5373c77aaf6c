"""Sessions: what a user of `wsl -d` gets, and what they leave to PID 1 (README.md, sections 2 and 7)."""
import os
import pty
import subprocess

import harness
from profiles import by_profile, single
from terminal import Terminal
from wsl_guest import WslGuest


def named(guest, name):
    return {pid: values for pid, values in guest.processes().items() if values[1].startswith(name)}


@by_profile("a session: user, shell, environment, status")
def session(t, profile):
    with WslGuest(profile=profile) as guest:
        guest.boot()
        with t.step("the login shell is called -sh, at home"):
            harness.equal(guest.session(stdin=b"echo $0 $PWD $USER\nexit 3\n", check=False)[:2], (3, "-sh /root root\n"))
        with t.step("an unknown user ends with 67"):
            harness.equal(guest.session("true", user="nosuch", check=False), (67, "", ""))
        with t.step("-e CMD prints nothing of its own, its status comes back"):
            harness.equal(guest.session("sh", "-c", "echo out; echo err >&2; exit 9", check=False), (9, "out\n", "err\n"))
        with t.step("of a signal the raw status comes back"):
            harness.equal(guest.session("sh", "-c", "kill -9 $$", check=False)[0], 9)
        with t.step("the working directory"):
            harness.equal(guest.session("pwd", directory="/tmp")[1], "/tmp\n")
        with t.step("the environment"):
            text = guest.session("env")[1].splitlines()
            for line in ("WSL_DISTRO_NAME=docker-desktop", "HOME=/root", "TERM=xterm-256color", "NAME=windows-pc",
                         "XDG_RUNTIME_DIR=/run/user/0" + ("/" if profile == "2.6" else "")):
                harness.check(line in text, f"{line}: {text}")
        with t.step("one login for all sessions of a user"):
            harness.equal(len(guest.found("login")), 1)


@single("elevated and plain sessions see what PID 1 mounts later")
def propagation(t):
    with WslGuest() as guest:
        guest.boot()
        guest.session("true", elevated=True)
        own = [os.readlink(f"/proc/{guest.pid}/ns/mnt")]
        own += [guest.session("readlink", "/proc/self/ns/mnt", elevated=kind)[1].strip() for kind in (False, True)]
        with t.step("the first kind shares PID 1's mount namespace, the second has a copy"):
            harness.check(own[0] == own[1] != own[2], own)
        guest.run("mkdir", "-p", "/opt/late")
        guest.run("mount", "-t", "tmpfs", "late", "/opt/late")
        for kind in (False, True):
            with t.step(f"a mount of later, elevated={kind}"):
                harness.contains(guest.session("cat", "/proc/self/mounts", elevated=kind)[1], "late /opt/late")
        guest.run("umount", "/opt/late")
        with t.step("and its end"):
            harness.check("/opt/late" not in guest.session("cat", "/proc/self/mounts", elevated=True)[1], "still there")


@single("a distro that an elevated session started")
def elevated_first(t):
    with WslGuest(options=["--elevated"]) as guest:
        guest.session("true", elevated=True)
        first, second = (guest.session("readlink", "/proc/self/ns/mnt", elevated=kind)[1].strip() for kind in (True, False))
        with t.step("its kind shares PID 1's mount namespace"):
            harness.equal(first, os.readlink(f"/proc/{guest.pid}/ns/mnt"))
            harness.check(second != first, second)


@single("a relay whose leader died falls to PID 1 and is reaped")
def relay(t):
    with WslGuest() as guest:
        guest.boot()
        held = guest.start_session("cat")
        guest.wait_event("session-exec", count=2)
        guest.retry(lambda: len(named(guest, "Relay")) == len(named(guest, "SessionLeader")) == 1, "one session is left")
        leader, = named(guest, "SessionLeader")
        relay_pid, = named(guest, "Relay")
        with t.step("leader below WSL's init, relay below the leader"):
            harness.equal([guest.processes()[leader][3], guest.processes()[relay_pid][3]], [2, leader])
        guest.kill(leader)
        guest.retry(lambda: guest.processes()[relay_pid][3] == 1, "the relay is PID 1's")
        with t.step("the session goes on"):
            output, _ = held.communicate(b"still here\n", timeout=10)
            harness.equal([output, held.returncode], [b"still here\n", 0])
        guest.retry(lambda: relay_pid not in guest.processes(), "the relay is reaped")


@single("what a session leaves running stays with its relay, then nobody")
def left_behind(t):
    with WslGuest() as guest:
        guest.boot()
        # The kernel hangs up the group of a shell that ends on a terminal of its own, whoever holds the other side.
        guest.session("sh", "-c", "trap '' HUP; sleep 77 >/dev/null 2>&1 </dev/null & echo")
        sleeper, = guest.retry(lambda: named(guest, "sleep"), "the child runs")
        guest.retry(lambda: not named(guest, "SessionLeader"), "the client and its leader are gone")
        with t.step("its parent is the relay"):
            processes = guest.processes()
            harness.check(processes[processes[sleeper][3]][1].startswith("Relay("), processes)
        guest.kill(sleeper)
        guest.retry(lambda: not named(guest, "sleep") and not named(guest, "Relay"), "sleep and relay are gone")
        with t.step("no zombies of PID 1"):
            guest.retry(lambda: not guest.zombies(), "all are reaped")


@single("a client that goes away hangs its command up")
def client_dies(t):
    del t
    with WslGuest() as guest:
        guest.boot()
        main, side = pty.openpty()
        client = subprocess.Popen(guest.words("sleep", "88", tty=True), stdin=side, stdout=side, stderr=side)
        guest.wait_event("session-exec", count=2)
        guest.retry(lambda: named(guest, "sleep"), "the command runs")  # before, it may not have its terminal yet
        client.kill()
        client.wait()
        guest.retry(lambda: not named(guest, "sleep") and not named(guest, "Relay"), "its command is gone")
        os.close(main)
        os.close(side)


@single("an interactive session is on a terminal of its user's")
def terminal(t):
    with WslGuest() as guest:
        guest.boot()
        with Terminal(guest.words(tty=True)) as person:
            person.expect("# ")
            with t.step("a pts of group 5"):
                text, status = person.ask("tty; stat -c %u:%g $(tty)")
                harness.contains(text, "/dev/pts/")
                harness.contains(text, "0:5")
                harness.equal(status, 0)
            person.type("exit 5\n")
            harness.equal(person.wait_end(), 5)


@single("a user's service that is not active is asked for until initTimeout, and the user is told")
def user_service(t):
    script = ("#!/bin/sh\ncase $1 in is-system-running) echo running;; is-active) echo inactive; exit 3;; esac\n", 0o755)
    with WslGuest(files={"/usr/bin/systemctl": script}, options=["--init-timeout", "600"]) as guest:
        status, output, errors = guest.session("echo", "here")
        with t.step("asked for every 250 ms, for that time"):
            answers = guest.found("user-service")
            pauses = [second.time - first.time for first, second in zip(answers, answers[1:])]
            harness.check(len(pauses) >= 2 and min(pauses) >= 250_000, answers)
            harness.check(answers[-1].time - guest.found("login")[0].time > 600_000, answers)
        with t.step("then the session starts, with a warning"):
            harness.equal((status, output), (0, "here\n"))
            harness.contains(errors, "no user session")


@single("a session of a stopped distro starts it again")
def again(t):
    with WslGuest() as guest:
        guest.boot()
        harness.equal(guest.terminate(), "poweroff")
        with t.step("elevated this time: PID 1 is of that kind"):
            guest.session("true", elevated=True)
            harness.equal(len(guest.found("exec-init")), 2)
            harness.equal(guest.session("cat", "/mnt/c/kind", elevated=True)[1], "elevated\n")
