"""How WSL starts a distro, and what PID 1 finds (README.md, sections 1 and 2)."""
import os
import resource
import subprocess

import harness
from profiles import by_profile, single
from wsl_guest import LAUNCHER, NAME, OTHER, WslGuest

WATCHED = ("2.9", "head")

# /sbin/init that writes down what it was given. /proc/self/status is the shell's own.
STATE_INIT = """#!/bin/sh
[ "$1" != --fallback ] || exit 0  # wsl.conf's [boot] command
mkdir -p /var/test
{ while read -r line; do echo "$line"; done </proc/self/status; echo "umask $(umask)"; echo "cwd $(pwd)"; } >/var/test/status
tr '\\0' '\\n' </proc/1/environ >/var/test/environ
ls -l /proc/1/fd | cat >/var/test/fds
ulimit -n >/var/test/limits; ulimit -Hn >>/var/test/limits; ulimit -l >>/var/test/limits
cat /proc/self/mountinfo >/var/test/mountinfo
ls -l /run/WSL /run/systemd/system-generators >/var/test/run
echo done >/var/test/done
exec sleep 1000
"""


def mounts(text):
    """{mount point: (options, optional fields, type, super options, device, root)}, the topmost one."""
    found = {}
    for line in text.splitlines():
        left, right = line.split(" - ")
        fields, tail = left.split(), right.split()
        found[fields[4]] = fields[5], " ".join(fields[6:]), tail[0], tail[-1], fields[2], fields[3]
    return found


@by_profile("the state in which /sbin/init is started")
def state(t, profile):
    with WslGuest(profile=profile, files={"/usr/sbin/init": (STATE_INIT, 0o755)}, options=["--init-timeout", "300"]) as guest:
        session = guest.start_session("true")
        guest.retry(lambda: guest.kept("/var/test/done"), "/sbin/init wrote all down")
        status = dict(line.split(":", 1) for line in guest.kept("/var/test/status").splitlines() if ":" in line)
        with t.step("PID 1 with parent, group and session 0"):
            harness.equal([status[key].strip() for key in ("Pid", "PPid", "NSpgid", "NSsid")], ["1", "0", "0", "0"])
        with t.step("every signal ignored but HUP, CONT, KILL, STOP and 33, 34"):
            ignored = {i + 1 for i in range(64) if int(status["SigIgn"], 16) >> i & 1}
            # The shell sets CHLD, and 32 is ignored as it may be.
            harness.equal({1, 9, 18, 19, 33, 34} & ignored, set())
            harness.equal({2, 3, 10, 12, 13, 14, 15, 35, 64} - ignored, set())
        with t.step("umask 0, working directory /"):
            harness.contains(guest.kept("/var/test/status"), "umask 0000")
            harness.contains(guest.kept("/var/test/status"), "cwd /\n")
        with t.step("three variables and no more"):
            version = {"2.6": "2.6.3", "2.7": "2.7.10", "2.9": "2.9.4", "head": "2.10.0"}[profile]
            harness.equal(guest.kept("/var/test/environ").split(), ["container=wsl", "container_host_id=windows",
                                                                    f"container_host_version_id={version}"])
        with t.step("descriptors 0 and 1 are /dev/null, 2 is /dev/kmsg"):
            fds = [line.split(" -> ") for line in guest.kept("/var/test/fds").splitlines() if " -> " in line]
            fds = {left.split()[-1]: right for left, right in fds}
            harness.equal([fds["0"], fds["1"]], ["/dev/null", "/dev/null"])
            harness.contains(fds["2"], "kmsg")
        with t.step("limits"):
            soft, hard, _ = guest.kept("/var/test/limits").split()
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # without CAP_SYS_RESOURCE not above our own
            harness.equal((int(soft), int(hard)), (min(10240, most), min(1048576, most)))
        check_mounts(t, profile, mounts(guest.kept("/var/test/mountinfo")))
        with t.step("the generator, the interop sockets"):
            harness.contains(guest.kept("/var/test/run"), "wsl-generator -> /init")
            harness.contains(guest.kept("/var/test/run"), "1_interop -> 2_interop")
        session.kill()
        session.communicate()


def check_mounts(t, profile, found):
    with t.step("what is mounted"):
        release = os.uname().release
        for path, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/run", "tmpfs"),
                           ("/run/lock", "tmpfs"), ("/run/shm", "tmpfs"), ("/dev/shm", "tmpfs"), ("/mnt/wsl", "tmpfs"),
                           ("/usr/lib/wsl/drivers", None), ("/usr/lib/wsl/lib", None), ("/mnt/c", None),
                           (f"/usr/lib/modules/{release}", None)):
            harness.check(path in found and kind in (None, found[path][2]), f"{path}: {found.get(path)}")
    with t.step("shared: /proc, /sys, /dev, /run, /run/lock, /run/shm, /mnt/wsl; not /"):
        for path in ("/proc", "/sys", "/dev", "/run", "/run/lock", "/run/shm", "/mnt/wsl"):
            harness.contains(found[path][1], "shared:", path)
        harness.equal(found["/"][1], "")
    with t.step("/init is read-only, /dev/shm is /run/shm, devpts as for a login"):
        harness.check("ro" in found["/init"][0].split(","), found["/init"])
        harness.equal(found["/dev/shm"][4], found["/run/shm"][4])
        harness.contains(found["/dev/pts"][3], "gid=5,mode=620")
    with t.step("no /mnt/wslg without a GUI: /run/user is a directory below it"):
        harness.check("/mnt/wslg" not in found, found)
        harness.equal(found["/run/user"][5], "/mnt/wslg/run/user")
    with t.step("binfmt_misc's status is covered from 2.9 on"):
        harness.equal("/proc/sys/fs/binfmt_misc/status" in found, profile in WATCHED)


