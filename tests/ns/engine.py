"""Guests with the shipped root file system: real agent, containerd and dockerd, a data disk of their own.

    with data_disk() as disk, EngineGuest(disk) as guest:
        guest.wait_ready()
        guest.docker("run", "--rm", ...)
"""
import contextlib
import fcntl
import http.client
import io
import json
import os
import resource
import secrets
import shutil
import socket
import subprocess
import tarfile
import tempfile
import uuid

import guest as ns
from harness import Skip

ROOTFS = f"{ns.TOP}/build/out/keel-rootfs.tar.gz"
# Loop devices are the machine's: tests/ns/scenarios_disk.py counts wake-ups and takes the same lock.
LOOP_LOCK = "/tmp/keel-disk-scenarios.lock"
PROGRAMS = {"keel-init": "usr/sbin/init", "keel-agent": "usr/lib/keel/keel-agent", "keelctl": "usr/bin/keelctl",
            "keel-modules": "usr/lib/keel/keel-modules", "keel-disk": "usr/lib/keel/keel-disk",
            "keel-net": "usr/lib/keel/keel-net", "keel-log": "usr/lib/keel/keel-log",
            "keel-dns": "usr/lib/keel/keel-dns", "keel-share": "usr/lib/keel/keel-share"}
IMAGE = "keel-test"


def child_unit(restart_ms):
    """A unit of something that can be killed, is back after so long, and whose state anybody may tell (sd_notify)."""
    return (f"[Unit]\nDescription=something that can be killed\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 1000000\n"
            f"NotifyAccess=all\nRestart=always\nRestartSec={restart_ms}ms\nRestartMaxDelaySec={restart_ms}ms\n"
            "[Install]\nWantedBy=multi-user.target\n")


def unavailable():
    """Why the real engine cannot run here, or None."""
    if not ns.is_real_root() or not os.path.exists("/dev/loop-control"):
        return "needs root and loop devices"
    if not os.path.exists(ROOTFS):
        return "no build/out/keel-rootfs.tar.gz (make rootfs)"
    if not ns.cgroup2_mount():
        return "no cgroup v2 hierarchy"
    return None


def engine_root():
    """The shipped root file system, unpacked once, with the programs of build/bin (the same, if all is fresh)."""
    os.makedirs(f"{ns.TOP}/build/ns", exist_ok=True)
    info = os.stat(ROOTFS)
    stamp = f"{info.st_mtime_ns} {info.st_size}"
    root = f"{ns.TOP}/build/ns/rootfs"
    with open(f"{ns.TOP}/build/ns/rootfs.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{root}/.stamp") or open(f"{root}/.stamp", encoding="ascii").read() != stamp:
            shutil.rmtree(root, ignore_errors=True)
            os.makedirs(root)
            subprocess.run(["tar", "-xpzf", ROOTFS, "--numeric-owner", "-C", root], check=True)
            for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "data", "var/test"):
                os.makedirs(f"{root}/{name}", exist_ok=True)
            with open(f"{root}/.stamp", "w", encoding="ascii") as file:
                file.write(stamp)
        for name, path in PROGRAMS.items():
            copy_if_newer(f"{ns.BIN}/{name}", f"{root}/{path}")
    return root


def copy_if_newer(source, target):
    if os.path.exists(source) and (not os.path.exists(target) or
                                   open(source, "rb").read() != open(target, "rb").read()):
        shutil.copy(source, f"{target}.new")
        os.rename(f"{target}.new", target)


