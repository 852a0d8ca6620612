"""settle and explain: what was estimated becomes what it came to, once, wherever the decision is found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id, granted_decision
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant, parse_instant
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Enforcement,
    NotifyOnly,
    Policy,
    Tier,
    percent,
)
from tallygate.domain.corrections.settlements import SETTLED_WITHIN, Charge, MadeDecision
from tallygate.domain.entries.events import ParkedEntry
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.limits.counters import CellName, CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Quota
from tallygate.domain.periods.recurrence import Schedule, rolling
from tallygate.errors import Conflict, Contended, NotFound, OutcomeUnknown, StoreUnavailable
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, Settled, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal import find_decision
from tallygate.operations.journal.explain import explain
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import in_order
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Require, Write
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, METER, NOW, effective, in_force, known_to, quota, rate, wanted
from tests.truth import TOKENS, container, declare, draft, drain, exists, facts, totals, used

MONTH = parse_instant("2026-11-01T00:00:00Z")
TODAY = NOW - NOW % DAY
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Desk:
    """One caller with its own memory; a counter in the place of randomness."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.memory = Memory()
        self._drawn = 0

    def consume(self, amount: int | str, now: Instant = NOW) -> str:
        """The id of a decision that must be granted."""
        decision = consume(Cells(self.engine), self.memory, wanted(amount), now=now, entropy=self._entropy)
        assert decision.decision_id is not None
        return decision.decision_id

    def settle(self, decision_id: str, amount: int | str, now: Instant = NOW) -> Settled:
        request = Settle(
            decision_id=decision_id,
            decision=decision_named(decision_id, known_to(self.engine), now=now),
            amount=Decimal(amount),
            traceparent=TRACE,
        )
        return settle(Decisions(self.engine), request, now=now)

    def explain(self, decision_id: str, now: Instant = NOW) -> MadeDecision:
        named = decision_named(decision_id, known_to(self.engine), now=now)
        return explain(Decisions(self.engine), decision_id, named, now=now)

    def used(self, now: Instant = NOW) -> tuple[Decimal, ...]:
        nodes = check(Cells(self.engine), self.memory, wanted(0), now=now).nodes
        return tuple(node.used for node in nodes)

    def _entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)


@pytest.fixture
def desk(engine: Engine) -> Desk:
    in_force(engine, effective(quota(100), quota(50, ordinal=2, every="day")))
    return Desk(engine)


@pytest.fixture
def folded() -> Desk:
    """A caller of the memory engine, whose stream can be folded."""
    engine = MemoryEngine()
    in_force(engine, effective(quota(100), quota(50, ordinal=2, every="day"), tiers={"warning": 50}))
    declare(engine, TOKENS)
    return Desk(engine)


def signed(engine: Engine, *, minute: int) -> str:
    """The id of a decision that was never made, as only the stack itself could name it."""
    parts = DecisionId(customer="acme", feature=FEATURE, minute=minute, digest=b"nobody")
    secret = known_to(engine)()
    assert secret is not None
    return format_decision_id(parts, secret)


def fold(desk: Desk, after: int = 0, now: Instant = NOW) -> int:
    assert isinstance(desk.engine, MemoryEngine)
    return drain(desk.engine, container(desk.engine), after=after, now=now)


@pytest.mark.parametrize("amount", ["0", "4", "10", "10.5", "90"])
def test_every_window_of_the_decision_counts_what_it_came_to(desk: Desk, amount: str) -> None:
    """90 lies beyond the daily limit of 50: it has happened, so it is counted."""
    desk.consume(3)
    made = desk.consume(10)
    settled = desk.settle(made, amount)
    assert (settled.settlement.granted, settled.settlement.amount, settled.replayed) == (10, Decimal(amount), False)
    assert desk.used() == (3 + Decimal(amount), 3 + Decimal(amount))


def test_the_first_settlement_stands(desk: Desk) -> None:
    made = desk.consume(10)
    first = desk.settle(made, 4)
    again = desk.settle(made, 4, NOW + HOUR)
    assert (again.settlement, again.replayed) == (first.settlement, True)
    with pytest.raises(Conflict) as refused:
        desk.settle(made, 5)
    assert refused.value.code == "already_settled"
    desk.consume(1)
    assert desk.settle(made, 4).replayed, "also when the cell says nothing of it any more"
    assert desk.used() == (5, 5)


