# SPDX-License-Identifier: MIT
"""Faults that need a machine of its own: its clock, all of its memory, all of its processes, kill -9 of anything.

One guest goes through all of it. Under emulation everything takes its time: deadlines are wide, what is demanded is
that PID 1 stays the same process with the same memory, answers, and that the engine is ready again by itself.
KEEL_VM_STORM_SECONDS (default 60) is how long the storm takes.
"""
import contextlib
import json
import os
import threading
import time

import harness
from guests import AGENT_PID, IMAGE, data_file, docker, health, import_image, must, sh, up, vm
from harness import check, scenario

STORM = int(os.environ.get("KEEL_VM_STORM_SECONDS", "60"))
READY_SECONDS = 180
SERVICES = ("keel-agent.service", "containerd.service", "docker.service")
HOG = "tail /dev/zero"  # keeps the last line, which never ends, in memory

# Kills a random process every few seconds: not PID 1, not the kernel's, not the lab's shell that runs this. Slower
# than any start limit. Prints the names.
KILLER = """
end=$(($(cut -d. -f1 /proc/uptime) + %d))
while [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do
    set --
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        [ $pid -gt 1 ] && [ -n "$(tr -d '\\0' <$dir/cmdline)" ] || continue
        grep -q user.slice $dir/cgroup || grep -q '/user/' $dir/cgroup || set -- "$@" $pid
    done 2>/dev/null
    [ $# -gt 0 ] || continue
    shift $((RANDOM %% $#))
    read -r name </proc/$1/comm && kill -9 $1 && echo $name
    sleep 3
done 2>/dev/null
"""


def pid1(guest):
    """What stays as it is: start time, and where it can write."""
    return sh(guest, "cut -d' ' -f22 /proc/1/stat; grep ' .w' /proc/1/maps | cut -d' ' -f1,2")


def restarts(guest):
    return {service["name"]: service["restarts"] for service in health(guest)["services"]}


def ready_again(guest):
    harness.retry_until(READY_SECONDS, lambda: vm("health", guest, seconds=30).returncode == 0, "ready again")


def answers(guest):
    """How long PID 1 takes for an answer to a program in the guest, measured there (ms)."""
    before, after = sh(guest, "read a b </proc/uptime; systemctl is-system-running >/dev/null; echo $a; "
                              "read a b </proc/uptime; echo $a").split()
    return round((float(after) - float(before)) * 1000)


def jump_clock(guest):
    before = restarts(guest)
    now = time.time()
    for seconds in (10 * 365 * 86400, -10 * 365 * 86400, 0):
        sh(guest, f"date -u -s @{int(now + seconds)}")
        answers(guest)
        docker(guest, "run", "--rm", IMAGE, "/bin/true")
    check(restarts(guest) == before, f"restarts {before} -> {restarts(guest)}")
    # A timer that was armed before the jump and one that is armed after it.
    sh(guest, "kill -9 $(pidof keel-agent); date -u -s @0")
    ready_again(guest)
    sh(guest, f"date -u -s @{int(time.time())}")
    check(restarts(guest)["keel-agent.service"] == before["keel-agent.service"] + 1, restarts(guest))


def eat(guest, *command):
    """Runs what eats memory until it is killed; the longest that PID 1 took for an answer meanwhile."""
    results, slowest = [], 0
    eater = threading.Thread(target=lambda: results.append(vm(*command, seconds=180)))
    eater.start()
    while eater.is_alive():
        with contextlib.suppress(harness.Failure, ValueError):  # the shell that asks may be out of memory itself
            slowest = max(slowest, answers(guest))
    check(results and results[0].returncode != 0, f"{command} ate all memory and lives")
    return slowest


def use_up_memory(test, guest):
    before = restarts(guest)
    slowest = max(eat(guest, "sh", guest, HOG),
                  eat(guest, "docker", guest, "run", "--rm", IMAGE, "/bin/busybox", *HOG.split()))
    check(slowest < 20000, f"an answer took {slowest} ms")
    ready_again(guest)
    killed = sh(guest, "dmesg | grep -c 'Out of memory\\|oom-kill' || true").strip()
    check(int(killed) > 0, "memory was never short")
    docker(guest, "run", "--rm", IMAGE, "/bin/true")
    test.note(f"VM: memory used up by a process and by a container; restarts {before} -> {restarts(guest)}, "
              f"slowest answer meanwhile {slowest} ms")


def use_up_processes(guest):
    before = restarts(guest)
    # One shell: after the first line nobody can start a process. The read ends by its timeout.
    sh(guest, f"pid={AGENT_PID}; max=$(cat /proc/sys/kernel/threads-max); mkfifo /tmp/wait; exec 9<>/tmp/wait; "
              "echo 20 >/proc/sys/kernel/threads-max; kill -9 $pid; read -t 5 x <&9; "
              "echo $max >/proc/sys/kernel/threads-max; rm /tmp/wait")
    ready_again(guest)
    log = sh(guest, "dmesg")
    check("keel-agent.service: backoff: cannot run /usr/lib/keel/keel-agent: Resource temporarily unavailable" in log,
          "no start was refused")
    check(restarts(guest)["keel-agent.service"] > before["keel-agent.service"] + 1, "it was tried more than once")


def storm(test, guest):
    names = sh(guest, KILLER % STORM, seconds=STORM + 120).split()
    check(len(names) >= STORM / 10, f"only {names}")
    ready_again(guest)
    harness.retry_until(READY_SECONDS, lambda: docker(guest, "run", "--rm", IMAGE, "/bin/echo", "well") == "well\n",
                        "a container runs")
    zombies = sh(guest, "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l").strip()
    check(zombies == "0", f"{zombies} zombies")
    test.note(f"VM: {len(names)} kills in {STORM} s: {' '.join(names)}")


@scenario("a guest's clock, memory, processes and daemons", deadline=900)
def faults(t):
    guest = "faults"
    up(t, guest, "--data", data_file(t), "--data-size", "4G", "--mem", "1G")
    import_image(guest)
    before = pid1(guest)
    with t.step("the clock jumps ten years ahead, ten back and to 1970: nothing restarts, timers go on"):
        jump_clock(guest)
    with t.step("no process can be made: the agent comes back when it can"):
        use_up_processes(guest)
    with t.step("memory is used up, outside and in a container: the engine is ready again"):
        use_up_memory(t, guest)
    with t.step("kill -9 of anything while a container runs"):
        docker(guest, "run", "-d", "--name", "load", "--restart", "always", IMAGE, "/bin/sh", "-c",
               "while :; do /bin/ls / >/dev/null; done")
        storm(t, guest)
    with t.step("PID 1 is the same, its memory did not grow, shutdown is clean"):
        check(pid1(guest) == before, f"{before} -> {pid1(guest)}")
        check(json.loads(must("api", guest, "GET", "/v1/health"))["ready"], "ready")
        must("down", guest, "--deadline", "90")
