# SPDX-License-Identifier: MIT
"""check_validator.py [COUNT] - image-build/validate-distro: what is shipped passes, and every rule can fail. Run by
tests/image/run in the build environment; goes on counting from COUNT. Prints TAP.

The rules are tried on a distro of a few files that is made here: once as it is, and once for each rule with one thing
changed, which must break exactly that rule.
"""
import gzip
import io
import json
import lzma
import pathlib
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "image-build" / "validate"), str(TOP / "image-build" / "pack")]
import archive  # noqa: E402
import distro as distros  # noqa: E402
import icon  # noqa: E402
import main as validator  # noqa: E402
import rule as rules  # noqa: E402
from points import point, status  # noqa: E402

TOOL = TOP / "image-build" / "validate-distro"
MEMORY = 256 << 20


# ---- a tiny distro ---------------------------------------------------------------------------------


def elf(machine=62, loader=None):
    """The headers of a program, with a PT_INTERP if there is a loader."""
    name = (loader or "").encode() + b"\0"
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56,
                                                           1 if loader else 0, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1) + name


def member(name, data=b"", kind=tarfile.REGTYPE, mode=0o644, **more):
    """(TarInfo, data)"""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(data) if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def directory(name, mode=0o755):
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def symlink(name, target):
    return member(name, kind=tarfile.SYMTYPE, mode=0o777, linkname=target)


WSL_CONF = b"[boot]\nsystemd=true # ours\ninitTimeout = 30000\n[automount]\nldconfig=false\n"
DISTRIBUTION_CONF = (b"[oobe]\ndefaultName = \"tiny-1.0\"\n[shortcut]\nicon=/usr/lib/wsl/t.ico\n"
                     b"[windowsterminal]\nProfileTemplate=/usr/lib/wsl/t.json\n")
OS_RELEASE = b'NAME=tiny\nPRETTY_NAME="tiny 1"\nID=tiny\nVERSION_ID="1.0"\n'
PASSWD = b"root:x:0:0:root:/root:/bin/rsh\nu:x:7:7::/:/bin/false\n"
GROUP, SHADOW = b"root:x:0:\ntty:x:5:\nu:x:7:\n", b"root:*:1::::::\nu:!:1::::::\n"


def tiny():
    """{name: member}, in the order of the archive."""
    sound = [directory(name) for name in ("etc/", "dev/", "proc/", "run/", "sys/", "usr/", "usr/bin/", "usr/sbin/",
                                          "usr/lib/", "usr/lib/wsl/")]
    sound += [directory("root/", 0o700), directory("tmp/", 0o1777), symlink("bin", "usr/bin"), symlink("sbin", "usr/sbin")]
    sound += [member(f"usr/bin/{name}", elf(), mode=0o755) for name in ("sh", "rsh", "mount", "login", "grep")]
    sound += [member("usr/sbin/init", elf(loader="/usr/lib/ld"), mode=0o755), member("usr/lib/ld", elf(), mode=0o755),
              member("usr/bin/systemctl", b"#!/bin/sh\n", mode=0o755),
              member("usr/bin/twin", kind=tarfile.LNKTYPE, mode=0o755, linkname="usr/bin/sh"),
              member("etc/wsl.conf", WSL_CONF), member("etc/wsl-distribution.conf", DISTRIBUTION_CONF),
              member("etc/passwd", PASSWD), member("etc/group", GROUP), member("etc/shadow", SHADOW, mode=0o600),
              member("usr/lib/os-release", OS_RELEASE), symlink("etc/os-release", "../usr/lib/os-release"),
              symlink("etc/mtab", "../proc/self/mounts"), member("etc/fstab", b"# none\n"),
              member("usr/lib/wsl/t.ico", ICON), member("usr/lib/wsl/t.json", b'{"profiles":[{}]}', mode=0o640)]
    return {info.name: (info, data) for info, data in sound}


ICON = icon.ico()


def tar(members, form=tarfile.PAX_FORMAT):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=form) as packed:
        for info, data in members.values() if isinstance(members, dict) else members:
            packed.addfile(info, io.BytesIO(data))
    return output.getvalue()


def packed(members):
    return gzip.compress(tar(members), 1, mtime=0)


