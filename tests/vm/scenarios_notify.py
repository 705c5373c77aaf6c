# SPDX-License-Identifier: MIT
"""systemd's notify protocol for virtual machine monitors, in a VM: the address in the firmware's table and on the kernel's
command line, over the device to the host and through the guest's loopback. Its types over unix sockets and its troubles
are tests/ns/scenarios_report.py's.
"""
import io
import json
import socket
import tarfile
import threading
import time

import machine
from guests import keelctl, must, sh, up
from harness import check, contains, equal, retry_until, scenario

PORT = 4711
CREDENTIAL = f"io.systemd.credential:vmm.notify_socket=vsock:2:{PORT}"


class Monitor(threading.Thread):
    """The host's end: each connection to the guest's CID 2, PORT is a message."""

    def __init__(self, t, guest):
        super().__init__(daemon=True)
        self.told, self.at = [], []
        self.sock = socket.socket(socket.AF_UNIX)
        path = machine.state_dir(guest) / f"vsock.sock_{PORT}"
        self.sock.bind(str(path))
        self.sock.listen(8)
        t.cleanup(lambda: path.unlink(missing_ok=True))
        t.cleanup(self.sock.close)
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            with connection:
                text = b""
                while data := connection.recv(4096):
                    text += data
            self.told.append(text.decode())
            self.at.append(time.monotonic())

    def wait(self, part, seconds=60):
        retry_until(seconds, lambda: any(part in text for text in self.told), f"{part!r} is told")


@scenario("vmm.notify_socket by SMBIOS and the command line, to the host and through loopback; a session, diagnostics", deadline=600)
def notify(t):
    guest = "notify"
    up(t, guest, "--no-data", "--mem", "1G", "--smbios", CREDENTIAL, wait="degraded",
       append=f"keel.disk.wait=1 keel.debug.shell=1 systemd.set_credential=vmm.notify_socket:vsock:1:{PORT + 1}")
    monitor = Monitor(t, guest)
    with t.step("the boot, to the host, as the firmware's table says"):
        monitor.wait("READY=1", 240)
        equal(monitor.told[0], "X_SYSTEMD_HOSTNAME=keel", "the first message")
        contains(monitor.told, "X_SYSTEMD_UNIT_ACTIVE=basic.target", "a target")
        contains(monitor.told, "X_SYSTEMD_UNIT_ACTIVE=keel-agent.service", "a service")
        check(any(text.startswith("READY=1\nSTATUS=degraded: ") for text in monitor.told), monitor.told)
    with t.step("the command line, without that table: seqpacket through loopback, from a privileged port"):
        lines = sh(guest, "modprobe vsock_loopback; : >/run/empty; mount --bind /run/empty /sys/firmware/dmi/tables/DMI;"
                   f"timeout 60 /usr/lib/keel-lab/vsock-hear {PORT + 1} 3 & systemctl restart keel-agent; wait; "
                   "umount /sys/firmware/dmi/tables/DMI").splitlines()
        equal(lines[0].split()[1], "X_SYSTEMD_HOSTNAME=keel", "the first message")
        equal(lines[1].split()[1], "X_SYSTEMD_UNIT_ACTIVE=sysinit.target", "the second message")
        check(len(lines) == 3 and all(0 < int(line.split()[0]) < 1024 for line in lines), f"ports: {lines}")
    with t.step("a session over vsock"):
        told = keelctl(guest, "shell", "sh", "-c", "cat; exit 7", data=b"there and back")
        equal((told.stdout, told.returncode), (b"there and back", 7), "what it said and its status")
    with t.step("diagnostics over vsock: the kernel's log is in it, a secret in that is not"):
        sh(guest, "echo 'lab: login with password=hunter2-4711' >/dev/kmsg")
        told = keelctl(guest, "diagnose", "-o", "-")
        with tarfile.open(fileobj=io.BytesIO(told.stdout)) as archive:
            members = {member.name.split("/", 1)[1]: archive.extractfile(member).read() for member in archive if member.isfile()}
        check(b"Linux version" in members["kernel.log"] and b"lab: login with" in members["kernel.log"], members["kernel.log"][-500:])
        check(b"hunter2" not in told.stdout, "the secret came out")
        equal(json.loads(members["health.json"])["status"], "degraded", "health.json")
    with t.step("the end: the very last word"):
        must("down", guest)
        monitor.wait("EXIT_STATUS=")
        equal(monitor.told[-1], "EXIT_STATUS=0\nX_SYSTEMD_SHUTDOWN=poweroff", "the last word")