class Disk:
    def __init__(self, path, label, device):
        self.path, self.label, self.device = path, label, device
        self.attached = True

    def detach(self):
        """Once: soon after, the device may be somebody else's. Lazy: a namespace that is being torn down may still
        hold it for a moment."""
        if self.attached:
            subprocess.run(["losetup", "-d", self.device], check=False, stderr=subprocess.DEVNULL)
            self.attached = False

    def check(self):
        """e2fsck's verdict on the image, detached: 0 is clean. Its output tells of a journal to replay."""
        self.detach()
        result = subprocess.run(["e2fsck", "-fn", self.path], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    def cat(self, path):
        """A file of the detached disk."""
        self.detach()
        return subprocess.run(["debugfs", "-R", f"cat {path}", self.path], capture_output=True, text=True,
                              check=True).stdout


def make_data_disk(path, label, size):
    """An ext4 as keel makes it: with the marker in it from its first moment."""
    name = str(uuid.uuid4())
    with tempfile.TemporaryDirectory() as content:
        with open(f"{content}/.keel-disk", "w", encoding="ascii") as marker:
            marker.write(f"keel-disk 1\nuuid={name}\nmade=1732567890\nby=0.1.0\n")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", label, "-U", name, "-d", content, path, size], check=True)


@contextlib.contextmanager
def data_disk(size="4G"):
    """A real ext4 on a loop device with a label nobody else has."""
    label = "kns-" + secrets.token_hex(4)
    path = f"{ns.RUN}/{label}.img"
    os.makedirs(ns.RUN, exist_ok=True)
    with open(LOOP_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make_data_disk(path, label, size)
            device = subprocess.run(["losetup", "-f", "--show", path], check=True, capture_output=True,
                                    text=True).stdout.strip()
            disk = Disk(path, label, device)
            try:
                yield disk
            finally:
                disk.detach()
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def daemon_config(root):
    """The shipped daemon.json with limits that this machine can give (no CAP_SYS_RESOURCE: not above its own)."""
    with open(f"{root}/etc/docker/daemon.json", encoding="utf-8") as file:
        config = json.load(file)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in config.get("default-ulimits", {}).values():
        limit["Hard"] = min(limit["Hard"], most)
    return json.dumps(config)


def vsock_ports():
    """AF_VSOCK is the machine's: two guests cannot listen on the same port."""
    first = 1 << 16 | secrets.randbelow(1 << 28) << 1
    return f"[vsock]\napi_port = {first}\ndocker_port = {first + 1}\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("keel", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class EngineGuest(ns.Guest):
    def __init__(self, disk=None, config="", files=None, binaries=None, seconds=60, root=None, **options):
        """disk: None means configured away: data lives in the guest's directory; binaries: path -> bytes of programs
        that replace the root's; root: another than the shipped one."""
        section = f"[disk]\ndata = LABEL={disk.label}\n" if disk else "[disk]\nenabled = no\n"
        files = dict(files or {})
        files.setdefault("/etc/keel/keel.conf", section + vsock_ports() + config)
        root = root or engine_root()
        files.setdefault("/etc/docker/daemon.json", daemon_config(root))
        super().__init__(files=files, root=root, seconds=seconds,
                         devs=[disk.device] if disk else [], **options)
        for path, content in (binaries or {}).items():
            self.put(path, ("", 0o755))
            with open(f"{self.dir}/upper{path}", "wb") as file:
                file.write(content)

    def wait_ready(self):
        return self.wait(lambda s: all(s["services"][name]["state"] == "active"
                                       for name in ("containerd.service", "docker.service", "keel-agent.service")),
                         "containerd, dockerd and the agent are ready")

    def command(self, *command):
        """The command line that runs a command inside."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "--", "/usr/bin/env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", *command]

    def run(self, *command, stdin=None, check=True):
        """A command inside, as a session would run it."""
        result = subprocess.run(self.command(*command), input=stdin, capture_output=True, timeout=60, check=False)
        output = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: status {result.returncode}\n{output[0]}{output[1]}\n" + self.describe())
        return result.returncode, *output

    def spawn(self, *command):
        """The same in the background; the process, with stdout and stderr as pipes."""
        return subprocess.Popen(["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "--",
                                 "/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                                 *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def docker(self, *args, **options):
        return self.run("docker", *args, **options)

    def import_image(self):
        """An image of nothing but the guest's static BusyBox."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(os.path.realpath(f"{self.lower}/usr/bin/busybox"), "busybox")
        self.docker("import", "-", IMAGE, stdin=archive.getvalue())

    def api(self, path, method="GET", body=None):
        connection = UnixConnection(self.path("/run/keel/api.sock"))
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(body) if "json" in (answer.getheader("Content-Type") or "") else body


def skip_without_engine():
    reason = unavailable()
    if reason:
        raise Skip(reason)
