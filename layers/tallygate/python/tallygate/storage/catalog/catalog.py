"""The catalog's items: one for each meter, feature and plan version, the settings, and HEAD with the version.

    CATALOG  METER#key · FEATURE#key · PLAN#key#version   form (JSON), since (the catalog's version that brought it),
                                                          in_use (a plan that customers have had)
             SETTINGS                                     form (JSON), since; absent: the defaults
             HEAD                                         version, changed_at, applying (digest and first version of
                                                          a declaration that is only partly applied)
             CUSTOMERS#plan#version#shard                 plan, plan_version, n: customers that have it now
             FORMER#METER#key · FORMER#FEATURE#key        form of a removed entry, which must not return changed

A change is one transaction of the differing entries and HEAD, conditional on the version that it was planned on.
Further entries go into the next transactions, in an order in which every entry refers only to existing entries.

A plan is marked in use by the transaction that gives it to a customer. Replacing or removing a plan requires that it is
not marked. So of two such writes the later one is refused. The mark is refused too if the plan is newer than the
catalog that the customer's limits were compiled from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog import forms
from tallygate.domain.catalog.catalog import Catalog, CatalogChange, CatalogEntry, Feature, Plan, PlanId
from tallygate.domain.metering.meters import Meter
from tallygate.domain.metering.settings import Settings, settings_form, settings_of
from tallygate.errors import Contended
from tallygate.operations.catalog.ports import (
    Applying,
    BesideStep,
    CatalogMoved,
    PlansTaken,
    Replaced,
    StoredCatalog,
)
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import (
    TRANSACTION_WRITES_MAX,
    Committed,
    Delete,
    Engine,
    Key,
    Put,
    Update,
    Write,
    each_item,
)
from tallygate.storage.base.expressions import Absent, All, Compare, Condition, Increase, Item, Present, Set, absent_or
from tallygate.storage.base.receipts import writes_of

CHANGES_MAX = TRANSACTION_WRITES_MAX - 2
"""The remaining writes of a transaction are HEAD and the audit entry."""
STEP_BYTES_MAX = 3_000_000
"""A transaction holds at most 4 MB, including keys and names."""
READS_MAX = 6
APPLYING = "applying"
SETTINGS = keys.CATALOG_SETTINGS.sk
FORM, SINCE, VERSION, IN_USE, COUNT = "form", "since", "version", "in_use", "n"


class Catalogs:
    """Reads and replaces the catalog."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> StoredCatalog:
        """Return the whole catalog at one version, read consistently. It is read again if it changed meanwhile.

        Raises Contended after READS_MAX. One query and two reads; more queries beyond 1 MB.
        """
        for _ in range(READS_MAX):
            before = self._engine.get(keys.CATALOG_HEAD)
            held = list(each_item(self._engine, keys.CATALOG_PARTITION, after=keys.BEFORE_CATALOG, consistent=True))
            if self._engine.get(keys.CATALOG_HEAD) == before:
                return _stored(before or {}, held)
        raise Contended("the catalog changed while it was read")

    def replace(
        self,
        changes: tuple[CatalogChange, ...],
        seen: int,
        applying: Applying,
        now: Instant,
        beside: BesideStep | None = None,
    ) -> Replaced | CatalogMoved | PlansTaken:
        """Apply as many changes, from the first on, as one transaction takes. Atomic.

        While changes are left, HEAD names the declaration that is being applied. The last transaction removes that.
        """
        writes = [_write(change, seen + 1) for change in changes]
        done = _step(changes, writes)
        head: Item = {VERSION: seen + 1, "changed_at": now}
        if done < len(changes):
            head[APPLYING] = compact([applying.digest, applying.since])
        first = Put(
            key=keys.CATALOG_HEAD,
            item=head,
            condition=Absent(VERSION) if seen == 0 else Compare(VERSION, "=", seen),
        )
        kept = [_former(change.entry) for change in changes[:done] if change.writes > 1]
        audits = writes_of(beside(changes[:done], seen + 1)) if beside is not None else ()
        outcome = self._engine.transact((first, *writes[:done], *kept, *audits), repeatable=True)
        if isinstance(outcome, Committed):
            return Replaced(seen + 1, done)
        if outcome.refused[0]:
            return CatalogMoved()
        refused = [change.entry for change, bad in zip(changes[:done], outcome.refused[1:], strict=False) if bad]
        return PlansTaken(tuple(plan.id for plan in refused if isinstance(plan, Plan)))

    def customers(self) -> Mapping[PlanId, int]:
        found: Counter[PlanId] = Counter()
        for item in each_item(self._engine, keys.CATALOG_PARTITION, prefix=keys.PLAN_CUSTOMERS, consistent=True):
            found[items.text(item, "plan"), items.integer(item, "plan_version")] += items.integer(item, COUNT)
        return found


