"""The secrets that webhooks are signed with: SecureString parameters of SSM, one for each of an endpoint's two slots.

    <path>/<endpoint id>/<slot>        several versions; an endpoint's item names slot and version

manage puts and deletes them and may not read; deliver reads and may do nothing else. SSM encrypts under the account's
key for it (free) or under the key that the stack was given, with the parameter's ARN for encryption context. The ARN
ends in the endpoint's id and slot, so a secret decrypts only as that endpoint's. A version never changes, so deliver
remembers what it read, for a bounded time and number.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.domain.deliveries import SLOTS, Endpoint, SigningSecret
from tallygate.domain.instants import Instant
from tallygate.errors import StoreUnavailable

TIMEOUT_SECONDS = 3
REMEMBERED_SECONDS = 300.0
REMEMBERED_MAX = 1_000
_ABSENT = ("ParameterNotFound", "ParameterVersionNotFound")


def client_config() -> Config:
    """Short time-outs and one repetition; every call here may be repeated."""
    return Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)


class SsmKeeper:
    """Keeps secrets. `client` makes an SSM client, on the first call that needs one; `key` is a KMS key's ARN, or empty
    for the account's own."""

    def __init__(self, client: Callable[[], Any], path: str, key: str = "") -> None:
        self._make = client
        self._made: Any = None
        self._path = path
        self._key = {"KeyId": key} if key else {}

    @property
    def _client(self) -> Any:
        self._made = self._made or self._make()
        return self._made

    def keep(self, endpoint_id: str, slot: str, text: str) -> int:
        """Keep a secret as the newest version of the slot's parameter; which one that is. Raises StoreUnavailable.

        Sent twice after an unknown outcome, the first version is named by nothing.
        """
        try:
            kept = self._client.put_parameter(
                Name=_name(self._path, endpoint_id, slot), Value=text, Type="SecureString", Overwrite=True, **self._key
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from None
        return int(kept["Version"])

    def remove(self, endpoint_id: str) -> None:
        """Remove both slots with all their versions. Repeating it changes nothing. Raises StoreUnavailable."""
        for slot in SLOTS:
            try:
                self._client.delete_parameter(Name=_name(self._path, endpoint_id, slot))
            except (ClientError, BotoCoreError) as error:
                if _code(error) not in _ABSENT:
                    raise _unavailable(error) from None


class SsmReader:
    """Reads secrets, and remembers each version for REMEMBERED_SECONDS."""

    def __init__(self, client: Any, path: str, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._path = path
        self._ticks = ticks
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def texts(self, endpoint: Endpoint, now: Instant) -> tuple[str, ...]:
        """The endpoint's valid secrets, the newest first; without those that are kept no longer.

        Raises StoreUnavailable, after which asking again is harmless.
        """
        found = (self._text(endpoint.id, secret) for secret in endpoint.valid_secrets(now))
        return tuple(text for text in found if text is not None)

    def _text(self, endpoint_id: str, secret: SigningSecret) -> str | None:
        if secret.text is not None:
            return secret.text
        name = f"{_name(self._path, endpoint_id, secret.slot)}:{secret.version}"
        read_at, known = self._known.get(name, (0.0, None))
        if known is not None and self._ticks() - read_at < REMEMBERED_SECONDS:
            return known
        self._known.pop(name, None)
        try:
            answer = self._client.get_parameter(Name=name, WithDecryption=True)
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _ABSENT:
                return None
            raise _unavailable(error) from None
        text = str(answer["Parameter"]["Value"])
        self._known[name] = (self._ticks(), text)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return text


def _name(path: str, endpoint_id: str, slot: str) -> str:
    return f"{path}/{endpoint_id}/{slot}"


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _unavailable(error: Exception) -> StoreUnavailable:
    """The error's code. SSM repeats a parameter's value in none of its errors, so no secret is logged."""
    return StoreUnavailable(f"the store of secrets did not answer: {_code(error) or type(error).__name__}")
