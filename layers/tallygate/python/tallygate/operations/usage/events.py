"""event_list: lists a customer's events and their outcomes, newest first, from two sources.

    journal, backwards      ──> accepted ──┐
                                           ├── merged by when they were received ──> a page
    rejections, backwards   ──> rejected ──┘

A page reads a bounded number of journal records. So a filter that matches little may give a short or empty page with a
cursor: the matching events are then further back. No row is skipped.

Journal records are ordered by append time, about a second after their events were received. So the search begins, by
bisection, LAG after the end of the requested range. It ends at records appended before the range's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.metering.rejections import NO_CUSTOMER, Rejection
from tallygate.domain.usage.events import EventRow, EventsAsked, row_of_entry, row_of_rejection
from tallygate.errors import NotFound, invalid
from tallygate.operations.journal.ports import KeptRecord
from tallygate.operations.usage.ports import EventLogStore

LAG = 15 * MINUTE
"""An event journaled later than this is only found if the end of the requested range is that much later too."""
CLOCKS_APART = MINUTE
"""How far the clocks of two containers may be apart."""
RECORDS_PER_READ = 50
RECORDS_MAX = 500
"""The most journal records, and the most rejections, that one page looks at."""
_NEWEST = 10**19
"""Higher than every number in a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAfter:
    """The cursor of a list.

    record, entry: continue below this entry of this journal record
    rejection: continue before this rejection; "": from the start
    """

    record: int
    entry: int
    rejection: str = ""

    def text(self) -> str:
        return f"{self.record}.{self.entry}.{self.rejection}"


def events_after(text: str) -> EventsAfter:
    """Return the position that a cursor encodes. Raises InvalidRequest."""
    record, _, rest = text.partition(".")
    entry, dot, rejection = rest.partition(".")
    if not (dot and record.isdecimal() and entry.isdecimal() and len(record) <= 20 and len(entry) <= 9):
        raise invalid("?cursor", "invalid", "must be the next_cursor of an earlier answer")
    return EventsAfter(record=int(record), entry=int(entry), rejection=rejection)


@dataclass(slots=True)
class _Source:
    """Rows of one source, newest first.

    position: the position of the row taken last
    stopped_at: how far back the source was searched, if it stopped before its end
    """

    rows: Iterator[tuple[EventRow, str]]
    position: str
    stopped_at: Instant | None = None
    _next: tuple[EventRow, str] | None = None
    _asked: bool = field(default=False)

    def peek(self) -> EventRow | None:
        if not self._asked:
            self._next, self._asked = next(self.rows, None), True
        return None if self._next is None else self._next[0]

    def take(self) -> EventRow:
        row = self.peek()
        assert row is not None
        assert self._next is not None
        self.position, self._asked = self._next[1], False
        return row


def list_events(
    store: EventLogStore, asked: EventsAsked, *, after: EventsAfter | None, limit: int, now: Instant
) -> tuple[tuple[EventRow, ...], EventsAfter | None]:
    """Return a page of the requested events, newest first, and the next page's cursor (None: there are no more).

    Raises NotFound for a customer that does not exist.
    """
    if after is None and asked.customer is not None and not store.knows_customer(asked.customer):
        raise NotFound(f"there is no customer {asked.customer}", code="customer_not_found")
    journal = _journal(store, asked, after, now)
    rejections = _rejections(store, asked, after)
    rows: list[EventRow] = []
    more = False
    while not more:
        heads = [source for source in (journal, rejections) if source.peek() is not None]
        stops = [source.stopped_at for source in (journal, rejections) if source.stopped_at is not None]
        if not heads:
            more = bool(stops)
            break
        newest = max(heads, key=_received)
        # A source that stopped early may hold a row that is newer than this one.
        more = len(rows) == limit or any(_received(newest) < stop for stop in stops)
        if not more:
            rows.append(newest.take())
    return tuple(rows), _after(journal, rejections) if more else None


