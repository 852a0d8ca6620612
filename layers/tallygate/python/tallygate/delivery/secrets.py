"""The secrets that sign webhooks: SecureString parameters of SSM, one for each of an endpoint's two slots.

    <path>/<endpoint id>/<slot>        several versions; an endpoint's item names slot and version

The function manage writes and deletes secrets and may not read them. The function deliver may only read them. SSM
encrypts with the account's key, which is free, or with the stack's key. The encryption context is the parameter's ARN,
which ends in endpoint id and slot. So a secret decrypts only under its own endpoint's name. A version never changes, so
deliver caches the secrets that it read, bounded in time and number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import SLOTS, Endpoint, SigningSecret
from tallygate.errors import StoreUnavailable

TIMEOUT_SECONDS = 3
REMEMBERED_SECONDS = 300.0
REMEMBERED_MAX = 1_000


def client_config() -> Config:
    """Short timeouts and one retry. Every call here may be repeated."""
    return Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)


class SsmKeeper:
    """Writes and deletes secrets.

    client: makes an SSM client, on the first call that needs one
    key: the ARN of a KMS key; empty for the account's own
    """

    def __init__(self, client: Callable[[], Any], path: str, key: str = "") -> None:
        self._make = client
        self._path = path
        self._key = {"KeyId": key} if key else {}

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def keep(self, endpoint_id: str, slot: str, text: str) -> int:
        """Store a secret as the newest version of its slot and return the version. Raises StoreUnavailable.

        A retry after an unknown outcome leaves a version that no endpoint names.
        """
        name = _name(self._path, endpoint_id, slot)
        kept = _answer(
            self._client.put_parameter, Name=name, Value=text, Type="SecureString", Overwrite=True, **self._key
        )
        return int(kept["Version"])

    def remove(self, endpoint_id: str) -> None:
        """Delete both slots with all versions. A repetition changes nothing. Raises StoreUnavailable."""
        for slot in SLOTS:
            _answer(self._client.delete_parameter, Name=_name(self._path, endpoint_id, slot))


class SsmReader:
    """Reads secrets, and caches each version for REMEMBERED_SECONDS."""

    def __init__(self, client: Any, path: str, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._path = path
        self._ticks = ticks
        self._known: dict[str, tuple[float, str]] = {}

    def texts(self, endpoint: Endpoint, now: Instant) -> tuple[str, ...]:
        """The endpoint's valid secrets, newest first, without deleted ones.

        Raises StoreUnavailable; a retry is harmless.
        """
        found = (self._text(endpoint.id, secret) for secret in endpoint.valid_secrets(now))
        return tuple(text for text in found if text is not None)

    def _text(self, endpoint_id: str, secret: SigningSecret) -> str | None:
        name = f"{_name(self._path, endpoint_id, secret.slot)}:{secret.version}"
        read_at, known = self._known.get(name, (0.0, ""))
        if known and self._ticks() - read_at < REMEMBERED_SECONDS:
            return known
        self._known.pop(name, None)
        answer = _answer(self._client.get_parameter, Name=name, WithDecryption=True)
        if answer is None:
            return None
        text = str(answer["Parameter"]["Value"])
        self._known[name] = (self._ticks(), text)
        if len(self._known) > REMEMBERED_MAX:
            # A dict keeps the order of insertion, so its first entry is the oldest.
            del self._known[next(iter(self._known))]
        return text


def _name(path: str, endpoint_id: str, slot: str) -> str:
    return f"{path}/{endpoint_id}/{slot}"


def _answer(call: Callable[..., Any], **arguments: Any) -> Any:
    """SSM's answer; None when the parameter or version does not exist. Raises StoreUnavailable.

    The error names SSM's code only. SSM repeats a parameter's value in no error, so no secret is logged.
    """
    try:
        return call(**arguments)
    except (ClientError, BotoCoreError) as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        if code in ("ParameterNotFound", "ParameterVersionNotFound"):
            return None
        raise StoreUnavailable(f"the store of secrets did not answer: {code or type(error).__name__}") from None
