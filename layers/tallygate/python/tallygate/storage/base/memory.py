"""An engine in memory: the same primitives, evaluated by `storage.base.expressions` under one lock.

It serves the simulation and the tests of operations. Every write also appends the record that a DynamoDB stream would
carry, in commit order, for tests that read the stream. Nothing is persistent.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tallygate.storage.base.engine import (
    TRANSACTION_WRITES_MAX,
    Cancelled,
    Committed,
    Delete,
    Key,
    Page,
    Put,
    Refused,
    Require,
    Update,
    Write,
    Written,
)
from tallygate.storage.base.expressions import Item, changed, holds


@dataclass(frozen=True, slots=True)
class Change:
    """One stream record: an item's images before and after the write (None: no item)."""

    sequence: int
    key: Key
    old: Item | None
    new: Item | None


@dataclass(slots=True)
class MemoryEngine:
    """Items by key.

    stream: one `Change` per written item, in order
    requests: the number of calls
    """

    items: dict[Key, Item] = field(default_factory=dict)
    stream: list[Change] = field(default_factory=list)
    requests: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        with self._lock:
            self.requests += 1
            held = self.items.get(key)
            return dict(held) if held is not None else None

    def get_many(self, wanted: Collection[Key]) -> dict[Key, Item]:
        with self._lock:
            self.requests += 1
            return {key: dict(self.items[key]) for key in wanted if key in self.items}

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        consistent: bool = False,
    ) -> Page:
        assert not (prefix and until), "a prefix and an upper bound exclude each other"
        with self._lock:
            self.requests += 1
            keys = sorted((k for k in self.items if k.pk == pk), key=lambda k: k.sk, reverse=newest_first)
            found = [
                dict(self.items[k])
                for k in keys
                if k.sk.startswith(prefix)
                and (after is None or (k.sk < after if newest_first else k.sk > after))
                and (until is None or k.sk <= until)
            ]
        page = found[:limit]
        last = page[-1]["sk"] if page and len(page) < len(found) else None
        assert last is None or isinstance(last, str)
        return Page(tuple(page), last)

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        with self._lock:
            self.requests += 1
            found = []
            for key, item in self.items.items():
                at = item.get("due_at")
                if item.get("due_shard") == shard and isinstance(at, Decimal) and at <= until:
                    found.append((at, key.pk, key.sk))
        return tuple(Key(pk, sk) for _, pk, sk in sorted(found)[:limit])

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        with self._lock:
            self.requests += 1
            held = self.items.get(write.key)
            if write.condition is not None and not holds(write.condition, held):
                return Refused(dict(held) if held is not None else None)
            after = self._apply(write)
            return Written(dict(after) if after is not None and isinstance(write, Update) and write.shows else None)

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        assert 0 < len(writes) <= TRANSACTION_WRITES_MAX
        assert len({write.key for write in writes}) == len(writes), "a transaction names an item once"
        with self._lock:
            self.requests += 1
            held = [self.items.get(write.key) for write in writes]
            refused = [
                write.condition is not None and not holds(write.condition, image)
                for write, image in zip(writes, held, strict=True)
            ]
            if any(refused):
                images = [dict(i) if i is not None and bad else None for i, bad in zip(held, refused, strict=True)]
                return Cancelled(tuple(refused), tuple(images))
            for write in writes:
                if not isinstance(write, Require):
                    self._apply(write)
            return Committed()

    def _apply(self, write: Write) -> Item | None:
        old = self.items.get(write.key)
        new: Item | None
        match write:
            case Put(key=key, item=item):
                new = _stored({**item, **key.attributes})
            case Update(key=key, changes=changes):
                new = _stored(changed(old, key.attributes, changes))
            case Delete():
                new = None
        if new is None:
            self.items.pop(write.key, None)
        else:
            self.items[write.key] = new
        if old != new:
            self.stream.append(Change(len(self.stream) + 1, write.key, old, new))
        return new


def _stored(item: Item) -> Item:
    """Return the item as an engine returns it: integers as decimals, and without empty sets."""
    return {
        name: Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in item.items()
        if value != frozenset()
    }