def test_a_difference_of_nothing_settles_all_the_same(desk: Desk) -> None:
    made = desk.consume(10)
    assert not desk.settle(made, 10).replayed
    with pytest.raises(Conflict):
        desk.settle(made, 9)
    assert desk.used() == (10, 10)


def test_rates_are_not_corrected(engine: Engine) -> None:
    in_force(engine, effective(quota(100), rates=(rate(20),)))
    desk = Desk(engine)
    desk.settle(desk.consume(10), 2)
    assert desk.used() == (2, 10)


def test_a_rolling_period_is_corrected_for_as_long_as_it_counts() -> None:
    """The sub-window is over soon; what it counts is not, whatever the floor says of other limits' windows."""
    rolls = Quota(ordinal=1, limit=Decimal(10), schedule=Schedule((rolling("P30D", "UTC"),)))
    desk = Desk(MemoryEngine())
    in_force(desk.engine, effective(rolls, quota(100, ordinal=2, every="day")))
    declare(desk.engine, TOKENS)
    made, later = desk.consume(8), NOW + 20 * DAY
    fold(desk)
    desk.consume(1, later)
    desk.consume(1, later)
    assert desk.used(later) == (10, 2)
    desk.settle(made, 2, later)
    assert desk.used(later) == (4, 2)
    desk.consume(6, later)


def test_what_a_settlement_gives_back_can_be_consumed(desk: Desk) -> None:
    made = desk.consume(50)
    desk.settle(made, 20)
    desk.consume(30)
    assert desk.used() == (50, 50)


@pytest.mark.parametrize("decision_id", ["", "dec_", "dec_%", "nonsense"])
def test_what_is_no_id_is_not_found(desk: Desk, decision_id: str) -> None:
    with pytest.raises(NotFound) as refused:
        desk.settle(decision_id, 1)
    assert refused.value.code == "decision_not_found"


def test_a_decision_that_is_too_old_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound) as refused:
        desk.settle(signed(desk.engine, minute=1), 1)
    assert refused.value.code == "decision_not_found"


def test_an_id_that_was_never_answered_is_not_found_without_a_read(folded: Desk) -> None:
    made = folded.consume(10)
    fold(folded)
    engine, known = folded.engine, known_to(folded.engine)
    assert isinstance(engine, MemoryEngine)
    forged = granted_decision(made, known)
    assert forged is not None
    for other in (
        format_decision_id(forged, b"another secret"),
        format_decision_id(replace(forged, digest=b"forged"), b""),
        made[:-3] + ("AAA" if not made.endswith("AAA") else "BBB"),
    ):
        engine.requests = 0
        with pytest.raises(NotFound) as refused:
            decision_named(other, known, now=NOW)
        assert (refused.value.code, engine.requests) == ("decision_not_found", 0)


def test_a_decision_is_settled_for_as_long_as_an_event_may_be_late(desk: Desk) -> None:
    made = desk.consume(10)
    with pytest.raises(NotFound):
        desk.settle(made, 1, NOW + SETTLED_WITHIN + MINUTE)
    desk.settle(made, 1, NOW + SETTLED_WITHIN - MINUTE)


def test_a_decision_that_is_not_folded_yet_is_worth_asking_for_again(folded: Desk) -> None:
    first = folded.consume(10)
    folded.consume(1)
    with pytest.raises(StoreUnavailable) as refused:
        folded.settle(first, 4)
    assert (refused.value.code, refused.value.retryable) == ("decision_not_folded", True)
    fold(folded)
    assert not folded.settle(first, 4).replayed
    assert folded.settle(first, 4).replayed, "known by its receipt, before it is folded"


