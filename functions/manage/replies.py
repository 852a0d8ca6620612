"""Shared parts of the manage routes: the App, the author of a change, pages, and POSTs with a receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tallygate.clock import Clock
from tallygate.contracts.base.answers import etag, page_answer
from tallygate.contracts.base.queries import page_asked
from tallygate.domain.facts.audits import Author
from tallygate.http import Answer, Request
from tallygate.operations.base.receipts import Body, Planned, once
from tallygate.operations.customers.customers import ChangedBy, Stores
from tallygate.operations.delivery.endpoints import SecretKeeper
from tallygate.storage.admission.cells import Cells
from tallygate.storage.admission.secrets import DecisionSecrets
from tallygate.storage.base.clock import ClockItem
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.customers.api_keys import ApiKeys
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.audits import Audits
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.journal.probes import Probes
from tallygate.storage.usage.queries import UsageReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters of the deployment.

    test_clock: whether the stack's time may be moved
    allow_private: whether webhooks may go to private addresses
    key_lifetime_days: lifetime of a key made without `expires_at`, in days; 0: it never expires
    authorizer_cache_s: how long the gateway may still accept a revoked key, in seconds
    """

    test_clock: bool
    allow_private: bool
    key_lifetime_days: int
    authorizer_cache_s: int


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings from the function's environment variables."""
    return Settings(
        test_clock=environment.get("TEST_CLOCK") == "enabled",
        allow_private=environment.get("ALLOW_PRIVATE_WEBHOOKS") == "true",
        key_lifetime_days=int(environment.get("KEY_LIFETIME_DAYS", "0")),
        authorizer_cache_s=int(environment.get("AUTHORIZER_CACHE_SECONDS", "60")),
    )


@dataclass(slots=True, kw_only=True)
class App:
    """The parts with which one container works.

    entropy: entropy(n) returns n random bytes
    wait: sleeps for seconds
    ticks: a monotonic clock in seconds
    run: runs another function by its verb

    Stores that several handlers use are created here. Each handler creates its other stores.
    """

    engine: Engine
    clock: Clock
    real: Callable[[], int]
    entropy: Callable[[int], bytes]
    wait: Callable[[float], None]
    ticks: Callable[[], float]
    run: Callable[[str], Any]
    secrets: SecretKeeper
    settings: Settings
    audits: Audits = field(init=False)
    catalog: Catalogs = field(init=False)
    cells: Cells = field(init=False)
    clock_item: ClockItem = field(init=False)
    controls: CellControls = field(init=False)
    customers: Customers = field(init=False)
    decision_secrets: DecisionSecrets = field(init=False)
    keys: ApiKeys = field(init=False)
    probes: Probes = field(init=False)
    usage: UsageReader = field(init=False)

    def __post_init__(self) -> None:
        self.audits = Audits(self.engine)
        self.catalog = Catalogs(self.engine)
        self.cells = Cells(self.engine)
        self.clock_item = ClockItem(self.engine)
        self.controls = CellControls(self.engine)
        self.customers = Customers(self.engine)
        self.decision_secrets = DecisionSecrets(self.engine)
        self.keys = ApiKeys(self.engine)
        self.probes = Probes(self.engine)
        self.usage = UsageReader(self.engine)

    @property
    def stores(self) -> Stores:
        return Stores(catalog=self.catalog, customers=self.customers, cells=CellVersions(self.engine), wait=self.wait)

    def new_id(self, kind: str) -> str:
        """Return a random id with its kind as prefix."""
        return f"{kind}_{self.entropy(12).hex()}"


def customer_of(request: Request) -> str:
    """The customer in the path. The dispatcher has checked that the key may reach it."""
    return request.path["customer"]


def key_id(request: Request) -> str:
    """The id of the calling API key, for the audit trail."""
    assert request.principal is not None, "the dispatcher refuses requests without a principal"
    return request.principal.key_id


def author(app: App, request: Request) -> Author:
    """Return the author of a change whose request names no actor, with the id of its audit entry."""
    return Author(id=app.new_id("audit"), key_id=key_id(request), at=app.clock.now())


def audited(app: App, request: Request) -> ChangedBy:
    """Return the author of a change of a customer, which may have several audit entries."""
    return ChangedBy(audits=app.audits, id=app.new_id("audit"), actor=key_id(request))


def asked_page(request: Request, *, size: str = "limit") -> tuple[int, str | None]:
    """Return the requested page size and the cursor to start after. The parameter `size` holds the page size."""
    return page_asked(request.query.get(size), request.query.get("cursor"), named=size)


def paged(data: list[dict[str, Any]], next_after: str | None) -> Answer:
    return Answer(body=page_answer(data, next_after))


def versioned(body: Any, version: int, status: int = 200) -> Answer:
    """Return an answer whose ETag is the version that If-Match takes."""
    return Answer(status=status, body=body, headers={"etag": etag(version)})


def posted(
    app: App, request: Request, plan: Callable[[], Planned], finish: Callable[[Body], Body] | None = None
) -> Answer:
    """Answer a POST: commit its plan with its receipt, or return the answer stored under its Idempotency-Key."""
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
    """Return a digest of the operation and body. The order of fields and white space make no difference."""
    asked = json.dumps([operation, request.json() if request.body.strip() else None], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()
