"""Former versions of limits, needed to state windows that ended under them.

    CUSTOMER#c   EFFECTIVE          version, doc (JSON), since: the limits in force
                 EFFECTIVE#<since>  the same of each version before, expires_at

The transaction that replaces a version gives it an item of its own. So every version is in exactly one of the two
places, whichever process dies. A change of limits costs one more write of the version's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.catalog.carryover import Carryover, carryover_form, carryover_of
from tallygate.domain.catalog.features import Setting, Switch, Value, value_from, value_text
from tallygate.domain.catalog.tiers import Tier, tier_form, tier_of
from tallygate.domain.limits.governing import kept_until
from tallygate.domain.limits.limits import Effective
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import Codec, Form, compact, read_document
from tallygate.storage.base.engine import Engine, Put, each_item
from tallygate.storage.base.expressions import Item

SINCE = "since"
_LIMITS = Codec(
    {"switch": Switch, "setting": Setting},
    forms={
        Tier: Form(tier_form, tier_of),
        Carryover: Form(carryover_form, carryover_of),
        Value: Form(value_text, value_from),
    },
)
READ_AT_ONCE = 4
"""The first version read is mostly the needed one. A version has some KB, and there may be many."""


def effective_item(limits: Effective, since: Instant) -> Item:
    """Return the item of limits in force since an instant. Raises InvalidRequest `too_large`."""
    document = items.bounded(effective_document(limits), "the customer's set of limits")
    return {"version": limits.version, "doc": document, SINCE: since}


def effective_document(limits: Effective) -> str:
    """Return the stored form of the limits in force. `effective_of` reads it back to an equal value."""
    return compact(_LIMITS.write(limits, Effective))


def effective_of(item: Item) -> Effective:
    """Return the limits in force of an EFFECTIVE item."""
    found: Effective = _LIMITS.read(read_document(items.text(item, "doc")), Effective)
    return replace(found, version=items.integer(item, "version"), since=items.integer(item, SINCE, 0))


def effective_at(engine: Engine, customer: str) -> Effective | None:
    """Return the customer's limits, read consistently; None: no such customer. One request."""
    item = engine.get(keys.effective(customer))
    return None if item is None else effective_of(item)


def put_former(replaced: Effective, by: Effective, now: Instant) -> Put:
    """Return the write that keeps a replaced version, for as long as windows may have to be stated by it."""
    return Put(
        key=keys.effective_version(replaced.customer, replaced.since),
        item={
            **effective_item(replaced, replaced.since),
            "expires_at": kept_until(replaced, by, now) // SECOND,
        },
    )


def former_limits(engine: Engine, customer: str, before: Instant) -> Iterator[Effective]:
    """Yield the versions that came into force before an instant, newest first, read consistently.

    Nothing is read until the first is asked for; then one request for every READ_AT_ONCE.
    """
    held = each_item(
        engine,
        keys.customer_partition(customer),
        prefix=keys.EFFECTIVE_VERSION,
        after=keys.effective_version(customer, before).sk,
        newest_first=True,
        limit=READ_AT_ONCE,
        consistent=True,
    )
    return map(effective_of, held)
