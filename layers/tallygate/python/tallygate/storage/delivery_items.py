"""Endpoints and deliveries as items, in both directions.

    ENDPOINT          <id>                url, events (JSON), scheme, secret, status, created_at, disabled_reason?
    DELIVERY#<fact>   <endpoint>          endpoint, status, attempts, history (JSON), created_at,
                                          claimed_by (who began the newest attempt)
                                          while pending: due_shard, due_at; settled: expires_at
    DELIVERY#<id>     <created>#<fact>    the listing entry of a delivery under its endpoint: type, expires_at

The secret stands as it is, because every attempt signs with it; nothing but its creation ever answers it.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TypeVar

from tallygate.domain.deliveries import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointStatus
from tallygate.errors import InvariantBroken
from tallygate.storage import items
from tallygate.storage.expressions import Item

S = TypeVar("S", DeliveryStatus, EndpointStatus)
STATUS, DISABLED_REASON = "status", "disabled_reason"
DUE_SHARD, DUE_AT, ATTEMPTS, HISTORY, CLAIMED_BY = "due_shard", "due_at", "attempts", "history", "claimed_by"


def endpoint_item(endpoint: Endpoint) -> Item:
    """A new endpoint, with the one secret that it was given."""
    (secret,) = endpoint.secrets
    return {
        "url": endpoint.url,
        "events": items.compact(list(endpoint.events)),
        "scheme": endpoint.scheme,
        "secret": secret,
        STATUS: endpoint.status.value,
        "created_at": endpoint.created_at,
    }


def endpoint_of(item: Item) -> Endpoint:
    """The endpoint that an item states."""
    return Endpoint(
        id=items.text(item, "sk"),
        url=items.text(item, "url"),
        events=tuple(json.loads(items.text(item, "events"))),
        scheme=items.text(item, "scheme"),
        secrets=(items.text(item, "secret"),),
        status=_status(EndpointStatus, item),
        created_at=items.integer(item, "created_at"),
        disabled_reason=_text_or_none(item, DISABLED_REASON),
    )


def delivery_of(item: Item) -> Delivery:
    """The delivery that an item shows. Raises InvariantBroken."""
    due_at = item.get(DUE_AT)
    return Delivery(
        fact_id=items.text(item, "pk").partition("#")[2],
        endpoint=items.text(item, "sk"),
        status=_status(DeliveryStatus, item),
        attempts=items.integer(item, ATTEMPTS),
        created_at=items.integer(item, "created_at"),
        due_at=int(due_at) if isinstance(due_at, Decimal) else None,
        claimed_by=_text_or_none(item, CLAIMED_BY),
        history=_history_of(item.get(HISTORY)),
    )


def history_text(history: tuple[Attempt, ...]) -> str:
    """The stored form of a history: a list of attempts, each a list of its fields."""
    return items.compact([[a.number, a.at, a.result, a.status, a.detail, a.took] for a in history])


def _history_of(stored: object) -> tuple[Attempt, ...]:
    if not isinstance(stored, str):
        return ()
    try:
        return tuple(
            Attempt(number=number, at=at, result=result, status=status, detail=detail, took=took)
            for number, at, result, status, detail, took in json.loads(stored)
        )
    except (ValueError, TypeError) as error:
        raise InvariantBroken(f"the history of a delivery cannot be read: {error}") from error


def _status(kind: type[S], item: Item) -> S:
    try:
        return kind(items.text(item, STATUS))
    except ValueError as error:
        raise InvariantBroken(str(error)) from error


def _text_or_none(item: Item, name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) else None
