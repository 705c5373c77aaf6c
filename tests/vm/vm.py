# SPDX-License-Identifier: MIT
"""vm.py - drives test guests: `vm --help`. Called through tests/vm/vm."""
import argparse
import fcntl
import json
import os
import pathlib
import select
import shlex
import shutil
import socket
import subprocess
import sys
import termios
import time
import tty

import accel
import client
import disk_verbs
import machine
import memory_verbs
import rootimage
import scsi
import vsock
from machine import VmError

HELP = """\
usage: vm VERB [--name N] [OPTIONS] [ARGUMENTS]      (N is 'keel' unless given)

  up [--mem 2G] [--max-mem SIZE] [--cpus 2] [--clock FILE] [--data FILE] [--data-size 8G] [--fresh] [--append CMDLINE] [--no-data]
     [--smbios STRING] [--kernel FILE] [--modules FILE] [--wsl PROFILE] [--deadline S] [--no-wait]
                             boots a guest and waits until it reports ready; --wsl: as a distro in a VM that
                             behaves as WSL's of version PROFILE does (2.6, 2.7, 2.9, head); `sh` is then outside of the
                             distro, where `wsl session keel -e COMMAND` runs a command in it, and `wsl` tells what else
                             --clock: what the host's wall clock is off, as the machine sees it, in seconds ("+3600");
                             the file may change while it runs, and counts a second later
  wait STATUS [SECONDS]      waits for starting, ready, degraded, failed, stopping or off
  health                     the health document, asked of the guest now
  api METHOD PATH [BODY]     one request to the guest's API; prints the answer's body
  sh [--tty] [--deadline S] [COMMAND...]
                             runs a command in the guest; one argument is a shell command line; none:
                             a login shell, as WSL gives one
  docker [--deadline S] ARGUMENTS...
                             the Docker CLI against the forwarded API
  rss                        guest memory that the host holds now, in KiB
  console [--log]            the serial console (Ctrl-] leaves); without a terminal what it has said
  events                     what the guest has reported, one JSON object a line
  plug [--lun 3] [--read-only] [--removable] [--block-size 512|4096] [--errors TYPE[@SECTOR]] FILE
                             attaches a disk while the guest runs
  unplug [--lun 3]           takes it away, whatever uses it
  resize [--lun 3] SIZE      the host has changed the disk's size (bytes, or with K, M, G or T)
  memory SIZE                the host adds memory; needs `up --max-mem`, which is what there may be in the end
  errors [--lun 3] [TYPE[@SECTOR]]...
                             requests fail from now on: all that read, write, flush, discard or
                             write-zeroes, or those that touch the 512-byte sector; none: no longer
  press power-button|ctrl-alt-del
                             presses the machine's power button, or the keys
  down [--deadline S]        shuts the guest down cleanly
  kill                       cuts its power
  list                       the guests there are

exit status: 0 done; 1 failed, with a sentence on stderr; 2 wrong usage; 3 the guest answered, but is
not as wanted (health: not ready; up, wait: degraded, failed or gone); 4 the API's answer was no
success; 124 the deadline passed. sh and docker pass the command's own status through, 125 if it could
not be run.

The data disk of guest N is build/vm/data/N.vhdx unless --data names another; down and kill keep it. It is
LUN 3. The format of a disk's file goes by its name: .vhdx, .qcow2, else raw; nbd+unix:///?socket=PATH is a disk
that somebody serves.
Environment: KEEL_VM_DIR (state of the guests, now {base}), KEEL_ACCEL=tcg|kvm.
"""
EXIT_FAILED, EXIT_USAGE, EXIT_NOT_AS_WANTED, EXIT_API = 1, 2, 3, 4
EXIT_DEADLINE, EXIT_NOT_RUN, EXIT_SIGPIPE = 124, 125, 141

