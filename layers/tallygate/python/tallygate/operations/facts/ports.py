"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.delivery.deliveries import Endpoint
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.facts import Fact, Levels
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.operations.base.ports import Moves


@dataclass(frozen=True, slots=True)
class TotalName:
    """Which total; storage alone looks inside."""

    customer_part: str
    window_part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTotal:
    """A closed total as it stands, and what was stated when it was closed. `position` is where a list goes on."""

    position: str
    total: Total
    closed_at: Instant
    closed_value: Decimal


class ClosingStore(Protocol):
    """Totals whose windows are over."""

    def due(self, shard: int, until: Instant, limit: int) -> tuple[TotalName, ...]:
        """Totals in a shard whose windows ended by `until`, oldest first; not consistent: look at each again."""

    def total(self, name: TotalName) -> Total | None:
        """The total as it stands, consistent."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Versions of them that came into force before an instant, the newest first. Nothing is read until the first is
        asked for; a request for every few."""

    def unit(self, feature: str) -> Unit | None:
        """The unit that the feature has now; None: it has none, or there is no such feature."""

    def cell(self, name: CellName) -> Cell:
        """The cell, consistent; asked only of what carries over."""

    def adjustments(self, customer: str, feature: str, before: Instant, limit: int) -> tuple[Adjustment, ...]:
        """The newest adjustments of a customer's feature that were made before an instant, newest first, consistent."""

    def sequence(self, customer: str, feature: str) -> int:
        """The sequence of the newest fact of a customer's feature, consistent; 0: there is none."""

    def close(self, name: TotalName, total: Total, fact: Fact) -> bool:
        """Close the total, keep the fact, take the fact's place in its feed: one transaction. Safe to repeat.

        The unit and the limit that the total states stay with it. False: nothing was written, because the total has
        changed or been closed, or another fact took the place.
        """

    def look_again(self, name: TotalName, *, at: Instant | None) -> None:
        """Move when the total is due, or (None) take it out of the index. Repeating it changes nothing."""

    def closed(
        self,
        customer: str,
        feature: str | None,
        *,
        after: str | None,
        limit: int,
        wanted: Callable[[Total], bool] = ...,
    ) -> tuple[tuple[ClosedTotal, ...], str | None]:
        """Closed totals of a customer (and feature) that are wanted, in order of feature, limit and time, and where to
        go on."""


class Published(Enum):
    """What came of publishing a fact: `KNOWN` means that it had been before, `RACED` that its place was taken."""

    DONE = "done"
    KNOWN = "known"
    RACED = "raced"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStated:
    """How often something has been stated about a closed total, and what its window carried out by the last of it."""

    revision: int
    carried_out: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMove:
    """A total's levels as they were seen, and as the facts leave them."""

    total: Total
    seen: Levels
    now: Levels


class OutboxStore(Protocol):
    """Facts, and what hands them on."""

    def sequence(self, customer: str, feature: str) -> int:
        """The sequence of the newest fact of a customer's feature, consistent; 0: there is none."""

    def last_stated(self, total: Total) -> LastStated:
        """What was last stated about a closed total, consistent."""

    def levels(self, total: Total) -> Levels:
        """The levels of a total that were told and not left, consistent."""

    def publish(
        self,
        facts: Sequence[Fact],
        *,
        level: str = "",
        moves: LevelMove | None = None,
        restates: Total | None = None,
        revision: int = 0,
        audit: Audit | None = None,
    ) -> Published:
        """Keep the facts of one feature, take their places in its feed, and (restating) count the total's `revision`,
        move its levels or keep the audit entry: one transaction. KNOWN where one of them had been published, for they
        go together."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint, consistent."""

    def begin_delivery(self, fact_id: str, endpoint: str, now: Instant) -> bool:
        """Begin a delivery, once. Whether its first attempt is still to be asked for: a crash may have come between."""

    def passed(self, probe: str, now: Instant) -> None:
        """Let the probe say when the fold came past it."""


class AuditStore(Protocol):
    """The audit trail."""

    def record(self, audit: Audit) -> Moves:
        """The write that adds an entry; refused where its id is taken."""

    def page(self, customer: str | None, *, after: str | None, limit: int) -> tuple[tuple[Audit, ...], str | None]:
        """Some entries of a customer (None: the stack's own), the newest first, and where to go on. One request."""


class ImpactStore(Protocol):
    """Totals of one limit. Reads may be a little old: the fold lags by more than that."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force; None: no such customer. One request, consistent."""

    def totals(
        self, customer: str, feature: str, ordinal: int, first: Instant, before: Instant, *, limit: int
    ) -> tuple[Total, ...]:
        """Totals of a quota's windows that begin in [first, before), in order; at most so many."""