def test_a_decision_that_never_was_is_not_found_once_everything_is_folded(folded: Desk) -> None:
    never = signed(folded.engine, minute=NOW // MINUTE)
    with pytest.raises(NotFound):
        folded.settle(never, 4)
    folded.consume(10)
    with pytest.raises(StoreUnavailable):
        folded.settle(never, 4)
    with pytest.raises(NotFound):
        folded.settle(never, 4, NOW + DAY + MINUTE)
    fold(folded)
    with pytest.raises(NotFound):
        folded.settle(never, 4)


def test_an_old_decision_of_a_busy_customer_is_found_by_halving(folded: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_decision, "RECENT_MAX", 3)
    monkeypatch.setattr(find_decision, "PAGE_FIRST", 4)
    made, position = {}, 0
    for step in range(60):
        now = NOW + step * 2 * MINUTE
        made[now] = folded.consume("0.1", now)
        position = fold(folded, position, now)
    end = max(made)
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    for now, decision_id in made.items():
        engine.requests = 0
        assert folded.explain(decision_id, end).use.time == now
        assert engine.requests <= 12, "log2 of the journal, and a few"
        folded.settle(decision_id, "0.2", end)
    assert folded.used(end)[0] == Decimal(12)


def test_the_fold_counts_what_it_came_to_in_the_decision_s_own_windows_time_and_dimensions(folded: Desk) -> None:
    made = folded.consume(10)
    position = fold(folded)
    settled_at = NOW + DAY
    folded.settle(made, 4, settled_at)
    fold(folded, position, settled_at)
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    assert totals(engine) == {("acme", 1, MONTH): (4, 0), ("acme", 2, TODAY): (4, 0)}
    (item,) = engine.query(keys.usage_partition("acme", METER)).items
    assert (item["day"], item["dims"], item["q40"]) == ("2026-11-20", '{"team":"eng"}', 4)


def test_a_window_that_left_the_cell_moves_only_the_journal_and_totals(folded: Desk) -> None:
    made = folded.consume(10)
    position = fold(folded)
    later = NOW + DAY + HOUR
    folded.consume(1, later)
    folded.consume(1, later)
    position = fold(folded, position, later)
    folded.settle(made, 25, later)
    position = fold(folded, position, later)
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    assert folded.used(later) == (27, 2)
    assert used(engine, "acme", 2, TODAY) == 0
    assert totals(engine)[("acme", 2, TODAY)] == (25, 0)
    assert totals(engine)[("acme", 1, MONTH)] == (27, 0)


def test_thresholds_are_told_by_the_change_and_closed_windows_stated_anew(folded: Desk) -> None:
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    made, second = folded.consume(10), folded.consume(5)
    position = fold(folded)
    folded.settle(made, 60)
    position = fold(folded, position)
    assert {(f["limit_name"], f["type"]) for f in facts(engine)} == {
        (FEATURE, "usage.threshold_crossed"),
        ("further-2", "usage.limit_reached"),
        ("further-2", "usage.overage_started"),
    }
    after = NOW + DAY
    reset(Closings(engine), now=after, grace=0, time_left=lambda: True)
    folded.settle(second, 1, after)
    fold(folded, position, after)
    stated = [(f["revision"], f["raw"]) for f in facts(engine) if "revision" in f]
    assert stated == [(1, 65), (2, 61)]


def test_what_a_window_was_counted_under_outlives_the_plan(folded: Desk) -> None:
    """Settled after the customer has another plan, the closed window is stated anew under the limit that it had."""
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    made = folded.consume(10)
    position = fold(folded)
    after = NOW + DAY
    reset(Closings(engine), now=after, grace=0, time_left=lambda: True)
    in_force(engine, effective(quota(7, ordinal=3), version=2))
    folded.settle(made, 60, after)
    fold(folded, position, after)
    first, second = [f for f in facts(engine) if "revision" in f]
    assert (second["plan"], second["limit_name"]) == (first["plan"], first["limit_name"]) == ("pro", "further-2")
    assert (second["raw"], second["included"], second["overage"]) == (60, 50, 10)


def test_usage_by_event_is_settled_around(folded: Desk) -> None:
    """The part of a counter that came by events stays as it is."""
    exists(folded.engine, "acme")
    made = folded.consume(10)
    posted = Posted(submitted=(draft(tokens=7, time=NOW),), batch="b")
    ingest(Events(folded.engine), posted, now=NOW, each=in_turn)
    position = fold(folded)
    folded.settle(made, 0)
    fold(folded, position)
    assert folded.used() == (7, 7)
    assert isinstance(folded.engine, MemoryEngine)
    assert totals(folded.engine)[("acme", 1, MONTH)] == (7, 7)


def test_a_decision_is_explained_as_recorded(folded: Desk) -> None:
    made = folded.consume(10)
    before = folded.explain(made)
    fold(folded)
    after = folded.explain(made)
    assert (before.folded, after.folded) == (False, True)
    assert before.limits == after.limits
    assert (after.use.amount, after.use.time, after.settlement) == (10, NOW, None)
    assert {name: limit.limit for name, limit in after.limits.items()} == {1: 100, 2: 50}
    in_force(folded.engine, effective(quota(7), version=2))
    assert folded.explain(made).limits == before.limits, "later changes do not rewrite it"
    folded.settle(made, 3)
    settled = folded.explain(made).settlement
    assert settled is not None
    assert settled.amount == 3


def test_a_decision_tells_what_its_windows_showed_before_and_after_it(folded: Desk) -> None:
    """As recorded: before it is folded and after, and whatever is used, settled or changed since."""
    folded.consume(40)
    made = folded.consume("9.5")

    def told() -> list[tuple[Any, ...]]:
        return [
            (c.used_before, c.used_after, c.limit, c.remaining_after, c.level) for c in folded.explain(made).charges
        ]

    numbers = [
        (40, Decimal("49.5"), 100, Decimal("50.5"), "normal"),
        (40, Decimal("49.5"), 50, Decimal("0.5"), "normal"),
    ]
    assert told() == numbers
    fold(folded)
    folded.consume("0.5")
    folded.settle(made, 1)
    in_force(folded.engine, effective(quota(7), version=2))
    assert told() == numbers
    tightest = folded.explain(made).tightest
    assert tightest is not None
    assert (tightest.governed and tightest.governed.name, tightest.remaining_after) == ("further-2", Decimal("0.5"))


def test_the_level_told_is_the_one_after_the_decision(folded: Desk) -> None:
    made = folded.consume(50)
    fold(folded)
    assert [charge.level for charge in folded.explain(made).charges] == ["warning", "normal"]


def test_of_what_rolls_no_single_window_shows_what_was_used() -> None:
    engine = MemoryEngine()
    rolls = Quota(ordinal=1, limit=Decimal(10), schedule=Schedule((rolling("P30D", "UTC"),)))
    in_force(engine, effective(rolls))
    declare(engine, TOKENS)
    desk = Desk(engine)
    made = desk.explain(desk.consume(4))
    assert [(charge.used_after, charge.remaining_after) for charge in made.charges] == [(None, None)]
    assert made.tightest is None


def charge(*, limit: int | None, used: int, raised: int = 0, enforcement: str = "hard") -> Charge:
    governed = Governed(
        feature=FEATURE,
        meter=METER,
        name=f"{enforcement}-{limit}",
        limit=None if limit is None else Decimal(limit),
        enforcement=Enforcement(enforcement),
    )
    shown = Shown(Decimal(used), Decimal(raised))
    return Charge(window=CountedWindow(1, 0, DAY), amount=Decimal(1), governed=governed, shown=shown)


def test_what_a_limit_was_raised_by_when_it_decided_is_in_its_numbers() -> None:
    raised = charge(limit=10, used=14, raised=5)
    assert (raised.limit, raised.used_before, raised.used_after, raised.remaining_after) == (15, 13, 14, 1)
    over = charge(limit=10, used=14)
    assert (over.limit, over.remaining_after) == (10, 0)
    assert (charge(limit=None, used=4).limit, charge(limit=None, used=4).remaining_after) == (None, None)


@pytest.mark.parametrize(
    ("charges", "tightest"),
    [
        ([charge(limit=10, used=1), charge(limit=5, used=1)], 1),
        ([charge(limit=10, used=1), charge(limit=None, used=1)], 0),
        ([charge(limit=10, used=1), charge(limit=1, used=1, enforcement="observe")], 0),
        ([charge(limit=9, used=1, enforcement="soft"), charge(limit=4, used=1, enforcement="observe")], 1),
        ([charge(limit=5, used=1), charge(limit=5, used=1)], 0),
        ([charge(limit=None, used=1)], None),
    ],
)
def test_the_tightest_is_the_one_that_denies_first(charges: list[Charge], tightest: int | None) -> None:
    windows = tuple(CountedWindow(n, 0, DAY) for n in range(len(charges)))
    shown = tuple(each.shown for each in charges if each.shown is not None)
    use = UseEntry(
        id="1.aa", feature=FEATURE, meter=METER, revision=1, time=NOW, amount=Decimal(1), windows=windows, after=shown
    )
    limits = {n: each.governed for n, each in enumerate(charges) if each.governed is not None}
    made = MadeDecision(decision_id="d", customer="acme", use=use, limits=limits, settlement=None, folded=True)
    found = made.tightest
    assert (None if found is None else found.window.ordinal) == tightest


@pytest.mark.parametrize(
    ("enforcement", "policy", "used", "reason"),
    [
        ("hard", AllowWithGrace(amount=Decimal(5)), 12, "grace"),
        ("hard", AllowWithGrace(amount=Decimal(5), lasts=DAY), 12, "grace"),
        ("hard", AllowWithGrace(amount=Decimal(5), lasts=DAY, then=AllowWithOverage()), 12, None),
        ("hard", AllowWithGrace(amount=Decimal(5), lasts=DAY, then=AllowWithOverage()), 16, "overage_allowed"),
        ("hard", AllowWithOverage(), 12, "overage_allowed"),
        ("soft", AllowWithOverage(), 12, "overage_allowed"),
        ("soft", NotifyOnly(), 12, "soft_limit_exceeded"),
        ("soft", NotifyOnly(), 10, None),
        ("observe", NotifyOnly(), 12, None),
        ("off", AllowWithOverage(), 12, None),
    ],
)
def test_the_reason_is_told_where_the_windows_prove_it(
    enforcement: str, policy: Policy, used: int, reason: str | None
) -> None:
    own = charge(limit=10, used=used, enforcement=enforcement)
    assert own.governed is not None
    assert own.shown is not None
    tiers = (Tier(level="over", at=percent(100), policy=policy),)
    use = UseEntry(
        id="1.aa",
        feature=FEATURE,
        meter=METER,
        revision=1,
        time=NOW,
        amount=Decimal(1),
        windows=(own.window,),
        after=(own.shown,),
    )
    limits = {1: replace(own.governed, tiers=tiers)}
    made = MadeDecision(decision_id="d", customer="acme", use=use, limits=limits, settlement=None, folded=True)
    assert made.reason == reason
    assert replace(made, folded=False).reason is None, "the limits in force may be others by then"


@pytest.mark.parametrize("broken", [{"b": "-7"}, {"a": "-1", "b": "-11"}, {"c": "umbrella"}])
def test_a_settlement_that_does_not_prove_itself_is_parked_and_counts_nothing(
    folded: Desk, broken: dict[str, str]
) -> None:
    engine = folded.engine
    assert isinstance(engine, MemoryEngine)
    made = folded.consume(10)
    position = fold(folded)
    folded.settle(made, 4)
    (written,) = [change for change in engine.stream[position:] if change.key.pk.startswith("CELL#")]
    assert written.new is not None
    entry = {**json.loads(items.text(written.new, "last")), **broken}
    engine.stream[position:] = [replace(written, new={**written.new, "last": in_order(entry)})]
    fold(folded, position)
    assert totals(engine)[("acme", 1, MONTH)] == (10, 0)
    newest = Decisions(engine).newest("acme", before=None, limit=1)[0].record
    assert isinstance(newest.entries[-1], ParkedEntry)


class Unsure:
    """An engine whose transactions are made, and then do not say so once."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.unsure = engine, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        outcome = self.engine.transact(writes, repeatable=repeatable)
        if self.unsure:
            self.unsure = False
            raise OutcomeUnknown("the database did not answer in time")
        return outcome


def test_an_unknown_outcome_is_safe_to_repeat(desk: Desk) -> None:
    made = desk.consume(10)
    desk.engine = Unsure(desk.engine)
    with pytest.raises(OutcomeUnknown):
        desk.settle(made, 4)
    assert desk.settle(made, 4).replayed
    assert desk.used() == (4, 4)


class Tidied:
    """An engine whose cell loses a window just before the first transaction."""

    def __init__(self, engine: Engine, tidy: Any) -> None:
        self.engine, self.tidy = engine, tidy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        tidy, self.tidy = self.tidy, lambda: None
        tidy()
        return self.engine.transact(writes, repeatable=repeatable)


def test_a_window_that_leaves_the_cell_meanwhile_does_not_come_back(desk: Desk) -> None:
    made = desk.consume(10)
    later = NOW + DAY + HOUR
    other = Desk(desk.engine)
    other.memory = desk.memory
    desk.engine = Tidied(desk.engine, lambda: other.consume(1, later))
    desk.settle(made, 25, later)
    assert other.used(later) == (26, 1)
    cell = Cells(other.engine).read(CellName("acme", FEATURE))
    assert (2, TODAY) not in cell.used


def test_of_two_amounts_at_once_exactly_one_is_settled(dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(1000)))
    desk = Desk(dynamo_engine)
    for _ in range(5):
        before, made = desk.used()[0], desk.consume(10)

        def one(amount: int, made: str = made) -> int | None:
            while True:
                try:
                    settled = desk.settle(made, amount)
                    return None if settled.replayed else amount
                except Contended:
                    continue
                except Conflict:
                    return None

        with ThreadPoolExecutor(16) as pool:
            (won,) = [amount for amount in pool.map(one, [4, 17] * 8) if amount is not None]
        assert desk.used()[0] == before + won