UP_SECONDS = 180
WAIT_SECONDS = 120
DOWN_SECONDS = 90
COMMAND_SECONDS = 300
WSL_INIT = "init=/usr/lib/keel-lab/wsl-vm"
WSL_PROFILES = ("2.6", "2.7", "2.9", "head")
CTRL_BRACKET = b"\x1d"
FINAL_STATES = ("ready", "degraded", "failed")
STATES = ("starting", "stopping", *FINAL_STATES, "off")


# ---- up ------------------------------------------------------------------------------------------

def show_trouble(name, health):
    """What one needs to see when a guest did not come up."""
    print(f"--- console of '{name}', last lines ---\n{client.console_tail(name)}", file=sys.stderr)
    log = (machine.state_dir(name) / "monitor.log").read_text(errors="replace").strip()
    if log:
        print(f"--- monitor ---\n{log}", file=sys.stderr)
    if isinstance(health, dict):
        print(f"--- health: {health.get('status')}: {health.get('reason') or 'no reason given'} ---",
              file=sys.stderr)
        for part in [*health.get("stages", []), *health.get("services", [])]:
            if part.get("reason"):
                print(f"{part.get('name')}: {part.get('state')}: {part['reason']}", file=sys.stderr)


def prepare_data(args):
    """The data disk's file, made if it is missing, or None."""
    if args.no_data:
        return None
    if args.data and args.data.startswith(scsi.NBD):
        return args.data  # whoever serves it has made it
    path = pathlib.Path(args.data).absolute() if args.data else machine.default_data_file(args.name)
    if args.fresh:
        path.unlink(missing_ok=True)
    if not path.exists():
        machine.make_data_file(path, args.data_size)
    return path


def make_config(args):
    kernel = pathlib.Path(args.kernel).absolute()
    modules = pathlib.Path(args.modules).absolute()
    if not kernel.is_file():
        raise VmError(f"there is no {kernel}: run 'make lab-image'")
    root = rootimage.ensure(modules=modules)
    data = prepare_data(args)
    append = f"{WSL_INIT} lab.wsl={args.wsl} {args.append}" if args.wsl else args.append
    return {"name": args.name, "wsl": args.wsl, "mem": args.mem, "max_mem": args.max_mem, "clock": args.clock, "cpus": args.cpus, "accel": accel.choose(kernel),
            "kernel": str(kernel), "root": str(root), "data": str(data) if data else None,
            "cmdline": f"{machine.CMDLINE} {append}".strip(), "smbios": args.smbios}


