"""make soak-api: an hour of what hosts do to the API, all at once, and what the agent is worth after it.

Beside each other, against the agent of a namespace guest: keep-alive clients that ask every GET route in turn, followers of
logs that come and go, clients that vanish in the middle of what they say or hear, slow ones that trickle a request, deaf ones,
crowds above the number of connections, and changes of a setting. A line a minute: requests, those that were turned away,
errors (an answer that is none, or one that took more than 10 s), and what the agent's process has. From the end of the warm-up
nothing of that may grow: exit status 1 if it did. Figures go to build/bench/soak-api.json. Arguments: seconds (3600).
"""
import contextlib
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/lib"]

import engine  # noqa: E402
import figures  # noqa: E402
from api_peer import Cost, Peer, agent_guest, request  # noqa: E402

WARM_UP_S = 60
GROWTH_KIB = 256  # anonymous memory
RING_KIB = 256    # of events (agent/event_ring.h): its pages are touched as it fills, which they had not been at first
QUIET_S = 25      # until all that is slow or deaf has met its deadline
PATHS = ("/v1/health", "/v1/services", "/v1/disk", "/v1/memory", "/metrics", "/livez", "/readyz", "/none",
         "/v1/logs/keel-agent?lines=5")
GONE = (BrokenPipeError, ConnectionResetError)


class Load(threading.Thread):
    """One client after another, of one kind, until `until`."""

    def __init__(self, guest, until, seed):
        super().__init__(daemon=True)
        self.guest, self.until, self.chance = guest, until, random.Random(seed)
        self.requests = self.refused = self.closed = 0
        self.slowest = 0.0
        self.errors = []

    def run(self):
        while time.monotonic() < self.until:
            try:
                with contextlib.suppress(*GONE):
                    self.turn()
            except (OSError, AssertionError, ValueError) as error:
                self.errors.append(f"{type(self).__name__}: {error!r}"[:300])
                time.sleep(0.1)

    def ask(self, peer, *args, **options):
        """True as long as the connection goes on."""
        start = time.monotonic()
        peer.send(request(*args, **options))
        status, fields, body = self.listen(peer)
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.requests += 1
        if "json" in fields["content-type"]:
            json.loads(body)
        self.refused += status == 503 and b"too_many" in body
        return fields.get("connection") != "close"

    def listen(self, peer):
        """The next answer. A connection that was silent for a second may have made room before the request came: closed, without
        a byte, as HTTP allows at any time between two requests."""
        try:
            return peer.answer()
        except AssertionError:
            if peer.pending:
                raise
            self.closed += 1
            raise ConnectionResetError from None

    def pause(self, most):
        time.sleep(min(self.chance.random() * most, max(0.0, self.until - time.monotonic())))

    def turn(self):
        raise NotImplementedError


class KeepAlive(Load):
    """A host program. One whose connection was idle may find it closed: that is HTTP."""

    def turn(self):
        with Peer(self.guest, 10) as peer:
            for _ in range(self.chance.randrange(1, 200)):
                if not self.ask(peer, self.chance.choice(PATHS)):
                    return
                self.pause(0.02)


class Setter(Load):
    def turn(self):
        with Peer(self.guest, 10) as peer:
            for mode in ("gradual", "adaptive"):
                self.ask(peer, "/v1/memory/mode", "POST", json.dumps({"mode": mode}).encode())
            self.pause(1)


class Follower(Load):
    """Of the last lines only: the log grows all the time, and what it takes to send it is no growth of the agent."""

    def turn(self):
        with Peer(self.guest, 10) as peer:
            peer.send(request("/v1/logs/keel-agent?follow=1&lines=20"))
            self.requests += 1
            self.refused += peer.head()[0] == 503
            self.pause(2)


class Vanishing(Load):
    def turn(self):
        text = request(self.chance.choice(PATHS)) * self.chance.randrange(1, 4)
        with Peer(self.guest, 10) as peer:
            peer.send(text[:self.chance.randrange(len(text) + 1)])
            self.requests += 1
            self.pause(0.01)


class Slow(Load):
    """A byte now and then, and patience to the end."""

    def turn(self):
        with Peer(self.guest, 30) as peer:
            self.requests += 1
            for byte in request("/livez"):
                peer.send(bytes([byte]))
                self.pause(0.8)
            peer.answer()


class Deaf(Load):
    def turn(self):
        with Peer(self.guest, 10) as peer:
            peer.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(400):
                    peer.send(request("/v1/health"))
                    self.requests += 1
            self.pause(20)


