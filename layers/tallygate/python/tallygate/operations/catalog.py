"""catalog: replace what the vendor declares, as a whole, and give it back.

Only what differs is written, with the catalog's version, in one transaction. Nothing that usage was already counted by
can change: see `domain.catalog`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.control_store import CatalogMoved, CatalogStore, PlansTaken, Replaced, StoredCatalog
from tallygate.domain.catalog import Catalog, Change, changes, forbidden, in_use_error
from tallygate.domain.instants import Instant
from tallygate.domain.versions import Expected, require
from tallygate.errors import Conflict, Contended, FieldError, InvalidRequest

TRIES_MAX = 3
CHANGES_MAX = 99
"""What one transaction of the store can write beside the catalog's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The catalog's version now, and what became different."""

    version: int
    changes: tuple[Change, ...]


def read_catalog(store: CatalogStore) -> StoredCatalog:
    """The catalog as it stands."""
    return store.read()


def declare_catalog(
    store: CatalogStore, wanted: Catalog, *, expected: Expected | None, dry_run: bool, now: Instant
) -> Declared:
    """Make the stored catalog the wanted one; a dry run only says what that would change.

    Raises PreconditionFailed where the caller expected another version, Conflict naming everything that is in use or
    immutable, InvalidRequest `too_many_changes`, Contended where others declare at the same time.
    """
    attempted: Declared | None = None
    for _ in range(TRIES_MAX):
        stored = store.read()
        if attempted is not None and attempted.version == stored.version and not changes(stored.catalog, wanted):
            # Its answer was lost and it was sent again: the second was refused by what the first had written.
            return attempted
        require(expected, stored.version)
        if errors := forbidden(stored.catalog, stored.former, wanted, stored.in_use):
            raise _conflict(errors)
        found = changes(stored.catalog, wanted)
        writes = sum(change.writes for change in found)
        if writes > CHANGES_MAX:
            raise InvalidRequest(
                f"this takes {writes} writes; one request makes at most {CHANGES_MAX}: declare it in steps",
                code="too_many_changes",
            )
        if dry_run or not found:
            return Declared(version=stored.version, changes=found)
        match store.replace(found, stored.version, now):
            case Replaced(version):
                return Declared(version=version, changes=found)
            case PlansTaken(plans):
                raise _conflict(tuple(in_use_error("/plans", plan, "cannot change or be removed") for plan in plans))
            case CatalogMoved():
                attempted = Declared(version=stored.version + 1, changes=found)
    raise Contended("the catalog was changed by others at every try")


def _conflict(errors: tuple[FieldError, ...]) -> Conflict:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Conflict(errors[0].detail + more, code=errors[0].code, errors=errors)
