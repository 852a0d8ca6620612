"""A client of the deployed API for tests."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from local.client import Client, Reply
from local.lifecycle import Handle

__all__ = ["Api", "Reply", "unique", "until"]

PATIENCE_SECONDS = 60
Found = TypeVar("Found")
_PAUSE = threading.Event()


@dataclass(slots=True)
class Api:
    """The API with one key. Keywords are headers: `if_match="…"`."""

    handle: Handle
    key: str
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.handle.api_url, self.key)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.client.send(method, path, body, _named(headers))

    def good(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that must be a success."""
        return _insisted(self(method, path, body, **headers), method, path)

    def settled(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Like `good`, but repeat the request while the answer is `retryable`."""
        return _insisted(self.client.settled(method, path, body, _named(headers)), method, path)

    def close(self) -> None:
        self.client.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _insisted(reply: Reply, method: str, path: str) -> Any:
    assert reply.good, f"{method} {path}: {reply.status} {reply.json}"
    return reply.json


def until(ask: Callable[[], Found], holds: Callable[[Found], object]) -> Found:
    """Ask until `holds` accepts the answer, and return it. Polls, because aggregation is asynchronous."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(found := ask()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s without result; the last answer was {found}"
        _PAUSE.wait(0.1)
    return found


def unique(name: str) -> str:
    """A name that no other test uses, instead of cleaning up."""
    return f"{name}-{uuid.uuid4().hex[:8]}"
