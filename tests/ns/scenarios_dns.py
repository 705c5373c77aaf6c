# SPDX-License-Identifier: MIT
"""Names in containers: real dockerd, resolvers of our own in the guest's network namespace, a resolv.conf that is
rewritten as WSL rewrites its own."""
import contextlib
import os
import re
import subprocess
import sys

from engine import IMAGE, EngineGuest, daemon_config, engine_root, unavailable
from guest import TOP
from harness import check, scenario
from stage_helper import hold_namespaces, run

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dns_server.py")
FORWARD = "10.255.255.253"
SILENT = "198.51.100.9"
PLAIN, TUNNEL, STUB = ("192.0.2.1", "203.0.113.1"), ("10.255.255.254", "203.0.113.2"), ("127.0.0.53", "203.0.113.3")


class Names:
    """A guest's resolvers and how its containers see them."""

    def __init__(self, guest, stack):
        self.guest, self.stack = guest, stack
        self.inside("ip", "link", "set", "lo", "up")
        for address, _ in (PLAIN, TUNNEL):
            self.inside("ip", "address", "add", f"{address}/32", "dev", "lo")
        self.servers = {address: self.serve(address, answer) for address, answer in (PLAIN, TUNNEL, STUB)}

    def net(self, *command):
        return ["nsenter", "-t", str(self.guest.pid), "-n", "--", *command]

    def inside(self, *command):
        return run(*self.net(*command))

    def serve(self, address, answer):
        server = subprocess.Popen(self.net(sys.executable, SERVER, address, answer), stdout=subprocess.PIPE, text=True)
        self.stack.callback(server.stdout.close)
        self.stack.callback(server.wait)
        self.stack.callback(server.kill)
        check(server.stdout.readline() == "ready\n", f"the resolver at {address} listens")
        return server

    def write(self, *addresses, more=""):
        """As WSL does: the link stays, its target is written anew."""
        with open(self.guest.path("/mnt/wsl/resolv.conf"), "w", encoding="ascii") as file:
            file.write("".join(f"nameserver {address}\n" for address in addresses) + more)

    def write_file(self, text):
        """As an editor does: another file takes the name."""
        with open(self.guest.path("/etc/resolv.conf.new"), "w", encoding="ascii") as file:
            file.write(text)
        os.rename(self.guest.path("/etc/resolv.conf.new"), self.guest.path("/etc/resolv.conf"))

    def silent_network(self):
        """What is sent to SILENT is lost, and nobody says so."""
        self.inside("ip", "link", "add", "far0", "type", "veth", "peer", "name", "far1")
        self.inside("ip", "address", "add", "198.51.100.1/24", "dev", "far0")
        for link in ("far0", "far1"):
            self.inside("ip", "link", "set", link, "up")
        self.inside("ip", "neighbour", "add", SILENT, "lladdr", "02:00:00:00:00:09", "dev", "far0")

    def connections(self):
        return len(self.inside("ss", "-Htn", "state", "established", f"( sport = :53 and src {FORWARD} )").splitlines())

    def status(self):
        return self.guest.snapshot()["services"]["keel-dns.service"]["status"]

    def wait_status(self, text):
        self.guest.wait(lambda s: text in s["services"]["keel-dns.service"]["status"], f"keel-dns says {text!r}")

    def asks(self, *docker):
        """The address that a container gets for a name, and what nslookup said."""
        _, out, _ = self.guest.docker(*docker, "/busybox", "nslookup", "-type=a", "some.test.", check=False)
        found = re.findall(r"^Address: (\S+)$", out, re.M)
        return found[-1] if found else None, out

    def check_all(self, answer, *options):
        """A container on the default bridge, and one on a network of the user's, which has dockerd's own resolver."""
        for network in ("bridge", "own"):
            got, out = self.asks("run", "--rm", "--network", network, *options, IMAGE)
            check(got == answer, f"{network}: {got}, not {answer}\n{out}")

    def health(self):
        return self.guest.api("/v1/health")[1]

    def dockerd(self):
        return self.guest.snapshot()["services"]["docker.service"]["pid"]

    def container_net(self, name, *command):
        _, pid, _ = self.guest.docker("inspect", "-f", "{{.State.Pid}}", name)
        return ["nsenter", "--net=" + self.guest.path(f"/proc/{pid.strip()}/ns/net"), "--", *command]


