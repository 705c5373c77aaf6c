"""The two root images of tests/bench/init_vm.py, both made without root by mke2fs from a tar stream.

    guest   keel's own archive: for keel-init, and for BusyBox init with a script
    debian  the packages of the environment `peers`, as a machine has them on which they were installed long ago, with
            the daemons of keel's archive: for systemd and OpenRC
Kernel, modules, daemons and their configuration are the same in both.
"""
import io
import os
import re
import subprocess
import tarfile

import boot_vm
import figures
import peers
import rootimage

LAB = "usr/lib/keel-lab"
FLOOR = f"/{LAB}/floor"
NOTES = "/run/floor"
SIZE = "2G"
LEFT_OUT = ("usr/share/doc", "usr/share/perl", "usr/share/perl5", "usr/lib/x86_64-linux-gnu/perl",
            "usr/lib/x86_64-linux-gnu/perl-base", "usr/share/bash-completion", "usr/share/zoneinfo", "proc", "sys",
            "dev", "run", "tmp", "keel", "cache", "etc/runlevels", ".keel-lock")
# In keel's archive -> where Debian has it.
DAEMONS = {"usr/bin/dockerd": "usr/sbin/dockerd", "usr/bin/containerd": "usr/bin/containerd",
           "usr/bin/containerd-shim-runc-v2": "usr/bin/containerd-shim-runc-v2", "usr/bin/runc": "usr/sbin/runc",
           "usr/bin/docker-proxy": "usr/sbin/docker-proxy", "etc/containerd/config.toml": "etc/containerd/config.toml"}
EPOCH, INSTALLED = 1_600_000_000, 1_700_000_000

# ---- BusyBox init -----------------------------------------------------------------------------

INITTAB = f"""::sysinit:/bin/sh /{LAB}/rc.${{bench}}
"""
MOUNTS = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
"""
REPORT = f"""tries=0
until [ "$(grep -c ^ready {NOTES})" = 2 ] || [ $tries = 150 ]; do sleep 1; tries=$((tries + 1)); done
[ $tries -lt 150 ] || tail -n 20 /run/docker.log /run/containerd.log > /dev/console
sed 's/^/FLOOR /' {NOTES} /start > /dev/console
echo FLOOR end > /dev/console
"""
DATA = """mount --bind /data/docker /var/lib/docker
mount --bind /data/containerd /var/lib/containerd
"""
# As a person writes it: one thing after the other, each waited for.
SEQUENTIAL = MOUNTS + """hostname keel
ifconfig lo up
modprobe virtio_scsi
for module in {modules}; do modprobe $module; done
until [ -b /dev/sda ]; do sleep 1; done
mount -t ext4 -o noatime LABEL=keel-data /data
""" + DATA + """{floor} listen /run/notify {notes}
export NOTIFY_SOCKET=/run/notify
{floor} exec containerd {notes} {containerd} >/run/containerd.log 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
{floor} exec docker {notes} {docker} >/run/docker.log 2>&1 &
""" + REPORT
# What can be had at best: modules in one process, no pause, both daemons at once.
PARALLEL = MOUNTS + """{floor} init {notes} /usr/lib/keel/keel-modules
{floor} wait /dev/sda
mount -t ext4 -o noatime /dev/sda /data
""" + DATA + """{floor} listen /run/notify {notes}
export NOTIFY_SOCKET=/run/notify
{floor} exec containerd {notes} {containerd} >/run/containerd.log 2>&1 &
{floor} exec docker {notes} {docker} >/run/docker.log 2>&1 &
""" + REPORT

# ---- systemd ----------------------------------------------------------------------------------

FSTAB = """LABEL=keel-data /data ext4 noatime 0 0
/data/docker /var/lib/docker none bind,x-systemd.requires-mounts-for=/data 0 0
/data/containerd /var/lib/containerd none bind,x-systemd.requires-mounts-for=/data 0 0
"""
REPORT_UNIT = f"""[Unit]
Description=Print when the daemons were ready
After=docker.service containerd.service
[Service]
Type=oneshot
ExecStart=/bin/sh /{LAB}/report
"""
SYSTEMD_REPORT = """#!/bin/sh
systemctl --quiet is-active docker.service || journalctl --no-pager -n 20 -u docker.service > /dev/console
for name in containerd docker; do
	echo "FLOOR ready $name 0 $(systemctl show -P ActiveEnterTimestampMonotonic $name.service)"
	echo "FLOOR exec $name 0 $(systemctl show -P ExecMainStartTimestampMonotonic $name.service)"
done > /dev/console
sed 's/^/FLOOR /' /start > /dev/console
echo FLOOR end > /dev/console
"""
UNITS = {"multi-user.target.wants": ("docker.service", "containerd.service", "report.service"),
         "sockets.target.wants": ("docker.socket",)}
# Not installed on a machine that is for Docker alone.
MASKED = ("systemd-logind.service", "getty.target", "systemd-hwdb-update.service")

# ---- OpenRC -----------------------------------------------------------------------------------

def openrc_daemons(containerd_depends, docker_depends):
    """The services of the daemons, alike but for what they depend on; {floor}, {notes}, {containerd}, {docker} are to be
    filled in."""
    return {"containerd": """supervisor=supervise-daemon
