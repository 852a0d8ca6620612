"""Journal entries: what a write to a cell says of itself, so that the stream record of the write proves itself.

    k   kind: use (a granted consume), settle (its correction), bump (newer limits), event (usage by event brought in)
    i   id: minute and digest of the request       a   amount, a plain decimal string       t   instant
    c, f, m   customer, feature, its meter         d   dimensions                           tp  traceparent
    w   the quota windows it counted in, as [ordinal, start, end]
    of a settle: i, c, f, m, d are the decision's, a is the difference, `to` what it counts now, `of` when it was made,
    w the windows corrected in the cell, g those that the cell has removed

Short names: an entry lives in the cell, and the cell should stay below the 1 KB that one write unit pays for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallygate.domain.cells import RequestMark, Terms
from tallygate.domain.instants import Instant
from tallygate.domain.journal import CountedWindow, UseEntry
from tallygate.domain.limits import Entitlement
from tallygate.domain.quantities import plain

Entry = dict[str, Any]


def use_entry(
    terms: Terms,
    *,
    customer: str,
    entitlement: Entitlement,
    dimensions: Mapping[str, str],
    now: Instant,
    traceparent: str | None,
) -> Entry:
    """The entry of a granted consume: it is the durable usage event, so it says all that the fold needs."""
    entry: Entry = {
        "k": "use",
        "i": entry_id(terms.mark),
        "a": plain(terms.amount),
        "t": now,
        "c": customer,
        "f": entitlement.feature,
        "m": entitlement.meter,
        "w": [[term.quota.ordinal, term.window.start, term.window.end] for term in terms.quotas],
    }
    if dimensions:
        entry["d"] = dict(dimensions)
    if traceparent:
        entry["tp"] = traceparent
    return entry


def settle_entry(
    use: UseEntry, *, customer: str, to: Decimal, held: Sequence[CountedWindow], now: Instant, traceparent: str | None
) -> Entry:
    """The entry of a settled consume; `held` are those of its windows that are corrected in the cell itself."""
    entry: Entry = {
        "k": "settle",
        "i": use.id,
        "a": plain(to - use.amount),
        "to": plain(to),
        "t": now,
        "of": use.time,
        "c": customer,
        "f": use.feature,
        "m": use.meter,
        "w": [list(window) for window in held],
    }
    gone = [list(window) for window in use.windows if window not in held]
    if gone:
        entry["g"] = gone
    if use.dimensions:
        entry["d"] = dict(use.dimensions)
    if traceparent:
        entry["tp"] = traceparent
    return entry


def bump_entry(version: int, now: Instant) -> Entry:
    """The entry of a write that only raised the version of the limits."""
    return {"k": "bump", "v": version, "t": now}


def event_entry(ordinal: int, start: Instant, by: Decimal, brought: Decimal, now: Instant) -> Entry:
    """The entry of a write that brought a total's usage by event into a quota window; `brought` is all of it so far."""
    return {"k": "event", "o": ordinal, "s": start, "a": plain(by), "e": plain(brought), "t": now}


def tidy_entry(floor: Instant, now: Instant) -> Entry:
    """The entry of a write that only removed windows that ended by the floor."""
    return {"k": "tidy", "fl": floor, "t": now}


def entry_id(mark: RequestMark) -> str:
    """The id of a decision within its cell."""
    return f"{mark.minute}.{mark.digest.hex()}"