def key_of(entry: CatalogEntry) -> Key:
    """Return the key of an entry."""
    match entry:
        case Settings():
            return keys.CATALOG_SETTINGS
        case Meter():
            return keys.catalog_meter(entry.key)
        case Feature():
            return keys.catalog_feature(entry.key)
        case Plan():
            return keys.catalog_plan(entry.key, entry.version)


def mark_in_use(plan: PlanId, read_at: int) -> Update:
    """Return the write that makes a plan immutable, for the transaction that gives it to a customer.

    It is refused if there is no such plan, or the plan is newer than the catalog's version `read_at`.
    """
    as_read = All((Present(FORM), absent_or(Compare(SINCE, "<=", read_at))))
    return Update(key=keys.catalog_plan(*plan), changes=(Set(IN_USE, True),), condition=as_read)


def count_customer(plan: PlanId, customer: str, by: int) -> Update:
    """Return the write that counts a plan's customers, for the transaction that gives or takes the plan."""
    named = (Set("plan", plan[0]), Set("plan_version", plan[1]))
    return Update(key=keys.plan_customers(*plan, customer), changes=(*named, Increase(COUNT, by)))


def _step(changes: tuple[CatalogChange, ...], writes: list[Write]) -> int:
    """Return how many of the changes, from the first on, fit one transaction."""
    count = size = 0
    for index, (change, write) in enumerate(zip(changes, writes, strict=True)):
        count += change.writes
        size += len(str(write.item[FORM]).encode()) if isinstance(write, Put) else 0
        if index and (count > CHANGES_MAX or size > STEP_BYTES_MAX):
            return index
    return len(changes)


def _write(change: CatalogChange, version: int) -> Write:
    key = key_of(change.entry)
    condition: Condition | None = Absent(IN_USE) if isinstance(change.entry, Plan) else None
    if change.action == "removed":
        return Delete(key=key, condition=condition)
    form = items.bounded(compact(_form(change.entry)), f"{key.sk.partition('#')[0].lower()} {change.entry.key}")
    return Put(key=key, item={FORM: form, SINCE: version}, condition=condition)


def _former(entry: CatalogEntry) -> Put:
    """Return the write that keeps a removed entry: the rule by which usage was counted."""
    return Put(key=keys.former(key_of(entry)), item={FORM: compact(_form(entry))})


def _form(entry: CatalogEntry) -> forms.Form:
    match entry:
        case Settings():
            return dict(settings_form(entry))
        case Meter():
            return forms.meter_form(entry)
        case Feature():
            return forms.feature_form(entry)
        case Plan():
            return forms.plan_form(entry)


def _stored(head: Item, held: list[Item]) -> StoredCatalog:
    plans = _of_kind(held, "PLAN#")
    applying = Applying(*json.loads(items.text(head, APPLYING))) if APPLYING in head else None
    return StoredCatalog(
        version=items.integer(head, VERSION, 0),
        applying=applying,
        catalog=Catalog(
            meters=tuple(forms.meter_of(_read(item)) for item in _of_kind(held, "METER#")),
            features=tuple(forms.feature_of(_read(item)) for item in _of_kind(held, "FEATURE#")),
            plans=tuple(forms.plan_of(_read(item)) for item in plans),
            settings=next((settings_of(_read(item)) for item in _of_kind(held, SETTINGS)), Settings()),
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
    return read_document(items.text(item, FORM))
