"""The deployed API as the tests speak it: every answer as it came, or insisting on success."""

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
        """As `good`, and asked again for as long as the answer says that a retry is harmless."""
        return _insisted(self.client.settled(method, path, body, _named(headers)), method, path)

    def close(self) -> None:
        self.client.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _insisted(reply: Reply, method: str, path: str) -> Any:
    assert reply.good, f"{method} {path}: {reply.status} {reply.json}"
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
