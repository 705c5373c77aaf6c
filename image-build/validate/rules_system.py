# SPDX-License-Identifier: MIT
"""rules_system.py - what is in the root file system: programs, accounts, identity, leftovers."""
import posixpath
import re
import struct

import distro as distros
from rule import Broken, NotApplicable, demand, rule, show, some
from rules_archive import CHECK, DOC, WSL, need_whole

MODES = (0o755, 0o775, 0o555)
MACHINES = {"x86_64": 62, "aarch64": 183}
NO_PASSWORD = re.compile(r"^(\*|!+\*?|!!)$")
DISCOURAGED = (
    "systemd-resolved.service", "systemd-networkd.service", "systemd-networkd-wait-online.service", "NetworkManager.service",
    "NetworkManager-wait-online.service", "systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.service",
    "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup-dev-early.service", "systemd-tmpfiles-setup-dev.service",
    "systemd-vconsole-setup.service", "tmp.mount", "console-getty.service", "networking.service", "hypervkvpd.service")


def need_file(distro, path, modes, also=""):
    """The entry behind the path if it is a file of root with one of these modes."""
    need_whole(distro)
    entry = distro.resolve(path)
    demand(entry is not None and entry.kind == "file", f"/{path} is not there", f"add it{also}")
    need_owner(path, entry, modes)
    return entry


def need_owner(path, entry, modes):
    demand(entry.uid == 0, f"/{path} belongs to {entry.uid}", "give it to root")
    demand(entry.mode in modes, f"/{path} has mode {entry.mode:04o}", f"chmod {modes[0]:04o}")


def need_elf(path, entry):
    demand(entry.head.startswith(b"\x7fELF"), f"/{path} is no ELF program", "WSL's check wants a program, not a script")


def interpreter(entry):
    """The loader that an ELF program names, or the interpreter of a script; "" if it needs none."""
    head = entry.head
    if head.startswith(b"#!"):
        return head[2:].split(b"\n")[0].strip().split(b" ")[0].decode("utf-8", "replace")
    if not head.startswith(b"\x7fELF\x02\x01") or len(head) < 64:
        return ""
    start, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    for number in range(min(count, 64)):
        at = start + number * size
        if size < 56 or at + 56 > len(head):
            break
        kind, offset, length = struct.unpack_from("<I4xQ16xQ", head, at)
        if kind == 3 and offset + length <= len(head):  # PT_INTERP
            return head[offset:offset + length].split(b"\0")[0].decode("utf-8", "replace")
    return ""


@rule("init", "with [boot] systemd=true, /sbin/init is an executable program of root", f"{CHECK}; {WSL}: access(\"/sbin/init\", X_OK)")
def check_init(distro):
    need_whole(distro)
    if not distro.wants_systemd():
        raise NotApplicable("no [boot] systemd=true in /etc/wsl.conf")
    entry = need_file(distro, "sbin/init", MODES, ", or take systemd=true out of /etc/wsl.conf")
    need_elf("sbin/init", entry)
    return f"/{entry.path}"


@rule("sh", "/bin/sh is an executable program of root", f"{CHECK}; {WSL}: import looks for it, every command runs by it")
def check_sh(distro):
    entry = need_file(distro, "bin/sh", MODES)
    need_elf("bin/sh", entry)
    return f"/{entry.path}"


@rule("bash", "/bin/bash, if there is one, is an executable program of root", CHECK)
def check_bash(distro):
    need_whole(distro)
    if distro.lookup("bin/bash") is None:
        raise NotApplicable("there is no /bin/bash")
    entry = need_file(distro, "bin/bash", MODES)
    need_elf("bin/bash", entry)
    return f"/{entry.path}"


@rule("programs", "what WSL runs by name is there: /bin/mount; with systemd=true also /bin/login, systemctl, grep",
      f"{WSL}: src/linux/init/{{init,config}}.cpp")
