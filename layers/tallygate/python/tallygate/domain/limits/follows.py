"""Followed usage, as the limits in force state it: which usage counts in a window of another kind. Pure data.

    calendar month   |────── used 60 ──┐                     ┌── 60 + 300 ──────|
    own month                          └─ used 300 ──────────┘
                                  plan change           plan change

A quota that comes into force inside one of its windows begins there with all that was used since the window's start.
`Follows` says from which counters of the cell that is taken, and what the totals and rollups add to them. The cell
applies it in one write (`domain.admission.following`).

`Reign` tells which quota counted a feature's usage over a scope, and from when. One quota stands for all that count the
same: each unit is in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO

REIGNS_MAX = 100
"""So many changes of the kind of period are remembered for a feature and scope."""
NOBODY = 0
"""The ordinal of no quota."""


class Reign(NamedTuple):
    """From `since` on, this quota counted the usage; NOBODY: none did."""

    since: Instant
    ordinal: int


Reigns = Mapping[str, tuple[Reign, ...]]
"""By feature and scope; only where the quota was ever another one."""


class Source(NamedTuple):
    """A counter whose own usage follows. `seen`: its value at the change, used once the cell has removed it."""

    ordinal: int
    start: Instant
    seen: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedWindow:
    """One window that begins with followed usage: that of `since` and later.

    `past` is what the sources do not show of it, less what they show from before. `absolute`: both hold all of the
    window's usage, its own included. `excludes`: a manual reset came after the window had counted, and takes out what
    it shows.
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
    """What follows into a quota's windows, by the followings of a customer the `number`-th.

    `live` is the quota that counted until the change: others may still count in its newest window until the cell has
    learned of the change, so its counter is taken as it is in that very write, and so are those of windows that it has
    opened since `at`, when all this was looked at. `ordinals` are all that counted since.
    """

    number: int
    live: int = NOBODY
    at: Instant = 0
    ordinals: tuple[int, ...] = ()
    windows: tuple[FollowedWindow, ...] = ()
