"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """What was used before a change of plan. Reads are consistent and bounded; a bound that is met is said."""

    def cell(self, name: CellName) -> Cell:
        """The root cell. One request."""

    def totals(self, cell: CellName, ordinal: int, since: Instant, before: Instant) -> tuple[Total, ...] | None:
        """Totals of a quota's windows that begin in [since, before); None: too many. As many requests as pages."""

    def usage(self, customer: str, meter: str, since: Instant, before: Instant) -> tuple[UsageItem, ...] | None:
        """A meter's usage on the UTC days of [since, before); None: too many. As many requests as pages."""

    def records(self, customer: str, since: Instant) -> tuple[Record, ...] | None:
        """The journal's records made since an instant; None: too many. As many requests as pages."""

    def folded(self, cell: CellName) -> AppliedRevision:
        """How much of the feature's cell is folded. Two requests, or some more where other features were busy."""

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """The feature's manual resets made in (since, until], by when they were effective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRevision:
    """The newest revision of a cell that is journaled and applied, and its time; None: none is."""

    revision: int
    time: Instant | None


class VersionStore(Protocol):
    """Cells, as far as the version of the limits goes."""

    @property
    def past(self) -> PastUsageStore:
        """What was used before."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let the cell know the limits, and let usage follow that they say follows; the cell after it. Raises
        Contended."""

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits; creates it where it is absent. Repeating changes nothing."""


class LimitsStore(Protocol):
    """The limits in force."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Whether the catalog has the feature; asked only to explain a refusal."""


class RulesStore(Protocol):
    """What the fold resolves events by, consistent."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force; None: no such customer. One request."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Versions of them that came into force before an instant, the newest first. Nothing is read until the first is
        asked for; a request for every few."""

    def decision_secret(self) -> bytes | None:
        """The secret under which decision ids are signed; None: none was made yet. One request until it is known."""

    def meters(self) -> Meters:
        """The catalog's meters. One request while its version has not changed."""
