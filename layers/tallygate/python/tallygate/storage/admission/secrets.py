"""The secret that signs decision ids: one item, made once, never changed.

    SECRET#decisions   SECRET   secret (32 bytes)

The first container that decides puts it if absent. It lies in the table, so it is backed up and restored together with
the journal that decision ids refer to. Whoever has the secret could forge ids of decisions that were never granted, and
so keep one meter from counting an event. The secret signs nothing else. It has its own partition: no IAM grant by
prefix reaches it.
"""

from __future__ import annotations

from tallygate.errors import InvariantBroken
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Put, Refused
from tallygate.storage.base.expressions import Absent, Item


class DecisionSecrets:
    """Caches the secret for the life of a container. The absence of a secret is not cached."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: bytes | None = None

    def known(self) -> bytes | None:
        """Return the secret; None: none was made yet. One consistent read; none once it is cached."""
        if self._known is None:
            self._known = read_secret(self._engine)
        return self._known


def read_secret(engine: Engine) -> bytes | None:
    """Return the secret, read consistently; None: none was made yet. One request."""
    item = engine.get(keys.DECISION_SECRET)
    return None if item is None else _secret_of(item)


def make_secret(engine: Engine, secret: bytes) -> bytes:
    """Store the secret unless there is one, and return the stored one. One request, repeatable."""
    written = engine.write(
        Put(key=keys.DECISION_SECRET, item={"secret": secret}, condition=Absent("pk")), repeatable=True
    )
    if isinstance(written, Refused) and written.image is not None:
        return _secret_of(written.image)
    return secret


def _secret_of(item: Item) -> bytes:
    secret = item.get("secret")
    if not isinstance(secret, bytes):
        raise InvariantBroken("the secret of decision ids must be bytes")
    return secret
