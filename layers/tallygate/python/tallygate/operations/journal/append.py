"""append: adds stream records to the customer's journal, each once, and applies the journal up to its head.

    head ─> apply up to it ─> keep what is new ─> resolve ─> put as the next number ─┬─ done ─> apply it
      ^                                                                              └─ lost
      └───────────────── read the head again, apply up to it, keep what is still new ───┘

Two rules make this exact:

- The *marks* of all shards in the head decide which records are new. So a record that is delivered again adds nothing,
  whichever container receives it.
- Every call applies the journal up to its *head*, strictly in order, even if it appends nothing (`apply`).

What several customers of a batch need is read together (`read_first`): their limits, and the numbers of targets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.decision_ids import granted_by
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import PARKED_LENGTH_MAX, ParkedEntry
from tallygate.domain.entries.moves import NotCounted
from tallygate.domain.journal.fold import WindowOf, limits_named, resolve_event
from tallygate.domain.journal.observed import ToJournal
from tallygate.domain.journal.records import (
    Head,
    Mark,
    Record,
    advanced,
    is_new,
)
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import (
    Governed,
    agree,
    counting_at,
    governed_in,
    governed_of,
    in_windows,
    last_in_force,
    limit_names,
)
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.events import Event
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection, one_a_minute
from tallygate.errors import Contended, TallygateError
from tallygate.operations.base.each import Each, attempt
from tallygate.operations.facts.announce import upgrades_of
from tallygate.operations.journal.apply import apply, catch_up
from tallygate.operations.journal.first_uses import FirstUses
from tallygate.operations.journal.ports import (
    Appended,
    FirstUseCells,
    JournalStore,
    TargetChange,
    TotalStore,
)
from tallygate.operations.limits.at_end import Versions
from tallygate.operations.limits.ports import LimitsOf, RulesStore
from tallygate.operations.metering.ports import RejectionStore

TRIES_MAX = 30
"""Records of one customer come from up to a few dozen shards. Each shard's reader may append at the same moment."""
UNRESOLVABLE, TOO_LARGE = "unresolvable", "too_large"
"""The reasons for which a stream record of an event is parked, and the codes of its rejection."""
_UNRESOLVABLE = (ValueError, LookupError, TypeError, ArithmeticError)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendSummary:
    """The result of one customer's part of a batch, in records.

    repeated: records that had been journaled before
    """

    counted: int = 0
    noted: int = 0
    parked: int = 0
    unmeasured: int = 0
    rejected: int = 0
    repeated: int = 0
    traces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalParts:
    """The stores with which a journal is appended to and applied."""

    journal: JournalStore
    totals: TotalStore
    rules: RulesStore
    first_uses: FirstUseCells
    rejections: RejectionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstReads:
    """What was read for several customers together, before the first append.

    heads: the journals' heads, by owner
    lagging: by owner, the changes of the head's record that its targets lack; only where that record alone is open
    limits: looks up a customer's limits in force
    """

    heads: Mapping[str, Head]
    lagging: Mapping[str, Sequence[TargetChange]]
    limits: LimitsOf


def read_first(
    parts: JournalParts, owners: Mapping[str, Sequence[ToJournal]], *, now: Instant, each: Each
) -> tuple[FirstReads, list[TallygateError]]:
    """Read what these records of several customers need.

    One request for each head that is not remembered, and two for each 100 customers. Returns the heads that could be
    read, and the failures of the others.
    """
    names = list(owners)
    found, failures = attempt(each, lambda owner: (owner, _head(parts, owner, owners[owner], now)), names)
    heads = dict(found)
    opened = [(owner, head.newest) for owner, head in heads.items() if head.newest is not None and _is_open(head)]
    lagging = parts.totals.lagging([record for _, record in opened])
    customers = {
        journaled.customer
        for owner, head in heads.items()
        for journaled in new_among(head, owners[owner])
        if journaled.customer is not None
    }
    limits = parts.rules.effectives(customers)
    reads = FirstReads(heads=heads, lagging=dict(zip((o for o, _ in opened), lagging, strict=True)), limits=limits)
    return reads, failures


