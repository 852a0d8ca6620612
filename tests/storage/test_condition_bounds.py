"""What a write states: never more than DynamoDB takes of one expression, whatever limits the catalog admits.

An expression is at most 4,096 bytes. Operators are counted strictly: every comparison, function, AND, OR, NOT, = and +.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tallygate.domain.admission.cells import REMOVED_MAX, Cell, RequestMark
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    Policy,
    RateLimit,
    SuspendUsage,
    Tier,
    percent,
)
from tallygate.domain.limits.capacity import (
    ALWAYS,
    OPERATORS_MAX,
    SIZE_MAX,
    Sized,
    Weight,
    crowded,
)
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Entitlement, Limit, Quota
from tallygate.domain.limits.rollover import Stretch
from tallygate.domain.periods.recurrence import FIRST_USE, Schedule, Segment, rolling, window_at
from tallygate.storage.admission.cells import Cells, admission_changes, admission_condition
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.expressions import Placeholders, render, render_changes
from tallygate.storage.entries.writes import CellWrite
from tests.given import ENTRY, FEATURE, METER, NOW, quota, rate

LONG = Decimal("123456789012345678.123456789")
STEP = Decimal("1e-9")
"""As many digits as a quantity has."""
OPERATOR = re.compile(r"AND|OR|NOT|attribute_not_exists|attribute_exists|if_not_exists|contains|<=|>=|[<>=+]")
AT = NOW + 50 * SECOND
"""Late in a rate's sub-window, when all of its alternatives leave room."""


def stated(asked: Terms) -> tuple[Weight, Weight]:
    """(condition, update) as they are sent."""
    names = Placeholders()
    write = CellWrite(CellName("acme", FEATURE), admission_changes(asked), ENTRY, admission_condition(asked)).update
    assert write.condition is not None
    texts = render(write.condition, names), render_changes(write.changes, names)
    condition, update = (Weight(len(text.encode()), len(OPERATOR.findall(text))) for text in texts)
    return condition, update


