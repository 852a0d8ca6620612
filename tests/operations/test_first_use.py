"""Periods from their first use: consume opens a window, others join it, and after its end nothing is open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cost import counting
from tallygate.domain.admission.cells import DEAD_AFTER
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from tallygate.domain.limits.compiled import period_changes
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Limit, Quota
from tallygate.domain.periods.recurrence import FIRST_USE, Schedule, Segment
from tallygate.errors import ClockBehind, Contended, InvalidRequest
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tests.given import FEATURE, NOW, in_force, scoped, wanted
from tests.shops import OPENED, Shop

FIVE_HOURS = {"limit": 10, "period": {"every": "PT5H", "anchor": "first_use"}}
LENGTH = 5 * HOUR


def shown(answer: dict[str, Any]) -> tuple[Any, ...]:
    """(start, end, used) of the entitlement's own window."""
    period = answer["period"]
    return parse_instant(period["start"]), parse_instant(period["end"]), answer["used"]


def test_the_first_use_opens_a_window_that_counts_until_its_end(engine: Engine) -> None:
    shop, used_at = Shop(engine, pro=FIVE_HOURS), OPENED + 7 * MINUTE
    assert shown(shop.consume(4, at=used_at)) == (used_at, used_at + LENGTH, 4)
    assert shown(shop.consume(5, at=used_at + LENGTH - 1)) == (used_at, used_at + LENGTH, 9)
    again = used_at + LENGTH
    assert shown(shop.consume(10, at=again)) == (again, again + LENGTH, 10)
    after = used_at + 3 * DAY
    answer = shop.consume(1, at=after)
    assert shown(answer) == (after, after + LENGTH, 1), "nothing was open, and nothing was reset"
    assert answer["period"]["anchor"] == "first_use"
    assert answer["resets_at"] == format_instant(after + LENGTH)


def test_a_denial_says_when_the_open_window_ends_and_opens_nothing(engine: Engine) -> None:
    shop = Shop(engine, pro=FIVE_HOURS)
    never = shop.consume(11)
    assert (never["granted"], never["retry_at"], never["used"]) == (False, None, 0)
    shop.consume(8, at=OPENED + HOUR)
    denied = shop.consume(3, at=OPENED + 2 * HOUR)
    ends = OPENED + HOUR + LENGTH
    assert (denied["reason"], denied["retry_at"]) == ("quota_exceeded", format_instant(ends))
    assert shown(denied) == (OPENED + HOUR, ends, 8)
    assert shop.consume(3, at=ends)["granted"], "what it said was true"


def test_what_nobody_used_is_shown_as_the_window_that_would_open_now(engine: Engine) -> None:
    shop = Shop(engine, pro=FIVE_HOURS)
    for now in (OPENED, OPENED + HOUR):
        shop.now = now
        assert shown(shop.state()) == (now, now + LENGTH, 0)
        assert shown(shop.state(3)) == (now, now + LENGTH, 0), "asking is no use"
    shop.consume(1)
    shop.now += 2 * HOUR
    assert shown(shop.state()) == (OPENED + HOUR, OPENED + HOUR + LENGTH, 1)
    shop.now += LENGTH
    assert shown(shop.state()) == (shop.now, shop.now + LENGTH, 0)


def test_each_quota_and_each_scope_has_a_window_of_its_own(engine: Engine) -> None:
    day = {"limit": 100, "period": {"every": "day", "anchor": "first_use"}}
    shop = Shop(engine, pro={"windows": [FIVE_HOURS, day]})
    shop.consume(1, at=OPENED + HOUR)
    limits = shop.consume(1, at=OPENED + HOUR + LENGTH)["limits"]
    starts = [parse_instant(state["window"]["start"]) for state in limits]
    assert starts == [OPENED + HOUR + LENGTH, OPENED + HOUR]


