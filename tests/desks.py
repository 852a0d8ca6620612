"""A shop with an operator at its desk: resets, settlements, usage events, and the aggregation of them all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from tallygate.contracts.corrections.corrections import reset_answer
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.resets import ResetRequest
from tallygate.domain.customers.customers import CustomerRecord, SubscriptionChange
from tallygate.domain.entries.events import ParkedEntry
from tallygate.domain.entries.total import Total
from tallygate.operations.base.each import in_turn
from tallygate.operations.base.ports import Moves
from tallygate.operations.base.receipts import Outcome, Planned, once
from tallygate.operations.corrections import resets as usage_resets
from tallygate.operations.corrections.resets import reset_usage
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.customers.customers import ChangedBy, put_subscription
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.corrections.resets import CellResets
from tallygate.storage.entries.totals import total_of
from tallygate.storage.facts.audits import Audits
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, known_to
from tests.shops import Shop
from tests.truth import container, draft, drain, facts, totals


class Desk(Shop):
    """A shop with resets and settlements. On the memory engine its usage is also aggregated."""

    def __init__(self, engine: Engine, **plans: dict[str, Any] | None) -> None:
        super().__init__(engine, customer="acme", **plans)
        self._resets, self._read, self._parts = 0, 0, container(engine)

    def plan(self, **how: Any) -> Planned:
        self._resets += 1
        asked = {"effective_at": None, "carry_overage": False, "reason": "goodwill", "actor": "ops", **how}
        stores = usage_resets.Stores(
            limits=Cells(self.engine), cells=CellResets(self.engine), audits=Audits(self.engine)
        )
        wanted = ResetRequest(id=f"reset_{self._resets}", customer=self.customer, **{"feature": FEATURE, **asked})
        return reset_usage(stores, wanted, reset_answer, now=self.now)

    def reset(self, *, key: str | None = None, meanwhile: Callable[[], object] | None = None, **how: Any) -> Outcome:
        """Reset. `meanwhile` runs between the read and the write."""

        def plan() -> Planned:
            planned = self.plan(**how)
            if meanwhile is not None:
                meanwhile()
            return planned

        return once(Receipts(self.engine), plan, operation="r", idempotency_key=key, fingerprint=f"{how}", now=self.now)

    def subscribe_anew(
        self, plan: str, *, usage: Literal["keep", "reset"] = "reset", meanwhile: Callable[[], object] | None = None
    ) -> None:
        """Change to a plan with a reset of usage. `meanwhile` runs between the read and the write."""
        anew = usage_resets.with_plan(CellResets(self.engine), reset_id="anew", actor="key", now=self.now)

        def resets(before: CustomerRecord | None, after: CustomerRecord) -> Moves:
            moves = anew(before, after)
            if meanwhile is not None:
                meanwhile()
            return moves

        self._resets += 1
        put_subscription(
            self.stores,
            self.customer,
            SubscriptionChange(plan=plan, usage=usage),
            expected=None,
            now=self.now,
            by=ChangedBy(audits=Audits(self.engine), id=f"audit_{self._resets}", actor="key"),
            resets=resets,
        )

    def settle(self, decision: dict[str, Any], amount: int) -> None:
        named = decision["decision_id"]
        wanted = decision_named(named, known_to(self.engine), now=self.now)
        request = Settle(decision_id=named, decision=wanted, amount=Decimal(amount))
        settle(Decisions(self.engine), request, now=self.now)

    def post(self, event_id: str, *, at: Instant | None = None) -> None:
        """Post one event, which counts 1."""
        event = draft(event_id, time=at or self.now, event_type="e", subject=self.customer)
        (result,) = ingest(Events(self.engine), Posted(submitted=(event,), batch="b"), now=self.now, each=in_turn)
        assert result.status == "accepted"

    def fold(self) -> None:
        assert isinstance(self.engine, MemoryEngine)
        self._read = drain(self.engine, self._parts, after=self._read, now=self.now)

    def used(self) -> Any:
        return self.state()["used"]

    def billed(self) -> Decimal:
        """The billed usage under the feature's own limit, over all windows."""
        self.fold()
        assert isinstance(self.engine, MemoryEngine)
        return sum((value for value, _ in totals(self.engine).values()), Decimal(0))

    def facts_of(self, *types: str) -> list[dict[str, Any]]:
        self.fold()
        assert isinstance(self.engine, MemoryEngine)
        return [fact for fact in facts(self.engine) if fact["type"] in types]

    def totals(self) -> list[Total]:
        assert isinstance(self.engine, MemoryEngine)
        return [total_of(item) for key, item in self.engine.items.items() if key.pk.startswith("TOTAL#")]

    def parked(self) -> list[ParkedEntry]:
        records = Decisions(self.engine).newest(self.customer, before=None, limit=1000)
        return [e for kept in records for e in kept.record.entries if isinstance(e, ParkedEntry)]
