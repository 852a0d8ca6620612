"""The secret under which decision ids are signed: one item, made once, never changed.

    SECRET#decisions   SECRET   secret (32 bytes)

It is put if absent by the first container that decides, and lies in the table so that it is backed up and restored with
the journal that the ids lead to. Whoever knows it can name decisions that were never granted, and so keep events out of
one meter each; nothing else is signed with it. It has a partition of its own: IAM grants no prefix that would reach it.
"""

from __future__ import annotations

from tallygate.errors import InvariantBroken
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Put, Refused
from tallygate.storage.base.expressions import Absent, Item


class DecisionSecrets:
    """Remembers the secret for the life of a container; that there is none is not remembered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: bytes | None = None

    def known(self) -> bytes | None:
        """The secret; None: none was made yet. One consistent read, none once it is known."""
        if self._known is None:
            self._known = read_secret(self._engine)
        return self._known


def read_secret(engine: Engine) -> bytes | None:
    """The secret, consistent; None: none was made yet. One request."""
    item = engine.get(keys.DECISION_SECRET)
    return None if item is None else _secret_of(item)


def make_secret(engine: Engine, secret: bytes) -> bytes:
    """Keep the secret unless there is one; the one that stands. One request, repeatable."""
    written = engine.write(
        Put(key=keys.DECISION_SECRET, item={"secret": secret}, condition=Absent("pk")), repeatable=True
    )
    if isinstance(written, Refused) and written.image is not None:
        return _secret_of(written.image)
    return secret


def _secret_of(item: Item) -> bytes:
    secret = item.get("secret")
    if not isinstance(secret, bytes):
        raise InvariantBroken("the secret of decision ids is bytes")
    return secret
