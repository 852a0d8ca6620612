"""API keys: one item found by the digest of the key, and one that lists it.

    KEY#digest  KEY     key_id, name, scopes (space-separated), customer, expires_at_ms, created_at
    KEYS        key_id  digest and the same

Both are written and removed together. Nothing here knows the key itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallygate.domain.api_keys import ApiKey
from tallygate.errors import InvariantBroken
from tallygate.storage import items, keys
from tallygate.storage.engine import Committed, Delete, Engine, Put
from tallygate.storage.expressions import Absent, Item

if TYPE_CHECKING:
    from tallygate.store import Moves

DIGEST = "digest"


class ApiKeys:
    """Finds, adds, lists and removes keys."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, digest: str) -> ApiKey | None:
        """What the key with this digest stands for, consistent. One request."""
        item = self._engine.get(keys.api_key(digest))
        return None if item is None else _key_of(item)

    def create(self, key: ApiKey, digest: str) -> Moves:
        """The writes that add a key; refused where its id or digest is taken."""
        item = _item_of(key)
        return (
            Put(key=keys.api_key(digest), item=item, condition=Absent("pk")),
            Put(key=keys.api_key_entry(key.id), item={**item, DIGEST: digest}, condition=Absent("pk")),
        )

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[ApiKey, ...], str | None]:
        """Some keys in order of their ids, and where to go on. One request."""
        page = self._engine.query(keys.KEYS_PARTITION, after=after, limit=limit)
        return tuple(_key_of(item) for item in page.items), page.next_after

    def delete(self, key_id: str) -> bool:
        """Remove a key; False: there is none. One read and one transaction."""
        entry = keys.api_key_entry(key_id)
        item = self._engine.get(entry)
        if item is None:
            return False
        found = keys.api_key(items.text(item, DIGEST))
        outcome = self._engine.transact((Delete(key=found), Delete(key=entry)), repeatable=True)
        if not isinstance(outcome, Committed):
            raise InvariantBroken("a removal without conditions was refused")
        return True


def _item_of(key: ApiKey) -> Item:
    item: Item = {
        "key_id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "created_at": key.created_at,
    }
    if key.customer is not None:
        item["customer"] = key.customer
    if key.expires_at is not None:
        item["expires_at_ms"] = key.expires_at
    return item


def _key_of(item: Item) -> ApiKey:
    return ApiKey(
        id=items.text(item, "key_id"),
        name=items.text(item, "name"),
        scopes=tuple(items.text(item, "scopes").split()),
        customer=items.text(item, "customer") if "customer" in item else None,
        expires_at=items.integer(item, "expires_at_ms") if "expires_at_ms" in item else None,
        created_at=items.integer(item, "created_at"),
    )
