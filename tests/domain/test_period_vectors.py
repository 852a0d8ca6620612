"""The conformance vectors of periods: the domain finds every window in them, and so does an independent library."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from tallygate.domain.base.instants import Instant, parse_instant
from tallygate.domain.periods.recurrence import CALENDAR, TIMESTAMP, Schedule, Segment, window_at
from tests.vectors import generate, independent

DOCUMENT = json.loads(generate.FILE.read_text())
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]


def _origin(vector: dict[str, Any]) -> Instant | None:
    return None if vector["anchor"] == "calendar" else parse_instant(vector["anchor"])


def _expected(vector: dict[str, Any]) -> tuple[Instant, Instant]:
    return parse_instant(vector["start"]), parse_instant(vector["end"])


def test_the_domain_finds_every_window() -> None:
    wrong = []
    for vector in VECTORS:
        origin = _origin(vector)
        kind = CALENDAR if origin is None else TIMESTAMP
        first = vector.get("week_starts", "monday")
        segment = Segment(vector["every"], vector["timezone"], None, kind, origin, first)
        window = window_at(Schedule((segment,)), parse_instant(vector["at"]))
        if (window.start, window.end) != _expected(vector):
            wrong.append((vector, window))
    assert not wrong


def test_an_independent_library_finds_every_window() -> None:
    wrong = []
    for vector in VECTORS:
        first = vector.get("week_starts", "monday")
        at = parse_instant(vector["at"])
        found = independent.window(vector["every"], vector["timezone"], _origin(vector), first, at)
        if found != _expected(vector):
            wrong.append((vector, found))
    assert not wrong


def test_the_vectors_are_what_their_generator_writes_for_this_zone_database() -> None:
    assert DOCUMENT["tzdata"] == version("tzdata")
    assert generate.FILE.read_text() == generate.document(), "python -m tests.vectors.generate writes them"


def test_the_vectors_reach_what_goes_wrong_elsewhere() -> None:
    assert len(VECTORS) >= 2_000
    days = {vector["anchor"][8:10] for vector in VECTORS if vector["anchor"] != "calendar"}
    assert {"28", "29", "30", "31"} <= days
    zones = {vector["timezone"] for vector in VECTORS}
    assert {"America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Apia", "UTC"} <= zones
    lengths = {
        (parse_instant(v["end"]) - parse_instant(v["start"])) // 1_800_000 for v in VECTORS if v["every"] == "day"
    }
    assert {46, 47, 48, 49, 50} <= lengths, "in half hours: days of 23, 23.5, 24, 24.5 and 25 hours"
    assert any(v["timezone"] == "Pacific/Apia" and v["start"].startswith("2011-12-30") for v in VECTORS)
    assert any(v["anchor"].startswith("2024-02-29") and v["start"][5:10] == "02-28" for v in VECTORS)
