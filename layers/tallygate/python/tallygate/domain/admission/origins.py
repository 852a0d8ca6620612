"""Origins: where what followed into a window of a cell came from, so that late corrections follow too.

    w.2.<start>    360                  used under other quotas since the window's start
    ws.2.<start>   <since>:<end>:1,3:3.<start>   since when, the window's end, which quotas counted it, and the counter
                                        that was taken as it was in the write
    wn.2.<start>   41                   revision before that write: a decision up to it has followed
    wb.2.<start>   12                   usage by event in that counter that has followed

A decision that is settled later moves the windows that it counted in, and those that it followed into.
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
    """Usage since `since` that `ordinals` counted up to the cell's `revision`, in a window until `end`.

    `live` is the counter that was taken as it was in that write, of which `brought` came by events; None: nothing was
    counting then.
    """

    since: Instant
    end: Instant
    ordinals: tuple[int, ...]
    live: CounterName | None = None
    revision: int = 0
    brought: Decimal = ZERO

    def holds(self, *, revision: int, time: Instant, counted_by: Collection[int]) -> bool:
        """Whether a decision of this revision and time, counted by these quotas, has followed."""
        return revision <= self.revision and time >= self.since and not set(self.ordinals).isdisjoint(counted_by)


def origin_text(origin: Origin) -> str:
    """What a cell keeps of it beside its revision and what was brought."""
    live = "" if origin.live is None else f"{origin.live[0]}.{origin.live[1]}"
    return f"{origin.since}:{origin.end}:{','.join(map(str, origin.ordinals))}:{live}"


def origin_of(text: str, *, revision: int, brought: Decimal) -> Origin:
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
    """The windows into which a decision has followed that counted in other ones."""
    ordinals = {ordinal for ordinal, _ in counted}
    return tuple(
        counter
        for counter, origin in sorted(origins.items())
        if counter[0] not in ordinals and origin.holds(revision=revision, time=time, counted_by=ordinals)
    )