def broken(data):
    """The ids of the rules that an archive breaks."""
    return [one.id for one, state, _, _ in validator.judge(distros.Distro(io.BytesIO(data), "x86_64")) if state == "FAIL"]


def states(data):
    return {one.id: state for one, state, _, _ in validator.judge(distros.Distro(io.BytesIO(data), "x86_64"))}


# ---- one variant a rule ----------------------------------------------------------------------------


def with_(*members, without=()):
    """The tiny distro with these members instead of or behind its own."""
    made = {name: one for name, one in tiny().items() if name not in without}
    made.update({info.name: (info, data) for info, data in members})
    return packed(made)


def changed(name, data=None, **more):
    """With another content or other fields of one of its members."""
    made = tiny()
    info, old = made[name]
    for key, value in more.items():
        setattr(info, key, value)
    if data is not None:
        info.size = len(data)
    made[name] = (info, old if data is None else data)
    return packed(made)


def in_(name, old, new):
    data = tiny()[name][1]
    assert old in data
    return changed(name, data.replace(old, new))


def doubled(extra):
    return packed([*tiny().values(), extra])


def with_xattr():
    return with_(member("etc/x", pax_headers={"SCHILY.xattr.security.selinux": "x"}))


def prefixed(prefix, only=""):
    made = tiny()
    for name, (info, _) in made.items():
        if name.startswith(only):
            info.name = prefix + name
            if info.type == tarfile.LNKTYPE:
                info.linkname = prefix + info.linkname
    return packed(made)


