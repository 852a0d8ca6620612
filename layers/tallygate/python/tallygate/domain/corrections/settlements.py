"""Settlements: correct a granted consume once, from the estimated amount to the actual amount.

    consume 1000 (an estimate) ──> granted ──> … the work … ──> settle 1310 (or 870, or 0)
    the decision's own windows      + 1000                       + 310 (− 130, − 1000)

The usage has happened, so an upward settlement is never denied. Rates are not corrected, because their interval has
passed. The first settlement is final: the same amount again is a repetition, another amount is a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.decision import Reason
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.tiers import AllowWithGrace, Deny, Enforcement, SuspendUsage, level_at
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.limits.counters import CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rungs import landing, remaining, within
from tallygate.domain.metering.lateness import LATENESS_MAX

SETTLED_WITHIN = LATENESS_MAX
"""How long a decision can be settled: as long as an event may be late. Journal and receipts are kept longer."""
_BEYOND = (Reason.GRACE, Reason.OVERAGE_ALLOWED, Reason.SOFT_LIMIT_EXCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The settlement of a decision.

    granted: units granted by the decision
    amount: units that count since the settlement
    """

    decision_id: str
    granted: Decimal
    amount: Decimal
    settled_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A window in which a decision counted, with its limit and its numbers at the time of the decision.

    governed: the limit; None: unknown
    shown: the window's numbers; None: unknown. Always None for rolling periods, where no single window is held against
        the limit.
    """

    window: CountedWindow
    amount: Decimal
    governed: Governed | None
    shown: Shown | None

    @property
    def limit(self) -> Decimal | None:
        """The total limit at that time, with carried and adjusted amounts; None: unlimited or unknown."""
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
        return remaining(self.limit, self.shown.used)

    @property
    def level(self) -> str | None:
        """The level of the window after the decision; None: unknown."""
        if self.governed is None or self.shown is None:
            return None
        return level_at(self.governed.tiers, self.limit, self.shown.used)

    @property
    def beyond(self) -> frozenset[Reason]:
        """The possible reasons why the window granted usage beyond a threshold; empty: not beyond, or unknown.

        The start of a grace is unknown. If a grace with a duration ends in a granting policy, either of the two may
        have granted; then both reasons are returned.
        """
        limit, shown = self.limit, self.shown
        if self.governed is None or not self.governed.enforced or limit is None or shown is None:
            return frozenset()
        landed = landing(self.governed.ladder(shown.raised), shown.used)
        if isinstance(policy := landed.policy, AllowWithGrace):
            surely = policy.lasts is None or isinstance(policy.then, Deny | SuspendUsage)
            return frozenset({Reason.GRACE} if surely else {Reason.GRACE, Reason.OVERAGE_ALLOWED})
        if within(shown.used, limit):
            return frozenset()
        if not landed.grants:
            # An operator had waived a tier at that time. The policy that granted instead is not recorded.
            return frozenset({Reason.GRACE, Reason.OVERAGE_ALLOWED})
        soft = self.governed.enforcement is Enforcement.SOFT
        return frozenset({Reason.SOFT_LIMIT_EXCEEDED if soft and landed.tier is None else Reason.OVERAGE_ALLOWED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDecision:
    """A granted decision as stored.

    use: its journal entry
    limits: the limits it counted under, by ordinal: as recorded in the journal, or before that those in force
    settlement: None: not settled
    folded: whether the decision is in the journal
    """

    decision_id: str
    customer: str
    use: UseEntry
    limits: Mapping[int, Governed]
    settlement: Settlement | None
    folded: bool

    @property
    def charges(self) -> tuple[Charge, ...]:
        """The windows in which the decision counted, in the order of its entry."""
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
        """The reason of the grant, if the windows prove that it went beyond a threshold; None: unproven.

        Rates leave nothing in the record. So `ok` cannot be distinguished from the reason of a soft rate.
        """
        if not self.folded:
            return None
        found = [charge.beyond for charge in self.charges]
        first = next((reason for reason in _BEYOND if any(reason in reasons for reasons in found)), None)
        return first if first is not None and frozenset({first}) in found else None