def start_monitor(name, state):
    """Starts the guest's monitor and returns once QEMU runs."""
    ready_read, ready_write = os.pipe()
    with open(state / "monitor.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("monitor.py")), name, str(ready_write)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            pass_fds=[ready_write], cwd="/")
    os.close(ready_write)
    with os.fdopen(ready_read, "rb") as ready:
        if select.select([ready], [], [], 30)[0] and ready.readline():
            return
    process.kill()
    process.wait()
    raise VmError(f"guest '{name}' did not start: {(state / 'monitor.log').read_text().strip()}")


def boot(args):
    """Makes disks and configuration and starts the guest."""
    machine.make_base()
    state = machine.state_dir(args.name)
    state.mkdir(mode=0o700, exist_ok=True)
    with open(state / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if client.is_running(args.name):
            raise VmError(f"guest '{args.name}' is running already (vm down or vm kill ends it)")
        for path in state.iterdir():
            if path.name not in ("lock", "docker-config"):
                path.unlink()
        machine.write_atomically(state / "config.json", json.dumps(make_config(args), indent=1) + "\n")
        os.set_inheritable(lock.fileno(), False)
        start_monitor(args.name, state)


def verb_up(args):
    boot(args)
    if args.no_wait:
        return 0
    try:
        status, detail = client.wait_status(args.name, FINAL_STATES, time.monotonic() + args.deadline)
    except TimeoutError:
        show_trouble(args.name, client.last_health(args.name))
        print(f"vm: guest '{args.name}' reported no final state within {args.deadline} s; it still runs",
              file=sys.stderr)
        return EXIT_DEADLINE
    if status == "ready":
        return 0
    show_trouble(args.name, detail)
    if status == "off":
        print(f"vm: guest '{args.name}' ended while it booted: {detail}", file=sys.stderr)
    else:
        print(f"vm: guest '{args.name}' is {status}: {detail.get('reason')}; it still runs",
              file=sys.stderr)
    return EXIT_NOT_AS_WANTED


# ---- asking the guest ----------------------------------------------------------------------------

def verb_wait(args):
    if args.status == "off" and not client.is_running(args.name):
        return 0
    try:
        status, detail = client.wait_status(args.name, (args.status,), time.monotonic() + args.seconds)
    except TimeoutError:
        health = client.last_health(args.name) or {}
        print(f"vm: guest '{args.name}' was not {args.status} within {args.seconds} s; it is "
              f"{health.get('status', 'silent')}: {health.get('reason') or 'no reason given'}",
              file=sys.stderr)
        return EXIT_DEADLINE
    if status == args.status:
        return 0
    print(f"vm: guest '{args.name}' ended: {detail}", file=sys.stderr)
    return EXIT_NOT_AS_WANTED


def guest_socket(name):
    client.connect(name).close()
    return machine.state_dir(name) / "vsock.sock"


def verb_health(args):
    status, _, body = vsock.http_request(guest_socket(args.name), vsock.API_PORT, "GET", "/v1/health")
    sys.stdout.write(body.decode(errors="replace").rstrip("\n") + "\n")
    return 0 if status == 200 else EXIT_NOT_AS_WANTED


def verb_api(args):
    status, reason, body = vsock.http_request(
        guest_socket(args.name), vsock.API_PORT, args.method, args.path, args.body, args.deadline)
    sys.stdout.buffer.write(body)
    if 200 <= status < 300:
        return 0
    sys.stdout.flush()
    print(f"vm: {args.method} {args.path}: {status} {reason}", file=sys.stderr)
    return EXIT_API


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def run_on_terminal(sock, command, deadline):
    """Hands our terminal to the command."""
    size = shutil.get_terminal_size()
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        return vsock.run_command(sock, command, 0, write_all, deadline, (size.lines, size.columns))
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)


# What WSL's sessions get, as far as it matters here. The terminal's name is the guest's to know as well.
LOGIN_SHELL = "cd; TERM={} exec /bin/sh -l"


def verb_sh(args):
    command = args.command[0] if len(args.command) == 1 else shlex.join(args.command)
    if not args.command:
        args.tty = args.tty or os.isatty(0)
        command = LOGIN_SHELL.format(shlex.quote(os.environ.get("TERM", "dumb")))
    if args.deadline is None:
        args.deadline = 0 if args.tty else COMMAND_SECONDS
    deadline = time.monotonic() + args.deadline if args.deadline else None
    try:
        sock = vsock.connect(guest_socket(args.name), vsock.SHELL_PORT, args.deadline or COMMAND_SECONDS)
        with sock:
            if args.tty:
                return run_on_terminal(sock, command, deadline)
            return vsock.run_command(sock, command, 0, write_all, deadline)
    except TimeoutError:
        print(f"vm: '{command}' did not end within {args.deadline} s", file=sys.stderr)
        return EXIT_DEADLINE
    except BrokenPipeError:
        return EXIT_SIGPIPE  # nobody reads our output any more
    except (OSError, VmError) as error:
        print(f"vm: guest '{args.name}' did not run '{command}': {error}", file=sys.stderr)
        return EXIT_NOT_RUN


def verb_docker(args):
    guest_socket(args.name)
    state = machine.state_dir(args.name)
    environment = dict(os.environ, DOCKER_HOST=f"unix://{state}/docker.sock",
                       DOCKER_CONFIG=str(state / "docker-config"))
    environment.pop("DOCKER_CONTEXT", None)
    try:
        return subprocess.run(["docker", *args.arguments], env=environment, timeout=args.deadline or None,
                              check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"vm: docker did not end within {args.deadline} s", file=sys.stderr)
        return EXIT_DEADLINE


def verb_rss(args):
    print(client.request(args.name, {"do": "rss"})["kib"])
    return 0


def verb_events(args):
    try:
        sys.stdout.write((machine.state_dir(args.name) / "report.jsonl").read_text())
    except FileNotFoundError:
        raise VmError(f"there is no guest '{args.name}'") from None
    return 0


# ---- console -------------------------------------------------------------------------------------

def console_copy(sock):
    """Both ways until Ctrl-] or the guest's end."""
    while True:
        ready, _, _ = select.select([sock, 0], [], [])
        if sock in ready:
            data = sock.recv(65536)
            if not data:
                return
            write_all(1, data)
        if 0 in ready:
            data = os.read(0, 4096)
            if not data or CTRL_BRACKET in data:
                return
            sock.sendall(data)


def verb_console(args):
    if args.log or not sys.stdin.isatty():
        path = machine.state_dir(args.name) / "console.log"
        sys.stdout.write(path.read_text(errors="replace") if path.exists() else "")
        return 0
    guest_socket(args.name)
    print(f"console of '{args.name}': Ctrl-] leaves", file=sys.stderr)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(machine.state_dir(args.name) / "console.sock"))
        sock.sendall(b"\n")
        saved = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            console_copy(sock)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    print(file=sys.stderr)
    return 0


