"""The cache of a container, bounded in size.

It holds limits in force, features, cells last seen, recent denials, and the secret that signs decision ids. No cached
value decides anything:

- The version in the cell's condition proves cached limits.
- A cell last seen only sharpens the terms. A stale one costs a retry, never a wrong grant.
- A recent denial only turns a write that would probably be refused into a read.

Ages are measured on a monotonic clock, so a jump of the wall clock extends none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tallygate.domain.admission.cells import UNSEEN, Cell
from tallygate.domain.admission.decision_ids import SECRET_BYTES
from tallygate.domain.admission.terms import Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.errors import StoreUnavailable
from tallygate.operations.admission.ports import AdmissionStore, SoldFeature

LIMITS_KEPT_SECONDS = 60.0
"""A root cell proves the limits with every write, so long caching is safe. Expiry makes deletions noticed."""
FEATURE_KEPT_SECONDS = 60.0
"""The time until every container knows a changed feature: its unit, and the dimensions it requires."""
FEATURE_READ_AGAIN_SECONDS = 1.0
"""A feature is read again before it refuses a request, at most once in this time."""
DENIAL_KEPT_SECONDS = 1.0
REMEMBERED_MAX = 4_096


@dataclass(slots=True)
class Memory:
    """The cache. One per container.

    ticks: a monotonic clock in seconds
    """

    ticks: Callable[[], float] = time.monotonic
    _secret: bytes | None = None
    _limits: dict[str, tuple[Effective, float]] = field(default_factory=dict)
    _sold: dict[str, tuple[SoldFeature, float]] = field(default_factory=dict)
    _sold_again: dict[str, float] = field(default_factory=dict)
    _cells: dict[CellName, Cell] = field(default_factory=dict)
    _denials: dict[CellName, tuple[frozenset[str], float]] = field(default_factory=dict)

    def decision_secret(self, store: AdmissionStore, entropy: Callable[[int], bytes]) -> bytes:
        """Return the secret that signs decision ids, and make it if there is none. It never changes."""
        if self._secret is None:
            self._secret = store.decision_secret() or store.make_decision_secret(entropy(SECRET_BYTES))
        return self._secret

    def limits(self, store: AdmissionStore, customer: str, *, now: Instant, fresh: bool = False) -> Effective | None:
        """Return the customer's limits in force now, cached or read. An unknown customer is never cached."""
        held = self._limits.get(customer)
        if held is not None and not fresh and self.ticks() - held[1] < LIMITS_KEPT_SECONDS:
            return held[0].in_force(now)
        effective = store.effective(customer)
        if effective is None:
            self._limits.pop(customer, None)
        else:
            _bound(self._limits, customer)
            self._limits[customer] = (effective, self.ticks())
        return None if effective is None else effective.in_force(now)

    def unit(self, store: AdmissionStore, feature: str) -> Unit | None:
        """Return the feature's display unit, cached or read. It decides nothing."""
        sold = self.sold(store, feature)
        return None if sold is None else sold.unit

    def sold(self, store: AdmissionStore, feature: str, *, again: bool = False) -> SoldFeature | None:
        """Return the feature as the catalog has it, cached or read. An unknown feature is never cached.

        again: read anew and consistently, unless this happened within the last second

        Without `again`, a feature that cannot be read keeps its cached value for the same time once more.
        """
        held, now = self._sold.get(feature), self.ticks()
        kept = FEATURE_READ_AGAIN_SECONDS if again else FEATURE_KEPT_SECONDS
        since = self._sold_again.get(feature) if again else (held[1] if held is not None else None)
        if held is not None and since is not None and now - since < kept:
            return held[0]
        try:
            sold = store.sold(feature, fresh=again)
        except StoreUnavailable:
            if held is None or again:
                raise
            sold = held[0]
        if sold is None:
            self._sold.pop(feature, None)
            return None
        _bound(self._sold, feature)
        self._sold[feature] = (sold, now)
        if again:
            _bound(self._sold_again, feature)
            self._sold_again[feature] = now
        return sold

    def last_seen(self, cell: CellName) -> Cell:
        """Return the cell as this container last saw it; UNSEEN if it never did."""
        return self._cells.get(cell, UNSEEN)

    def saw(self, cell: CellName, image: Cell) -> None:
        _bound(self._cells, cell)
        self._cells[cell] = image

    def denied(self, cell: CellName, limits: frozenset[str]) -> None:
        """Remember that these limits of the cell had no room just now."""
        _bound(self._denials, cell)
        self._denials[cell] = (limits, self.ticks())

    def denied_lately(self, cell: CellName, wanted: Terms) -> bool:
        """Return whether a limit that governs the request refused one here within the last second.

        Refusals by other limits of the cell are no hint.
        """
        refused = self._denials.get(cell)
        if refused is None:
            return False
        limits, at = refused
        return not limits.isdisjoint(wanted.names) and self.ticks() - at < DENIAL_KEPT_SECONDS


def _bound(remembered: dict[Any, Any], name: object) -> None:
    """Drop the oldest entry if the cache is full and the name is new."""
    if name not in remembered and len(remembered) >= REMEMBERED_MAX:
        remembered.pop(next(iter(remembered)), None)
