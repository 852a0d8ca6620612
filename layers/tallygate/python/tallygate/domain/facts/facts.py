"""Facts: what happened, in the past tense, for webhooks and the event bus; and which of them a total's change makes.

    total:  old value ──────────────── new value         usage.threshold_crossed    a tier's threshold t, old < t ≤ new
                 80 %  ↑        100 %  ↑                 usage.limit_reached        the limit itself
                                        ↑ the next unit  usage.overage_started      old ≤ limit < new
            new value ──────────────── old value         usage.threshold_recovered  a level that was told is left:
          ↓ 75 %   80 %                                                             new < t − hysteresis
    a closed total that is changed                       usage.restated             with the next revision; of any other
                                                         limit.period_closed        quota than the entitlement's own

Which levels have been told and not left is all the state there is (`Levels`). It moves with the facts that move it, in
one transaction, and carries the number of the change that it came from: a change that is seen again, late or by two at
once, finds that and tells nothing new. Of one total, changes are told in their order.

Events may be counted before it is known what is carried into their window. Until then nothing is told of it, and then
all of it at once, by the limit that it has.
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
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.governing import Governed
from tallygate.domain.periods.boundaries import NEVER_ENDS

THRESHOLD_CROSSED = "usage.threshold_crossed"
THRESHOLD_RECOVERED = "usage.threshold_recovered"
LIMIT_REACHED = "usage.limit_reached"
OVERAGE_STARTED = "usage.overage_started"
RESTATED = "usage.restated"
LIMIT_CLOSED = "limit.period_closed"
BY_USAGE, BY_LIMIT, BY_RESET, BY_CLOSING = "usage", "limit", "reset", "period_closed"
"""What a level was left by: less usage, a higher limit, a reset by hand, the end of its period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. `sequence` grows by one with each fact of a customer's feature; `data` is JSON and holds no secret."""

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
    """A fact to be: all but its place in the feature's sequence.

    One that `restates` is the total's next revision; its data is the statement of the window. A `level` of "" says
    nothing of the feature's.
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
    """The levels of a total that were told and not left since; `upto` is that of the change that last moved them."""

    crossed: frozenset[str] = frozenset()
    upto: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """What one change makes known, in order, and how the levels stand then; None: as before."""

    announcements: tuple[Announcement, ...] = ()
    levels: Levels | None = None


def concerns_levels(old: Total | None, new: Total) -> bool:
    """Whether the change could tell or leave a level, so that it must be known which ones have been told."""
    if (old is not None and old.closed) or new.unopened:
        return False
    old = opened(old)
    if old is not None and any(
        _holds(tier, old) and (new.closed or not _stays(tier.level, new)) for tier in _tiers(old)
    ):
        return True
    return any(_reached(tier, old, new) for tier in _tiers(new))


def announcements(old: Total | None, new: Total, levels: Levels) -> Announcements:
    """What one change of a total makes known; most often nothing.

    `levels` are those that changes before it left; without need (`concerns_levels`) they may be anybody's. A level is
    told where usage itself reaches its threshold: a limit that is lowered below usage tells nothing.
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
    """Whether a closed total's change alters a figure of its statement in any case.

    What a reset excludes, and the ages of what was carried in, alter at most what the window carries out.
    """
    return (old.value, old.carried, old.adjusted) != (new.value, new.carried, new.adjusted)


def opened(old: Total | None) -> Total | None:
    """The total before a change, as far as anything was told of it."""
    return None if old is None or old.unopened else old


def used_before(old: Total | None, new: Total) -> Decimal:
    """What was held against the limit before a change. What follows from other windows is no use of this one: it counts
    as if it had been there."""
    before = old.used if old is not None else ZERO
    more = EXACT.subtract(new.followed, ZERO if old is None else old.followed)
    return max(ZERO, EXACT.add(before, more)) if more else before


def _tiers(total: Total) -> tuple[Tier, ...]:
    return () if total.limit is None else total.governed.tiers


def _reached(tier: Tier, old: Total | None, new: Total) -> bool:
    """Whether usage crosses the threshold, where it lies now, upward."""
    assert new.limit is not None
    return used_before(old, new) < tier.at.of(new.limit) <= new.used


def _holds(tier: Tier, total: Total) -> bool:
    """Whether the level, once told, would not have been left."""
    assert total.limit is not None
    return total.used >= tier.rearms_below(total.limit)


def _stays(level: str, new: Total) -> bool:
    return any(tier.level == level and _holds(tier, new) for tier in _tiers(new))


def _left(old: Total | None, new: Total, levels: Levels) -> tuple[Announcement, ...]:
    """The levels that the change leaves, the highest first. A closing leaves them all: a new period arms them anew."""
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
    """The level's tier as it is, else as it was before the limit's tiers changed or it went."""
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
    """That usage reached the limit, and that it went beyond: by the changes in which it does.

    What was used too much before, or an adjustment, may leave less than nothing: then the first unit is beyond it.
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
    """What every fact about a total says of it."""
    governed = new.governed
    about: dict[str, Any] = {"customer": new.customer}
    if governed.stripe_customer_id is not None:
        about["stripe_customer_id"] = governed.stripe_customer_id
    return {
        **about,
        "feature": governed.feature,
        "meter": governed.meter,
        "plan": governed.plan,
        "plan_version": governed.plan_version,
        "limit_name": governed.name,
        "scope": dict(governed.scope),
        "limit": None if new.limit is None else format_quantity(max(ZERO, new.limit)),
        "unlimited": governed.limit is None,
        "breakdown": breakdown(new),
        "usage": format_quantity(new.used),
        "period": period(new.start, new.end),
    }


def breakdown(total: Total) -> dict[str, Any]:
    """What a total's limit is made of, and what of its usage was counted in other windows; without a limit there is no
    base."""
    return {
        "base": _stated(total.governed.limit),
        "carried": format_quantity(total.carried),
        "adjusted": format_quantity(total.adjusted),
        "followed": format_quantity(total.followed),
    }


def period(start: Instant, end: Instant) -> dict[str, Any]:
    """A window as facts state it; what never ends has no end."""
    return {"start": format_instant(start), "end": format_instant(end) if end < NEVER_ENDS else None}


def _stated(quantity: Decimal | None) -> Wire | None:
    return None if quantity is None else format_quantity(quantity)


def upgrade(governed: Governed) -> dict[str, Any]:
    """Enough for an automation to upgrade the customer without a second call."""
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
    """An id derived from what a fact is about: the same for the same parts, on every attempt."""
    text = "\n".join(str(part) for part in parts)
    return f"fact_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
