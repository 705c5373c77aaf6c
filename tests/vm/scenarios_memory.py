# SPDX-License-Identifier: MIT
"""Memory that work has left goes back to the host by itself, and who still works keeps what he needs.

What counts is the host's view: the resident memory of the guest's emulator, with free page reporting. The work is done by
tests/bench/memload.c in containers: a build of small files, a server with a hot set in the page cache. Deadlines are
those of an emulated machine.
"""
import io
import json
import tarfile

import harness
import rootimage
from guests import AGENT_PID, ask, data_file, docker, health, must, sh, up, vm
from harness import check, contains, equal, scenario

MIB = 1 << 20
TOTAL_MIB = 2048
IMAGE = "keel/memload"
BUILD = ("build", "/data/tree", "256", "64")
BUILT_MIB = 200  # less than its cache: "it was given back" means at least so much
HOT_MIB = 120
SLACK_MIB = TOTAL_MIB * 5 // 100
BACK_SECONDS = 90  # natively under 30
GROUPS = "/sys/fs/cgroup"


def import_memload(guest):
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as output:
        output.add(rootimage.MEMLOAD, "memload")
        for name in ("data", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            output.addfile(entry)
    docker(guest, "import", "-", IMAGE, data=image.getvalue())


def rss_mib(guest):
    return int(must("rss", guest)) // 1024


def memory(guest):
    return json.loads(must("api", guest, "GET", "/v1/memory"))


def post(guest, what, **body):
    return json.loads(must("api", guest, "POST", f"/v1/memory/{what}", json.dumps(body)))


def stat(guest, group, key):
    return int(dict(line.split() for line in ask(guest, f"cat {GROUPS}/{group}/memory.stat").splitlines())[key])


def cache_mib(guest):
    return sum(stat(guest, "containers", key) for key in ("inactive_file", "active_file", "slab_reclaimable")) // MIB


def build(guest):
    """A container that builds, to its end. Files of its own: who writes again what is still in the cache makes it active."""
    sh(guest, "rm -rf /data/x/tree")
    docker(guest, "run", "--rm", "-v", "/data/x:/data", IMAGE, "/memload", *BUILD, seconds=300)


def settled(guest, seconds=BACK_SECONDS):
    """What the host holds when nothing is done any more and it has not become less for a while."""
    seen = []

    def calm():
        seen.append(rss_mib(guest))
        return not memory(guest)["working"] and len(seen) > 4 and min(seen[-5:]) >= min(seen[:-4]) - 2 and seen[-1]
    return harness.retry_until(seconds, calm, "the guest settles")


def falls_to(guest, mib, what):
    low = []

    def fell():
        low.append(rss_mib(guest))
        return low[-1] <= mib
    try:
        harness.retry_until(BACK_SECONDS, fell, what)
    except harness.Failure as failure:
        told = {key: value for key, value in memory(guest).items() if key not in ("history", "abilities")}
        raise harness.Failure(f"{what}: the host holds {low[-1]} MiB, wanted {mib}; {failure}; {told}") from None


def serve(guest, name, file="hot"):
    docker(guest, "run", "-d", "--name", name, "-v", "/data/x:/data", IMAGE, "/memload", "serve", f"/data/{file}",
           HOT_MIB, "20", f"/data/{name}.out")
    harness.retry_until(120, lambda: "serving" in docker(guest, "logs", name), f"{name} serves")
    return docker(guest, "inspect", "-f", "{{.Id}}", name).strip()


def stop_serving(guest, name):
    """Pages of the hot set that were asked for, and how many of them are in no cache."""
    docker(guest, "stop", "-t", "60", name)
    docker(guest, "rm", name)
    word, pages, missing, _ = ask(guest, f"tail -n 1 /data/x/{name}.out").split()
    equal(word, "hot", "the last line of the server")
    return int(pages), int(missing)


def held_off(guest):
    told = memory(guest)
    return not told["working"] or "waits for memory" in told["waiting"]


def given_back(guest):
    return memory(guest)["reclaimed_bytes"] // MIB


# ---- with all that the kernel has -------------------------------------------------------------------

def after_a_build(t, guest):
    floor = settled(guest)
    before = given_back(guest)
    build(guest)
    peak = rss_mib(guest)
    falls_to(guest, floor + SLACK_MIB, "after a build")
    check(peak > floor + BUILT_MIB, f"the build took nothing: {floor} -> {peak} MiB")
    check(given_back(guest) >= before + BUILT_MIB, f"given back {before} -> {given_back(guest)} MiB")
    t.note(f"memory: a build: the host held {floor} before, {peak} at its end, {rss_mib(guest)} MiB after it")


def beside_a_server(t, guest):
    group = f"containers/{serve(guest, 'hot')}"
    floor = settled(guest)
    refaults = stat(guest, group, "workingset_refault_file")
    build(guest)
    falls_to(guest, floor + SLACK_MIB, "beside a server")
    harness.retry_until(BACK_SECONDS, lambda: not memory(guest)["working"], "the episode ends")
    refaults = stat(guest, group, "workingset_refault_file") - refaults
    equal(ask(guest, f"cat {GROUPS}/{group}/memory.low").strip(), "0", "the protection of a step is taken back")
    pages, missing = stop_serving(guest, "hot")
    t.note(f"memory: beside a server of {pages} hot pages: {refaults} refaults, {missing} pages missing at the end")
    check(pages > 1000, f"only {pages} pages were asked for")
    check(missing * 100 <= pages and refaults * 50 <= pages, f"the hot set was hurt: {refaults} refaults, {missing} missing")


def in_nested_groups(t, guest):
    """As kind and Docker in Docker do: all processes of the container are in groups below its own, where memory.low of its
    own does not reach."""
    check("memory_recursiveprot" not in ask(guest, "grep cgroup2 /proc/mounts"), "the mount is not as under WSL")
    group = f"containers/{serve(guest, 'nested')}"
    inner = f"{group}/outer/inner"
    sh(guest, f"cd {GROUPS}/{group} && mkdir -p outer/inner && for p in $(cat cgroup.procs); do echo $p >outer/inner/"
              "cgroup.procs; done && echo +memory >cgroup.subtree_control && echo +memory >outer/cgroup.subtree_control")
    sh(guest, "sync; echo 1 >/proc/sys/vm/drop_caches")  # read again, the hot set is charged to the inner group
    harness.retry_until(120, lambda: stat(guest, inner, "file") // MIB >= HOT_MIB * 9 // 10, "the hot set is read again")
    harness.retry_until(BACK_SECONDS, lambda: not memory(guest)["working"], "it is calm")
    refaults, before = stat(guest, inner, "workingset_refault_file"), given_back(guest)
    build(guest)
    harness.retry_until(BACK_SECONDS, lambda: given_back(guest) >= before + BUILT_MIB and not memory(guest)["working"],
                        "what the build left is given back")
    refaults = stat(guest, inner, "workingset_refault_file") - refaults
    for name in (group, f"{group}/outer", inner):
        equal(ask(guest, f"cat {GROUPS}/{name}/memory.low").strip(), "0", f"the protection of {name} is taken back")
    pages, missing = stop_serving(guest, "nested")
    t.note(f"memory: beside a server of {pages} hot pages in nested groups: {refaults} refaults, {missing} pages missing")
    check(missing * 100 <= pages and refaults * 50 <= pages, f"the hot set was hurt: {refaults} refaults, {missing} missing")


def charged_to_the_dead(t, guest):
    """Who touched a page first is charged: the working set of one that was started again belongs to its forerunner."""
    post(guest, "mode", mode="off")
    serve(guest, "first", "inherited")
    stop_serving(guest, "first")
    group = f"containers/{serve(guest, 'second', 'inherited')}"
    own = (stat(guest, group, "active_file") + stat(guest, group, "inactive_file")) // MIB
    check(own < HOT_MIB // 2, f"{own} MiB are charged to the living one")
    before = given_back(guest)
    build(guest)
    post(guest, "mode", mode="adaptive")
    # How much of the rest it dares to take beside a set that is in use is not the point here, only that it stops.
    harness.retry_until(BACK_SECONDS, lambda: given_back(guest) > before and held_off(guest),
                        "something of the rest is given back")
    pages, missing = stop_serving(guest, "second")
    t.note(f"memory: a working set of {pages} pages of which {own} of {HOT_MIB} MiB were the server's own: "
           f"{missing} missing at the end, {given_back(guest) - before} MiB given back")
    # Of a server this slow a page comes back long after the step that took it: not all of it is noticed in time.
    check(missing * 4 <= pages, f"{missing} of {pages} pages that are used were taken")


def asked_for(guest):
    post(guest, "mode", mode="off")
    before = given_back(guest)
    build(guest)
    left = cache_mib(guest)
    check(left >= BUILT_MIB, f"the build left {left} MiB only")
    answer = post(guest, "reclaim", bytes=64 * MIB, timeout_ms=5000)
    equal((answer["reason"], answer["reclaimed_bytes"]), ("off", 0), "a request while it is off")
    equal(given_back(guest), before, "given back while it is off")
    post(guest, "mode", mode="adaptive")
    harness.retry_until(BACK_SECONDS, lambda: given_back(guest) >= before + BUILT_MIB and not memory(guest)["working"],
                        "switched on, it takes what was left")
    sh(guest, "cat /data/x/tree/*/* >/dev/null")  # the root group's or the shell's
    answer = post(guest, "reclaim", bytes="all", timeout_ms=60000)
    check(answer["reason"] in ("nothing", "done", "refaults"), f"a request for all: {answer}")
    check(answer["reclaimed_bytes"] >= 32 * MIB, f"a request for all gave little: {answer}")
    used = memory(guest)["total_bytes"] - memory(guest)["free_bytes"]
    sh(guest, "cat /data/x/tree/*/* >/dev/null")
    target = used + 64 * MIB
    equal(post(guest, "target", bytes=target)["target_bytes"], target, "the target")
    harness.retry_until(BACK_SECONDS, lambda: memory(guest)["total_bytes"] - memory(guest)["free_bytes"] <= target + 16 * MIB,
                        "the target is reached")
    post(guest, "target", bytes=None)


def agent_is_killed(guest):
    """What it leaves behind in the middle of a step is put right by the next one."""
    group = f"containers/{serve(guest, 'left')}"
    sh(guest, f"echo max >{GROUPS}/{group}/memory.low; echo max >{GROUPS}/engine/memory.low; "
              f"echo 4096 >{GROUPS}/containers/memory.swap.max; kill -9 $(pidof keel-agent)")
    harness.retry_until(60, lambda: ask(guest, f"cat {GROUPS}/{group}/memory.low").strip() == "0", "memory.low is 0 again")
    equal(ask(guest, f"cat {GROUPS}/containers/memory.swap.max").strip(), "max", "containers may swap again")
    check(ask(guest, f"cat {GROUPS}/engine/memory.low").strip() != "max", "the engine's protection is what it was")
    stop_serving(guest, "left")


def swappiness_is_refused(guest):
    """A kernel before 6.11: stood in for by a file that takes numbers only, the limit of an empty group."""
    sh(guest, f"mkdir {GROUPS}/scratch && mount --bind {GROUPS}/scratch/memory.high {GROUPS}/containers/memory.reclaim")
    equal(memory(guest)["abilities"]["swappiness"], True, "swappiness= is known at first")
    build(guest)
    harness.retry_until(BACK_SECONDS, lambda: not memory(guest)["abilities"]["swappiness"], "it is told that it is refused")
    check(int(ask(guest, f"cat {GROUPS}/scratch/memory.high").strip()) > 0, "the same was asked for without it")
    sh(guest, f"umount {GROUPS}/containers/memory.reclaim")
    before = given_back(guest)
    build(guest)
    harness.retry_until(BACK_SECONDS, lambda: given_back(guest) >= before + BUILT_MIB and not memory(guest)["working"],
                        "it works without swappiness=")
    equal(ask(guest, f"cat {GROUPS}/containers/memory.swap.max {GROUPS}/engine/memory.swap.max").split(), ["max", "max"],
          "swap is not held any more")


def marks(guest):
    """inotify's, of the agent."""
    return int(ask(guest, f"cat /proc/{AGENT_PID}/fdinfo/* 2>/dev/null | grep -c ^inotify"))


def nothing_is_left_watched(guest):
    before = marks(guest)
    for _ in range(3):
        docker(guest, "run", "--rm", IMAGE, "/memload", "build", "/x", "1", "1")
    harness.retry_until(30, lambda: not memory(guest)["working"], "their end is dealt with")
    equal(marks(guest), before, "marks of inotify")


def nothing_runs(t, guest):
    """Calm, the agent's own wake-ups are all: no process is made, no step done."""
    harness.retry_until(BACK_SECONDS, lambda: not memory(guest)["working"], "it is calm")
    before = memory(guest)["steps"]
    switches = (f"pid={AGENT_PID}; read -r a b </proc/uptime; s=$(grep ^voluntary /proc/$pid/status | tr -dc 0-9); sleep 20; "
                "echo $(($(grep ^voluntary /proc/$pid/status | tr -dc 0-9) - s))")
    wakeups = int(sh(guest, switches))
    t.note(f"memory: {wakeups} wake-ups of the agent in 20 calm seconds")
    equal(memory(guest)["steps"], before, "steps while nothing happens")
    check(wakeups < 40, f"{wakeups} wake-ups in 20 calm seconds")


@scenario("what containers leave in memory goes back to the host", deadline=1500)
def given_back_to_the_host(t):
    guest = "memory"
    up(t, guest, "--mem", "2G", "--data", data_file(t), "--data-size", "6G")
    sh(guest, "mkdir -p /data/x")
    import_memload(guest)
    equal(memory(guest)["abilities"] | {"lru_gen_ages": False},
          {"cgroup": True, "reclaim": True, "swappiness": True, "psi": True, "lru_gen": False, "lru_gen_ages": False,
           "compaction": True, "reporting": True}, "what this kernel can do")
    with t.step("after a build, within 5 % of what was held before"):
        after_a_build(t, guest)
    with t.step("beside a server, which keeps its hot set"):
        beside_a_server(t, guest)
    with t.step("a hot set that is charged to a dead group is spared"):
        try:
            charged_to_the_dead(t, guest)
        finally:  # what follows has the guest to itself
            vm("docker", guest, "rm", "-f", "first", "second")
    with t.step("off does nothing; a request, a target"):
        asked_for(guest)
    with t.step("nothing runs while nothing happens"):
        nothing_runs(t, guest)
    with t.step("containers that are removed leave no watch behind"):
        nothing_is_left_watched(guest)
    with t.step("kill -9 of the agent leaves nothing protected or held"):
        agent_is_killed(guest)
    with t.step("a kernel that refuses swappiness="):
        swappiness_is_refused(guest)
    with t.step("the agent was restarted once, by us"):
        equal({service["name"]: service["restarts"] for service in health(guest)["services"] if service["restarts"]},
              {"keel-agent.service": 1}, "restarts")


# ---- with less --------------------------------------------------------------------------------------

def dropped_when_nothing_runs(guest):
    told = memory(guest)
    equal((told["abilities"]["cgroup"], told["abilities"]["reclaim"]), (False, False), "cgroup, reclaim")
    docker(guest, "run", "-d", "--name", "runs", IMAGE, "/memload", "hold", "1")
    harness.retry_until(30, lambda: not memory(guest)["working"], "what the import left is dropped")
    before = given_back(guest)
    build(guest)
    harness.retry_until(30, lambda: memory(guest)["waiting"], "it says why it waits")
    equal(given_back(guest), before, "given back while a container runs")
    left = memory(guest)["cached_bytes"] // MIB
    check(left >= BUILT_MIB, f"only {left} MiB of cache are there")
    vm("docker", guest, "rm", "-f", "runs")
    harness.retry_until(BACK_SECONDS, lambda: memory(guest)["cached_bytes"] // MIB < BUILT_MIB // 2, "caches are dropped")


@scenario("memory goes back without PSI, without the memory controller, with cgroup v1", deadline=900)
def lesser_kernels(t):
    guest = "lesser"
    boot = (guest, "--mem", "2G", "--data", data_file(t), "--data-size", "6G")
    up(t, *boot, append="psi=0 init=/usr/lib/keel-lab/cgroup-plain")
    sh(guest, "mkdir -p /data/x")
    import_memload(guest)
    with t.step("without PSI what is refaulted is the guard"):
        equal(memory(guest)["abilities"]["psi"], False, "psi")
        after_a_build(t, guest)
    with t.step("groups in a container are passed by, also where memory.low is not for all below a group"):
        in_nested_groups(t, guest)
    must("down", guest, "--deadline", "90")
    up(t, *boot, append="cgroup_disable=memory", wait="degraded")
    with t.step("without the memory controller all caches are dropped when no container runs"):
        dropped_when_nothing_runs(guest)
    must("down", guest, "--deadline", "90")
    up(t, *boot, append="init=/usr/lib/keel-lab/cgroup-v1", wait="degraded")
    with t.step("with control groups of version 1 only, likewise, and the boot says so"):
        contains(ask(guest, "keelctl status"), "no cgroup v2 hierarchy", "keelctl status")
        contains(ask(guest, "cat /proc/self/cgroup"), "pids", "/proc/self/cgroup")
        dropped_when_nothing_runs(guest)
