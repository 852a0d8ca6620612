"""Explanations: every limit of a feature at one decision, and why the decision was made.

    grounds (limits in force, terms, image) ─┬─> each limit: governs or not, each window before and after
    decision (nodes, binding, retry_at) ─────┘   binding · which reasons held · what a retry waits for

An explanation is computed on request, from the decision and its grounds alone. Its numbers are the decision's: for a
granted consume, those of the write; for a check, those that a consume would leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decide import beyond
from tallygate.domain.admission.decision import (
    GRANTING,
    LIMITING,
    NOT_YET,
    PRECEDENCE,
    Decision,
    Grounds,
    Node,
    Reason,
    evaluate,
    rated_in,
)
from tallygate.domain.admission.terms import QuotaTerm, Terms, look, opened_for
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.features import Switch
from tallygate.domain.catalog.rates import Rate, SubWindow, current_room
from tallygate.domain.catalog.scopes import Scope, governs
from tallygate.domain.catalog.tiers import AllowWithGrace, Tier, level_at, may_suspend
from tallygate.domain.limits.limits import Entitlement, Limit
from tallygate.domain.limits.rungs import UNTIL_TOP_UP, Rung, landing, left, remaining
from tallygate.domain.limits.suspensions import OPERATOR, TIER


class Waits(StrEnum):
    """What a denied request waits for."""

    NOTHING = "nothing"
    PERIOD_END = "period_end"
    ROLLING_OFF = "rolling_off"
    RATE = "rate"
    LARGER_LIMIT = "larger_limit"
    SUSPENSION_END = "suspension_end"
    TOP_UP = "top_up"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedWindows:
    """The usage of one window around the request, in units.

    before: without the request; None: not known, because the decision is a replay
    after: with the request, if it was granted
    asked: with the requested amount, whether it was granted or not
    """

    before: Decimal | None
    after: Decimal
    asked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedTier:
    """A tier of a quota's window.

    threshold: usage at which the tier begins now, in units
    reached: whether usage after the request has reached the threshold, as in `level_at`
    waived: whether the tier does not suspend again in this window, because an operator resumed usage
    """

    tier: Tier
    threshold: Decimal
    reached: bool
    waived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedQuota:
    """A quota's window.

    rung: where the request lands; None: the quota is unlimited, or does not govern the request
    graced: whether a tier of the limit grants a grace
    grace_began: None: not yet
    grace_ends: None: the grace has not begun, or has no time limit
    """

    node: Node
    counted: CountedWindows
    level_before: str | None
    level_after: str
    tiers: tuple[ExplainedTier, ...] = ()
    rung: Rung | None = None
    graced: bool = False
    grace_began: Instant | None = None
    grace_ends: Instant | None = None

    @property
    def remaining_after(self) -> Decimal | None:
        return None if self.node.limit is None else remaining(self.node.limit, self.counted.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRate:
    """A rate in its two sub-windows. `current` counts whole, `previous` by the share `at.left ÷ at.width`.

    previous, current: units admitted, without the request
    current_max: the request fits while `current ≤ current_max`; None: it cannot fit
    throttles: whether a tier applies the rate
    """

    node: Node
    counted: CountedWindows
    rate: Rate
    at: SubWindow
    previous: Decimal
    current: Decimal
    current_max: Decimal | None
    throttles: bool

    @property
    def remaining_after(self) -> Decimal:
        return left(self.rate.burst, self.counted.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A dimension in which a scope and a request differ.

    wanted: value in the scope
    given: value in the request; None: the request does not have the dimension
    """

    dimension: str
    wanted: str
    given: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLimit:
    """A limit with its windows.

    unmatched: why the limit does not govern the request; empty: it governs
    """

    limit: Limit
    windows: tuple[ExplainedQuota | ExplainedRate, ...]
    unmatched: tuple[Unmatched, ...] = ()

    @property
    def governs(self) -> bool:
        return not self.unmatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The suspension that denies the request. None in a field: not known, or not applicable.

    by: OPERATOR or TIER
    feature: None: the whole customer
    limit, level: of a tier's suspension
    until: end of a tier's suspension, as in `domain.limits.rungs`
    """

    by: str
    feature: str | None
    scope: Scope
    limit: str | None = None
    level: str | None = None
    since: Instant | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision was made.

    binding: the node that denied; on a grant, the deciding node with the least room
    held: for every reason, in order of precedence, whether it held; None: not evaluated, because an earlier one decided
    waits: what a denied request waits for
    waits_for: the window concerned; None: no single window
    stopped: the suspension that denied; None: none did
    """

    decision: Decision
    dimensions: Mapping[str, str]
    limits: tuple[ExplainedLimit, ...]
    binding: Node | None
    held: tuple[tuple[Reason, bool | None], ...]
    waits: Waits
    waits_for: Node | None
    stopped: Stopped | None


