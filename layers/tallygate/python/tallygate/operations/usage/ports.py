"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.rejections import Rejection
from tallygate.domain.usage.queries import UsageItem
from tallygate.operations.journal.ports import KeptRecord


class UsageStore(Protocol):
    """Reads for GET /v1/usage."""

    def usage(self, customer: str, meter: str, first_day: str, last_day: str) -> Iterable[UsageItem]:
        """Yield a meter's usage on these UTC days, in order. One request for each page."""

    def feature(self, feature: str) -> Feature | None:
        """Return the feature as the catalog has it; None: no such feature. One request."""

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """Return the feature's resets made in (since, until]: the cause of each, by the time at which it was effective.

        One request for each page.
        """

    def dimensions(self, meter: str) -> frozenset[str] | None:
        """Return the dimensions that the meter declares; None: no such meter. One request."""

    def knows_customer(self, customer: str) -> bool:
        """Return whether the customer exists. One request."""


class EventLogStore(Protocol):
    """Journals and rejections, newest first. Every method is at most one request; reads are consistent."""

    def knows_customer(self, customer: str) -> bool:
        """Return whether the customer exists."""

    def records_before(self, customer: str, before: int, *, limit: int) -> tuple[KeptRecord, ...]:
        """Return the newest journal records numbered less than `before`, newest first: at most `limit`, or one page."""

    def rejections_before(
        self, owner: str, before: str, *, limit: int
    ) -> tuple[tuple[tuple[str, Rejection], ...], bool]:
        """Return the newest rejections before a position, newest first, and whether there may be more.

        owner: "": rejections without a known customer

        Each rejection has its own position.
        """

    def rejections_upto(self, end: Instant) -> str:
        """Return the position after every rejection of the minutes up to the instant's minute."""
