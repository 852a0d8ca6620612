"""catalog: reads the vendor's catalog, and replaces it as a whole.

    read ──> changes (pure, in order) ──> transaction ──> transaction ──> … HEAD without a mark: applied
                                            └── crashed: the same PUT continues from the stored state

Only differences are written. Every transaction raises the catalog's version. One transaction holds up to 99 writes.
Where more are needed, HEAD keeps a mark of the declaration until the last transaction. In between, the catalog is
neither the old nor the new one, but consistent: every entry that another one refers to exists. Rules by which usage was
already counted cannot change: see `domain.catalog.catalog`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import (
    Catalog,
    CatalogChange,
    ExpectedVersion,
    PlanId,
    changes,
    forbidden,
    in_use_error,
    name_of,
    require,
    touched,
)
from tallygate.domain.catalog.forms import as_json, catalog_form
from tallygate.domain.facts.audits import CATALOG_CHANGED, Author
from tallygate.errors import Conflict, Contended, FieldError
from tallygate.operations.base.ports import Moves
from tallygate.operations.catalog.ports import (
    Applying,
    AuditTrail,
    BesideStep,
    CatalogMoved,
    CatalogStore,
    PlansTaken,
    StoredCatalog,
)

TRIES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The catalog's version now, and the changes.

    concerned: the number of customers that each change touches
    customers: the number of customers that any change touches
    resumed: an earlier call with the same catalog had begun
    """

    version: int
    changes: tuple[CatalogChange, ...] = ()
    concerned: tuple[int, ...] = ()
    customers: int = 0
    resumed: bool = False


def read_catalog(store: CatalogStore) -> StoredCatalog:
    """Return the stored catalog."""
    return store.read()


def declare_catalog(
    store: CatalogStore,
    wanted: Catalog,
    *,
    expected: ExpectedVersion | None,
    dry_run: bool,
    now: Instant,
    by: Author | None = None,
    audits: AuditTrail | None = None,
) -> Declared:
    """Make the stored catalog the wanted one.

    dry_run: only return the changes
    by: the author for the audit trail, used if `audits` is given too

    Raises PreconditionFailed where the caller expected another version, Conflict with everything that is in use or
    immutable, and Contended where others declare at the same time.

    An error between two transactions leaves a consistent catalog. The same call then continues from it, even with the
    version that was expected when it began.
    """
    digest = _digest(wanted)
    attempted: Declared | None = None
    for _ in range(TRIES_MAX):
        stored = store.read()
        if attempted is not None and attempted.version == stored.version and not changes(stored.catalog, wanted):
            # The answer of the write was lost and the write was sent again. The second was refused by what the first
            # had written.
            return attempted
        going_on = stored.applying is not None and stored.applying.digest == digest
        began = stored.applying.since if stored.applying is not None and going_on else stored.version
        require(expected, began if expected is not None and began in (expected.versions or ()) else stored.version)
        if errors := forbidden(stored.catalog, stored.former, wanted, stored.in_use):
            raise _conflict(errors)
        found = changes(stored.catalog, wanted)
        planned = _concerning(store, stored, wanted, found, resumed=going_on)
        if dry_run or not found:
            return planned
        version, left = stored.version, found
        while left:
            outcome = store.replace(left, version, Applying(digest, began), now, beside=_beside(by, audits))
            if isinstance(outcome, PlansTaken):
                taken = outcome.plans
                raise _conflict(tuple(in_use_error("/plans", plan, "cannot change or be removed") for plan in taken))
            if isinstance(outcome, CatalogMoved):
                attempted = replace(planned, version=version + 1)
                break
            version, left = outcome.version, left[outcome.done :]
        else:
            return replace(planned, version=version)
    raise Contended("other writers changed the catalog during every try")


def _beside(by: Author | None, audits: AuditTrail | None) -> BesideStep | None:
    """Return the audit step: each transaction writes its own audit entry, so a crash leaves no change unaudited."""
    if by is None or audits is None:
        return None

    def audit(made: Sequence[CatalogChange], version: int) -> Moves:
        named = [{"action": change.action, **name_of(change.entry)} for change in made]
        step = replace(by, id=f"{by.id}.{version}")
        return audits.record(step.entry(CATALOG_CHANGED, {"version": version, "changes": named}, after=None))

    return audit


def _concerning(
    store: CatalogStore, stored: StoredCatalog, wanted: Catalog, found: tuple[CatalogChange, ...], *, resumed: bool
) -> Declared:
    """Return the changes with the number of customers that each touches.

    A customer has one plan, so the sum over plans counts no customer twice.
    """
    plans = [touched(stored.catalog, wanted, change) for change in found]
    having = store.customers() if any(plans) else {}
    return Declared(
        version=stored.version,
        changes=found,
        concerned=tuple(sum(having.get(plan, 0) for plan in each) for each in plans),
        customers=sum(having.get(plan, 0) for plan in frozenset[PlanId]().union(*plans)),
        resumed=resumed,
    )


def _digest(catalog: Catalog) -> str:
    """A digest that identifies a declaration.

    It depends on the order of entries, although the stored catalog does not.
    """
    text = json.dumps(as_json(catalog_form(catalog)), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _conflict(errors: tuple[FieldError, ...]) -> Conflict:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Conflict(errors[0].detail + more, code=errors[0].code, errors=errors)
