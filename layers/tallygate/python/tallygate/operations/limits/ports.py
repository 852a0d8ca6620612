"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.meters import Meters
from tallygate.domain.usage.queries import UsageItem


class PastUsageStore(Protocol):
    """Usage before a change of plan. Reads are consistent and bounded; a result beyond the bound is None."""

    def cell(self, name: CellName) -> Cell:
        """Return the root cell. One request."""

    def totals(self, cell: CellName, ordinal: int, since: Instant, before: Instant) -> tuple[Total, ...] | None:
        """Return the totals of a quota's windows that begin in [since, before); None: too many.

        One request for each page.
        """

    def usage(self, customer: str, meter: str, since: Instant, before: Instant) -> tuple[UsageItem, ...] | None:
        """Return a meter's usage on the UTC days of [since, before); None: too many. One request for each page."""

    def records(self, customer: str, since: Instant) -> tuple[Record, ...] | None:
        """Return the journal's records appended since an instant; None: too many. One request for each page."""

    def folded(self, cell: CellName, *, now: Instant) -> AppliedRevision:
        """Return how far the feature's cell is aggregated. A write whose journal record may have expired is.

        Two requests, or some more where other features were busy.
        """

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """Return the feature's manual resets made in (since, until], by the time at which each was effective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRevision:
    """The newest revision of a cell that is journaled and applied.

    time: the time of its write; None: no revision is journaled yet
    """

    revision: int
    time: Instant | None


class VersionStore(Protocol):
    """Cells, for the version of the limits."""

    @property
    def past(self) -> PastUsageStore:
        """The usage before a change."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Raise the version and let usage follow as the limits say. Return the cell after it. Raises Contended."""

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits; create the cell if it is absent.

        Repeating it changes nothing.
        """


class LimitsStore(Protocol):
    """The limits in force."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force, read consistently; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Return whether the catalog has the feature. Asked only to explain a refusal."""


LimitsOf = Callable[[str], Effective | None]
"""Return a customer's limits in force; None: no such customer."""


class RulesStore(Protocol):
    """The rules by which events are resolved. Reads are consistent."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force; None: no such customer. One request."""

    def effectives(self, customers: Collection[str]) -> LimitsOf:
        """Return a lookup of these customers' limits in force, which are read now.

        One request for each 100 customers.
        """

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Yield the versions that came into force before an instant, newest first.

        Nothing is read until the first is asked for; then one request for every few.
        """

    def decision_secret(self) -> bytes | None:
        """Return the secret that signs decision ids; None: none was made yet. One request until it is known."""

    def meters(self) -> Meters:
        """Return the catalog's meters. One request while its version has not changed."""
