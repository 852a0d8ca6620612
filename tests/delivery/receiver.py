"""A real receiver of webhooks on loopback. Each connection gets the next of its scripted behaviours."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ACCEPT_SECONDS = 0.1


@dataclass(slots=True)
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, threading.Event], None]


@dataclass(slots=True)
class Receiver:
    """A receiver with scripted answers.

    behaviours: used in turn, the last one for ever
    received: requests in order of arrival
    """

    behaviours: list[Behaviour]
    received: list[Received] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?team=a"

    def _serve(self, listener: socket.socket) -> None:
        threads = []
        while not self.stopped.is_set():
            try:
                connected, _ = listener.accept()
            except TimeoutError:
                continue
            threads.append(threading.Thread(target=self._answer, args=(connected,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _answer(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError), connected:
            connected.settimeout(5)
            if self.tls is not None:
                connected = self.tls.wrap_socket(connected, server_side=True)
            with connected:
                arrived = read_request(connected)
                if arrived is None:
                    return
                behaviour = self.behaviours[min(len(self.received), len(self.behaviours) - 1)]
                self.received.append(arrived)
                behaviour(connected, self.stopped)


def read_request(connected: socket.socket) -> Received | None:
    """Read one whole HTTP request; None if the sender gave up before its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connected.recv(65_536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connected.recv(65_536)
    return Received(line, headers, body)


@contextlib.contextmanager
def receiving(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that runs until the block ends."""
    receiver = Receiver(list(behaviours), tls=tls)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ACCEPT_SECONDS)
        receiver.port = listener.getsockname()[1]
        thread = threading.Thread(target=receiver._serve, args=(listener,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.stopped.set()
            thread.join()


def answering(status: int, *headers: str, body: bytes = b"") -> Behaviour:
    """Answer at once with this status and these header lines."""

    def behave(connected: socket.socket, _: threading.Event) -> None:
        lines = (f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", "")
        connected.sendall("\r\n".join(lines).encode() + body)

    return behave


def hanging(connected: socket.socket, stopped: threading.Event) -> None:
    """Never answer while the receiver runs."""
    stopped.wait(30)


def trickling(text: bytes, every: float = 0.02) -> Behaviour:
    """Send the text one byte at a time, each within any socket timeout, until the peer closes the connection."""

    def behave(connected: socket.socket, stopped: threading.Event) -> None:
        with contextlib.suppress(OSError):
            for byte in text:
                connected.sendall(bytes((byte,)))
                if stopped.wait(every):
                    return

    return behave


def sending(text: bytes) -> Behaviour:
    """Send exactly these bytes and close."""

    def behave(connected: socket.socket, _: threading.Event) -> None:
        connected.sendall(text)

    return behave
