"""A guest under the stand-in for WSL's launcher: the shipped root file system, PID 1 handed over as WSL does it,
sessions, terminations.

    with WslGuest(profile="2.9") as guest:
        guest.session("true")                        # the first one boots the distro
        status, out, err = guest.session("id", "-un", elevated=True)
        guest.terminate()                            # "poweroff"

engine=True is EngineGuest's: containerd, dockerd and the agent run (give it a data_disk()); without it they are masked
and a boot takes milliseconds. plain=True adds a second distro, "other", BusyBox without systemd. What happens and when
is in `events`: see wait_event().
"""
import os
import shutil
import signal
import subprocess
import threading
import time

import engine
import guest as ns

LAUNCHER = f"{ns.NS_BIN}/wsl-launcher"
NAME = "docker-desktop"
OTHER = "other"
ENGINE_UNITS = ("containerd.service", "docker.service", "keel-agent.service")
PROFILES = ("2.6", "2.7", "2.9", "head")


def unavailable():
    """Why the launcher cannot run here, or None."""
    if not ns.is_real_root():
        return "needs root"
    if not os.path.exists(engine.ROOTFS):
        return "no build/out/keel-rootfs.tar.gz (make rootfs)"
    return None


class Event:
    """A line of the launcher: name, the distro ("-": the VM), its values, microseconds of CLOCK_MONOTONIC."""

    def __init__(self, line):
        words = line.split(" ")
        self.name, self.distro = words[:2]
        self.values = dict(word.split("=", 1) for word in words[2:] if "=" in word)
        self.time = int(self.values.pop("t"))

    def __repr__(self):
        return f"{self.time / 1e6:.3f} {self.name} {self.distro} {self.values}"


def build_plain_root(root, busybox):
    """Another distro: BusyBox, a user, no systemd."""
    for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "run", "tmp", "mnt", "root", "var/test"):
        os.makedirs(f"{root}/{name}")
    shutil.copy(busybox, f"{root}/bin/busybox")
    for name in ("sh", "ls", "cat", "mount", "umount", "sleep", "grep", "id", "touch", "mkdir", "rm", "kill", "ps", "true"):
        os.symlink("busybox", f"{root}/bin/{name}")
    with open(f"{root}/etc/passwd", "w", encoding="ascii") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\n")
    with open(f"{root}/etc/group", "w", encoding="ascii") as file:
        file.write("root:x:0:\n")


