"""A webhook receiver of the local stack. It shows what a customer's server would receive.

It verifies signatures with the two published schemes and the secrets that it was given, and with no code of the sender.
It shows every arrival, also repeated ones.

    POST /any/path    receive a webhook: verify, store and print it; `?status=500` or `?hang=30` simulate failures
    GET  /            all arrivals, oldest first, as JSON: {"data": [{id, path, received_at, headers, body, verified}]}
    PUT  /secrets     {"secret": "whsec_…"}: add a secret to verify with
    DELETE /          remove all arrivals
"""

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.emulator import write_whole
from local.layout import HOST

KEPT_ARRIVALS = 1_000
BODY_BYTES_MAX = 1_000_000
TOLERANCE_S = 300
HANG_S_MAX = 120
SECRET_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One received webhook. `verified` is None if it has no signature."""

    id: str | None
    path: str
    received_at: str
    headers: dict[str, str]
    body: str
    verified: bool | None


class Inbox:
    """The receiver: a server on loopback in its own threads. A file keeps the arrivals across restarts."""

    def __init__(self, port: int, kept: Path, announce: Callable[[Arrival], None]) -> None:
        self._kept = kept
        self._announce = announce
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._secrets_file = kept.with_suffix(".secrets.json")
        self._secrets: list[str] = read_json(self._secrets_file, [])
        self._arrivals = deque(read_arrivals(kept), maxlen=KEPT_ARRIVALS)
        if kept.exists():
            # Keep whole lines only: the next line must not continue a line that a kill has cut off.
            self._rewrite()
        self._server = ThreadingHTTPServer((HOST, port), handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="inbox", daemon=True).start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def learn(self, secret: str) -> None:
        with self._lock:
            if secret not in self._secrets:
                self._secrets = [*self._secrets, secret][-KEPT_ARRIVALS:]
                write_whole(self._secrets_file, json.dumps(self._secrets))

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> Arrival:
        with self._lock:
            arrival = Arrival(
                id=headers.get("webhook-id"),
                path=path,
                received_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                headers=headers,
                body=body.decode(errors="replace"),
                verified=verify(headers, body, self._secrets, time.time()),
            )
            full = len(self._arrivals) == KEPT_ARRIVALS
            self._arrivals.append(arrival)
            if full:
                self._rewrite()
            else:
                with self._kept.open("a") as file:
                    file.write(line_of(arrival))
        self._announce(arrival)
        return arrival

    def _rewrite(self) -> None:
        write_whole(self._kept, "".join(line_of(arrival) for arrival in self._arrivals))

    def arrivals(self) -> list[Arrival]:
        with self._lock:
            return list(self._arrivals)

    def forget(self) -> None:
        with self._lock:
            self._arrivals.clear()
            self._kept.unlink(missing_ok=True)

    def hang(self, seconds: float) -> None:
        """Keep a sender waiting, at most until the inbox closes."""
        self._released.wait(min(seconds, HANG_S_MAX))


def line_of(arrival: Arrival) -> str:
    return json.dumps(asdict(arrival)) + "\n"


def verify(headers: dict[str, str], body: bytes, secrets: list[str], now: float) -> bool | None:
    """Whether one of the secrets made this signature within TOLERANCE_S; None without a signature."""
    if "webhook-signature" in headers:
        timestamp = headers.get("webhook-timestamp", "")
        signed = b".".join([headers.get("webhook-id", "").encode(), timestamp.encode(), body])
        offered = [part[3:] for part in headers["webhook-signature"].split() if part.startswith("v1,")]
        expected = [
            base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            for key in map(standard_key, secrets)
            if key
        ]
    elif "stripe-signature" in headers:
        parts = [part.split("=", 1) for part in headers["stripe-signature"].split(",") if "=" in part]
        timestamp = next((value for name, value in parts if name == "t"), "")
        offered = [value for name, value in parts if name == "v1"]
        signed = timestamp.encode() + b"." + body
        expected = [hmac.digest(secret.encode(), signed, hashlib.sha256).hex() for secret in secrets]
    else:
        return None
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    return any(hmac.compare_digest(one, other) for one in offered for other in expected)


def standard_key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    except binascii.Error:
        return None


def read_json(path: Path, default: Any) -> Any:
    """The file's value; the default if the file is missing or a kill left it incomplete."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return default


def read_arrivals(path: Path) -> Iterator[Arrival]:
    """The stored arrivals, without a line that a kill has cut off."""
    for line in path.read_text().splitlines() if path.exists() else ():
        with suppress(ValueError, TypeError):
            yield Arrival(**json.loads(line))


def handler_of(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.body()
            if body is None:
                return
            question = parse_qs(urlsplit(self.path).query)
            inbox.receive(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            inbox.hang(float(question.get("hang", ["0"])[0]))
            self.answer(int(question.get("status", ["200"])[0]), {})

        def do_GET(self) -> None:
            self.answer(200, {"data": [asdict(arrival) for arrival in inbox.arrivals()]})

        def do_PUT(self) -> None:
            body = self.body()
            if body is None:
                return
            try:
                inbox.learn(str(json.loads(body)["secret"]))
            except (ValueError, KeyError, TypeError):
                self.answer(422, {"detail": 'send {"secret": "whsec_…"}'})
                return
            self.answer(200, {})

        def do_DELETE(self) -> None:
            inbox.forget()
            self.answer(200, {})

        def body(self) -> bytes | None:
            length = int(self.headers.get("content-length") or 0)
            if length > BODY_BYTES_MAX:
                self.answer(413, {})
                return None
            return self.rfile.read(length)

        def answer(self, status: int, value: dict[str, Any]) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the name is the base class's
            """Print nothing: arrivals are announced elsewhere."""

    return Handler