# ---- down, kill, list ----------------------------------------------------------------------------

def ask_for_power_off(name):
    """Through the lab shell; if that does not answer, by the keys that the kernel passes to PID 1."""
    command = "wsl shutdown </dev/null >/dev/console 2>&1 &" if machine.read_config(name).get("wsl") else "systemctl poweroff"
    try:
        with vsock.connect(guest_socket(name), vsock.SHELL_PORT, 10) as sock:
            status = vsock.run_command(sock, command, None, write_all, time.monotonic() + 10)
        if status == 0:
            return
        reason = f"{command} ended with {status}"
    except vsock.ShellBroken:
        return  # the guest was quick
    except OSError as error:
        reason = str(error)
    print(f"vm: {reason}; pressing Ctrl-Alt-Del", file=sys.stderr)
    client.request(name, {"do": "ctrl-alt-del"})


def verb_down(args):
    client.connect(args.name).close()
    deadline = time.monotonic() + args.deadline
    ask_for_power_off(args.name)
    try:
        _, how = client.wait_status(args.name, (), deadline)
    except TimeoutError:
        print(f"--- console ---\n{client.console_tail(args.name)}", file=sys.stderr)
        print(f"vm: guest '{args.name}' did not power off within {args.deadline} s (vm kill ends it)",
              file=sys.stderr)
        return EXIT_DEADLINE
    except VmError:
        how = client.how_it_ended(args.name)
    if how in ("powered-off", "reset"):
        return 0
    print(f"vm: guest '{args.name}' did not end cleanly: {how}", file=sys.stderr)
    return EXIT_NOT_AS_WANTED


def verb_press(args):
    client.request(args.name, {"do": args.what})
    return 0


def verb_kill(args):
    client.request(args.name, {"do": "kill"})
    try:
        client.wait_status(args.name, (), time.monotonic() + 10)
    except VmError:
        pass  # gone between the two calls
    return 0


def describe(name):
    config = machine.read_config(name)
    if client.is_running(name):
        status = (client.last_health(name) or {}).get("status", "silent")
    else:
        status = f"off ({client.how_it_ended(name)})"
    return [name, status, config["mem"], str(config["cpus"]), config["accel"], config["data"] or "-"]


