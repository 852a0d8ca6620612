"""A plain client of a running stack's API, for the tour, the demo and the tests. Answers are not interpreted."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 60
RETRIES_S = 60
PAUSE_S = 0.05

Json = dict[str, Any]
CATALOG_PARTS = ("meters", "features", "plans")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    headers: names in lower case
    json: the parsed body; None without a body; text if the body is not JSON
    """

    status: int
    headers: dict[str, str]
    json: Any

    @property
    def good(self) -> bool:
        return self.status < 300


@dataclass(slots=True)
class Client:
    """The API with one key. Each thread keeps its own connection."""

    api_url: str
    key: str
    _kept: threading.local = field(default_factory=threading.local)
    _connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Make one exchange. A body that is a string is sent unchanged. Raises OSError if no server answers."""
        url = urllib.parse.urlsplit(self.api_url)
        content = body if isinstance(body, str | None) else json.dumps(body)
        sent = {"content-type": "application/json", "authorization": f"Bearer {self.key}", **(headers or {})}
        for fresh in (False, True):
            connection = self._connection(fresh=fresh)
            try:
                connection.request(method, url.path + path, content, sent)
                answer = connection.getresponse()
                text = answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                if fresh:
                    raise
                continue
            received = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, received, _json(text))
        raise AssertionError("the second try answers or raises")

    def settled(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Like `send`, but repeat the request while the answer is `retryable`, for at most RETRIES_S."""
        deadline = time.monotonic() + RETRIES_S
        while True:
            reply = self.send(method, path, body, headers)
            retryable = isinstance(reply.json, dict) and reply.json.get("retryable")
            if reply.good or not retryable or time.monotonic() > deadline:
                return reply
            time.sleep(PAUSE_S)

    def close(self) -> None:
        """Close the connections of every thread."""
        for connection in self._connections:
            connection.close()

    def _connection(self, *, fresh: bool) -> http.client.HTTPConnection:
        held: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if held is not None and not fresh:
            return held
        url = urllib.parse.urlsplit(self.api_url)
        made = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)
        self._kept.connection = made
        self._connections.append(made)
        return made


def with_ours(known: Json, ours: Json, parts: Iterable[str] = CATALOG_PARTS) -> Json:
    """Merge two catalogs: all entries of ours, and the known entries that ours does not replace."""
    merged: Json = {name: catalog[name] for catalog in (known, ours) for name in catalog if name == "settings"}
    for part in parts:
        taken = {entry["key"] for entry in ours.get(part, [])}
        merged[part] = [entry for entry in known.get(part, []) if entry["key"] not in taken] + ours.get(part, [])
    return merged


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")
