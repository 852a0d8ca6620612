"""reset: closes the windows that are over, each by one transaction. It defines no boundary; twice changes nothing.

    due totals ──> look at each again ──> fact ──one transaction──> TOTAL closed + OUTBOX + FEED
                                                     │ refused: look again, at most TRIES_MAX times
    crash before: nothing has happened;  crash after: the next run finds it closed

The total must still be as it is stated, so a fold that comes in between makes the closing look again; one that comes
after restates. Two runs at once state one closing, because the fact's id is derived from the total and the first to
commit wins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.adjustments import adjustment_form
from tallygate.domain.facts.closing import (
    FIRST_REVISION,
    billed_to,
    closed_as,
    closing_id,
    end_of,
    is_closed,
    may_close,
    period_of,
    statement,
    trace_of,
)
from tallygate.domain.facts.facts import Fact
from tallygate.domain.facts.revisions import carried_out_of, layers_into, may_carry_out
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import governed_in, last_in_force
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.events import LATENESS_MAX
from tallygate.errors import StoreUnavailable, TallygateError
from tallygate.operations.facts.ports import ClosingStore, TotalName
from tallygate.operations.limits.at_end import Versions

DUE_SHARDS = 16
CLOSED_PER_SHARD_MAX = 100
CLOSED_MAX = DUE_SHARDS * CLOSED_PER_SHARD_MAX
"""So that one run ends in its time; what is left is the oldest of the next, a minute later."""
TRIES_MAX = 3
ADJUSTMENTS_STATED_MAX = 50
"""The newest of a window: a fact is at most some ten KB. All of them are listed by the control plane."""
FOLLOWED_POSTPONED = DAY
"""How often a window is looked at in which only followed usage is, for as long as usage may come late."""
POISON_POSTPONED = HOUR
"""A total that cannot be closed for a defect of ours makes room for others, and is tried again every hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A total that could not be closed, and why. Transient ones are tried again by the next run."""

    total: TotalName
    error: TallygateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run did."""

    closed: tuple[Fact, ...] = ()
    failures: tuple[Failure, ...] = ()
    contended: int = 0
    finished: bool = True

    @property
    def defect(self) -> TallygateError | None:
        """The first failure that trying again does not mend."""
        return next((failure.error for failure in self.failures if not failure.error.retryable), None)


def reset(
    store: ClosingStore, *, now: Instant, grace: Instant, time_left: Callable[[], bool], most: int = CLOSED_MAX
) -> Run:
    """Close windows that ended by now − grace, oldest first in each of 16 shards.

    most: how many entries of the index one run looks at, so that a backlog leaves others their time; 1 or more.
    Also bounded by CLOSED_PER_SHARD_MAX and by `time_left`; another shard is the first in each minute, so that none
    starves. One total that fails never keeps the others open.
    """
    closed: list[Fact] = []
    failures: list[Failure] = []
    contended = seen = 0
    for turn in range(DUE_SHARDS):
        shard = (now // MINUTE + turn) % DUE_SHARDS
        for name in store.due(shard, now - grace, CLOSED_PER_SHARD_MAX):
            seen += 1
            if seen > most or not time_left():
                return Run(closed=tuple(closed), failures=tuple(failures), contended=contended, finished=False)
            try:
                outcome = _close(store, name, now=now, grace=grace)
            except TallygateError as error:
                failures.append(Failure(total=name, error=error))
                if not error.retryable:
                    with suppress(StoreUnavailable):
                        store.look_again(name, at=now + POISON_POSTPONED)
                continue
            if isinstance(outcome, Fact):
                closed.append(outcome)
            elif not outcome:
                contended += 1
    return Run(closed=tuple(closed), failures=tuple(failures), contended=contended)


def _close(store: ClosingStore, name: TotalName, *, now: Instant, grace: Instant) -> Fact | bool:
    """The fact that closed the total; True: there was nothing to close; False: others won every try."""
    for _ in range(TRIES_MAX):
        total = store.total(name)
        if total is None:
            return True
        if not may_close(total, now=now, grace=grace):
            # Closed already, or never to be closed: the index need not name it. One whose end has moved since it was
            # first counted falls due at that end, and until then takes no place from those that are over.
            store.look_again(name, at=total.end if total.end + grace > now else None)
            return True
        if total.followed_only:
            # Nothing was used under it: there is nothing to state, unless late usage comes.
            late = now < total.end + LATENESS_MAX
            store.look_again(name, at=now + FOLLOWED_POSTPONED if late else None)
            return True
        effective = store.effective(total.customer)
        total = _at_end(store, total, effective)
        if not is_closed(total.governed, total.start, total.end):
            store.look_again(name, at=None)
            return True
        total = replace(total, unit=store.unit(total.feature))
        total = _adjusted(store, _leaving(store, total, effective))
        fact = _fact(store, total, effective, now=now)
        if store.close(name, total, fact):
            return fact
    return False


def _at_end(store: ClosingStore, total: Total, effective: Effective | None) -> Total:
    """The total under the limit that was in force at its window's end, whatever it was counted under. One request where
    limits have changed since, or the quota left before.

    Under what it was counted under where its quota never was in force in the window: events may come from before.
    """
    if effective is None:
        return total
    end = end_of(total, effective)
    versions = Versions(store, effective, before=min(end, effective.since))
    limits = last_in_force(versions, total.ordinal, total.start, end)
    if limits is None:
        return total
    # What the next plan would allow is not stated, and not looked up.
    return replace(total, governed=governed_in(limits, CountedWindow(total.ordinal, total.start, end), {}))


def _leaving(store: ClosingStore, total: Total, effective: Effective | None) -> Total:
    """The total with what its window carries out. One request where the total does not know the layers carried in."""
    if not may_carry_out(total, effective):
        return total
    layers = layers_into(total)
    if layers is None:
        layers = store.cell(total.cell).layers.get((total.ordinal, total.start))
    return replace(total, layers=layers, carried_out=carried_out_of(total, effective, layers))


def _adjusted(store: ClosingStore, total: Total) -> Total:
    """The total with the adjustments made in its window. One request where its limit is one that is adjusted."""
    if total.governed.name != total.feature:
        return total
    found = store.adjustments(total.customer, total.feature, total.end, ADJUSTMENTS_STATED_MAX)
    return replace(
        total, adjustments=tuple(adjustment_form(each) for each in found if each.of(total.ordinal, total.start))
    )


def _fact(store: ClosingStore, total: Total, effective: Effective | None, *, now: Instant) -> Fact:
    named = closing_id(total)
    return Fact(
        id=named,
        type=closed_as(total.governed),
        customer=total.customer,
        feature=total.feature,
        time=now,
        sequence=store.sequence(total.customer, total.feature) + 1,
        data=statement(
            total,
            period=period_of(total, effective),
            stripe_customer_id=billed_to(total, effective),
            revision=FIRST_REVISION,
        ),
        traceparent=trace_of(named),
    )
