"""Write periods.json: windows that every implementation of the periods must find, from one seed.

    python -m tests.vectors.generate

Each window is computed by `tests.vectors.independent` and compared with the domain before it is written.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from tallygate.domain.periods.boundaries import Grid
from tests.vectors import independent

FILE = Path(__file__).with_name("periods.json")
SEED = 20_240_229
ZONES = (
    "UTC",
    "America/New_York",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Chatham",
)
TURNS = (
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("America/St_Johns", "2026-03-08T05:30:00Z"),
    ("America/St_Johns", "2026-11-01T04:30:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2019-02-17T02:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Europe/Paris", "2026-03-29T01:00:00Z"),
    ("Europe/Paris", "2026-10-25T01:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-31T10:00:00Z"),
    ("Pacific/Chatham", "2026-04-04T14:00:00Z"),
    ("Pacific/Chatham", "2026-09-26T14:00:00Z"),
)
"""Moments of clock changes; in Apia, the skipped day, and a day later."""
CALENDARS = (
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "PT15M",
    "PT6H",
    "PT45M",
    "P10D",
    "P2W",
    "P2M",
)
ANCHORED = (*independent.MONTHS, *independent.DAYS, "hour", "PT5H", "PT36H")
EDGES = (0, -1, 29 * MINUTE, 61 * MINUTE, -5 * HOUR)
Question = tuple[str, str, Instant | None, str, Instant]
"""Every, zone, anchor (None: calendar), first day of the week, instant."""


def questions(random: Random) -> Iterator[Question]:
    """Calendars and anchors at random instants, and around clock changes."""
    for zone, turn in TURNS:
        for edge in EDGES:
            for every in ("hour", "day", "week", "month", "PT6H", "PT15M", "PT45M"):
                yield every, zone, None, "monday", parse_instant(turn) + edge
    for zone in ZONES:
        for every in CALENDARS:
            for _ in range(4):
                first = random.choice(independent.WEEKDAYS) if every in ("week", "P2W") else "monday"
                yield every, zone, None, first, _some(random)
        for day in (28, 29, 30, 31):
            for every in ANCHORED:
                month = random.choice((1, 3, 5, 7, 8, 10, 12))
                yield every, zone, _anchor(random, random.randint(2019, 2027), month, day), "monday", _some(random)
        for year in (2020, 2024):
            for every in ("month", "quarter", "year", "P4Y", "P1Y6M"):
                yield every, zone, _anchor(random, year, 2, 29), "monday", _some(random)
    for zone, turn in TURNS:
        for every in ("day", "month", "day", "month"):
            # Anchored so that a later boundary falls on a clock change.
            there = independent.shown(parse_instant(turn) + random.randrange(-90, 90) * MINUTE, zone)
            anchor = there.add(months=-3, disambiguation="compatible").timestamp(unit="millisecond")
            yield every, zone, anchor, "monday", parse_instant(turn) + random.randrange(-300, 300) * MINUTE


def vectors() -> Iterator[dict[str, Any]]:
    """Each question with its answer; every seventh also at the edges of its window."""
    random, seen = Random(SEED), set()
    for number, question in enumerate(questions(random)):
        *recurrence, at = question
        start, end = independent.window(*question)
        edges = (start, end - 1, end) if number % 7 == 0 else ()
        for instant in (at, *edges):
            name = (*recurrence, instant)
            if name not in seen:
                seen.add(name)
                yield _vector(name)


def _vector(question: Question) -> dict[str, Any]:
    every, zone, anchor, first, at = question
    found, ours = independent.window(*question), Grid(every, zone, anchor, first).around(at)
    if ours != found:
        texts = [tuple(map(format_instant, pair)) for pair in (found, ours)]
        raise AssertionError(f"{question} {format_instant(at)}: {texts[0]}, but the domain says {texts[1]}")
    vector = {"every": every, "timezone": zone, "anchor": "calendar" if anchor is None else format_instant(anchor)}
    if first != "monday":
        vector["week_starts"] = first
    return {**vector, "at": format_instant(at), "start": format_instant(found[0]), "end": format_instant(found[1])}


def _some(random: Random) -> Instant:
    return parse_instant("2019-01-01T00:00:00Z") + random.randrange(13 * 366 * DAY)


def _anchor(random: Random, year: int, month: int, day: int) -> Instant:
    time = random.choice((0, 1, 43_200, 86_399, random.randrange(86_400)))
    return parse_instant(f"{year}-{month:02d}-{day:02d}T00:00:00Z") + time * SECOND


def document() -> str:
    """The file: one vector per line, so that a diff shows the effect of a new zone database."""
    head = json.dumps({"tzdata": importlib.metadata.version("tzdata"), "seed": SEED})
    lines = ",\n  ".join(json.dumps(vector) for vector in vectors())
    return f'{head[:-1]}, "vectors": [\n  {lines}\n]}}\n'


if __name__ == "__main__":
    FILE.write_text(document())