def _is_open(head: Head) -> bool:
    return head.applied + 1 == head.number


def _head(parts: JournalParts, owner: str, seen: Sequence[ToJournal], now: Instant, *, fresh: bool = False) -> Head:
    return parts.journal.head(owner, now=_clock(seen, now), fresh=fresh)


def _clock(seen: Sequence[ToJournal], now: Instant) -> Instant:
    """Return the clock by which records expire. It never lags behind that of DynamoDB, which removes them."""
    return max(now, *(journaled.position.seen_at for journaled in seen))


def append(
    parts: JournalParts,
    owner: str,
    seen: Sequence[ToJournal],
    meters: Meters,
    first: FirstReads,
    *,
    now: Instant,
    each: Each,
) -> AppendSummary:
    """Append the new ones of these records of one customer, and apply the journal up to its head.

    meters: the catalog's meters, read after the records were written

    Raises Contended where other appenders win every try. Nothing is lost then: the batch is delivered again.
    """
    resolved = Resolver(parts, meters, first.limits, now)
    kept: list[Entry] = []

    def to_head(head: Head, lagging: Sequence[TargetChange] | None = None) -> Head:
        return catch_up(parts.journal, parts.totals, owner, head, each=each, lagging=lagging)

    head = to_head(first.heads[owner], first.lagging.get(owner))
    for _ in range(TRIES_MAX):
        fresh = new_among(head, seen)
        if not fresh and head.remembered:
            head = to_head(_head(parts, owner, seen, now, fresh=True))
            fresh = new_among(head, seen)
        if not fresh:
            break
        entries = resolved.entries(fresh)
        tell_rejections(parts.rejections, entries)
        appended, head = put(parts, owner, head, entries, resolved, now=now, clock=_clock(seen, now))
        kept += [entry for record in appended for entry in record.entries]
        head = apply(parts.journal, parts.totals, owner, head, appended, each=each)
        if sum(len(record.entries) for record in appended) == len(fresh):
            break
        head = to_head(_head(parts, owner, seen, now, fresh=True))
    else:
        raise Contended(f"other writers appended to the journal of {owner} during every try")
    return _folded(kept, len(seen))


def new_among(head: Head, seen: Sequence[ToJournal]) -> list[ToJournal]:
    """Return the records beyond the marks, in order of their position in their shard."""
    marks = dict(head.marks)
    fresh = []
    for journaled in sorted(seen, key=lambda journaled: journaled.position.sequence):
        if is_new(marks, journaled.position):
            marks[journaled.position.shard] = Mark(journaled.position.sequence, 0)
            fresh.append(journaled)
    return fresh


