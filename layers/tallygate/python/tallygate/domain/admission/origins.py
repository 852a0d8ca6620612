"""Origins: where a window's followed usage came from, so that late corrections follow too.

    w.2.<start>    360                  usage counted under other quotas since the window's start
    ws.2.<start>   <since>:<end>:1,3:3.<start>   earliest time of that usage, end of the window, the quotas that counted
                                        it, and the counter that was read inside the write
    wn.2.<start>   41                   the cell's revision before that write; decisions up to it have followed
    wb.2.<start>   12                   usage by event in that counter that has followed

A later settlement of a decision moves the windows in which the decision counted, and those into which it followed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.counters import CounterName


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of one window's followed usage.

    since: usage at or after this instant followed
    end: of the window
    ordinals: quotas that counted the usage
    live: counter that was read inside the write; None: no quota was counting then, or usage by event stopped following
    revision: of the cell before that write; decisions up to it have followed
    brought: usage by event in `live` that has followed
    """

    since: Instant
    end: Instant
    ordinals: tuple[int, ...]
    live: CounterName | None = None
    revision: int = 0
    brought: Decimal = ZERO

    def holds(self, *, revision: int, time: Instant, counted_by: Collection[int]) -> bool:
        """Whether a decision of this revision and time, counted by these quotas, has followed into the window."""
        return revision <= self.revision and time >= self.since and not set(self.ordinals).isdisjoint(counted_by)


def origin_text(origin: Origin) -> str:
    """The stored form, without the revision and the usage by event, which have attributes of their own."""
    live = "" if origin.live is None else f"{origin.live[0]}.{origin.live[1]}"
    return f"{origin.since}:{origin.end}:{','.join(map(str, origin.ordinals))}:{live}"


def origin_of(text: str, *, revision: int, brought: Decimal) -> Origin:
    """Parse the stored form that `origin_text` writes."""
    since, end, ordinals, live = text.split(":")
    ordinal, _, start = live.partition(".")
    return Origin(
        since=int(since),
        end=int(end),
        ordinals=tuple(int(each) for each in ordinals.split(",") if each),
        live=(int(ordinal), int(start)) if live else None,
        revision=revision,
        brought=brought,
    )


def followers(
    origins: Mapping[CounterName, Origin],
    counted: Collection[CounterName],
    *,
    revision: int,
    time: Instant,
) -> tuple[CounterName, ...]:
    """The windows into which a decision has followed.

    counted: counters in which the decision counted itself; windows of the same quotas are left out
    revision, time: of the decision
    """
    ordinals = {ordinal for ordinal, _ in counted}
    return tuple(
        counter
        for counter, origin in sorted(origins.items())
        if counter[0] not in ordinals and origin.holds(revision=revision, time=time, counted_by=ordinals)
    )
