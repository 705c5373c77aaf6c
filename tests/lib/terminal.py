"""A command on a terminal of its own, and a person at it: `with Terminal([...]) as terminal: terminal.ask("ls")`."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x01\x02]")


class Terminal:
    def __init__(self, words, env=None, size=(40, 120)):
        """words: the command line; size: rows, columns"""
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.modes = termios.tcgetattr(self.master)  # before somebody changes them
        self.started = time.monotonic()
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.raw, self.mark = "", 0

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        os.close(self.master)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def read(self, seconds):
        """What comes next, or False at the end."""
        if not select.select([self.master], [], [], max(0, seconds))[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def clean(self):
        """All that came, without escape sequences (one that is not whole yet included)."""
        text = ESCAPES.sub("", self.raw)
        return re.sub(r"\x1b[^A-Za-z]*$", "", text).replace("\r\n", "\n").replace("\r", "")

    @property
    def text(self):
        """What nobody has expected yet."""
        return self.clean()[self.mark:]

    def expect(self, words, seconds=10):
        """Waits for the words; returns all up to their end, and the time since the start."""
        end = time.monotonic() + seconds
        while words not in self.text:
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                raise AssertionError(f"{words!r} did not come in {seconds} s; the terminal has {self.text!r}")
        text = self.text[:self.text.index(words) + len(words)]
        self.mark += len(text)
        return text, time.monotonic() - self.started

    def type(self, keys):
        os.write(self.master, keys.encode())

    def ask(self, line, prompt="# "):
        """The output of one command line."""
        self.type(f"{line}; echo E''ND=$?\n")
        text = self.expect("END=")[0]
        status = self.expect("\n")[0]
        self.expect(prompt)
        return text.split("\n", 1)[-1].removesuffix("END="), int(status)

    def ask_prompt(self, prompt="# "):
        """The next prompt, after Enter."""
        self.type("\n")
        return self.expect(prompt)[0]

    def wait_end(self, seconds=10):
        end = time.monotonic() + seconds
        while self.read(end - time.monotonic()):
            if time.monotonic() > end:
                raise AssertionError(f"the session did not end; the terminal has {self.text!r}")
        return self.process.wait(seconds)
