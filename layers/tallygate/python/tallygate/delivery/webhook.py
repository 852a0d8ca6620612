"""One attempt at a webhook: one POST and its outcome. Errors of the receiver or the network become failed outcomes.

    resolve ── permitted addresses only ── connect to one of them ── TLS for the name ── POST ── status line ── verdict
    |<---------------------------------------- one deadline over everything ------------------------------------------>|

Invariants:
- The attempt ends by its deadline, however slowly the receiver answers. Every wait is bounded by the remaining time.
- The connection goes to an address that `domain.delivery.addresses` permitted. The name is not resolved a second time,
  because a second look-up could return another address.
- Redirects are not followed. Only https is used, unless private receivers are allowed.
- The status line decides. At most a few KB of the answer's body are read, and none are kept.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tallygate.domain.base.instants import SECOND, Instant, of_datetime
from tallygate.domain.delivery.addresses import permitted
from tallygate.domain.delivery.deliveries import DETAIL_LENGTH_MAX, AttemptOutcome, Verdict

DEADLINE_SECONDS = 15.0
CONNECT_SECONDS_MAX = 5.0
"""Leaves time for the next address if one never answers."""
ADDRESSES_PER_FAMILY_MAX = 2
"""Counted for IPv4 and IPv6 separately, so the other family gets its turn if one has no route."""
BODY_BYTES_READ_MAX = 4_096
BODY_SECONDS_MAX = 1.0
"""Some receivers mind an early close. The verdict does not depend on the body."""
RETRY_AFTER_STATUSES = (429, 503)
USER_AGENT = "Tallygate-Webhooks/1"

Resolve = Callable[[str, int], Sequence[str]]


class _Failed(Exception):
    """The attempt ended before a status line. The text names the step."""


@lru_cache(maxsize=1)
def public_authorities() -> ssl.SSLContext:
    """Verifies certificates against the machine's authorities and the host's name. Read once per container."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends webhooks.

    allow_private: permits http, and private and loopback addresses
    clock: monotonic, in seconds
    resolve: returns the addresses of a host and port; None asks the machine's resolver
    tls: makes the context that verifies receivers
    """

    allow_private: bool
    deadline_seconds: float = DEADLINE_SECONDS
    clock: Callable[[], float] = time.monotonic
    resolve: Resolve | None = None
    tls: Callable[[], ssl.SSLContext] = public_authorities

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, wall: Instant) -> AttemptOutcome:
        """Make one attempt. `wall` is the real time, for a `Retry-After` date."""
        began = self.clock()
        deadline = _Deadline(began + self.deadline_seconds, self.clock)
        try:
            status, retry_after = self._exchange(url, headers, body, deadline)
        except _Failed as failed:
            outcome = AttemptOutcome(verdict=Verdict.FAILED, detail=str(failed)[:DETAIL_LENGTH_MAX])
        else:
            outcome = verdict_of(status, retry_after, wall)
        return replace(outcome, took=round((self.clock() - began) * SECOND))

    def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: _Deadline
    ) -> tuple[int, str | None]:
        target = _Target.of(url, allow_private=self.allow_private)
        addresses = self._permitted_addresses(target, deadline)
        with contextlib.closing(_connect(target, addresses, self.tls, deadline)) as connected:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = _TimedSocket(connected, deadline)
            try:
                sent = {**headers, "host": target.authority, "user-agent": USER_AGENT, "connection": "close"}
                connection.request("POST", target.path, body=body, headers=sent)
                with connection.getresponse() as response:
                    deadline.shorten(BODY_SECONDS_MAX)
                    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                        response.read(BODY_BYTES_READ_MAX)
                    return response.status, response.getheader("retry-after")
            except TimeoutError:
                raise _Failed("timeout: no complete answer before the deadline") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _Failed(f"connection: {_text(error)}") from None

    def _permitted_addresses(self, target: _Target, deadline: _Deadline) -> tuple[str, ...]:
        resolve = self.resolve or _resolve
        found = _within(lambda: resolve(target.host, target.port), deadline)
        allowed = [a for a in found if permitted(a, allow_private=self.allow_private)]
        if not allowed:
            raise _Failed("address: the host has no address that webhooks may be sent to")
        sixes = [address for address in allowed if ":" in address][:ADDRESSES_PER_FAMILY_MAX]
        fours = [address for address in allowed if ":" not in address][:ADDRESSES_PER_FAMILY_MAX]
        return tuple(address for address in allowed if address in sixes + fours)


def verdict_of(status: int, retry_after: str | None, wall: Instant) -> AttemptOutcome:
    """The outcome of a status: 2xx delivered, 410 gone, all others failed. 429 and 503 may name the time of a retry."""
    if 200 <= status < 300:
        return AttemptOutcome(verdict=Verdict.DELIVERED, status=status)
    if status == 410:
        return AttemptOutcome(verdict=Verdict.GONE, status=status, detail="the receiver wants no more webhooks")
    if 300 <= status < 400:
        return AttemptOutcome(verdict=Verdict.FAILED, status=status, detail="redirects are not followed")
    asked = retry_after_of(retry_after, wall) if status in RETRY_AFTER_STATUSES else None
    return AttemptOutcome(verdict=Verdict.FAILED, status=status, retry_after=asked)


def retry_after_of(header: str | None, wall: Instant) -> Instant | None:
    """Milliseconds that a Retry-After header asks for, as seconds or as a date. None for an unreadable header."""
    if header is None or len(header) > 64:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return int(text) * SECOND
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0, of_datetime(moment) - wall)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, url: str, *, allow_private: bool) -> _Target:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _Failed("url: it cannot be read") from None
        if parts.scheme not in ("https", "http") or not parts.hostname or not url.isascii():
            raise _Failed("url: it is not an absolute http(s) URL")
        if parts.scheme == "http" and not allow_private:
            raise _Failed("url: only https is allowed")
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=port or (443 if parts.scheme == "https" else 80),
            authority=parts.netloc.rpartition("@")[2],
            path=(parts.path or "/") + query,
        )


class _Deadline:
    """The moment by which the attempt must end."""

    def __init__(self, at: float, clock: Callable[[], float]) -> None:
        self._at = at
        self._clock = clock

    def left(self) -> float:
        """Seconds that are left, more than zero. Raises TimeoutError after the deadline."""
        left = self._at - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def shorten(self, seconds: float) -> None:
        self._at = min(self._at, self._clock() + seconds)


class _TimedSocket(io.RawIOBase):
    """The part of a socket that http.client uses. Each wait is bounded by the time that is left."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        unsent = memoryview(data)
        while unsent:
            self._socket.settimeout(self._deadline.left())
            unsent = unsent[self._socket.send(unsent) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        """Leave the socket open: the code that opened it closes it."""


def _connect(
    target: _Target, addresses: Sequence[str], tls: Callable[[], ssl.SSLContext], deadline: _Deadline
) -> socket.socket:
    """Connect to the first address that answers; for https with TLS, verified against the host's name."""
    failure = ""
    for address in addresses:
        try:
            plain = socket.create_connection((address, target.port), min(CONNECT_SECONDS_MAX, deadline.left()))
        except OSError as error:
            failure = "timeout" if isinstance(error, TimeoutError) else _text(error)
            continue
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme == "http":
            return plain
        try:
            plain.settimeout(deadline.left())
            return tls().wrap_socket(plain, server_hostname=target.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise _Failed(f"tls: {_text(error)}") from None
    raise _Failed(f"connect: {failure}")


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _within(call: Callable[[], Sequence[str]], deadline: _Deadline) -> Sequence[str]:
    """The result of a blocking look-up that has no timeout. After the deadline its thread is left to itself."""
    results: list[Sequence[str]] = []
    errors: list[str] = []

    def run() -> None:
        try:
            results.append(call())
        except (OSError, UnicodeError) as error:
            errors.append(_text(error))

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        thread.join(deadline.left())
    except TimeoutError:
        raise _Failed("timeout: before the name was looked up") from None
    if results:
        return results[0]
    raise _Failed(f"name: {errors[0]}" if errors else "timeout: the name was not resolved in time")


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
