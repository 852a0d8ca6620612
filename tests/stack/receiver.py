"""A webhook receiver for tests: it stores every arrival, and answers as configured for each path."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Arrival:
    """One POST. Header names are lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A receiver. `url(path)` is its address; `answers[path]` maps the number of earlier arrivals to the status."""

    port: int = 0
    answers: dict[str, Callable[[int], int]] = field(default_factory=dict)
    arrivals: defaultdict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    release: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def hang(self, _: int) -> int:
        """Answer only after the receiver is closed."""
        self.release.wait(120)
        return 200


def fine(_: int) -> int:
    """The default answer."""
    return 200


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver during a `with` block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            earlier = len(receiver.arrivals[self.path])
            receiver.arrivals[self.path].append(Arrival(headers, body))
            self.send_response(receiver.answers.get(self.path, fine)(earlier))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        server.server_close()