TCP_QUERY = """
import socket, struct, sys
question = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4some\\4test\\0\\0\\1\\0\\1"
with socket.create_connection((sys.argv[1], 53), timeout=5) as tcp:
    tcp.sendall(struct.pack(">H", len(question)) + question)
    length = struct.unpack(">H", tcp.recv(2, socket.MSG_WAITALL))[0]
    print(socket.inet_ntoa(tcp.recv(length, socket.MSG_WAITALL)[-4:]))
"""


@contextlib.contextmanager
def names_guest(resolv_conf=None, **options):
    """resolv_conf: a plain file instead of WSL's link."""
    # Without a data disk the root is an overlay, on which overlay2 cannot be; images do not matter here.
    files = {"/etc/docker/daemon.json": daemon_config(engine_root()).replace('"overlay2"', '"vfs"')}
    if resolv_conf:
        files["/etc/resolv.conf"] = resolv_conf
    with contextlib.ExitStack() as stack:
        guest = EngineGuest(files=files, **options)
        if not resolv_conf:
            os.makedirs(f"{guest.dir}/upper/etc", exist_ok=True)
            os.symlink("/mnt/wsl/resolv.conf", f"{guest.dir}/upper/etc/resolv.conf")
        stack.enter_context(guest)
        names = Names(guest, stack)
        guest.wait_ready()
        guest.import_image()
        guest.docker("network", "create", "own")
        yield names


@scenario("dns: containers ask the resolvers of resolv.conf, also after it was rewritten",
          deadline=240, skip=unavailable)
