# SPDX-License-Identifier: MIT
"""Peers of the API that are slow, many, gone, deaf or mad: the others are answered meanwhile, and nothing of them is left.

What is left is counted: descriptors exactly, memory that is the agent's own within SLACK_KIB.
"""
import contextlib
import json
import random
import selectors
import socket
import time

from api_peer import SOCKET, Cost, Peer, agent_guest, ask, request
from engine import unavailable
from harness import check, contains, equal, scenario

CONNECTIONS, STREAMS = 64, 32  # agent/http.h
SLACK_KIB = 128
BODY = b'{"mode":"adaptive"}'


@contextlib.contextmanager
def watched(test, name):
    """A guest whose agent must cost afterwards what it did before."""
    with agent_guest() as guest:
        cost = Cost(guest)
        # What is touched once, by whatever is asked; most by the kernel's check, when it has run.
        guest.retry(lambda: guest.api("/v1/health")[1]["kernel"]["check"], "the kernel was checked")
        for path in ("/v1/health", "/v1/memory", "/metrics", "/v1/logs/keel-agent", "/none"):
            ask(guest, path)
        ask(guest, "/v1/memory/mode", "POST", BODY)
        ask(guest, "/v1/memory/reclaim", "POST", b'{"bytes":"all"}')
        settled(guest, cost, cost.descriptors())
        descriptors, memory = cost.descriptors(), cost.memory()
        yield guest
        with test.step("what is left: no descriptor, no memory"):
            settled(guest, cost, descriptors)
            now = cost.memory()
            test.note(f"{name}: agent {memory['Anonymous']} KiB before, {now['Anonymous']} after")
            check(now["Anonymous"] - memory["Anonymous"] <= SLACK_KIB, f"memory: {memory}, then {now}")


def settled(guest, cost, descriptors):
    """Last words take up to a second, answers to silent peers ten."""
    guest.retry(lambda: cost.descriptors() <= descriptors, f"no more than {descriptors} descriptors")


def alive(guest, timeout=20):
    """Milliseconds until /livez has answered."""
    start = time.monotonic()
    with Peer(guest, timeout) as peer:
        peer.send(request("/livez"))
        equal(peer.answer()[2], b"ok\n", "/livez")
    return (time.monotonic() - start) * 1000


def problem(answer):
    """(status, code) of a whole answer."""
    status, _, body = answer
    return status, json.loads(body)["code"]


# ---- slow -------------------------------------------------------------------------------------------

@scenario("api: peers that are slow with their request keep nobody out, however many they are", deadline=150, skip=unavailable)
def slow_loris(test):
    with watched(test, "slow peers") as guest, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(guest)) for _ in range(CONNECTIONS - 2)]
        text = request("/v1/memory/mode", "POST", BODY)
        for i, peer in enumerate(peers):
            peer.send(text[:1 + i % (len(text) - 1)])
        with test.step("the others are answered at once"):
            took = sorted(alive(guest) for _ in range(100))
            test.note(f"/livez beside {len(peers)} slow peers: p50 {took[50]:.1f} ms, p99 {took[98]:.1f} ms")
        with test.step("more than there are places: the slowest makes room"):
            more = [stack.enter_context(Peer(guest)) for _ in range(CONNECTIONS)]
            for peer in more:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    peer.send(text[:20])

            def in_at_last():
                with Peer(guest) as peer, contextlib.suppress(BrokenPipeError):
                    peer.send(request("/livez"))
                    return peer.answer()[0] == 200
            guest.retry(in_at_last, "a question finds a place")
        with test.step("each slow one is told why, or that there was no place"):
            told = [problem(peer.answer()) for peer in peers + more]
            check(set(told) <= {(408, "request_timeout"), (503, "too_many_connections")}, told)
            check((408, "request_timeout") in told, told)


@scenario("api: a peer that never reads what it asked for is dropped, and the others do not wait", deadline=150, skip=unavailable)
def deaf(test):
    with watched(test, "deaf peers") as guest, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(guest)) for _ in range(CONNECTIONS)]
        for peer in peers:
            peer.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    peer.socket.send(request("/v1/health") * 20)
        with test.step("no place, and nobody is silent: a whole 503"):
            with Peer(guest) as peer:
                with contextlib.suppress(BrokenPipeError):
                    peer.send(request("/livez"))
                equal(problem(peer.answer()), (503, "too_many_connections"), "one more")
                equal(peer.rest(), b"", "and then the end")
        with test.step("one that goes makes room"):
            peers.pop().close()
            guest.retry(lambda: ask(guest, "/livez")[0] == 200, "a place")
        with test.step("the rest are dropped when their time is up"):
            guest.retry(lambda: all(is_gone(peer) for peer in peers), "dropped")


