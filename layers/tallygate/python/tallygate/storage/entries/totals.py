"""Totals as items: the sums of the journal, and the values that the closing of a window adds.

TOTAL#<customer>          <feature>#<ordinal>#<start>   customer, feature, meter, limit_name, limit, ordinal, start,
                          end, value, by_event, upto, under (JSON: the limit that it was counted under), traceparent,
                          carried, adjusted, excluded, followed, would_n, would_q (each only if not zero),
                          with carryover: layers (carried in, as `100@2,50@1`; "": nothing), opened_after (start of
                          the window opened before it)
                          value.of, by_event.of (contribution, JSON; not for sums and counts)
                          reset (the decisions that resets exclude, `domain.entries.reset_marks`)
                          due_shard, due_at
                          set by the closing of the window: closed, revision, unit (JSON, if the feature has one),
                          carried_out, closed_under (JSON: the limit in force at the end; replaces `under`),
                          adjustments (JSON, if there are any); the closing removes due_shard, due_at
"""

from __future__ import annotations

from functools import lru_cache

from tallygate.domain.entries.total import Total
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import layers_of, layers_text
from tallygate.storage.base import items
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.documents import Form, compact, read_document
from tallygate.storage.base.expressions import Item
from tallygate.storage.catalog.features import unit_from, unit_text
from tallygate.storage.entries.entries import ENTRIES

LIMITS_REMEMBERED_MAX = 1_024
"""Customers of one plan have equal limits, whose texts need not be read again and again."""
UPTO, VALUE, BY_EVENT, UNDER, TRACE = "upto", "value", "by_event", "under", "traceparent"
CARRIED, ADJUSTED, EXCLUDED, FOLLOWED = "carried", "adjusted", "excluded", "followed"
WOULD_DECISIONS, WOULD_AMOUNT = "would_n", "would_q"
CLOSED, REVISION, DUE_SHARD, DUE_AT = "closed", "revision", "due_shard", "due_at"
UNIT, CLOSED_UNDER = "unit", "closed_under"
CARRIED_OUT, LAYERS, ADJUSTMENTS = "carried_out", "layers", "adjustments"
OPENED_AFTER, RESET = "opened_after", "reset"
_TOTALS = Attributes(
    Total,
    names={"would_decisions": WOULD_DECISIONS, "would_amount": WOULD_AMOUNT},
    apart=("governed", "closed", "unopened"),
    forms={"layers": Form(layers_text, layers_of), "unit": Form(unit_text, unit_from)},
)


def governed_text(governed: Governed) -> str:
    """Return the stored form of a limit in a total."""
    return compact(ENTRIES.write(governed, Governed))


@lru_cache(maxsize=LIMITS_REMEMBERED_MAX)
def governed_from(text: str) -> Governed:
    found: Governed = ENTRIES.read(read_document(text), Governed)
    return found


def total_of(item: Item) -> Total:
    """Return the total of an item."""
    governed = governed_from(items.text(item, CLOSED_UNDER if CLOSED_UNDER in item else UNDER))
    unopened = governed.carries and CARRIED not in item and item.get(VALUE) == item.get(BY_EVENT)
    return _TOTALS.value(item, governed=governed, closed=CLOSED in item, unopened=unopened)
