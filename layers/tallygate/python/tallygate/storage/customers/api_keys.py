"""API keys: one item for each text of a key, found by its digest, and one item that lists the key.

    KEY#digest  KEY     key_id, name, scopes (JSON), customer, expires_at_ms, created_at,
                        used_on_ms (a day); expires_at, the time to live, where a rotation has ended the text
    KEYS        key_id  digest, the same, and former: earlier texts that are still valid, as JSON
                        used_on_ms is here the day of the last use before the newest rotation

All items of a key are written and removed together, on the condition that its texts are those that were seen. No text
itself is stored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.customers.api_keys import ApiKey, KeyText, KeyTexts
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.documents import Codec, compact, read_document
from tallygate.storage.base.engine import Committed, Delete, Engine, Put, Update
from tallygate.storage.base.expressions import Absent, All, Compare, Item, Present, Set, absent_or
from tallygate.storage.base.receipts import writes_of

if TYPE_CHECKING:
    from tallygate.operations.base.ports import Moves

DIGEST, FORMER, USED_ON = "digest", "former", "used_on_ms"
_KEYS = Attributes(ApiKey, names={"id": "key_id", "expires_at": "expires_at_ms"})
_TEXTS = Codec()


class ApiKeys:
    """Finds, adds, lists, rotates and removes keys."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, digest: str) -> tuple[ApiKey, Instant | None] | None:
        """Return the key with this digest and the last day of its use, read consistently. One request."""
        item = self._engine.get(keys.api_key(digest))
        return None if item is None else (_KEYS.value(item), _used_on(item))

    def use(self, digest: str, day: Instant) -> None:
        """Store the day of the last use. Harmless to repeat, and after the key was removed. One request."""
        earlier = All((Present("key_id"), absent_or(Compare(USED_ON, "<", day))))
        self._engine.write(
            Update(key=keys.api_key(digest), changes=(Set(USED_ON, day),), condition=earlier), repeatable=True
        )

    def create(self, key: ApiKey, digest: str) -> Moves:
        item = _KEYS.item(key)
        return (
            Put(key=keys.api_key(digest), item=item, condition=Absent("pk")),
            Put(key=keys.api_key_entry(key.id), item={**item, DIGEST: digest}, condition=Absent("pk")),
        )

    def key(self, key_id: str) -> KeyTexts | None:
        item = self._engine.get(keys.api_key_entry(key_id))
        return None if item is None else self._with_use(_texts_of(item))

    def rotate(self, seen: KeyTexts, wanted: KeyTexts) -> Moves:
        item, kept = _KEYS.item(wanted.key), {text.digest: text for text in wanted.former}
        used: Item = {} if wanted.used_before is None else {USED_ON: wanted.used_before}
        writes: list[Put | Update | Delete] = [
            Put(key=keys.api_key(wanted.text.digest), item=item, condition=Absent("pk")),
            Put(
                key=keys.api_key_entry(wanted.key.id),
                item={
                    **item,
                    **used,
                    DIGEST: wanted.text.digest,
                    FORMER: compact(_TEXTS.write(wanted.former, tuple[KeyText, ...])),
                },
                condition=_as_seen(seen),
            ),
        ]
        for text in (seen.text, *seen.former):
            still = kept.get(text.digest)
            if still is None:
                writes.append(Delete(key=keys.api_key(text.digest)))
            elif still != text:
                assert still.until is not None
                ends = (Set("expires_at_ms", still.until), Set("expires_at", -(-still.until // SECOND)))
                writes.append(Update(key=keys.api_key(text.digest), changes=ends, condition=Present("key_id")))
        return tuple(writes)

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
        page = self._engine.query(keys.KEYS_PARTITION, after=after, limit=limit)
        return tuple(self._with_use(_texts_of(item)) for item in page.items), page.next_after

    def delete(self, seen: KeyTexts, *, beside: Moves = ()) -> bool:
        removals = (
            Delete(key=keys.api_key_entry(seen.key.id), condition=_as_seen(seen)),
            *(Delete(key=keys.api_key(text.digest)) for text in (seen.text, *seen.former)),
        )
        outcome = self._engine.transact((*removals, *writes_of(beside)), repeatable=True)
        return isinstance(outcome, Committed)

    def _with_use(self, listed: KeyTexts) -> KeyTexts:
        text, *former = (self._used(each) for each in (listed.text, *listed.former))
        return replace(listed, text=text, former=tuple(former))

    def _used(self, text: KeyText) -> KeyText:
        item = self._engine.get(keys.api_key(text.digest), consistent=False)
        return KeyText(digest=text.digest, until=text.until, used_on=_used_on(item) if item is not None else None)


def _as_seen(seen: KeyTexts) -> Compare:
    """The texts have not changed. Every rotation brings a new digest, so comparing the digest is enough."""
    return Compare(DIGEST, "=", seen.text.digest)


def _texts_of(item: Item) -> KeyTexts:
    former: tuple[KeyText, ...] = ()
    if FORMER in item:
        former = _TEXTS.read(read_document(items.text(item, FORMER)), tuple[KeyText, ...])
    text = KeyText(digest=items.text(item, DIGEST))
    return KeyTexts(key=_KEYS.value(item), text=text, former=former, used_before=_used_on(item))


def _used_on(item: Item) -> Instant | None:
    return items.integer(item, USED_ON) if USED_ON in item else None
