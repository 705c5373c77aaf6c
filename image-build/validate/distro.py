# SPDX-License-Identifier: MIT
"""distro.py - an archive as the root file system that it becomes: paths, links, accounts, WSL's configuration files."""
import pathlib
import posixpath
import sys

import archive

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "pack"))
import tree as trees  # noqa: E402

ETC = ("etc/wsl.conf", "etc/wsl-distribution.conf", "etc/passwd", "etc/group", "etc/shadow", "etc/os-release",
       "usr/lib/os-release", "etc/fstab", "etc/machine-id")
TEXT_LIMIT = 256 << 10
ASSET_LIMIT = 1 << 20  # what WSL reads of an icon or a template
# Where links may lead although nothing is there yet: what the kernel, WSL or the boot makes.
RUNTIME = ("run", "proc", "sys", "dev", "mnt", "var/run")
# What a tool asks of a path whose owner or mode does not matter.
PROGRAM_DIRECTORIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


class Config:
    """An .ini file as WSL's init reads it. values: {"section.key" in lower case: (value, line)}."""

    def __init__(self, text):
        self.values, self.problems = {}, []
        section, lines = "", text.replace("\r\n", "\n").split("\n")
        number = 0
        while number < len(lines):
            line, first = lines[number].strip(" \t"), number + 1
            while line.endswith("\\") and not line.endswith("\\\\") and number + 1 < len(lines):
                number += 1
                line = line[:-1] + lines[number].strip(" \t")
            number += 1
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                name, close, rest = line[1:].partition("]")
                if not close or not _is_word(name) or (rest.strip() and not rest.strip().startswith("#")):
                    self.problems.append(f"line {first}: not a section: {line[:60]}")
                else:
                    section = name
                continue
            self._assign(section, line, first)

    def _assign(self, section, line, number):
        key, equals, value = line.partition("=")
        key = key.rstrip(" \t")
        if not equals or not _is_word(key):
            self.problems.append(f"line {number}: no KEY=VALUE: {line[:60]}")
            return
        try:
            value = _unquote(value.strip(" \t"))
        except ValueError as error:
            self.problems.append(f"line {number}: {error}")
            return
        name = f"{section}.{key}" if section else key
        if name.lower() in self.values:
            self.problems.append(f"line {number}: {name} is there twice; WSL takes the first")
        else:
            self.values[name.lower()] = (value, number)

    def get(self, name):
        return self.values.get(name.lower(), (None, 0))[0]


def _is_word(text):
    return text.isascii() and text.isalnum() and text[:1].isalpha()


def _unquote(text):
    """Quotes away, escapes resolved, a comment cut off."""
    result, quoted, escaped = "", False, False
    for letter in text:
        if escaped:
            if letter not in '\\"bnt':
                raise ValueError(f"\\{letter} is no escape")
            result += {"b": "\b", "n": "\n", "t": "\t"}.get(letter, letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == "#" and not quoted:
            break
        else:
            result += letter
    if quoted:
        raise ValueError("a quotation mark is not closed")
    return result.rstrip(" \t")


def boolean(text):
    """What WSL takes for one: 1, 0, true, false in any case; None for anything else."""
    return {"1": True, "true": True, "0": False, "false": False}.get(text.lower())


def integer(text):
    """As strtol with base 0; None if it is none."""
    try:
        digits = text.lower().removeprefix("-").removeprefix("+")
        octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
        value = int(text, 8) if octal else int(text, 0)
    except ValueError:
        return None
    return value if -2**31 <= value < 2**31 else None


class Distro:
    """What the rules look at. file: open for reading in binary; machine: what it is for; most: bytes that it may unpack to."""

    def __init__(self, file, machine, most=archive.MAX_UNPACKED):
        self.file, self.machine, self.most = file, machine, most
        wanted = {path: TEXT_LIMIT for path in ETC}
        self.format, self.entries, self.contents, self.error = archive.read(file, wanted, most)
        self.tree, self._directories = {}, None
        for entry in self.entries:
            self.tree[entry.path] = entry
        self.distribution = self._config("etc/wsl-distribution.conf")
        self.wsl = self._config("etc/wsl.conf")
        self._read_more()

    def _read_more(self):
        """A second time for what the first told of: files behind links, icon, template."""
        assets = [self.distribution.get(key) for key in ("shortcut.icon", "windowsterminal.profiletemplate")
                  if self.distribution and self.distribution.get(key)]
        wanted = {}
        for path in (*ETC, *assets):
            entry = self.resolve(path)
            if entry is not None and entry.kind == "file" and entry.path not in self.contents:
                wanted[entry.path] = ASSET_LIMIT + 1
        if wanted and self.error is None:
            self.contents.update(archive.read(self.file, wanted, self.most)[2])
        if self.distribution is None:
            self.distribution = self._config("etc/wsl-distribution.conf")
        if self.wsl is None:
            self.wsl = self._config("etc/wsl.conf")

    def _config(self, path):
        text = self.text(path)
        return Config(text) if text is not None else None

    def text(self, path):
        """The file's text, links followed; None if it is not there."""
        entry = self.resolve(path)
        data = self.contents.get(entry.path) if entry is not None else None
        return data.decode("utf-8", "replace") if data is not None else None

    def data(self, path):
        entry = self.resolve(path)
        return self.contents.get(entry.path) if entry is not None else None

    def lookup(self, path):
        """The entry of that path itself, links in its directory followed; None if there is none."""
        directory, name = posixpath.split(path.strip("/"))
        found = self._walk(directory)
        return self.tree.get(posixpath.join(found, name)) if found is not None else None

    def resolve(self, path):
        """The entry behind the path, all links followed inside the archive; None if there is none."""
        found = self._walk(path)
        entry = self.tree.get(found) if found is not None else None
        if entry is not None and entry.kind == "hardlink":
            target = self.tree.get(archive.Entry(entry.target, "", 0).path)
            return target if target is not None and target.kind == "file" else None
        return entry

    def _walk(self, path):
        """The path without links; None if they lead nowhere or in a circle."""
        def look(current):
            entry = self.tree.get(current)
            if entry is not None and entry.kind == "symlink":
                return entry.target
            return None if entry is None and not self._is_implied(current) else False

        return trees.follow(path, look)

    def _is_implied(self, path):
        """True for a directory that has no entry of its own but something in it."""
        if self._directories is None:
            self._directories = set()
            for name in self.tree:
                while name := posixpath.dirname(name):
                    if name in self._directories:
                        break
                    self._directories.add(name)
        return path in self._directories

    def is_directory(self, path):
        found = self._walk(path)
        if found is None:
            return False
        entry = self.tree.get(found)
        return entry.kind == "dir" if entry is not None else found == "" or self._is_implied(found)

    def wants_systemd(self):
        """True if WSL is to replace its PID 1 by /sbin/init."""
        return bool(self.wsl is not None and boolean(self.wsl.get("boot.systemd") or ""))

    def program(self, name):
        """Where a program of that name is found in PATH, as a path; None if nowhere."""
        return next((path for directory in PROGRAM_DIRECTORIES
                     if (entry := self.resolve(path := f"{directory}/{name}")) is not None
                     and entry.kind == "file" and entry.mode & 0o111), None)

    def accounts(self, path, fields):
        """The lines of passwd, group or shadow as lists of that many fields; None if one is not."""
        lines = [line.split(":") for line in (self.text(path) or "").split("\n") if line]
        return lines if all(len(line) == fields for line in lines) else None
