# SPDX-License-Identifier: MIT
"""The VM suite: what only a booted guest can show. `tests/run vm` runs it in the lab environment.

Everything goes through tests/vm/vm, the tool that people use. The guests of the suite have a directory of
their own, so that it can run beside anybody's guests.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("lib", "disk", "powercut"))]

import harness  # noqa: E402
import machine  # noqa: E402
import rootimage  # noqa: E402
import scenarios_clock  # noqa: E402,F401
import scenarios_disk_faults  # noqa: E402,F401
import scenarios_disk_gallery  # noqa: E402,F401
import scenarios_disk_space  # noqa: E402,F401
import scenarios_fault  # noqa: E402,F401
import scenarios_hog  # noqa: E402,F401
import scenarios_memory  # noqa: E402,F401
import scenarios_notify  # noqa: E402,F401
import scenarios_wsl  # noqa: E402,F401
import symbols  # noqa: E402
import vsock  # noqa: E402
from container_peers import check_containers_get_nothing  # noqa: E402
from guests import (BOOT_SECONDS, IMAGE, data_file, digest, docker, end, events, file_system_errors,  # noqa: E402
                    health, import_image, keelctl_command, must, sh, up, vm)
from harness import check, contains, equal, scenario  # noqa: E402
from terminal import Terminal  # noqa: E402

HEALTH_FIELDS = ("schema", "version", "boot_id", "mode", "status", "ready", "reason", "uptime_ms", "stages",
                 "services", "disk", "engine", "memory", "clock", "kernel")


# ---- the main story --------------------------------------------------------------------------------

def check_health_document(guest):
    document = health(guest)
    missing = [field for field in HEALTH_FIELDS if field not in document]
    equal(missing, [], "missing fields")
    equal((document["schema"], document["mode"], document["ready"], document["status"]),
          (1, "vm", True, "ready"), "schema, mode, ready, status")
    equal(document["disk"]["state"], "mounted", "disk.state")
    equal(document["disk"]["mountpoint"], "/data", "disk.mountpoint")
    check(all(isinstance(stage["ms"], (int, float)) for stage in document["stages"]), "a stage without ms")


def check_stages(guest):
    """Each stage was reported, in the order of their starts, and has ended well. The last one ends after the
    engine is ready: it counts every service."""
    harness.retry_until(60, lambda: health(guest)["stages"][-1]["state"] == "done", "the last stage")
    first_seen = {}
    for line in events(guest):
        for stage in line.get("health", {}).get("stages", []):
            if stage["state"] in ("done", "skipped"):
                first_seen.setdefault(stage["name"], line["host_ms"])
    stages = health(guest)["stages"]
    equal([s["name"] for s in stages if s["state"] not in ("done", "skipped")], [], "stages not done")
    equal(sorted(first_seen), sorted(s["name"] for s in stages), "stages reported while booting")
    starts = [s["start_ms"] for s in stages if s["state"] == "done"]
    equal(starts, sorted(starts), "start times")
    equal(stages[-1]["name"], "services", "last stage")


def check_report(guest):
    lines = [line for line in events(guest) if line["type"] != "vm"]
    equal(lines[0]["type"], "hello", "first line")
    equal(lines[1]["type"], "health", "second line")
    equal(lines[0]["boot_id"], health(guest)["boot_id"], "boot_id")


def check_probes(guest):
    must("api", guest, "GET", "/livez")
    must("api", guest, "GET", "/readyz")
    result = vm("api", guest, "GET", "/no/such/path")
    equal(result.returncode, 4, "status of an unknown path")
    contains(result.stderr.decode(), "404", "answer")


def check_kernel_report(guest):
    kernel = harness.retry_until(60, lambda: health(guest)["kernel"]["check"],
                                 "kernel-check's result in the health document")
    equal((kernel["ok"], kernel["missing_required"]), (True, []), "kernel.check")


def check_streams(guest):
    """Both directions, with half-closes: cat ends when its input does, and all of it comes back."""
    text = "".join(f"{n}\n" for n in range(100_000)).encode()
    result = vm("docker", guest, "run", "-i", "--rm", IMAGE, "/bin/cat", data=text)
    equal((result.returncode, hashlib.sha256(result.stdout).hexdigest()),
          (0, hashlib.sha256(text).hexdigest()), "attach: what came back")
    docker(guest, "run", "-d", "--name", "sleeper", IMAGE, "/bin/sleep", "1000")
    result = vm("docker", guest, "exec", "-i", "sleeper", "/bin/cat", data=text)
    equal((result.returncode, hashlib.sha256(result.stdout).hexdigest()),
          (0, hashlib.sha256(text).hexdigest()), "exec: what came back")
    result = vm("docker", guest, "exec", "sleeper", "/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    equal((result.returncode, result.stdout, result.stderr), (7, b"out\n", b"err\n"), "exec")
    docker(guest, "rm", "-f", "sleeper")


def check_only_host_served(guest):
    """A peer with another CID than 2 gets no byte, on both ports. Our vsock device can pretend."""
    uds = machine.state_dir(guest) / "vsock.sock"
    for port in (vsock.API_PORT, vsock.DOCKER_PORT):
        answers = {}
        for cid in (vsock.HOST_CID, 3, 77):
            answers[cid] = ask_as(uds, port, cid)
        contains(answers[vsock.HOST_CID], b"HTTP/1.1 ", f"port {port}, answer to CID 2")
        equal((answers[3], answers[77]), (b"", b""), f"port {port}, answers to CID 3 and 77")


def ask_as(uds, port, cid):
    try:
        with vsock.connect(uds, port, 20, cid) as sock:
            sock.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return sock.recv(4096)
    except ConnectionError:
        return b""


def check_agent_restart(guest):
    """The agent is killed: the report comes back, with hello and the whole state."""
    before = sum(line["type"] == "hello" for line in events(guest))
    sh(guest, "kill -9 $(pidof keel-agent)")
    harness.retry_until(60, lambda: sum(line["type"] == "hello" for line in events(guest)) > before,
                        "a second hello")
    must("wait", guest, "ready", "60")
    equal(health(guest)["ready"], True, "ready")


def check_logs(guest):
    """What services write, seen from the host as it comes; the kernel's log; all in order of time."""
    sh(guest, "kill -9 $(pidof keel-agent)")
    harness.retry_until(60, lambda: b"keel-agent: " in subprocess.run(
        keelctl_command(guest, "logs", "-n", "3", "keel-agent"), capture_output=True, timeout=30, check=True).stdout, "its log")
    with subprocess.Popen(keelctl_command(guest, "logs", "-f", "-n", "1", "keel-agent"), stdout=subprocess.PIPE) as follower:
        try:
            contains(follower.stdout.readline().decode(), " keel-agent: ", "the last line")
            sh(guest, "echo from the guest >>/run/keel/spool/keel-agent.service")
            contains(follower.stdout.readline().decode(), " from the guest\n", "followed line")
        finally:
            follower.kill()
    contains(sh(guest, "journalctl -k -o cat"), "keel-init: ", "journalctl -k")
    equal(len(sh(guest, "journalctl -k -n 5 -p info").splitlines()), 5, "lines of journalctl -k -n 5")
    times = [float(line[1:].split("]")[0]) for line in sh(guest, "journalctl -o short-monotonic").splitlines()]
    check(len(times) > 2 and times == sorted(times), f"journalctl: {times}")