WSL, CONF = "etc/wsl.conf", "etc/wsl-distribution.conf"
BROKEN = {
    "format": lambda: b"BZh91AY&SY" + bytes(2000),
    "compression": lambda: tar(tiny()),
    "whole": lambda: gzip.compress(tar(tiny())[:-10240] + b"x" * 512, mtime=0),
    "limits": lambda: with_(member("etc/" + "n" * 300)),
    "types": lambda: with_(member("dev/sda", kind=tarfile.BLKTYPE)),
    "names-relative": lambda: doubled(member("etc/../etc/x")),
    "names-one-form": lambda: with_(member("./etc/x")),
    "names-unique": lambda: doubled(member("etc/fstab")),
    "names-text": lambda: with_(member("etc/a\nb")),
    "names-parents": lambda: with_(member("bin/x")),
    "root": lambda: with_(member(WSL, WSL_CONF.replace(b"true", b"false")), without=("sbin",)),
    "root-directories": lambda: with_(member("tmp"), without=("tmp/",)),
    "links-symbolic": lambda: with_(symlink("etc/x", "nothing")),
    "links-hard": lambda: changed("usr/bin/twin", linkname="usr/bin/later"),
    "owners": lambda: changed("etc/fstab", uid=1234),
    "xattrs": with_xattr,
    "init": lambda: changed("usr/sbin/init", mode=0o644),
    "sh": lambda: changed("usr/bin/sh", b"#!/bin/rsh\n"),
    "bash": lambda: with_(member("usr/bin/bash", b"#!/bin/sh\n", mode=0o755)),
    "programs": lambda: with_(without=("usr/bin/grep",)),
    "ldconfig": lambda: in_(WSL, b"ldconfig=false", b"ldconfig=true"),
    "architecture": lambda: with_(member("usr/bin/x", elf(machine=183), mode=0o755)),
    "interpreters": lambda: with_(without=("usr/lib/ld",)),
    "names-of-wsl": lambda: with_(member("init", elf(), mode=0o755)),
    "passwd": lambda: in_("etc/passwd", b"u:x:7", b"root:x:7"),
    "passwd-root": lambda: in_("etc/passwd", b"root:x", b"toor:x"),
    "passwd-shell": lambda: in_("etc/passwd", b"/bin/rsh", b"/bin/zsh"),
    "group": lambda: in_("etc/group", b"u:x:7:", b"u:x:0:"),
    "group-tty": lambda: in_("etc/group", b"tty:x:5:", b"tty:x:6:"),
    "shadow": lambda: changed("etc/shadow", mode=0o644),
    "passwords": lambda: in_("etc/shadow", b"root:*", b"root:$6$salt$hash"),
    "os-release": lambda: in_("usr/lib/os-release", b'"1.0"', b'"1.0 beta"'),
    "no-resolv-conf": lambda: with_(symlink("etc/resolv.conf", "../run/resolv.conf")),
    "no-hostname": lambda: with_(member("etc/hostname", b"builder\n")),
    "no-identity": lambda: with_(member("etc/machine-id", b"0123456789abcdef0123456789abcdef\n")),
    "no-kernel": lambda: with_(directory("boot/"), member("boot/vmlinuz-6.12.1")),
    "fstab": lambda: changed("etc/fstab", b"LABEL=root / ext4 defaults 0 1\n"),
    "systemd-units": lambda: with_(*[directory(path) for path in (
        "etc/systemd/", "etc/systemd/system/", "etc/systemd/system/local-fs.target.wants/")],
        symlink("etc/systemd/system/local-fs.target.wants/tmp.mount", "../../../fstab")),
    "distribution-conf": lambda: changed(CONF, mode=0o600),
    "distribution-conf-syntax": lambda: in_(CONF, b"[oobe]\n", b"[oobe]\nwhat is this\n"),
    "distribution-conf-keys": lambda: in_(CONF, b"[oobe]\n", b"[oobe]\ndefaultUser=u\n"),
    "distribution-conf-values": lambda: in_(CONF, b"[shortcut]\n", b"[shortcut]\nenabled=yes\n"),
    "default-name": lambda: in_(CONF, b"tiny-1.0", b"tiny 1.0"),
    "default-uid": lambda: in_(CONF, b"[oobe]\n", b"[oobe]\ndefaultUid=0\n"),
    "oobe-command": lambda: in_(CONF, b"[oobe]\n", b"[oobe]\ncommand=/usr/lib/wsl/setup\n"),
    "icon": lambda: changed("usr/lib/wsl/t.ico", mode=0o600),
    "icon-image": lambda: changed("usr/lib/wsl/t.ico", ICON[:-1]),
    "terminal": lambda: changed("usr/lib/wsl/t.json", mode=0o644),
    "terminal-profile": lambda: changed("usr/lib/wsl/t.json", b'{"profiles":[{}]} // ours'),
    "wsl-conf": lambda: changed(WSL, uid=7),
    "wsl-conf-syntax": lambda: in_(WSL, b"[boot]\n", b"[boot]\ncommand=\"not closed\n"),
    "wsl-conf-keys": lambda: in_(WSL, b"[boot]\n", b"[boot]\nSystemD2=true\n"),
    "wsl-conf-values": lambda: in_(WSL, b"[automount]\n", b"[automount]\ncgroups=v3\n"),
    "init-timeout": lambda: in_(WSL, b"30000", b"60000"),
    "default-user": lambda: in_(WSL, b"[boot]\n", b"[user]\ndefault=root\n[boot]\n"),
}
# More ways to break a rule, each alone.
MORE = [
    ("format", lambda: b"no archive at all " * 40), ("format", lambda: b""), ("format", lambda: bytes(100)),
    ("whole", lambda: packed(tiny())[:-200]), ("whole", lambda: packed(tiny()) + b"trailing"),
    ("whole", lambda: lzma.compress(tar(tiny()))[:-60]),
    ("whole", lambda: gzip.compress(tar(tiny()) + b"behind the end", mtime=0)),
    ("whole", lambda: gzip.compress(tar(tiny()).rstrip(b"\0").ljust(len(tar(tiny())) - 10240, b"\0"), mtime=0)),
    ("names-relative", lambda: prefixed("/")),
    ("links-symbolic", lambda: with_(symlink("etc/x", "y"), symlink("etc/y", "x"))),
    ("links-hard", lambda: changed("usr/bin/twin", linkname="../usr/bin/sh")),
    ("types", lambda: with_(member("etc/pipe", kind=tarfile.FIFOTYPE))),
    ("passwords", lambda: in_("etc/shadow", b"u:!", b"u:")),
    ("no-identity", lambda: with_(directory("etc/ssh/"), member("etc/ssh/ssh_host_rsa_key", b"x"))),
    ("default-uid", lambda: in_(CONF, b"[oobe]\n", b"[oobe]\ndefaultUid=1000\n")),
    ("distribution-conf-values", lambda: in_(CONF, b"/usr/lib/wsl/t.ico", b"/usr/lib/wsl/../t.ico")),
    ("icon", lambda: with_(symlink("usr/lib/wsl/t.ico", "t.json"))),
    ("icon-image", lambda: changed("usr/lib/wsl/t.ico", b"\x89PNG\r\n\x1a\n" + bytes(100))),
    ("terminal-profile", lambda: changed("usr/lib/wsl/t.json", b"[" * 100000)),
    ("terminal-profile", lambda: changed("usr/lib/wsl/t.json", b'{"profiles":{}}')),
    ("wsl-conf-syntax", lambda: in_(WSL, b"systemd=true", b"systemd=true\nsystemd=false")),
    ("no-kernel", lambda: with_(symlink("vmlinuz", "etc/fstab"))),
    ("programs", lambda: changed("usr/bin/login", mode=0o644)),
]


