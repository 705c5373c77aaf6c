# SPDX-License-Identifier: MIT
"""GET /metrics of the real agent: promtool's verdict, and figures against what the kernel and keel say themselves."""
import json
import os
import re
import subprocess
import time

from engine import EngineGuest, data_disk, unavailable
from harness import Skip, check, equal, scenario

SAMPLE = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*(?:\{.*\})?) ([0-9.]+)")


def scrape(guest, query=""):
    status, text = guest.api("/metrics" + query)
    equal(status, 200, "GET /metrics")
    text = text.decode()
    return text, {found[1]: float(found[2]) for line in text.splitlines() if (found := SAMPLE.fullmatch(line))}


def kernel_number(path, pattern):
    with open(path, encoding="ascii") as file:
        return float(re.search(pattern, file.read(), re.M)[1])


def check_kernel(values):
    """Between two looks at a figure of the kernel's is ours."""
    equal(values["machine_memory_bytes"], kernel_number("/proc/meminfo", r"^MemTotal: +(\d+)") * 1024,
          "machine_memory_bytes")
    equal(values["machine_cpu_cores"], os.sysconf("SC_NPROCESSORS_ONLN"), "machine_cpu_cores")
    check(abs(values["node_boot_time_seconds"] - kernel_number("/proc/stat", r"^btime (\d+)")) <= 1, "node_boot_time_seconds")
    check(abs(values["node_time_seconds"] - time.time()) < 60, "node_time_seconds")
    for resource, part, word in (("cpu", "waiting", "some"), ("io", "waiting", "some"), ("io", "stalled", "full"),
                                 ("memory", "waiting", "some"), ("memory", "stalled", "full")):
        now = kernel_number(f"/proc/pressure/{resource}", rf"^{word} .*total=(\d+)") / 1e6
        then = values[f"node_pressure_{resource}_{part}_seconds_total"]
        check(then <= now <= then + 60, f"pressure of {resource}: {then}, the kernel says {now}")


@scenario("metrics: promtool finds nothing, and the figures are those of the kernel, of services and of the disk",
          deadline=120, skip=unavailable)
def metrics(test):
    if subprocess.run(["sh", "-c", "command -v promtool"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("no promtool")
    with data_disk("256M") as disk, EngineGuest(disk, config="[vsock]\nreport_port = 0\n", seconds=90,
                                                masked=("docker.service", "containerd.service")) as guest:
        guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active", "the agent is up")
        guest.retry(lambda: "node_filesystem_size_bytes{" in scrape(guest)[0], "the disk is known")
        text, values = scrape(guest)
        with test.step("promtool check metrics"):
            result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                                    check=False)
            equal((result.returncode, result.stdout + result.stderr), (0, ""), "promtool")
        with test.step("node-exporter's names that promtool does not like, for who asks for them"):
            other, both = scrape(guest, "?names=node-exporter")
            known = set(values) | set(scrape(guest)[1])  # a series may begin in between
            equal(set(both) - known, {f"node_memory_{name}_bytes" for name in (
                "MemTotal", "MemFree", "MemAvailable", "AnonPages", "SwapTotal", "SwapFree")}, "more names")
            equal(both["node_memory_MemTotal_bytes"], both["machine_memory_bytes"], "MemTotal")
            result = subprocess.run(["promtool", "check", "metrics"], input=other, capture_output=True, text=True,
                                    check=False)
            check(all("camelCase" in line for line in (result.stdout + result.stderr).splitlines()), result)
            equal(guest.api("/metrics?names=x")[0], 400, "another query")
        with test.step("the kernel's"):
            check_kernel(values)
        with test.step("the agent's process"):
            pid = guest.outside_pid(guest.snapshot()["services"]["keel-agent.service"]["pid"])
            fds = len(os.listdir(f"/proc/{pid}/fd"))
            check(abs(values["process_open_fds"] - fds) <= 2, (values["process_open_fds"], fds))
            resident = kernel_number(f"/proc/{pid}/status", r"^VmRSS:\s+(\d+)") * 1024
            check(resident / 2 < values["process_resident_memory_bytes"] < resident * 2, resident)
            check(abs(values["process_start_time_seconds"] - values["node_time_seconds"]) < 120, "start time")
        with test.step("services and stages are those of the health document"):
            def pair():
                return scrape(guest)[1], guest.api("/v1/health")[1]

            def fit(values, health):
                return all(values[f'keel_service_up{{name="{service["name"]}"}}'] ==
                           (service["state"] in ("active", "reloading")) and
                           values[f'keel_service_restarts_total{{name="{service["name"]}"}}'] == service["restarts"]
                           for service in health["services"])
            guest.retry(lambda: fit(*pair()), "the services of both are the same")
            values, health = pair()
            done = {f'keel_boot_stage_seconds{{stage="{stage["name"]}",state="{stage["state"]}"}}': stage["ms"]
                    for stage in health["stages"] if stage["state"] not in ("pending", "running")}
            check(done and all(abs(values[name] - ms / 1000) < 0.002 for name, ms in done.items()), done)
            equal(values["keel_ready"], health["ready"], "ready")
            equal([name for name, value in values.items() if name.startswith("keel_status{") and value == 1],
                  [f'keel_status{{status="{health["status"]}"}}'], "status")
        with test.step("the disk is that of statfs"):
            info = os.statvfs(guest.path("/data"))
            name, = [name for name in values if name.startswith("node_filesystem_size_bytes{")]
            equal(values[name], info.f_blocks * info.f_frsize, name)
            check(f'device="{disk.device}",fstype="ext4",mountpoint="/data"' in name, name)
            avail = values[name.replace("_size_", "_avail_")]
            check(0 < avail <= values[name.replace("_size_", "_free_")] <= values[name], avail)
        with test.step("requests are counted by class"):
            guest.api("/v1/nothing")
            again = scrape(guest)[1]
            for word in ("2xx", "4xx"):
                series = f'keel_api_requests_total{{class="{word}"}}'
                check(again[series] > values[series], (series, values[series], again[series]))
            check(json.dumps(sorted(again)).count("keel_service_up") == len(health["services"]), "one series a service")
