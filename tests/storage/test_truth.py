"""Journal, totals, cells by event and facts: what must hold on either engine, also of a write that is sent twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.admission.cells import DEAD_AFTER
from tallygate.domain.base.instants import DAY, HOUR
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.tiers import Enforcement, SuspendUsage, Tier, percent
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.entries.moves import SettledLate, TotalMove
from tallygate.domain.entries.notices import BumpEntry
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.entries.windows import AdjustEntry, CarryEntry, ResetEntry, Taken
from tallygate.domain.facts.consequences import SuspendingTier
from tallygate.domain.facts.facts import Fact, Levels
from tallygate.domain.journal.fold import TotalChange, UsageChange
from tallygate.domain.journal.records import BEGINS_AFTER, LOST_AFTER, RECORD_KEPT, Beginning, Mark, Record
from tallygate.domain.limits.counters import CarriedIn, CellName, CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.limits.rungs import UNTIL_RESUMED
from tallygate.domain.metering.contributions import Add, Raise
from tallygate.domain.metering.judgement import EventWarning
from tallygate.domain.metering.meters import Measured
from tallygate.errors import Contended, InvariantBroken
from tallygate.operations.facts.ports import LastStated, LevelMove, Published
from tallygate.operations.journal.ports import Appended
from tallygate.storage.admission import cell_image
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Delete, Engine, Put, Update
from tallygate.storage.base.expressions import Item, Remove, Set
from tallygate.storage.delivery.facts import Facts
from tallygate.storage.entries.totals import total_of
from tallygate.storage.journal import records as journal_family
from tallygate.storage.journal.bring_in import CellEvents
from tallygate.storage.journal.records import Journal, item_of, record_of
from tallygate.storage.journal.rollup import usage_item_of
from tallygate.storage.journal.rules import Rules
from tallygate.storage.journal.totals import Totals
from tests.given import FEATURE, METER, NOW
from tests.truth import CALLS, TOKENS, declare

GOVERNED = Governed(
    feature=FEATURE,
    meter=METER,
    name=FEATURE,
    limit=Decimal("1000.5"),
    tiers=(Tier(level="warning", at=percent("12.5")),),
    plan="pro",
    plan_version=2,
    stripe_customer_id="cus_1",
    upgrade_to="big",
    upgrade_limit=Decimal(9000),
    scope={"model": "large"},
    enforcement=Enforcement.OBSERVE,
)
START, END = NOW - NOW % DAY, NOW - NOW % DAY + DAY
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
WINDOW = CountedWindow(1, START, END)
USE = UseEntry(id="1.ff", feature=FEATURE, meter=METER, revision=4, time=NOW, amount=Decimal("1e3"), windows=(WINDOW,))
LAYERS = (Layer(Decimal("100.5"), 2), Layer(Decimal(200), 1))
LATE = SettleEntry(
    id="1.ff",
    feature=FEATURE,
    meter=METER,
    revision=6,
    time=NOW,
    settled_at=NOW + DAY,
    amount=Decimal(3),
    by=Decimal(-2),
    windows=(WINDOW,),
)
RESET = ResetEntry(
    id="reset_1",
    feature=FEATURE,
    meter=METER,
    revision=7,
    time=NOW,
    effective_at=NOW,
    taken=(Taken(WINDOW, Decimal("0.5")),),
    actor="ops",
    reason="r",
)
MOVED: Any = {"feature": FEATURE, "meter": METER, "name": "per-model", "revision": 8, "time": NOW, "window": WINDOW}
ADJUST = AdjustEntry(
    **MOVED,
    id="adj_1",
    amount=Decimal("-0.5"),
    base=Decimal(100),
    carried=Decimal(1),
    adjusted=Decimal("-0.5"),
    reason="r",
    actor="ops",
)
ENTRIES = (
    EventEntry(
        source="s#1",
        id="é",
        time=NOW,
        measured=(Measured(METER, Add(Decimal("0.1")), {"model": "a"}),),
        warnings=(
            EventWarning(meter="calls", code="value_missing", detail="$.calls is absent"),
            EventWarning(meter=None, code="unknown_decision", detail="…"),
        ),
        type="llm.completion",
        received_at=NOW + 3,
        rejected="value_missing",
        windows=(WINDOW,),
        traceparent=TRACE,
    ),
    UseEntry(
        id="1.ff",
        feature=FEATURE,
        meter=METER,
        revision=4,
        time=NOW,
        amount=Decimal("1e3"),
        dimensions={"team": "x"},
        windows=(WINDOW,),
    ),
    replace(USE, after=(Shown(Decimal("1000.5"), Decimal(0)),)),
    replace(USE, after=(Shown(Decimal("1e3"), Decimal("-2.5")),)),
    SettleEntry(
        id="1.ff",
        feature=FEATURE,
        meter=METER,
        revision=6,
        time=NOW,
        settled_at=NOW + DAY,
        amount=Decimal("0.1"),
        by=Decimal("-999.9"),
        dimensions={"team": "x"},
        windows=(WINDOW,),
        traceparent=TRACE,
    ),
    replace(USE, carried={1: Decimal("300.5")}),
    ADJUST,
    replace(USE, carried={1: Decimal("300.5")}, opened={1: CarriedIn(layers=LAYERS, after=START - DAY)}),
    CarryEntry(**MOVED, into=CarriedIn(layers=LAYERS)),
    CarryEntry(**MOVED, into=CarriedIn(layers=())),
    replace(ADJUST, id="adj_3", amount=Decimal(5), carried=Decimal("300.5"), into=CarriedIn(layers=LAYERS)),
    replace(LATE, removed=(WINDOW,), decided_at_revision=4),
    RESET,
    replace(RESET, marks=(ResetMark(upto=7, partly=9, before=NOW),)),
    BumpEntry(feature=FEATURE, revision=5, time=NOW, version=2),
    ParkedEntry(reason="unreadable", raw="{"),
)


def record(number: int = 1, **changes: object) -> Record:
    whole = Record(
        number=number,
        customer="acme",
        marks={"00000000000000a1": Mark(10**39, NOW)},
        entries=ENTRIES,
        limits={1: GOVERNED},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_record_is_read_back_as_it_was_written() -> None:
    assert record_of({"sk": "00000000000000000001", **item_of(record())}) == record()


def test_a_number_is_taken_once_and_its_own_writer_knows_it(engine: Engine) -> None:
    journal, other = Journal(engine), Journal(engine)
    assert journal.append("acme", record(), begins=None, now=NOW) is Appended.DONE
    assert journal.append("acme", record(), begins=None, now=NOW) is Appended.DONE, "sent twice, it meets itself"
    assert other.append("acme", record(entries=()), begins=None, now=NOW) is Appended.LOST
    assert journal.records("acme", 0, 1) == (record(),)


def test_the_head_is_remembered_by_who_wrote_it_and_read_by_others(engine: Engine) -> None:
    journal = Journal(engine)
    assert journal.head("acme", now=NOW, fresh=False).number == 0
    for number in (1, 2, 3):
        journal.append("acme", record(number), begins=None, now=NOW)
    journal.applied("acme", 2)
    mine, read = journal.head("acme", now=NOW, fresh=False), Journal(engine).head("acme", now=NOW, fresh=False)
    assert (mine.number, mine.applied, mine.remembered) == (3, 0, True)
    assert (read.number, read.applied, read.newest) == (3, 0, record(3))
    assert mine.marks == read.marks == record().marks
    journal.applied("acme", 3)
    assert journal.head("acme", now=NOW, fresh=False).applied == 3


def test_a_lost_append_forgets_what_was_remembered(engine: Engine) -> None:
    journal, other = Journal(engine), Journal(engine)
    journal.append("acme", record(1), begins=None, now=NOW)
    other.append("acme", record(2, entries=()), begins=None, now=NOW)
    assert journal.append("acme", record(2), begins=None, now=NOW) is Appended.LOST
    assert journal.head("acme", now=NOW, fresh=False).number == 2


def test_the_first_record_begins_the_journal_and_a_second_beginning_is_lost(engine: Engine) -> None:
    one, other = Journal(engine), Journal(engine)
    head, late = one.head("acme", now=NOW, fresh=True), other.head("acme", now=NOW, fresh=True)
    assert (head.number, head.next, head.begins) == (0, 1, Beginning(number=1, seen=None))
    for _ in range(2):
        appended = one.append("acme", record(1), begins=head.begins, now=NOW)
        assert appended is Appended.DONE, "sent twice, it meets itself"
    assert other.append("acme", record(1, entries=()), begins=late.begins, now=NOW) is Appended.LOST
    read = other.head("acme", now=NOW, fresh=True)
    assert (read.number, read.next, read.begins) == (1, 2, None)


@pytest.mark.parametrize(
    ("idle", "following"), [(BEGINS_AFTER - 1, 8), (BEGINS_AFTER, 8), (LOST_AFTER, NOW + LOST_AFTER)]
)
def test_after_a_long_idle_time_the_journal_begins_anew_above_all_earlier_numbers(
    engine: Engine, idle: int, following: int
) -> None:
    journal = Journal(engine)
    journal.append("acme", record(7), begins=Beginning(number=7, seen=None), now=NOW)
    head = journal.head("acme", now=NOW + idle, fresh=True)
    assert head.next == following
    assert head.begins == (None if idle < BEGINS_AFTER else Beginning(number=following, seen=7))
    assert journal.append("acme", record(head.next), begins=head.begins, now=NOW + idle) is Appended.DONE
    assert journal.head("acme", now=NOW + idle, fresh=True).number == following


def test_callers_that_disagree_about_the_next_number_never_both_succeed(engine: Engine) -> None:
    """Else two records would carry marks that do not know each other."""
    one, other = Journal(engine), Journal(engine)
    one.append("acme", record(7), begins=Beginning(number=7, seen=None), now=NOW)
    heads = [
        one.head("acme", now=NOW + LOST_AFTER - 1, fresh=True),
        other.head("acme", now=NOW + LOST_AFTER, fresh=True),
    ]
    assert len({head.next for head in heads}) == 2
    later = NOW + LOST_AFTER
    assert other.append("acme", record(heads[1].next), begins=heads[1].begins, now=later) is Appended.DONE
    assert one.append("acme", record(heads[0].next), begins=heads[0].begins, now=later) is Appended.LOST
    assert one.head("acme", now=later, fresh=True).number == heads[1].next


def test_when_all_records_have_expired_no_number_is_used_again(engine: Engine) -> None:
    journal = Journal(engine)
    journal.append("acme", record(1), begins=Beginning(number=1, seen=None), now=NOW)
    engine.write(Delete(key=keys.journal_record("acme", 1)))
    with pytest.raises(Contended):
        journal.head("acme", now=NOW + 1, fresh=True)
    later = NOW + RECORD_KEPT
    assert journal.head("acme", now=later, fresh=True).begins == Beginning(number=later, seen=1)


def test_a_gap_in_the_journal_is_a_broken_promise(engine: Engine) -> None:
    journal = Journal(engine)
    journal.append("acme", record(2), begins=None, now=NOW)
    with pytest.raises(InvariantBroken):
        journal.records("acme", 0, 2)


def test_a_record_that_fits_no_item_is_to_be_parted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_family, "BODY_BYTES_MAX", len(str(item_of(record())["body"])) // 2)
    assert Journal(engine).append("acme", record(entries=ENTRIES * 50), begins=None, now=NOW) is Appended.TOO_LARGE
    assert Journal(engine).append("acme", record(), begins=None, now=NOW) is Appended.DONE


def change(value: int | str, by_event: int | str = 0) -> TotalChange:
    move = TotalMove(window=WINDOW, value=Add(Decimal(value)), by_event=Add(Decimal(by_event)), traceparent=TRACE)
    return TotalChange(governed=GOVERNED, move=move)


def moved(change: TotalChange, **more: Any) -> TotalChange:
    """The change with more in its move."""
    return replace(change, move=replace(change.move, **more))


def held(engine: Engine) -> Item:
    item = engine.get(keys.total("acme", FEATURE, 1, START))
    assert item is not None
    return item


def test_a_total_takes_each_number_once_and_in_order(engine: Engine) -> None:
    totals = Totals(engine)
    for number, amount in ((1, 5), (1, 5), (3, "0.5"), (3, "0.5"), (2, 100)):
        totals.add_to_total("acme", change(amount, amount), number)
    total = total_of(held(engine))
    assert (total.value, total.by_event, total.upto) == (Decimal("5.5"), Decimal("5.5"), 3)
    assert (total.governed, total.traceparent, total.end) == (GOVERNED, TRACE, END)


def test_a_total_falls_due_once_and_not_again_when_its_closing_has_taken_that_away(engine: Engine) -> None:
    totals = Totals(engine)
    totals.add_to_total("acme", change(1), 1)
    assert held(engine)["due_at"] == END
    key = keys.total("acme", FEATURE, 1, START)
    engine.write(Update(key=key, changes=(Set("closed", NOW), Remove("due_shard"), Remove("due_at"))))
    totals.add_to_total("acme", change(1), 2)
    assert "due_at" not in held(engine)
    assert total_of(held(engine)).closed


def test_what_is_carried_is_kept_in_layers_and_the_window_before_it_stays(engine: Engine) -> None:
    totals, opened = Totals(engine), CarriedIn(layers=LAYERS, after=START - DAY)
    totals.add_to_total("acme", moved(change(1), carried=Decimal("300.5"), into=opened), 1)
    shown = total_of(held(engine))
    assert (shown.carried, shown.layers, shown.opened_after) == (Decimal("300.5"), LAYERS, START - DAY)
    totals.add_to_total("acme", moved(change(0), carried=Decimal(0), into=CarriedIn(layers=())), 2)
    shown = total_of(held(engine))
    assert (shown.carried, shown.layers, shown.opened_after) == (Decimal(0), (), START - DAY)
    totals.add_to_total("acme", moved(change(0), carried=Decimal(7)), 3)
    shown = total_of(held(engine))
    assert (shown.carried, shown.layers) == (Decimal(7), None), "nobody said in which layers"


@pytest.mark.parametrize("marked", [False, True])
def test_a_settlement_in_a_removed_window_finds_out_what_a_reset_excludes_there(engine: Engine, marked: bool) -> None:
    """Of decisions at the revisions 4 and 9 the reset excludes the first."""
    totals, mark = Totals(engine), ResetMark(upto=7)
    totals.add_to_total("acme", change(30), 1)
    if marked:
        totals.add_to_total("acme", moved(change(0), excluded=Decimal(20), reset=mark), 2)
    late = tuple(SettledLate(revision, NOW, Decimal(by)) for revision, by in ((4, -2), (9, -5)))
    for _ in range(2):
        totals.add_to_total("acme", moved(change(-7), settled_late=late), 3)
    total = total_of(held(engine))
    assert (total.value, total.excluded) == (Decimal(23), Decimal(18) if marked else Decimal(0))


def test_a_reset_and_a_late_settlement_in_one_record_agree(engine: Engine) -> None:
    late = (SettledLate(4, NOW, Decimal(-2)),)
    found = moved(change(28), excluded=Decimal(20), reset=ResetMark(upto=7), settled_late=late)
    Totals(engine).add_to_total("acme", found, 1)
    assert total_of(held(engine)).excluded == 18


def peak(value: int) -> TotalChange:
    return moved(change(0), value=Raise(Decimal(value)), by_event=Raise(Decimal(value)))


def test_a_total_holds_the_maximum_whatever_is_repeated_or_comes_late(engine: Engine) -> None:
    totals, found = Totals(engine), []
    for number, value in ((1, 30), (1, 30), (2, 12), (4, 70), (4, 70), (3, 500), (5, 50)):
        totals.add_to_total("acme", peak(value), number)
        total = total_of(held(engine))
        found.append((total.value, total.by_event, total.upto))
    assert [value for value, _, _ in found] == [30, 30, 30, 70, 70, 70, 70]
    assert all(value == by_event for value, by_event, _ in found)
    assert [upto for _, _, upto in found] == [1, 1, 2, 4, 4, 4, 5], "a record below the last one is applied already"


def test_an_adjustment_leaves_the_maximum_alone(engine: Engine) -> None:
    totals = Totals(engine)
    for number, part in enumerate(
        (moved(change(0), adjusted=Decimal(5)), peak(7), moved(change(0), adjusted=Decimal(1))), 1
    ):
        totals.add_to_total("acme", part, number)
    total = total_of(held(engine))
    assert (total.value, total.by_event, total.adjusted) == (7, 7, 6)


def test_usage_holds_the_maximum_of_each_quarter_hour_and_says_so(engine: Engine) -> None:
    totals = Totals(engine)
    for number, quarters in ((1, {0: 5, 1: 9}), (1, {0: 5, 1: 9}), (4, {0: 3, 1: 11, 2: 1}), (2, {0: 100})):
        part = UsageChange(
            meter=METER, day="2026-11-20", dimensions="{}", quarters={q: Raise(Decimal(v)) for q, v in quarters.items()}
        )
        totals.add_to_usage("acme", part, number)
    item = engine.get(keys.usage("acme", METER, "2026-11-20", "{}"))
    assert item is not None
    expected = {0: Raise(Decimal(5)), 1: Raise(Decimal(11)), 2: Raise(Decimal(1))}
    assert (usage_item_of(item).quarters, item["upto"]) == (expected, 4)


def test_usage_takes_each_number_once_and_keeps_its_dimensions(engine: Engine) -> None:
    totals, long = Totals(engine), '{"user":"' + "u" * 300 + '"}'
    for number in (1, 1, 4, 2):
        part = UsageChange(
            meter=METER, day="2026-11-20", dimensions=long, quarters={0: Add(Decimal("0.1")), 95: Add(Decimal(2))}
        )
        totals.add_to_usage("acme", part, number)
    item = engine.get(keys.usage("acme", METER, "2026-11-20", long))
    assert item is not None
    assert (item["q00"], item["q95"], item["dims"], item["upto"]) == (Decimal("0.2"), Decimal(4), long, 4)


def total(by_event: int, upto: int, **changes: object) -> Total:
    whole = Total(
        customer="acme",
        ordinal=1,
        start=START,
        end=END,
        value=Decimal(by_event),
        by_event=Decimal(by_event),
        upto=upto,
        governed=GOVERNED,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def counted(engine: Engine) -> tuple[Decimal, int]:
    cell = cell_image.cell_of(engine.get(keys.cell(CellName("acme", FEATURE))))
    return cell.used.get((1, START), Decimal(0)), cell.revision


def test_usage_by_event_is_brought_in_by_state_whatever_the_order(engine: Engine) -> None:
    cells = CellEvents(engine)
    cells.bring_in(total(10, 1), seen=Decimal(0), now=NOW)
    cells.bring_in(total(30, 3), seen=Decimal(20), now=NOW)
    for again in (total(10, 1), total(20, 2), total(30, 3)):
        cells.bring_in(again, seen=Decimal(0), now=NOW)
    assert counted(engine) == (Decimal(30), 0), "the journal has the events, so this is no write of its own"


def test_a_window_that_is_over_or_below_the_floor_is_left_alone(engine: Engine) -> None:
    cells = CellEvents(engine)
    cells.bring_in(total(10, 1), seen=Decimal(0), now=END + DEAD_AFTER)
    assert counted(engine) == (Decimal(0), 0)
    engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item={"fl": END, "n": 1}))
    cells.bring_in(total(10, 1), seen=Decimal(0), now=NOW)
    assert counted(engine) == (Decimal(0), 1)


def test_the_first_events_of_a_window_remove_the_limits_earlier_ones(engine: Engine) -> None:
    cells, earlier = CellEvents(engine), {"start": START - DAY, "end": START}
    cells.bring_in(total(10, 1, **earlier), seen=Decimal(0), now=START - 1)
    engine.write(Update(key=keys.cell(CellName("acme", FEATURE)), changes=(Set(f"u.2.{START - DAY}", 5),)))
    cells.bring_in(total(20, 2), seen=Decimal(0), now=NOW)
    item = engine.get(keys.cell(CellName("acme", FEATURE))) or {}
    assert {name for name in item if name[:2] in ("u.", "e.") or name[:3] == "ev."} == {
        f"u.1.{START}",
        f"e.1.{START}",
        f"ev.1.{START}",
        f"u.2.{START - DAY}",
    }
    assert (item["fl"], item["n"]) == (START, 1)


def fact(sequence: int, fact_id: str = "fact_1") -> Fact:
    return Fact(
        id=fact_id,
        type="usage.limit_reached",
        customer="acme",
        feature=FEATURE,
        time=NOW,
        sequence=sequence,
        data={"a": 1},
    )


def test_a_fact_takes_its_place_or_none(engine: Engine) -> None:
    facts = Facts(engine)
    assert facts.publish([fact(2)], level="warning") is Published.RACED
    assert facts.publish([fact(1)], level="warning") is Published.DONE
    assert facts.publish([fact(1)], level="warning") is Published.KNOWN
    assert facts.publish([fact(2)], level="warning") is Published.KNOWN
    assert facts.publish([fact(1, "fact_2")], level="warning") is Published.RACED
    assert facts.sequence("acme", FEATURE) == 1
    assert facts.publish([fact(2, "fact_2"), fact(3, "fact_3")]) is Published.DONE
    feed = engine.get(keys.feed("acme", FEATURE)) or {}
    assert (feed["sequence"], feed["level"]) == (3, "warning")


def test_levels_move_with_the_facts_that_move_them_or_not_at_all(engine: Engine) -> None:
    facts, of = Facts(engine), total(80, 5)
    none, warned = Levels(), Levels(crossed=frozenset({"warning", "critical"}), upto=5)
    assert facts.levels(of) == none
    moves = LevelMove(total=of, seen=none, now=warned)
    assert facts.publish([fact(1), fact(2, "fact_2")], moves=moves) is Published.DONE
    assert facts.publish([fact(3, "fact_3")], moves=moves) is Published.RACED, "they have moved since"
    assert facts.publish([fact(1), fact(2, "fact_2")], moves=moves) is Published.KNOWN
    assert facts.levels(of) == warned
    assert facts.levels(total(80, 5, start=START - DAY)) == none, "each window has its own"
    left = LevelMove(total=of, seen=warned, now=Levels(upto=9))
    assert facts.publish([fact(3, "fact_3")], moves=left) is Published.DONE
    assert facts.levels(of) == Levels(upto=9)


def test_a_total_has_what_raises_its_limit_once(engine: Engine) -> None:
    totals = Totals(engine)
    opened = moved(change(5), carried=Decimal(300))
    adjusted = moved(change(0), adjusted=Decimal(-20))
    for number, part in ((1, opened), (1, opened), (2, adjusted), (2, adjusted), (3, adjusted), (1, opened)):
        totals.add_to_total("acme", part, number)
    found = total_of(held(engine))
    assert (found.value, found.carried, found.adjusted, found.limit) == (5, 300, -40, Decimal("1260.5"))
    totals.add_to_total("acme", moved(change(0), carried=Decimal(250)), 4)
    assert total_of(held(engine)).carried == 250


SUSPENDS = Tier(level="over", at=percent(100), policy=SuspendUsage(until="next_period"))


def suspending(policy: SuspendUsage | None = None) -> SuspendingTier:
    return SuspendingTier(tier=SUSPENDS, policy=policy or SuspendUsage(until="next_period"))


def over_limit(value: int, upto: int, **changes: object) -> Total:
    whole = replace(GOVERNED, limit=Decimal(100), tiers=(SUSPENDS,), scope={}, enforcement=Enforcement.HARD)
    return total(value, upto, governed=whole, **changes)


def suspended(engine: Engine) -> tuple[dict[int, int], int]:
    cell = cell_image.cell_of(engine.get(keys.cell(CellName("acme", FEATURE))))
    return dict(cell.suspended), cell.revision


def test_the_fold_suspends_once_for_each_change_and_only_what_the_cell_shows_too(engine: Engine) -> None:
    cells = CellEvents(engine)
    cells.suspend(over_limit(101, 3), suspending(), NOW)
    assert suspended(engine) == ({}, 0), "the cell shows no such usage"
    cells.bring_in(over_limit(101, 3), seen=Decimal(0), now=NOW)
    for _ in range(2):
        cells.suspend(over_limit(101, 3), suspending(), NOW)
    assert suspended(engine) == ({0: END}, 1)
    engine.write(Update(key=keys.cell(CellName("acme", FEATURE)), changes=(Remove("sus"),)))
    cells.suspend(over_limit(101, 3), suspending(), NOW)
    assert suspended(engine) == ({}, 1), "what was resumed stays so"
    cells.suspend(over_limit(120, 4), suspending(SuspendUsage(until="resumed")), NOW)
    assert suspended(engine) == ({0: UNTIL_RESUMED}, 2)


def test_the_fold_suspends_nothing_for_a_period_that_is_over(engine: Engine) -> None:
    cells, late = CellEvents(engine), END + 1
    cells.bring_in(over_limit(101, 3), seen=Decimal(0), now=late)
    cells.suspend(over_limit(101, 3), suspending(), late)
    cells.begin_grace(over_limit(101, 3), late)
    assert suspended(engine) == ({}, 0)


def test_the_fold_suspends_by_the_limit_as_the_cell_shows_it_raised(engine: Engine) -> None:
    cells = CellEvents(engine)
    window = (1, START)
    raised = {
        cell_image.used_name(window): Decimal(71),
        cell_image.window_name(cell_image.ADJUSTED, window): Decimal(30),
        "n": 1,
    }
    engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item=raised))  # type: ignore[arg-type]
    cells.suspend(over_limit(101, 3), suspending(), NOW)
    assert suspended(engine) == ({}, 1), "101 of 130"
    engine.write(
        Update(key=keys.cell(CellName("acme", FEATURE)), changes=(Set(cell_image.used_name(window), Decimal(101)),))
    )
    cells.suspend(over_limit(131, 4), suspending(), NOW)
    assert suspended(engine) == ({0: END}, 2)


def test_a_suspension_over_a_scope_and_for_a_time_is_counted_from_when_it_began(engine: Engine) -> None:
    cells, by = CellEvents(engine), suspending(SuspendUsage(until="after", lasts=HOUR))
    scoped = replace(GOVERNED, limit=Decimal(100), tiers=(SUSPENDS,), scope={"model": "large"})
    cells.bring_in(total(101, 3, governed=scoped), seen=Decimal(0), now=NOW)
    cells.suspend(total(101, 3, governed=scoped), by, NOW)
    cells.suspend(total(102, 4, governed=scoped), by, NOW + 1)
    assert suspended(engine) == ({1: NOW + HOUR}, 1)


def test_a_grace_begins_once(engine: Engine) -> None:
    cells = CellEvents(engine)
    cells.begin_grace(over_limit(101, 3), NOW)
    cells.begin_grace(over_limit(120, 4), NOW + 5)
    cell = cell_image.cell_of(engine.get(keys.cell(CellName("acme", FEATURE))))
    assert (cell.grace, cell.revision) == ({(1, START): NOW}, 1)


def test_a_restatement_is_the_revision_after_the_newest(engine: Engine) -> None:
    facts = Facts(engine)
    Totals(engine).add_to_total("acme", change(5), 1)
    key = keys.total("acme", FEATURE, 1, START)
    engine.write(Update(key=key, changes=(Set("closed", NOW), Set("revision", 1))))
    restated = total_of(held(engine))
    assert facts.last_stated(restated) == LastStated(revision=1, carried_out=None)
    assert facts.publish([fact(1)], level="normal", restates=restated, revision=3) is Published.RACED
    assert facts.publish([fact(1)], level="normal", restates=restated, revision=2) is Published.DONE
    assert (
        facts.publish([replace(fact(2), id="fact_2")], restates=replace(restated, carried_out=Decimal(7)), revision=3)
        is Published.DONE
    )
    assert facts.last_stated(restated) == LastStated(revision=3, carried_out=Decimal(7))


def test_a_delivery_is_begun_once_and_asked_for_until_it_is_attempted(engine: Engine) -> None:
    facts = Facts(engine)
    assert facts.begin_delivery("fact_1", "BUS", NOW)
    assert facts.begin_delivery("fact_1", "BUS", NOW), "nobody has attempted it yet"
    engine.write(Update(key=keys.delivery("fact_1", "BUS"), changes=(Set("attempts", 1),)))
    assert not facts.begin_delivery("fact_1", "BUS", NOW)


def test_a_probe_is_seen_once_if_somebody_still_waits(engine: Engine) -> None:
    facts = Facts(engine)
    facts.passed("gone", NOW)
    assert engine.get(keys.probe("gone")) is None
    engine.write(Put(key=keys.probe("p"), item={"created_at": NOW}))
    facts.passed("p", NOW + 1)
    facts.passed("p", NOW + 2)
    assert (engine.get(keys.probe("p")) or {})["seen_at"] == NOW + 1


def test_meters_are_read_again_when_the_catalog_has_changed(engine: Engine) -> None:
    rules = Rules(engine)
    assert rules.meters().of_type == {}
    declare(engine, TOKENS)
    assert [meter.key for meter in rules.meters().of_type["llm.completion"]] == [METER]
    declare(engine, CALLS, version=2)
    assert [meter.key for meter in rules.meters().of_type["llm.completion"]] == ["calls", METER]
    assert rules.meters().of_feature == {FEATURE: METER}
    assert rules.feature(FEATURE) == Feature(key=FEATURE, meter=METER)
    assert rules.feature("none") is None


def test_what_a_use_left_is_all_that_was_used_and_what_raised_the_limit() -> None:
    """A counter begins below zero by what its window was raised by."""
    item: Item = {f"{name}.3.{START}": Decimal(value) for name, value in (("u", "-40"), ("k", "50"), ("a", "-5"))}
    use, cell = replace(USE, windows=(CountedWindow(3, START, END),)), cell_image.cell_of(item)
    assert use.shown_by(cell, cell).after == (Shown(Decimal(5), Decimal(45)),)
