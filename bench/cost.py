"""Count the DynamoDB requests of a piece of code by operation, and their capacity units as the engine bills them.

    with counting(client) as cost:
        …
    assert cost.requests == {"UpdateItem": 1} and cost.write_units == 1

It listens to the client's own events, so it counts every sent request, including retries. The engine reports no units
for a refused write, although AWS charges for it. So units are those of successful requests.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Cost:
    """Sent requests, and the units of those that succeeded."""

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def total(self) -> int:
        return self.requests.total()

    def sent(self, operation: str) -> None:
        with self._lock:
            self.requests[operation] += 1

    def consumed(self, operation: str, capacity: list[dict[str, Any]]) -> None:
        units = sum(part.get("CapacityUnits", 0.0) for part in capacity)
        with self._lock:
            if operation in ("GetItem", "Query", "BatchGetItem", "Scan"):
                self.read_units += units
            else:
                self.write_units += units


@contextlib.contextmanager
def counting(client: Any) -> Iterator[Cost]:
    """Count all requests that the client sends within the block."""
    cost = Cost()
    events = client.meta.events

    def ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def sent(model: Any, **_: Any) -> None:
        cost.sent(model.name)

    def answered(parsed: dict[str, Any], model: Any, **_: Any) -> None:
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
        yield cost
    finally:
        for event, hook in hooks:
            events.unregister(event, hook)