def check_programs(distro):
    need_whole(distro)
    systemd = distro.wants_systemd()
    missing = [f"/bin/{name}" for name in (("mount", "login") if systemd else ("mount",))
               if not ((entry := distro.resolve(f"bin/{name}")) is not None and entry.kind == "file" and entry.mode & 0o111)]
    missing += [name for name in (("systemctl", "grep") if systemd else ()) if distro.program(name) is None]
    demand(not missing, f"no {some(missing)}", "add what is missing")
    return "all"


@rule("ldconfig", "/sbin/ldconfig is there, or [automount] ldconfig=false", f"{WSL}: src/linux/init/config.cpp runs it at every start")
def check_ldconfig(distro):
    need_whole(distro)
    if distro.wsl is not None and distros.boolean(distro.wsl.get("automount.ldconfig") or "") is False:
        return "not wanted: ldconfig=false"
    entry = distro.resolve("sbin/ldconfig")
    demand(entry is not None and entry.mode & 0o111, "there is no /sbin/ldconfig", "set ldconfig=false in /etc/wsl.conf")
    return "/sbin/ldconfig"


@rule("architecture", "every program is for the machine that the archive is for", CHECK)
def check_architecture(distro):
    need_whole(distro)
    elves = [entry for entry in distro.entries if entry.head.startswith(b"\x7fELF")]
    bad = [f"/{entry.path}" for entry in elves if len(entry.head) < 20 or entry.head[4] != 2
           or struct.unpack_from("<H", entry.head, 18)[0] != MACHINES[distro.machine]]
    demand(not bad, f"not for {distro.machine}: {some(bad)}", "build for it, or say --machine")
    return f"{len(elves)} programs and libraries for {distro.machine}"


@rule("interpreters", "loader and interpreter of what WSL runs are there", "execve(2)")
def check_interpreters(distro):
    need_whole(distro)
    bad, seen = [], 0
    for path in ("sbin/init", "bin/sh", "bin/bash", "bin/login", "bin/mount", *filter(None, map(
            distro.program, ("systemctl", "grep")))):
        entry = distro.resolve(path)
        wanted = interpreter(entry) if entry is not None else ""
        seen += entry is not None
        if wanted and ((found := distro.resolve(wanted)) is None or found.kind != "file" or not found.mode & 0o111):
            bad.append(f"/{path} needs {wanted}")
    demand(not bad, some(bad), "add the loader or interpreter")
    return f"of {seen} programs"


@rule("names-of-wsl", "/init, /bin/wslpath, /bin/wslinfo, /sbin/mount.drvfs are left to WSL",
      f"{WSL}: it mounts its own /init there and makes links to it")
def check_names_of_wsl(distro):
    need_whole(distro)
    found = [f"/{path}" for path in ("init", "bin/wslpath", "bin/wslinfo", "sbin/mount.drvfs") if distro.lookup(path) is not None]
    demand(not found, f"{some(found)} in the archive", "remove it: it is left from an exported distro")
    return "none in the archive"


# ---- accounts ----------------------------------------------------------------------------------


@rule("passwd", "/etc/passwd: seven fields a line, numbers, no name or number twice; mode 0644, of root", CHECK)
def check_passwd(distro):
    need_file(distro, "etc/passwd", (0o644, 0o664))
    lines = distro.accounts("etc/passwd", 7)
    demand(lines, "a line has not seven fields", "see passwd(5)")
    bad = [line[0] for line in lines if not line[0] or not line[2].isdigit() or not line[3].isdigit()]
    demand(not bad, f"no number where one belongs: {some(bad)}", "see passwd(5)")
    for what, values in (("name", [line[0] for line in lines]), ("uid", [line[2] for line in lines])):
        twice = sorted({value for value in values if values.count(value) > 1})
        demand(not twice, f"{what} {some(twice)} is there twice", "remove one")
    return f"{len(lines)} accounts"


def users_of(distro):
    lines = distro.accounts("etc/passwd", 7)
    if distro.error is not None or not lines:
        raise NotApplicable("see passwd")
    return lines


@rule("passwd-root", "uid 0 is root", f"{CHECK}; {DOC}")
def check_passwd_root(distro):
    names = [line[0] for line in users_of(distro) if line[2] == "0"]
    demand(names, "there is no account with uid 0", "add root:x:0:0:root:/root:/bin/sh")
    demand(names[0] == "root", f"uid 0 is {show(names[0])}", "call it root")
    return "root"


