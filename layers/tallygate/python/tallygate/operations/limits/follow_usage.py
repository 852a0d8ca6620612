"""follow_usage: computes the usage from before a change of plan that follows into the new windows.

    reigns: which quota counted when ──> its windows since the new window's start
         still in the cell ──────────────> taken from the cell, in the write that raises its version
         removed from the cell ──────────> taken from their totals
         begun before the new window ────> less the earlier part, by the rollup, in whole quarter hours

It is computed before the change is stored, and stored with it. So the later step that lets the usage follow needs only
the cell (`domain.admission.following`). The past that it reads must be aggregated: the change waits for that for a
short time, or is refused for now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.admission.cells import DEAD_AFTER, DEAD_AFTER_MIN
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope, governs
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.entries.kind import CellKind
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.journal.fold import QUARTER
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.follows import (
    NOBODY,
    FollowedWindow,
    Follows,
    Reign,
    Source,
)
from tallygate.domain.limits.limits import Effective, Entitlement, Limit, Next, Quota
from tallygate.domain.limits.reigns import line_of, reigns_of
from tallygate.domain.metering.contributions import NOTHING, Merge, combined, stated, together
from tallygate.domain.periods.recurrence import Schedule, Window, earliest_reaching, window_at
from tallygate.errors import Conflict, StoreUnavailable
from tallygate.operations.limits.followed_parts import FollowedSoFar, Looked, Span, schedules_of, spans
from tallygate.operations.limits.ports import PastUsageStore

CLOCKS_APART = 10 * SECOND
EARLY = 6 * MINUTE
"""Events may be journaled this long before their own time."""
WINDOWS_MAX = 2_000
"""The most windows of one quota that are added up for a window that follows them."""
WAIT_S = 0.25
WAITS_MAX = 12
"""The wait for the aggregation ends after three seconds. It lags by about one second."""


def with_followed(
    past: PastUsageStore,
    before: Effective | None,
    after: Effective,
    *,
    created_at: Instant,
    now: Instant,
    shared: Callable[[str], bool],
    wait: Callable[[float], None] | None = None,
) -> Effective:
    """Return the limits with the usage that follows into windows that come into force with them.

    shared: tells whether several features feed a meter
    wait: sleeps for seconds; None: do not wait for the aggregation

    Reads only where usage may follow. Raises Conflict `usage_not_followed` beyond the bounds, and StoreUnavailable
    `usage_not_folded` where the aggregation lags.
    """
    if before is None or after.followings <= before.followings:
        return after
    entitlements = {}
    for feature, entitlement in after.entitlements.items():
        entitlements[feature] = entitlement
        if entitlement.followings > before.followings:
            look = Looked(
                customer=after.customer,
                entitlement=entitlement,
                cell=past.cell(CellName(after.customer, feature)),
                before=before,
                created_at=created_at,
                now=now,
                shared=shared(entitlement.meter),
                schedules=schedules_of(before, after),
            )
            entitlements[feature] = _Followed(past, look, wait).entitlement()
    found = replace(after, entitlements=entitlements)
    return found if found.next is None else replace(found, next=_also(found.next, found))


def _also(to_come: Next, present: Effective) -> Next:
    """Return the pending limits, in which continuing quotas keep the usage that follows into them now."""
    known = {quota.ordinal: quota.follows for _, _, quota in present.quotas}
    entitlements = {
        feature: replace(
            entitlement,
            limits=tuple(
                replace(
                    limit,
                    quotas=tuple(replace(q, follows=known.get(q.ordinal)) for q in limit.quotas),
                )
                for limit in entitlement.limits
            ),
        )
        for feature, entitlement in to_come.effective.entitlements.items()
    }
    return replace(to_come, effective=replace(to_come.effective, entitlements=entitlements))


@dataclass(slots=True)
class _Followed:
    """The usage that follows into the quotas of one feature. Totals and usage are read once."""

    past: PastUsageStore
    look: Looked
    wait: Callable[[float], None] | None
    _folded_until: Instant | None = None
    _records_since: tuple[Instant, Sequence[Record] | None] | None = None
    _resets: dict[Instant, Instant | None] = field(default_factory=dict)

    def entitlement(self) -> Entitlement:
        limits = tuple(
            replace(limit, quotas=tuple(self._quota(limit, quota) for quota in limit.quotas))
            for limit in self.look.entitlement.limits
        )
        return replace(self.look.entitlement, limits=limits)

    def _quota(self, limit: Limit, quota: Quota) -> Quota:
        follows = quota.follows
        if follows is None or follows.number <= self.look.before.followings:
            return quota
        return replace(quota, follows=self._follows(limit, quota, follows.number))

    def _follows(self, limit: Limit, quota: Quota, number: int) -> Follows | None:
        if (merge := self.look.entitlement.merge) is not Merge.ADD:
            return self._of_peaks(limit.scope, quota, number) if merge.limited else None
        reigns = reigns_of(self.look.before, line_of(self.look.entitlement.feature, limit.scope))
        counted = {reign.ordinal for reign in reigns} - {NOBODY}
        if not counted and limit.scope:
            return self._of_new_scope(limit.scope, quota, number)
        gaps = bool(limit.scope) and any(reign.ordinal == NOBODY for reign in reigns)
        if not counted or (counted == {quota.ordinal} and not gaps):
            return None
        live = reigns[-1].ordinal
        if live == NOBODY and limit.scope:
            live = self._live_of_all()
        windows = [self._window(limit.scope, quota, reigns, *each) for each in self._windows(quota)]
        found = tuple(each for each in windows if each.sources or each.past)
        if not found:
            return None
        ordinals = tuple(sorted(counted))
        return Follows(number=number, live=live, at=self.look.now, ordinals=ordinals, windows=found)

    def _of_peaks(self, scope: Scope, quota: Quota, number: int) -> Follows | None:
        """Return the maximum since the windows' starts by the rollup, whose quarter hours are rounded outward.

        It is for level and `used` alone, because each request is compared with the limit by itself. So it may include
        another feature of the same meter, and a late event does not change it.
        """
        now, found = self.look.now, []
        for window, start, _ in self._windows(quota):
            since = max(start, self._reset_since(start) or 0)
            self._must_be_folded(now)
            past = self._rolled_up(scope, since - since % QUARTER, now - now % QUARTER + QUARTER)
            if past:
                found.append(FollowedWindow(start=window.start, end=window.end, since=since, past=past))
        return Follows(number=number, at=now, windows=tuple(found)) if found else None

    def _of_new_scope(self, scope: Scope, quota: Quota, number: int) -> Follows | None:
        """Return the usage that follows into windows over a scope that no limit has counted before.

        It is the scope's usage by the rollup, plus all usage of the feature that is not aggregated yet, whatever its
        scope. So it is a little too high at most.
        """
        live = self._live_of_all()
        if live == NOBODY:
            return None
        windows: list[FollowedWindow] = []
        for window, since, absolute in self._windows(quota):
            counted = FollowedSoFar(since=max(since, self._reset_since(since) or 0))
            if absolute:
                counted.past = self._used(scope, counted.since, window.end, at_most=True)
            else:
                self._unfolded(counted, scope, counted.since, live)
            windows.append(counted.window(window, absolute=absolute))
        return Follows(number=number, live=live, at=self.look.now, windows=tuple(windows))

    def _live_of_all(self) -> int:
        """Return the ordinal of the quota that counts all usage of the feature; NOBODY: there is none."""
        reigns = reigns_of(self.look.before, line_of(self.look.entitlement.feature, {}))
        return reigns[-1].ordinal if reigns else NOBODY

    def _unfolded(self, counted: FollowedSoFar, scope: Scope, since: Instant, live: int) -> None:
        """Add a scope's usage that no limit counts: by the rollup, and the feature's usage not yet in the rollup."""
        # The total is read first, so that no usage is missing.
        running = window_at(self.look.schedules[live], self.look.now)
        totals = self.past.totals(self.look.name, live, running.start, running.start + 1)
        folded = sum((EXACT.subtract(total.value, total.excluded) for total in totals or ()), ZERO)
        used = self._used(scope, since, self.look.now + 1, at_most=True, lagging=True)
        counted.past = EXACT.add(counted.past, EXACT.subtract(used, folded))
        counter = (live, running.start)
        counted.sources[counter] = Source(*counter, self.look.cell.own(counter))

    def _windows(self, quota: Quota) -> list[tuple[Window, Instant, bool]]:
        """Return the windows into which usage follows: each with its start, and whether all is from the rollup."""
        now, schedule = self.look.now, quota.schedule
        running = window_at(schedule, now)
        if schedule.from_first_use:
            newest = self.look.cell.newest.get(quota.ordinal)
            if newest is not None and now < (opened := window_at(schedule, newest)).end:
                return [(opened, opened.start, False)]
            return [(running, now - (running.end - running.start), False)]
        if not schedule.reach:
            return [(running, running.start, False)]
        width = running.end - running.start
        starts = range(running.start - schedule.reach, running.start, width)
        return [*((Window(start, start + width), start, True) for start in starts), (running, running.start, False)]

    def _window(
        self, scope: Scope, quota: Quota, reigns: Sequence[Reign], window: Window, since: Instant, absolute: bool
    ) -> FollowedWindow:
        if absolute:
            counted = FollowedSoFar(since=max(window.start, self._reset_since(window.start) or 0))
            counted.past = self._used(scope, counted.since, window.end, at_most=True)
            return counted.window(window, absolute=True)
        reset = self._reset_since(since)
        counted = FollowedSoFar(since=max(since, reset or 0))
        for index, (begins, ordinal) in enumerate(reigns):
            until = reigns[index + 1].since if index + 1 < len(reigns) else self.look.now + 1
            if ordinal != NOBODY and until > counted.since:
                reign = Span(begins, until)
                self._of_reign(counted, scope, quota, ordinal, reign, reigns, live=index + 1 == len(reigns))
            elif ordinal == NOBODY and scope and until > counted.since:
                self._of_gap(counted, scope, max(begins, counted.since), until, last=index + 1 == len(reigns))
        if reigns[0].since > counted.since and reigns[0].since > self.look.created_at and reigns[0].since > 0:
            raise self._not_followed("had more kinds of period than the stored history holds")
        held = (quota.ordinal, window.start) in self.look.cell.used
        in_reign = [until for ordinal, _, until in spans(reigns, self.look.now) if ordinal == quota.ordinal]
        excludes = held and reset is not None and all(until <= reset for until in in_reign)
        # If two quotas counted at the same time, the sum of one of them holds the usage of both.
        beside = quota.ordinal not in {reign.ordinal for reign in reigns}
        return counted.window(window, absolute=beside, excludes=excludes)

    def _of_gap(self, counted: FollowedSoFar, scope: Scope, since: Instant, until: Instant, *, last: bool) -> None:
        """Add the usage over a scope from a time in which no limit counted it."""
        if not last:
            counted.past = EXACT.add(counted.past, self._used(scope, since, until, at_most=True))
        elif (live := self._live_of_all()) != NOBODY:
            self._unfolded(counted, scope, since, live)

    def _of_reign(
        self,
        counted: FollowedSoFar,
        scope: Scope,
        quota: Quota,
        ordinal: int,
        reign: Span,
        reigns: Sequence[Reign],
        *,
        live: bool,
    ) -> None:
        """Add the usage that the windows of one reign counted since then."""
        schedule, cell, now = self.look.schedules[ordinal], self.look.cell, self.look.now
        known = {start: window_at(schedule, start) for o, start in cell.used if o == ordinal}
        if live and not schedule.from_first_use:
            running = window_at(schedule, now)
            known[running.start] = running
        totals = {total.start: total for total in self._removed(ordinal, schedule, counted.since, reign)}
        for start in sorted(known.keys() | totals.keys()):
            total = totals.get(start)
            window = known[start] if total is None else Window(start, total.end)
            outside = min(window.end, reign.end) <= counted.since or start > reign.end
            # Late events may count in windows from before the reign. An earlier reign adds its own usage itself.
            outside = outside or (window.end < reign.start and start < counted.since)
            if outside or (ordinal == quota.ordinal and self._is_own(quota, start)):
                continue
            self._count(counted, (ordinal, start), window, total)
            if start < counted.since and (ordinal, start) not in counted.straddling:
                counted.straddling.add((ordinal, start))
                earlier = self._earlier(scope, ordinal, start, reigns, counted.since)
                counted.past = EXACT.subtract(counted.past, earlier)

    def _earlier(self, scope: Scope, ordinal: int, start: Instant, reigns: Sequence[Reign], since: Instant) -> Decimal:
        """Return the part of a window's usage from before an instant, since the last reset. Never more than that part.

        The rollup gives whole quarter hours in which the window's quota counted and no change of plan is near. The
        journal gives the rest; where it is too long, the rest counts 0.
        """
        reigned = min(reign.since for reign in reigns if reign.ordinal == ordinal)
        counts = max(start, self._reset_since(start) or 0)
        begins = max(counts, reigned - CLOCKS_APART)
        late = bool(self.look.cell.brought.get((ordinal, start), ZERO))
        if counts >= since or (begins >= since and not late) or self._unused_before(since):
            return ZERO
        self._must_be_folded(since)
        rolled_up: list[Span] = []
        for ruler, begin, end in spans(reigns, self.look.now):
            first = begins if begin <= begins else begin + CLOCKS_APART
            last = since if end >= since else end - CLOCKS_APART
            whole = Span(first + -first % QUARTER, last - last % QUARTER)
            if ruler == ordinal and whole.start < whole.end and not self.look.shared:
                rolled_up.append(whole)
        # Late events may have any time. But the window's usage was journaled only since its quota began to count.
        used = self._journaled(scope, counts, since, journaled=begins, counter=(ordinal, start), but=rolled_up)
        if used is None and self.look.shared:
            raise self._not_followed("shares its meter with another feature, and its journal is too long")
        used = used or ZERO
        for whole in rolled_up:
            used = EXACT.add(used, self._rolled_up(scope, *whole))
        return EXACT.subtract(used, self._late_elsewhere(scope, (ordinal, start), rolled_up))

    def _is_own(self, quota: Quota, start: Instant) -> bool:
        return any(window.start == start for window, _, _ in self._windows(quota))

    def _count(self, counted: FollowedSoFar, counter: CounterName, window: Window, total: Total | None) -> None:
        """Take a window's usage from the cell if it surely stays there, else what the cell or the total shows now."""
        cell, over = self.look.cell, window.end <= self.look.now - DEAD_AFTER_MIN
        # If the cell's floor has passed a window, its usage by event is in its total alone, however recently it ended.
        over = over or (counter not in cell.used and cell.floor is not None and window.end <= cell.floor)
        retired = counter[0] in self.look.before.retired
        shown = cell.own(counter)
        if not over or (retired and counter in cell.used):
            if counter not in counted.sources:
                counted.past = EXACT.add(counted.past, self._not_brought_in(counter, total))
            counted.sources.setdefault(counter, Source(*counter, shown))
        elif counter not in counted.removed:
            counted.removed.add(counter)
            aggregated = ZERO if total is None else EXACT.subtract(total.value, total.excluded)
            counted.past = EXACT.add(counted.past, max(shown, aggregated))

    def _not_brought_in(self, counter: CounterName, total: Total | None) -> Decimal:
        """Return usage by event that is in the total, but came too late to ever reach the cell."""
        if total is None or total.governed.carries or total.over > self.look.now - DEAD_AFTER:
            return ZERO
        return EXACT.subtract(total.by_event, self.look.cell.brought.get(counter, ZERO))

    def _removed(self, ordinal: int, schedule: Schedule, since: Instant, reign: Span) -> tuple[Total, ...]:
        """Return the totals of windows that may have left the cell: they end by its floor, or ended a while ago."""
        cell, now, until = self.look.cell, self.look.now, reign.end
        gone = min(until, max(cell.floor or 0, now - DEAD_AFTER))
        if gone <= since or until <= self.look.created_at or not self._counts_before(gone):
            return ()
        first = max(0, earliest_reaching(schedule, since) - schedule.reach)
        if cell.floor is not None and cell.floor > max(since, reign.start):
            self._must_be_folded(min(gone, cell.floor))
        found = self.past.totals(self.look.name, ordinal, first, gone)
        if found is None or len(found) > WINDOWS_MAX:
            raise self._not_followed("has too many periods since then")
        return tuple(total for total in found if total.end > since)

    def _counts_before(self, instant: Instant) -> bool:
        """Return whether the customer can have usage before the instant. Events may be older than the customer."""
        return instant > self.look.created_at - 35 * DAY

    def _used(self, scope: Scope, since: Instant, before: Instant, *, at_most: bool, lagging: bool = False) -> Decimal:
        """Return the usage over the scope in a past time span: whole quarter hours by rollup, their parts by journal.

        at_most: if the journal is too long, count parts as whole, so that no window begins too low; otherwise skip them
        lagging: do not wait for the aggregation
        """
        if before <= since or self._unused_before(before):
            return ZERO
        if not lagging:
            self._must_be_folded(before)
        if self.look.shared:
            # The rollup belongs to the meter, so it holds the usage of all features that feed it.
            used = self._journaled(scope, since, before)
            if used is None:
                raise self._not_followed("shares its meter with another feature, and its journal is too long")
            return used
        first, last = since + -since % QUARTER, before - before % QUARTER
        if first > last:
            parts = [(since, before, last, first)]
            whole = ZERO
        else:
            parts = [(since, first, first - QUARTER, first), (last, before, last, last + QUARTER)]
            whole = self._rolled_up(scope, first, last)
        for begin, end, quarter, after in parts:
            if begin < end:
                part = self._journaled(scope, begin, end)
                if part is None:
                    part = self._rolled_up(scope, quarter, after) if at_most else ZERO
                whole = EXACT.add(whole, part)
        return whole

    def _journaled(
        self,
        scope: Scope,
        since: Instant,
        before: Instant,
        *,
        journaled: Instant | None = None,
        counter: CounterName | None = None,
        but: Sequence[Span] = (),
    ) -> Decimal | None:
        """Return the usage in a time span by the journal; None: the journal since then is too long.

        journaled: read only records since this instant; None: since the span's start
        counter: only usage that this counter counted and no reset excluded
        but: parts of the span to leave out
        """
        first = since if journaled is None else journaled
        if self._records_since is None or self._records_since[0] > first:
            self._records_since = (first, self.past.records(self.look.customer, first - EARLY))
        records = self._records_since[1]
        if records is None:
            return None
        used = ZERO
        for entry in (entry for record in records for entry in record.entries):
            if not entry.usage or not since <= entry.time < before:
                continue
            if any(part.start <= entry.time < part.end for part in but):
                continue
            if counter is None or self._counted_in(entry, counter):
                used = EXACT.add(used, self._of_entry(entry, scope))
        return used

    def _late_elsewhere(self, scope: Scope, counter: CounterName, parts: Sequence[Span]) -> Decimal:
        """Return the usage by late events in these parts that another quota counted, by the journal as read."""
        records = () if self._records_since is None else self._records_since[1] or ()
        used = ZERO
        for entry in (entry for record in records for entry in record.entries):
            if isinstance(entry, EventEntry) and any(part.start <= entry.time < part.end for part in parts):
                used = EXACT.add(used, ZERO if self._counted_in(entry, counter) else self._of_entry(entry, scope))
        return used

    def _counted_in(self, entry: Entry, counter: CounterName) -> bool:
        if isinstance(entry, UseEntry) and self.look.cell.excludes(counter, entry.revision, entry.time):
            return False
        return any(window.counter == counter for window in entry.windows_counted)

    def _of_entry(self, entry: Entry, scope: Scope) -> Decimal:
        entitlement = self.look.entitlement
        if isinstance(entry, CellKind):
            found = [each for each in entry.usage if entry.feature == entitlement.feature]
        else:
            found = [each for each in entry.usage if each.meter == entitlement.meter]
        return stated(together(each.contribution for each in found if governs(scope, each.dimensions)))

    def _rolled_up(self, scope: Scope, since: Instant, before: Instant) -> Decimal:
        """Return the usage in whole quarter hours by the rollup."""
        if before <= since:
            return ZERO
        found = self.past.usage(self.look.customer, self.look.entitlement.meter, since, before)
        if found is None:
            raise self._not_followed("has too much usage to add up since then")
        used = NOTHING
        for item in found:
            if governs(scope, item.dimensions):
                midnight = parse_instant(f"{item.day}T00:00:00Z")
                for quarter, each in item.quarters.items():
                    if since <= midnight + quarter * QUARTER < before:
                        used = combined(used, each)
        return stated(used)

    def _unused_before(self, until: Instant) -> bool:
        """Return whether the cell shows that nothing was counted before the instant, and that it removed no window."""
        cell = self.look.cell
        if self.look.entitlement.merge is not Merge.ADD and cell.revision > 0:
            # A request moves no counter, so the counters do not show it before aggregation.
            return False
        return cell.floor is None and not any(start < until and cell.own((o, start)) for o, start in cell.used)

    def _must_be_folded(self, until: Instant) -> None:
        """Wait until all that the cell counted before an instant is aggregated. Raises `usage_not_folded`."""
        known = self._folded_until is not None and until <= self._folded_until
        if known or until <= self.look.created_at or self._unused_before(until):
            return
        for waited in range(WAITS_MAX + 1):
            folded = self.past.folded(self.look.name, now=self.look.now)
            late = folded.time is None or folded.time < until + CLOCKS_APART
            if folded.revision >= self.look.cell.revision or not late:
                self._folded_until = until
                return
            if self.wait is None or waited == WAITS_MAX:
                break
            self.wait(WAIT_S)
        raise StoreUnavailable(
            f"usage of {self.look.entitlement.feature} before the change is not aggregated yet; retry in a second",
            code="usage_not_folded",
        )

    def _reset_since(self, since: Instant) -> Instant | None:
        """Return when the last manual reset since an instant was effective; None: there was none."""
        if since not in self._resets:
            found = self.past.resets(self.look.name, since - 1, self.look.now)
            self._resets[since] = max((at for at in found if at >= since), default=None)
        return self._resets[since]

    def _not_followed(self, why: str) -> Conflict:
        feature = self.look.entitlement.feature
        return Conflict(
            f"{feature} {why}: its usage cannot follow; change the plan with usage: reset, or for the next period",
            code="usage_not_followed",
        )
