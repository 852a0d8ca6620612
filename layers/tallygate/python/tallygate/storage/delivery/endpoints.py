"""Webhook endpoints. They share one partition, because a stack has only a few of them."""

from __future__ import annotations

from tallygate.domain.delivery.deliveries import Delivery, Endpoint, SigningSecret
from tallygate.operations.base.ports import Moves
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Committed, Delete, Engine, Put, Update, each_item
from tallygate.storage.base.expressions import Absent, Compare, Present, Set
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.delivery.deliveries import (
    SECRETS,
    delivery_of,
    disabling,
    endpoint_item,
    endpoint_of,
    secrets_text,
)


class Endpoints:
    """Reads and writes of endpoints, for the control plane and the stream's reader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, endpoint: Endpoint) -> Moves:
        return (Put(key=keys.endpoint(endpoint.id), item=endpoint_item(endpoint), condition=Absent("pk")),)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        item = self._engine.get(keys.endpoint(endpoint_id))
        return None if item is None else endpoint_of(item)

    def all(self) -> tuple[Endpoint, ...]:
        return tuple(map(endpoint_of, each_item(self._engine, keys.ENDPOINT_PARTITION, consistent=True)))

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
        page = self._engine.query(keys.ENDPOINT_PARTITION, after=after, limit=limit)
        return tuple(endpoint_of(item) for item in page.items), page.next_after

    def replace_secrets(self, seen: Endpoint, secrets: tuple[SigningSecret, ...]) -> Moves:
        unmoved = Compare(SECRETS, "=", secrets_text(seen.secrets))
        replaced = Set(SECRETS, secrets_text(secrets))
        return (Update(key=keys.endpoint(seen.id), changes=(replaced,), condition=unmoved),)

    def disable(self, endpoint_id: str, reason: str) -> None:
        self._engine.write(disabling(endpoint_id, reason), repeatable=True)

    def delete(self, endpoint_id: str, *, beside: Moves = ()) -> bool:
        removal = Delete(key=keys.endpoint(endpoint_id), condition=Present("pk"))
        outcome = self._engine.transact((removal, *writes_of(beside)), repeatable=True)
        return isinstance(outcome, Committed)

    def deliveries(
        self, endpoint_id: str, *, after: str | None, limit: int
    ) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
        partition = keys.endpoint_deliveries_partition(endpoint_id)
        page = self._engine.query(partition, after=after, newest_first=True, limit=limit)
        found: list[tuple[str, Delivery]] = []
        for entry in page.items:
            fact_id = items.text(entry, "sk").partition("#")[2]
            item = self._engine.get(keys.delivery(fact_id, endpoint_id), consistent=False)
            if item is not None:
                found.append((items.text(entry, "type"), delivery_of(item)))
        return tuple(found), page.next_after
