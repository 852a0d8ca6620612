"""Facts: past-tense records for webhooks and the event bus, and the facts that a total's change announces.

    total:  old value ──────────────── new value         usage.threshold_crossed    a tier's threshold t, old < t ≤ new
                 80 %  ↑        100 %  ↑                 usage.limit_reached        old < limit ≤ new
                                        ↑ the next unit  usage.overage_started      old ≤ limit < new
            new value ──────────────── old value         usage.threshold_recovered  an announced level ends:
          ↓ 75 %   80 %                                                             new < t − hysteresis
    a closed total changes: the next revision            usage.restated             of an entitlement's own quota
                                                         limit.period_closed        of any other quota

The only state is `Levels`: the levels that were announced and have not ended. Levels and facts change in one
transaction. `Levels` carries the number of the change that last moved it. So if a change is seen again, late or by two
workers at once, it announces nothing twice. The changes of one total are announced in order.

Events may be counted before the opening balance of their window is known. Until then the window announces nothing.
After that, everything is announced at once, by the limit that the window then has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ZERO, Wire, format_quantity
from tallygate.domain.catalog.tiers import NORMAL, Tier
from tallygate.domain.entries.fact_types import (
    LIMIT_CLOSED,
    LIMIT_REACHED,
    OVERAGE_STARTED,
    RESTATED,
    THRESHOLD_CROSSED,
    THRESHOLD_RECOVERED,
)
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.governing import Governed
from tallygate.domain.periods.boundaries import NEVER_ENDS

BY_USAGE, BY_LIMIT, BY_RESET, BY_CLOSING = "usage", "limit", "reset", "period_closed"
"""Why a level has ended: less usage, a changed limit or tier, a manual reset, or the end of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact.

    sequence: grows by one with each fact of a customer's feature
    data: JSON without secrets
    """

    id: str
    type: str
    customer: str
    feature: str
    time: Instant
    sequence: int
    data: Mapping[str, Any]
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A future fact, without its sequence number.

    level: the feature's level after the fact; "": the fact does not concern levels
    restates: whether the fact is the next revision of a closed total; its data is the window's statement
    """

    id: str
    type: str
    customer: str
    feature: str
    level: str
    data: Mapping[str, Any] = field(default_factory=dict)
    restates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The levels of a total that were announced and have not ended.

    upto: number of the change that last moved them
    """

    crossed: frozenset[str] = frozenset()
    upto: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """The facts that one change announces, in order, and the levels afterwards (None: unchanged)."""

    announcements: tuple[Announcement, ...] = ()
    levels: Levels | None = None


def concerns_levels(old: Total | None, new: Total) -> bool:
    """Return whether the change may begin or end a level, so that the announced levels must be read."""
    if (old is not None and old.closed) or new.unopened:
        return False
    old = opened(old)
    if old is not None and any(
        _holds(tier, old) and (new.closed or not _stays(tier.level, new)) for tier in _tiers(old)
    ):
        return True
    return any(_reached(tier, old, new) for tier in _tiers(new))


def announcements(old: Total | None, new: Total, levels: Levels) -> Announcements:
    """Return the facts that one change of a total announces; usually none.

    levels: the levels after the previous changes; unused and arbitrary unless `concerns_levels`

    A level is announced when usage reaches its threshold. A limit that is lowered below usage announces nothing.
    """
    if old is not None and old.closed:
        moved = restates_figures(old, new) or (old.excluded, old.layers) != (new.excluded, new.layers)
        return Announcements(announcements=(_restatement(new),)) if moved else Announcements()
    old = opened(old)
    if new.unopened:
        return Announcements()
    if new.closed:
        left = _left(old, new, levels)
        return Announcements(announcements=left, levels=Levels(upto=new.upto) if left else None)
    moves = concerns_levels(old, new)
    if moves and levels.upto >= new.upto:
        return Announcements()
    left = _left(old, new, levels) if moves else ()
    reached = sorted(
        (
            (tier.at.of(limit), tier)
            for tier in _tiers(new)
            if (limit := new.limit) is not None and _reached(tier, old, new)
        ),
        key=lambda found: found[0],
    )
    crossed = tuple(_crossing(new, tier, t) for t, tier in reached if tier.level not in levels.crossed)
    announced = (*left, *crossed, *_limit_facts(old, new))
    if not left and not crossed:
        return Announcements(announcements=announced)
    gone = {announcement.data["level"] for announcement in left}
    now = (levels.crossed - gone) | {announcement.level for announcement in crossed}
    return Announcements(announcements=announced, levels=Levels(crossed=now, upto=new.upto))


def restates_figures(old: Total, new: Total) -> bool:
    """Return whether the change of a closed total certainly alters a figure of its statement.

    Other changes (the usage that a reset excludes, the ages of carried amounts) alter at most what is carried out.
    """
    return (old.value, old.carried, old.adjusted) != (new.value, new.carried, new.adjusted)


def opened(old: Total | None) -> Total | None:
    """Return the total before a change; None if it was not opened yet, because nothing was announced about it then."""
    return None if old is None or old.unopened else old


def used_before(old: Total | None, new: Total) -> Decimal:
    """Return the usage counted against the limit before a change.

    Followed usage is not new usage of this window, so it counts as if it had been there before the change.
    """
    before = old.used if old is not None else ZERO
    more = EXACT.subtract(new.followed, ZERO if old is None else old.followed)
    return max(ZERO, EXACT.add(before, more)) if more else before


def _tiers(total: Total) -> tuple[Tier, ...]:
    return () if total.limit is None else total.governed.tiers


def _reached(tier: Tier, old: Total | None, new: Total) -> bool:
    """Return whether usage crosses the tier's current threshold upward."""
    assert new.limit is not None
    return used_before(old, new) < tier.at.of(new.limit) <= new.used


