"""Suspensions by tiers: when a request brings one about, what is shown of one, and what a resume waives.

    used   ───────────── 100 % suspend_usage ──────────────────────
             a request that would pass the tier      denied, quota_exceeded; suspends nothing
                         usage has reached the tier  the next request that nothing else denies suspends
                         ... and somebody resumes    the level is waived until the window ends

A suspension of a whole feature lasts until its end or a resume, however the limit changes. A suspension of a scope
applies only while a limit over that scope has a deciding tier that suspends. A resume waives the level that suspended,
in the running window, and every other level that would suspend the next unit. Beyond a waived level the tiers below it
decide, else the enforcement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import WHOLE_FEATURE, Cell
from tallygate.domain.admission.terms import QuotaTerm, Terms, look, opened_for
from tallygate.domain.admission.tier_causes import TierCause
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import SuspendUsage, Tier, may_suspend
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Effective, Limit
from tallygate.domain.limits.rungs import following
from tallygate.domain.limits.suspensions import Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSuspension:
    """What one write suspends: usage by `name`, until an instant, where the counter shows `at_least` so much now.

    `unopened`: the cell was seen without the counter, and would open it there; then it may still be without. `over` is
    when the window counts no more, `waived` which levels were seen to be waived in it, `terms` what the other limits
    must still grant, but for those of the counters `reached`, which would suspend as well.
    """

    name: int
    until: Instant
    counter: CounterName
    at_least: Decimal
    unopened: bool
    over: Instant
    waived: frozenset[str]
    cause: TierCause
    terms: Terms
    reached: frozenset[CounterName]


def tier_suspension(
    term: QuotaTerm, tier: Tier, cell: Cell, terms: Terms, *, scoped: bool, until: Instant
) -> TierSuspension:
    """What a request brings about when usage has reached a tier that suspends, in a cell as it was seen."""
    unopened, cell = term.counter not in cell.used, opened_for(cell, terms)
    rung = following(term.ladder_in(cell), term.used_in(cell))
    assert rung.above is not None and rung.tier == tier
    return TierSuspension(
        name=term.quota.ordinal if scoped else WHOLE_FEATURE,
        until=until,
        counter=term.counter,
        at_least=rung.above - cell.raised(term.counter),
        unopened=unopened,
        over=term.over,
        waived=cell.waived.get(term.counter, frozenset()),
        cause=TierCause(term.quota.ordinal, term.window.start, terms.now, tier.level),
        terms=terms,
        reached=frozenset(each.counter for each in terms.quotas if _reaches(each, cell)),
    )


def _reaches(term: QuotaTerm, cell: Cell) -> bool:
    """Whether usage has reached a tier that suspends."""
    return term.decides and may_suspend(term.tiers) and _next_to_suspend(term, cell) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStop:
    """A suspension by a tier as it stands. `limit`, `level` and `since` None: the cell does not tell.

    `until` is as `domain.limits.rungs` has it; `counter` is that of the quota's window that suspended.
    """

    feature: str
    scope: Scope
    limit: str | None
    level: str | None
    since: Instant | None
    until: Instant
    counter: CounterName | None = None


def suspended_because(level: str, limit: str) -> str:
    """Why a tier has suspended usage, as the audit trail and lists of suspensions say it."""
    return f"usage reached the level {level} of {limit}"


def stop_of(name: int, cell: Cell, effective: Effective, feature: str) -> TierStop:
    """The suspension of this name, which the cell shows."""
    cause = cell.causes.get(name)
    ordinal = name if cause is None else cause.ordinal
    limit = _limit_with(effective, feature, ordinal)
    return TierStop(
        feature=feature,
        scope={} if limit is None or name == WHOLE_FEATURE else limit.scope,
        limit=limit.name if limit is not None else _name_once(effective, ordinal),
        level=None if cause is None else cause.level,
        since=None if cause is None else cause.since,
        until=cell.suspended[name],
        counter=None if cause is None else (cause.ordinal, cause.start),
    )


def stops_in(cell: Cell, effective: Effective, feature: str, now: Instant) -> tuple[TierStop, ...]:
    """The suspensions by tiers that deny requests on the feature, or on scopes of it."""
    standing = [
        name
        for name, until in sorted(cell.suspended.items())
        if until > now and (name == WHOLE_FEATURE or _suspends(_limit_with(effective, feature, name)))
    ]
    return tuple(stop_of(name, cell, effective, feature) for name in standing)


def _suspends(limit: Limit | None) -> bool:
    """Whether the limit of a scope still decides by a tier that suspends; a write states only the names of such."""
    return limit is not None and limit.decides and bool(limit.scope) and may_suspend(limit.tiers)


def _limit_with(effective: Effective, feature: str, ordinal: int) -> Limit | None:
    entitlement = effective.entitlements.get(feature)
    limits = () if entitlement is None else entitlement.limits
    return next((limit for limit in limits if any(quota.ordinal == ordinal for quota in limit.quotas)), None)


def _name_once(effective: Effective, ordinal: int) -> str | None:
    """The name of a limit that the customer has no longer."""
    return next((text.split("\n")[1] for text, known in effective.ordinals.items() if known == ordinal), None)


def waivers_in(cell: Cell, effective: Effective, feature: str, now: Instant) -> tuple[Waiver, ...]:
    """The waivers in force, in the windows that run."""
    return tuple(
        Waiver(
            feature=feature,
            name=limit.name,
            scope=limit.scope,
            counter=term.counter,
            until=term.window.end,
            levels=levels,
        )
        for limit, term, _ in _running(cell, effective, feature, now)
        if (levels := cell.waived.get(term.counter, frozenset()) & _suspending_levels(term))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """What a resume does to a cell: suspensions that end, by their names, and what is waived. Of each suspension its
    cause as it was seen, of each waiver the levels that were waived before."""

    names: tuple[int, ...]
    causes: tuple[TierCause | None, ...]
    waivers: tuple[Waiver, ...]


def lifting(
    cell: Cell, effective: Effective, feature: str, now: Instant, *, only: Collection[int] | None = None
) -> Lifting | None:
    """What a resume lifts of the feature, or by the ordinals in `only` of the limits over a scope; None: nothing.

    A suspension that does not stand for the present, because its limit is not in force, is lifted too.
    """
    names = tuple(sorted(n for n, until in cell.suspended.items() if until > now and (only is None or n in only)))
    if not names:
        return None
    causes = tuple(cell.causes.get(name) for name in names)
    found = [
        _waiver(feature, limit, term, shown, [cause for cause in causes if cause is not None])
        for limit, term, shown in _running(cell, effective, feature, now)
        if only is None or term.quota.ordinal in only
    ]
    return Lifting(names=names, causes=causes, waivers=tuple(waiver for waiver in found if waiver.added))


def _running(cell: Cell, effective: Effective, feature: str, now: Instant) -> Iterable[tuple[Limit, QuotaTerm, Cell]]:
    """The windows that run of quotas with tiers that suspend, and the cell with all of them open."""
    entitlement = effective.entitlements.get(feature)
    if entitlement is None:
        return ()
    asked = look(entitlement, version=effective.version, now=now, seen=cell)
    shown = opened_for(cell, asked)
    return tuple(
        (term.limit, term, shown)
        for term in asked.quotas
        if term.decides and may_suspend(term.tiers) and not term.begins
    )


def _waiver(feature: str, limit: Limit, term: QuotaTerm, cell: Cell, causes: Sequence[TierCause]) -> Waiver:
    """What a resume waives in the window: what suspended usage, and what would suspend the next unit."""
    before = cell.waived.get(term.counter, frozenset())
    named = {cause.level for cause in causes if cause.ordinal == term.quota.ordinal}
    levels = before | (named & _suspending_levels(term))
    for _ in term.tiers:
        level = _next_to_suspend(term, replace(cell, waived={term.counter: levels}))
        if level is None:
            break
        levels |= {level}
    return Waiver(
        feature=feature,
        name=limit.name,
        scope=limit.scope,
        counter=term.counter,
        until=term.window.end,
        levels=levels,
        added=levels - before,
    )


def _next_to_suspend(term: QuotaTerm, cell: Cell) -> str | None:
    """The level whose tier would suspend usage at the very next unit; None: none would."""
    rung = following(term.ladder_in(cell), term.used_in(cell))
    return rung.tier.level if isinstance(rung.policy, SuspendUsage) and rung.tier is not None else None


def _suspending_levels(term: QuotaTerm) -> frozenset[str]:
    return frozenset(tier.level for tier in term.tiers if may_suspend((tier,)))
