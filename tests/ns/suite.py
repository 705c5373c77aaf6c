"""The namespace suite: keel-init as a real PID 1 at native speed, under WSL's conditions and a VM's.

Run by tests/run ns (make test-ns) in the lab environment.
scenarios_*.py are the scenarios, guest.py starts a guest, launch.c is the hand-over, svc.c what runs in it.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, *(os.path.join(os.path.dirname(HERE), name) for name in ("lib", "disk"))]

import harness  # noqa: E402
import scenarios_api  # noqa: E402,F401
import scenarios_api_peers  # noqa: E402,F401
import scenarios_boot  # noqa: E402,F401
import scenarios_clock  # noqa: E402,F401
import scenarios_control  # noqa: E402,F401
import scenarios_crash  # noqa: E402,F401
import scenarios_disk  # noqa: E402,F401
import scenarios_disk_agent  # noqa: E402,F401
import scenarios_disk_engine  # noqa: E402,F401
import scenarios_disk_gallery  # noqa: E402,F401
import scenarios_disk_verbs  # noqa: E402,F401
import scenarios_dns  # noqa: E402,F401
import scenarios_engine  # noqa: E402,F401
import scenarios_logs  # noqa: E402,F401
import scenarios_memory_api  # noqa: E402,F401
import scenarios_net  # noqa: E402,F401
import scenarios_rescue  # noqa: E402,F401
import scenarios_services  # noqa: E402,F401
import scenarios_share  # noqa: E402,F401
import scenarios_shell  # noqa: E402,F401
import scenarios_shutdown  # noqa: E402,F401
import scenarios_units  # noqa: E402,F401
import scenarios_wsl  # noqa: E402,F401

harness.main("ns", jobs=4)
