"""The operator in a run of admission: changes of one customer, one at a time, at any moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.customers.customers import CustomerRecord, ProfileChange
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import ClockBehind, Conflict, Contended, InvalidRequest, NotFound
from tallygate.operations.customers.customers import Stores, end_subscription, put_customer
from tallygate.operations.customers.own_limits import delete_limit, put_limit
from tallygate.storage.admission import cell_image
from tallygate.storage.base import keys
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import FEATURE
from tests.operator_actions import adjust, resume, suspend

CUSTOMER = "acme"
Change = Callable[[], Effective | None]
"""Makes a change and returns the limits in force after it; None: it did not change the limits."""


@dataclass(slots=True)
class Operator:
    """Makes random changes. Its clock is the fastest of all, so no change lies in a past that others have seen."""

    rng: Random
    now: Instant

    def change(self, engine: Any) -> Change:
        stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
        kind, number = self.rng.random(), self.rng.choice([0, 5, 12, 35, 80])
        plan = self.rng.choice(["small", "big", "graded", "strict", "stern"])
        if self._stopped(engine) and self.rng.random() < 0.7:
            return lambda: self._act(engine, resume)
        if kind < 0.15:
            return lambda: self._act(engine, adjust, number - 20)
        if kind < 0.3:
            moves: list[Callable[..., object]] = [suspend, resume, resume]
            return lambda: self._act(engine, self.rng.choice(moves))
        if kind < 0.55:
            return lambda: self._in_force(put_customer(stores, CUSTOMER, ProfileChange(plan=plan), **self._when)[0])
        if kind < 0.8:
            own = OwnLimit(name=FEATURE, form={"limit": number})
            return lambda: self._in_force(put_limit(stores, CUSTOMER, own, lambda *_: None, **self._when)[0])
        if kind < 0.9:
            return lambda: self._lift(stores)
        return lambda: self._in_force(end_subscription(stores, CUSTOMER, **self._when))

    def _stopped(self, engine: Any) -> bool:
        """Whether a tier has suspended usage, read directly from the engine's items."""
        image = engine.world.engine.get(keys.cell(CellName(CUSTOMER, FEATURE)))
        return any(until > self.now for until in cell_image.cell_of(image).suspended.values())

    def _act(self, engine: Any, act: Callable[..., object], *amount: int) -> Effective | None:
        """Adjust, suspend or resume. A refused action changes nothing."""
        name = f"by-hand-{self.rng.getrandbits(40)}"
        with contextlib.suppress(InvalidRequest, NotFound, Conflict, ClockBehind, Contended):
            act(engine, CUSTOMER, *amount, named=name, now=self.now)
        return in_force(engine.world.engine)

    @property
    def _when(self) -> dict[str, Any]:
        return {"expected": None, "now": self.now}

    def _lift(self, stores: Stores) -> Effective | None:
        try:
            return self._in_force(delete_limit(stores, CUSTOMER, FEATURE, **self._when))
        except NotFound:
            return None

    def _in_force(self, record: CustomerRecord) -> Effective:
        return record.effective


def in_force(engine: Any) -> Effective:
    """The stored limits in force, read directly from the engine's items."""
    record = Customers(engine).customer(CUSTOMER)
    assert record is not None
    return record.effective
