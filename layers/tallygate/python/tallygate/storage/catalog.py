"""The catalog's items: one for each meter, feature and plan version, and HEAD, which counts the catalog's versions.

    CATALOG  METER#key · FEATURE#key · PLAN#key#version   form (JSON), since (the catalog's version that brought it),
                                                          in_use (a plan that customers have had)
             HEAD                                         version, changed_at
             FORMER#METER#key · FORMER#FEATURE#key        form of what was removed, lest it comes back otherwise

A change is one transaction of the entries that differ and HEAD, conditional on the version that it was planned on. A
plan is marked in use by the transaction that gives it to a customer, and replacing or removing it requires that it is
not: whichever of the two comes first, the other is refused. The mark is refused as well where the plan is newer than
the catalog that its customer's limits were compiled from.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tallygate.control_store import CatalogMoved, PlansTaken, Replaced, StoredCatalog
from tallygate.domain import catalog_forms as forms
from tallygate.domain.catalog import Catalog, Change, Entry, Feature, Plan, PlanId
from tallygate.domain.instants import Instant
from tallygate.domain.meters import Meter
from tallygate.errors import Contended
from tallygate.storage import items, keys
from tallygate.storage.engine import TRANSACTION_WRITES_MAX, Committed, Delete, Engine, Key, Put, Update, Write
from tallygate.storage.expressions import Absent, All, Compare, Condition, Item, Present, Set, absent_or

CHANGES_MAX = TRANSACTION_WRITES_MAX - 1
"""The rest of the transaction is HEAD."""
READS_MAX = 3
FORM, SINCE, VERSION, IN_USE = "form", "since", "version", "in_use"


class Catalogs:
    """Reads and replaces the catalog."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> StoredCatalog:
        """The whole catalog, consistent and of one version: it is read again where it changed meanwhile.

        Raises Contended after READS_MAX. One query and two reads; more queries beyond 1 MB.
        """
        for _ in range(READS_MAX):
            before = self._version()
            held = self._items()
            if self._version() == before:
                return _stored(before, held)
        raise Contended("the catalog changed while it was read")

    def replace(self, changes: tuple[Change, ...], seen: int, now: Instant) -> Replaced | CatalogMoved | PlansTaken:
        """Make the changes (at most CHANGES_MAX writes) to the version that was seen: all or none, one transaction."""
        assert 0 < sum(change.writes for change in changes) <= CHANGES_MAX
        head = Put(
            key=keys.CATALOG_HEAD,
            item={VERSION: seen + 1, "changed_at": now},
            condition=Absent(VERSION) if seen == 0 else Compare(VERSION, "=", seen),
        )
        writes = [_write(change, seen + 1) for change in changes]
        kept = [_former(change.entry) for change in changes if change.writes > 1]
        outcome = self._engine.transact((head, *writes, *kept), repeatable=True)
        if isinstance(outcome, Committed):
            return Replaced(seen + 1)
        if outcome.refused[0]:
            return CatalogMoved()
        refused = [change.entry for change, bad in zip(changes, outcome.refused[1:], strict=False) if bad]
        return PlansTaken(tuple(plan.id for plan in refused if isinstance(plan, Plan)))

    def _version(self) -> int:
        return items.integer(self._engine.get(keys.CATALOG_HEAD) or {}, VERSION, 0)

    def _items(self) -> list[Item]:
        held: list[Item] = []
        after: str | None = None
        while True:
            page = self._engine.query(keys.CATALOG_PARTITION, after=after, consistent=True)
            held += page.items
            after = page.next_after
            if after is None:
                return held


def key_of(entry: Entry) -> Key:
    """Where an entry is stored."""
    match entry:
        case Meter():
            return keys.catalog_meter(entry.key)
        case Feature():
            return keys.catalog_feature(entry.key)
        case Plan():
            return keys.catalog_plan(entry.key, entry.version)


def mark_in_use(plan: PlanId, read_at: int) -> Update:
    """The write, in the transaction that gives the plan to a customer, by which it becomes immutable.

    Refused where there is no such plan, or another than the catalog had at the version `read_at`.
    """
    as_read = All((Present(FORM), absent_or(Compare(SINCE, "<=", read_at))))
    return Update(key=keys.catalog_plan(*plan), changes=(Set(IN_USE, True),), condition=as_read)


def _write(change: Change, version: int) -> Write:
    key = key_of(change.entry)
    condition: Condition | None = Absent(IN_USE) if isinstance(change.entry, Plan) else None
    if change.action == "removed":
        return Delete(key=key, condition=condition)
    form = items.bounded(items.compact(_form(change.entry)), f"{key.sk.partition('#')[0].lower()} {change.entry.key}")
    return Put(key=key, item={FORM: form, SINCE: version}, condition=condition)


def _former(entry: Entry) -> Put:
    """What remains of an entry that is removed: what usage was counted by."""
    return Put(key=keys.former(key_of(entry)), item={FORM: items.compact(_form(entry))})


def _form(entry: Entry) -> forms.Form:
    match entry:
        case Meter():
            return forms.meter_form(entry)
        case Feature():
            return forms.feature_form(entry)
        case Plan():
            return forms.plan_form(entry)


def _stored(version: int, held: list[Item]) -> StoredCatalog:
    plans = _of_kind(held, "PLAN#")
    return StoredCatalog(
        version=version,
        catalog=Catalog(
            meters=tuple(forms.meter_of(_read(item)) for item in _of_kind(held, "METER#")),
            features=tuple(forms.feature_of(_read(item)) for item in _of_kind(held, "FEATURE#")),
            plans=tuple(forms.plan_of(_read(item)) for item in plans),
        ),
        in_use=frozenset(forms.plan_of(_read(item)).id for item in plans if IN_USE in item),
        former=Catalog(
            meters=tuple(forms.meter_of(_read(item)) for item in _of_kind(held, "FORMER#METER#")),
            features=tuple(forms.feature_of(_read(item)) for item in _of_kind(held, "FORMER#FEATURE#")),
        ),
    )


def _of_kind(held: list[Item], prefix: str) -> list[Item]:
    return [item for item in held if items.text(item, "sk").startswith(prefix)]


def _read(item: Item) -> Any:
    return json.loads(items.text(item, FORM), parse_float=Decimal)
