"""The state that must result when no record waits, computed in the simplest way from events, grants and settlements.

Facts are compared with the commit log of the totals. The last values in that log must equal the computed ones.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tallygate.domain.admission.cells import DEAD_AFTER
from tallygate.domain.admission.decision_ids import granted_decision
from tallygate.domain.base.instants import DAY, MINUTE, Instant, format_instant, parse_instant
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.entries.notices import DeniedEntry
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.storage.base import items
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.entries.totals import total_of
from tallygate.storage.journal.records import Journal
from tests.given import FEATURE, METER, NOW, known_to
from tests.simulation.world import CUSTOMERS, DAILY, HYSTERESIS, MONTHLY, TIERS, World
from tests.truth import entries_written, facts, totals, used

Window = tuple[str, int, Instant]
Reported = tuple[str, str, str, str]


class Usage(NamedTuple):
    """One use, event or correction, from the commit log."""

    customer: str
    time: Instant
    amount: Decimal
    by_event: bool
    dimensions: Mapping[str, str]


def happened(engine: MemoryEngine) -> Iterator[Usage]:
    """Yield every stored event, every granted consume, and the difference of each settlement."""
    for change in engine.stream:
        new = change.new or {}
        if change.key.pk.startswith("EVENT#") and change.old is None:
            data = json.loads(items.text(new, "data"), parse_float=Decimal)
            yield Usage(
                items.text(new, "customer"),
                items.integer(new, "time"),
                Decimal(data["tokens"]),
                True,
                {"model": data["model"]},
            )
    for customer, entry in entries_written(engine):
        if isinstance(entry, UseEntry):
            yield Usage(customer, entry.time, entry.amount, False, entry.dimensions)
        elif isinstance(entry, SettleEntry):
            yield Usage(customer, entry.time, entry.by, False, entry.dimensions)


def windows_of(time: Instant) -> tuple[tuple[int, Instant, Instant], ...]:
    """(ordinal, start, end) of the month and the day in UTC."""
    month = parse_instant(format_instant(time)[:7] + "-01T00:00:00Z")
    following = parse_instant(format_instant(month + 31 * DAY)[:7] + "-01T00:00:00Z")
    return ((1, month, following), (2, time - time % DAY, time - time % DAY + DAY))


def check(world: World) -> None:
    """Check the final state of a run. Raises AssertionError at the first difference."""
    engine = world.engine
    expected: dict[Window, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    rollup: Counter[tuple[str, str, str, str, str]] = Counter()
    ends: dict[Window, Instant] = {}
    for use in happened(engine):
        for ordinal, start, end in windows_of(use.time):
            value, by_event = expected[(use.customer, ordinal, start)]
            events = use.amount if use.by_event else Decimal(0)
            expected[(use.customer, ordinal, start)] = (value + use.amount, by_event + events)
            ends[(use.customer, ordinal, start)] = end
        day, quarter = format_instant(use.time)[:10], f"q{use.time % DAY // (15 * MINUTE):02d}"
        dimensions = json.dumps(dict(use.dimensions), sort_keys=True, separators=(",", ":"))
        rollup[(use.customer, METER, day, dimensions, quarter)] += use.amount  # type: ignore[assignment]
        if use.by_event:
            rollup[(use.customer, "calls", day, "{}", quarter)] += 1
    assert totals(engine) == dict(expected)
    assert _rollup(engine) == dict(rollup)
    for (customer, ordinal, start), (value, _) in expected.items():
        if ends[(customer, ordinal, start)] > NOW - DEAD_AFTER:
            assert used(engine, customer, ordinal, start) == value, "the cell counts what the total counts"
    _check_settlements(engine)
    _check_journals(engine)
    _check_facts(world, dict(expected))


def _check_settlements(engine: MemoryEngine) -> None:
    """Each settlement corrected its decision once, to the amount in its receipt. No total was ever negative."""
    written: list[tuple[str, str, Decimal, Decimal]] = []
    granted: dict[tuple[str, str], Decimal] = {}
    for customer, entry in entries_written(engine):
        if isinstance(entry, UseEntry):
            granted[(customer, entry.id)] = entry.amount
        elif isinstance(entry, SettleEntry):
            before = granted[(customer, entry.id)]
            assert entry.amount - entry.by == before
            written.append((customer, entry.id, before, entry.amount))
    for change in engine.stream:
        if change.key.pk.startswith("TOTAL#"):
            assert total_of(change.new or {}).value >= 0
    kept: list[tuple[str, str, Decimal, Decimal]] = []
    secret = known_to(engine)
    for key, item in engine.items.items():
        operation, _, named = key.sk.partition("#")
        if key.pk.startswith("RECEIPT#") and operation == "settle":
            decision = granted_decision(named, secret)
            assert decision is not None
            name = f"{decision.minute}.{decision.digest.hex()}"
            kept.append((decision.customer, name, item["granted"], item["amount"]))  # type: ignore[arg-type]
    assert Counter(written) == Counter(kept)
    assert len({(customer, name) for customer, name, _, _ in written}) == len(written)


def _rollup(engine: MemoryEngine) -> dict[tuple[str, str, str, str, str], Decimal]:
    found: dict[tuple[str, str, str, str, str], Decimal] = {}
    for key, item in engine.items.items():
        if key.pk.startswith("USAGE#"):
            _, customer, meter = key.pk.split("#")
            for name, value in item.items():
                if name.startswith("q") and isinstance(value, Decimal):
                    found[(customer, meter, items.text(item, "day"), items.text(item, "dims"), name)] = value
    return found


def _check_journals(engine: MemoryEngine) -> None:
    """Each event and each write to a cell is in its customer's journal once. No record was parked."""
    for customer in CUSTOMERS:
        numbers = [int(key.sk) for key in engine.items if key.pk == f"JOURNAL#{customer}" and key.sk != "START"]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        records = Journal(engine).records(customer, 0, len(numbers)) if numbers else ()
        entries = [entry for record in records for entry in record.entries]
        assert not [entry for entry in entries if isinstance(entry, ParkedEntry)]
        journaled = Counter(entry.id for entry in entries if isinstance(entry, EventEntry))
        stored = Counter(
            items.text(item, "id") for key, item in engine.items.items() if key.pk.startswith(f"EVENT#{customer}#")
        )
        assert journaled == stored
        revisions = [entry.revision for entry in entries if isinstance(entry, CellEntry)]
        writes = sum(named == customer for named, _ in entries_written(engine))
        assert sorted(revisions) == list(range(1, writes + 1))
        assert len({e.revision for e in entries if isinstance(e, UseEntry)}) == sum(
            isinstance(e, UseEntry) for e in entries
        )


