"""Ports: the storage interface of this room's operations, and the values that storage returns."""

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
    """A declaration that takes several transactions.

    digest: identifies the declared catalog
    since: the catalog's version when the declaration began
    """

    digest: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCatalog:
    """The catalog at one version.

    version: 0: no catalog was ever declared
    in_use: plan versions that customers have or had
    former: meters and features that were removed
    applying: the declaration that is only partly applied; None: there is none
    """

    version: int
    catalog: Catalog
    in_use: frozenset[PlanId]
    former: Catalog
    applying: Applying | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The catalog was changed.

    version: the catalog's version now
    done: how many of the changes were applied, from the first on
    """

    version: int
    done: int


@dataclass(frozen=True, slots=True)
class CatalogMoved:
    """Nothing was changed: the catalog no longer has the version that was seen."""


@dataclass(frozen=True, slots=True)
class PlansTaken:
    """Nothing was changed: these plans came into use meanwhile."""

    plans: tuple[PlanId, ...]


BesideStep = Callable[[Sequence[CatalogChange], int], Moves]
"""Returns the writes that join a transaction, from its changes and the catalog's version after it."""


class CatalogStore(Protocol):
    """The catalog, read and replaced as a whole."""

    def read(self) -> StoredCatalog:
        """Return the whole catalog at one version, read consistently.

        Raises Contended where it changes during every try.
        """

    def replace(
        self,
        changes: tuple[CatalogChange, ...],
        seen: int,
        applying: Applying,
        now: Instant,
        beside: BesideStep | None = None,
    ) -> Replaced | CatalogMoved | PlansTaken:
        """Apply as many changes, from the first on, as one transaction takes. Atomic.

        seen: the version that the changes are based on
        applying: stored with the catalog while changes are left, removed with the last one
        beside: returns further writes for the transaction
        """

    def customers(self) -> Mapping[PlanId, int]:
        """Return the number of customers of each plan version. One request for each MB of counters."""


class AuditTrail(Protocol):
    """The audit trail of declarations."""

    def record(self, audit: Audit) -> Moves:
        """Return the write that adds an entry. It is refused where its id is taken."""