def check_variants():
    sound = packed(tiny())
    point("the tiny distro breaks no rule", broken(sound))
    point("nor as ./x, as GNU tar, as ustar, with xz, in two gzip members", [
        f"{name}: {found}" for name, data in {
            "./": prefixed("./"), "gnu": gzip.compress(tar(tiny(), tarfile.GNU_FORMAT), mtime=0),
            "ustar": gzip.compress(tar(tiny(), tarfile.USTAR_FORMAT), mtime=0), "xz": lzma.compress(tar(tiny())),
            "two": gzip.compress(tar(tiny())[:4096], mtime=0) + gzip.compress(tar(tiny())[4096:], mtime=0),
            "long names": with_(member("etc/" + "/".join(["x" * 200] * 3), pax_headers={})),
        }.items() if (found := broken(data))])
    known = [one.id for one in rules.RULES]
    point(f"each of the {len(known)} rules has a variant that breaks it", sorted(set(known) ^ set(BROKEN)))
    point("and no other rule", [f"{name}: {found}" for name, make in BROKEN.items() if (found := broken(make())) != [name]])
    point("a mask makes a unit harmless", broken(with_(*[directory(path) for path in (
        "etc/systemd/", "etc/systemd/system/", "etc/systemd/system/local-fs.target.wants/")],
        symlink("etc/systemd/system/local-fs.target.wants/tmp.mount", "../../../fstab"),
        symlink("etc/systemd/system/tmp.mount", "/dev/null"))))
    point(f"{len(MORE)} more ways to break them", [f"{number}, {name}: {found}" for number, (name, make) in enumerate(MORE)
                                                  if (found := broken(make())) != [name]])


# ---- archives that mean harm ----------------------------------------------------------------------------


def bomb():
    """1 GiB of zeros in 1 MB: a file that is as large as it says."""
    info, _ = member("etc/zeros")
    info.size = 1 << 30
    yield gzip.compress(info.tobuf(tarfile.GNU_FORMAT), mtime=0)
    zeros = gzip.compress(bytes(1 << 20), 9, mtime=0)
    yield from (zeros for _ in range(1 << 10))


def long_name(size):
    """A GNU long name that says it has that many bytes, of which the archive has all."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = b"L", size
    yield from (gzip.compress(piece, 9, mtime=0) for piece in (info.tobuf(tarfile.GNU_FORMAT), *[b"n" * (1 << 20)] * (size >> 20)))


def many(count):
    header = member("etc/x")[0].tobuf(tarfile.USTAR_FORMAT)
    yield from (gzip.compress(header * 1000, 1, mtime=0) for _ in range(count // 1000))


def run_limited(path, *arguments):
    """The tool as a user starts it, with no more memory than it may need."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return subprocess.run([sys.executable, "-B", TOP / "image-build" / "validate" / "main.py", *arguments, path],
                          capture_output=True, text=True, preexec_fn=limit, check=False, timeout=60)


