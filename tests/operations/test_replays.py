"""A grant that is asked for again answers its own amount, id, time and windows, and numbers as they are now."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Quota
from tallygate.domain.periods.recurrence import FIRST_USE, Schedule, Segment
from tallygate.errors import InvalidRequest
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.memory import MemoryEngine
from tests.answers import detailed
from tests.given import FEATURE, effective, in_force, quota, rate, wanted
from tests.truth import TOKENS, container, declare, drain

DECEMBER = parse_instant("2026-12-01T00:00:00Z")
BEFORE = DECEMBER - HOUR
OWN = ("granted", "granted_amount", "decision_id", "as_of", "period", "resets_at", "requested")


class Caller:
    """A container of the memory engine, whose stream can be folded."""

    def __init__(self, *limits: Any, **more: Any) -> None:
        self.engine, self.memory, self._drawn, self._folded = MemoryEngine(), Memory(), 0, 0
        in_force(self.engine, effective(*limits, **more))
        declare(self.engine, TOKENS)

    def consume(self, amount: int | str, now: Instant, **ids: str) -> Decision:
        return consume(Cells(self.engine), self.memory, wanted(amount, **ids), now=now, entropy=self._entropy)

    def fold(self, now: Instant) -> None:
        self._folded = drain(self.engine, container(self.engine), after=self._folded, now=now)

    def _entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)


def told(decision: Decision) -> dict[str, Any]:
    return detailed(decision)


def own(decision: Decision) -> dict[str, Any]:
    """What a replay repeats, whenever it comes."""
    answer = told(decision)
    windows = [(state["name"], state["window"]) for state in answer["limits"] if state["window"]["kind"] == "quota"]
    return {**{name: answer[name] for name in OWN}, "windows": windows}


@pytest.mark.parametrize("later", [0, 5 * MINUTE, HOUR, 3 * HOUR, 22 * HOUR])
def test_a_key_answers_the_decision_s_own_windows_and_time_in_the_next_period(later: Instant) -> None:
    """Its numbers are those of its windows now: in the cell until ten minutes after their end, then in their totals."""
    caller = Caller(quota(100, every="month"), quota(50, ordinal=2, every="hour"), rates=(rate(80),))
    first = caller.consume(7, BEFORE + MINUTE, idempotency_key="k")
    caller.consume(5, BEFORE + 2 * MINUTE)
    now = DECEMBER + later
    caller.consume(3, now)
    caller.consume(1, now)
    caller.fold(now)
    again = caller.consume(7, now, idempotency_key="k")
    assert own(again) == own(first)
    answer = told(again)
    assert (answer["as_of"], answer["period"]["end"]) == (format_instant(BEFORE + MINUTE), format_instant(DECEMBER))
    assert [(state["used"], state["remaining"]) for state in answer["limits"][:2]] == [(12, 88), (12, 38)]
    assert (answer["replayed"], answer["limits"][0]["as_of"]) == (True, format_instant(now))
    assert caller.consume(1, now).limits[0].used == 5, "a replay counts nothing"


def test_numbers_of_a_replay_follow_what_came_late() -> None:
    """The window has left the cell; a settlement moves its total, and so what the replay says."""
    caller = Caller(quota(100))
    caller.consume(7, BEFORE, idempotency_key="k")
    for now in (DECEMBER + HOUR, DECEMBER + HOUR + SECOND):
        caller.consume(1, now)
    caller.fold(DECEMBER + HOUR)
    total = keys.total("acme", FEATURE, 1, parse_instant("2026-11-01T00:00:00Z"))
    caller.engine.items[total]["value"] = Decimal(9)
    again = caller.consume(7, DECEMBER + 2 * HOUR, idempotency_key="k")
    assert (again.limits[0].used, again.limits[0].remaining) == (9, 91)


def test_the_limit_is_the_one_in_force_and_the_window_the_decision_s() -> None:
    caller = Caller(quota(100))
    first = caller.consume(7, BEFORE, idempotency_key="k")
    in_force(caller.engine, effective(quota(10), version=2))
    Cells(caller.engine).raise_version(CellName("acme", FEATURE), 2, DECEMBER)
    again = caller.consume(7, DECEMBER, idempotency_key="k")
    assert own(again) == own(first)
    assert (again.limits[0].limit, again.limits[0].remaining) == (10, 3)


def test_a_window_of_a_limit_that_has_left_force_is_shown_by_the_limit_that_it_had() -> None:
    caller = Caller(quota(100))
    first = caller.consume(7, BEFORE, idempotency_key="k")
    monthly, daily = quota(100), quota(9, ordinal=2, every="day")
    changed = replace(
        effective(daily, version=2), ordinals={f"{FEATURE}\n{FEATURE}\nmonth": 1}, retired={1: monthly.schedule}
    )
    in_force(caller.engine, changed)
    Cells(caller.engine).raise_version(CellName("acme", FEATURE), 2, DECEMBER)
    again = caller.consume(7, DECEMBER, idempotency_key="k")
    assert own(again) == own(first)
    assert (again.limits[0].limit, again.limits[0].used, again.limits[0].remaining) == (100, 7, 93)


def test_a_limit_that_came_later_is_not_the_decision_s() -> None:
    caller = Caller(quota(100))
    caller.consume(7, BEFORE, idempotency_key="k")
    in_force(caller.engine, effective(quota(100), quota(50, ordinal=2, every="day"), version=2))
    Cells(caller.engine).raise_version(CellName("acme", FEATURE), 2, DECEMBER)
    assert [state.name for state in caller.consume(7, DECEMBER, idempotency_key="k").limits] == [FEATURE]


def test_a_window_from_its_first_use_is_the_decision_s_after_the_next_was_opened() -> None:
    hourly = Schedule((Segment("hour", "UTC", None, anchor=FIRST_USE),))
    caller = Caller(Quota(ordinal=1, limit=Decimal(10), schedule=hourly))
    first = caller.consume(7, BEFORE, idempotency_key="k")
    caller.consume(2, BEFORE + HOUR + 10 * SECOND)
    again = caller.consume(7, BEFORE + HOUR + MINUTE, idempotency_key="k")
    assert own(again) == own(first)
    assert (again.limits[0].used, again.limits[0].remaining) == (7, 3)


def test_a_request_id_that_is_sent_again_over_a_boundary_answers_the_decision_s_own_window() -> None:
    caller = Caller(quota(100), quota(50, ordinal=2, every="minute"))
    first = caller.consume(7, DECEMBER - SECOND, request_id="r")
    again = caller.consume(7, DECEMBER + SECOND, request_id="r")
    assert (again.replayed, again.decision_id) == (True, first.decision_id)
    assert [(state.start, state.end, state.used) for state in again.limits] == [
        (state.start, state.end, state.used) for state in first.limits
    ]


def test_a_denial_is_not_kept_and_a_retry_with_its_key_decides_afresh() -> None:
    caller = Caller(quota(10))
    denied = caller.consume(11, BEFORE, idempotency_key="k")
    assert (denied.granted, denied.decision_id) == (False, None)
    in_force(caller.engine, effective(quota(20), version=2))
    Cells(caller.engine).raise_version(CellName("acme", FEATURE), 2, BEFORE)
    granted = caller.consume(11, BEFORE, idempotency_key="k")
    assert (granted.granted, granted.replayed) == (True, False)
    with pytest.raises(InvalidRequest):
        caller.consume(10, BEFORE, idempotency_key="k")


def test_a_grant_of_a_lost_feature_keeps_its_time() -> None:
    caller = Caller(quota(100))
    caller.consume(7, BEFORE, idempotency_key="k")
    in_force(caller.engine, replace(effective(quota(10), version=2), entitlements={}))
    Cells(caller.engine).raise_version(CellName("acme", FEATURE), 2, DECEMBER)
    again = caller.consume(7, BEFORE + DAY - SECOND, idempotency_key="k")
    assert (again.granted, again.granted_amount, again.as_of) == (True, 7, BEFORE)
