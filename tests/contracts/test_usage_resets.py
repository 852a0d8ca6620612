"""Resets on the wire: what a body may say, and what the answer states."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.corrections.corrections import ResetBody, reset_answer
from tallygate.domain.base.instants import parse_instant
from tallygate.domain.corrections.resets import Made, ResetRequest, Running, WindowReset
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark, mark_of, mark_text
from tallygate.domain.limits.counters import CountedWindow
from tallygate.errors import InvalidRequest

BODY = {"feature": "f", "reason": "r", "actor": "a"}
START, END = parse_instant("2026-01-01T00:00:00Z"), parse_instant("2026-02-01T00:00:00Z")


def test_what_is_left_out_keeps_the_anchor_and_forgives_overage_now() -> None:
    body = read(ResetBody, BODY)
    assert (body.anchor, body.overage, body.effective_at) == ("keep", "forgive", None)
    assert read(ResetBody, {**BODY, "effective_at": "2026-01-01T01:00:00+01:00"}).effective_at == START


@pytest.mark.parametrize("missing", sorted(BODY))
def test_feature_reason_and_actor_are_required(missing: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(ResetBody, {name: value for name, value in BODY.items() if name != missing})
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(f"/{missing}", "required")]


@pytest.mark.parametrize("blank", ["reason", "actor"])
def test_a_blank_reason_or_actor_is_none(blank: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(ResetBody, {**BODY, blank: "  "})
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(f"/{blank}", "invalid")]


def test_the_answer_states_each_window_before_and_after() -> None:
    asked = ResetRequest(
        id="i", customer="c", feature="f", effective_at=None, carry_overage=True, reason="r", actor="a"
    )
    running = Running(name="f", scope={"model": "large"}, base=Decimal(10), window=CountedWindow(1, START, END))
    window = WindowReset(
        running=running,
        used=Decimal("12.5"),
        amount=Decimal(10),
        counter_at_least=Decimal("12.5"),
        seen=None,
        mark=NO_RESET,
    )
    assert reset_answer(Made(asked=asked, effective_at=START, windows=(window,), left=("l",))) == {
        "customer": "c",
        "feature": "f",
        "effective_at": "2026-01-01T00:00:00Z",
        "anchor": "keep",
        "overage": "carry",
        "reason": "r",
        "actor": "a",
        "windows": [
            {
                "limit_name": "f",
                "scope": {"model": "large"},
                "period": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
                "used_before": Decimal("12.5"),
                "excluded": 10,
                "used": Decimal("2.5"),
            }
        ],
        "rolling": ["l"],
    }


def test_a_mark_covers_what_was_seen_and_comes_back_as_it_was_kept() -> None:
    first = NO_RESET.grown(4, None)
    second = first.grown(9, START)
    assert [first.covers(revision, END) for revision in (4, 5)] == [True, False]
    assert [second.covers(9, time) for time in (START - 1, START)] == [True, False]
    assert (second.covers(4, END), second.covers(10, START - 1)) == (True, False)
    assert second.grown(12, None) == ResetMark(upto=12)
    assert [mark_of(mark_text(mark)) for mark in (first, second)] == [first, second]
