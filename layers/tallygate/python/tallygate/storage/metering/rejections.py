"""Rejections: one for each minute, customer and code, put if absent and never changed.

    REJECTED#<customer>   <minute, 10 digits>#<code>          status, detail, received_at, others, and if known
                          <minute, 10 digits>#<code>#stored   id, source, type, subject, time; expires_at

The second form is for an event that was accepted and could not be counted; `journaled` if its customer's journal holds
it. Rejections without a customer have an empty customer name. A container caches what it has put. So a producer that
always sends wrong events costs one write for each minute, customer and code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallygate.domain.base.instants import DAY, SECOND
from tallygate.domain.metering.rejections import Rejection
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.engine import Engine, Key, Put
from tallygate.storage.base.expressions import Absent, Item

KEPT = 36 * DAY
"""One day longer than rejections are listed."""
REMEMBERED_MAX = 1_024
_REJECTIONS = Attributes(Rejection, names={"at": "received_at"})
_STORED = "stored"


@dataclass(slots=True)
class Rejections:
    """Stores and lists rejections."""

    engine: Engine
    _kept: dict[Key, None] = field(default_factory=dict)

    def keep(self, rejection: Rejection) -> None:
        key = _key(rejection)
        if key in self._kept:
            return
        self.engine.write(
            Put(
                key=key,
                item={**_REJECTIONS.item(rejection), "expires_at": (rejection.at + KEPT) // SECOND},
                condition=Absent("pk"),
            ),
            repeatable=True,
        )
        while len(self._kept) >= REMEMBERED_MAX:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = None

    def newest(self, owner: str, *, before: str | None, limit: int) -> tuple[tuple[tuple[str, Rejection], ...], bool]:
        """Return a page of rejections, newest first, each with its position, and whether there may be more.

        One request.

        before: a position, or a result of `keys.rejections_after`
        """
        page = self.engine.query(
            keys.rejections_of(owner), after=before, newest_first=True, limit=limit, consistent=True
        )
        found = tuple((items.text(item, "sk"), rejection_of(item)) for item in page.items)
        return found, page.next_after is not None


def _key(rejection: Rejection) -> Key:
    kind = (_STORED,) if rejection.accepted else ()
    return keys.rejection(rejection.owner, rejection.minute, rejection.code, *kind)


def rejection_of(item: Item) -> Rejection:
    """Return the rejection of an item."""
    return _REJECTIONS.value(item)
