"""The debugging shell of the shipped root: the page at its start, prompt, tools, completion, help, manual; what is left of
it when the engine, the disk, the agent, PID 1, bash or the C library fail; and that scripts see nothing of it."""
import json
import os
import re
import signal
import sys
import time

import engine
from guest import TOP
from harness import check, scenario
from terminal import Terminal

GREETING_MOST = 1.5  # seconds to the prompt, whatever is broken; the goal is 1
FOOTER = "help: what to do when something is wrong. man: the manual pages.\n"
DOCKERD_FAILS = {"/usr/bin/dockerd": ("#!/bin/sh\necho 'failed to start daemon: no luck today' >&2\nexit 1\n", 0o755)}
RESIDUE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def session(guest, *command, argv0=None, env=("TERM=xterm-256color", "HOME=/root"), **options):
    """A command on a terminal in the guest. env: all that it finds in its environment, but PATH."""
    if argv0:  # env of BusyBox cannot set it
        command = ("/usr/bin/busybox", "sh", "-c", 'exec -a "$0" "$@"', argv0, *command)
    words = guest.command(*command)
    at = words.index("-i", words.index("/usr/bin/env"))
    words[at + 1:at + 1] = env
    return Terminal(words, **options)


def login(guest, **options):
    """As WSL starts a session."""
    return session(guest, "/bin/sh", argv0="-sh", **options)


def greeting(terminal):
    """(the page, seconds until the prompt)"""
    return terminal.expect("# ")


def check_page(guest, *words, without=(), **options):
    with login(guest, **options) as terminal:
        page, took = greeting(terminal)
        for word in words:
            check(word in page, f"no {word!r} in\n{page}")
        for word in without:
            check(word not in page, f"{word!r} in\n{page}")
        check(took < GREETING_MOST, f"{took:.3f} s until the prompt:\n{page}")
        out, status = terminal.ask("echo $((6*7))")
        check((out, status) == ("42\n", 0), f"{out!r} {status}")
        terminal.type("exit 5\n")
        check(terminal.wait_end() == 5, f"the session's status, after {terminal.text!r}")
    return page


def check_completion(guest, terminal):
    """Asks the functions themselves: what readline prints depends on the width."""
    ask = ("t() { COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMP_LINE=\"$*\" COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMPREPLY=()"
           "; $F \"$1\" \"${@: -1}\" \"${@: -2:1}\" 2>/dev/null; echo ${COMPREPLY[*]}; }")
    check(terminal.ask(ask)[1] == 0, "the helper")
    # The first Tab loads the loader, and that what is asked for.
    terminal.type("keelctl sta\t")
    terminal.expect("keelctl sta")
    terminal.expect("start")
    terminal.type("\x15")
    for name in ("docker info", "systemctl is-active", "journalctl --dmesg", "ip link"):
        terminal.type(name[:-1] + "\t")
        terminal.expect(name)
        terminal.type("\x15")
    helped = guest.run("keelctl", "--help")[1]
    verbs = re.findall(r"^  ([a-z-]+) ", helped.split("\nOptions")[0], re.MULTILINE)
    offered = terminal.ask("F=_keelctl; t keelctl ''")[0].split()
    check(sorted(offered) == sorted(verbs), f"verbs {verbs}, offered {offered}")
    check("--vm" in terminal.ask("F=_keelctl; t keelctl --")[0].split(), "options of every verb")
    cases = {"keelctl restart do": "docker.service", "keelctl restart docker.service keel-l": "keel-log.service",
             "keelctl --timeout 5 logs cont": "containerd.service", "keelctl disk re": "repair",
             "keelctl wait fa": "failed", "keelctl memory mode adap": "adaptive"}
    for line, word in cases.items():
        words = " ".join(f"'{part}'" for part in line.split(" "))
        check(terminal.ask(f"F=_keelctl; t {words}")[0].split() == [word], f"{line}: not {word}")
    offered = set(terminal.ask("F=_keel_systemctl; t systemctl ''")[0].split())
    page = guest.run("systemctl", "--help")[1]
    check(all(verb in page for verb in offered) and {"status", "daemon-reload", "reset-failed"} <= offered, offered)