def test_a_clock_that_lags_joins_the_window_that_is_open(engine: Engine) -> None:
    shop, slow = Shop(engine, pro=FIVE_HOURS), Memory()
    shop.consume(4, at=OPENED + 3 * SECOND)
    assert shown(shop.consume(4, at=OPENED, memory=slow)) == (OPENED + 3 * SECOND, OPENED + 3 * SECOND + LENGTH, 8)
    assert not shop.consume(4, at=OPENED, memory=slow)["granted"]
    ends = OPENED + 3 * SECOND + LENGTH
    assert shop.consume(10, at=ends)["granted"]
    late = shop.consume(1, at=ends - 1, memory=slow)
    assert (late["granted"], shown(late)[0]) == (False, ends), "the old window does not go on beside the new one"


def test_a_window_that_was_removed_is_revived_by_nobody(engine: Engine) -> None:
    shop, slow = Shop(engine, pro=FIVE_HOURS), Memory()
    shop.consume(4, memory=slow)
    over = OPENED + LENGTH
    shop.consume(1, at=over + DEAD_AFTER)
    shop.consume(1, at=over + DEAD_AFTER)
    cell = Cells(engine).read(CellName("acme", FEATURE))
    assert [start for _, start in cell.used] == [over + DEAD_AFTER] and cell.floor == over
    answer = shop.consume(1, at=over - 1, memory=slow)
    assert shown(answer) == (over + DEAD_AFTER, over + DEAD_AFTER + LENGTH, 3)


def test_the_last_window_of_an_idle_scope_is_revived_by_no_clock(engine: Engine) -> None:
    """Other requests on the feature remove it, and open none in its place."""
    schedule = Schedule((Segment("PT5H", "UTC", None, FIRST_USE),))
    only = Limit(name="eng", scope={"team": "eng"}, quotas=(Quota(ordinal=2, limit=Decimal(10), schedule=schedule),))
    in_force(engine, scoped(only))
    memory, slow, over = Memory(), Memory(), NOW + LENGTH

    def use(team: str, at: Instant, memory: Memory) -> Decision:
        request = replace(wanted(1), dimensions={"team": team})
        return consume(Cells(engine), memory, request, now=at, entropy=at.to_bytes)

    use("eng", NOW, slow)
    for _ in range(2):
        use("ops", over + DEAD_AFTER, memory)
    cell = Cells(engine).read(CellName("acme", FEATURE))
    assert (cell.newest, cell.floor) == ({2: NOW}, over) and (2, NOW) not in cell.used
    with pytest.raises(ClockBehind):
        use("eng", over - 1, slow)
    assert use("eng", over, slow).limits[-1].start == over


def test_denials_while_nothing_is_open_are_marked_once_an_hour_and_forgotten(engine: Engine) -> None:
    shop = Shop(engine, pro=FIVE_HOURS)
    for minute in range(0, 180, 20):
        assert not shop.consume(11, at=OPENED + minute * MINUTE)["granted"]
    assert len(Cells(engine).read(CellName("acme", FEATURE)).denied) == 3
    shop.consume(1, at=OPENED + DAY)
    shop.consume(1, at=OPENED + DAY)
    assert Cells(engine).read(CellName("acme", FEATURE)).denied == frozenset()


def test_another_plan_of_the_same_period_goes_on_in_the_window_that_is_open(engine: Engine) -> None:
    shop = Shop(engine, pro=FIVE_HOURS, big={**FIVE_HOURS, "limit": 50}, less=None)
    shop.consume(8)
    for plan, limit in (("big", 50), ("pro", 10)):
        shop.subscribe(plan)
        state = shop.state()
        assert (shown(state), state["limit"]) == ((OPENED, OPENED + LENGTH, 8), limit)
    shop.subscribe("less")
    shop.now += HOUR
    shop.subscribe("pro")
    assert shown(shop.state()) == (OPENED, OPENED + LENGTH, 8), "no refill by leaving and coming back"


