"""Governing: under which limits one entry of a journal counts, which is a matter of its own time and windows.

    the present plan ────────────┤at├──── the plan that follows       in force at the time of the entry
    base 100 ─── prorated: 150 ──┤end of the window├──── 200          last in force in the window that it counts in

A record holds one answer for each limit, so entries that are told differently of one go into different records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tallygate.domain.instants import Instant
from tallygate.domain.journal import CountedWindow, Entry, Governed, NoteEntry, ParkedEntry
from tallygate.domain.limits import Effective
from tallygate.domain.periods import Window


def time_of(entry: Entry) -> Instant:
    """When what the entry tells of happened; of what counts nothing, any time."""
    return 0 if isinstance(entry, NoteEntry | ParkedEntry) else entry.time


def in_windows(
    governed: Mapping[int, Governed], effective: Effective | None, windows: Iterable[CountedWindow]
) -> Mapping[int, Governed]:
    """The limits with the bases that they have in these windows, one of each: mostly what they are anyway."""
    starts = {window.ordinal: Window(window.start, window.end) for window in windows}
    if effective is None or not starts:
        return governed
    found = dict(governed)
    for entitlement in effective.entitlements.values():
        for quota in (quota for limit in entitlement.limits for quota in limit.quotas if quota.bases):
            if quota.ordinal in starts and not quota.schedule.reach:
                limit = quota.limit_in(starts[quota.ordinal])
                found[quota.ordinal] = replace(governed[quota.ordinal], limit=limit)
    return found


def agree(one: Mapping[int, Governed], other: Mapping[int, Governed]) -> bool:
    """Whether one record can hold both: they say the same of every limit that both name."""
    return all(other[ordinal] == governed for ordinal, governed in one.items() if ordinal in other)
