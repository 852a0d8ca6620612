"""What the routes of manage have in common: their parts, paths, queries, lists, and POSTs with a receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from settings import Settings

from tallygate.clock import Clock
from tallygate.contracts.endpoints import page_answer, page_asked
from tallygate.contracts.reading import Contract, read
from tallygate.domain.audits import Author
from tallygate.http import Answer, Request
from tallygate.operations.customers import Audited, Stores
from tallygate.operations.endpoints import SecretKeeper
from tallygate.operations.endpoints import Stores as EndpointStores
from tallygate.operations.receipts import Body, Planned, once
from tallygate.storage.api_keys import ApiKeys
from tallygate.storage.audits import Audits
from tallygate.storage.catalog import Catalogs
from tallygate.storage.cells import Cells
from tallygate.storage.clock import ClockItem
from tallygate.storage.closings import Closings
from tallygate.storage.customers import Customers
from tallygate.storage.decision_secrets import DecisionSecrets
from tallygate.storage.decisions import Decisions
from tallygate.storage.endpoints import Endpoints
from tallygate.storage.engine import Engine
from tallygate.storage.impacts import Impacts
from tallygate.storage.probes import Probes
from tallygate.storage.receipts import Receipts
from tallygate.storage.usage import Usage


@dataclass(slots=True, kw_only=True)
class App:
    """What one container works with. `run` runs another function by its verb; `entropy(n)` gives n random bytes."""

    engine: Engine
    clock: Clock
    real: Callable[[], int]
    entropy: Callable[[int], bytes]
    wait: Callable[[float], None]
    ticks: Callable[[], float]
    run: Callable[[str], Any]
    secrets: SecretKeeper
    settings: Settings
    decision_secrets: DecisionSecrets = field(init=False)

    def __post_init__(self) -> None:
        self.decision_secrets = DecisionSecrets(self.engine)

    @property
    def catalog(self) -> Catalogs:
        return Catalogs(self.engine)

    @property
    def customers(self) -> Customers:
        return Customers(self.engine)

    @property
    def cells(self) -> Cells:
        return Cells(self.engine)

    @property
    def decisions(self) -> Decisions:
        return Decisions(self.engine)

    @property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.engine)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.engine)

    @property
    def closings(self) -> Closings:
        return Closings(self.engine)

    @property
    def usage(self) -> Usage:
        return Usage(self.engine)

    @property
    def impacts(self) -> Impacts:
        return Impacts(self.engine)

    @property
    def audits(self) -> Audits:
        return Audits(self.engine)

    @property
    def clock_item(self) -> ClockItem:
        return ClockItem(self.engine)

    @property
    def probes(self) -> Probes:
        return Probes(self.engine)

    @property
    def stores(self) -> Stores:
        return Stores(catalog=self.catalog, customers=self.customers, cells=self.cells, wait=self.wait)

    @property
    def endpoint_stores(self) -> EndpointStores:
        return EndpointStores(endpoints=self.endpoints, secrets=self.secrets, audits=self.audits)

    def new_id(self, kind: str) -> str:
        """A random id that says what it is of."""
        return f"{kind}_{self.entropy(12).hex()}"


class InPath(Contract):
    """The ids that paths hold."""

    customer: str | None = None
    feature: str | None = None
    key: str | None = None
    endpoint: str | None = None
    name: str | None = None


def in_path(request: Request) -> InPath:
    """The path's ids, which were found to be some before the route was asked."""
    return read(InPath, dict(request.path))


def customer_of(request: Request) -> str:
    """The path's customer, which the dispatcher let the key reach. Raises InvalidRequest."""
    customer = in_path(request).customer
    assert customer is not None, "only routes with a customer ask"
    return customer


def key_id(request: Request) -> str:
    """The id of the API key that asks, for the audit trail."""
    assert request.principal is not None, "the dispatcher let nobody else through"
    return request.principal.key_id


def author(app: App, request: Request) -> Author:
    """Who makes a change that names nobody, and the id of its entry in the audit trail."""
    return Author(id=app.new_id("audit"), key_id=key_id(request), at=app.clock.now())


def audited(app: App, request: Request) -> Audited:
    """The same for a change of a customer, which may have several entries."""
    by = author(app, request)
    return Audited(audits=app.audits, id=by.id, actor=by.key_id)


def asked_page(request: Request, *, size: str = "limit") -> tuple[int, str | None]:
    """How many entries of a list are asked for, by the parameter `size`, and after which."""
    return page_asked(request.query.get(size), request.query.get("cursor"), named=size)


def paged(data: list[dict[str, Any]], next_after: str | None) -> Answer:
    return Answer(body=page_answer(data, next_after))


def posted(
    app: App, request: Request, plan: Callable[[], Planned], finish: Callable[[Body], Body] | None = None
) -> Answer:
    """What a POST answers: its plan committed with its receipt, or the answer that its Idempotency-Key keeps."""
    operation = request.route if not request.path else f"{request.route} {json.dumps(dict(request.path))}"
    outcome = once(
        Receipts(app.engine),
        plan,
        operation=operation,
        idempotency_key=request.idempotency_key,
        fingerprint=_fingerprint(operation, request),
        now=app.clock.now(),
        finish=finish,
    )
    headers = {"idempotent-replayed": "true"} if outcome.replayed else {}
    return Answer(status=outcome.status, body=dict(outcome.body), headers=headers)


def _fingerprint(operation: str, request: Request) -> str:
    """A digest of what is asked; the order of fields and white space are no difference."""
    asked = json.dumps([operation, request.json() if request.body.strip() else None], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()
