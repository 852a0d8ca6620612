"""Endpoints and deliveries as items, in both directions.

    ENDPOINT          <id>                url, events (JSON), scheme, secrets (JSON: slot, version and until of each),
                                          status, created_at, disabled_reason?
                                          secret: its text, only of one registered before secrets were kept elsewhere
    DELIVERY#<fact>   <endpoint>          endpoint, status, attempts, history (JSON), created_at,
                                          claimed_by (who began the newest attempt)
                                          while pending: due_shard, due_at; settled: expires_at
    DELIVERY#<id>     <created>#<fact>    the listing entry of a delivery under its endpoint: type, expires_at

A secret itself is kept elsewhere (`delivery.secrets`): who may read this table cannot sign in our name.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TypeVar

from tallygate.domain.deliveries import (
    IN_ITEM,
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SigningSecret,
)
from tallygate.errors import InvariantBroken
from tallygate.storage import items, keys
from tallygate.storage.engine import Update
from tallygate.storage.expressions import Item, Present, Set

S = TypeVar("S", DeliveryStatus, EndpointStatus)
STATUS, DISABLED_REASON = "status", "disabled_reason"
SECRETS, SECRET_IN_ITEM = "secrets", "secret"
DUE_SHARD, DUE_AT, ATTEMPTS, HISTORY, CLAIMED_BY = "due_shard", "due_at", "attempts", "history", "claimed_by"


def endpoint_item(endpoint: Endpoint) -> Item:
    """A new endpoint."""
    return {
        "url": endpoint.url,
        "events": items.compact(list(endpoint.events)),
        "scheme": endpoint.scheme,
        SECRETS: secrets_text(endpoint.secrets),
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
        secrets=_secrets_of(item),
        status=_status(EndpointStatus, item),
        created_at=items.integer(item, "created_at"),
        disabled_reason=_text_or_none(item, DISABLED_REASON),
    )


def secrets_text(secrets: tuple[SigningSecret, ...]) -> str:
    """The stored form of where an endpoint's secrets are kept."""
    return items.compact([[secret.slot, secret.version, secret.until] for secret in secrets])


def _secrets_of(item: Item) -> tuple[SigningSecret, ...]:
    text = _text_or_none(item, SECRET_IN_ITEM)
    if SECRETS not in item:
        return (SigningSecret(slot=IN_ITEM, version=0, text=items.text(item, SECRET_IN_ITEM)),)
    return tuple(
        SigningSecret(slot=slot, version=version, until=until, text=text if slot == IN_ITEM else None)
        for slot, version, until in json.loads(items.text(item, SECRETS))
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


def disabling(endpoint_id: str, reason: str) -> Update:
    """The write that lets nothing more be sent to an endpoint; refused where there is none."""
    return Update(
        key=keys.endpoint(endpoint_id),
        changes=(Set(STATUS, EndpointStatus.DISABLED.value), Set(DISABLED_REASON, reason)),
        condition=Present("pk"),
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