@by_profile("a boot: running, the process tree, the control groups")
def boots(t, profile):
    with WslGuest(profile=profile, plain=True) as guest:
        guest.boot()
        with t.step("namespaces: IPC, mount, PID and UTS of its own; control group, network, time and user of the VM"):
            shared = {name for name in os.listdir("/proc/self/ns") if os.stat(f"/proc/{guest.pid}/ns/{name}").st_ino ==
                      os.stat(f"/proc/{guest.process.pid}/ns/{name}").st_ino}
            harness.equal(shared & {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}, {"cgroup", "net", "user"})
        with t.step("PID 1 says that it runs, in time"):
            answers = guest.found("is-system-running")
            harness.check(answers[-1].values["output"] in ("running", "degraded"), answers)
            harness.equal(guest.found("boot-timeout"), [])
        with t.step("the user's service is active at the first question"):
            harness.equal([event.values["status"] for event in guest.found("user-service")], ["0"])
        processes = guest.processes()
        with t.step("1 is ours, 2 is WSL's init, 3 its watcher if there is one"):
            harness.equal([processes[1][1], processes[2][1], processes[2][3]], ["init", "init-systemd(docker-desktop)"[:15], 1])
            harness.equal(processes.get(3, (0, ""))[1] == "init-watcher", profile in WATCHED)
            harness.check(any(values[1] == "plan9" and values[3] == 2 for values in processes.values()), processes)
        with t.step("PID 1 keeps no zombies"):
            guest.retry(lambda: not guest.zombies(), "all are reaped")
        with t.step("the groups of PID 1 and of a session"):
            check_groups(guest, profile)
        with t.step("the other distro has the shared mount and the same control groups, not our processes"):
            harness.equal(guest.session("cat", "/mnt/wsl/resolv.conf", distro=OTHER)[1], "nameserver 10.255.255.254\n")
            harness.check("keel" not in guest.session("ps", distro=OTHER)[1], "keel's processes are seen")


def check_groups(guest, profile):
    if not guest.cgroup:
        return
    base = "/" + os.path.basename(guest.cgroup)
    ours = [line.split("::")[1].strip() for line in guest.read("/proc/1/cgroup").splitlines() if line.startswith("0::")][0]
    theirs, others = ([line[3:] for line in guest.session("cat", "/proc/self/cgroup", distro=distro)[1].splitlines()
                       if line.startswith("0::")][0] for distro in (NAME, OTHER))
    if profile != "head":
        harness.check(ours.startswith(f"{base}/base"), ours)
        harness.check(not theirs.startswith(base), theirs)
        return
    distro = f"{base}/wsl-user/distro-{guest.pid}"
    harness.check(ours.startswith(f"{distro}/systemd"), ours)
    harness.equal(theirs, f"{distro}/non-systemd")
    # Without boot.systemd there are no groups below the distro's.
    harness.equal(others, f"{base}/wsl-user/distro-{guest.wait_event('launched', OTHER).values['pid']}")


@single("systemctl answers before PID 1 has run an instruction")
def early(t):
    with WslGuest() as guest:
        with t.step("starting, and not an error"):
            status, out, err = guest.run("systemctl", "is-system-running", check=False)
            harness.equal([out, err], ["starting\n", ""])
            harness.check(status != 0, "a start has status 0")
        with t.step("/sbin/init runs when the first session asks for it"):
            harness.equal(guest.found("exec-init"), [])
            guest.boot()
            harness.equal(len(guest.found("exec-init")), 1)


@single("a PID 1 that never says running costs initTimeout, then sessions start")
def never_running(t):
    script = ("#!/bin/sh\ncase $1 in is-system-running) echo starting; exit 1;; esac\n", 0o755)
    with WslGuest(files={"/usr/bin/systemctl": script}, options=["--init-timeout", "600"]) as guest:
        guest.boot()
        begin, end = guest.wait_event("begin"), guest.wait_event("boot-timeout")
        harness.check(end.time - begin.time >= 600_000, guest.events)
        answers = guest.found("is-system-running")
        with t.step("it is asked every 250 ms"):
            pauses = [second.time - first.time for first, second in zip(answers, answers[1:])]
            harness.check(len(pauses) >= 2 and min(pauses) >= 250_000, answers)