def resolvers(test):
    with names_guest(seconds=200) as names:
        guest = names.guest
        dockerd = names.dockerd()
        with test.step("an ordinary address: dockerd alone, nothing of ours in between"):
            names.check_all(PLAIN[1])
            check(names.status() == f"containers ask {PLAIN[0]}", names.status())
            check(FORWARD not in names.inside("ip", "address"), "an address was added to lo")
            check(names.health()["network"] == {"resolvers": [PLAIN[0]], "container_dns": "direct", "overlap": "", "proxy": {
                "http": "", "https": "", "no": ""}}, names.health()["network"])
        with test.step("dockerd has the processors and the memory that health tells"):
            machine = names.health()["machine"]
            _, out, _ = guest.docker("info", "-f", "{{.NCPU}} {{.MemTotal}}")
            check(out.split() == [str(machine["cpus_usable"]), str(machine["memory_bytes"])], f"{out} {machine}")
            check(0 < machine["cpus_usable"] <= machine["cpus_online"] <= machine["cpus_present"], machine)
            agent = str(guest.snapshot()["services"]["keel-agent.service"]["pid"])
            guest.run("taskset", "-p", "1", agent)
            bound = names.health()["machine"]
            check(bound == {**machine, "cpus_usable": 1}, f"an affinity: {bound}, before: {machine}")
        with test.step("a network of the machine's that comes later and shares addresses with dockerd's is told"):
            names.inside("ip", "link", "add", "host0", "type", "veth", "peer", "name", "host1")
            names.inside("ip", "address", "add", "172.17.16.1/20", "dev", "host0")
            names.inside("ip", "link", "set", "host0", "up")
            told = names.health()["network"]["overlap"]
            check(told == "docker0 (172.17.0.0/16) shares addresses with host0 (172.17.16.0/20)", told)
            names.inside("ip", "link", "del", "host0")
            check(names.health()["network"]["overlap"] == "", "it is gone")
        with test.step("WSL's DNS tunnel"):
            names.write(TUNNEL[0])
            names.wait_status(TUNNEL[0])
            names.check_all(TUNNEL[1])
            check(names.dockerd() == dockerd, "dockerd was restarted")
        with test.step("no resolver at all is told"):
            names.write()
            names.wait_status("public resolvers: resolv.conf names none")
            check(names.health()["network"]["container_dns"] == "public", names.health()["network"])
        with test.step("only a stub on loopback: forwarded, dockerd restarted, containers live on"):
            guest.docker("run", "-d", "--name", "old", IMAGE, "/busybox", "sleep", "1000")
            names.write(STUB[0], more="search corp.test\n")
            names.wait_status(f"{FORWARD}, that is {STUB[0]}")
            guest.wait(lambda s: s["services"]["docker.service"]["pid"] not in (0, dockerd) and
                       s["services"]["docker.service"]["state"] == "active", "dockerd is up again")
            check(guest.docker("inspect", "-f", "{{.State.Running}}", "old")[1] == "true\n", "the container lives on")
            names.check_all(STUB[1])
            dockerd = names.dockerd()
            check(names.health()["network"]["container_dns"] == "forwarded", names.health()["network"])
        with test.step("by TCP too, and the search list is resolv.conf's"):
            guest.docker("run", "-d", "--name", "new", IMAGE, "/busybox", "sleep", "1000")
            check(run(*names.container_net("new", sys.executable, "-c", TCP_QUERY, FORWARD)) == f"{STUB[1]}\n", "TCP")
            _, out, _ = guest.docker("exec", "new", "/busybox", "cat", "/etc/resolv.conf")
            check(f"nameserver {FORWARD}\n" in out and "search corp.test\n" in out and "8.8.8.8" not in out, out)
        with test.step("a running container follows what resolv.conf says next"):
            names.write(PLAIN[0])
            names.wait_status(PLAIN[0])
            got, out = names.asks("exec", "new")
            check(got == PLAIN[1], out)
            names.check_all(PLAIN[1])
            check(names.dockerd() == dockerd, "dockerd was restarted")
        with test.step("a resolver that is not there is passed by; none that answers is said at once"):
            names.write("127.0.0.9", STUB[0])
            names.wait_status("127.0.0.9")
            names.check_all(STUB[1])
            names.write("127.0.0.9")
            guest.wait(lambda s: s["services"]["keel-dns.service"]["status"].endswith("that is 127.0.0.9"), "only that one")
            got, out = names.asks("run", "--rm", IMAGE)
            check(got is None and "SERVFAIL" in out, out)
        with test.step("killed, keel-dns is back, with the same address"):
            names.write(STUB[0])
            names.wait_status(STUB[0])
            pid = guest.snapshot()["services"]["keel-dns.service"]["pid"]
            guest.run("kill", "-9", str(pid))
            guest.wait(lambda s: s["services"]["keel-dns.service"]["pid"] not in (0, pid) and
                       s["services"]["keel-dns.service"]["state"] == "active", "keel-dns is up again")
            names.check_all(STUB[1])
            check(names.dockerd() == dockerd, "dockerd was restarted")
        with test.step("who is no container is not answered"):
            check_stranger(names)
        with test.step("daemon.json's own dns goes before"):
            own_dns(names)
        with test.step("stopped, it takes its address along"):
            guest.run("systemctl", "stop", "keel-dns.service")
            check(FORWARD not in names.inside("ip", "address"), "the address is still there")


def check_stranger(names):
    """A neighbour on a link that is no bridge, with a route to the forwarder's address."""
    with contextlib.ExitStack() as stack:
        other = hold_namespaces(stack, ["--net"], "true")
        names.inside("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far", "netns", str(other))
        names.inside("ip", "address", "add", "198.51.100.1/24", "dev", "eth0")
        names.inside("ip", "link", "set", "eth0", "up")
        far = ["nsenter", "-t", str(other), "-n", "--"]
        run(*far, "ip", "address", "add", "198.51.100.2/24", "dev", "far")
        run(*far, "ip", "link", "set", "far", "up")
        run(*far, "ip", "route", "add", f"{FORWARD}/32", "via", "198.51.100.1")
        result = subprocess.run([*far, sys.executable, "-c", TCP_QUERY, FORWARD], capture_output=True, check=False)
        check(result.returncode != 0 and STUB[1].encode() not in result.stdout, f"TCP: {result.stdout}")
        result = subprocess.run([*far, f"{TOP}/build/deps/bin/busybox", "timeout", "3", f"{TOP}/build/deps/bin/busybox",
                                 "nslookup", "-type=a", "some.test.", FORWARD], capture_output=True, check=False)
        check(STUB[1].encode() not in result.stdout, f"UDP: {result.stdout}")
        names.inside("ip", "link", "del", "eth0")