class Resolver:
    """Resolves records into entries. Limits are read once per customer, when the first record needs them."""

    def __init__(self, parts: JournalParts, meters: Meters, limits: LimitsOf, now: Instant) -> None:
        self._rules, self._limits = parts.rules, limits
        self._first_uses, self._now = parts.first_uses, now
        self._granted = granted_by(parts.rules.decision_secret)
        self._opened: FirstUses | None = None
        self._meters = meters
        self._effective: Effective | None = None
        self._asked = False
        self._entries: dict[int, Entry] = {}
        self._governed: dict[object, Mapping[int, Governed]] = {}
        self._named: dict[tuple[bool, tuple[CountedWindow, ...]], Mapping[int, Governed]] = {}
        self._upgrades: dict[object, Mapping[str, Decimal | None]] = {}
        self._versions: Versions | None = None
        self._at_end: dict[CountedWindow, Governed | None] = {}

    def entries(self, fresh: Sequence[ToJournal]) -> list[tuple[ToJournal, Entry]]:
        """Return the records with their entries, in order. A record always gets the same entry.

        Events are resolved in order of their times, so the earliest opens the window that holds the others.
        """
        for journaled in sorted(fresh, key=_time_of):
            sequence = journaled.position.sequence
            if sequence not in self._entries:
                self._entries[sequence] = self._resolve(journaled)
        return [(journaled, self._entries[journaled.position.sequence]) for journaled in fresh]

    def effective(self, customer: str | None) -> Effective | None:
        if not self._asked and customer is not None:
            self._effective, self._asked = self._limits(customer), True
        return self._effective

    def limits(self, customer: str | None, entry: Entry) -> Mapping[int, Governed]:
        """Return the limits that an entry names, as they were in force at its time.

        They include what the next plan allows by the catalog as it is now. For a window that has ended, or a quota that
        was removed, they are the limits last in force.
        """
        windows = entry.windows_moved
        if not windows:
            return {}
        effective = self._in_force(customer, entry.time)
        key = None if effective is None else (effective.plan, effective.plan_version)
        which = (effective is self.effective(customer), windows)
        named = self._named.get(which)
        if named is not None:
            return named
        if key not in self._governed:
            self._governed[key] = governed_of(effective, self._upgrades_of(effective))
        governed = in_windows(self._governed[key], effective, windows)
        found = {window.ordinal: self._last_in_force(customer, window, governed) for window in windows}
        governed = {**governed, **{ordinal: last for ordinal, last in found.items() if last is not None}}
        named = limits_named((entry,), governed, limit_names(self.effective(customer)))
        if all(window.ordinal in governed for window in windows):
            # Then they depend on the windows alone, and on whether the present or the planned limits are in force.
            self._named[which] = named
        return named

    def _last_in_force(
        self, customer: str | None, window: CountedWindow, governed: Mapping[int, Governed]
    ) -> Governed | None:
        """Return the limit last in force in a window that has ended, or whose quota was removed.

        None: neither is the case, or the quota was never in force in the window. Mostly the present limits are enough,
        and nothing is read.
        """
        present = self.effective(customer)
        ended = window.end <= self._now or (present is not None and window.end <= present.since)
        if present is None or (window.ordinal in governed and not ended):
            return None
        if window not in self._at_end:
            until = window.end if ended else max(self._now, present.since) + 1
            limits = last_in_force(self._versions_of(present), window.ordinal, window.start, until)
            self._at_end[window] = None if limits is None else governed_in(limits, window, self._upgrades_of(limits))
        return self._at_end[window]

    def _upgrades_of(self, limits: Effective | None) -> Mapping[str, Decimal | None]:
        plan = None if limits is None else (limits.plan, limits.plan_version)
        if plan not in self._upgrades:
            self._upgrades[plan] = upgrades_of(self._rules, limits)
        return self._upgrades[plan]

    def _in_force(self, customer: str | None, at: Instant) -> Effective | None:
        effective = self.effective(customer)
        return None if effective is None else effective.in_force(at)

    def _counting_at(self, customer: str, at: Instant) -> Effective | None:
        """Return the limits that an event counts under. It may be aggregated after its customer lost the feature."""
        present = self.effective(customer)
        return None if present is None else counting_at(self._versions_of(present), at)

    def _versions_of(self, present: Effective) -> Versions:
        self._versions = self._versions or Versions(self._rules, present)
        return self._versions

    def _opened_for(self, customer: str) -> WindowOf:
        if self._opened is None:
            self._opened = FirstUses(self._first_uses, customer, self._now)
        return self._opened.window_of

    def _resolve(self, journaled: ToJournal) -> Entry:
        what = journaled.what
        if not isinstance(what, Event):
            return what
        opened = self._opened_for(what.customer)
        try:
            limits = self._counting_at(what.customer, what.time)
            return resolve_event(what, self._meters, limits, opened, self._granted)
        except _UNRESOLVABLE as error:
            raw = f"{what.source}#{what.id}: {error}"[:PARKED_LENGTH_MAX]
            return ParkedEntry(reason=f"{UNRESOLVABLE}: {type(error).__name__}", raw=raw)


def resolver(parts: JournalParts, customer: str, *, now: Instant) -> Resolver:
    """Return a resolver for one customer, by the catalog and the limits as they are now. Two requests or a few more."""
    return Resolver(parts, parts.rules.meters(), parts.rules.effectives([customer]), now)


