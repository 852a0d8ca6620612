"""A shop for tests: a catalog of plans on one feature, one customer, containers that consume, and a clock."""

from __future__ import annotations

from typing import Any, ClassVar

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.base.instants import Instant, parse_instant
from tallygate.domain.customers.customers import ProfileChange, SubscriptionChange
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers.customers import Stores, end_subscription, put_customer, put_subscription
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.answers import detailed
from tests.given import FEATURE, wanted

OPENED = parse_instant("2026-01-01T00:00:00Z")
MONTH = {"every": "month"}


def month(number: int, day: int = 1) -> Instant:
    """A day of 2026, at midnight in UTC."""
    return parse_instant(f"2026-{number:02d}-{day:02d}T00:00:00Z")


def _without_limits(form: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if form is None else {name: value for name, value in form.items() if name != "limits"}


class Shop:
    """A catalog with one customer.

    plans: entitlement of each plan to the feature, by the plan's key, in the catalog's form (None: no entitlement).
        `limits` in an entitlement are further limits of the plan on the feature
    """

    METER: ClassVar[dict[str, Any]] = {
        "key": "m",
        "event_type": "e",
        "aggregation": "count",
        "dimensions": {"model": "$.model"},
    }

    def __init__(self, engine: Engine, customer: str = "acme", **plans: dict[str, Any] | None) -> None:
        self.engine, self.customer, self.now = engine, customer, OPENED
        self.memory, self._drawn = Memory(), 0
        self.stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
        limits = {key: form["limits"] for key, form in plans.items() if form is not None and "limits" in form}
        plans = {key: _without_limits(form) for key, form in plans.items()}
        catalog = {
            "meters": [self.METER],
            "features": [
                {"key": FEATURE, "type": "metered", "meter": "m"},
                {"key": "other", "type": "boolean"},
            ],
            "plans": [
                {
                    "key": key,
                    "entitlements": [
                        {"feature": "other", "enabled": True},
                        *(
                            []
                            if form is None
                            else [{"feature": FEATURE, **({} if "windows" in form else {"period": MONTH}), **form}]
                        ),
                    ],
                    "limits": [{"feature": FEATURE, **limit} for limit in limits.get(key, ())],
                }
                for key, form in plans.items()
            ],
        }
        declare_catalog(Catalogs(engine), read_catalog(catalog), expected=None, dry_run=False, now=OPENED)
        self.put(plan=next(iter(plans)))

    def put(self, **fields: Any) -> Any:
        return put_customer(self.stores, self.customer, ProfileChange(**fields), expected=None, now=self.now)[0]

    def subscribe(self, plan: str, **how: Any) -> Any:
        change = SubscriptionChange(plan=plan, **how)
        return put_subscription(self.stores, self.customer, change, expected=None, now=self.now)

    def unsubscribe(self) -> None:
        end_subscription(self.stores, self.customer, expected=None, now=self.now)

    def consume(
        self, amount: int | str = 1, *, memory: Memory | None = None, at: Instant | None = None
    ) -> dict[str, Any]:
        """Consume and return the answer. Another container or another time may be given."""
        self._drawn += 1
        decision = consume(
            Cells(self.engine),
            memory or self.memory,
            wanted(amount, customer=self.customer),
            now=self.now if at is None else at,
            entropy=self._drawn.to_bytes,
        )
        return detailed(decision)

    def state(self, amount: int | str = 0) -> dict[str, Any]:
        """Return the answer of check, by a container without memory."""
        asked = wanted(amount, customer=self.customer)
        return detailed(check(Cells(self.engine), Memory(), asked, now=self.now))