def _holds(tier: Tier, total: Total) -> bool:
    """Return whether usage is high enough that the level, once announced, has not ended."""
    assert total.limit is not None
    return total.used >= tier.rearms_below(total.limit)


def _stays(level: str, new: Total) -> bool:
    return any(tier.level == level and _holds(tier, new) for tier in _tiers(new))


def _left(old: Total | None, new: Total, levels: Levels) -> tuple[Announcement, ...]:
    """Return a fact for each level that ends with the change, highest first.

    A closing ends all levels, because the next period announces them anew.
    """
    if old is None:
        return ()
    left = [
        (tier.at.of(total.limit), tier, total)
        for level in sorted(levels.crossed)
        if (new.closed or not _stays(level, new))
        for tier, total in _last_stated(level, old, new)
        if total.limit is not None
    ]
    return tuple(_recovery(old, new, tier, t) for t, tier, _ in sorted(left, key=lambda found: -found[0]))


def _last_stated(level: str, old: Total, new: Total) -> list[tuple[Tier, Total]]:
    """Return the level's tier from the new total; else, if the tier or limit was removed, from the old total."""
    return [(tier, total) for total in (new, old) for tier in _tiers(total) if tier.level == level][:1]


def _recovery(old: Total, new: Total, tier: Tier, threshold: Decimal) -> Announcement:
    if new.closed:
        cause = BY_CLOSING
    elif new.limit is None or tier not in new.governed.tiers or old.used < tier.rearms_below(new.limit):
        cause = BY_LIMIT
    elif new.excluded > old.excluded:
        cause = BY_RESET
    else:
        cause = BY_USAGE
    level_now = NORMAL if new.closed else new.level
    data = {
        **_about(new),
        "level": tier.level,
        "threshold": format_quantity(threshold),
        "at": str(tier.at),
        "level_now": level_now,
        "cause": cause,
    }
    return _announcement(new, THRESHOLD_RECOVERED, f"{tier.level}:{cause}", level_now, data)