@rule("passwd-shell", "root's login shell can be executed, root's home is a directory", f"{WSL}: a session is the account's shell, in its home")
def check_passwd_shell(distro):
    root = next((line for line in users_of(distro) if line[2] == "0"), None)
    if root is None:
        raise NotApplicable("see passwd-root")
    shell = root[6] or "/bin/sh"
    entry = distro.resolve(shell)
    demand(shell == "/bin/sh" or (entry is not None and entry.kind == "file" and entry.mode & 0o111),
           f"root's shell {show(shell)} is not there", "name one that is")
    demand(distro.is_directory(root[5]), f"root's home {show(root[5])} is not there", "make the directory")
    return f"{show(shell)}, {show(root[5])}"


@rule("group", "/etc/group: four fields a line, no name or number twice, root is 0, every account's group is there", "group(5)")
def check_group(distro):
    need_file(distro, "etc/group", (0o644, 0o664))
    lines = distro.accounts("etc/group", 4)
    demand(lines and all(line[0] and line[2].isdigit() for line in lines), "a line is no NAME:PASSWORD:GID:MEMBERS", "see group(5)")
    for what, values in (("name", [line[0] for line in lines]), ("gid", [line[2] for line in lines])):
        twice = sorted({value for value in values if values.count(value) > 1})
        demand(not twice, f"{what} {some(twice)} is there twice", "remove one")
    gids = {line[2]: line[0] for line in lines}
    demand(gids.get("0") == "root", "gid 0 is not root", "add root:x:0:")
    missing = [line[0] for line in distro.accounts("etc/passwd", 7) or [] if line[3] not in gids]
    demand(not missing, f"no group for {some(missing)}", "add it")
    return f"{len(lines)} groups"


@rule("group-tty", "group 5 is tty", f"{WSL}: /dev/pts is mounted with gid=5")
def check_group_tty(distro):
    lines = distro.accounts("etc/group", 4)
    if distro.error is not None or not lines:
        raise NotApplicable("see group")
    names = [line[0] for line in lines if line[2] == "5"]
    demand(names == ["tty"], f"group 5 is {some(names) or 'nobody'}", "add tty:x:5:")
    return "tty"


@rule("shadow", "/etc/shadow is there, of root, mode 0600, 0640 or 0000", CHECK)
def check_shadow(distro):
    entry = need_file(distro, "etc/shadow", (0o600, 0o640, 0))
    return f"mode {entry.mode:04o}"


@rule("passwords", "no password hash, and no empty password, in /etc/shadow and /etc/passwd", DOC)
def check_passwords(distro):
    lines = distro.accounts("etc/shadow", 9)
    if distro.error is not None or distro.text("etc/shadow") is None:
        raise NotApplicable("see shadow")
    demand(lines is not None, "a line of /etc/shadow has not nine fields", "see shadow(5)")
    bad = [line[0] for line in lines if not NO_PASSWORD.match(line[1])]
    bad += [line[0] for line in distro.accounts("etc/passwd", 7) or [] if line[1] != "x"]
    demand(not bad, f"{some(bad)} has one", "put * into the second field of /etc/shadow, x into that of /etc/passwd")
    return f"none for {len(lines)} accounts"


# ---- identity and leftovers -----------------------------------------------------------------------


@rule("os-release", "/etc/os-release has ID and VERSION_ID as WSL reads them, NAME and PRETTY_NAME",
      f"{WSL}: UtilReadFlavorAndVersion; os-release(5)")
def check_os_release(distro):
    need_whole(distro)
    text = distro.text("etc/os-release")
    demand(text is not None, "/etc/os-release is not there", "add it, or the link to ../usr/lib/os-release")
    lines = text.split("\n")
    missing = [key for key in ("ID", "VERSION_ID") if not any(
        re.fullmatch(rf'{key}="?[A-Za-z0-9\-_.,]+"?', line) for line in lines)]
    missing += [key for key in ("NAME", "PRETTY_NAME") if not any(line.startswith(key + "=") for line in lines)]
    demand(not missing, f"no valid {some(missing)}", "letters, digits and - _ . , only: ID=keel, VERSION_ID=1.0")
    return show(" ".join(line for line in lines if line.startswith(("ID=", "VERSION_ID="))))


