"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Catalog, CatalogChange, PlanId
from tallygate.domain.facts.audits import Audit
from tallygate.operations.base.ports import Moves


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


BesideStep = Callable[[Sequence[CatalogChange], int], Moves]
"""What goes into the transaction beside the changes that it makes, by the catalog's version after it."""


class CatalogStore(Protocol):
    """The catalog, read and replaced as a whole."""

    def read(self) -> StoredCatalog:
        """The whole catalog, consistent and of one version. Raises Contended where it changes all the time."""

    def replace(
        self,
        changes: tuple[CatalogChange, ...],
        seen: int,
        applying: Applying,
        now: Instant,
        beside: BesideStep | None = None,
    ) -> Replaced | CatalogMoved | PlansTaken:
        """Make as many of the changes, from the first on, as one transaction takes, to the version that was seen.

        `beside` makes what the transaction adds to each step. Atomic. Where some are left, the catalog
        says what is being applied; with the last it says so no longer.
        """

    def customers(self) -> Mapping[PlanId, int]:
        """How many customers have each plan version now. One request for each MB of counters."""


class AuditTrail(Protocol):
    """The audit trail, as far as a declaration adds to it."""

    def record(self, audit: Audit) -> Moves:
        """The write that adds an entry; refused where its id is taken."""
