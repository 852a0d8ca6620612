"""Followed usage, as the limits in force state it: usage counted in one kind of window also counts in another. Pure.

    calendar month   |────── used 60 ──┐                     ┌── 60 + 300 ──────|
    own month                          └─ used 300 ──────────┘
                                  plan change           plan change

A quota that comes into force inside one of its windows begins there with all usage since the window's start. That usage
was counted under other quotas and is said to follow. It is enforced here and billed where it was counted first.

`Follows` states which counters of the cell the usage is taken from, and what totals and rollups add to them. The cell
applies it in one write (`domain.admission.following`).

`Reign` records which quota counted a feature's usage over a scope, and from when. One quota represents all quotas that
count the same usage, because each of them holds every unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO

REIGNS_MAX = 100
"""Changes of the kind of period that are remembered for a feature and scope."""
NOBODY = 0
"""The ordinal of no quota."""


class Reign(NamedTuple):
    """From `since` on, the quota with this ordinal counted the usage; NOBODY: no quota did."""

    since: Instant
    ordinal: int


Reigns = Mapping[str, tuple[Reign, ...]]
"""Reigns by feature and scope (`reigns.line_of`), oldest first; only where the counting quota ever changed."""


class Source(NamedTuple):
    """A counter whose own usage follows into another window.

    seen: its own usage at the change; it applies once the cell has removed the counter
    """

    ordinal: int
    start: Instant
    seen: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedWindow:
    """One window that begins with the usage of other quotas since an instant.

    since: usage at or after this instant follows
    sources: counters of the cell that show this usage
    past: usage by totals and rollups that the sources do not show, less what the sources show from before `since`
    absolute: `sources` and `past` together hold all of the window's usage, its own included
    excludes: a manual reset came after the window had counted; it excludes the usage that the window shows
    """

    start: Instant
    end: Instant
    since: Instant
    sources: tuple[Source, ...] = ()
    past: Decimal = ZERO
    absolute: bool = False
    excludes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """What follows into the windows of one quota.

    number: position among all followings of the customer, counting from 1
    live: ordinal of the quota that counted until the change; NOBODY: none
    at: when the sources were read
    ordinals: all quotas that counted since the windows' starts
    windows: the windows with what follows into each; empty: not determined yet

    Containers with older limits may still count in the newest window of `live` until the cell's write applies the
    change. So that write takes the counter by its current value, and also counters that `live` opened since `at`.
    """

    number: int
    live: int = NOBODY
    at: Instant = 0
    ordinals: tuple[int, ...] = ()
    windows: tuple[FollowedWindow, ...] = ()
