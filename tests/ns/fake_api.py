"""A guest's API that says what a test wants: for keelctl --vm unix:PATH. HTTP/1.0, a thread for each client."""
import contextlib
import json
import os
import socket
import tempfile
import threading

GIB = 1 << 30


def health(**changes):
    services = [{"name": f"{name}.service", "state": "active", "wanted": True, "essential": True, "pid": 7, "restarts": 0,
                 "exec_ms": 1.0, "ready_ms": 2.0, "reason": "", "status": "", "log": []} for name in ("docker", "containerd")]
    return {"schema": 1, "version": "1.2", "boot_id": "b", "mode": "vm", "status": "ready", "ready": True, "reason": "",
            "uptime_ms": 70000.0, "init_ms": 10000.0, "stages": [{"name": "mounts", "state": "done", "start_ms": 1.0, "ms": 2.0,
                                                                  "reason": ""}],
            "services": services, "engine": {"state": "ready", "api_version": "1.45", "reason": ""},
            "disk": {"state": "mounted", "situation": "ok", "device": "/dev/sda", "size_bytes": 8 * GIB, "used_bytes": 2 * GIB,
                     "free_bytes": 6 * GIB, "forecast": "ok", "reason": ""},
            "memory": {"total_bytes": 4 * GIB, "available_bytes": 2 * GIB}, "kernel": {"release": "6.6", "cpus": 2, "check": None},
            **changes}


def memory(**changes):
    groups = [{"name": "containers", "current_bytes": 3 * GIB}]
    groups += [{"name": f"containers/{letter * 64}", "current_bytes": current << 20, "cache_bytes": cache << 20, "cold_bytes": 1 << 20}
               for letter, current, cache in (("a", 100, 90), ("b", 300, 10), ("c", 200, 50))]
    return {"total_bytes": 4 * GIB, "free_bytes": 2 * GIB, "cache_bytes": GIB, "mode": "adaptive", "reclaimed_bytes": GIB,
            "waiting": "nothing cold is left", "working": False, "groups": groups, "looked_ms": 1000.0,
            "pressure": {"cpu": {"some_percent": 12.5, "full_percent": 0.0}, "memory": {"some_percent": 0.0, "full_percent": 0.0},
                         "io": None},
            "history": [[0, GIB, 0], [60000, 2 * GIB, GIB]], **changes}


class FakeApi:
    """with FakeApi() as api: run(api.vm). Answers are in `answers`: path -> (status, document or text)."""

    def __init__(self, events=True):
        self.dir = tempfile.TemporaryDirectory()
        self.path = f"{self.dir.name}/api.sock"
        self.vm = ["--vm", f"unix:{self.path}"]
        containers = [{"Id": "a" * 64, "Names": ["/zebra"]}, {"Id": "b" * 64, "Names": ["/apple"]}]
        self.answers = {"/v1/health": (200, health()), "/v1/memory": (200, memory()), "/containers/json": (200, containers)}
        self.events = events
        self.streams, self.asked = [], []
        self.changed = threading.Condition()

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_exc):
        self.close()
        self.dir.cleanup()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        with self.changed:
            for stream in self.streams:
                stream.close()
            self.streams = []

    def accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = client.recv(4096)
            if not piece:
                client.close()
                return
            request += piece
        path = request.split()[1].decode()
        with self.changed:
            self.asked.append(path)
            if path.startswith("/v1/events") and "follow=0" not in path and self.events:
                self.changed.notify_all()
                with contextlib.suppress(OSError):  # a client that has ended
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                    self.streams.append(client)
                return
            status, document = self.answers.get(path, (404, {"code": "not_found", "detail": "there is no such thing"}))
            self.changed.notify_all()
        body = (document if isinstance(document, str) else json.dumps(document)).encode()
        try:
            client.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            pass
        client.close()

    def wait_asked(self, path, count, seconds=10):
        """Until the path has been asked for so often."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.asked.count(path) >= count, seconds):
                raise AssertionError(f"{path} was asked for {self.asked.count(path)} times, not {count}: {self.asked}")

    def change(self, **changes):
        """Another health document, and an event that says so."""
        with self.changed:
            document = health(**changes)
            self.answers["/v1/health"] = (200 if document["ready"] else 503, document)
        self.tell(b"id: 1\nevent: status\ndata: {\"ready\":true}\n\n")

    def beat(self):
        self.tell(b":\nid: 1\n\n")

    def tell(self, text):
        with self.changed:
            for stream in list(self.streams):
                try:
                    stream.sendall(text)
                except OSError:  # a client that has ended
                    self.streams.remove(stream)
