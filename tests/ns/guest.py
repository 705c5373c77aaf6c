"""A namespace guest: keel-init as a real PID 1 in a root of its own (see launch.c), and how tests look in.

    with Guest(units={"a.service": UNIT}) as guest:
        guest.wait(lambda s: s["services"]["a.service"]["state"] == "active", "a.service is active")

A guest lives in a directory of its own below build/ns/run; leaving the block ends it: processes, mounts,
control group, directory. With KEEL_KEEP=1 the directory stays.
"""
import os
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time

from control import Client, Closed

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("KEEL_BIN", f"{TOP}/build/bin")
NS_BIN = os.environ.get("KEEL_NS_BIN", f"{TOP}/build/ns")
RUN = f"{TOP}/build/ns/run"

HELPERS = ("keel-modules", "keel-disk", "keel-net")


# ---- roots ------------------------------------------------------------------------------------

def build_tiny_root(root):
    """The root of guests without the engine: keel-init and the test service, nothing else."""
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "data", "var/test", "etc/test", "sbin",
                 "usr/bin", "usr/lib/keel/units"):
        os.makedirs(f"{root}/{name}")
    shutil.copy(f"{BIN}/keel-init", f"{root}/sbin/init")
    shutil.copy(f"{NS_BIN}/svc", f"{root}/usr/bin/svc")
    for helper in HELPERS:
        os.link(f"{root}/usr/bin/svc", f"{root}/usr/lib/keel/{helper}")
    os.chmod(f"{root}/var/test", 0o777)


def remove_tree(path):
    if os.environ.get("KEEL_KEEP") == "1":
        return
    # overlayfs leaves work/work without permissions
    for base, dirs, _ in os.walk(path):
        for name in dirs:
            if not os.path.islink(f"{base}/{name}"):
                os.chmod(f"{base}/{name}", 0o700)
    shutil.rmtree(path, ignore_errors=True)


def is_real_root():
    """Root of the machine, not of a user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as uid_map:
        return os.geteuid() == 0 and uid_map.read().split() == ["0", "0", "4294967295"]


# ---- control groups ---------------------------------------------------------------------------

def cgroup2_mount():
    """Where the host has the unified hierarchy, or None."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    return None


def make_cgroup():
    """A group of our own, its PID 1 in `base` so that the guest's base is not the root; or None."""
    mount = cgroup2_mount()
    if not mount:
        return None
    try:
        top = tempfile.mkdtemp(prefix="keel-ns-", dir=mount)
        os.chmod(top, 0o755)
    except OSError:
        return None
    for directory in (mount, top):
        for controller in ("memory", "pids", "cpu", "io", "cpuset"):
            try:
                with open(f"{directory}/cgroup.subtree_control", "w", encoding="ascii") as control:
                    control.write(f"+{controller}")
            except OSError:
                pass  # not in this hierarchy
    os.mkdir(f"{top}/base")
    return top


def remove_cgroup(top, deadline):
    """Kills what is left in it and removes it from the leaves up."""
    try:
        with open(f"{top}/cgroup.kill", "w", encoding="ascii") as kill:
            kill.write("1")
    except OSError:
        pass
    while os.path.isdir(top):
        for base, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(base)
            except OSError:
                pass
        if time.monotonic() > deadline:
            raise AssertionError(f"control group {top} cannot be removed")
        time.sleep(0.005)


# ---- the guest --------------------------------------------------------------------------------

