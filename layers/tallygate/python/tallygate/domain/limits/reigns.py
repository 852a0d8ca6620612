"""Reigns: which quota counted a feature's usage over a scope, and from when. Pure.

Several quotas may count the same usage at once; one stands for them, for as long as it is in force. The longest is
taken: of its windows the fewest have to be looked at.
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
"""Since when a quota counted that was the first."""


def line_of(feature: str, scope: Scope) -> str:
    """What names the usage of a feature over a scope."""
    return f"{feature}{_SEPARATOR}{scope_text(scope)}" if scope else feature


def reigns_after(previous: Effective | None, entitlements: Mapping[str, Entitlement], now: Instant) -> Reigns:
    """The reigns with what counts from now on."""
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
    """Which quotas have ever counted the usage; of a scope also NOBODY, where none did for a while."""
    lines = {*effective.reigns, *_counting(effective.entitlements, {}, BEGINNING)}
    found = {line: frozenset(reign.ordinal for reign in reigns_of(effective, line)) for line in lines}
    return {line: counted if _SEPARATOR in line else counted - {NOBODY} for line, counted in found.items()}


def reigns_of(effective: Effective, line: str) -> tuple[Reign, ...]:
    """Who counted the usage; the one that does stands for all time where it was the only one."""
    known = effective.reigns.get(line)
    if known:
        return known
    counting = _counting(effective.entitlements, {}, BEGINNING).get(line, NOBODY)
    return (Reign(BEGINNING, counting),) if counting else ()


def _counting(entitlements: Mapping[str, Entitlement], before: Mapping[str, int], now: Instant) -> dict[str, int]:
    """The quota that stands for each line: the one that did before, where it is still there."""
    quotas: dict[str, list[Quota]] = {}
    for entitlement in entitlements.values():
        for limit in entitlement.limits:
            quotas.setdefault(line_of(entitlement.feature, limit.scope), []).extend(limit.quotas)
    return {line: _one_of(found, before.get(line), now) for line, found in quotas.items() if found}


def _one_of(quotas: list[Quota], before: int | None, now: Instant) -> int:
    if any(quota.ordinal == before for quota in quotas):
        assert before is not None
        return before

    def fit(quota: Quota) -> tuple[bool, Instant, int]:
        window = window_at(quota.schedule, now)
        return has_length(quota.schedule), window.end - window.start, -quota.ordinal

    return max(quotas, key=fit).ordinal