def test_another_time_zone_leaves_the_open_window_as_it_is(engine: Engine) -> None:
    """Days are by the wall clock: the next window is counted by the new one."""
    shop = Shop(engine, pro={"limit": 10, "period": {"every": "day", "anchor": "first_use"}})
    shop.now = parse_instant("2026-03-07T17:30:00Z")
    shop.consume(4)
    used_at, shop.now = shop.now, shop.now + HOUR
    record = shop.put(timezone="America/New_York", at_once=True)
    assert shown(shop.state()) == (used_at, used_at + DAY, 4)
    assert period_changes(record.effective, shop.now) == (), "nobody knows when the next one opens"
    shop.now = parse_instant("2026-10-31T16:30:00Z")
    assert shown(shop.consume(1)) == (shop.now, shop.now + 25 * HOUR, 1)


@pytest.mark.parametrize("how", [{"carryover": {}}, {"carryover": {"max": 5}}])
def test_nothing_carries_over_into_what_may_never_open(engine: Engine, how: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Shop(engine, pro={**FIVE_HOURS, **how})
    assert [(error.pointer, error.code) for error in refused.value.errors] == [
        ("/plans/0/entitlements/1/carryover", "not_allowed")
    ]


def test_tiers_govern_each_window_afresh(engine: Engine) -> None:
    tiers = [
        {"at": "80%", "level": "warning", "policy": "notify_only"},
        {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 2, "grace_for": "PT1H"},
        {"at": "150%", "level": "stop", "policy": "suspend_usage", "until": "next_period"},
    ]
    shop = Shop(engine, pro={**FIVE_HOURS, "tiers": tiers})
    assert shop.consume(12)["reason"] == "grace"
    denied = shop.consume(4, at=OPENED + MINUTE)
    assert (denied["reason"], denied["max_grantable"]) == ("quota_exceeded", 0)
    assert shop.consume(1, at=OPENED + 2 * MINUTE)["reason"] == "quota_exceeded"
    ends = OPENED + LENGTH
    assert shop.consume(1, at=ends - 1)["retry_at"] == format_instant(ends)
    answer = shop.consume(8, at=ends)
    assert (answer["granted"], answer["level"]) == (True, "warning")


def test_a_part_is_granted_of_what_the_open_window_leaves(engine: Engine) -> None:
    shop = Shop(engine, pro={**FIVE_HOURS, "enforcement": "soft"}, hard=FIVE_HOURS)
    assert shop.consume(12)["overage"] == 2
    shop.subscribe("hard")
    assert shop.consume(1)["max_grantable"] == 0


@pytest.mark.parametrize("windows", [1, 2])
def test_warm_it_is_one_request_and_one_unit_and_cold_two(
    dynamodb: Any, dynamo_engine: DynamoEngine, windows: int
) -> None:
    further = {"limit": 100, "period": {"every": "day", "anchor": "first_use"}}
    shop = Shop(dynamo_engine, pro={"windows": [FIVE_HOURS, further][:windows]})

    def cost(memory: Memory, at: Instant) -> tuple[int, float]:
        memory.limits(Cells(dynamo_engine), "acme", now=at)
        memory.decision_secret(Cells(dynamo_engine), bytes)
        with counting(dynamodb) as counted:
            shop.consume(1, memory=memory, at=at)
        assert set(counted.requests) == {"UpdateItem"}
        return counted.requests["UpdateItem"], counted.write_units

    warm = Memory()
    assert cost(warm, OPENED) == (1, 1.0), "the very first use"
    assert cost(warm, OPENED + HOUR) == (1, 1.0)
    assert cost(warm, OPENED + LENGTH) == (1, 1.0), "the first of the next window"
    assert cost(Memory(), OPENED + LENGTH) == (2, 1.0), "a container that knows nothing of the cell"
    assert cost(Memory(), OPENED + 3 * LENGTH) == (2, 1.0), "that opens the next window"
    assert cost(warm, OPENED + 3 * LENGTH) == (2, 1.0), "that knows the one before"


def test_a_denial_of_a_container_that_knows_nothing_is_one_request(dynamodb: Any, dynamo_engine: DynamoEngine) -> None:
    shop = Shop(dynamo_engine, pro=FIVE_HOURS)
    shop.consume(10)
    assert not shop.consume(1)["granted"]
    cold = Memory()
    cold.limits(Cells(dynamo_engine), "acme", now=OPENED)
    cold.decision_secret(Cells(dynamo_engine), bytes)
    with counting(dynamodb) as cost:
        assert not shop.consume(1, memory=cold)["granted"]
    assert dict(cost.requests) == {"UpdateItem": 1}


def test_sixteen_threads_open_one_window_and_are_granted_the_limit(dynamo_engine: DynamoEngine) -> None:
    shop = Shop(dynamo_engine, pro=FIVE_HOURS)
    for turn in range(5):
        shop.customer = f"c{turn}"
        shop.put(plan="pro")

        def one(index: int) -> tuple[bool, str]:
            while True:
                try:
                    answer = shop.consume(memory=Memory(), at=OPENED + index % 7)
                    return answer["granted"], answer["period"]["start"]
                except Contended:
                    continue

        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(one, range(48)))
        assert sum(granted for granted, _ in answers) == 10
        cell = Cells(dynamo_engine).read(CellName(shop.customer, FEATURE))
        assert list(cell.used.values()) == [Decimal(10)], "exactly one window"
        assert {start for _, start in answers} == {format_instant(start) for _, start in cell.used}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, 4),
        st.sampled_from([0, 0, 0, 1, SECOND, MINUTE, HOUR, LENGTH - 1, LENGTH, DAY]),
        st.lists(st.integers(0, 3), max_size=2),
    ),
    min_size=1,
    max_size=40,
)
SKEWS = (-4 * SECOND, -SECOND, 0, 3 * SECOND)


