"""Reigns: which quota counted a feature's usage over a scope, and from when. Pure.

Several quotas may count the same usage at once. One of them represents all, for as long as it is in force. The quota
with the longest windows is chosen, because it has the fewest windows to read.
"""

from __future__ import annotations

from collections.abc import Mapping

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.scopes import Scope, scope_text
from tallygate.domain.limits.bases import has_length
from tallygate.domain.limits.follows import NOBODY, REIGNS_MAX, Reign, Reigns
from tallygate.domain.limits.limits import Effective, Entitlement, Quota
from tallygate.domain.periods.recurrence import window_at

_SEPARATOR = "\n"
BEGINNING: Instant = 0
"""Start of the first reign."""


def line_of(feature: str, scope: Scope) -> str:
    """The key of a feature's usage over a scope, called a line below."""
    return f"{feature}{_SEPARATOR}{scope_text(scope)}" if scope else feature


def reigns_after(previous: Effective | None, entitlements: Mapping[str, Entitlement], now: Instant) -> Reigns:
    """The reigns so far, with the quotas that count from now on appended where they differ."""
    if previous is None:
        return {}
    before = _counting(previous.entitlements, {}, now)
    after = _counting(entitlements, {**before, **{line: r[-1].ordinal for line, r in previous.reigns.items()}}, now)
    found = dict(previous.reigns)
    for line in sorted({*before, *after, *found}):
        held = found.get(line) or ((Reign(BEGINNING, before[line]),) if line in before else ())
        was, now_counting = held[-1].ordinal if held else NOBODY, after.get(line, NOBODY)
        if was == now_counting:
            continue
        found[line] = (*held, Reign(now, now_counting))[-REIGNS_MAX:]
    return found


def counted_by(effective: Effective) -> Mapping[str, frozenset[int]]:
    """The quotas that have ever counted each line. A scope's set includes NOBODY where no quota counted for a time."""
    lines = {*effective.reigns, *_counting(effective.entitlements, {}, BEGINNING)}
    found = {line: frozenset(reign.ordinal for reign in reigns_of(effective, line)) for line in lines}
    return {line: counted if _SEPARATOR in line else counted - {NOBODY} for line, counted in found.items()}


def reigns_of(effective: Effective, line: str) -> tuple[Reign, ...]:
    """Which quotas counted the line, oldest first. Without a recorded change, the present quota always has."""
    known = effective.reigns.get(line)
    if known:
        return known
    counting = _counting(effective.entitlements, {}, BEGINNING).get(line, NOBODY)
    return (Reign(BEGINNING, counting),) if counting else ()


def _counting(entitlements: Mapping[str, Entitlement], before: Mapping[str, int], now: Instant) -> dict[str, int]:
    """The quota that represents each line: the previous one (`before`) while it is in force."""
    quotas: dict[str, list[Quota]] = {}
    for entitlement in entitlements.values():
        for limit in entitlement.limits:
            quotas.setdefault(line_of(entitlement.feature, limit.scope), []).extend(limit.quotas)
    return {line: _representative(found, before.get(line), now) for line, found in quotas.items() if found}


def _representative(quotas: list[Quota], before: int | None, now: Instant) -> int:
    if any(quota.ordinal == before for quota in quotas):
        assert before is not None
        return before

    def fit(quota: Quota) -> tuple[bool, Instant, int]:
        window = window_at(quota.schedule, now)
        return has_length(quota.schedule), window.end - window.start, -quota.ordinal

    return max(quotas, key=fit).ordinal
