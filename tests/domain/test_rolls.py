"""What carries over, as a customer could read it: base, what was used month by month, and what the next one has."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, parse_instant
from tallygate.domain.catalog.carryover import Cap, Carryover
from tallygate.domain.limits.rollover import (
    Layer,
    Stretch,
    WindowState,
    base_of,
    carried_out,
    continued,
    layers_of,
    layers_text,
    rolled,
    total,
)
from tallygate.domain.periods.recurrence import calendar, window_at

MONTHS = calendar("month", "UTC")
START = parse_instant("2026-01-01T00:00:00Z")
BASE = [Stretch(START, Decimal(1000))]


def month(number: int) -> int:
    return parse_instant(f"2026-{number:02d}-01T00:00:00Z")


@dataclass(frozen=True)
class Year:
    """What was used in the months from January on (None: nothing happened), and what is carried into the next."""

    name: str
    carryover: Carryover
    used: list[int | None]
    carried: int
    stretches: tuple[Stretch, ...] = tuple(BASE)


YEARS = [
    Year("what is left moves on", Carryover(), [400], 600),
    Year("carryover of carryover: 1000 + 600 − 100", Carryover(), [400, 100], 1500),
    Year("a month in which nothing happened adds its base", Carryover(), [400, None, None], 2600),
    Year("nothing is carried before the first month", Carryover(), [], 0),
    Year("all was used", Carryover(), [1000], 0),
    Year("a cap in units", Carryover(most=Cap(amount=Decimal(250))), [400, None], 250),
    Year("a cap in percent of the base", Carryover(most=Cap(percent=Decimal(50))), [400], 500),
    Year("a cap of periods", Carryover(most=Cap(periods=2)), [None, None, None, None], 2000),
    Year("overage is forgiven", Carryover(), [1300], 0),
    Year("overage is taken off the next", Carryover(overage="deduct"), [1300], -300),
    Year("a debt is paid by the next month's base", Carryover(overage="deduct"), [1300, 200], 500),
    Year("after one period what was carried expires", Carryover(expires_after=1), [400, None], 1000),
    Year("the oldest is used first: 300 of January's 600", Carryover(expires_after=2), [400, 300], 1300),
    Year("… and its rest expires in April", Carryover(expires_after=2), [400, 300, None], 2000),
    Year(
        "while it is not in force no base accrues, and what was carried is kept",
        Carryover(),
        [400, None, None, None],
        1600,
        (Stretch(START, Decimal(1000)), Stretch(month(2), None), Stretch(month(4), Decimal(1000))),
    ),
    Year(
        "what is frozen does not age",
        Carryover(expires_after=1),
        [400, None, None],
        600,
        (Stretch(START, Decimal(1000)), Stretch(month(2), None), Stretch(month(4), Decimal(1000))),
    ),
    Year(
        "a month has the base that was last in force in it",
        Carryover(),
        [400],
        1600,
        (Stretch(START, Decimal(1000)), Stretch(START + 20 * DAY, Decimal(2000))),
    ),
]


@pytest.mark.parametrize("year", YEARS, ids=lambda year: year.name)
def test_what_is_carried(year: Year) -> None:
    last: WindowState | None = None
    for number, used in enumerate(year.used, start=1):
        if used is not None:
            layers = rolled(year.carryover, MONTHS, year.stretches, last, month(number))
            last = WindowState(start=month(number), counter=used - total(layers), layers=layers)
    into = month(len(year.used) + 1)
    assert total(rolled(year.carryover, MONTHS, year.stretches, last, into)) == year.carried


def test_base_1000_of_1300_available_800_used_makes_1500() -> None:
    prior = WindowState(start=START, counter=Decimal(800 - 300), layers=(Layer(Decimal(300), 1),))
    assert total(rolled(Carryover(), MONTHS, BASE, prior, month(2))) == 500


@given(
    st.lists(st.integers(0, 1500) | st.none(), max_size=8),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(0, 3000).map(lambda n: Cap(amount=Decimal(n))),
)
def test_no_more_is_ever_carried_than_was_granted_and_not_used(
    months: list[int | None], expires_after: int | None, most: Cap | None
) -> None:
    """Over all months: carried out ≤ carried in + base − used, within the cap, and no layer outlives its periods."""
    carryover = Carryover(expires_after=expires_after, most=most)
    layers: tuple[Layer, ...] = ()
    for used in months:
        counter = Decimal(min(used or 0, 1000 + int(total(layers)))) - total(layers)
        after = carried_out(carryover, Decimal(1000), counter, layers, Decimal(0))
        assert 0 <= total(after) <= 1000 - counter
        assert most is None or total(after) <= most.of(Decimal(1000))
        assert expires_after is None or all(layer.age <= expires_after for layer in after)
        if expires_after is None and most is None:
            assert total(after) == 1000 - counter, "nothing is lost either"
        layers = after


@given(st.lists(st.tuples(st.integers(1, 10**9).map(lambda n: Decimal(n) / 1000), st.integers(1, 100)), min_size=1))
def test_layers_are_kept_as_they_were(layers: list[tuple[Decimal, int]]) -> None:
    kept = tuple(Layer(amount, age) for amount, age in layers)
    assert layers_of(layers_text(kept)) == kept


def test_a_change_replaces_what_was_still_to_come_and_repeating_it_changes_nothing() -> None:
    held = (Stretch(START, Decimal(10)), Stretch(month(3), Decimal(30)))
    assert continued(held, Decimal(10), month(2)) == (Stretch(START, Decimal(10)),)
    changed = continued(held, Decimal(20), month(2))
    assert changed == (Stretch(START, Decimal(10)), Stretch(month(2), Decimal(20)))
    assert continued(changed, Decimal(20), month(4)) == changed
    assert base_of(changed, window_at(MONTHS, month(2))) == 20