command={floor}
command_args="exec containerd {notes} {containerd}"
output_log=/run/containerd.log
error_log=/run/containerd.log
depend() { """ + containerd_depends + """ }
start_pre() {
	{floor} listen /run/notify {notes}
	export NOTIFY_SOCKET=/run/notify
}
""", "docker": """supervisor=supervise-daemon
command={floor}
command_args="exec docker {notes} {docker}"
output_log=/run/docker.log
error_log=/run/docker.log
depend() { """ + docker_depends + """ }
start_pre() { export NOTIFY_SOCKET=/run/notify; }
"""}


OPENRC = {
    "sysinit": {"devices": """start() {
	mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
	mountpoint -q /sys || mount -t sysfs sysfs /sys
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
}
"""},
    "boot": {"modules": """depend() { need devices; }
start() {
	for module in virtio_scsi {modules}; do modprobe $module; done
}
""", "loopback": """start() { busybox ip link set lo up; }
""", "localmount": """depend() { need modules; }
start() {
	until [ -b /dev/sda ]; do sleep 0.1; done
	mount -t ext4 -o noatime LABEL=keel-data /data
	mount --bind /data/docker /var/lib/docker
	mount --bind /data/containerd /var/lib/containerd
}
"""},
    "default": openrc_daemons("need localmount;", "need localmount loopback; after containerd;") | {"report": f"""depend() {{ after docker; }}
start() {{ /bin/sh /{LAB}/report-openrc </dev/null >/dev/null 2>&1 & }}
"""},
}


def module_names():
    text = (figures.TOP / "rootfs/usr/lib/modules-load.d/keel.conf").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def fill(text):
    """Names in braces; other braces are the shell's."""
    words = {"floor": FLOOR, "notes": NOTES, "modules": " ".join(module_names()),
             "containerd": boot_vm.command_of("containerd"), "docker": boot_vm.command_of("docker")}
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


# ---- writing images ---------------------------------------------------------------------------

class Tar:
    """A tar stream in which the first entry of a name counts."""

    def __init__(self, stream):
        # pylint: disable-next=consider-using-with  # make_image() closes it
        self.tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)
        self.names = set()

    def entry(self, member, data=None):
        member.name = member.name.removeprefix("./").strip("/")
        if not member.name or member.name in self.names:
            return
        self.names.add(member.name)
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        self.tar.addfile(member, data)

    def parents(self, path):
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            member = tarfile.TarInfo("/".join(parts[:end]))
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, EPOCH
            self.entry(member)

    def file(self, path, data, mode=0o644, mtime=EPOCH):
        self.parents(path)
        data = data.encode() if isinstance(data, str) else data
        member = tarfile.TarInfo(path)
        member.size, member.mode, member.mtime = len(data), mode, mtime
        self.entry(member, io.BytesIO(data))

    def link(self, path, target):
        self.parents(path)
        member = tarfile.TarInfo(path)
        member.type, member.linkname = tarfile.SYMTYPE, target
        self.entry(member)

    def directory(self, path):
        self.parents(f"{path}/.")

    def archive(self, path, renamed=None):
        """All of an archive, or what `renamed` names."""
        with tarfile.open(path, "r:*") as source:
            for member in source:
                name = member.name.removeprefix("./").strip("/")
                if renamed is not None:
                    if name not in renamed:
                        continue
                    member.name = renamed[name]
                    self.parents(member.name)
                self.entry(member, source.extractfile(member) if member.isreg() else None)

    def tree(self, top):
        for base, directories, files in os.walk(top):
            inside = os.path.relpath(base, top).removeprefix(".").strip("/")
            directories[:] = [name for name in directories if f"{inside}/{name}".strip("/") not in LEFT_OUT]
            for name in sorted([*directories, *files]):
                path = f"{inside}/{name}".strip("/")
                if path in LEFT_OUT:
                    continue
                member = self.tar.gettarinfo(f"{top}/{path}", path)
                if member.islnk():  # to what may have been left out or replaced
                    member.type, member.size = tarfile.REGTYPE, os.stat(f"{top}/{path}").st_size
                if member.isreg():
                    with open(f"{top}/{path}", "rb") as file:
                        self.entry(member, file)
                else:
                    self.entry(member)


def make_image(image, write):
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "keel-root", "-d", "-", str(image), SIZE]
    utf8 = dict(os.environ, LC_ALL="C.UTF-8")
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=utf8) as mke2fs:
        try:
            tar = Tar(mke2fs.stdin)
            write(tar)
            tar.tar.close()
            mke2fs.stdin.close()
        except BrokenPipeError:
            pass  # mke2fs has said why
        if mke2fs.wait() != 0:
            raise RuntimeError(f"mke2fs could not make {image}")
    return image