def _received(source: _Source) -> Instant:
    row = source.peek()
    assert row is not None
    return row.received_at


def _after(journal: _Source, rejections: _Source) -> EventsAfter:
    record, _, entry = journal.position.partition(".")
    return EventsAfter(record=int(record), entry=int(entry), rejection=rejections.position)


def _journal(store: EventLogStore, asked: EventsAsked, after: EventsAfter | None, now: Instant) -> _Source:
    record, entry = (_NEWEST, 0) if after is None else (after.record, after.entry)
    source = _Source(rows=iter(()), position=f"{record}.{entry}")
    if asked.from_journal and asked.customer is not None:
        if after is None and asked.end + LAG < now:
            record = _first_after(store, asked.customer, asked.end + LAG)
            source.position = f"{record}.0"
        source.rows = _journaled(store, asked, asked.customer, record, entry, source)
    return source


def _journaled(
    store: EventLogStore, asked: EventsAsked, customer: str, record: int, entry: int, source: _Source
) -> Iterator[tuple[EventRow, str]]:
    """Yield the events in the records from `record` downward; of that record only those before `entry`."""
    looked = 0
    before = record + 1 if entry else record
    while looked < RECORDS_MAX:
        page = store.records_before(customer, before, limit=RECORDS_PER_READ)
        for kept in page:
            number = kept.record.number
            if kept.at < asked.start - CLOCKS_APART:
                return
            upto = entry if number == record else len(kept.record.entries)
            for index, row in _rows_of(kept, upto):
                if asked.wants(row):
                    yield row, f"{number}.{index}"
            source.position, before = f"{number}.0", number
            looked += 1
        if not page or before == 1:
            return
        if looked >= RECORDS_MAX:
            source.stopped_at = page[-1].at


def _rows_of(kept: KeptRecord, upto: int) -> Iterator[tuple[int, EventRow]]:
    entries = kept.record.entries
    for index in range(min(upto, len(entries)) - 1, -1, -1):
        entry = entries[index]
        if isinstance(entry, EventEntry):
            yield index, row_of_entry(entry)


def _first_after(store: EventLogStore, customer: str, end: Instant) -> int:
    """Return a number above every record appended before the instant: mostly above the newest, else by bisection."""
    newest = store.records_before(customer, _NEWEST, limit=1)
    if not newest or newest[0].at < end:
        return _NEWEST
    low, high = 1, newest[0].record.number
    while low < high:
        middle = (low + high) // 2
        probed = store.records_before(customer, middle + 1, limit=1)
        if not probed or probed[0].at < end:
            low = middle + 1
        else:
            high = middle
    return low


def _rejections(store: EventLogStore, asked: EventsAsked, after: EventsAfter | None) -> _Source:
    before = after.rejection if after is not None and after.rejection else store.rejections_upto(asked.end)
    source = _Source(rows=iter(()), position=before)
    if asked.from_rejections:
        source.rows = _rejected(store, asked, before, source)
    return source


def _rejected(store: EventLogStore, asked: EventsAsked, before: str, source: _Source) -> Iterator[tuple[EventRow, str]]:
    owner, looked = asked.customer or NO_CUSTOMER, 0
    while looked < RECORDS_MAX:
        page, more = store.rejections_before(owner, before, limit=RECORDS_PER_READ)
        for position, rejection in page:
            if rejection.at < asked.start - MINUTE:
                return
            row = row_of_rejection(rejection)
            if _shown(rejection, asked) and asked.wants(row):
                yield row, position
            source.position, before = position, position
            looked += 1
        if not more:
            return
        if looked >= RECORDS_MAX:
            source.stopped_at = page[-1][1].at if page else None


def _shown(rejection: Rejection, asked: EventsAsked) -> bool:
    """Return whether the rejection is listed.

    An event in the journal is listed from there, if the journal is searched.
    """
    return not (rejection.journaled and asked.from_journal)
