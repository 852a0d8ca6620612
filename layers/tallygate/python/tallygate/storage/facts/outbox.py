"""The outbox: facts, each put once, with its place in the sequence of its customer's feature.

    OUTBOX#<fact>      type, customer, feature, time, sequence, data (JSON), traceparent, created_at, expires_at
    FEED#<customer>    <feature>                     sequence of the newest fact, level as it was then
                       <feature>#<ordinal>#<start>   of a total: levels announced and not left since (crossed, JSON),
                                                     upto (the journal number that moved them), expires_at

Facts, feed and levels are written in one transaction, so sequences have no gaps and no duplicates. The stream record of
a fact makes its deliveries.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tallygate.domain.base.instants import DAY, SECOND
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import Fact, Levels
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.documents import Form, compact, in_order, read_document
from tallygate.storage.base.engine import Key, Put, Update
from tallygate.storage.base.expressions import Absent, Change, Compare, Condition, Item, Set

KEPT = 90 * DAY
SEQUENCE, LEVEL = "sequence", "level"
CROSSED, UPTO = "crossed", "upto"
# The fields of a fact keep their order, because they are sent in it.
_FACTS = Attributes(Fact, apart=("id",), forms={"data": Form(in_order, read_document)})


def put_fact(fact: Fact) -> Put:
    """Return the write that stores a fact, once."""
    item: Item = {**_FACTS.item(fact), "created_at": fact.time, "expires_at": (fact.time + KEPT) // SECOND}
    return Put(key=keys.fact(fact.id), item=item, condition=Absent("pk"))


def next_in_feed(facts: Sequence[Fact], level: str = "") -> Update:
    """Return the write that takes the facts' places in their feed, if they are free, and sets a given level."""
    first, last = facts[0], facts[-1]
    seen = first.sequence - 1
    free: Condition = Absent(SEQUENCE) if seen == 0 else Compare(SEQUENCE, "=", seen)
    changes = (Set(SEQUENCE, last.sequence), *((Set(LEVEL, level),) if level else ()))
    return Update(key=keys.feed(first.customer, first.feature), changes=changes, condition=free)


def levels_key(total: Total) -> Key:
    """The key of a total's levels, beside the feed. No feed has this name, because a feature in a key has no `#`."""
    feed = keys.feed(total.customer, total.feature)
    return Key(feed.pk, f"{feed.sk}#{total.ordinal:06d}#{total.start:015d}")


def move_levels(total: Total, seen: Levels, now: Levels) -> Update:
    """Return the write that stores a total's levels, unless they have changed since they were seen."""
    changes: list[Change] = [Set(CROSSED, compact(sorted(now.crossed))), Set(UPTO, now.upto)]
    if total.end < NEVER_ENDS:
        changes.append(Set("expires_at", (total.over + KEPT) // SECOND))
    as_seen: Condition = Absent(UPTO) if seen == Levels() else Compare(UPTO, "=", seen.upto)
    return Update(key=levels_key(total), changes=tuple(changes), condition=as_seen)


def levels_of(item: Item | None) -> Levels:
    """Return the levels of an item; without an item, no level was announced."""
    if item is None:
        return Levels()
    return Levels(crossed=frozenset(json.loads(items.text(item, CROSSED))), upto=items.integer(item, UPTO))


def fact_of(fact_id: str, item: Item) -> Fact:
    """Return the fact of an item."""
    return _FACTS.value(item, id=fact_id)