def _crossing(new: Total, tier: Tier, threshold: Decimal) -> Announcement:
    data = {
        **_about(new),
        "level": tier.level,
        "threshold": format_quantity(threshold),
        "at": str(tier.at),
        **upgrade(new.governed),
    }
    return _announcement(new, THRESHOLD_CROSSED, f"{tier.level}@{tier.at}", tier.level, data)


def _limit_facts(old: Total | None, new: Total) -> tuple[Announcement, ...]:
    """Return the facts that usage reached the limit and exceeded it, if this change does so.

    A debt or an adjustment may make the limit negative. It then counts as 0, so the first unit is beyond it.
    """
    if new.limit is None:
        return ()
    before, limit = used_before(old, new), max(ZERO, new.limit)
    data = {**_about(new), "level": new.level, **upgrade(new.governed)}
    found = [_announcement(new, LIMIT_REACHED, "", new.level, data)] if before < limit <= new.used else []
    if before <= limit < new.used:
        beyond = {**data, "overage": format_quantity(new.used - limit)}
        found.append(_announcement(new, OVERAGE_STARTED, "", new.level, beyond))
    return tuple(found)


def _restatement(new: Total) -> Announcement:
    return _announcement(new, RESTATED if new.governed.own else LIMIT_CLOSED, "", new.level, {}, restates=True)


def _about(new: Total) -> dict[str, Any]:
    """Return the fields common to all facts about a running window."""
    governed = new.governed
    return {
        **about_total(new),
        "limit": None if new.limit is None else format_quantity(max(ZERO, new.limit)),
        "unlimited": governed.limit is None,
        "breakdown": breakdown(new),
        "usage": format_quantity(new.used),
        "period": period(new.start, new.end),
    }


def about_total(total: Total) -> dict[str, Any]:
    """Return what every fact and statement says of the limit that a total is kept under."""
    governed = total.governed
    return {**about(total.customer, governed), "limit_name": governed.name, "scope": dict(governed.scope)}


def about(customer: str, governed: Governed) -> dict[str, Any]:
    """Return what every fact says of its customer, feature and plan."""
    billed = {} if governed.stripe_customer_id is None else {"stripe_customer_id": governed.stripe_customer_id}
    return {
        "customer": customer,
        **billed,
        "feature": governed.feature,
        "meter": governed.meter or None,
        "plan": governed.plan,
        "plan_version": governed.plan_version,
    }


def breakdown(total: Total) -> dict[str, Any]:
    """Return the parts of a total's limit, and the followed usage (counted in other windows).

    base: null without a limit
    """
    return {
        "base": _stated(total.governed.limit),
        "carried": format_quantity(total.carried),
        "adjusted": format_quantity(total.adjusted),
        "followed": format_quantity(total.followed),
    }


def period(start: Instant, end: Instant) -> dict[str, Any]:
    """Return a window as JSON; `end` is null if the window never ends."""
    return {"start": format_instant(start), "end": format_instant(end) if end < NEVER_ENDS else None}


def _stated(quantity: Decimal | None) -> Wire | None:
    return None if quantity is None else format_quantity(quantity)


def upgrade(governed: Governed) -> dict[str, Any]:
    """Return the fields with which an automation can upgrade the customer without another call."""
    return {
        "upgrade_to": governed.upgrade_to,
        "upgrade_limit": _stated(governed.upgrade_limit),
        "upgrade_unlimited": governed.upgrade_unlimited,
    }


def _announcement(
    new: Total, kind: str, subject: str, level: str, data: Mapping[str, Any], *, restates: bool = False
) -> Announcement:
    return Announcement(
        id=fact_id(new.customer, new.feature, new.ordinal, new.start, kind, subject, new.upto),
        type=kind,
        customer=new.customer,
        feature=new.feature,
        level=level,
        data=data,
        restates=restates,
    )


def fact_id(*parts: str | int) -> str:
    """Derive a fact's id from the parts that identify it, so that every attempt gives the same id."""
    text = "\n".join(str(part) for part in parts)
    return f"fact_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
