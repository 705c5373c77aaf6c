# SPDX-License-Identifier: MIT
"""What a program asks of a running guest's monitor (monitor.py): is it there, what has it reported, wait
until it reports this. Used by vm.py, run.py and the suites.
"""
import json
import socket
import time

import machine
from machine import VmError


def connect(name):
    """A connection to the guest's monitor; VmError if the guest is not running."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(machine.state_dir(name) / "monitor.sock"))
    except OSError:
        sock.close()
        raise VmError(f"guest '{name}' is not running ('vm up --name {name}' starts it)") from None
    return sock


def is_running(name):
    try:
        connect(name).close()
    except VmError:
        return False
    return True


def request(name, message, timeout=10):
    with connect(name) as sock:
        sock.settimeout(timeout)
        sock.sendall(json.dumps(message).encode() + b"\n")
        text = b"".join(iter(lambda: sock.recv(65536), b""))
    answer = json.loads(text or b'{"error":"the monitor went away"}')
    if "error" in answer:
        raise VmError(answer["error"])
    return answer


def follow(name, deadline):
    """Yields the guest's lines since its start, {"type":"now"} between old and new, and each new one
    until the guest ends. TimeoutError when `deadline` (time.monotonic()) passes."""
    with connect(name) as sock:
        sock.sendall(b'{"do":"follow"}\n')
        pending = b""
        while True:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            data = sock.recv(65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            yield from map(json.loads, lines)


def wait_status(name, wanted, deadline):
    """Waits until the guest's status is one of `wanted`. Returns (status, health document); the status
    is "off" with the reason as second value when the guest ends."""
    status, health, live = None, None, False
    for line in follow(name, deadline):
        if line["type"] == "health":
            health = line["health"]
            status = health.get("status")
        elif line["type"] == "now":
            live = True
        elif line.get("event") == "exit":
            return "off", line["how"]
        if live and status in wanted:
            return status, health
    return "off", "the monitor went away"


def last_health(name):
    try:
        return json.loads((machine.state_dir(name) / "health.json").read_text())
    except FileNotFoundError:
        return None


def how_it_ended(name):
    try:
        return json.loads((machine.state_dir(name) / "exit.json").read_text())["how"]
    except FileNotFoundError:
        return "unknown"


def console_tail(name, lines=25):
    try:
        text = (machine.state_dir(name) / "console.log").read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
