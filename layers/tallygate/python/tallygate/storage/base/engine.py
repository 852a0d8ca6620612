"""The database interface: seven primitives, each with its atomicity. dynamo.py and memory.py implement it.

All other storage code (keys, items, the stores' moves) is written once and runs on both engines. The contract suite
compares the two engines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallygate.storage.base.expressions import Change, Condition, Item

TRANSACTION_WRITES_MAX = 100


@dataclass(frozen=True, slots=True)
class Key:
    pk: str
    sk: str

    @property
    def attributes(self) -> Item:
        return {"pk": self.pk, "sk": self.sk}


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Replace the whole item.

    item: its attributes without the key
    """

    key: Key
    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change some attributes. Creates the item if it does not exist.

    shows: whether the answer holds the item after the write
    """

    key: Key
    changes: tuple[Change, ...]
    condition: Condition | None = None
    shows: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """Write nothing, but cancel the transaction unless the condition holds."""

    key: Key
    condition: Condition


Write = Put | Update | Delete


@dataclass(frozen=True, slots=True)
class Written:
    """The write succeeded.

    image: the item after an Update that shows it; else None
    """

    image: Item | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The condition did not hold, and nothing was written.

    image: the item that it was checked on; None: there is no such item
    """

    image: Item | None


@dataclass(frozen=True, slots=True)
class Committed:
    """Every write of the transaction succeeded."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Nothing was written.

    refused: by write, whether its condition failed
    images: by write, the item that its condition failed on
    """

    refused: tuple[bool, ...]
    images: tuple[Item | None, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Items in order of their sort keys.

    next_after: where the query continues; None: it is complete
    """

    items: tuple[Item, ...]
    next_after: str | None


class Engine(Protocol):
    """Reads and writes of the table. Writes of one item and transactions are atomic and serialised per item."""

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """Return an item as of now or (consistent=False) as of about a second ago."""

    def get_many(self, wanted: Collection[Key]) -> Mapping[Key, Item]:
        """Return those of the items that exist, each as of now. Not a snapshot. One request for each 100 keys."""

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
        """Return items of one partition whose sort keys have the prefix, or lie in (after, until]. Not a snapshot.

        `prefix` excludes `until`. With newest_first the order is descending, and `after` is an upper bound (exclusive).
        """

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        """Return keys of the `due` index with due_at ≤ until, oldest first.

        The index is eventually consistent, so read the item again.
        """

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        """Make one conditional write.

        repeatable: the condition refuses a second application. So after an unknown outcome the write may be sent once
            more; the second answer is then Refused, with the image of the first.
        """

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        """Make all of up to 100 writes to different items, or none."""


def each_item(
    engine: Engine,
    pk: str,
    *,
    prefix: str = "",
    after: str | None = None,
    until: str | None = None,
    newest_first: bool = False,
    limit: int | None = None,
    consistent: bool = False,
) -> Iterator[Item]:
    """Yield all items of a query, as in `Engine.query`. One request for each page of at most `limit` items or 1 MB."""
    while True:
        page = engine.query(
            pk,
            prefix=prefix,
            after=after,
            until=until,
            newest_first=newest_first,
            limit=limit,
            consistent=consistent,
        )
        yield from page.items
        after = page.next_after
        if after is None:
            return