def check_harm(work):
    cases = {"a bomb": (bomb(), "limits"), "a name of 200 MiB": (long_name(200 << 20), "limits"),
             "300 000 entries": (many(300_000), "limits"),
             "a pax record longer than its header": ([gzip.compress(bad_pax(), mtime=0)], "whole"),
             "an owner of 5000 digits": ([gzip.compress(pax(record(b"uid", b"1" * 5000)), mtime=0)], "whole"),
             "a header of 1 MiB of records": ([gzip.compress(pax(record(b"a", b"") * 170_000), mtime=0)], "limits"),
             "many records for all that follows": ([gzip.compress(b"".join(pax(record(b"%d" % number, b"x"), b"g")[:1024]
                                                   for number in range(200)), mtime=0)], "limits"),
             "garbage in an xz": ([b"\xfd7zXZ\0" + b"\xff" * 4096], "whole")}
    wrong = []
    for name, (pieces, expected) in cases.items():
        path = work / "harm"
        with open(path, "wb") as file:
            file.writelines(pieces)
        said = run_limited(path, "--most=256")
        failed = [line.split()[1] for line in said.stdout.split("\n") if line.startswith("FAIL")]
        if said.returncode != 1 or expected not in failed or said.stderr:
            wrong.append(f"{name}: status {said.returncode}, {failed}, {said.stderr[-200:]}")
    point(f"archives that mean harm end with a clear rule, in {MEMORY >> 20} MiB: {', '.join(cases)}", wrong)
    noisy = broken_text(with_(member("etc/\x1b[31mred\nline")))
    point("what an archive says cannot write to the terminal", [line for line in noisy if "\x1b" in line])


def record(key, value):
    """LENGTH KEY=VALUE, LENGTH with itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def pax(data, kind=b"x"):
    """An extended header and the file that it is for."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(data)
    return (info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512) +
            member("etc/x")[0].tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


def bad_pax():
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", 12
    return info.tobuf(tarfile.USTAR_FORMAT) + b"99999 path=x".ljust(512, b"\0")


def broken_text(data):
    return [found for _, state, found, _ in validator.judge(distros.Distro(io.BytesIO(data), "x86_64")) if state == "FAIL"]


def check_noise():
    """Damage anywhere in a sound archive ends in rules, never in a traceback."""
    sound, wrong = tar(tiny()), []
    for position in range(0, len(sound), 397):
        damaged = bytearray(sound)
        damaged[position] ^= 0x55
        try:
            states(bytes(damaged))
        except Exception as error:  # noqa: BLE001 - any at all is the failure
            wrong.append(f"byte {position}: {error!r}")
    point("a changed byte anywhere is judged, not tripped over", wrong)


# ---- the tool ------------------------------------------------------------------------------------------


def tool(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)


def check_tool(work):
    shipped = TOP / "build" / "out" / "keel.wsl"
    said = tool("--json", shipped)
    document = json.loads(said.stdout or "{}")
    point("keel.wsl passes every rule", [f"status {said.returncode} {said.stderr}"] if said.returncode else [
        f"{one['id']}: {one['found']}" for one in document["rules"] if one["state"] == "FAIL"])
    point("it is the same file as keel-rootfs.tar.gz",
          [] if shipped.samefile(shipped.with_name("keel-rootfs.tar.gz")) else ["two different files"])
    (work / "bad.wsl").write_bytes(BROKEN["sh"]())
    said = tool(work / "bad.wsl")
    point("a broken rule: status 1, what was found and the way out", [] if said.returncode == 1 and "FAIL sh " in said.stdout
          and "way out:" in said.stdout and "1 failed" in said.stdout else [said.stdout, said.stderr])
    (work / "plain").write_bytes(b"")
    point("no file, a directory, no argument: status 2 and one line", [
        str(arguments) for arguments in ((work / "nothing",), (work,), ()) if (said := tool(*arguments)).returncode != 2
        or not said.stderr.strip() or "Traceback" in said.stderr])
    point("--help says what the exit status means", [] if "Exit status" in tool("--help").stdout else ["it does not"])
    documented = (TOP / "docs" / "validate-distro.md").read_text()
    point("docs/validate-distro.md has the rules as they are", [] if tool("--rules").stdout in documented
          else ["put the output of image-build/validate-distro --rules there"])


def main():
    with tempfile.TemporaryDirectory() as directory_name:
        work = pathlib.Path(directory_name)
        check_variants()
        check_noise()
        check_harm(work)
        check_tool(work)
    return status()


if __name__ == "__main__":
    sys.exit(main())
