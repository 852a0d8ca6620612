"""Entries of admission's writes: a granted consume, its settlement, a first denial, a suspension by a tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tallygate.domain.admission.cells import RequestMark
from tallygate.domain.admission.decision import LimitState
from tallygate.domain.admission.terms import Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.notices import DeniedEntry, SuspendEntry
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.limits.rungs import UNTIL_TOP_UP


def use_entry(
    terms: Terms,
    *,
    entitlement: Entitlement,
    dimensions: Mapping[str, str],
    now: Instant,
    traceparent: str | None,
) -> UseEntry:
    """The entry of a granted consume. It is the durable usage event, so it has everything that the journal needs."""
    opened = {term.quota.ordinal: term.opens.carried for term in terms.quotas if term.opens is not None}
    return UseEntry(
        id=entry_id(terms.mark),
        feature=entitlement.feature,
        meter=entitlement.meter,
        time=now,
        amount=terms.amount,
        merge=entitlement.merge,
        dimensions=dict(dimensions),
        windows=tuple(CountedWindow(term.quota.ordinal, term.window.start, term.window.end) for term in terms.quotas),
        carried={ordinal: amount for ordinal, amount in opened.items() if amount != 0},
        traceparent=traceparent,
    )


def settle_entry(
    use: UseEntry,
    *,
    to: Decimal,
    held: Sequence[CountedWindow],
    now: Instant,
    traceparent: str | None,
    excluded: Sequence[CountedWindow] = (),
    followed: Sequence[CountedWindow] = (),
) -> SettleEntry:
    """The entry of a settled consume.

    to: units that the decision now counts
    held: windows of the decision whose counters the write corrects in the cell
    excluded: windows of the decision in which a reset excludes it; the cell has removed all windows in neither list
    followed: windows into which the decision has followed
    """
    removed = tuple(window for window in use.windows if window not in held and window not in excluded)
    return SettleEntry(
        id=use.id,
        feature=use.feature,
        meter=use.meter,
        time=use.time,
        settled_at=now,
        amount=to,
        by=to - use.amount,
        dimensions=use.dimensions,
        windows=(*held, *removed, *excluded),
        excluded=tuple(excluded),
        removed=removed,
        # In removed windows only the total's mark decides whether a reset excludes the decision. It needs the revision.
        decided_at_revision=use.revision if removed else None,
        followed=tuple(followed),
        traceparent=traceparent,
    )


def denied_entry(
    state: LimitState, *, entitlement: Entitlement, requested: Decimal, now: Instant, traceparent: str | None
) -> DeniedEntry:
    """The entry of a write that marks the first denial by a limit in a window."""
    return DeniedEntry(
        feature=entitlement.feature,
        meter=entitlement.meter,
        name=state.name,
        window=CountedWindow(state.counter[0], state.start, state.end),
        time=now,
        limit_kind=state.kind,
        requested=requested,
        used=state.used,
        limit=state.limit or ZERO,
        level=state.level,
        reason=state.cause,
        traceparent=traceparent,
    )


def suspend_entry(
    *,
    feature: str,
    meter: str,
    window: CountedWindow,
    name: str,
    scope: Scope,
    level: str,
    used: Decimal,
    limit: Decimal,
    until: Instant,
    now: Instant,
) -> SuspendEntry:
    """The entry of a write that suspends usage by a tier of this limit."""
    return SuspendEntry(
        feature=feature,
        meter=meter,
        name=name,
        window=window,
        time=now,
        scope=dict(scope),
        used=used,
        limit=limit,
        level=level,
        until=until if until < UNTIL_TOP_UP else None,
    )


def entry_id(mark: RequestMark) -> str:
    """The id of a decision within its cell."""
    return f"{mark.minute}.{mark.digest.hex()}"