def write_guest(tar):
    tar.file(FLOOR[1:], (boot_vm.NS / "floor").read_bytes(), 0o755)
    tar.file("etc/keel/units/report.service", boot_vm.REPORT_UNIT)  # powers off too: the first boot ends cleanly
    with open(f"{peers.TREE}/usr/bin/busybox", "rb") as busybox:
        tar.file(f"{LAB}/busybox", busybox.read(), 0o755)
    tar.link(f"{LAB}/init", "busybox")
    tar.file("etc/inittab", INITTAB)
    tar.file(f"{LAB}/rc.sequential", fill(SEQUENTIAL), 0o755)
    tar.file(f"{LAB}/rc.parallel", fill(PARALLEL), 0o755)
    tar.archive(rootimage.ROOTFS)
    tar.archive(rootimage.MODULES)


def write_accounts(tar):
    groups = ("root:x:0:", "tty:x:5:", "disk:x:6:", "lp:x:7:", "kmem:x:15:", "dialout:x:20:", "cdrom:x:24:",
              "tape:x:26:", "audio:x:29:", "utmp:x:43:", "video:x:44:", "input:x:104:", "kvm:x:105:", "render:x:106:",
              "sgx:x:107:", "clock:x:108:", "systemd-journal:x:999:", "docker:x:998:", "nogroup:x:65534:", "uucp:x:10:")
    tar.file("etc/group", "\n".join(groups) + "\n")
    tar.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
    # An installed machine has its identity, and nothing is to be brought up to date at its boot.
    tar.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    tar.file("etc/hostname", "keel\n")
    for path in ("etc/.updated", "var/.updated"):
        tar.file(path, f"TIMESTAMP_NSEC={INSTALLED}000000000\n", mtime=INSTALLED)


def write_openrc(tar):
    tar.file("etc/rc.conf", 'rc_parallel="YES"\nrc_interactive="NO"\n')
    tar.file(f"{LAB}/report-openrc", "#!/bin/sh\n" + REPORT, 0o755)
    for level in ("sysinit", "boot", "default", "shutdown", "nonetwork"):
        tar.directory(f"etc/runlevels/{level}")
        for name, body in OPENRC.get(level, {}).items():
            # Under a name that no package uses.
            tar.file(f"etc/init.d/bench-{name}", "#!/sbin/openrc-run\n" + rename(fill(body)), 0o755)
            tar.link(f"etc/runlevels/{level}/bench-{name}", f"/etc/init.d/bench-{name}")


def rename(body):
    """The names in depend() are ours."""
    return re.sub(r"depend\(\) \{ (.*) \}", lambda found: "depend() { " + re.sub(
        r"\b(need|after) ([a-z ]+)", lambda words: words[1] + " " + " ".join(
            f"bench-{word}" for word in words[2].split()), found[1]) + " }", body)


def write_debian(tar):
    usr = tarfile.TarInfo("usr")
    usr.type, usr.mode, usr.mtime = tarfile.DIRTYPE, 0o755, EPOCH
    tar.entry(usr)
    tar.file(FLOOR[1:], (boot_vm.NS / "floor").read_bytes(), 0o755)
    write_accounts(tar)
    write_openrc(tar)
    tar.file("etc/fstab", FSTAB)
    tar.file("etc/docker/daemon.json", (figures.TOP / "rootfs/etc/docker/daemon.json").read_text(encoding="utf-8"))
    tar.file("etc/modules-load.d/docker.conf", "\n".join(module_names()) + "\n")
    tar.file("etc/systemd/system/report.service", REPORT_UNIT)
    tar.file(f"{LAB}/report", SYSTEMD_REPORT, 0o755)
    for directory, names in UNITS.items():
        for name in names:
            where = "/etc/systemd/system" if name == "report.service" else "/usr/lib/systemd/system"
            tar.link(f"etc/systemd/system/{directory}/{name}", f"{where}/{name}")
    for name in MASKED:
        tar.link(f"etc/systemd/system/{name}", "/dev/null")
    tar.link("etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target")
    for directory in ("proc", "sys", "dev", "run", "tmp", "data", "root", "var/lib/docker", "var/lib/containerd"):
        tar.directory(directory)
    for name in ("iptables", "ip6tables", "iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"):
        tar.link(f"usr/sbin/{name}", "xtables-nft-multi")  # as Debian's alternatives would
    tar.link("usr/bin/dockerd", "../sbin/dockerd")  # where keel has it, for the same command line
    tar.link("var/run", "/run")
    tar.link("var/lock", "/run/lock")
    tar.archive(rootimage.ROOTFS, DAEMONS)
    tar.tree(peers.TREE)
    tar.archive(rootimage.MODULES)
