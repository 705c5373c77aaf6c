# SPDX-License-Identifier: MIT
"""keel-net and keel-modules: the network helper in a network namespace with a DHCP server at the other end
of the cable, and the module helper on a made-up /sys.

/etc is an overlay in the helper's mount namespace, so that this machine's resolv.conf is safe.
"""
import contextlib
import os
import re
import subprocess
import sys
import tempfile

import harness
from harness import check
from stage_helper import Helper, enter, hold_namespaces, program, run

DHCP_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dhcp_server.py")
KEEL_NET = program("keel-net")
KEEL_MODULES = program("keel-modules")
BUSYBOX = harness.TOP / "build/deps/bin/busybox"  # the guest's own


def unavailable():
    return None if os.geteuid() == 0 else "needs root"


class Net:
    """A namespace with eth0, whose other end is `cable` in a namespace of the server's."""

    def __init__(self, directory, stack):
        self.directory = directory
        self.stack = stack
        self.server = self.namespace()
        self.guest = self.namespace()
        os.makedirs(f"{directory}/etc/upper")
        os.makedirs(f"{directory}/etc/work")
        self.inside("mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir=/etc,upperdir={directory}/etc/upper,workdir={directory}/etc/work", "/etc")
        os.symlink(BUSYBOX, f"{directory}/udhcpc")

    def namespace(self):
        return hold_namespaces(self.stack, ["--net"], "true")

    def inside(self, *command):
        return run(*enter(self.guest, *command))

    def connect(self):
        run(*enter(self.guest, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "cable",
                        "netns", str(self.server)))
        run(*enter(self.server, "ip", "address", "add", "192.168.77.1/24", "dev", "cable"))
        run(*enter(self.server, "ip", "link", "set", "cable", "up"))

    def serve(self):
        server = subprocess.Popen(enter(self.server, sys.executable, DHCP_SERVER, "cable"))
        self.stack.callback(server.wait)
        self.stack.callback(server.kill)

    def start(self, wsl=False, **options):
        # A veth is a software link: it must be named to be taken.
        settings = {"net.interface": "eth0", "net.wait": "2"}
        settings.update({f"net.{key}": value for key, value in options.items()})
        environment = {"PATH": f"{self.directory}:{os.environ['PATH']}"}
        if wsl:
            environment["container"] = "wsl"
        arguments = [f"--option={key}={value}" for key, value in settings.items()]
        helper = Helper(enter(self.guest, KEEL_NET, *arguments), env=environment)
        self.stack.callback(helper.stop)
        return helper


def scenario(name):
    def register(function):
        def wrapped(*_test):
            with tempfile.TemporaryDirectory(prefix="keel-net-") as directory, contextlib.ExitStack() as stack:
                function(Net(directory, stack))
        return harness.scenario(f"keel-net: {name}", deadline=90, skip=unavailable)(wrapped)
    return register


@scenario("a DHCP lease is set and reported")
def lease(net):
    net.connect()
    net.serve()
    net.start().until("done", "192.168.77.50/24 from DHCP on eth0")
    check("inet 192.168.77.50/24 brd 192.168.77.255" in net.inside("ip", "-4", "address", "show", "eth0"), "address")
    check("mtu 1400" in net.inside("ip", "link", "show", "eth0"), "mtu")
    check("default via 192.168.77.1 dev eth0" in net.inside("ip", "route"), "route")
    resolvers = re.findall(r"^nameserver (\S+)$", net.inside("cat", "/etc/resolv.conf"), re.M)
    check(resolvers == ["192.168.77.1", "192.168.77.2"], f"resolvers {resolvers}")
    check("UP" in net.inside("ip", "link", "show", "lo"), "loopback is down")


@scenario("silence is reported, a late server is used")
def late_server(net):
    net.connect()
    helper = net.start(wait="1")
    helper.until("degraded", "no answer from a DHCP server on eth0; trying on")
    net.serve()
    report = helper.next()
    while report["state"] != "done":
        check(report["state"] in ("running", "degraded"), f"{report}")
        report = helper.next()
    check("192.168.77.50/24" in report["reason"], f"{report}")


