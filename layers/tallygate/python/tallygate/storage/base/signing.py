"""Credentials as Lambda gives them, and requests to DynamoDB signed with them (AWS Signature Version 4).

Lambda has two forms of credentials: environment variables and, with SnapStart, an HTTP endpoint in the sandbox. Every
other form is boto3's business (`connect`). The signing key of a day is cached, so a signature costs two digests.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tallygate.errors import InvariantBroken
from tallygate.storage.base.failures import Unreached

CONTENT_TYPE = "application/x-amz-json-1.0"
CREDENTIALS_TIMEOUT_SECONDS = 2
REFRESH_SECONDS = 600
"""New credentials are fetched when the present ones are valid for less than this."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One access key.

    token: the session's token; empty for a key without a session
    """

    key_id: str
    secret: str
    token: str = ""

    def __post_init__(self) -> None:
        # They become headers, so a line break in one of them would begin another header.
        if not all(part.isascii() and part.isprintable() and " " not in part for part in (self.key_id, self.token)):
            raise InvariantBroken("an access key or session token has characters that no header may have")


class EnvironmentCredentials:
    """The credentials of the environment. They are read for each request, because they may be renewed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known = Credentials("", "")

    def __call__(self) -> Credentials:
        read, known = self._environment.get, self._known
        key_id, secret = read("AWS_ACCESS_KEY_ID") or "", read("AWS_SECRET_ACCESS_KEY") or ""
        token = read("AWS_SESSION_TOKEN") or ""
        if known.token != token or known.secret != secret or known.key_id != key_id:
            known = self._known = Credentials(key_id, secret, token)
        return known


class ContainerCredentials:
    """The credentials of the sandbox's endpoint, fetched again before they expire.

    A failed refresh is no failure while the present credentials are valid.
    """

    def __init__(self, environment: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self._environment = environment
        self._now = now
        self._lock = threading.Lock()
        self._known: tuple[Credentials, float] | None = None

    def __call__(self) -> Credentials:
        known = self._known
        if known is not None and known[1] - self._now() > REFRESH_SECONDS:
            return known[0]
        with self._lock:
            known = self._known
            if known is None or known[1] - self._now() <= REFRESH_SECONDS:
                try:
                    known = self._known = self._fetched()
                except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                    if known is None or known[1] <= self._now():
                        raise Unreached(f"no credentials: {type(error).__name__}") from error
            return known[0]

    def _fetched(self) -> tuple[Credentials, float]:
        url = urllib.parse.urlsplit(self._environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=CREDENTIALS_TIMEOUT_SECONDS)
        headers = {"Accept": "application/json"}
        if authorization := self._authorization():
            headers["Authorization"] = authorization
        try:
            connection.request("GET", f"{url.path or '/'}{f'?{url.query}' if url.query else ''}", headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise ValueError(f"the endpoint of credentials answered {answer.status}")
        finally:
            connection.close()
        found = json.loads(content)
        expires = datetime.fromisoformat(found["Expiration"]).timestamp()
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"]), expires

    def _authorization(self) -> str | None:
        file = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        return Path(file).read_text() if file else self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")


class Signer:
    """Makes the head of a signed request to one endpoint."""

    def __init__(self, host: str, region: str, service: str = "dynamodb") -> None:
        self._host = host
        self._region = region
        self._service = service
        self._key = ("", "", b"")

    def head(self, operation: str, body: bytes, credentials: Credentials, now: float) -> bytes:
        """Return request line and headers, up to the blank line.

        now: seconds since 1970, by the server's clock
        """
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = f"{date[:8]}/{self._region}/{self._service}/aws4_request"
        token, signed = "", "content-type;host;x-amz-date;x-amz-target"
        if credentials.token:
            token = f"x-amz-security-token:{credentials.token}\n"
            signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
        headers = (
            f"content-type:{CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{date}\n{token}"
            f"x-amz-target:DynamoDB_20120810.{operation}\n"
        )
        canonical = f"POST\n/\n\n{headers}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(credentials.secret, date[:8]), text.encode(), "sha256").hex()
        lines = headers.replace("\n", "\r\n")
        return (
            f"POST / HTTP/1.1\r\n{lines}authorization:AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}\r\naccept-encoding:identity\r\n"
            f"user-agent:tallygate\r\ncontent-length:{len(body)}\r\n\r\n"
        ).encode()

    def _signing_key(self, secret: str, day: str) -> bytes:
        known_secret, known_day, key = self._key
        if known_secret != secret or known_day != day:
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            # One assignment, so that another thread never sees half of it.
            self._key = (secret, day, key)
        return key
