"""The totals family: what each journal record adds, written to each target once.

    TOTAL#<customer>          <feature>#<ordinal>#<start>   customer, feature, meter, limit_name, limit, ordinal, start,
                              end, value, by_event, upto, under (JSON: the limit as it stood), traceparent,
                              carried, adjusted, excluded, followed, would_n, would_q (where there is anything of it),
                              layers (what was carried in, as `100@2,50@1`; "": nothing), opened_after (start of the
                              window opened before it): where something carries over
                              reset (which decisions resets exclude, `domain.reset_marks`)
                              due_shard, due_at
                              set by the closing of the window: closed, revision, unit (JSON, where the feature has
                              one), carried_out, closed_under (JSON: the limit as it was in force at the end, in place
                              of `under`), adjustments (JSON, where there are any); it removes due_shard, due_at
    USAGE#<customer>#<meter>  <day>#<dimensions>            day, dims (JSON), q00 … q95 (quarter hours), upto

`upto` is the last journal number applied; a write holds only below it. Whoever applies goes through the journal in
order from its cursor, so a target that has seen a number has seen all before it, and repeating changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.closing import is_closed
from tallygate.domain.exact import EXACT
from tallygate.domain.facts import Total
from tallygate.domain.fold import UsageChange
from tallygate.domain.quantities import ZERO
from tallygate.domain.reset_marks import NO_RESET, ResetMark, mark_of, mark_text
from tallygate.domain.rolls import layers_of, layers_text
from tallygate.domain.total_changes import TotalChange
from tallygate.errors import InvariantBroken
from tallygate.storage import items, keys
from tallygate.storage.engine import Engine, Refused, Update
from tallygate.storage.expressions import (
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
from tallygate.storage.journal import governed_from, governed_text
from tallygate.storage.units import unit_from

UPTO, VALUE, BY_EVENT, UNDER, TRACE = "upto", "value", "by_event", "under", "traceparent"
CARRIED, ADJUSTED, EXCLUDED, FOLLOWED = "carried", "adjusted", "excluded", "followed"
WOULD_DECISIONS, WOULD_AMOUNT = "would_n", "would_q"
CLOSED, REVISION, DUE_SHARD, DUE_AT = "closed", "revision", "due_shard", "due_at"
UNIT, CLOSED_UNDER = "unit", "closed_under"
CARRIED_OUT, LAYERS, ADJUSTMENTS = "carried_out", "layers", "adjustments"
OPENED_AFTER, RESET = "opened_after", "reset"


def quarter_name(quarter: int) -> str:
    return f"q{quarter:02d}"


@dataclass(slots=True)
class Totals:
    """Every method is one request, unless it says otherwise."""

    engine: Engine

    def add_to_total(self, customer: str, change: TotalChange, number: int) -> None:
        """Add one record's part to a total, once. One request more where the window is new.

        The window's closing falls due at its end, if it is ever closed. That is written with the first part only, for
        the closing takes it away again, and a late part must not call for a second closing.

        One request more too for a late settlement in a window that was reset: a reset may exclude the decision.
        """
        key = keys.total(customer, change.governed.feature, change.ordinal, change.start)
        changes = _total_changes(customer, change, number, change.reset or NO_RESET)
        below: Condition = Compare(UPTO, "<", number)
        asks = bool(change.settled_late) and change.reset is None
        unmarked = All((below, Absent(RESET))) if asks else below
        outcome = self.engine.write(Update(key=key, changes=changes, condition=unmarked), repeatable=True)
        if not isinstance(outcome, Refused):
            return
        if asks and outcome.image is not None and RESET in outcome.image:
            # Marks come by the journal, like this change and in order: below its number the mark stays what it is.
            marked = _total_changes(customer, change, number, mark_of(items.text(outcome.image, RESET)))
            self.engine.write(Update(key=key, changes=marked, condition=below), repeatable=True)
        elif outcome.image is None:
            due: tuple[Change, ...] = ()
            if is_closed(change.governed, change.start, change.end):
                due = (Set(DUE_SHARD, keys.shard_of(f"{key.pk}#{key.sk}")), Set(DUE_AT, change.end))
            # Should another applier create it first, it has applied this very record: nobody begins with a later one.
            self.engine.write(Update(key=key, changes=(*changes, *due), condition=Absent(UPTO)), repeatable=True)

    def add_to_usage(self, customer: str, change: UsageChange, number: int) -> None:
        """Add one record's part to a usage item, once."""
        sums: list[Change] = [Increase(quarter_name(q), amount) for q, amount in sorted(change.quarters.items())]
        self.engine.write(
            Update(
                key=keys.usage(customer, change.meter, change.day, change.dimensions),
                changes=(*sums, Set("day", change.day), Set("dims", change.dimensions), Set(UPTO, number)),
                condition=absent_or(Compare(UPTO, "<", number)),
            ),
            repeatable=True,
        )


