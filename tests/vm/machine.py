# SPDX-License-Identifier: MIT
"""What a guest is made of: its state directory, disks, kernel and the QEMU command line.

Used by vm.py (makes the configuration) and monitor.py (runs it). The state directory is short because
the path of a unix socket holds 107 bytes at most.
"""
import json
import os
import pathlib
import subprocess

import scsi

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
OUT = BUILD / "out"


def host_uid():
    """Our user on the host: in the environment of an ordinary user we look like root (user_namespaces(7))."""
    inside, outside, _ = map(int, pathlib.Path("/proc/self/uid_map").read_text().split()[:3])
    return outside + os.getuid() - inside


BASE = pathlib.Path(os.environ.get("KEEL_VM_DIR") or f"/tmp/keel-vm-{host_uid()}")

GUEST_CID = 4
MEMORY_SLOTS = 4  # so many times memory can be added
SOCKET_PATH_MAX = 107
# As on current Windows: free blocks of 128 KiB and more go back to the host.
CMDLINE = ("console=ttyS0 panic=-1 quiet root=/dev/nvme0n1 rw init=/sbin/init "
           "page_reporting.page_reporting_order=5 keel.disk.format=blank")


class VmError(Exception):
    """A sentence for the user: what went wrong and the way out."""


def state_dir(name):
    if not name.replace("-", "").replace("_", "").isalnum():
        raise VmError(f"'{name}' is no name for a guest: letters, digits, - and _ only")
    path = BASE / name
    if len(str(path / "vsock.sock_702")) > SOCKET_PATH_MAX:
        raise VmError(f"{path} is too long for unix sockets: set KEEL_VM_DIR to a shorter directory")
    return path


def make_base():
    """Makes the directory of all guests; it must be ours, because /tmp is everybody's."""
    BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
    if BASE.stat().st_uid != os.getuid():
        raise VmError(f"{BASE} belongs to somebody else: set KEEL_VM_DIR")


def read_config(name):
    try:
        return json.loads((state_dir(name) / "config.json").read_text())
    except FileNotFoundError:
        raise VmError(f"there is no guest '{name}' (vm list shows those there are)") from None


def write_atomically(path, text):
    """Readers see the old or the new file, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)


def default_data_file(name):
    return BUILD / "vm" / "data" / f"{name}.vhdx"


def make_data_file(path, size):
    """A dynamic VHDX as WSL makes them: 1 MiB blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["qemu-img", "create", "-q", "-f", "vhdx", "-o", "subformat=dynamic,block_size=1M",
               str(path), size]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != 0:
        path.unlink(missing_ok=True)
        raise VmError(f"cannot make {path} with {size}: {result.stderr.strip()}")


def accel_options(accel):
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # -cpu max makes some kernels triple-fault under emulation; what is taken away cannot be emulated
    return ["-accel", "tcg,thread=multi", "-cpu", "Haswell,-pcid,-tsc-deadline,-hle,-invpcid,-rtm"]


def clock_environment(config):
    """For a machine whose host's wall clock is not the real one: libfaketime, which looks into the file once a second.
    Every other clock stays as it is."""
    if not config.get("clock"):
        return {}
    return {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "FAKETIME_TIMESTAMP_FILE": config["clock"],
            "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def qemu_command(config, state):
    """The root disk's writes go to a snapshot; the data disk is on a bus of its own kind, as under WSL."""
    memory = config["mem"]
    command = ["qemu-system-x86_64", *accel_options(config["accel"]), "-smp", str(config["cpus"]),
               "-nodefaults", "-display", "none", "-no-reboot", "-no-user-config",
               "-M", "q35,memory-backend=mem",
               "-m", f"{memory},slots={MEMORY_SLOTS},maxmem={config['max_mem']}" if config.get("max_mem") else memory,
               "-object", f"memory-backend-memfd,id=mem,size={memory},share=on",
               "-chardev", f"socket,id=con,path={state}/console.sock,server=on,wait=off,"
                           f"logfile={state}/console.log",
               "-serial", "chardev:con",
               "-qmp", f"unix:{state}/qmp.sock,server=on,wait=off",
               "-kernel", config["kernel"], "-append", config["cmdline"],
               "-drive", f"file={config['root']},format=raw,if=none,id=r,snapshot=on",
               "-device", "nvme,drive=r,serial=root",
               "-device", "virtio-scsi-pci,id=sc",
               "-device", "virtio-balloon-pci,free-page-reporting=on",
               "-chardev", f"socket,id=vs,path={state}/vu.sock",
               "-device", "vhost-user-vsock-pci,chardev=vs",
               "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n,romfile="]
    for string in config.get("smbios", []):
        command += ["-smbios", f"type=11,value={string.replace(',', ',,')}"]
    if config.get("wsl"):  # the distro's own disk; what is attached comes behind it, or not
        command += ["-drive", f"file={config['root']},format=raw,if=none,id=distro,snapshot=on,discard=unmap",
                    "-device", f"scsi-hd,drive=distro,bus=sc.0,lun={scsi.DISTRO_LUN}"]
    if config["data"]:
        disk = scsi.disk(config["data"])
        command += ["-blockdev", json.dumps(scsi.image_node(disk)), "-device", json.dumps(scsi.device(disk))]
    return command
