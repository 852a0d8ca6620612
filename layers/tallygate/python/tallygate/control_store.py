"""What the operations of the control plane ask of storage: the catalog, customers, API keys, the clock, probes.

The other half of `tallygate.store`, split off because both together would be too long to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.tier_suspensions import Lifting
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Catalog, Change, PlanId
from tallygate.domain.corrections.adjusting import CellAdjustment
from tallygate.domain.customers.api_keys import ApiKey, KeyTexts
from tallygate.domain.customers.customers import CustomerRecord
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import AdjustEntry
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.domain.facts.audits import Audit
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.usage.queries import UsageItem
from tallygate.store import Moves


@dataclass(frozen=True, slots=True)
class Applying:
    """A declaration that takes several transactions: a digest of what is declared, and the version that it began at."""

    digest: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCatalog:
    """The catalog at one version (0: nothing was ever declared), the plans that customers have had, and the meters and
    features that were once removed. `applying` is the declaration that it is on its way to, and did not reach yet."""

    version: int
    catalog: Catalog
    in_use: frozenset[PlanId]
    former: Catalog
    applying: Applying | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The catalog was changed; it has this version now, and the first `done` of the changes."""

    version: int
    done: int


@dataclass(frozen=True, slots=True)
class CatalogMoved:
    """Nothing was changed: the catalog has another version than the one that was seen."""


@dataclass(frozen=True, slots=True)
class PlansTaken:
    """Nothing was changed: these plans came to be in use meanwhile."""

    plans: tuple[PlanId, ...]


BesideStep = Callable[[Sequence[Change], int], Moves]
"""What goes into the transaction beside the changes that it makes, by the catalog's version after it."""


class CatalogStore(Protocol):
    """The catalog, read and replaced as a whole."""

    def read(self) -> StoredCatalog:
        """The whole catalog, consistent and of one version. Raises Contended where it changes all the time."""

    def replace(
        self, changes: tuple[Change, ...], seen: int, applying: Applying, now: Instant, beside: BesideStep | None = None
    ) -> Replaced | CatalogMoved | PlansTaken:
        """Make as many of the changes, from the first on, as one transaction takes, to the version that was seen.

        `beside` makes what the transaction adds to each step. Atomic. Where some are left, the catalog
        says what is being applied; with the last it says so no longer.
        """

    def customers(self) -> Mapping[PlanId, int]:
        """How many customers have each plan version now. One request for each MB of counters."""


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

    def folded(self, cell: CellName) -> Folded:
        """How much of the feature's cell is folded. Two requests, or some more where other features were busy."""

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """The feature's manual resets made in (since, until], by when they were effective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
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


@dataclass(frozen=True, slots=True)
class Saved:
    """The customer was written."""


@dataclass(frozen=True, slots=True)
class CustomerMoved:
    """Nothing was written: the customer, or the plan's mark, is not what was seen; read again."""


@dataclass(frozen=True, slots=True)
class SubjectsTaken:
    """Nothing was written: these subject keys belong to other customers."""

    subject_keys: tuple[str, ...]


class CustomerStore(Protocol):
    """Customers with their subscriptions and limits in force."""

    def customer(self, customer: str) -> CustomerRecord | None:
        """The customer, consistent. A save that is based on it is refused if any part of it has changed since."""

    def save(
        self,
        seen: CustomerRecord | None,
        wanted: CustomerRecord,
        marks: Sequence[PlanId],
        *,
        catalog: int,
        beside: Moves = (),
    ) -> Saved | CustomerMoved | SubjectsTaken:
        """Write what differs, claim and give up subject keys, mark the plans in use, and make the moves `beside`: all
        or none, in one transaction.

        Refused where a plan to be marked is not the one that the catalog had at the version `catalog`.
        """

    def change(self, seen: CustomerRecord, wanted: CustomerRecord) -> Moves:
        """The writes of a change that claims no subject key, and takes no plan but one that has become due, which is in
        use already; refused unless it is as it was seen."""


class CellControlStore(Protocol):
    """Cells, as far as operators reach into them."""

    def resume(self, cell: CellName, found: Lifting, entry: ResumeEntry, now: Instant) -> Moves:
        """The write that lifts suspensions in the root cell, and waives; refused where one of them has moved."""

    def read(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def adjust(self, cell: CellName, found: CellAdjustment, entry: AdjustEntry) -> Moves:
        """The write that adjusts a window, and opens it where it is not; refused where what was seen has moved."""


class LimitsStore(Protocol):
    """The limits in force."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Whether the catalog has the feature; asked only to explain a refusal."""


class AdjustmentStore(Protocol):
    """Adjustments, as they are listed."""

    def record(self, adjustment: Adjustment) -> Moves:
        """The writes that keep an adjustment; refused where its id is taken."""

    def page(
        self, customer: str, feature: str | None, *, after: str | None, limit: int
    ) -> tuple[tuple[Adjustment, ...], str | None]:
        """Some adjustments of a customer (and feature), the newest first, and where to go on. One request."""


class AuditStore(Protocol):
    """The audit trail."""

    def record(self, audit: Audit) -> Moves:
        """The write that adds an entry; refused where its id is taken."""

    def page(self, customer: str | None, *, after: str | None, limit: int) -> tuple[tuple[Audit, ...], str | None]:
        """Some entries of a customer (None: the stack's own), the newest first, and where to go on. One request."""


class KeyStore(Protocol):
    """API keys."""

    def create(self, key: ApiKey, digest: str) -> Moves:
        """The writes that add a key; refused where its id or digest is taken."""

    def key(self, key_id: str) -> KeyTexts | None:
        """The key and the digests of its texts, consistent, with the last use of each. One request for the key and one
        for each text."""

    def rotate(self, seen: KeyTexts, wanted: KeyTexts) -> Moves:
        """The writes that make other texts valid for a key; refused where its texts are not as they were seen."""

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
        """Some keys in order of their ids, each with its last use, and where to go on.

        One request for the list and one for each text.
        """

    def delete(self, seen: KeyTexts, *, beside: Moves = ()) -> bool:
        """Remove a key with all its texts, and make the moves `beside`; False: its texts are not as they were seen."""


class ClockStore(Protocol):
    """The test clock."""

    def frozen_at(self) -> Instant | None:
        """The instant at which time stands still; None: it does not. One consistent read."""

    def move(self, seen: Instant | None, to: Instant | None) -> Moves:
        """The write that moves the clock (None: back to real time), refused unless it stands where it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldLag:
    """What a probe found: milliseconds from a write to the stream's reader (None: too many), and when it was sent."""

    lag_ms: int | None
    as_of: Instant


class ProbeStore(Protocol):
    """Probes: items that the stream's reader marks when it comes past them; and the newest result of one."""

    def send(self, probe: str, now: Instant) -> None:
        """Put a probe into the stream. One request."""

    def seen(self, probe: str) -> bool:
        """Whether the stream's reader has come past the probe, consistent. One request."""

    def drop(self, probe: str) -> None:
        """Remove a probe. One request."""

    def result(self) -> FoldLag | None:
        """What the newest probe found, consistent; None: there was none yet. One request."""

    def claim_result(self, wall: Instant, *, over: Instant) -> bool:
        """Whether the caller is the one who measures now: nobody has begun to after `over`. One request."""

    def keep_result(self, found: FoldLag) -> None:
        """Keep what was found, for whoever asks next. One request."""
