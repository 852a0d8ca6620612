"""Aggregation for tests: stream records in Lambda's form, a container's parts, a catalog, and the resulting sums."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bench.streams import json_typed
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog import forms
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.delivery.deliveries import Message
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.events import Draft, canonical
from tallygate.domain.metering.meters import Meter
from tallygate.operations.aggregate import Parts, Summary, aggregate
from tallygate.operations.base.each import Each, in_turn
from tallygate.operations.journal.append import JournalParts
from tallygate.storage.admission import cell_image
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.dynamo import to_wire
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.memory import Change, MemoryEngine
from tallygate.storage.catalog import catalog
from tallygate.storage.delivery.facts import Facts
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST
from tallygate.storage.journal.bring_in import CellEvents
from tallygate.storage.journal.carryover import CellCarryover
from tallygate.storage.journal.first_use import CellFirstUse
from tallygate.storage.journal.records import Journal
from tallygate.storage.journal.rules import Rules
from tallygate.storage.journal.totals import Totals
from tallygate.storage.metering.rejections import Rejections
from tallygate.storage.stream import batch_of
from tests.given import FEATURE, METER, NOW

TOKENS = Meter(
    key=METER,
    event_type="llm.completion",
    aggregation="sum",
    value=("tokens",),
    dimensions={"model": ("model",)},
)
CALLS = Meter(key="calls", event_type="llm.completion", aggregation="count")
STREAM_CLOCK = NOW // 1000


@dataclass(slots=True)
class Requested:
    """A queue that keeps its messages."""

    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.messages.append(message)


def container(engine: Engine, queue: Requested | None = None, each: Each = in_turn) -> Parts:
    """The parts of one Lambda container of aggregate, with its own memory of journals."""
    rules = Rules(engine)
    return Parts(
        journal=JournalParts(
            journal=Journal(engine),
            totals=Totals(engine),
            rules=rules,
            first_uses=CellFirstUse(engine),
            rejections=Rejections(engine),
        ),
        cells=CellEvents(engine),
        carried=CellCarryover(engine),
        outbox=Facts(engine),
        queue=queue or Requested(),
        each=each,
    )


def declare(engine: Engine, *meters: Meter, features: Sequence[Feature] = (), version: int = 1) -> None:
    """Put meters and features into the catalog."""
    entries: list[Meter | Feature] = [*meters, *(features or (Feature(key=FEATURE, meter=METER),))]
    for entry in entries:
        engine.write(Put(key=catalog.key_of(entry), item={"form": compact(_form(entry))}))
    engine.write(Put(key=keys.CATALOG_HEAD, item={"version": version}))


def _form(entry: Meter | Feature) -> Any:
    return forms.meter_form(entry) if isinstance(entry, Meter) else forms.feature_form(entry)


def exists(engine: Engine, customer: str, *subject_keys: str) -> None:
    """Store the items of a customer with subject keys that ingest reads."""
    engine.write(Put(key=keys.profile(customer), item={"name": customer}))
    for subject in subject_keys:
        engine.write(Put(key=keys.subject(subject), item={"customer": customer}))


def draft(
    event_id: str = "e1",
    *,
    subject: str = "acme",
    tokens: int | str | None = 10,
    time: Instant | None = None,
    event_type: str = "llm.completion",
    source: str = "api",
    traceparent: str | None = None,
    **data: Any,
) -> Draft:
    """An event as `contracts.metering.ingest` reads it."""
    content = {**({} if tokens is None else {"tokens": tokens}), **data}
    return Draft(source=source, id=event_id, type=event_type, subject=subject, time=time, data=canonical(content))


def said(change: Change) -> tuple[str, CellEntry]:
    """The customer and the entry of a write to a cell, from the commit log."""
    return entry_of(items.text(change.new or {}, LAST))


def entries_written(engine: MemoryEngine) -> Iterator[tuple[str, CellEntry]]:
    """The customer and the entry of each write to a cell that has one: all but additions of usage by event."""
    for change in engine.stream:
        if change.key.pk.startswith("CELL#") and (change.new or {})["n"] != (change.old or {"n": 0})["n"]:
            yield said(change)


def record(change: Change, *, written_at: float = STREAM_CLOCK) -> dict[str, Any]:
    """The stream record of a change in memory, as Lambda writes it."""
    return stream_record(change.key.attributes, change.old, change.new, change.sequence, written_at)


def stream_record(
    key: Item, old: Item | None, new: Item | None, sequence: int | str, written_at: float
) -> dict[str, Any]:
    """A stream record in Lambda's form: binary values are base64."""
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    change: dict[str, Any] = {
        "Keys": _image(key),
        "SequenceNumber": str(sequence),
        "ApproximateCreationDateTime": written_at,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if old is not None:
        change["OldImage"] = _image(old)
    if new is not None:
        change["NewImage"] = _image(new)
    return {"eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change}


def _image(item: Item) -> dict[str, Any]:
    return {name: json_typed(to_wire(value)) for name, value in item.items()}


def wanted_by_the_filter(change: Change) -> bool:
    """Whether the template's filter passes a record."""
    prefixes = ("EVENT#", "CELL#", "TOTAL#", "OUTBOX#", "AUDIT#", "REJECTED#", "PROBE")
    return change.key.pk.startswith(prefixes) or change.key.sk == "EFFECTIVE"


def fold(parts: Parts, changes: Iterable[Change], *, shard: str = "0", now: Instant = NOW) -> Summary:
    """Call aggregate once with these changes."""
    event = {"Records": [record(change) for change in changes], "shardId": shard}
    return aggregate(parts, batch_of(json.loads(json.dumps(event))), now=now)


def drain(engine: MemoryEngine, parts: Parts, *, after: int = 0, now: Instant = NOW, size: int = 500) -> int:
    """Aggregate all records after a position and those that follow from them. Return the new position."""
    while after < len(engine.stream):
        batch = [change for change in engine.stream[after : after + size] if wanted_by_the_filter(change)]
        after = min(after + size, len(engine.stream))
        if batch:
            fold(parts, batch, now=now)
    return after


def totals(engine: MemoryEngine) -> dict[tuple[str, int, int], tuple[Decimal, Decimal]]:
    """(customer, ordinal, start) -> (value, by_event) of every total."""
    found: dict[tuple[str, int, int], tuple[Decimal, Decimal]] = {}
    for key, item in engine.items.items():
        if key.pk.startswith("TOTAL#"):
            name = (items.text(item, "customer"), items.integer(item, "ordinal"), items.integer(item, "start"))
            value, by_event = item["value"], item["by_event"]
            assert isinstance(value, Decimal)
            assert isinstance(by_event, Decimal)
            found[name] = (value, by_event)
    return found


def used(engine: MemoryEngine, customer: str, ordinal: int, start: int) -> Decimal:
    """The value of a window's counter in the root cell."""
    cell = cell_image.cell_of(engine.get(keys.cell(CellName(customer, FEATURE))))
    return cell.used.get((ordinal, start), Decimal(0))


def facts(engine: MemoryEngine) -> list[dict[str, Any]]:
    """Every fact, in order of customer, feature and sequence."""
    found = []
    for key, item in engine.items.items():
        if key.pk.startswith("OUTBOX#"):
            data = read_document(items.text(item, "data"))
            found.append({"type": item["type"], "sequence": items.integer(item, "sequence"), **data})
    return sorted(found, key=lambda fact: (fact["customer"], fact["feature"], fact["sequence"]))