def is_gone(peer):
    """Has the agent closed? Without reading."""
    try:
        peer.socket.send(b"x")
    except BlockingIOError:
        return False
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


# ---- many -------------------------------------------------------------------------------------------

@scenario("api: ten thousand connections one after another, a thousand at once: each gets a whole answer", deadline=150,
          skip=unavailable)
def many(test):
    with watched(test, "many peers") as guest:
        with test.step("10,000 one after another"):
            start = time.monotonic()
            for i in range(10000):
                with Peer(guest) as peer:
                    if i % 10 == 9:
                        continue  # one that says nothing
                    peer.send(request("/livez"))
                    equal(peer.answer()[2], b"ok\n", f"connection {i}")
            test.note(f"10,000 connections in {time.monotonic() - start:.1f} s")
        with test.step("1,000 at once"):
            counts = crowd(guest, 1000)
            test.note(f"1,000 at once: {counts}")
            check(set(counts) <= {200, 503} and counts[200] >= CONNECTIONS - 1, counts)
        alive(guest)


def crowd(guest, count):
    """That many open connections, then a request on each; how often which status came, whole."""
    counts = {}
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        peers = [stack.enter_context(Peer(guest)) for _ in range(count)]
        for peer in peers:
            with contextlib.suppress(BrokenPipeError):
                peer.send(request("/livez", fields="Connection: close\r\n"))
            selector.register(peer.socket, selectors.EVENT_READ, peer)
        left = set(peers)
        while left:
            ready = selector.select(timeout=20)
            check(ready, f"{len(left)} of {count} hang")
            for key, _ in ready:
                peer = key.data
                selector.unregister(peer.socket)
                left.remove(peer)
                status, _, body = peer.answer()
                equal(peer.rest(), b"", "the end")
                equal(body == b"ok\n", status == 200, f"{status} {body}")
                counts[status] = counts.get(status, 0) + 1
    return counts


@scenario("api: streams have places of their own", deadline=120, skip=unavailable)
def streams(test):
    follow = request("/v1/logs/keel-agent?follow=1")
    with watched(test, "streams") as guest, contextlib.ExitStack() as stack:
        followers = []
        for _ in range(STREAMS):
            followers.append(stack.enter_context(Peer(guest)))
            followers[-1].send(follow)
            equal(followers[-1].head()[0], 200, "a follower")
        with test.step("one more is told, and its connection still serves"):
            with Peer(guest) as peer:
                peer.send(follow)
                equal(problem(peer.answer()), (503, "too_many_streams"), "one more")
                peer.send(request("/livez"))
                equal(peer.answer()[2], b"ok\n", "after it")
        with test.step("questions are answered"):
            check(max(alive(guest) for _ in range(50)) < 5000, "slow")
        with test.step("one that goes makes room"):
            followers.pop().close()

            def in_at_last():
                with Peer(guest) as peer:
                    peer.send(follow)
                    return peer.head()[0] == 200
            guest.retry(in_at_last, "a place for a stream")


# ---- gone -------------------------------------------------------------------------------------------

@scenario("api: a peer that vanishes at any byte of a request, or stops half-way, leaves nothing", deadline=120,
          skip=unavailable)
def vanishing(test):
    texts = (request("/v1/memory/mode", "POST", BODY, "Expect: 100-continue\r\n"), request("/v1/health"),
             request("/v1/logs/keel-agent?follow=1"))
    with watched(test, "vanishing peers") as guest:
        with test.step("closed at every byte"):
            for text in texts:
                for length in range(len(text) + 1):
                    with Peer(guest) as peer:
                        peer.send(text[:length])
        with test.step("half-closed at every byte: an answer exactly if the request was whole"):
            for text in texts[1:2]:
                for length in range(len(text) + 1):
                    with Peer(guest) as peer:
                        peer.send(text[:length])
                        peer.end()
                        equal(peer.rest()[:9], b"HTTP/1.1 " if length == len(text) else b"", f"{length} bytes")
        with test.step("gone while the answer is written, at many of its bytes"):
            for length in range(0, 6000, 61):
                with Peer(guest) as peer:
                    peer.send(request("/v1/health") * 3)
                    while len(peer.pending) < length and peer.more():
                        pass
        with test.step("a client that goes away ends its reclaim, and others are answered"):
            for _ in range(20):
                with Peer(guest) as peer:
                    peer.send(request("/v1/memory/reclaim", "POST", b'{"bytes":"all"}'))
            guest.retry(lambda: ask(guest, "/v1/memory/reclaim", "POST", b'{"bytes":4096}')[0] == 200, "free again")
        alive(guest)


