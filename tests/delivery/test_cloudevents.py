"""The body of a webhook: CloudEvents and Standard Webhooks at once, the same bytes for every attempt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tallygate.delivery.cloudevents import BODY_BYTES_MAX, body_of, headers_of
from tallygate.domain.base.instants import parse_instant
from tallygate.domain.facts.facts import Fact, fact_id
from tallygate.errors import InvariantBroken

FACT = Fact(
    id=fact_id("usage.period_closed", "acme", "ai-tokens#000001#1"),
    type="usage.period_closed",
    customer="acmé",
    feature="ai-tokens",
    time=parse_instant("2026-12-01T00:00:00Z"),
    sequence=7,
    data={"customer": "acmé", "raw": 12, "limit": None},
    traceparent="00-11111111111111111111111111111111-2222222222222222-01",
)


def test_the_body_is_a_cloudevent_and_a_standard_webhooks_payload() -> None:
    event = json.loads(body_of(FACT))
    assert event == {
        "specversion": "1.0",
        "id": FACT.id,
        "source": "tallygate",
        "type": "usage.period_closed",
        "subject": "acmé",
        "time": "2026-12-01T00:00:00Z",
        "timestamp": "2026-12-01T00:00:00Z",
        "datacontenttype": "application/json",
        "traceparent": FACT.traceparent,
        "data": {"customer": "acmé", "raw": 12, "limit": None, "sequence": 7},
    }
    assert all(name.isascii() and name.isalnum() and name.islower() and len(name) <= 20 for name in event)


def test_every_attempt_sends_the_same_bytes() -> None:
    assert body_of(FACT) == body_of(replace(FACT))


def test_headers_carry_the_trace_where_there_is_one() -> None:
    assert headers_of(FACT) == {"content-type": "application/json", "traceparent": FACT.traceparent}
    assert headers_of(replace(FACT, traceparent=None)) == {"content-type": "application/json"}
    assert "traceparent" not in json.loads(body_of(replace(FACT, traceparent=None)))


def test_a_body_stays_below_20_kb() -> None:
    with pytest.raises(InvariantBroken):
        body_of(replace(FACT, data={"x": "y" * BODY_BYTES_MAX}))


def test_an_id_names_what_the_fact_is_about() -> None:
    assert fact_id("t", "a", 1) == fact_id("t", "a", "1")
    assert len({fact_id("t", "a", "b"), fact_id("t", "ab"), fact_id("t2", "a", "b"), fact_id("t", "a", "b", 1)}) == 4
    assert "." not in FACT.id
    assert "#" not in FACT.id
