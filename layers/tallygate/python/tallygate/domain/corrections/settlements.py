"""Settlements: a granted consume corrected once, from what was estimated to what it came to.

    consume 1000 (an estimate) ──> granted ──> … the work … ──> settle 1310 (or 870, or 0)
    the decision's own windows      + 1000                       + 310 (− 130, − 1000)

It has happened, so an upward correction asks for no room; rates are not corrected, for their moment is over. The first
settlement stands: the same amount again is a repetition, another one a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.decision import Reason
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.tiers import AllowWithGrace, Deny, Enforcement, SuspendUsage, level_at
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.limits.counters import CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rungs import deciding, ladder, landing, left
from tallygate.domain.metering.events import LATENESS_MAX

SETTLED_WITHIN = LATENESS_MAX
"""A decision may be settled for as long as an event may be late. The journal and the receipt are kept for longer."""
_BEYOND = (Reason.GRACE, Reason.OVERAGE_ALLOWED, Reason.SOFT_LIMIT_EXCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a decision was settled to: it was granted `granted` and counts `amount` since."""

    decision_id: str
    granted: Decimal
    amount: Decimal
    settled_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A window that a decision counted in: its limit, and what the window showed when the decision was made.

    `governed` None: nothing is known of the limit; `shown` None: nothing of the numbers. Of what rolls there are none,
    for no single window of it is held against the limit.
    """

    window: CountedWindow
    amount: Decimal
    governed: Governed | None
    shown: Shown | None

    @property
    def limit(self) -> Decimal | None:
        """The limit with all that it was raised by then; None: unlimited, or not known."""
        base = None if self.governed is None else self.governed.limit
        return base if base is None or self.shown is None else EXACT.add(base, self.shown.raised)

    @property
    def used_after(self) -> Decimal | None:
        return None if self.shown is None else self.shown.used

    @property
    def used_before(self) -> Decimal | None:
        return None if self.shown is None else EXACT.subtract(self.shown.used, self.amount)

    @property
    def remaining_after(self) -> Decimal | None:
        if self.limit is None or self.shown is None:
            return None
        return left(self.limit, self.shown.used)

    @property
    def level(self) -> str | None:
        """The level that the window was at after the decision; None: not known."""
        if self.governed is None or self.shown is None:
            return None
        return level_at(self.governed.tiers, self.limit, self.shown.used)

    @property
    def beyond(self) -> frozenset[Reason]:
        """Why the window let through what is beyond a threshold of it; empty: it had no need to, or nothing is known.

        Not known is when a grace began: where one that time ends is followed by what grants, it may have been either.
        """
        limit, used = self.limit, self.used_after
        if self.governed is None or not self.governed.enforced or limit is None or used is None:
            return frozenset()
        soft = self.governed.enforcement is Enforcement.SOFT
        rungs = ladder(deciding(self.governed.tiers), limit, soft=soft, began=None, now=0)
        landed = landing(rungs, used)
        if isinstance(policy := landed.policy, AllowWithGrace):
            surely = policy.lasts is None or isinstance(policy.then, Deny | SuspendUsage)
            return frozenset({Reason.GRACE} if surely else {Reason.GRACE, Reason.OVERAGE_ALLOWED})
        if used <= limit:
            return frozenset()
        if not landed.grants:
            # Somebody had waived a tier by then; which policy granted below it is not recorded.
            return frozenset({Reason.GRACE, Reason.OVERAGE_ALLOWED})
        return frozenset({Reason.SOFT_LIMIT_EXCEEDED if soft and landed.tier is None else Reason.OVERAGE_ALLOWED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDecision:
    """A decision: its entry, the limits it counted under by ordinal, its settlement if there is one.

    `folded` says whether it is in the journal, with `limits` as recorded; before that they are those in force.
    """

    decision_id: str
    customer: str
    use: UseEntry
    limits: Mapping[int, Governed]
    settlement: Settlement | None
    folded: bool

    @property
    def charges(self) -> tuple[Charge, ...]:
        """The windows that it counted in, in the order of its entry."""
        shown: Sequence[Shown | None] = self.use.after or [None] * len(self.use.windows)
        limits = [self.limits.get(window.ordinal) for window in self.use.windows]
        return tuple(
            Charge(
                window=window,
                amount=self.use.amount,
                governed=limit,
                shown=None if limit is not None and limit.reach else after,
            )
            for window, limit, after in zip(self.use.windows, limits, shown, strict=True)
        )

    @property
    def reason(self) -> Reason | None:
        """The reason that it was granted for, where the windows prove it: that it went beyond one of them.

        None: nothing proves it. Rates leave nothing in the record, so that `ok` cannot be told from a soft rate's.
        """
        if not self.folded:
            return None
        found = [charge.beyond for charge in self.charges]
        first = next((reason for reason in _BEYOND if any(reason in reasons for reasons in found)), None)
        return first if first is not None and frozenset({first}) in found else None

    @property
    def tightest(self) -> Charge | None:
        """Of the windows under a hard limit the one with the least left, the first of equals; where there is none, of
        the others. None: without any limit, or where the numbers are not known."""
        left = [(charge, remaining) for charge in self.charges if (remaining := charge.remaining_after) is not None]
        return min(left, key=lambda found: (not _denies(found[0]), found[1]), default=(None, ZERO))[0]


def _denies(charge: Charge) -> bool:
    return charge.governed is not None and charge.governed.enforcement is Enforcement.HARD
