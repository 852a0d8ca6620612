"""Impact: what an observing limit would have denied if it had been enforced. Pure.

    granted use ──counter value after it──> would the limit have denied it? ──fold──> its total ──> impact

Each use is judged once, when the fold counts it. So a window's impact covers exactly the uses in its total, however
often the stream delivers them. The judgement equals `would_deny` of the answer, with these exceptions:

- Rates have no totals and are left out. So are rolling periods, because no single window of them decides.
- A grace is judged by its amount alone, because a counter does not show how long the grace had run.
- A use is judged by the limit at the time of the fold, about a second later. Later changes do not alter the judgement.

Events are not judged, because they are no requests. For a settled consume, the requested amount is judged, not the
settlement.
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
from tallygate.domain.limits.rungs import landing
from tallygate.domain.periods.recurrence import Schedule

RANGE_MAX = 400 * DAY
RANGE = 30 * DAY
"""The default range: how far before the end it begins."""
ROWS_MAX = 1_000
_QUOTA = "quota/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactQuery:
    """A query for the impact of one limit, over its windows that overlap [start, end)."""

    customer: str
    name: str
    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        assert self.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedQuota:
    """A quota that the customer has or had under a limit's name. The ordinal identifies its counters."""

    feature: str
    ordinal: int
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The sums over the windows of one quota. Different quotas count the same use, so they are never added.

    windows: number of windows
    usage: units counted
    decisions: number of uses that the limit would have denied
    amount: units of these uses
    """

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
    """The windows of a limit that have usage, ordered by quota and time, with sums by quota."""

    query: ImpactQuery
    totals: tuple[Total, ...]
    as_of: Instant

    @property
    def sums(self) -> tuple[Sum, ...]:
        """The sums, one for each quota, in the order of the quotas."""
        sums: dict[int, Sum] = {}
        for total in self.totals:
            governed = total.governed
            empty = Sum(feature=total.feature, scope=governed.scope, every=governed.every)
            sums[total.ordinal] = sums.get(total.ordinal, empty) + total
        return tuple(sums.values())


def would_deny(governed: Governed, shown: Shown) -> bool:
    """Return whether the limit, if enforced, would have denied the use. `shown`: the counter after the use."""
    if governed.enforcement is not Enforcement.OBSERVE or governed.limit is None:
        return False
    return not landing(governed.ladder(shown.raised), shown.used).grants


def counted_as(effective: Effective, name: str) -> tuple[CountedQuota, ...] | None:
    """Return the quotas that the customer has or had under a limit's name; None: there was never such a limit.

    A quota without a stored schedule has counted nothing and is left out.
    """
    schedules = {**effective.retired, **{quota.ordinal: quota.schedule for _, _, quota in effective.quotas}}
    known, found = False, list[CountedQuota]()
    for text, ordinal in effective.ordinals.items():
        feature, limit_name, window = text.split("\n")
        known = known or limit_name == name
        if limit_name == name and window.startswith(_QUOTA) and ordinal in schedules:
            found.append(CountedQuota(feature=feature, ordinal=ordinal, schedule=schedules[ordinal]))
    return tuple(sorted(found, key=lambda each: (each.feature, each.ordinal))) if known else None
