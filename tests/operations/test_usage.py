"""usage: sums of the rollup by time and dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.usage.usage import read_usage, usage_answer
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant, format_instant, parse_instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.features import BOOLEAN
from tallygate.domain.journal.fold import QUARTER, UsageChange, day_and_quarter, dimensions_text
from tallygate.domain.metering.contributions import Add, Contribution, Raise
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.usage.queries import usage
from tallygate.storage.base.engine import Engine
from tallygate.storage.journal.totals import Totals
from tallygate.storage.usage.queries import UsageReader
from tests.given import FEATURE, METER, NOW
from tests.truth import CALLS, TOKENS, declare, exists

MIDNIGHT = NOW - NOW % DAY


def counted(
    engine: Engine,
    *parts: tuple[Instant, Mapping[str, str], int | str],
    meter: str = METER,
    made: Callable[[Decimal], Contribution] = Add,
) -> None:
    """Usage as the fold would write it."""
    exists(engine, "acme")
    declare(engine, replace(TOKENS, dimensions={name: (name,) for name in ("model", "team")}), CALLS)
    for number, (time, dimensions, amount) in enumerate(parts, 1):
        day, quarter = day_and_quarter(time)
        text = dimensions_text(dimensions)
        change = UsageChange(meter=meter, day=day, dimensions=text, quarters={quarter: made(Decimal(amount))})
        Totals(engine).add_to_usage("acme", change, number)


def ask(engine: Engine, **parameters: str) -> dict[str, Any]:
    query = read_usage({"customer": "acme", "meter": METER, **parameters}, now=NOW)
    return usage_answer(usage(UsageReader(engine), query, NOW))


def values(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(row["start"][:10], *row["group"].values(), row["value"]) for row in answer["data"]]


def test_one_sum_over_a_stretch_that_is_half_open(engine: Engine) -> None:
    counted(
        engine, (MIDNIGHT - 1, {}, 1), (MIDNIGHT, {}, 10), (MIDNIGHT + DAY - 1, {}, 100), (MIDNIGHT + DAY, {}, 1000)
    )
    stretch = {"from": format_instant(MIDNIGHT), "to": format_instant(MIDNIGHT + DAY)}
    assert ask(engine, **stretch) == {
        "meter": METER,
        **stretch,
        "data": [{"start": stretch["from"], "end": stretch["to"], "group": {}, "value": 110}],
        "total": 110,
        "presented": None,
        "as_of": format_instant(NOW),
    }


def test_a_maximum_is_the_largest_of_its_quarter_hours_in_each_row_and_in_all(engine: Engine) -> None:
    parts = ((MIDNIGHT, "a", 5), (MIDNIGHT + HOUR, "b", 9), (MIDNIGHT + DAY, "a", 7), (MIDNIGHT + DAY, "a", 3))
    counted(engine, *((at, {"model": model}, amount) for at, model, amount in parts), made=Raise)
    stretch = {"from": format_instant(MIDNIGHT), "to": format_instant(MIDNIGHT + 2 * DAY)}
    by_day = ask(engine, window="day", **stretch)
    assert ([row["value"] for row in by_day["data"]], by_day["total"]) == ([9, 7], 9)
    by_model = ask(engine, group_by="model", **stretch)
    assert ([row["value"] for row in by_model["data"]], by_model["total"]) == ([7, 9], 9)


def test_the_stretch_is_aligned_outward_and_the_answer_says_so(engine: Engine) -> None:
    counted(engine, (NOW, {}, 1), (NOW + QUARTER, {}, 2))
    answer = ask(engine, to=format_instant(NOW + 8 * MINUTE), **{"from": format_instant(NOW + 7 * MINUTE)})
    assert (answer["from"], answer["to"], answer["total"]) == (format_instant(NOW), format_instant(NOW + QUARTER), 1)


def test_without_usage_a_single_sum_is_zero_and_days_have_no_rows(engine: Engine) -> None:
    counted(engine)
    assert (ask(engine)["data"][0]["value"], ask(engine)["total"]) == (0, 0)
    assert ask(engine, window="day")["data"] == []


def test_by_default_the_current_month_up_to_now(engine: Engine) -> None:
    counted(engine, (parse_instant("2026-11-01T00:00:00Z"), {}, 1), (parse_instant("2026-10-31T23:59:59Z"), {}, 5))
    answer = ask(engine)
    assert (answer["from"], answer["total"]) == ("2026-11-01T00:00:00Z", 1)
    assert ask(engine, tz="Europe/Paris")["total"] == 6, "the month began an hour earlier there"


def test_days_follow_their_zone_with_its_summer_time(engine: Engine) -> None:
    first = parse_instant("2026-10-24T22:00:00Z")
    counted(engine, *((first + hour * HOUR, {}, 1) for hour in range(49)))
    answer = ask(
        engine, window="day", tz="Europe/Paris", to="2026-10-27T00:00:00+01:00", **{"from": "2026-10-25T00:00:00+02:00"}
    )
    assert [(row["start"], row["end"], row["value"]) for row in answer["data"]] == [
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
        ("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", 24),
    ]


@pytest.mark.parametrize(
    ("window", "first", "rows"),
    [
        ("hour", "2026-10-24T22:00:00Z", 49),
        ("week", "2026-10-24T22:00:00Z", 2),
        ("month", "2026-10-24T22:00:00Z", 1),
    ],
)
def test_hours_weeks_and_months_are_those_of_the_zone(engine: Engine, window: str, first: str, rows: int) -> None:
    """From the Sunday on which Paris sets its clocks back; what is asked for clips the first week and the month."""
    begin = parse_instant("2026-10-25T00:00:00+02:00")
    counted(engine, *((begin + hour * HOUR, {}, 1) for hour in range(49)))
    stretch = {"from": "2026-10-25T00:00:00+02:00", "to": "2026-10-27T00:00:00+01:00"}
    answer = ask(engine, window=window, tz="Europe/Paris", **stretch)
    assert (answer["data"][0]["start"], len(answer["data"]), answer["total"]) == (first, rows, 49)
    assert [row["end"] for row in answer["data"]][:-1] == [row["start"] for row in answer["data"]][1:]


def test_a_zone_of_a_quarter_hours_offset_is_exact(engine: Engine) -> None:
    midnight = parse_instant("2026-11-20T00:00:00+05:45")
    counted(engine, (midnight - 1, {}, 1), (midnight, {}, 2))
    stretch = {"from": format_instant(midnight - DAY), "to": format_instant(midnight + DAY)}
    answer = ask(engine, window="day", tz="Asia/Kathmandu", **stretch)
    assert [row["value"] for row in answer["data"]] == [1, 2]


def test_groups_and_filters(engine: Engine) -> None:
    counted(
        engine,
        (NOW, {"model": "large", "team": "a"}, 1),
        (NOW, {"model": "large", "team": "b"}, 2),
        (NOW, {"model": "small", "team": "a"}, 4),
        (NOW, {}, 8),
        (NOW - DAY, {"model": "large"}, 16),
    )
    assert values(ask(engine, group_by="model")) == [
        ("2026-11-01", None, 8),
        ("2026-11-01", "large", 19),
        ("2026-11-01", "small", 4),
    ]
    assert values(ask(engine, window="day", group_by="model", **{"filter[team]": "a"})) == [
        ("2026-11-20", "large", 1),
        ("2026-11-20", "small", 4),
    ]
    assert values(ask(engine, group_by="team,model", **{"filter[model]": "large"})) == [
        ("2026-11-01", None, "large", 16),
        ("2026-11-01", "a", "large", 1),
        ("2026-11-01", "b", "large", 2),
    ]
    assert ask(engine, **{"filter[model]": "none"})["total"] == 0


def test_a_feature_names_its_meter(engine: Engine) -> None:
    counted(engine, (NOW, {}, 5))
    query = read_usage({"customer": "acme", "feature": "ai-tokens"}, now=NOW)
    assert usage(UsageReader(engine), query, NOW).total == 5


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"customer": "nobody", "meter": METER}, "customer_not_found"),
        ({"customer": "acme", "meter": "none"}, "meter_not_found"),
        ({"customer": "acme", "feature": "none"}, "feature_not_found"),
    ],
)
def test_unknown_names_are_not_found(engine: Engine, parameters: dict[str, str], code: str) -> None:
    counted(engine)
    with pytest.raises(NotFound) as raised:
        usage(UsageReader(engine), read_usage(parameters, now=NOW), NOW)
    assert raised.value.code == code


def test_a_feature_that_nothing_is_counted_of_has_no_usage(engine: Engine) -> None:
    exists(engine, "acme")
    declare(engine, TOKENS, features=(Feature(key="sso", type=BOOLEAN),))
    with pytest.raises(InvalidRequest) as refused:
        usage(UsageReader(engine), read_usage({"customer": "acme", "feature": "sso"}, now=NOW), NOW)
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("?feature", "feature_type_mismatch")]


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
        ("Asia/Kathmandu", "2026-10-31T18:15:00Z", "2026-11-01T18:15:00Z"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
    ],
)
def test_a_plain_date_is_its_midnight_in_the_zone(zone: str, start: str, end: str) -> None:
    """Where clocks are set back in the night, the day has 25 hours."""
    asked = read_usage(
        {"customer": "acme", "meter": METER, "from": "2026-11-01", "to": "2026-11-02", "tz": zone}, now=NOW
    )
    assert (format_instant(asked.start), format_instant(asked.end)) == (start, end)


@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({"group_by": "modle"}, ["?group_by"]),
        ({"group_by": "model,modle,api_key"}, ["?group_by"]),
        ({"filter[modle]": "large", "filter[team]": "a", "group_by": "x"}, ["?group_by", "?filter[modle]"]),
    ],
)
@pytest.mark.parametrize("of", [{"meter": METER}, {"feature": FEATURE, "meter": ""}])
def test_a_dimension_that_the_meter_does_not_declare_is_refused(
    engine: Engine, parameters: dict[str, str], pointers: list[str], of: dict[str, str]
) -> None:
    counted(engine, (NOW, {"model": "large"}, 1))
    with pytest.raises(InvalidRequest) as refused:
        ask(engine, **of, **parameters)
    assert [error.pointer for error in refused.value.errors] == pointers
    assert {error.code for error in refused.value.errors} == {"unknown_dimension"}
    assert ask(engine, **of, group_by="model,api_key")["total"] == 1


@pytest.mark.parametrize(
    ("parameters", "pointer", "code"),
    [
        ({"customer": ""}, "?customer", "required"),
        ({"meter": ""}, "?feature", "required"),
        ({"feature": "f"}, "?feature", "required"),
        ({"from": "yesterday"}, "?from", "invalid"),
        ({"from": "2026-02-30"}, "?from", "invalid"),
        ({"from": "2026-1-1"}, "?from", "invalid"),
        ({"from": "9999-01-01"}, "?from", "out_of_range"),
        ({"to": "0001-01-01T00:00:00Z"}, "?to", "out_of_range"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "?to", "out_of_range"),
        ({"from": "2024-11-02T00:00:00Z"}, "?from", "out_of_range"),
        ({"window": "quarter"}, "?window", "not_allowed"),
        ({"window": "second"}, "?window", "not_allowed"),
        ({"tz": "Mars/Base"}, "?tz", "invalid"),
        ({"group_by": "a,a"}, "?group_by", "invalid"),
    ],
)
def test_a_bad_parameter_is_named(parameters: dict[str, str], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_usage({"customer": "acme", "meter": METER, **parameters}, now=NOW)
    assert [(error.pointer, error.code) for error in raised.value.errors] == [(pointer, code)]


def test_an_offset_whose_plus_sign_was_not_escaped_is_understood() -> None:
    query = read_usage({"customer": "acme", "meter": METER, "from": "2026-11-01T00:00:00 01:00"}, now=NOW)
    assert query.start == parse_instant("2026-10-31T23:00:00Z")
