"""A crash in PID 1's own code: a report, everything stopped and unmounted, the right end. And the next boot tells."""
import ctypes
import os
import re
import signal
import struct

import engine
import ptrace
import symbols
from guest import BIN, Guest, unit
from harness import check, scenario
from scenarios_shutdown import ENGINE, all_active

NOWHERE = 0x10
FATAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS)


def load_base(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return symbols.load_base(maps.read(), "/sbin/init")


def functions():
    return symbols.functions(f"{BIN}/keel-init.debug")


def boot_again(guest, units):
    """A new guest on the root file system that this one has left."""
    kept = guest.kept("/var/lib/keel/crash")
    check(kept.startswith("PID 1 crashed: "), f"kept: {kept!r}")
    with Guest(units=units, mode=guest.mode, files={"/var/lib/keel/crash": kept}) as next_guest:
        all_active(next_guest)
        check("the boot before this one ended early. PID 1 crashed: SIG" in next_guest.log_text(),
              next_guest.log_text())
        check(next_guest.kept("/var/lib/keel/crash") == "" and next_guest.kept("/var/lib/keel/last-crash") == kept,
              "told once, and kept")


@scenario("a crash of PID 1: report, services end by SIGTERM, mounts go, the right end; the next boot tells",
          skip=ptrace.possible)
def crash(_test):
    for mode, end in (("wsl", "signal 2"), ("vm", "signal 1")):
        units = dict(ENGINE, **{"mounter.service": unit("mount:/data/inner mount:/var/lib/docker ready sleep")})
        with Guest(units=units, mode=mode, dirs=["/data/inner", "/var/lib/docker"]) as guest:
            all_active(guest)
            ptrace.crash(guest.pid, rip=NOWHERE)
            check(guest.wait_end() == end, f"{mode}: {guest.end_line}\n{guest.log_text()}")
            log = guest.log_text()
            check(re.search(r"PID 1 crashed: SIGSEGV at address 0x10, keel-init 0x10", log), log)
            check(sorted(guest.event_names()) == ["agent", "containerd", "docker", "other"], guest.event_names())
            check("file systems unmounted" in log and "busy" not in log, log)
            check(not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "foreign processes live")
            boot_again(guest, {"a.service": unit("ready sleep")})


@scenario("a crash of PID 1 names the place and who called, relative to the symbols of keel-init.debug", skip=ptrace.possible)
def crash_address(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        place = functions()["shutdown_start"][0]
        # its argument is no pointer: it faults at its first instructions
        ptrace.crash(guest.pid, rip=load_base(guest.pid) + place, rdi=0x8000000000000000)
        check(guest.wait_end() == "signal 2", guest.end_line)
        found = re.search(r"PID 1 crashed: SIGSEGV at address 0x[0-9a-f]+, keel-init \+0x([0-9a-f]+), from (.*)",
                          guest.log_text())
        check(found, guest.log_text())
        table = functions()
        check(symbols.function_at(table, int(found[1], 16)) == "shutdown_start", guest.log_text())
        callers = [symbols.function_at(table, int(word, 16)) for word in found[2].replace("+", "").split()]
        check("loop_once" in callers or "main" in callers, f"{callers}\n{guest.log_text()}")


@scenario("every kind of crash is caught: SIGILL, SIGFPE, SIGABRT of PID 1 itself, a broken stack",
          skip=ptrace.possible)
def crash_kinds(_test):
    def write_code(guest, code):
        """Our own instructions, over the code of a function that is not needed."""
        base = load_base(guest.pid) + functions()["memory_setup"][0]
        with open(f"/proc/{guest.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(base)
            memory.write(code)
        return base

    ways = {
        "SIGILL": bytes.fromhex("0f0b"),                # ud2
        "SIGFPE": bytes.fromhex("31c9f7f1"),            # xor ecx, ecx; div ecx
        # gettid is 1 here: tkill(1, SIGABRT), what abort(3) does
        "SIGABRT": bytes.fromhex("bf01000000be06000000b8c80000000f05"),
        "SIGSEGV": bytes.fromhex("31e450"),             # xor esp, esp; push rax
    }
    for name, code in ways.items():
        with Guest(units={"a.service": unit("onterm:a ready sleep")}) as guest:
            all_active(guest)
            ptrace.crash(guest.pid, rip=write_code(guest, code))
            check(guest.wait_end() == "signal 2", f"{name}: {guest.end_line}\n{guest.log_text()}")
            check(f"PID 1 crashed: {name}" in guest.log_text(), guest.log_text())
            check(guest.event_names() == ["a"], f"{name}: {guest.event_names()}")


@scenario("a crash of PID 1 with the real engine and a container: the host is told, the data disk is clean",
          skip=lambda: engine.unavailable() or ptrace.possible(), deadline=200)
def crash_engine(_test):
    with engine.data_disk() as disk, engine.EngineGuest(disk) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.docker("run", "-d", "--restart", "always", engine.IMAGE, "/busybox", "sh", "-c",
                     "while :; do /busybox echo x >>/noise; done")
        ptrace.crash(guest.pid, rip=NOWHERE)
        check(guest.wait_end(30) == "signal 2", guest.end_line)
        log = guest.log_text()
        check("PID 1 crashed: SIGSEGV" in log and "busy" not in log and "hangs" not in log, log)
        status, output = disk.check()
        check(status == 0 and "recovering journal" not in output, f"{status}\n{output}")


@scenario("a crash of the image that cleans up ends the namespace at once", skip=ptrace.possible)
def crash_again(_test):
    with Guest(units={"a.service": unit("ignore:15 ready sleep")}, mode="vm") as guest:
        all_active(guest)
        ptrace.crash(guest.pid, rip=NOWHERE)
        guest.retry(lambda: b"--crashed" in open(f"/proc/{guest.pid}/cmdline", "rb").read(), "the second image runs")
        state = guest.wait(lambda s: s["boot"]["state"] == "stopping", "it answers")
        check(state["boot"]["reason"].startswith("PID 1 crashed: SIGSEGV"), state["boot"])
        ptrace.crash(guest.pid, rip=NOWHERE)
        check(guest.wait_end(1.5) == "signal 1", guest.end_line)
        check(guest.log_text().count("PID 1 crashed") == 2, guest.log_text())


@scenario("a crash during the boot powers a VM off, a later one reboots it; a WSL distro ends")
def crash_time(_test):
    for mode, time, end in (("vm", "boot", "signal 2"), ("vm", "running", "signal 1"), ("wsl", "boot", "signal 2"),
                            ("wsl", "running", "signal 2")):
        # the second image, as the first one calls it
        with Guest(mode=mode, init=["/sbin/init", "--crashed", time, "PID 1 crashed: a test"]) as guest:
            check(guest.wait_end() == end, f"{mode}, {time}: {guest.end_line}")
            check(guest.kept("/var/lib/keel/crash").startswith("PID 1 crashed: a test (keel "), "kept")


@scenario("PID 1 crashes and /sbin/init cannot be executed any more: it still ends", skip=ptrace.possible)
def crash_without_image(_test):
    with Guest(units={"a.service": unit("ready sleep")}, mode="vm") as guest:
        all_active(guest)
        os.chmod(guest.path("/sbin/init"), 0o600)
        ptrace.crash(guest.pid, rip=NOWHERE)
        check(guest.wait_end() == "signal 1", guest.end_line)
        check("PID 1 crashed: SIGSEGV" in guest.log_text(), guest.log_text())
        check("rebooting" not in guest.log_text(), "no second image ran: " + guest.log_text())


@scenario("signals of a crash that somebody sends are ignored, also with a forged origin")
def sent_signals(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        before = all_active(guest)
        for _ in range(20):
            for number in FATAL:
                os.kill(guest.pid, number)
                queue_signal(guest.pid, number)
        picture = guest.snapshot()
        check(picture["boot"]["state"] != "stopping", picture["boot"])
        check(picture["services"]["a.service"]["pid"] == before["services"]["a.service"]["pid"], picture)
        check("crashed" not in guest.log_text(), guest.log_text())


def queue_signal(pid, number):
    """rt_sigqueueinfo(2) with the sender that PID 1 has in its own namespace. A positive si_code is refused by
    the kernel."""
    info = (ctypes.c_int * 32)(number, 0, -1, 0, 1)  # si_signo, si_errno, si_code SI_QUEUE, padding, si_pid
    ptrace.LIBC.syscall(129, pid, number, ctypes.byref(info))