def verb_list(_args):
    rows = [["NAME", "STATUS", "MEMORY", "CPUS", "ACCEL", "DATA"]]
    if machine.BASE.is_dir():
        rows += [describe(path.name) for path in sorted(machine.BASE.iterdir())
                 if (path / "config.json").exists()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return 0


# ---- command line --------------------------------------------------------------------------------

def add_up(parser):
    parser.add_argument("--mem", default="2G")
    parser.add_argument("--max-mem", help="what `vm memory` may bring it to")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--clock", metavar="FILE", help="what the machine's wall clock is off, in seconds (\"+3600\")")
    parser.add_argument("--data", metavar="FILE", help=f"data disk (.vhdx, .qcow2, else raw, or {scsi.NBD}PATH)")
    parser.add_argument("--data-size", default="8G", help="size of a data disk that is made")
    parser.add_argument("--fresh", action="store_true", help="start with a new, blank data disk")
    parser.add_argument("--append", default="", metavar="CMDLINE", help="added to the kernel command line")
    parser.add_argument("--smbios", action="append", default=[], metavar="STRING",
                        help="an OEM string in the firmware's table (type 11)")
    parser.add_argument("--no-data", action="store_true", help="no data disk at all")
    parser.add_argument("--kernel", default=str(rootimage.KERNEL))
    parser.add_argument("--modules", default=str(rootimage.MODULES), help="modules archive of the kernel")
    parser.add_argument("--wsl", choices=WSL_PROFILES, metavar="PROFILE", help=f"one of {', '.join(WSL_PROFILES)}")
    parser.add_argument("--deadline", type=int, default=UP_SECONDS)
    parser.add_argument("--no-wait", action="store_true", help="return once QEMU runs")


def add_wait(parser):
    parser.add_argument("status", choices=STATES)
    parser.add_argument("seconds", nargs="?", type=float, default=WAIT_SECONDS)


def add_api(parser):
    parser.add_argument("--deadline", type=float, default=30)
    parser.add_argument("method")
    parser.add_argument("path")
    parser.add_argument("body", nargs="?")


def add_sh(parser):
    parser.add_argument("--tty", action="store_true", help="on a terminal of its own")
    parser.add_argument("--deadline", type=float, metavar="S",
                        help=f"0: none, as with --tty; otherwise {COMMAND_SECONDS}")
    parser.add_argument("command", nargs=argparse.REMAINDER)


def add_docker(parser):
    parser.add_argument("--deadline", type=float, default=COMMAND_SECONDS, help="0: none")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def add_console(parser):
    parser.add_argument("--log", action="store_true", help="print what it has said")


def add_down(parser):
    parser.add_argument("--deadline", type=float, default=DOWN_SECONDS)


def add_press(parser):
    parser.add_argument("what", choices=("power-button", "ctrl-alt-del"))


def add_nothing(_parser):
    pass


VERBS = {
    "up": (verb_up, add_up), "wait": (verb_wait, add_wait), "health": (verb_health, add_nothing),
    "api": (verb_api, add_api), "sh": (verb_sh, add_sh), "docker": (verb_docker, add_docker),
    "rss": (verb_rss, add_nothing), "console": (verb_console, add_console),
    "events": (verb_events, add_nothing), "press": (verb_press, add_press), "down": (verb_down, add_down),
    "kill": (verb_kill, add_nothing), "list": (verb_list, add_nothing), **disk_verbs.VERBS, **memory_verbs.VERBS,
}


def parse(argv):
    if not argv or argv[0] in ("--help", "-h", "help"):
        print(HELP.format(base=machine.BASE), end="")
        sys.exit(0 if argv else EXIT_USAGE)
    if argv[0] not in VERBS:
        print(f"vm: there is no verb '{argv[0]}'; vm --help lists them", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    function, add = VERBS[argv[0]]
    parser = argparse.ArgumentParser(prog=f"vm {argv[0]}")
    parser.add_argument("--name", default="keel", help="the guest (default: keel)")
    add(parser)
    args = parser.parse_args(argv[1:])
    for rest in ("command", "arguments"):
        if getattr(args, rest, None) and getattr(args, rest)[0] == "--":
            del getattr(args, rest)[0]
    return function, args


def main():
    function, args = parse(sys.argv[1:])
    try:
        sys.exit(function(args))
    except TimeoutError as error:
        print(f"vm: guest '{args.name}': {error or 'no answer in time'}", file=sys.stderr)
        sys.exit(EXIT_DEADLINE)
    except (VmError, OSError) as error:
        print(f"vm: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
