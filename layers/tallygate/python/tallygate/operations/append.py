"""append: what happened enters the customer's journal, once, and the journal is applied up to its head.

    head ─> keep what is new ─> resolve ─> put as the next number ─┬─ done ─> apply cursor … head ─> move the cursor
      ^                                                            └─ lost
      └────────── read the head again, keep what is still new ─────────┘

Two rules carry everything. The *marks* of all shards in the head decide what is new, so a record that is delivered
again, by whomever, adds nothing. And whoever is called applies up to the *head*, strictly in order from the cursor,
also when nothing was appended: a call that died after its append is completed by the next, or by its own repetition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tallygate.domain.events import Event
from tallygate.domain.fold import (
    UsageChange,
    WindowOf,
    changes_of,
    governed_of,
    limit_names,
    limits_named,
    resolve_event,
    windows_of,
)
from tallygate.domain.governing import agree, in_windows, time_of
from tallygate.domain.instants import Instant
from tallygate.domain.journal import (
    PARKED_LENGTH_MAX,
    Entry,
    EventEntry,
    Governed,
    Head,
    Mark,
    ParkedEntry,
    Record,
    SettleEntry,
    UseEntry,
    advanced,
    is_new,
)
from tallygate.domain.limits import Effective
from tallygate.domain.meters import Meters
from tallygate.domain.observed import Journaled
from tallygate.domain.total_changes import TotalChange
from tallygate.errors import Contended, InvariantBroken
from tallygate.fold_store import Appended, FirstUseCells, JournalStore, RulesStore, TotalStore
from tallygate.operations.announce import upgrades_of
from tallygate.operations.each import Each
from tallygate.operations.first_uses import FirstUses

TRIES_MAX = 30
"""Records of one customer come from up to a few dozen shards, each of which may append at the same moment."""
_COUNTING = EventEntry | UseEntry | SettleEntry
_UNRESOLVABLE = (ValueError, LookupError, TypeError, ArithmeticError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one journal's part of a batch came to. `repeated` had been journaled before."""

    counted: int = 0
    noted: int = 0
    parked: int = 0
    unmeasured: int = 0
    repeated: int = 0
    traces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalParts:
    """The stores that a journal is kept and applied with."""

    journal: JournalStore
    totals: TotalStore
    rules: RulesStore
    first_uses: FirstUseCells


def append(
    parts: JournalParts, owner: str, seen: Sequence[Journaled], meters: Meters, *, now: Instant, each: Each
) -> Folded:
    """Journal what is new among these records of one customer, and apply the journal up to its head.

    `meters` are the catalog's, read after the records were written. Raises Contended where other appenders win every
    try; everything else is as before, and the batch comes again.
    """
    resolved = _Resolver(parts, meters, now)
    known: dict[int, Record] = {}
    kept: list[Entry] = []
    head = parts.journal.head(owner, fresh=False)
    for _ in range(TRIES_MAX):
        fresh = new_among(head, seen)
        if not fresh and head.remembered:
            head = parts.journal.head(owner, fresh=True)
            fresh = new_among(head, seen)
        if head.newest is not None:
            known[head.newest.number] = head.newest
        if not fresh:
            break
        appended, head = _put(parts.journal, owner, head, resolved.entries(fresh), resolved, now)
        for record in appended:
            known[record.number] = record
            kept += record.entries
        if sum(len(record.entries) for record in appended) == len(fresh):
            break
        head = parts.journal.head(owner, fresh=True)
    else:
        raise Contended(f"the journal of {owner} is being appended to by others all the time")
    apply(parts, owner, head, known, each=each)
    return _folded(kept, len(seen))


def new_among(head: Head, seen: Sequence[Journaled]) -> list[Journaled]:
    """The records beyond the marks, in order of their shard."""
    marks: Mapping[str, Mark] = head.marks
    fresh = []
    for journaled in sorted(seen, key=lambda journaled: journaled.position.sequence):
        if is_new(marks, journaled.position):
            marks = {**marks, journaled.position.shard: Mark(journaled.position.sequence, 0)}
            fresh.append(journaled)
    return fresh


class _Resolver:
    """Resolves entries by limits that are read once for each customer, when the first of its records needs them."""

    def __init__(self, parts: JournalParts, meters: Meters, now: Instant) -> None:
        self._rules = parts.rules
        self._first_uses, self._now = parts.first_uses, now
        self._opened: FirstUses | None = None
        self._meters = meters
        self._effective: Effective | None = None
        self._asked = False
        self._entries: dict[int, Entry] = {}
        self._governed: dict[object, Mapping[int, Governed]] = {}

    def entries(self, fresh: Sequence[Journaled]) -> list[tuple[Journaled, Entry]]:
        """The records with their entries, in order; an entry is the same each time it is asked for.

        Events are resolved in the order of their times: the first of them opens the window that holds the others.
        """
        for journaled in sorted(fresh, key=_time_of):
            sequence = journaled.position.sequence
            if sequence not in self._entries:
                self._entries[sequence] = self._resolve(journaled)
        return [(journaled, self._entries[journaled.position.sequence]) for journaled in fresh]

    def effective(self, customer: str | None) -> Effective | None:
        if not self._asked and customer is not None:
            self._effective, self._asked = self._rules.effective(customer), True
        return self._effective

    def limits(self, customer: str | None, entry: Entry) -> Mapping[int, Governed]:
        """The limits that an entry names, as they were in force at its time, with what the next plan allows by the
        catalog as it is now."""
        windows = windows_of(entry)
        if not windows:
            return {}
        at = time_of(entry)
        effective = self._in_force(customer, at)
        key = None if effective is None else (effective.plan, effective.plan_version)
        if key not in self._governed:
            self._governed[key] = governed_of(effective, upgrades_of(self._rules, effective))
        governed = in_windows(self._governed[key], effective, windows)
        return limits_named((entry,), governed, limit_names(self.effective(customer)))

    def _in_force(self, customer: str | None, at: Instant) -> Effective | None:
        effective = self.effective(customer)
        return None if effective is None else effective.in_force(at)

    def _opened_for(self, customer: str) -> WindowOf:
        if self._opened is None:
            self._opened = FirstUses(self._first_uses, customer, self._now)
        return self._opened.window_of

    def _resolve(self, journaled: Journaled) -> Entry:
        what = journaled.what
        if not isinstance(what, Event):
            return what
        opened = self._opened_for(what.customer)
        try:
            return resolve_event(what, self._meters, self._in_force(what.customer, what.time), opened)
        except _UNRESOLVABLE as error:
            raw = f"{what.source}#{what.id}: {error}"[:PARKED_LENGTH_MAX]
            return ParkedEntry(reason=f"unresolvable: {type(error).__name__}", raw=raw)


