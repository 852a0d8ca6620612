"""refold: counts what the stream lost, because its reader failed for longer than the stream keeps records.

    EVENT items ──> those that the journal lacks ─┐
    cells ──> their newest entries, if it lacks them ─┴─> the next journal records ──> totals, usage
    cells' counters − the journal's sums ──> what is lost for good

Only what is older than the stream keeps it is appended. The stream could still deliver younger records, and they would
count twice. What is so old that its journal record may have expired is left alone too, because it may be counted.
Whether the journal lacks something is read from the journal up to its head, and the append takes the number after that
head. So repeating it appends nothing again, also beside aggregation or a second call.

A cell keeps its newest entry only. The entries before it are lost. Their sum is the amount by which the counters exceed
the journal. It is reported and not counted, because nobody knows its times and dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import HOUR, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.entry import CellEntry, Entry
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.journal.observed import ToJournal
from tallygate.domain.journal.records import RECORD_KEPT, Head, Position, Record, shard_name
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.metering.events import Event
from tallygate.errors import Contended
from tallygate.operations.base.each import in_turn
from tallygate.operations.journal.append import JournalParts, put, resolver, tell_rejections
from tallygate.operations.journal.apply import apply, catch_up
from tallygate.operations.journal.ports import RefoldStore

STREAM_KEPT = 25 * HOUR
"""The stream keeps records for 24 hours. A call of aggregate takes two minutes at most."""
JOURNAL_SHOWS = RECORD_KEPT - HOUR
"""The age up to which the journal surely shows what it was given. The hour is for clocks that differ."""
TRIES_MAX = 30
_NO_SHARD = shard_name("")
"""No shard has an empty id. A position of this shard leaves no mark, because it was never seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrites:
    """What is lost of one feature's cell.

    revisions: number of writes whose entries are lost
    amounts: units that the counters have and the journal lacks, by counter; only where the journal goes back that far
    """

    feature: str
    revisions: int
    amounts: Mapping[CounterName, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolded:
    """The result for one customer.

    events, entries: number of events and of cells' newest entries that were appended
    unresolvable: number of events that cannot be resolved by the catalog
    """

    events: int = 0
    entries: int = 0
    unresolvable: int = 0
    lost: tuple[LostWrites, ...] = ()


@dataclass(slots=True)
class _Journaled:
    """What a journal has.

    shown: time after which the journal surely shows what it was given; earlier records expire in any order
    oldest: by feature, the oldest revision in the records since then
    decisions: feature and id of each granted consume
    parked: raw texts of parked stream records
    sums: units by which the entries moved each counter of a feature
    since: time after which the journal is whole; 0: it is whole from its first record on
    """

    shown: Instant
    since: Instant
    oldest: dict[str, int] = field(default_factory=dict)
    events: set[tuple[str, str]] = field(default_factory=set)
    revisions: dict[str, set[int]] = field(default_factory=dict)
    decisions: set[tuple[str, str]] = field(default_factory=set)
    parked: list[str] = field(default_factory=list)
    sums: dict[tuple[str, CounterName], Decimal] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.add_entries(record.entries, shown=record.at > self.shown)

    def add_entries(self, entries: Sequence[Entry], *, shown: bool = True) -> None:
        self.events |= _identities(entries)
        self.parked += _parked(entries)
        for entry in _cell_entries(entries):
            self.revisions.setdefault(entry.feature, set()).add(entry.revision)
            if isinstance(entry, UseEntry):
                self.decisions.add((entry.feature, entry.id))
            if shown:
                self.oldest[entry.feature] = min(entry.revision, self.oldest.get(entry.feature, entry.revision))
            for counter, by in entry.moves.used.items():
                name = (entry.feature, counter)
                self.sums[name] = EXACT.add(self.sums.get(name, ZERO), by)


def _identities(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    return {(entry.source, entry.id) for entry in entries if isinstance(entry, EventEntry)}


def _parked(entries: Sequence[Entry]) -> list[str]:
    return [entry.raw for entry in entries if isinstance(entry, ParkedEntry)]


def _cell_entries(entries: Sequence[Entry]) -> list[CellEntry]:
    return [entry for entry in entries if isinstance(entry, CellEntry)]


def refold(
    parts: JournalParts, store: RefoldStore, customer: str, *, now: Instant, older_than: Instant = STREAM_KEPT
) -> Refolded:
    """Append what the customer's journal lacks, apply it, and return what was appended and what is lost.

    older_than: age from which the stream surely does not deliver a record any more

    Reads the customer's whole journal and all its events. Raises Contended if others append during every try.
    """
    until, shown = now - older_than, now - JOURNAL_SHOWS
    for _ in range(TRIES_MAX):
        owner = store.owner(customer)
        head = parts.journal.head(owner, now=now, fresh=True)
        head = catch_up(parts.journal, parts.totals, owner, head, each=in_turn)
        records = store.journal(customer, until=head.number)
        oldest = next(records, None)
        journaled = _Journaled(shown=shown, since=_whole_since(head, oldest, shown))
        for record in () if oldest is None else (oldest, *records):
            journaled.add(record)
        features = sorted({*store.features(customer), *journaled.revisions})
        cells = {feature: store.cell(CellName(customer, feature)) for feature in features}
        missing: list[Event | CellEntry] = [
            *_newest_entries(cells, journaled, until),
            *_events(store, customer, journaled, until),
        ]
        seen = [
            ToJournal(position=Position(_NO_SHARD, n, 0), owner=owner, customer=customer, what=what)
            for n, what in enumerate(missing, 1)
        ]
        resolved = resolver(parts, customer, now=now)
        entries = [(each, entry) for each, entry in resolved.entries(seen) if not isinstance(entry, ParkedEntry)]
        if entries:
            tell_rejections(parts.rejections, entries)
            appended, head = put(parts, owner, head, entries, resolved, now=now, clock=now)
            apply(parts.journal, parts.totals, owner, head, appended, each=in_turn)
            if sum(len(record.entries) for record in appended) < len(entries):
                continue
        journaled.add_entries([entry for _, entry in entries])
        events = len(_identities([entry for _, entry in entries]))
        return Refolded(
            events=events,
            entries=len(entries) - events,
            unresolvable=len(seen) - len(entries),
            lost=tuple(_lost(cells, journaled, until)),
        )
    raise Contended(f"other writers appended to the journal of {customer} during every try")


def _whole_since(head: Head, oldest: Record | None, shown: Instant) -> Instant:
    """Return the time after which the journal is whole; 0: it is whole from its first record on."""
    if oldest is None:
        return shown if head.begins is None or head.begins.seen is not None else 0
    return 0 if oldest.number == 1 and oldest.at > shown else max(oldest.at, shown)


SeenCells = Mapping[str, tuple[Cell, CellEntry | None]]


def _events(store: RefoldStore, customer: str, journaled: _Journaled, until: Instant) -> Iterator[Event]:
    for event in store.events(customer):
        if journaled.shown < event.received_at <= until and (event.source, event.id) not in journaled.events:
            yield event


def _newest_entries(cells: SeenCells, journaled: _Journaled, until: Instant) -> Iterator[CellEntry]:
    """Yield the newest entry of each cell that is old enough and not journaled. A parked entry stays parked."""
    for feature, (cell, last) in cells.items():
        known = journaled.revisions.get(feature, set())
        parked = any(f'#{feature}"' in raw for raw in journaled.parked)
        if last is None or cell.revision in known or parked:
            continue
        if journaled.shown < last.written_at <= until:
            yield _with_decision(last, feature, journaled)


def _with_decision(entry: CellEntry, feature: str, journaled: _Journaled) -> CellEntry:
    """Return the entry. A settlement whose decision is lost too counts its whole amount, not the difference.

    A decision that has followed into other windows was counted there. Its settlement stays as it is.
    """
    if not isinstance(entry, SettleEntry) or entry.followed or entry.time <= journaled.shown:
        return entry
    return entry if (feature, entry.id) in journaled.decisions else replace(entry, by=entry.amount)


def _lost(cells: SeenCells, journaled: _Journaled, until: Instant) -> Iterator[LostWrites]:
    """Yield what each cell has and the journal lacks. Entries after the newest journaled one may be on their way."""
    for feature, (cell, last) in cells.items():
        known = journaled.revisions.get(feature, set())
        whole = cell.revision in known or (last is not None and journaled.shown < last.written_at <= until)
        newest = cell.revision if whole else max(known, default=0)
        oldest = 1 if journaled.since == 0 else journaled.oldest.get(feature, newest + 1)
        revisions = len(set(range(oldest, newest + 1)) - known)
        amounts: dict[CounterName, Decimal] = {}
        for counter in sorted(cell.used) if whole else ():
            if counter[1] >= journaled.since:
                own = EXACT.subtract(cell.own(counter), cell.brought.get(counter, ZERO))
                amount = EXACT.subtract(own, journaled.sums.get((feature, counter), ZERO))
                amounts |= {counter: amount} if amount else {}
        if revisions or amounts:
            yield LostWrites(feature=feature, revisions=revisions, amounts=amounts)