class Crowd(Load):
    """More than there are places: whoever gets an answer gets a whole one."""

    def turn(self):
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(Peer(self.guest, 10)) for _ in range(100)]
            for peer in peers:
                with contextlib.suppress(*GONE):
                    self.ask(peer, "/livez")
        self.pause(10)


MIX = {KeepAlive: 3, Setter: 1, Follower: 4, Vanishing: 1, Slow: 4, Deaf: 1, Crowd: 1}


def sample(cost):
    return {"seconds": 0.0, "descriptors": cost.descriptors(), "names": cost.descriptor_names(), **cost.memory()}


def watch(cost, loads, start, seconds):
    """A line a minute; [samples]."""
    samples = []
    for at in [*range(60, seconds, 60), seconds]:
        time.sleep(max(0.0, start + at - time.monotonic()))
        now = {**sample(cost), "seconds": time.monotonic() - start, "requests": sum(load.requests for load in loads),
               "refused": sum(load.refused for load in loads), "errors": sum(len(load.errors) for load in loads)}
        samples.append(now)
        print(f"  {at / 60:6.1f} min  {now['requests']:9} requests  {now['refused']:7} turned away  {now['errors']} errors  "
              f"RSS {now['Rss']} PSS {now['Pss']} private {now['Private']} KiB  {now['descriptors']} descriptors", flush=True)
    return samples


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    reason = engine.unavailable()
    if reason:
        sys.exit(f"soak-api: {reason}")
    with agent_guest(seconds=WARM_UP_S + seconds + 300) as guest:
        cost = Cost(guest)
        guest.retry(lambda: guest.api("/v1/health")[1]["kernel"]["check"], "the kernel was checked")
        idle = sample(cost)
        start = time.monotonic()
        loads = [kind(guest, start + WARM_UP_S + seconds, f"{kind.__name__}{i}") for kind, count in MIX.items()
                 for i in range(count)]
        for load in loads:
            load.start()
        print(f"soak-api: {len(loads)} clients, {WARM_UP_S} s to warm up, then {seconds} s", flush=True)
        time.sleep(WARM_UP_S)
        warm = sample(cost)
        samples = watch(cost, loads, start + WARM_UP_S, seconds)
        for load in loads:
            load.join(60)
        check_end(guest, cost, loads, idle, warm, samples)


def check_end(guest, cost, loads, idle, warm, samples):
    deadline = time.monotonic() + QUIET_S
    while cost.descriptors() > idle["descriptors"] and time.monotonic() < deadline:
        time.sleep(0.1)  # nothing tells when the agent has given the last of them up
    end = sample(cost)
    if end["descriptors"] > idle["descriptors"]:
        print(f"before: {' '.join(idle['names'])}\nafter:  {' '.join(end['names'])}")
    errors = [error for load in loads for error in load.errors]
    print("\n".join(errors[:10]), end="\n" if errors else "")
    grown = [now["Anonymous"] - warm["Anonymous"] for now in samples]
    missed = figures.write("soak-api", {
        "requests": figures.figure("", [samples[-1]["requests"]]),
        "turned_away": figures.figure("", [samples[-1]["refused"]], note="503, with all places taken"),
        "closed": figures.figure("", [sum(load.closed for load in loads)], note="silent connections that made room"),
        "errors": figures.figure("", [len(errors)], limit=0),
        "slowest_answer": figures.figure("ms", [max(load.slowest for load in loads) * 1000]),
        "rss": figures.figure("KiB", [now["Rss"] for now in samples]),
        "pss": figures.figure("KiB", [now["Pss"] for now in samples]),
        "private_under_load": figures.figure("KiB", [now["Private"] for now in samples],
                                             note="what connections hold at that moment included"),
        "descriptors_under_load": figures.figure("", [now["descriptors"] for now in samples]),
        "anonymous_idle": figures.figure("KiB", [idle["Anonymous"], end["Anonymous"]], note="before, and after"),
        "anonymous_left": figures.figure("KiB", [end["Anonymous"] - idle["Anonymous"]], limit=GROWTH_KIB + RING_KIB,
                                         note="a ring of events that has filled meanwhile included"),
        "anonymous_trend": figures.figure("KiB", [trend(grown)], limit=GROWTH_KIB, note="last third less first third"),
        "descriptors_left": figures.figure("", [end["descriptors"] - idle["descriptors"]], limit=0),
    })
    sys.exit(1 if missed else 0)


def trend(values):
    """How far it went from the first third to the last, by their least values: what is held at a moment comes and goes."""
    third = max(1, len(values) // 3)
    return min(values[-third:]) - min(values[:third])


main()
