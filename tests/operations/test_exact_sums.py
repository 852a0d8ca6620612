"""Sums of 28 digits and more are exact wherever they are counted, stated and shown: up to 38, DynamoDB's bound.

No single amount has more than 27 digits. So what was counted before is put into the items, and what comes on top is the
smallest amount there is: a digit that is rounded away anywhere is missing in the answer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.usage.usage import read_usage, usage_answer
from tallygate.domain.base.instants import DAY, format_instant, parse_instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.units import unit_of
from tallygate.domain.limits.counters import CellName
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage.queries import usage
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Update
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.queries import UsageReader
from tests.answers import detailed
from tests.given import FEATURE, METER, NOW, effective, in_force, quota, sold, wanted
from tests.truth import TOKENS, container, declare, draft, drain, exists, facts

MONTH, END = parse_instant("2026-11-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00Z")
LEAST = "0.000000001"
LIMIT = "999999999999999999.999999999"
SMALL_UNIT = {"name": "token", "display": "Mtok", "divide_by": 1_000_000, "precision": 9, "rounding": "none"}
HELD = [
    # The digits held before, what is used after three times the least, what is beyond the limit, in millions of tokens.
    (
        "99999999999999999999.999999997",
        "100000000000000000000",
        "99000000000000000000.000000001",
        "100000000000000",
    ),
    (
        "98765432109876543210987654321.123456786",
        "98765432109876543210987654321.123456789",
        "98765432108876543210987654321.12345679",
        "98765432109876543210987.654321123",
    ),
]


def shown(engine: Engine) -> dict[str, Any]:
    store = Cells(engine)
    decision = check(store, Memory(), wanted(0), now=NOW)
    return detailed(decision, store.unit(FEATURE))


def hold(engine: Engine, key: Any, **counted: Decimal) -> None:
    engine.write(Update(key=key, changes=tuple(Set(name, value) for name, value in counted.items())))


@pytest.mark.parametrize(("held", "used", "beyond", "presented"), HELD)
def test_what_is_consumed_on_top_is_told_to_the_last_digit(
    engine: Engine, held: str, used: str, beyond: str, presented: str
) -> None:
    in_force(engine, effective(quota(LIMIT), enforcement="soft"))
    sold(engine, Feature(key=FEATURE, meter=METER, unit=unit_of(SMALL_UNIT)))
    counter = cell_image.used_name((1, MONTH))
    engine.write(Update(key=keys.cell(CellName("acme", FEATURE)), changes=(Set(counter, Decimal(held)), Set("n", 1))))
    memory = Memory()
    decisions = [consume(Cells(engine), memory, wanted(LEAST), now=NOW, entropy=number.to_bytes) for number in range(3)]
    answer = detailed(decisions[-1], Cells(engine).unit(FEATURE))
    for told in (answer, shown(engine)):
        assert (str(told["used"]), str(told["overage"]), str(told["presented"]["used"])) == (used, beyond, presented)
        assert str(told["limits"][0]["used"]) == used


@pytest.mark.parametrize(("held", "used", "beyond", "presented"), HELD)
def test_journal_totals_usage_and_statement_agree_to_the_last_digit(
    held: str, used: str, beyond: str, presented: str
) -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(LIMIT), enforcement="soft"))
    sold(engine, Feature(key=FEATURE, meter=METER, unit=unit_of(SMALL_UNIT)))
    declare(engine, TOKENS)
    sold(engine, Feature(key=FEATURE, meter=METER, unit=unit_of(SMALL_UNIT)))
    exists(engine, "acme")

    def post(event_id: str) -> None:
        posted = Posted(submitted=(draft(event_id, tokens=LEAST, time=NOW, team="eng"),), batch=event_id)
        (result,) = ingest(Events(engine), posted, now=NOW, each=in_turn)
        assert result.status == "accepted"

    memory, parts = Memory(), container(engine)
    consume(Cells(engine), memory, wanted(LEAST), now=NOW, entropy=bytes)
    post("e1")
    position = drain(engine, parts)
    before = Decimal(held) + 2 * Decimal(LEAST)
    by_event = before - Decimal(LEAST)
    hold(engine, keys.cell(CellName("acme", FEATURE)), **{cell_image.used_name((1, MONTH)): before})
    hold(engine, keys.cell(CellName("acme", FEATURE)), **{cell_image.brought_name((1, MONTH)): by_event})
    hold(engine, keys.total("acme", FEATURE, 1, MONTH), value=before, by_event=by_event)
    hold(engine, keys.usage("acme", METER, "2026-11-20", "{}"), q40=by_event)
    position = len(engine.stream)
    post("e2")
    drain(engine, parts, after=position)

    assert (str(shown(engine)["used"]), str(shown(engine)["presented"]["used"])) == (used, presented)
    query = {"customer": "acme", "meter": METER, "from": format_instant(MONTH), "to": format_instant(NOW + DAY)}
    answer = usage_answer(usage(UsageReader(engine), read_usage(query, now=NOW), NOW))
    assert (str(answer["total"]), str(answer["data"][0]["value"])) == (used, used)
    reset(Closings(engine), now=END, grace=0, time_left=lambda: True)
    (closed,) = (fact for fact in facts(engine) if fact["type"] == "usage.period_closed")
    stated = (str(closed["raw"]), str(closed["presented"]["quantity"]), str(closed["billable"]))
    assert stated == (used, presented, presented)
    total = Decimal(str(closed["included"])) + Decimal(str(closed["overage"]))
    assert total == Decimal(presented), "the two parts make the whole"
