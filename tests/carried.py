"""A shop with a quota that carries over. Its stream is read only when the test asks, so that usage can be late."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar

from tallygate.contracts.corrections.corrections import reset_answer
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.resets import ResetRequest
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.rollover import Layer
from tallygate.errors import Conflict, InvalidRequest
from tallygate.operations.base.each import in_turn
from tallygate.operations.base.receipts import once
from tallygate.operations.corrections import resets as usage_resets
from tallygate.operations.corrections.resets import reset_usage
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.memory import Change, MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.corrections.resets import CellResets
from tallygate.storage.entries.totals import total_of
from tallygate.storage.facts.audits import Audits
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, known_to
from tests.operator_actions import adjust
from tests.shops import Shop
from tests.truth import container, draft, facts, fold, wanted_by_the_filter

ORDINAL = 1
CELLS, TOTALS = SHARDS = ("cells", "totals")
"""Two shards of the stream: records that are journaled, and records that follow from the journal."""
_OF_TOTALS = ("TOTAL#", "OUTBOX#")


class Killed(BaseException):
    """The process was killed. No handler catches this."""


class _Killed:
    """An engine whose process is killed after this number of writes."""

    def __init__(self, engine: MemoryEngine, writes: int) -> None:
        self._engine, self._left = engine, writes

    def __getattr__(self, name: str) -> Any:
        if name in ("write", "transact"):
            if self._left == 0:
                raise Killed
            self._left -= 1
        return getattr(self._engine, name)


class CarriedShop(Shop):
    """A shop whose meter sums the property `tokens` of events of type `e`."""

    METER: ClassVar[dict[str, Any]] = {"key": "m", "event_type": "e", "aggregation": "sum", "value": "$.tokens"}

    def __init__(self, **plans: dict[str, Any] | None) -> None:
        self.memory_engine = MemoryEngine()
        super().__init__(self.memory_engine, "acme", **plans)
        self.folded, self._numbered = dict.fromkeys(SHARDS, 0), 0

    def fold(self, size: int = 500) -> None:
        """Aggregate all waiting records and those that follow from them, by containers without memory."""
        while any(self.waiting(shard) for shard in SHARDS):
            for shard in SHARDS:
                self.fold_batch(shard, size)

    def fold_batch(self, shard: str, size: int, *, again: int = 0, writes: int | None = None) -> None:
        """Aggregate the next records of a shard. Shards are read independently.

        size: new records at most
        again: earlier records that are delivered once more
        writes: the process is killed after this number of writes, and the batch must come again; None: never
        """
        records = self._records(shard)
        begin = self.folded[shard]
        batch = records[max(0, begin - again) : begin + size]
        if not batch:
            return
        engine: Any = self.memory_engine if writes is None else _Killed(self.memory_engine, writes)
        with suppress(Killed):
            fold(container(engine), batch, shard=shard, now=self.now)
            self.folded[shard] = min(begin + size, len(records))

    def waiting(self, shard: str) -> int:
        """The number of records of a shard that were not aggregated yet."""
        return len(self._records(shard)) - self.folded[shard]

    def _records(self, shard: str) -> list[Change]:
        wanted = [change for change in self.memory_engine.stream if wanted_by_the_filter(change)]
        return [change for change in wanted if change.key.pk.startswith(_OF_TOTALS) == (shard == TOTALS)]

    def number(self) -> int:
        self._numbered += 1
        return self._numbered

    def use(self, amount: int | str) -> str | None:
        """Consume. Return the decision's id, or None if the request was denied."""
        answer = self.consume(amount)
        return answer["decision_id"] if answer["granted"] else None

    def event(self, amount: int | str, at: Instant) -> None:
        sent = draft(f"e{self.number()}", event_type="e", tokens=amount, time=at)
        posted = Posted(submitted=(sent,), batch=f"b{self.number()}")
        ingest(Events(self.memory_engine), posted, now=self.now, each=in_turn)

    def settle(self, decision: str, amount: int | str) -> None:
        named = decision_named(decision, known_to(self.memory_engine), now=self.now)
        settle(
            Decisions(self.memory_engine),
            Settle(decision_id=decision, decision=named, amount=Decimal(amount)),
            now=self.now,
        )

    def adjust(self, amount: int) -> bool:
        """Adjust. Return whether it was accepted: a limit is never lowered below 0."""
        with suppress(Conflict, InvalidRequest):
            adjust(self.memory_engine, self.customer, amount, named=f"a{self.number()}", now=self.now)
            return True
        return False

    def take_out(self, **how: Any) -> None:
        """Reset the usage, as an operator does."""
        engine = self.memory_engine
        stores = usage_resets.Stores(limits=Cells(engine), cells=CellResets(engine), audits=Audits(engine))
        asked = {"effective_at": None, "carry_overage": False, "reason": "goodwill", "actor": "ops", **how}
        wanted = ResetRequest(id=f"r{self.number()}", customer=self.customer, feature=FEATURE, **asked)
        once(
            Receipts(engine),
            lambda: reset_usage(stores, wanted, reset_answer, now=self.now),
            operation="r",
            idempotency_key=None,
            fingerprint="",
            now=self.now,
        )

    def close(self, grace: int = 0) -> None:
        reset(Closings(self.memory_engine), now=self.now, grace=grace, time_left=lambda: True)

    def carried(self) -> Any:
        """The opening balance of the running window."""
        return self.state()["breakdown"]["carried"]

    def windows_of_the_cell(self) -> list[Instant]:
        cell = cell_image.cell_of(self.memory_engine.get(keys.cell(CellName(self.customer, FEATURE))))
        return sorted(start for ordinal, start in cell.used if ordinal == ORDINAL)

    def layers_of_the_cell(self) -> dict[Instant, tuple[Layer, ...]]:
        cell = cell_image.cell_of(self.memory_engine.get(keys.cell(CellName(self.customer, FEATURE))))
        return {start: cell.window_state((o, start)).layers for o, start in cell.used if o == ORDINAL}

    def totals(self) -> dict[Instant, Total]:
        found = (total_of(item) for key, item in self.memory_engine.items.items() if key.pk.startswith("TOTAL#"))
        return {total.start: total for total in found if total.ordinal == ORDINAL}

    def stated(self) -> dict[str, dict[str, Any]]:
        """The newest statement of each closed window, by its start."""
        return {fact["period"]["start"]: fact for fact in self.statements()}

    def statements(self) -> list[dict[str, Any]]:
        """All statements, in order."""
        return [f for f in facts(self.memory_engine) if f["type"] in ("usage.period_closed", "usage.restated")]