def check_tools(terminal):
    for line, words in {
            "docker version -f '{{.Server.Version}}'": ".", "ctr version": "Version", "ip -j link": '"ifname"',
            "ss -xln": "/run/docker.sock", "strace -e trace=none true": "exited with 0", "lsblk -V": "lsblk from",
            "findmnt -n -o FSTYPE /data": "ext4", "less -V": "less ", "vi --help": "BusyBox", "ps": "dockerd",
            "journalctl -n 1 -u docker": "docker", "keelctl disk status": "mounted on /data", "type top lsof": "lsof"}.items():
        out, _ = terminal.ask(line)
        check(words in out, f"{line}: {out}")


def check_manual(terminal):
    out, status = terminal.ask("man | cat")
    pages = re.findall(r"^  (\S+)\((\d)\) +\S", out, re.MULTILINE)
    ours = sorted(name for name in os.listdir(f"{TOP}/docs") if re.fullmatch(r".*\.[1-9]", name))
    check(status == 0 and sorted(f"{name}.{number}" for name, number in pages) == ours, f"{ours} {out}")
    for page in ("keelctl", "keel.conf", "5 keel.units", "keel-disk", "systemctl"):
        out, status = terminal.ask(f"man {page} | cat")
        check(status == 0 and "NAME\n" in out and not RESIDUE.search(out), f"man {page}: {out[:300]!r}")
    out, status = terminal.ask("man nothing")
    check(status == 1 and "no page for nothing" in out, out)
    # On the terminal less shows it, bold, and is left with q.
    terminal.type("man keelctl\n")
    terminal.expect("NAME")
    terminal.type("q")
    terminal.expect("# ")
    out, status = terminal.ask("help | cat")
    check(status == 0 and "the engine does not start" in out and "the data disk is missing" in out, out)
    check("cd [" in terminal.ask("help cd | head -n 3")[0], "bash's own help")


def count_up(guest):
    """How many services are up; None as long as one may yet get there."""
    states = [one["state"] for one in json.loads(guest.run("keelctl", "services", "--json")[1])]
    return None if {"waiting", "starting"} & set(states) else sum(state in ("active", "reloading") for state in states)


def expect_prompt(terminal, word, seconds=30):
    """A prompt shows the word of its moment, and the agent's comes when it comes: Enter until it is there."""
    end = time.monotonic() + seconds
    while word not in (prompt := terminal.ask_prompt()):
        check(time.monotonic() < end, f"no {word!r} in {seconds} s; the prompt is {prompt!r}")


@scenario("shell: all is up: a short page, the state in the prompt, tools, completion, manual pages; scripts see nothing",
          deadline=180, skip=engine.unavailable)
def all_is_up(_test):
    with engine.data_disk() as disk, engine.EngineGuest(disk) as guest:
        guest.wait_ready()
        up = guest.retry(lambda: count_up(guest), "no service is on its way any more")
        guest.retry(lambda: guest.read("/run/keel/state") in ("ready\n", "degraded\n"), "the engine can be used")
        word = guest.read("/run/keel/state").strip()  # of a kernel that lacks something: degraded
        page = check_page(guest, f"is {word}", "Engine      ready, API 1.", "Data disk   mounted, /dev/loop", "Memory  ",
                          "Network  ", f"Services    {up} up\n", FOOTER, f"keel[{word}] root@")
        check(page.count("\n") < 25 and page.startswith("keel "), page)
        with login(guest) as terminal:
            greeting(terminal)
            check_tools(terminal)
            check_completion(guest, terminal)
            check_manual(terminal)
            # The prompt follows, through words that the state at the start cannot be.
            for command, follows in (("stop", "no agent"), ("start", word)):
                check(terminal.ask(f"keelctl {command} keel-agent")[1] == 0, f"{command} keel-agent")
                expect_prompt(terminal, f"keel[{follows}]")
            check(terminal.ask("keelctl stop docker")[1] == 0, "stop docker")
            expect_prompt(terminal, "keel[degraded]")
            check(terminal.ask("keelctl start docker")[1] == 0, "start docker")
            expect_prompt(terminal, f"keel[{word}]")
        times = []
        for _ in range(9):
            with login(guest) as terminal:
                times.append(greeting(terminal)[1])
        print(f"# prompt after {sorted(times)[4] * 1000:.0f} ms (nsenter included), at most {max(times) * 1000:.0f} ms",
              file=sys.stderr)
        check_silence(guest)
        check_odd_terminals(guest)
        check_login(guest)


