"""Ports: the storage interface of this room's operations, and the values that storage returns."""

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
    """The key of a total. Only storage looks inside."""

    customer_part: str
    window_part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTotal:
    """A closed total.

    position: the cursor after it in a list
    total: its current state
    closed_value: the usage that was stated when it was closed
    """

    position: str
    total: Total
    closed_at: Instant
    closed_value: Decimal


class ClosingStore(Protocol):
    """Totals whose windows have ended."""

    def due(self, shard: int, until: Instant, limit: int) -> tuple[TotalName, ...]:
        """Return a shard's totals whose windows ended by `until`, oldest first.

        The read is not consistent, so look at each total again.
        """

    def total(self, name: TotalName) -> Total | None:
        """Return the total, read consistently."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force, read consistently; None: no such customer."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Yield the versions that came into force before an instant, newest first.

        Nothing is read until the first is asked for; then one request for every few.
        """

    def unit(self, feature: str) -> Unit | None:
        """Return the feature's current unit; None: it has none, or there is no such feature."""

    def cell(self, name: CellName) -> Cell:
        """Return the cell, read consistently. Asked only for limits that carry over."""

    def adjustments(self, customer: str, feature: str, before: Instant, limit: int) -> tuple[Adjustment, ...]:
        """Return the newest adjustments of a customer's feature before an instant, newest first, read consistently."""

    def sequence(self, customer: str, feature: str) -> int:
        """Return the sequence of the newest fact of a customer's feature, read consistently; 0: there is none."""

    def close(self, name: TotalName, total: Total, fact: Fact) -> bool:
        """Close the total, store the fact, and take the fact's place in its feed: one transaction. Safe to repeat.

        The unit and the limit that the total states are stored with it. False: nothing was written, because the total
        has changed or been closed, or another fact took the place.
        """

    def look_again(self, name: TotalName, *, at: Instant | None) -> None:
        """Move the total's due time or (None) remove it from the index. Repeating it changes nothing."""

    def closed(
        self,
        customer: str,
        feature: str | None,
        *,
        after: str | None,
        limit: int,
        wanted: Callable[[Total], bool] = ...,
    ) -> tuple[tuple[ClosedTotal, ...], str | None]:
        """Return a page of a customer's (and feature's) closed totals that are `wanted`, and the next page's cursor.

        They are in order of feature, limit and time.
        """


class Published(Enum):
    """The result of publishing a fact.

    KNOWN: it had been published before
    RACED: another fact took its place
    """

    DONE = "done"
    KNOWN = "known"
    RACED = "raced"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStated:
    """The last statement about a closed total.

    revision: the number of statements so far
    carried_out: what its window carried out, by the last statement
    """

    revision: int
    carried_out: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMove:
    """A change of a total's levels: as they were seen, and after the facts."""

    total: Total
    seen: Levels
    now: Levels


class OutboxStore(Protocol):
    """Facts and their deliveries."""

    def sequence(self, customer: str, feature: str) -> int:
        """Return the sequence of the newest fact of a customer's feature, read consistently; 0: there is none."""

    def last_stated(self, total: Total) -> LastStated:
        """Return the last statement about a closed total, read consistently."""

    def levels(self, total: Total) -> Levels:
        """Return the levels of a total that were announced and not left since, read consistently."""

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
        """Store the facts of one feature and take their places in its feed: one transaction.

        The transaction also counts the total's `revision` (a restatement), moves its levels, or stores the audit entry.
        KNOWN: one of the facts had been published before; then all had, because they are published together.
        """

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return every endpoint, read consistently."""

    def begin_delivery(self, fact_id: str, endpoint: str, now: Instant) -> bool:
        """Begin a delivery, once.

        Return whether its first attempt must still be asked for: an earlier call may have crashed.
        """

    def passed(self, probe: str, now: Instant) -> None:
        """Mark the probe with the time at which the stream's reader reached it."""


class AuditStore(Protocol):
    """The audit trail."""

    def record(self, audit: Audit) -> Moves:
        """Return the write that adds an entry. It is refused where its id is taken."""

    def page(self, customer: str | None, *, after: str | None, limit: int) -> tuple[tuple[Audit, ...], str | None]:
        """Return a page of a customer's entries (None: the stack's own), newest first, and the next page's cursor.

        One request.
        """


class ImpactStore(Protocol):
    """Totals of one limit. Reads may be slightly old; the lag of the aggregation is longer."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force, read consistently; None: no such customer. One request."""

    def totals(
        self, customer: str, feature: str, ordinal: int, first: Instant, before: Instant, *, limit: int
    ) -> tuple[Total, ...]:
        """Return the totals of a quota's windows that begin in [first, before), in order; at most `limit`."""
