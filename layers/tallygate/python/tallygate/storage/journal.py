"""The journal family: append where the number is free, read from the cursor on, move the cursor forward.

    JOURNAL#<owner>   <n, 20 digits>   body (zlib JSON: marks, limits, entries, at), at, expires_at
                      CURSOR           n: every record up to it has been applied

`owner` is the customer as it stands in keys. Put-if-absent is the whole of the concurrency control: the marks inside
a record are those of the newest one when its number was free, so they are right exactly when the put succeeds. That is
why a container may remember the head that it wrote itself: a stale memory only loses the put, and reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, assert_never

from tallygate.domain.event_judgement import EventWarning
from tallygate.domain.instants import DAY, SECOND, Instant
from tallygate.domain.journal import (
    AdjustEntry,
    CarryEntry,
    CountedWindow,
    Entry,
    EventEntry,
    FollowEntry,
    Governed,
    Head,
    Mark,
    NoteEntry,
    ParkedEntry,
    Record,
    ResetEntry,
    SettleEntry,
    Shown,
    UseEntry,
)
from tallygate.domain.limits import Enforcement
from tallygate.domain.meters import Measured
from tallygate.domain.quantities import plain
from tallygate.domain.tier_forms import tier_form, tier_of
from tallygate.errors import InvariantBroken
from tallygate.fold_store import Appended
from tallygate.storage import items, keys
from tallygate.storage.engine import Engine, Put, Refused, Update
from tallygate.storage.entry_forms import (
    follow_document,
    follow_of,
    into_field,
    into_known,
    opened_document,
    opened_of,
    reset_document,
    reset_of,
)
from tallygate.storage.expressions import Absent, Compare, Item, Set, absent_or

BODY_BYTES_MAX = 300_000
KEPT = 40 * DAY
"""Longer than the longest calendar month and than any event may be late."""
REMEMBERED_MAX = 4_096
FIRST = 1
_CURSOR_SK = "CURSOR"


@dataclass(slots=True)
class Journal:
    """Every method is one request, unless it says otherwise."""

    engine: Engine
    _heads: dict[str, Head] = field(default_factory=dict)

    def head(self, owner: str, *, fresh: bool) -> Head:
        """How far the journal reaches: remembered from this container's own append, or (always, if `fresh`) read."""
        remembered = self._heads.get(owner)
        if remembered is not None and not fresh:
            return remembered
        page = self.engine.query(keys.journal_of(owner), newest_first=True, limit=2, consistent=True)
        applied, newest = 0, None
        for item in page.items:
            if item["sk"] == _CURSOR_SK:
                applied = items.integer(item, "n")
            elif newest is None:
                newest = record_of(item)
        if newest is None:
            return Head(number=applied, applied=applied)
        return Head(number=newest.number, applied=applied, marks=newest.marks, newest=newest)

    def append(self, owner: str, record: Record, *, applied: int, now: Instant) -> Appended:
        """Put the record if its number is free. `applied` is how far the caller knows the journal to be applied.

        Safe to repeat: a record that meets itself, put before with an unknown outcome, is appended.
        """
        body = body_of(record)
        if len(body) > BODY_BYTES_MAX:
            return Appended.TOO_LARGE
        item: Item = {"body": body, "at": now, "expires_at": (now + KEPT) // SECOND}
        put = Put(key=keys.journal_record(owner, record.number), item=item, condition=Absent("pk"))
        outcome = self.engine.write(put, repeatable=True)
        if isinstance(outcome, Refused) and (outcome.image or {}).get("body") != body:
            self._heads.pop(owner, None)
            return Appended.LOST
        if len(self._heads) >= REMEMBERED_MAX:
            self._heads.pop(next(iter(self._heads)))
        self._heads[owner] = Head(number=record.number, applied=applied, marks=record.marks, remembered=True)
        return Appended.DONE

    def records(self, owner: str, after: int, until: int) -> tuple[Record, ...]:
        """The records numbered (after, until], consistent. As many requests as there are pages of 1 MB."""
        found: list[Record] = []
        position: str | None = keys.journal_record(owner, after).sk
        while position is not None:
            page = self.engine.query(
                keys.journal_of(owner), after=position, until=keys.journal_record(owner, until).sk, consistent=True
            )
            found += [record_of(item) for item in page.items]
            position = page.next_after
        if [record.number for record in found] != list(range(after + 1, until + 1)):
            raise InvariantBroken(f"the journal of {owner} has a gap between {after} and {until}")
        return tuple(found)

    def applied(self, owner: str, number: int) -> None:
        """Let the cursor say that every record up to the number has been applied. It only moves forward."""
        cursor = keys.journal_cursor(owner)
        moves = absent_or(Compare("n", "<", number))
        self.engine.write(Update(key=cursor, changes=(Set("n", number),), condition=moves), repeatable=True)
        remembered = self._heads.get(owner)
        if remembered is not None and remembered.number == number:
            self._heads[owner] = Head(number=number, applied=number, marks=remembered.marks, remembered=True)


def body_of(record: Record) -> bytes:
    """The stored form of a record; equal records have equal bodies."""
    document = {
        "customer": record.customer,
        "at": record.at,
        "marks": {shard: [str(mark.sequence), mark.seen_at] for shard, mark in sorted(record.marks.items())},
        "limits": {str(ordinal): _governed_document(g) for ordinal, g in sorted(record.limits.items())},
        "entries": [_entry_document(entry) for entry in record.entries],
    }
    return zlib.compress(items.entry_text(document).encode())


def record_of(item: Item) -> Record:
    """The record that an item holds."""
    body = item.get("body")
    if not isinstance(body, bytes):
        raise InvariantBroken("a journal record has a body")
    document = items.read_document(zlib.decompress(body))
    return Record(
        number=int(items.text(item, "sk")),
        customer=document["customer"],
        at=document.get("at", 0),
        marks={shard: Mark(int(sequence), seen_at) for shard, (sequence, seen_at) in document["marks"].items()},
        limits={int(ordinal): _governed_of(g) for ordinal, g in document["limits"].items()},
        entries=tuple(_entry_of(entry) for entry in document["entries"]),
    )


def _governed_document(governed: Governed) -> dict[str, Any]:
    further: dict[str, Any] = {} if governed.every is None else {"e": governed.every}
    if governed.reach:
        further["r"] = governed.reach
    if governed.carries:
        further["cy"] = True
    if governed.further:
        further["w"] = True
    if governed.scope:
        further["c"] = dict(governed.scope)
    if governed.enforcement is not Enforcement.HARD:
        further["o"] = governed.enforcement.value
    return {
        **further,
        "f": governed.feature,
        "m": governed.meter,
        "n": governed.name,
        "l": None if governed.limit is None else plain(governed.limit),
        "t": [tier_form(tier) for tier in governed.tiers],
        "p": governed.plan,
        "v": governed.plan_version,
        "s": governed.stripe_customer_id,
        "u": governed.upgrade_to,
        "x": None if governed.upgrade_limit is None else plain(governed.upgrade_limit),
        **({"xu": True} if governed.upgrade_unlimited else {}),
    }


def _governed_of(document: Mapping[str, Any]) -> Governed:
    limit, upgrade_limit = document["l"], document["x"]
    return Governed(
        feature=document["f"],
        meter=document["m"],
        name=document["n"],
        scope=document.get("c", {}),
        enforcement=Enforcement(document.get("o", Enforcement.HARD)),
        limit=None if limit is None else Decimal(limit),
        tiers=tuple(tier_of(tier) for tier in document["t"]),
        plan=document["p"],
        plan_version=document["v"],
        stripe_customer_id=document["s"],
        upgrade_to=document["u"],
        upgrade_limit=None if upgrade_limit is None else Decimal(upgrade_limit),
        upgrade_unlimited="xu" in document,
        every=document.get("e"),
        reach=document.get("r", 0),
        carries="cy" in document,
        further="w" in document,
    )


def governed_text(governed: Governed) -> str:
    """A limit as it stood, in the form in which totals keep it."""
    return items.compact(_governed_document(governed))


def governed_from(text: str) -> Governed:
    return _governed_of(items.read_document(text))


def _entry_document(entry: Entry) -> dict[str, Any]:  # one case for each kind
    match entry:
        case EventEntry():
            document = _event_document(entry)
        case UseEntry():
            document = {
                "k": "use",
                "i": entry.id,
                "f": entry.feature,
                "m": entry.meter,
                "n": entry.revision,
                "t": entry.time,
                "a": plain(entry.amount),
                "d": entry.dimensions,
            }
            if entry.carried:
                document["c"] = {str(ordinal): plain(carried) for ordinal, carried in entry.carried.items()}
            document |= _shown_beside(entry)
        case SettleEntry():
            document = {
                "k": "settle",
                "i": entry.id,
                "f": entry.feature,
                "m": entry.meter,
                "n": entry.revision,
                "t": entry.time,
                "s": entry.settled_at,
                "a": plain(entry.amount),
                "b": plain(entry.by),
                "d": entry.dimensions,
            }
            document |= _beside(entry)
        case CarryEntry():
            return {**_moved(entry), "k": "carry", "c": plain(entry.carried), **into_field(entry.into)}
        case AdjustEntry():
            carried = {} if entry.carried is None else {"c": plain(entry.carried)}
            return {
                **_moved(entry),
                "k": "adjust",
                "i": entry.id,
                "a": plain(entry.amount),
                **carried,
                **into_field(entry.into),
            }
        case ResetEntry():
            return reset_document(entry)
        case FollowEntry():
            return follow_document(entry)
        case NoteEntry():
            return {"k": "note", "y": entry.kind, "f": entry.feature, "n": entry.revision, "e": entry.text}
        case ParkedEntry():
            return {"k": "parked", "r": entry.reason, "e": entry.raw}
        case _:
            assert_never(entry)
    document["w"] = entry.windows
    if entry.traceparent is not None:
        document["tp"] = entry.traceparent
    return document


def _shown_beside(use: UseEntry) -> dict[str, Any]:
    """What the image of its write told of a use, where it did."""
    found: dict[str, Any] = {}
    if use.opened:
        found["o"] = opened_document(use.opened)
    if use.after:
        found["z"] = [[plain(amount) for amount in (shown if shown.raised else shown[:1])] for shown in use.after]
    return found


def _beside(settled: SettleEntry) -> dict[str, Any]:
    """The windows in which a settlement corrects another number than the counter, where there are any."""
    found: dict[str, Any] = {"x": settled.excluded} if settled.excluded else {}
    if settled.followed:
        found["fw"] = settled.followed
    return {**found, "g": settled.removed, "r": settled.decided_at_revision} if settled.removed else found


def _moved(entry: CarryEntry | AdjustEntry) -> dict[str, Any]:
    """The window whose limit an entry moved, as both kinds state it."""
    return {
        "f": entry.feature,
        "m": entry.meter,
        "l": entry.name,
        "n": entry.revision,
        "t": entry.time,
        "w": [entry.window],
    }


def _entry_of(document: Mapping[str, Any]) -> Entry:
    match document["k"]:
        case "event":
            return EventEntry(
                source=document["s"],
                id=document["i"],
                time=document["t"],
                measured=tuple(Measured(meter, Decimal(amount), dims) for meter, amount, dims in document["u"]),
                warnings=tuple(_warning_of(*warning) for warning in document.get("x", ())),
                type=document.get("y", ""),
                received_at=document.get("r", 0),
                rejected=document.get("j"),
                windows=_windows_of(document),
                traceparent=document.get("tp"),
            )
        case "use":
            return _use_of(document)
        case "settle":
            return SettleEntry(
                id=document["i"],
                feature=document["f"],
                meter=document["m"],
                revision=document["n"],
                time=document["t"],
                settled_at=document["s"],
                amount=Decimal(document["a"]),
                by=Decimal(document["b"]),
                dimensions=document["d"],
                windows=_windows_of(document),
                excluded=tuple(CountedWindow(*window) for window in document.get("x", ())),
                removed=tuple(CountedWindow(*window) for window in document.get("g", ())),
                decided_at_revision=document.get("r"),
                followed=tuple(CountedWindow(*window) for window in document.get("fw", ())),
                traceparent=document.get("tp"),
            )
        case "reset":
            return reset_of(document)
        case "carry":
            return CarryEntry(**_moved_of(document), carried=Decimal(document["c"]), into=into_known(document.get("o")))
        case "adjust":
            return AdjustEntry(
                **_moved_of(document),
                id=document["i"],
                amount=Decimal(document["a"]),
                carried=Decimal(document["c"]) if "c" in document else None,
                into=into_known(document.get("o")),
            )
        case "follow":
            return follow_of(document)
        case "note":
            return NoteEntry(kind=document["y"], feature=document["f"], revision=document["n"], text=document["e"])
        case "parked":
            return ParkedEntry(reason=document["r"], raw=document["e"])
        case kind:
            raise InvariantBroken(f"no journal entry has the kind {kind}")


def _event_document(entry: EventEntry) -> dict[str, Any]:
    document: dict[str, Any] = {"k": "event", "s": entry.source, "i": entry.id, "t": entry.time}
    document |= {"y": entry.type, "r": entry.received_at}
    document["u"] = [[m.meter, plain(m.amount), m.dimensions] for m in entry.measured]
    if entry.warnings:
        document["x"] = [[w.meter, w.code, w.detail] for w in entry.warnings]
    if entry.rejected is not None:
        document["j"] = entry.rejected
    return document


def _warning_of(meter: str | None, code: str, detail: str = "") -> EventWarning:
    """An earlier version kept no details."""
    return EventWarning(meter=meter, code=code, detail=detail)


def _use_of(document: Mapping[str, Any]) -> UseEntry:
    return UseEntry(
        id=document["i"],
        feature=document["f"],
        meter=document["m"],
        revision=document["n"],
        time=document["t"],
        amount=Decimal(document["a"]),
        dimensions=document["d"],
        windows=_windows_of(document),
        carried={int(ordinal): Decimal(carried) for ordinal, carried in document.get("c", {}).items()},
        opened=opened_of(document),
        after=tuple(Shown(Decimal(used), Decimal(*raised)) for used, *raised in document.get("z", ())),
        traceparent=document.get("tp"),
    )


def _moved_of(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "feature": document["f"],
        "meter": document["m"],
        "name": document["l"],
        "revision": document["n"],
        "time": document["t"],
        "window": _windows_of(document)[0],
    }


def _windows_of(document: Mapping[str, Any]) -> tuple[CountedWindow, ...]:
    return tuple(CountedWindow(*window) for window in document["w"])
