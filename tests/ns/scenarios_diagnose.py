"""Diagnostics: the archive is whole and readable by every tar, has what it should, and no secret that is in the guest."""
import io
import os
import subprocess
import tarfile

from guest import unit
from harness import check, scenario
from scenarios_logs import LogGuest

SECRET = "Zq7hunter2Xw9"
PLANTED = {
    "/etc/docker/daemon.json": '{"proxies": {"https-proxy": "http://me:%s-0@proxy:3128"}, "auths": {"r": {"auth": "%s-1"}}, '
                               '"experimental": false}\n',
    "/etc/keel/keel.conf": "[proxy]\nhttp = http://me:%s-2@proxy:3128/\nhttps = me:%s-3@proxy:3128\n",
    "/etc/keel/proxy.env": "HTTP_PROXY=http://me:%s-4@proxy:3128\n",
    "/etc/keel/units/a.service.d/x.conf": '[Service]\nEnvironment=FOO=%s-5 "BAR=a %s-6"\n',
    "/etc/wsl.conf": "[user]\npassword = a b %s-7\n",
    "/root/.docker/config.json": '{"auths": {"r": {"auth": "%s-8"}}}\n',
}
WORDS = ("API-TOKEN=%s-9", "Authorization:_Bearer_%s-10", "https://me:%s-11@host/", "{password:%s-12}")
MEMBERS = ("health.json", "services.json", "disk.json", "memory.json", "events.json", "versions.txt", "logs/a.service.log",
           "logs/keel-agent.service.log", "config/keel.conf", "config/units.txt", "config/daemon.json", "config/wsl.conf",
           "config/kernel-command-line", "mounts", "storage.txt", "network.txt", "cgroups.txt", "processes.txt",
           "proc/pressure", "proc/meminfo", "proc/vmstat", "proc/zoneinfo", "proc/loadavg", "MANIFEST.txt")


def plant():
    """A guest that is full of secrets."""
    say = " ".join("say:" + word.replace("%s", SECRET) for word in WORDS)
    return LogGuest({"a.service": unit(f"{say} ready sleep")}, agent=True, dirs=("/root",),
                    files={path: text.replace("%s", SECRET) for path, text in PLANTED.items()})


def members(archive):
    """name -> text, as Python and GNU tar see it."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar.getmembers()}
        check(all(info.mode == 0o600 and info.isreg() for info in tar.getmembers()), "modes")
    listed = subprocess.run(["tar", "-tf", "-"], input=archive, capture_output=True, check=True).stdout.decode().split()
    check(listed == list(found), f"GNU tar sees {listed}, Python {list(found)}")
    check(all(name.startswith("keel-diagnostics/") for name in found), str(list(found)))
    return {name.removeprefix("keel-diagnostics/"): text.decode(errors="replace") for name, text in found.items()}


def check_secrets(archive):
    at = archive.find(SECRET.encode())
    check(at < 0, f"a secret: {archive[max(0, at - 200):at + 50]!r}")


def check_members(found, wanted=MEMBERS):
    for name in wanted:
        check(found.get(name), f"no {name} in {sorted(found)}\n{found.get('MANIFEST.txt')}")
        check(name == "MANIFEST.txt" or f"\n{name} " in found["MANIFEST.txt"], f"{name} is not in the manifest")


@scenario("diagnose: an archive over HTTP that every tar reads, with all members, without any secret that was planted",
          deadline=60)
def archive(_test):
    with plant() as guest:
        guest.wait_service("keel-agent.service", "active")
        guest.wait_service("a.service", "active")
        guest.retry(lambda: len(guest.texts("a.service")) >= len(WORDS), "what a.service says")
        result = subprocess.run(["curl", "-sS", "-D", "-", "--unix-socket", guest.path("/run/keel/api.sock"),
                                 "http://keel/v1/diagnostics"], capture_output=True, timeout=30, check=True)
        head, _, data = result.stdout.partition(b"\r\n\r\n")
        check(b"200 OK" in head and b"application/x-tar" in head, head)
        check(b'Content-Disposition: attachment; filename="keel-diagnostics-' in head, head)
        found = members(data)
        check_secrets(data)
        check_members(found)
        log = found["logs/a.service.log"]
        check("API-TOKEN=***" in log and "https://***@host/" in log and "{password:***" in log, log)
        check("http = http://***@proxy:3128/" in found["config/keel.conf"], found["config/keel.conf"])
        check("Environment=***" in found["config/units.txt"], found["config/units.txt"])
        check("keel-agent" in found["processes.txt"] and "cgroup.events" in found["cgroups.txt"],
              found["processes.txt"] + found["cgroups.txt"])
        check("kernel.log" in found["MANIFEST.txt"], found["MANIFEST.txt"])
        # A reader that goes away in the middle leaves nothing behind: the next one is served.
        with guest.follow("/v1/diagnostics") as reader:
            check(reader.status == 200, reader.status)
            with guest.follow("/v1/diagnostics") as second:
                check(second.status in (200, 409), second.status)
        guest.retry(lambda: guest.get("/v1/diagnostics", "HEAD")[0] == 200, "the next client is served")


@scenario("diagnose: keelctl writes a file for its owner, never over another, and works without the agent", deadline=60)
def command(_test):
    with plant() as guest:
        guest.wait_service("keel-agent.service", "active")
        guest.wait_service("a.service", "active")
        guest.retry(lambda: len(guest.texts("a.service")) >= len(WORDS), "what a.service says")
        guest.run("keelctl", "diagnose", "-o", "/tmp/x.tar")
        path = guest.path("/tmp/x.tar")
        check(os.stat(path).st_mode & 0o777 == 0o600, oct(os.stat(path).st_mode))
        with open(path, "rb") as file:
            data = file.read()
        check_members(members(data))
        check_secrets(data)
        again = guest.run("keelctl", "diagnose", "-o", "/tmp/x.tar", check_status=False)
        check(again.returncode == 1 and "exists" in again.stderr, again)
        out = subprocess.run(guest.command("keelctl", "diagnose", "-o", "-"), stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=30, check=True)
        check_members(members(out.stdout))
        check(b"secrets were removed" in out.stderr, out.stderr)
        guest.request(4, "keel-agent.service")
        guest.wait_service("keel-agent.service", "inactive")
        alone = guest.run("keelctl", "diagnose", "-o", "/tmp/y.tar")
        check("collecting here" in alone.stderr, alone)
        with open(guest.path("/tmp/y.tar"), "rb") as file:
            data = file.read()
        wanted = [name for name in MEMBERS if not name.endswith(".json") or name.startswith(("config", "health"))]
        check_members(members(data), wanted)
        check_secrets(data)
