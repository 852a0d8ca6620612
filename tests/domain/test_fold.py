"""The fold: pure, exact, and the same in whatever portions it is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, parse_instant
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.entries.windows import AdjustEntry, CarryEntry
from tallygate.domain.journal.fold import (
    changes_of,
    day_and_quarter,
    dimensions_text,
    limits_named,
    resolve_event,
)
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CarriedIn, CountedWindow
from tallygate.domain.limits.governing import Governed, governed_of, limit_names
from tallygate.domain.limits.limits import Effective, Limit
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.metering.contributions import Add, stated
from tallygate.domain.metering.events import Event, accepted_as
from tallygate.domain.metering.judgement import EventWarning
from tallygate.domain.metering.meters import Measured, Meters, meters_of
from tallygate.domain.metering.settings import Settings
from tests.given import FEATURE, METER, NOW, effective, quota, scoped
from tests.truth import CALLS, TOKENS, draft

METERS = meters_of((TOKENS, CALLS), {FEATURE: METER})
MONTH = CountedWindow(1, parse_instant("2026-11-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00Z"))
TODAY = CountedWindow(2, NOW - NOW % DAY, NOW - NOW % DAY + DAY)


def event(tokens: int | str | None = 10, **data: Any) -> Event:
    return accepted_as(draft("e", tokens=tokens, time=NOW, **data), "acme", NOW, "b")


def limits() -> Effective:
    return effective(quota(100), quota(50, ordinal=2, every="day"))


def test_an_event_counts_in_every_window_of_every_limit_that_its_meter_feeds() -> None:
    entry = resolve_event(event(model="large"), METERS, limits())
    assert entry.measured == (
        Measured("calls", Add(Decimal(1)), {}),
        Measured(METER, Add(Decimal(10)), {"model": "large"}),
    )
    assert entry.windows == (MONTH, TODAY)


def test_an_event_counts_in_a_scoped_limit_only_where_its_dimensions_match() -> None:
    over = {
        2: {"model": "large"},
        3: {"model": "small"},
        4: {"model": "large", "team": "eng"},
        5: {"team": "eng"},
    }
    meter = replace(TOKENS, dimensions={"model": ("model",), "team": ("team",)})
    meters = meters_of((meter, CALLS), {FEATURE: METER})
    limits = tuple(Limit(name=f"l{n}", scope=scope, quotas=(quota(9, ordinal=n),)) for n, scope in over.items())

    def counted(**data: Any) -> list[int]:
        return [window.ordinal for window in resolve_event(event(**data), meters, scoped(*limits)).windows]

    assert counted(model="large") == [1, 2]
    assert counted(model="large", team="eng") == [1, 2, 4, 5]
    assert counted(model="medium", team="eng") == [1, 5]
    assert counted() == [1]


def test_without_limits_or_meters_an_event_is_a_fact_that_counts_nowhere_in_particular() -> None:
    assert resolve_event(event(), METERS, None).windows == ()
    accepting = Meters(settings=Settings(unknown_events="accept"))
    assert resolve_event(event(), accepting, limits()) == EventEntry(
        source="api",
        id="e",
        type="llm.completion",
        time=NOW,
        received_at=NOW,
        warnings=(
            EventWarning(
                meter=None,
                code="no_meter",
                detail="no meter of the catalog has the event type llm.completion",
            ),
        ),
    )


def test_an_event_of_a_type_whose_last_meter_went_is_journaled_as_rejected() -> None:
    entry = resolve_event(event(), Meters(), limits())
    assert (entry.rejected, entry.measured, entry.windows) == ("unknown_event_type", (), ())
    assert [(warning.meter, warning.code) for warning in entry.warnings] == [(None, "unknown_event_type")]


def test_an_event_that_cannot_be_measured_says_why_and_feeds_the_others() -> None:
    entry = resolve_event(event(tokens=None), METERS, limits())
    assert entry.warnings == (EventWarning(meter=METER, code="value_missing", detail="$.tokens is absent"),)
    assert entry.rejected is None
    assert [found.meter for found in entry.measured] == ["calls"]
    assert entry.windows == (), "no limit is on calls"


def test_data_that_is_no_object_cannot_be_resolved() -> None:
    broken = Event(**{**{f: getattr(event(), f) for f in Event.__slots__}, "data": "[]"})
    with pytest.raises(ValueError, match="object"):
        resolve_event(broken, METERS, limits())


def test_a_limit_that_is_no_longer_in_force_is_known_by_its_names() -> None:
    use = UseEntry(
        id="i", feature="old", meter="m", revision=1, time=NOW, amount=Decimal(1), windows=(CountedWindow(9, 0, 1),)
    )
    entry = resolve_event(event(), METERS, limits())
    named = limits_named((use, entry), governed_of(limits()))
    assert named[9] == Governed(feature="old", meter="m", name="old")
    assert (named[1].limit, named[2].name) == (Decimal(100), "further-2")
    further = limits_named((use,), {}, limit_names(replace(limits(), ordinals={"old\nper-model\nquota/month@{}": 9})))
    assert further[9].name == "per-model"
    assert further[9].named_only


def test_what_raises_a_limit_is_folded_like_usage() -> None:
    window, other = CountedWindow(1, 0, 10), CountedWindow(2, 0, 5)
    about: dict[str, Any] = {"feature": "f", "meter": METER, "name": "f", "revision": 1, "time": NOW, "window": window}
    into = CarriedIn(layers=(Layer(Decimal(250), 1),))
    use = UseEntry(
        id="i",
        feature="f",
        meter=METER,
        revision=1,
        time=NOW,
        amount=Decimal(7),
        windows=(window, other),
        carried={1: Decimal(300)},
    )
    found = changes_of(
        record(
            use,
            AdjustEntry(**about, **by_hand(50), id="a1", carried=Decimal(300)),
            AdjustEntry(**about, **by_hand(-20), id="a2", carried=Decimal(300)),
            CarryEntry(**about, into=into),
        )
    )
    one, two = (total.move for total in found.totals)
    assert one == TotalMove(
        window=window,
        value=Add(Decimal(7)),
        carried=Decimal(250),
        into=into,
        adjusted=Decimal(30),
        uses=True,
    )
    assert two == TotalMove(window=other, value=Add(Decimal(7)), uses=True)


def by_hand(amount: int) -> dict[str, Any]:
    """What an adjustment by so much says of itself beside its ids and what was carried."""
    about = {"base": Decimal(100), "adjusted": Decimal(amount), "reason": "r", "actor": "ops"}
    return {"amount": Decimal(amount), **about}


def test_an_adjustment_alone_makes_a_total_of_nothing_used() -> None:
    entry = AdjustEntry(
        id="a",
        feature="f",
        meter=METER,
        name="gone",
        revision=1,
        time=NOW,
        window=CountedWindow(7, 0, 10),
        carried=Decimal(0),
        **by_hand(50),
    )
    (change,) = changes_of(record(entry)).totals
    assert change.move == TotalMove(window=entry.window, adjusted=Decimal(50), carried=Decimal(0))
    assert change.governed.name == "gone"


def test_totals_and_facts_know_scope_and_whether_tiers_decide() -> None:
    observing = Limit(
        name="large", scope={"model": "large"}, quotas=(quota(5, ordinal=3),), enforcement=Enforcement.OFF
    )
    found = governed_of(scoped(observing))
    assert (found[3].scope, found[3].enforced) == ({"model": "large"}, False)
    assert (found[1].scope, found[1].enforced) == ({}, True)


def record(*entries: Entry) -> Record:
    return Record(
        number=1, customer="acme", marks={}, entries=entries, limits=limits_named(entries, governed_of(limits()))
    )


def test_sums_are_exact_beyond_the_digits_of_the_default_context() -> None:
    big, small = "9" * 18 + ".999999999", "0.000000001"
    entries = tuple(resolve_event(event(tokens=amount), METERS, limits()) for amount in (big, big, small))
    month = changes_of(record(*entries)).totals[0].move
    assert month.by_event == Add(Decimal(big) * 2 + Decimal(small))
    assert month.value == month.by_event


ENTRIES = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 60 * DAY), st.sampled_from(["a", "b", ""]), st.booleans()),
    max_size=30,
)


@given(ENTRIES, st.integers(1, 5))
def test_many_records_add_up_to_what_one_would(given_entries: list[tuple[int, int, str, bool]], portions: int) -> None:
    entries = [_entry(*entry) for entry in given_entries]
    whole = _sums([record(*entries)])
    parted = _sums([record(*entries[i::portions]) for i in range(portions)])
    assert whole == parted
    used = sum(entry[0] for entry in given_entries)
    assert sum(v for (kind, *_), v in whole.items() if kind == "usage-tokens") == used
    assert sum(v for (kind, *_), v in whole.items() if kind == "total-1") == used
    assert sum(v for (kind, *_), v in whole.items() if kind == "event-1") == sum(e[0] for e in given_entries if e[3])


def _entry(amount: int, ago: int, model: str, by_event: bool) -> EventEntry | UseEntry:
    time, dimensions = NOW - ago, {"model": model} if model else {}
    resolved = resolve_event(
        accepted_as(draft("e", tokens=amount, time=time, **dimensions), "acme", NOW, "b"), METERS, limits()
    )
    if by_event:
        return resolved
    return UseEntry(
        id="i",
        feature=FEATURE,
        meter=METER,
        revision=1,
        time=time,
        amount=Decimal(amount),
        dimensions=dimensions,
        windows=resolved.windows,
    )


def _sums(records: list[Record]) -> dict[tuple[str, object, object], Decimal]:
    found: Counter[tuple[str, object, object]] = Counter()
    for one in records:
        changes = changes_of(one)
        for move in (total.move for total in changes.totals):
            window = move.window
            found[(f"total-{window.ordinal}", window.start, window.end)] += stated(move.value)  # type: ignore[assignment]
            found[(f"event-{window.ordinal}", window.start, window.end)] += stated(move.by_event)  # type: ignore[assignment]
        for usage in changes.usage:
            for quarter, amount in usage.quarters.items():
                found[(f"usage-{usage.meter}", (usage.day, quarter), usage.dimensions)] += stated(amount)  # type: ignore[assignment]
    return {name: Decimal(value) for name, value in found.items() if value}


def test_days_and_quarters_are_those_of_utc() -> None:
    assert day_and_quarter(parse_instant("2026-03-01T00:00:00Z")) == ("2026-03-01", 0)
    assert day_and_quarter(parse_instant("2026-03-01T00:14:59.999Z")) == ("2026-03-01", 0)
    assert day_and_quarter(parse_instant("2026-03-01T00:15:00Z")) == ("2026-03-01", 1)
    assert day_and_quarter(parse_instant("2026-02-28T23:59:59Z")) == ("2026-02-28", 95)


def test_dimensions_have_one_text_whatever_their_order() -> None:
    assert dimensions_text({"b": "é", "a": '"'}) == dimensions_text({"a": '"', "b": "é"}) == '{"a":"\\"","b":"é"}'
