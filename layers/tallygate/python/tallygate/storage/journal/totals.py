"""Totals and usage: the sums of journal records, written to each target once.

    TOTAL#<customer>          see `storage.entries.totals`
    USAGE#<customer>#<meter>  <day>#<dimensions>            see `storage.journal.rollup`

`upto` is the last journal number applied to the target, and a write requires a smaller `upto`. Records are applied in
order. So a target with a number has all records up to it, and repeating changes nothing.

A sum grows in the write itself. Any other quantity is computed from the item, read just before the write. The item
cannot change in between below the record's number, because the record before it has been applied, and no later one is.
Beside such a quantity lies the contribution that it is stated from (`storage.journal.rollup`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark, mark_of, mark_text
from tallygate.domain.facts.closing import is_closed
from tallygate.domain.journal.fold import TotalChange, UsageChange, changes_of
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.rollover import layers_text
from tallygate.domain.metering.contributions import Add, Contribution, combined, stated
from tallygate.operations.journal.ports import TargetChange
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine, Key, Refused, Update
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Item,
    Remove,
    Set,
    SetOnce,
    absent_or,
)
from tallygate.storage.entries.entries import CONTRIBUTION_KINDS
from tallygate.storage.entries.totals import (
    ADJUSTED,
    BY_EVENT,
    CARRIED,
    DUE_AT,
    DUE_SHARD,
    EXCLUDED,
    FOLLOWED,
    LAYERS,
    OPENED_AFTER,
    RESET,
    TRACE,
    UNDER,
    UPTO,
    VALUE,
    WOULD_AMOUNT,
    WOULD_DECISIONS,
    governed_text,
)
from tallygate.storage.journal.rollup import KIND, contribution_in, contribution_text, of_name


def quarter_name(quarter: int) -> str:
    return f"q{quarter:02d}"


@dataclass(slots=True)
class Totals:
    """Every method is one request, unless it says otherwise."""

    engine: Engine

    def lagging(self, records: Sequence[Record]) -> list[list[TargetChange]]:
        targets = [
            (index, change, _key_of(record.named, change))
            for index, record in enumerate(records)
            for change in changes_of(record).every
        ]
        found = self.engine.get_many([key for *_, key in targets])
        missing: list[list[TargetChange]] = [[] for _ in records]
        for index, change, key in targets:
            if items.integer(found.get(key, {}), UPTO, 0) < records[index].number:
                missing[index].append(change)
        return missing

    def add_to_total(self, customer: str, change: TotalChange, number: int) -> None:
        """Add one record's part to a total, once. One more request for a new window.

        The first part sets the window's closing as due at its end, if such windows are closed. Later parts do not: the
        closing removes the due time, and a late part must not cause a second closing.

        A late settlement in a window that was reset also needs one more request, because the reset may exclude the
        decision.
        """
        window, move, key = change.move.window, change.move, _key_of(customer, change)
        held = self._held(key, (move.value, move.by_event))
        changes = _total_changes(customer, change, number, move.reset or NO_RESET, held)
        below: Condition = Compare(UPTO, "<", number)
        asks = bool(move.settled_late) and move.reset is None
        unmarked = All((below, Absent(RESET))) if asks else below
        outcome = self.engine.write(Update(key=key, changes=changes, condition=unmarked, shows=False), repeatable=True)
        if not isinstance(outcome, Refused):
            return
        if asks and outcome.image is not None and RESET in outcome.image:
            # Marks come through the journal in order, like this change. So below this number the mark cannot change.
            marked = _total_changes(customer, change, number, mark_of(items.text(outcome.image, RESET)), held)
            self.engine.write(Update(key=key, changes=marked, condition=below, shows=False), repeatable=True)
        elif outcome.image is None:
            due: tuple[Change, ...] = ()
            if is_closed(change.governed, window.start, window.end):
                due = (Set(DUE_SHARD, keys.shard_of(f"{key.pk}#{key.sk}")), Set(DUE_AT, window.end))
            # If another caller creates the total first, it has applied this very record, because records are applied in
            # order.
            created = Update(key=key, changes=(*changes, *due), condition=Absent(UPTO), shows=False)
            self.engine.write(created, repeatable=True)

    def add_to_usage(self, customer: str, change: UsageChange, number: int) -> None:
        key, quarters = _key_of(customer, change), change.quarters
        held = self._held(key, quarters.values())
        counted = [
            change for q, each in sorted(quarters.items()) for change in contributed(quarter_name(q), each, held)
        ]
        kinds = {CONTRIBUTION_KINDS[type(each)] for each in quarters.values()} - {CONTRIBUTION_KINDS[Add]}
        about = [*(Set(KIND, kind) for kind in kinds), Set("day", change.day), Set("dims", change.dimensions)]
        self.engine.write(
            Update(
                key=key,
                changes=(*counted, *about, Set(UPTO, number)),
                condition=absent_or(Compare(UPTO, "<", number)),
                shows=False,
            ),
            repeatable=True,
        )

    def _held(self, key: Key, made: Iterable[Contribution]) -> Item:
        """Return the item, if contributions to it depend on what it holds; else nothing. At most one request."""
        return {} if all(isinstance(each, Add) for each in made) else self.engine.get(key) or {}


def _key_of(customer: str, change: TargetChange) -> Key:
    if isinstance(change, UsageChange):
        return keys.usage(customer, change.meter, change.day, change.dimensions)
    window = change.move.window
    return keys.total(customer, change.governed.feature, window.ordinal, window.start)


def contributed(name: str, contribution: Contribution, held: Item) -> tuple[Change, ...]:
    """Return the changes that a contribution makes to the quantity in an attribute of the item as read."""
    if isinstance(contribution, Add):
        return (Increase(name, contribution.amount),)
    after = combined(contribution_in(held, name), contribution)
    return Set(name, stated(after)), Set(of_name(name), contribution_text(after))


def _total_changes(customer: str, change: TotalChange, number: int, mark: ResetMark, held: Item) -> tuple[Change, ...]:
    """Return the changes of a total that has this reset mark, or gets it by this change. `held`: the total as read."""
    governed, move, excluded = change.governed, change.move, change.move.excluded_by(mark)
    about: dict[str, str | int] = {
        "customer": customer,
        "feature": governed.feature,
        "meter": governed.meter,
        **move.window._asdict(),
        UPTO: number,
    }
    # If the limit was never in force in the window, only its names are known. The total then keeps the limit that it
    # has.
    put = SetOnce if governed.named_only else Set
    trace = Remove(TRACE) if move.traceparent is None else Set(TRACE, move.traceparent)
    raised = _carried_in(move)
    if move.carried is None and move.uses and governed.carries:
        raised.append(SetOnce(CARRIED, ZERO))
    raised += [Increase(ADJUSTED, move.adjusted)] if move.adjusted else []
    raised += [Increase(EXCLUDED, excluded)] if excluded else []
    raised += [] if move.reset is None else [Set(RESET, mark_text(move.reset))]
    if move.follows is not None:
        raised.append(Set(FOLLOWED, EXACT.add(move.follows, move.followed)))
    elif move.followed:
        raised.append(Increase(FOLLOWED, move.followed))
    if change.would_decisions:
        raised += [Increase(WOULD_DECISIONS, change.would_decisions), Increase(WOULD_AMOUNT, change.would_amount)]
    return (
        trace,
        *raised,
        *contributed(VALUE, move.value, held),
        *contributed(BY_EVENT, move.by_event, held),
        *(Set(name, value) for name, value in about.items()),
        put("limit_name", governed.name),
        put(UNDER, governed_text(governed)),
    )


def _carried_in(move: TotalMove) -> list[Change]:
    """The opening balance, replaced together with its layers. Unknown layers are removed."""
    if move.carried is None:
        return []
    carried: list[Change] = [Set(CARRIED, move.carried)]
    if move.into is None:
        return [*carried, Remove(LAYERS)]
    carried.append(Set(LAYERS, layers_text(move.into.layers)))
    return carried if move.into.after is None else [*carried, Set(OPENED_AFTER, move.into.after)]
