"""What an event counts, and what is said of it: by the meters of its type, and the decision that it may name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.admission.cells import MARK_BYTES
from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id, granted_by
from tallygate.domain.metering.judgement import EventJudgement, judge, nothing_granted
from tallygate.domain.metering.meters import Filter, Meter, Meters, meters_of, rounds_to_zero
from tallygate.domain.metering.settings import Settings

TOKENS = Meter(
    key="tokens", event_type="llm", aggregation="sum", value=("tokens",), dimensions={"model": ("m",), "team": ("t",)}
)
CHARS = Meter(key="chars", event_type="llm", aggregation="sum", value=("out", "chars"))
CALLS = Meter(key="calls", event_type="llm", aggregation="count")
LIVE = replace(TOKENS, key="live", filters=(Filter(property=("test",), op="ne", value=True),))
SECRET = bytes(32)
SIGNED = granted_by(lambda: SECRET)
FEATURES = {"ai-tokens": "tokens", "ai-calls": "calls"}


def named(customer: str = "acme", feature: str = "ai-tokens") -> str:
    parts = DecisionId(customer=customer, feature=feature, minute=7, digest=bytes(range(MARK_BYTES)))
    return format_decision_id(parts, SECRET)


def judged(data: dict[str, Any], *meters: Meter, granted: Any = SIGNED, **more: Any) -> EventJudgement:
    return judge("llm", data, customer="acme", meters=meters_of(meters, FEATURES, **more), granted=granted)


def said(judgement: EventJudgement) -> list[tuple[str | None, str]]:
    return [(warning.meter, warning.code) for warning in judgement.warnings]


def test_an_event_that_every_meter_counts_has_nothing_said_of_it() -> None:
    found = judged({"tokens": 5}, TOKENS, CALLS)
    assert (found.counted_by, found.warnings, found.refusal) == (("calls", "tokens"), (), None)


def test_a_type_that_no_meter_names_is_rejected_or_accepted_with_a_warning() -> None:
    refused = judged({}).refusal
    assert refused is not None
    assert (refused.code, refused.detail) == (
        "unknown_event_type",
        "no meter of the catalog has the event type llm",
    )
    accepted = judged({}, settings=Settings(unknown_events="accept"))
    assert (said(accepted), accepted.counted_by, accepted.refusal) == ([(None, "no_meter")], (), None)


@pytest.mark.parametrize(
    ("data", "code", "detail"),
    [
        ({}, "value_missing", "meter tokens: $.tokens is absent"),
        ({"tokens": None}, "value_missing", "meter tokens: $.tokens is absent"),
        ({"tokens": "many"}, "value_invalid", "meter tokens: $.tokens must be a number or a decimal string like -12.5"),
        ({"tokens": -1}, "value_negative", "meter tokens: $.tokens is negative"),
    ],
)
def test_an_event_whose_value_no_meter_can_read_is_rejected(data: dict[str, Any], code: str, detail: str) -> None:
    refused = judged(data, TOKENS).refusal
    assert refused is not None
    assert (refused.code, refused.detail) == (code, detail)
    accepted = judged(data, TOKENS, CALLS)
    assert (accepted.counted_by, said(accepted), accepted.refusal) == (("calls",), [("tokens", code)], None)


def test_a_rejection_by_several_meters_names_each_of_them() -> None:
    refused = judged({"tokens": -1}, TOKENS, CHARS).refusal
    assert refused is not None
    assert refused.code == "value_missing"
    assert refused.detail == "meter chars: $.out.chars is absent; meter tokens: $.tokens is negative"


def test_an_event_is_counted_by_nobody_without_a_warning_only_where_filters_exclude_it() -> None:
    found = judged({"tokens": 5, "test": True}, LIVE)
    assert found == EventJudgement()
    assert judged({"tokens": 5}, LIVE).counted_by == ("live",)
    assert judged({"test": True}, LIVE) == EventJudgement(), "its value is not looked for"


def test_an_event_that_one_meter_excludes_and_no_other_can_read_is_rejected() -> None:
    refused = judged({"test": True}, LIVE, TOKENS).refusal
    assert refused is not None
    assert (refused.code, refused.detail) == ("value_missing", "meter tokens: $.tokens is absent")


def test_what_a_decision_counted_is_not_counted_again_and_says_so() -> None:
    found = judged({"tokens": 5, "decision_id": named()}, TOKENS, CALLS)
    assert (found.counted_by, said(found)) == (("calls",), [("tokens", "counted_by_decision")])
    alone = judged({"decision_id": named()}, TOKENS)
    assert (alone.counted_by, said(alone), alone.refusal) == ((), [("tokens", "counted_by_decision")], None)
    other = judged({"tokens": 5, "decision_id": named(feature="ai-calls")}, TOKENS)
    assert (other.counted_by, other.warnings) == (("tokens",), ()), "the decision moved no meter of this type"


@pytest.mark.parametrize("name", [named(customer="other"), "dec_nonsense", "", 7, ["x"], {"a": 1}, "x" * 5000])
def test_a_name_of_no_decision_is_ignored_with_a_warning_and_the_event_counts(name: Any) -> None:
    found = judged({"tokens": 5, "decision_id": name}, TOKENS)
    assert (found.counted_by, said(found)) == (("tokens",), [(None, "unknown_decision")])


def test_whoever_knows_what_was_granted_decides_which_names_are_believed() -> None:
    asked: list[tuple[str, object]] = []

    def nothing(customer: str, name: object) -> str | None:
        asked.append((customer, name))
        return None

    found = judged({"tokens": 5, "decision_id": named()}, TOKENS, granted=nothing)
    assert (found.counted_by, said(found)) == (("tokens",), [(None, "unknown_decision")])
    assert asked == [("acme", named())]


def test_a_missing_dimension_warns_only_where_a_feature_requires_it() -> None:
    required = {"tokens": ("model", "team")}
    found = judged({"tokens": 5, "m": "large"}, TOKENS, CALLS, required=required)
    assert (found.counted_by, said(found)) == (("calls", "tokens"), [("tokens", "dimension_missing")])
    assert found.warnings[0].detail == "the required dimension team is absent at $.t"
    assert said(judged({"tokens": 5, "m": "large", "t": "eng", "any": 1}, TOKENS, required=required)) == []
    assert said(judged({"tokens": 5}, TOKENS)) == []


@pytest.mark.parametrize(
    ("found", "rounded"),
    [
        (0, False),
        ("0", False),
        ("0.000", False),
        (Decimal("0E-20"), False),
        ("0e5", False),
        (Decimal("1e-12"), True),
        ("0.0000000000001", True),
        ("-1e-20", True),
        ("1E-07", True),
    ],
)
def test_a_value_that_counts_0_was_rounded_unless_it_is_0(found: Any, rounded: bool) -> None:
    assert rounds_to_zero(found, Decimal(0)) is rounded
    assert not rounds_to_zero(found, Decimal(1))


values = st.sampled_from([None, -1, 0, 1, "2.5", "x", True])


@given(
    st.fixed_dictionaries({}, optional={"tokens": values, "out": st.fixed_dictionaries({"chars": values})}),
    st.booleans(),
    st.sets(st.sampled_from(["tokens", "chars", "calls", "live"])),
    st.sampled_from([None, named(), named(customer="other")]),
)
def test_nothing_counts_nothing_without_saying_so(
    data: dict[str, Any], test: bool, meters: set[str], decision: str | None
) -> None:
    known = {"tokens": TOKENS, "chars": CHARS, "calls": CALLS, "live": LIVE}
    chosen = tuple(known[name] for name in sorted(meters))
    content = {**data, "test": test, **({} if decision is None else {"decision_id": decision})}
    found = judged(content, *chosen)
    spoken_of = set(found.counted_by) | {warning.meter for warning in found.warnings}
    excluded = {"live"} if test else set()
    if found.refusal is None:
        assert meters - excluded <= spoken_of
        assert meters, "an unknown type is rejected"
    else:
        assert found.counted_by == ()
        assert not any(warning.code == "counted_by_decision" for warning in found.warnings)


def test_without_a_catalog_every_event_is_of_an_unknown_type() -> None:
    refusal = judge("x" * 300, {}, customer="acme", meters=Meters(), granted=nothing_granted).refusal
    assert refusal is not None
    assert refusal.code == "unknown_event_type"
    assert len(refusal.detail) < 200
