"""What the routes of manage have in common: their parts, paths, queries, lists, and POSTs with a receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tallygate.clock import Clock
from tallygate.contracts.endpoints import page_answer, page_asked
from tallygate.contracts.fields import Id
from tallygate.contracts.queries import QUERIES
from tallygate.contracts.reading import Contract, read
from tallygate.errors import FieldError, Forbidden, InvalidRequest
from tallygate.http import Answer, Principal, Request, permit
from tallygate.operations.customers import Stores
from tallygate.operations.endpoints import SecretKeeper
from tallygate.operations.receipts import Body, Planned, once
from tallygate.storage.api_keys import ApiKeys
from tallygate.storage.catalog import Catalogs
from tallygate.storage.cells import Cells
from tallygate.storage.clock import ClockItem
from tallygate.storage.closings import Closings
from tallygate.storage.customers import Customers
from tallygate.storage.decisions import Decisions
from tallygate.storage.endpoints import Endpoints
from tallygate.storage.engine import Engine
from tallygate.storage.impacts import Impacts
from tallygate.storage.probes import Probes
from tallygate.storage.receipts import Receipts
from tallygate.storage.usage import Usage

SCOPE = "manage"


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
    test_clock: bool
    allow_private: bool

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
    def clock_item(self) -> ClockItem:
        return ClockItem(self.engine)

    @property
    def probes(self) -> Probes:
        return Probes(self.engine)

    @property
    def stores(self) -> Stores:
        return Stores(catalog=self.catalog, customers=self.customers, cells=self.cells)

    def new_id(self, kind: str) -> str:
        """A random id that says what it is of."""
        return f"{kind}_{self.entropy(12).hex()}"


class InPath(Contract):
    """The ids that paths hold."""

    customer: Id | None = None
    feature: Id | None = None
    key: Id | None = None
    endpoint: Id | None = None
    name: Id | None = None


def in_path(request: Request) -> InPath:
    """The path's ids. Raises InvalidRequest."""
    return read(InPath, dict(request.path))


def customer_of(request: Request) -> str:
    """The path's customer, if the key may reach it. Raises InvalidRequest and Forbidden."""
    customer = in_path(request).customer
    assert customer is not None, "only routes with a customer ask"
    permit(request.principal, SCOPE, customer)
    return customer


def unbound(request: Request) -> Principal:
    """The principal of a route that concerns all customers. Raises Forbidden for a key that is bound to one."""
    principal = permit(request.principal, SCOPE)
    if principal.customer is not None:
        raise Forbidden("this key is bound to one customer; this route concerns all", code="other_customer")
    return principal


def query(request: Request) -> Mapping[str, str]:
    """The query, of which every parameter is known: a typo must not become a default. Raises InvalidRequest."""
    known = QUERIES.get(request.route, {})
    unknown = [name for name in request.query if name not in known]
    if unknown:
        errors = tuple(
            FieldError(pointer=f"?{name}", code="unknown_field", detail="is not a parameter of this request")
            for name in unknown
        )
        raise InvalidRequest(f"?{unknown[0]}: is not a parameter of this request", errors=errors)
    return request.query


def asked_page(request: Request) -> tuple[int, str | None]:
    """How many entries of a list are asked for, and after which."""
    asked = query(request)
    return page_asked(asked.get("limit"), asked.get("cursor"))


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
