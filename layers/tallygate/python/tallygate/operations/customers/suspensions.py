"""suspensions: an operator suspends and resumes a customer, one of its features, or one scope of a feature.

    plan    the customer as it is ──> one transaction: the customer, the audit entry, the cells that tiers suspended
    finish  the cells get the new version of the limits, so that the change acts at the very next decision

A request that changes nothing leaves no trace. A resume lifts the manual suspension of exactly its target. It also
lifts the suspensions that tiers began there: all of the customer's, all of the feature's, or those of the limits over
the scope. With each of them, the resume waives the tier for the rest of the limit's window. Otherwise the next unit
would suspend again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tallygate.domain.admission.tier_suspensions import (
    TierStop,
    lifting,
    stops_in,
    waivers_in,
)
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Catalog
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.customers.customers import CustomerRecord, taken
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.facts.audits import RESUMED, SUSPENDED, Audit
from tallygate.domain.limits.bases import with_suspensions
from tallygate.domain.limits.compiled import features_ever_entitled, versioned
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.suspensions import (
    SUSPENSIONS_MAX,
    Suspension,
    Waiver,
    of_target,
    suspended,
    target_of,
    waived_form,
    without,
)
from tallygate.errors import invalid
from tallygate.operations.base.known_customers import customer
from tallygate.operations.base.ports import Moves
from tallygate.operations.base.receipts import Body, Planned
from tallygate.operations.catalog.ports import CatalogStore
from tallygate.operations.corrections.ports import CellControlStore
from tallygate.operations.customers.ports import CustomerStore
from tallygate.operations.facts.ports import AuditStore
from tallygate.operations.limits.in_force import announce_limits
from tallygate.operations.limits.ports import VersionStore

LIFTED_MAX = 88
"""The most cells that fit one transaction beside the customer, the audit entry and the receipt."""
DONE = 200

Judge = Callable[[Catalog, str, Scope], None]
"""Raises InvalidRequest where the catalog has no such feature, or no usage that the scope could govern."""
Form = Callable[[Suspension], Mapping[str, Any]]
"""Returns the wire form of a suspension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that suspending reads and writes."""

    catalog: CatalogStore
    customers: CustomerStore
    cells: VersionStore
    controls: CellControlStore
    audits: AuditStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentSuspensions:
    """A customer's suspensions by tiers, and the waivers of manual resumes."""

    stops: tuple[TierStop, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionRequest:
    """One request to suspend or resume.

    id: names the audit entry
    feature: None: the whole customer
    scope: empty: the whole feature
    """

    id: str
    customer: str
    feature: str | None = None
    scope: Scope = field(default_factory=dict)
    reason: str
    actor: str
    key_id: str | None = None


def suspend(stores: Stores, asked: SuspensionRequest, judge: Judge, form: Form, *, now: Instant) -> Planned:
    """Plan to deny every request on the target from now on.

    A second suspension replaces the reason and the actor of the first. Raises NotFound, InvalidRequest
    `feature_not_found`, `not_allowed` or `too_many`.
    """
    seen = customer(stores.customers, asked.customer)
    if asked.feature is not None:
        judge(stores.catalog.read().catalog, asked.feature, asked.scope)
    held, target = seen.effective.suspensions, target_of(asked.feature, asked.scope)
    wanted = Suspension(feature=asked.feature, scope=asked.scope, reason=asked.reason, actor=asked.actor, since=now)
    after = suspended(held, wanted)
    if len(after) > SUSPENSIONS_MAX:
        raise invalid("", "too_many", f"a customer has at most {SUSPENSIONS_MAX} suspensions")
    current = of_target(after, target)
    assert current is not None
    if after == held:
        return _planned(asked, (), current=form(current))
    before = of_target(held, target)
    audit = _audit(asked, SUSPENDED, None if before is None else form(before), form(current), now)
    moves = (*stores.customers.change(seen, _with(seen, after, now)), *stores.audits.record(audit))
    return _planned(asked, moves, current=form(current))


def resume(stores: Stores, asked: SuspensionRequest, judge: Judge, form: Form, *, now: Instant) -> Planned:
    """Plan to lift the target's manual suspension and its suspensions by tiers. Raises NotFound, InvalidRequest."""
    seen = customer(stores.customers, asked.customer)
    held, target = seen.effective.suspensions, target_of(asked.feature, asked.scope)
    before = of_target(held, target)
    if before is None and asked.feature is not None:
        # A suspended feature can be resumed, even after it left the catalog.
        judge(stores.catalog.read().catalog, asked.feature, asked.scope)
    found = _lifted(stores.controls, seen.effective.in_force(now), asked, now)
    if len(found.moves) > LIFTED_MAX:
        raise invalid("", "too_many", f"tiers suspended more than {LIFTED_MAX} features: resume them one by one")
    if before is None and not found.moves:
        return _planned(asked, (), lifted=found)
    after = without(held, target)
    audit = _audit(asked, RESUMED, None if before is None else form(before), None, now, lifted=found)
    moves = [move for cell in found.moves.values() for move in cell]
    if before is not None:
        moves += stores.customers.change(seen, _with(seen, after, now))
    return _planned(asked, (*moves, *stores.audits.record(audit)), lifted=found)


def current_suspensions(controls: CellControlStore, effective: Effective, now: Instant) -> CurrentSuspensions:
    """Return the customer's suspensions by tiers, and its waivers. One read for each metered feature it has or had."""
    stops: list[TierStop] = []
    waivers: list[Waiver] = []
    for feature in features_ever_entitled(effective):
        cell = controls.read(CellName(effective.customer, feature))
        stops += stops_in(cell, effective, feature, now)
        waivers += waivers_in(cell, effective, feature, now)
    return CurrentSuspensions(stops=tuple(stops), waivers=tuple(waivers))


def tell(stores: Stores, customer_id: str, now: Instant) -> None:
    """Announce the customer's newest limits to its cells. Runs after the commit, and after a replay."""
    announce_limits(stores.cells, customer(stores.customers, customer_id).effective, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lifted:
    """The effect of a resume on suspensions by tiers.

    moves: by feature, the writes that lift them
    waived: all waivers of the target afterwards
    anew: the waivers that this resume adds
    """

    moves: Mapping[str, Moves] = field(default_factory=dict)
    waived: tuple[Waiver, ...] = ()
    anew: tuple[Waiver, ...] = ()


def _lifted(controls: CellControlStore, effective: Effective, asked: SuspensionRequest, now: Instant) -> _Lifted:
    """Find the target's suspensions by tiers. One read for each feature."""
    only = _limits_over(effective, asked.feature, asked.scope) if asked.feature and asked.scope else None
    features = features_ever_entitled(effective) if asked.feature is None else (asked.feature,)
    moves: dict[str, Moves] = {}
    waived: dict[tuple[str, CounterName], Waiver] = {}
    anew: list[Waiver] = []
    for feature in features:
        name = CellName(asked.customer, feature)
        cell = controls.read(name)
        for waiver in waivers_in(cell, effective, feature, now):
            if only is None or waiver.counter[0] in only:
                waived[(feature, waiver.counter)] = waiver
        found = lifting(cell, effective, feature, now, only=only)
        if found is None:
            continue
        entry = ResumeEntry(
            feature=feature,
            time=now,
            scope=dict(asked.scope),
            actor=asked.actor,
            reason=asked.reason,
            waivers=found.waivers,
        )
        moves[feature] = controls.resume(name, found, entry, now)
        waived |= {(feature, waiver.counter): waiver for waiver in found.waivers}
        anew += found.waivers
    return _Lifted(moves=moves, waived=tuple(waived.values()), anew=tuple(anew))


def _limits_over(effective: Effective, feature: str, scope: Scope) -> frozenset[int]:
    """Return the ordinals of the quotas over exactly this scope. They name the suspensions that tiers began there."""
    entitlement = effective.entitlements.get(feature)
    limits = entitlement.limits if entitlement is not None else ()
    return frozenset(quota.ordinal for limit in limits if limit.scope == scope for quota in limit.quotas)


def _with(seen: CustomerRecord, suspensions: tuple[Suspension, ...], now: Instant) -> CustomerRecord:
    held = taken(seen, now)
    effective = versioned(with_suspensions(held.effective, suspensions, now), seen.effective)
    changed = replace(seen.customer, changed_at=now)
    return replace(held, version=seen.version + 1, customer=changed, effective=effective)


def _audit(
    asked: SuspensionRequest,
    action: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    now: Instant,
    *,
    lifted: _Lifted | None = None,
) -> Audit:
    about: dict[str, Any] = {"scope": dict(asked.scope)}
    if lifted is not None and lifted.moves:
        about["lifted"] = list(lifted.moves)
    if lifted is not None and lifted.anew:
        about |= waived_form(lifted.anew)
    return Audit(
        id=asked.id,
        customer=asked.customer,
        at=now,
        action=action,
        actor=asked.actor,
        key_id=asked.key_id,
        reason=asked.reason,
        feature=asked.feature,
        about=about,
        before=before,
        after=after,
    )


def _planned(
    asked: SuspensionRequest, moves: Moves, *, current: Mapping[str, Any] | None = None, lifted: _Lifted | None = None
) -> Planned:
    """Return the plan and its answer.

    suspended: the target's manual suspension
    lifted: the features whose suspensions by tiers ended
    waived: the limits whose tiers do not suspend until `waived_until`, also by an earlier resume
    """
    lifted = lifted or _Lifted()
    body: Body = {
        "customer": asked.customer,
        "feature": asked.feature,
        "scope": dict(asked.scope),
        "suspended": None if current is None else dict(current),
        "lifted": list(lifted.moves),
        **waived_form(lifted.waived),
        "changed": bool(moves),
        "audit_id": asked.id if moves else None,
    }
    return Planned(moves=moves, body=body, status=DONE)