def own_dns(names):
    guest = names.guest
    config = guest.read("/etc/docker/daemon.json").replace("{", '{"dns": ["%s"],' % TUNNEL[0], 1)
    with open(guest.path("/etc/docker/daemon.json"), "w", encoding="ascii") as file:
        file.write(config)
    names.wait_status("daemon.json's own dns")
    pid = names.dockerd()
    guest.run("systemctl", "restart", "docker.service")
    check(names.dockerd() != pid, "restarted")
    names.check_all(TUNNEL[1])


@scenario("dns: a stub on loopback from the first moment: one start of dockerd; a port that is taken, clients that take all",
          deadline=200, skip=unavailable)
def stub_at_boot(test):
    with names_guest(f"nameserver {STUB[0]}\n", seconds=160) as names:
        guest = names.guest
        names.check_all(STUB[1])
        log = guest.run("journalctl", "-u", "docker", "--no-pager")[1]
        check(log.count('msg="Starting up"') == 1, log)
        check(guest.read("/etc/resolv.conf") == f"nameserver {STUB[0]}\n", "resolv.conf was touched")
        with test.step("a resolver that takes no connection is followed by the next, by TCP too"):
            names.silent_network()
            names.write_file(f"nameserver {SILENT}\nnameserver {STUB[0]}\n")
            names.wait_status(f"that is {SILENT}")
            guest.docker("run", "-d", "--name", "loud", IMAGE, "/busybox", "sleep", "1000")
            check(run(*names.container_net("loud", sys.executable, "-c", TCP_QUERY, FORWARD)) == f"{STUB[1]}\n", "TCP")
        with test.step("one container's connections and queries are no other's loss, nor its own next one's"):
            names.write_file(f"nameserver {STUB[0]}\n")
            names.wait_status(f"that is {STUB[0]}")
            check_flood(names)
        with test.step("relative links, and links to links, are followed"):
            for name in ("one", "two"):
                os.makedirs(guest.path(f"/run/{name}"))
            os.symlink("../two/resolv.conf", guest.path("/run/one/resolv.conf"))
            for name, address in (("first", PLAIN[0]), ("second", TUNNEL[0])):
                with open(guest.path("/run/two/resolv.conf"), "w", encoding="ascii") as file:
                    file.write(f"nameserver {address}\n")
                if name == "first":
                    os.symlink("../run/one/resolv.conf", guest.path("/etc/resolv.conf.new"))
                    os.rename(guest.path("/etc/resolv.conf.new"), guest.path("/etc/resolv.conf"))
                names.wait_status(f"that is {address}")
            os.unlink(guest.path("/etc/resolv.conf"))
            names.write_file(f"nameserver {STUB[0]}\n")
            names.wait_status(f"that is {STUB[0]}")
        with test.step("stopped, its option for dockerd goes with it"):
            guest.run("systemctl", "stop", "keel-dns.service")
            check(not os.path.exists(guest.path("/run/keel/docker-dns.env")), "the option is still there")
            network = names.health()["network"]
            check(network["container_dns"] == "unanswered", network)
        with test.step("somebody has the port: it is told, and dockerd comes up all the same"):
            names.inside("ip", "address", "add", f"{FORWARD}/32", "dev", "lo")
            squatter = names.serve(FORWARD, "203.0.113.9")
            guest.run("systemctl", "start", "keel-dns.service")
            names.wait_status(f"containers get no answer: cannot listen on {FORWARD}")
            pid = names.dockerd()
            guest.run("systemctl", "restart", "docker.service")
            check(names.dockerd() not in (0, pid), "dockerd was not restarted")
            network = names.health()["network"]
            check(network["container_dns"] == "unanswered", network)
            check("containers get no names" in guest.run("keelctl", "status")[1], guest.run("keelctl", "status")[1])
        with test.step("nobody has it any more: forwarded"):
            pid = names.dockerd()
            squatter.kill()
            names.wait_status(f"{FORWARD}, that is {STUB[0]}")
            names.check_all(STUB[1])
            check(names.health()["network"]["container_dns"] == "forwarded", names.health()["network"])
            check(names.dockerd() == pid, "dockerd was restarted")