@scenario("a late link is taken up")
def late_link(net):
    helper = net.start(wait="1", mode="static", address="192.168.77.9/24")
    helper.until("degraded", "no link eth0; it is taken up when it appears")
    net.connect()
    helper.until("done", "192.168.77.9/24 on eth0")
    helper.ends_with(0)


@scenario("a static address replaces what was there")
def static_address(net):
    net.connect()
    net.inside("ip", "address", "add", "10.9.9.9/8", "dev", "eth0")
    net.start(mode="static", address="192.168.77.9/24", gateway="192.168.77.1", dns="192.168.77.1").until(
        "done", "192.168.77.9/24 on eth0")
    check("10.9.9.9" not in net.inside("ip", "address"), "the old address is still there")
    check("default via 192.168.77.1 dev eth0" in net.inside("ip", "route"), "route")
    # Again, with a gateway outside of the network.
    net.start(mode="static", address="192.168.77.9/32", gateway="192.168.77.1").until("done")
    check("onlink" in net.inside("ip", "route"), "not on-link")


@scenario("a bad address is degraded, not fatal")
def bad_address(net):
    net.connect()
    helper = net.start(mode="static", address="192.168.77.9")
    helper.until("degraded", "net.address in keel.conf is not valid")
    helper.ends_with(1)


@scenario("loopback only")
def loopback_only(net):
    helper = net.start(mode="none")
    helper.until("done", "loopback only")
    helper.ends_with(0)
    check("UP" in net.inside("ip", "link", "show", "lo"), "loopback is down")


@scenario("under WSL nothing is touched")
def wsl(net):
    net.connect()
    helper = net.start(wsl=True)
    helper.until("skipped", "WSL")
    helper.ends_with(0)
    check("state DOWN" in net.inside("ip", "link", "show", "lo"), "loopback was touched")


@scenario("resolv.conf that is WSL's link stays")
def wsl_link(net):
    net.connect()
    net.inside("ln", "-sf", "/mnt/wsl/resolv.conf", "/etc/resolv.conf")
    net.start(mode="static", address="192.168.77.9/24", dns="9.9.9.9").until("done")
    check(net.inside("readlink", "/etc/resolv.conf") == "/mnt/wsl/resolv.conf\n", "replaced")


@scenario("no DHCP client is a clear word")
def no_client(net):
    net.connect()
    os.unlink(f"{net.directory}/udhcpc")
    command = enter(net.guest, "env", f"PATH={net.directory}", KEEL_NET, "--option=net.interface=eth0")
    helper = Helper(command)
    net.stack.callback(helper.stop)
    helper.until("degraded", "run udhcpc on eth0: No such file or directory")
    helper.ends_with(1)


@harness.scenario("keel-modules: names what is missing, once")
def modules_missing(*_test):
    with tempfile.TemporaryDirectory(prefix="keel-modules-") as directory:
        os.makedirs(f"{directory}/lists")
        with open(f"{directory}/lists/a.conf", "w", encoding="ascii") as file:
            file.write("# comment\nkeel_no_such_module\nkeel-no-such-module\n")
        helper = Helper([KEEL_MODULES, "--dry-run", f"--modules={directory}/none", f"--sysfs={directory}",
                         f"{directory}/lists"], stdout=subprocess.DEVNULL)
        helper.until("degraded", f"no {directory}/none, and not built in: keel_no_such_module")
        check(helper.reports[-1][1].endswith(": keel_no_such_module"), helper.reports[-1])
        helper.ends_with(1)
        helper.stop()


@harness.scenario("keel-modules: a kernel without modules is skipped",
                  skip=lambda: "this kernel has modules" if os.path.exists("/proc/modules") else None)
def modules_none(*_test):
    helper = Helper([KEEL_MODULES])
    helper.until("skipped", "no loadable modules")
    helper.ends_with(0)
    helper.stop()
