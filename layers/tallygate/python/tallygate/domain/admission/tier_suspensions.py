"""Suspensions by tiers: which request causes one, how it is shown, and what an operator's resume waives.

    used   ───────────── 100 % suspend_usage ──────────────────────
             a request that would pass the tier      denied as quota_exceeded; suspends nothing
                         usage has reached the tier  the next request that nothing else denies suspends
                         ... and an operator resumes the level is waived until the window ends

A suspension of a whole feature lasts until its end or a resume, even if the limit changes. A suspension of a scope
applies only while a limit over that scope decides and has a tier that suspends.

In the running window a resume waives the level that suspended, and every other level that would suspend the next unit.
Beyond a waived level, the tiers below it decide, else the enforcement.
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
    """One suspension, and what must hold in the cell for its write.

    name: WHOLE_FEATURE, or the ordinal of the scoped limit's quota
    until: end of the suspension
    counter: of the window whose usage reached the tier
    at_least: value that the counter must still show
    unopened: whether the cell was seen without the counter; if so, the counter may still be absent
    over: when the window stops counting; the write must come before
    waived: levels seen to be waived in the window; the write requires the same
    cause: the tier that suspends
    terms: the terms of the request, which every other limit must still grant
    reached: counters whose tiers would suspend as well; these limits need not grant
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
    """The suspension that a request causes when usage has reached a suspending tier, in a cell as seen.

    scoped: suspend only the limit's scope, and not the whole feature
    """
    unopened, cell = term.counter not in cell.used, opened_for(cell, terms)
    rungs, used, _ = term.shown_in(cell)
    rung = following(rungs, used)
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
    """Whether usage has reached a tier that suspends and is not waived."""
    return term.decides and may_suspend(term.tiers) and _level_to_suspend(term, cell) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStop:
    """A suspension by a tier, in force or about to begin.

    limit, level, since: None: the cell does not hold them
    until: end; UNTIL_RESUMED or UNTIL_TOP_UP (`domain.limits.rungs`) where no time ends the suspension
    counter: of the window that suspended; None: not known
    """

    feature: str
    scope: Scope
    limit: str | None
    level: str | None
    since: Instant | None
    until: Instant
    counter: CounterName | None = None


def suspended_because(level: str, limit: str) -> str:
    """Why a tier has suspended usage, in the words of the audit trail and of lists of suspensions."""
    return f"usage reached the level {level} of {limit}"


def stop_of(name: int, cell: Cell, effective: Effective, feature: str) -> TierStop:
    """The suspension of this name in the cell."""
    cause = cell.causes.get(name)
    ordinal = name if cause is None else cause.ordinal
    limit = _limit_with(effective, feature, ordinal)
    return TierStop(
        feature=feature,
        scope={} if limit is None or name == WHOLE_FEATURE else limit.scope,
        limit=limit.name if limit is not None else _former_name(effective, ordinal),
        level=None if cause is None else cause.level,
        since=None if cause is None else cause.since,
        until=cell.suspended[name],
        counter=None if cause is None else (cause.ordinal, cause.start),
    )


def stops_in(cell: Cell, effective: Effective, feature: str, now: Instant) -> tuple[TierStop, ...]:
    """The suspensions by tiers that deny requests on the feature, or on scopes of it."""
    active = [
        name
        for name, until in sorted(cell.suspended.items())
        if until > now and (name == WHOLE_FEATURE or _suspends(_limit_with(effective, feature, name)))
    ]
    return tuple(stop_of(name, cell, effective, feature) for name in active)


def _suspends(limit: Limit | None) -> bool:
    """Whether the scoped limit decides and has a tier that suspends. A write states only such suspensions of scopes."""
    return limit is not None and limit.decides and bool(limit.scope) and may_suspend(limit.tiers)


def _limit_with(effective: Effective, feature: str, ordinal: int) -> Limit | None:
    entitlement = effective.entitlements.get(feature)
    limits = () if entitlement is None else entitlement.limits
    return next((limit for limit in limits if any(quota.ordinal == ordinal for quota in limit.quotas)), None)


def _former_name(effective: Effective, ordinal: int) -> str | None:
    """The name of a limit that is no longer in force; None: the ordinal is not known."""
    return next((text.split("\n")[1] for text, known in effective.ordinals.items() if known == ordinal), None)


def waivers_in(cell: Cell, effective: Effective, feature: str, now: Instant) -> tuple[Waiver, ...]:
    """The waivers in force, in the running windows."""
    return tuple(
        _waived(feature, limit, term, levels)
        for limit, term, _ in _running(cell, effective, feature, now)
        if (levels := cell.waived.get(term.counter, frozenset()) & _suspending_levels(term))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """What a resume changes in one cell.

    names: the suspensions that end
    causes: cause of each of them as seen, in the same order; None: the cell holds none
    waivers: the windows in which levels are waived, with the levels waived before
    """

    names: tuple[int, ...]
    causes: tuple[TierCause | None, ...]
    waivers: tuple[Waiver, ...]


def lifting(
    cell: Cell, effective: Effective, feature: str, now: Instant, *, only: Collection[int] | None = None
) -> Lifting | None:
    """What a resume lifts in the cell of a feature; None: nothing.

    only: ordinals of the limits over the resumed scope; None: the whole feature is resumed

    A suspension that has no effect at present, because its limit is not in force, is lifted too.
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
    """The running windows of quotas with suspending tiers, each with the cell in which all windows are open."""
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
    """What a resume waives in one window: the levels that suspended, and those that would suspend the next unit."""
    before = cell.waived.get(term.counter, frozenset())
    named = {cause.level for cause in causes if cause.ordinal == term.quota.ordinal}
    levels = before | (named & _suspending_levels(term))
    for _ in term.tiers:
        level = _level_to_suspend(term, replace(cell, waived={term.counter: levels}))
        if level is None:
            break
        levels |= {level}
    return replace(_waived(feature, limit, term, levels), added=levels - before)


def _waived(feature: str, limit: Limit, term: QuotaTerm, levels: frozenset[str]) -> Waiver:
    return Waiver(
        feature=feature,
        name=limit.name,
        scope=limit.scope,
        counter=term.counter,
        until=term.window.end,
        levels=levels,
    )


def _level_to_suspend(term: QuotaTerm, cell: Cell) -> str | None:
    """The level whose tier would suspend usage at the next unit; None: no tier would."""
    rungs, used, _ = term.shown_in(cell)
    rung = following(rungs, used)
    return rung.tier.level if isinstance(rung.policy, SuspendUsage) and rung.tier is not None else None


def _suspending_levels(term: QuotaTerm) -> frozenset[str]:
    return frozenset(tier.level for tier in term.tiers if may_suspend((tier,)))
