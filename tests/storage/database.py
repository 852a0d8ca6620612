"""A database on this machine that answers as a script says: well, badly, or not at all.

with Database(answered({}), closed) as database:        the first request is answered, the second is not
    …
assert len(database.requests) == 2
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Act = Callable[[socket.socket], bool]
"""What becomes of a request that has been read. Returns whether the connection is kept."""


@dataclass(frozen=True)
class Received:
    """One request that arrived whole."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        return self.headers["x-amz-target"].rpartition(".")[2]


def raw(status: int, body: bytes, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"content-length": str(len(body)), **named}.items())
    return f"HTTP/1.1 {status} Some\r\n{lines}\r\n".encode() + body


def answered(body: Any, status: int = 200, **headers: str) -> Act:
    """Answer with JSON, or with these bytes, and keep the connection."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"x_amz_crc32": str(zlib.crc32(content)), **headers}

    def act(connection: socket.socket) -> bool:
        connection.sendall(raw(status, content, **given))
        return headers.get("connection") != "close"

    return act


def refused(code: str, status: int = 400, /, **more: Any) -> Act:
    """Answer with an error, as DynamoDB states it."""
    headers = {"date": more.pop("date")} if "date" in more else {}
    return answered({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "m", **more}, status, **headers)


def sent(content: bytes) -> Act:
    """Send these bytes and close."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(content)
        return False

    return act


def closed(_: socket.socket) -> bool:
    """Close without an answer."""
    return False


def reset(connection: socket.socket) -> bool:
    """Reset the connection without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def silent(connection: socket.socket) -> bool:
    """Neither answer nor close, until the other side has gone."""
    while connection.recv(1024):
        pass
    return False


def unread(_: socket.socket) -> bool:
    """Close before the request is read."""
    raise AssertionError("it is taken before a request is read")


class Database:
    """Takes connections on a port of this machine. After the script, its last act is repeated."""

    def __init__(self, *script: Act, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._script = deque(script)
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", port))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        found: int = self._listening.getsockname()[1]
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Database:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # A close alone does not wake the thread that accepts.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def hang_up(self) -> None:
        """Close every connection, as the other side of an idle one does."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _shut(connection)
        while any(connection in self._open for connection in connections):
            time.sleep(0.001)

    def push(self, content: bytes) -> None:
        """Send bytes that nobody asked for on every connection."""
        for connection in self._open:
            connection.sendall(content)

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._begin(lambda connection=connection: self._serve(connection))  # type: ignore[misc]  # bound now

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
            with self._lock:
                self._open.add(connection)
            while self._next(connection):
                pass
        except OSError:
            pass
        finally:
            connection.close()
            plain.close()
            with self._lock:
                self._open.discard(connection)

    def _next(self, connection: socket.socket) -> bool:
        if self._script[0] is unread:
            connection.recv(1, socket.MSG_PEEK)
            self._act()
            return False
        received = _read(connection)
        if received is None:
            return False
        with self._lock:
            self.requests.append(received)
            act = self._act()
        return act(connection)

    def _act(self) -> Act:
        return self._script.popleft() if len(self._script) > 1 else self._script[0]


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _read(connection: socket.socket) -> Received | None:
    """The next request; None where the other side has gone."""
    content = b""
    while b"\r\n\r\n" not in content:
        more = connection.recv(65536)
        if not more:
            return None
        content += more
    head, _, body = content.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Received(line, headers, body)
