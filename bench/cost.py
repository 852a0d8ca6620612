"""Count the DynamoDB requests of a piece of code by operation, and their capacity units as the engine bills them.

    with counting(client) as cost:
        …
    assert cost.requests == {"UpdateItem": 1} and cost.write_units == 1

It counts every request to the client's endpoint, including retries: those of the boto3 client, and those of every small
client in this process. The engine reports no units for a refused write, although AWS charges for it. So units are those
of successful requests, and refused writes are counted beside them.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tallygate.storage.base.boto import BotoClient
from tallygate.storage.base.client import Endpoint, HttpClient, endpoint_of
from tallygate.storage.base.failures import Answered, Wire


@dataclass(slots=True)
class Cost:
    """Sent requests, and the units of those that succeeded.

    refused: writes whose condition failed; AWS charges one unit for each, up to 1 KB
    """

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: float = 0.0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def total(self) -> int:
        return self.requests.total()

    def sent(self, operation: str) -> None:
        with self._lock:
            self.requests[operation] += 1

    def failed(self, code: str) -> None:
        with self._lock:
            self.refused += code == "ConditionalCheckFailedException"

    def consumed(self, operation: str, capacity: list[dict[str, Any]]) -> None:
        units = sum(part.get("CapacityUnits", 0.0) for part in capacity)
        with self._lock:
            if operation in ("GetItem", "Query", "BatchGetItem", "Scan"):
                self.read_units += units
            else:
                self.write_units += units


@contextlib.contextmanager
def counting(client: Any) -> Iterator[Cost]:
    """Count all requests to the client's endpoint within the block.

    client: a boto3 client, or a client of the storage engine
    """
    cost = Cost()
    boto3 = client.client if isinstance(client, BotoClient) else client
    if isinstance(client, HttpClient):
        with _small_clients(client.endpoint, cost):
            yield cost
        return
    endpoint = endpoint_of(boto3.meta.endpoint_url)
    with _events(boto3, cost), _small_clients(endpoint, cost):
        yield cost


@contextlib.contextmanager
def _small_clients(endpoint: Endpoint | None, cost: Cost) -> Iterator[None]:
    send = HttpClient.send

    def counted(self: HttpClient, operation: str, request: Wire) -> Wire:
        if self.endpoint != endpoint:
            return send(self, operation, request)
        cost.sent(operation)
        try:
            answer = send(self, operation, {**request, "ReturnConsumedCapacity": "TOTAL"})
        except Answered as error:
            cost.failed(error.code)
            raise
        capacity = answer.get("ConsumedCapacity") or []
        cost.consumed(operation, capacity if isinstance(capacity, list) else [capacity])
        return answer

    HttpClient.send = counted  # type: ignore[method-assign]  # for the block
    try:
        yield
    finally:
        HttpClient.send = send  # type: ignore[method-assign]


@contextlib.contextmanager
def _events(client: Any, cost: Cost) -> Iterator[None]:
    events = client.meta.events

    def ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def sent(model: Any, **_: Any) -> None:
        cost.sent(model.name)

    def answered(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        cost.failed(parsed.get("Error", {}).get("Code", ""))
        capacity = parsed.get("ConsumedCapacity") or []
        cost.consumed(model.name, capacity if isinstance(capacity, list) else [capacity])

    hooks = (
        ("before-parameter-build.dynamodb", ask_for_units),
        ("before-call.dynamodb", sent),
        ("after-call.dynamodb", answered),
    )
    for event, hook in hooks:
        events.register(event, hook)
    try:
        yield
    finally:
        for event, hook in hooks:
            events.unregister(event, hook)