def check_shell(guest):
    result = vm("sh", guest, "echo out; echo err >&2; cat; exit 9", data=b"input")
    equal((result.returncode, result.stdout, result.stderr), (9, b"out\ninput", b"err\n"), "vm sh")
    equal(vm("sh", guest, "--deadline", "2", "sleep 60").returncode, 124, "status at the deadline")


def check_login_shell(guest):
    """vm sh without a command: the page, the prompt, and the console's shell has greeted too."""
    with Terminal([str(machine.TOP / "tests/vm/vm"), "sh", "--name", guest], env=dict(os.environ, TERM="xterm")) as terminal:
        page, _ = terminal.expect("# ", 30)
        contains(page, "keel 0", "the page")
        contains(page, "Engine      ready, API ", "the page")
        contains(page, "keel[ready] root@", "the prompt")
        equal(terminal.ask("stty size"), ("40 120\n", 0), "stty size")
        terminal.type("exit 3\n")
        equal(terminal.wait_end(), 3, "the shell's status")
    contains(must("console", guest, "--log"), "help: what to do when something is wrong", "the console")


def check_memory_figure(guest):
    """vm rss counts what the guest holds, and the guest's kernel gives back what it has freed."""
    sh(guest, "mkdir -p /run/fill && mount -t tmpfs -o size=1g t /run/fill && "
              "dd if=/dev/zero of=/run/fill/x bs=1M count=600")
    full = int(must("rss", guest))
    check(600 << 10 <= full <= (2 << 20) + (64 << 10), f"vm rss: {full} KiB with 600 MiB in use, of 2 GiB")
    sh(guest, "umount /run/fill")
    harness.retry_until(90, lambda: int(must("rss", guest)) < full - (400 << 10),
                        f"400 MiB of {full >> 10} MiB given back")


