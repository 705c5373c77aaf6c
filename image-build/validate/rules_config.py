# SPDX-License-Identifier: MIT
"""rules_config.py - /etc/wsl-distribution.conf with icon and terminal profile, and /etc/wsl.conf."""
import json
import re
import struct

import distro as distros
from rule import Broken, NotApplicable, demand, rule, show, some
from rules_archive import CHECK, DOC, WSL, need_whole
from rules_system import need_file, need_owner, users_of

IMPORT = "WSL source: PostProcessImportedDistribution (src/linux/init/main.cpp), LxssUserSession.cpp"
PARSER = "WSL source: src/shared/configfile/configfile.cpp"
NAME = re.compile(r"[a-zA-Z0-9._-]{1,256}")
ICON_SIZES = (16, 24, 32, 48, 256)
SHUTDOWN_MS = 30_000  # `wsl --shutdown` waits this long for all distros together

TEXT, BOOLEAN, INTEGER, PATH, OCTAL, CGROUPS, HOST = "text", "true or false", "a number", "an absolute path", \
    "an octal number", "v1 or v2", "a host name"
DISTRIBUTION_KEYS = {
    "oobe.command": PATH, "oobe.defaultuid": INTEGER, "oobe.defaultname": TEXT, "shortcut.icon": PATH,
    "shortcut.enabled": BOOLEAN, "windowsterminal.profiletemplate": PATH, "windowsterminal.enabled": BOOLEAN}
WSL_KEYS = {
    "automount.cgroups": CGROUPS, "automount.enabled": BOOLEAN, "automount.ldconfig": BOOLEAN,
    "automount.mountfstab": BOOLEAN, "automount.options": TEXT, "automount.root": PATH, "boot.command": TEXT,
    "boot.inittimeout": INTEGER, "boot.protectbinfmt": BOOLEAN, "boot.systemd": BOOLEAN, "fileserver.enabled": BOOLEAN,
    "fileserver.logfile": PATH, "fileserver.loglevel": INTEGER, "fileserver.logtruncate": BOOLEAN,
    "filesystem.umask": OCTAL, "general.guiapplications": BOOLEAN, "gpu.appendlibpath": BOOLEAN, "gpu.enabled": BOOLEAN,
    "interop.appendwindowspath": BOOLEAN, "interop.enabled": BOOLEAN, "network.generatehosts": BOOLEAN,
    "network.generateresolvconf": BOOLEAN, "network.hostname": HOST, "time.usewindowstimezone": BOOLEAN, "user.default": TEXT}
VALID = {
    TEXT: bool,
    BOOLEAN: lambda value: distros.boolean(value) is not None,
    INTEGER: lambda value: distros.integer(value) is not None,
    PATH: lambda value: value.startswith("/") and ".." not in value,
    OCTAL: lambda value: re.fullmatch(r"0?[0-7]{1,3}", value),
    CGROUPS: lambda value: value.lower() in ("v1", "v2"),
    HOST: lambda value: re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,62})", value),
}


def need_config(distro, name):
    """The parsed /etc/wsl-distribution.conf or /etc/wsl.conf."""
    need_whole(distro)
    config = distro.wsl if name == "wsl-conf" else distro.distribution
    if config is None:
        raise NotApplicable(f"see {name}")
    return config


def check_keys(distro, name, known):
    unknown = [f"{key} (line {line})" for key, (_, line) in need_config(distro, name).values.items() if key not in known]
    demand(not unknown, f"unknown: {some(unknown)}", "WSL warns and ignores it: look for a typing error")
    return f"{len(need_config(distro, name).values)} keys"


def check_values(distro, name, known):
    bad = [f"{key}={value} is not {known[key]}" for key, (value, _) in need_config(distro, name).values.items()
           if key in known and not VALID[known[key]](value)]
    demand(not bad, some(bad), "WSL warns and takes its default")
    return "all"


def check_syntax(distro, name):
    problems = need_config(distro, name).problems
    demand(not problems, some(problems), "WSL warns of the line and ignores it")
    return "no line that WSL would not take"


@rule("distribution-conf", "/etc/wsl-distribution.conf is there, of root, mode 0644", f"{DOC}; {CHECK}")
def check_distribution(distro):
    need_file(distro, "etc/wsl-distribution.conf", (0o644, 0o664), ": a .wsl file has one")
    return "/etc/wsl-distribution.conf"


@rule("distribution-conf-syntax", "each of its lines is a section, KEY=VALUE, or a comment; no key twice", PARSER)
def check_distribution_syntax(distro):
    return check_syntax(distro, "distribution-conf")


@rule("distribution-conf-keys", "only keys that WSL knows", f"{IMPORT}; {CHECK}")
def check_distribution_keys(distro):
    return check_keys(distro, "distribution-conf", DISTRIBUTION_KEYS)