class Interrupted(MemoryEngine):
    """Before some writes, other containers write: those that `between` names."""

    between: Any = None

    def write(self, write: Any, *, repeatable: bool = False) -> Any:
        between, self.between = self.between, None
        if between is not None:
            between()
        return super().write(write, repeatable=repeatable)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_no_window_grants_more_than_the_limit_and_none_overlap_whatever_clocks_show(
    steps: list[tuple[int, int, int, list[int]]],
) -> None:
    """Containers with skewed clocks and stale memories, that write between each other's look and write."""
    engine = Interrupted()
    shop, now = Shop(engine, pro=FIVE_HOURS), OPENED + DAY
    memories = [Memory() for _ in SKEWS]
    granted: list[tuple[Instant, int]] = []

    def use(container: int, amount: int) -> None:
        try:
            answer = shop.consume(amount, memory=memories[container], at=now + SKEWS[container])
        except (Contended, ClockBehind):
            return
        if answer["granted"]:
            granted.append((parse_instant(answer["period"]["start"]), amount))

    def each_uses(containers: list[int]) -> None:
        for container in containers:
            use(container, 2)

    for container, amount, passes, others in steps:
        now += passes
        if others:
            engine.between = partial(each_uses, others)
        use(container, amount)
        engine.between = None
    starts = sorted({start for start, _ in granted})
    assert all(later - start >= LENGTH for start, later in pairwise(starts))
    for start in starts:
        assert sum(amount for opened, amount in granted if opened == start) <= 10
    spent = now - OPENED - DAY + max(SKEWS) - min(SKEWS)
    assert len(starts) <= -(-spent // LENGTH) + 1
    cell = cell_image.cell_of(engine.get(keys.cell(CellName("acme", FEATURE))))
    for (_, start), used in cell.used.items():
        assert used == sum(amount for opened, amount in granted if opened == start)
    assert not starts or cell.newest == {1: starts[-1]}