class Guest:
    def __init__(self, units=None, files=None, mode="wsl", seconds=40, root=None, cgroup=True, dirs=(),
                 masked=(), without=(), **launch):
        """units: name -> text, below /usr/lib/keel/units; files: path -> text or (text, mode); without:
        paths of the root that this guest lacks; launch: devs=[...], enosys="clone3", init=[...],
        console=PATH of a terminal"""
        self.deadline = time.monotonic() + seconds
        self.mode, self.launch_options = mode, launch
        os.makedirs(RUN, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix="guest-", dir=RUN)
        os.chmod(self.dir, 0o755)
        self.lower = root or f"{self.dir}/lower"
        if not root:
            build_tiny_root(self.lower)
        for name in ("upper", "work", "merged"):
            os.mkdir(f"{self.dir}/{name}")
        for path in dirs:
            os.makedirs(f"{self.dir}/upper{path}", exist_ok=True)
        for path, content in (files or {}).items():
            self.put(path, content)
        for name, content in (units or {}).items():
            self.put(f"/usr/lib/keel/units/{name}", content)
        for name in masked:
            self.put(f"/etc/keel/units/{name}", "")
        for path in without:
            self.hide(path)
        self.cgroup = make_cgroup() if cgroup else None
        self.pid, self.end_line, self.process, self.watcher = None, None, None, None
        self.log, self.log_lock = bytearray(), threading.Lock()

    def put(self, path, content):
        text, mode = content if isinstance(content, tuple) else (content, 0o644)
        full = f"{self.dir}/upper{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def hide(self, path):
        """A whiteout (Documentation/filesystems/overlayfs.rst): the lower file is not there."""
        full = f"{self.dir}/upper{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.mknod(full, stat.S_IFCHR, os.makedev(0, 0))

    # -- life

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        kmsg = f"{self.dir}/kmsg"
        os.mkfifo(kmsg)
        # Both ends: nobody waits for the other, no write ever fails.
        self.kmsg_fd = os.open(kmsg, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        self.drain = threading.Thread(target=self.drain_log, daemon=True)
        self.drain.start()
        args = [f"{NS_BIN}/launch", "--root", f"{self.dir}/merged", "--lower", self.lower, "--upper",
                f"{self.dir}/upper", "--work", f"{self.dir}/work", "--kmsg", kmsg]
        if self.mode == "vm":
            args.append("--vm")
        if self.cgroup:
            args += ["--cgroup", f"{self.cgroup}/base"]
        for dev in self.launch_options.get("devs", []):
            args += ["--dev", dev]
        if "console" in self.launch_options:
            args += ["--console", self.launch_options["console"]]
        if "enosys" in self.launch_options:
            args += ["--enosys", self.launch_options["enosys"]]
        if "init" in self.launch_options:
            args += ["--", *self.launch_options["init"]]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("pid "):
            raise AssertionError(f"the launcher did not start PID 1 (status {self.process.wait()})")
        self.pid = int(line.split()[1])
        self.watcher = threading.Thread(target=self.watch_end, daemon=True)
        self.watcher.start()

    def watch_end(self):
        self.end_line = self.process.stdout.readline().strip()
        self.process.wait()

    def drain_log(self):
        """In a thread: the pipe must not fill up."""
        while b"\0" not in self.log:
            select.select([self.kmsg_fd], [], [])
            self.take_log()

    def take_log(self):
        with self.log_lock:
            try:
                while data := os.read(self.kmsg_fd, 65536):
                    self.log += data
            except BlockingIOError:
                pass  # that was all

    def wait_end(self, seconds=None):
        """The launcher's last line: "signal 2" after a power-off."""
        self.watcher.join(max(0.0, self.deadline - time.monotonic()) if seconds is None else seconds)
        if self.watcher.is_alive():
            raise AssertionError("the namespace did not end in time\n" + self.describe())
        return self.end_line

    def __exit__(self, *exc):
        if exc and exc[0] is not None and os.environ.get("KEEL_VERBOSE") == "1":
            print(self.describe(), flush=True)
        if self.pid and self.process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            if not self.pid:
                self.process.kill()
            self.process.wait(10)
        if hasattr(self, "kmsg_fd"):
            os.write(self.kmsg_fd, b"\0")
            self.drain.join(5)
            os.close(self.kmsg_fd)
        if self.cgroup:
            remove_cgroup(self.cgroup, time.monotonic() + 5)
        remove_tree(self.dir)

    def describe(self):
        lines = [f"-- log of PID 1 ({self.dir})", self.log.decode("utf-8", "replace").rstrip()]
        # Without keel-log, what services said is still where they wrote it.
        for directory in (self.path("/run/keel/log"), self.path("/run/keel/spool")):
            try:
                for name in sorted(name for name in os.listdir(directory) if not name.startswith(".")):
                    with open(f"{directory}/{name}", encoding="utf-8", errors="replace") as file:
                        file.seek(max(0, os.path.getsize(file.name) - 2000))
                        lines.append(f"-- {name}\n" + file.read().strip("\0\n"))
            except OSError:
                pass
        return "\n".join(lines)

    # -- looking in

    def path(self, inside):
        return f"/proc/{self.pid}/root{inside}"

    def read(self, inside):
        with open(self.path(inside), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kept(self, inside):
        """A file of the root file system, also after the end."""
        try:
            with open(f"{self.dir}/upper{inside}", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log_text(self):
        """All that was written to /dev/kmsg until now, also what the thread has not seen yet."""
        if self.drain.is_alive():
            self.take_log()
        return self.log.decode("utf-8", "replace")

    def events(self):
        """[(text, pid, microseconds)] that the test services wrote, in order."""
        lines = [line.split() for line in self.kept("/var/test/events").splitlines()]
        return [(words[0], int(words[1]), int(words[2])) for words in lines]

    def event_names(self):
        return [event[0] for event in self.events()]

    def client(self):
        return Client(self.path("/run/keel/control"), self.deadline)

    def snapshot(self):
        with self.client() as client:
            return client.snapshot()

    def request(self, verb, unit=""):
        with self.client() as client:
            return client.request(verb, unit)

    def wait(self, predicate, what):
        """Reads the stream of changes until predicate(picture) is true; returns the picture."""
        state = None
        try:
            with self.client() as client:
                client.send(2)
                while True:
                    state = client.read_picture()
                    if predicate(state):
                        return state
        except (TimeoutError, Closed) as error:
            raise AssertionError(f"waited for: {what} ({type(error).__name__})\n{state}\n" +
                                 self.describe()) from error

    def wait_service(self, name, state):
        return self.wait(lambda s: s["services"][name]["state"] == state, f"{name} {state}")["services"][name]

    def retry(self, predicate, what):
        """For what no event tells: tries until the deadline."""
        while True:
            result = predicate()
            if result:
                return result
            if time.monotonic() > self.deadline:
                raise AssertionError(f"waited for: {what}\n" + self.describe())
            time.sleep(0.01)

    # -- processes

    def processes(self):
        """{pid inside: (pid outside, name, state, parent inside)} of the namespace."""
        own = os.stat(f"/proc/{self.pid}/ns/pid").st_ino
        found, outside = {}, {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/status", encoding="utf-8") as file:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
                pids = status["NSpid"].split()
                if len(pids) < 2 or (status["State"][0] != "Z" and os.stat(f"/proc/{entry}/ns/pid").st_ino != own):
                    continue
                found[int(entry)] = (int(pids[-1]), status["Name"], status["State"][0], int(status["PPid"]))
            except (OSError, KeyError):
                continue
        outside = {pid: values[0] for pid, values in found.items()}
        return {inside: (pid, name, state, outside.get(parent, 0))
                for pid, (inside, name, state, parent) in found.items()
                if state != "Z" or parent in outside}

    def outside_pid(self, inside):
        return self.processes()[inside][0]

    def kill(self, inside, number=signal.SIGKILL):
        os.kill(self.outside_pid(inside), number)

    def status(self, key):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return line.split(":", 1)[1].strip()
        raise KeyError(key)

    def release(self, fifo):
        """Lets an `await:FIFO` of svc.c go on."""
        self.retry(lambda: os.path.exists(self.path(fifo)) and stat.S_ISFIFO(os.stat(self.path(fifo)).st_mode),
                   f"{fifo} exists")
        os.close(os.open(self.path(fifo), os.O_WRONLY))


def in_mounts_of(pid, function):
    """Runs the function in the mount namespace of a process, in a process that its guest does not know; True if it did
    not fail."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
            function()
            status = 0
        except BaseException as error:  # pylint: disable=broad-except
            print(f"# inside: {error!r}", flush=True)
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def unit(words, kind="notify", unit_keys="", service_keys="", enabled=True):
    """The text of a unit that runs svc with these words."""
    return (f"[Unit]\n{unit_keys}\n[Service]\nType={kind}\nExecStart=/usr/bin/svc {words}\n{service_keys}\n" +
            ("[Install]\nWantedBy=multi-user.target\n" if enabled else ""))
