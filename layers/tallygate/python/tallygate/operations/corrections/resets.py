"""usage resets: an operator sets a feature's usage to zero for enforcement. Billing is unaffected.

    limits in force, cell ──────────────> all usage until now                  ──┐ one transaction: the cell, the audit
    … and, as of an earlier instant,                                             ├ entry, the receipt
    totals less the journal since then ─> usage decided before that instant    ──┘

A reset acts at the very next decision, because it is written into the cell, which decides. Whatever raised the limit
stays too: carryover and adjustments. Decisions between the read and the write stay counted. If a settlement or another
reset comes between, the reset is planned again. A later settlement of an excluded decision corrects only the billed
usage (`domain.entries.reset_marks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.corrections.resets import (
    RESET,
    Made,
    ResetRequest,
    Running,
    WindowReset,
    resets,
    rolls,
    running,
    used_before,
    used_in,
)
from tallygate.domain.corrections.settlements import SETTLED_WITHIN
from tallygate.domain.customers.customers import CustomerRecord
from tallygate.domain.customers.subscriptions import begins
from tallygate.domain.entries.kind import CellKind
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import ResetEntry, Taken
from tallygate.domain.facts.audits import Audit
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.metering.lateness import FUTURE_MAX
from tallygate.errors import Contended, InvalidRequest, StoreUnavailable, invalid
from tallygate.operations.admission.entitlements import metered
from tallygate.operations.base.ports import Moves
from tallygate.operations.base.receipts import Planned
from tallygate.operations.corrections.ports import ResettableCell, UsageResetStore
from tallygate.operations.facts.ports import AuditStore
from tallygate.operations.journal.find_decision import CLOCKS_APART
from tallygate.operations.journal.ports import KeptRecord
from tallygate.operations.limits.ports import LimitsStore

READ_MAX = 1_000
"""The most journal records that are read back: about a quarter of an hour's, for a customer that is never idle."""
PAGE = 100
DONE = 200
WITH_PLAN = "plan change"
WITH_PLAN_MAX = 85
"""The most cells that fit one transaction beside the customer and the audit entry."""
Beside = Callable[[CustomerRecord | None, CustomerRecord], Moves]
"""Returns the writes that join the transaction of a change, from the customer before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that a reset reads and writes."""

    limits: LimitsStore
    cells: UsageResetStore
    audits: AuditStore


Form = Callable[[Made], dict[str, Any]]
"""Returns the wire form of a reset."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The usage to exclude.

    upto: the cell's revision up to which the usage was counted
    """

    windows: tuple[WindowReset, ...]
    upto: int


def reset_usage(stores: Stores, asked: ResetRequest, form: Form, *, now: Instant) -> Planned:
    """Plan to exclude the feature's usage in its current windows from enforcement. Without usage, nothing changes.

    Raises NotFound, InvalidRequest at the feature or at effective_at, and StoreUnavailable `not_folded` where the usage
    is not journaled and aggregated yet.
    """
    _, entitlement = metered(stores.limits, asked.customer, asked.feature, now=now)
    if entitlement.merge is not Merge.ADD:
        raise invalid(
            "/feature", "not_resettable", "has a meter whose values do not add up, so no usage can be removed"
        )
    cell = CellName(asked.customer, asked.feature)
    look = stores.cells.look(cell)
    if look.cell.followings < entitlement.followings:
        raise Contended("the plan is being changed at this moment")
    windows = running(entitlement, look.cell, now)
    at = _effective_at(asked, windows, now)
    if at == now:
        upto = look.cell.revision
        found = _Found(resets(windows, look.cell, upto=upto, carry_overage=asked.carry_overage), upto)
    else:
        found = _as_of(stores.cells, asked, at, windows, look, now)
    made = Made(asked=asked, effective_at=at, windows=found.windows, left=rolls(entitlement))
    body = form(made)
    if not found.windows:
        return Planned(moves=(), body={**body, "changed": False, "audit_id": None}, status=DONE)
    entry = _entry(
        found.windows, entitlement, reset_id=asked.id, at=at, actor=asked.actor, reason=asked.reason, now=now
    )
    moves = (
        *stores.cells.exclude(cell, found.windows, upto=found.upto, entry=entry),
        *stores.audits.record(_audit(made, body, now)),
    )
    return Planned(moves=moves, body={**body, "changed": True, "audit_id": asked.id}, status=DONE)


def with_plan(store: UsageResetStore, *, reset_id: str, actor: str, now: Instant) -> Beside:
    """Return the writes that reset usage together with a plan that begins now.

    They reset every metered feature of the plan, in the transaction of the change. So a repeated request, which changes
    nothing, resets nothing.
    """

    def moves(before: CustomerRecord | None, after: CustomerRecord) -> Moves:
        if not begins(before, after):
            return ()
        found: list[object] = []
        for entitlement in after.effective.entitlements.values():
            name = CellName(after.customer.id, entitlement.feature)
            cell = store.look(name).cell
            taken = resets(running(entitlement, cell, now), cell, upto=cell.revision, carry_overage=False)
            if taken:
                entry = _entry(taken, entitlement, reset_id=reset_id, at=now, actor=actor, now=now)
                found += store.exclude(name, taken, upto=cell.revision, entry=entry)
        if len(found) > WITH_PLAN_MAX:
            raise invalid("/usage", "too_many", f"more than {WITH_PLAN_MAX} features are in use: reset them one by one")
        return tuple(found)

    return moves


