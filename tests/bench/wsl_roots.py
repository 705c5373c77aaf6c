"""The root directories of tests/bench/bench_wsl.py: what a distro with keel, systemd or OpenRC as its /sbin/init consists of.
Kernel, daemons, their command lines and the data disk are the same in all; the disk is mounted by each in its own way.

    keel     the shipped root file system (tests/ns/engine.py)
    systemd  Debian's systemd with D-Bus, logind and PAM, from the environment `peers-wsl`, and the daemons of keel's archive
    openrc   Debian's OpenRC from the environment `peers`, without systemd's programs, and the same daemons
    floor    keel's root with a bare script as /sbin/init
The two of Debian are unpacked once below build/bench/roots, and lower layers of overlays afterwards.
"""
import fcntl
import json
import os
import shutil
import subprocess

import boot_native
import engine
import figures
import peers
import rootimage
import vm_roots

ROOTS = figures.TOP / "build" / "bench" / "roots"
TREES = {"systemd": figures.TOP / "build" / "env" / "peers-wsl", "openrc": figures.TOP / "build" / "env" / "peers"}
FLOOR, NOTES = "/usr/bin/floor", "/var/test/floor"
UNITS = "etc/systemd/system"
DATA_SCRIPT = """#!/bin/sh
mount -t ext4 -o noatime {device} /data
mount --bind /data/docker /var/lib/docker
mount --bind /data/containerd /var/lib/containerd
"""

# ---- systemd ----------------------------------------------------------------------------------

DATA_UNIT = """[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
Before=local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/data-disk
"""
# What Debian's units order and set; without its socket, which nobody uses here.
DAEMON_UNIT = """[Unit]
After=data-disk.service {after}
Requires=data-disk.service
Wants={wants}
[Service]
Type=notify
ExecStart={command}
Delegate=yes
KillMode=process
Restart=always
LimitNOFILE=infinity
OOMScoreAdjust=-500
"""
PAM = {"common-auth": "auth required pam_permit.so\n", "common-account": "account required pam_permit.so\n",
       "common-password": "password required pam_permit.so\n",
       "common-session": "session required pam_unix.so\nsession optional pam_systemd.so\n",
       "common-session-noninteractive": "session required pam_unix.so\n"}
# A distro of a few services has none of these, or WSL's generator switches them off.
MASKED = ("systemd-hwdb-update.service", "getty.target", "systemd-firstboot.service", "ldconfig.service",
          "systemd-tmpfiles-setup.service", "systemd-networkd-wait-online.service")


def command_of(unit, cgroup):
    return boot_native.command_of(unit, cgroup)


def systemd_files(device, cgroup):
    containerd, docker = command_of("containerd", cgroup), command_of("docker", cgroup)
    return {"/etc/data-disk": (DATA_SCRIPT.format(device=device), 0o755),
            f"/{UNITS}/data-disk.service": DATA_UNIT,
            f"/{UNITS}/containerd.service": DAEMON_UNIT.format(after="", wants="", command=containerd),
            f"/{UNITS}/docker.service": DAEMON_UNIT.format(after="containerd.service", wants="containerd.service",
                                                          command=docker)}


def write_systemd(tar):
    accounts(tar, "messagebus:x:101:101::/nonexistent:/usr/sbin/nologin\n", "messagebus:x:101:\n")
    for name, text in PAM.items():
        tar.file(f"etc/pam.d/{name}", text)
    for name in ("containerd.service", "docker.service"):
        tar.link(f"{UNITS}/multi-user.target.wants/{name}", f"/{UNITS}/{name}")
    for name in MASKED:
        tar.link(f"{UNITS}/{name}", "/dev/null")
    tar.link(f"{UNITS}/default.target", "/usr/lib/systemd/system/multi-user.target")
    tar.directory("var/log/journal")


# ---- OpenRC -----------------------------------------------------------------------------------

SERVICES = {
    "boot": {"data-disk": "start() {\n\t/bin/sh /etc/data-disk\n}\n"},
    "default": vm_roots.openrc_daemons("need bench-data-disk;", "need bench-data-disk; after bench-containerd;"),
}


def openrc_files(device, cgroup):
    words = {"floor": FLOOR, "notes": NOTES, "containerd": command_of("containerd", cgroup),
             "docker": command_of("docker", cgroup)}
    files = {"/etc/data-disk": (DATA_SCRIPT.format(device=device), 0o755)}
    for level, services in SERVICES.items():
        for name, body in services.items():
            for word, text in words.items():
                body = body.replace("{" + word + "}", text)
            files[f"/etc/init.d/bench-{name}"] = ("#!/sbin/openrc-run\n" + body, 0o755)
            files[f"/etc/runlevels/{level}/bench-{name}"] = ("#!/sbin/openrc-run\n" + body, 0o755)
    return files