@rule("distribution-conf-values", "booleans, numbers and paths are such", f"{PARSER}; {IMPORT}: .. is refused")
def check_distribution_values(distro):
    return check_values(distro, "distribution-conf", DISTRIBUTION_KEYS)


@rule("default-name", "oobe.defaultName is set, and a name that WSL accepts", f"{DOC}: a double click needs it; {IMPORT}: s_ValidateDistroName")
def check_default_name(distro):
    name = need_config(distro, "distribution-conf").get("oobe.defaultName")
    demand(name, "it is not set", "set it under [oobe]")
    demand(NAME.fullmatch(name) and name.lower() != "legacy", f"{show(name)} is no name",
           "up to 256 letters, digits and . _ -; not \"Legacy\"")
    return name


@rule("default-uid", "oobe.defaultUid is not set (root), or 1000 with an oobe.command that makes the account",
      f"{DOC}; {CHECK}; {WSL}: a uid without an account ends every session")
def check_default_uid(distro):
    config = need_config(distro, "distribution-conf")
    text = config.get("oobe.defaultUid")
    if text is None:
        return "not set: root"
    uid = distros.integer(text)
    if uid is None:
        raise NotApplicable("see distribution-conf-values")
    exists = str(uid) in [line[2] for line in users_of(distro)]
    demand(uid == 1000, f"it is {uid}", "use 1000, or leave it out for root")
    demand(not exists, "/etc/passwd has 1000 already", "let oobe.command make the account")
    demand(config.get("oobe.command"), "nothing makes the account 1000", "set oobe.command")
    return "1000, made by oobe.command"


@rule("oobe-command", "oobe.command, if set, is a program of root under /usr/lib/wsl or /usr/libexec/wsl", CHECK)
def check_oobe_command(distro):
    path = need_config(distro, "distribution-conf").get("oobe.command")
    if path is None:
        raise NotApplicable("it is not set")
    entry = distro.lookup(path)
    demand(entry is not None and entry.kind in ("file", "hardlink"), f"{show(path)} is not there", "add it, as a file")
    need_owner(path.lstrip("/"), entry, (0o755, 0o775))
    demand(path.startswith(("/usr/lib/wsl/", "/usr/libexec/wsl/")), f"it is {show(path)}", "move it to /usr/lib/wsl")
    return path


def check_asset(distro, key, modes, directories):
    config = need_config(distro, "distribution-conf")
    path = config.get(key)
    demand(path, f"{key} is not set", f"set it to a file under {directories[0]}")
    if not VALID[PATH](path):
        raise NotApplicable("see distribution-conf-values")
    entry = distro.lookup(path)
    demand(entry is not None and entry.kind == "file", f"{show(path)} is not there", "add it, as a file and not as a link")
    need_owner(path.lstrip("/"), entry, modes)
    demand(entry.size <= distros.ASSET_LIMIT, f"{show(path)} has {entry.size} bytes", "WSL reads no more than 1 MiB")
    demand(path.startswith(tuple(directory + "/" for directory in directories)), f"it is {show(path)}",
           f"move it to {directories[0]}")
    return f"{show(path)}, {entry.size} bytes"


@rule("icon", "shortcut.icon is set: a file of root, mode 0644, at most 1 MiB, under /usr/lib/wsl or /usr/share/wsl",
      f"{CHECK}; {IMPORT}: what is larger is not taken (the documentation says 10 MB)")
def check_icon(distro):
    return check_asset(distro, "shortcut.icon", (0o644, 0o664), ("/usr/lib/wsl", "/usr/share/wsl"))


def asset_data(distro, key, name):
    """The content of the file that KEY names; the rule NAME has judged the file itself."""
    path = need_config(distro, "distribution-conf").get(key)
    entry = distro.lookup(path) if path else None
    data = distro.data(path) if entry is not None and entry.kind == "file" else None
    if data is None or len(data) > distros.ASSET_LIMIT:
        raise NotApplicable(f"see {name}")
    return data


def icon_images(data):
    """[(width, bytes)] of an .ico file."""
    demand(len(data) >= 6 and struct.unpack_from("<HH", data) == (0, 1), "it is no .ico file", "make one; a renamed .png is none")
    count = struct.unpack_from("<H", data, 4)[0]
    demand(0 < count <= 64 and len(data) >= 6 + 16 * count, f"it says that it has {count} images", "make it again")
    images = []
    for number in range(count):
        width, height, _, _, _, _, size, offset = struct.unpack_from("<BBBBHHII", data, 6 + 16 * number)
        image = data[offset:offset + size]
        demand(offset >= 6 + 16 * count and len(image) == size, f"image {number} is not in the file", "make it again")
        real = struct.unpack_from(">II", image, 16) if image.startswith(b"\x89PNG\r\n\x1a\n") and size > 24 else \
            struct.unpack_from("<Ii", image, 4) if size > 40 and image.startswith(b"\x28\0\0\0") else None
        demand(real is not None, f"image {number} is neither PNG nor a bitmap", "make it again")
        named = (width or 256, height or 256)
        demand(real in (named, (named[0], 2 * named[1])), f"image {number} is said to be {named}, but is {real}", "make it again")
        images.append((width or 256, image))
    return images