def check_silence(guest):
    for command in (["sh", "-lc", "echo x"], ["sh", "-l", "-i", "-c", "echo x"], ["bash", "-lc", "echo x"],
                    ["bash", "-lic", "echo x"], ["sh", "-c", "echo x"], ["sh", "-l"], ["bash", "-l"], ["sh"]):
        _, out, error = guest.run(*command, stdin=b"echo x\n")
        # Without a terminal an interactive bash complains about job control. That is bash's own.
        error = "\n".join(line for line in error.split("\n") if "job control" not in line and "process group" not in line)
        check((out, error) == ("x\n", ""), f"{command}: {out!r} {error!r}")
    # On a terminal too: only a shell that is typed into greets.
    for command in (("/bin/sh", "-lc", "echo x"), ("/bin/sh", "-lic", "echo x"), ("/bin/bash", "-lic", "echo x"),
                    ("/usr/bin/echo", "x")):
        with session(guest, *command) as terminal:
            check(terminal.wait_end() == 0 and terminal.text == "x\n", f"{command}: {terminal.text!r}")


def check_odd_terminals(guest):
    for env in ((), ("TERM=dumb",), ("TERM=nobody-knows", "HOME=/nowhere"), ("NO_COLOR=1", "TERM=xterm")):
        with login(guest, env=env) as terminal:
            page, _ = greeting(terminal)
            colours = "\x1b[3" in terminal.raw
            check("Engine " in page and colours == (env[:1] == ("TERM=nobody-knows",)), f"{env}: {terminal.raw!r}")
            check("TERM=xterm" in env or env[:1] == ("TERM=nobody-knows",) or "\x1b" not in terminal.raw,
                  f"{env}: {terminal.raw!r}")
            check(terminal.ask("pwd")[1] == 0, "it works")
    for columns in (20, 40, 200):
        with login(guest, size=(24, columns), env=("TERM=dumb",)) as terminal:
            page, _ = greeting(terminal)
            wide = [line for line in page.split("\n")[:-1] if len(line) > max(columns, 30) and " " in line.strip()]
            check(not [line for line in wide if not line.startswith(("  keelctl", "  wsl", FOOTER[:9]))], f"{columns}: {wide}")


def check_login(guest):
    """What WSL runs once for each user: no noise of its own, no hang; it ends with its terminal."""
    terminal = session(guest, "/bin/login", "-f", "root", env=("TERM=xterm-256color",))
    page, took = greeting(terminal)
    check(page.startswith("keel ") and took < GREETING_MOST, f"{took} {page!r}")
    check(terminal.ask("echo $HOME $SHELL; pwd")[0] == "/root /bin/bash\n/root\n", "its environment")
    terminal.type("exit\n")
    check(terminal.wait_end() == 0 and terminal.text.strip() in ("exit", "exit\nlogout", "logout"), repr(terminal.text))
    os.close(terminal.master)
    # A terminal that is closed at once, in the middle of the greeting, leaves nobody behind.
    before = sorted(p[1] for p in guest.processes().values())
    with session(guest, "/bin/login", "-f", "root"):
        pass
    guest.retry(lambda: sorted(p[1] for p in guest.processes().values()) == before, "all of the session is gone")


@scenario("shell: the engine fails: its last words and what to try; the agent stopped, hung, PID 1 mute: the page says so in time",
          deadline=120, skip=engine.unavailable)
