"""A plain client of the deployed API: every answer as it came, with its status and headers."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from local.lifecycle import Handle

PATIENCE_SECONDS = 60
Found = TypeVar("Found")
_PAUSE = threading.Event()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Header names are lower case; `json` is None where there is no body."""

    status: int
    headers: dict[str, str]
    json: Any


@dataclass(slots=True)
class Api:
    """The API with one key; a kept connection for each thread."""

    handle: Handle
    key: str
    _kept: threading.local = field(default_factory=threading.local)
    _connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        url = urllib.parse.urlsplit(self.handle.api_url)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"content-type": "application/json", "authorization": f"Bearer {self.key}", **named}
        connection = getattr(self._kept, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE_SECONDS)
            self._kept.connection = connection
            self._connections.append(connection)
        content = body if isinstance(body, str | None) else json.dumps(body)
        connection.request(method, url.path + path, content, sent)
        answer = connection.getresponse()
        text = answer.read()
        received = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, received, json.loads(text) if text else None)

    def close(self) -> None:
        """Close the connections of every thread."""
        for connection in self._connections:
            connection.close()

    def good(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that must be a success."""
        reply = self(method, path, body, **headers)
        assert reply.status < 300, f"{method} {path}: {reply.status} {reply.json}"
        return reply.json

    def settled(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """As `good`, and asked again for as long as the answer says that a retry is harmless."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            reply = self(method, path, body, **headers)
            if reply.status < 300 or time.monotonic() > deadline or not reply.json.get("retryable"):
                assert reply.status < 300, f"{method} {path}: {reply.status} {reply.json}"
                return reply.json


def until(ask: Callable[[], Found], holds: Callable[[Found], object]) -> Found:
    """What is answered once it holds; fails at the end of patience. It polls, because the fold is asynchronous."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(found := ask()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s in vain; the last answer was {found}"
        _PAUSE.wait(0.1)
    return found


def unique(name: str) -> str:
    """A name that no other test uses, instead of cleaning up."""
    return f"{name}-{uuid.uuid4().hex[:8]}"