def _total_changes(customer: str, change: TotalChange, number: int, mark: ResetMark) -> tuple[Change, ...]:
    """What the change adds to a total with this mark, or which gets it by the change."""
    governed, excluded = change.governed, change.excluded_by(mark)
    about: dict[str, str | int] = {
        "customer": customer,
        "feature": governed.feature,
        "meter": governed.meter,
        "ordinal": change.ordinal,
        "start": change.start,
        "end": change.end,
        UPTO: number,
    }
    # Of a limit that was never in force in the window only names are known; then the total keeps what it has.
    put = SetOnce if governed.named_only else Set
    trace = Remove(TRACE) if change.traceparent is None else Set(TRACE, change.traceparent)
    raised = _carried_in(change)
    if change.carried is None and change.uses and governed.carries:
        raised.append(SetOnce(CARRIED, ZERO))
    raised += [Increase(ADJUSTED, change.adjusted)] if change.adjusted else []
    raised += [Increase(EXCLUDED, excluded)] if excluded else []
    raised += [] if change.reset is None else [Set(RESET, mark_text(change.reset))]
    if change.follows is not None:
        raised.append(Set(FOLLOWED, EXACT.add(change.follows, change.followed)))
    elif change.followed:
        raised.append(Increase(FOLLOWED, change.followed))
    if change.would_decisions:
        raised += [Increase(WOULD_DECISIONS, change.would_decisions), Increase(WOULD_AMOUNT, change.would_amount)]
    return (
        trace,
        *raised,
        Increase(VALUE, change.value),
        Increase(BY_EVENT, change.by_event),
        *(Set(name, value) for name, value in about.items()),
        put("limit_name", governed.name),
        put(UNDER, governed_text(governed)),
    )


def _carried_in(change: TotalChange) -> list[Change]:
    """The opening balance, replaced together with its layers. Unknown layers are removed."""
    if change.carried is None:
        return []
    carried: list[Change] = [Set(CARRIED, change.carried)]
    if change.into is None:
        return [*carried, Remove(LAYERS)]
    carried.append(Set(LAYERS, layers_text(change.into.layers)))
    return carried if change.into.after is None else [*carried, Set(OPENED_AFTER, change.into.after)]


def total_of(item: Item) -> Total:
    """The total that an item shows."""
    traceparent = item.get(TRACE)
    value, by_event = _quantity(item, VALUE), _quantity(item, BY_EVENT)
    governed = governed_from(items.text(item, CLOSED_UNDER if CLOSED_UNDER in item else UNDER))
    return Total(
        customer=items.text(item, "customer"),
        ordinal=items.integer(item, "ordinal"),
        start=items.integer(item, "start"),
        end=items.integer(item, "end"),
        value=value,
        by_event=by_event,
        carried=_quantity(item, CARRIED, ZERO),
        adjusted=_quantity(item, ADJUSTED, ZERO),
        excluded=_quantity(item, EXCLUDED, ZERO),
        followed=_quantity(item, FOLLOWED, ZERO),
        # An earlier version did not say of a window that it was opened with nothing.
        unopened=governed.carries and CARRIED not in item and value == by_event,
        would_decisions=items.integer(item, WOULD_DECISIONS, 0),
        would_amount=_quantity(item, WOULD_AMOUNT, ZERO),
        upto=items.integer(item, UPTO),
        governed=governed,
        closed=CLOSED in item,
        revision=items.integer(item, REVISION, 0),
        unit=unit_from(items.text(item, UNIT)) if UNIT in item else None,
        layers=layers_of(items.text(item, LAYERS)) if LAYERS in item else None,
        opened_after=items.integer(item, OPENED_AFTER) if OPENED_AFTER in item else None,
        carried_out=_quantity(item, CARRIED_OUT) if CARRIED_OUT in item else None,
        adjustments=tuple(items.read_document(items.text(item, ADJUSTMENTS))) if ADJUSTMENTS in item else (),
        traceparent=traceparent if isinstance(traceparent, str) else None,
    )


def _quantity(item: Item, name: str, default: Decimal | None = None) -> Decimal:
    value = item.get(name, default)
    if not isinstance(value, Decimal):
        raise InvariantBroken(f"attribute {name} must be a quantity")
    return value