def remember(guest, word):
    """A volume with a word in it, on the disk."""
    docker(guest, "volume", "create", "notes")
    docker(guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/sh", "-c", f"echo {word} >>/n/words")
    sh(guest, "sync")


def recall(guest):
    return docker(guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/cat", "/n/words").split()


@scenario("one guest from first boot to power cut", deadline=900)
def main_story(t):
    guest, data = "main", data_file(t)
    up(t, guest, "--data", data, "--data-size", "4G")
    with t.step("every stage is reported, in order, and done"):
        check_stages(guest)
    with t.step("the report says hello, then the whole health"):
        check_report(guest)
    with t.step("the health document has every field and is ready"):
        check_health_document(guest)
    with t.step("the blank disk was formatted by this boot"):
        equal(health(guest)["disk"]["formatted"], True, "disk.formatted")
    with t.step("livez and readyz answer, an unknown path is 404"):
        check_probes(guest)
    with t.step("commands in the guest: output, status, input, deadline"):
        check_shell(guest)
    with t.step("a login shell: the status page, the state in the prompt"):
        check_login_shell(guest)
    import_image(guest)
    with t.step("a container runs through the forwarded API"):
        equal(docker(guest, "run", "--rm", IMAGE, "/bin/echo", "hello"), "hello\n", "output")
    with t.step("attach and exec streams, half-closed"):
        check_streams(guest)
    with t.step("only CID 2 is served"):
        check_only_host_served(guest)
    with t.step("a container that opens vsock gets not one byte, and disturbs nobody"):
        check_containers_get_nothing(guest)
    with t.step("the kernel was checked, nothing required is missing"):
        check_kernel_report(guest)
    with t.step("guest memory as the host sees it"):
        check_memory_figure(guest)
    with t.step("a killed agent comes back and reports anew"):
        check_agent_restart(guest)
    remember(guest, "clean")
    with t.step("clean shutdown within its deadline"):
        must("down", guest, "--deadline", "60")
    with t.step("the file system is clean after it"):
        equal(file_system_errors(data), "", "e2fsck")
    up(t, guest, "--data", data)
    with t.step("image and volume are there after a clean reboot"):
        equal(recall(guest), ["clean"], "volume")
        equal(health(guest)["disk"]["formatted"], False, "disk.formatted")
    remember(guest, "cut")
    docker(guest, "run", "-d", "--name", "writer", "-v", "notes:/n", IMAGE, "/bin/sh", "-c",
           "while :; do echo x >>/n/noise; done")
    must("kill", guest)
    up(t, guest, "--data", data)
    with t.step("image and volume are there after a power cut"):
        equal(recall(guest), ["clean", "cut"], "volume")
    with t.step("the file system is clean after the repair and a shutdown"):
        must("down", guest, "--deadline", "60")
        equal(file_system_errors(data), "", "e2fsck")


# ---- disks that are not ours -------------------------------------------------------------------------

@scenario("a blank disk without permission to format", deadline=300)
def blank_disk(t):
    """The rest of the gallery is in scenarios_disk_gallery.py, in one guest that may format."""
    guest, path = "blank", data_file(t, ".img")
    with open(path, "wb") as file:
        file.truncate(256 << 20)
    before = digest(path)
    up(t, guest, "--data", path, append="keel.disk.wait=5 keel.disk.format=never", wait="degraded")
    with t.step("degraded, not ready, with the reason"):
        # in a slow guest the disk may come after the deadline: then the reason changes
        document = harness.retry_until(60, lambda: "/dev/sda looks empty" in health(guest)["reason"] and health(guest),
                                       "that it looks empty in the reason")
        equal((document["ready"], document["disk"]["situation"]), (False, "blank"), "ready, situation")
    with t.step("the shell works"):
        equal(sh(guest, "echo here"), "here\n", "vm sh")
    must("kill", guest)
    with t.step("no byte of the disk has changed"):
        equal(digest(path), before, "SHA-256")


@scenario("no data disk", deadline=300)
def no_disk(t):
    guest = "diskless"
    up(t, guest, "--no-data", append="keel.disk.wait=5", wait="degraded")
    document = health(guest)
    with t.step("degraded, with the disk in the reason"):
        equal(document["ready"], False, "ready")
        contains(document["reason"], "disk", "reason")
    with t.step("logs, from the host and in the guest"):
        check_logs(guest)
    with t.step("vm health says it by its status"):
        equal(vm("health", guest).returncode, 3, "status")
    with t.step("the shell works"):
        equal(sh(guest, "echo here"), "here\n", "vm sh")
    with t.step("clean shutdown"):
        must("down", guest, "--deadline", "60")


# ---- the ways to an end -------------------------------------------------------------------------------

def ended(guest, how, seconds=90):
    """Waits for the end; what the console has shown of this boot."""
    equal(vm("wait", guest, "off", seconds, seconds=seconds + 20).returncode, 0, "wait off")
    equal(json.loads((machine.state_dir(guest) / "exit.json").read_text())["how"], how, "how it ended")
    return (machine.state_dir(guest) / "console.log").read_text(errors="replace")


def check_clean(guest, data, how):
    console = ended(guest, how)
    contains(console, "file systems unmounted", "console")
    check("busy" not in console and "cannot" not in console[console.index("unmounting"):], console[-2000:])
    equal(file_system_errors(data), "", "e2fsck")
    return console


def swap_on(guest):
    """A swap file on the data disk, with something in it."""
    sh(guest, "dd if=/dev/zero of=/data/swap bs=1M count=64 && chmod 600 /data/swap && mkswap /data/swap && "
              "swapon /data/swap && grep -q /data/swap /proc/swaps")


def crash_init(guest):
    """An instruction that does not exist, over the first of a function that PID 1 calls at each event."""
    place = symbols.functions(machine.BUILD / "bin" / "keel-init.debug")["shutdown_advance"][0]
    place += symbols.load_base(sh(guest, "cat /proc/1/maps"), "/init")
    vm("sh", guest, f"printf '\\017\\013' | dd of=/proc/1/mem bs=1 seek={place} conv=notrunc")


@scenario("a VM ends by its power button, Ctrl-Alt-Del, a signal and a crash of PID 1", deadline=600)
def ways_to_end(t):
    guest, data = "ways", data_file(t)
    verbose = "loglevel=7"
    up(t, guest, "--data", data, "--data-size", "1G", append=verbose)
    import_image(guest)
    docker(guest, "run", "-d", "--name", "sleeper", IMAGE, "/bin/sleep", "1000")
    swap_on(guest)
    with t.step("power button, with a container and swap on the data disk: off, nothing busy, clean"):
        must("press", guest, "power-button")
        check_clean(guest, data, "powered-off")
    up(t, guest, "--data", data, append=verbose)
    with t.step("Ctrl-Alt-Del: a reboot in good order"):
        must("press", guest, "ctrl-alt-del")
        check_clean(guest, data, "reset")
    up(t, guest, "--data", data, append=verbose)
    with t.step("SIGPWR: off"):
        vm("sh", guest, "kill -s PWR 1")
        check_clean(guest, data, "powered-off")
    up(t, guest, "--data", data, append=verbose)
    with t.step("a crash of PID 1: a report on the console and to the host, a reboot, a clean disk"):
        crash_init(guest)
        console = check_clean(guest, data, "reset")
        contains(console, "PID 1 crashed: SIGILL", "console")
        check("Kernel panic" not in console, "no panic")
        told = [line["health"]["reason"] for line in events(guest) if line["type"] == "health"]
        check(any("PID 1 crashed: SIGILL" in reason for reason in told), f"reasons reported: {told}")


# ---- the tool itself -----------------------------------------------------------------------------------

@scenario("two guests side by side", deadline=300)
def side_by_side(t):
    pair = ("left", "right")
    for guest in pair:
        t.cleanup(end, guest)
        must("up", guest, "--no-wait", "--no-data", "--mem", "1G",
             "--append", "mitigations=off keel.disk.wait=1")
    for guest in pair:
        harness.retry_until(BOOT_SECONDS, lambda guest=guest: vm("sh", guest, "true").returncode == 0,
                            f"a shell in {guest}")
        sh(guest, f"echo {guest} >/run/who")
    with t.step("each is its own"):
        equal([sh(guest, "cat /run/who").strip() for guest in pair], list(pair), "who")
        check(len({health(guest)["boot_id"] for guest in pair}) == 2, "one boot_id for both")
    with t.step("a second start of the same name is refused"):
        contains(vm("up", "left", "--no-data").stderr.decode(), "is running already", "words")
    with t.step("a power cut of one leaves the other"):
        must("kill", "left")
        equal(sh("right", "cat /run/who").strip(), "right", "who")
        equal(vm("wait", "left", "off", "5").returncode, 0, "wait off")


@scenario("a guest that cannot boot", deadline=120)
def cannot_boot(t):
    guest = "broken"
    t.cleanup(end, guest)
    result = vm("up", guest, "--no-data", "--append", "init=/no/such/init")
    with t.step("vm up fails"):
        equal(result.returncode, 3, "status")
    with t.step("and shows the kernel's last words"):
        contains(result.stderr.decode(), "/no/such/init failed", "stderr")


def main():
    harness.require_fresh(rootimage.ROOTFS, ("init", "agent", "lib", "rootfs"), "make lab-image")
    start = time.monotonic()
    try:
        harness.main("vm", jobs=2)
    finally:
        print(f"# {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
