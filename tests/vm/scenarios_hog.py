# SPDX-License-Identifier: MIT
"""Containers that take all they can get: memory, tmpfs, processes, page cache. Each is stopped in its own group, and
whoever asks the agent, dockerd or a shell meanwhile is answered.

How long the agent takes is noted with its ratio to the same question to the idle guest: emulated CPUs are about ten
times slower than real ones and are shared with QEMU's own threads, so that the bounds here are wide.
"""
import contextlib
import json
import threading
import time

import harness
import machine
import vsock
from guests import IMAGE, ask, data_file, docker, health, import_image, must, sh, up, vm
from harness import check, contains, equal, scenario

HOG = "tail /dev/zero"  # keeps the last line, which never ends, in memory
EVERY = 0.2
WORST_MS = 5000  # under emulation, with other guests beside; 100 natively
PIDS_PERCENT = 10  # of what the kernel allows: a bomb of 700 processes shows the same as one of 7000
IDLE_SECONDS = 8
# Not pidof: the agent has children now and then, and dockerd too.
DAEMONS = "systemctl show -p MainPID docker.service containerd.service keel-agent.service"


def milliseconds(since):
    return (time.monotonic() - since) * 1000


class Questions(threading.Thread):
    """Asks for the health document all the time, and now and then dockerd and a shell."""

    def __init__(self, guest):
        super().__init__(daemon=True)
        self.guest, self.uds = guest, machine.state_dir(guest) / "vsock.sock"
        self.times = {"health": [], "dockerd": [], "shell": []}
        self.failed, self.over = [], threading.Event()

    def ask_http(self, port, path):
        status, _, _ = vsock.http_request(self.uds, port, "GET", path, timeout=30)
        check(status == 200, f"{path}: status {status}")

    def ask_one(self, what, question, *arguments):
        start = time.monotonic()
        try:
            question(*arguments)
        except (OSError, AssertionError) as error:
            self.failed.append(f"{what}: {error!r}")
        self.times[what].append(milliseconds(start))

    def run(self):
        turn = 0
        while not self.over.is_set():
            start = time.monotonic()
            self.ask_one("health", self.ask_http, vsock.API_PORT, "/v1/health")
            if turn % 5 == 1:
                self.ask_one("dockerd", self.ask_http, vsock.DOCKER_PORT, "/_ping")
            if turn % 5 == 3:
                self.ask_one("shell", ask, self.guest, "true")
            turn += 1
            self.over.wait(max(0.0, EVERY - (time.monotonic() - start)))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(90)

    def worst(self, what):
        return max(self.times[what], default=0.0)

    def median(self, what):
        return sorted(self.times[what])[len(self.times[what]) // 2]


def figures(questions, idle):
    return ", ".join(f"{what} {questions.median(what):.0f}/{questions.worst(what):.0f} "
                     f"({questions.worst(what) / max(idle.worst(what), 1):.1f} times idle)" for what in questions.times)


@contextlib.contextmanager
def watched(t, guest, name, idle):
    """What is done to the guest in between leaves its daemons as they are, and answering."""
    before = ask(guest, DAEMONS)
    with Questions(guest) as questions:
        yield
    t.note(f"{name}: median/worst ms: {figures(questions, idle)}")
    equal(questions.failed, [], "questions without an answer")
    check(len(questions.times["health"]) >= 5, f"only {len(questions.times['health'])} questions")
    check(questions.worst("health") < WORST_MS, f"the agent took {questions.worst('health'):.0f} ms")
    equal(ask(guest, DAEMONS), before, "pids of dockerd, containerd and the agent")
    equal({service["name"]: service["restarts"] for service in health(guest)["services"] if service["restarts"]}, {},
          "restarts")


def group_value(guest, path, key=None):
    text = ask(guest, f"cat /sys/fs/cgroup/{path}")
    if key is None:
        return int(text)
    return int(dict(line.split() for line in text.splitlines())[key])


def run_and_wait(guest, name, *arguments, seconds=180):
    """Runs a container to its end; its state, with its id."""
    result = vm("docker", guest, "run", "--name", name, *arguments, seconds=seconds)
    inspected = json.loads(docker(guest, "inspect", name))[0]
    state = inspected["State"] | {"id": inspected["Id"]}
    docker(guest, "rm", "-f", name)
    return state | {"words": result.stderr.decode(errors="replace")[-500:]}


def kills(guest):
    return health(guest)["memory"]["oom_kills"]


def killed(guest):
    """What the kernel has said of them, which is there as long as its log."""
    return [(kill["pid"], kill["container_id"]) for kill in kills(guest)["last"]]


def check_told(guest, before, name, state, process):
    """The health document names the container, though it is removed by now."""
    told = harness.retry_until(20, lambda: kills(guest)["count"] > before and kills(guest)["last"][0], "a kill more")
    equal((told["container"], told["container_id"], told["process"], told["group"], told["global"]),
          (name, state["id"], process, f"containers/{state['id']}", False), "who was killed")
    uptime_ms = health(guest)["uptime_ms"]
    check(uptime_ms - 120_000 < told["at_ms"] <= uptime_ms, f"killed at {told['at_ms']}, now it is {uptime_ms}")


def eaten(guest, name, process, *arguments):
    """The container is killed for its memory, by a limit of its group and not for want of memory in the VM."""
    before, told = group_value(guest, "containers/memory.events", "oom_kill"), kills(guest)["count"]
    state = run_and_wait(guest, name, *arguments)
    check(state["OOMKilled"] or state["ExitCode"] == 137, f"the end of the container: {state}")
    check(group_value(guest, "containers/memory.events", "oom_kill") > before, "no kill was counted in containers")
    check(group_value(guest, "containers/memory.peak") <= group_value(guest, "containers/memory.max"), "beyond the limit")
    check_told(guest, told, name, state, process)
    harness.retry_until(30, lambda: group_value(guest, "containers/memory.current") < 200 << 20,
                        "its memory was given up")


def bomb(guest):
    """Processes that make processes, until the limit of all containers together is reached."""
    limit = group_value(guest, "containers/pids.max")
    docker(guest, "run", "-d", "--name", "bomb", IMAGE, "/bin/sh", "-c", "b() { b & b & wait; }; b")
    harness.retry_until(90, lambda: group_value(guest, "containers/pids.events", "max") > 0,
                        "a fork is refused")
    check(group_value(guest, "containers/pids.current") <= limit, "more processes than the limit allows")
    time.sleep(5)  # not for an event: the questions go on while it burns
    # dockerd waits 10 s for the end of what it has killed and then says so; that many processes may take longer.
    harness.retry_until(120, lambda: vm("docker", guest, "rm", "-f", "bomb").returncode == 0, "the bomb is removed")
    harness.retry_until(60, lambda: group_value(guest, "containers/pids.current") == 0, "all of its processes ended")


STORM = """
for i in 1 2 3; do
    busybox dd if=/dev/zero of=/v/$i bs=1M count=500 2>/dev/null &
done
wait
busybox cat /v/1 /v/2 >/dev/null & busybox cat /v/3 /v/1 >/dev/null & wait
"""


def storm(t, guest):
    """Far more files than memory, written and read: the kernel takes from containers what the engine is protected
    from losing."""
    refaults = group_value(guest, "engine/memory.stat", "workingset_refault_file")
    state = run_and_wait(guest, "storm", "-v", "storm:/v", IMAGE, "/bin/sh", "-c", STORM, seconds=300)
    equal(state["ExitCode"], 0, f"the end of the storm: {state}")
    check(group_value(guest, "containers/memory.events", "oom_kill") == 0, "something was killed for page cache")
    check(group_value(guest, "containers/memory.peak") > 500 << 20, "that was no storm")
    t.note(f"page cache: {group_value(guest, 'engine/memory.stat', 'workingset_refault_file') - refaults} refaults of the engine")


def idle_times(guest):
    with Questions(guest) as questions:
        time.sleep(IDLE_SECONDS)
    equal(questions.failed, [], "questions to the idle guest without an answer")
    return questions


@scenario("hogs of memory, tmpfs, processes and page cache are stopped in their group", deadline=1500)
def hogs(t):
    guest = "hogs"
    up(t, guest, "--mem", "1G", "--data", data_file(t), "--data-size", "6G", append=f"keel.memory.pids={PIDS_PERCENT}")
    import_image(guest)
    idle = idle_times(guest)
    t.note(f"idle: median/worst ms: {figures(idle, idle)}")
    with t.step("a storm of page cache kills nobody"), watched(t, guest, "page cache", idle):
        storm(t, guest)
    with t.step("a hog of memory is killed in its group"), watched(t, guest, "memory hog", idle):
        eaten(guest, "hog", "busybox", IMAGE, "/bin/sh", "-c", f"exec busybox {HOG}")
    with t.step("who fills a tmpfs is killed, and the tmpfs goes with its container"), \
            watched(t, guest, "tmpfs", idle):
        eaten(guest, "filler", "busybox", "--tmpfs", "/t:size=4g", IMAGE, "/bin/sh", "-c",
              "exec busybox dd if=/dev/zero of=/t/x bs=1M")
    with t.step("likewise in /dev/shm"), watched(t, guest, "/dev/shm", idle):
        eaten(guest, "shm", "busybox", "--shm-size", "4g", IMAGE, "/bin/sh", "-c",
              "exec busybox dd if=/dev/zero of=/dev/shm/x bs=1M")
    with t.step("a fork bomb stops at the limit of processes"), watched(t, guest, "fork bomb", idle):
        bomb(guest)
    with t.step("a restarted agent tells the same"):
        before = killed(guest)
        sh(guest, "kill -9 $(pidof keel-agent)")
        equal(harness.retry_until(60, lambda: killed(guest), "the agent"), before, "kills after a restart of the agent")
    with t.step("the kernel never ran out of memory itself"):
        equal(sh(guest, "dmesg | grep -c 'constraint=CONSTRAINT_NONE' || :").strip(), "0", "kills for want of memory in the VM")


# ---- more memory, and swap -----------------------------------------------------------------------------

def containers_max(guest):
    return group_value(guest, "containers/memory.max")


@scenario("memory that the host adds, and compressed swap", deadline=600)
def more_memory(t):
    guest = "more"
    up(t, guest, "--mem", "1G", "--max-mem", "2G", "--data", data_file(t), "--data-size", "1G",
       append="keel.memory.zram=50 keel.memory.swap=no")
    with t.step("there is swap, which containers may not use, and room for it"):
        contains(ask(guest, "cat /proc/swaps"), "/dev/zram0", "/proc/swaps")
        equal(ask(guest, "cat /sys/fs/cgroup/containers/memory.swap.max"), "0\n", "memory.swap.max")
        total = int(ask(guest, "grep MemTotal /proc/meminfo").split()[1]) << 10
        check(total - containers_max(guest) > total // 4 + (200 << 20), f"{containers_max(guest)} of {total}")
    with t.step("the limits follow memory that the host adds"):
        before = containers_max(guest)
        must("memory", guest, "1G")
        harness.retry_until(60, lambda: containers_max(guest) > before + (400 << 20), "a higher limit")
        check(health(guest)["memory"]["total_bytes"] > total + (900 << 20), "the total has not grown")
