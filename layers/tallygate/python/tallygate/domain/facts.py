"""Facts: what happened, in the past tense, for webhooks and the event bus; and which of them a total's change makes.

    total:  old value ──────────────── new value         usage.threshold_crossed   a tier's threshold t, old < t ≤ new
                 80 %  ↑        100 %  ↑                 usage.limit_reached       the limit itself
    a closed total whose value changes                   usage.restated            with the next revision

A threshold lies between the old and the new value of exactly one change of its total, and the id is derived from that
change. So a fact that is made again, after a crash or a second delivery, is the same fact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.instants import Instant, format_instant
from tallygate.domain.journal import Governed
from tallygate.domain.quantities import ZERO, format_quantity
from tallygate.domain.tiers import NORMAL, Tier, level_at
from tallygate.domain.units import Unit

THRESHOLD_CROSSED = "usage.threshold_crossed"
LIMIT_REACHED = "usage.limit_reached"
RESTATED = "usage.restated"


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
class Total:
    """What was consumed under one limit in one window. `by_event` is the part that came by events, `unit` what the
    closed window is stated in, whatever becomes of the feature's.

    `upto` is the last journal number that was applied, `traceparent` that of the newest entry in it that had one. Once
    `closed`, a change of the value is a restatement; `revision` counts what was stated about the closed window, the
    closing itself included.
    """

    customer: str
    ordinal: int
    start: Instant
    end: Instant
    value: Decimal
    by_event: Decimal
    upto: int
    governed: Governed
    closed: bool = False
    revision: int = 0
    unit: Unit | None = None
    traceparent: str | None = None

    @property
    def feature(self) -> str:
        return self.governed.feature

    @property
    def over(self) -> Instant:
        """When what it counts counts no more for admission."""
        return self.end + self.governed.reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A fact to be: all but its place in the feature's sequence.

    One that `restates` is the total's next revision; its data goes with the statement of the window.
    """

    id: str
    type: str
    customer: str
    feature: str
    level: str
    data: Mapping[str, Any] = field(default_factory=dict)
    restates: bool = False


def announcements(old: Total | None, new: Total) -> tuple[Announcement, ...]:
    """What one change of a total makes known, in order of the thresholds; most often nothing."""
    before = old.value if old is not None else ZERO
    if old is not None and old.closed:
        return (_restatement(before, new),) if before != new.value else ()
    limit = new.governed.limit
    if limit is None or new.value <= before:
        return ()
    crossed = [(tier.at.of(limit), tier) for tier in new.governed.tiers if before < tier.at.of(limit) <= new.value]
    found = [_crossing(new, tier, threshold) for threshold, tier in sorted(crossed, key=lambda c: c[0])]
    if before < limit <= new.value:
        found.append(_limit_reached(new, limit))
    return tuple(found)


def _crossing(new: Total, tier: Tier, threshold: Decimal) -> Announcement:
    data = {
        **_about(new),
        "level": tier.level,
        "threshold": format_quantity(threshold),
        "at": str(tier.at),
        **_upgrade(new.governed),
    }
    return _announcement(new, THRESHOLD_CROSSED, f"{tier.level}@{tier.at}", tier.level, data)


def _limit_reached(new: Total, limit: Decimal) -> Announcement:
    level = level_at(new.governed.tiers, limit, new.value)
    data = {**_about(new), "level": level, **_upgrade(new.governed)}
    return _announcement(new, LIMIT_REACHED, "", level, data)


def _restatement(before: Decimal, new: Total) -> Announcement:
    limit = new.governed.limit
    level = NORMAL if limit is None else level_at(new.governed.tiers, limit, new.value)
    return _announcement(new, RESTATED, "", level, {"raw_before": format_quantity(before)}, restates=True)


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
        "limit": None if governed.limit is None else format_quantity(governed.limit),
        "unlimited": governed.limit is None,
        "usage": format_quantity(new.value),
        "period": {
            "start": format_instant(new.start),
            "end": format_instant(new.end) if new.end < NEVER_ENDS else None,
        },
    }


def _upgrade(governed: Governed) -> dict[str, Any]:
    """Enough for an automation to upgrade the customer without a second call."""
    allowed = governed.upgrade_limit
    return {
        "upgrade_to": governed.upgrade_to,
        "upgrade_limit": None if allowed is None else format_quantity(allowed),
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
