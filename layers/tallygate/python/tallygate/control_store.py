"""What the operations of the control plane ask of storage: the catalog, customers, API keys, the clock, probes.

The other half of `tallygate.store`, split off because both together would be too long to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tallygate.domain.catalog import Catalog, Change, PlanId
from tallygate.domain.customers import CustomerRecord
from tallygate.domain.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCatalog:
    """The catalog at one version (0: nothing was ever declared), and the plans that customers have had."""

    version: int
    catalog: Catalog
    in_use: frozenset[PlanId]


@dataclass(frozen=True, slots=True)
class Replaced:
    """The catalog was changed; it has this version now."""

    version: int


@dataclass(frozen=True, slots=True)
class CatalogMoved:
    """Nothing was changed: the catalog has another version than the one that was seen."""


@dataclass(frozen=True, slots=True)
class PlansTaken:
    """Nothing was changed: these plans came to be in use meanwhile."""

    plans: tuple[PlanId, ...]


class CatalogStore(Protocol):
    """The catalog, read and replaced as a whole."""

    def read(self) -> StoredCatalog:
        """The whole catalog, consistent and of one version. Raises Contended where it changes all the time."""

    def replace(self, changes: tuple[Change, ...], seen: int, now: Instant) -> Replaced | CatalogMoved | PlansTaken:
        """Make the changes to the version that was seen, all or none, in one transaction."""


class VersionStore(Protocol):
    """Cells, as far as the version of the limits goes."""

    def raise_version(self, customer: str, feature: str, version: int, now: Instant) -> None:
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
        self, seen: CustomerRecord | None, wanted: CustomerRecord, mark: PlanId | None
    ) -> Saved | CustomerMoved | SubjectsTaken:
        """Write what differs, claim and give up subject keys, mark the plan in use: all or none, in one transaction."""
