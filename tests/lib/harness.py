# SPDX-License-Identifier: MIT
"""harness.py - what the Python suites (tests/ns, tests/vm, tests/fault) have in common.

A suite registers scenarios and calls main():

    @harness.scenario("a container's output arrives", deadline=60)
    def output(t):
        guest = start_guest(t)                   # t.cleanup(function, *arguments) undoes it
        with t.step("hello is printed"):         # optional: a test point of its own
            harness.equal(guest.say(), "hello")

    harness.main("vm")

Each scenario is a process of its own and has a deadline; its cleanups run whatever happens: after success,
after a failure, at the deadline (SIGTERM raises in it; SIGKILL follows when the cleanups take longer
than CLEANUP_SECONDS). A failed step does not end the scenario, a failure outside of a step does. Prints
TAP to stdout and to build/test/SUITE.tap; exit status 0 when nothing failed, 2 for wrong usage or
binaries that are older than their sources.
"""
import argparse
import contextlib
import json
import os
import pathlib
import selectors
import signal
import sys
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parents[2]
CLEANUP_SECONDS = 60
SCENARIOS = []


class Failure(AssertionError):
    """What was expected did not happen."""


class Skip(Exception):
    """Not possible here; the reason is shown."""


class Deadline(BaseException):
    """The scenario's time is up. Not an Exception, so that no test swallows it."""


# ---- what a suite uses -----------------------------------------------------------------------------

def scenario(name, deadline=60, skip=None):
    """Registers a scenario. `skip` is a reason not to run it, or a function that gives one or None."""
    def register(function):
        SCENARIOS.append({"name": name, "deadline": deadline, "skip": skip, "function": function})
        return function
    return register


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, want, what="value"):
    if got != want:
        raise Failure(f"{what}: got {got!r}, expected {want!r}")


def contains(text, part, what="text"):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in {text!r}")


def retry_until(seconds, function, what):
    """Calls the function until it returns something true, which is returned. For what cannot be waited
    for as an event; a check that raises counts as not yet."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = function()
            if value:
                return value
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(0.05)


class Test:
    """A running scenario, as its function sees it."""

    def __init__(self, name, report):
        self.name = name
        self.report = report
        self.cleanups = []
        self.failed = False

    def cleanup(self, function, *arguments):
        """To be called at the end, in reverse order."""
        self.cleanups.append((function, arguments))

    def log(self, *words):
        """Shown if the scenario fails."""
        print(*words, flush=True)

    def note(self, *lines):
        """Figures of the run: comments in the TAP, whatever the result."""
        for line in lines:
            self.report(str(line), True, note=True)

    def skip(self, reason):
        raise Skip(reason)

    @contextlib.contextmanager
    def step(self, name):
        """A test point of its own within the scenario."""
        start = time.monotonic()
        try:
            yield
        except Skip as reason:
            self.report(f"{self.name}: {name}", True, skip=str(reason))
        except Exception as error:  # pylint: disable=broad-except
            self.failed = True
            self.report(f"{self.name}: {name}", False, reason=describe(error))
        else:
            self.report(f"{self.name}: {name}", True, seconds=time.monotonic() - start)


def describe(error):
    """A failed expectation in a sentence, anything else with its trace."""
    if isinstance(error, Failure):
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if not frame.filename.endswith("harness.py")]
        where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
        return where + str(error)
    return "".join(traceback.format_exception(error)).rstrip()


def require_fresh(product, sources, remedy):
    """Refuses to test a product that is older than one of its sources (KEEL_STALE_OK=1 allows it)."""
    if os.environ.get("KEEL_STALE_OK"):
        return
    if not product.exists():
        stop(f"there is no {product.relative_to(TOP)}: run '{remedy}'")
    built = product.stat().st_mtime
    for directory in sources:
        for path in (TOP / directory).rglob("*"):
            if path.is_file() and path.stat().st_mtime > built:
                stop(f"{product.relative_to(TOP)} is older than {path.relative_to(TOP)}: run '{remedy}'")


def stop(message):
    print(f"Bail out! {message}", flush=True)
    sys.exit(2)


# ---- one scenario, in its own process --------------------------------------------------------------

def raise_deadline(_signal, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Deadline


def run_scenario(entry, report):
    test = Test(entry["name"], report)
    start = time.monotonic()
    points = []

    def counted(*args, note=False, **kwargs):
        if not note:
            points.append(args)
        report(*args, note=note, **kwargs)

    test.report = counted
    try:
        reason = entry["skip"]() if callable(entry["skip"]) else entry["skip"]
        if reason:
            raise Skip(reason)
        entry["function"](test)
        if not points:
            report(entry["name"], True, seconds=time.monotonic() - start)
    except Skip as reason:
        report(entry["name"], True, skip=str(reason))
    except Deadline:
        report(entry["name"], False, reason=f"did not end within {entry['deadline']} s")
        traceback.print_exc()
    except Exception as error:  # pylint: disable=broad-except
        report(entry["name"], False, reason=describe(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for function, arguments in reversed(test.cleanups):
            try:
                function(*arguments)
            except Exception:  # pylint: disable=broad-except
                traceback.print_exc()


def child(entry, results, output):
    """The scenario's process: points go to `results`, all that is printed to `output`."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    with open(os.devnull, encoding="utf-8") as null:
        os.dup2(null.fileno(), 0)
    signal.signal(signal.SIGTERM, raise_deadline)

    def report(name, ok, reason=None, skip=None, seconds=None, note=False):
        line = {"name": name, "ok": ok, "reason": reason, "skip": skip, "seconds": seconds, "note": note}
        os.write(results, json.dumps(line).encode() + b"\n")

    run_scenario(entry, report)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