@rule("icon-image", "the icon is a whole .ico file with the sizes 16, 24, 32, 48 and 256",
      f"{DOC}: .ico; learn.microsoft.com/windows/apps/design/style/iconography/app-icon-construction: sizes")
def check_icon_image(distro):
    widths = [width for width, _ in icon_images(asset_data(distro, "shortcut.icon", "icon"))]
    missing = [size for size in ICON_SIZES if size not in widths]
    demand(not missing, f"no {some(missing, 5)} among {some(widths, 9)}", "add these sizes")
    return some(widths, 9)


@rule("terminal", "windowsterminal.profileTemplate is set: a file of root, mode 0640 or 0660, at most 1 MiB, under /usr/lib/wsl",
      f"{CHECK}; {IMPORT}")
def check_terminal(distro):
    return check_asset(distro, "windowsterminal.profileTemplate", (0o640, 0o660), ("/usr/lib/wsl",))


@rule("terminal-profile", "the template is JSON without comments: an object with an array \"profiles\" of objects",
      f"{IMPORT}: _CreateTerminalProfile; learn.microsoft.com/windows/terminal/json-fragment-extensions")
def check_terminal_profile(distro):
    data = asset_data(distro, "windowsterminal.profileTemplate", "terminal")
    try:
        template = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken(f"not JSON: {show(error)}", "correct it; comments are not allowed") from None
    profiles = template.get("profiles") if isinstance(template, dict) else None
    demand(isinstance(profiles, list) and profiles and all(isinstance(one, dict) for one in profiles),
           "no array \"profiles\" of objects", "{\"profiles\": [{}]}")
    ours = sorted({key for one in profiles for key in ("name", "commandline", "guid", "icon") if key in one})
    demand(not ours, f"it sets {some(ours, 4)}", "leave it out: WSL sets it")
    schemes = template.get("schemes", [])
    demand(isinstance(schemes, list) and all(isinstance(one, dict) and one.get("name") for one in schemes),
           "a colour scheme without a name", "give it one")
    return f"{len(profiles)} profile"


@rule("wsl-conf", "/etc/wsl.conf is there, of root, mode 0644", f"{DOC}; {CHECK}")
def check_wsl(distro):
    need_file(distro, "etc/wsl.conf", (0o644, 0o664))
    return "/etc/wsl.conf"


@rule("wsl-conf-syntax", "each of its lines is a section, KEY=VALUE, or a comment; no key twice", PARSER)
def check_wsl_syntax(distro):
    return check_syntax(distro, "wsl-conf")


@rule("wsl-conf-keys", "only keys that WSL knows",
      "WSL source: src/linux/init/WslDistributionConfig.cpp (boot.initTimeout, general.guiApplications and fileServer.log* are "
      "read but are not in the list of validate-modern.py)")
def check_wsl_keys(distro):
    return check_keys(distro, "wsl-conf", WSL_KEYS)


@rule("wsl-conf-values", "booleans, numbers and paths are such", PARSER)
def check_wsl_values(distro):
    return check_values(distro, "wsl-conf", WSL_KEYS)


@rule("init-timeout", f"boot.initTimeout, if set, is positive and at most {SHUTDOWN_MS} ms",
      f"{WSL}: 0 does not wait at all; `wsl --shutdown` waits 30 s for all distros (src/windows/service/exe)")
def check_init_timeout(distro):
    text = need_config(distro, "wsl-conf").get("boot.initTimeout")
    if text is None:
        raise NotApplicable("it is not set: WSL takes 10000")
    value = distros.integer(text)
    if value is None:
        raise NotApplicable("see wsl-conf-values")
    demand(0 < value <= SHUTDOWN_MS, f"it is {value}", f"between 1 and {SHUTDOWN_MS}")
    return f"{value} ms"


@rule("default-user", "user.default is not set", f"{CHECK}: discouraged; it overrides what `wsl --manage --set-default-user` sets")
def check_default_user(distro):
    name = need_config(distro, "wsl-conf").get("user.default")
    demand(name is None, f"it is {show(name)}", "leave it out: root without oobe.defaultUid, else that one")
    return "not set"
