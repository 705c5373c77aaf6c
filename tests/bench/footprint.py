"""How large keel is: its programs on disk, and the private memory of PID 1, the agent and its runner after a boot with the real
engine (smaps_rollup: Private_Clean + Private_Dirty).
"""
import os

import engine
import figures
from guest import BIN

KIB = 1024
# keel-agent has parsers of JSON and HTTP, a sandbox and the host's whole view in it, without a shared library.
SIZE_LIMITS = {"keel-init": 200, "keel-agent": 512, "keelctl": None, "keel-modules": None, "keel-disk": None,
               "keel-net": None, "keel-log": None, "keel-dns": None, "keel-share": None}
MEMORY_LIMITS = {"init": 256, "agent": 1024, "agent_runner": 256}


def private_kib(pid):
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1])
    return total


def measure_memory(runs):
    found = {name: [] for name in MEMORY_LIMITS}
    for _ in range(runs):
        with engine.data_disk("1G") as disk, engine.EngineGuest(disk) as guest:
            agent = guest.wait_ready()["services"]["keel-agent.service"]["pid"]
            guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
            found["init"].append(private_kib(guest.pid))
            found["agent"].append(private_kib(guest.outside_pid(agent)))
            runner = next(process[0] for process in guest.processes().values() if process[1] == "agent-runner")
            found["agent_runner"].append(private_kib(runner))
    return found


def main(runs=3):
    result = {f"size_{name}": figures.figure("KiB", [os.stat(f"{BIN}/{name}").st_size / KIB], limit=limit)
              for name, limit in SIZE_LIMITS.items()}
    reason = engine.unavailable()
    if reason:
        print(f"  memory is not measured: {reason}")
    else:
        for name, values in measure_memory(runs).items():
            result[f"private_memory_{name}"] = figures.figure("KiB", values, limit=MEMORY_LIMITS[name])
    return figures.write("footprint", result)
