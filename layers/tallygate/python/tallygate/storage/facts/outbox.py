"""The outbox family: facts, each put once, with its place in the sequence of its customer's feature.

    OUTBOX#<fact>      type, customer, feature, time, sequence, data (JSON), traceparent, created_at, expires_at
    FEED#<customer>    <feature>                     sequence of the newest fact, level as it was then
                       <feature>#<ordinal>#<start>   of a total: the levels that were told and not left (crossed,
                                                     JSON), upto (the journal number that they moved by), expires_at

Facts, feed and levels move in one transaction, so that sequences have no gaps and no doubles; the stream record of a
fact makes the deliveries.
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
# The fields of a fact keep their order: they are sent in it.
_FACTS = Attributes(Fact, apart=("id",), forms={"data": Form(in_order, read_document)})


def put_fact(fact: Fact) -> Put:
    """The write that makes a fact known, once."""
    item: Item = {**_FACTS.item(fact), "created_at": fact.time, "expires_at": (fact.time + KEPT) // SECOND}
    return Put(key=keys.fact(fact.id), item=item, condition=Absent("pk"))


def next_in_feed(facts: Sequence[Fact], level: str = "") -> Update:
    """The write that takes the facts' places in their feed, if nobody has, and sets its level, where one is given."""
    first, last = facts[0], facts[-1]
    seen = first.sequence - 1
    free: Condition = Absent(SEQUENCE) if seen == 0 else Compare(SEQUENCE, "=", seen)
    changes = (Set(SEQUENCE, last.sequence), *((Set(LEVEL, level),) if level else ()))
    return Update(key=keys.feed(first.customer, first.feature), changes=changes, condition=free)


def levels_key(total: Total) -> Key:
    """Beside the feed. A feature's name holds no `#` in a key, so no feed has such a name."""
    feed = keys.feed(total.customer, total.feature)
    return Key(feed.pk, f"{feed.sk}#{total.ordinal:06d}#{total.start:015d}")


def move_levels(total: Total, seen: Levels, now: Levels) -> Update:
    """The write that keeps a total's levels, unless they have moved since they were seen."""
    changes: list[Change] = [Set(CROSSED, compact(sorted(now.crossed))), Set(UPTO, now.upto)]
    if total.end < NEVER_ENDS:
        changes.append(Set("expires_at", (total.over + KEPT) // SECOND))
    as_seen: Condition = Absent(UPTO) if seen == Levels() else Compare(UPTO, "=", seen.upto)
    return Update(key=levels_key(total), changes=tuple(changes), condition=as_seen)


def levels_of(item: Item | None) -> Levels:
    """The levels that an item keeps; without one none has been told."""
    if item is None:
        return Levels()
    return Levels(crossed=frozenset(json.loads(items.text(item, CROSSED))), upto=items.integer(item, UPTO))


def fact_of(fact_id: str, item: Item) -> Fact:
    """The fact that an item states."""
    return _FACTS.value(item, id=fact_id)
