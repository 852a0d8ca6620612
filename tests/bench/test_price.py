"""docs/cost.md and docs/scale.md say what the code costs: their exact tables follow from units counted now.

The other tables depend on the machine. They are compared with nothing, but they are there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bench.__main__ import exact_row
from bench.engine import template
from bench.exact import counted
from bench.price import ACCESS_LOG, BATCH_MAX, EXACT, SECTIONS, WAYS, Timed, between, span, table


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    return {one.operation: asdict(exact_row(one)) for one in counted()}


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_tables_of_a_document_are_what_the_code_costs(name: str, rows: dict[str, dict[str, Any]]) -> None:
    document, section = SECTIONS[name]
    assert between(document.read_text(), name)[0] == section(rows), "run: make bench && python -m bench.price --write"


@pytest.mark.parametrize("name", sorted(SECTIONS.keys() - EXACT))
def test_every_measured_table_is_in_its_document(name: str) -> None:
    document, _ = SECTIONS[name]
    assert between(document.read_text(), name)[0].count("\n| ") > 2


def test_the_figures_of_the_readme_are_those_of_the_price(rows: dict[str, dict[str, Any]]) -> None:
    units = {name: row["write_units"] + row["refused"] for name, row in rows.items()}
    assert [units[f"consume, {n} request ids a minute"] for n in (30, 60, 130)] == [1, 2, 3]
    assert units["consume"] == units["consume, many limits"] == units["denied, later"] == 1
    assert units["denied, first of its window"] == 2
    assert units["consume, Idempotency-Key"] == units["settle"] == 4
    assert [sum(units[part.row] for part in WAYS[name][0]) for name in WAYS if "quiet" in name] == [4, 5]


def test_a_decision_logs_what_the_deployment_page_says(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["consume"]["log_bytes"] + ACCESS_LOG == 272


def test_a_full_batch_is_that_of_the_template() -> None:
    assert template()["Resources"]["TableStream"]["Properties"]["BatchSize"] == BATCH_MAX


def test_less_memory_takes_longer_and_a_second_processor_does_not_help() -> None:
    rows = {"consume": {"cpu_ms": 2.0, "per_cpu_second": None}}
    time = Timed(row="consume", memory_mb=1769, waits=(1, 1))
    assert time.billed_ms(rows) == time.billed_ms(rows, 3538) == (1 + 2, 4 + 10)
    assert time.billed_ms(rows, 884) == pytest.approx((2.001 + 2, 8.005 + 10), abs=0.01)
    low, high = time.dollars(rows)
    assert (low, high) == pytest.approx((0.0691, 0.3225), abs=0.001), "3 and 14 ms of 1.73 GB, a million times"


def test_a_section_is_replaced_between_its_markers() -> None:
    text = "a\n<!-- price, x: begin -->\nold\n<!-- price, x: end -->\nb\n"
    held, changed = between(text, "x", table(("n", "m"), [("1", span(0.1, 0.25))]))
    assert held == "old\n"
    assert changed.splitlines()[2:5] == ["| n | m |", "| --- | ---: |", "| 1 | $0.10 to 0.25 |"]
    assert between(changed, "x", "old\n")[1] == text
