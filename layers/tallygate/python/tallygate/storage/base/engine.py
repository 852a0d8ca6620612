"""What storage asks of a database: six primitives, each with its atomicity. dynamo.py and memory.py provide them.

Everything above this line (keys, items, the families' named moves) is written once and runs on both engines; the
contract suite holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Replace the whole item; `item` is without its key."""

    key: Key
    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change some attributes; the item is created where it does not exist."""

    key: Key
    changes: tuple[Change, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """Write nothing, but let the transaction fail unless the condition holds."""

    key: Key
    condition: Condition


Write = Put | Update | Delete


@dataclass(frozen=True, slots=True)
class Written:
    """The write was made; `image` is the item after an Update (None after Put and Delete)."""

    image: Item | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The condition did not hold of `image` (None: there is no such item). Nothing was written."""

    image: Item | None


@dataclass(frozen=True, slots=True)
class Committed:
    """Every write of the transaction was made."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Nothing was written. `refused[i]` says whether the i-th condition failed, `images[i]` of what item."""

    refused: tuple[bool, ...]
    images: tuple[Item | None, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Items in order of their sort key; `next_after` continues the query where the engine or the limit cut it."""

    items: tuple[Item, ...]
    next_after: str | None


class Engine(Protocol):
    """Single-item writes and transactions are atomic and serialised per item; reads say how fresh they are."""

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """One item as of now, or (consistent=False) as of about a second ago."""

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
        """Items of one partition whose sort key has the prefix, or lies in (after, until]; not a snapshot.

        `prefix` excludes `until`. With newest_first the order is descending and `after` is an upper bound (exclusive).
        """

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        """Keys of the `due` index with due_at ≤ until, oldest first; eventually consistent: look again at the item."""

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        """One conditional write. `repeatable`: its own condition refuses a second application, so that it may be sent
        again once when its outcome is unknown (the second answer is then Refused with the image of the first)."""

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        """All of up to 100 writes to different items, or none."""