# ---- the runner ------------------------------------------------------------------------------------

class Tap:
    """Writes TAP to stdout and to the suite's file."""

    def __init__(self, suite):
        path = TOP / "build" / "test" / f"{suite}.tap"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.count = self.failed = 0
        self.line("TAP version 13")

    def line(self, text):
        for stream in (sys.stdout, self.file):
            print(text, file=stream, flush=True)

    def point(self, result, output=""):
        self.count += 1
        self.failed += not result["ok"]
        text = f"{'ok' if result['ok'] else 'not ok'} {self.count} - {result['name'].replace('#', '')}"
        if result.get("skip"):
            text += f" # SKIP {result['skip']}"
        elif result.get("seconds") is not None:
            text += f" # time={result['seconds']:.1f}s"
        self.line(text)
        if not result["ok"]:
            for line in ((result.get("reason") or "") + "\n" + output).strip().splitlines():
                self.line(f"#   {line}")


class Worker:
    """A running scenario, as the runner sees it."""

    def __init__(self, entry):
        self.entry = entry
        self.points, self.notes, self.pending = [], [], b""
        self.output = os.memfd_create("output")
        self.results, child_end = os.pipe()
        self.end = time.monotonic() + entry["deadline"]
        self.terminated = False
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.results)
            try:
                child(entry, child_end, self.output)
            finally:
                os._exit(1)
        os.close(child_end)

    def read(self):
        """False when the scenario's process has ended."""
        data = os.read(self.results, 65536)
        *lines, self.pending = (self.pending + data).split(b"\n")
        for result in map(json.loads, lines):
            (self.notes if result["note"] else self.points).append(result)
        return bool(data)

    def enforce_deadline(self):
        if time.monotonic() < self.end:
            return
        os.kill(self.pid, signal.SIGKILL if self.terminated else signal.SIGTERM)
        self.end = time.monotonic() + CLEANUP_SECONDS
        self.terminated = True

    def stop(self):
        """Ends the scenario early and waits for its cleanups."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def finish(self, tap):
        _, status = os.waitpid(self.pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what the scenario left behind
        os.close(self.results)
        if status != 0 or not self.points:
            self.points.append({"name": self.entry["name"], "ok": False,
                                "reason": f"the scenario's process died (wait status {status})"})
        output = os.pread(self.output, 200_000, 0).decode(errors="replace")
        os.close(self.output)
        failed = [point for point in self.points if not point["ok"]]
        for note in self.notes:
            tap.line(f"# {note['name']}")
        for point in self.points:
            tap.point(point, output if failed and point is failed[-1] else "")


def run_all(entries, jobs, tap):
    running = []
    try:
        run_queue(list(entries), running, jobs, tap)
    finally:  # interrupted: what runs gets to clean up
        for worker in running:
            worker.stop()


def run_queue(waiting, running, jobs, tap):
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < jobs:
                worker = Worker(waiting.pop(0))
                running.append(worker)
                selector.register(worker.results, selectors.EVENT_READ, worker)
            for key, _ in selector.select(timeout=1):
                worker = key.data
                if not worker.read():
                    selector.unregister(worker.results)
                    running.remove(worker)
                    worker.finish(tap)
            for worker in running:
                worker.enforce_deadline()


def main(suite, jobs=1):
    parser = argparse.ArgumentParser(prog=f"tests/{suite}", description=f"the {suite} suite; prints TAP")
    parser.add_argument("-j", "--jobs", type=int, default=jobs, help="scenarios at a time")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("pattern", nargs="*", help="run only scenarios whose name contains one of these")
    args = parser.parse_args()
    chosen = [entry for entry in SCENARIOS
              if not args.pattern or any(word in entry["name"] for word in args.pattern)]
    if args.list:
        print("\n".join(entry["name"] for entry in chosen))
        return
    if not chosen:
        stop(f"no scenario matches {args.pattern}")
    # Children must not write what we have buffered.
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Started by nohup or from a background job, we would hand these on ignored, to guests as well.
    for number, way in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, way)
    tap = Tap(suite)
    run_all(chosen, args.jobs, tap)
    tap.line(f"1..{tap.count}")
    sys.exit(1 if tap.failed else 0)
