"""Deliveries, and the stored forms of endpoints and deliveries.

    ENDPOINT          <id>                url, events (JSON), scheme, secrets (JSON: slot, version and until of each),
                                          status, created_at, disabled_reason?
                                          secret: its text, only in endpoints older than the store of secrets
    DELIVERY#<fact>   <endpoint>          endpoint, status, attempts, history (JSON), created_at,
                                          claimed_by (the call that began the newest attempt)
                                          while pending: due_shard, due_at; settled: expires_at
    DELIVERY#<id>     <created>#<fact>    the list entry of a delivery under its endpoint: type, expires_at

Secrets are stored elsewhere (`delivery.secrets`), so read access to this table does not allow signing.

Each attempt is claimed by one conditional write and recorded by another. `attempts` counts the attempts begun. The
claim of attempt n + 1 requires exactly n. So of several callers (a message delivered twice, the sweep, a late message)
exactly one makes the attempt. A pending delivery is in the `due` index at every moment, so the sweep finds every lost
one.
"""

from __future__ import annotations

from tallygate.domain.base.instants import DAY, SECOND, Instant
from tallygate.domain.delivery.deliveries import (
    QUEUE_GRACE,
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SigningSecret,
)
from tallygate.domain.facts.facts import Fact
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes, document_text
from tallygate.storage.base.engine import Engine, Put, Refused, Update, Written
from tallygate.storage.base.expressions import Absent, All, Change, Compare, Condition, Item, Present, Remove, Set
from tallygate.storage.facts.outbox import fact_of

STATUS, DISABLED_REASON = "status", "disabled_reason"
SECRETS = "secrets"
_ENDPOINTS = Attributes(Endpoint, apart=("id",))
_DELIVERIES = Attributes(Delivery, apart=("fact_id", "endpoint"))
DUE_SHARD, DUE_AT, ATTEMPTS, HISTORY, CLAIMED_BY = "due_shard", "due_at", "attempts", "history", "claimed_by"


def endpoint_item(endpoint: Endpoint) -> Item:
    """Return the item of a new endpoint."""
    return _ENDPOINTS.item(endpoint)


def endpoint_of(item: Item) -> Endpoint:
    """Return the endpoint of an item."""
    return _ENDPOINTS.value(item, id=items.text(item, "sk"))


def secrets_text(secrets: tuple[SigningSecret, ...]) -> str:
    """Return the stored form of the places of an endpoint's secrets."""
    return document_text(secrets, tuple[SigningSecret, ...])


def history_text(history: tuple[DeliveryAttempt, ...]) -> str:
    """Return the stored form of a history."""
    return document_text(history, tuple[DeliveryAttempt, ...])


def delivery_of(item: Item) -> Delivery:
    """Return the delivery of an item. Raises InvariantBroken."""
    return _DELIVERIES.value(item, fact_id=items.text(item, "pk").partition("#")[2], endpoint=items.text(item, "sk"))


def disabling(endpoint_id: str, reason: str) -> Update:
    """Return the write that disables an endpoint. It is refused if there is none."""
    return Update(
        key=keys.endpoint(endpoint_id),
        changes=(Set(STATUS, EndpointStatus.DISABLED.value), Set(DISABLED_REASON, reason)),
        condition=Present("pk"),
    )


KEPT = 30 * DAY
"""How long a settled delivery and its list entry are kept. In real time, because the table's TTL knows no other."""

_PENDING = Compare(STATUS, "=", DeliveryStatus.PENDING.value)


def begun(fact_id: str, endpoint: str, *, now: Instant) -> Put:
    """Return the write that begins a delivery, once.

    Its caller then sends the message of the first attempt. If that message is lost, the sweep sends another.
    """
    return Put(
        key=keys.delivery(fact_id, endpoint),
        item={
            "endpoint": endpoint,
            STATUS: DeliveryStatus.PENDING.value,
            ATTEMPTS: 0,
            "created_at": now,
            DUE_SHARD: keys.delivery_shard(fact_id, endpoint),
            DUE_AT: now + QUEUE_GRACE,
        },
        condition=Absent("pk"),
    )