def _time_of(journaled: Journaled) -> Instant:
    return journaled.what.time if isinstance(journaled.what, Event) else 0


def _put(
    journal: JournalStore,
    owner: str,
    head: Head,
    entries: Sequence[tuple[Journaled, Entry]],
    resolver: _Resolver,
    now: Instant,
) -> tuple[list[Record], Head]:
    """Append as few records as hold the entries; the records that were appended, and the head after them.

    Fewer than all of the entries were appended where another appender came between.
    """
    appended: list[Record] = []
    parts = deque(_agreeing(entries, resolver))
    while parts:
        part = parts.popleft()
        record = _record(head, part, resolver, now)
        outcome = journal.append(owner, record, applied=head.applied, now=now)
        if outcome is Appended.LOST:
            break
        if outcome is Appended.DONE:
            appended.append(record)
            head = replace(head, number=record.number, marks=record.marks, newest=None)
        elif len(part) > 1:
            parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
        else:
            ((journaled, _),) = part
            parts.appendleft([(journaled, ParkedEntry(reason="too_large", raw=f"{journaled.position}"))])
    return appended, head


def _agreeing(entries: Sequence[tuple[Journaled, Entry]], resolver: _Resolver) -> list[list[tuple[Journaled, Entry]]]:
    """The entries in order, in as few parts as agree on the limits: mostly one, two around a change of plan."""
    parts: list[list[tuple[Journaled, Entry]]] = []
    known: dict[int, Governed] = {}
    for journaled, entry in entries:
        limits = resolver.limits(journaled.customer, entry)
        if not parts or not agree(limits, known):
            parts.append([])
            known = {}
        parts[-1].append((journaled, entry))
        known |= limits
    return parts


def _record(head: Head, part: Sequence[tuple[Journaled, Entry]], resolver: _Resolver, now: Instant) -> Record:
    entries = tuple(entry for _, entry in part)
    customer = next((journaled.customer for journaled, _ in part if journaled.customer is not None), None)
    limits: dict[int, Governed] = {}
    for journaled, entry in part:
        limits |= resolver.limits(journaled.customer, entry)
    return Record(
        number=head.number + 1,
        customer=customer,
        marks=advanced(head.marks, (journaled.position for journaled, _ in part)),
        entries=entries,
        limits=limits,
        at=now,
    )


def apply(parts: JournalParts, owner: str, head: Head, known: Mapping[int, Record], *, each: Each) -> None:
    """Apply every record from the cursor to the head, in order, and move the cursor. Repeating changes nothing.

    The targets of one record are independent of each other; the next record waits until all have been written.
    """
    if head.applied >= head.number:
        return
    wanted = range(head.applied + 1, head.number + 1)
    held = dict(known)
    missing = [number for number in wanted if number not in held]
    if missing:
        for record in parts.journal.records(owner, missing[0] - 1, missing[-1]):
            held.setdefault(record.number, record)
    for number in wanted:
        _apply_record(parts.totals, held[number], each)
    parts.journal.applied(owner, head.number)


def _apply_record(totals: TotalStore, record: Record, each: Each) -> None:
    changes = changes_of(record)
    if not changes.totals and not changes.usage:
        return
    if record.customer is None:
        raise InvariantBroken(f"number {record.number} of a journal counts for nobody")
    customer, number = record.customer, record.number

    def write(change: TotalChange | UsageChange) -> None:
        if isinstance(change, TotalChange):
            totals.add_to_total(customer, change, number)
        else:
            totals.add_to_usage(customer, change, number)

    each(write, (*changes.totals, *changes.usage))


def _folded(kept: Sequence[Entry], seen: int) -> Folded:
    counting = [entry for entry in kept if isinstance(entry, _COUNTING)]
    parked = sum(isinstance(entry, ParkedEntry) for entry in kept)
    return Folded(
        counted=len(counting),
        parked=parked,
        noted=len(kept) - len(counting) - parked,
        unmeasured=sum(len(entry.unmeasured) for entry in counting if isinstance(entry, EventEntry)),
        repeated=seen - len(kept),
        traces=frozenset(entry.traceparent[3:35] for entry in counting if entry.traceparent),
    )