def asks(right: Entitlement, amount: Decimal, seen: Cell, dimensions: dict[str, str] | None = None) -> Terms:
    return terms(
        right,
        amount=amount,
        version=1,
        mark=RequestMark(AT // MINUTE, b"nobody"),
        remembered=True,
        now=AT,
        seen=seen,
        dimensions=dimensions,
    )


def throttle(ordinal: int) -> RateLimit:
    return RateLimit(rate=Rate(ordinal=ordinal, limit=LONG, per=MINUTE, burst=LONG))


POLICIES = st.sampled_from(
    [
        AllowWithOverage(),
        AllowWithOverage(max_overage=LONG),
        AllowWithGrace(amount=LONG / 3),
        AllowWithGrace(amount=LONG / 3, lasts=DAY),
        AllowWithGrace(lasts=DAY, then=SuspendUsage(until="resumed")),
        AllowWithGrace(amount=LONG / 3, lasts=HOUR, then=throttle(0)),
        throttle(0),
        Deny(),
        SuspendUsage(until="next_period"),
    ]
)
TIERS = st.lists(st.tuples(st.sampled_from([50, 80, 100, 120, 150]), POLICIES), max_size=4, unique_by=lambda t: t[0])
SCOPES = st.sampled_from([{}, {}, {"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}])
FEW = st.sampled_from([0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8])
SIZES = st.builds(
    Sized,
    scope=SCOPES,
    quotas=FEW,
    rates=FEW,
    rolling=st.integers(0, 2),
    from_first_use=st.integers(0, 8),
    carries=st.booleans(),
)


class Built:
    """Limits in force with ordinals of their own."""

    def __init__(self) -> None:
        self.ordinal = 0

    def next(self) -> int:
        self.ordinal += 1
        return self.ordinal

    def limit(self, name: str, sized: Sized, policies: list[tuple[int, Policy]]) -> Limit:
        rolls = min(sized.rolling, sized.quotas)
        tiers = () if rolls else tuple(self.tier(at, policy) for at, policy in policies)
        begins = 0 if rolls else min(sized.from_first_use, sized.quotas)
        carries = sized.carries and not rolls and not begins
        return Limit(
            name=name,
            scope=sized.scope,
            quotas=tuple(self.quota(index < rolls, carries, index < begins) for index in range(sized.quotas)),
            rates=tuple(rate(str(LONG), ordinal=self.next()) for _ in range(sized.rates)),
            tiers=tiers if sized.quotas else (),
            carryover=Carryover() if carries and sized.quotas else None,
        )

    def quota(self, rolls: bool, carries: bool, begins: bool) -> Quota:
        found = quota(str(LONG), ordinal=self.next())
        if rolls:
            return replace(found, schedule=Schedule((rolling("P30D", "UTC"),)))
        if begins:
            return replace(found, schedule=Schedule((Segment("P30D", "UTC", None, FIRST_USE),)))
        return replace(found, stretches=(Stretch(0, LONG),)) if carries else found

    def tier(self, at: int, policy: Policy) -> Tier:
        if isinstance(policy, RateLimit):
            policy = throttle(self.next())
        elif isinstance(policy, AllowWithGrace) and isinstance(policy.then, RateLimit):
            policy = replace(policy, then=throttle(self.next()))
        return Tier(level=f"at_{at}", at=percent(at), policy=policy)


def entitled(sizes: list[tuple[Sized, list[tuple[int, Policy]]]]) -> Entitlement | None:
    """The feature's entitlement, where the catalog would admit it."""
    built = Built()
    own, *further = sizes
    first = replace(own[0], scope={}, quotas=max(1, own[0].quotas))
    limits = [built.limit(FEATURE, first, own[1])]
    limits += [built.limit(f"l{index}", sized, policies) for index, (sized, policies) in enumerate(further)]
    limits = [limit for limit in limits if limit.quotas or limit.rates]
    if crowded(limit.sized for limit in limits) is not None:
        return None
    return Entitlement(feature=FEATURE, meter=METER, limits=tuple(limits))


def full(right: Entitlement, share: Decimal, *, grace: int | None, carried: bool, opened: bool) -> Cell:
    """A cell in which everything has been used to a share of the limit, and of which everything is kept."""
    current = set()
    for q in [q for limit in right.limits for q in limit.quotas if opened]:
        window = window_at(q.schedule, AT)
        width = window.end - window.start
        current |= {(q.ordinal, window.start - ago * width) for ago in (range(13) if q.schedule.reach else (0,))}
    rates = {r.ordinal: AT // r.width for limit in right.limits for r in limit.every_rate}
    return Cell(
        used=dict.fromkeys(current, LONG * share),
        rated={(ordinal, index - 1): (LONG / 7).quantize(STEP) for ordinal, index in rates.items()},
        carried=dict.fromkeys(current, (LONG / 11).quantize(STEP)) if carried else {},
        grace={} if grace is None else dict.fromkeys(current, AT - grace),
        newest={q.ordinal: AT for limit in right.limits for q in limit.quotas if q.schedule.from_first_use and opened},
        floor=AT - 400 * DAY,
        revision=7,
    )


REQUESTS = [{}, {"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"}]
SHARES = st.sampled_from(["0.1", "0.5", "0.79", "0.9", "1", "1.1", "1.3", "2"]).map(Decimal)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(SIZES, TIERS), min_size=1, max_size=3),
    SHARES,
    st.sampled_from([Decimal("0.000000001"), LONG / 10, LONG / 4]),
    st.sampled_from([None, MINUTE, 2 * DAY]),
    st.booleans(),
    st.booleans(),
)
def test_what_the_catalog_admits_can_be_stated_and_weighs_no_more_than_was_thought(
    sizes: list[tuple[Sized, list[tuple[int, Policy]]]],
    share: Decimal,
    amount: Decimal,
    grace: int | None,
    carried: bool,
    opened: bool,
) -> None:
    right = entitled(sizes)
    assume(right is not None)
    assert right is not None
    seen = full(right, share, grace=grace, carried=carried, opened=opened)
    for dimensions in REQUESTS:
        condition, update = stated(asks(right, amount, seen, dimensions))
        met = [limit for limit in right.limits if governs(limit.scope, dimensions)]
        thought = sum((limit.sized.weight for limit in met), ALWAYS)
        assert condition.size <= thought.size and condition.operators <= thought.operators
        assert condition.fits and update.fits


SLOWED = Tier(level="slow", at=percent(80), policy=throttle(99))
GRACED = Tier(level="late", at=percent(90), policy=AllowWithGrace(amount=LONG / 3, lasts=DAY))
SUSPENDING = Tier(level="over", at=percent(150), policy=SuspendUsage(until="resumed"))
HEAVIEST = {
    "eight quotas and eight rates": (Sized(quotas=8, rates=8), []),
    "two of them rolling": (Sized(quotas=8, rates=8, rolling=2), []),
    "all of them carrying over": (Sized(quotas=8, rates=8, carries=True), []),
    "all of them from their first use": (Sized(quotas=8, rates=8, from_first_use=8), []),
    "a slower rate, and seven of its own": (Sized(quotas=8, rates=7), [(80, SLOWED.policy)]),
    "graces, and five rates": (Sized(quotas=8, rates=5), [(90, GRACED.policy)]),
    "graces by scope, that suspend": (
        Sized(scope={"a": "1"}, quotas=7, rates=5),
        [(90, GRACED.policy), (150, SUSPENDING.policy)],
    ),
}


@pytest.mark.parametrize("heavy", HEAVIEST.values(), ids=HEAVIEST)
@pytest.mark.parametrize(("share", "opened"), [("0.95", True), ("0.5", True), ("0.5", False)])
def test_the_heaviest_that_are_admitted_are_taken_by_a_real_engine(
    dynamo_engine: DynamoEngine, heavy: tuple[Sized, list[tuple[int, Policy]]], share: str, opened: bool
) -> None:
    sizes = [heavy] if not heavy[0].scope else [(Sized(quotas=1), []), heavy]
    right = entitled(sizes)
    assert right is not None
    seen = full(right, Decimal(share), grace=HOUR, carried=True, opened=opened)
    asked = asks(right, LONG / 100, seen, {"a": "1"})
    condition, _ = stated(asked)
    assert condition.fits
    Cells(dynamo_engine).admit(CellName("acme", FEATURE), asked, ENTRY)


def test_what_one_write_removes_can_be_stated_beside_the_heaviest() -> None:
    right = entitled([(Sized(quotas=8, rates=8), [])])
    assert right is not None
    ages = [AT - 40 * DAY * ago for ago in range(1, 13)]
    old = {(q.ordinal, window_at(q.schedule, at).start) for q in right.limits[0].quotas for at in ages}
    seen = Cell(
        used=dict.fromkeys(old, LONG),
        carried=dict.fromkeys(old, LONG),
        grace=dict.fromkeys(old, AT),
        denied=frozenset(old),
        marks={AT // MINUTE - ago: frozenset((b"000000",)) for ago in range(2, 40)},
    )
    asked = asks(right, LONG, seen)
    assert len(asked.dead_used) == REMOVED_MAX
    _, update = stated(asked)
    assert update.fits, update


def test_the_bounds_are_the_databases() -> None:
    assert (SIZE_MAX, OPERATORS_MAX) == (4096, 300)