def _entry(
    taken: Sequence[WindowReset],
    entitlement: Entitlement,
    *,
    reset_id: str,
    at: Instant,
    actor: str,
    now: Instant,
    reason: str = WITH_PLAN,
) -> ResetEntry:
    return ResetEntry(
        id=reset_id,
        feature=entitlement.feature,
        meter=entitlement.meter,
        time=now,
        effective_at=at,
        taken=tuple(
            Taken(each.running.window, each.amount - each.followed_taken, each.followed_taken) for each in taken
        ),
        actor=actor,
        reason=reason,
    )


def _effective_at(asked: ResetRequest, windows: Sequence[Running], now: Instant) -> Instant:
    at = asked.effective_at if asked.effective_at is not None else now
    if at > now:
        raise invalid("/effective_at", "out_of_range", "must not be in the future")
    if at < now and at < min((each.window.start for each in windows), default=now):
        raise invalid("/effective_at", "out_of_range", "must lie in a current period of the feature")
    if at < now - SETTLED_WITHIN:
        raise _too_far()
    return at


def _as_of(
    store: UsageResetStore,
    asked: ResetRequest,
    at: Instant,
    windows: Sequence[Running],
    look: ResettableCell,
    now: Instant,
) -> _Found:
    """Return the usage decided before an instant: the total, less what the journal has recorded since.

    Usage that is not aggregated yet is younger than the instant, once everything that the cell wrote before the instant
    is aggregated. Raises StoreUnavailable `not_folded` before that.
    """
    cell = look.cell
    totals: dict[CounterName, Total] = {}
    for each in windows:
        if used_in(cell, each.counter) > 0:
            total = store.total(CellName(asked.customer, asked.feature), each.counter)
            if total is None:
                raise _not_folded()
            totals[each.counter] = total
    if not totals:
        return _Found((), cell.revision)
    journaled = store.journaled(CellName(asked.customer, asked.feature), now=now)
    records = _since(store, asked, at)
    applied = max(total.upto for total in totals.values())
    # Where no record names a write of the cell, its newest journaled write was journaled before all of them.
    upto, written_at = 0 if any(_revision(kept, asked.feature) for kept in records) else journaled, 0
    for kept in records:
        number, touched = kept.record.number, _touches(kept, totals)
        if touched and number > applied:
            break
        if any(number > totals[counter].upto for counter in touched):
            raise _not_folded()
        revision = _revision(kept, asked.feature)
        if revision:
            upto, written_at = revision, kept.at
    if look.corrected > upto or (upto < cell.revision and written_at < at):
        raise _not_folded()
    used = {
        counter: used_before(at, total, (kept.record for kept in records), look.brought.get(counter, ZERO))
        for counter, total in totals.items()
    }
    found = resets(windows, cell, upto=upto, carry_overage=asked.carry_overage, before=at, used=used)
    return _Found(found, upto)


def _since(store: UsageResetStore, asked: ResetRequest, at: Instant) -> list[KeptRecord]:
    """Return the journal's records, oldest first, that a reset as of this instant needs.

    They reach back before any record that may hold a later decision. Raises InvalidRequest `too_far` after READ_MAX
    records.
    """
    found: list[KeptRecord] = []
    earliest = at - FUTURE_MAX - CLOCKS_APART
    while True:
        before = found[-1].record.number if found else None
        page = store.newest(asked.customer, before=before, limit=PAGE)
        found += page
        if not page or found[-1].at < earliest:
            return found[::-1]
        if len(found) >= READ_MAX:
            raise _too_far()


def _revision(kept: KeptRecord, feature: str) -> int:
    """The newest revision of the feature's cell in the record; 0: none."""
    entries = kept.record.entries
    return max((e.revision for e in entries if isinstance(e, CellKind) and e.feature == feature), default=0)


def _touches(kept: KeptRecord, totals: Mapping[CounterName, Total]) -> frozenset[CounterName]:
    named = {window.counter for entry in kept.record.entries for window in entry.windows_moved}
    return frozenset(totals.keys() & named)


def _too_far() -> InvalidRequest:
    return invalid("/effective_at", "too_far", "lies too far back to be computed from the journal: reset as of now")


def _not_folded() -> StoreUnavailable:
    return StoreUnavailable("usage until then is not aggregated yet; retry in a second", code="not_folded")


def _audit(made: Made, body: Mapping[str, Any], now: Instant) -> Audit:
    windows = [{name: each[name] for name in ("limit_name", "period")} for each in body["windows"]]
    before = [{**named, "used": each["used_before"]} for named, each in zip(windows, body["windows"], strict=True)]
    after = [{**named, "used": each["used"]} for named, each in zip(windows, body["windows"], strict=True)]
    return Audit(
        id=made.asked.id,
        customer=made.asked.customer,
        at=now,
        action=RESET,
        actor=made.asked.actor,
        key_id=made.asked.key_id,
        reason=made.asked.reason,
        feature=made.asked.feature,
        about={name: body[name] for name in ("effective_at", "anchor", "overage")},
        before={"windows": before},
        after={"windows": after},
    )
