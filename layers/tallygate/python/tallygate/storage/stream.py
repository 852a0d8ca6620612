"""Parses stream records, as Lambda passes them, into observations. Pure.

A record of a cell is checked (`domain.journal.proof`): new image − old image must equal what its journal entry says. A
record that fails the check, or is unreadable, is parked in the customer's journal. It is never dropped and never blocks
others.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.entries.events import PARKED_LENGTH_MAX, ParkedEntry
from tallygate.domain.facts.audits import announced, rejection_announced
from tallygate.domain.facts.cell_facts import Note
from tallygate.domain.journal.observed import (
    AuditSeen,
    Batch,
    CellNoted,
    EventRejected,
    FactMade,
    LimitsChanged,
    Observed,
    ProbePassed,
    ToJournal,
    TotalChanged,
)
from tallygate.domain.journal.proof import disproved, disproved_addition
from tallygate.domain.journal.records import Position, shard_name
from tallygate.errors import InvariantBroken
from tallygate.storage.admission import cell_image
from tallygate.storage.base import items, keys
from tallygate.storage.base.expressions import Item, Value
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.totals import total_of
from tallygate.storage.entries.writes import LAST
from tallygate.storage.facts.audits import audit_of
from tallygate.storage.facts.outbox import fact_of
from tallygate.storage.limits.versions import effective_of
from tallygate.storage.metering.events import event_of
from tallygate.storage.metering.rejections import rejection_of

ONLY_SHARD = "0"
"""Local emulators have a single shard and do not name it."""
_ADDED = (cell_image.USED, cell_image.BROUGHT, cell_image.BROUGHT_FROM)
_NEW = ("pk", "sk", items.REVISION)
"""What an addition may make together with the item. `Cell` compares the revision."""
_UNREADABLE = (InvariantBroken, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError)

Image = Mapping[str, Mapping[str, Any]]


class Parked(ValueError):
    """The record is readable, but must not be counted. The message is the reason."""


def batch_of(event: Mapping[str, Any]) -> Batch:
    """Return the batch of one call. The last call of a tumbling window may have no records."""
    shard = event.get("shardId") or ONLY_SHARD
    records = event.get("Records") or ()
    name, cells = shard_name(shard), dict[str, SeenCell]()
    observed = [seen for record in records for seen in _observed(record, name, cells)]
    times = [_written_at(record["dynamodb"]) for record in records]
    return Batch(shard=shard, observed=tuple(observed), records=len(records), oldest=min(times, default=None))


class SeenCell(NamedTuple):
    """A cell after its newest record of the batch. The next record of a busy cell begins with this image."""

    image: Image
    cell: Cell


def _observed(record: Mapping[str, Any], shard: str, cells: dict[str, SeenCell]) -> tuple[Observed, ...]:
    """Return the observations of one record. Empty for irrelevant records and unchanged items."""
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE" or change.get("OldImage") == change.get("NewImage"):
        return ()
    position = Position(shard, int(change["SequenceNumber"]), _written_at(change))
    pk = change["Keys"]["pk"]["S"]
    kind, _, rest = pk.partition("#")
    owner = rest.partition("#")[0]
    try:
        if kind == "CELL":
            return _cell_write(rest, position, change.get("OldImage"), change["NewImage"], cells)
        new = image_of(change["NewImage"])
        old = image_of(change["OldImage"]) if change.get("OldImage") else None
        shown = _shown(kind, rest, position, old, new)
        return () if shown is None else (shown,)
    except Parked as parked:
        return (_parked(str(parked), record, position, owner),)
    except _UNREADABLE as error:
        return (_parked(f"unreadable: {type(error).__name__}", record, position, owner),)


def _shown(kind: str, rest: str, position: Position, old: Item | None, new: Item) -> Observed | None:
    match kind:
        case "EVENT" if old is None:
            event = event_of(new)
            _must_own(rest, event.customer)
            return ToJournal(position=position, owner=rest.partition("#")[0], customer=event.customer, what=event)
        case "AUDIT" if old is None:
            return _audited(new)
        case "REJECTED" if old is None:
            return EventRejected(announcement=rejection_announced(rejection_of(new)))
        case "TOTAL":
            return TotalChanged(old=None if old is None else total_of(old), new=total_of(new))
        case "OUTBOX" if old is None:
            return FactMade(fact=fact_of(rest, new))
        case "CUSTOMER" if new["sk"] == "EFFECTIVE":
            after = effective_of(new)
            before = effective_of(old).entitlements if old is not None else {}
            following = after.next.effective.entitlements if after.next is not None else {}
            features = tuple(sorted({*before, *after.entitlements, *following}))
            return LimitsChanged(customer=after.customer, version=after.version, features=features, effective=after)
        case "PROBE" if old is None:
            return ProbePassed(id=items.text(new, "sk"))
    return None


def _audited(new: Item) -> AuditSeen | None:
    makes = announced(audit_of(new))
    return None if makes is None else AuditSeen(announcement=makes)


def _cell_write(
    rest: str, position: Position, old: Image | None, image: Image, cells: dict[str, SeenCell]
) -> tuple[Observed, ...]:
    """Return the journal entry of one cell write, if the record proves it, and the facts that it makes.

    Empty for the addition of usage by event. Raises Parked.
    """
    seen, new = cells.get(rest), image_of(image)
    known = seen.cell if seen is not None and seen.image == old else None
    before = known or cell_image.cell_of(image_of(old) if old else None)
    after = cell_image.cell_of(new)
    cells[rest] = SeenCell(image, after)
    if after.revision == before.revision:
        changed = _beside_additions(new) != _beside_additions(image_of(old) if old else {})
        why = "entry" if changed else disproved_addition(before, after)
        if why is not None:
            raise Parked(f"disproved: {why}")
        return ()
    customer, written = entry_of(items.text(new, LAST), after.revision)
    _must_own(rest, customer, written.feature)
    why = disproved(before, after, written.moves)
    if why is not None:
        raise Parked(f"disproved: {why}")
    entry = written.shown_by(before, after)
    journaled = ToJournal(position=position, owner=keys.escaped(customer), customer=customer, what=entry)
    notes = (
        Note(
            customer=customer,
            feature=entry.feature,
            revision=entry.revision,
            time=entry.time,
            fact=fact,
            traceparent=entry.traceparent,
        )
        for fact in entry.facts
    )
    return (journaled, *(CellNoted(note=note) for note in notes))


def _beside_additions(cell: Item) -> Item:
    """Return what an addition of usage by event leaves alone: the entry, and attributes that `Cell` does not have."""
    return {name: value for name, value in cell.items() if not name.startswith(_ADDED) and name not in _NEW}


def _must_own(rest: str, *names: str) -> None:
    """Check that the names in the item match its key, so that no write counts under another customer. Raises Parked."""
    if rest.split("#")[: len(names)] != [keys.escaped(name) for name in names]:
        raise Parked("key_mismatch")


def _parked(reason: str, record: Mapping[str, Any], position: Position, owner: str) -> ToJournal:
    raw = json.dumps(record, separators=(",", ":"), default=str)[:PARKED_LENGTH_MAX]
    entry = ParkedEntry(reason=reason, raw=raw)
    return ToJournal(position=position, owner=owner, customer=keys.unescaped(owner), what=entry)


def _written_at(change: Mapping[str, Any]) -> Instant:
    return int(float(change.get("ApproximateCreationDateTime", 0)) * SECOND)


def image_of(image: Image) -> Item:
    """Return the item of a stream record. Lambda encodes binary values as base64, unlike boto3."""
    return {name: _value_of(typed) for name, typed in image.items()}


def _value_of(typed: Mapping[str, Any]) -> Value:
    ((kind, value),) = typed.items()
    match kind:
        case "S" | "BOOL":
            found: Value = value
            return found
        case "N":
            return Decimal(value)
        case "B":
            return base64.b64decode(value)
        case "BS":
            return frozenset(base64.b64decode(element) for element in value)
        case "NULL":
            return None
    raise InvariantBroken(f"Tallygate never writes the type {kind}")