def engine_and_agent(_test):
    with engine.EngineGuest(files=DOCKERD_FAILS) as guest:
        guest.wait(lambda s: s["services"]["docker.service"]["restarts"] > 1, "dockerd fails")
        guest.retry(lambda: "no luck" in guest.run("keelctl", "health", check=False)[1], "its words are known")
        check_page(guest, "docker.service died and will be restarted", "Last words of docker.service\n",
                   "  | failed to start daemon: no luck today\n", "Try\n", "  keelctl logs -n 20 docker.service",
                   "keelctl restart docker.service", "keel[degraded]")
        check("no luck today" in guest.run("keelctl", "status")[1], "the whole page has them too")

        check(guest.run("keelctl", "stop", "keel-agent")[0] == 0, "the agent is stopped")
        check(not os.path.exists(guest.path("/run/keel/state")), "its word is gone with it")
        check_page(guest, "Agent       silent: keel-agent does not answer (", "this is what PID 1 says",
                   "keelctl restart keel-agent", "no luck today", "keel[no agent]")
        check(guest.run("keelctl", "start", "keel-agent")[0] == 0, "it is back")

        agent = next(pid for pid, p in guest.processes().items() if p[1] == "keel-agent")
        os.kill(guest.outside_pid(agent), signal.SIGSTOP)
        try:
            check_page(guest, "Agent       silent", "this is what PID 1 says")
            os.kill(guest.pid, signal.SIGSTOP)
            try:
                began = time.monotonic()
                check_page(guest, "unreachable", "neither keel-agent (", "nor PID 1 (", "journalctl -k")
                check(time.monotonic() - began < 3, "and the shell is not held up")
                code, _, _ = guest.run("keelctl", "status", "--brief", check=False)
                check(code == 3, "nobody answers")
            finally:
                os.kill(guest.pid, signal.SIGCONT)
        finally:
            os.kill(guest.outside_pid(agent), signal.SIGCONT)
        guest.retry(lambda: guest.api("/v1/health")[1]["status"] == "degraded", "all is as before")
        guest.run("keelctl", "stop", "docker")
        check_page(guest, "docker.service was stopped", "keelctl start docker.service")


@scenario("shell: no data disk under WSL: the page says how to attach one; a boot that failed: its reason",
          deadline=60, skip=engine.unavailable)
def no_disk(_test):
    missing = {"/etc/keel/keel.conf": "[disk]\ndata = LABEL=kns-nobody\nwait = 1\n"}
    with engine.EngineGuest(files=missing) as guest:
        guest.wait_service("keel-agent.service", "active")
        guest.wait(lambda s: s["stages"]["disk"]["state"] not in ("pending", "running"), "the disk is given up for now")
        page = check_page(guest, "Data disk   ", "Engine      waiting (", "Try\n", "keelctl disk list")
        situation = guest.api("/v1/health")[1]["disk"]["situation"]
        check(("wsl --mount --vhd PATH --bare" in page) == (situation == "no-disk"), f"{situation}: {page}")
    with engine.EngineGuest(enosys="mount") as guest:
        guest.wait_service("keel-agent.service", "active")
        check_page(guest, "the boot failed: stage mounts failed: cannot mount", "keel[failed]", "journalctl -k")


def break_library(guest):
    """A libc.so.6 that is no library any more."""
    guest.put("/usr/lib/x86_64-linux-gnu/libc.so.6", ("not an ELF file\n", 0o644))


FALLEN = ("bash cannot run here", "Engine      ", "keel[")


@scenario("shell: bash or the C library missing or damaged, keel.conf damaged, / read-only, /run empty: it still works",
          deadline=120, skip=engine.unavailable)
def damage(_test):
    with engine.EngineGuest(without=["/usr/bin/bash"]) as guest:
        check_page(guest, *FALLEN)
    with engine.EngineGuest(without=["/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"]) as guest:
        check_page(guest, *FALLEN)
    guest = engine.EngineGuest(files={"/etc/keel/keel.conf": "\x01\x02[[[\n=\n[disk\nx" + "y" * 9000})
    break_library(guest)
    with guest:
        guest.wait_service("keel-agent.service", "active")
        check_page(guest, *FALLEN)
        with login(guest) as terminal:
            greeting(terminal)
            check("the engine does not start" in terminal.ask("help | cat")[0], "help")
            check("NAME" in terminal.ask("man keelctl | cat")[0], "man")
            check(terminal.ask("echo $(busybox ip link | wc -l)")[1] == 0, "BusyBox's own tools")
            terminal.type("man keel-log\n")  # the pager that needs no library
            terminal.expect("NAME")
            terminal.type("q")
            terminal.expect("# ")
        check(guest.run("sh", "-lc", "echo x")[1:] == ("x\n", ""), "scripts are silent")
    with engine.EngineGuest() as guest:
        guest.wait_service("keel-agent.service", "active")
        guest.run("busybox", "mount", "-o", "remount,bind,ro", "/")
        check_page(guest, "Engine      ", FOOTER)
        guest.run("busybox", "mount", "-t", "tmpfs", "none", "/run")
        check_page(guest, "unreachable", "keel[no agent]", FOOTER)