@single("without /sbin/init the distro runs without systemd")
def no_init(t):
    with WslGuest(without=["/usr/sbin/init"]) as guest:
        with t.step("PID 1 is WSL's init, a session works, nothing is asked of systemctl"):
            harness.equal(guest.wait_event("ready").values["systemd"], "0")
            harness.equal(guest.session("cat", "/proc/1/comm")[1], "init(docker-desktop)"[:15] + "\n")
            harness.equal(guest.found("is-system-running"), [])
        with t.step("it ends at once"):
            harness.equal(guest.terminate(), "poweroff")
            harness.equal(guest.found("poweroff-asked"), [])


@by_profile("[boot] command runs once, before PID 1")
def boot_command(t, profile):
    conf = "[boot]\nsystemd=true\ncommand = echo ran >>/var/test/boot; cat /proc/1/comm >/var/test/comm\n"
    with WslGuest(profile=profile, wsl_conf=conf) as guest:
        guest.retry(lambda: guest.kept("/var/test/comm"), "the command ran")
        with t.step("nobody is our PID 1 yet"):
            harness.check(guest.kept("/var/test/comm") != "init\n", guest.kept("/var/test/comm"))
        guest.boot()
        guest.session("true")
        harness.equal(guest.kept("/var/test/boot"), "ran\n")
        with t.step("before the hand-over"):
            harness.check(guest.found("boot-command")[0].time < guest.found("exec-init")[0].time, guest.events)


@single("a link that WSL's init cannot make ends the start")
def no_link(t):
    del t
    with WslGuest(without=["/usr/sbin"], starts=False) as guest:  # for /sbin/mount.drvfs
        harness.equal(guest.wait_end(), "exit:125")
        harness.equal(guest.found("ready"), [])


@single("the launcher spares a machine: nothing is detached or left uncovered where it is not PID 1")
def spares(t):
    common = [LAUNCHER, "run", "--control", "/nowhere/control", "--share", "/nowhere"]
    for name, words in (("--detach", ["--detach", "--distro", "x", "--root", "/nowhere", "--kmsg", "/nowhere/kmsg"]),
                        ("--kmsg", ["--distro", "x", "--root", "/nowhere"])):
        with t.step(name):
            result = subprocess.run([*common, *words], capture_output=True, text=True, check=False, timeout=10)
            harness.equal(result.returncode, 2)
            harness.contains(result.stderr, f"{name} where we are not PID 1")


@single("mirrored networking: a file for sysctl more, the boot is the same")
def mirrored(t):
    with WslGuest(options=["--mirrored"]) as guest:
        guest.boot()
        harness.equal(guest.found("boot-timeout"), [])
        with t.step("WSL's file is there"):
            harness.contains(guest.session("cat", "/run/sysctl.d/wsl-networking.conf")[1], "loopback0")


@single("what WSL writes into /etc is left as it is")
def etc(t):
    with WslGuest() as guest:
        guest.boot()
        with t.step("/etc/resolv.conf is WSL's link"):
            harness.equal(guest.session("readlink", "/etc/resolv.conf")[1], "/mnt/wsl/resolv.conf\n")
            harness.contains(guest.session("cat", "/etc/resolv.conf")[1], "nameserver")
        with t.step("/etc/hostname and /etc/hosts"):
            harness.equal(guest.session("cat", "/etc/hostname")[1], "windows-pc\n")
            harness.equal(guest.session("hostname")[1], "windows-pc\n")
            harness.contains(guest.session("cat", "/etc/hosts")[1], "127.0.1.1\twindows-pc")
        with t.step("the links to /init"):
            for path in ("/bin/wslinfo", "/bin/wslpath", "/sbin/mount.drvfs"):
                harness.equal(guest.session("readlink", path)[1], "/init\n")
        with t.step("no temporary mount point is left in /"):
            harness.equal([name for name in os.listdir(guest.path("/")) if name.startswith("wsl")], [])


@single("mount -a and ldconfig run only where wsl.conf wants them")
def fstab(t):
    with WslGuest(plain=True) as guest:
        with t.step("not in ours"):
            harness.equal(guest.found("ran"), [])
        with t.step("in a distro without wsl.conf"):
            ran = [event.values["command"] for event in guest.found("ran", OTHER)]
            harness.equal(ran, ["/bin/mount", "/sbin/ldconfig"])
    conf = "[boot]\nsystemd=true\n"
    with WslGuest(wsl_conf=conf, files={"/etc/fstab": "fromfstab /opt tmpfs defaults 0 0\n"}, dirs=["/opt"]) as guest:
        with t.step("with mountFsTab an entry is mounted before PID 1 runs"):
            harness.contains(guest.read("/proc/1/mounts"), "fromfstab /opt")
            guest.boot()
            harness.contains(guest.read("/proc/1/mounts"), "fromfstab /opt")


@single("the Windows drives are of the second kind of session, if / is shared by then")
def drives(t):
    with WslGuest() as guest:
        with t.step("each kind mounts its own"):
            harness.equal(guest.session("cat", "/mnt/c/kind")[1], "not elevated\n")
            harness.equal(guest.session("cat", "/mnt/c/kind", elevated=True)[1], "elevated\n")
        with t.step(f"{NAME}: PID 1 made / shared, so the second's reach the first"):
            harness.equal(guest.session("cat", "/mnt/c/kind")[1], "elevated\n")
