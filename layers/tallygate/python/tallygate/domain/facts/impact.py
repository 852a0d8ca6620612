"""Impact: what a limit would have denied, had it been enforced already. Pure.

    a granted use ──what the counter showed after it──> would the limit have denied it? ──fold──> its total ──> impact

That is asked of limits that observe, and once, where the fold counts the use: so a window's sum is of the very uses
that its total is of, however often the stream delivers them. It is what the answer said (`would_deny`), except that

- a rate has no total, and so no part in it; nor has what rolls, which no single window of it decides;
- a grace is judged by its amount alone: how long it had run is not told by a counter;
- a use is judged by the limit as it was when the use was folded, about a second later, and keeps that judgement.

An event is never judged: it has happened, and nobody asked. Neither is a settlement: what was asked for is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.counters import Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import deciding, ladder, landing
from tallygate.domain.periods.recurrence import Schedule

RANGE_MAX = 400 * DAY
RANGE = 30 * DAY
"""How far back is looked where no beginning is given."""
ROWS_MAX = 1_000
_QUOTA = "quota/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactQuery:
    """Of which limit, and over which time: windows that overlap [start, end)."""

    customer: str
    name: str
    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        assert self.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedQuota:
    """A quota that the customer has under a limit's name, or had: its counters go by the ordinal."""

    feature: str
    ordinal: int
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What the windows of one quota come to. Windows of two quotas are never added: both count the same use."""

    feature: str
    scope: Scope
    every: str | None
    windows: int = 0
    usage: Decimal = ZERO
    decisions: int = 0
    amount: Decimal = ZERO

    def __add__(self, total: Total) -> Sum:
        return Sum(
            feature=self.feature,
            scope=self.scope,
            every=self.every,
            windows=self.windows + 1,
            usage=EXACT.add(self.usage, total.value),
            decisions=self.decisions + total.would_decisions,
            amount=EXACT.add(self.amount, total.would_amount),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """A limit's windows with usage, in order of quota and time, and their sums by quota."""

    query: ImpactQuery
    totals: tuple[Total, ...]
    as_of: Instant

    @property
    def sums(self) -> tuple[Sum, ...]:
        """One for each quota, in their order."""
        sums: dict[int, Sum] = {}
        for total in self.totals:
            governed = total.governed
            empty = Sum(feature=total.feature, scope=governed.scope, every=governed.every)
            sums[total.ordinal] = sums.get(total.ordinal, empty) + total
        return tuple(sums.values())


def would_deny(governed: Governed, shown: Shown) -> bool:
    """Whether the limit, had it been enforced, would have denied the use after which a counter showed this much."""
    if governed.enforcement is not Enforcement.OBSERVE or governed.limit is None:
        return False
    total = EXACT.add(governed.limit, shown.raised)
    rungs = ladder(deciding(governed.tiers), total, soft=False, began=None, now=0, base=governed.limit)
    return not landing(rungs, shown.used).grants


def counted_as(effective: Effective, name: str) -> tuple[CountedQuota, ...] | None:
    """The quotas that the customer has or had under a limit's name; None: it has had no such limit.

    One whose schedule is forgotten has counted nothing.
    """
    schedules: dict[int, Schedule] = dict(effective.retired)
    for entitlement in effective.entitlements.values():
        for limit in entitlement.limits:
            schedules |= {quota.ordinal: quota.schedule for quota in limit.quotas}
    known, found = False, list[CountedQuota]()
    for text, ordinal in effective.ordinals.items():
        feature, limit_name, window = text.split("\n")
        known = known or limit_name == name
        if limit_name == name and window.startswith(_QUOTA) and ordinal in schedules:
            found.append(CountedQuota(feature=feature, ordinal=ordinal, schedule=schedules[ordinal]))
    return tuple(sorted(found, key=lambda each: (each.feature, each.ordinal))) if known else None
