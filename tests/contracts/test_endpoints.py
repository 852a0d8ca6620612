"""Webhook endpoints on the wire: what may be registered, and how lists are paged."""

from __future__ import annotations

import pytest

from tallygate.contracts.base.answers import page_answer
from tallygate.contracts.base.parameters import PAGE_DEFAULT
from tallygate.contracts.base.queries import page_asked
from tallygate.contracts.base.reading import read
from tallygate.contracts.delivery.endpoints import ALLOW_PRIVATE, EndpointRequest, delivery_answer, endpoint_answer
from tallygate.domain.base.instants import parse_instant
from tallygate.domain.delivery.deliveries import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SigningSecret,
)
from tallygate.errors import InvalidRequest

NOW = parse_instant("2026-11-20T10:00:00Z")


def asked(*, allow_private: bool = False, **changes: object) -> EndpointRequest:
    body = {"url": "https://receiver.example/hooks?a=1", "events": ["usage.*"], **changes}
    return read(EndpointRequest, body, context={ALLOW_PRIVATE: allow_private})


def refusal(**changes: object) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        asked(**changes)  # type: ignore[arg-type]
    (error,) = raised.value.errors
    return error.pointer, error.code


def test_an_endpoint_needs_a_url_and_events_and_is_signed_the_standard_way() -> None:
    request = asked()
    assert (request.url, request.events, request.scheme) == (
        "https://receiver.example/hooks?a=1",
        ["usage.*"],
        "standard",
    )
    assert asked(scheme="stripe").scheme == "stripe"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "receiver.example/hooks",
        "/hooks",
        "http://receiver.example/",
        "ftp://receiver.example/",
        "https://",
        "https://receiver.example:0/",
        "https://receiver.example:99999/",
        "https://user:secret@receiver.example/",
        "https://user@receiver.example/",
        "https://receiver.example/#part",
        "https://receiver.example/a b",
        "https://receiver.example/ü",
        "https://receiver.example/\n",
        "https://[::1",
        "https://receiver.example/" + "a" * 2_048,
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str) -> None:
    assert refusal(url=url)[0] == "/url"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost:8000/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
    ],
)
def test_a_private_address_is_refused_at_once(url: str) -> None:
    assert refusal(url=url) == ("/url", "private_address")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/hooks", "http://localhost/", "https://10.1.2.3/"])
def test_private_receivers_may_be_registered_where_allowed(url: str) -> None:
    assert asked(url=url, allow_private=True).url == url


def test_metadata_services_may_never_be_registered() -> None:
    assert refusal(url="http://169.254.169.254/", allow_private=True) == ("/url", "private_address")


@pytest.mark.parametrize("pattern", ["usage.updated", "credits.*", "stripe.export_failed"])
def test_events_that_nothing_states_are_not_available(pattern: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(events=["usage.*", pattern])
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/events/1", "not_available")]


@pytest.mark.parametrize("pattern", ["*", "usage.*", "usage.period_closed", "entitlement.*"])
def test_events_are_named_exactly_by_prefix_or_all(pattern: str) -> None:
    assert asked(events=[pattern]).events == [pattern]


@pytest.mark.parametrize(
    "pattern", ["", "usage", "usage.", "usage.period*", "usage.*.x", "*.closed", "**", "usage.closed", "x.*", ".*"]
)
def test_an_event_that_does_not_exist_is_refused(pattern: str) -> None:
    assert refusal(events=[pattern])[0] == "/events/0"


def test_the_refusal_names_the_events_there_are() -> None:
    with pytest.raises(InvalidRequest) as raised:
        asked(events=["usage.closed"])
    assert "usage.period_closed" in raised.value.errors[0].detail


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"events": []}, ("/events", "length")),
        ({"events": "usage.*"}, ("/events", "type")),
        ({"events": ["*"] * 51}, ("/events", "length")),
        ({"scheme": "basic"}, ("/scheme", "not_allowed")),
        ({"scheme": 1}, ("/scheme", "type")),
        ({"secret": "mine"}, ("/secret", "unknown_field")),
        ({"filter": {}}, ("/filter", "not_available")),
        ({"url": 5}, ("/url", "type")),
    ],
)
def test_bad_input_names_its_field(changes: dict[str, object], where: tuple[str, str]) -> None:
    assert refusal(**changes) == where


def test_an_endpoint_is_shown_without_its_secret() -> None:
    endpoint = Endpoint(
        id="we_1",
        url="https://receiver.example/",
        events=("usage.*",),
        scheme="standard",
        secrets=(SigningSecret(slot="a", version=1),),
        status=EndpointStatus.ACTIVE,
        created_at=NOW,
    )
    assert endpoint_answer(endpoint) == {
        "id": "we_1",
        "url": "https://receiver.example/",
        "events": ["usage.*"],
        "scheme": "standard",
        "status": "active",
        "disabled_reason": None,
        "former_secret_until": None,
        "created_at": "2026-11-20T10:00:00Z",
    }


def test_a_delivery_is_shown_with_its_attempts() -> None:
    delivery = Delivery(
        fact_id="fact_1",
        endpoint="we_1",
        status=DeliveryStatus.PENDING,
        attempts=1,
        created_at=NOW,
        due_at=NOW + 5_000,
        history=(
            DeliveryAttempt(number=1, at=NOW, result="failed", status=500, took=12),
            DeliveryAttempt(number=0, at=NOW, result="disabled"),
        ),
    )
    shown = delivery_answer("usage.period_closed", delivery)
    assert (shown["id"], shown["type"], shown["status"]) == ("fact_1", "usage.period_closed", "pending")
    assert shown["next_attempt_at"] == "2026-11-20T10:00:05Z"
    assert [(a["number"], a["result"], a["status"]) for a in shown["attempts"]] == [
        (1, "failed", 500),
        (None, "disabled", None),
    ]


@pytest.mark.parametrize("position", ["we_1", "ai-tokens#000001#000001795168800000", "ü" * 500])
def test_a_cursor_leads_back_to_where_the_page_ended(position: str) -> None:
    cursor = page_answer([], position)["next_cursor"]
    assert page_asked("7", cursor) == (7, position)


def test_without_a_limit_and_a_cursor_a_page_is_the_first() -> None:
    assert page_asked(None, None) == (PAGE_DEFAULT, None)
    assert page_answer([], None) == {"data": [], "next_cursor": None}


@pytest.mark.parametrize("limit", ["000000001999", "0", "101", "-1", "x", "", "1.5", "٣", "9" * 50])
def test_a_limit_out_of_range_is_refused(limit: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        page_asked(limit, None)
    assert raised.value.errors[0].pointer == "?limit"


@pytest.mark.parametrize("cursor", ["", "!", "a", "____", "YQ" * 2_000])
def test_a_cursor_of_anothers_making_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        page_asked(None, cursor)
    assert raised.value.errors[0].pointer == "?cursor"
