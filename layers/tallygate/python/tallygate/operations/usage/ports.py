"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

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
    """What GET /v1/usage reads."""

    def usage(self, customer: str, meter: str, first_day: str, last_day: str) -> Iterable[UsageItem]:
        """A meter's usage on these UTC days, in order. As many requests as there are pages."""

    def feature(self, feature: str) -> Feature | None:
        """The feature as the catalog has it; None: no such feature. One request."""

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """The feature's resets that were made in (since, until], by when they were effective, and what by. As many
        requests as there are pages."""

    def dimensions(self, meter: str) -> frozenset[str] | None:
        """The dimensions that the meter declares; None: there is no such meter. One request."""

    def knows_customer(self, customer: str) -> bool:
        """Whether the customer exists. One request."""


class EventLogStore(Protocol):
    """Journals and rejections, backwards. Every method is one request at most; reads are consistent."""

    def knows_customer(self, customer: str) -> bool:
        """Whether the customer exists."""

    def records_before(self, customer: str, before: int, *, limit: int) -> tuple[KeptRecord, ...]:
        """The newest journal records numbered less than `before`, the newest first; at most so many, or a page."""

    def rejections_before(
        self, owner: str, before: str, *, limit: int
    ) -> tuple[tuple[tuple[str, Rejection], ...], bool]:
        """The newest rejections before a position, the newest first, each with its own, and whether there may be more.

        `owner` "": rejections without a known customer.
        """

    def rejections_upto(self, end: Instant) -> str:
        """The position after every rejection of the minutes up to the one that holds the instant."""
