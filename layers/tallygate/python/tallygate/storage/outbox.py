"""The outbox family: facts, each put once, with its place in the sequence of its customer's feature.

    OUTBOX#<fact>      type, customer, feature, time, sequence, data (JSON), traceparent, created_at, expires_at
    FEED#<customer>    <feature>   sequence of the newest fact, level as it was then

The fact and the feed move in one transaction, so that sequences have no gaps and no doubles; the stream record of the
fact makes the deliveries.
"""

from __future__ import annotations

import json
from decimal import Decimal

from tallygate.domain.facts import Fact
from tallygate.domain.instants import DAY, SECOND
from tallygate.storage import items, keys
from tallygate.storage.engine import Put, Update
from tallygate.storage.expressions import Absent, Compare, Condition, Item, Set

KEPT = 90 * DAY
SEQUENCE, LEVEL = "sequence", "level"


def put_fact(fact: Fact) -> Put:
    """The write that makes a fact known, once."""
    item: Item = {
        "type": fact.type,
        "customer": fact.customer,
        "feature": fact.feature,
        "time": fact.time,
        SEQUENCE: fact.sequence,
        "data": items.entry_text(dict(fact.data)),
        "created_at": fact.time,
        "expires_at": (fact.time + KEPT) // SECOND,
    }
    if fact.traceparent is not None:
        item["traceparent"] = fact.traceparent
    return Put(key=keys.fact(fact.id), item=item, condition=Absent("pk"))


def next_in_feed(fact: Fact, level: str | None = None) -> Update:
    """The write that takes the fact's place in its feed, if nobody has; with the feed's level, where one is given."""
    seen = fact.sequence - 1
    free: Condition = Absent(SEQUENCE) if seen == 0 else Compare(SEQUENCE, "=", seen)
    changes = (Set(SEQUENCE, fact.sequence), *(() if level is None else (Set(LEVEL, level),)))
    return Update(key=keys.feed(fact.customer, fact.feature), changes=changes, condition=free)


def fact_of(fact_id: str, item: Item) -> Fact:
    """The fact that an item states."""
    traceparent = item.get("traceparent")
    return Fact(
        id=fact_id,
        type=items.text(item, "type"),
        customer=items.text(item, "customer"),
        feature=items.text(item, "feature"),
        time=items.integer(item, "time"),
        sequence=items.integer(item, SEQUENCE),
        data=json.loads(items.text(item, "data"), parse_float=Decimal),
        traceparent=traceparent if isinstance(traceparent, str) else None,
    )