# ---- mad --------------------------------------------------------------------------------------------

HOST = b"Host: keel\r\n"
# (what is sent, the statuses that come back)
REQUESTS = (
    (b"GET /livez HTTP/1.1\r\n\r\n", [400]),  # RFC 9112 3.2: a Host is needed
    (b"GET /livez HTTP/1.0\r\n\r\n", [200]),
    (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", [400]),
    (b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", [400]),
    (b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n", [200]),
    (b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n", [400]),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    (b"GET http://else/livez HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    (b"GET http://else HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    (b"GET https://else/livez HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    (b"CONNECT keel:80 HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", [400]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", [400]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", [400]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", [400]),
    (b"GET /li vez HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    (b"GET /livez?x=1 HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    (b"GET /livez? HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"Accept: image/png\r\n\r\n", [200]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n", [200]),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n", [400]),
    # Two ways to read where the next request begins: never more than one answer, and the end.
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nGET /livez HTTP/1.1\r\n", [400]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\n12345", [400]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\n12345", [400]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\n12345", [400]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n" +
     HOST + b"\r\n", [501]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity, chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", [501]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 36\r\n\r\nGET /v1/health HTTP/1.1\r\nHost: k\r\n\r\n\n", [200]),
    # A client of HTTP/1.0 knows no interim answer.
    (b"POST /v1/memory/mode HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n" + BODY, [200]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Expect: tea\r\nContent-Length: 19\r\n\r\n" + BODY, [417]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", [431]),
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 70 + b"\r\n", [431]),
    (b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Content-Length: 65537\r\n\r\n", [413]),
    # In a row: answered in order, up to the one that cannot be understood.
    (request("/livez") * 50, [200] * 50),
    (request("/livez") + b"\r\n" + request("/none") + request("/livez", "PUT") + b"BREW\r\n\r\n" + request("/livez"),
     [200, 404, 405, 400]),
    (request("/livez", fields="Connection: close\r\n") + request("/livez"), [200]),
)


@scenario("api: what HTTP allows, what it forbids, and garbage", deadline=120, skip=unavailable)
def mad(test):
    with watched(test, "garbage") as guest:
        with test.step("requests by the letter of RFC 9110 and 9112"):
            for text, want in REQUESTS:
                with Peer(guest) as peer:
                    peer.send(text)
                    peer.end()
                    got = []
                    while (answer := peer.head())[0]:
                        got.append(answer[0])
                        length = int(answer[1]["content-length"])
                        while len(peer.pending) < length and peer.more():
                            pass
                        check(len(peer.pending) >= length, f"{text[:60]}: the body is cut")
                        peer.pending = peer.pending[length:]
                    equal((got, peer.pending), (want, b""), f"{text[:100]!r}")
        with test.step("garbage of any kind: one answer or none, and the end"):
            chance = random.Random(1)
            for i in range(400):
                text = chance.randbytes(chance.randrange(1, 9000))
                if i % 2:
                    at = chance.randrange(len(REQUESTS[0][0]))
                    text = REQUESTS[0][0][:at] + text
                with Peer(guest) as peer:
                    with contextlib.suppress(BrokenPipeError):
                        peer.send(text)
                    with contextlib.suppress(OSError):
                        peer.end()
                    check(peer.rest()[:9] in (b"", b"HTTP/1.1 "), text[:100])
        with test.step("what is no stream socket's"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
                plain.connect(guest.path(SOCKET))
                with contextlib.suppress(OSError):
                    plain.send(b"x", socket.MSG_OOB)
        alive(guest)


@scenario("api: a body is asked for once, and refused before it is sent", deadline=120, skip=unavailable)
def expectation(test):
    with watched(test, "expectations") as guest:
        with test.step("asked for"):
            with Peer(guest) as peer:
                text = request("/v1/memory/mode", "POST", BODY, "Expect: 100-continue\r\n")
                peer.send(text[:-len(BODY)])
                equal(peer.answer()[0], 100, "Continue")
                for byte in BODY:
                    peer.send(bytes([byte]))
                status, _, body = peer.answer()
                equal(status, 200, body)
                contains(body.decode(), '"mode":"adaptive"', "the answer")
        with test.step("too large: not asked for"):
            with Peer(guest) as peer:
                peer.send(b"POST /v1/memory/mode HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
                equal(problem(peer.answer()), (413, "body_too_large"), "refused")