def explanation(decision: Decision, dimensions: Mapping[str, str]) -> Explanation:
    """The explanation of a decision about a request with these dimensions."""
    stopped = _stopped(decision)
    waits, waits_for = _waits(decision, stopped)
    return Explanation(
        decision=decision,
        dimensions=dimensions,
        limits=_limits(decision, dimensions),
        binding=_tightest(decision.nodes) if decision.granted else decision.binding,
        held=tuple((reason, _held(reason, decision)) for reason in Reason),
        waits=waits,
        waits_for=waits_for,
        stopped=stopped,
    )


def _limits(decision: Decision, dimensions: Mapping[str, str]) -> tuple[ExplainedLimit, ...]:
    grounds = decision.grounds
    if grounds is None or grounds.entitlement is None or grounds.cell is None:
        return ()
    asked = _terms_of_all_limits(grounds, grounds.entitlement, grounds.cell, decision.as_of)
    idle = evaluate(grounds.cell, asked, counted=True)
    cell = opened_for(grounds.cell, asked)
    found = []
    for limit in grounds.entitlement.limits:
        governing = governs(limit.scope, dimensions)
        nodes = [node for node in (decision.nodes if governing else idle) if node.name == limit.name]
        whose = decision if governing else None
        found.append(
            ExplainedLimit(
                limit=limit,
                windows=tuple(_window(limit, node, asked, cell, whose) for node in nodes),
                unmatched=_unmatched(limit.scope, dimensions),
            )
        )
    return tuple(found)


def _terms_of_all_limits(grounds: Grounds, entitlement: Entitlement, cell: Cell, now: Instant) -> Terms:
    """Terms of every limit, whatever its scope, for an amount of 0."""
    return look(entitlement, version=grounds.effective.version, now=now, seen=cell)


def _unmatched(scope: Scope, dimensions: Mapping[str, str]) -> tuple[Unmatched, ...]:
    return tuple(
        Unmatched(dimension=name, wanted=wanted, given=dimensions.get(name))
        for name, wanted in scope.items()
        if dimensions.get(name) != wanted
    )


def _counted(node: Node, decision: Decision | None) -> CountedWindows:
    """The window's usage around the request.

    decision: None: the window's limit does not govern the request
    """
    if decision is None:
        return CountedWindows(before=node.used, after=node.used, asked=node.used)
    if node.alone:
        before = node.used if decision.decision_id is None else None
        return CountedWindows(
            before=before, after=node.after if decision.granted else node.used, asked=decision.requested
        )
    if not decision.granted:
        return CountedWindows(before=node.used, after=node.used, asked=node.used + decision.requested)
    if decision.replayed:
        return CountedWindows(before=None, after=node.used, asked=node.used)
    before = node.used - decision.granted_amount if decision.decision_id is not None else node.used
    after = before + decision.granted_amount
    return CountedWindows(before=before, after=after, asked=after)


def _window(
    limit: Limit, node: Node, asked: Terms, cell: Cell, decision: Decision | None
) -> ExplainedQuota | ExplainedRate:
    counted = _counted(node, decision)
    if node.rate is not None:
        return _rate(limit, node, counted, asked, cell, decision)
    term = next(term for term in asked.quotas if term.counter == node.counter)
    graces = [tier.policy for tier in limit.tiers if isinstance(tier.policy, AllowWithGrace)]
    began = cell.grace.get(term.counter)
    times = [grace.lasts for grace in graces if grace.lasts is not None]
    return ExplainedQuota(
        node=node,
        counted=counted,
        level_before=None if counted.before is None else level_at(limit.tiers, node.limit, counted.before),
        level_after=level_at(limit.tiers, node.limit, counted.after),
        tiers=_tiers(limit, node.limit, counted.after, cell.waived.get(term.counter, frozenset())),
        rung=None if decision is None else _rung(term, cell, counted.asked),
        graced=bool(graces),
        grace_began=began,
        grace_ends=began + min(times) if began is not None and times else None,
    )


def _tiers(limit: Limit, total: Decimal | None, used: Decimal, waived: frozenset[str]) -> tuple[ExplainedTier, ...]:
    if total is None:
        return ()
    thresholds = [(tier, tier.at.of(total)) for tier in limit.tiers]
    return tuple(
        ExplainedTier(
            tier=tier,
            threshold=at,
            reached=used >= at,
            waived=limit.decides and tier.level in waived and may_suspend((tier,)),
        )
        for tier, at in thresholds
    )