class Deliveries:
    """Reads and writes of deliver. Every method is one request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def delivery(self, fact_id: str, endpoint: str) -> Delivery | None:
        item = self._engine.get(keys.delivery(fact_id, endpoint))
        return None if item is None else delivery_of(item)

    def fact(self, fact_id: str) -> Fact | None:
        item = self._engine.get(keys.fact(fact_id))
        return None if item is None else fact_of(fact_id, item)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return the endpoint, read consistently, so that one just deleted or disabled gets no further attempt."""
        item = self._engine.get(keys.endpoint(endpoint_id))
        return None if item is None else endpoint_of(item)

    def list_under_endpoint(self, delivery: Delivery, fact_type: str, *, wall: Instant) -> None:
        key = keys.endpoint_delivery(delivery.endpoint, delivery.created_at, delivery.fact_id)
        changes = (Set("type", fact_type), Set("expires_at", (wall + KEPT) // SECOND))
        self._engine.write(Update(key=key, changes=changes), repeatable=True)

    def claim(self, delivery: Delivery, *, claimant: str, until: Instant) -> Delivery | None:
        outcome = self._engine.write(
            Update(
                key=keys.delivery(delivery.fact_id, delivery.endpoint),
                changes=(Set(ATTEMPTS, delivery.attempts + 1), Set(CLAIMED_BY, claimant), Set(DUE_AT, until)),
                condition=All((_PENDING, Compare(ATTEMPTS, "=", delivery.attempts))),
            ),
            repeatable=True,
        )
        if isinstance(outcome, Refused) and not _claimed(outcome.image, claimant):
            return None
        assert outcome.image is not None
        return delivery_of(outcome.image)

    def put_off(self, claimed: Delivery, *, history: tuple[DeliveryAttempt, ...], due_at: Instant) -> bool:
        return self._record(claimed, (Set(HISTORY, history_text(history)), Set(DUE_AT, due_at)), _mine(claimed))

    def settle(
        self, delivery: Delivery, status: DeliveryStatus, *, history: tuple[DeliveryAttempt, ...], wall: Instant
    ) -> bool:
        changes = (
            Set(HISTORY, history_text(history)),
            Set(STATUS, status.value),
            Set("expires_at", (wall + KEPT) // SECOND),
            Remove(DUE_SHARD),
            Remove(DUE_AT),
        )
        return self._record(delivery, changes, _mine(delivery))

    def _record(self, delivery: Delivery, changes: tuple[Change, ...], condition: Condition) -> bool:
        update = Update(key=keys.delivery(delivery.fact_id, delivery.endpoint), changes=changes, condition=condition)
        outcome = self._engine.write(update, repeatable=True)
        if isinstance(outcome, Written):
            return True
        # After an unknown outcome, a repeated write that ends the delivery is refused by its own first application.
        wanted = [change for change in changes if isinstance(change, Set)]
        return outcome.image is not None and all(outcome.image.get(c.name) == c.value for c in wanted)

    def disable(self, endpoint_id: str, reason: str) -> None:
        self._engine.write(disabling(endpoint_id, reason), repeatable=True)

    def due(self, shard: int, now: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        found = self._engine.due(f"{keys.DELIVERY_SHARD}{shard}", now, limit)
        return tuple((key.pk.partition("#")[2], key.sk) for key in found)

    def handed_over(self, delivery: Delivery, *, until: Instant) -> None:
        assert delivery.due_at is not None
        self._engine.write(
            Update(
                key=keys.delivery(delivery.fact_id, delivery.endpoint),
                changes=(Set(DUE_AT, until),),
                condition=All((_mine(delivery), Compare(DUE_AT, "=", delivery.due_at))),
            ),
            repeatable=True,
        )

    def look_again(self, fact_id: str, endpoint: str, *, at: Instant) -> None:
        key = keys.delivery(fact_id, endpoint)
        self._engine.write(Update(key=key, changes=(Set(DUE_AT, at),), condition=Present(DUE_AT)), repeatable=True)


def _mine(delivery: Delivery) -> Condition:
    """No attempt has begun since the delivery was seen, and the delivery is pending."""
    return All((_PENDING, Compare(ATTEMPTS, "=", delivery.attempts)))


def _claimed(image: Item | None, claimant: str) -> bool:
    return image is not None and image.get(CLAIMED_BY) == claimant and image.get(STATUS) == DeliveryStatus.PENDING