class WslGuest(engine.EngineGuest):
    def __init__(self, disk=None, profile="2.9", engine=False, plain=False, options=(), wsl_conf=None, masked=(),
                 files=None, starts=True, **rest):
        """options: words for `wsl-launcher run`; wsl_conf: the whole text of /etc/wsl.conf instead of ours; starts=False:
        WSL's init is not expected to get ready."""
        self.profile, self.plain, self.options, self.starts = profile, plain, list(options), starts
        files = dict(files or {})
        if wsl_conf is not None:
            files["/etc/wsl.conf"] = wsl_conf
        super().__init__(disk, files=files, masked=(*masked, *(() if engine else ENGINE_UNITS)), **rest)
        self.control, self.share = f"{self.dir}/wsl.sock", f"{self.dir}/share"
        self.events, self.news = [], threading.Condition()
        self.ended = self.closed = False  # the distro; the launcher

    # -- life

    def start(self):
        kmsg = f"{self.dir}/kmsg"
        os.mkfifo(kmsg)
        self.kmsg_fd = os.open(kmsg, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        self.drain = threading.Thread(target=self.drain_log, daemon=True)
        self.drain.start()
        os.mkdir(self.share)
        args = [LAUNCHER, "run", "--profile", self.profile, "--control", self.control, "--share", self.share]
        if self.cgroup:
            args += ["--cgroup", self.cgroup[len(ns.cgroup2_mount()):]]
        args += [*self.options, "--distro", NAME, "--root", f"{self.dir}/merged", "--lower", self.lower, "--upper",
                 f"{self.dir}/upper", "--work", f"{self.dir}/work", "--kmsg", kmsg]
        for dev in self.launch_options.get("devs", []):
            args += ["--dev", dev]
        if self.plain:
            args += self.plain_arguments(kmsg)
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.watcher = threading.Thread(target=self.read_events, daemon=True)
        self.watcher.start()
        if self.starts:
            self.wait_event("ready")
        if self.plain:
            self.wait_event("ready", OTHER)

    def plain_arguments(self, kmsg):
        build_plain_root(f"{self.dir}/other-lower", os.path.realpath(f"{self.lower}/usr/bin/busybox"))
        for name in ("other-upper", "other-work", "other-merged"):
            os.mkdir(f"{self.dir}/{name}")
        return ["--distro", OTHER, "--root", f"{self.dir}/other-merged", "--lower", f"{self.dir}/other-lower",
                "--upper", f"{self.dir}/other-upper", "--work", f"{self.dir}/other-work", "--kmsg", kmsg]

    def read_events(self):
        for line in self.process.stdout:
            event = Event(line.rstrip("\n"))
            with self.news:
                if event.distro == NAME and event.name == "launched":
                    self.pid, self.ended = int(event.values["pid"]), False
                if event.distro == NAME and event.name == "ended":
                    self.end_line, self.ended = event.values["how"], True
                self.events.append(event)
                self.news.notify_all()
        self.process.wait()
        with self.news:
            self.end_line, self.ended = self.end_line or "launcher gone", True
            self.closed = True
            self.news.notify_all()

    # -- events

    def found(self, name, distro=NAME):
        return [event for event in self.events if event.name == name and event.distro == distro]

    def wait_event(self, name, distro=NAME, count=1):
        """The count-th event of this name, waited for."""
        with self.news:
            enough = self.news.wait_for(lambda: len(self.found(name, distro)) >= count or self.closed,
                                        max(0, self.deadline - time.monotonic()))
            if not enough or len(self.found(name, distro)) < count:
                raise AssertionError(f"waited for the event {name} of {distro}\n" + self.describe())
            return self.found(name, distro)[count - 1]

    def describe(self):
        return "\n".join(map(repr, self.events)) + "\n" + super().describe()

    # -- what wsl.exe does

    def words(self, *command, elevated=False, user=None, distro=NAME, tty=False, directory=None):
        words = [LAUNCHER, "session", "--control", self.control, "--distro", distro]
        words += ["--elevated"] if elevated else []
        words += ["--tty"] if tty else []
        words += ["--user", user] if user else []
        words += ["--cd", directory] if directory else []
        return words + (["-e", *command] if command else [])

    def session(self, *command, stdin=b"", check=True, **options):
        """`wsl -e COMMAND`, or without a command a login shell that reads stdin: (status, stdout, stderr)."""
        result = subprocess.run(self.words(*command, **options), input=stdin, capture_output=True, check=False,
                                timeout=max(1, self.deadline - time.monotonic()))
        output = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: status {result.returncode}\n{output[0]}{output[1]}\n" + self.describe())
        return result.returncode, *output

    def start_session(self, *command, **options):
        """The same in the background: Popen with pipes."""
        return subprocess.Popen(self.words(*command, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def boot(self):
        """The first session; afterwards PID 1 said `running`, and the events are known."""
        ends = len(self.found("session-end"))
        self.session("true")
        self.wait_event("session-end", count=ends + 1)
        return self

    def ask(self, verb, *words):
        result = subprocess.run([LAUNCHER, verb, "--control", self.control, *words], capture_output=True, text=True,
                                check=False, timeout=max(1, self.deadline - time.monotonic()))
        return result.stdout.strip().removeprefix("ended ")

    def ask_in_background(self, verb, *words):
        return subprocess.Popen([LAUNCHER, verb, "--control", self.control, *words], stdout=subprocess.PIPE, text=True)

    def terminate(self, distro=NAME):
        """`wsl -t`: how it ended, "poweroff" if by itself or by WSL's init."""
        ends = len(self.found("ended", distro))
        how = self.ask("terminate", "--distro", distro)
        self.wait_event("ended", distro, ends + 1)
        return how

    def hard_kill(self, distro=NAME):
        return self.ask("kill", "--distro", distro)

    def shutdown(self, force=False):
        return self.ask("shutdown", *(["--force"] if force else []))

    def wait_end(self):
        self.wait_event("ended")
        return self.end_line

    # -- looking in

    def zombies(self):
        """Dead children of PID 1 that it has not reaped yet: for a moment each of them is one."""
        return [values for values in self.processes().values() if values[2] == "Z" and values[3] == 1]

    def __exit__(self, *args):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return super().__exit__(*args)
