"""Webhook endpoints and deliveries on the wire.

Only the answer of the POST that created a secret shows the secret.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, TimeOut
from tallygate.contracts.base.fields import NotAvailable, one_of
from tallygate.contracts.base.reading import Contract, broken
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.delivery.addresses import permitted_host
from tallygate.domain.delivery.deliveries import (
    SCHEMES,
    STANDARD,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    matches,
)
from tallygate.domain.entries.fact_types import FACT_TYPES, FACT_TYPES_LATER

URL_LENGTH_MAX = 2_048
PATTERNS_MAX = 50
PATTERN_LENGTH_MAX = 100
OVERLAP_SECONDS_DEFAULT = 86_400
OVERLAP_SECONDS_MAX = 604_800
ALLOW_PRIVATE = "allow_private"
"""The key in the reader's context for whether private receivers are allowed."""


def _url(url: str, info: ValidationInfo) -> str:
    allow_private = bool(info.context and info.context[ALLOW_PRIVATE])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise broken("invalid", "must be an absolute URL") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise broken("invalid", "must have only printable ASCII characters; encode others")
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise broken("invalid", f"must be an absolute URL with {' or '.join(schemes)}")
    if parts.username is not None or parts.password is not None:
        raise broken("invalid", "must not have a user name or password")
    if parts.fragment:
        raise broken("invalid", "must not have a fragment")
    if not permitted_host(parts.hostname, allow_private=allow_private):
        raise broken("private_address", "must not name a private, local or reserved address")
    return url


def _pattern(pattern: str) -> str:
    well_formed = pattern == "*" or "*" not in pattern.removesuffix(".*")
    if well_formed and any(matches(pattern, known) for known in FACT_TYPES):
        return pattern
    types = ", ".join(FACT_TYPES)
    if well_formed and any(matches(pattern, later) for later in FACT_TYPES_LATER):
        raise broken("not_available", f"is not available in this version; the types are {types}")
    raise broken(
        "not_allowed",
        f"must be a type of event, prefix.* or *{did_you_mean(pattern, FACT_TYPES)}; the types are {types}",
    )


class EndpointRequest(Contract):
    """A webhook endpoint to register: its URL, and the events it receives."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_LENGTH_MAX), AfterValidator(_url)]
    events: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=PATTERN_LENGTH_MAX), AfterValidator(_pattern)]],
        Field(min_length=1, max_length=PATTERNS_MAX),
    ]
    scheme: Annotated[str, one_of(SCHEMES)] = STANDARD
    filter: NotAvailable = None


class EndpointRotationBody(Contract):
    """The rotation of an endpoint's secret. An empty body means the defaults.

    overlap_seconds: how long webhooks are also signed with the former secret; 0 ends it at once
    """

    overlap_seconds: Annotated[int, Field(ge=0, le=OVERLAP_SECONDS_MAX)] = OVERLAP_SECONDS_DEFAULT


class EndpointAnswer(AnswerBody):
    """A webhook endpoint, without its secret.

    disabled_reason: null: active
    former_secret_until: end of the overlap after a rotation; null: none
    """

    id: str
    url: str
    events: list[str]
    scheme: Literal["standard", "stripe"]
    status: EndpointStatus
    disabled_reason: str | None
    former_secret_until: TimeOut | None
    created_at: TimeOut


class EndpointShown(EndpointAnswer):
    """An endpoint with its secret, which is shown once.

    secret: signs the webhooks; null in a repeated answer
    """

    secret: str | None


class AttemptAnswer(AnswerBody):
    """One attempt of a delivery, or a remark about it.

    number: null: a remark
    status: HTTP status; null: no answer
    detail: null: none
    took_ms: duration
    """

    number: int | None
    at: TimeOut
    result: str
    status: int | None
    detail: str | None
    took_ms: int


class DeliveryAnswer(AnswerBody):
    """The delivery of one event to an endpoint.

    id: of the event
    next_attempt_at: approximate time; null: none is to come
    attempts: oldest first
    """

    id: str
    type: str
    status: DeliveryStatus
    attempt_count: int
    created_at: TimeOut
    next_attempt_at: TimeOut | None
    attempts: list[AttemptAnswer]


def endpoint_answer(endpoint: Endpoint) -> JSON:
    """Return an endpoint as JSON, without its secret."""
    former = next((s.until for s in endpoint.secrets if s.until is not None), None)
    return EndpointAnswer.of(endpoint, former_secret_until=former)


def delivery_answer(fact_type: str, delivery: Delivery) -> JSON:
    """Return a delivery with its attempts."""
    return DeliveryAnswer.of(
        delivery,
        id=delivery.fact_id,
        type=fact_type,
        attempt_count=delivery.attempts,
        next_attempt_at=delivery.due_at,
        attempts=[
            AttemptAnswer.of(each, number=each.number or None, detail=each.detail or None, took_ms=each.took)
            for each in delivery.history
        ],
    )
