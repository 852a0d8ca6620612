"""Which facts an endpoint wants, and how a delivery's history grows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallygate.domain.delivery.deliveries import (
    HISTORY_MAX,
    DeliveryAttempt,
    Endpoint,
    EndpointStatus,
    SigningSecret,
    extended,
    matches,
)
from tallygate.domain.entries.fact_types import FACT_TYPES

ENDPOINT = Endpoint(
    id="we_1",
    url="https://receiver.example/",
    events=("usage.period_closed", "credits.*"),
    scheme="standard",
    secrets=(SigningSecret(slot="a", version=1),),
    status=EndpointStatus.ACTIVE,
    created_at=0,
)


@pytest.mark.parametrize(
    ("pattern", "fact_type", "covered"),
    [
        ("*", "usage.late", True),
        ("usage.*", "usage.late", True),
        ("usage.*", "usage_x.late", False),
        ("usage.late", "usage.late", True),
        ("usage.late", "usage.later", False),
        ("credits.*", "usage.late", False),
    ],
)
def test_patterns_are_exact_or_prefixes_at_a_dot(pattern: str, fact_type: str, covered: bool) -> None:
    assert matches(pattern, fact_type) is covered


def test_an_endpoint_wants_what_any_of_its_patterns_covers_while_it_is_active() -> None:
    assert [kind for kind in FACT_TYPES if ENDPOINT.wants(kind)] == [
        "usage.period_closed",
        *(kind for kind in FACT_TYPES if kind.startswith("credits.")),
    ]
    disabled = replace(ENDPOINT, status=EndpointStatus.DISABLED)
    assert not any(disabled.wants(kind) for kind in FACT_TYPES)


def line(number: int, result: str = "failed") -> DeliveryAttempt:
    return DeliveryAttempt(number=number, at=number * 10, result=result)


def test_attempts_that_were_begun_and_never_recorded_are_named() -> None:
    history = extended((line(1),), line(4), begun=3)
    assert [(entry.number, entry.result) for entry in history] == [
        (1, "failed"),
        (2, "interrupted"),
        (3, "interrupted"),
        (4, "failed"),
    ]
    remark = extended((line(1),), line(0, "disabled"), begun=2)
    assert [(entry.number, entry.result) for entry in remark] == [(1, "failed"), (2, "interrupted"), (0, "disabled")]


def test_a_history_is_bounded_and_keeps_the_newest() -> None:
    history: tuple[DeliveryAttempt, ...] = ()
    for number in range(1, 100):
        history = extended(history, line(number), begun=number - 1)
    assert [entry.number for entry in history] == list(range(100 - HISTORY_MAX, 100))


def test_a_rotation_alternates_the_slots_and_ends_what_was_replaced_before() -> None:
    first = replace(ENDPOINT, secrets=ENDPOINT.rotated(1, now=100, overlap=50))
    assert first.secrets == (SigningSecret(slot="b", version=1), SigningSecret(slot="a", version=1, until=150))
    assert [secret.slot for secret in first.valid_secrets(149)] == ["b", "a"]
    assert [secret.slot for secret in first.valid_secrets(150)] == ["b"]
    second = replace(first, secrets=first.rotated(2, now=120, overlap=10))
    assert second.secrets == (SigningSecret(slot="a", version=2), SigningSecret(slot="b", version=1, until=130))
    assert second.rotated(2, now=121, overlap=0) == (SigningSecret(slot="b", version=2),)
