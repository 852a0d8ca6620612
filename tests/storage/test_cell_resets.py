"""The one write of a reset, at its largest, and among others at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal

from tallygate.domain.admission.decision_ids import granted_decision
from tallygate.domain.corrections.resets import Running, WindowReset, resets, running
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.windows import ResetEntry, Taken
from tallygate.domain.limits.capacity import WINDOWS_PER_CELL_MAX
from tallygate.domain.limits.counters import CellName, CountedWindow
from tallygate.errors import StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Update
from tallygate.storage.base.expressions import Placeholders, render, render_changes
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.corrections.resets import CellResets
from tallygate.storage.journal.decisions import Decisions
from tests.given import FEATURE, METER, NOW, effective, in_force, known_to, quota, wanted

CELL = CellName("acme", FEATURE)
EXPRESSION_BYTES_MAX, OPERATORS_MAX = 4096, 300


def entry_for(found: Sequence[WindowReset]) -> ResetEntry:
    return ResetEntry(
        id="reset_1",
        feature=FEATURE,
        meter=METER,
        time=NOW,
        effective_at=NOW,
        taken=tuple(Taken(each.running.window, each.amount) for each in found),
        actor="ops",
        reason="r",
    )


def test_a_reset_of_every_window_that_a_cell_can_hold_fits_one_expression() -> None:
    found = [
        WindowReset(
            running=Running(name="l", scope={}, base=None, window=CountedWindow(ordinal, NOW, NOW + 1)),
            used=Decimal(1),
            amount=Decimal(1),
            counter_at_least=Decimal(ordinal),
            seen=ResetMark(upto=ordinal),
            mark=ResetMark(upto=ordinal + 100),
        )
        for ordinal in range(1, WINDOWS_PER_CELL_MAX + 1)
    ]
    (update,) = CellResets(MemoryEngine()).exclude(CELL, found, upto=9, entry=entry_for(found))
    assert isinstance(update, Update)
    assert update.condition is not None
    using = Placeholders()
    condition, changes = render(update.condition, using), render_changes(update.changes, using)
    assert max(len(condition), len(changes)) <= EXPRESSION_BYTES_MAX
    operators = sum(condition.count(each) for each in (" AND ", " OR ", "attribute_", " = ", " < ", " >= "))
    assert operators <= OPERATORS_MAX


def test_among_consumers_and_settlements_no_counter_falls_below_nothing_nor_grants_beyond(
    dynamo_engine: DynamoEngine,
) -> None:
    limits = effective(quota(200))
    in_force(dynamo_engine, limits)
    cells, store, receipts = Cells(dynamo_engine), CellResets(dynamo_engine), Receipts(dynamo_engine)
    entitlement = limits.entitlements[FEATURE]

    def ask(worker: int) -> int:
        granted = 0
        for turn in range(12):
            drawn = (worker * 100 + turn).to_bytes
            made = consume(cells, Memory(), wanted(20), now=NOW, entropy=drawn)
            granted += made.granted
            parts = granted_decision(made.decision_id, known_to(dynamo_engine))
            if parts is not None and turn % 2:
                request = Settle(decision_id=made.decision_id or "", decision=parts, amount=Decimal(turn))
                # Where others have written since, it would have to be folded first.
                with suppress(StoreUnavailable):
                    settle(Decisions(dynamo_engine), request, now=NOW)
        return granted

    def reset(_: int) -> int:
        done = 0
        for _attempt in range(400):
            if done == 5:
                break
            cell = store.look(CELL).cell
            found = resets(running(entitlement, cell, NOW), cell, upto=cell.revision, carry_overage=False)
            if found:
                moves = store.exclude(CELL, found, upto=cell.revision, entry=entry_for(found))
                done += receipts.commit(moves)
            assert min(cells.read(CellName("acme", FEATURE)).used.values(), default=0) >= 0
        return done

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask, worker) for worker in range(6)]
        resetting = [threads.submit(reset, number) for number in range(2)]
        granted, done = sum(each.result() for each in asking), sum(each.result() for each in resetting)
    assert done > 0
    assert granted > 10, "a reset gives the limit back"
    cell = cells.read(CellName("acme", FEATURE))
    (used,) = cell.used.values()
    assert 0 <= used <= 200
    assert cell.resets