def _rung(term: QuotaTerm, cell: Cell, used: Decimal) -> Rung | None:
    return None if term.quota.limit is None else landing(term.shown_in(cell, stated=True).rungs, used)


def _rate(
    limit: Limit, node: Node, counted: CountedWindows, asked: Terms, cell: Cell, decision: Decision | None
) -> ExplainedRate:
    rate = node.rate
    assert rate is not None, "a rate's window"
    at = SubWindow(index=node.counter[1], left=node.end - asked.now, width=rate.width)
    previous, current = rated_in(rate, cell, at.index)
    counts = decision is not None and decision.granted and decision.decision_id is not None and not decision.replayed
    amount = ZERO if decision is None else decision.granted_amount if decision.granted else decision.requested
    room = current_room(rate.burst, amount, previous, at)
    return ExplainedRate(
        node=node,
        counted=counted,
        rate=rate,
        at=at,
        previous=previous,
        current=current - amount if counts else current,
        current_max=None if room < 0 else room,
        throttles=rate not in limit.rates,
    )


def _tightest(nodes: tuple[Node, ...]) -> Node | None:
    """The deciding window with the least room, the first among equals; None: no window limits the request."""
    deciding = [(node, node.room) for node in nodes if node.decides and node.room is not None]
    return min(deciding, key=lambda found: found[1] or ZERO, default=(None, ZERO))[0]


def _held(reason: Reason, decision: Decision) -> bool | None:
    if reason is decision.reason:
        return True
    if reason in NOT_YET or (reason not in GRANTING and PRECEDENCE[reason] < PRECEDENCE[decision.reason]):
        return False
    if decision.granted:
        return _granting_held(reason, decision)
    return _denying_held(reason, decision)


def _granting_held(reason: Reason, decision: Decision) -> bool | None:
    if reason in (Reason.UNLIMITED, Reason.OK):
        return False
    return any(beyond(node) is reason for node in decision.nodes)


def _denying_held(reason: Reason, decision: Decision) -> bool | None:
    """Whether a later reason held too, next to the one that denied; None: the decision has not evaluated it."""
    effective = None if decision.grounds is None else decision.grounds.effective
    if reason is Reason.NO_ACTIVE_SUBSCRIPTION and effective is not None:
        return not effective.subscribed
    if reason is Reason.NOT_ENTITLED and effective is not None and effective.subscribed:
        fixed = effective.fixed.get(decision.feature)
        return fixed == Switch(feature=decision.feature, enabled=False) or (
            fixed is None and decision.feature not in effective.entitlements
        )
    if reason in LIMITING and decision.nodes:
        return any(not node.granted and not node.suspends for node in decision.nodes if node.cause is reason)
    return None


def _stopped(decision: Decision) -> Stopped | None:
    if decision.reason is not Reason.SUSPENDED:
        return None
    if (by_operator := decision.suspension) is not None:
        return Stopped(by=OPERATOR, feature=by_operator.feature, scope=by_operator.scope, since=by_operator.since)
    stop = decision.stopped
    assert stop is not None, "what suspends is an operator or a tier"
    return Stopped(
        by=TIER,
        feature=stop.feature,
        scope=stop.scope,
        limit=stop.limit,
        level=stop.level,
        since=stop.since,
        until=stop.until,
    )


def _waits(decision: Decision, stopped: Stopped | None) -> tuple[Waits, Node | None]:
    """What a denied request waits for, and the window concerned."""
    if stopped is not None:
        if stopped.until is None or stopped.until > UNTIL_TOP_UP:
            return Waits.RESUME, None
        return (Waits.TOP_UP if stopped.until == UNTIL_TOP_UP else Waits.SUSPENSION_END), None
    refusing = [node for node in decision.nodes if not node.granted]
    if decision.granted or not refusing:
        return Waits.NOTHING, None
    never = next((node for node in refusing if node.retry_at is None), None)
    if never is not None:
        return Waits.LARGER_LIMIT, never
    if decision.retry_at is None:
        # Each limit has room at some time, but no time is known at which all of them have room.
        return Waits.LARGER_LIMIT, refusing[0]
    last = max(refusing, key=lambda node: node.retry_at or 0)
    if last.rate is not None:
        quota = next((node for node in decision.nodes if node.counter == last.throttles), None)
        if quota is not None and quota.resets_at is not None and quota.resets_at <= decision.retry_at:
            return Waits.PERIOD_END, quota
        return Waits.RATE, last
    rolls = decision.grounds is not None and decision.grounds.terms is not None and _rolls(last, decision.grounds.terms)
    return (Waits.ROLLING_OFF if rolls else Waits.PERIOD_END), last


def _rolls(node: Node, asked: Terms) -> bool:
    return any(term.beside for term in asked.quotas if term.counter == node.counter)
