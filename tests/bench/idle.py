"""Wake-ups of PID 1 and of the agent in 60 idle seconds, with the real engine up (context switches from
/proc/PID/status: a process that slept all the time has none).
"""
import time

import engine
import figures

SECONDS = 60


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))


def main(seconds=SECONDS):
    reason = engine.unavailable()
    if reason:
        print(f"  not measured: {reason}")
        return 0
    # The report's target is the hypervisor's host, which does not listen here: without it the agent is as idle as
    # it is when the connection stands.
    with engine.data_disk("1G") as disk, engine.EngineGuest(disk, config="[vsock]\nreport_port = 0\n",
                                                             seconds=seconds + 60) as guest:
        inside = guest.wait_ready()["services"]["keel-agent.service"]["pid"]
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
        guest.wait(lambda s: s["stages"]["services"]["end_us"] != 0, "the boot is over")
        agent = guest.outside_pid(inside)
        time.sleep(5)  # what the boot left to do
        before = switches(guest.pid), switches(agent)
        time.sleep(seconds)  # the time that is measured
        after = switches(guest.pid), switches(agent)
    return figures.write("idle", {
        "init_wakeups": figures.figure(f"per {seconds} s", [after[0] - before[0]], limit=0),
        "agent_wakeups": figures.figure(f"per {seconds} s", [after[1] - before[1]],
                                        note="engine probe every 30 s and what its answer takes"),
    })