def write_openrc(tar):
    accounts(tar)
    tar.file("etc/rc.conf", 'rc_parallel="YES"\nrc_interactive="NO"\nrc_sys="lxc"\n')
    tar.file("etc/pam.d/common-session", PAM["common-session-noninteractive"])
    for name, text in PAM.items():
        tar.file(f"etc/pam.d/{name}", text)
    for level in ("sysinit", "boot", "default", "shutdown", "nonetwork"):
        tar.directory(f"etc/runlevels/{level}")
    tar.link("sbin/init" if not os.path.islink(TREES["openrc"] / "sbin") else "usr/sbin/init", "openrc-init")


# ---- both -------------------------------------------------------------------------------------

def accounts(tar, passwd="", group=""):
    groups = ("root:x:0:", "tty:x:5:", "disk:x:6:", "lp:x:7:", "kmem:x:15:", "dialout:x:20:", "cdrom:x:24:", "tape:x:26:",
              "audio:x:29:", "utmp:x:43:", "video:x:44:", "input:x:104:", "kvm:x:105:", "render:x:106:", "sgx:x:107:",
              "clock:x:108:", "systemd-journal:x:999:", "docker:x:998:", "nogroup:x:65534:", "uucp:x:10:")
    tar.file("etc/group", "\n".join(groups) + "\n" + group)
    tar.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n" + passwd +
             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
    tar.file("etc/shadow", "root:*:19000:0:99999:7:::\n", 0o600)
    # An installed machine has its identity, and nothing is to be brought up to date at its boot.
    tar.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    for path in ("etc/.updated", "var/.updated"):
        tar.file(path, f"TIMESTAMP_NSEC={vm_roots.INSTALLED}000000000\n", mtime=vm_roots.INSTALLED)


def daemon_config():
    """keel's, without live-restore, which its own way of shutting down makes good: Debian's default."""
    return json.dumps(json.loads(engine.daemon_config(str(figures.TOP / "rootfs"))) | {"live-restore": False})


def write_root(tar, name):
    usr = vm_roots.tarfile.TarInfo("usr")
    usr.type, usr.mode, usr.mtime = vm_roots.tarfile.DIRTYPE, 0o755, vm_roots.EPOCH
    tar.entry(usr)
    tar.file(FLOOR[1:], (vm_roots.boot_vm.NS / "floor").read_bytes(), 0o755)
    tar.file("etc/docker/daemon.json", daemon_config())
    tar.file("etc/wsl.conf", "[boot]\nsystemd=true\n[automount]\nmountFsTab=false\nldconfig=false\n[interop]\n"
             "appendWindowsPath=false\n[general]\nguiApplications=false\n")
    {"systemd": write_systemd, "openrc": write_openrc}[name](tar)
    for directory in ("proc", "sys", "dev", "run", "tmp", "mnt", "data", "root", "var/test", "var/lib/docker", "var/lib/containerd"):
        tar.directory(directory)
    for tool in ("iptables", "ip6tables", "iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"):
        tar.link(f"usr/sbin/{tool}", "xtables-nft-multi")  # as Debian's alternatives would
    tar.link("usr/bin/dockerd", "../sbin/dockerd")  # where keel has it, for the same command line
    tar.link("var/run", "/run")
    tar.link("var/lock", "/run/lock")
    tar.archive(rootimage.ROOTFS, vm_roots.DAEMONS | {
        "usr/bin/docker": "usr/bin/docker", "usr/bin/docker-init": "usr/bin/docker-init", "usr/bin/busybox": "usr/bin/busybox"})
    tar.tree(str(TREES[name]))


def unpack(name):
    """The directory of a peer's root, made when there is none or an input has changed."""
    root = ROOTS / name
    ROOTS.mkdir(parents=True, exist_ok=True)
    inputs = (rootimage.ROOTFS, TREES[name] / ".keel-lock", figures.TOP / "tests/bench/wsl_roots.py",
              figures.TOP / "tests/bench/vm_roots.py", vm_roots.boot_vm.NS / "floor")
    want = rootimage.fingerprint(inputs)
    with open(ROOTS / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = ROOTS / f"{name}.inputs"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != want:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            with subprocess.Popen(["tar", "-xpf", "-", "--numeric-owner", "-C", str(root)], stdin=subprocess.PIPE) as tar:
                stream = vm_roots.Tar(tar.stdin)
                write_root(stream, name)
                stream.tar.close()
                tar.stdin.close()
                if tar.wait() != 0:
                    raise RuntimeError(f"{root} could not be unpacked")
            if name == "openrc":  # the tree holds several inits: no systemctl may answer WSL there
                (root / "usr/bin/systemctl").unlink()
            stamp.write_text(want, encoding="utf-8")
    return str(root)


def unavailable(name):
    """Why there is no such root, or None."""
    if name in TREES and not TREES[name].is_dir():
        return f"no {TREES[name].relative_to(figures.TOP)}: run 'make bench-wsl'"
    return None


def version(name):
    lock = {"systemd": "peers-wsl", "openrc": "peers"}.get(name)
    if not lock:
        return (figures.TOP / "VERSION").read_text(encoding="ascii").strip()
    for line in (figures.TOP / "image-build/lock" / f"{lock}.lock").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name} "):
            return line.split()[1]
    raise LookupError(name)
