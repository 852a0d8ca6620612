"""The fold under splits, zombies, repetitions, crashes and races: exact in every run, and the runs can tell.

SIMULATION_SEEDS=5000 pytest tests/simulation     more runs
SIMULATION_SEED=1234  pytest tests/simulation     that run alone
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import Announcements, Levels, announcements
from tallygate.domain.journal.fold import UsageChange
from tallygate.domain.journal.records import Head, Mark, Marks, Position
from tallygate.domain.metering.contributions import stated
from tallygate.operations.base.each import Each
from tallygate.operations.facts import announce
from tallygate.operations.journal import append
from tallygate.operations.journal.ports import JournalStore, TotalStore
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Update
from tallygate.storage.base.expressions import Increase, Set
from tallygate.storage.journal.totals import Totals
from tests.simulation.check import check
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "240"))
ONLY = os.environ.get("SIMULATION_SEED")
CHUNK = 40


def fails(seed: int) -> str | None:
    """Why a run is not exact; None where it is."""
    world = World(seed)
    try:
        world.run()
        check(world)
    except Exception as error:  # noqa: BLE001  # a run may fail in any way
        return f"seed {seed}: {type(error).__name__}: {str(error)[:2000]}"
    return None


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK) if ONLY is None else [int(ONLY)])
def test_every_run_is_exact(first: int) -> None:
    seeds = range(first, min(first + CHUNK, SEEDS)) if ONLY is None else [first]
    found = [why for seed in seeds if (why := fails(seed)) is not None]
    assert not found, found[0]


def test_a_seed_is_one_run() -> None:
    one, other = World(7), World(7)
    one.run()
    other.run()
    assert [change.key for change in one.engine.stream] == [change.key for change in other.engine.stream]
    assert one.engine.items == other.engine.items


def own_marks_only(marks: Marks, positions: Iterable[Position]) -> Marks:
    """Forgets every shard but that of the newest batch."""
    found = list(positions)
    newest = max(found, key=lambda position: position.sequence)
    return {newest.shard: Mark(newest.sequence, newest.seen_at)}


def own_records_only(
    journal: JournalStore, totals: TotalStore, owner: str, head: Head, *, each: Each, lagging: object = None
) -> Head:
    """Applies what it appended itself, and never what another left behind."""
    return replace(head, applied=head.number)


def unguarded(self: Totals, customer: str, change: UsageChange, number: int) -> None:
    """Adds to a usage item whatever has been added to it before."""
    sums = tuple(Increase(f"q{quarter:02d}", stated(amount)) for quarter, amount in change.quarters.items())
    about = (Set("day", change.day), Set("dims", change.dimensions))
    key = keys.usage(customer, change.meter, change.day, change.dimensions)
    self.engine.write(Update(key=key, changes=(*sums, *about)))


def forgetful(old: Total | None, new: Total, levels: Levels) -> Announcements:
    """Knows which levels were reported, but not by which change."""
    return announcements(old, new, replace(levels, upto=0))


@pytest.mark.parametrize(
    "rule", ["marks of all shards", "apply to the head", "guard of each target", "number of the levels"]
)
def test_the_runs_notice_a_broken_rule(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if rule == "marks of all shards":
        monkeypatch.setattr(append, "advanced", own_marks_only)
    elif rule == "apply to the head":
        monkeypatch.setattr(append, "catch_up", own_records_only)
    elif rule == "number of the levels":
        monkeypatch.setattr(announce, "announcements", forgetful)
    else:
        monkeypatch.setattr(Totals, "add_to_usage", unguarded)
    assert any(fails(seed) is not None for seed in range(200)), f"no run of 200 noticed: {rule}"
