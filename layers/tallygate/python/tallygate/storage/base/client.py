"""A small client of DynamoDB: its JSON protocol over kept connections.

A conditional write costs it a quarter of boto3's CPU, and its import a tenth. It decides two things:

- Which connection a request takes. An idle connection that is old, or that the other side has closed, is replaced
  before the request. A sandbox may have been frozen meanwhile, and then nothing told it of the close.
- Whether the database may have seen a failed request. Nothing is sent twice, with one exception: a request that was
  refused because of this machine's clock is sent once more by the server's clock.

It never chooses what is repeated, and knows no rule of the product.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from tallygate.storage.base.failures import Answered, Unanswered, Unreached, Wire
from tallygate.storage.base.http_answer import HttpAnswer, read_answer
from tallygate.storage.base.signing import Credentials, Signer

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 3
IDLE_SECONDS_MAX = 15
SKEW_SECONDS_MIN = 60
"""A smaller difference of the clocks is no reason for a refusal: DynamoDB accepts five minutes."""
ENDPOINT = re.compile(r"(https?)://([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?/?")
"""Endpoints that this client speaks to: a name or IPv4 address, without a path."""
_CLOCK_REFUSALS = {"RequestTimeTooSkewed", "InvalidSignatureException", "RequestExpired", "SignatureDoesNotMatch"}


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a request holds a {type(value).__name__}")


_ENCODER = json.JSONEncoder(default=_base64)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where DynamoDB answers."""

    secure: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host, with the port unless it is the scheme's own."""
        return self.host if self.port == (443 if self.secure else 80) else f"{self.host}:{self.port}"


def endpoint_of(url: str) -> Endpoint | None:
    """Return the endpoint of a URL. None: this client cannot use it."""
    match = ENDPOINT.fullmatch(url.lower())
    if match is None:
        return None
    secure = match[1] == "https"
    return Endpoint(secure, match[2], int(match[3] or (443 if secure else 80)))


class HttpClient:
    """Speaks to one endpoint. Threads may share it: each request has a connection of its own.

    credentials: returns the present ones; called for each request
    tls: verifies the server's certificate and name
    """

    def __init__(
        self,
        endpoint: Endpoint,
        region: str,
        credentials: Callable[[], Credentials],
        *,
        now: Callable[[], float] = time.time,
        read_timeout: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self.why = ""
        self.endpoint = endpoint
        self._credentials = credentials
        self._signer = Signer(endpoint.authority, region)
        self._now = now
        self._read_timeout = read_timeout
        self._offset = 0.0
        # Idle connections and when they were last used, newest last. Its methods are atomic.
        self._idle: list[tuple[socket.socket, float]] = []

    @cached_property
    def tls(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        made.set_alpn_protocols(["http/1.1"])
        return made

    def close(self) -> None:
        """Close the idle connections. The next request makes a new one."""
        while self._idle:
            self._idle.pop()[0].close()

    __del__ = close

    def send(self, operation: str, request: Wire) -> Wire:
        body = _ENCODER.encode(request).encode()
        try:
            return self._answer(operation, body)
        except Answered as refused:
            if not self._corrects_clock(refused):
                raise
        return self._answer(operation, body)

    def _answer(self, operation: str, body: bytes) -> Wire:
        credentials = self._credentials()
        connection = self._connection()
        kept = False
        try:
            connection.sendall(self._signer.head(operation, body, credentials, self._now() + self._offset) + body)
            answer = read_answer(connection)
            kept = answer.keeps
        except (OSError, ValueError) as error:
            raise Unanswered(f"{operation}: {type(error).__name__}") from error
        finally:
            if kept:
                self._idle.append((connection, self._now()))
            else:
                connection.close()
        return _judged(answer)

    def _connection(self) -> socket.socket:
        """Return an idle connection that is still good, or a new one. Raises Unreached."""
        while self._idle:
            try:
                connection, used_at = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            # The wall clock, because others stand still in a frozen sandbox. It may have been set back.
            if abs(self._now() - used_at) < IDLE_SECONDS_MAX and not _readable(connection):
                return connection
            connection.close()
        return self._connected()

    def _connected(self) -> socket.socket:
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection((self.endpoint.host, self.endpoint.port), CONNECT_TIMEOUT_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            made = self.tls.wrap_socket(plain, server_hostname=self.endpoint.host) if self.endpoint.secure else plain
            made.settimeout(self._read_timeout)
        except (OSError, UnicodeError) as error:
            if plain is not None:
                plain.close()
            raise Unreached(f"{self.endpoint.authority}: {type(error).__name__}") from error
        return made

    def _corrects_clock(self, refused: Answered) -> bool:
        """Return whether the request was refused because of this machine's clock, which is then corrected."""
        if refused.code not in _CLOCK_REFUSALS or refused.date is None:
            return False
        offset = refused.date - self._now()
        if abs(offset - self._offset) < SKEW_SECONDS_MIN:
            return False
        self._offset = offset
        return True


def _readable(connection: socket.socket) -> bool:
    """Return whether something arrived without a request: a close, or bytes that belong to no answer."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _judged(answered: HttpAnswer) -> Wire:
    """Return the document of an answer. Raises Answered for an error, and Unanswered if it cannot be believed."""
    checksum = answered.headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(binascii.crc32(answered.content)):
        raise Unanswered("the answer was changed on its way")
    try:
        answer = json.loads(answered.content.decode())
    except ValueError:
        answer = None
    if answered.status < 300:
        if isinstance(answer, dict):
            return answer
        raise Unanswered("the answer is no JSON object")
    detail = answer if isinstance(answer, dict) else {}
    name = str(detail.get("__type") or answered.status)
    raise Answered(name.partition(":")[0].rpartition("#")[2], answered.status, detail, _date(answered))


def _date(answered: HttpAnswer) -> float | None:
    try:
        return parsedate_to_datetime(answered.headers["date"]).timestamp()
    except (LookupError, ValueError):
        return None