FLOOD = """
import socket, sys, time
tcp = [socket.create_connection((sys.argv[1], 53), timeout=5) for _ in range(60)]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(400):
    udp.sendto(number.to_bytes(2, "big") + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4some\\4test\\0\\0\\1\\0\\1", (sys.argv[1], 53))
print("ready", flush=True)
tcp[-1].settimeout(15)
print("over" if tcp[-1].recv(1) == b"" else "data", flush=True)
"""


def check_flood(names):
    pid = names.guest.snapshot()["services"]["keel-dns.service"]["pid"]
    flood = subprocess.Popen(names.container_net("loud", sys.executable, "-c", FLOOD, FORWARD), stdout=subprocess.PIPE,
                             text=True)
    with flood:
        check(flood.stdout.readline() == "ready\n", "the flood")
        names.check_all(STUB[1])
        check(run(*names.container_net("loud", sys.executable, "-c", TCP_QUERY, FORWARD)) == f"{STUB[1]}\n", "its own next")
        left = names.connections()
        check(0 < left <= 8, f"{left} connections of one client's")
        check(flood.stdout.readline() == "over\n" and names.connections() == 0, "one on which nothing comes is given up")
    check(names.guest.snapshot()["services"]["keel-dns.service"]["pid"] == pid, "keel-dns was restarted")


@scenario("proxies: keel.conf's and a session's reach dockerd, containers live on, passwords are not shown", deadline=150,
          skip=unavailable)
def proxies(test):
    conf = "[proxy]\nhttp = http://conf.test:3128\nno = localhost\n"
    with names_guest(config=conf, seconds=120) as names:
        guest = names.guest
        with test.step("keel.conf's"):
            check(docker_proxies(guest) == ["http://conf.test:3128", "", "localhost"], docker_proxies(guest))
            out = guest.run("keelctl", "proxy")[1]
            check("http   http://conf.test:3128  /etc/keel/keel.conf\n" in out and "https  -" in out, out)
        guest.docker("run", "-d", "--name", "lives", IMAGE, "/busybox", "sleep", "1000")
        pid = names.dockerd()
        with test.step("a session's"):
            secret = "http://user:p@ss\"w$ord@session.test:8080"
            out = guest.run("/usr/bin/env", f"HTTPS_PROXY={secret}", "no_proxy=.test", "keelctl", "proxy",
                            "from-environment")[1]
            check("https  http://***@session.test:8080  /etc/keel/proxy.env\n" in out and "ss" not in
                  out.replace("session", ""), out)
            check(names.dockerd() != pid, "dockerd was restarted")
            shown = docker_proxies(guest)
            check(shown[0] == "http://conf.test:3128" and shown[1].endswith("@session.test:8080") and shown[2] == ".test",
                  shown)
            check(names.health()["network"]["proxy"]["https"] == "http://***@session.test:8080", names.health()["network"])
            check(secret in guest.read(f"/proc/{names.dockerd()}/environ"), "the very value")
            check(os.stat(guest.path("/etc/keel/proxy.env")).st_mode & 0o77 == 0, "others may read it")
            check(guest.docker("inspect", "-f", "{{.State.Running}}", "lives")[1] == "true\n", "the container lives on")
        with test.step("the same again: nothing is restarted; none is refused"):
            pid = names.dockerd()
            guest.run("/usr/bin/env", f"https_proxy={secret}", "NO_PROXY=.test", "keelctl", "proxy", "from-environment")
            check(guest.run("keelctl", "proxy", "from-environment", check=False)[0] == 1, "no variables")
            check(names.dockerd() == pid, "dockerd was restarted")
        with test.step("taken back"):
            guest.run("keelctl", "proxy", "clear")
            check(docker_proxies(guest) == ["http://conf.test:3128", "", "localhost"], docker_proxies(guest))
            check(guest.docker("inspect", "-f", "{{.State.Running}}", "lives")[1] == "true\n", "the container lives on")


def docker_proxies(guest):
    return guest.docker("info", "-f", "{{.HTTPProxy}}\n{{.HTTPSProxy}}\n{{.NoProxy}}")[1].split("\n")[:3]