def _time_of(journaled: ToJournal) -> Instant:
    return journaled.what.time if isinstance(journaled.what, Event) else 0


def tell_rejections(store: RejectionStore, entries: Sequence[tuple[ToJournal, Entry]]) -> None:
    """Store a rejection of every accepted event that counts nothing after all: one a minute and code.

    The rejections are stored before the events are journaled, so a call that dies in between is repeated and finds
    them.
    """
    for rejection in one_a_minute(
        _rejection(journaled.what, why)
        for journaled, entry in entries
        if isinstance(journaled.what, Event) and (why := entry.not_counted) is not None
    ):
        store.keep(rejection)


def _rejection(event: Event, why: NotCounted) -> Rejection:
    return Rejection(
        customer=event.customer,
        code=why.code,
        detail=why.detail,
        at=event.received_at,
        id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
        time=event.time,
        accepted=True,
        journaled=why.journaled,
    )


def put(
    stores: JournalParts,
    owner: str,
    head: Head,
    entries: Sequence[tuple[ToJournal, Entry]],
    resolver: Resolver,
    *,
    now: Instant,
    clock: Instant,
) -> tuple[list[Record], Head]:
    """Append as few records as hold the entries. Return the appended records, and the head after them.

    The journal must be applied up to the head. Not all entries were appended if another appender came between.
    """
    appended: list[Record] = []
    parts, applied = deque(_agreeing(entries, resolver)), head.next - 1
    while parts:
        part = parts.popleft()
        record = replace(_record(head, part, resolver, now), applied=applied)
        outcome = stores.journal.append(owner, record, begins=head.begins, now=clock)
        if outcome is Appended.LOST:
            break
        if outcome is Appended.DONE:
            appended.append(record)
            head = replace(head, number=record.number, marks=record.marks, newest=None, begins=None)
        elif len(part) > 1:
            parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
        else:
            ((journaled, _),) = part
            parked = ParkedEntry(reason=TOO_LARGE, raw=f"{journaled.position}")
            tell_rejections(stores.rejections, [(journaled, parked)])
            parts.appendleft([(journaled, parked)])
    return appended, head


def _agreeing(entries: Sequence[tuple[ToJournal, Entry]], resolver: Resolver) -> list[list[tuple[ToJournal, Entry]]]:
    """Split the entries, in order, into as few parts as agree on their limits: mostly one, two around a plan change."""
    parts: list[list[tuple[ToJournal, Entry]]] = []
    known: dict[int, Governed] = {}
    for journaled, entry in entries:
        limits = resolver.limits(journaled.customer, entry)
        if not parts or not agree(limits, known):
            parts.append([])
            known = {}
        parts[-1].append((journaled, entry))
        known |= limits
    return parts


def _record(head: Head, part: Sequence[tuple[ToJournal, Entry]], resolver: Resolver, now: Instant) -> Record:
    entries = tuple(entry for _, entry in part)
    customer = next((journaled.customer for journaled, _ in part if journaled.customer is not None), None)
    limits: dict[int, Governed] = {}
    for journaled, entry in part:
        limits |= resolver.limits(journaled.customer, entry)
    return Record(
        number=head.next,
        customer=customer,
        marks=advanced(head.marks, (journaled.position for journaled, _ in part)),
        entries=entries,
        limits=limits,
        at=now,
    )


def _folded(kept: Sequence[Entry], seen: int) -> AppendSummary:
    counting = [entry for entry in kept if entry.counts]
    parked = sum(isinstance(entry, ParkedEntry) for entry in kept)
    return AppendSummary(
        counted=len(counting),
        parked=parked,
        noted=len(kept) - len(counting) - parked,
        unmeasured=sum(entry.unreadable for entry in counting),
        rejected=sum(entry.not_counted is not None for entry in counting),
        repeated=seen - len(kept),
        traces=frozenset(entry.traceparent[3:35] for entry in counting if entry.traceparent),
    )