def absent(distro, paths, way_out):
    need_whole(distro)
    found = [f"/{path}" for path in paths if distro.lookup(path) is not None]
    demand(not found, f"{some(found)} in the archive", way_out)
    return "not in the archive"


@rule("no-resolv-conf", "/etc/resolv.conf is not in the archive", DOC)
def check_no_resolv_conf(distro):
    return absent(distro, ["etc/resolv.conf"], "remove it: WSL makes it at every start")


@rule("no-hostname", "/etc/hostname is not in the archive", f"{WSL}: written at every start")
def check_no_hostname(distro):
    return absent(distro, ["etc/hostname"], "remove it, or it shows the build machine's name until WSL writes it")


@rule("no-identity", "no machine's identity is in the archive: machine-id, host keys, random seed", "machine-id(5): empty or \"uninitialized\" in images")
def check_no_identity(distro):
    need_whole(distro)
    found = [f"/{path}" for path in ("var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/urandom/random-seed")
             if (entry := distro.lookup(path)) is not None and entry.kind == "file"]
    found += [f"/{path}" for path in distro.tree if re.fullmatch(r"etc/ssh/ssh_host_[a-z0-9]+_key", path)]
    if (distro.text("etc/machine-id") or "").strip() not in ("", "uninitialized"):
        found.append("/etc/machine-id")
    demand(not found, some(found), "remove it: every copy would be the same machine")
    return "none"


@rule("no-kernel", "no kernel and no initramfs", DOC)
def check_no_kernel(distro):
    need_whole(distro)
    pattern = re.compile(r"(boot/)?(vmlinu[xz]|bzImage|Image|initrd|initramfs)([-.].*)?(\.img)?|usr/lib/modules/[^/]+/vmlinuz")
    found = [f"/{path}" for path, entry in distro.tree.items() if entry.kind != "dir" and pattern.fullmatch(path)]
    demand(not found, some(found), "remove it: WSL brings its kernel")
    return "none"


@rule("fstab", "/etc/fstab, if there is one, has valid lines, and none for / or swap", f"{WSL}: mount -a at the start, unless mountFsTab=false")
def check_fstab(distro):
    need_whole(distro)
    text = distro.text("etc/fstab")
    if text is None:
        raise NotApplicable("there is no /etc/fstab")
    lines = [line.split() for line in text.split("\n") if line.strip() and not line.strip().startswith("#")]
    bad = [" ".join(line) for line in lines if not 4 <= len(line) <= 6 or line[1] == "/" or line[2] == "swap"]
    demand(not bad, some(bad), "WSL mounts / and swap; remove the line")
    return f"{len(lines)} lines"


@rule("systemd-units", "no unit is enabled that is known to harm WSL", f"{DOC}; {CHECK}")
def check_systemd_units(distro):
    need_whole(distro)
    roots = [f"{base}/{kind}" for base in ("usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd", "etc/systemd")
             for kind in ("system", "user")]
    enabled = [path for path in distro.tree if any(path.startswith(root + "/") for root in roots)
               and posixpath.dirname(path).endswith(".wants")]
    if not enabled:
        raise NotApplicable("no unit is enabled: no *.wants directories of systemd")

    def masked(path):
        kind = "user" if "/systemd/user/" in path else "system"
        return any((entry := distro.lookup(unit)) is not None and entry.kind == "symlink" and entry.target == "/dev/null"
                   for unit in (path, f"etc/systemd/{kind}/{posixpath.basename(path)}"))

    bad = [f"/{path}" for path in enabled if posixpath.basename(path) in DISCOURAGED and not masked(path)]
    if bad:
        raise Broken(some(bad), "systemctl mask it in the image")
    return f"{len(enabled)} enabled"
