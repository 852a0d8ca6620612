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

from tallygate.domain.delivery.deliveries import (
    Attempt,
    Delivery,
    Endpoint,
    EndpointStatus,
    SigningSecret,
)
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes, document_text
from tallygate.storage.base.engine import Update
from tallygate.storage.base.expressions import Item, Present, Set

STATUS, DISABLED_REASON = "status", "disabled_reason"
SECRETS = "secrets"
_ENDPOINTS = Attributes(Endpoint, apart=("id",))
_DELIVERIES = Attributes(Delivery, apart=("fact_id", "endpoint"))
DUE_SHARD, DUE_AT, ATTEMPTS, HISTORY, CLAIMED_BY = "due_shard", "due_at", "attempts", "history", "claimed_by"


def endpoint_item(endpoint: Endpoint) -> Item:
    """A new endpoint."""
    return _ENDPOINTS.item(endpoint)


def endpoint_of(item: Item) -> Endpoint:
    """The endpoint that an item states."""
    return _ENDPOINTS.value(item, id=items.text(item, "sk"))


def secrets_text(secrets: tuple[SigningSecret, ...]) -> str:
    """The stored form of where an endpoint's secrets are kept."""
    return document_text(secrets, tuple[SigningSecret, ...])


def history_text(history: tuple[Attempt, ...]) -> str:
    """The stored form of a history."""
    return document_text(history, tuple[Attempt, ...])


def delivery_of(item: Item) -> Delivery:
    """The delivery that an item shows. Raises InvariantBroken."""
    return _DELIVERIES.value(item, fact_id=items.text(item, "pk").partition("#")[2], endpoint=items.text(item, "sk"))


def disabling(endpoint_id: str, reason: str) -> Update:
    """The write that lets nothing more be sent to an endpoint; refused where there is none."""
    return Update(
        key=keys.endpoint(endpoint_id),
        changes=(Set(STATUS, EndpointStatus.DISABLED.value), Set(DISABLED_REASON, reason)),
        condition=Present("pk"),
    )