def _check_facts(world: World, expected: dict[Window, tuple[Decimal, Decimal]]) -> None:
    """Each change of a total sent its facts once and in order. Each change after the closing was restated."""
    wanted: list[Reported] = []
    denied: Counter[Reported] = Counter()
    up: dict[Window, set[str]] = defaultdict(set)
    restated: dict[Window, list[Decimal]] = defaultdict(list)
    for customer, entry in entries_written(world.engine):
        if isinstance(entry, DeniedEntry):
            denied[(customer, entry.name, format_instant(entry.window.start), "denied")] += 1
    for change in world.engine.stream:
        if not change.key.pk.startswith("TOTAL#"):
            continue
        before, after = total_of(change.old) if change.old else None, total_of(change.new or {})
        value = Decimal(0) if before is None else before.value
        window = (after.customer, after.ordinal, after.start)
        if before is not None and before.closed:
            if value != after.value:
                restated[window].append(after.value)
            continue
        name = FEATURE if after.ordinal == 1 else "further-2"
        reports = _reports(after.ordinal, value, after.value, up[window], closes=after.closed)
        wanted += [(after.customer, name, format_instant(after.start), what) for what in reports]
    closed = _closed(world.engine)
    sent = facts(world.engine)
    stated = [fact for fact in sent if "revision" in fact]
    found = [_reported(fact) for fact in sent if "revision" not in fact]
    assert Counter(found) == Counter(wanted) + denied
    for each in set(wanted):
        about = [one for one in wanted if one[:3] == each[:3]]
        assert about == [one for one in found if one[:3] == each[:3] and one not in denied], (
            "those of one total keep their order"
        )
    _check_statements(stated, expected, closed, restated)
    for customer in CUSTOMERS:
        sequences = [fact["sequence"] for fact in sent if fact["customer"] == customer]
        assert sequences == list(range(1, len(sequences) + 1))
    known = {key.pk.removeprefix("OUTBOX#") for key in world.engine.items if key.pk.startswith("OUTBOX#")}
    begun = {key.pk.removeprefix("DELIVERY#") for key in world.engine.items if key.pk.startswith("DELIVERY#")}
    assert known == begun == {message.fact for message in world.queue.messages}


def _reports(ordinal: int, before: Decimal, after: Decimal, up: set[str], *, closes: bool) -> Iterator[str]:
    """Yield the facts of one change, in order. `up`: the reported levels that were not left; it is updated."""
    limit, tiers = (MONTHLY, TIERS) if ordinal == 1 else (DAILY, {})
    lines = {level: Decimal(limit) * percent / 100 for level, percent in tiers.items()}
    for level in sorted(up, key=lambda level: -lines[level]):
        if closes or after < lines[level] - Decimal(limit) * HYSTERESIS.get(level, 0) / 100:
            up.remove(level)
            yield f"{level} left"
    for level, line in lines.items():
        if before < line <= after and level not in up:
            up.add(level)
            yield level
    if before < limit <= after:
        yield "limit_reached"
    if before <= limit < after:
        yield "overage_started"


def _reported(fact: dict[str, Any]) -> Reported:
    kind = fact["type"].removeprefix("usage.")
    what = {"threshold_crossed": fact["level"], "threshold_recovered": f"{fact['level']} left"}.get(kind, kind)
    return (fact["customer"], fact["limit_name"], fact["period"]["start"], what)


def _closed(engine: MemoryEngine) -> dict[Window, Decimal]:
    """The value of each closed total at its closing."""
    found: dict[Window, Decimal] = {}
    for key, item in engine.items.items():
        value = item.get("closed_value")
        if key.pk.startswith("TOTAL#") and isinstance(value, Decimal):
            name = (items.text(item, "customer"), items.integer(item, "ordinal"), items.integer(item, "start"))
            found[name] = value
    return found


def _check_statements(
    stated: list[dict[str, Any]],
    expected: dict[Window, tuple[Decimal, Decimal]],
    closed: dict[Window, Decimal],
    restated: dict[Window, list[Decimal]],
) -> None:
    """The closing states the value at that time. Revisions follow without gaps, and the last has the final value."""
    of_window: dict[Window, list[tuple[int, Decimal]]] = defaultdict(list)
    for fact in stated:
        ordinal = 1 if fact["limit_name"] == FEATURE else 2
        name = (fact["customer"], ordinal, parse_instant(fact["period"]["start"]))
        of_window[name].append((fact["revision"], Decimal(fact["raw"])))
    assert of_window.keys() == closed.keys()
    for name, statements in of_window.items():
        assert [revision for revision, _ in statements] == list(range(1, len(statements) + 1))
        assert [raw for _, raw in statements] == [closed[name], *restated[name]]
        assert statements[-1][1] == expected[name][0]
